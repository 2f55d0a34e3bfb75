"""The gazetteer itself: the table and the rule, with an operator's overrides."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache

from msgspec import structs

from monitor.domain import TOWNS, Confidence, Listing, Placement, PlacementReason
from monitor.places.all_names import all_names
from monitor.places.areas import sites
from monitor.places.codes import EVERYWHERE, MILITARY, state_of_zip
from monitor.places.hand_kept_tables import read_lists
from monitor.places.listed_agencies import FindListed, find_no_listed
from monitor.places.names import key
from monitor.places.overrides import Overrides
from monitor.places.packaged_table import Point, Table, compute_version, packaged
from monitor.places.rule.locate import locate_in
from monitor.places.town_zips import town_rows
from monitor.places.zips import ZipArea, area, unknown_notice
from monitor.states import STATES, read_state

_NO_STATE = Placement(
    (EVERYWHERE,),
    "no_state",
    Confidence.STATE_ONLY,
    PlacementReason("no_state"),
)


@dataclass(frozen=True, slots=True)
class Covers:
    """Who covers a ZIP: ``agencies`` by the ZIP, ``statewide`` by its state.

    ``not_placed`` are agencies of the state that could not be placed within it. ``area`` is None for a ZIP
    that the table does not have; ``state`` is then read from its prefix.
    """

    zip: str
    area: ZipArea | None
    state: str | None
    notices: tuple[str, ...]
    agencies: tuple[tuple[Listing, Placement], ...]
    statewide: tuple[tuple[Listing, Placement], ...]
    not_placed: tuple[tuple[Listing, Placement], ...]


@dataclass(frozen=True, slots=True)
class TownZips:
    """An area by name: its state, its ZIPs, and its population (0 when it is not known).

    ``kind``: town, city, county, borough, neighborhood, agency or radius. ``meant``: it takes precedence over
    towns of the same name. ``key``: the key of a county or a radius as a place to follow.
    """

    name: str
    state: str
    zips: tuple[str, ...]
    population: int
    kind: str = "town"
    meant: bool = False
    key: str = ""


@dataclass(frozen=True, slots=True)
class Gazetteer:
    """Finds which places an agency serves, and which agencies serve a place. Pure and thread-safe."""

    table: Table
    overrides: Overrides = field(default_factory=Overrides)
    find_listed: FindListed = field(default=find_no_listed, repr=False, compare=False)
    """Finds agencies by name in the lists that are watched, for the finder."""

    def with_lists(self, find_listed: FindListed) -> Gazetteer:
        """The same gazetteer, whose finder also knows the agencies of the lists."""
        return replace(self, find_listed=find_listed)

    def with_overrides(self, overrides: Overrides) -> Gazetteer:
        """The same gazetteer with other corrections by the operator."""
        return replace(self, overrides=overrides)

    @property
    def version(self) -> str:
        """A hash of everything that determines placements: the data, the rules and the overrides."""
        return hashlib.sha256(f"{compute_version()} {self.overrides!r}".encode()).hexdigest()[:16]

    def locate(self, listing: Listing, source: str | None = None) -> Placement:
        """Place a listing: ZIPs, or its state, or ("US",); it never raises, and every listing gets a
        placement.
        """
        given = self.overrides.find(listing, source)
        if given is not None:
            return given
        if listing.state is None or listing.state not in STATES:
            return _NO_STATE
        table = self.table.state(listing.state)
        towns = (listing.city or "").split(TOWNS)
        if len(towns) > 1:
            return _join_placements(
                [locate_in(structs.replace(listing, city=town), table) for town in towns], towns
            )
        return locate_in(listing, table)

    def zip(self, zip_code: str) -> ZipArea | None:
        """Look up a five-digit ZIP; None if it is not in the table."""
        return area(self.table, zip_code)

    def point(self, zip_code: str) -> Point | None:
        """The center of a ZIP; None if the table knows none. Files ask for those of thousands of agencies."""
        found = self.table.find(zip_code)
        return found[0].point(found[1]) if found is not None else None

    def state_of_zip(self, zip_code: str) -> str | None:
        """The state, territory or military region of a ZIP: by the table, else by its prefix."""
        found = self.table.find(zip_code)
        return found[0].state if found is not None else state_of_zip(zip_code)

    def notices(self, zip_code: str) -> tuple[str, ...]:
        """Notices for residents about a ZIP: PO box, military, unknown, several states."""
        found = self.zip(zip_code)
        return found.notices if found is not None else (unknown_notice(zip_code),)

    def covers(self, zip_code: str, placed: Iterable[tuple[Listing, Placement]]) -> Covers:
        """Find which of the placed agencies cover a ZIP, and why; each list sorted by name."""
        found = self.zip(zip_code)
        state = found.state if found is not None else state_of_zip(zip_code)
        agencies: list[tuple[Listing, Placement]] = []
        statewide: list[tuple[Listing, Placement]] = []
        not_placed: list[tuple[Listing, Placement]] = []
        for listing, placement in placed:
            if zip_code in placement.places:
                agencies.append((listing, placement))
            elif state is not None and state not in MILITARY and state in placement.places:
                (statewide if placement.statewide else not_placed).append((listing, placement))
        return Covers(
            zip=zip_code,
            area=found,
            state=state,
            notices=found.notices if found is not None else (unknown_notice(zip_code),),
            agencies=_by_name(agencies),
            statewide=_by_name(statewide),
            not_placed=_by_name(not_placed),
        )

    def towns(self, text: str, state: str | None = None) -> tuple[TownZips, ...]:
        """The towns of that name ("Hammond", "Hammond, IN"), the largest first, each with its ZIPs."""
        name, _, tail = text.partition(",")
        reading = read_state(tail) if tail.strip() else None
        wanted = state or (reading.code if reading else None)
        found = [
            TownZips(site.name, code, tuple(sorted(table.zips.pick(town_rows(table, site)))), site.population)
            for code in ((wanted,) if wanted else all_names(self.table).states_of(key(name)))
            for table in (self.table.state(code),)
            for site in sites(table, key(name))
            if site.located
        ]
        return tuple(sorted(found, key=lambda t: (-t.population, t.state, t.zips)))


def _join_placements(placements: list[Placement], towns: list[str]) -> Placement:
    """The placement of an agency with several towns: the places of them all, where each is known."""
    first = placements[0]
    if all(set(other.places) == set(first.places) for other in placements):
        return first  # its name gives its place, regardless of the town
    if any(other.statewide or other.confidence is Confidence.STATE_ONLY for other in placements):
        return first
    places = tuple(sorted({place for placement in placements for place in placement.places}))
    return Placement(places, "several_towns", Confidence.APPROXIMATE, PlacementReason("covers", tuple(towns)))


def _by_name(pairs: list[tuple[Listing, Placement]]) -> tuple[tuple[Listing, Placement], ...]:
    return tuple(sorted(pairs, key=lambda pair: (pair[0].name.casefold(), pair[0].state or "", pair[0].key)))


@cache
def load() -> Gazetteer:
    """Load the gazetteer that ships with the program; states are read on first use."""
    read_lists()
    return Gazetteer(packaged())
