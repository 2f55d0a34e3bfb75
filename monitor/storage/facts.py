"""Facts about the database and the running service: its identity, heartbeats, the mark of the last sends, lanes that pause."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.deliveries.tables import LaneRow
from monitor.storage.engine import insert_for
from monitor.storage.tables import HeartbeatRow, MetaRow, ProgressRow

BOT_USERNAME = "telegram username"
"""The fact under which the bot keeps its name, for the site's links to it."""

BOT_TROUBLE = "bot trouble"
"""The fact that says why the bot hears nothing; empty when it does."""

_IDENTITY = "identity"
_BEATS_KEPT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Pause:
    """A part of a channel that waits: a mail domain or a chat, until when and why."""

    channel: str
    name: str
    until: datetime
    reason: str


def get(conn: Connection, name: str) -> str | None:
    """A fact of this database by name."""
    return conn.scalar(sa.select(MetaRow.c.value).where(MetaRow.c.name == name))


def put(conn: Connection, name: str, value: str) -> None:
    """Write a fact, over an older one of that name."""
    conn.execute(
        insert_for(conn, MetaRow)
        .values(name=name, value=value)
        .on_conflict_do_update(index_elements=["name"], set_={"value": value})
    )


def identity(conn: Connection) -> str:
    """What tells this database from every other, given to it at the first call; a copy has the same."""
    conn.execute(
        insert_for(conn, MetaRow).values(name=_IDENTITY, value=secrets.token_hex(16)).on_conflict_do_nothing()
    )
    known = known_identity(conn)
    assert known is not None
    return known


def known_identity(conn: Connection) -> str | None:
    """The identity, for whoever only looks; None before it was given one."""
    return get(conn, _IDENTITY)


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


def heartbeat(conn: Connection, part: str) -> datetime | None:
    """When any process was last seen at work as ``part``."""
    newest: datetime | None = conn.scalar(
        sa.select(sa.func.max(HeartbeatRow.c.at)).where(HeartbeatRow.c.part == part)
    )
    return newest


def send_mark(conn: Connection) -> int:
    """How many sends this database knows of: its side of the fence."""
    return conn.scalar(sa.select(ProgressRow.c.send_mark).where(ProgressRow.c.id == 1)) or 0


def advance_send_mark(conn: Connection, sends: int) -> int:
    """Count ``sends`` more, with the settle that they belong to, and return the new mark."""
    row = insert_for(conn, ProgressRow).values(id=1, send_mark=sends)
    mark = conn.scalar(
        row.on_conflict_do_update(
            index_elements=["id"], set_={"send_mark": ProgressRow.c.send_mark + row.excluded.send_mark}
        ).returning(ProgressRow.c.send_mark)
    )
    assert mark is not None
    return int(mark)


def set_lane(conn: Connection, channel: str, name: str, until: datetime, reason: str) -> None:
    """Pause a part of a channel; the later end counts when it pauses already."""
    row = insert_for(conn, LaneRow).values(channel=channel, name=name, until=until, reason=reason)
    conn.execute(
        row.on_conflict_do_update(
            index_elements=["channel", "name"],
            set_={"until": row.excluded.until, "reason": row.excluded.reason},
            where=LaneRow.c.until < row.excluded.until,
        )
    )


# every sign-up asks it, and building the statement costs ten times what running it does
_LANES = (
    sa.select(LaneRow.c.channel, LaneRow.c.name, LaneRow.c.until, LaneRow.c.reason)
    .where(LaneRow.c.until > sa.bindparam("now"))
    .order_by(LaneRow.c.channel, LaneRow.c.name)
)


def lanes(conn: Connection, now: datetime) -> tuple[Pause, ...]:
    """The parts of channels that pause at this moment, by channel and name."""
    return tuple(Pause(*row) for row in conn.execute(_LANES, {"now": now}))


def forget_lanes(conn: Connection, now: datetime) -> None:
    """Remove pauses that are over."""
    conn.execute(sa.delete(LaneRow).where(LaneRow.c.until <= now))
