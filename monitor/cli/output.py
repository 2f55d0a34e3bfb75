"""How listings, changes and moments are written for programs and for people, the same in every command."""

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

LISTING_KEYS = ("name", "city", "county", "state", "since", "url", "attributes", "folder", "key")
SIGNS = {Kind.ADDED: "+", Kind.REMOVED: "-", Kind.CHANGED: "~"}


def listing_json(listing: Listing) -> dict[str, Any]:
    """A listing with the keys `LISTING_KEYS`; what it does not say is null, ``attributes`` is an object."""
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
    """A listing by name and state."""
    return None if listing is None else {"name": listing.name, "state": listing.state}


def moment(text: str, timezone: str) -> datetime:
    """The moment that a person means: ISO 8601 with a zone, or a date, which is its beginning in the site's time zone.

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


def iso(at: datetime | None) -> str | None:
    """A moment for programs."""
    return at.isoformat(timespec="seconds") if at else None


def when(at: datetime | None, timezone: str) -> str:
    """A moment for people, to the minute."""
    return f"{at.astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M %Z}" if at else "-"


def titled(listing: Listing) -> str:
    """A listing for people: "Hammond Police Department (IN)"."""
    place = listing.state or listing.state_text
    return f"{listing.name} ({place})" if place else listing.name


def described(change: Change) -> str:
    """A change for people, in a line: what was, and what is."""
    if change.kind is not Kind.CHANGED:
        return titled(change.subject)
    assert change.before is not None
    assert change.after is not None
    if change.renamed or "state" in change.fields:
        words = f"{titled(change.before)} -> {titled(change.after)}"
        others = [field for field in change.fields if field not in {"name", "state"}]
    else:
        words, others = titled(change.after), list(change.fields)
    return f"{words}: {', '.join(others)}" if others else words


def write_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A CSV table on stdout that a spreadsheet opens as text: what it would take for a formula stands behind an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([[_as_text(cell) for cell in row] for row in (header, *rows)])
    click.echo(text.getvalue(), nl=False)


def _as_text(cell: object) -> str:
    # https://owasp.org/www-community/attacks/CSV_Injection
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
