"""Converts stored rows to records of the public data: plain values in the order of the models' fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.engine import Connection

from monitor.domain import Change, Confidence, Listing, Placement
from monitor.record.data.models import TABLES
from monitor.storage.lists import poll_rows, record_rows
from monitor.storage.lists.changes import StoredChange
from monitor.storage.lists.past_lists import ListMoment
from monitor.storage.lists.poll_rows import PollRecordRow
from monitor.storage.lists.record_rows import ListingVersion

Locate = Callable[[str, Listing], Placement]
"""Computes the placement of a listing: (source's name, listing) to placement."""
Record = dict[str, Any]


def describe_listing(listing: Listing) -> Record:
    """Describe the publisher's values, as `ListingFields`."""
    latitude, longitude = listing.point or (None, None)
    return {
        "name": listing.name,
        "state": listing.state,
        "state_text": listing.state_text,
        "county": listing.county,
        "city": listing.city,
        "since": listing.since and listing.since.isoformat(),
        "url": listing.url,
        "documents": list(listing.documents),
        "attributes": dict(listing.attributes),
        "source_id": listing.source_id,
        "latitude": latitude,
        "longitude": longitude,
    }


def describe_agency(source: str, version: ListingVersion, locate: Locate, first_seen: datetime) -> Record:
    """Describe an agency as `AgencyRecord`; a poll first saw it at ``first_seen``."""
    placement = locate(source, version.listing)
    zips = [place for place in placement.places if place.isdigit()]
    serves = "state" if placement.statewide else "zips" if zips else "unknown"
    return describe_listing(version.listing) | {
        "source": source,
        "agency": version.agency,
        "version_number": version.from_number,
        "version_at": format_time(version.seen_from),
        "serves": serves,
        "confidence": Confidence(placement.confidence).value,
        "zips": zips,
        "captured_by": version.captured_by or None,
        "first_seen_at": format_time(first_seen),
        "gone_at": format_time(version.seen_to),
        "attributes_text": write_attributes(version.listing),
    }


def describe_agencies(
    conn: Connection, source: str, versions: Sequence[ListingVersion], locate: Locate
) -> Iterator[Record]:
    """Agencies as `AgencyRecord`."""
    seen = record_rows.load_first_seen(conn, source, {version.agency for version in versions})
    return (describe_agency(source, version, locate, seen[version.agency]) for version in versions)


def describe_version(source: str, version: ListingVersion) -> Record:
    """A version as `VersionRecord`."""
    return describe_listing(version.listing) | {
        "source": source,
        "agency": version.agency,
        "from_number": version.from_number,
        "to_number": version.to_number,
        "from_at": format_time(version.from_at),
        "to_at": format_time(version.to_at),
        "captured_by": version.captured_by or None,
        "seen_from": format_time(version.seen_from),
        "seen_to": format_time(version.seen_to),
        "attributes_text": write_attributes(version.listing),
    }


def write_attributes(listing: Listing) -> str:
    """Format the other columns of a listing as plain text."""
    return "; ".join(f"{name}: {value}" for name, value in listing.attributes if value)


def write_differences(change: Change) -> str:
    """Format the differences between the two listings of a change as plain text; "" without two listings."""
    if change.before is None or change.after is None:
        return ""
    before, after = (_write_fields(listing) for listing in (change.before, change.after))
    return "; ".join(
        f"{name}: {before.get(name, '')} -> {after.get(name, '')}"
        for name in dict.fromkeys([*before, *after])
        if before.get(name, "") != after.get(name, "")
    )


def _write_fields(listing: Listing) -> dict[str, str]:
    record = describe_listing(listing)
    attributes = record.pop("attributes")
    record["documents"] = " ".join(record["documents"])
    plain = {name: "" if value is None else str(value) for name, value in record.items()}
    return plain | dict(attributes)


def describe_change(row: StoredChange, number: int) -> Record:
    """A published change as `ChangeRecord`."""
    change, subject = row.change, row.change.subject
    return {
        "source": row.source,
        "id": row.id,
        "number": number,
        "kind": change.kind.value,
        "agency": row.agency,
        "name": subject.name,
        "state": subject.state,
        "fields": list(change.fields),
        "not_before": format_time(row.not_before),
        "first_seen_at": format_time(row.first_seen_at),
        "published_at": format_time(row.ended_at),
        "was_held": row.was_held,
        "before": None if change.before is None else describe_listing(change.before),
        "after": None if change.after is None else describe_listing(change.after),
        "origin": row.origin,
        "captured_by": row.captured_by or None,
        "retracted_at": format_time(row.retraction.at if row.retraction else None),
        "retraction": row.retraction and row.retraction.texts["en"],
        "differences": write_differences(change),
        "since": subject.since and subject.since.isoformat(),
        "attributes_text": write_attributes(subject),
    }


def describe_poll(source: str, poll: PollRecordRow) -> Record:
    """A poll as `PollRecord`."""
    return {
        "source": source,
        "id": poll.id,
        "at": format_time(poll.at),
        "outcome": poll.outcome,
        "status": poll.status,
        "reason": poll.reason or None,
        "url": poll.url,
        "bytes": poll.size,
        "sha256": poll.hash,
        "leaf": poll.leaf,
    }


def iterate_table(
    conn: Connection,
    source: str,
    table: str,
    locate: Locate,
    moment: ListMoment | None = None,
    *,
    departed: bool = False,
) -> Iterator[Record]:
    """The records of a table of a source, streamed; for agencies, those at a moment (None: now); with
    ``departed``, including those that were removed by then.
    """
    found: Iterable[Record]
    if table == "agencies":
        move = record_rows.find_move(conn, source) if moment is None else moment
        versions: tuple[ListingVersion, ...] = ()
        if move is not None:
            versions = record_rows.load_list_at(conn, source, move)
            versions += record_rows.load_departed(conn, source, move) if departed else ()
        found = describe_agencies(conn, source, versions, locate)
    elif table == "versions":
        found = (describe_version(source, each) for each in record_rows.iterate_versions(conn, source))
    elif table == "changes":
        published = record_rows.iterate_published(conn, source)
        found = (describe_change(each.row, each.number) for each in published)
    else:
        found = (describe_poll(source, each) for each in poll_rows.iterate_polls(conn, source))
    return (order_fields(table, record) for record in found)


def order_fields(table: str, record: Record) -> Record:
    """The record with its fields in the order of the table."""
    return {name: record[name] for name in TABLES[table].model_fields}


def format_time(at: datetime | None) -> str | None:
    """A time as RFC 3339 text in UTC: 2026-03-01T12:00:00Z, with microseconds where it has them."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
