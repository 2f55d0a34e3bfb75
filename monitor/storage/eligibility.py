"""The order of fan-outs and of changes in how somebody is told: one after the other, whatever the clocks say.

Each of these transactions begins with `next_moment`. It locks one row until the transaction ends, so none of
them overlaps another, and gives a time that is later than that of each one before. Who is told at once at a
fan-out, and what a digest collects, are decided by these times alone: nobody falls between two ways of being
told.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.engine import insert_for
from monitor.storage.tables import MetaRow

_NAME = "last change of eligibility"
_STEP = timedelta(microseconds=1)  # the smallest difference that both databases keep
_LAST = sa.select(MetaRow.c.value).where(MetaRow.c.name == _NAME).with_for_update()


def next_moment(conn: Connection, now: datetime) -> datetime:
    """The moment of this transaction: ``now``, or just after the last one where the clock is behind it.

    Waits for the others. Call it first in the transaction: on PostgreSQL what was read before may be old.
    """
    conn.execute(
        insert_for(conn, MetaRow)
        .values(name=_NAME, value=datetime.min.replace(tzinfo=UTC).isoformat())
        .on_conflict_do_nothing()
    )
    last = datetime.fromisoformat(conn.execute(_LAST).scalar_one())
    moment = max(now.astimezone(UTC), last + _STEP)
    conn.execute(
        sa.update(MetaRow)
        .where(MetaRow.c.name == _NAME)
        .values(value=moment.isoformat(timespec="microseconds"))
    )
    return moment
