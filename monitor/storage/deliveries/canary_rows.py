"""The canary: a test message of our own that goes through the outbox at an interval."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage import database_facts
from monitor.storage.deliveries.queue import DUE, SENT
from monitor.storage.deliveries.tables import DeliveryRow

CANARY = "canary"
"""The kind of its deliveries, and the origin of its subscriber."""
_SUBSCRIBER, _SINCE = "canary subscriber", "canary since"


@dataclass(frozen=True, slots=True)
class CanaryTrace:
    """The state of the canaries: since when they are sent, when the last was queued and when one was last
    accepted, and whether one is due.
    """

    since: datetime
    queued_at: datetime | None
    accepted_at: datetime | None
    waits: bool


def note_canary(conn: Connection, subscriber: int, now: datetime) -> None:
    """Store the subscriber of the canary; for another subscriber the state is reset."""
    if database_facts.get(conn, _SUBSCRIBER) != str(subscriber):
        database_facts.put(conn, _SUBSCRIBER, str(subscriber))
        database_facts.put(conn, _SINCE, now.isoformat())


def load_canary(conn: Connection) -> CanaryTrace | None:
    """Read the state of the canaries; None: there never was one."""
    subscriber, since = database_facts.get(conn, _SUBSCRIBER), database_facts.get(conn, _SINCE)
    if subscriber is None or since is None:
        return None
    rows = DeliveryRow.c
    queued_at, accepted_at, due = conn.execute(
        sa.select(
            sa.func.max(rows.created_at),
            sa.func.max(sa.case((rows.state == SENT, rows.settled_at))),
            sa.func.count(sa.case((rows.state == DUE, 1))),
        ).where(rows.subscriber_id == int(subscriber), rows.kind == CANARY)
    ).one()
    return CanaryTrace(datetime.fromisoformat(since), queued_at, accepted_at, bool(due))
