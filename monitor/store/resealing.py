"""Writing every sealed and hashed column anew, when the key is exchanged."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlmodel import col

from monitor.store.signups import SITE
from monitor.tables import Confirmation, Lane, RateWindow, Signup, Subscriber, Suppression

_HASH = re.compile(r"[0-9a-f]{64}")


def reseal(conn: Connection, sealed: Callable[[str, bytes], bytes], hashed: Callable[[str], str]) -> int:
    """Put what ``sealed`` and ``hashed`` make of it in the place of every sealed address and every keyed hash; returns how many addresses.

    ``sealed`` takes what it was sealed as (a channel, or "signup"). Counts per network are forgotten: they live for an hour.
    """
    people: Any = conn.execute(
        sa.select(
            col(Subscriber.id), col(Subscriber.channel), col(Subscriber.address), col(Subscriber.address_hash)
        ).where(col(Subscriber.address).is_not(None))
    ).all()
    for id, channel, address, address_hash in people:
        conn.execute(
            sa.update(Subscriber)
            .where(col(Subscriber.id) == id)
            .values(address=sealed(channel, address), address_hash=hashed(address_hash))
        )
    forms: Any = conn.execute(sa.select(col(Signup.id), col(Signup.sealed))).all()
    for id, content in forms:
        conn.execute(sa.update(Signup).where(col(Signup.id) == id).values(sealed=sealed("signup", content)))
    for table in (Suppression, Confirmation):
        rows: Any = conn.execute(sa.select(col(table.channel), col(table.address_hash))).all()
        for channel, address_hash in rows:
            conn.execute(
                sa.update(table)
                .where(col(table.channel) == channel, col(table.address_hash) == address_hash)
                .values(address_hash=hashed(address_hash))
            )
    lanes: Any = conn.execute(sa.select(col(Lane.channel), col(Lane.name))).all()
    for channel, name in lanes:
        if _HASH.fullmatch(name):  # a chat
            conn.execute(
                sa.update(Lane)
                .where(col(Lane.channel) == channel, col(Lane.name) == name)
                .values(name=hashed(name))
            )
    conn.execute(sa.delete(RateWindow).where(col(RateWindow.who) != SITE))
    return len(people)
