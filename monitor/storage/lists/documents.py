"""Documents about agencies from the operator's file: agreements, policies, meetings. Not part of any list."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date as datetime_date
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.core.wording import normalize
from monitor.storage import database_facts
from monitor.storage.lists.operator_tables import DocumentRow
from monitor.storage.lists.tables import ListingVersionRow

MEETING = "meeting"
"""The kind of document whose date is when it takes place."""
MOST_MEETINGS = 500
"""Meetings that a page or a calendar looks through, the next first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyDocument:
    """A row of the file: an agency by its key, or by name and state, in one list or (source empty) in every
    one.

    ``date`` is as the file has it, "2026-11-28" or "2026-11-28T18:30-06:00"; ``day`` its day, None where it
    has none. ``uid`` names the row as long as all of that stays the same. ``first_at`` is when it was first
    read.
    """

    uid: str
    source: str
    agency: str
    name: str
    state: str
    kind: str
    title: str
    url: str
    date: str
    day: datetime_date | None
    publisher: str
    archived_url: str
    note: str
    first_at: datetime

    def names(self, source: str, agency: str, listing_name: str, state: str | None) -> bool:
        """Whether the row is about this agency of a list."""
        if self.source not in ("", source):
            return False
        if self.agency:
            return self.agency == agency
        return self.state in ("", state or "") and normalize(self.name) == normalize(listing_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentsState:
    """How the file was read last. ``problem``: why it could not be, None when it was; ``skipped`` says of
    rows why they were left out. ``unmatched`` counts rows that are about no agency of a list.
    """

    at: str
    hash: str = ""
    rows: int = 0
    unmatched: int = 0
    problem: str | None = None
    skipped: tuple[str, ...] = field(default=())


_DOCUMENT = DocumentRow.c


def replace_documents(conn: Connection, documents: Iterable[AgencyDocument]) -> int:
    """Replace all rows; one that was there before keeps the time at which it was first read. Returns how many
    there are.
    """
    known: dict[str, datetime] = dict(conn.execute(sa.select(_DOCUMENT.uid, _DOCUMENT.first_at)).all())
    conn.execute(sa.delete(DocumentRow))
    rows = [
        asdict(each)
        | {
            "day": each.day.isoformat() if each.day else None,
            "name_key": normalize(each.name),
            "first_at": known.get(each.uid, each.first_at),
        }
        for each in documents
    ]
    if rows:
        conn.execute(sa.insert(DocumentRow), rows)
    return len(rows)


def load_documents(conn: Connection) -> tuple[AgencyDocument, ...]:
    """Read all rows in the order of the file."""
    return tuple(map(_read, conn.execute(sa.select(DocumentRow).order_by(_DOCUMENT.id))))


_ABOUT = (
    sa.select(DocumentRow)
    .where(
        _DOCUMENT.source.in_(["", sa.bindparam("source")]),
        sa.or_(
            _DOCUMENT.agency == sa.bindparam("agency"),
            sa.and_(
                _DOCUMENT.agency == "",
                _DOCUMENT.name_key.in_(sa.bindparam("names", expanding=True)),
                _DOCUMENT.state.in_(["", sa.bindparam("state")]),
            ),
        ),
    )
    .order_by(_DOCUMENT.day.desc(), _DOCUMENT.id)
)
_MEETINGS = (
    sa.select(DocumentRow)
    .where(_DOCUMENT.kind == MEETING, _DOCUMENT.day >= sa.bindparam("since"))
    .order_by(_DOCUMENT.day, _DOCUMENT.date, _DOCUMENT.id)
    .limit(MOST_MEETINGS)
)


def load_documents_about(
    conn: Connection, source: str, agency: str, names: Collection[str], state: str | None
) -> tuple[AgencyDocument, ...]:
    """Read the rows about an agency, newest first; ``names`` are all that it had."""
    keys = tuple({normalize(name) for name in names})
    given = {"source": source, "agency": agency, "names": keys, "state": state or ""}
    return tuple(map(_read, conn.execute(_ABOUT, given)))


def load_meetings(conn: Connection, since: datetime_date) -> tuple[AgencyDocument, ...]:
    """Read the meetings from a day on, the earliest first."""
    return tuple(map(_read, conn.execute(_MEETINGS, {"since": since.isoformat()})))


def load_agencies(conn: Connection) -> dict[str, dict[str, set[tuple[str, str]]]]:
    """Every agency that was ever accepted, by list and key: its names (normalized) with their states."""
    found: dict[str, dict[str, set[tuple[str, str]]]] = {}
    listing = ListingVersionRow.c
    rows = conn.execute(sa.select(listing.source, listing.agency, listing.name, listing.state).distinct())
    for source, agency, name, state in rows:
        found.setdefault(source, {}).setdefault(agency, set()).add((normalize(name), state or ""))
    return found


def load_state(conn: Connection) -> DocumentsState | None:
    """Read how the file was read last; None before the first time."""
    text = database_facts.get(conn, database_facts.DOCUMENTS)
    if text is None:
        return None
    value: Mapping[str, Any] = json.loads(text)
    return DocumentsState(**{**value, "skipped": tuple(value["skipped"])})


def put_state(conn: Connection, state: DocumentsState) -> None:
    """Write how the file was read. Pages that show documents are made again when its hash moves."""
    database_facts.put(conn, database_facts.DOCUMENTS, json.dumps(asdict(state)))
    database_facts.put(conn, database_facts.DOCUMENTS_HASH, state.hash)


def _read(row: Any) -> AgencyDocument:
    return AgencyDocument(
        uid=row.uid,
        source=row.source,
        agency=row.agency,
        name=row.name,
        state=row.state,
        kind=row.kind,
        title=row.title,
        url=row.url,
        date=row.date,
        day=datetime_date.fromisoformat(row.day) if row.day else None,
        publisher=row.publisher,
        archived_url=row.archived_url,
        note=row.note,
        first_at=row.first_at,
    )
