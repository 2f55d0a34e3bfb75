"""Sign-ups as they come in, how often an address was written to because of them, and how many came from where."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlmodel import col

from monitor.storage.deliveries.tables import Delivery
from monitor.storage.engine import insert_for, insert_in
from monitor.storage.people.tables import Confirmation, RateWindow, Signup

SITE = "site"
"""The name under which all sign-ups together are counted."""

# what a sign-up runs is built once: building a statement costs ten times what running it does
_PUT = sa.insert(Signup)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A sign-up that nobody has decided about yet, sealed as it came in."""

    id: int
    sealed: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class Asked:
    """How many confirmations an address was sent that nobody confirmed, and when the last of them was."""

    count: int
    at: datetime


def put(conn: Connection, sealed: bytes, now: datetime) -> None:
    """Take a sign-up in."""
    conn.execute(_PUT, {"sealed": sealed, "at": now})


def waiting(conn: Connection, limit: int) -> tuple[Waiting, ...]:
    """The oldest sign-ups that wait; on PostgreSQL those that another process is deciding about are passed over."""
    rows = conn.execute(
        sa.select(col(Signup.id), col(Signup.sealed), col(Signup.at))
        .order_by(col(Signup.id))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return tuple(Waiting(id or 0, sealed, at) for id, sealed, at in rows)


def any_waiting(conn: Connection) -> bool:
    """Whether there is anything to decide about."""
    return bool(conn.scalar(sa.select(sa.exists(sa.select(col(Signup.id))))))


def done(conn: Connection, signup: int) -> None:
    """Forget a sign-up that was decided about."""
    conn.execute(sa.delete(Signup).where(col(Signup.id) == signup))


def asked(conn: Connection, channel: str, address_hash: str) -> Asked | None:
    """What an address was sent already because somebody typed it in; None if nothing since its owner last confirmed."""
    row = conn.execute(
        sa.select(col(Confirmation.count), col(Confirmation.at)).where(
            col(Confirmation.channel) == channel, col(Confirmation.address_hash) == address_hash
        )
    ).first()
    return Asked(*row) if row is not None else None


def note_asked(conn: Connection, channel: str, address_hash: str, count: int, now: datetime) -> None:
    """Keep that an address has now been written to ``count`` times."""
    given = {"count": count, "at": now}
    conn.execute(
        insert_for(conn, Confirmation)
        .values(channel=channel, address_hash=address_hash, **given)
        .on_conflict_do_update(index_elements=["channel", "address_hash"], set_=given)
    )


def forget_asked(conn: Connection, channel: str, address_hash: str) -> None:
    """The owner of the address has confirmed: the count begins anew."""
    conn.execute(
        sa.delete(Confirmation).where(
            col(Confirmation.channel) == channel, col(Confirmation.address_hash) == address_hash
        )
    )


def queue(
    conn: Connection,
    kind: str,
    subscriber: int,
    now: datetime,
    *,
    period: str,
    due_at: datetime | None = None,
) -> int | None:
    """Owe a subscriber one message of a kind; None, and nothing written, if it is owed or was sent already for this period."""
    delivery: int | None = conn.scalar(
        insert_for(conn, Delivery)
        .values(
            kind=kind,
            period=period,
            subscriber_id=subscriber,
            state="due",
            created_at=now,
            due_at=due_at or now,
            attempts=0,
            ambiguous=False,
        )
        .on_conflict_do_nothing(
            index_elements=["subscriber_id", "kind", "period"], index_where=col(Delivery.period).is_not(None)
        )
        .returning(col(Delivery.id))
    )
    return delivery


def count(conn: Connection, who: str, now: datetime, *, by_day: bool = False) -> int:
    """Count one more sign-up of ``who`` in the hour (or UTC day) of ``now``; returns how many there are now."""
    start = _hour(now).replace(hour=0) if by_day else _hour(now)
    counted = conn.scalar(_one_more(conn.dialect.name), {"who": who, "start": start})
    assert counted is not None
    return int(counted)


@cache
def _one_more(dialect: str) -> sa.Executable:
    row = insert_in(dialect, RateWindow).values(who=sa.bindparam("who"), start=sa.bindparam("start"), count=1)
    return row.on_conflict_do_update(
        index_elements=["who", "start"], set_={"count": col(RateWindow.count) + 1}
    ).returning(col(RateWindow.count))


def counted(conn: Connection, who: str, since: datetime) -> int:
    """The most sign-ups of ``who`` in one hour since then."""
    return (
        conn.scalar(
            sa.select(sa.func.max(col(RateWindow.count))).where(
                col(RateWindow.who) == who, col(RateWindow.start) >= _hour(since)
            )
        )
        or 0
    )


def _hour(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
