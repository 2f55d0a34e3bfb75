"""The packaged table: one member of text per state, read when the state is first asked for."""

from __future__ import annotations

import hashlib
import math
import threading
import zipfile
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import TypeVar

from monitor.places.fips import FIPS, STATE_OF_FIPS
from monitor.places.names import key

EARTH_KM = 6371.0
CELL = 100  # thousandths of a degree: a side of the cells in which ZIPs are looked for
NOWHERE = -(10**6)  # in the place of a coordinate that is not known

Point = tuple[float, float]
K = TypeVar("K")
T = TypeVar("T")


def distance(a: Point, b: Point) -> float:
    """Kilometers between two points on an equirectangular map; within 0.5 % of the great circle to 200 km."""
    dy = math.radians(b[0] - a[0])
    dx = math.radians(b[1] - a[1]) * math.cos(math.radians((a[0] + b[0]) / 2))
    return EARTH_KM * math.hypot(dx, dy)


@dataclass(frozen=True, slots=True)
class Town:
    """A populated place with a point: (latitude, longitude) in degrees; population 0 when it is not known.

    ``governed`` tells a municipality or township from a neighborhood, which has no government of its own.
    """

    name: str
    point: Point
    population: int
    governed: bool = True


@dataclass(frozen=True, slots=True)
class County:
    """A county, parish, borough, municipio or independent city by its five-digit FIPS code and legal name."""

    fips: str
    name: str
    zips: tuple[int, ...]  # rows of `StateTable.zips`

    @property
    def state(self) -> str | None:
        """The USPS code of the state that it is in."""
        return STATE_OF_FIPS.get(self.fips[:2])

    @property
    def title(self) -> str:
        """Its name for people: "Lake County", "the city of Richmond"."""
        return f"the city of {county_stem(self.name)}" if self.independent else self.name

    @property
    def independent(self) -> bool:
        """A city outside every county (FIPS codes from 510 on)."""
        return self.fips[2:] >= "510" and self.fips[:2] in ("24", "29", "32", "51")


@dataclass(frozen=True, slots=True, eq=False)
class StateTable:
    """One state. ZIPs are rows: the state's own first, then those of neighbors that reach into it."""

    state: str
    zips: tuple[str, ...]
    homes: tuple[str, ...]  # states of the last rows, those of neighbors
    cities: tuple[str, ...]
    city: array[int]
    lat: array[int]
    lon: array[int]
    radius: array[int]  # 0.1 km; -1 without an area of its own
    shares: tuple[tuple[tuple[int, int], ...], ...]  # (county, percent of the ZIP's land) largest first
    counties: tuple[County, ...]
    row: dict[str, int] = field(repr=False)
    by_city: dict[str, tuple[int, ...]] = field(repr=False)  # key of a mailing city -> rows
    towns: dict[str, tuple[Town, ...]] = field(repr=False)  # key -> populated places
    subdivisions: dict[str, tuple[tuple[int, str], ...]] = field(repr=False)  # key -> (county, kind letter)
    by_county: dict[str, tuple[int, ...]] = field(repr=False)  # key without "county" -> counties
    grid: dict[tuple[int, int], tuple[Town, ...]] = field(
        repr=False
    )  # tenths of a degree -> populated places
    zip_grid: dict[tuple[int, int], tuple[int, ...]] = field(repr=False)  # the same cells -> rows
    town_zips: dict[str, str] = field(repr=False)  # key of a town or post town -> ZIPs of its places, packed
    unlocated: frozenset[str] = field(repr=False)  # keys of municipalities that exist, nobody knows where
    relation: dict[str, tuple[tuple[int, int], ...]] = field(
        repr=False
    )  # key -> (row, percent) of the Census relation

    def point(self, row: int) -> Point | None:
        """The center of a ZIP in degrees."""
        return None if self.lat[row] == NOWHERE else (self.lat[row] / 1000, self.lon[row] / 1000)

    def home(self, row: int) -> str:
        """The postal state of a ZIP."""
        own = len(self.zips) - len(self.homes)
        return self.state if row < own else self.homes[row - own]

    def near(self, point: Point, km: float) -> Iterator[tuple[float, int]]:
        """The ZIPs whose centre is at most so far from a point, with the distance, in no order."""
        dlat = km / 111.0
        dlon = dlat / max(math.cos(math.radians(point[0])), 0.1)
        south, north = int((point[0] - dlat) * 1000), int((point[0] + dlat) * 1000) + 1
        west, east = int((point[1] - dlon) * 1000), int((point[1] + dlon) * 1000) + 1
        for y in range(south // CELL, north // CELL + 1):
            for x in range(west // CELL, east // CELL + 1):
                for row in self.zip_grid.get((y, x), ()):
                    lat, lon = self.lat[row], self.lon[row]
                    if south <= lat <= north and west <= lon <= east:
                        away = distance(point, (lat / 1000, lon / 1000))
                        if away <= km:
                            yield away, row

    def towns_near(self, point: Point, km: float) -> Iterator[Town]:
        """The populated places at most so far from a point, in no order."""
        reach = int(km / 111.0 / 0.1) + 1
        lat, lon = int(point[0] * 10), int(point[1] * 10)
        for y in range(lat - reach, lat + reach + 1):
            for x in range(lon - 2 * reach, lon + 2 * reach + 1):
                for town in self.grid.get((y, x), ()):
                    beyond = abs(town.point[0] - point[0]) * 111.0 > km  # most are told by their latitude
                    if not beyond and distance(point, town.point) <= km:
                        yield town


_COUNTY_KINDS = (
    " City and Borough",
    " Census Area",
    " County",
    " Parish",
    " Borough",
    " Municipality",
    " Municipio",
    " (city)",
)


def county_stem(name: str) -> str:
    """A county's name without the word for its kind: "Lake", "Anchorage", "Richmond"."""
    for kind in _COUNTY_KINDS:
        if name.endswith(kind):
            return name.removesuffix(kind)
    return name


def _numbers(text: str, missing: int) -> array[int]:
    return array("i", (missing if v == "x" else int(v) for v in text.split()))


def _shares(text: str) -> tuple[tuple[int, int], ...]:
    if text == "x":
        return ()
    found = []
    for part in text.split(","):
        county, _, percent = part.partition(":")
        found.append((int(county), int(percent or 100)))
    return tuple(found)


def _gather(pairs: Iterable[tuple[K, T]]) -> dict[K, tuple[T, ...]]:
    found: dict[K, list[T]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return {name: tuple(values) for name, values in found.items()}


def list_names(towns: Iterable[str], by_city: Iterable[str]) -> list[str]:
    """The keys of all towns and post towns in the order of the column "town-zips"."""
    return sorted({*towns, *by_city})


def parse(state: str, text: str) -> StateTable:
    """A state's member of the archive, as written by tools/build_gazetteer.py."""
    column = dict(line.split("\t", 1) for line in text.splitlines())
    names = [pair.split(" ", 1) for pair in column["counties"].split("|") if pair]
    texts = column["in"].split()
    read = {text: _shares(text) for text in set(texts)}  # most ZIPs share theirs with many others
    shares = tuple(read[text] for text in texts)
    rows_of: list[list[int]] = [[] for _ in names]
    for row, within in enumerate(shares):
        for county, _ in within:
            rows_of[county].append(row)
    zips = tuple(column["zip"].split())
    cities = tuple(column["cities"].split("|"))
    city = _numbers(column["city"], 0)
    counties = tuple(
        County(fips, name, tuple(rows)) for (fips, name), rows in zip(names, rows_of, strict=True)
    )
    own = {c.fips: n for n, c in enumerate(counties)}
    prefix = FIPS.get(state, "")
    row_of = {code: n for n, code in enumerate(zips)}
    keys = tuple(key(name) for name in cities)
    here = len(zips) - len(column["home"].split())
    subdivisions = _gather(
        (key(name[1:]), (own[prefix + county], name[0]))
        for county, *named in (part.split("|") for part in column["subdivisions"].split("||") if part)
        for name in named
        if prefix + county in own
    )
    towns = tuple(
        Town(
            name,
            (int(lat) / 1000, int(lon) / 1000),
            int(population),
            incorporated == "1" or key(name) in subdivisions,
        )
        for name, population, lat, lon, incorporated in zip(
            column["places"].split("|"),
            column["population"].split(),
            column["place-lat"].split(),
            column["place-lon"].split(),
            column["incorporated"],
            strict=False,  # a state without places has one empty name
        )
    )
    by_city = _gather((keys[city[n]], n) for n in range(here))
    by_name = _gather((key(town.name), town) for town in towns)
    lats, lons = _numbers(column["lat"], NOWHERE), _numbers(column["lon"], NOWHERE)
    return StateTable(
        state=state,
        zips=zips,
        homes=tuple(column["home"].split()),
        cities=cities,
        city=city,
        lat=lats,
        lon=lons,
        radius=_numbers(column["radius"], -1),
        shares=shares,
        counties=counties,
        row=row_of,
        by_city=by_city,
        towns=by_name,
        grid=_gather(((int(t.point[0] * 10), int(t.point[1] * 10)), t) for t in towns),
        zip_grid=_gather(
            ((lat // CELL, lon // CELL), row)
            for row, (lat, lon) in enumerate(zip(lats, lons, strict=True))
            if lat != NOWHERE
        ),
        subdivisions=subdivisions,
        by_county=_gather(
            (key(county_stem(c.name)), n) for n, c in enumerate(counties) if c.fips[:2] == prefix
        ),
        town_zips=dict(
            zip(list_names(by_name, by_city), column.get("town-zips", "").split("|"), strict=False)
        ),
        unlocated=frozenset(key(name) for name in column["municipalities"].split("|")),
        relation={
            key(name): tuple(
                (row_of[code], int(share))
                for code, _, share in (p.partition(":") for p in pairs.split())
                if code in row_of
            )
            for name, pairs in (part.split("|") for part in column["shares"].split("||") if part)
        },
    )


class Table:
    """The archive: its states by code, each parsed once, safe for several threads."""

    def __init__(self, packed: bytes) -> None:
        self._archive = zipfile.ZipFile(BytesIO(packed))
        self._lock = threading.Lock()
        self._states: dict[str, StateTable] = {}
        prefixes = self._archive.read("prefixes.tsv").decode()
        self._prefixes = {
            p: tuple(s.split()) for p, s in (line.split("\t") for line in prefixes.splitlines())
        }

    def state(self, code: str) -> StateTable:
        """The table of a state, territory or military region; KeyError when there is none."""
        found = self._states.get(code)
        if found is None:
            with self._lock:
                found = self._states.get(code)
                if found is None:
                    found = parse(code, self._archive.read(f"{code}.tsv").decode())
                    self._states[code] = found
        return found

    def find(self, zip_code: str) -> tuple[StateTable, int] | None:
        """The postal state's table and row of a ZIP, None when no such ZIP is known."""
        for code in self._prefixes.get(zip_code[:3], ()):
            table = self.state(code)
            row = table.row.get(zip_code)
            if row is not None and table.home(row) == code:
                return table, row
        return None


def packaged() -> Table:
    """The table that ships with the program."""
    return Table(files("monitor.places").joinpath("table.zip").read_bytes())


@cache
def compute_version() -> str:
    """A hash of the data and rules that ship with the program: it changes whenever a place may get other
    ZIPs, and when only the text of a rule does.
    """
    digest = hashlib.sha256()
    for file in sorted(files("monitor.places").iterdir(), key=lambda each: each.name):
        if file.name.endswith((".py", ".csv", ".zip")):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
