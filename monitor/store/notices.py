"""Notices: how well a source can be seen, and who is owed a word about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlmodel import col

from monitor.db import insert_for
from monitor.tables import Delivery, Fetch, Source, Subscriber, Subscription, UtcDateTime

NOTICE = "notice"


@dataclass(frozen=True, slots=True)
class Sight:
    """How well a source could be seen: when it was last read and last tried, and since when its followers know that it could not be."""

    last_good_at: datetime | None
    last_fetch_at: datetime | None
    told_blind_at: datetime | None


@dataclass(frozen=True, slots=True)
class Checks:
    """The checks of a source since some day: how many were good, the last good one, and the time without one, as (from, to)."""

    good: int
    last_good_at: datetime | None
    gaps: tuple[tuple[datetime, datetime], ...]


def sights(conn: Connection, sources: Iterable[str]) -> dict[str, Sight]:
    """How well these sources could be seen; those that were never polled are left out."""
    rows: Any = conn.execute(
        sa.select(
            col(Source.name),
            col(Source.last_good_at),
            col(Source.last_fetch_at),
            col(Source.blind_notified_at),
        ).where(col(Source.name).in_(list(sources)))
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
    """Owe a notice to every active follower of a source; with ``told`` only to those who had the notice of that period."""
    followers = sa.select(col(Subscription.subscriber_id)).where(col(Subscription.source) == source)
    wanted = [col(Subscriber.id).in_(followers), col(Subscriber.state) == "active"]
    if told is not None:
        wanted.append(
            sa.exists().where(
                col(Delivery.subscriber_id) == col(Subscriber.id),
                col(Delivery.kind) == NOTICE,
                col(Delivery.period) == told,
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


def checks(conn: Connection, source: str, since: datetime) -> Checks:
    """The checks of a source since then; a gap is from the last good check before failures to the next good one after them."""
    rows = conn.execute(
        sa.select(col(Fetch.at), col(Fetch.outcome))
        .where(col(Fetch.source) == source, col(Fetch.at) >= since)
        .order_by(col(Fetch.at), col(Fetch.id))
    )
    good, last_good, failing = 0, None, False
    gaps: list[tuple[datetime, datetime]] = []
    at = since
    for at, outcome in rows:
        if outcome in ("good", "unchanged"):
            if failing:
                gaps.append((last_good or since, at))
            good, last_good, failing = good + 1, at, False
        else:
            failing = True
    if failing:
        gaps.append((last_good or since, at))
    return Checks(good, last_good, tuple(gaps))


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
