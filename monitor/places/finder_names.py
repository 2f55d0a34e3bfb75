"""Names that no official table has (nicknames, boroughs, neighborhoods), and suggestions for typos."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from monitor.places.areas import sites, town_rows
from monitor.places.gazetteer import Gazetteer, TownZips
from monitor.places.names import key
from monitor.places.packaged_table import Table
from monitor.places.query import county_rows
from monitor.states import STATES

NEAR = 5
"""Suggestions for a misspelled name, at most."""

LEAST_LETTERS = 4
TWO_SLIPS_FROM = 7  # letters from which two slips are allowed
TWO_SLIPS_PEOPLE = 5000  # smaller towns are too many to be meant by a text that is two slips away


@dataclass(frozen=True, slots=True)
class KnownArea:
    """A row of nicknames.csv: counties, a town, or ZIPs. ``first``: it is meant before towns of the name."""

    kind: str
    label: str
    state: str
    counties: tuple[str, ...]
    town: str
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
            town=row["town"],
            zips=_cells(row["zips"]),
            first=row["first"] == "1",
        )
        for name in _cells(row["names"]):
            areas[key(name)].append(area)
        if "(" in area.label:  # as a suggestion: it means itself
            areas[key(area.label)].append(replace(area, first=True))
    return {name: tuple(rows) for name, rows in areas.items()}


def _cells(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(";") if part.strip())


def known_areas(name: str, state: str | None, gazetteer: Gazetteer) -> tuple[TownZips, ...]:
    """The hand-kept areas of a name, those of a state if one is given."""
    return tuple(
        _area(known, gazetteer.table) for known in _known().get(key(name), ()) if state in (None, known.state)
    )


@cache
def _area(known: KnownArea, all_states: Table) -> TownZips:
    zips, population = known.zips, 0
    table = all_states.state(known.state)
    if known.counties:
        rows = county_rows(table, [c for name in known.counties for c in table.by_county[key(name)]])
        zips = tuple(sorted(table.zips[row] for row in rows))
    elif known.town:
        town = Gazetteer(all_states).towns(known.town, known.state)[0]
        zips, population = town.zips, town.population
    return TownZips(known.label, known.state, zips, population, known.kind, known.first)


@dataclass(frozen=True, slots=True)
class _Spelling:
    """A name as it is compared, and the state in which its largest town lies."""

    key: str
    state: str
    population: int


@cache
def _spellings(table: Table) -> dict[tuple[str, int], dict[str, list[_Spelling]]]:
    """Every town's name by its first letter and length: (letter, length) to key to spellings."""
    index: dict[tuple[str, int], dict[str, list[_Spelling]]] = defaultdict(lambda: defaultdict(list))
    for code in STATES:
        state = table.state(code)
        for name in {*state.towns, *state.by_city}:
            population = max((town.population for town in state.towns.get(name, ())), default=0)
            if name:
                index[name[0], len(name)][name].append(_Spelling(name, code, population))
    return index


def near_areas(text: str, state: str | None, gazetteer: Gazetteer) -> tuple[TownZips, ...]:
    """The towns whose names a misspelled text is near to, nearest and largest first; at most `NEAR`.

    The first letter must be right; one slip is allowed up to six letters, two above that.
    """
    wanted = key(text.rpartition(",")[2] if "," in text else text)
    if len(wanted) < LEAST_LETTERS:
        return ()
    allowed = 2 if len(wanted) >= TWO_SLIPS_FROM else 1
    index = _spellings(gazetteer.table)
    near: list[tuple[float, int, _Spelling]] = []
    for length in range(len(wanted) - allowed, len(wanted) + allowed + 1):
        names = index.get((wanted[0], length), {})
        for name, slips, _ in extract(
            wanted, list(names), scorer=OSA.distance, score_cutoff=allowed, limit=None
        ):
            near += [
                (slips, -spelling.population, spelling)
                for spelling in names[name]
                if state in (None, spelling.state) and (slips < 2 or spelling.population >= TWO_SLIPS_PEOPLE)
            ]
    least = min((slips for slips, _, _ in near), default=0)
    near = sorted(
        (row for row in near if row[0] == least), key=lambda row: (row[1], row[2].key, row[2].state)
    )
    areas = (_largest(spelling, gazetteer) for _, _, spelling in near[:NEAR])
    return tuple(area for area in areas if area is not None)


def _largest(spelling: _Spelling, gazetteer: Gazetteer) -> TownZips | None:
    table = gazetteer.table.state(spelling.state)
    for site in sites(table, spelling.key):
        if site.located:
            zips = tuple(sorted(table.zips[row] for row in town_rows(table, site)))
            return TownZips(site.name, spelling.state, zips, site.population)
    return None
