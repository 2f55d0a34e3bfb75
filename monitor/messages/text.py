"""Untrusted text as it may be shown."""

from __future__ import annotations

import unicodedata

LONGEST = 200
"""The most characters of untrusted text that are shown."""


def clean(text: str, limit: int = LONGEST) -> str:
    """Clean untrusted text: one line, no control, bidi, private-use or invisible characters, at most ``limit`` long."""
    composed = unicodedata.normalize("NFC", text)
    # looked at once per distinct character, for a hostile text may be megabytes long
    replaced = {
        ord(c): " " if c.isspace() else None
        for c in set(composed)
        if c.isspace() or unicodedata.category(c)[0] == "C"
    }
    line = " ".join(composed.translate(replaced).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
