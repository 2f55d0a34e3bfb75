"""Reads for the check of the tables against the record's log: the rows that name an entry, in the log's
order, and the moves of the lists.

What grows with the record is streamed; what one publication changed is read at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.sql.selectable import FromClause

from monitor.domain import Kind, State
from monitor.storage.columns import UtcDateTime
from monitor.storage.lists.changes import StoredChange, select_changes, to_change
from monitor.storage.lists.history import GOOD, UNCHANGED
from monitor.storage.lists.imports import CAPTURES, Capture, read_capture
from monitor.storage.lists.past_lists import SEEN_FROM, express_span
from monitor.storage.lists.record_rows import stream
from monitor.storage.lists.tables import (
    CaptureRow,
    ChangeRow,
    ChangesetRow,
    FetchRow,
    ListingVersionRow,
    SnapshotRow,
)

_VERSION, _CHANGESET, _CAPTURE, _FETCH = ListingVersionRow.c, ChangesetRow.c, CaptureRow.c, FetchRow.c
_SNAPSHOT = SnapshotRow.c


@dataclass(frozen=True, slots=True)
class LoggedPoll:
    """What the row of a poll has in common with its entry in the log. Of an unchanged poll ``hash`` is None
    where it is that of the last good one.
    """

    leaf: int
    source: str
    at: datetime
    outcome: str
    reason: str
    status: int | None
    url: str | None
    redirects: list[str] | None
    headers: list[list[str]] | None
    wire_bytes: int | None
    bytes: int | None
    hash: str | None
    request_id: int | None
    validators: list[list[str]] | None


@dataclass(frozen=True, slots=True)
class LoggedReading:
    """The set of listings that was parsed in a poll: its hash, and how many there are."""

    leaf: int
    digest: str
    listings: int


@dataclass(frozen=True, slots=True)
class LoggedChangeset:
    """The changes that were published together; ``leaf`` is the first of their entries."""

    leaf: int
    id: int
    source: str
    number: int
    at: datetime
    import_id: int | None


@dataclass(frozen=True, slots=True)
class LoggedCapture:
    """An imported publication of a source."""

    leaf: int
    source: str
    capture: Capture


@dataclass(frozen=True, slots=True)
class VersionEnd:
    """The beginning of a version, or its end: ``at`` is when it was believed, ``seen`` is the first poll that
    saw it, and ``since`` the first poll that saw the version.
    """

    agency: str
    name: str
    state: str | None
    at: datetime
    seen: datetime
    since: datetime


@dataclass(frozen=True, slots=True)
class Move:
    """A baseline number at which versions of a source begin or end, and when. ``published``: a changeset has
    this number. ``looked``: a poll that found the list, or a capture, was made at this moment.
    """

    source: str
    number: int
    at: datetime
    published: bool
    looked: bool


def iterate_logged_polls(conn: Connection, size: int) -> Iterator[LoggedPoll]:
    """The polls among the first ``size`` entries of the log, in its order."""
    columns = [_FETCH[field.name] for field in fields(LoggedPoll)]
    query = sa.select(*columns).where(_FETCH.leaf < size).order_by(_FETCH.leaf, _FETCH.id)
    return (LoggedPoll(*row) for row in stream(conn, query))


def iterate_logged_readings(conn: Connection, size: int) -> Iterator[LoggedReading]:
    """What was parsed in the polls among the first ``size`` entries of the log, in its order: again where a
    list was configured in another way.
    """
    query = (
        sa.select(_FETCH.leaf, _SNAPSHOT.digest, _SNAPSHOT.listings)
        .join_from(SnapshotRow, FetchRow, _SNAPSHOT.fetch_id == _FETCH.id)
        .where(_FETCH.leaf < size)
        .order_by(_FETCH.leaf, _SNAPSHOT.id)
    )
    return (LoggedReading(*row) for row in stream(conn, query))


def iterate_logged_changesets(conn: Connection, size: int) -> Iterator[LoggedChangeset]:
    """The changesets among the first ``size`` entries of the log, in its order."""
    columns = [_CHANGESET[field.name] for field in fields(LoggedChangeset)]
    query = sa.select(*columns).where(_CHANGESET.leaf < size).order_by(_CHANGESET.leaf, _CHANGESET.id)
    return (LoggedChangeset(*row) for row in stream(conn, query))


def iterate_logged_captures(conn: Connection, size: int) -> Iterator[LoggedCapture]:
    """The captures among the first ``size`` entries of the log, in its order."""
    query = CAPTURES.add_columns(_CAPTURE.source).where(_CAPTURE.leaf < size).order_by(None)
    rows = stream(conn, query.order_by(_CAPTURE.leaf, _CAPTURE.id))
    return (LoggedCapture(row.leaf, row.source, read_capture(row)) for row in rows)


def load_changes_of(conn: Connection, changeset: int) -> tuple[StoredChange, ...]:
    """Read the changes of a changeset, in whatever state they are."""
    query = select_changes().where(ChangeRow.c.changeset_id == changeset).order_by(ChangeRow.c.id)
    return tuple(map(to_change, conn.execute(query)))


def load_ends(conn: Connection, source: str, number: int, *, begins: bool) -> tuple[VersionEnd, ...]:
    """Read the versions that begin with a baseline number, or end with it."""
    column = _VERSION.from_number if begins else _VERSION.to_number
    rows = conn.execute(_select_ends(begins).where(_VERSION.source == source, column == number))
    return tuple(map(_read_end, rows))


def iterate_moves(conn: Connection) -> Iterator[Move]:
    """Every moment of every baseline number of the lists, by list and number: a number has one."""
    ends = (
        sa.select(_VERSION.source, number.label("number"), at.label("at")).where(number.is_not(None))
        for number, at in (
            (_VERSION.from_number, _VERSION.from_at),
            (_VERSION.to_number, _VERSION.to_at),
        )
    )
    move = sa.union(*ends).subquery()
    polled = sa.exists().where(
        _FETCH.source == move.c.source, _FETCH.at == move.c.at, _FETCH.outcome.in_((GOOD, UNCHANGED))
    )
    captured = sa.exists().where(_CAPTURE.source == move.c.source, _CAPTURE.at == move.c.at)
    query = sa.select(
        move.c.source,
        move.c.number,
        move.c.at,
        _is_published(move.c.source, move.c.number).label("published"),
        sa.or_(polled, captured).label("looked"),
    ).order_by(move.c.source, move.c.number, move.c.at)
    return (Move(*row) for row in stream(conn, query))


def iterate_lone_ends(conn: Connection) -> Iterator[tuple[str, int, bool, VersionEnd]]:
    """The versions that begin where none of their agency ends (True), or end where none begins, although no
    change was published with that number: of the first list, of lists that were parsed in another way from
    then on, and of agencies that moved to another list. With source and number.
    """
    other = sa.alias(ListingVersionRow.__table__)  # type: ignore[attr-defined]
    for begins in (True, False):
        yield from _iterate_lone(conn, other, begins)


def iterate_names(conn: Connection) -> Iterator[tuple[str, str, str | None, datetime]]:
    """Every name that an agency had on a list: the source, the name, the state, and when it was first seen
    there, whether it was believed or not.
    """
    for row in stream(conn, sa.select(_VERSION.source, _VERSION.name, _VERSION.state, SEEN_FROM)):
        yield tuple(row)
    query = select_changes().where(ChangeRow.c.kind != Kind.REMOVED.value)
    for change in map(to_change, stream(conn, query)):
        if change.change.after is not None:
            after = change.change.after
            yield change.source, after.name, after.state, change.first_seen_at


def load_first_numbers(conn: Connection) -> dict[str, int]:
    """Read the first baseline number of each list."""
    rows = conn.execute(
        sa.select(_VERSION.source, sa.func.min(_VERSION.from_number)).group_by(_VERSION.source)
    )
    firsts: dict[str, int] = dict(rows.all())
    return firsts


def find_wrong_span(conn: Connection) -> tuple[str, str, int] | None:
    """Find a version by whose ``span`` it would be missing in past lists: its source, agency and number."""
    right = sa.case((_VERSION.to_number.is_not(None), express_span(_VERSION.from_number, _VERSION.to_number)))
    row = conn.execute(
        sa.select(_VERSION.source, _VERSION.agency, _VERSION.from_number)
        .where(_VERSION.span.is_distinct_from(right))
        .order_by(_VERSION.id)
        .limit(1)
    ).first()
    return None if row is None else (row.source, row.agency, row.from_number)


def find_unlogged_poll(conn: Connection, since: datetime) -> tuple[str, datetime] | None:
    """Find a poll from a moment on that names no entry of the log: its source and time."""
    row = conn.execute(
        sa.select(_FETCH.source, _FETCH.at)
        .where(_FETCH.leaf.is_(None), _FETCH.at >= since)
        .order_by(_FETCH.id)
        .limit(1)
    ).first()
    return None if row is None else (row.source, row.at)


def find_unlogged_change(conn: Connection, since: datetime) -> tuple[str, str, int] | None:
    """Find a published change that belongs to no changeset, or, from a moment on, to one that names no entry
    of the log: its source, agency and id.
    """
    change = ChangeRow.c
    row = conn.execute(
        sa.select(change.source, change.agency, change.id)
        .outerjoin(ChangesetRow, _CHANGESET.id == change.changeset_id)
        .where(
            change.state == State.PUBLISHED.value,
            sa.or_(_CHANGESET.id.is_(None), sa.and_(_CHANGESET.leaf.is_(None), _CHANGESET.at >= since)),
        )
        .order_by(change.id)
        .limit(1)
    ).first()
    return None if row is None else (row.source, row.agency, row.id)


def find_unlogged_capture(conn: Connection) -> str | None:
    """Find the source of a capture that names no entry of the log."""
    source: str | None = conn.scalar(sa.select(_CAPTURE.source).where(_CAPTURE.leaf.is_(None)).limit(1))
    return source


def find_undone_row(conn: Connection, source: str, entry: int) -> int | None:
    """Find what an import brought that entry ``entry`` of the log says to be removed: the entry of it."""
    capture = sa.select(_CAPTURE.leaf).where(_CAPTURE.source == source, _CAPTURE.leaf < entry)
    changeset = sa.select(_CHANGESET.leaf).where(
        _CHANGESET.source == source, _CHANGESET.leaf < entry, _CHANGESET.import_id.is_not(None)
    )
    found: int | None = conn.scalar(sa.union_all(capture, changeset).limit(1))
    return found


def find_last_end(conn: Connection, source: str, agency: str, number: int) -> datetime | None:
    """Read since when an agency was missing that had no version just before a baseline number."""
    at: datetime | None = conn.scalar(
        sa.select(sa.func.coalesce(_VERSION.gone_at, _VERSION.to_at))
        .where(_VERSION.source == source, _VERSION.agency == agency, _VERSION.to_number < number)
        .order_by(_VERSION.to_number.desc())
        .limit(1)
    )
    return at


def _iterate_lone(
    conn: Connection, other: FromClause, begins: bool
) -> Iterator[tuple[str, int, bool, VersionEnd]]:
    if begins:
        number, opposite = _VERSION.from_number, other.c.to_number
    else:
        number, opposite = _VERSION.to_number, other.c.from_number
    same = sa.exists().where(
        other.c.source == _VERSION.source, other.c.agency == _VERSION.agency, opposite == number
    )
    query = _select_ends(begins).where(number.is_not(None), ~same, ~_is_published(_VERSION.source, number))
    for row in stream(conn, query):
        yield row.source, row.number, begins, _read_end(row)


def _is_published(source: Any, number: Any) -> sa.Exists:
    return sa.exists().where(_CHANGESET.source == source, _CHANGESET.number == number)


def _select_ends(begins: bool) -> sa.Select[Any]:
    if begins:
        number, at, seen = _VERSION.from_number, _VERSION.from_at, _VERSION.seen_at
    else:
        number, at, seen = _VERSION.to_number, _VERSION.to_at, _VERSION.gone_at
    return sa.select(
        _VERSION.source,
        number.label("number"),
        _VERSION.agency,
        _VERSION.name,
        _VERSION.state,
        at.label("at"),
        sa.func.coalesce(seen, at, type_=UtcDateTime()).label("seen"),
        SEEN_FROM.label("since"),
    ).order_by(_VERSION.id)


def _read_end(row: Any) -> VersionEnd:
    return VersionEnd(row.agency, row.name, row.state, row.at, row.seen, row.since)
