"""The imported past of a source: captures of others, and the versions and changes that follow from them.

What came from an import is told from what own polls saw by its time: every capture is older than the first
own poll. Its baseline numbers are negative, so it comes before every own one, and pollers count on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.lists.codec import content_to_json
from monitor.storage.lists.history import GOOD, UNCHANGED
from monitor.storage.lists.log_tables import LogLeafRow, LogNodeRow
from monitor.storage.lists.past_lists import compute_span, express_span
from monitor.storage.lists.record_rows import ListingVersion, load_list
from monitor.storage.lists.tables import (
    BodyRow,
    CaptureRow,
    ChangePlaceRow,
    ChangeRow,
    ChangesetRow,
    FetchRow,
    HistoryImportRow,
    ListingVersionRow,
    PlacementRow,
)

FILLED: tuple[Any, ...] = tuple(
    sa.inspect(row).local_table
    for row in (ListingVersionRow, ChangeRow, ChangesetRow, CaptureRow, BodyRow, LogLeafRow, LogNodeRow)
)
"""The tables into which an import writes many rows."""


@dataclass(frozen=True, slots=True)
class ImportInfo:
    """The import of a source. ``joined_at`` is the first own reading after it, None before there was one.
    ``captured_by`` is who made the last capture.
    """

    id: int
    source: str
    at: datetime
    first_at: datetime
    last_at: datetime
    captured_by: str
    joined_number: int | None = None
    joined_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """A publication that somebody else captured. ``outcome``: good, unchanged, failed (not readable, with the
    ``reason``), rejected (not believed). ``leaf`` is its entry in the log of the record.
    """

    at: datetime
    name: str
    hash: str
    size: int
    outcome: str
    captured_by: str
    reason: str = ""
    url: str = ""
    licence: str = ""
    note: str = ""
    leaf: int | None = None


@dataclass(frozen=True, slots=True)
class FirstReading:
    """The first own reading of a source: its baseline number, its time, and the list."""

    number: int
    at: datetime
    versions: tuple[ListingVersion, ...]


def load_import(conn: Connection, source: str) -> ImportInfo | None:
    """Read the import of a source; None if its past was not imported."""
    columns = HistoryImportRow.c
    row = conn.execute(
        sa.select(
            columns.id,
            columns.source,
            columns.at,
            columns.first_at,
            columns.last_at,
            CaptureRow.c.captured_by,
            columns.joined_number,
            columns.joined_at,
        )
        .join(CaptureRow, sa.and_(CaptureRow.c.source == columns.source, CaptureRow.c.at == columns.last_at))
        .where(columns.source == source)
    ).first()
    return None if row is None else ImportInfo(*row)


def load_joinings(conn: Connection) -> dict[str, datetime]:
    """Read when own polls took over from an imported past, by source; only of sources that have both."""
    columns = HistoryImportRow.c
    rows = conn.execute(sa.select(columns.source, columns.joined_at).where(columns.joined_at.is_not(None)))
    found: dict[str, datetime] = dict(rows.all())
    return found


def load_captures(
    conn: Connection, source: str, moments: Collection[datetime] | None = None
) -> tuple[Capture, ...]:
    """Read the captures of a source, oldest first; only those of these moments where given."""
    query = CAPTURES.where(CaptureRow.c.source == source)
    if moments is not None:
        query = query.where(CaptureRow.c.at.in_(moments))
    return tuple(map(read_capture, conn.execute(query)))


def find_capture(
    conn: Connection, source: str, at: datetime, *, before_joining: bool = False
) -> Capture | None:
    """Read the last capture at a moment or before; None when there is none, or, with ``before_joining``, when
    own polls had begun by then.
    """
    query = CAPTURES.where(CaptureRow.c.source == source, CaptureRow.c.at <= at)
    if before_joining:
        info = load_import(conn, source)
        if info is None or (info.joined_at is not None and info.joined_at <= at):
            return None
    row = conn.execute(query.order_by(None).order_by(CaptureRow.c.at.desc()).limit(1)).first()
    return None if row is None else read_capture(row)


def load_looks(conn: Connection, source: str) -> tuple[datetime, ...]:
    """Read when others saw what a source said, oldest first, and then when own polls took over, if they did;
    nothing for a source whose past was not imported.
    """
    capture = CaptureRow.c
    seen = list(
        conn.scalars(
            sa.select(capture.at)
            .where(capture.source == source, capture.outcome.in_((GOOD, UNCHANGED)))
            .order_by(capture.at)
        )
    )
    joined = load_import(conn, source) if seen else None
    return (*seen, joined.joined_at) if joined is not None and joined.joined_at is not None else tuple(seen)


def find_first_poll(conn: Connection, source: str) -> datetime | None:
    """Read when a source was first polled, whatever came of it; None if it never was."""
    first: datetime | None = conn.scalar(
        sa.select(sa.func.min(FetchRow.c.at)).where(FetchRow.c.source == source)
    )
    return first


def load_first_reading(conn: Connection, source: str) -> FirstReading | None:
    """Read the first own reading of a source; None if it was never read."""
    at = conn.scalar(
        sa.select(sa.func.min(FetchRow.c.at)).where(FetchRow.c.source == source, FetchRow.c.outcome == GOOD)
    )
    if at is None:
        return None
    version = ListingVersionRow.c
    number = conn.scalar(
        sa.select(sa.func.min(version.from_number)).where(version.source == source, version.from_at == at)
    )
    if number is None:
        return FirstReading(1, at, ())  # the list was empty
    return FirstReading(number, at, load_list(conn, source, number))


def insert_import(
    conn: Connection, source: str, now: datetime, captures: Iterable[Capture], joined: FirstReading | None
) -> int:
    """Write an import with its captures, and return its id."""
    captures = tuple(captures)
    key = conn.execute(
        sa.insert(HistoryImportRow).values(
            source=source,
            at=now,
            first_at=captures[0].at,
            last_at=captures[-1].at,
            joined_number=None if joined is None else joined.number,
            joined_at=None if joined is None else joined.at,
        )
    ).inserted_primary_key
    assert key is not None
    conn.execute(
        sa.insert(CaptureRow),
        [
            {
                "import_id": key[0],
                "source": source,
                "at": each.at,
                "name": each.name,
                "hash": each.hash,
                "bytes": each.size,
                "outcome": each.outcome,
                "reason": each.reason,
                "captured_by": each.captured_by,
                "url": each.url,
                "licence": each.licence,
                "note": each.note,
                "leaf": each.leaf,
            }
            for each in captures
        ],
    )
    return int(key[0])


def insert_versions(conn: Connection, source: str, versions: Iterable[ListingVersion]) -> None:
    """Write versions of an imported past."""
    rows = [
        {
            "source": source,
            "key": version.listing.key,
            "agency": version.agency,
            "name": version.listing.name,
            "state": version.listing.state,
            "content": content_to_json(version.listing),
            "from_number": version.from_number,
            "to_number": version.to_number,
            "from_at": version.from_at,
            "to_at": version.to_at,
            "seen_at": version.seen_at,
            "gone_at": version.gone_at,
            "span": compute_span(version.from_number, version.to_number),
        }
        for version in versions
    ]
    if rows:
        conn.execute(sa.insert(ListingVersionRow), rows)


def extend_versions(
    conn: Connection, source: str, joined: FirstReading, began: Mapping[str, ListingVersion]
) -> None:
    """Give versions of the first own reading, by key, the beginning of the imported versions that read the
    same.
    """
    version = ListingVersionRow.c
    rows = [
        {"same": key, "number": past.from_number, "began": past.from_at, "seen": past.seen_at}
        for key, past in began.items()
    ]
    number: sa.BindParameter[int] = sa.bindparam("number", type_=sa.Integer())
    if rows:
        conn.execute(
            sa.update(ListingVersionRow)
            .where(
                version.source == source,
                version.key == sa.bindparam("same"),
                version.from_number == joined.number,
            )
            .values(
                from_number=number,
                from_at=sa.bindparam("began"),
                seen_at=sa.bindparam("seen"),
                span=express_span(number, version.to_number),
            ),
            rows,
        )


def note_joining(conn: Connection, import_id: int, number: int, at: datetime) -> None:
    """Note the first own reading after an import."""
    conn.execute(
        sa.update(HistoryImportRow)
        .where(HistoryImportRow.c.id == import_id)
        .values(joined_number=number, joined_at=at)
    )


def delete_import(conn: Connection, info: ImportInfo) -> None:
    """Delete what an import brought; what own polls saw stands as they saw it. Bodies stay."""
    version, changeset = ListingVersionRow.c, ChangesetRow.c
    if info.joined_number is not None:
        conn.execute(
            sa.update(ListingVersionRow)
            .where(
                version.source == info.source,
                version.from_number < 0,
                sa.or_(version.to_number.is_(None), version.to_number > info.joined_number),
            )
            .values(
                from_number=info.joined_number,
                from_at=info.joined_at,
                seen_at=None,
                span=express_span(info.joined_number, version.to_number),
            )
        )
    theirs = version.source == info.source, version.from_number < 0
    conn.execute(
        sa.delete(PlacementRow).where(PlacementRow.c.listing_id.in_(sa.select(version.id).where(*theirs)))
    )
    conn.execute(sa.delete(ListingVersionRow).where(*theirs))
    changesets = sa.select(changeset.id).where(changeset.import_id == info.id)
    changes = sa.select(ChangeRow.c.id).where(ChangeRow.c.changeset_id.in_(changesets))
    conn.execute(sa.delete(ChangePlaceRow).where(ChangePlaceRow.c.change_id.in_(changes)))
    conn.execute(sa.delete(ChangeRow).where(ChangeRow.c.changeset_id.in_(changesets)))
    conn.execute(sa.delete(ChangesetRow).where(changeset.import_id == info.id))
    conn.execute(sa.delete(CaptureRow).where(CaptureRow.c.import_id == info.id))
    conn.execute(sa.delete(HistoryImportRow).where(HistoryImportRow.c.id == info.id))


CAPTURES = sa.select(
    CaptureRow.c.at,
    CaptureRow.c.name,
    CaptureRow.c.hash,
    CaptureRow.c.bytes,
    CaptureRow.c.outcome,
    CaptureRow.c.reason,
    CaptureRow.c.captured_by,
    CaptureRow.c.url,
    CaptureRow.c.licence,
    CaptureRow.c.note,
    CaptureRow.c.leaf,
).order_by(CaptureRow.c.at)
"""Every capture, oldest first, with the columns that `read_capture` reads."""


def read_capture(row: Any) -> Capture:
    """The capture in a row of `CAPTURES`."""
    return Capture(
        at=row.at,
        name=row.name,
        hash=row.hash,
        size=row.bytes,
        outcome=row.outcome,
        reason=row.reason,
        captured_by=row.captured_by,
        url=row.url,
        licence=row.licence,
        note=row.note,
        leaf=row.leaf,
    )
