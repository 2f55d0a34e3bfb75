"""Quiet hours: deliveries that become due in them, including retries, wait until they end."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.core.due import quiet_end
from monitor.storage.deliveries.queue import IS_DUE
from monitor.storage.deliveries.tables import DeliveryRow
from monitor.storage.people.tables import SubscriberRow


def postpone_quiet(conn: Connection, channel: str, now: datetime) -> int:
    """Postpone due deliveries on a channel to subscribers in their quiet hours until those end; returns how
    many.

    One statement for each pair of hours in a time zone that is quiet at the moment.
    """
    rows = SubscriberRow
    choices = conn.execute(
        sa.select(rows.c.timezone, rows.c.quiet_from, rows.c.quiet_to)
        .where(rows.c.quiet_from.is_not(None), rows.c.quiet_to.is_not(None))
        .distinct()
    ).all()
    postponed = 0
    for zone, since, until in choices:
        end = quiet_end(since, until, zone, now)
        if end is None:
            continue
        quiet = sa.select(rows.c.id).where(
            rows.c.timezone == zone if zone is not None else rows.c.timezone.is_(None),
            rows.c.quiet_from == since,
            rows.c.quiet_to == until,
        )
        postponed += conn.execute(
            sa.update(DeliveryRow)
            .where(
                IS_DUE,
                DeliveryRow.c.channel == channel,
                DeliveryRow.c.due_at <= now,
                DeliveryRow.c.subscriber_id.in_(quiet),
                sa.or_(DeliveryRow.c.lease_until.is_(None), DeliveryRow.c.lease_until <= now),
            )
            .values(due_at=end)
        ).rowcount
    return postponed
