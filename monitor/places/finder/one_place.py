"""Finds the place of one name or address: ZIPs, towns, addresses, counties, agencies, nicknames, typos."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

from monitor.errors import UsageError
from monitor.places.codes import names_radius, parse_area, parse_place, split_radius
from monitor.places.finder.named_place import find_in_county, find_named
from monitor.places.finder.namesakes import choose
from monitor.places.finder.offices import is_agency, put_in_english
from monitor.places.finder.result import FinderResult, label_area
from monitor.places.finder.spanish_names import put_names_in_english
from monitor.places.finder.suggestions import find_near
from monitor.places.finder.typed_names import LONGEST, state_at_the_end
from monitor.places.finder.typed_zips import middle_zip, radius_area, zips_between, zips_of
from monitor.places.gazetteer import Gazetteer, TownZips
from monitor.places.listed_agencies import fold_agency_name
from monitor.places.names import key, remove_accents, spell_direction
from monitor.places.zips import ZipArea
from monitor.states import STATES, read_exact_state

_ZIP_AT_THE_END = re.compile(r"(?<!\d)(?<!\d-)(?<!\w{3}-)(\d{5})(?:-\d{4})?\W*$", re.ASCII)
_ZIP_ALONE = re.compile(r"(\d{5})(?:[-\s]?\d{4}|-)?", re.ASCII)  # "46320-" lacks its four digits
_ZIP_SO_CALLED = re.compile(
    r"\b(?:zip|postal|codigo)(?: ?code| postal)?(?: is| es)?\W{0,3}(?<!\d)(\d{5})(?!\d)",
    re.IGNORECASE | re.ASCII,
)
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
_ZIPS = re.compile(r"\d{5}(?:-\d{4})?(?:(?:[\s,;&+/]|\b(?:and|or|y|o)\b)+\d{5}(?:-\d{4})?)+", re.ASCII | re.I)
_RANGE = re.compile(r"(\d{5})\s*(?:-|to|thru|through|a|al|hasta)\s*(\d{5})", re.ASCII | re.IGNORECASE)
_DIGITS = re.compile(r"(?:zip(?: ?code)?\W*)?[\d\s-]+", re.IGNORECASE)
_ABBREVIATED = re.compile(r"^(so|no)\.? (?=[^\W\d_]{3})", re.IGNORECASE)
_AIR_FORCE_BASE = re.compile(r"\bair force base\b", re.IGNORECASE)
AROUND = 3
"""Middles of places of one name that a radius without a ZIP is offered around."""

LookUp = Callable[[str], FinderResult]
"""What a name means, without a slip."""


def remember_found(gazetteer: Gazetteer) -> LookUp:
    """`find_exact` for the names of one text; each name is looked up once."""
    return cache(partial(find_exact, gazetteer=gazetteer))


def find_exact(text: str, gazetteer: Gazetteer) -> FinderResult:
    """Find the place that a text names exactly; the problem is "nothing" if it names none. A ZIP takes
    precedence over a town, and a house number is never read as a ZIP.
    """
    typed = _one_line(text)
    if not any(map(str.isalnum, typed)):
        return FinderResult(problem="empty")
    if numbers := _numbers(typed, gazetteer):
        return numbers
    typed = _without_country(typed)
    if not typed or _EVERYWHERE.fullmatch(remove_accents(typed)):
        return FinderResult(country=True)
    if names_radius(typed):
        return _within_radius(typed, gazetteer)
    typed, code = _split_zip(_in_english(typed))
    if code:
        result = zips_of([code], gazetteer)
        if result.zips or not typed:
            return result
    with_more = _zip_in_front(typed, gazetteer) or find_in_county(typed, gazetteer)
    return _with_listed(with_more or find_named(typed, gazetteer), typed, gazetteer)


def suggest_place(text: str, gazetteer: Gazetteer) -> FinderResult | None:
    """Suggest places with names near to a text; None if there are none."""
    return find_near(_plain_name(text), gazetteer)


def _one_line(text: str) -> str:
    return _DASH.sub("-", " ".join(text[:LONGEST].split()))


def _numbers(typed: str, gazetteer: Gazetteer) -> FinderResult | None:
    """The meaning of a text that consists of ZIPs or other numbers; None for any other text."""
    if alone := _ZIP_ALONE.fullmatch(typed):
        return zips_of([alone[1]], gazetteer)
    if _ZIPS.fullmatch(typed):
        return zips_of(re.findall(r"\d{5}(?=-|\D|$)", typed, re.ASCII), gazetteer)
    if between := _RANGE.fullmatch(typed):
        return zips_between(between[1], between[2], gazetteer)
    if _DIGITS.fullmatch(typed) and not _ZIP_SO_CALLED.match(typed):
        return FinderResult(problem="digits")
    return None


def _without_country(typed: str) -> str:
    return _COUNTRY.sub("", _ABBREVIATED.sub(spell_direction, typed))


def _in_english(typed: str) -> str:
    """A name without accents, and with its Spanish words in English."""
    plain = put_in_english(put_names_in_english(remove_accents(typed)))
    return _ALL_OF.sub("", _AIR_FORCE_BASE.sub("AFB", plain))


def _split_zip(typed: str) -> tuple[str, str]:
    """A text without the ZIP at its end, and that ZIP; "" if there is none."""
    found = _ZIP_AT_THE_END.search(typed) or _ZIP_SO_CALLED.search(typed)
    return (typed[: found.start()].strip(" ,"), found[1]) if found else (typed, "")


def _plain_name(text: str) -> str:
    """The name to look up for a text that is neither numbers nor a radius."""
    return _split_zip(_in_english(_without_country(_one_line(text))))[0]


def _with_listed(result: FinderResult, typed: str, gazetteer: Gazetteer) -> FinderResult:
    """Add the listed agencies with that name to a result; if nothing else was found, their places are the
    result.
    """
    unknown = result.problem == "nothing"
    if not unknown and not is_agency(typed):
        return result
    rest, state = state_at_the_end(typed)
    names = {fold_agency_name(typed), fold_agency_name(rest)}
    names.update(fold_agency_name(town.name) for town in result.towns if town.kind == "agency")
    found = gazetteer.find_listed(names)
    if state is not None and state != read_exact_state(typed):
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
    """A radius around a ZIP: "10 miles of 60601". "25 miles of Chicago" becomes a question with ZIPs in the
    middle of Chicago.
    """
    try:
        place = parse_place(typed)
    except UsageError:
        return _around_name(typed, gazetteer)
    found = parse_area(place)
    area = radius_area(found[1], int(found[2]), "", gazetteer) if found and found[0] == "radius" else None
    return FinderResult(problem="unknown_zip") if area is None else FinderResult(towns=(area,), sure=True)


def _around_name(typed: str, gazetteer: Gazetteer) -> FinderResult:
    """The radiuses around the centers of the places that a name means, to choose from."""
    miles, name = split_radius(typed)
    result = find_exact(name, gazetteer) if miles and not names_radius(name) else FinderResult()
    if result.problem == "nothing":
        result = suggest_place(name, gazetteer) or result
    areas = [
        area
        for town in result.towns[: 1 if result.sure else AROUND]
        if (code := middle_zip(town, gazetteer)) is not None
        and (area := radius_area(code, miles, f" ({label_area(town)})", gazetteer)) is not None
    ]
    return FinderResult(towns=tuple(areas)) if areas else FinderResult(problem="radius")


def _zip_in_front(typed: str, gazetteer: Gazetteer) -> FinderResult | None:
    """A ZIP before its own town or state ("90210 Beverly Hills"). Before any other text, five digits are a
    house number.
    """
    code, _, rest = typed.partition(" ")
    code = code.rstrip(",:")
    area = gazetteer.zip(code) if _ZIP_ALONE.fullmatch(code) else None
    if area is None:
        return None
    town, state = state_at_the_end(rest)
    of_its_state = state in (None, area.state) and (
        read_exact_state(rest) == area.state or _serves(area, town, gazetteer)
    )
    if of_its_state or _serves(area, rest, gazetteer):  # "20001 Washington"
        return FinderResult(zips=(area.zip,))
    itself = TownZips(area.zip, area.state, (area.zip,), 0, "zip")
    if (other := read_exact_state(rest)) is not None:  # "60601 Indiana", one of which is wrong
        return FinderResult(towns=(itself,), states=(other,))
    if others := gazetteer.towns(town, state)[:AROUND]:  # "10001 Boston"
        return FinderResult(towns=(itself, *others))
    return None


def _serves(area: ZipArea, town: str, gazetteer: Gazetteer) -> bool:
    """Whether a ZIP belongs to a town with that name, without computing all the ZIPs of the town."""
    if key(town) == key(area.city):
        return True
    return any(area.zip in each.zips for each in gazetteer.towns(town, area.state))
