"""Counts and ages over the whole database, for `health`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from monitor.storage.deliveries.queue import IS_DUE, IS_FAILED
from monitor.storage.deliveries.tables import DeliveryRow
from monitor.storage.lists.tables import (
    ChangeRow,
    ChangesetRow,
    FetchRow,
    ListingVersionRow,
    SnapshotRow,
    SourceRow,
)
from monitor.storage.people.tables import SubscriberRow

OFTEN = 3
"""Attempts after which somebody should look: a server that asks new senders to come back later has taken the mail by then."""


@dataclass(frozen=True, slots=True)
class SourceOverview:
    """Where one source stands in the database; times are None where it never happened."""

    last_good_at: datetime | None
    last_fetch_at: datetime | None
    last_outcome: str | None
    last_reason: str
    next_poll_at: datetime | None
    baseline: int
    pending: int
    held: int
    rejected_at: datetime | None
    rejected_hash: str | None


@dataclass(frozen=True, slots=True)
class Outbox:
    """What the outbox owes, by channel: due rows, and the age of the oldest; failed are dead letters.

    ``refused``: how many due rows were tried `OFTEN` times or more, and the answer to one of them, by channel.
    """

    due: dict[str, int]
    refused: dict[str, tuple[int, str]]
    oldest_due_at: datetime | None
    failed: int
    unfanned: int


def source_state(conn: Connection, source: str) -> SourceOverview:
    """The state of one source; all None and 0 when it was never polled."""
    row = conn.execute(
        sa.select(SourceRow.c.last_good_at, SourceRow.c.next_poll_at).where(SourceRow.c.name == source)
    ).first()
    last = conn.execute(
        sa.select(FetchRow.c.outcome, FetchRow.c.reason, FetchRow.c.at, FetchRow.c.hash)
        .where(FetchRow.c.source == source)
        .order_by(FetchRow.c.at.desc(), FetchRow.c.id.desc())
        .limit(1)
    ).first()
    baseline = conn.scalar(
        sa.select(sa.func.count())
        .select_from(ListingVersionRow)
        .where(ListingVersionRow.c.source == source, ListingVersionRow.c.to_number.is_(None))
    )
    standing: dict[str, int] = dict(
        conn.execute(
            sa.select(ChangeRow.c.state, sa.func.count())
            .where(ChangeRow.c.source == source, ChangeRow.c.state.in_(["pending", "held"]))
            .group_by(ChangeRow.c.state)
        ).all()
    )
    rejected = conn.execute(
        sa.select(SnapshotRow.c.last_seen_at, SnapshotRow.c.hash)
        .where(SnapshotRow.c.source == source, SnapshotRow.c.verdict == "rejected")
        .order_by(SnapshotRow.c.id.desc())
        .limit(1)
    ).first()
    still_rejected = rejected is not None and last is not None and last.outcome == "rejected"
    return SourceOverview(
        last_good_at=row.last_good_at if row else None,
        last_fetch_at=last.at if last else None,
        last_outcome=last.outcome if last else None,
        last_reason=last.reason if last else "",
        next_poll_at=row.next_poll_at if row else None,
        baseline=baseline or 0,
        pending=standing.get("pending", 0),
        held=standing.get("held", 0),
        rejected_at=rejected.last_seen_at if rejected and still_rejected else None,
        rejected_hash=rejected.hash if rejected and still_rejected else None,
    )


def outbox(conn: Connection) -> Outbox:
    """Depth and age of the outbox."""
    due: dict[str, int] = dict(
        conn.execute(
            sa.select(SubscriberRow.c.channel, sa.func.count())
            .join(DeliveryRow, DeliveryRow.c.subscriber_id == SubscriberRow.c.id)
            .where(IS_DUE)
            .group_by(SubscriberRow.c.channel)
        ).all()
    )
    oldest = conn.scalar(
        sa.select(DeliveryRow.c.created_at).where(IS_DUE).order_by(DeliveryRow.c.created_at).limit(1)
    )
    refused = {
        channel: (count, error or "")
        for channel, count, error in conn.execute(
            sa.select(SubscriberRow.c.channel, sa.func.count(), sa.func.max(DeliveryRow.c.last_error))
            .join(DeliveryRow, DeliveryRow.c.subscriber_id == SubscriberRow.c.id)
            .where(IS_DUE, DeliveryRow.c.attempts >= OFTEN)
            .group_by(SubscriberRow.c.channel)
        )
    }
    failed = conn.scalar(sa.select(sa.func.count()).select_from(DeliveryRow).where(IS_FAILED))
    unfanned = conn.scalar(
        sa.select(sa.func.count()).select_from(ChangesetRow).where(ChangesetRow.c.fanned_out_at.is_(None))
    )
    return Outbox(due=due, refused=refused, oldest_due_at=oldest, failed=failed or 0, unfanned=unfanned or 0)
