"""Sign-ups as they come in, how often an address was written to because of them, and how many came from where."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.engine import insert_for, insert_in
from monitor.storage.people.tables import ConfirmationRow, RateWindowRow, SignupRow

SITE = "site"
"""The name under which all sign-ups together are counted."""

# what a sign-up runs is built once: building a statement costs ten times what running it does
_PUT = sa.insert(SignupRow)


@dataclass(frozen=True, slots=True)
class PendingSignup:
    """A sign-up that nobody has decided about yet, sealed as it came in."""

    id: int
    sealed: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class ConfirmationCount:
    """How many confirmations an address was sent that nobody confirmed, and when the last of them was."""

    count: int
    at: datetime


def put(conn: Connection, sealed: bytes, now: datetime) -> None:
    """Take a sign-up in."""
    conn.execute(_PUT, {"sealed": sealed, "at": now})


def read_pending(conn: Connection, limit: int) -> tuple[PendingSignup, ...]:
    """The oldest sign-ups that wait; on PostgreSQL those that another process is deciding about are passed over."""
    rows = conn.execute(
        sa.select(SignupRow.c.id, SignupRow.c.sealed, SignupRow.c.at)
        .order_by(SignupRow.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return tuple(PendingSignup(id or 0, sealed, at) for id, sealed, at in rows)


def any_pending(conn: Connection) -> bool:
    """Whether there is anything to decide about."""
    return bool(conn.scalar(sa.select(sa.exists(sa.select(SignupRow.c.id)))))


def done(conn: Connection, signup: int) -> None:
    """Forget a sign-up that was decided about."""
    conn.execute(sa.delete(SignupRow).where(SignupRow.c.id == signup))


def read_confirmation_count(conn: Connection, channel: str, address_hash: str) -> ConfirmationCount | None:
    """What an address was sent already because somebody typed it in; None if nothing since its owner last confirmed."""
    row = conn.execute(
        sa.select(ConfirmationRow.c.count, ConfirmationRow.c.at).where(
            ConfirmationRow.c.channel == channel, ConfirmationRow.c.address_hash == address_hash
        )
    ).first()
    return ConfirmationCount(*row) if row is not None else None


def count_confirmation(conn: Connection, channel: str, address_hash: str, count: int, now: datetime) -> None:
    """Keep that an address has now been written to ``count`` times."""
    given = {"count": count, "at": now}
    conn.execute(
        insert_for(conn, ConfirmationRow)
        .values(channel=channel, address_hash=address_hash, **given)
        .on_conflict_do_update(index_elements=["channel", "address_hash"], set_=given)
    )


def delete_confirmation_count(conn: Connection, channel: str, address_hash: str) -> None:
    """The owner of the address has confirmed: the count begins anew."""
    conn.execute(
        sa.delete(ConfirmationRow).where(
            ConfirmationRow.c.channel == channel, ConfirmationRow.c.address_hash == address_hash
        )
    )


def count(conn: Connection, who: str, now: datetime, *, by_day: bool = False) -> int:
    """Count one more sign-up of ``who`` in the hour (or UTC day) of ``now``; returns how many there are now."""
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


def counted(conn: Connection, who: str, since: datetime) -> int:
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
