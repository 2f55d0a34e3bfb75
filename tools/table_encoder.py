"""Writes the file of the packaged table: the other side of `monitor.places.table_format`."""

from __future__ import annotations

import io
import json
import lzma
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Sequence

from monitor.places.table_format import (
    BYTES,
    CITY,
    COLUMNS,
    ESCAPE,
    MISSING,
    MOST_PLACES,
    MOST_SUBDIVISIONS,
    MUNICIPALITY,
    NO_COUNTY,
    NOWHERE,
    PLACE,
    SUBDIVISION,
    TEXT,
    WIDE,
    Index,
    LastOf,
    Nearby,
    StateColumns,
    lzma_filters,
    place_base,
)

GROUPS = 3
"""More groups are quicker to open, fewer are smaller."""


def fold(number: int) -> int:
    """0, 1, 2, 3, 4 ... for 0, -1, 1, -2, 2 ..."""
    return number * 2 if number >= 0 else -number * 2 - 1


def write_bytes(numbers: Iterable[int]) -> bytes:
    """Numbers up to 2^24, most of them in one byte."""
    return b"".join(bytes((n,)) if n < ESCAPE else bytes((ESCAPE,)) + n.to_bytes(3, "big") for n in numbers)


def write_pairs(numbers: Iterable[int | None]) -> bytes:
    """Numbers up to 2^32 and what is missing, most of them in two bytes."""
    found = bytearray()
    for number in numbers:
        if number is None:
            found += MISSING.to_bytes(2, "big")
        elif number < MISSING:
            found += number.to_bytes(2, "big")
        else:
            found += WIDE.to_bytes(2, "big") + number.to_bytes(4, "big")
    return bytes(found)


def steps(numbers: Sequence[int]) -> list[int]:
    """The differences between each number and the one before, the first from 0."""
    return [number - before for before, number in zip((0, *numbers), numbers, strict=False)]


def encode(state: StateColumns) -> dict[str, bytes]:
    """A state's columns as bytes, before they are compressed."""
    made = dict.fromkeys(COLUMNS, b"")
    own = len(state.zips) - len(state.homes)
    cities = sorted(set(state.city))
    position = {name: n for n, name in enumerate(cities)}
    made |= _encode_names(state, set(cities))
    made["counties"] = write_bytes(steps([int(fips) for fips, _ in state.counties]))
    made["county_names"] = "|".join(name for _, name in state.counties).encode()
    made["zips"] = write_bytes([*steps(state.zips[:own]), *steps(state.zips[own:])])
    made["homes"] = " ".join(state.homes).encode()
    made["city"] = write_pairs(map(fold, steps([position[name] for name in state.city])))
    made |= _encode_shares(state)
    nearest = [of[0][0] if of else NO_COUNTY for of in state.shares]
    for name, numbers in (("lat", state.lat), ("lon", state.lon)):
        nearby = Nearby()
        found: list[int | None] = []
        for city, county, number in zip(state.city, nearest, numbers, strict=True):
            if number == NOWHERE:
                found.append(None)
            else:
                found.append(fold(number - nearby.predict(city, county)))
                nearby.learn(city, county, number)
        made[name] = write_pairs(found)
    made["radius"] = write_bytes(number + 1 for number in state.radius)
    for part, shift in (("high", 16), ("middle", 8), ("low", 0)):
        made[f"population_{part}"] = bytes(number >> shift & 255 for number in state.population)
    made["incorporated"] = bytes(state.incorporated)
    for name, of_zips, numbers in (
        ("lat", state.lat, state.place_lat),
        ("lon", state.lon, state.place_lon),
    ):
        first, mean = place_base(state.city, of_zips)
        made[f"place_{name}"] = write_pairs(
            fold(number - first.get(place, mean)) for place, number in zip(state.places, numbers, strict=True)
        )
    made["relation"], made["town_zips"] = state.relation.encode(), state.town_zips.encode()
    return made


def _encode_names(state: StateColumns, cities: set[int]) -> dict[str, bytes]:
    places: dict[int, int] = defaultdict(int)
    for name in state.places:
        places[name] += 1
    parts: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for county, name, kind in sorted(state.subdivisions):
        parts[name].append((county, kind))
    municipalities = set(state.municipalities)
    names = sorted({*cities, *places, *parts, *municipalities})
    roles, counties, kinds = bytearray(), [], []
    for name in names:
        several, subdivided = places[name], parts[name]
        roles.append(
            CITY * (name in cities)
            + PLACE * min(several, MOST_PLACES)
            + MUNICIPALITY * (name in municipalities)
            + SUBDIVISION * min(len(subdivided), MOST_SUBDIVISIONS)
        )
        roles += bytes((several - MOST_PLACES,)) if several >= MOST_PLACES else b""
        roles += (
            bytes((len(subdivided) - MOST_SUBDIVISIONS,)) if len(subdivided) >= MOST_SUBDIVISIONS else b""
        )
        counties += steps([county for county, _ in subdivided])
        kinds += [kind for _, kind in subdivided]
    first = [name - before for before, name in zip((-1, *names), names, strict=False)]
    return {
        "names": write_bytes(first),
        "roles": bytes(roles),
        "subdivisions": write_bytes(counties),
        "kinds": "".join(kinds).encode(),
    }


def _encode_shares(state: StateColumns) -> dict[str, bytes]:
    last = LastOf()
    first, more, percents, left = [], [], [], []
    for city, shares in zip(state.city, state.shares, strict=True):
        if not shares:
            continue
        county = shares[0][0]
        first.append(fold(county - last.predict(city)))
        last.learn(city, county)
        more += [fold(other - county) for other, _ in shares[1:]]
        percents += [percent for _, percent in shares[:-1]]
        left.append(fold(shares[-1][1] - (100 - sum(percent for _, percent in shares[:-1]))))
    return {
        "within": bytes(map(len, state.shares)),
        "first_county": write_bytes(first),
        "more_counties": write_bytes(more),
        "percents": bytes(percents),
        "percent_left": bytes(left),
    }


def _compress(data: bytes, model: tuple[int, int]) -> bytes:
    return lzma.compress(data, lzma.FORMAT_RAW, filters=lzma_filters(model))


def _write_names(names: Sequence[str]) -> tuple[bytes, bytes]:
    """The length of each name's start that the one before it has as well, and the rests."""
    shared, rests, before = bytearray(), [], ""
    for name in names:
        length = 0
        while length < min(len(before), len(name), 255) and before[length] == name[length]:
            length += 1
        shared.append(length)
        rests.append(name[length:])
        before = name
    return bytes(shared), "\n".join(rests).encode()


def _split(sizes: dict[str, int]) -> list[list[str]]:
    """States in the order of their codes, in groups of about the same size."""
    groups: list[list[str]] = [[]]
    total, before = sum(sizes.values()), 0
    for state, size in sorted(sizes.items()):
        if before >= total * len(groups) / GROUPS:
            groups.append([])
        groups[-1].append(state)
        before += size
    return groups


def pack(prefixes: dict[str, str], names: Sequence[str], states: dict[str, StateColumns]) -> bytes:
    """The archive, whose bytes depend on nothing but what it holds."""
    cells = {code: encode(columns) for code, columns in states.items()}
    groups = _split({code: sum(map(len, of.values())) for code, of in cells.items()})
    streams = {"names": [_compress(d, m) for d, m in zip(_write_names(names), (BYTES, TEXT), strict=True)]}
    for number, group in enumerate(groups):
        streams[f"group-{number}"] = [
            _compress(b"".join(cells[code][column] for code in group), model)
            for column, model in COLUMNS.items()
        ]
    index: Index = {
        "prefixes": prefixes,
        "groups": groups,
        "streams": {member: list(map(len, each)) for member, each in streams.items()},
        "lengths": {code: list(map(len, of.values())) for code, of in sorted(cells.items())},
    }
    members = {member: b"".join(each) for member, each in streams.items()}
    text = json.dumps(index, separators=(",", ":"), sort_keys=True).encode()
    members = {"index": _compress(text, TEXT), **members}
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, data)
    return whole.getvalue()
