"""Counties, towns and radiuses as places to follow: the area of a key, and the key of typed text.

The area of a key is read again from the gazetteer whenever that is renewed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from monitor.errors import UsageError
from monitor.places.codes import RADII, is_area, parse_area, parse_place
from monitor.places.finder import FinderResult, find
from monitor.places.gazetteer import Gazetteer, TownZips, load
from monitor.places.names import remove_accents
from monitor.places.packaged_table import Table
from monitor.places.radius import zips_around
from monitor.states import STATES

_SUGGESTIONS = 5


@dataclass(frozen=True, slots=True)
class FollowedArea:
    """An area that can be followed as one place.

    ``kind``: county, town or radius. ``name``: "Cook County", "Detroit", or the ZIP in the middle of a
    radius; ``miles`` is 0 for the others. ``states`` has its own state first: a radius may reach into
    several, and agencies of each whole state concern it.
    """

    key: str
    kind: str
    name: str
    states: tuple[str, ...]
    zips: tuple[str, ...]
    miles: int = 0


def load_area(key: str) -> FollowedArea | None:
    """The area of a key as `parse_place` returns it; None when the gazetteer does not have it.

    The area's own ``key`` may be spelled in another way ("town-MI-Detroit" for "town-MI-DETROIT").
    """
    return _load_area(key, load().table)


@lru_cache(maxsize=4096)
def _load_area(key: str, table: Table) -> FollowedArea | None:
    match parse_area(key):
        case "county", fips, state:
            return _county(key, fips, state, table)
        case "radius", zip_code, miles:
            return _radius(key, zip_code, int(miles), table)
        case "town", state, name:
            return _town(key, state, name, table)
    return None


def read_followed(text: str) -> tuple[str, ...]:
    """The places to follow that a text means: ZIPs, a state, "US", or the key of one area.

    Takes every word that the finder takes. Raises UsageError with what is wrong and what may be meant.
    """
    try:
        place = parse_place(text)
    except UsageError as error:
        result = find(text, load())
        if places := choose_followed(result):
            return places
        if not result.suggestions:
            raise
        raise UsageError(
            f'"{text.strip()}" may mean several places: write one of '
            f"{'; '.join(result.suggestions[:_SUGGESTIONS])}."
        ) from error
    if not is_area(place):
        return (place,)
    area = load_area(place)
    if area is None:
        raise UsageError(f'"{text.strip()}" is no place that we know: is every digit and letter right?')
    return (area.key,)


def choose_followed(result: FinderResult) -> tuple[str, ...]:
    """Choose the places that a person follows by a typed text; empty if it is ambiguous.

    A county, a radius or a town of several ZIPs is one place. An agency's area is the county or the town that
    it serves as a whole, otherwise its ZIPs.
    """
    if not result.sure or result.states or not result.towns:
        return result.places
    key = find_area_key(result.towns[0])
    return (key,) if key else result.places


def find_area_key(area: TownZips) -> str | None:
    """The key of an area that the finder found; None if it is one ZIP, or neither a county nor a town."""
    if area.key or len(area.zips) == 1:
        return area.key or None
    table = load().table
    if area.kind == "agency":
        return _same_county(area, table) or _same_town(area, table)
    key = _town_key(area.state, area.name)
    return key if _is_same(key, area, table) else _same_county(area, table)  # "SF" is a city and a county


def find_areas_around(zip_code: str) -> tuple[str, ...]:
    """The keys of the areas around a ZIP: its town if that has more ZIPs, its counties, 10 and 25 miles.

    None for a ZIP without a place of its own on the map.
    """
    table = load().table
    found = table.find(zip_code)
    if found is None or found[0].point(found[1]) is None or found[0].state not in STATES:
        return ()
    state, row = found
    town = load_area(_town_key(state.state, state.cities[state.city[row]]))
    keys = [town.key] if town is not None and zip_code in town.zips and len(town.zips) > 1 else []
    counties = (state.counties[number] for number in state.shares.counties(row))
    keys += [f"county-{county.fips}" for county in counties if county.state == state.state]
    return (*keys, *(f"radius-{zip_code}-{miles}" for miles in RADII))


def _is_same(key: str, area: TownZips, table: Table) -> bool:
    found = _load_area(key, table)
    return found is not None and found.zips == area.zips


def _same_county(area: TownZips, table: Table) -> str | None:
    for county in table.state(area.state).counties:
        key = f"county-{county.fips}"
        if county.state == area.state and len(county.zips) == len(area.zips) and _is_same(key, area, table):
            return key
    return None


def _same_town(area: TownZips, table: Table) -> str | None:
    """The mailing city of an agency's ZIPs that has exactly them."""
    state = table.state(area.state)
    cities = dict.fromkeys(state.cities[state.city[state.row[code]]] for code in area.zips)
    keys = (_town_key(area.state, city) for city in cities)
    return next((key for key in keys if _is_same(key, area, table)), None)


def _county(key: str, fips: str, state: str, table: Table) -> FollowedArea | None:
    rows = table.state(state)
    county = next((county for county in rows.counties if county.fips == fips), None)
    if county is None or not county.zips:
        return None
    zips = tuple(sorted(rows.zips.pick(county.zips)))
    return FollowedArea(key, "county", county.title, (state,), zips)


def _radius(key: str, zip_code: str, miles: int, table: Table) -> FollowedArea | None:
    around = zips_around(table, zip_code, miles)
    if not around:
        return None
    own = around[zip_code]
    states = sorted(set(around.values()) & STATES.keys(), key=lambda state: (state != own, state))
    return FollowedArea(key, "radius", zip_code, tuple(states), tuple(sorted(around)), miles)


def _town(key: str, state: str, name: str, table: Table) -> FollowedArea | None:
    """What the finder finds under the words of a key, as long as it is sure."""
    words, inner, county = name.partition("--")
    text = words.replace("-", " ") + (f" ({county.replace('-', ' ')})" if inner else "")
    result = find(f"{text}, {state}", Gazetteer(table))
    if not result.sure or not result.towns or result.states:
        return None
    town = result.towns[0]
    if town.state != state or town.kind == "agency" or (town.kind == "county" and town.key):
        return None  # "Hudson Valley" is several counties, and has no key of its own
    spelled = _town_key(state, town.name)
    if spelled != key and not _is_same(spelled, town, table):
        spelled = key
    return FollowedArea(spelled, "town", town.name, (state,), town.zips)


def _town_key(state: str, name: str) -> str:
    """The key of a town, in letters, digits and hyphens: "town-PA-Springfield--Delaware-County"."""
    words, inner, county = re.sub(r"['\u2019.`]", "", remove_accents(name)).partition(" (")
    parts = [re.sub(r"[^A-Za-z0-9]+", "-", part).strip("-") for part in (words, county)]
    return f"town-{state}-{'--'.join(parts) if inner else parts[0]}"
