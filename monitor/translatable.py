"""Marks sentences for the translation catalog; every room may import it, also those that translate
nothing.
"""

from __future__ import annotations


def N_(message: str) -> str:
    """Mark a sentence for the translation catalog where it is written; `messages.locale` translates
    it later.
    """
    return message
