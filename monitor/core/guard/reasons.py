"""The guard's reasons as text for people."""

from __future__ import annotations

from datetime import timedelta

from monitor.domain import Listing


def name_listing(listing: Listing) -> str:
    place = listing.state or listing.state_text
    return f"{listing.name} ({place})" if place else listing.name


def format_span(time: timedelta) -> str:
    """A length of time in words: "a day", "5 days", "24 hours", "30 minutes"."""
    for unit, one in (
        ("day", timedelta(days=1)),
        ("hour", timedelta(hours=1)),
        ("minute", timedelta(minutes=1)),
        ("second", timedelta(seconds=1)),
    ):
        count, rest = divmod(time, one)
        if count and not rest:
            return f"{count} {unit}s" if count > 1 else f"{'an' if unit == 'hour' else 'a'} {unit}"
    return f"{time.total_seconds():g} seconds"
