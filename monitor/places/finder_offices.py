"""Counties and agencies by name, for the finder."""

from __future__ import annotations

import re

from monitor.domain import Listing
from monitor.places.agency_kinds import COUNTY_OFFICES, read_name, spoken, variants
from monitor.places.finder_names import area_of_county, known_areas
from monitor.places.gazetteer import Gazetteer, TownZips
from monitor.places.known import campuses_named, consolidated, mailing
from monitor.places.names import key, squeeze, word_set, words
from monitor.places.query import county_named
from monitor.places.statewide import ACRONYMS
from monitor.states import STATES

_AGENCY_WORDS = word_set(
    "police sheriff constable marshal trooper troopers policia patrol nypd alguacil sheriffs policias staties"
)
_OFFICE_WORDS = _AGENCY_WORDS | word_set(
    "dept department office of the de la el departamento oficina public safety bureau division tribal campus "
    "university state highway cops cop force mi my local"
)
"""Words of an office that say nothing of where it is."""
_COUNTY_WORDS = ("county", "parish", "municipio")
_SPANISH_COUNTY = re.compile(r"^(?:el )?condado (?:de (?:l )?)?(.+)$", re.IGNORECASE)
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
_SPANISH_PARISH = re.compile(r"^(?:la )?parroquia de (.+)$", re.IGNORECASE)
_WORDS_OF_FORM = word_set("the of dept office division bureau")
_PUBLIC_SAFETY = ("dept", "of", "public", "safety")
MOST_STATES = 12  # states in which an agency of a name is looked for


def county_areas(
    text: str, state: str | None, gazetteer: Gazetteer, *, explicit: bool
) -> tuple[TownZips, ...]:
    """The counties of a name, the one with the most ZIPs first.

    ``explicit``: only if the text says that it means one ("Cook County", "condado de Cook").
    """
    name = _SPANISH_COUNTY.sub(r"\1 County", text.strip())
    name = _SPANISH_PARISH.sub(r"\1 Parish", name)
    parts = words(name)
    has_kind = (parts[-1:] and parts[-1] in _COUNTY_WORDS) or parts[:2] == ("county", "of")
    if bool(has_kind) != explicit or any(c.isdigit() for c in name):
        return ()
    areas = []
    for code in (state,) if state else STATES:
        table = gazetteer.table.state(code)
        for county in county_named(table, name):
            title = table.counties[county].title
            if explicit and (
                table.counties[county].independent or ("parish" in parts) != title.endswith(" Parish")
            ):
                continue
            areas.append(area_of_county(table, county))
    return tuple(sorted(areas, key=lambda area: (-len(area.zips), area.state)))


def put_in_english(text: str) -> str:
    """An office that is named in Spanish, as lists name it: "alguacil de maricopa" is "Maricopa County
    Sheriff".
    """
    for pattern, english in _SPANISH_OFFICES:
        if match := pattern.match(text):
            place = match[1].title() if match[1].islower() else match[1]
            return english.replace("\\1", place)
    return text


def strip_office(text: str) -> str:
    """What is left of an agency's name without the words of its office: "LA County" of a sheriff's."""
    pieces = text.replace(",", " ").split()
    return " ".join(piece for piece in pieces if not set(words(piece)) <= _OFFICE_WORDS)


def campus_areas(text: str, state: str | None, gazetteer: Gazetteer) -> tuple[TownZips, ...]:
    """The universities of a name, each with the ZIPs of its main seat; also without "University"."""
    said = words(text)
    office = [word for word in said if word not in _AGENCY_WORDS and word not in ("dept", "office", "campus")]
    wanted = squeeze(tuple(office))
    found = campuses_named(wanted) or campuses_named(f"{wanted}university")
    areas = []
    for code, campus in found:
        if state in (None, code):
            name = text.strip(" ,") if len(office) < len(said) else campus.title
            places = gazetteer.locate(Listing(name=f"{campus.title} Police", state=code)).places
            areas.append(TownZips(name, code, places, 0, "agency"))
    return tuple(area for area in areas if area.zips[0].isdigit())


def is_agency(text: str) -> bool:
    """Whether a text names an agency: it holds a word such as "police", or the letters of a known one."""
    parts = words(text)
    if len(parts) == 1 and key(text) in _letters():
        return True
    if "public" in parts and parts[parts.index("public") + 1 :][:1] == ("safety",):
        return True  # "Texas DPS"
    return len(parts) > 1 and any(word in _AGENCY_WORDS for word in parts)


def fold_agency_name(text: str) -> tuple[str, ...]:
    """An agency's name as what people type is compared with it: "Detroit police" is "City of Detroit PD"."""
    parts = words(text)
    if parts[:1] in (("city",), ("town",), ("village",)) and parts[1:2] == ("of",):
        parts = parts[2:]
    return tuple(sorted(word for word in parts if word not in _WORDS_OF_FORM))


def _letters() -> frozenset[str]:
    return frozenset(("nypd",)).union(*ACRONYMS.values())


def agency_areas(
    text: str, state: str | None, gazetteer: Gazetteer
) -> tuple[tuple[TownZips, ...], tuple[str, ...]]:
    """The areas of the agencies of a name, the largest first, and the states that one serves as a whole."""
    areas: list[TownZips] = []
    statewide: list[str] = []
    for code, population in _states_of(text, state, gazetteer):
        placement = gazetteer.locate(Listing(name=text, state=code))
        if placement.statewide:
            statewide.append(code)
        elif placement.places[0].isdigit():
            areas.append(TownZips(text.strip(" ,"), code, placement.places, population, "agency"))
    return tuple(areas), () if areas else tuple(statewide)


def _states_of(text: str, state: str | None, gazetteer: Gazetteer) -> list[tuple[str, int]]:
    """The states in which an agency of that name may lie, with the people (or ZIPs) of its place."""
    if state is not None:
        return [(state, 0)]
    name = read_name(text)
    parts = words(text)
    known = [code for code in STATES if consolidated(name, code) is not None]
    own = [code for code in STATES if parts[0] in ACRONYMS.get(code, ())] if len(parts) == 1 else []
    led = [code for code in STATES if parts[: len(words(STATES[code]))] == words(STATES[code])]
    if known or own:
        return [(code, 0) for code in (known or own)]
    if any(word in ("county", "parish") or word in COUNTY_OFFICES for word in parts):
        named = f"{spoken(name.core)} County"
        counties = county_areas(named, None, gazetteer, explicit=True)
        if counties:
            return [(area.state, area.population) for area in counties[:MOST_STATES]]
    alone = any(parts == (*words(STATES[code]), *_PUBLIC_SAFETY) for code in led)
    if led and ("state" in parts or "highway" in parts or alone):
        return [(max(led, key=lambda code: len(STATES[code])), 0)]
    for core in variants(name.core):
        towns = known_areas(spoken(core), None, gazetteer)
        largest = {town.state: town.population for town in reversed(towns)}
        largest = largest or _populations(squeeze(core), gazetteer)
        if largest:
            return sorted(largest.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_STATES]
    return []


def _populations(name_key: str, gazetteer: Gazetteer) -> dict[str, int]:
    """The states with a town of that name, with the people of the largest one."""
    found: dict[str, int] = {}
    for code in STATES:
        table = gazetteer.table.state(code)
        if towns := table.towns.get(name_key):
            found[code] = max(town.population for town in towns)
        elif name_key in table.by_city or mailing(code, name_key):
            found[code] = 0
    return found
