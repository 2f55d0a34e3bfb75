"""Digests: who is due one, which changesets it tells, and what the outbox then owes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlmodel import col

from monitor.storage.columns import UtcDateTime
from monitor.storage.deliveries.fanout import Match, heard
from monitor.storage.deliveries.tables import Delivery, DigestChangeset
from monitor.storage.engine import insert_for
from monitor.storage.lists import tables
from monitor.storage.lists.tables import ChangePlace, Changeset
from monitor.storage.people.tables import Subscriber, Subscription

DIGEST = "digest"


@dataclass(frozen=True, slots=True)
class Due:
    """A subscriber whose digest, or summary after a pause, is due."""

    subscriber: int
    frequency: str
    timezone: str | None
    local_hour: int | None
    since: datetime
    was_paused: bool


def due(conn: Connection, now: datetime, limit: int) -> tuple[Due, ...]:
    """Those whose digest is due, taken for this transaction: on PostgreSQL nobody else gets them meanwhile."""
    rows: Any = conn.execute(
        sa.select(
            col(Subscriber.id),
            col(Subscriber.frequency),
            col(Subscriber.timezone),
            col(Subscriber.local_hour),
            sa.func.coalesce(col(Subscriber.digest_since), col(Subscriber.created_at)),
            col(Subscriber.paused_until).is_not(None),
        )
        .where(col(Subscriber.digest_at) <= now, col(Subscriber.state).in_(["active", "paused"]))
        .order_by(col(Subscriber.digest_at), col(Subscriber.id))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return tuple(Due(*row) for row in rows)


def any_due(conn: Connection, now: datetime) -> bool:
    """Whether a digest is due."""
    found = sa.exists().where(
        col(Subscriber.digest_at) <= now, col(Subscriber.state).in_(["active", "paused"])
    )
    return bool(conn.scalar(sa.select(found)))


def collected(conn: Connection, subscribers: Collection[int]) -> dict[int, tuple[int, ...]]:
    """For each subscriber the changesets that were fanned out since their last digest, concern a place that they followed then,
    and that neither an alert nor a digest has told them.
    """
    base = (
        sa.select(col(Subscription.subscriber_id), col(Changeset.id))
        .select_from(Subscription)
        .join(Subscriber, col(Subscriber.id) == col(Subscription.subscriber_id))
        .join(
            Changeset,
            sa.and_(
                col(Changeset.source) == col(Subscription.source),
                col(Changeset.fanned_out_at) >= col(Subscriber.digest_since),
                col(Changeset.fanned_out_at) >= col(Subscription.created_at),
            ),
        )
        .join(tables.Change, col(tables.Change.changeset_id) == col(Changeset.id))
        .join(ChangePlace, col(ChangePlace.change_id) == col(tables.Change.id))
        .where(
            col(Subscription.subscriber_id).in_(subscribers),
            ~sa.exists().where(
                col(Delivery.subscriber_id) == col(Subscriber.id),
                col(Delivery.changeset_id) == col(Changeset.id),
            ),
            ~sa.exists().where(
                col(DigestChangeset.subscriber_id) == col(Subscriber.id),
                col(DigestChangeset.changeset_id) == col(Changeset.id),
            ),
        )
    )
    found: dict[int, list[int]] = {}
    pairs: Any = conn.execute(
        sa.union(
            base.where(col(ChangePlace.place) == col(Subscription.place)),
            base.where(
                col(ChangePlace.place) == col(Subscription.within), col(ChangePlace.everyone).is_(sa.true())
            ),
        )
    )
    for subscriber, changeset in pairs:
        found.setdefault(subscriber, []).append(changeset)
    return {subscriber: tuple(sorted(changesets)) for subscriber, changesets in found.items()}


def take_alerts(conn: Connection, subscribers: Collection[int], now: datetime) -> dict[int, tuple[int, ...]]:
    """Alerts that lay due through a pause and that nobody has in hand: settled as told in its summary; their changesets."""
    rows = conn.execute(
        sa.update(Delivery)
        .where(
            col(Delivery.subscriber_id).in_(subscribers),
            col(Delivery.kind) == "alert",
            col(Delivery.state) == "due",
            sa.or_(col(Delivery.lease_until).is_(None), col(Delivery.lease_until) <= now),
        )
        .values(
            state="dropped",
            settled_at=now,
            last_error="told in the summary after a pause",
            lease_until=None,
            owner=None,
        )
        .returning(col(Delivery.subscriber_id), col(Delivery.changeset_id))
    )
    found: dict[int, list[int]] = {}
    for subscriber, changeset in rows:
        if changeset is not None:
            found.setdefault(subscriber, []).append(changeset)
    return {subscriber: tuple(sorted(changesets)) for subscriber, changesets in found.items()}


def owe(conn: Connection, told: Mapping[int, tuple[str, tuple[int, ...]]], now: datetime) -> frozenset[int]:
    """Owe each subscriber one digest of a period that tells these changesets; returns those who were not owed it before.

    A period that was told already takes nothing more: what it would have told is for the next one.
    """
    if not told:
        return frozenset()
    rows = [
        {
            "kind": DIGEST,
            "period": period,
            "subscriber_id": subscriber,
            "state": "due",
            "created_at": now,
            "due_at": now,
            "attempts": 0,
            "ambiguous": False,
        }
        for subscriber, (period, _) in told.items()
    ]
    written = conn.execute(
        insert_for(conn, Delivery)
        .values(rows)
        .on_conflict_do_nothing(
            index_elements=["subscriber_id", "kind", "period"], index_where=col(Delivery.period).is_not(None)
        )
        .returning(col(Delivery.id), col(Delivery.subscriber_id))
    ).all()
    entries = [
        {"subscriber_id": subscriber, "changeset_id": changeset, "delivery_id": delivery}
        for delivery, subscriber in written
        for changeset in told[subscriber][1]
    ]
    if entries:
        conn.execute(sa.insert(DigestChangeset), entries)
    return frozenset(subscriber for _, subscriber in written)


def scheduled(conn: Connection, plans: Sequence[tuple[int, datetime | None, datetime | None]]) -> None:
    """Write when each subscriber's next digest is due and from when on it collects; a pause is over with that."""
    conn.execute(
        sa.update(Subscriber)
        .where(col(Subscriber.id) == sa.bindparam("who"), col(Subscriber.state) != "ended")
        .values(
            digest_at=sa.bindparam("at", type_=UtcDateTime()),
            digest_since=sa.bindparam("since", type_=UtcDateTime()),
            state="active",
            paused_until=None,
        ),
        [{"who": who, "at": at, "since": since} for who, at, since in plans],
    )


def told_by(conn: Connection, deliveries: Collection[int]) -> dict[int, tuple[int, ...]]:
    """The changesets of digests, by delivery."""
    rows = conn.execute(
        sa.select(col(DigestChangeset.delivery_id), col(DigestChangeset.changeset_id))
        .where(col(DigestChangeset.delivery_id).in_(deliveries))
        .order_by(col(DigestChangeset.changeset_id))
    )
    found: dict[int, list[int]] = {}
    for delivery, changeset in rows:
        found.setdefault(delivery, []).append(changeset)
    return {delivery: tuple(changesets) for delivery, changesets in found.items()}


def sources_of(conn: Connection, changesets: Collection[int]) -> dict[int, str]:
    """The source of each changeset."""
    rows: Any = conn.execute(
        sa.select(col(Changeset.id), col(Changeset.source)).where(col(Changeset.id).in_(changesets))
    )
    return dict(rows.all())


def matches(conn: Connection, deliveries: Collection[int]) -> dict[int, list[Match]]:
    """For each digest, which changes its subscriber hears of and why: their own subscriptions, as of now."""
    return heard(conn, DigestChangeset, col(DigestChangeset.delivery_id), deliveries)


def periods(conn: Connection, deliveries: Collection[int]) -> dict[int, str]:
    """The period of each delivery that has one."""
    rows: Any = conn.execute(
        sa.select(col(Delivery.id), col(Delivery.period)).where(
            col(Delivery.id).in_(deliveries), col(Delivery.period).is_not(None)
        )
    )
    return dict(rows.all())
