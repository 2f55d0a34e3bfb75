"""The status of each watched list: when it was last seen, and whether it is visible at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from monitor.core.freshness import Freshness, freshness
from monitor.domain import SourceInfo
from monitor.storage.lists import overview
from monitor.web.context import Site


@dataclass(frozen=True, slots=True)
class ListStatus:
    """A list, its freshness, and how many listings and held changes it has.

    ``rejected_until``: when a rejected publication will be judged change by change. ``number`` is that of its
    baseline, ``polled_at`` the time of its last poll with any result.
    """

    watched: SourceInfo
    freshness: Freshness
    count: int
    held: int
    rejected_until: datetime | None = None
    number: int = 0
    polled_at: datetime | None = None

    @property
    def seen_at(self) -> datetime | None:
        return self.freshness.last_good_at

    @property
    def blind(self) -> bool:
        return self.freshness.blind

    @property
    def new(self) -> bool:
        return self.freshness.new

    @property
    def name(self) -> str:
        return self.watched.name


def load_statuses(conn: Connection, site: Site, now: datetime) -> tuple[ListStatus, ...]:
    """Load the status of every watched list, in the order of the configuration."""
    sights = overview.load_sights(conn)
    counts = site.counts.of(conn, {name: sight.number for name, sight in sights.items()})
    found = []
    for watched in site.sources.values():
        sight = sights.get(watched.name, _NEVER)
        count = counts.get(watched.name, overview.SourceCounts())
        found.append(
            ListStatus(
                watched=watched,
                freshness=freshness(sight.last_good_at, sight.last_fetch_at, watched.every, now),
                count=count.listings,
                held=count.held,
                rejected_until=sight.rejected_until,
                number=sight.number,
                polled_at=sight.last_fetch_at,
            )
        )
    return tuple(found)


def find_largest(lists: Iterable[ListStatus]) -> ListStatus | None:
    """Find the list with the most listings (the first of equal ones), the default list of a page. None if
    there is no list.
    """
    return max(lists, key=lambda each: (each.seen_at is not None, each.count), default=None)


def numbers_of(lists: Iterable[ListStatus]) -> dict[str, int]:
    """The numbers of the lists' baselines, by name."""
    return {each.name: each.number for each in lists}


_NEVER = overview.SourceSight(0, None, None, None)
