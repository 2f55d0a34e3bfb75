"""Encrypts every address again when the key is replaced, and replaces every hash when the lookup key has
leaked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.channels import outline
from monitor.storage.deliveries.tables import LaneRateRow, LaneRow, PauseSpanRow, RefusalRow
from monitor.storage.people import bot_updates
from monitor.storage.people.tables import (
    BotUpdateRow,
    ConfirmationRow,
    RateWindowRow,
    SignupRow,
    SubscriberRow,
    SuppressionRow,
)

_HASH = re.compile(r"[0-9a-f]{64}")


def reseal(conn: Connection, sealed: Callable[[str, bytes], bytes]) -> int:
    """Replace every encrypted address by ``sealed`` of it; returns how many.

    ``sealed`` also takes what a value was encrypted as (a channel, "outline" and a channel, "signup" or
    "update").
    """
    people: Any = conn.execute(
        sa.select(
            SubscriberRow.c.id, SubscriberRow.c.channel, SubscriberRow.c.address, SubscriberRow.c.outline
        ).where(SubscriberRow.c.address.is_not(None))
    ).all()
    _write(
        conn,
        sa.update(SubscriberRow).where(SubscriberRow.c.id == sa.bindparam("which")),
        (
            {
                "which": id,
                "address": sealed(channel, address),
                "outline": sealed(outline.sealed_as(channel), kept) if kept is not None else None,
            }
            for id, channel, address, kept in people
        ),
    )
    forms: Any = conn.execute(sa.select(SignupRow.c.id, SignupRow.c.sealed)).all()
    _write(
        conn,
        sa.update(SignupRow).where(SignupRow.c.id == sa.bindparam("which")),
        ({"which": id, "sealed": sealed("signup", content)} for id, content in forms),
    )
    updates: Any = conn.execute(sa.select(BotUpdateRow.c.update_id, BotUpdateRow.c.sealed)).all()
    _write(
        conn,
        sa.update(BotUpdateRow).where(BotUpdateRow.c.update_id == sa.bindparam("which")),
        ({"which": id, "sealed": sealed(bot_updates.SEALED_AS, content)} for id, content in updates),
    )
    return len(people)


def rehash(conn: Connection, hashed: Callable[[str], str]) -> None:
    """Replace every keyed hash by ``hashed`` of it."""
    for table, name in (
        (SubscriberRow, "address_hash"),
        (SuppressionRow, "address_hash"),
        (ConfirmationRow, "address_hash"),
        (LaneRow, "name"),  # a mail domain, or the hash of a chat
        (LaneRateRow, "name"),
        (PauseSpanRow, "name"),
        (RefusalRow, "lane"),
        (RateWindowRow, "who"),  # the hash of a network or mailbox, or the whole site
    ):
        column: Any = getattr(table.c, name)
        values = conn.scalars(sa.select(column).distinct().where(column.is_not(None))).all()
        _write(
            conn,
            sa.update(table).where(column == sa.bindparam("which")),
            ({"which": value, name: hashed(value)} for value in values if _HASH.fullmatch(value)),
        )


def _write(conn: Connection, update: sa.Update, rows: Iterable[Mapping[str, Any]]) -> None:
    """Run an update of the named columns for every row, found by ``which``."""
    given = [dict(row) for row in rows]
    if given:
        conn.execute(update, given)
