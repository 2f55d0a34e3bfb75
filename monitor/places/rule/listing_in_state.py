"""A listing in its state's table, parsed once, with lazily computed properties for the steps of the rule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from monitor.domain import Confidence, Listing, Placement, PlacementReason
from monitor.places.agency_kinds import DESIGNATORS, AgencyName, variants
from monitor.places.areas import NamedPlace, counties_of, sites
from monitor.places.county_names import county_named
from monitor.places.names import key, squeeze, words
from monitor.places.packaged_table import Point, StateTable, distance

STRAY_KM = 100.0  # a point this far from every ZIP of its state is a mistake
_NO_COUNTY = frozenset(("", "na", "none", "unknown", "notavailable", "null", "statewide"))


@dataclass(frozen=True, eq=False)
class ListingInState:
    """One listing in its state's table."""

    listing: Listing
    table: StateTable
    name: AgencyName = field(repr=False)

    @property
    def state(self) -> str:
        return self.table.state

    @cached_property
    def point(self) -> Point | None:
        """The listing's point, None when it cannot be: (0, 0), another hemisphere, nowhere near the state."""
        point = self.listing.point
        if point is None or not (-90 <= point[0] <= 90 and -180 <= point[1] <= 180):
            return None
        return point if next(self.table.near(point, STRAY_KM), None) is not None else None

    @cached_property
    def city(self) -> str:
        """The address city in comparable words, without "City of"."""
        parts = words(self.listing.city or "")
        if squeeze(parts) in self.table.by_city:
            return " ".join(parts)  # "Township Of Washington" is a post town
        while len(parts) > 2 and parts[1] == "of" and parts[0] in DESIGNATORS:
            parts = parts[2:]
        return " ".join(parts)

    @cached_property
    def address(self) -> NamedPlace | None:
        """The place that the address city is, when it is known with ZIPs or a point."""
        said = tuple(self.city.split())
        for city in variants(said) if said[-1:] != ("twp",) else [said]:
            located = [
                s for s in self._fit(sites(self.table, squeeze(city)), self._given_county) if s.located
            ]
            if not located:
                continue
            if self.point or self._given_county or self.name.designator == "twp":
                return located[0]
            # Ohio's city of Union before Union Township, whose ZIPs are listed by hand
            return next((s for s in located if s.population or not s.known), located[0])
        return None

    @cached_property
    def _given_county(self) -> frozenset[int]:
        text = self.listing.county or ""
        if key(text) in _NO_COUNTY or not any(c.isalpha() for c in text):
            return frozenset()
        return frozenset(county_named(self.table, text))

    @cached_property
    def counties(self) -> frozenset[int]:
        """The counties that the listing itself gives, also in the place of a town ("Norfolk County")."""
        last = words(self.listing.city or "")[-1:]
        if self._given_county or last not in (("county",), ("parish",)) or self.address is not None:
            return self._given_county
        return frozenset(county_named(self.table, self.listing.city or ""))

    def fit(self, found: Iterable[NamedPlace]) -> list[NamedPlace]:
        """Places in the order in which they fit the listing's point or county."""
        return self._fit(found, self.counties)

    def _fit(self, found: Iterable[NamedPlace], counties: frozenset[int]) -> list[NamedPlace]:
        given = list(found)
        point = self.point
        if point is not None:
            return sorted(given, key=lambda s: distance(s.point, point) if s.point else 1e4)
        if counties:
            return sorted(given, key=lambda s: not counties_of(self.table, s) & counties)
        return given


def place(
    subject: ListingInState, rows: Iterable[int], how: str, confidence: Confidence, reason: PlacementReason
) -> Placement | None:
    """A placement of ZIP rows; None when there are none, so that the next step is tried."""
    zips = tuple(sorted(set(subject.table.zips.pick(rows))))
    return Placement(zips, how, confidence, reason) if zips else None
