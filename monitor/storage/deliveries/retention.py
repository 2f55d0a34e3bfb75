"""Deletes expired rows."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.deliveries import newly_covered
from monitor.storage.deliveries.queue import IS_DUE
from monitor.storage.deliveries.tables import DeliveryRow, DigestChangesetRow
from monitor.storage.people import ENDED, PENDING, past_choices
from monitor.storage.people.tables import (
    BotUpdateRow,
    ConfirmationRow,
    RateWindowRow,
    ReturnedMailRow,
    SignupRow,
    SubscriberRow,
    SubscriptionRow,
    SuppressionRow,
)

_AT_ONCE = 500
"""The most subscribers that one transaction deletes, so that it stays short."""


def load_unconfirmed(conn: Connection, now: datetime, created_before: datetime) -> tuple[int, ...]:
    """Read subscribers who never confirmed and whose last link has expired."""
    return _load_ids(
        conn,
        SubscriberRow.c.state == PENDING,
        sa.or_(
            SubscriberRow.c.confirm_until <= now,
            sa.and_(SubscriberRow.c.confirm_until.is_(None), SubscriberRow.c.created_at <= created_before),
        ),
    )


def load_long_gone(conn: Connection, ended_before: datetime) -> tuple[int, ...]:
    """Read subscribers who ended before then."""
    return _load_ids(conn, SubscriberRow.c.state == ENDED, SubscriberRow.c.ended_at <= ended_before)


def forget(conn: Connection, subscribers: Collection[int]) -> None:
    """Delete subscribers with all of their deliveries."""
    theirs = list(subscribers)
    past_choices.delete_of(conn, theirs)
    newly_covered.delete_of(conn, theirs)
    for table in (DigestChangesetRow, DeliveryRow, SubscriptionRow):
        conn.execute(sa.delete(table).where(table.c.subscriber_id.in_(theirs)))
    conn.execute(sa.delete(SubscriberRow).where(SubscriberRow.c.id.in_(theirs)))


def forget_deliveries(conn: Connection, settled_before: datetime) -> int:
    """Delete deliveries that were settled before then; returns how many.

    This includes rows that were inserted for a subscriber while that subscriber was being deleted: no foreign
    key prevents them (see `tables.DeliveryRow`).
    """
    old = sa.or_(
        sa.and_(DeliveryRow.c.state != "due", DeliveryRow.c.settled_at <= settled_before),
        sa.and_(IS_DUE, ~sa.exists().where(SubscriberRow.c.id == DeliveryRow.c.subscriber_id)),
    )
    newly_covered.delete_sent(conn)  # rows without a delivery would be sent again
    conn.execute(
        sa.delete(DigestChangesetRow).where(
            DigestChangesetRow.c.delivery_id.in_(sa.select(DeliveryRow.c.id).where(old))
        )
    )
    return conn.execute(sa.delete(DeliveryRow).where(old)).rowcount


def forget_windows(conn: Connection, started_before: datetime) -> int:
    """Delete the counts of hours before then; returns how many."""
    return conn.execute(sa.delete(RateWindowRow).where(RateWindowRow.c.start <= started_before)).rowcount


def forget_signups(conn: Connection, before: datetime) -> int:
    """Delete unprocessed forms; returns how many."""
    return conn.execute(sa.delete(SignupRow).where(SignupRow.c.at <= before)).rowcount


def forget_updates(conn: Connection, before: datetime) -> int:
    """Delete what was written to the bot before then and never answered; returns how many."""
    return conn.execute(sa.delete(BotUpdateRow).where(BotUpdateRow.c.at <= before)).rowcount


def forget_returns(conn: Connection, before: datetime) -> int:
    """Delete records of mails that bounced before then; returns how many."""
    return conn.execute(sa.delete(ReturnedMailRow).where(ReturnedMailRow.c.at <= before)).rowcount


def load_hashes(conn: Connection) -> set[str]:
    """Read every keyed hash of an address that is stored for a reason: subscribers, suppressions, and
    confirmations.
    """
    return {
        hashed
        for table in (SubscriberRow, SuppressionRow, ConfirmationRow)
        for hashed in conn.scalars(sa.select(table.c.address_hash))
        if hashed is not None
    }


def _load_ids(conn: Connection, *where: sa.ColumnElement[bool]) -> tuple[int, ...]:
    # Locked before their other rows are touched (see `people.lock`), so that a confirmation at this moment
    # counts.
    found = conn.scalars(
        sa.select(SubscriberRow.c.id)
        .where(*where)
        .order_by(SubscriberRow.c.id)
        .limit(_AT_ONCE)
        .with_for_update()
    )
    return tuple(id for id in found if id is not None)
