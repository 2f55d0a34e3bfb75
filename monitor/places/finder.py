"""Finds one or several places in typed text.

The site, the bot, the preferences, configured places and `monitor find` use `find`. Offline; the text is not
stored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from monitor.places.around_names import drop_question, drop_topic, put_state_last
from monitor.places.codes import names_radius, state_of_zip
from monitor.places.finder_names import NEAR
from monitor.places.finder_offices import is_agency
from monitor.places.finder_result import PROBLEMS, FinderResult, label_area
from monitor.places.gazetteer import Gazetteer, TownZips
from monitor.places.meant_place import CHOICES
from monitor.places.names import remove_accents
from monitor.places.one_place import LONGEST, find_place, state_at_the_end
from monitor.places.spanish_names import put_names_in_english
from monitor.places.typed_list import split_places
from monitor.states import STATES

__all__ = ["LONGEST", "PROBLEMS", "FinderResult", "find", "label_area"]

_MOST_TYPED = 5 * LONGEST
"""The most characters that are read at all: what is pasted around a name may be longer than the name."""
MOST_NAMED = 20
"""The most places of one text that are looked up, the first ones."""

_SEVERAL = re.compile(
    r"[,;/+]|&(?!\w\b)|\s(?:and|y|or|o)\s|\d{5}\D+\d{5}|(?:^|\s)[a-z]{2}\s(?:\S.*\s)?[a-z]{2}$",
    re.IGNORECASE | re.ASCII,
)
"""Separators between several places; most single names contain none."""
_LISTED = re.compile(r"[;/+]|&(?!\w\b)|\s(?:and|y|or|o)\s", re.IGNORECASE)
_PARTS = re.compile(r"[,;/+]|&(?!\w\b)|\s(?:and|y|or|o)\s", re.IGNORECASE)
_BETWEEN = re.compile(r"^\s*(?:between|entre) (?=.+ (?:and|y) )", re.IGNORECASE)
_HOUSE = re.compile(r"\d{1,4} [^\d,;/&]+,[^,]+(?:,[^,]+)?$", re.ASCII)
"""An address: "401 Broadway, Gary"; what stands before the comma is no other place."""
_PART_OF_CITY = re.compile(r"[^\W\d_]+(?:(?:,| |, |['.-])[^\W\d_]+){1,4}\.?")
"""Two to five words with at most commas between them."""
_NO_PART = re.compile(r"\bcounty\b.*\bcounty\b", re.IGNORECASE)  # a list, which no city has parts of
PART_FROM, PART_FROM_ZIPS = 100_000, 10
"""The population from which a city has parts that are called by name, and the ZIPs where none is known."""
MOST_SPACES, CITY_OF_PAIR = 4, 10_000
"""Spaces in a text that may be two names, and the least people of each of the two towns."""
_CITIES = ("town", "city", "borough")
MOST_CITIES = 2  # that a word behind a part may mean: LA
_COUNTIES = re.compile(r"^[^\d\n]+(?: and | y ).+ (?:counties|parishes)\b", re.IGNORECASE)
"""Names before one word for their kind: "Cook, Lake and DuPage Counties"."""
_CITY_AND_COUNTY = re.compile(r"\bcity and (?:county|borough)\b", re.IGNORECASE)
_PLAIN = re.compile(r"[^\W\d_](?:[^\W\d_]|[ .'\u2019-])*")
"""Words of a name, without numbers and other signs."""
_MAY_BE_A_QUESTION = ("nothing", "no_town", "which_agency")
_SURELY_WRONG = ("digits", "unknown_zip", "radius")


def find(text: str, gazetteer: Gazetteer) -> FinderResult:
    """The places that a text names.

    Several places ("Hammond and Gary, IN") result in a question that offers each of them; several ZIPs are
    all meant. A part that means nothing is named beside the others, unless the text is one name or address.
    Where no name is found, what people write around one is left out: "police in Hammond".
    """
    text = put_state_last(drop_topic(text[:_MOST_TYPED]))
    result = _find(text, gazetteer)
    if not result.typo and result.problem not in _MAY_BE_A_QUESTION:
        return result
    plain = remove_accents(" ".join(text[:LONGEST].split()))
    name = drop_question(plain)
    if name == plain:
        return result
    within = _find(name, gazetteer)
    better = not (within.problem or within.typo) if result.typo else within.problem != "empty"
    return within if better else result


def _find(text: str, gazetteer: Gazetteer) -> FinderResult:
    text = put_names_in_english(_BETWEEN.sub("", text).replace(" & ", " and "))
    text = _COUNTIES.sub(lambda match: match[0].replace(",", " and"), text)
    typed = " ".join(text[:LONGEST].split())
    whole = find_place(typed, gazetteer)
    may_be_part = not whole.sure or ("," in typed and whole.kind in _CITIES)
    inside = _find_in_city(typed, whole, gazetteer) if may_be_part else None
    if inside and not inside.typo:
        return inside
    unknown = whole.problem == "nothing" or whole.typo
    if unknown and (both := _find_joined(typed, gazetteer)):
        return both
    if inside:
        return inside
    around = names_radius(typed) and whole.towns and not _LISTED.search(typed)  # "25 miles around Albany, NY"
    one = (
        around
        or len(whole.zips) > 1
        or _is_one_agency(typed)
        or _HOUSE.match(typed)
        or (whole.sure and _CITY_AND_COUNTY.search(typed))
    )
    if one or not _SEVERAL.search(typed):
        return whole
    named = split_places(text[:LONGEST], gazetteer)
    looked_up = named[: min(MOST_NAMED, len(named) - (len(text) > LONGEST))]  # the last one may be cut
    if len(looked_up) < 2:
        return whole
    results = [find_place(name, gazetteer) for name in looked_up]
    wrong = next((each for each in results if each.problem in _SURELY_WRONG), None)
    if wrong is not None:
        return wrong
    if any(each.problem or each.typo for each in results):
        of_known = _without_unknown(dict(zip(looked_up, results, strict=True)), typed)
        if of_known is not None or any(each.problem for each in results):
            return of_known or whole
    joined = _join_results(results, whole, listed=_LISTED.search(typed) is not None)
    return replace(joined, more=joined.more or len(looked_up) < len(named))


def _find_in_city(typed: str, whole: FinderResult, gazetteer: Gazetteer) -> FinderResult | None:
    """A part of a city, with the city behind it: "Lincoln Park, Chicago", "Jamaica Queens".

    A part that is not known is answered with the city as a suggestion: "Kensington Philly".
    """
    in_question = (
        (whole.kind == "question" and "," not in typed) or _NO_PART.search(typed) or names_radius(typed)
    )
    if in_question or not _PART_OF_CITY.fullmatch(typed) or _LISTED.search(typed) or is_agency(typed):
        return None
    suggested: tuple[TownZips, ...] = ()
    for at in (match.start() for match in re.finditer("[, ]+", typed)):
        part, city = typed[:at], typed[at:].strip(", ")
        behind = find_place(city, gazetteer)
        for around in filter(_has_parts, behind.towns[:MOST_CITIES]):
            named = find_place(f"{part}, {around.state}", gazetteer)
            inside = [x for x in named.towns if not named.typo and _is_within(x, around)]
            if inside:
                return FinderResult(towns=(inside[0],), sure=True)
            if not behind.typo and around == behind.towns[0] and not behind.states:
                suggested = suggested or behind.towns[: 1 if behind.sure else NEAR]
    return FinderResult(towns=suggested, typo=True) if suggested and whole.problem == "nothing" else None


def _find_joined(typed: str, gazetteer: Gazetteer) -> FinderResult | None:
    """Two cities of a state whose names are joined, to choose from: "Provo-Orem", "Gary Hammond Indiana"."""
    names = typed.split("-")
    if len(names) == 2 and all(map(_is_plain, names)):
        first, second = (find_place(name.strip(), gazetteer) for name in names)
        if not first.typo and not second.typo:
            return _pair_towns(first.towns, second.towns)
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
    """The first two towns that are in one state and have ``least`` people, to choose from."""
    second = tuple(second)
    pairs = (
        (one, other)
        for one in first
        for other in second
        if one.state == other.state and min(one.population, other.population) >= least
    )
    pair = next(pairs, None)
    return FinderResult(towns=pair) if pair else None


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


def _without_unknown(results: Mapping[str, FinderResult], typed: str) -> FinderResult | None:
    """A question with the places of a list of which a part means nothing: "Xyzzy and Hammond, IN". What a
    misspelled part is near to comes behind them.

    None where a text is rather one address: its other parts have numbers, or an "and" of their own ("Boys and
    Girls Club, Chicago, IL").
    """
    unknown = tuple(name for name, result in results.items() if result.problem or result.typo)
    known = sorted((each for each in results.values() if not each.problem), key=lambda each: each.typo)
    if not known or known[0].typo or not _LISTED.search(typed) or not all(map(_is_plain, unknown)):
        return None
    towns, states = _list_areas(known), _list_states(known)
    if not (towns or states):
        return None
    return FinderResult(towns=towns[:CHOICES], states=states, more=len(towns) > CHOICES, unknown=unknown)


def _is_plain(name: str) -> bool:
    return _PLAIN.fullmatch(name) is not None and not _PARTS.search(name)


def _is_one_agency(text: str) -> bool:
    """Whether a text is one agency, though its name has parts: "Lee County Sheriff / Lee County Jail"."""
    parts = [part for part in _PARTS.split(text) if part.strip().upper() not in STATES]
    return is_agency(text) and not all(map(is_agency, parts))


def _join_results(results: list[FinderResult], whole: FinderResult, *, listed: bool) -> FinderResult:
    """One result for several places, each once.

    Unless they are ``listed`` with "and" or the like, one that holds another only says where that is.
    """
    if any(each.country for each in results):
        return FinderResult(country=True)
    if all(each.zips for each in results):
        return FinderResult(zips=tuple(sorted({code for each in results for code in each.zips})))
    towns = _list_areas(results)
    if not listed:  # "Harlem, Manhattan"
        towns = tuple(area for area in towns if not any(set(each.zips) < set(area.zips) for each in towns))
    inside = set() if listed else {area.state for area in towns}
    others = tuple(state for state in _list_states(results) if state not in inside)
    if len(towns) == 1 and not others:
        return next((each for each in results if each.sure and towns[0] in _areas(each)), whole)
    if not towns and len(others) == 1:
        return whole
    agencies = tuple(dict.fromkeys(agency for each in results for agency in each.agencies))
    return FinderResult(towns=towns[:CHOICES], states=others, agencies=agencies, more=len(towns) > CHOICES)


def _list_areas(results: Iterable[FinderResult]) -> tuple[TownZips, ...]:
    """The areas that results mean, or ask about, each once."""
    return tuple(dict.fromkeys(area for each in results for area in _areas(each)))


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
