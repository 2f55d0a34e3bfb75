"""Finds what a name or an address without a ZIP means: a state, an agency, a county, a town, a region."""

from __future__ import annotations

import re
from dataclasses import replace

from monitor.places.finder_names import known_areas, known_states
from monitor.places.finder_offices import (
    agency_areas,
    campus_areas,
    county_areas,
    is_agency,
    names_no_place,
    offices_of_states,
    strip_office,
)
from monitor.places.finder_result import LIKE_TOWNS, FinderResult
from monitor.places.gazetteer import Gazetteer, TownZips
from monitor.places.meant_place import (
    SMALL_TOWN,
    add_larger_namesakes,
    add_namesakes,
    choose,
    county_of,
    distinct_areas,
    estimate_population,
)
from monitor.places.names import key
from monitor.places.typed_names import (
    AREA,
    GOVERNMENT_BEHIND,
    LEAD_IN,
    ROAD,
    names_at_the_end,
    state_at_the_end,
)
from monitor.states import STATES, read_exact_state

_SHORT_ZIP = re.compile(r"(.*\S)[\s,]+\d{4}", re.ASCII)
_OF_AT_THE_END = re.compile(r" (?:of(?: the)?|del?)$", re.IGNORECASE)
_REGION = re.compile(
    r"(?:(?:north|south)?(?:east|west)|north|south)(?:ern)? (.{3,})"
    r"|(?:central|upstate|downstate|coastal) (.{3,})",
    re.IGNORECASE,
)
_WITH_COUNTY = re.compile(
    r"(?P<name>[^()]+) \((?P<county>[^()]+)\),? (?P<state>[^,()]+)"
    r"|(?P<town>[^(),\d]+), (?P<its_county>[^(),\d]+ (?:county|parish)),? (?P<its_state>[^,()\d]+)",
    re.IGNORECASE,
)
_TOWNSHIP = re.compile("township|twp|borough|boro", re.IGNORECASE)
_RESERVATION = re.compile(r" (?:indian )?reservation$", re.IGNORECASE)
_SAYS_STATE = re.compile(r"^(?:the )?(?:state of|estado de) | state$", re.IGNORECASE)


def find_named(typed: str, gazetteer: Gazetteer, *, may_be_agency: bool = True) -> FinderResult:
    """A state, an agency, a county, a town or an address without a usable ZIP."""
    whole = read_exact_state(_SAYS_STATE.sub("", typed))
    if whole and _SAYS_STATE.search(typed):
        return _state_or_campus(typed, whole, gazetteer)
    rest, state = state_at_the_end(typed)
    if rest == typed:
        state = None
    elif state is not None and read_exact_state(rest) == state and not gazetteer.towns(rest, state):
        rest = STATES[state]  # "NY, NY"
    elif state == "DC" and read_exact_state(rest) == "WA":
        rest = "Washington"  # "Wash., D.C."
    if found := _by_hand(rest, typed, state, gazetteer):
        return found
    # Trooper is a town in Pennsylvania, and "Trooper, PA" is not an office
    named_so = state is not None and " " not in rest and bool(gazetteer.towns(rest, state))
    if may_be_agency and is_agency(typed) and not named_so:
        if state is None and names_no_place(typed):
            return FinderResult(problem="which_agency")
        return _agency(_OF_AT_THE_END.sub("", rest), state, typed, gazetteer)
    counties = county_areas(rest, state, gazetteer, explicit=True)
    if not counties and state == "CO" and "," not in typed and not gazetteer.towns(rest, state):
        counties = county_areas(typed, None, gazetteer, explicit=True)  # "Cook Co."
    if counties:
        return choose(counties, (), gazetteer)
    towns = towns_named(rest, state, gazetteer)
    # "New York" and "Washington" are both, and the end of "Port Washington" and of "St. Louis" reads like
    # a state
    has_state = "," in typed and read_exact_state(typed.rpartition(",")[2])  # "Cook, IL" is in Illinois
    if state is not None and not has_state and (not towns or not re.search(r"[\d,]", typed)):
        towns = distinct_areas(towns + towns_named(typed, None, gazetteer))
    if not towns and not whole:
        towns = county_areas(rest, state, gazetteer, explicit=False) or campus_areas(rest, state, gazetteer)
    if not towns and state is not None and not has_state:  # "University of Michigan"
        towns = campus_areas(typed, None, gazetteer)
    if not towns and not whole:
        towns = (campus_areas(typed, None, gazetteer, whole=False) if not has_state else ()) or campus_areas(
            rest, state, gazetteer, whole=False
        )
    other = read_exact_state(rest) if not towns and state is not None and rest != typed else None
    if other is not None and state is not None:  # "Indiana Illinois"
        return FinderResult(states=(other, state))
    if whole == "DC" and towns:
        whole = None  # Washington and its District are one place
    region = _REGION.fullmatch(typed) if not whole and "," not in typed else None
    if region and (not towns or (towns[0].population < SMALL_TOWN and not towns[0].meant)):
        whole = read_exact_state(region[1] or region[2])  # "West Texas" is no town
    if towns or whole:
        result = choose(towns, (whole,) if whole else (), gazetteer)
        if result.sure and not whole and state is None:
            return add_larger_namesakes(result, rest, gazetteer)
        return result if result.sure or whole else add_namesakes(result, rest, state, gazetteer)
    if offices := offices_of_states(typed, gazetteer):
        return FinderResult(states=offices, sure=True)
    if state is not None and typed[:1].isdigit():  # "1600 Pennsylvania Ave NW, Washington DC"
        city = "Washington, DC" if state == "DC" else STATES[state]
        if state == "DC" or (city in LIKE_TOWNS and typed.endswith(city)):
            return find_named(city, gazetteer)
    if typed[:1].isdigit():
        return FinderResult(problem="no_town")
    first, _, behind_first = typed.partition(" ")
    if (short := _SHORT_ZIP.fullmatch(typed)) and state_at_the_end(short[1])[1] is not None:
        return FinderResult(problem="digits")  # "Boston MA 2108"
    led = read_exact_state(first) if behind_first else None
    if led is not None and key(first) not in (key(led), key(STATES[led])):  # "Colo Springs"
        return find_named(f"{STATES[led]} {behind_first}", gazetteer)
    prefix = LEAD_IN.match(typed)
    if prefix:
        return find_named(typed[prefix.end() :], gazetteer)
    behind = GOVERNMENT_BEHIND.search(rest)
    if behind:  # "Wilkinsburg Borough, PA"
        named = find_named(rest[: behind.start()] + (f", {state}" if state else ""), gazetteer)
        if named.states and named.towns and state is None:  # "Delaware Township" is not the state
            return replace(named, states=(), sure=len(named.towns) == 1)
        if not (named.states or named.problem):
            # a part of Columbus is called German Village, and a town of Ohio German
            legal = state is not None or _TOWNSHIP.fullmatch(behind[0].strip())
            others = behind[0].strip().lower() in ("township", "twp") and any(
                each.state == named.towns[0].state for each in named.towns[1:]
            )  # the census counts few townships: not the largest Washington of New Jersey
            return named if legal and not others else replace(named, sure=False)
    if AREA.search(typed):
        return find_named(AREA.sub("", typed), gazetteer)
    if not strip_office(typed):
        return FinderResult(problem="which_agency")
    if ROAD.search(typed):
        return FinderResult(problem="no_town")
    return FinderResult(problem="nothing")


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


def _by_hand(rest: str, typed: str, state: str | None, gazetteer: Gazetteer) -> FinderResult | None:
    """What the hand-kept names of agencies and of regions over several states say; None for other texts."""
    states = known_states(typed)
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


def _agency(rest: str, state: str | None, typed: str, gazetteer: Gazetteer) -> FinderResult:
    """What an agency's name means: its own area, else that of the place in its name.

    The state behind it may be its town: "Metropolitan Police Washington".
    """
    place = strip_office(rest)
    nation = tuple(area for area in known_areas(place, state, gazetteer) if area.kind == "tribal")
    towns, statewide = (nation, ()) if nation else agency_areas(rest, state, gazetteer)
    if not towns and not statewide and place and state is not None and "," not in typed:
        towns, statewide = agency_areas(typed, None, gazetteer)
    if not towns and not statewide:
        towns = campus_areas(rest, state, gazetteer, whole=" " in place)
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
    state = read_exact_state(match["state"] or match["its_state"])
    if state is None:
        return None
    towns = gazetteer.towns(name, state) or gazetteer.towns(GOVERNMENT_BEHIND.sub("", name), state)
    named = tuple(town for town in towns if key(county_of(town, gazetteer)) == key(county))
    if not named:
        return None
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
