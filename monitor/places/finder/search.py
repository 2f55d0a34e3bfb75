"""Finds one or several places in typed text.

The site, the bot, the preferences, configured places and `monitor find` use `find`. Offline; the text is not
stored.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice

from monitor.places.codes import names_radius, state_of_zip
from monitor.places.finder.namesakes import CHOICES, SMALL_TOWN, estimate_population
from monitor.places.finder.near_names import NEAR
from monitor.places.finder.offices import is_agency, strip_office
from monitor.places.finder.one_place import LookUp, remember_found, suggest_place
from monitor.places.finder.result import FinderResult
from monitor.places.finder.spanish_names import put_names_in_english
from monitor.places.finder.suggestions import or_a_city
from monitor.places.finder.surrounding_words import (
    asks_about_here,
    drop_question,
    drop_topic,
    follow_prepositions,
    put_state_last,
    split_at_state,
)
from monitor.places.finder.typed_list import split_places
from monitor.places.finder.typed_names import LONGEST, put_crossing_as_address, state_at_the_end
from monitor.places.finder.typed_zips import middle_zip
from monitor.places.gazetteer import Gazetteer, TownZips
from monitor.places.names import remove_accents, write_digits_in_ascii
from monitor.places.packaged_table import distance
from monitor.states import STATES

_MOST_TYPED = 5 * LONGEST
"""The most characters that are read at all: what is pasted around a name may be longer than the name."""
MOST_SUGGESTED = 3
"""The most parts of a text, each misspelled, for which places are suggested."""
MOST_NAMED = 6
"""The most places of one text that are looked up, the first ones."""
ALWAYS_NAMED, ENOUGH = 3, 12
"""So many places are looked up in any case, further ones until these are so many areas to choose from."""

_AND = r"[;/+]|&(?!\w\b)|\s(?:and|y|or|o)\s"  # what joins the places of a list, but for a comma
_SEVERAL = re.compile(
    rf",|{_AND}|\d{{5}}\D+\d{{5}}|(?:^|\s)[a-z]{{2}}\s(?:\S.*\s)?[a-z]{{2}}$", re.IGNORECASE | re.ASCII
)
"""Separators between several places; most single names contain none."""
_LISTED = re.compile(_AND, re.IGNORECASE)
_PARTS = re.compile(f",|{_AND}", re.IGNORECASE)
_BETWEEN = re.compile(r"^\s*(?:between|entre) (?=.+ (?:and|y) )", re.IGNORECASE)
_HOUSE = re.compile(r"\d{1,4} [^\d,;/&]+,[^,]+(?:,[^,]+)?$", re.ASCII)
"""An address: "401 Broadway, Gary"; what stands before the comma is no other place."""
_WORD = r"(?:[^\W\d_]+|\d{1,2}(?:st|nd|rd|th))"
_PART_OF_CITY = re.compile(rf"{_WORD}(?:(?:,| |, |['\u2019.-]){_WORD}){{1,4}}\.?", re.IGNORECASE)
"""Two to five words or ordinals with at most commas between them."""
_ORDINAL = re.compile(r"\b\d{1,2}(?:st|nd|rd|th)\b", re.IGNORECASE)
_INSIDE = re.compile(r"(?P<part>.+?)(?: (?:in|en) | \()(?P<city>[^()]+)\)?", re.IGNORECASE)
"""A part of a city and the city: "Tenderloin in San Francisco", "Harlem (Manhattan)"."""
_NO_PART = re.compile(r"\bcounty\b.*\bcounty\b", re.IGNORECASE)  # a list, which no city has parts of
PART_FROM, PART_FROM_ZIPS = 100_000, 10
"""The population from which a city has parts that are called by name, and the ZIPs where none is known."""
MOST_SPACES, CITY_OF_PAIR, PAIR_KM = 4, 10_000, 50
"""Spaces in a text that may be two names, the least people of each of the two towns, and the most kilometers
between those of two states.
"""
_CITIES = ("town", "city", "borough")
MOST_CITIES = 2  # that a word behind a part may mean: LA
_COUNTIES = re.compile(r"^[^\d\n]+(?: and | y ).+ (?:counties|parishes)\b", re.IGNORECASE)
"""Names before one word for their kind: "Cook, Lake and DuPage Counties"."""
_CITY_AND_COUNTY = re.compile(r"\bcity and (?:county|borough)\b", re.IGNORECASE)
_PLAIN = re.compile(r"[^\W\d_](?:[^\W\d_]|[ .'\u2019-])*")
"""Words of a name, without numbers and other signs."""
_MAY_BE_A_QUESTION = ("nothing", "no_town", "which_agency")
_MAY_BE_NEAR = ("nothing", "no_town")
_SURELY_WRONG = ("digits", "unknown_zip", "radius")


def find(text: str, gazetteer: Gazetteer) -> FinderResult:
    """Find the places that a text names.

    Several places ("Hammond and Gary, IN") result in a question that offers each of them; several ZIPs are
    all meant. A part that is not known is listed as unknown beside the others, unless the text is one name or
    address. If no name is found, the words that people write around one are removed: "police in Hammond".
    """
    text = write_digits_in_ascii(text[:_MOST_TYPED])
    text = put_crossing_as_address(put_state_last(drop_topic(text)))
    look_up = remember_found(gazetteer)
    result = _find(text, gazetteer, look_up)
    plain = remove_accents(" ".join(text[:LONGEST].split()))
    if result.problem not in _MAY_BE_A_QUESTION and not result.unknown:
        in_part = _find_part(plain, result, look_up) if "," in text and result.kind in _CITIES else None
        return in_part or or_a_city(result, text.strip(), gazetteer)
    name = drop_question(plain)
    within = _find(name, gazetteer, look_up) if name != plain else result
    if not (within.problem or within.unknown):
        return within
    if result.unknown:
        return result
    if of_sentence := _find_in_sentence(plain, look_up):
        return of_sentence
    near = _suggest(plain, result, gazetteer, look_up) or (
        name != plain and _suggest(name, within, gazetteer, look_up)
    )
    if near is None and asks_about_here(plain):
        return FinderResult(problem="which_town")
    return near or (result if within.problem == "empty" else within)


def _find_part(text: str, city: FinderResult, look_up: LookUp) -> FinderResult | None:
    """Find the part of a city that a question names before it: "is ice in Tenderloin, San Francisco?"."""
    name = drop_question(text)
    return _find_in_city(name, city, look_up) if name != text else None


def _find_in_sentence(text: str, look_up: LookUp) -> FinderResult | None:
    """Find what a sentence names after "in" and the like, if that is surely one place, and not a small town
    by coincidence: "Detroit in Michigan", "send me what is new in Flint".
    """
    if (parts := split_at_state(text)) and (found := look_up(", ".join(parts))).towns:
        return found
    if inside := _INSIDE.fullmatch(text):
        part = f"{drop_question(inside['part'])}, {inside['city']}"
        if within := _find_in_city(part, FinderResult(problem="nothing"), look_up):
            return within
    for name in follow_prepositions(text):
        found = look_up(name)
        by_state = "," in name or state_at_the_end(name)[0] != name
        if found.towns and estimate_population(found.towns[0]) >= SMALL_TOWN:
            return found
        if found.sure and (found.states or by_state):
            return found
    return None


def _find(text: str, gazetteer: Gazetteer, look_up: LookUp) -> FinderResult:
    text = put_names_in_english(_BETWEEN.sub("", text).replace(" & ", " and "))
    text = _COUNTIES.sub(lambda match: match[0].replace(",", " and"), text)
    typed = " ".join(text[:LONGEST].split())
    whole = look_up(typed)
    in_city = whole.kind in _CITIES and ("," in typed or _ORDINAL.search(typed))
    may_be_part = not whole.sure or in_city
    if may_be_part and (inside := _find_in_city(typed, whole, look_up)):
        return inside
    if whole.problem == "nothing" and (both := _find_joined(typed, gazetteer, look_up)):
        return both
    around = names_radius(typed) and whole.towns and not _LISTED.search(typed)  # "25 miles around Albany, NY"
    one = (
        around
        or len(whole.zips) > 1
        or whole.unknown
        or _is_one_agency(typed)
        or _HOUSE.match(typed)
        or (whole.sure and _CITY_AND_COUNTY.search(typed))
    )
    if one or not _SEVERAL.search(typed):
        return whole
    named = split_places(text[:LONGEST], look_up)
    looked_up = named[: len(named) - (len(text) > LONGEST)]  # the last one may be cut
    if len(looked_up) < 2:
        return whole
    results = _look_up_first(list(dict.fromkeys(looked_up)), look_up)
    wrong = next((each for each in results.values() if each.problem in _SURELY_WRONG), None)
    if wrong is not None:
        return wrong
    if any(each.problem for each in results.values()):
        return _without_unknown(results, typed, gazetteer) or whole
    listed = _LISTED.search(typed) is not None
    joined = _join_results(list(results.values()), whole, gazetteer, listed=listed)
    return replace(joined, more=joined.more or len(results) < len(set(named)))


def _look_up_first(names: list[str], look_up: LookUp) -> dict[str, FinderResult]:
    """Look up the first names of a list."""
    results: dict[str, FinderResult] = {}
    areas = 0
    for name in names[:MOST_NAMED]:
        if len(results) < ALWAYS_NAMED or areas < ENOUGH:
            results[name] = look_up(name)
            areas += len(results[name].towns)
    return results


def _suggest(typed: str, result: FinderResult, gazetteer: Gazetteer, look_up: LookUp) -> FinderResult | None:
    """Suggest places for a text in which none was found: for each of its parts, for the whole text, or the
    city after a part that is not known ("Kensington Philly"); None if there are none.
    """
    if result.problem not in _MAY_BE_NEAR:
        return None
    near = _suggest_parts(typed, gazetteer) if state_at_the_end(typed)[1] is None else None
    return near or suggest_place(typed, gazetteer) or _suggest_city(typed, look_up)


def _suggest_parts(typed: str, gazetteer: Gazetteer) -> FinderResult | None:
    """Suggest places for the first of several misspelled names; None if one of them is near to no name."""
    parts = [part.strip() for part in _PARTS.split(typed) if part.strip()]
    looked_up = parts[:MOST_SUGGESTED] if len(parts) > 1 else []
    near: list[FinderResult] = []
    for part in looked_up:
        suggested = suggest_place(part, gazetteer)
        if suggested is None or not suggested.towns:
            return None
        near.append(suggested)
    if not near:
        return None
    return FinderResult(towns=_list_areas(near), more=len(parts) > MOST_SUGGESTED)


def _find_in_city(typed: str, whole: FinderResult, look_up: LookUp) -> FinderResult | None:
    """Find a part of a city that is followed by the city: "Lincoln Park, Chicago", "Jamaica Queens"."""
    if (whole.kind == "question" and "," not in typed) or not _may_be_in_city(typed):
        return None
    for part, behind in _cities_behind(typed, look_up):
        for around in filter(_has_parts, behind.towns[:MOST_CITIES]):
            named = look_up(f"{part}, {around.state}")
            inside = [area for area in named.towns if _is_within(area, around)]
            if inside:
                return FinderResult(towns=(inside[0],), sure=True)
    return None


def _suggest_city(typed: str, look_up: LookUp) -> FinderResult | None:
    """Suggest the large city after a part of it that is not known: "Kensington Philly"."""
    if not _may_be_in_city(typed):
        return None
    for _, behind in _cities_behind(typed, look_up):
        if behind.towns and not behind.states and _has_parts(behind.towns[0]):
            return FinderResult(towns=behind.towns[: 1 if behind.sure else NEAR], typo=True)
    return None


def _may_be_in_city(typed: str) -> bool:
    several = _NO_PART.search(typed) or names_radius(typed) or _LISTED.search(typed)
    return not several and _PART_OF_CITY.fullmatch(typed) is not None and not is_agency(typed)


def _cities_behind(typed: str, look_up: LookUp) -> Iterator[tuple[str, FinderResult]]:
    """Yield each beginning of a text with the meaning of the words after it, the longest rest first."""
    for match in re.finditer("[, ]+", typed):
        yield typed[: match.start()], look_up(typed[match.end() :].strip())


def _find_joined(typed: str, gazetteer: Gazetteer, look_up: LookUp) -> FinderResult | None:
    """Find two cities of one state whose names are joined, to choose from: "Provo-Orem", "Gary Hammond
    Indiana".
    """
    names = typed.split("-")
    if len(names) == 2 and all(map(_is_plain, names)):
        first, second = (look_up(name.strip()) for name in names)
        return _pair_towns(first.towns, second.towns) or _pair_near(first.towns, second.towns, gazetteer)
    together, state = state_at_the_end(typed)
    spaces = [match.start() for match in re.finditer(" ", together)]
    if not 1 <= len(spaces) <= MOST_SPACES or not _is_plain(typed):
        return None
    for at in spaces:
        one, other = gazetteer.towns(together[:at], state), gazetteer.towns(together[at + 1 :], state)
        if one and other and (pair := _pair_towns(one, other, CITY_OF_PAIR)):
            return pair
    return None


def _pair_towns(first: Iterable[TownZips], second: Iterable[TownZips], least: int = 0) -> FinderResult | None:
    """The first two towns in one state with at least ``least`` people each, to choose from."""
    second = tuple(second)
    pairs = (
        (one, other)
        for one in first
        for other in second
        if one.state == other.state and min(one.population, other.population) >= least
    )
    pair = next(pairs, None)
    return FinderResult(towns=pair) if pair else None


def _pair_near(
    first: tuple[TownZips, ...], second: tuple[TownZips, ...], gazetteer: Gazetteer
) -> FinderResult | None:
    """The two largest cities in different states that are near to each other: "Fargo-Moorhead"."""
    if not first or not second or min(first[0].population, second[0].population) < CITY_OF_PAIR:
        return None
    middles = [middle_zip(area, gazetteer) for area in (first[0], second[0])]
    here, there = (gazetteer.point(code) if code else None for code in middles)
    near = here is not None and there is not None and distance(here, there) <= PAIR_KM
    return FinderResult(towns=(first[0], second[0])) if near else None


def _has_parts(city: TownZips) -> bool:
    return city.population >= PART_FROM or len(city.zips) >= PART_FROM_ZIPS


def _is_within(part: TownZips, city: TownZips) -> bool:
    """Whether most of an area's ZIPs are also those of a city that is larger."""
    common = set(part.zips) & set(city.zips)
    return (
        (part.name, part.state) != (city.name, city.state)
        and len(part.zips) < len(city.zips)
        and 2 * len(common) > len(part.zips)
    )


def _without_unknown(
    results: Mapping[str, FinderResult], typed: str, gazetteer: Gazetteer
) -> FinderResult | None:
    """A question with the known places of a list that has an unknown part: "Xyzzy and Hammond, IN".
    Suggestions for a misspelled part follow the known places.

    None if the text is more likely one address: its other parts have numbers, or contain "and" ("Boys and
    Girls Club, Chicago, IL").
    """
    unknown = tuple(name for name, result in results.items() if result.problem)
    known = [each for each in results.values() if not each.problem]
    if not known or not _LISTED.search(typed) or not all(map(_is_plain, unknown)):
        return None
    near = (suggest_place(name, gazetteer) for name in unknown[:MOST_SUGGESTED])
    known += filter(None, near)
    towns, states = _list_areas(known), _list_states(known)
    if not (towns or states):
        return None
    return FinderResult(towns=towns, states=states, more=_has_more(known), unknown=unknown)


def _is_plain(name: str) -> bool:
    return _PLAIN.fullmatch(name) is not None and not _PARTS.search(name)


def _is_one_agency(text: str) -> bool:
    """Whether a text is one agency, though its name has parts: "Lee County Sheriff / Lee County Jail"."""
    parts = [part for part in _PARTS.split(text) if part.strip().upper() not in STATES]
    places = {strip_office(state_at_the_end(part)[0]).lower() for part in parts}
    return is_agency(text) and (not all(map(is_agency, parts)) or len(places) == 1)


def _join_results(
    results: list[FinderResult], whole: FinderResult, gazetteer: Gazetteer, *, listed: bool
) -> FinderResult:
    """Join several results into one, each place once.

    Unless the places are ``listed`` with "and" or the like, a place that contains another only says where
    that is.
    """
    if any(each.country for each in results):
        return FinderResult(country=True)
    if all(each.zips for each in results):
        return FinderResult(zips=tuple(sorted({code for each in results for code in each.zips})))
    towns = _list_areas(results)
    if not listed:  # "Harlem, Manhattan"
        towns = _without_surrounding(towns)
    inside = set() if listed else {area.state for area in towns}
    others = tuple(state for state in _list_states(results) if state not in inside)
    if len(towns) == 1 and not others:
        return next((each for each in results if each.sure and towns[0] in _areas(each)), whole)
    if not towns and len(others) == 1:
        return whole
    if not towns and not listed and len(others) == 2:  # "Nevada, Missouri" is a town too
        towns = gazetteer.towns(STATES[others[0]], others[1])[:1]
    agencies = tuple(dict.fromkeys(agency for each in results for agency in each.agencies))
    return FinderResult(towns=towns, states=others, agencies=agencies, more=_has_more(results))


def _without_surrounding(towns: tuple[TownZips, ...]) -> tuple[TownZips, ...]:
    """The areas of which no other area is a part."""
    zips = [frozenset(area.zips) for area in towns]
    return tuple(area for area, own in zip(towns, zips, strict=True) if not any(part < own for part in zips))


def _list_areas(results: Collection[FinderResult]) -> tuple[TownZips, ...]:
    """The areas that results mean, or ask about, each once; from each result as many as there is room for."""
    most = CHOICES // len(results)
    return tuple(dict.fromkeys(area for each in results for area in islice(_areas(each), most)))


def _has_more(results: Collection[FinderResult]) -> bool:
    """Whether results ask about more areas than are listed."""
    most = CHOICES // len(results)
    return any(each.more or (len(each.towns) > most and not each.sure) for each in results)


def _list_states(results: Iterable[FinderResult]) -> tuple[str, ...]:
    """The states that results mean, or ask about, each once."""
    named = (each.states[:1] if each.sure else each.states for each in results)
    return tuple(dict.fromkeys(state for states in named for state in states))


def _areas(result: FinderResult) -> Iterator[TownZips]:
    """The areas that a result means, or asks about; a ZIP is one too."""
    for code in result.zips:
        yield TownZips(code, state_of_zip(code) or "", (code,), 0, "zip")
    if not (result.sure and result.states):
        yield from result.towns[:1] if result.sure else result.towns
