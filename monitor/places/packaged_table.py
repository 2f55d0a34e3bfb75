"""The packaged table: the data of each state, read on first use and then cached.

All states stay in memory, so each is stored in arrays, and values are created from them on access.
"""

from __future__ import annotations

import hashlib
import math
import re
import threading
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import accumulate, chain

from msgspec import Struct

from monitor.package_texts import read_texts
from monitor.places.compact import ByKey, KeyIndex, LazySequence, ZipCodes
from monitor.places.fips import FIPS, STATE_OF_FIPS
from monitor.places.names import make_key
from monitor.places.table_format import NO_AREA, NOWHERE, StateColumns, TableFile

EARTH_KM = 6371.0
CELL = 100  # thousandths of a degree: a side of the cells in which ZIPs are looked for

RANKED = 100  # thousandths of a degree of latitude: how far ZIPs are counted from a point, 11 km
BUILDING = 10  # tenths of a kilometer: the radius of a ZIP below which it is a building or a campus
SHARED = 3  # ZIPs with one center from which on it says nothing of where each of them is
_COSINES = tuple(round(1000 * math.cos(math.radians(degree))) for degree in range(90))

Point = tuple[float, float]
Shares = tuple[tuple[int, int], ...]
"""Counties by their numbers, each with the percent of a ZIP's land, the largest first."""


def distance(a: Point, b: Point) -> float:
    """Kilometers between two points on an equirectangular map; within 0.5 % of the great circle to 200 km."""
    dy = math.radians(b[0] - a[0])
    dx = math.radians(b[1] - a[1]) * math.cos(math.radians((a[0] + b[0]) / 2))
    return EARTH_KM * math.hypot(dx, dy)


# many are created for a lookup, and a struct is created in a sixth of the time
class Town(Struct, frozen=True):
    """A populated place with a point: (latitude, longitude) in degrees; population 0 when it is not known.

    ``governed`` distinguishes a municipality or township from a neighborhood, which has no government of its
    own.
    """

    name: str
    point: Point
    population: int
    governed: bool = True


class Named(Struct, frozen=True):
    """Everything with a name in a state: ``subdivisions`` are (county, letter of its kind).

    ``posted`` are the rows of ZIPs whose mailing city it is; ``town_zips`` is text of `town_zips.pack_towns`.
    """

    towns: tuple[Town, ...]
    posted: tuple[int, ...]
    subdivisions: tuple[tuple[int, str], ...]
    town_zips: str


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


class ZipRows(Mapping[str, int]):
    """The rows of ZIPs, which are sorted: a state's own, then those of neighbors."""

    __slots__ = ("_own", "_zips")

    def __init__(self, zips: ZipCodes, own: int) -> None:
        self._zips, self._own = zips, own

    def __getitem__(self, code: str) -> int:
        for start, end in ((0, self._own), (self._own, len(self._zips))):
            row = self._zips.find(code, start, end)
            if row is not None:
                return row
        raise KeyError(code)

    def __iter__(self) -> Iterator[str]:
        return iter(self._zips)

    def __len__(self) -> int:
        return len(self._zips)


class _Grid:
    """Positions of points by cell, so that those of a row of cells follow one another."""

    __slots__ = ("_cells", "_positions")

    def __init__(self, cells: Sequence[tuple[int, int] | None]) -> None:
        numbers = {n: _cell_number(*cell) for n, cell in enumerate(cells) if cell is not None}
        self._positions = array("H", sorted(numbers, key=numbers.__getitem__))
        self._cells = array("i", sorted(numbers.values()))

    def within(self, ys: range, west: int, east: int) -> list[int]:
        """The positions in rows of cells, from one column to another."""
        found: list[int] = []
        for y in ys:
            first = bisect_left(self._cells, _cell_number(y, west))
            found += self._positions[first : bisect_right(self._cells, _cell_number(y, east))]
        return found


def _cell_number(y: int, x: int) -> int:
    return y * 4096 + x + 2048


class SharesByRow:
    """In which counties each ZIP is, by its row."""

    __slots__ = ("_counties", "_percents", "_starts")

    def __init__(self, shares: Sequence[Shares]) -> None:
        self._starts = array("H", accumulate(map(len, shares), initial=0))
        self._counties = array("H", (county for row in shares for county, _ in row))
        self._percents = array("h", (percent for row in shares for _, percent in row))

    def __getitem__(self, row: int) -> Shares:
        start, end = self._starts[row], self._starts[row + 1]
        return tuple(zip(self._counties[start:end], self._percents[start:end], strict=True))

    def counties(self, row: int) -> Sequence[int]:
        """The counties of a ZIP by their numbers, the one with most of its land first."""
        return self._counties[self._starts[row] : self._starts[row + 1]]


class _Counties(LazySequence[County]):
    """Counties by their numbers."""

    __slots__ = ("_codes", "_names", "_rows", "_starts")

    def __init__(
        self, counties: Sequence[tuple[str, str]], shares: Sequence[tuple[tuple[int, int], ...]]
    ) -> None:
        rows_of: list[list[int]] = [[] for _ in counties]
        for row, within in enumerate(shares):
            for county, _ in within:
                rows_of[county].append(row)
        self._codes = tuple(fips for fips, _ in counties)
        self._names = tuple(name for _, name in counties)
        self._rows = array("H", chain.from_iterable(rows_of))
        self._starts = array("H", accumulate(map(len, rows_of), initial=0))

    def make(self, position: int) -> County:
        rows = self._rows[self._starts[position] : self._starts[position + 1]]
        return County(self._codes[position], self._names[position], tuple(rows))

    def __len__(self) -> int:
        return len(self._codes)


class StateTable:
    """One state. ZIPs are rows: the state's own first, then those of neighbors that reach into it.

    Keys are names as `names.key` makes them, numbered: post towns in the order of their ZIPs, then other
    populated places, then other subdivisions. ``cities`` are the names of all states, of which ``city`` has
    the numbers; ``homes`` are the states of the last rows, ``radius`` is in 0.1 km, or `NO_AREA`.
    ``standard`` are the state's own ZIPs that have an area, as numbers: no PO boxes, no single receivers.
    """

    def __init__(self, state: str, columns: StateColumns, names: Sequence[str]) -> None:
        own = len(columns.zips) - len(columns.homes)
        self.state, self.homes, self.cities = state, tuple(columns.homes), names
        self.zips = ZipCodes(columns.zips)
        self.row = ZipRows(self.zips, own)
        self.city = array("H", columns.city)
        self.lat, self.lon = array("i", columns.lat), array("i", columns.lon)
        self.radius = array("h", columns.radius)
        areas = zip(columns.zips[:own], columns.radius, strict=False)
        self.standard = array("I", (code for code, radius in areas if radius != NO_AREA))
        self.shares = SharesByRow(columns.shares)
        self.counties = _Counties(columns.counties, columns.shares)
        self._populations = array("I", columns.population)
        self._place_lat, self._place_lon = array("i", columns.place_lat), array("i", columns.place_lon)
        self._places = array("H", columns.places)
        self._index_names(columns, own)
        sharing = Counter(zip(self.lat, self.lon, strict=True))
        self._shared_points = frozenset(point for point, zips in sharing.items() if zips >= SHARED)
        zip_cells = ((y // CELL, x // CELL) for y, x in zip(self.lat, self.lon, strict=True))
        self._zip_grid = _Grid(
            [None if lat == NOWHERE else c for lat, c in zip(self.lat, zip_cells, strict=True)]
        )
        points = map(self._place_point, range(len(self._places)))
        self._place_grid = _Grid([(int(y * 10), int(x * 10)) for y, x in points])

    def _index_names(self, columns: StateColumns, own: int) -> None:
        prefix = FIPS.get(self.state, "")
        keys = {
            name: make_key(self.cities[name]) for name in {*self.city, *self._places, *columns.municipalities}
        }
        county_of = {fips: n for n, (fips, _) in enumerate(columns.counties)}
        subdivisions = [
            (county_of[fips], name, kind)
            for county, name, kind in columns.subdivisions
            if (fips := f"{prefix}{county:03}") in county_of
        ]
        keys |= {name: make_key(self.cities[name]) for _, name, _ in subdivisions if name not in keys}
        cities = [keys[name] for name in self.city[:own]]
        places = [keys[name] for name in self._places]
        within = [keys[name] for _, name, _ in subdivisions]
        number = {key: n for n, key in enumerate(dict.fromkeys((*cities, *places, *within)))}
        self._index = index = KeyIndex(list(number))
        self.by_city: ByKey[int] = ByKey(index, [number[key] for key in cities], _same)
        self.towns: ByKey[Town] = ByKey(index, [number[key] for key in places], self._town)
        self._subdivided = array("H", (county for county, _, _ in subdivisions))
        self._kinds = "".join(kind for _, _, kind in subdivisions)
        self.subdivisions: ByKey[tuple[int, str]] = ByKey(
            index, [number[key] for key in within], lambda n: (self._subdivided[n], self._kinds[n])
        )
        governed = set(within)
        self._governed = bytes(
            given or key in governed for given, key in zip(columns.incorporated, places, strict=True)
        )
        stems: dict[str, list[int]] = {}
        for n, (fips, name) in enumerate(columns.counties):
            if fips[:2] == prefix:
                stems.setdefault(make_key(county_stem(name)), []).append(n)
        self.by_county = {stem: tuple(counties) for stem, counties in stems.items()}
        self.unlocated = frozenset(keys[name] for name in columns.municipalities)
        self.relation = {
            make_key(name): tuple(
                (self.row[code], int(share))
                for code, _, share in (pair.partition(":") for pair in pairs.split())
                if code in self.row
            )
            for name, pairs in (part.split("|") for part in columns.relation.split("||") if part)
        }  # key -> (row, percent of the ZIP) of the Census relation
        self._town_zips = columns.town_zips
        self._town_zips_at = array("I", (at.end() for at in re.finditer(r"^|\|", columns.town_zips)))

    def _place_point(self, place: int) -> Point:
        return self._place_lat[place] / 1000, self._place_lon[place] / 1000

    def _town(self, place: int) -> Town:
        name, governed = self.cities[self._places[place]], self._governed[place] == 1
        return Town(name, self._place_point(place), self._populations[place], governed)

    def find_name(self, key: str) -> Named | None:
        """All that bears a name, by its key; None when nothing of the state does."""
        number = self._index.find(key)
        if number is None:
            return None
        packaged = ""  # of post towns and populated places, which have the first numbers
        if number < len(self._town_zips_at):
            start = self._town_zips_at[number]
            end = self._town_zips.find("|", start)
            packaged = self._town_zips[start : end if end >= 0 else None]
        towns, posted, parts = self.towns.of(number), self.by_city.of(number), self.subdivisions.of(number)
        return Named(towns, posted, parts, packaged)

    def count_people(self, key: str) -> int | None:
        """The people of the largest town of a name, by its key; 0 if none is counted, None without a town."""
        number = self._index.find(key)
        if number is None:
            return None
        if towns := self.towns.of(number):
            return max(town.population for town in towns)
        return 0 if self.by_city.of(number) else None

    def point(self, row: int) -> Point | None:
        """The center of a ZIP in degrees."""
        return None if self.lat[row] == NOWHERE else (self.lat[row] / 1000, self.lon[row] / 1000)

    def has_shared_point(self, row: int) -> bool:
        """Whether the center of a ZIP is that of a city or region, which the source gives to many ZIPs of
        which it knows no better one: all of Los Angeles' campuses and PO boxes are in one spot.
        """
        return (self.lat[row], self.lon[row]) in self._shared_points

    def is_misplaced(self, row: int) -> bool:
        """Whether a ZIP of PO boxes, of a building or of a campus may be far from its center."""
        return self.radius[row] < BUILDING and self.has_shared_point(row)

    def home(self, row: int) -> str:
        """The postal state of a ZIP."""
        own = len(self.zips) - len(self.homes)
        return self.state if row < own else self.homes[row - own]

    def near(self, point: Point, km: float, *, misplaced: bool = False) -> Iterator[tuple[float, int]]:
        """The ZIPs whose center is within ``km`` of a point, with the distance, unsorted; ``misplaced`` ones
        only if wanted.
        """
        dlat = km / 111.0
        dlon = dlat / max(math.cos(math.radians(point[0])), 0.1)
        south, north = int((point[0] - dlat) * 1000), int((point[0] + dlat) * 1000) + 1
        west, east = int((point[1] - dlon) * 1000), int((point[1] + dlon) * 1000) + 1
        for row in self._zip_grid.within(range(south // CELL, north // CELL + 1), west // CELL, east // CELL):
            lat, lon = self.lat[row], self.lon[row]
            if south <= lat <= north and west <= lon <= east:
                away = distance(point, (lat / 1000, lon / 1000))
                if away <= km and (misplaced or not self.is_misplaced(row)):
                    yield away, row

    def rank_near(self, point: Point) -> list[int]:
        """The ZIPs about a point, nearest first.

        The order is computed in integers, so that it is the same on every machine: `town_zips` depends on it.
        """
        lat, lon = round(point[0] * 1000), round(point[1] * 1000)
        narrow = _COSINES[min(abs(lat) // 1000, 89)] ** 2
        wide = RANKED * 1000 // _COSINES[min(abs(lat) // 1000, 89)]
        ys = range((lat - RANKED) // CELL, (lat + RANKED) // CELL + 1)
        lats, lons, found = self.lat, self.lon, []
        for row in self._zip_grid.within(ys, (lon - wide) // CELL, (lon + wide) // CELL):
            dy, dx = lats[row] - lat, lons[row] - lon
            if -RANKED <= dy <= RANKED and -wide <= dx <= wide and not self.is_misplaced(row):
                found.append((dy * dy * 1_000_000 + dx * dx * narrow) << 16 | row)
        return [each & 0xFFFF for each in sorted(found)]

    def towns_near(self, point: Point, km: float, people: int = 0) -> Iterator[Town]:
        """The populated places of at least so many people, at most so far from a point, in no order."""
        reach = int(km / 111.0 / 0.1) + 1
        lat, lon = int(point[0] * 10), int(point[1] * 10)
        ys = range(lat - reach, lat + reach + 1)
        lats, lons, populations = self._place_lat, self._place_lon, self._populations
        # Most are excluded by a box around the circle, half a kilometer wider.
        high = (km + 0.5) / 111.0
        wide = high / max(math.cos(math.radians(min(abs(point[0]) + high, 89.0))), 0.01)
        south, north = (point[0] - high) * 1000, (point[0] + high) * 1000
        west, east = (point[1] - wide) * 1000, (point[1] + wide) * 1000
        for place in self._place_grid.within(ys, lon - 2 * reach, lon + 2 * reach):
            if south <= lats[place] <= north and west <= lons[place] <= east and populations[place] >= people:
                here = lats[place] / 1000, lons[place] / 1000
                if abs(here[0] - point[0]) * 111.0 <= km and distance(here, point) <= km:
                    yield self._town(place)


def _same(position: int) -> int:
    return position


def list_names(towns: Iterable[str], by_city: Iterable[str]) -> list[str]:
    """The keys of all towns and post towns in the order of `StateColumns.town_zips`."""
    return list(dict.fromkeys((*by_city, *towns)))


class Table:
    """The states by code, each read once, safe for several threads."""

    def __init__(self, packed: bytes) -> None:
        self._file = TableFile(packed)
        self._lock = threading.Lock()
        self._states: dict[str, StateTable] = {}
        self._prefixes = {prefix: tuple(of.split()) for prefix, of in self._file.index["prefixes"].items()}

    def state(self, code: str) -> StateTable:
        """The table of a state, territory or military region; KeyError when there is none."""
        found = self._states.get(code)
        if found is None:
            with self._lock:
                found = self._states.get(code)
                if found is None:
                    found = StateTable(code, self._file.take(code), self._file.names)
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


def list_version_files(folder: Traversable) -> list[Traversable]:
    """List the modules and tables of a folder and the rooms in it, in the order in which they are hashed."""
    found: list[Traversable] = []
    for each in sorted(folder.iterdir(), key=lambda each: each.name):
        if each.is_dir():
            found += list_version_files(each)
        elif each.name.endswith((".py", ".zip")):
            found.append(each)
    return found


@cache
def compute_version() -> str:
    """A hash of the data and rules that ship with the program: it changes whenever a place may get other
    ZIPs, and when only the text of a rule does.
    """
    digest = hashlib.sha256()
    for file in list_version_files(files("monitor.places")):
        digest.update(file.read_bytes())
    for text in read_texts("places", "*.csv").values():
        digest.update(text.encode())
    return digest.hexdigest()[:16]
