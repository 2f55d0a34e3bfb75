"""Agencies that subscribers are told about as part of the current state, not as news: they were listed before
and serve a followed place only according to a later gazetteer or override.

They are included once, in the next message to the subscriber.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.deliveries.tables import DeliveryRow, NewlyCoveredRow
from monitor.storage.engine import insert_for
from monitor.storage.people.tables import AreaPlaceRow, SubscriberRow, SubscriptionRow

_FREE = ~sa.exists().where(
    DeliveryRow.c.id == NewlyCoveredRow.c.delivery_id, DeliveryRow.c.state.in_(["due", "sent"])
)
"""Condition: not in any message yet; none was written, or it was dropped or has failed."""
_ATTACHED = (
    sa.select(NewlyCoveredRow.c.delivery_id, NewlyCoveredRow.c.source, NewlyCoveredRow.c.agency)
    .where(NewlyCoveredRow.c.delivery_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(NewlyCoveredRow.c.source, NewlyCoveredRow.c.agency)
)


@dataclass(frozen=True, slots=True)
class NewlyCovered:
    """An agency of a list, by its key, that serves a subscriber's place according to a later gazetteer."""

    source: str
    agency: str


def load_followers(
    conn: Connection, source: str, places: Collection[str], everyone: Collection[str]
) -> frozenset[int]:
    """Read who follows a place of an agency on a list, as a fan-out would; ``everyone`` are the states that
    it serves as a whole.
    """
    follows = SubscriptionRow.c
    of_areas = sa.select(AreaPlaceRow.c.area).where(
        AreaPlaceRow.c.place.in_(places),
        sa.or_(AreaPlaceRow.c.statewide.is_(sa.false()), AreaPlaceRow.c.place.in_(everyone)),
    )
    found = conn.scalars(
        sa.select(follows.subscriber_id)
        .join(SubscriberRow, SubscriberRow.c.id == follows.subscriber_id)
        .where(
            follows.source == source,
            SubscriberRow.c.state.in_(["active", "paused"]),
            sa.or_(follows.place.in_(places), follows.within.in_(everyone), follows.place.in_(of_areas)),
        )
    )
    return frozenset(found)


def insert(conn: Connection, source: str, agency: str, subscribers: Iterable[int], since: datetime) -> None:
    """Insert an agency for these subscribers, unless it is already there."""
    rows = [
        {"subscriber_id": subscriber, "source": source, "agency": agency, "since": since}
        for subscriber in sorted(subscribers)
    ]
    if rows:
        conn.execute(insert_for(conn, NewlyCoveredRow).on_conflict_do_nothing(), rows)


def attach(conn: Connection, *which: sa.ColumnElement[bool]) -> None:
    """Attach the pending agencies of recipients to messages that were inserted in this transaction; ``which``
    selects these deliveries. Other transactions do not see them yet, so a message that is being sent is never
    changed.
    """
    message = (
        sa.select(sa.func.min(DeliveryRow.c.id))
        .where(DeliveryRow.c.subscriber_id == NewlyCoveredRow.c.subscriber_id, *which)
        .correlate(NewlyCoveredRow)
        .scalar_subquery()
    )
    conn.execute(sa.update(NewlyCoveredRow).where(_FREE, message.is_not(None)).values(delivery_id=message))


def load_attached(conn: Connection, deliveries: Collection[int]) -> dict[int, tuple[NewlyCovered, ...]]:
    """Read the agencies attached to these deliveries, by delivery."""
    return _group(conn.execute(_ATTACHED, {"ids": list(deliveries)}))


def load_of_subscriber(conn: Connection, subscriber: int) -> tuple[NewlyCovered, ...]:
    """Read all stored rows of a subscriber."""
    found = _group(
        conn.execute(
            sa.select(
                NewlyCoveredRow.c.subscriber_id, NewlyCoveredRow.c.source, NewlyCoveredRow.c.agency
            ).where(NewlyCoveredRow.c.subscriber_id == subscriber)
        )
    )
    return found.get(subscriber, ())


def delete_of(conn: Connection, subscribers: Collection[int]) -> None:
    """Delete the rows of these subscribers."""
    conn.execute(sa.delete(NewlyCoveredRow).where(NewlyCoveredRow.c.subscriber_id.in_(subscribers)))


def delete_sent(conn: Connection) -> int:
    """Delete rows whose message was sent; returns how many."""
    sent = sa.exists().where(DeliveryRow.c.id == NewlyCoveredRow.c.delivery_id, DeliveryRow.c.state == "sent")
    return conn.execute(sa.delete(NewlyCoveredRow).where(sent)).rowcount


def _group(rows: Any) -> dict[int, tuple[NewlyCovered, ...]]:
    found: dict[int, list[NewlyCovered]] = {}
    for owner, source, agency in rows:
        found.setdefault(owner, []).append(NewlyCovered(source, agency))
    return {owner: tuple(each) for owner, each in found.items()}
