"""What people followed, and how they were told, until they changed it: the reasons of past messages.

Who gets a change is decided by what somebody has chosen at its fan-out. These rows are written when a choice
ends, in the transaction that ends it, under the time of `storage.eligibility`; so what was chosen at any
fan-out of the last weeks is known exactly, and no row is written for each person and change. They hold no
address, and go with the subscriber.
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
    """How somebody was told until a moment: `SubscriberRow.state` and ``frequency``."""

    state: str
    frequency: str
    until: datetime


@dataclass(frozen=True, slots=True)
class PastFollow:
    """A place of a source that somebody followed from a moment to another one."""

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
    """Give what somebody followed until a moment, and before, to the subscriber with whom they are one from
    then on.
    """
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
    """Write how subscribers are told now, as what ends at a moment. Call it before that changes."""
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
    """Read how somebody was told at a moment; None: as they are today."""
    rows = PastStatusRow.c
    found: Any = conn.execute(
        sa.select(rows.state, rows.frequency, rows.until)
        .where(rows.subscriber_id == subscriber, rows.until > moment)
        .order_by(rows.until, rows.id)
        .limit(1)
    ).first()
    return PastStatus(*found) if found is not None else None


def load_past_statuses(conn: Connection, subscriber: int) -> tuple[PastStatus, ...]:
    """Read how somebody was told before, in order."""
    rows = PastStatusRow.c
    found: Any = conn.execute(
        sa.select(rows.state, rows.frequency, rows.until)
        .where(rows.subscriber_id == subscriber)
        .order_by(rows.until, rows.id)
    )
    return tuple(PastStatus(*row) for row in found)


def load_past_follows(conn: Connection, subscriber: int) -> tuple[PastFollow, ...]:
    """Read what somebody does not follow any more, in the order in which it ended."""
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
    """Delete what ended before a moment; returns how many."""
    return sum(
        conn.execute(sa.delete(table).where(table.c.until < moment)).rowcount
        for table in (PastSubscriptionRow, PastStatusRow)
    )
