"""Notices: the visibility of a source, and who is notified."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.deliveries import newly_covered
from monitor.storage.deliveries.insertions import insert_messages
from monitor.storage.deliveries.tables import DeliveryRow
from monitor.storage.lists.tables import FetchRow, SourceRow
from monitor.storage.people.tables import SubscriberRow, SubscriptionRow

NOTICE = "notice"
UNNOTED = timedelta(minutes=75)
"""The longest normal time between hourly checks, with their jitter."""


@dataclass(frozen=True, slots=True)
class SourceVisibility:
    """The visibility of a source: when it was last read and last tried, and when its followers were notified
    that it could not be read.
    """

    last_good_at: datetime | None
    last_fetch_at: datetime | None
    told_blind_at: datetime | None


@dataclass(frozen=True, slots=True)
class Checks:
    """The checks of a source from ``since`` to ``until``: how many there were, how many were good, the
    last good one, and the times without one that were longer than `UNNOTED`, as (from, to).
    """

    since: datetime
    until: datetime
    polls: int
    good: int
    last_good_at: datetime | None
    gaps: tuple[tuple[datetime, datetime], ...]


def load_visibility(conn: Connection) -> dict[str, SourceVisibility]:
    """Read the visibility of every source that was ever polled, including ones that are no longer watched."""
    rows: Any = conn.execute(
        sa.select(
            SourceRow.c.name,
            SourceRow.c.last_good_at,
            SourceRow.c.last_fetch_at,
            SourceRow.c.blind_notified_at,
        )
    )
    return {name: SourceVisibility(*rest) for name, *rest in rows}


def note_blind(conn: Connection, source: str, before: datetime | None, after: datetime | None) -> bool:
    """Store that followers were notified, or that the outage is over; False if another process was first."""
    known = SourceRow.c.blind_notified_at
    moved = conn.execute(
        sa.update(SourceRow)
        .where(SourceRow.c.name == source, known.is_(None) if before is None else known == before)
        .values(blind_notified_at=after)
    )
    return moved.rowcount == 1


def insert_for_followers(
    conn: Connection, source: str, about: str, period: str, now: datetime, *, told: str | None = None
) -> int:
    """Insert a notice for every follower of a source, including paused ones; with ``told``, only for those
    who were sent the notice of that period.
    """
    followers = sa.select(SubscriptionRow.c.subscriber_id).where(SubscriptionRow.c.source == source)
    wanted: list[Any] = [
        SubscriberRow.c.id.in_(followers),
        SubscriberRow.c.state.in_(["active", "paused"]),
    ]
    if told is not None:
        wanted.append(
            sa.exists().where(
                DeliveryRow.c.subscriber_id == SubscriberRow.c.id,
                DeliveryRow.c.kind == NOTICE,
                DeliveryRow.c.period == told,
                DeliveryRow.c.state == "sent",
            )
        )
    return _insert_notices(conn, about, source, period, now, *wanted)


def insert_receipts(
    conn: Connection, period: str, now: datetime, silent_since: datetime, *, channels: Collection[str]
) -> int:
    """Write a receipt for everybody who signed up on the site for one of these channels, wants them, and got
    no message since then.
    """
    heard = sa.exists().where(
        DeliveryRow.c.subscriber_id == SubscriberRow.c.id, DeliveryRow.c.created_at > silent_since
    )
    return _insert_notices(
        conn,
        "receipt",
        None,
        period,
        now,
        SubscriberRow.c.state == "active",
        SubscriberRow.c.channel.in_(channels),
        SubscriberRow.c.origin == "site",
        SubscriberRow.c.receipts.is_(sa.true()),
        SubscriberRow.c.confirmed_at <= silent_since,
        ~heard,
    )


def load_checks(conn: Connection, source: str, since: datetime, until: datetime) -> Checks:
    """Read the checks of a source in that time, or since its first check. Time without polls counts like
    failed polls.
    """
    at = FetchRow.c.at
    of_source = FetchRow.c.source == source
    first = conn.scalar(sa.select(sa.func.min(at)).where(of_source))
    begin = since if first is None else min(max(since, first), until)
    rows = conn.execute(
        sa.select(at, FetchRow.c.outcome)
        .where(of_source, at >= begin, at <= until)
        .order_by(at, FetchRow.c.id)
    ).all()
    good = [row.at for row in rows if row.outcome in ("good", "unchanged")]
    times = [begin, *good, until]
    gaps = tuple((start, end) for start, end in pairwise(times) if end - start > UNNOTED)
    return Checks(begin, until, len(rows), len(good), good[-1] if good else None, gaps)


def _insert_notices(
    conn: Connection, about: str, source: str | None, period: str, now: datetime, *wanted: Any
) -> int:
    written = insert_messages(conn, NOTICE, now, *wanted, period=period, about=about, source=source)
    newly_covered.attach(
        conn, DeliveryRow.c.kind == NOTICE, DeliveryRow.c.period == period, DeliveryRow.c.created_at == now
    )
    return written
