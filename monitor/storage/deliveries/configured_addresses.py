"""Configured addresses that report that they are gone, such as a webhook that answers 410.

They are stored as facts of the database, by channel and name: the target of the address when it was last
followed (a keyed hash), and when and why it ended. Names are the operator's labels, not addresses of people.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage import database_facts
from monitor.storage.tables import MetaRow

_PREFIX = "configured "


@dataclass(frozen=True, slots=True)
class EndedAddress:
    """A configured address that has ended: it gets nothing until it is revived or the configuration
    changes.
    """

    channel: str
    name: str
    at: datetime
    reason: str


def begin_following(conn: Connection, channel: str, name: str, target: str) -> bool:
    """Store that a configured address is followed, with its ``target``, a keyed hash.

    Returns False without writing if it has ended and still has the same target.
    """
    known = _read(conn, channel, name)
    if known is not None and known["target"] == target:
        return known["ended_at"] is None
    _write(conn, channel, name, {"target": target, "ended_at": None, "reason": ""})
    return True


def note_end(conn: Connection, channel: str, name: str, reason: str, now: datetime) -> None:
    """Store that a configured address has ended."""
    known = _read(conn, channel, name) or {"target": ""}
    _write(conn, channel, name, {**known, "ended_at": now.isoformat(), "reason": reason})


def revive(conn: Connection, channel: str, name: str) -> bool:
    """Forget the end of a configured address; False: it has not ended."""
    known = _read(conn, channel, name)
    if known is None or known["ended_at"] is None:
        return False
    _write(conn, channel, name, {**known, "ended_at": None, "reason": ""})
    return True


def load_ended(conn: Connection) -> tuple[EndedAddress, ...]:
    """Read the configured addresses that have ended, by channel and name."""
    rows = conn.execute(
        sa.select(MetaRow.c.name, MetaRow.c.value)
        .where(MetaRow.c.name.startswith(_PREFIX, autoescape=True))
        .order_by(MetaRow.c.name)
    )
    found = []
    for key, text in rows:
        channel, name = key.removeprefix(_PREFIX).split(" ", 1)
        value = json.loads(text)
        if value["ended_at"] is not None:
            ended_at = datetime.fromisoformat(value["ended_at"])
            found.append(EndedAddress(channel, name, ended_at, value["reason"]))
    return tuple(found)


def forget_others(conn: Connection, channel: str, names: set[str]) -> None:
    """Delete the stored facts about addresses of a channel that are no longer configured."""
    prefix = f"{_PREFIX}{channel} "
    known = conn.scalars(sa.select(MetaRow.c.name).where(MetaRow.c.name.startswith(prefix, autoescape=True)))
    gone = [key for key in known if key.removeprefix(prefix) not in names]
    if gone:
        conn.execute(sa.delete(MetaRow).where(MetaRow.c.name.in_(gone)))


def _read(conn: Connection, channel: str, name: str) -> dict[str, str | None] | None:
    text = database_facts.get(conn, f"{_PREFIX}{channel} {name}")
    return None if text is None else json.loads(text)


def _write(conn: Connection, channel: str, name: str, value: dict[str, str | None]) -> None:
    database_facts.put(conn, f"{_PREFIX}{channel} {name}", json.dumps(value))
