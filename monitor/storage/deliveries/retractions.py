"""Messages about retractions: who was alerted to a change, and their deliveries.

The recipients are those who were sent an alert or a digest of the change's changeset while they followed one
of the change's places. Past subscriptions are known for some weeks (`storage.people.past_choices`), current
ones always. If a changeset had no other change, everybody who got a message of it was alerted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.deliveries.fanout import concerns_area
from monitor.storage.deliveries.insertions import insert_messages
from monitor.storage.deliveries.queue import DUE, SENT
from monitor.storage.deliveries.tables import DeliveryRow, DigestChangesetRow
from monitor.storage.lists.tables import ChangePlaceRow, ChangeRow
from monitor.storage.people.tables import PastSubscriptionRow, SubscriberRow, SubscriptionRow

RETRACTION = "retraction"
_SOME = 500  # fewer than a statement may bind
_DELIVERY, _SUBSCRIBER = DeliveryRow.c, SubscriberRow.c


@dataclass(frozen=True, slots=True)
class FirstMessage:
    """The message that alerted a person to a change: the delivery, when it was sent, and the server's id of
    it.

    ``sent_with``: the delivery whose Message-ID it had.
    """

    delivery: int
    sent_at: datetime | None
    sent_with: int | None
    reference: str | None


@dataclass(frozen=True, slots=True)
class Listener:
    """A person who was alerted to a change and is still subscribed."""

    subscriber: int
    channel: str


def lock_messages(conn: Connection, changeset: int) -> None:
    """Wait until pending settlements of a changeset are finished: messages sent later take the retraction
    into account.

    On SQLite only one transaction writes at a time anyway.
    """
    in_digests = sa.select(DigestChangesetRow.c.delivery_id).where(
        DigestChangesetRow.c.changeset_id == changeset
    )
    conn.execute(
        sa.select(_DELIVERY.id)
        .where(
            sa.or_(_DELIVERY.changeset_id == changeset, _DELIVERY.id.in_(in_digests)),
            _DELIVERY.state == DUE,
        )
        .order_by(_DELIVERY.id)
        .with_for_update()
    ).all()


def load_listeners(conn: Connection, change: int, source: str, changeset: int) -> tuple[Listener, ...]:
    """Read who was alerted to a change and is still subscribed, by subscriber."""
    told = {row.subscriber_id: row for row in conn.execute(_select_told(changeset))}
    siblings = conn.scalar(
        sa.select(sa.func.count()).select_from(ChangeRow).where(ChangeRow.c.changeset_id == changeset)
    )
    if siblings is not None and siblings > 1:
        spans = _load_spans(conn, change, source)
        told = {
            subscriber: row
            for subscriber, row in told.items()
            if any(
                since <= row.left_at and (until is None or row.left_at < until)
                for since, until in spans.get(subscriber, ())
            )
        }
    return tuple(Listener(subscriber, told[subscriber].channel) for subscriber in sorted(told))


def insert_retractions(conn: Connection, change: int, subscribers: Collection[int], now: datetime) -> int:
    """Insert the retraction of a change for each of these subscribers, once; returns how many are new."""
    source = conn.scalar(sa.select(ChangeRow.c.source).where(ChangeRow.c.id == change))
    return sum(
        insert_messages(
            conn,
            RETRACTION,
            now,
            _SUBSCRIBER.id.in_(some),
            _SUBSCRIBER.state.in_(["active", "paused"]),
            period=f"{RETRACTION} {change}",
            about=str(change),
            source=source,
        )
        for some in _batches(sorted(subscribers))
    )


def load_first_messages(
    conn: Connection, changesets: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], FirstMessage]:
    """Read the messages that announced changesets to subscribers, by (subscriber, changeset)."""
    found: dict[tuple[int, int], FirstMessage] = {}
    wanted = set(changesets)
    for changeset in sorted({each for _, each in wanted}):
        people = sorted(subscriber for subscriber, each in wanted if each == changeset)
        for some in _batches(people):
            rows = conn.execute(_select_told(changeset).where(_SUBSCRIBER.id.in_(some)))
            for row in rows:
                found[row.subscriber_id, changeset] = FirstMessage(
                    row.id, row.settled_at, row.sent_with, row.reference
                )
    return found


def _select_told(changeset: int) -> sa.Select[Any]:
    """Select current subscribers who got, or may have got, a message with a changeset; one row each.

    Nobody gets both an alert and a digest of one changeset.
    """
    alerts = sa.select(_DELIVERY.id).where(_DELIVERY.changeset_id == changeset)
    digests = sa.select(DigestChangesetRow.c.delivery_id).where(
        DigestChangesetRow.c.changeset_id == changeset
    )
    return (
        sa.select(
            _DELIVERY.id,
            _DELIVERY.subscriber_id,
            _DELIVERY.channel,
            _DELIVERY.settled_at,
            _DELIVERY.sent_with,
            _DELIVERY.reference,
            sa.func.coalesce(_DELIVERY.settled_at, _DELIVERY.due_at).label("left_at"),
        )
        .join(SubscriberRow, _SUBSCRIBER.id == _DELIVERY.subscriber_id)
        .where(
            _DELIVERY.id.in_(sa.union_all(alerts, digests)),
            sa.or_(_DELIVERY.state == SENT, _DELIVERY.ambiguous.is_(sa.true())),
            _SUBSCRIBER.state.in_(["active", "paused"]),
        )
    )


def _load_spans(
    conn: Connection, change: int, source: str
) -> dict[int, list[tuple[datetime, datetime | None]]]:
    """Read when each subscriber followed a place of a change: (since, until), ``until`` None: still."""
    found: dict[int, list[tuple[datetime, datetime | None]]] = {}
    for follows in (SubscriptionRow, PastSubscriptionRow):
        past = follows is PastSubscriptionRow
        since = PastSubscriptionRow.c.since if past else SubscriptionRow.c.created_at
        until: Any = PastSubscriptionRow.c.until if past else sa.null()
        base = (
            sa.select(follows.c.subscriber_id, since, until)
            .select_from(follows)
            .join(ChangeRow, ChangeRow.c.id == change)
            .where(follows.c.source == source)
        )
        placed = base.join(ChangePlaceRow, ChangePlaceRow.c.change_id == ChangeRow.c.id)
        queries: Sequence[sa.Select[Any]] = (
            placed.where(ChangePlaceRow.c.place == follows.c.place),
            placed.where(
                ChangePlaceRow.c.place == follows.c.within, ChangePlaceRow.c.everyone.is_(sa.true())
            ),
            base.where(concerns_area(follows)),
        )
        for query in queries:
            for subscriber, first, last in conn.execute(query):
                found.setdefault(subscriber, []).append((first, last))
    return found


def _batches(subscribers: Sequence[int]) -> Iterable[Sequence[int]]:
    return (subscribers[start : start + _SOME] for start in range(0, len(subscribers), _SOME))
