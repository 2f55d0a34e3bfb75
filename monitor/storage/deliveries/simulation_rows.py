"""The recipients of a simulated publication, read from a scratch copy of the database after its fan-out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.deliveries.fanout import insert_deliveries
from monitor.storage.deliveries.tables import DeliveryRow
from monitor.storage.lists.tables import ChangePlaceRow, ChangesetRow
from monitor.storage.people.tables import SubscriberRow


@dataclass(frozen=True, slots=True)
class ToldOnChannel:
    """How many people on a channel would be alerted: at once, or later in a digest or in the summary after a
    pause.
    """

    channel: str
    at_once: int
    later: int


def load_changesets(conn: Connection, source: str, after: int) -> tuple[int, ...]:
    """Read the changesets of a source after an id."""
    rows = conn.scalars(
        sa.select(ChangesetRow.c.id)
        .where(ChangesetRow.c.source == source, ChangesetRow.c.id > after)
        .order_by(ChangesetRow.c.id)
    )
    return tuple(id or 0 for id in rows)


def load_last_changeset(conn: Connection) -> int:
    """Read the id of the newest changeset; 0: there is none."""
    return conn.scalar(sa.select(sa.func.max(ChangesetRow.c.id))) or 0


def count_told(
    conn: Connection, source: str, changesets: Collection[int], now: datetime
) -> tuple[ToldOnChannel, ...]:
    """Count the people who would be alerted to these changesets, each once.

    Everybody with digests or a pause is changed to immediate alerts, and the fan-out is run again, so that
    the same rule applies to both. Use it only on a temporary copy.
    """
    at_once = _count(conn, changesets)
    conn.execute(
        sa.update(SubscriberRow)
        .where(SubscriberRow.c.state.in_(["active", "paused"]))
        .values(state="active", frequency="at_once")
    )
    for changeset in changesets:
        insert_deliveries(conn, changeset, source, now)
    everybody = _count(conn, changesets)
    return tuple(
        ToldOnChannel(channel, at_once.get(channel, 0), count - at_once.get(channel, 0))
        for channel, count in sorted(everybody.items())
    )


def load_samples(conn: Connection, changesets: Collection[int]) -> tuple[int, ...]:
    """Read one delivery of each channel and language, the first."""
    rows: Any = conn.scalars(
        sa.select(sa.func.min(DeliveryRow.c.id))
        .join(SubscriberRow, SubscriberRow.c.id == DeliveryRow.c.subscriber_id)
        .where(DeliveryRow.c.changeset_id.in_(changesets))
        .group_by(SubscriberRow.c.channel, SubscriberRow.c.language)
        .order_by(sa.func.min(DeliveryRow.c.id))
    )
    return tuple(rows)


def count_places(conn: Connection, change: int) -> int:
    """Count the places that a change concerns, without "US"."""
    return (
        conn.scalar(
            sa.select(sa.func.count())
            .select_from(ChangePlaceRow)
            .where(ChangePlaceRow.c.change_id == change, ChangePlaceRow.c.place != "US")
        )
        or 0
    )


def _count(conn: Connection, changesets: Collection[int]) -> dict[str, int]:
    rows: Any = conn.execute(
        sa.select(SubscriberRow.c.channel, sa.func.count(SubscriberRow.c.id.distinct()))
        .join(DeliveryRow, DeliveryRow.c.subscriber_id == SubscriberRow.c.id)
        .where(DeliveryRow.c.changeset_id.in_(changesets))
        .group_by(SubscriberRow.c.channel)
    )
    return dict(rows.all())
