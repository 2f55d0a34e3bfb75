"""Parts of channels that pause: a mail domain, a chat, or a whole channel."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.deliveries.tables import LaneRow
from monitor.storage.engine import insert_for


@dataclass(frozen=True, slots=True)
class Pause:
    """A part of a channel that waits: a mail domain or a chat, until when and why."""

    channel: str
    name: str
    until: datetime
    reason: str


def set_pause(conn: Connection, channel: str, name: str, until: datetime, reason: str) -> None:
    """Pause a part of a channel; a later end replaces an earlier one."""
    row = insert_for(conn, LaneRow).values(channel=channel, name=name, until=until, reason=reason)
    conn.execute(
        row.on_conflict_do_update(
            index_elements=["channel", "name"],
            set_={"until": row.excluded.until, "reason": row.excluded.reason},
            where=LaneRow.c.until < row.excluded.until,
        )
    )


# Every sign-up reads it, and building the statement costs ten times what running it does.
_LANES = (
    sa.select(LaneRow.c.channel, LaneRow.c.name, LaneRow.c.until, LaneRow.c.reason)
    .where(LaneRow.c.until > sa.bindparam("now"))
    .order_by(LaneRow.c.channel, LaneRow.c.name)
)


def read_pauses(conn: Connection, now: datetime) -> tuple[Pause, ...]:
    """Read the parts of channels that are paused now, by channel and name."""
    return tuple(Pause(*row) for row in conn.execute(_LANES, {"now": now}))


def delete_expired(conn: Connection, now: datetime) -> None:
    """Remove pauses that are over."""
    conn.execute(sa.delete(LaneRow).where(LaneRow.c.until <= now))
