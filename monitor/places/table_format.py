"""The file of the packaged table.

A ZIP archive without compression. "index" describes the other members, "names" holds every name once for all
states, and each "group-N" holds some states. A group has one stream for each column, with the values of one
state after another. Each stream is compressed by itself with LZMA, because each column has its own
distribution of bytes. Numbers are stored as differences from a prediction that the writer and the reader
compute in the same way (a ZIP lies near the others of its city or county), so that most differences are
small. `tools/table_encoder.py` writes the file.
"""

from __future__ import annotations

import json
import lzma
import sys
import zipfile
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import TypedDict

from monitor.places.compact import Texts

NOWHERE = -(10**6)  # in the place of a coordinate that is not known
NO_AREA = -1  # in the place of a radius
NO_COUNTY = -1
ESCAPE = 255  # the three bytes after it hold a value that does not fit into one
MISSING, WIDE = 0xFFFE, 0xFFFF  # of two bytes: no value; the four bytes after it hold one
_DICTIONARY = 1 << 20

BYTES, PAIRS, TEXT = (0, 0), (0, 1), (3, 0)
"""How LZMA models a column's bytes: literal context bits, literal position bits."""
COLUMNS = {
    "names": BYTES,
    "roles": BYTES,
    "counties": BYTES,
    "county_names": TEXT,
    "zips": BYTES,
    "homes": TEXT,
    "city": PAIRS,
    "within": BYTES,
    "first_county": BYTES,
    "more_counties": BYTES,
    "percents": BYTES,
    "percent_left": BYTES,
    "lat": PAIRS,
    "lon": PAIRS,
    "radius": BYTES,
    "population_high": BYTES,
    "population_middle": BYTES,
    "population_low": BYTES,
    "place_lat": PAIRS,
    "place_lon": PAIRS,
    "incorporated": BYTES,
    "subdivisions": BYTES,
    "kinds": TEXT,
    "relation": TEXT,
    "town_zips": TEXT,
}
"""The columns of a group in the order of their streams."""

CITY, PLACE, MUNICIPALITY, SUBDIVISION = 1, 2, 8, 16
"""Units of a name's role: a post town; 0 to 3 places; a municipality; 0 to 7 subdivisions. The highest number
of places or subdivisions means that more follow, which stand as a further byte in the same column.
"""
MOST_PLACES, MOST_SUBDIVISIONS = 3, 7


@dataclass(slots=True)
class StateColumns:
    """One state in the packaged form. ZIPs are rows: the state's own ZIPs first, then those of neighboring
    states that extend into it. Cities, places and municipalities are numbers of names.
    """

    zips: list[int] = field(default_factory=list)
    homes: list[str] = field(default_factory=list)  # states of the last rows, those of neighbors
    city: list[int] = field(default_factory=list)
    lat: list[int] = field(default_factory=list)  # thousandths of a degree, or NOWHERE
    lon: list[int] = field(default_factory=list)
    radius: list[int] = field(default_factory=list)  # 0.1 km, or NO_AREA
    counties: list[tuple[str, str]] = field(default_factory=list)  # (five-digit FIPS, legal name)
    shares: list[tuple[tuple[int, int], ...]] = field(default_factory=list)  # (county, percent) largest first
    places: list[int] = field(default_factory=list)
    population: list[int] = field(default_factory=list)
    place_lat: list[int] = field(default_factory=list)
    place_lon: list[int] = field(default_factory=list)
    incorporated: list[bool] = field(default_factory=list)
    subdivisions: list[tuple[int, int, str]] = field(default_factory=list)  # (county's FIPS, name, kind)
    municipalities: list[int] = field(default_factory=list)  # those that nothing else is known of
    relation: str = ""  # of the Census, where the table is built with it: "name|ZIP:percent ZIP:percent||..."
    town_zips: str = ""  # of each key of a town or post town, see `town_zips.pack_towns`


class Index(TypedDict):
    """The index of the archive."""

    prefixes: dict[str, str]  # three digits of a ZIP -> states, joined by a space
    groups: list[list[str]]
    streams: dict[str, list[int]]  # member -> lengths of its streams
    lengths: dict[str, list[int]]  # state -> decompressed bytes in each of its group's columns


def lzma_filters(model: tuple[int, int]) -> list[dict[str, int]]:
    """The filters with which a stream is compressed and read."""
    context, position = model
    return [
        {
            "id": lzma.FILTER_LZMA2,
            "dict_size": _DICTIONARY,
            "lc": context,
            "lp": position,
            "pb": 0,
            "nice_len": 273,
            "mode": lzma.MODE_NORMAL,
            "mf": lzma.MF_BT4,
            "depth": 1000,
        }
    ]


def unfold(number: int) -> int:
    """A signed number from 0, 1, 2, 3, 4 ... for 0, -1, 1, -2, 2 ..."""
    return (number >> 1) ^ -(number & 1)


class LastOf:
    """Predicts a number: the last one of the same group, or else the last one."""

    def __init__(self) -> None:
        self._last = 0
        self._of: dict[int, int] = {}

    def predict(self, group: int) -> int:
        """The prediction for the next number."""
        return self._of.get(group, self._last)

    def learn(self, group: int, number: int) -> None:
        """Takes note of a number."""
        self._of[group] = self._last = number


class Nearby:
    """Predicts a coordinate: the last one of the same city, or else the mean of the county so far, or else
    the last one.
    """

    def __init__(self) -> None:
        self._last = 0
        self._cities: dict[int, int] = {}
        self._counties: dict[int, tuple[int, int]] = {}

    def predict(self, city: int, county: int) -> int:
        """The prediction for the next coordinate."""
        found = self._cities.get(city)
        if found is not None:
            return found
        total, count = self._counties.get(county, (0, 0))
        return total // count if count else self._last

    def learn(self, city: int, county: int, number: int) -> None:
        """Takes note of a coordinate."""
        self._cities[city] = self._last = number
        total, count = self._counties.get(county, (0, 0))
        self._counties[county] = total + number, count + 1


def place_base(city: list[int], coordinates: list[int]) -> tuple[dict[int, int], int]:
    """The coordinates from which those of places are predicted: the first ZIP of each city, and the mean of
    all ZIPs.
    """
    first: dict[int, int] = {}
    total = count = 0
    for name, number in zip(city, coordinates, strict=True):
        if number != NOWHERE:
            first.setdefault(name, number)
            total += number
            count += 1
    return first, total // count if count else 0


class TableFile:
    """The archive; a member is read when one of its states is requested. Not thread-safe."""

    def __init__(self, packed: bytes) -> None:
        self._archive = zipfile.ZipFile(BytesIO(packed))
        self.index: Index = json.loads(
            lzma.decompress(self._archive.read("index"), lzma.FORMAT_RAW, filters=lzma_filters(TEXT))
        )
        self._group_of = {s: f"group-{n}" for n, states in enumerate(self.index["groups"]) for s in states}
        self._unread: dict[str, dict[str, list[bytes]]] = {}  # states of groups that were opened
        self.names = _read_names(*self._streams("names", [BYTES, TEXT]))

    def take(self, state: str) -> StateColumns:
        """The columns of a state, which can be taken once. Raises KeyError for an unknown state."""
        member = self._group_of[state]
        if member not in self._unread:
            self._unread[member] = self._open(member)
        return _decode(dict(zip(COLUMNS, self._unread[member].pop(state), strict=True)))

    def _open(self, member: str) -> dict[str, list[bytes]]:
        cells: dict[str, list[bytes]] = {s: [] for s, of in self._group_of.items() if of == member}
        for column, whole in enumerate(self._streams(member, list(COLUMNS.values()))):
            at = 0
            for state in self.index["groups"][int(member.removeprefix("group-"))]:
                length = self.index["lengths"][state][column]
                cells[state].append(whole[at : at + length])
                at += length
        return cells

    def _streams(self, member: str, models: list[tuple[int, int]]) -> Iterator[bytes]:
        packed, at = self._archive.read(member), 0
        for model, length in zip(models, self.index["streams"][member], strict=True):
            yield lzma.decompress(packed[at : at + length], lzma.FORMAT_RAW, filters=lzma_filters(model))
            at += length


def _read_names(shared: bytes, rests: bytes) -> Texts:
    """Read the names in their order; each is stored with the length of the prefix that it shares with the one
    before.
    """
    found = []
    name = ""
    for length, rest in zip(shared, rests.decode().split("\n"), strict=True):
        name = name[:length] + rest
        found.append(name)
    return Texts(found)


def _read_bytes(data: bytes) -> list[int]:
    if ESCAPE not in data:
        return list(data)
    found, rest = [], iter(data)
    for value in rest:
        found.append(next(rest) << 16 | next(rest) << 8 | next(rest) if value == ESCAPE else value)
    return found


def _read_pairs(data: bytes) -> list[int | None]:
    values = array("H")
    values.frombytes(data)
    if sys.byteorder == "little":
        values.byteswap()
    if max(values, default=0) < MISSING:
        return list(values)
    found: list[int | None] = []
    rest = iter(values)
    for value in rest:
        found.append(None if value == MISSING else next(rest) << 16 | next(rest) if value == WIDE else value)
    return found


def _decode(cells: dict[str, bytes]) -> StateColumns:
    made = StateColumns(homes=cells["homes"].decode().split())
    cities = _decode_names(made, cells)
    code = 0
    names = cells["county_names"].decode().split("|")
    for step, name in zip(_read_bytes(cells["counties"]), names, strict=False):  # none is one empty name
        code += step
        made.counties.append((f"{code:05}", name))
    steps = _read_bytes(cells["zips"])
    neighbors = len(steps) - len(made.homes)
    for row, step in enumerate(steps):
        made.zips.append(step + (made.zips[-1] if row not in (0, neighbors) else 0))
    at = 0
    for number in _read_pairs(cells["city"]):
        assert number is not None
        at += unfold(number)
        made.city.append(cities[at])
    _decode_shares(made, cells)
    nearest = [of[0][0] if of else NO_COUNTY for of in made.shares]
    for name, found in (("lat", made.lat), ("lon", made.lon)):
        nearby = Nearby()
        for city, county, number in zip(made.city, nearest, _read_pairs(cells[name]), strict=True):
            if number is None:
                found.append(NOWHERE)
            else:
                found.append(nearby.predict(city, county) + unfold(number))
                nearby.learn(city, county, found[-1])
    made.radius = [number - 1 for number in _read_bytes(cells["radius"])]
    _decode_places(made, cells)
    made.relation, made.town_zips = cells["relation"].decode(), cells["town_zips"].decode()
    return made


def _decode_names(made: StateColumns, cells: dict[str, bytes]) -> list[int]:
    """Read the roles of a state's names; returns the names of its post towns."""
    cities = []
    roles, kinds = iter(cells["roles"]), iter(cells["kinds"].decode())
    counties = iter(_read_bytes(cells["subdivisions"]))
    number = -1
    for step in _read_bytes(cells["names"]):
        number += step
        role = next(roles)
        if role & CITY:
            cities.append(number)
        places, subdivisions = role // PLACE & MOST_PLACES, role // SUBDIVISION & MOST_SUBDIVISIONS
        made.places += [number] * (places + next(roles) if places == MOST_PLACES else places)
        if role & MUNICIPALITY:
            made.municipalities.append(number)
        county = 0
        for _ in range(subdivisions + next(roles) if subdivisions == MOST_SUBDIVISIONS else subdivisions):
            county += next(counties)
            made.subdivisions.append((county, number, next(kinds)))
    made.subdivisions.sort()
    return cities


def _decode_shares(made: StateColumns, cells: dict[str, bytes]) -> None:
    first, percents = iter(_read_bytes(cells["first_county"])), iter(cells["percents"])
    more, left = iter(_read_bytes(cells["more_counties"])), iter(cells["percent_left"])
    last = LastOf()
    for city, count in zip(made.city, cells["within"], strict=True):
        if not count:
            made.shares.append(())
            continue
        county = last.predict(city) + unfold(next(first))
        last.learn(city, county)
        counties = [county, *(county + unfold(next(more)) for _ in range(count - 1))]
        shares = [next(percents) for _ in range(count - 1)]
        made.shares.append(
            tuple(zip(counties, [*shares, 100 - sum(shares) + unfold(next(left))], strict=True))
        )


def _decode_places(made: StateColumns, cells: dict[str, bytes]) -> None:
    planes = (cells[f"population_{part}"] for part in ("high", "middle", "low"))
    made.population = [high << 16 | middle << 8 | low for high, middle, low in zip(*planes, strict=True)]
    made.incorporated = list(map(bool, cells["incorporated"]))
    for name, of_zips, found in (("lat", made.lat, made.place_lat), ("lon", made.lon, made.place_lon)):
        first, mean = place_base(made.city, of_zips)
        for place, number in zip(made.places, _read_pairs(cells[f"place_{name}"]), strict=True):
            assert number is not None
            found.append(first.get(place, mean) + unfold(number))
