"""The operator's notes on agencies: dated, and shown in addition to the list's own values, never instead of
them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.lists.operator_tables import AgencyNoteRow

_NOTE = AgencyNoteRow.c


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyNote:
    """A note on an agency of a list (``agency`` is its key). ``texts`` are by language and hold "en"."""

    id: int
    source: str
    agency: str
    at: datetime
    texts: Mapping[str, str]

    def text(self, language: str) -> str:
        """The note in a language, in English where it has no other."""
        return self.texts.get(language) or self.texts["en"]


def insert_note(conn: Connection, source: str, agency: str, texts: Mapping[str, str], now: datetime) -> int:
    """Write a note and return its number."""
    key = conn.execute(
        sa.insert(AgencyNoteRow).values(source=source, agency=agency, texts=dict(texts), at=now)
    ).inserted_primary_key
    assert key is not None
    return int(key[0])


def delete_note(conn: Connection, number: int) -> AgencyNote | None:
    """Delete a note and return it; None if there is none with this number."""
    row = conn.execute(sa.select(AgencyNoteRow).where(_NOTE.id == number)).first()
    conn.execute(sa.delete(AgencyNoteRow).where(_NOTE.id == number))
    return None if row is None else _read(row)


def load_notes(conn: Connection, source: str | None = None) -> tuple[AgencyNote, ...]:
    """Read the notes of a list, or of all, newest first."""
    query = sa.select(AgencyNoteRow).order_by(_NOTE.at.desc(), _NOTE.id.desc())
    return tuple(map(_read, conn.execute(query if source is None else query.where(_NOTE.source == source))))


_OF_AGENCY = (
    sa.select(AgencyNoteRow)
    .where(_NOTE.source == sa.bindparam("source"), _NOTE.agency == sa.bindparam("agency"))
    .order_by(_NOTE.at.desc(), _NOTE.id.desc())
)
_NEWEST = (
    sa.select(AgencyNoteRow)
    .where(_NOTE.source.in_(sa.bindparam("sources", expanding=True)))
    .order_by(_NOTE.at.desc(), _NOTE.id.desc())
    .limit(sa.bindparam("limit"))
)


def load_notes_on(conn: Connection, source: str, agency: str) -> tuple[AgencyNote, ...]:
    """Read the notes on an agency, newest first."""
    return tuple(map(_read, conn.execute(_OF_AGENCY, {"source": source, "agency": agency})))


def load_newest_notes(conn: Connection, sources: Collection[str], limit: int) -> tuple[AgencyNote, ...]:
    """Read the newest notes of lists, newest first."""
    return tuple(map(_read, conn.execute(_NEWEST, {"sources": tuple(sources), "limit": limit})))


def _read(row: Any) -> AgencyNote:
    return AgencyNote(id=row.id, source=row.source, agency=row.agency, at=row.at, texts=row.texts)
