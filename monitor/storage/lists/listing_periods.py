"""The periods in which agencies were listed, each without a break."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.domain import Kind
from monitor.storage.lists.past_lists import SEEN_FROM, SEEN_TO
from monitor.storage.lists.retracted_changes import load_retracted_moments
from monitor.storage.lists.tables import ListingVersionRow, SnapshotRow


@dataclass(frozen=True, slots=True)
class ListingPeriod:
    """An agency's time on a list, by our own sight: [from_at, to_at), from the first check with it to the
    first without it; ``to_at`` None while it is listed.

    ``since`` is the date that the publisher gave when the period began, None where it gave none.
    """

    agency: str
    state: str | None
    since: date | None
    from_at: datetime
    to_at: datetime | None


def load_listing_periods(conn: Connection, source: str) -> tuple[ListingPeriod, ...]:
    """Load the listing periods of all agencies that were ever accepted in a source, by agency, oldest first.

    Versions of one agency that follow each other at once (a rename, a changed entry) are one period. What the
    operator has retracted does not count: no period ends by a retracted removal or begins by a retracted
    addition.
    """
    retracted = load_retracted_moments(conn, source)
    version = ListingVersionRow.c
    rows = conn.execute(
        sa.select(
            version.agency, version.state, version.content, version.from_at, version.to_at,
            SEEN_FROM.label("seen_from"), SEEN_TO.label("seen_to"),
        )
        .where(version.source == source)
        .order_by(version.agency, version.from_at, version.id)
    )  # fmt: skip
    found: list[ListingPeriod] = []
    uncounted: set[int] = set()
    still_there = False  # the last version ended by a removal that was retracted
    for row in rows:
        last = found[-1] if found and found[-1].agency == row.agency else None
        gone = row.to_at is not None and (Kind.REMOVED, row.agency, row.to_at) not in retracted
        to_at = row.seen_to if gone else None
        if last is not None and (last.to_at is None or last.to_at >= row.seen_from):
            if still_there:
                until = to_at
            else:
                until = None if last.to_at is None or to_at is None else max(last.to_at, to_at)
            found[-1] = ListingPeriod(row.agency, row.state or last.state, last.since, last.from_at, until)
        else:
            if (Kind.ADDED, row.agency, row.from_at) in retracted:
                uncounted.add(len(found))
            found.append(ListingPeriod(row.agency, row.state, _day(row.content), row.seen_from, to_at))
        still_there = row.to_at is not None and not gone
    return tuple(period for place, period in enumerate(found) if place not in uncounted)


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
