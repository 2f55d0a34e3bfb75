"""Finds the place of one name or address: ZIPs, towns, addresses, counties, agencies, nicknames, typos."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from monitor.errors import UsageError
from monitor.places.codes import names_radius, parse_area, parse_place, split_radius
from monitor.places.finder_names import (
    NEAR,
    areas_beginning,
    known_areas,
    known_states,
    near_areas,
    near_states,
    respell,
)
from monitor.places.finder_offices import (
    agency_areas,
    campus_areas,
    county_areas,
    fold_agency_name,
    is_agency,
    names_no_place,
    offices_of_states,
    put_in_english,
    strip_office,
)
from monitor.places.finder_result import LIKE_TOWNS, FinderResult, label_area
from monitor.places.finder_zips import middle_zip, radius_area, zips_between, zips_of
from monitor.places.gazetteer import Gazetteer, TownZips
from monitor.places.meant_place import (
    CITY,
    add_larger_namesakes,
    add_namesakes,
    choose,
    county_of,
    distinct_areas,
    estimate_population,
)
from monitor.places.names import key, remove_accents, spell_direction
from monitor.places.spanish_names import put_names_in_english
from monitor.places.zips import ZipArea
from monitor.states import STATES, read_state

LONGEST = 200
"""The most characters of the field that are examined."""

_ZIP_AT_THE_END = re.compile(r"(?<!\d)(?<!\d-)(?<!\w{3}-)(\d{5})(?:-\d{4})?\W*$", re.ASCII)
_ZIP_ALONE = re.compile(r"(\d{5})(?:[-\s]?\d{4}|-)?", re.ASCII)  # "46320-" lacks its four digits
_ZIP_SO_CALLED = re.compile(
    r"\b(?:zip|postal|codigo)(?: ?code| postal)?(?: is| es)?\W{0,3}(?<!\d)(\d{5})(?!\d)",
    re.IGNORECASE | re.ASCII,
)
_SHORT_ZIP = re.compile(r"(.*\S)[\s,]+\d{4}", re.ASCII)
_DASH = re.compile("(?<=\\d)[\u2010-\u2015\u2212](?=\\d|$)")
_COUNTRY = re.compile(
    r"[\s,]*\b(?:USA|U\.S\.A\.|US|U\.S\.|United States(?: of America)?|Estados Unidos|EE\. ?UU\.)\W*$",
    re.IGNORECASE,
)
_EVERYWHERE = re.compile(
    r"(?:the )?(?:whole|entire|all of the) country|everywhere|nation ?wide|all (?:50 )?states|america"
    r"|todo el pais|todos los estados|en todas partes",
    re.IGNORECASE,
)
_ALL_OF = re.compile(
    r"^(?:all of|(?:the )?(?:whole|entire)(?: of)?|tod[oa](?: el| la)?) (?=\S)", re.IGNORECASE
)
_AREA = re.compile(
    r"(?<=\w)(?:(?: metro(?:politan)?)? (?:area|region)| metro(?:politan)?)$|^(?:near|cerca de) (?=\w{4})",
    re.IGNORECASE,
)
_ZIPS = re.compile(r"\d{5}(?:-\d{4})?(?:(?:[\s,;&+/]|\b(?:and|or|y|o)\b)+\d{5}(?:-\d{4})?)+", re.ASCII | re.I)
_RANGE = re.compile(r"(\d{5})\s*(?:-|to|thru|through|a|al|hasta)\s*(\d{5})", re.ASCII | re.IGNORECASE)
_ABBREVIATED = re.compile(r"^(so|no)\.? (?=[^\W\d_]{3})", re.IGNORECASE)
_POINT_OR_PORT = re.compile(r"^pt\.? (?=\w)", re.IGNORECASE)
_UNIT = re.compile(
    r"^(?:#|apt|apartment|suite|ste|unit|floor|fl|room|rm|lot|space|spc|trailer|trlr|building|bldg)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"^\d|\d(?!\d*(?:st|nd|rd|th)\b)", re.IGNORECASE)
"""The number of a house or road; "Lower 9th Ward" is no address."""
_OF_AT_THE_END = re.compile(r" (?:of(?: the)?|del?)$", re.IGNORECASE)
_ROAD = re.compile(
    r"^(?:p\.? ?o\.? )?box \w+$|\b(?:apartado|road|rd|street|avenue|ave|highway|hwy|route|rte|calle|exit)\b",
    re.IGNORECASE,
)
"""What an address without a number in front holds: "PO Box 12", "County Road 480"."""
_STREET = re.compile(
    r"^(?:st|street|ave|avenue|rd|road|dr|drive|blvd|boulevard|ln|lane|ct|court|way|pl|place|hwy|highway|pkwy"
    r"|cir|circle|ter|terrace|plaza|plz|sq|square|calle|avenida)\.?$",
    re.IGNORECASE,
)
_REGION = re.compile(
    r"(?:(?:north|south)?(?:east|west)|north|south)(?:ern)? (.{3,})"
    r"|(?:central|upstate|downstate|coastal) (.{3,})",
    re.IGNORECASE,
)
_GOVERNMENT_OF = re.compile(r"^(?:city|town|village|township|borough) of (?=\S)", re.IGNORECASE)
_WITH_COUNTY = re.compile(
    r"(?P<name>[^()]+) \((?P<county>[^()]+)\),? (?P<state>[^,()]+)"
    r"|(?P<town>[^(),\d]+), (?P<its_county>[^(),\d]+ (?:county|parish)),? (?P<its_state>[^,()\d]+)",
    re.IGNORECASE,
)
_LEAD_IN = re.compile(
    r"^(?:(?:the )?(?:city|town|village|township|borough|ciudad|pueblo|municipio) (?:of|de)"
    r"|charter township of|cuidad de|(?:i live|i am|i'?m|vivo|estoy)(?: in| near| en| cerca de)|soy de"
    r"|near me in|(?:close|next) to|[ns][ew]|(?:just )?(?:outside|north|south|east|west)(?: of)?"
    r"|around|by|downtown|(?:el )?centro de|(?:la )?isla de) (?=\S)",
    re.IGNORECASE,
)
"""What people write before the name of a town."""
_AIR_FORCE_BASE = re.compile(r"\bair force base\b", re.IGNORECASE)
_TERRITORIES = ("AS", "GU", "MP", "VI")
"""Whose villages are not known; each has few ZIPs."""
_GOVERNMENT_BEHIND = re.compile(r"(?<=\S) (?:city|town|village|township|twp|borough|boro)$", re.IGNORECASE)
_TOWNSHIP = re.compile("township|twp|borough|boro", re.IGNORECASE)
_RESERVATION = re.compile(r" (?:indian )?reservation$", re.IGNORECASE)
_SAYS_STATE = re.compile(r"^(?:the )?(?:state of|estado de) | state$", re.IGNORECASE)
SMALL_TOWN = 10_000
"""The population below which a town may also be a part of the state in its name: West, Texas."""

AROUND = 3
"""Middles of places of one name that a radius without a ZIP is offered around."""

_LONGEST_NAME = 5  # words of a town's name: "Village of Oak Creek" and the like


def find_place(text: str, gazetteer: Gazetteer) -> FinderResult:
    """Find the place that a text names, or all of several ZIPs.

    A ZIP takes precedence over a town, and a house number is never read as a ZIP.
    """
    typed = _DASH.sub("-", " ".join(text[:LONGEST].split()))
    if not any(map(str.isalnum, typed)):
        return FinderResult(problem="empty")
    alone = _ZIP_ALONE.fullmatch(typed)
    if alone:
        return zips_of([alone[1]], gazetteer)
    if _ZIPS.fullmatch(typed):
        return zips_of(re.findall(r"\d{5}(?=-|\D|$)", typed, re.ASCII), gazetteer)
    if between := _RANGE.fullmatch(typed):
        return zips_between(between[1], between[2], gazetteer)
    numbers = re.fullmatch(r"(?:zip(?: ?code)?\W*)?[\d\s-]+", typed, re.IGNORECASE)
    if numbers and not _ZIP_SO_CALLED.match(typed):
        return FinderResult(problem="digits")
    typed = _ABBREVIATED.sub(spell_direction, typed)
    typed = _COUNTRY.sub("", typed)
    if not typed or _EVERYWHERE.fullmatch(remove_accents(typed)):
        return FinderResult(country=True)
    if names_radius(typed):
        return _within_radius(typed, gazetteer)
    typed = put_names_in_english(remove_accents(typed))
    typed = _AIR_FORCE_BASE.sub("AFB", put_in_english(typed))
    typed = _ALL_OF.sub("", typed)
    at_the_end = _ZIP_AT_THE_END.search(typed) or _ZIP_SO_CALLED.search(typed)
    if at_the_end:
        result = zips_of([at_the_end[1]], gazetteer)
        typed = typed[: at_the_end.start()].strip(" ,")
        if result.zips or not typed:
            return result
    result = _zip_in_front(typed, gazetteer) or _in_county(typed, gazetteer) or _named(typed, gazetteer)
    return _with_listed(result, typed, gazetteer)


def _with_listed(result: FinderResult, typed: str, gazetteer: Gazetteer) -> FinderResult:
    """A result with the agencies of that name on the lists; where nothing else was found, their places."""
    unknown = result.typo or result.problem == "nothing"
    if not unknown and not is_agency(typed):
        return result
    rest, state = state_at_the_end(typed)
    names = {fold_agency_name(typed), fold_agency_name(rest)}
    names.update(fold_agency_name(town.name) for town in result.towns if town.kind == "agency")
    found = gazetteer.find_listed(names)
    if state is not None and state != _state(typed):
        found = tuple(each for each in found if each.state == state)
    if not found:
        return result
    if unknown:
        areas = {
            (each.name, each.state): TownZips(each.name, each.state, each.places, 0, "agency")
            for each in found
            if each.places[0].isdigit()
        }
        whole = dict.fromkeys(each.places[0] for each in found if each.places[0] in STATES)
        if areas or whole:
            result = choose(tuple(areas.values()), tuple(whole), gazetteer)
    if result.sure:
        found = tuple(each for each in found if each.state in (*result.states[:1], *_own_state(result)))
    return replace(result, agencies=found)


def _own_state(result: FinderResult) -> tuple[str, ...]:
    return () if result.states else (result.towns[0].state,)


def _within_radius(typed: str, gazetteer: Gazetteer) -> FinderResult:
    """ "10 miles of 60601"; "25 miles of Chicago" is asked with the ZIPs in the middle of Chicago."""
    try:
        place = parse_place(typed)
    except UsageError:
        return _around_name(typed, gazetteer)
    found = parse_area(place)
    area = radius_area(found[1], int(found[2]), "", gazetteer) if found and found[0] == "radius" else None
    return FinderResult(problem="unknown_zip") if area is None else FinderResult(towns=(area,), sure=True)


def _around_name(typed: str, gazetteer: Gazetteer) -> FinderResult:
    """The radiuses around the middles of the places that a name means, to choose from."""
    miles, name = split_radius(typed)
    result = find_place(name, gazetteer) if miles and not names_radius(name) else FinderResult()
    areas = [
        area
        for town in result.towns[: 1 if result.sure else AROUND]
        if (code := middle_zip(town, gazetteer)) is not None
        and (area := radius_area(code, miles, f" ({label_area(town)})", gazetteer)) is not None
    ]
    return FinderResult(towns=tuple(areas)) if areas else FinderResult(problem="radius")


def _zip_in_front(typed: str, gazetteer: Gazetteer) -> FinderResult | None:
    """A ZIP before its own town or state ("90210 Beverly Hills").

    Before anything else five digits are a house number.
    """
    code, _, rest = typed.partition(" ")
    code = code.rstrip(",")
    area = gazetteer.zip(code) if _ZIP_ALONE.fullmatch(code) else None
    if area is None:
        return None
    town, state = state_at_the_end(rest)
    of_its_state = state in (None, area.state) and (
        _state(rest) == area.state or _serves(area, town, gazetteer)
    )
    if of_its_state or _serves(area, rest, gazetteer):  # "20001 Washington"
        return FinderResult(zips=(area.zip,))
    itself = TownZips(area.zip, area.state, (area.zip,), 0, "zip")
    if (other := _state(rest)) is not None:  # "60601 Indiana", one of which is wrong
        return FinderResult(towns=(itself,), states=(other,))
    if others := gazetteer.towns(town, state)[:AROUND]:  # "10001 Boston"
        return FinderResult(towns=(itself, *others))
    return None


def _serves(area: ZipArea, town: str, gazetteer: Gazetteer) -> bool:
    """Whether a ZIP is one of a town of that name, without working out all that it serves."""
    if key(town) == key(area.city):
        return True
    return any(area.zip in each.zips for each in gazetteer.towns(town, area.state))


def _named(typed: str, gazetteer: Gazetteer) -> FinderResult:
    """A state, an agency, a county, a town or an address without a usable ZIP; else names that are near."""
    whole = _state(_SAYS_STATE.sub("", typed))
    if whole and _SAYS_STATE.search(typed):
        return _state_or_campus(typed, whole, gazetteer)
    rest, state = state_at_the_end(typed)
    if rest == typed:
        state = None
    elif state is not None and _state(rest) == state and not gazetteer.towns(rest, state):
        rest = STATES[state]  # "NY, NY"
    elif state == "DC" and _state(rest) == "WA":
        rest = "Washington"  # "Wash., D.C."
    if found := _by_hand(rest, typed, state, gazetteer):
        return found
    # Trooper is a town in Pennsylvania, and "Trooper, PA" is not an office
    named_so = state is not None and " " not in rest and bool(gazetteer.towns(rest, state))
    if is_agency(typed) and not named_so:
        if state is None and names_no_place(typed):
            return FinderResult(problem="which_agency")
        return _agency(_OF_AT_THE_END.sub("", rest), state, typed, gazetteer)
    counties = county_areas(rest, state, gazetteer, explicit=True)
    if not counties and state == "CO" and "," not in typed and not gazetteer.towns(rest, state):
        counties = county_areas(typed, None, gazetteer, explicit=True)  # "Cook Co."
    if counties:
        return choose(counties, (), gazetteer)
    towns = _towns(rest, state, gazetteer)
    # "New York" and "Washington" are both, and the end of "Port Washington" and of "St. Louis" reads like
    # a state
    has_state = "," in typed and _state(typed.rpartition(",")[2])  # "Cook, IL" is in Illinois
    if state is not None and not has_state and (not towns or not re.search(r"[\d,]", typed)):
        towns = distinct_areas(towns + _towns(typed, None, gazetteer))
    if not towns and not whole:
        towns = county_areas(rest, state, gazetteer, explicit=False) or campus_areas(rest, state, gazetteer)
    if not towns and state is not None and not has_state:  # "University of Michigan"
        towns = campus_areas(typed, None, gazetteer)
    if not towns and not whole:
        towns = (campus_areas(typed, None, gazetteer, whole=False) if not has_state else ()) or campus_areas(
            rest, state, gazetteer, whole=False
        )
    if not towns and state is not None and rest != typed and (other := _state(rest)):  # "Indiana Illinois"
        return FinderResult(states=(other, state))
    if whole == "DC" and towns:
        whole = None  # Washington and its District are one place
    region = _REGION.fullmatch(typed) if not whole and "," not in typed else None
    if region and (not towns or (towns[0].population < SMALL_TOWN and not towns[0].meant)):
        whole = _state(region[1] or region[2])  # "West Texas" is no town
    if towns or whole:
        result = choose(towns, (whole,) if whole else (), gazetteer)
        if result.sure and not whole and state is None:
            return _or_a_city(add_larger_namesakes(result, rest, gazetteer), rest, gazetteer)
        return result if result.sure or whole else add_namesakes(result, rest, state, gazetteer)
    if offices := offices_of_states(typed, gazetteer):
        return FinderResult(states=offices, sure=True)
    if state is not None and typed[:1].isdigit():  # "1600 Pennsylvania Ave NW, Washington DC"
        city = "Washington, DC" if state == "DC" else STATES[state]
        if state == "DC" or (city in LIKE_TOWNS and typed.endswith(city)):
            return _named(city, gazetteer)
    if typed[:1].isdigit():
        return FinderResult(problem="no_town")
    first, _, behind_first = typed.partition(" ")
    if (short := _SHORT_ZIP.fullmatch(typed)) and state_at_the_end(short[1])[1] is not None:
        return FinderResult(problem="digits")  # "Boston MA 2108"
    led = _state(first) if behind_first else None
    if led is not None and key(first) not in (key(led), key(STATES[led])):  # "Colo Springs"
        return _named(f"{STATES[led]} {behind_first}", gazetteer)
    prefix = _LEAD_IN.match(typed)
    if prefix:
        return _named(typed[prefix.end() :], gazetteer)
    behind = _GOVERNMENT_BEHIND.search(rest)
    if behind:  # "Wilkinsburg Borough, PA"
        named = _named(rest[: behind.start()] + (f", {state}" if state else ""), gazetteer)
        if named.states and named.towns and state is None:  # "Delaware Township" is not the state
            return replace(named, states=(), sure=len(named.towns) == 1)
        if not (named.states or named.typo or named.problem):
            # a part of Columbus is called German Village, and a town of Ohio German
            legal = state is not None or _TOWNSHIP.fullmatch(behind[0].strip())
            others = behind[0].strip().lower() in ("township", "twp") and any(
                each.state == named.towns[0].state for each in named.towns[1:]
            )  # the census counts few townships: not the largest Washington of New Jersey
            return named if legal and not others else replace(named, sure=False)
    if _AREA.search(typed):
        return _named(_AREA.sub("", typed), gazetteer)
    if not strip_office(typed):
        return FinderResult(problem="which_agency")
    near = distinct_areas((*near_areas(rest, state, gazetteer), *_at_the_end(rest, state, gazetteer)))
    if led is not None:  # "TX - Houston"
        near = distinct_areas((*_towns(behind_first.lstrip("- "), led, gazetteer), *near))
    if not near and (short_for := _POINT_OR_PORT.match(typed)):
        spelled = (f"{word} {rest[short_for.end() :]}" for word in ("Point", "Port"))
        near = tuple(town for name in spelled for town in gazetteer.towns(name, state)[:NEAR])
    if not near and _ROAD.search(typed):
        return FinderResult(problem="no_town")
    near = near or areas_beginning(rest, state, gazetteer)
    if not near:
        near = next(filter(None, (near_areas(other, state, gazetteer) for other in respell(rest))), ())
    if not near and state in _TERRITORIES:
        return FinderResult(states=(state,), unknown=(rest,))
    states = near_states(typed) if state is None else ()
    if not near and state is not None:
        near = _towns(rest, None, gazetteer)[:NEAR]  # "Chicago, TX"
    if near or states:
        return FinderResult(towns=near, states=states, typo=True)
    return named if behind else FinderResult(problem="nothing")  # "Hammnd City"


def _or_a_city(result: FinderResult, typed: str, gazetteer: Gazetteer) -> FinderResult:
    """A question where a city is one letter away from a small town: "Huston" is a post office in Idaho."""
    town = result.towns[0]
    if not result.sure or town.kind != "town" or estimate_population(town) >= SMALL_TOWN:
        return result
    cities = near_areas(typed, None, gazetteer, least_slips=1, people=CITY) if typed.isalpha() else ()
    return replace(result, towns=(town, *cities), sure=False) if cities else result


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
    others = _towns(rest, state, gazetteer) if states else ()
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
        return _named(STATES[state], gazetteer)  # "policia de New York"
    if not place:
        return FinderResult(problem="which_agency")
    return _named(f"{place}, {state}" if state else place, gazetteer)


def _in_county(typed: str, gazetteer: Gazetteer) -> FinderResult | None:
    """Read "Springfield (Delaware County), PA", the form in which suggestions distinguish namesakes, or
    "Springfield Township, Delaware County, PA".
    """
    match = _WITH_COUNTY.fullmatch(typed)
    if match is None:
        return None
    name, county = match["name"] or match["town"], match["county"] or match["its_county"]
    state = _state(match["state"] or match["its_state"])
    if state is None:
        return None
    towns = gazetteer.towns(name, state) or gazetteer.towns(_GOVERNMENT_BEHIND.sub("", name), state)
    named = tuple(town for town in towns if key(county_of(town, gazetteer)) == key(county))
    if not named:
        return None
    label = f"{named[0].name} ({county_of(named[0], gazetteer)})"
    return FinderResult(towns=(replace(named[0], name=label),), sure=True)


def _state(text: str) -> str | None:
    reading = read_state(text)
    return reading.code if reading and reading.exact else None


def state_at_the_end(typed: str) -> tuple[str, str | None]:
    """The text before a state's name or code at its end, and that state."""
    words = typed.replace(",", " , ").split()
    for count in (4, 3, 2, 1):  # "District of Columbia", "N. Mariana Islands"
        tail = words[-count:]
        if len(words) > count and "," not in tail and (code := _state(" ".join(tail))):
            return " ".join(words[:-count]).replace(" , ", ", ").strip(" ,"), code
    return typed, _state(typed)


def _towns(text: str, state: str | None, gazetteer: Gazetteer) -> tuple[TownZips, ...]:
    """The towns of the longest name that ends the text, or that ends one of its parts between commas, the
    last part first.
    """
    for name in _names(text, within=state is not None):
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


def _at_the_end(rest: str, state: str | None, gazetteer: Gazetteer) -> tuple[TownZips, ...]:
    """The towns of a state whose name ends an unknown one, as a suggestion: "Broadway New York, NY"."""
    words = rest.split()[-_LONGEST_NAME:] if state is not None else []
    for first in range(1, len(words)):
        if towns := gazetteer.towns(" ".join(words[first:]), state):
            return towns[:NEAR]
    return ()


def _names(text: str, *, within: bool) -> Iterator[str]:
    parts = [part for part in map(str.strip, text.split(",")) if part and not _UNIT.match(part)]
    for part in reversed(parts[-3:]):
        if government := _GOVERNMENT_OF.match(part):
            yield part[government.end() :]
        words = part.split()
        numbered = _NUMBER.search(part) is not None
        for count in range(min(len(words), _LONGEST_NAME), 0, -1):
            # an address ends in a town; any other part is a name as a whole, or none: "Fort Jackson, SC"
            address = numbered or (within and any(map(_STREET.match, words[:-count])))
            if count < len(words) and not address:
                continue
            name = " ".join(words[-count:])
            if _NUMBER.search(name) is None and not (numbered and _STREET.match(words[-1])):
                yield name
