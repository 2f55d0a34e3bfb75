"""Times for people, in the English sentences of commands, logs and notices: "2026-03-02 12:00 UTC"."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo


def format_minute(at: datetime, timezone: str = "UTC") -> str:
    """A time for people, to the minute, in an IANA zone, with the zone's abbreviation. ``at`` has a zone."""
    return f"{at.astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M %Z}"
