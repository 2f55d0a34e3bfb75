"""Updates that the bot's webhook received: encrypted, until the bot has answered them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.engine import insert_for
from monitor.storage.people.tables import BotUpdateRow

SEALED_AS = "update"
"""What a body is encrypted as, see `KeyFile.seal`."""


@dataclass(frozen=True, slots=True)
class StoredUpdate:
    """The body of one update, encrypted as it came in."""

    update_id: int
    sealed: bytes


def put(conn: Connection, update_id: int, sealed: bytes, now: datetime) -> None:
    """Write an update. One that is here already stays as it is: Telegram delivers some twice."""
    conn.execute(
        insert_for(conn, BotUpdateRow)
        .values(update_id=update_id, sealed=sealed, at=now)
        .on_conflict_do_nothing(index_elements=["update_id"])
    )


def load_oldest(conn: Connection, limit: int) -> tuple[StoredUpdate, ...]:
    """Read the oldest updates, by Telegram's order."""
    rows = conn.execute(
        sa.select(BotUpdateRow.c.update_id, BotUpdateRow.c.sealed)
        .order_by(BotUpdateRow.c.update_id)
        .limit(limit)
    )
    return tuple(StoredUpdate(update_id, sealed) for update_id, sealed in rows)


def delete(conn: Connection, update_ids: Collection[int]) -> None:
    """Delete updates that were answered."""
    conn.execute(sa.delete(BotUpdateRow).where(BotUpdateRow.c.update_id.in_(update_ids)))
