"""Reads for the public record: versions and published changes in full, row by row, and the steps of a list
from one baseline number to the next.

Whole tables are streamed, so memory does not grow with them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.domain import Listing, State
from monitor.storage.columns import UtcDateTime
from monitor.storage.lists import tables
from monitor.storage.lists.changes import StoredChange, select_changes, to_change
from monitor.storage.lists.codec import listing_from_json
from monitor.storage.lists.log_tables import LogLeafRow
from monitor.storage.lists.past_lists import (
    SEEN_FROM,
    SEEN_TO,
    ListMoment,
    find_moment,
    find_move,
    find_move_time,
    find_moves,
    was_current,
    was_published,
)
from monitor.storage.lists.tables import ChangesetRow, ListingVersionRow

__all__ = ["find_moment", "find_move", "find_move_time", "find_moves"]

_BATCH = 500  # rows that are fetched at once
_VERSION = ListingVersionRow.c
_CAPTURE = tables.CaptureRow.c
CAPTURED_BY: sa.ColumnElement[str | None] = sa.case(
    (
        _VERSION.from_number < 0,
        sa.select(_CAPTURE.captured_by)
        .where(_CAPTURE.source == _VERSION.source, _CAPTURE.at == SEEN_FROM)
        .correlate(ListingVersionRow)
        .scalar_subquery(),
    )
).label("captured_by")
"""Who captured the publication with which a version began; NULL where an own poll saw it."""
BEGINNING = (-(2**31), "")
"""Before every step of a list, those of an imported past among them, whose numbers are negative."""


@dataclass(frozen=True, slots=True)
class ListingVersion:
    """A listing while it read like this: from baseline number ``from_number`` up to, not including,
    ``to_number``. ``seen_at`` and ``gone_at``: the first poll with it and the first without it, where that
    was before it was believed. ``captured_by`` captured the publication with which it began; "" where an own
    poll saw it.
    """

    agency: str
    listing: Listing
    from_number: int
    to_number: int | None
    from_at: datetime
    to_at: datetime | None
    captured_by: str = ""
    seen_at: datetime | None = None
    gone_at: datetime | None = None

    @property
    def seen_from(self) -> datetime:
        """The first poll that saw it."""
        return self.seen_at or self.from_at

    @property
    def seen_to(self) -> datetime | None:
        """The first poll that did not see it any more; None while it is in the baseline."""
        return self.gone_at or self.to_at


@dataclass(frozen=True, slots=True)
class ListStep:
    """What baseline number ``number`` did to one agency: its listing before and after, None where it is not
    on the list.
    """

    number: int
    at: datetime
    agency: str
    before: Listing | None
    after: Listing | None


@dataclass(frozen=True, slots=True)
class PublishedChange:
    """A published change, and the baseline number with which it was published."""

    row: StoredChange
    number: int


def iterate_versions(conn: Connection, source: str) -> Iterator[ListingVersion]:
    """Every version of every listing of a source, in the order in which they began."""
    query = _select_versions(source).order_by(_VERSION.from_number, _VERSION.id)
    return map(_version, stream(conn, query))


def load_list(conn: Connection, source: str, number: int) -> tuple[ListingVersion, ...]:
    """The list at a baseline number, sorted by name and key."""
    return _sort(conn.execute(_select_versions(source).where(was_current(source, number))))


def load_list_at(conn: Connection, source: str, moment: ListMoment) -> tuple[ListingVersion, ...]:
    """The list as polls saw it at a moment, as far as that is believed now; sorted by name and key."""
    return _sort(conn.execute(_select_versions(source).where(was_published(source, moment))))


def load_departed(conn: Connection, source: str, moment: ListMoment) -> tuple[ListingVersion, ...]:
    """The last version of every agency that was on a list and had left it by a moment, as far as that is
    believed now; sorted by name and key.
    """
    listed = sa.select(_VERSION.agency).where(_VERSION.source == source, was_published(source, moment))
    present = set(conn.scalars(listed))
    ended = conn.execute(
        _select_versions(source)
        .where(_VERSION.to_number.is_not(None), moment.at >= SEEN_TO)
        .order_by(_VERSION.from_number, _VERSION.id)
    )
    last = {row.agency: row for row in ended if row.agency not in present}
    return _sort(last.values())


def load_first_seen(conn: Connection, source: str, agencies: Collection[str]) -> dict[str, datetime]:
    """When polls first saw agencies on a list, by agency."""
    found: dict[str, datetime] = {}
    names = sorted(agencies)
    for start in range(0, len(names), _BATCH):
        rows = conn.execute(
            sa.select(_VERSION.agency, sa.func.min(SEEN_FROM))
            .where(_VERSION.source == source, _VERSION.agency.in_(names[start : start + _BATCH]))
            .group_by(_VERSION.agency)
        )
        found.update((agency, at) for agency, at in rows)
    return found


def _sort(rows: Iterable[Any]) -> tuple[ListingVersion, ...]:
    found = map(_version, rows)
    return tuple(sorted(found, key=lambda each: (each.listing.name.casefold(), each.listing.key)))


def load_version(conn: Connection, source: str, agency: str, number: int) -> ListingVersion | None:
    """How an agency's listing read at a baseline number; None when it was not on the list."""
    row = conn.execute(
        _select_versions(source).where(
            _VERSION.agency == agency,
            _VERSION.from_number <= number,
            sa.or_(_VERSION.to_number.is_(None), _VERSION.to_number > number),
        )
    ).first()
    return None if row is None else _version(row)


def load_agency_versions(conn: Connection, source: str, agency: str) -> tuple[ListingVersion, ...]:
    """Every version of one agency's listing, oldest first."""
    rows = conn.execute(
        _select_versions(source).where(_VERSION.agency == agency).order_by(_VERSION.from_number, _VERSION.id)
    )
    return tuple(map(_version, rows))


def find_neighbors(conn: Connection, source: str, at: datetime) -> tuple[datetime | None, datetime | None]:
    """The moments of the list before the last one up to ``at``, and after ``at``; None at the ends. What was
    only believed at a moment, and seen before, makes none.
    """
    last = conn.scalar(_BESIDE["last"], {"source": source, "at": at})
    before = None if last is None else conn.scalar(_BESIDE["before"], {"source": source, "at": last})
    return before, conn.scalar(_BESIDE["after"], {"source": source, "at": at})


def _select_beside(compare: Callable[[Any, Any], Any], choose: Callable[[Any], Any]) -> sa.Select[Any]:
    """The nearest moment of a list on one side of a time, from the indexes of the four times."""
    at: sa.BindParameter[datetime] = sa.bindparam("at", type_=UtcDateTime())
    times = sa.union_all(
        *(
            sa.select(choose(time).label("at")).where(
                _VERSION.source == sa.bindparam("source"), time.is_not(None), compare(time, at), *only
            )
            for time, only in (
                (_VERSION.from_at, (_VERSION.seen_at.is_(None),)),
                (_VERSION.seen_at, ()),
                (_VERSION.to_at, (_VERSION.gone_at.is_(None),)),
                (_VERSION.gone_at, ()),
            )
        )
    ).subquery()
    return sa.select(choose(times.c.at))


_BESIDE = {
    "last": _select_beside(operator.le, sa.func.max),
    "before": _select_beside(operator.lt, sa.func.max),
    "after": _select_beside(operator.gt, sa.func.min),
}


def load_steps(conn: Connection, source: str, after: tuple[int, str], limit: int) -> tuple[ListStep, ...]:
    """The next steps of a list behind a place in its history, in the order of (number, agency).

    From `BEGINNING` on, applied in order to an empty list, they give the list at every number.
    """
    found = conn.execute(
        _NEXT_STEPS, {"source": source, "number": after[0], "agency": after[1], "limit": limit}
    ).all()
    if not found:
        return ()
    last = (found[-1].number, found[-1].agency)
    began, ended = (_load_versions_of(conn, source, number, after, last) for number in _STEP_NUMBERS)
    return tuple(_make_step(row.number, row.agency, began, ended) for row in found)


_VersionsOf = dict[tuple[int, str], ListingVersion]
"""Versions by a number of theirs and their agency."""


def _load_versions_of(
    conn: Connection, source: str, number: Any, after: tuple[int, str], last: tuple[int, str]
) -> _VersionsOf:
    """Read the versions that begin or end, by the column ``number``, behind a place up to another."""
    place = sa.tuple_(number, _VERSION.agency)
    rows = conn.execute(_select_versions(source).where(place > after, place <= last))
    return {(getattr(row, number.key), row.agency): _version(row) for row in rows}


_STEP_NUMBERS = (_VERSION.from_number, _VERSION.to_number)


def _select_next_steps() -> sa.Select[Any]:
    """The next steps behind a place, from the index of either number: no other row is read."""
    place = sa.tuple_(
        sa.bindparam("number", type_=sa.BigInteger()), sa.bindparam("agency", type_=sa.String())
    )
    limit: sa.BindParameter[int] = sa.bindparam("limit", type_=sa.Integer())
    nearest = (
        sa.select(number.label("number"), _VERSION.agency.label("agency"))
        .distinct()
        .where(_VERSION.source == sa.bindparam("source"), sa.tuple_(number, _VERSION.agency) > place)
        .order_by(number, _VERSION.agency)
        .limit(limit)
        .subquery()
        for number in _STEP_NUMBERS
    )
    both = sa.union(*(sa.select(each.c.number, each.c.agency) for each in nearest)).subquery()
    return sa.select(both.c.number, both.c.agency).order_by(both.c.number, both.c.agency).limit(limit)


_NEXT_STEPS = _select_next_steps()


def iterate_published(conn: Connection, source: str) -> Iterator[PublishedChange]:
    """Every published change of a source, oldest first."""
    query = (
        _select_published()
        .where(tables.ChangeRow.c.source == source)
        .order_by(ChangesetRow.c.number, tables.ChangeRow.c.id)
    )
    return (PublishedChange(to_change(row), row.number) for row in stream(conn, query))


def load_published(
    conn: Connection, source: str, first: int, last: int
) -> dict[tuple[int, str], StoredChange]:
    """The published changes with baseline numbers from ``first`` to ``last``, by number and agency."""
    query = _select_published().where(
        ChangesetRow.c.source == source, ChangesetRow.c.number >= first, ChangesetRow.c.number <= last
    )
    return {(row.number, row.agency): to_change(row) for row in conn.execute(query)}


def load_versions_between(
    conn: Connection, source: str, first: datetime, last: datetime
) -> tuple[ListingVersion, ...]:
    """The listings that polls saw at any moment between two, as far as that is believed now; sorted by
    name.
    """
    rows = conn.execute(
        _select_versions(source)
        .where(last >= SEEN_FROM, sa.or_(SEEN_TO.is_(None), first < SEEN_TO))
        .order_by(_VERSION.name, _VERSION.id)
    )
    return tuple(map(_version, rows))


def iterate_bodies(conn: Connection) -> Iterator[str]:
    """The hashes of all stored bodies, sorted."""
    return (
        row.hash for row in stream(conn, sa.select(tables.BodyRow.c.hash).order_by(tables.BodyRow.c.hash))
    )


def iterate_leaves(conn: Connection, size: int) -> Iterator[str]:
    """The first ``size`` entries of the log, canonical JSON each."""
    leaf = LogLeafRow.c
    query = sa.select(leaf.content).where(leaf.number < size).order_by(leaf.number)
    return (row.content for row in stream(conn, query))


def _make_step(number: int, agency: str, began: _VersionsOf, ended: _VersionsOf) -> ListStep:
    new, old = began.get((number, agency)), ended.get((number, agency))
    return ListStep(
        number, _moment(new, old), agency, old.listing if old else None, new.listing if new else None
    )


def _moment(began: ListingVersion | None, ended: ListingVersion | None) -> datetime:
    at = began.from_at if began else ended.to_at if ended else None
    assert at is not None
    return at


def _select_versions(source: str) -> sa.Select[Any]:
    return sa.select(
        _VERSION.key, _VERSION.agency, _VERSION.name, _VERSION.state, _VERSION.content,
        _VERSION.from_number, _VERSION.to_number, _VERSION.from_at, _VERSION.to_at,
        _VERSION.seen_at, _VERSION.gone_at, CAPTURED_BY,
    ).where(_VERSION.source == source)  # fmt: skip


def _select_published() -> sa.Select[Any]:
    change = tables.ChangeRow.c
    return (
        select_changes()
        .add_columns(ChangesetRow.c.number)
        .join(ChangesetRow, ChangesetRow.c.id == change.changeset_id)
        .where(change.state == State.PUBLISHED.value)
    )


def stream(conn: Connection, query: sa.Select[Any]) -> Iterator[Any]:
    """The rows of a query, some at a time."""
    return iter(conn.execute(query.execution_options(yield_per=_BATCH)))


def _version(row: Any) -> ListingVersion:
    beside = {"key": row.key, "name": row.name} | ({"state": row.state} if row.state else {})
    return ListingVersion(
        row.agency,
        listing_from_json({**row.content, **beside}),
        row.from_number,
        row.to_number,
        row.from_at,
        row.to_at,
        row.captured_by or "",
        row.seen_at,
        row.gone_at,
    )
