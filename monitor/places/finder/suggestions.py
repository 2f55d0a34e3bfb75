"""Suggests places for a text that names none: for a misspelled name, and for a town whose name only begins or
ends like the text.
"""

from __future__ import annotations

import re
from dataclasses import replace

from monitor.places.finder.named_place import towns_named
from monitor.places.finder.namesakes import CITY, SMALL_TOWN, distinct_areas, estimate_population
from monitor.places.finder.near_names import (
    NEAR,
    TWO_SLIPS,
    areas_beginning,
    near_areas,
    near_states,
    respell,
)
from monitor.places.finder.offices import is_agency, strip_office
from monitor.places.finder.result import FinderResult
from monitor.places.finder.townships import states_of_unlocated
from monitor.places.finder.typed_names import (
    AREA,
    ARTICLE,
    GOVERNMENT_BEHIND,
    LEAD_IN,
    LONGEST_NAME,
    ROAD,
    SIDE,
    state_at_the_end,
)
from monitor.places.gazetteer import Gazetteer, TownZips
from monitor.states import STATES, read_exact_state

_POINT_OR_PORT = re.compile(r"^pt\.? (?=\w)", re.IGNORECASE)
_TERRITORIES = ("AS", "GU", "MP", "VI")
"""Whose villages are not known; each has few ZIPs."""


def find_near(typed: str, gazetteer: Gazetteer) -> FinderResult | None:
    """Suggest places for a name that was not found; None if there are none. Names are compared with all
    others only a few times, and only if they are no longer than towns' names.
    """
    name = LEAD_IN.sub("", typed)
    if is_agency(name):
        name = strip_office(name)
    name = AREA.sub("", name)
    rest, state = state_at_the_end(name)
    if state is None:
        rest, state = _split_near_state(name)
    if not rest or rest[0].isdigit():
        return None
    states = near_states(name) if state is None else ()
    near = _suggest(rest, state, gazetteer, most_slips=1 if states else TWO_SLIPS)
    if not near and (behind := GOVERNMENT_BEHIND.search(rest)):  # "Hammnd City"
        near = near_areas(rest[: behind.start()], state, gazetteer)
    if not near and (article := ARTICLE.match(rest)):
        near = near_areas(rest[article.end() :], state, gazetteer)
    if not near and (side := SIDE.match(rest)):  # "West Hammond"
        near = towns_named(rest[side.end() :], state, gazetteer)[:NEAR]
    of_state = {STATES[code] for code in states}  # California, Maryland, is not meant by "Californa"
    near = tuple(town for town in near if town.name not in of_state or town.population >= CITY)
    if near or states:
        return FinderResult(towns=near, states=states, typo=True)
    known = (state,) if state in _TERRITORIES else states_of_unlocated(rest, None, gazetteer)
    return FinderResult(states=known, unknown=(rest,)) if known else None


def _split_near_state(name: str) -> tuple[str, str | None]:
    """Split a text before a misspelled state at its end: "Chicago Ilinois"."""
    words = name.replace(",", " ").split()
    for count in range(min(2, len(words) - 1), 0, -1):
        near = near_states(" ".join(words[-count:]))
        if len(near) == 1:
            return " ".join(words[:-count]), near[0]
    return name, None


def _suggest(rest: str, state: str | None, gazetteer: Gazetteer, *, most_slips: int) -> tuple[TownZips, ...]:
    """The first suggestions that exist, in this order: misspelled names, names that end or begin with the
    text, names that sound alike, names in other states.
    """
    end = _at_the_end(rest, state, gazetteer)
    if len(rest.rpartition(",")[2].split()) > LONGEST_NAME:
        return end
    road = ROAD.search(rest) is not None
    near = (
        *near_areas(rest, state, gazetteer, most_slips=1),
        *(() if road else areas_beginning(rest, state, gazetteer)),
    )
    if not near and most_slips > 1:
        near = near_areas(rest, state, gazetteer)
    own = gazetteer.towns(rest, state)[:NEAR] if state is not None else ()  # of a misspelled state
    near = distinct_areas((*own, *_behind_a_state(rest, gazetteer), *near, *end))
    if not near and (short_for := _POINT_OR_PORT.match(rest)):
        spelled = (f"{word} {rest[short_for.end() :]}" for word in ("Point", "Port"))
        near = tuple(town for name in spelled for town in gazetteer.towns(name, state)[:NEAR])
    if near or road:
        return near
    near = next(filter(None, (near_areas(other, state, gazetteer) for other in respell(rest))), ())
    return near if near or state is None else towns_named(rest, None, gazetteer)[:NEAR]  # "Chicago, TX"


def _behind_a_state(rest: str, gazetteer: Gazetteer) -> tuple[TownZips, ...]:
    """The towns named after the state at the beginning of a text: "TX - Houston"."""
    first, _, behind = rest.partition(" ")
    state = read_exact_state(first) if behind else None
    return towns_named(behind.lstrip("- "), state, gazetteer) if state is not None else ()


def _at_the_end(rest: str, state: str | None, gazetteer: Gazetteer) -> tuple[TownZips, ...]:
    """Suggest the towns of a state whose names are at the end of an unknown name: "Broadway New York, NY"."""
    words = rest.split()[-LONGEST_NAME:] if state is not None else []
    for first in range(1, len(words)):
        if towns := gazetteer.towns(" ".join(words[first:]), state):
            return towns[:NEAR]
    return ()


def or_a_city(result: FinderResult, typed: str, gazetteer: Gazetteer) -> FinderResult:
    """Ask if the name of a small town is one letter away from that of a city: "Huston" is a post office in
    Idaho.
    """
    if not result.sure or result.kind != "town" or not typed.isalpha():
        return result
    town = result.towns[0]
    if estimate_population(town) >= SMALL_TOWN:
        return result
    cities = near_areas(typed, None, gazetteer, least_slips=1, people=CITY)
    return replace(result, towns=(town, *cities), sure=False) if cities else result
