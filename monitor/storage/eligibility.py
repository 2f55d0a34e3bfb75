"""Serializes fan-outs and changes of subscribers' settings, independent of clocks. Each of these transactions
begins with `next_moment`.

It locks one row until the transaction ends, so they never overlap, and returns a time that is later than that
of every earlier one. Who gets an immediate alert at a fan-out, and what a digest collects, depend only on
these times: no change is lost when a subscriber switches between them.
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
    """Return the moment of this transaction: ``now``, or just after the last one if the clock is behind it.

    Waits for other such transactions. Call it first in the transaction: on PostgreSQL what was read before
    may be old.
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
