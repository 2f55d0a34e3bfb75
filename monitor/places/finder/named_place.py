"""Finds what a name or an address without a ZIP means: a state, an agency, a county, a town, a region."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from monitor.places.finder.namesakes import (
    CHOICES,
    LARGE_TOWN,
    SMALL_TOWN,
    add_larger_namesakes,
    add_namesakes,
    choose,
    county_of,
    distinct_areas,
    estimate_population,
)
from monitor.places.finder.offices import (
    agency_areas,
    campus_areas,
    county_areas,
    is_agency,
    names_no_place,
    offices_of_states,
    put_place_first,
    strip_office,
)
from monitor.places.finder.result import LIKE_TOWNS, FinderResult
from monitor.places.finder.townships import counties_of_townships, states_of_unlocated
from monitor.places.finder.typed_names import (
    AREA,
    ARTICLE,
    GOVERNMENT_BEHIND,
    LEAD_IN,
    ROAD,
    SIDE,
    names_at_the_end,
    state_at_the_end,
)
from monitor.places.finder.unofficial_names import known_areas, known_states
from monitor.places.gazetteer import Gazetteer, TownZips
from monitor.places.names import key, word_set, words
from monitor.states import STATES, read_exact_state

_SHORT_ZIP = re.compile(r"(.*\S)[\s,]+\d{4}", re.ASCII)
_OF_AT_THE_END = re.compile(r" (?:of(?: the)?|del?)$", re.IGNORECASE)
_REGION = re.compile(
    r"(?:(?:north|south)?(?:east|west)|north|south)(?:ern)? (.{3,})"
    r"|(?:central|upstate|downstate|coastal) (.{2,})",
    re.IGNORECASE,
)
_WITH_COUNTY = re.compile(
    r"(?P<name>[^()]+) \((?P<county>[^()]+)\),? (?P<state>[^,()]+)"
    r"|(?P<town>[^(),\d]+), (?P<its_county>[^(),\d]+ (?:county|parish)),? (?P<its_state>[^,()\d]+)",
    re.IGNORECASE,
)
_TOWNSHIP = re.compile("township|twp|borough|boro", re.IGNORECASE)
_RESERVATION = re.compile(r" (?:indian )?reservation$", re.IGNORECASE)
_OF_STATES = word_set("corrections probation parole attorney")
"""Words of offices that states have beside counties and cities."""
LONG_NAME = 3
"""Words from which the name of an institution is not that of a town by chance."""
_OF_CAMPUS = word_set("campus university college")
_SAYS_STATE = re.compile(r"^(?:the )?(?:state of|estado de) | (?:state|estado)$", re.IGNORECASE)


class _TypedName(NamedTuple):
    """A typed text, and the part of it before a state at its end."""

    text: str
    rest: str  # without the state at the end
    state: str | None  # at the end
    whole: str | None  # the state that the whole text is called
    gazetteer: Gazetteer

    @property
    def has_state(self) -> bool:
        """Whether a state follows a comma: "Cook, IL" is in Illinois; "St. Louis, MO" is not in Louisiana."""
        return "," in self.text and read_exact_state(self.text.rpartition(",")[2]) is not None


def find_named(typed: str, gazetteer: Gazetteer, *, may_be_agency: bool = True) -> FinderResult:
    """A state, an agency, a county, a town or an address without a usable ZIP."""
    name = _split_state(typed, gazetteer)
    for read in _READINGS:
        if (may_be_agency or read is not _read_agency) and (found := read(name)) is not None:
            return found
    return FinderResult(problem=_find_problem(typed))


def _split_state(typed: str, gazetteer: Gazetteer) -> _TypedName:
    rest, state = state_at_the_end(typed)
    if rest == typed:
        state = None
    elif state is not None and read_exact_state(rest) == state and not gazetteer.towns(rest, state):
        rest = STATES[state]  # "NY, NY"
    elif state == "DC" and read_exact_state(rest) == "WA":
        rest = "Washington"  # "Wash., D.C."
    return _TypedName(typed, rest, state, read_exact_state(_SAYS_STATE.sub("", typed)), gazetteer)


def _read_said_state(name: _TypedName) -> FinderResult | None:
    """A state that the text calls a state: "State of Indiana", "Ohio State"."""
    if name.whole and _SAYS_STATE.search(name.text):
        return _state_or_campus(name.text, name.whole, name.gazetteer)
    return None


def _read_by_hand(name: _TypedName) -> FinderResult | None:
    """What the hand-kept names of agencies, and of regions in several states, mean."""
    rest, state, gazetteer = name.rest, name.state, name.gazetteer
    states = known_states(name.text) or tuple(code for code in known_states(rest) if code == state)
    agencies = tuple(area for area in known_areas(rest, state, gazetteer) if area.kind == "agency")
    if _RESERVATION.search(rest):
        named = _RESERVATION.sub("", rest)
        nation = (
            *known_areas(named, state, gazetteer),
            *known_areas(f"{named} Reservation", state, gazetteer),
        )
        agencies += tuple(area for area in dict.fromkeys(nation) if area.kind == "tribal")
    if not states and not agencies:
        return None
    others = towns_named(rest, state, gazetteer) if states else ()
    return choose((*agencies, *others), states, gazetteer)


def _read_agency(name: _TypedName) -> FinderResult | None:
    # Trooper is a town in Pennsylvania, and "Trooper, PA" is not an office
    named_so = name.state is not None and " " not in name.rest and bool(_towns_of(name))
    if not is_agency(name.text) or named_so:
        return None
    if name.state is None and names_no_place(name.text):
        return FinderResult(problem="which_agency")
    office = put_place_first(_OF_AT_THE_END.sub("", name.rest), name.gazetteer)
    return _agency(office, name.state, put_place_first(name.text, name.gazetteer), name.gazetteer)


def _read_county(name: _TypedName) -> FinderResult | None:
    """A county that the text calls a county."""
    counties = county_areas(name.rest, name.state, name.gazetteer, explicit=True)
    if not counties and name.state == "CO" and "," not in name.text and not _towns_of(name):
        counties = county_areas(name.text, None, name.gazetteer, explicit=True)  # "Cook Co."
    return choose(counties, (), name.gazetteer) if counties else None


def _read_area_or_state(name: _TypedName) -> FinderResult | None:
    """A town, a county, a campus; a state, or a region of one; two states."""
    rest, state, gazetteer = name.rest, name.state, name.gazetteer
    areas = _find_areas(name)
    other = read_exact_state(rest) if not areas and state is not None and rest != name.text else None
    if other is not None and state is not None:
        return FinderResult(states=(other, state))  # "Indiana Illinois"
    whole = None if name.whole == "DC" and areas else name.whole  # Washington and its District are one place
    if not whole and (not areas or (areas[0].population < SMALL_TOWN and not areas[0].meant)):
        whole = _state_of_region(name.text) or (state if _state_of_region(rest) == state else None)
    if not areas and not whole:
        return None
    result = choose(areas, (whole,) if whole else (), gazetteer)
    abbreviated = whole is not None and key(name.text) not in (key(whole), key(STATES[whole]))
    if abbreviated and areas and estimate_population(areas[0]) >= SMALL_TOWN:
        return replace(result, sure=False)  # Kent is a city and was Kentucky
    if result.sure and not whole and state is None:
        return add_larger_namesakes(result, rest, gazetteer)
    return result if result.sure or whole else add_namesakes(result, rest, state, gazetteer)


def _find_areas(name: _TypedName) -> tuple[TownZips, ...]:
    """The towns with a name, or else the county or campus with that name, without the word for its kind."""
    text, rest, state, gazetteer = name.text, name.rest, name.state, name.gazetteer
    may_end_so = state is not None and not name.has_state
    own = STATES[state] if state is not None else ""
    towns = towns_named(rest, state, gazetteer)
    # "New York" and "Washington" are both, and the end of "Port Washington" and of "St. Louis" reads like
    # a state
    if may_end_so and (not towns or not re.search(r"[\d,]", text)):
        named_so = towns_named(text, None, gazetteer)
        # an address in Michigan is not in Michigan, North Dakota
        of_state = not re.search(r"\d", text) or own in LIKE_TOWNS
        towns = distinct_areas((*towns, *(town for town in named_so if of_state or town.name != own)))
    if not towns and not name.whole:
        towns = county_areas(rest, state, gazetteer, explicit=False) or campus_areas(rest, state, gazetteer)
    if not towns and may_end_so:  # "University of Michigan"
        towns = campus_areas(text, None, gazetteer)
    if not towns and not name.whole and not name.has_state:
        towns = campus_areas(text, None, gazetteer, whole=False)
    if not towns and not name.whole:
        towns = campus_areas(rest, state, gazetteer, whole=False)
    return towns


def _state_of_region(text: str) -> str | None:
    """The state of "West Texas" or "Upstate New York", which are not towns."""
    region = _REGION.fullmatch(text) if "," not in text else None
    return read_exact_state(region[1] or region[2]) if region else None


def _read_offices_of_states(name: _TypedName) -> FinderResult | None:
    offices = offices_of_states(name.text, name.gazetteer)
    return FinderResult(states=offices, sure=True) if offices else None


def _read_address(name: _TypedName) -> FinderResult | None:
    """An address without a town: "1600 Pennsylvania Ave NW, Washington DC"."""
    if not name.text[:1].isdigit():
        return None
    if name.state is not None:
        city = "Washington, DC" if name.state == "DC" else STATES[name.state]
        if name.state == "DC" or (city in LIKE_TOWNS and name.text.endswith(city)):
            return find_named(city, name.gazetteer)
    return FinderResult(problem="no_town")


def _read_short_zip(name: _TypedName) -> FinderResult | None:
    """A ZIP whose first zero is missing: "Boston MA 2108"."""
    short = _SHORT_ZIP.fullmatch(name.text)
    if short is None or state_at_the_end(short[1])[1] is None:
        return None
    return FinderResult(problem="digits")


def _read_state_in_front(name: _TypedName) -> FinderResult | None:
    """A name that begins with a state's short form: "Colo Springs"."""
    first, _, behind = name.text.partition(" ")
    state = read_exact_state(first) if behind else None
    if state is None or key(first) in (key(state), key(STATES[state])):
        return None
    return find_named(f"{STATES[state]} {behind}", name.gazetteer)


def _read_without_lead_in(name: _TypedName) -> FinderResult | None:
    prefix = LEAD_IN.match(name.text) or ARTICLE.match(name.text)
    return find_named(name.text[prefix.end() :], name.gazetteer) if prefix else None


def _read_without_side(name: _TypedName) -> FinderResult | None:
    """A side of a city or a state: "East Austin", "SE Washington DC"."""
    side = SIDE.match(name.text)
    if side is None:
        return None
    found = find_named(name.text[side.end() :], name.gazetteer)
    large = found.states or (found.towns and estimate_population(found.towns[0]) >= LARGE_TOWN)
    return found if found.sure and large else None


def _read_without_government(name: _TypedName) -> FinderResult | None:
    """A municipality with the word for its kind behind its name: "Wilkinsburg Borough, PA"."""
    state = name.state
    kind = GOVERNMENT_BEHIND.search(name.rest)
    if kind is None:
        return None
    bare = name.rest[: kind.start()]
    found = find_named(bare + (f", {state}" if state else ""), name.gazetteer)
    if _TOWNSHIP.fullmatch(kind[0].strip()) and (state is not None or found.problem):
        counties = counties_of_townships(bare, state, name.gazetteer)
        if counties:  # Perry Township is not Perry County
            return _offer_counties(name.rest, found, counties)
    if found.states and found.towns and state is None:  # "Delaware Township" is not the state
        return replace(found, states=(), sure=len(found.towns) == 1)
    if found.states or found.problem:
        return None
    # a part of Columbus is called German Village, and a town of Ohio German
    legal = state is not None or _TOWNSHIP.fullmatch(kind[0].strip())
    others = kind[0].strip().lower() in ("township", "twp") and any(
        each.state == found.towns[0].state for each in found.towns[1:]
    )  # the census counts few townships: not the largest Washington of New Jersey
    return found if legal and not others else replace(found, sure=False)


def _read_township(name: _TypedName) -> FinderResult | None:
    """A township without the word for its kind: "Herzog, KS"."""
    counties = counties_of_townships(name.rest, name.state, name.gazetteer) if name.state is not None else ()
    return _offer_counties(name.rest, FinderResult(), counties) if counties else None


def _read_unlocated(name: _TypedName) -> FinderResult | None:
    """A municipality of which only the state is known: "Henlopen Acres, DE"."""
    known = name.state is not None and states_of_unlocated(name.rest, name.state, name.gazetteer)
    return FinderResult(states=known, unknown=(name.rest,)) if known else None


def _offer_counties(typed: str, found: FinderResult, counties: tuple[TownZips, ...]) -> FinderResult:
    """A question with the towns that were found, and the counties of the townships of their name."""
    towns = tuple(town for town in found.towns if town.kind != "county")
    areas = distinct_areas((*towns, *counties))
    return FinderResult(towns=areas[:CHOICES], more=len(areas) > CHOICES, unknown=() if towns else (typed,))


def _read_without_area(name: _TypedName) -> FinderResult | None:
    return find_named(AREA.sub("", name.text), name.gazetteer) if AREA.search(name.text) else None


_READINGS: tuple[Callable[[_TypedName], FinderResult | None], ...] = (
    _read_said_state,
    _read_by_hand,
    _read_agency,
    _read_county,
    _read_area_or_state,
    _read_offices_of_states,
    _read_address,
    _read_short_zip,
    _read_state_in_front,
    _read_without_lead_in,
    _read_without_side,
    _read_without_government,
    _read_without_area,
    _read_township,
    _read_unlocated,
)
"""In this order: the first that finds something, or knows why nothing is found, has the answer."""


def _find_problem(typed: str) -> str:
    if not strip_office(typed):
        return "which_agency" if re.search("[a-z]", typed, re.IGNORECASE) else "nothing"
    return "no_town" if ROAD.search(typed) else "nothing"


def _towns_of(name: _TypedName) -> tuple[TownZips, ...]:
    return name.gazetteer.towns(name.rest, name.state)


def _state_or_campus(typed: str, state: str, gazetteer: Gazetteer) -> FinderResult:
    """What "Ohio State" means: the university or the state. "Penn State" and "Kent State" are universities;
    New York State and Washington State are called so to tell them from the cities.
    """
    campuses = campus_areas(typed, None, gazetteer)
    short = key(_SAYS_STATE.sub("", typed)) not in (key(state), key(STATES[state]))
    if campuses and short:
        return choose(campuses, (), gazetteer)
    sure = not campuses or STATES[state] in LIKE_TOWNS
    return FinderResult(towns=campuses, states=(state,), sure=sure)


def _agency(rest: str, state: str | None, typed: str, gazetteer: Gazetteer) -> FinderResult:
    """What an agency's name means: its own area, else that of the place in its name.

    The state behind it may be its town: "Metropolitan Police Washington".
    """
    if (
        state is None
        and not _OF_STATES.isdisjoint(words(rest))
        and (offices := offices_of_states(rest, gazetteer))
    ):
        return FinderResult(states=offices, sure=True)
    place = strip_office(rest)
    named = tuple(
        area
        for area in known_areas(place, state, gazetteer)
        if area.kind == "tribal"
        or (area.kind == "neighborhood" and area.meant and " " in place)  # Mission District, not Mission
    )
    of_campus = not _OF_CAMPUS.isdisjoint(words(rest)) or len(place.split()) >= LONG_NAME
    campus = campus_areas(rest, state, gazetteer) if of_campus else ()
    meant = named or campus
    towns, statewide = (meant, ()) if meant else agency_areas(rest, state, gazetteer)
    if not towns and not statewide and place and state is not None and "," not in typed:
        towns, statewide = agency_areas(typed, None, gazetteer)
    if not towns and not statewide:
        towns = campus_areas(rest, state, gazetteer, whole=" " in place)
    if not towns and not statewide:
        towns, statewide = agency_areas(rest, state, gazetteer, of_kind=True)
    if towns or statewide:
        return choose(towns, statewide, gazetteer)
    if not place and state:
        return find_named(STATES[state], gazetteer)  # "policia de New York"
    if not place:
        return FinderResult(problem="which_agency")
    # a sign may hide the word for the office: "?q=sheriff"
    return find_named(f"{place}, {state}" if state else place, gazetteer, may_be_agency=False)


def find_in_county(typed: str, gazetteer: Gazetteer) -> FinderResult | None:
    """Read "Springfield (Delaware County), PA", the form in which suggestions distinguish namesakes, or
    "Springfield Township, Delaware County, PA".
    """
    match = _WITH_COUNTY.fullmatch(typed)
    if match is None:
        return None
    name, county = match["name"] or match["town"], match["county"] or match["its_county"]
    name = LEAD_IN.sub("", name)  # "City of Chicago"
    state = read_exact_state(match["state"] or match["its_state"])
    if state is None:
        return None
    towns = gazetteer.towns(name, state) or gazetteer.towns(GOVERNMENT_BEHIND.sub("", name), state)
    named = tuple(town for town in towns if key(county_of(town, gazetteer)) == key(county))
    if not named:  # a township of which only the county is known, or a slip
        counties = county_areas(county, state, gazetteer, explicit=True)
        return FinderResult(towns=counties[:1], unknown=(name.strip(),)) if counties else None
    label = f"{named[0].name} ({county_of(named[0], gazetteer)})"
    return FinderResult(towns=(replace(named[0], name=label),), sure=True)


def towns_named(text: str, state: str | None, gazetteer: Gazetteer) -> tuple[TownZips, ...]:
    """The towns of the longest name that ends the text, or that ends one of its parts between commas, the
    last part first.
    """
    for name in names_at_the_end(text, within=state is not None):
        known = known_areas(name, state, gazetteer)
        own = {area.state for area in known}
        towns = tuple(town for town in gazetteer.towns(name, state) if town.state not in own)
        if known or towns:
            meant = tuple(area for area in known if area.meant)
            by_size = sorted(
                (*(area for area in known if not area.meant), *towns),
                key=lambda area: -estimate_population(area),
            )
            return distinct_areas((*meant, *by_size))
    return ()
