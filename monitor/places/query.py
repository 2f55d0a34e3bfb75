"""A listing parsed once, with lazily computed properties for the steps of the rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from monitor.domain import Confidence, Listing, Placement, PlacementReason
from monitor.places.agency_kinds import DESIGNATORS, AgencyName, variants
from monitor.places.areas import NamedPlace, counties_of, sites
from monitor.places.names import key, squeeze, words
from monitor.places.packaged_table import Point, StateTable, distance

STRAY_KM = 100.0  # a point this far from every ZIP of its state is a mistake
_NO_COUNTY = frozenset(("", "na", "none", "unknown", "notavailable", "null", "statewide"))
_COUNTY_WORDS = frozenset(("county", "parish", "boro", "municipio", "municipality", "area"))
_KINDS_BEHIND = tuple(
    tuple(kind.split())
    for kind in (
        "city and boro",
        "census area",
        "county",
        "parish",
        "municipio",
        "boro",
        "municipality",
        "city",
    )
)
_KINDS_BEFORE = tuple(
    tuple(kind.split())
    for kind in (
        "city and boro of",
        "county of",
        "parish of",
        "boro of",
        "municipality of",
        "city of",
        "municipio de",
        "municipio autonomo de",
    )
)
"""The words for kinds of counties as `words` spells them."""
OLD_COUNTIES = {
    ("AK", "wadehampton"): ("kusilvak",),
    ("AK", "valdezcordova"): ("chugach", "copperriver"),
    ("SD", "shannon"): ("oglalalakota",),
    ("FL", "dade"): ("miamidade",),
}
"""Counties renamed or divided since 1990, by the keys of their names."""


@dataclass(frozen=True, eq=False)
class Query:
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


def county_named(table: StateTable, text: str) -> list[int]:
    """The counties that a text names, with or without the word for their kind ("Cook", "County of Cook",
    "Kenai Peninsula Borough"); independent cities by "city".
    """
    return counties_by_keys(table, county_keys(text), city="city" in words(text))


def county_keys(text: str) -> tuple[str, ...]:
    """The keys under which a text may name a county, for any state; the first that is one is meant."""
    said = words(text)
    return tuple(map(squeeze, _county_stems(said[1:] if said[:1] == ("the",) else said)))


def counties_by_keys(table: StateTable, keys: Iterable[str], *, city: bool) -> list[int]:
    """The counties of the first key that is one; of a county and a city with one name, the one that is meant
    by the text.
    """
    for each in keys:
        found = counties_by_key(table, each)
        if len(found) > 1:
            found = [c for c in found if table.counties[c].independent == city] or found
        if found:
            return found
    return []


def _county_stems(said: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """A county's name as it was said, and without the word for its kind behind it, before it, and both.

    Whole first: the Isle of Wight and James City County have such words in their names.
    """
    fronts = [said, *(said[len(kind) :] for kind in _KINDS_BEFORE if said[: len(kind)] == kind)]
    for front in fronts:
        yield front
        yield from (front[: -len(kind)] for kind in _KINDS_BEHIND if front[-len(kind) :] == kind)


def counties_by_key(table: StateTable, stem: str) -> list[int]:
    """The counties of that name, old names included."""
    found = list(table.by_county.get(stem, ()))
    for later in OLD_COUNTIES.get((table.state, stem), ()):
        found.extend(table.by_county.get(later, ()))
    return found


def counties_said(table: StateTable, part: tuple[str, ...]) -> list[int]:
    """The counties before the word county, parish, borough or municipio, or after "county of"."""
    found: list[int] = []
    for at, word in enumerate(part):
        if word not in _COUNTY_WORDS:
            continue
        before = [part[at - n : at] for n in range(min(4, at), 0, -1)]
        after = (
            [part[at + 2 : at + 2 + n] for n in range(4, 0, -1)] if part[at + 1 : at + 2] == ("of",) else []
        )
        for run in before + after:
            hit = counties_by_key(table, squeeze(run))
            if hit:
                counties = [c for c in hit if not table.counties[c].independent]
                found.extend(counties or hit)
                break
    return list(dict.fromkeys(found))


def titles(table: StateTable, counties: Iterable[int]) -> tuple[str, ...]:
    """The counties' names for people: ("Kings County", "the city of Richmond")."""
    return tuple(table.counties[c].title for c in counties)


def county_rows(table: StateTable, counties: Iterable[int]) -> set[int]:
    """The ZIPs with at least 2 % of their land in the counties."""
    return {r for c in counties for r in table.counties[c].zips}


def place(
    query: Query, rows: Iterable[int], how: str, confidence: Confidence, reason: PlacementReason
) -> Placement | None:
    """A placement of ZIP rows; None when there are none, so that the next step is tried."""
    zips = tuple(sorted(set(query.table.zips.pick(rows))))
    return Placement(zips, how, confidence, reason) if zips else None
