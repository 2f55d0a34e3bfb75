"""The database's count of sends, for the clone guard."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.engine import insert_for
from monitor.storage.tables import ProgressRow


def read(conn: Connection) -> int:
    """Read the count of sends."""
    return conn.scalar(sa.select(ProgressRow.c.send_mark).where(ProgressRow.c.id == 1)) or 0


def advance(conn: Connection, sends: int) -> int:
    """Add ``sends`` to the count, in the transaction that settles them, and return the new count."""
    row = insert_for(conn, ProgressRow).values(id=1, send_mark=sends)
    mark = conn.scalar(
        row.on_conflict_do_update(
            index_elements=["id"], set_={"send_mark": ProgressRow.c.send_mark + row.excluded.send_mark}
        ).returning(ProgressRow.c.send_mark)
    )
    assert mark is not None
    return int(mark)
