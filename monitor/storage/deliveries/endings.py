"""Ends and merges subscribers, with their deliveries."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.deliveries import newly_covered
from monitor.storage.deliveries.retractions import RETRACTION
from monitor.storage.deliveries.tables import DeliveryRow, RefusalRow
from monitor.storage.people import ENDED, follow, load_address_hash, load_follows, past_choices, suppress
from monitor.storage.people.subscribers import ERASED
from monitor.storage.people.tables import SubscriberRow, SubscriptionRow


def end(conn: Connection, subscriber: int, now: datetime) -> bool:
    """End a subscriber in this transaction: address and places are erased, due deliveries dropped. False if
    already ended.
    """
    rows = SubscriberRow
    ended = conn.execute(
        sa.update(rows)
        .where(rows.c.id == subscriber, rows.c.state != ENDED)
        .values(state=ENDED, ended_at=now, digest_at=None, digest_since=None, paused_until=None, **ERASED)
    )
    conn.execute(sa.delete(SubscriptionRow).where(SubscriptionRow.c.subscriber_id == subscriber))
    past_choices.delete_of(conn, [subscriber])
    newly_covered.delete_of(conn, [subscriber])
    conn.execute(sa.delete(RefusalRow).where(RefusalRow.c.subscriber_id == subscriber))
    conn.execute(
        sa.update(DeliveryRow)
        .where(DeliveryRow.c.subscriber_id == subscriber, DeliveryRow.c.state == "due")
        .values(state="dropped", settled_at=now, lease_until=None, owner=None)
    )
    return ended.rowcount > 0


def end_refused(conn: Connection, channel: str, subscriber: int, reason: str, now: datetime) -> None:
    """End a subscriber whose address refuses permanently, and suppress the address."""
    hashed = load_address_hash(conn, subscriber)
    if hashed is not None:
        suppress(conn, channel, hashed, reason, now)
    end(conn, subscriber, now)


def merge(conn: Connection, subscriber: int, into: int, now: datetime) -> None:
    """End a subscriber whose address belongs to another one, who takes over the places, the due alerts, and
    the history of sent alerts, so that retractions still arrive.
    """
    follow(conn, into, load_follows(conn, subscriber), now)
    past_choices.move_past_follows(conn, subscriber, into, now)
    theirs = sa.select(DeliveryRow.c.changeset_id).where(
        DeliveryRow.c.subscriber_id == into, DeliveryRow.c.changeset_id.is_not(None)
    )
    periods = sa.select(DeliveryRow.c.period).where(
        DeliveryRow.c.subscriber_id == into, DeliveryRow.c.kind == RETRACTION
    )
    conn.execute(
        sa.update(DeliveryRow)
        .where(
            DeliveryRow.c.subscriber_id == subscriber,
            sa.or_(
                sa.and_(DeliveryRow.c.state.in_(["due", "sent"]), DeliveryRow.c.changeset_id.not_in(theirs)),
                sa.and_(DeliveryRow.c.kind == RETRACTION, DeliveryRow.c.period.not_in(periods)),
            ),
        )
        .values(subscriber_id=into)
    )
    end(conn, subscriber, now)
