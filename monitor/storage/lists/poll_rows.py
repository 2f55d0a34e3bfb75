"""Reads of polls in full for the public record, row by row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.lists import tables
from monitor.storage.lists.history import GOOD, UNCHANGED
from monitor.storage.lists.record_rows import stream
from monitor.storage.lists.tables import FetchRow


@dataclass(frozen=True, slots=True)
class PollRecordRow:
    """A poll. ``url`` and ``hash`` are filled in where the row keeps them by reference to the last good
    poll. ``leaf`` is its entry in the log of the record.
    """

    id: int
    at: datetime
    outcome: str
    status: int | None
    reason: str
    url: str | None
    size: int | None
    hash: str | None
    leaf: int | None


def iterate_polls(conn: Connection, source: str) -> Iterator[PollRecordRow]:
    """Every poll of a source, oldest first."""
    query = _select_polls(source).order_by(FetchRow.c.at, FetchRow.c.id)
    return _fill_polls(stream(conn, query), None, None)


def load_polls_page(conn: Connection, source: str, after: int, limit: int) -> tuple[PollRecordRow, ...]:
    """Polls behind the one with the id ``after`` (0: from the beginning), oldest first."""
    columns = FetchRow.c
    # by time, as the index has them: by id a database would sort every poll of the list for one page
    query = _select_polls(source).order_by(columns.at, columns.id).limit(limit)
    url = content = None
    if after:
        began = conn.scalar(sa.select(columns.at).where(columns.id == after, columns.source == source))
        if began is None:
            return ()
        query = query.where(columns.at >= began, sa.or_(columns.at > began, columns.id > after))
        url, content = _find_last_good(conn, source, began)
    return tuple(_fill_polls(conn.execute(query), url, content))


def load_poll_at(conn: Connection, source: str, at: datetime) -> PollRecordRow | None:
    """The poll of a source at exactly a moment."""
    columns = FetchRow.c
    row = conn.execute(_select_polls(source).where(columns.at == at).order_by(columns.id.desc())).first()
    if row is None:
        return None
    (poll,) = _fill_polls([row], *_find_last_good(conn, source, at))
    return poll


def find_good_poll(conn: Connection, source: str, at: datetime, *, later: bool) -> PollRecordRow | None:
    """The last poll before a moment, or the first one from it on, that saw what the publisher served."""
    columns = FetchRow.c
    query = sa.select(columns.at).where(columns.source == source, columns.outcome.in_((GOOD, UNCHANGED)))
    if later:
        query = query.where(columns.at >= at).order_by(columns.at)
    else:
        query = query.where(columns.at < at).order_by(columns.at.desc())
    found = conn.scalar(query.limit(1))
    return None if found is None else load_poll_at(conn, source, found)


def load_polls_between(
    conn: Connection, source: str, first: datetime, last: datetime, limit: int
) -> tuple[PollRecordRow, ...]:
    """The polls between two moments, both included, oldest first."""
    columns = FetchRow.c
    query = (
        _select_polls(source)
        .where(columns.at >= first, columns.at <= last)
        .order_by(columns.at, columns.id)
        .limit(limit)
    )
    return tuple(_fill_polls(conn.execute(query), None, None))


def find_last_polls(conn: Connection) -> dict[str, int]:
    """The id of the newest poll of every source that was ever polled, by name."""
    return {name: last for name, last in conn.execute(_LAST_POLLS) if last is not None}


_LAST_POLLS = sa.select(
    tables.SourceRow.c.name,
    sa.select(FetchRow.c.id)
    .where(FetchRow.c.source == tables.SourceRow.c.name)
    .order_by(FetchRow.c.at.desc(), FetchRow.c.id.desc())
    .limit(1)
    .correlate(tables.SourceRow)
    .scalar_subquery(),
)


def find_last_poll(conn: Connection, source: str) -> tuple[int, datetime] | None:
    """The newest poll of a source: its id and time."""
    row = conn.execute(
        sa.select(FetchRow.c.id, FetchRow.c.at)
        .where(FetchRow.c.source == source)
        .order_by(FetchRow.c.at.desc(), FetchRow.c.id.desc())
        .limit(1)
    ).first()
    return None if row is None else (row.id, row.at)


def _select_polls(source: str) -> sa.Select[Any]:
    columns = FetchRow.c
    return sa.select(
        columns.id, columns.at, columns.outcome, columns.status, columns.reason, columns.url,
        columns.bytes, columns.hash, columns.leaf,
    ).where(columns.source == source)  # fmt: skip


def _find_last_good(conn: Connection, source: str, at: datetime) -> tuple[str | None, str | None]:
    """The URL and the hash of the last good poll of a source up to a moment; None, None without one."""
    columns = FetchRow.c
    row = conn.execute(
        sa.select(columns.url, columns.hash)
        .where(columns.source == source, columns.outcome == GOOD, columns.at <= at)
        .order_by(columns.at.desc(), columns.id.desc())
        .limit(1)
    ).first()
    return (row.url, row.hash) if row else (None, None)


def _fill_polls(rows: Iterable[Any], url: str | None, content: str | None) -> Iterator[PollRecordRow]:
    """Give unchanged polls the URL and the hash of the last good one, which stand there only once."""
    for row in rows:
        if row.outcome == GOOD:
            url, content = row.url, row.hash
        same = row.outcome == UNCHANGED
        yield PollRecordRow(
            id=row.id,
            at=row.at,
            outcome=row.outcome,
            status=row.status,
            reason=row.reason,
            url=row.url or (url if same else None),
            size=row.bytes,
            hash=row.hash or (content if same else None),
            leaf=row.leaf,
        )
