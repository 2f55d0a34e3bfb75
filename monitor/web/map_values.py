"""The data that maps show of a list at a moment, cached as long as it is valid."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Connection

from monitor.domain import Listing, Placement
from monitor.messages.layout import clean
from monitor.pictures.map_data import MapAgency, NationValues, locate_on_map, sum_states
from monitor.storage.lists import page_queries as store
from monitor.web.context import Site
from monitor.web.presenters import agency_path

MOST_KEPT = 48
"""The most cached maps: two lists with two years of months. Their agencies are shared."""

MOST_AGENCIES = 20_000
"""The most cached agencies, for all maps together."""


@dataclass(frozen=True, slots=True)
class MapMoment:
    """The requested day of a map. ``until`` is its end; None: the map shows the present."""

    day: date
    until: datetime | None


class MapCache:
    """Maps of lists, each computed once for a baseline's number and a moment. Thread-safe."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int, datetime | None], NationValues] = OrderedDict()
        self._agencies: dict[tuple[str, str, Listing], tuple[Placement, MapAgency]] = {}

    def of(self, conn: Connection, source: str, number: int, until: datetime | None = None) -> NationValues:
        """Read the map values of a list with the number of its baseline, now or just before ``until``."""
        key = (source, number, until)
        with self._lock:
            known = self._kept.get(key)
            if known is None:
                known = self._kept[key] = self._make(conn, source, number, until)
                while len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
            else:
                self._kept.move_to_end(key)
            return known

    def _make(self, conn: Connection, source: str, number: int, until: datetime | None) -> NationValues:
        site, coverage = self._site, self._site.coverage
        covered = coverage.of(source, number)
        if until is None:
            placed = [(cover.agency, cover.listing, cover.placement) for cover in covered.covers]
        else:
            now = {cover.listing: cover.placement for cover in covered.covers}
            placed = [
                (agency, listing, now.get(listing) or coverage.placement(source, listing))
                for agency, listing in store.load_listed_at(conn, source, until - timedelta(microseconds=1))
            ]
        agencies = [self._agency(source, agency, listing, placement) for agency, listing, placement in placed]
        return sum_states(agencies, site.gazetteer)

    def _agency(self, source: str, agency: str, listing: Listing, placement: Placement) -> MapAgency:
        """Return one shared value for all maps that show the same listing: 48 maps of 2,600 agencies share
        it.
        """
        key = (source, agency, listing)
        known = self._agencies.get(key)
        if known is None or known[0] != placement:
            if len(self._agencies) >= MOST_AGENCIES:
                self._agencies.clear()
            known = (placement, place_on_map(self._site, source, agency, listing, placement))
            self._agencies[key] = known
        return known[1]


def place_on_map(site: Site, source: str, agency: str, listing: Listing, placement: Placement) -> MapAgency:
    """Compute how maps show an agency, with its display name and URL."""
    path = site.url(agency_path(source, agency))
    return locate_on_map(listing, placement, clean(listing.name), path, site.gazetteer)


def read_moment(text: str, site: Site, first: datetime | None) -> MapMoment | None:
    """Parse ``?at=``: a day (2026-03-31) or a month (2026-03, its last day), in the site's time zone.

    None for anything else, for a day before the list was first read, and for one that is not over.
    """
    zone, now = ZoneInfo(site.timezone), site.clock()
    try:
        if len(text) == 7:
            start = date.fromisoformat(text + "-01")
            day = (start + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        else:
            day = date.fromisoformat(text) if len(text) == 10 else date.max
        until = datetime.combine(day + timedelta(days=1), datetime.min.time(), zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    if first is None or until <= first or until > now:
        return None
    return MapMoment(day, until)


def months_of(site: Site, first: datetime | None) -> tuple[date, ...]:
    """The last days of the complete months since a list was first read, oldest first."""
    if first is None:
        return ()
    zone = ZoneInfo(site.timezone)
    day, today = first.astimezone(zone).date().replace(day=1), site.clock().astimezone(zone).date()
    found: list[date] = []
    while True:
        following = (day + timedelta(days=31)).replace(day=1)
        if following > today:
            return tuple(found)
        found.append(following - timedelta(days=1))
        day = following
