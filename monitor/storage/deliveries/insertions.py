"""Inserts messages of one kind for many subscribers in one statement, never twice for one."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.columns import UtcDateTime
from monitor.storage.deliveries.queue import DUE
from monitor.storage.deliveries.tables import DeliveryRow
from monitor.storage.engine import insert_for
from monitor.storage.people.tables import SubscriberRow


def insert_messages(
    conn: Connection,
    kind: str,
    now: datetime,
    *wanted: sa.ColumnElement[bool],
    period: str,
    about: str,
    source: str | None,
) -> int:
    """Insert one message of a kind for each selected subscriber, about a list or about none; returns how many
    are new.

    A subscriber with a due or sent message of this period gets no second one.
    """
    owed = (
        sa.select(
            sa.literal(kind),
            SubscriberRow.c.channel,
            sa.literal(period),
            sa.literal(about),
            sa.literal(source, sa.String()),
            SubscriberRow.c.id,
            sa.literal(DUE),
            sa.literal(now, UtcDateTime()),
            sa.literal(now, UtcDateTime()),
            sa.literal(0),
            sa.false(),
        )
        .where(*wanted)
        .order_by(SubscriberRow.c.id)
    )
    columns = [
        "kind", "channel", "period", "about", "about_source", "subscriber_id", "state", "created_at",
        "due_at", "attempts", "ambiguous",
    ]  # fmt: skip
    return conn.execute(
        insert_for(conn, DeliveryRow)
        .from_select(columns, owed, include_defaults=False)
        .on_conflict_do_nothing(
            index_elements=["subscriber_id", "kind", "period"],
            index_where=DeliveryRow.c.period.is_not(None),
        ),
        execution_options={"preserve_rowcount": True},
    ).rowcount
