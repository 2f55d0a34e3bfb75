"""Names that no official table has: nicknames, boroughs, regions, tribal nations, police by their letters."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cache

from monitor.package_texts import read_text
from monitor.places.county_names import county_rows
from monitor.places.gazetteer import Gazetteer, TownZips
from monitor.places.names import key
from monitor.places.packaged_table import StateTable, Table


@dataclass(frozen=True, slots=True)
class KnownArea:
    """A row of nicknames.csv: counties, towns, ZIPs, or the whole state. ``first``: it takes precedence over
    towns of that name.
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
    areas: dict[str, list[KnownArea]] = defaultdict(list)
    for row in csv.DictReader(read_text("places", "nicknames.csv").splitlines()):
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
    """The hand-kept areas with a name, in one state if it is given."""
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


def area_of_county(table: StateTable, number: int) -> TownZips:
    """A county of a state, as an area that can be followed."""
    county = table.counties[number]
    zips = tuple(sorted(table.zips.pick(county_rows(table, (number,)))))
    return TownZips(county.title, table.state, zips, len(zips), "county", key=f"county-{county.fips}")
