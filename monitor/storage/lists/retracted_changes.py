"""Retractions: published changes that the operator has taken back, each with the reason."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.domain import Kind, State
from monitor.storage.columns import UtcDateTime
from monitor.storage.lists.tables import ChangeRow

_CHANGE = ChangeRow.c
_RETRACTED = _CHANGE.retracted_at.is_not(None)
# An expression, not the column: an index of all of a source's changes would be read, not that of the few
# retracted ones.
_SOURCE: Any = _CHANGE.source.concat("")


def mark_retracted(conn: Connection, change: int, texts: Mapping[str, str], now: datetime) -> None:
    """Write that a published change is retracted, where it is not yet."""
    conn.execute(
        sa.update(ChangeRow)
        .where(
            _CHANGE.id == change,
            _CHANGE.state == State.PUBLISHED.value,
            _CHANGE.retracted_at.is_(None),
        )
        .values(retracted_at=now, retraction=dict(texts))
    )


_AMONG = sa.select(_CHANGE.id).where(
    _CHANGE.changeset_id.in_(sa.bindparam("changesets", expanding=True)), _RETRACTED
)
_SINCE = sa.select(_CHANGE.id).where(_CHANGE.retracted_at >= sa.bindparam("since", type_=UtcDateTime()))
_OF_SOURCE: Any = sa.select(_CHANGE.kind, _CHANGE.agency, _CHANGE.ended_at).where(
    _RETRACTED, sa.bindparam("source") == _SOURCE
)


def load_retracted(conn: Connection, changesets: Collection[int]) -> frozenset[int]:
    """Read which changes of changesets are retracted."""
    if not changesets:
        return frozenset()
    return frozenset(conn.scalars(_AMONG, {"changesets": list(changesets)}))


def load_retracted_since(conn: Connection, since: datetime) -> frozenset[int]:
    """Read which changes were retracted since then."""
    return frozenset(conn.scalars(_SINCE, {"since": since}))


def load_retracted_moments(conn: Connection, source: str) -> frozenset[tuple[Kind, str, datetime]]:
    """Read the retracted changes of a list, as (kind, agency, when it was published)."""
    rows = conn.execute(_OF_SOURCE, {"source": source})
    return frozenset((Kind(kind), agency, at) for kind, agency, at in rows)


def count_retracted(conn: Connection, source: str) -> int:
    """Count the retracted changes of a list: each retraction makes it larger."""
    count = sa.select(sa.func.count()).select_from(ChangeRow).where(_RETRACTED, source == _SOURCE)
    return conn.scalar(count) or 0


_COUNTS = sa.select(_SOURCE, sa.func.count()).where(_RETRACTED).group_by(_SOURCE)


def count_all_retracted(conn: Connection) -> dict[str, int]:
    """Count the retracted changes of every list that has any, by its name, with one statement."""
    found: dict[str, int] = dict(conn.execute(_COUNTS).all())
    return found
