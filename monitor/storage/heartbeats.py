"""Heartbeats of the parts of a running service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.errors import BusyError
from monitor.storage.engine import insert_for
from monitor.storage.tables import HeartbeatRow

_BEATS_KEPT = timedelta(hours=1)
STOPPED_FOR = timedelta(minutes=2)
"""A running service writes a heartbeat at least once a minute; after this long without one it is stopped."""
_LOOP = "loop "
_ENDED = "ended "
"""Stands before the part in the last heartbeats of a process that has ended in order."""


@dataclass(frozen=True, slots=True)
class StandingLoop:
    """A loop of a running process that has hung since then."""

    name: str
    since: datetime


def write_beat(conn: Connection, part: str, owner: str, now: datetime) -> None:
    """Write a heartbeat of ``part`` ("sender", "bot") of the process ``owner``, and delete those of processes
    that ended long ago.

    Each process and each drain has a name of its own, so the table would grow without limit. The newest
    heartbeat stays.
    """
    conn.execute(
        insert_for(conn, HeartbeatRow)
        .values(part=part, owner=owner, at=now)
        .on_conflict_do_update(index_elements=["part", "owner"], set_={"at": now})
    )
    conn.execute(
        sa.delete(HeartbeatRow).where(
            HeartbeatRow.c.part.in_((part, _ENDED + part)), HeartbeatRow.c.at < now - _BEATS_KEPT
        )
    )


def end_beats(conn: Connection, process: str) -> None:
    """Note that the process ``process``, and with it each of its drains, has ended in order."""
    its = sa.or_(
        HeartbeatRow.c.owner == process, HeartbeatRow.c.owner.startswith(f"{process}/", autoescape=True)
    )
    # a number of a process is given again
    conn.execute(sa.delete(HeartbeatRow).where(HeartbeatRow.c.part.startswith(_ENDED), its))
    conn.execute(
        sa.update(HeartbeatRow)
        .where(HeartbeatRow.c.part.in_(("sender", "bot")), its)
        .values(part=sa.literal(_ENDED).concat(HeartbeatRow.c.part))
    )


def load_latest(conn: Connection, part: str) -> datetime | None:
    """Read when any process last worked as ``part``, also one that has ended."""
    return _load_newest(conn, (part, _ENDED + part))


def load_latest_unended(conn: Connection, part: str) -> datetime | None:
    """Read when any process last worked as ``part`` that has not ended in order: it still works, or died."""
    return _load_newest(conn, (part,))


def _load_newest(conn: Connection, parts: Sequence[str]) -> datetime | None:
    newest: datetime | None = conn.scalar(
        sa.select(sa.func.max(HeartbeatRow.c.at)).where(HeartbeatRow.c.part.in_(parts))
    )
    return newest


def refuse_beside_a_service(conn: Connection, now: datetime) -> None:
    """Raise BusyError if any process of this database was at work within `STOPPED_FOR` and has not ended in
    order.
    """
    working = sa.not_(sa.or_(HeartbeatRow.c.part.startswith(_ENDED), HeartbeatRow.c.part.startswith(_LOOP)))
    latest_beat: datetime | None = conn.scalar(sa.select(sa.func.max(HeartbeatRow.c.at)).where(working))
    if latest_beat is not None and now - latest_beat < STOPPED_FOR:
        raise BusyError(
            "the service is running, or was killed less than two minutes ago: stop it on every machine, wait "
            "two minutes if it was killed, then run this command again"
        )


def put_standing_loops(conn: Connection, owner: str, loops: Mapping[str, datetime]) -> None:
    """Write which loops of the process ``owner`` hang, and since when; earlier rows, and those of processes
    that ended long ago, are deleted.
    """
    living = sa.select(HeartbeatRow.c.owner).where(HeartbeatRow.c.part == "sender")
    conn.execute(
        sa.delete(HeartbeatRow).where(
            HeartbeatRow.c.part.startswith(_LOOP),
            sa.or_(HeartbeatRow.c.owner == owner, HeartbeatRow.c.owner.not_in(living)),
        )
    )
    if loops:
        conn.execute(
            sa.insert(HeartbeatRow),
            [{"part": _LOOP + name, "owner": owner, "at": since} for name, since in loops.items()],
        )


def load_standing_loops(conn: Connection, living_since: datetime) -> tuple[StandingLoop, ...]:
    """Read the loops that hang, of processes with a heartbeat at or after ``living_since``."""
    living = sa.select(HeartbeatRow.c.owner).where(
        HeartbeatRow.c.part == "sender", HeartbeatRow.c.at >= living_since
    )
    rows = conn.execute(
        sa.select(HeartbeatRow.c.part, HeartbeatRow.c.at)
        .where(HeartbeatRow.c.part.startswith(_LOOP), HeartbeatRow.c.owner.in_(living))
        .order_by(HeartbeatRow.c.at)
    )
    return tuple(StandingLoop(part.removeprefix(_LOOP), at) for part, at in rows)
