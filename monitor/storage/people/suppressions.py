"""Suppressed addresses, and the bounced mails that were counted."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.engine import insert_for
from monitor.storage.people.tables import ReturnedMailRow, SuppressionRow


def suppress(conn: Connection, channel: str, address_hash: str, reason: str, now: datetime) -> None:
    """Write a suppression; the first reason stays."""
    conn.execute(
        insert_for(conn, SuppressionRow)
        .values(channel=channel, address_hash=address_hash, reason=reason, at=now)
        .on_conflict_do_nothing()
    )


def unsuppress(conn: Connection, channel: str, address_hash: str) -> None:
    """Delete a suppression: its owner has asked again, and the next message shows whether the address
    works.
    """
    conn.execute(
        sa.delete(SuppressionRow).where(
            SuppressionRow.c.channel == channel, SuppressionRow.c.address_hash == address_hash
        )
    )


def load_reason(conn: Connection, channel: str, address_hash: str) -> str | None:
    """Read why an address is suppressed; None if it is not."""
    return conn.scalar(
        sa.select(SuppressionRow.c.reason).where(
            SuppressionRow.c.channel == channel, SuppressionRow.c.address_hash == address_hash
        )
    )


def load_since(conn: Connection, channel: str, address_hash: str) -> datetime | None:
    """Read since when an address is suppressed; None if it is not."""
    return conn.scalar(
        sa.select(SuppressionRow.c.at).where(
            SuppressionRow.c.channel == channel, SuppressionRow.c.address_hash == address_hash
        )
    )


def count_since(conn: Connection, since: datetime) -> int:
    """Count the addresses that were suppressed since then."""
    return conn.scalar(sa.select(sa.func.count()).where(SuppressionRow.c.at >= since)) or 0


def count_return(conn: Connection, digest: str, now: datetime) -> bool:
    """Store that a bounced mail was counted; False if it was counted before."""
    row = insert_for(conn, ReturnedMailRow).values(digest=digest, at=now).on_conflict_do_nothing()
    return conn.scalar(row.returning(ReturnedMailRow.c.digest)) is not None
