"""How fast messages may go to one lane, shared by all senders of a database and kept over restarts.

A mail domain's rate is learned: halved when it asks us to slow down, and raised little by little (additive
increase, multiplicative decrease); without a row there is no limit. A channel may also name a fixed rate for
a lane, as Telegram does for groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.domain import LaneLimit
from monitor.storage.deliveries.tables import LaneRateRow
from monitor.storage.engine import insert_for

SLOWEST = 1 / 60
"""The lowest rate, in messages per second, of a lane that refuses at any rate."""
FASTEST = 50.0
"""At this rate a learned limit is forgotten."""
GROWTH = 0.1
"""The increase of the rate, in messages per second, for each second in which messages are sent at
that rate.
"""
HORIZON = timedelta(seconds=5)
"""Turns later than this are not reserved: those messages wait in the database."""
_FORGOTTEN_AFTER = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Turns:
    """The times at which messages to a lane may be sent, in order; the rest must request a turn again, the
    first of them at ``later``, each next one ``interval`` after it.
    """

    at: tuple[datetime, ...]
    later: datetime
    interval: timedelta


def load_rated(conn: Connection, channel: str, now: datetime) -> frozenset[str]:
    """Read the names of the lanes of a channel whose rate is limited."""
    conn.execute(sa.delete(LaneRateRow).where(LaneRateRow.c.next_at < now - _FORGOTTEN_AFTER))
    return frozenset(conn.scalars(sa.select(LaneRateRow.c.name).where(LaneRateRow.c.channel == channel)))


def slow_down(conn: Connection, channel: str, name: str, now: datetime, observed: float) -> None:
    """Halve the rate of a lane that asks for fewer messages; ``observed`` is what it accepted in the last
    second.

    Answers to messages that were being sent at the same time halve it only once.
    """
    row: Any = _load(conn, channel, name)
    if row is None:
        _write(conn, channel, name, max(observed / 2, SLOWEST), now, now)
    elif now - row.changed_at >= timedelta(seconds=max(1.0, 1 / row.rate)) or now < row.changed_at:
        _write(conn, channel, name, max(row.rate / 2, SLOWEST), now, now)


def reserve(
    conn: Connection, channel: str, name: str, now: datetime, count: int, limit: LaneLimit | None = None
) -> Turns:
    """Reserve turns for messages to a lane, as many as fit within `HORIZON`.

    ``limit`` is the channel's own for this lane; None: the learned one.
    """
    row: Any = _load(conn, channel, name)
    if limit is not None:
        rate, burst, changed_at = limit.rate, limit.burst, now
    elif row is None:
        return Turns((now,) * count, now, timedelta())
    else:
        rate, burst, changed_at = row.rate, 1, row.changed_at
        if rate >= FASTEST:
            conn.execute(_of(sa.delete(LaneRateRow), channel, name))
            return Turns((now,) * count, now, timedelta())
    interval = timedelta(seconds=1 / rate)
    # the generic cell rate algorithm: ``due`` is when the next message would come if all were evenly spread
    due = now if row is None or row.next_at > now + 40 * HORIZON + interval else max(row.next_at, now)
    turns: list[datetime] = []
    while len(turns) < count and (at := max(now, due - (burst - 1) * interval)) <= now + HORIZON:
        turns.append(at)
        due += interval
    if limit is None:
        rate += len(turns) * GROWTH / rate
    _write(conn, channel, name, rate, changed_at, due)
    return Turns(tuple(turns), max(now, due - (burst - 1) * interval), interval)


def _load(conn: Connection, channel: str, name: str) -> Any:
    rows = LaneRateRow.c
    return conn.execute(
        sa.select(rows.rate, rows.changed_at, rows.next_at)
        .where(rows.channel == channel, rows.name == name)
        .with_for_update()
    ).first()


def _of(statement: Any, channel: str, name: str) -> Any:
    return statement.where(LaneRateRow.c.channel == channel, LaneRateRow.c.name == name)


def _write(
    conn: Connection, channel: str, name: str, rate: float, changed_at: datetime, next_at: datetime
) -> None:
    row = insert_for(conn, LaneRateRow).values(
        channel=channel, name=name, rate=rate, changed_at=changed_at, next_at=next_at
    )
    conn.execute(
        row.on_conflict_do_update(
            index_elements=["channel", "name"],
            set_={
                "rate": row.excluded.rate,
                "changed_at": row.excluded.changed_at,
                "next_at": row.excluded.next_at,
            },
        )
    )
