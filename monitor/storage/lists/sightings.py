"""What a brief cites: since when agencies have been seen on a list, and the last good check of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.lists.past_lists import SEEN_FROM, SEEN_TO
from monitor.storage.lists.tables import FetchRow, ListingVersionRow, SourceRow


@dataclass(frozen=True, slots=True)
class Sighting:
    """When an agency was first seen on a list, and since when it has been there without a break."""

    first_at: datetime
    since: datetime

    @property
    def returned(self) -> bool:
        """Whether it was away in between."""
        return self.since != self.first_at


@dataclass(frozen=True, slots=True)
class GoodCheck:
    """The last good check of a list: when, the SHA-256 of the decoded body, the address that gave it, and the
    number of its entry in the log of the record.
    """

    at: datetime
    hash: str
    url: str | None
    leaf: int | None


def load_sightings(
    conn: Connection, source: str, agencies: Collection[str], own_since: datetime | None
) -> dict[str, Sighting]:
    """Read since when we have seen agencies on a list, by agency; one that we never saw there is left out.

    ``own_since`` is the first own reading after an import: what was before it was not seen by us.
    """
    version = ListingVersionRow.c
    rows = conn.execute(
        sa.select(version.agency, SEEN_FROM, SEEN_TO)
        .where(version.source == source, version.agency.in_(agencies))
        .order_by(version.agency, version.from_number, version.id)
    )
    found: dict[str, Sighting] = {}
    ended: dict[str, datetime | None] = {}
    for agency, began, to_at in rows:
        if own_since is not None and to_at is not None and to_at <= own_since:
            continue
        from_at = began if own_since is None else max(began, own_since)
        known = found.get(agency)
        if known is None:
            found[agency] = Sighting(from_at, from_at)
        elif (until := ended[agency]) is not None and from_at > until:
            found[agency] = Sighting(known.first_at, from_at)
        ended[agency] = to_at
    return found


def load_last_good(conn: Connection) -> dict[str, GoodCheck]:
    """Read the last good check of every list that had one, by name, with one statement."""
    found = {}
    for row in conn.execute(_LAST_GOOD):
        if row.last_good_at is not None and row.last_good_hash is not None:
            url = row.url or row.earlier_url
            found[row.name] = GoodCheck(row.last_good_at, row.last_good_hash, url, row.leaf)
    return found


_EARLIER = FetchRow.c.id.table.alias("earlier")
_LAST_GOOD = sa.select(
    SourceRow.c.name,
    SourceRow.c.last_good_at,
    SourceRow.c.last_good_hash,
    FetchRow.c.url,
    FetchRow.c.leaf,
    # an unchanged poll keeps no address: it is that of the last one that does
    sa.case(
        (
            sa.and_(FetchRow.c.url.is_(None), SourceRow.c.last_good_hash.is_not(None)),
            sa.select(_EARLIER.c.url)
            .where(
                _EARLIER.c.source == SourceRow.c.name,
                _EARLIER.c.hash == SourceRow.c.last_good_hash,
                _EARLIER.c.url.is_not(None),
            )
            .order_by(_EARLIER.c.at.desc(), _EARLIER.c.id.desc())
            .limit(1)
            .correlate(SourceRow)
            .scalar_subquery(),
        )
    ).label("earlier_url"),
).select_from(sa.outerjoin(SourceRow, FetchRow, FetchRow.c.id == SourceRow.c.last_good_fetch))
