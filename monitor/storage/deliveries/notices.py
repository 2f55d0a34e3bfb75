"""Notices: how well a source can be seen, and who is owed a word about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlmodel import col

from monitor.storage.columns import UtcDateTime
from monitor.storage.deliveries.tables import Delivery
from monitor.storage.engine import insert_for
from monitor.storage.lists.tables import Fetch, Source
from monitor.storage.people.tables import Subscriber, Subscription

NOTICE = "notice"
UNNOTED = timedelta(minutes=75)
"""Hourly checks are that far apart at most, with their jitter."""


@dataclass(frozen=True, slots=True)
class Sight:
    """How well a source could be seen: when it was last read and last tried, and since when its followers know that it could not be."""

    last_good_at: datetime | None
    last_fetch_at: datetime | None
    told_blind_at: datetime | None


@dataclass(frozen=True, slots=True)
class Checks:
    """The checks of a source since some day: how many were good, the last good one, and the times without one that were longer than
    `UNNOTED`, as (from, to).
    """

    good: int
    last_good_at: datetime | None
    gaps: tuple[tuple[datetime, datetime], ...]


def sights(conn: Connection) -> dict[str, Sight]:
    """How well each source that was ever polled could be seen, also one that is not watched any more."""
    rows: Any = conn.execute(
        sa.select(
            col(Source.name),
            col(Source.last_good_at),
            col(Source.last_fetch_at),
            col(Source.blind_notified_at),
        )
    )
    return {name: Sight(*rest) for name, *rest in rows}


def note_blind(conn: Connection, source: str, before: datetime | None, after: datetime | None) -> bool:
    """Note that followers were told, or told that it is over; False if another process was first."""
    known = col(Source.blind_notified_at)
    moved = conn.execute(
        sa.update(Source)
        .where(col(Source.name) == source, known.is_(None) if before is None else known == before)
        .values(blind_notified_at=after)
    )
    return moved.rowcount == 1


def owe_followers(
    conn: Connection, source: str, period: str, now: datetime, *, told: str | None = None
) -> int:
    """Owe a notice to every follower of a source, to those who pause for afterwards; with ``told`` only to those who were sent the notice
    of that period.
    """
    followers = sa.select(col(Subscription.subscriber_id)).where(col(Subscription.source) == source)
    wanted: list[Any] = [col(Subscriber.id).in_(followers), col(Subscriber.state).in_(["active", "paused"])]
    if told is not None:
        wanted.append(
            sa.exists().where(
                col(Delivery.subscriber_id) == col(Subscriber.id),
                col(Delivery.kind) == NOTICE,
                col(Delivery.period) == told,
                col(Delivery.state) == "sent",
            )
        )
    return _owe_notice(conn, period, now, *wanted)


def owe_receipts(conn: Connection, period: str, now: datetime, silent_since: datetime) -> int:
    """Owe a receipt to everybody who signed up by mail, wants them, and was owed no message since then."""
    heard = sa.exists().where(
        col(Delivery.subscriber_id) == col(Subscriber.id), col(Delivery.created_at) > silent_since
    )
    return _owe_notice(
        conn,
        period,
        now,
        col(Subscriber.state) == "active",
        col(Subscriber.channel) == "email",
        col(Subscriber.origin) == "site",
        col(Subscriber.receipts).is_(sa.true()),
        col(Subscriber.confirmed_at) <= silent_since,
        ~heard,
    )


def checks(conn: Connection, source: str, since: datetime, until: datetime) -> Checks:
    """The checks of a source in that time, or since its first. Time in which nobody looked is without one like that in which all failed."""
    at = col(Fetch.at)
    of_source = col(Fetch.source) == source
    first = conn.scalar(sa.select(sa.func.min(at)).where(of_source))
    good = conn.scalars(
        sa.select(at)
        .where(of_source, at >= since, col(Fetch.outcome).in_(["good", "unchanged"]))
        .order_by(at, col(Fetch.id))
    ).all()
    begin = since if first is None else max(since, first)
    times = [begin, *good, until]
    gaps = tuple((start, end) for start, end in pairwise(times) if end - start > UNNOTED)
    return Checks(len(good), good[-1] if good else None, gaps)


def _owe_notice(conn: Connection, period: str, now: datetime, *wanted: Any) -> int:
    owed = sa.select(
        sa.literal(NOTICE),
        sa.literal(period),
        col(Subscriber.id),
        sa.literal("due"),
        sa.literal(now, UtcDateTime()),
        sa.literal(now, UtcDateTime()),
        sa.literal(0),
        sa.false(),
    ).where(*wanted)
    columns = ["kind", "period", "subscriber_id", "state", "created_at", "due_at", "attempts", "ambiguous"]
    return conn.execute(
        insert_for(conn, Delivery)
        .from_select(columns, owed, include_defaults=False)
        .on_conflict_do_nothing(
            index_elements=["subscriber_id", "kind", "period"], index_where=col(Delivery.period).is_not(None)
        ),
        execution_options={"preserve_rowcount": True},
    ).rowcount
