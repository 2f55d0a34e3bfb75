"""Marks sentences for the catalogue of translations, in every room, also in those that translate nothing."""

from __future__ import annotations


def N_(message: str) -> str:
    """Marks a sentence for the catalogue where it is written; `messages.locale` translates it later."""
    return message
