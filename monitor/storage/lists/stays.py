"""How long agencies were listed: one stay for each time that an agency was on a list without a break."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.lists.tables import ListingVersionRow, SnapshotRow


@dataclass(frozen=True, slots=True)
class Stay:
    """An agency's time on a list, by our own sight: [from_at, to_at), ``to_at`` None while it is listed.

    ``since`` is the date that the publisher gave when the stay began, None where it gave none.
    """

    agency: str
    state: str | None
    since: date | None
    from_at: datetime
    to_at: datetime | None


def load_stays(conn: Connection, source: str) -> tuple[Stay, ...]:
    """Load the stays of all agencies that were ever accepted in a source, by agency, oldest first.

    Versions of one agency that follow each other at once (a rename, a changed entry) are one stay.
    """
    version = ListingVersionRow.c
    rows = conn.execute(
        sa.select(version.agency, version.state, version.content, version.from_at, version.to_at)
        .where(version.source == source)
        .order_by(version.agency, version.from_at, version.id)
    )
    found: list[Stay] = []
    for row in rows:
        last = found[-1] if found and found[-1].agency == row.agency else None
        if last is not None and (last.to_at is None or last.to_at >= row.from_at):
            until = None if last.to_at is None or row.to_at is None else max(last.to_at, row.to_at)
            found[-1] = Stay(row.agency, row.state or last.state, last.since, last.from_at, until)
        else:
            found.append(Stay(row.agency, row.state, _day(row.content), row.from_at, row.to_at))
    return tuple(found)


def load_published_count(conn: Connection, source: str) -> tuple[datetime, int] | None:
    """Load how many entries the newest readable publication had, believed or not, and when it was last
    seen.
    """
    row = conn.execute(
        sa.select(SnapshotRow.c.last_seen_at, SnapshotRow.c.listings)
        .where(SnapshotRow.c.source == source)
        .order_by(SnapshotRow.c.id.desc())
        .limit(1)
    ).first()
    return None if row is None else (row.last_seen_at, row.listings)


def _day(content: dict[str, object]) -> date | None:
    text = content.get("since")
    return date.fromisoformat(text) if isinstance(text, str) else None
