"""Stored sign-ups, the confirmations sent to each address, and the counts per network."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.engine import insert_for, insert_in
from monitor.storage.notifications import notify
from monitor.storage.people.tables import ConfirmationRow, RateWindowRow, SignupRow

SITE = "site"
"""The name under which all sign-ups together are counted."""

# built once: building a statement takes ten times as long as running it
_PUT = sa.insert(SignupRow)
_PENDING: Any = sa.select(SignupRow.c.id, SignupRow.c.sealed, SignupRow.c.at).order_by(SignupRow.c.id)


@dataclass(frozen=True, slots=True)
class PendingSignup:
    """An undecided sign-up, encrypted as it came in."""

    id: int
    sealed: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class ConfirmationCount:
    """How many unconfirmed confirmations an address got, and when the last one."""

    count: int
    at: datetime


def put(conn: Connection, sealed: bytes, now: datetime) -> None:
    """Write a sign-up, and notify the worker."""
    conn.execute(_PUT, {"sealed": sealed, "at": now})
    notify(conn)


def read_oldest(conn: Connection) -> PendingSignup | None:
    """Read the oldest undecided sign-up; on PostgreSQL those that another process is handling are skipped."""
    row = conn.execute(_PENDING.limit(1).with_for_update(skip_locked=True)).first()
    return None if row is None else PendingSignup(*row)


def read_all(conn: Connection) -> tuple[PendingSignup, ...]:
    """Read and lock every unprocessed sign-up. Waits for those that are being processed."""
    return tuple(PendingSignup(*row) for row in conn.execute(_PENDING.with_for_update()))


def has_pending(conn: Connection) -> bool:
    """Read whether there are undecided sign-ups."""
    return bool(conn.scalar(sa.select(sa.exists(sa.select(SignupRow.c.id)))))


def delete(conn: Connection, signup: int) -> None:
    """Delete a decided sign-up."""
    conn.execute(sa.delete(SignupRow).where(SignupRow.c.id == signup))


def read_confirmation_count(conn: Connection, channel: str, address_hash: str) -> ConfirmationCount | None:
    """Read the confirmation count of an address; None if there is none since its owner last confirmed."""
    row = conn.execute(
        sa.select(ConfirmationRow.c.count, ConfirmationRow.c.at).where(
            ConfirmationRow.c.channel == channel, ConfirmationRow.c.address_hash == address_hash
        )
    ).first()
    return ConfirmationCount(*row) if row is not None else None


def count_confirmation(conn: Connection, channel: str, address_hash: str, count: int, now: datetime) -> None:
    """Store that an address has now got ``count`` confirmations."""
    given = {"count": count, "at": now}
    conn.execute(
        insert_for(conn, ConfirmationRow)
        .values(channel=channel, address_hash=address_hash, **given)
        .on_conflict_do_update(index_elements=["channel", "address_hash"], set_=given)
    )


def delete_confirmation_count(conn: Connection, channel: str, address_hash: str) -> None:
    """Delete the count of an address whose owner confirmed."""
    conn.execute(
        sa.delete(ConfirmationRow).where(
            ConfirmationRow.c.channel == channel, ConfirmationRow.c.address_hash == address_hash
        )
    )


def count(conn: Connection, who: str, now: datetime, *, by_day: bool = False) -> int:
    """Count one more sign-up of ``who`` in the hour (or UTC day) of ``now``; returns the new count."""
    start = _hour(now).replace(hour=0) if by_day else _hour(now)
    counted = conn.scalar(_one_more(conn.dialect.name), {"who": who, "start": start})
    assert counted is not None
    return int(counted)


@cache
def _one_more(dialect: str) -> sa.Executable:
    row = insert_in(dialect, RateWindowRow).values(
        who=sa.bindparam("who"), start=sa.bindparam("start"), count=1
    )
    return row.on_conflict_do_update(
        index_elements=["who", "start"], set_={"count": RateWindowRow.c.count + 1}
    ).returning(RateWindowRow.c.count)


def count_requests(conn: Connection, who: str, since: datetime) -> int:
    """The most sign-ups of ``who`` in one hour since then."""
    return (
        conn.scalar(
            sa.select(sa.func.max(RateWindowRow.c.count)).where(
                RateWindowRow.c.who == who, RateWindowRow.c.start >= _hour(since)
            )
        )
        or 0
    )


def _hour(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
