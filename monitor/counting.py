"""Counts in the English sentences of commands, logs and notices: "1 message is due", "2 messages are due"."""

from __future__ import annotations


def format_count(number: int, one: str, many: str = "") -> str:
    """The number, with commas, and its noun: ``one`` after 1, ``many`` (default: ``one`` with an s) after
    others.
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"
