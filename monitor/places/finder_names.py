"""Names that no official table has (nicknames, boroughs, regions, tribal nations, police by their letters),
and suggestions for typos.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

from msgspec import Struct
from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from monitor.places.areas import PEOPLE_PER_ZIP, sites, town_rows
from monitor.places.gazetteer import Gazetteer, TownZips
from monitor.places.names import key, make_key
from monitor.places.packaged_table import StateTable, Table
from monitor.places.query import county_rows
from monitor.states import STATES

NEAR = 5
"""The most suggestions for a misspelled name."""

LEAST_LETTERS = 4
LEAST_LETTERS_OF_MORE, MOST_BEGINNINGS = 6, 20  # of the beginning of a name, and names that begin so
TWO_SLIPS_FROM = 7  # the number of letters from which two typos are allowed
TWO_SLIPS = 2
TWO_SLIPS_PEOPLE = 5000  # there are too many smaller towns for a text with two typos


@dataclass(frozen=True, slots=True)
class KnownArea:
    """A row of nicknames.csv: counties, towns, ZIPs, or the whole state. ``first``: it takes precedence over
    towns of the name.
    """

    kind: str
    label: str
    state: str
    counties: tuple[str, ...]
    towns: tuple[str, ...]
    zips: tuple[str, ...]
    first: bool


@cache
def _known() -> dict[str, tuple[KnownArea, ...]]:
    text = files("monitor.places").joinpath("nicknames.csv").read_text(encoding="utf-8")
    areas: dict[str, list[KnownArea]] = defaultdict(list)
    for row in csv.DictReader(text.splitlines()):
        area = KnownArea(
            kind=row["kind"],
            label=row["label"],
            state=row["state"],
            counties=_cells(row["counties"]),
            towns=_cells(row["town"]),
            zips=_cells(row["zips"]),
            first=row["first"] == "1",
        )
        names = dict.fromkeys(map(key, _cells(row["names"])))
        for name in names:
            areas[name].append(area)
        # as a suggestion it means itself; "Portland Police" is not only that of a row
        told_apart = "(" in area.label
        if (told_apart or area.kind in ("county", "tribal")) and key(area.label) not in names:
            areas[key(area.label)].append(replace(area, first=area.first or told_apart))
    return {name: tuple(rows) for name, rows in areas.items()}


def _cells(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(";") if part.strip())


def known_areas(name: str, state: str | None, gazetteer: Gazetteer) -> tuple[TownZips, ...]:
    """The hand-kept areas of a name, those of a state if one is given."""
    return tuple(
        _area(known, gazetteer.table)
        for known in _known().get(key(name), ())
        if state in (None, known.state) and known.kind != "state"
    )


def known_states(name: str) -> tuple[str, ...]:
    """The states that a hand-kept name means: "New England", "Texas Rangers"."""
    return tuple(known.state for known in _known().get(key(name), ()) if known.kind == "state")


@cache
def _area(known: KnownArea, all_states: Table) -> TownZips:
    zips, population = known.zips, 0
    table = all_states.state(known.state)
    if known.counties:
        rows = county_rows(table, [c for name in known.counties for c in table.by_county[key(name)]])
        zips = tuple(sorted(table.zips.pick(rows)))
    if known.towns:  # beside counties they only say how many people there are
        towns = [Gazetteer(all_states).towns(name, known.state)[0] for name in known.towns]
        zips = zips or tuple(sorted({zip_code for town in towns for zip_code in town.zips}))
        # of police by their letters none is meant because its town is larger
        population = 0 if known.kind == "agency" else sum(town.population for town in towns)
    of_county = ""
    if known.kind == "county" and len(known.counties) == 1:
        (number,) = table.by_county[key(known.counties[0])][:1]
        county = table.counties[number]
        of_county = f"county-{county.fips}" if county.title == known.label else ""
    return TownZips(known.label, known.state, zips, population, known.kind, known.first, of_county)


class _Spelling(Struct, frozen=True):
    """A name as it is compared, and the state in which its largest town lies."""

    key: str
    state: str
    population: int
    county: int | None = None


@cache
def _spellings(table: Table) -> dict[tuple[str, int], str]:
    """Every town's and county's key by its first letter and length; those that are alike are one text.

    The states that have a key are looked for when a misspelled name is near to it.
    """
    index: dict[tuple[str, int], set[str]] = defaultdict(set)
    for code in STATES:
        state = table.state(code)
        for name in (*state.towns, *state.by_city):
            if name:
                index[name[0], len(name)].add(name)
    for name in _counties(table):
        index[name[0], len(name)].add(name)
    return {alike: " ".join(sorted(names)) for alike, names in index.items()}


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
    found = []
    for code in STATES:
        named = table.state(code).find_name(name)
        if named is not None and (named.towns or named.posted):
            population = max((town.population for town in named.towns), default=0)
            found.append(_Spelling(name, code, population))
    return found + _counties(table).get(name, [])


def area_of_county(table: StateTable, number: int) -> TownZips:
    """A county of a state, as an area that can be followed."""
    county = table.counties[number]
    zips = tuple(sorted(table.zips.pick(county_rows(table, (number,)))))
    return TownZips(county.title, table.state, zips, len(zips), "county", key=f"county-{county.fips}")


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
    """Other spellings of what sounds alike, or is near to a word that names abbreviate: "Memfis", "Forth
    Worth".
    """
    first, _, rest = text.partition(" ")
    for word in _ABBREVIATED:
        if rest and OSA.distance(first.lower(), word, score_cutoff=1) == 1:
            yield f"{word} {rest}"
    if "f" in text.lower():
        yield text.lower().replace("f", "ph")
    if text[:1].lower() in _ALIKE:
        yield _ALIKE[text[0].lower()] + text[1:]


_ABBREVIATED = ("fort", "saint", "mount")
_ALIKE = {"k": "c", "c": "k", "j": "g", "g": "j", "s": "c"}


def near_areas(
    text: str, state: str | None, gazetteer: Gazetteer, *, least_slips: int = 0, people: int = 0
) -> tuple[TownZips, ...]:
    """The towns whose names a misspelled text is near to, nearest and largest first; at most `NEAR`.

    The first letter must be correct; one typo is allowed up to six letters, two above that. With
    ``least_slips`` a place of that very name is none of them; none has less than ``people``.
    """
    wanted = key(text.rpartition(",")[2] if "," in text else text)
    if len(wanted) < LEAST_LETTERS:
        return ()
    allowed = TWO_SLIPS if len(wanted) >= TWO_SLIPS_FROM else 1
    index = _spellings(gazetteer.table)
    near: list[tuple[float, int, _Spelling]] = []
    for length in range(len(wanted) - allowed, len(wanted) + allowed + 1):
        names = index.get((wanted[0], length), "").split()
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
    """The towns and counties whose names begin so, the largest first, at most `NEAR`: "La Canada"."""
    wanted = key(text)
    if len(wanted) < LEAST_LETTERS_OF_MORE:
        return ()
    names = [
        name
        for (initial, length), alike in _spellings(gazetteer.table).items()
        if initial == wanted[0] and length > len(wanted) and wanted in alike
        for name in alike.split()
        if name.startswith(wanted)
    ][:MOST_BEGINNINGS]
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
