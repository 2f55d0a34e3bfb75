"""Counts and times for people, in the English sentences of commands, logs and notices: "2 messages are due",
"2026-03-02 12:00 UTC". What is said in the reader's language is formatted by `messages.locale`.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo


def format_count(number: int, one: str, many: str = "") -> str:
    """The number, with commas, and its noun: ``one`` after 1, ``many`` (default: ``one`` with an s) after
    others.
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def format_minute(at: datetime, timezone: str = "UTC") -> str:
    """A time for people, to the minute, in an IANA zone, with the zone's abbreviation. ``at`` has a zone."""
    return f"{at.astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M %Z}"
