"""Counties and agencies by name, for the finder."""

from __future__ import annotations

import re
from functools import cache
from itertools import takewhile

from monitor.domain import Listing
from monitor.places.agency_kinds import COUNTY_OFFICES, read_name, spoken, variants
from monitor.places.all_names import all_names
from monitor.places.areas import PEOPLE_PER_ZIP
from monitor.places.county_names import counties_by_keys, county_keys
from monitor.places.finder.typed_names import state_at_the_end
from monitor.places.finder.unofficial_names import area_of_county, known_areas
from monitor.places.gazetteer import Gazetteer, TownZips
from monitor.places.hand_kept_tables import (
    LEAST_LETTERS,
    campuses_beginning,
    campuses_by_letters,
    campuses_named,
    consolidated_named,
    consolidated_states,
    mailing,
)
from monitor.places.names import key, squeeze, word_set, words
from monitor.places.rule.statewide import ACRONYMS
from monitor.states import STATES

_AGENCY_WORDS = word_set(
    "police sheriff constable marshal trooper troopers policia patrol nypd alguacil sheriffs policias staties"
    " cop cops jail detention corrections probation parole attorney prosecutor precinct deputies"
)
_OFFICE_WORDS = _AGENCY_WORDS | word_set(
    "dept department office of the de la el departamento oficina public safety bureau division tribal campus "
    "university state highway force mi my local"
)
"""Words of an office that say nothing about its place."""
_ARTICLES = ("la", "el")
_IN_FRONT = ("de", "the")
_KINDS_OF_PLACE = word_set(
    "airport amtrak border campus city college community county district downtown harbor hospital "
    "housing indian municipal national park port railroad ranger rangers school town transit tribe twp us "
    "village"
)
"""Words of an office that say what it is for, and are names of small towns too: "Park Police", Park, KS."""
_KINDS_IN_FRONT = word_set(
    "airport border campus college metropolitan park port precinct school transit tribal university"
)
_WORDS_IN_FRONT = (_OFFICE_WORDS | _KINDS_IN_FRONT) - word_set("la el mi my local")
_ARTICLES_OF = word_set("of the de")
_KINDS_BEHIND = word_set(
    "airport border campus city consolidated district hospital housing independent metropolitan park port "
    "precinct public school schools transit unified"
)
_TITLES_OF_KIND = {
    "county": (" County", " Borough", " Census Area", " Municipality", " Municipio"),
    "parish": (" Parish",),
    "municipio": (" Municipio", " Municipality"),
    "city and boro": (" City and Borough",),
    "boro": (" Borough", " Municipality", " Census Area"),
    "census area": (" Census Area", " Borough"),
    "municipality": (" Municipality", " Municipio", " Borough"),
    "city": (),
}
"""How the titles of counties end, by the word for their kind as `words` spells it."""
_STATES_OF_CITIES = ("MD", "MO", "NV", "VA")  # with cities outside of every county
_SPANISH_COUNTIES = tuple(
    (re.compile(rf"^(?:el |la )?{spanish} (?:de (?:l )?)?(.+)$", re.IGNORECASE), english)
    for spanish, english in (
        ("condado", r"\1 County"),
        ("parroquia", r"\1 Parish"),
        ("municipio(?: autonomo)? de", r"\1 Municipio"),
        ("municipalidad de", r"\1 Municipality"),
        ("borough de", r"\1 Borough"),
        ("area censal de", r"\1 Census Area"),
        ("ciudad y borough de", r"\1 City and Borough"),
        ("ciudad de", r"city of \1"),
    )
)
"""How kinds of counties are called in Spanish, and in the order of English."""
_SPANISH_OFFICES = (
    (
        re.compile(
            r"^(?:(?:la )?(?:oficina|departamento) (?:del? )?)?(?:el )?(?:alguacil|sheriff)"
            r" (?:del condado )?de (?:l )?(.+?)(?: county)?$",
            re.IGNORECASE,
        ),
        r"\1 County Sheriff",
    ),
    (re.compile(r"^(?:la )?policia (?:estatal|del estado) de (.+)$", re.IGNORECASE), r"\1 State Police"),
    (
        re.compile(r"^(?:la )?patrulla (?:de caminos|de carreteras|estatal) de (.+)$", re.IGNORECASE),
        r"\1 State Police",
    ),
)
"""How offices are called in Spanish, and in the order of English."""
_OF_THE_CITY = re.compile(r"(?<=\w) (?:municipal )?de la (?:ciudad|villa) de (?=\w)", re.IGNORECASE)
_NOT_COUNTED = ("AS", "GU", "MP", "PR", "VI")
_WORDS_OF_GOVERNMENT = word_set("county parish urban unified consolidated metropolitan government")
_PUBLIC_SAFETY = ("dept", "of", "public", "safety")
_WORDS_OF_CAMPUS = word_set("university college institute international airport")
_WORDS_OF_NATION = word_set(
    "tribe tribes tribal nation band pueblo reservation rancheria of the indian indians community"
)
_KINDS_OF_CAMPUS = ("", "university", "airport", "internationalairport")
MOST_STATES = 12  # states in which an agency of a name is looked for


def county_areas(
    text: str, state: str | None, gazetteer: Gazetteer, *, explicit: bool
) -> tuple[TownZips, ...]:
    """The counties with a name, the one with the most ZIPs first. ``explicit``: only if the text says that it
    means a county ("Cook County", "condado de Cook", "Juneau City and Borough"). An independent city counts
    only if its state is named: "the city of Richmond, VA".
    """
    name = text.strip()
    for spanish, english in _SPANISH_COUNTIES:
        name = spanish.sub(english, name)
    if governments := _consolidated_areas(words(name), state, gazetteer):
        return governments
    titles = _titles_meant(words(name), state)
    if bool(titles) != explicit or any(c.isdigit() for c in name):
        return ()
    if words(name)[:2] == ("city", "of") and state not in _STATES_OF_CITIES:
        return ()  # "ciudad de Houston" is no Houston County
    areas, keys, city = [], county_keys(name), "city" in words(name)
    for code in (state,) if state else _states_with(keys, gazetteer):
        table = gazetteer.table.state(code)
        for number in counties_by_keys(table, keys, city=city):
            county = table.counties[number]
            if not explicit or county.title.endswith(titles) or (county.independent and "city" in titles):
                areas.append(area_of_county(table, number))
    if city and any(area.name.startswith("the city") for area in areas):  # not the county of St. Louis, MN
        areas = [area for area in areas if area.name.startswith("the city")]
    return tuple(sorted(areas, key=lambda area: (-len(area.zips), area.state)))


def _states_with(keys: tuple[str, ...], gazetteer: Gazetteer) -> list[str]:
    """The states with a town or county of one of these names."""
    names = all_names(gazetteer.table)
    states = {code for name in keys for code in names.states_of(name)}
    return [code for code in STATES if code in states]


def _consolidated_areas(
    said: tuple[str, ...], state: str | None, gazetteer: Gazetteer
) -> tuple[TownZips, ...]:
    """Cities and counties with a common government: "Macon-Bibb", "City and County of Denver"."""
    last = next((at for at in range(len(said), 0, -1) if said[at - 1] not in _WORDS_OF_GOVERNMENT), 0)
    return tuple(
        area_of_county(table, number)
        for code, counties in (consolidated_named(said[:last]) if last > 1 else ())
        if state in (None, code)
        for table in (gazetteer.table.state(code),)
        for name in counties
        for number in table.by_county[key(name)][:1]
    )


def _titles_meant(parts: tuple[str, ...], state: str | None) -> tuple[str, ...]:
    """The endings of the titles of the counties that a name can mean, by its word for their kind; () without
    such a word. In Louisiana "county" means a parish, and the census area of Petersburg calls itself a
    borough.
    """
    parts = parts[1:] if parts[:1] == ("the",) else parts
    for kind, endings in _TITLES_OF_KIND.items():
        words_of_kind = tuple(kind.split())
        if parts[-len(words_of_kind) :] == words_of_kind or parts[: len(words_of_kind) + 1] == (
            *words_of_kind,
            "of",
        ):
            if kind == "city":
                return ("city",) if state in _STATES_OF_CITIES else ()
            return (*endings, " Parish") if kind == "county" and state == "LA" else endings
    return ()


def put_in_english(text: str) -> str:
    """Translate an office from Spanish into the form of the lists: "alguacil de maricopa" is "Maricopa County
    Sheriff".
    """
    text = _OF_THE_CITY.sub(" de ", text)
    for pattern, english in _SPANISH_OFFICES:
        if match := pattern.match(text):
            place, state = state_at_the_end(match[1])
            of_state = state is not None and place != match[1]
            place = place if of_state else match[1]
            place = place.title() if place.islower() else place
            return english.replace("\\1", place) + (f", {state}" if of_state else "")
    return text


def strip_office(text: str) -> str:
    """Remove the words of the office from an agency's name: "LA County" remains of a sheriff's name. An
    article at the beginning belongs to the place: "The Villages".
    """
    left: list[str] = []
    of_office = False  # whether the next word is one
    pieces = text.replace(",", " ").split()
    for piece in reversed(pieces):
        parts = words(piece)
        article = bool(parts) and parts[0] in _ARTICLES  # "la policia", and "policia de La Habra"
        of_office = set(parts) <= _OFFICE_WORDS and (of_office or not article or not left)
        if not of_office:
            left.append(piece)
    if len(left) > 0 and pieces[1:2] == left[-1:] and pieces[0].lower() in _IN_FRONT:
        left.append(pieces[0])
    return " ".join(reversed(left))


def names_no_place(text: str) -> bool:
    """Whether an agency's name only names its task: "Park Police", "County Sheriff"."""
    left = words(strip_office(text))
    return (bool(left) or len(words(text)) > 1) and set(left) <= _KINDS_OF_PLACE


def campus_areas(
    text: str, state: str | None, gazetteer: Gazetteer, *, whole: bool = True
) -> tuple[TownZips, ...]:
    """The universities, airports and nations with a name, each with the ZIPs of its main seat, also without
    the word for their kind: "O'Hare". Unless the name must be ``whole``, also those whose names begin with
    it, and universities by their initials: "Cal Poly", "USC".
    """
    said = words(text)
    rest = said[: -len(_PUBLIC_SAFETY)] if said[-len(_PUBLIC_SAFETY) :] == _PUBLIC_SAFETY else said
    office = tuple(
        word for word in rest if word not in _AGENCY_WORDS and word not in ("dept", "office", "campus")
    )
    wanted = squeeze(office)
    nation = squeeze(tuple(word for word in office if word not in _WORDS_OF_NATION))
    airport = squeeze((*office[:-1], "internationalairport")) if office[-1:] == ("airport",) else wanted
    school = squeeze(office[:-1]) if office[-1:] == ("university",) else wanted  # "Adams State"
    names = (*(wanted + kind for kind in _KINDS_OF_CAMPUS), airport, nation, f"puebloof{nation}", school)
    found = next(filter(None, map(campuses_named, names)), ()) if nation else ()
    if (
        not found and not whole and len(office) == 1 and len(wanted) >= LEAST_LETTERS - is_agency(text)
    ):  # "BU Police"
        found = campuses_by_letters(wanted)
    if not found and not whole and len(office) > 1 and office[-1] != "of":
        found = campuses_beginning(office)  # "Dallas area" is none, though the name of one begins so
        found = found if len(found) > 1 or not _WORDS_OF_CAMPUS.isdisjoint(office) else ()
    areas = []
    for code, campus in dict.fromkeys(found):
        if state in (None, code):
            one = len(office) < len(said) and len({campus.title for _, campus in found}) == 1
            places = gazetteer.locate(Listing(name=f"{campus.title} Police", state=code)).places
            areas.append(TownZips(text.strip(" ,") if one else campus.title, code, places, 0, "agency"))
    return tuple(dict.fromkeys(area for area in areas if area.zips[0].isdigit()))


def is_agency(text: str) -> bool:
    """Whether a text names an agency, by a word such as "police" or by the initials of a known agency."""
    parts = words(text)
    if len(parts) == 1 and key(text) in _letters():
        return True
    if "public" in parts and parts[parts.index("public") + 1 :][:1] == ("safety",):
        return True  # "Texas DPS"
    return len(parts) > 1 and any(word in _AGENCY_WORDS for word in parts)


def _letters() -> frozenset[str]:
    return frozenset(("nypd",)).union(*ACRONYMS.values())


def agency_areas(
    text: str, state: str | None, gazetteer: Gazetteer, *, of_kind: bool = False
) -> tuple[tuple[TownZips, ...], tuple[str, ...]]:
    """The areas of the agencies with a name, the largest first, and the states that such an agency serves as
    a whole. ``of_kind``: the areas of the place before the words for a kind of agency ("Houston" of its
    school district).
    """
    areas: list[TownZips] = []
    statewide: list[str] = []
    for code, population in _states_of(text, state, gazetteer, of_kind=of_kind):
        placement = gazetteer.locate(Listing(name=text, state=code))
        if placement.statewide:
            statewide.append(code)
        elif placement.places[0].isdigit():
            # no census counts San Juan, Puerto Rico, which is larger than the one in Texas
            people = population or PEOPLE_PER_ZIP * len(placement.places) * (code in _NOT_COUNTED)
            areas.append(TownZips(text.strip(" ,"), code, placement.places, people, "agency"))
    areas.sort(key=lambda area: -area.population)
    return tuple(areas), () if areas else tuple(statewide)


def offices_of_states(text: str, gazetteer: Gazetteer) -> tuple[str, ...]:
    """The states of which a text names an office by their name: "Georgia Bureau of Investigation"."""
    parts = words(text)
    code = _state_in_front(parts)
    if code is None or len(parts) < len(_state_words()[code]) + 2:
        return ()
    return (code,) if gazetteer.locate(Listing(name=text, state=code)).how == "state_wide" else ()


@cache
def _state_words() -> dict[str, tuple[str, ...]]:
    return {code: words(name) for code, name in STATES.items()}


def _state_in_front(parts: tuple[str, ...]) -> str | None:
    """The state whose name begins the text; no state's name begins with another's."""
    return next((code for code, name in _state_words().items() if parts[: len(name)] == name), None)


def put_place_first(text: str, gazetteer: Gazetteer) -> str:
    """Put the words in the order of the lists: "Campus Police Harvard" is "Harvard Campus Police". A text
    that names only an office, or no place of the police, is not changed.
    """
    pieces = text.replace(",", " ").split()
    office = list(takewhile(lambda piece: set(words(piece)) <= _WORDS_IN_FRONT or piece.isdigit(), pieces))
    said = words(" ".join(office))
    if len(office) == len(pieces) or _KINDS_IN_FRONT.isdisjoint(said) or _AGENCY_WORDS.isdisjoint(said):
        return text
    while office and (
        not _ARTICLES_OF.isdisjoint(words(office[-1]))
        or gazetteer.towns(" ".join(pieces[len(office) - 1 :]))  # Port Byron is not Byron
    ):
        office.pop()
    if _KINDS_IN_FRONT.isdisjoint(words(" ".join(office))):
        return text
    return " ".join((*pieces[len(office) :], *office))


def _states_of(text: str, state: str | None, gazetteer: Gazetteer, *, of_kind: bool) -> list[tuple[str, int]]:
    """The states in which an agency with that name may be, with the population (or ZIPs) of its place."""
    if state is not None:
        return [(state, 0)]
    name = read_name(text)
    parts = words(text)
    known = consolidated_states(name)
    own = [code for code in STATES if parts[0] in ACRONYMS.get(code, ())] if len(parts) == 1 else []
    led = _state_in_front(parts)
    if known or own:
        return [(code, 0) for code in (known or own)]
    if any(word in ("county", "parish") or word in COUNTY_OFFICES for word in parts):
        named = spoken(name.core)
        named = named if _titles_meant(words(named), None) else f"{named} County"
        counties = county_areas(named, None, gazetteer, explicit=True)
        if counties and "county" not in parts and "parish" not in parts:  # Norfolk, Virginia has a sheriff
            cities = f"city of {spoken(name.core)}"
            counties += county_areas(cities, "VA", gazetteer, explicit=True)
        if counties:
            return [(area.state, area.population) for area in counties[:MOST_STATES]]
    if led is not None and (
        "state" in parts or "highway" in parts or parts == (*_state_words()[led], *_PUBLIC_SAFETY)
    ):
        return [(led, 0)]
    whole = [("the", *name.core)] if parts[:1] == ("the",) else []  # The Villages
    for core in (_place_of_kind(name.core),) if of_kind else (*whole, *variants(name.core)):
        towns = known_areas(spoken(core), None, gazetteer)
        largest = {town.state: town.population for town in reversed(towns)}
        largest = largest or _populations(squeeze(core), gazetteer)
        if largest:
            return sorted(largest.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_STATES]
    return []


def _place_of_kind(core: tuple[str, ...]) -> tuple[str, ...]:
    """A name without the words for its kind at the end: "Houston" of an independent school district."""
    last = next((at for at in range(len(core), 0, -1) if core[at - 1] not in _KINDS_BEHIND), 0)
    return core[:last]


def _populations(name_key: str, gazetteer: Gazetteer) -> dict[str, int]:
    """The states with a town of that name, each with the population of the largest one."""
    found: dict[str, int] = {}
    for code in all_names(gazetteer.table).states_of(name_key):
        people = gazetteer.table.state(code).count_people(name_key)
        if people is not None or mailing(code, name_key):
            found[code] = people or 0
    return found
