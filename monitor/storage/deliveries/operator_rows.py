"""Single messages of the outbox, for the operator to view, retry and drop."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.columns import UtcDateTime
from monitor.storage.deliveries.dead_letters import HAS_RECIPIENT, requeue
from monitor.storage.deliveries.queue import DROPPED, IS_DUE, IS_FAILED
from monitor.storage.deliveries.tables import DeliveryRow, DigestChangesetRow
from monitor.storage.lists.tables import ChangeRow, ChangesetRow
from monitor.storage.people.tables import SubscriberRow, SuppressionRow

DROPPED_BY_OPERATOR = "the operator dropped it"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryDetails:
    """One row of the outbox with its recipient. ``sealed`` is the encrypted address (None: erased since)."""

    id: int
    kind: str
    about: str
    source: str | None
    changeset: int | None
    state: str
    created_at: datetime
    due_at: datetime
    attempts: int
    last_error: str | None
    ambiguous: bool
    settled_at: datetime | None
    lease_until: datetime | None
    subscriber: int
    channel: str
    sealed: bytes | None
    subscriber_state: str
    paused_until: datetime | None
    suppressed: bool


def load_details(conn: Connection, ids: Collection[int]) -> tuple[DeliveryDetails, ...]:
    """Read rows of the outbox, in any state, by id."""
    rows: Any = conn.execute(
        sa.select(
            DeliveryRow.c.id,
            DeliveryRow.c.kind,
            DeliveryRow.c.about,
            sa.func.coalesce(ChangesetRow.c.source, DeliveryRow.c.about_source).label("source"),
            DeliveryRow.c.changeset_id.label("changeset"),
            DeliveryRow.c.state,
            DeliveryRow.c.created_at,
            DeliveryRow.c.due_at,
            DeliveryRow.c.attempts,
            DeliveryRow.c.last_error,
            DeliveryRow.c.ambiguous,
            DeliveryRow.c.settled_at,
            DeliveryRow.c.lease_until,
            SubscriberRow.c.id.label("subscriber"),
            SubscriberRow.c.channel,
            SubscriberRow.c.address.label("sealed"),
            SubscriberRow.c.state.label("subscriber_state"),
            SubscriberRow.c.paused_until,
            sa.exists()
            .where(
                SuppressionRow.c.channel == SubscriberRow.c.channel,
                SuppressionRow.c.address_hash == SubscriberRow.c.address_hash,
            )
            .label("suppressed"),
        )
        .join(SubscriberRow, SubscriberRow.c.id == DeliveryRow.c.subscriber_id)
        .outerjoin(ChangesetRow, ChangesetRow.c.id == DeliveryRow.c.changeset_id)
        .where(DeliveryRow.c.id.in_(ids))
        .order_by(DeliveryRow.c.id)
    )
    return tuple(DeliveryDetails(**row) for row in rows.mappings())


def find_unknown(conn: Connection, ids: Collection[int]) -> tuple[int, ...]:
    """Find the ids, ascending, that no row of the outbox has."""
    known = set(conn.scalars(sa.select(DeliveryRow.c.id).where(DeliveryRow.c.id.in_(ids))))
    return tuple(sorted(set(ids) - known))


def load_changes(conn: Connection, details: DeliveryDetails) -> tuple[int, ...]:
    """Read the ids of all changes in the changesets of a message."""
    changesets: Any = sa.select(DigestChangesetRow.c.changeset_id).where(
        DigestChangesetRow.c.delivery_id == details.id
    )
    if details.changeset is not None:
        changesets = [details.changeset]
    return tuple(
        id or 0
        for id in conn.scalars(
            sa.select(ChangeRow.c.id).where(ChangeRow.c.changeset_id.in_(changesets)).order_by(ChangeRow.c.id)
        )
    )


def load_failures(conn: Connection) -> tuple[tuple[int, str, str], ...]:
    """Read the dead letters that have certainly not arrived and can be sent again, as id, channel and last
    answer, without data about their recipients.
    """
    rows: Any = conn.execute(
        sa.select(DeliveryRow.c.id, SubscriberRow.c.channel, sa.func.coalesce(DeliveryRow.c.last_error, ""))
        .join(SubscriberRow, SubscriberRow.c.id == DeliveryRow.c.subscriber_id)
        .where(IS_FAILED, SubscriberRow.c.address_hash.is_not(None), DeliveryRow.c.ambiguous.is_(sa.false()))
        .order_by(DeliveryRow.c.settled_at, DeliveryRow.c.id)
    )
    return tuple((id, channel, error) for id, channel, error in rows)


def retry(conn: Connection, now: datetime, ids: Collection[int] | None = None) -> tuple[int, ...]:
    """Make messages due now: dead letters with all their attempts again, and those that wait for their next
    attempt. None means every one that was tried without success. Returns their ids.

    Nothing becomes due for a subscriber who has left, and a message that is being sent is not changed.
    """
    free = sa.or_(DeliveryRow.c.lease_until.is_(None), DeliveryRow.c.lease_until <= now)
    moment = sa.literal(now, UtcDateTime())
    chosen = DeliveryRow.c.attempts > 0 if ids is None else DeliveryRow.c.id.in_(ids)
    waiting: Any = conn.scalars(
        sa.update(DeliveryRow)
        .where(IS_DUE, free, HAS_RECIPIENT, chosen)
        .values(due_at=sa.case((DeliveryRow.c.due_at < moment, DeliveryRow.c.due_at), else_=moment))
        .returning(DeliveryRow.c.id)
    )
    return tuple(sorted({*waiting, *requeue(conn, now, ids)}))


def drop_by_operator(conn: Connection, ids: Collection[int], now: datetime) -> tuple[int, ...]:
    """Settle messages that are due or have failed as dropped; returns their ids. A sender that has leased one
    checks its state right before it sends.
    """
    dropped: Any = conn.scalars(
        sa.update(DeliveryRow)
        .where(DeliveryRow.c.id.in_(ids), sa.or_(IS_DUE, IS_FAILED))
        .values(state=DROPPED, last_error=DROPPED_BY_OPERATOR, settled_at=now, lease_until=None, owner=None)
        .returning(DeliveryRow.c.id)
    )
    return tuple(sorted(dropped))
