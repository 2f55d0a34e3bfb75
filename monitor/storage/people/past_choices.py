"""Past subscriptions and settings, which explain past messages. Who gets a change depends on the settings at
its fan-out.

These rows are written when a setting changes, in the same transaction, with the time of
`storage.eligibility`; so the settings at any fan-out of the last weeks are known exactly, without a row for
each person and change. They contain no address, and are deleted with the subscriber.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.columns import UtcDateTime
from monitor.storage.people.tables import PastStatusRow, PastSubscriptionRow, SubscriberRow, SubscriptionRow


@dataclass(frozen=True, slots=True)
class PastStatus:
    """A subscriber's settings until a moment: `SubscriberRow.state` and ``frequency``."""

    state: str
    frequency: str
    until: datetime


@dataclass(frozen=True, slots=True)
class PastFollow:
    """A place of a source that a subscriber followed from one moment to another."""

    source: str
    place: str
    since: datetime
    until: datetime


def insert_past_follows(
    conn: Connection, subscriber: int, source: str, places: Collection[str], moment: datetime
) -> None:
    """Write that subscriptions end at a moment. Call it before they are deleted."""
    conn.execute(
        sa.insert(PastSubscriptionRow).from_select(
            ["subscriber_id", "source", "place", "within", "since", "until"],
            sa.select(
                SubscriptionRow.c.subscriber_id,
                SubscriptionRow.c.source,
                SubscriptionRow.c.place,
                SubscriptionRow.c.within,
                SubscriptionRow.c.created_at,
                sa.literal(moment, UtcDateTime()),
            ).where(
                SubscriptionRow.c.subscriber_id == subscriber,
                SubscriptionRow.c.source == source,
                SubscriptionRow.c.place.in_(places),
            ),
        )
    )


def move_past_follows(conn: Connection, subscriber: int, into: int, moment: datetime) -> None:
    """Move the past subscriptions of a subscriber to the one that it was merged with at a moment."""
    rows = SubscriptionRow.c
    conn.execute(
        sa.insert(PastSubscriptionRow).from_select(
            ["subscriber_id", "source", "place", "within", "since", "until"],
            sa.select(
                sa.literal(into),
                rows.source,
                rows.place,
                rows.within,
                rows.created_at,
                sa.literal(moment, UtcDateTime()),
            ).where(rows.subscriber_id == subscriber),
        )
    )
    past = PastSubscriptionRow
    conn.execute(sa.update(past).where(past.c.subscriber_id == subscriber).values(subscriber_id=into))


def insert_past_statuses(conn: Connection, subscribers: Collection[int], moment: datetime) -> None:
    """Write the current settings of subscribers as ending at a moment. Call it before they change."""
    conn.execute(
        sa.insert(PastStatusRow).from_select(
            ["subscriber_id", "state", "frequency", "until"],
            sa.select(
                SubscriberRow.c.id,
                SubscriberRow.c.state,
                SubscriberRow.c.frequency,
                sa.literal(moment, UtcDateTime()),
            ).where(SubscriberRow.c.id.in_(subscribers)),
        )
    )


def load_status_at(conn: Connection, subscriber: int, moment: datetime) -> PastStatus | None:
    """Read a subscriber's settings at a moment; None: the same as today."""
    rows = PastStatusRow.c
    found: Any = conn.execute(
        sa.select(rows.state, rows.frequency, rows.until)
        .where(rows.subscriber_id == subscriber, rows.until > moment)
        .order_by(rows.until, rows.id)
        .limit(1)
    ).first()
    return PastStatus(*found) if found is not None else None


def load_past_statuses(conn: Connection, subscriber: int) -> tuple[PastStatus, ...]:
    """Read a subscriber's past settings, in order."""
    rows = PastStatusRow.c
    found: Any = conn.execute(
        sa.select(rows.state, rows.frequency, rows.until)
        .where(rows.subscriber_id == subscriber)
        .order_by(rows.until, rows.id)
    )
    return tuple(PastStatus(*row) for row in found)


def load_past_follows(conn: Connection, subscriber: int) -> tuple[PastFollow, ...]:
    """Read a subscriber's past subscriptions, in the order in which they ended."""
    rows = PastSubscriptionRow.c
    found: Any = conn.execute(
        sa.select(rows.source, rows.place, rows.since, rows.until)
        .where(rows.subscriber_id == subscriber)
        .order_by(rows.until, rows.id)
    )
    return tuple(PastFollow(*row) for row in found)


def delete_of(conn: Connection, subscribers: Collection[int]) -> None:
    """Delete the past choices of subscribers who have ended."""
    for table in (PastSubscriptionRow, PastStatusRow):
        conn.execute(sa.delete(table).where(table.c.subscriber_id.in_(subscribers)))


def delete_before(conn: Connection, moment: datetime) -> int:
    """Delete rows that ended before a moment; returns how many."""
    return sum(
        conn.execute(sa.delete(table).where(table.c.until < moment)).rowcount
        for table in (PastSubscriptionRow, PastStatusRow)
    )
