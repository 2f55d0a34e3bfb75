"""Finds the names of towns, counties and states that are near to a misspelled text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import islice

from msgspec import Struct
from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from monitor.places.all_names import all_names
from monitor.places.areas import PEOPLE_PER_ZIP, sites
from monitor.places.finder.unofficial_names import area_of_county
from monitor.places.gazetteer import Gazetteer, TownZips
from monitor.places.names import key, make_key
from monitor.places.packaged_table import Table
from monitor.places.town_zips import town_rows
from monitor.states import STATES

NEAR = 5
"""The most suggestions for a misspelled name."""

LEAST_LETTERS = 4
LEAST_LETTERS_OF_MORE, MOST_BEGINNINGS = 6, 20  # of the beginning of a name, and names that begin so
TWO_SLIPS_FROM = 7  # the number of letters from which two typos are allowed
TWO_SLIPS = 2
TWO_SLIPS_PEOPLE = 5000  # there are too many smaller towns for a text with two typos


class _Spelling(Struct, frozen=True):
    """A name as it is compared, and the state in which its largest town lies."""

    key: str
    state: str
    population: int
    county: int | None = None


@cache
def _counties(table: Table) -> dict[str, list[_Spelling]]:
    """Every county by the key of its title."""
    found: dict[str, list[_Spelling]] = defaultdict(list)
    for code in STATES:
        for at, county in enumerate(table.state(code).counties):
            if county.state == code and not county.independent and county.zips:
                name = make_key(county.title)
                found[name].append(_Spelling(name, code, PEOPLE_PER_ZIP * len(county.zips), at))
    return dict(found)


def _spellings_of(name: str, table: Table) -> list[_Spelling]:
    people = ((code, table.state(code).count_people(name)) for code in all_names(table).states_of(name))
    towns = [_Spelling(name, code, population) for code, population in people if population is not None]
    return towns + _counties(table).get(name, [])


def near_states(text: str) -> tuple[str, ...]:
    """The states whose names a misspelled text is near to, nearest first: at most two typos, one per five
    letters.
    """
    wanted = key(text)
    slips = {code: OSA.distance(wanted, name, score_cutoff=TWO_SLIPS) for code, name in _state_keys().items()}
    near = [code for code, count in slips.items() if count <= min(TWO_SLIPS, len(wanted) // 5)]
    return tuple(sorted(near, key=lambda code: (slips[code], code)))


@cache
def _state_keys() -> dict[str, str]:
    return {code: key(name) for code, name in STATES.items()}


def respell(text: str) -> Iterator[str]:
    """Other spellings of a text that sound alike, or whose words are near to a word that names abbreviate:
    "Memfis", "Forth Worth", "Montain Brook".
    """
    typed = text.lower().split()
    for at, part in enumerate(typed if len(typed) > 1 else ()):
        for word in _ABBREVIATED:
            if OSA.distance(part, word, score_cutoff=1) == 1:
                yield " ".join((*typed[:at], word, *typed[at + 1 :]))
    if "f" in text.lower():
        yield text.lower().replace("f", "ph")
    if text[:1].lower() in _ALIKE:
        yield _ALIKE[text[0].lower()] + text[1:]


_ABBREVIATED = ("fort", "saint", "mount", "mountain", "township", "borough", "heights", "springs", "junction")
_ALIKE = {"k": "c", "c": "k", "j": "g", "g": "j", "s": "c"}


def near_areas(
    text: str,
    state: str | None,
    gazetteer: Gazetteer,
    *,
    least_slips: int = 0,
    most_slips: int = TWO_SLIPS,
    people: int = 0,
) -> tuple[TownZips, ...]:
    """The towns whose names a misspelled text is near to, nearest and largest first; at most `NEAR`.

    The first letter must be correct; one typo is allowed up to six letters, above that ``most_slips``. With
    ``least_slips`` a place of that very name is none of them; none has less than ``people``.
    """
    wanted = key(text.rpartition(",")[2] if "," in text else text)
    if len(wanted) < LEAST_LETTERS:
        return ()
    own = wanted.removesuffix("county").removesuffix("parish")  # Mordor County is not Morrow County
    allowed = most_slips if len(own) >= TWO_SLIPS_FROM else 1
    near: list[tuple[float, int, _Spelling]] = []
    for length in range(len(wanted) - allowed, len(wanted) + allowed + 1):
        names = all_names(gazetteer.table).alike(wanted[0], length)
        for name, slips, _ in extract(wanted, names, scorer=OSA.distance, score_cutoff=allowed, limit=None):
            near += [
                (slips, -spelling.population, spelling)
                for spelling in _spellings_of(name, gazetteer.table)
                if state in (None, spelling.state)
                and slips >= least_slips
                and spelling.population >= people
                and (slips < TWO_SLIPS or spelling.population >= TWO_SLIPS_PEOPLE)
            ]
    least = min((slips for slips, _, _ in near), default=0)
    near = sorted(
        (row for row in near if row[0] == least), key=lambda row: (row[1], row[2].key, row[2].state)
    )
    areas = (_largest(spelling, gazetteer) for _, _, spelling in near[:NEAR])
    return tuple(area for area in areas if area is not None)


def areas_beginning(text: str, state: str | None, gazetteer: Gazetteer) -> tuple[TownZips, ...]:
    """The towns and counties whose names begin with a text, the largest first, up to `NEAR`: "La Canada"."""
    wanted = key(text)
    if len(wanted) < LEAST_LETTERS_OF_MORE:
        return ()
    names = islice(all_names(gazetteer.table).beginning(wanted), MOST_BEGINNINGS)
    found = [
        spelling
        for name in names
        for spelling in _spellings_of(name, gazetteer.table)
        if state in (None, spelling.state)
    ]
    found.sort(key=lambda spelling: (-spelling.population, spelling.key, spelling.state))
    areas = (_largest(spelling, gazetteer) for spelling in found[:NEAR])
    return tuple(area for area in areas if area is not None)


def _largest(spelling: _Spelling, gazetteer: Gazetteer) -> TownZips | None:
    table = gazetteer.table.state(spelling.state)
    if spelling.county is not None:
        return area_of_county(table, spelling.county)
    for site in sites(table, spelling.key):
        if site.located:
            zips = tuple(sorted(table.zips.pick(town_rows(table, site))))
            return TownZips(site.name, spelling.state, zips, site.population)
    return None
