"""Counts and ages of deliveries, for `ops.health` and the readiness probe."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.deliveries.dead_letters import HAS_RECIPIENT
from monitor.storage.deliveries.queue import IS_DUE, IS_FAILED
from monitor.storage.deliveries.tables import DeliveryRow
from monitor.storage.lists.tables import ChangesetRow

OFTEN = 3
"""The number of attempts from which the operator is notified: greylisting is over by then."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """The due deliveries by channel, and the age of the oldest; ``failed`` are dead letters that have
    certainly not arrived, ``unknown`` those that were handed over without an answer. Those of subscribers who
    have ended count as neither: nobody can send them again.

    ``refused``: how many due rows were tried `OFTEN` times or more, and one of the answers, by channel.
    """

    due: dict[str, int]
    refused: dict[str, tuple[int, str]]
    oldest_due_at: datetime | None
    failed: int
    unfanned: int
    unknown: int = 0


def read_backlog(conn: Connection) -> Backlog:
    """Read depth and age of the outbox."""
    due: dict[str, int] = dict(
        conn.execute(
            sa.select(DeliveryRow.c.channel, sa.func.count()).where(IS_DUE).group_by(DeliveryRow.c.channel)
        ).all()
    )
    oldest = conn.scalar(
        sa.select(DeliveryRow.c.created_at).where(IS_DUE).order_by(DeliveryRow.c.created_at).limit(1)
    )
    refused = {
        channel: (count, error or "")
        for channel, count, error in conn.execute(
            sa.select(DeliveryRow.c.channel, sa.func.count(), sa.func.max(DeliveryRow.c.last_error))
            .where(IS_DUE, DeliveryRow.c.attempts >= OFTEN)
            .group_by(DeliveryRow.c.channel)
        )
    }
    given_up: dict[bool, int] = dict(
        conn.execute(
            sa.select(DeliveryRow.c.ambiguous, sa.func.count())
            .where(IS_FAILED, HAS_RECIPIENT)
            .group_by(DeliveryRow.c.ambiguous)
        ).all()
    )
    unfanned = conn.scalar(
        sa.select(sa.func.count()).select_from(ChangesetRow).where(ChangesetRow.c.fanned_out_at.is_(None))
    )
    return Backlog(
        due=due,
        refused=refused,
        oldest_due_at=oldest,
        failed=given_up.get(False, 0),
        unfanned=unfanned or 0,
        unknown=given_up.get(True, 0),
    )


def count_overdue(conn: Connection, channels: Collection[str], *, before: datetime, now: datetime) -> int:
    """Count deliveries on these channels that were due before a moment, while nothing is being sent."""
    if conn.scalar(sa.select(sa.exists().where(IS_DUE, DeliveryRow.c.lease_until > now))):
        return 0
    waiting = (
        sa.select(sa.func.count())
        .select_from(DeliveryRow)
        .where(
            IS_DUE,
            DeliveryRow.c.channel.in_(channels),
            DeliveryRow.c.due_at < before,
        )
    )
    return conn.scalar(waiting) or 0
