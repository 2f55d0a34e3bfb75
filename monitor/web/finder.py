"""From what somebody typed into the one field to places: a ZIP, a state, a town, an address.

Offline; nothing of it is kept anywhere.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from monitor.places import Gazetteer, TownZips
from monitor.places.names import key
from monitor.states import read_state

LONGEST = 200
"""Characters of the field that are looked at."""

CHOICES = 60
"""Towns that a chooser shows, the largest first."""

_ZIP_AT_THE_END = re.compile(r"(?<![\d-])(\d{5})(?:-\d{4})?\W*$", re.ASCII)
_ZIP_ALONE = re.compile(r"(\d{5})(?:[-\s]?\d{4})?", re.ASCII)
_COUNTRY = re.compile(
    r"[\s,]*\b(?:USA|U\.S\.A\.|US|U\.S\.|United States(?: of America)?|Estados Unidos|EE\. ?UU\.)\W*$",
    re.IGNORECASE,
)
_ZIPS = re.compile(r"\d{5}(?:-\d{4})?(?:[\s,;+]+\d{5}(?:-\d{4})?)+", re.ASCII)
_UNIT = re.compile(r"^(?:#|apt|apartment|suite|ste|unit|floor|fl|room|rm)\b", re.IGNORECASE)
_IN_SPANISH = {
    (
        "nueva "
        "york"
    ): (
        "New "
        "York"
    ), "nueva jersey": "New Jersey", "nuevo mexico": "New Mexico", "nuevo hampshire": "New Hampshire",
    (
        "nueva "
        "hampshire"
    ): "New Hampshire", "carolina del norte": "North Carolina", "carolina del sur": "South Carolina",
    (
        "dakota del "
        "norte"
    ): "North Dakota", "dakota del sur": "South Dakota", "virginia occidental": "West Virginia",
    "luisiana": "Louisiana", "misisipi": "Mississippi", "misuri": "Missouri", "pensilvania": "Pennsylvania", "tejas": "Texas",
    (
        "distrito "
        "de "
        "columbia"
    ): "District of Columbia", "islas virgenes": "Virgin Islands", "nueva orleans": "New Orleans",
    "filadelfia": "Philadelphia",
}  # fmt: skip
_SPANISH_NAME = re.compile(rf"\b(?:{'|'.join(_IN_SPANISH)})\b", re.IGNORECASE)
_LONGEST_NAME = 5  # words of a town's name: "Village of Oak Creek" and the like


@dataclass(frozen=True, slots=True)
class FinderResult:
    """What was found: exactly one of ``zips`` (what was typed is ZIPs and nothing else, or an address with
    its own), ``country`` and ``problem``, or ``towns`` and ``states`` to choose from.

    ``problem``: empty, digits, unknown_zip, nothing.
    """

    zips: tuple[str, ...] = ()
    country: bool = False
    towns: tuple[TownZips, ...] = ()
    states: tuple[str, ...] = ()
    problem: str | None = None
    more: bool = False


def find(text: str, gazetteer: Gazetteer) -> FinderResult:
    """The places that a text names; a ZIP wins over a town, a house number is never taken for a ZIP."""
    asked = " ".join(text[:LONGEST].split())
    if not asked:
        return FinderResult(problem="empty")
    alone = _ZIP_ALONE.fullmatch(asked)
    if alone:
        return _zips([alone[1]], gazetteer)
    if _ZIPS.fullmatch(asked):
        return _zips(re.findall(r"\d{5}(?=-|\D|$)", asked, re.ASCII), gazetteer)
    if re.fullmatch(r"[\d\s-]+", asked):
        return FinderResult(problem="digits")
    asked = _COUNTRY.sub("", asked)
    if not asked:
        return FinderResult(country=True)
    asked = _SPANISH_NAME.sub(lambda match: _IN_SPANISH[match[0].lower()], _without_accents(asked))
    at_the_end = _ZIP_AT_THE_END.search(asked)
    if at_the_end:
        found = _zips([at_the_end[1]], gazetteer)
        asked = asked[: at_the_end.start()].strip(" ,")
        if found.zips or not asked:
            return found
    return _zip_in_front(asked, gazetteer) or _named(asked, gazetteer)


def _without_accents(text: str) -> str:
    """No name of a place here is told from another by an accent alone."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def _zips(codes: list[str], gazetteer: Gazetteer) -> FinderResult:
    known = all(gazetteer.zip(code) is not None or gazetteer.state_of_zip(code) is not None for code in codes)
    return FinderResult(zips=tuple(sorted(set(codes)))) if known else FinderResult(problem="unknown_zip")


def _zip_in_front(asked: str, gazetteer: Gazetteer) -> FinderResult | None:
    """ "90210 Beverly Hills": a ZIP that is before its own town or state; before anything else five digits are
    a house number.
    """
    code, _, rest = asked.partition(" ")
    area = gazetteer.zip(code) if _ZIP_ALONE.fullmatch(code) else None
    if area is None:
        return None
    town, state = _state_at_the_end(rest)
    if state in (None, area.state) and (_state(rest) == area.state or key(town) in map(key, area.towns)):
        return FinderResult(zips=(area.zip,))
    return None


def _named(asked: str, gazetteer: Gazetteer) -> FinderResult:
    """A state, a town, or an address without a usable ZIP."""
    whole = _state(asked)
    rest, state = _state_at_the_end(asked)
    if state is None:
        towns = _towns(asked, None, gazetteer)
    else:
        towns = _towns(rest, state, gazetteer)
        # "New York" and "Washington" are both, and the end of "Port Washington" and of "St. Louis" reads like
        # a state
        if whole or not towns or not re.search(r"[\d,]", asked):
            towns = _distinct(towns + _towns(asked, None, gazetteer))
    if not towns and not whole:
        return FinderResult(problem="nothing")
    return FinderResult(towns=towns[:CHOICES], states=(whole,) if whole else (), more=len(towns) > CHOICES)


def _state(text: str) -> str | None:
    reading = read_state(text)
    return reading.code if reading and reading.exact else None


def _state_at_the_end(asked: str) -> tuple[str, str | None]:
    """The text before a state's name or code at its end, and that state."""
    words = asked.replace(",", " , ").split()
    for count in (4, 3, 2, 1):  # "District of Columbia", "N. Mariana Islands"
        tail = words[-count:]
        if len(words) > count and "," not in tail and (code := _state(" ".join(tail))):
            return " ".join(words[:-count]).replace(" , ", ", ").strip(" ,"), code
    return asked, _state(asked)


def _towns(text: str, state: str | None, gazetteer: Gazetteer) -> tuple[TownZips, ...]:
    """The towns of the longest name that ends the text, or that ends one of its parts between commas, the
    last part first.
    """
    for name in _names(text, within=state is not None):
        found = _distinct(gazetteer.towns(name, state))
        if found:
            return found
    return ()


def _names(text: str, *, within: bool) -> Iterator[str]:
    parts = [part for part in map(str.strip, text.split(",")) if part and not _UNIT.match(part)]
    for part in reversed(parts[-3:]):
        words = part.split()
        # an address ends in a town; without a number in it and no state behind it a part is a name as a
        # whole, or none
        shortest = 1 if within or any(c.isdigit() for c in part) else len(words)
        for count in range(min(len(words), _LONGEST_NAME), min(shortest, len(words)) - 1, -1):
            name = " ".join(words[-count:])
            if not any(c.isdigit() for c in name):
                yield name


def _distinct(towns: tuple[TownZips, ...]) -> tuple[TownZips, ...]:
    """Each set of ZIPs in a state once: small places of one name in one state often share their post office."""
    seen: dict[tuple[str, tuple[str, ...]], TownZips] = {}
    for town in towns:
        if town.zips:
            seen.setdefault((town.state, town.zips), town)
    return tuple(seen.values())
