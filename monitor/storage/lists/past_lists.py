"""Finds the versions of listings that made up a list at a baseline number or at a moment, at the cost of that
list and not of its whole history.

What was believed has numbers: a list at a number never changes, and steps lead from one to the next. What was
published has moments: once a change that waited is believed, it is dated by the first poll that saw it. So
the list at a moment is the one that was believed then, plus what had been seen by then and was believed
later, minus what was missing by then and was believed to be gone later.

A version that has ended stores its ``span``: the number of bits of the count of its numbers. Versions of one
span that were current at a number began within 2**span numbers before it, and an index finds exactly these.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.columns import UtcDateTime
from monitor.storage.lists.tables import ListingVersionRow, SourceRow

_VERSION = ListingVersionRow.c
_LONGEST = 31  # spans: numbers are 32-bit integers

SEEN_FROM = sa.func.coalesce(_VERSION.seen_at, _VERSION.from_at, type_=UtcDateTime())
"""The first poll that saw a version."""
SEEN_TO = sa.func.coalesce(_VERSION.gone_at, _VERSION.to_at, type_=UtcDateTime())
"""The first poll that no longer saw it; NULL while it is in the baseline."""


class ListMoment(NamedTuple):
    """The moment at which a list became what it was, and the baseline number that was believed then."""

    number: int
    at: datetime


def compute_span(from_number: int, to_number: int | None) -> int | None:
    """The span of a version: the smallest for which 2**span is at least the count of its numbers; None while
    it is current.
    """
    return None if to_number is None else (to_number - from_number - 1).bit_length()


def express_span(from_number: Any, to_number: Any) -> sa.ColumnElement[int | None]:
    """`compute_span` as an SQL expression."""
    width = to_number - from_number
    return sa.case(*((width <= 2**span, span) for span in range(_LONGEST)), else_=sa.null())


def _select_current_at(*more: sa.Select[Any]) -> sa.CompoundSelect[Any]:
    number: sa.BindParameter[int] = sa.bindparam("at_number", type_=sa.BigInteger())
    of_source = sa.select(_VERSION.id).where(
        _VERSION.source == sa.bindparam("of_source"), _VERSION.from_number <= number
    )
    ended = (
        of_source.where(
            _VERSION.span == sa.literal_column(str(span)),
            _VERSION.from_number > number - sa.literal_column(str(2**span)),
            _VERSION.to_number > number,
        )
        for span in range(_LONGEST)
    )
    return sa.union_all(of_source.where(_VERSION.span.is_(None)), *ended, *more)


_MOMENT: sa.BindParameter[datetime] = sa.bindparam("at_moment", type_=UtcDateTime())
_CURRENT_AT = _select_current_at()
_SEEN_AT = _select_current_at(
    sa.select(_VERSION.id).where(
        _VERSION.source == sa.bindparam("of_source"),
        _VERSION.seen_at.is_not(None),
        _VERSION.seen_at <= _MOMENT,
        _VERSION.from_at > _MOMENT,
    )
)


def was_current(source: str, number: int) -> sa.ColumnElement[bool]:
    """The condition that a version was current at a baseline number."""
    return _VERSION.id.in_(_CURRENT_AT.params(of_source=source, at_number=number))


def was_published(source: str, moment: ListMoment) -> sa.ColumnElement[bool]:
    """The condition that polls saw a version at a moment, according to what is believed now."""
    seen = _SEEN_AT.params(of_source=source, at_number=moment.number, at_moment=moment.at)
    return sa.and_(_VERSION.id.in_(seen), sa.or_(SEEN_TO.is_(None), moment.at < SEEN_TO))


def find_moment(conn: Connection, source: str, at: datetime) -> ListMoment | None:
    """The last moment up to ``at`` that changed what was believed, or what is known to have been published;
    None before the list was first read.
    """
    move = find_move(conn, source, at)
    if move is None:
        return None
    moments = [move.at]
    for column in (_VERSION.seen_at, _VERSION.gone_at):
        found = conn.scalar(
            sa.select(sa.func.max(column)).where(_VERSION.source == source, column.is_not(None), column <= at)
        )
        moments += [found] if found is not None else []
    return ListMoment(move.number, max(moments))


def _highest(number: Any) -> sa.Function[int]:
    """The highest number of the rows of a moment.

    The maximum of a plain column would make a planner search the index of the numbers from its end, past
    everything that came after that moment.
    """
    return sa.func.max(number + 0)


def find_move(conn: Connection, source: str, at: datetime | None = None) -> ListMoment | None:
    """The last baseline number that changed the list at a moment or before (None: until now), and its time;
    None if the list had not been read yet.
    """
    moves = []
    for time, number in (
        (_VERSION.from_at, _VERSION.from_number),
        (_VERSION.to_at, _VERSION.to_number),
    ):
        last = sa.select(sa.func.max(time)).where(_VERSION.source == source)
        moment = conn.scalar(last if at is None else last.where(time <= at))
        if moment is not None:
            of_moment = sa.select(_highest(number)).where(_VERSION.source == source, time == moment)
            moves.append(ListMoment(conn.execute(of_moment).scalar_one(), moment))
    return max(moves) if moves else None


def _select_last_move(time: Any, number: Any) -> sa.Select[Any]:
    """The last time of a kind of every source, and the highest number at it."""
    latest = (
        sa.select(sa.func.max(time))
        .where(_VERSION.source == SourceRow.c.name)
        .correlate(SourceRow)
        .scalar_subquery()
    )
    of_moment = sa.select(_highest(number)).where(_VERSION.source == SourceRow.c.name, time == latest)
    return sa.select(
        SourceRow.c.name,
        sa.type_coerce(latest, UtcDateTime()).label("at"),
        of_moment.correlate(SourceRow).scalar_subquery().label("number"),
    )


_LAST_MOVES = sa.union_all(
    _select_last_move(_VERSION.from_at, _VERSION.from_number),
    _select_last_move(_VERSION.to_at, _VERSION.to_number),
)


def find_moves(conn: Connection) -> dict[str, ListMoment]:
    """What `find_move` finds for every source until now, by name, in one statement."""
    found: dict[str, ListMoment] = {}
    for name, at, number in conn.execute(_LAST_MOVES):
        if at is not None:
            move = ListMoment(number, at)
            found[name] = max(found.get(name, move), move)
    return found


def find_move_time(conn: Connection, source: str, number: int) -> datetime | None:
    """When a baseline number changed the list; None if it did not."""
    began = sa.select(_VERSION.from_at).where(_VERSION.source == source, _VERSION.from_number == number)
    ended = sa.select(_VERSION.to_at).where(_VERSION.source == source, _VERSION.to_number == number)
    found: datetime | None = conn.scalar(began.limit(1)) or conn.scalar(ended.limit(1))
    return found
