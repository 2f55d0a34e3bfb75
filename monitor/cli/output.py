"""Formats listings, changes and times for programs and people, the same in every command."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import click

from monitor.domain import Change, Kind, Listing
from monitor.errors import UsageError
from monitor.formatting import format_minute

LISTING_KEYS = ("name", "city", "county", "state", "since", "url", "attributes", "folder", "key")
SIGNS = {Kind.ADDED: "+", Kind.REMOVED: "-", Kind.CHANGED: "~"}


def listing_json(listing: Listing) -> dict[str, Any]:
    """Format a listing with the keys `LISTING_KEYS`; missing values are null, ``attributes`` is an object."""
    return {
        "name": listing.name,
        "city": listing.city,
        "county": listing.county,
        "state": listing.state,
        "since": listing.since.isoformat() if listing.since else None,
        "url": listing.url,
        "attributes": dict(listing.attributes),
        "folder": listing.folder,
        "key": listing.key,
    }


def brief_json(listing: Listing | None) -> dict[str, Any] | None:
    """Format a listing by name and state."""
    return None if listing is None else {"name": listing.name, "state": listing.state}


def parse_time(text: str, timezone: str) -> datetime:
    """Parse ISO 8601 with a zone, or a date, which is its beginning in ``timezone``, to a time in UTC.

    Raises UsageError.
    """
    try:
        if len(text) == len("2026-11-24"):
            return datetime.combine(date.fromisoformat(text), time(), ZoneInfo(timezone)).astimezone(UTC)
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a time; write 2026-11-24 or 2026-11-24T13:07:00Z") from None
    if at.tzinfo is None:
        raise UsageError(f"{text!r} has no zone; write {text}Z for UTC, or {text}-06:00")
    return at.astimezone(UTC)


def format_iso(at: datetime | None) -> str | None:
    """Format a time for programs."""
    return at.isoformat(timespec="seconds") if at else None


def format_time(at: datetime | None, timezone: str = "UTC") -> str:
    """Format a time for people, to the minute; "-" for none."""
    return format_minute(at, timezone) if at else "-"


def format_listing(listing: Listing) -> str:
    """Format a listing for people: "Hammond Police Department (IN)"."""
    place = listing.state or listing.state_text
    return f"{listing.name} ({place})" if place else listing.name


def format_change(change: Change) -> str:
    """Format a change for people on one line: before and after."""
    if change.kind is not Kind.CHANGED:
        return format_listing(change.subject)
    assert change.before is not None
    assert change.after is not None
    if change.renamed or "state" in change.fields:
        words = f"{format_listing(change.before)} -> {format_listing(change.after)}"
        others = [field for field in change.fields if field not in {"name", "state"}]
    else:
        words, others = format_listing(change.after), list(change.fields)
    return f"{words}: {', '.join(others)}" if others else words


def write_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV table to stdout. Cells that a spreadsheet would read as formulas get an apostrophe in
    front.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([[_as_text(cell) for cell in row] for row in (header, *rows)])
    click.echo(text.getvalue(), nl=False)


def _as_text(cell: object) -> str:
    # https://owasp.org/www-community/attacks/CSV_Injection
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
