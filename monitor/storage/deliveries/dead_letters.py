"""Deliveries that were given up, or that were tried without success."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.deliveries.queue import DUE, IS_DUE, IS_FAILED
from monitor.storage.deliveries.tables import DeliveryRow
from monitor.storage.lists.tables import ChangesetRow
from monitor.storage.people.tables import SubscriberRow


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A delivery that was given up, with the sealed address (None: erased since)."""

    id: int
    kind: str
    channel: str
    source: str | None
    sealed: bytes | None
    created_at: datetime
    failed_at: datetime | None
    attempts: int
    error: str
    ambiguous: bool


def _select_letters(*more: Any) -> sa.Select[Any]:
    """Select the columns of a `DeadLetter`, followed by ``more`` columns."""
    return (
        sa.select(
            DeliveryRow.c.id,
            DeliveryRow.c.kind,
            SubscriberRow.c.channel,
            ChangesetRow.c.source,
            SubscriberRow.c.address,
            DeliveryRow.c.created_at,
            DeliveryRow.c.settled_at,
            DeliveryRow.c.attempts,
            sa.func.coalesce(DeliveryRow.c.last_error, ""),
            DeliveryRow.c.ambiguous,
            *more,
        )
        .join(SubscriberRow, SubscriberRow.c.id == DeliveryRow.c.subscriber_id)
        .outerjoin(ChangesetRow, ChangesetRow.c.id == DeliveryRow.c.changeset_id)
    )


HAS_RECIPIENT = sa.exists(SubscriberRow.c.id).where(
    SubscriberRow.c.id == DeliveryRow.c.subscriber_id, SubscriberRow.c.address_hash.is_not(None)
)
"""A delivery whose subscriber has not ended: the address of one who has is erased, and nothing can be sent
again.
"""

TROUBLED = sa.or_(IS_FAILED, sa.and_(IS_DUE, DeliveryRow.c.attempts > 0))
"""Deliveries that were tried without success: given up, or due again."""


def load_letters(
    conn: Connection, chosen: sa.ColumnElement[bool] = TROUBLED, limit: int | None = None
) -> tuple[tuple[DeadLetter, str, datetime], ...]:
    """Read deliveries, with state and due time: those that were tried without success, or those that are
    ``chosen`` (`IS_FAILED`, `IS_DUE`); the newest ``limit``, newest last.
    """
    rows: Any = conn.execute(
        _select_letters(DeliveryRow.c.state, DeliveryRow.c.due_at)
        .where(chosen)
        .order_by(DeliveryRow.c.id.desc())
        .limit(limit)
    )
    return tuple((DeadLetter(*row[:10]), row[10], row[11]) for row in reversed(rows.all()))


def requeue(conn: Connection, now: datetime, ids: Collection[int] | None = None) -> tuple[int, ...]:
    """Make dead letters due again, with a fresh set of attempts; None means all. Returns their ids.

    Nothing is queued for a subscriber who has left, because the address is erased.
    """
    statement = sa.update(DeliveryRow).where(IS_FAILED, HAS_RECIPIENT)
    if ids is not None:
        statement = statement.where(DeliveryRow.c.id.in_(ids))
    queued: Any = conn.scalars(
        statement.values(state=DUE, due_at=now, attempts=0, settled_at=None).returning(DeliveryRow.c.id)
    )
    return tuple(sorted(queued))
