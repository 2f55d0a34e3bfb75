"""When each part of the running service was last seen at work."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.engine import insert_for
from monitor.storage.tables import HeartbeatRow

_BEATS_KEPT = timedelta(hours=1)


def beat(conn: Connection, part: str, owner: str, now: datetime) -> None:
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
        sa.delete(HeartbeatRow).where(HeartbeatRow.c.part == part, HeartbeatRow.c.at < now - _BEATS_KEPT)
    )


def latest(conn: Connection, part: str) -> datetime | None:
    """Read when any process last worked as ``part``."""
    newest: datetime | None = conn.scalar(
        sa.select(sa.func.max(HeartbeatRow.c.at)).where(HeartbeatRow.c.part == part)
    )
    return newest


def latest_of_any(conn: Connection) -> datetime | None:
    """Read when any part of any process last worked."""
    newest: datetime | None = conn.scalar(sa.select(sa.func.max(HeartbeatRow.c.at)))
    return newest
