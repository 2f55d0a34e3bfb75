"""Builds the packaged table of places, byte for byte the same from the same raw files, and reports the
differences between two builds.

    make places ARGS="--postal US.txt --counties FILE --places FILE --names FILE [--zcta-place FILE]"
    python -m tools.build_gazetteer report OLD NEW

Raw files may be plain, .gz or .xz. The official downloads, each with its license:

--postal
    GeoNames, export/zip/US.zip, US.txt: ZIP, city, state, county, point (CC BY 4.0).
--places
    GeoNames, export/dump/US.zip, feature class P with at least 500 people, re-saved as the columns state,
    name, population, latitude, longitude (CC BY 4.0).
--counties
    U.S. Census Bureau, geo/docs/maps-data/data/rel2020/zcta520, tab20_zcta520_county20_natl.txt, the official
    file or its comma-separated re-save (public domain).
--names
    U.S. Census Bureau names and GEOIDs of places and county subdivisions, as collected by Open Civic Data,
    identifiers/country-us, us_census_places.csv (public domain names).
--zcta-place
    U.S. Census Bureau, geo/docs/maps-data/data/rel2020/zcta520, tab20_zcta520_place20_natl.txt (public
    domain). Optional: with it, a ZIP is assigned by the land that it shares with a place; without it, by the
    place's point and population.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from monitor.places.fips import FIPS
from monitor.places.names import key
from monitor.places.packaged_table import StateTable
from monitor.places.table_format import NO_AREA, NOWHERE, StateColumns, TableFile
from monitor.places.town_zips import pack_towns
from tools.raw_places import (
    Raw,
    Zip,
    complete,
    read_counties,
    read_names,
    read_places,
    read_postal,
    read_zcta_place,
)
from tools.table_encoder import pack

CODES = (*FIPS, "AA", "AE", "AP")
PACKAGED = Path(__file__).parents[1] / "monitor" / "places" / "table.zip"


def milli(degrees: float) -> int:
    return round(degrees * 1000)


def joined(values: Iterable[object], by: str = " ") -> str:
    return by.join(map(str, values))


ZipsByState = defaultdict[str, tuple[list[Zip], list[Zip]]]


def zips_by_state(raw: Raw) -> ZipsByState:
    """Every state's own ZIPs, and those of neighbors that reach into it."""
    state_of = {fips: state for state, fips in FIPS.items()}
    found: ZipsByState = defaultdict(lambda: ([], []))
    for z in sorted(raw.zips.values(), key=lambda z: z.code):
        found[z.state][0].append(z)
        for state in {state_of[c[:2]] for c in z.counties if c[:2] in state_of} - {z.state}:
            found[state][1].append(z)
    return found


def municipalities_of(raw: Raw, state: str, zips: list[Zip]) -> list[str]:
    """The municipalities that are neither post towns nor populated places nor subdivisions."""
    located = {
        *(key(z.city) for z in zips),
        *(key(town[0]) for town in raw.places.get(state, [])),
        *(key(name) for _, name, _ in raw.subdivisions.get(state, [])),
    }
    return sorted({m for m in raw.incorporated.get(state, []) if key(m) not in located})


def list_names(raw: Raw, grouped: ZipsByState) -> list[str]:
    """Every name of the table, in the order in which they are numbered."""
    found = {z.city for z in raw.zips.values()}
    for state in CODES:
        found.update(town[0] for town in raw.places.get(state, []))
        found.update(name for _, name, _ in raw.subdivisions.get(state, []))
        found.update(municipalities_of(raw, state, [z for each in grouped[state] for z in each]))
    return sorted(found)


def columns(raw: Raw, state: str, names: list[str], zips_of: tuple[list[Zip], list[Zip]]) -> StateColumns:
    """One state as it is packaged."""
    number = {name: n for n, name in enumerate(names)}
    own, reaching = zips_of
    zips = own + reaching
    counties = sorted({c for z in zips for c in z.counties})
    position = {c: n for n, c in enumerate(counties)}
    towns = sorted(set(raw.places.get(state, [])))
    governed = {key(name) for name in raw.incorporated.get(state, ())}
    made = StateColumns(
        zips=[int(z.code) for z in zips],
        homes=[z.state for z in reaching],
        city=[number[z.city] for z in zips],
        lat=[milli(z.point[0]) if z.point else NOWHERE for z in zips],
        lon=[milli(z.point[1]) if z.point else NOWHERE for z in zips],
        radius=[z.radius if z.land else NO_AREA for z in zips],
        counties=[(c, raw.counties[c]) for c in counties],
        shares=[
            tuple((position[c], s) for c, s in sorted(z.counties.items(), key=lambda p: (-p[1], p[0])))
            for z in zips
        ],
        places=[number[town[0]] for town in towns],
        population=[town[1] for town in towns],
        place_lat=[milli(town[2]) for town in towns],
        place_lon=[milli(town[3]) for town in towns],
        incorporated=[key(town[0]) in governed for town in towns],
        subdivisions=sorted(
            (int(county), number[name], kind) for county, name, kind in set(raw.subdivisions.get(state, []))
        ),
        municipalities=[number[name] for name in municipalities_of(raw, state, zips)],
        relation=joined(
            (
                joined([name, joined(f"{code}:{share}" for code, share in sorted(z.items()))], "|")
                for name, z in sorted(raw.shares.get(state, []))
            ),
            "||",
        ),
    )
    made.town_zips = pack_towns(StateTable(state, made, tuple(names)))
    return made


def prefixes_of(raw: Raw) -> dict[str, str]:
    """Which states use which three-digit prefix."""
    found: dict[str, set[str]] = defaultdict(set)
    for z in raw.zips.values():
        if z.state in CODES:
            found[z.code[:3]].add(z.state)
    return {prefix: joined(sorted(states)) for prefix, states in sorted(found.items())}


def build_archive(raw: Raw) -> bytes:
    """The archive, byte for byte the same from the same raw files."""
    grouped = zips_by_state(raw)
    names = list_names(raw, grouped)
    return pack(
        prefixes_of(raw), names, {state: columns(raw, state, names, grouped[state]) for state in CODES}
    )


def placed(path: Path) -> dict[str, tuple[str, str, str]]:
    """ZIP -> (state, city, its counties) of a built table."""
    found: dict[str, tuple[str, str, str]] = {}
    packaged = TableFile(path.read_bytes())
    for state in sorted(code for group in packaged.index["groups"] for code in group):
        read = packaged.take(state)
        for row in range(len(read.zips) - len(read.homes)):
            counties = ", ".join(read.counties[county][1] for county, _ in read.shares[row])
            found[f"{read.zips[row]:05}"] = (state, packaged.names[read.city[row]], counties)
    return found


def report(old: Path, new: Path) -> str:
    """What changed between two builds: ZIPs gained, lost, and moved to another state, city or county."""
    before, after = placed(old), placed(new)
    said = []
    for title, codes in (
        ("gained", sorted(after.keys() - before.keys())),
        ("lost", sorted(before.keys() - after.keys())),
        ("moved", sorted(c for c in after.keys() & before.keys() if after[c] != before[c])),
    ):
        said.append(f"{len(codes)} ZIPs {title}")
        for code in codes:
            rows = [r for r in (before.get(code), after.get(code)) if r]
            said.append(
                f"  {code}  "
                + "  ->  ".join(
                    f"{city}, {state} ({counties or 'no county'})" for state, city, counties in rows
                )
            )
    return "\n".join(said)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    build = verbs.add_parser("build", help="make the table from the raw files")
    for name in ("--postal", "--counties", "--places", "--names"):
        build.add_argument(name, type=Path, required=True)
    build.add_argument("--zcta-place", type=Path)
    build.add_argument("--out", type=Path, default=PACKAGED)
    build.add_argument(
        "--report", action="store_true", help="say what changed against the table that is replaced"
    )
    differ = verbs.add_parser("report", help="say what changed between two tables")
    differ.add_argument("old", type=Path)
    differ.add_argument("new", type=Path)
    given = parser.parse_args(arguments)
    if given.verb == "report":
        print(report(given.old, given.new))
        return 0
    raw = Raw()
    read_postal(given.postal, raw)
    read_counties(given.counties, raw)
    read_places(given.places, raw)
    read_names(given.names, raw)
    if given.zcta_place:
        read_zcta_place(given.zcta_place, raw)
    complete(raw)
    packed = build_archive(raw)
    before = given.out.read_bytes() if given.report and given.out.is_file() else None
    given.out.write_bytes(packed)
    if before is not None:
        with tempfile.TemporaryDirectory() as folder:
            replaced = Path(folder) / given.out.name
            replaced.write_bytes(before)
            print(report(replaced, given.out))
    print(
        f"{given.out}: {len(packed):,} bytes, {len(raw.zips):,} ZIPs, sha256 "
        f"{hashlib.sha256(packed).hexdigest()}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
