"""Finds the versions of listings that made a list at a baseline number, at the cost of that list and not of
its whole history.

A version that has ended keeps its ``span``: how many bits the count of its numbers has. Those of one span
that were current at a number began within as many numbers before it, and an index gives these alone.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.lists.tables import ListingVersionRow

_VERSION = ListingVersionRow.c
_LONGEST = 31  # spans: numbers are 32-bit integers


def compute_span(from_number: int, to_number: int | None) -> int | None:
    """The span of a version: the smallest for which 2**span numbers hold it; None while it is current."""
    return None if to_number is None else (to_number - from_number - 1).bit_length()


def express_span(from_number: Any, to_number: Any) -> sa.ColumnElement[int | None]:
    """`compute_span` for a statement."""
    width = to_number - from_number
    return sa.case(*((width <= 2**span, span) for span in range(_LONGEST)), else_=sa.null())


def _select_current_at() -> sa.CompoundSelect[Any]:
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
    return sa.union_all(of_source.where(_VERSION.span.is_(None)), *ended)


_CURRENT_AT = _select_current_at()


def was_current(source: str, number: int) -> sa.ColumnElement[bool]:
    """The condition that a version was current at a baseline number."""
    return _VERSION.id.in_(_CURRENT_AT.params(of_source=source, at_number=number))


def find_move(conn: Connection, source: str, at: datetime | None = None) -> tuple[int, datetime] | None:
    """The last baseline number that changed the list at a moment or before (None: until now), and its time;
    None before the list was first read.
    """
    moves = []
    for time, number in (
        (_VERSION.from_at, _VERSION.from_number),
        (_VERSION.to_at, _VERSION.to_number),
    ):
        last = sa.select(sa.func.max(time)).where(_VERSION.source == source)
        moment = conn.scalar(last if at is None else last.where(time <= at))
        if moment is not None:
            of_moment = sa.select(sa.func.max(number)).where(_VERSION.source == source, time == moment)
            moves.append((conn.scalar(of_moment), moment))
    return max(moves) if moves else None


def find_move_time(conn: Connection, source: str, number: int) -> datetime | None:
    """When a baseline number changed the list; None if it did not."""
    began = sa.select(_VERSION.from_at).where(
        _VERSION.source == source, _VERSION.from_number == number, was_current(source, number)
    )
    ended = sa.select(_VERSION.to_at).where(
        _VERSION.source == source, _VERSION.to_number == number, was_current(source, number - 1)
    )
    found: datetime | None = conn.scalar(began.limit(1)) or conn.scalar(ended.limit(1))
    return found
