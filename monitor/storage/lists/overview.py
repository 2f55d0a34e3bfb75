"""Counts and ages over the whole database, for `health`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlmodel import col

from monitor.storage.deliveries.queue import IS_DUE, IS_FAILED
from monitor.storage.deliveries.tables import Delivery
from monitor.storage.lists.tables import Change, Changeset, Fetch, ListingVersion, Snapshot, Source
from monitor.storage.people.tables import Subscriber

OFTEN = 3
"""Attempts after which somebody should look: a server that asks new senders to come back later has taken the mail by then."""


@dataclass(frozen=True, slots=True)
class SourceState:
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


def source_state(conn: Connection, source: str) -> SourceState:
    """The state of one source; all None and 0 when it was never polled."""
    row = conn.execute(
        sa.select(col(Source.last_good_at), col(Source.next_poll_at)).where(col(Source.name) == source)
    ).first()
    last = conn.execute(
        sa.select(col(Fetch.outcome), col(Fetch.reason), col(Fetch.at), col(Fetch.hash))
        .where(col(Fetch.source) == source)
        .order_by(col(Fetch.at).desc(), col(Fetch.id).desc())
        .limit(1)
    ).first()
    baseline = conn.scalar(
        sa.select(sa.func.count())
        .select_from(ListingVersion)
        .where(col(ListingVersion.source) == source, col(ListingVersion.to_number).is_(None))
    )
    standing: dict[str, int] = dict(
        conn.execute(
            sa.select(col(Change.state), sa.func.count())
            .where(col(Change.source) == source, col(Change.state).in_(["pending", "held"]))
            .group_by(col(Change.state))
        ).all()
    )
    rejected = conn.execute(
        sa.select(col(Snapshot.last_seen_at), col(Snapshot.hash))
        .where(col(Snapshot.source) == source, col(Snapshot.verdict) == "rejected")
        .order_by(col(Snapshot.id).desc())
        .limit(1)
    ).first()
    still_rejected = rejected is not None and last is not None and last.outcome == "rejected"
    return SourceState(
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
    due = dict(
        conn.execute(
            sa.select(col(Subscriber.channel), sa.func.count())
            .join(Delivery, col(Delivery.subscriber_id) == col(Subscriber.id))
            .where(IS_DUE)
            .group_by(col(Subscriber.channel))
        ).all()
    )
    oldest = conn.scalar(
        sa.select(col(Delivery.created_at)).where(IS_DUE).order_by(col(Delivery.created_at)).limit(1)
    )
    refused = {
        channel: (count, error or "")
        for channel, count, error in conn.execute(
            sa.select(col(Subscriber.channel), sa.func.count(), sa.func.max(col(Delivery.last_error)))
            .join(Delivery, col(Delivery.subscriber_id) == col(Subscriber.id))
            .where(IS_DUE, col(Delivery.attempts) >= OFTEN)
            .group_by(col(Subscriber.channel))
        )
    }
    failed = conn.scalar(sa.select(sa.func.count()).select_from(Delivery).where(IS_FAILED))
    unfanned = conn.scalar(
        sa.select(sa.func.count()).select_from(Changeset).where(col(Changeset.fanned_out_at).is_(None))
    )
    return Outbox(due=due, refused=refused, oldest_due_at=oldest, failed=failed or 0, unfanned=unfanned or 0)
