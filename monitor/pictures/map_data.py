"""Map data of agencies and states, computed from placements. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from monitor.domain import Confidence, Listing, Placement
from monitor.pictures.outlines import find_county
from monitor.places import Gazetteer
from monitor.places.areas import center
from monitor.places.fips import FIPS
from monitor.places.names import key
from monitor.places.packaged_table import Point, StateTable, distance

COUNTY, TOWN, STATE, NOWHERE = "county", "town", "state", "unplaced"
SHADES = (0.0, 0.10, 0.25, 0.50)
"""Shares of ZIPs above which a state has shade 1, 2, 3 and 4; shade 0 is a state with none."""

_WHOLE_COUNTIES = frozenset({"covers", "covers_estimate", "misspelt", "precinct"})
_SOMEWHERE = frozenset({"in_somewhere", "part", "somewhere"})  # only the county is known


@dataclass(frozen=True, slots=True)
class MapAgency:
    """An agency on a map. ``kind`` is one of the constants above.

    ``counties`` are FIPS codes: all that a county agency covers, the one that a town lies in. ``point`` is a
    town's center in degrees. ``zips`` are those that it serves.
    """

    name: str
    path: str
    state: str | None
    kind: str
    counties: tuple[str, ...] = ()
    point: Point | None = None
    zips: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StateValues:
    """A state on a map: its agencies by kind, and the share of its ZIPs that local agencies serve."""

    code: str
    agencies: tuple[MapAgency, ...]
    served: int
    zips: int
    counties: dict[str, str]  # FIPS code -> COUNTY or TOWN; a county without an agency is not in it

    @property
    def share(self) -> float:
        """The share of ZIPs, 0 to 1."""
        return self.served / self.zips if self.zips else 0.0

    @property
    def shade(self) -> int:
        """0 (none) to 4, by `SHADES`."""
        return sum(self.share > limit for limit in SHADES)

    def of(self, kind: str) -> tuple[MapAgency, ...]:
        """Its agencies of one kind."""
        return tuple(each for each in self.agencies if each.kind == kind)


@dataclass(frozen=True, slots=True)
class NationValues:
    """A list on the map at one moment: every state by code, and agencies whose state is not known."""

    states: dict[str, StateValues]
    homeless: tuple[MapAgency, ...]

    @property
    def agencies(self) -> tuple[MapAgency, ...]:
        """All agencies, state by state."""
        return tuple(a for s in self.states.values() for a in s.agencies) + self.homeless

    @property
    def count(self) -> int:
        """How many agencies there are."""
        return sum(len(state.agencies) for state in self.states.values()) + len(self.homeless)

    @property
    def unplaced(self) -> tuple[MapAgency, ...]:
        """Agencies that no dot or county shows."""
        return tuple(each for each in self.agencies if each.kind == NOWHERE)


def locate_on_map(
    listing: Listing, placement: Placement, name: str, path: str, gazetteer: Gazetteer
) -> MapAgency:
    """Compute how a map shows an agency: as counties, as a town, as a state's, or not at all.

    ``name`` is what people read, ``path`` the address of its page.
    """
    state = listing.state if listing.state in FIPS else None
    if state is None:
        return MapAgency(name, path, None, NOWHERE)
    if placement.statewide:
        return MapAgency(name, path, state, STATE)
    zips = placement.places if all(map(str.isdigit, placement.places)) else ()  # shared, not copied
    rule, names = placement.reason.rule, placement.reason.names
    if placement.confidence is Confidence.STATE_ONLY or not zips or rule in _SOMEWHERE:
        return MapAgency(name, path, state, NOWHERE, zips=zips)
    table = gazetteer.table.state(state)
    titles = {c.title: c.fips for c in table.counties if c.fips[:2] == FIPS[state]}
    if rule in _WHOLE_COUNTIES and names and all(each in titles for each in names):
        found = tuple(titles[each] for each in names)
        return MapAgency(name, path, state, COUNTY, found, zips=zips)
    rows = tuple(table.row[code] for code in zips if code in table.row)
    point = _town_point(table, names, rows)
    if point is None:
        return MapAgency(name, path, state, NOWHERE, zips=zips)
    inside = find_county(state, point)
    counties = (inside,) if inside else _nearest_county(table, rows, point, state)
    return MapAgency(name, path, state, TOWN, counties, point, zips)


def sum_states(agencies: Iterable[MapAgency], gazetteer: Gazetteer) -> NationValues:
    """Compute the values of each state. A state agency does not count toward the share, because it would fill
    its whole state.
    """
    by_state: dict[str, list[MapAgency]] = defaultdict(list)
    served: set[int] = set()
    homeless = []
    for agency in agencies:
        if agency.state is None:
            homeless.append(agency)
            continue
        by_state[agency.state].append(agency)
        if agency.kind in (COUNTY, TOWN):
            served.update(map(int, agency.zips))
    states = {}
    for code in FIPS:
        own = gazetteer.table.state(code).standard
        counties = {fips: TOWN for a in by_state[code] if a.kind == TOWN for fips in a.counties}
        counties |= {fips: COUNTY for a in by_state[code] if a.kind == COUNTY for fips in a.counties}
        covered = len(served.intersection(own))
        states[code] = StateValues(code, tuple(by_state[code]), covered, len(own), counties)
    return NationValues(states, tuple(homeless))


def _town_point(table: StateTable, names: tuple[str, ...], rows: tuple[int, ...]) -> Point | None:
    middle = center(table, rows)
    known = [town.point for name in names for town in table.towns.get(key(name), ())]
    if known and middle is not None:
        nearest = min(known, key=lambda point: distance(point, middle))
        return nearest if distance(nearest, middle) < 60 else middle
    return middle


def _nearest_county(table: StateTable, rows: tuple[int, ...], point: Point, state: str) -> tuple[str, ...]:
    best: tuple[float, str] | None = None
    for row in rows:
        at = table.point(row)
        own = [c for c in table.shares.counties(row) if table.counties[c].fips[:2] == FIPS[state]]
        if at is not None and own:
            found = (distance(at, point), table.counties[own[0]].fips)
            best = min(best, found) if best else found
    return (best[1],) if best else ()
