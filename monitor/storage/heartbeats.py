"""When each part of the running service was last seen at work."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.engine import insert_for
from monitor.storage.tables import HeartbeatRow

_BEATS_KEPT = timedelta(hours=1)


def beat(conn: Connection, part: str, owner: str, now: datetime) -> None:
    """Note that ``part`` ("sender", "bot") of the process ``owner`` is at work, and forget processes that ended long ago.

    Each has a name of its own, and each drain within it: without that the table would grow for ever. What has just been noted stays, so
    it is always known when a part was last at work.
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
    """When any process was last seen at work as ``part``."""
    newest: datetime | None = conn.scalar(
        sa.select(sa.func.max(HeartbeatRow.c.at)).where(HeartbeatRow.c.part == part)
    )
    return newest
