"""Builds the packaged table of places, byte for byte the same from the same raw files, and reports what two
builds differ in.

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
    domain). Optional: with it the land that a ZIP shares with a place decides, without it the place's point
    and population do.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from monitor.places.areas import pack_towns
from monitor.places.fips import STATE_OF_FIPS as FIPS
from monitor.places.names import key
from monitor.places.packaged_table import parse
from tools.raw_places import (
    Raw,
    complete,
    read_counties,
    read_names,
    read_places,
    read_postal,
    read_zcta_place,
)

PACKAGED = Path(__file__).parents[1] / "monitor" / "places" / "table.zip"


def milli(degrees: float) -> str:
    return str(round(degrees * 1000))


def joined(values: Iterable[object], by: str = " ") -> str:
    return by.join(map(str, values))


def member(raw: Raw, state: str, fips: str | None) -> str:
    """One state as text: a line a column, its name, a tab, and the values (names are separated by "|")."""
    own = sorted((z for z in raw.zips.values() if z.state == state), key=lambda z: z.code)
    over = sorted(
        (
            z
            for z in raw.zips.values()
            if z.state != state and fips and any(c[:2] == fips for c in z.counties)
        ),
        key=lambda z: z.code,
    )
    zips = own + over
    cities = sorted({z.city for z in zips})
    place = {name: n for n, name in enumerate(cities)}
    counties = sorted({c for z in zips for c in z.counties})
    number = {c: n for n, c in enumerate(counties)}
    columns: dict[str, str] = {
        "counties": joined((f"{c} {raw.counties[c]}" for c in counties), "|"),
        "cities": joined(cities, "|"),
        "zip": joined(z.code for z in zips),
        "home": joined(z.state for z in over),
        "city": joined(place[z.city] for z in zips),
        "lat": joined(milli(z.point[0]) if z.point else "x" for z in zips),
        "lon": joined(milli(z.point[1]) if z.point else "x" for z in zips),
        "radius": joined(z.radius if z.land else "x" for z in zips),
        "in": joined(
            joined(
                (
                    f"{number[c]}" if s == 100 else f"{number[c]}:{s}"
                    for c, s in sorted(z.counties.items(), key=lambda p: (-p[1], p[0]))
                ),
                ",",
            )
            or "x"
            for z in zips
        ),
    }
    towns = sorted(set(raw.places.get(state, [])))
    columns["places"] = joined((t[0] for t in towns), "|")
    columns["population"] = joined(t[1] for t in towns)
    columns["place-lat"] = joined(milli(t[2]) for t in towns)
    columns["place-lon"] = joined(milli(t[3]) for t in towns)
    governed = {key(name) for name in raw.incorporated.get(state, ())}
    columns["incorporated"] = joined((int(key(t[0]) in governed) for t in towns), "")
    by_county: dict[str, list[str]] = defaultdict(list)
    for county, name, kind in sorted(set(raw.subdivisions.get(state, []))):
        by_county[county].append(kind + name)
    columns["subdivisions"] = joined(
        (joined([county, *names], "|") for county, names in sorted(by_county.items())), "||"
    )
    located = {
        key(name)
        for name in (*cities, *(t[0] for t in towns), *(n for _, n, _ in raw.subdivisions.get(state, [])))
    }
    columns["municipalities"] = joined(
        sorted({m for m in raw.incorporated.get(state, []) if key(m) not in located}), "|"
    )
    columns["shares"] = joined(
        (
            joined([name, joined(f"{code}:{share}" for code, share in sorted(z.items()))], "|")
            for name, z in sorted(raw.shares.get(state, []))
        ),
        "||",
    )
    text = "".join(f"{name}\t{values}\n" for name, values in columns.items())
    return add_towns(state, text)


def add_towns(state: str, text: str) -> str:
    """A state's member with the ZIPs of each town, which the rules work out of all its other columns."""
    return f"{text}town-zips\t{pack_towns(parse(state, text))}\n"


def members(raw: Raw) -> dict[str, str]:
    """The members of the archive by name, the index first: which states use which three-digit prefix."""
    made = {f"{s}.tsv": member(raw, s, f) for f, s in sorted(FIPS.items(), key=lambda p: p[1])}
    for military in ("AA", "AE", "AP"):
        made[f"{military}.tsv"] = member(raw, military, None)
    prefixes: dict[str, set[str]] = defaultdict(set)
    for z in raw.zips.values():
        if z.state in FIPS.values() or z.state in ("AA", "AE", "AP"):
            prefixes[z.code[:3]].add(z.state)
    index = "".join(f"{prefix}\t{joined(sorted(states))}\n" for prefix, states in sorted(prefixes.items()))
    return {"prefixes.tsv": index, **dict(sorted(made.items()))}


def pack(made: dict[str, str]) -> bytes:
    """A zip archive whose bytes depend on nothing but the members: fixed times, fixed order, fixed LZMA
    settings.
    """
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_LZMA) as archive:
        for name, text in made.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_LZMA, 3, 0o644 << 16
            archive.writestr(entry, text.encode())
    return whole.getvalue()


def placed(path: Path) -> dict[str, tuple[str, str, str]]:
    """ZIP -> (state, city, its counties) of a built table."""
    found: dict[str, tuple[str, str, str]] = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name == "prefixes.tsv":
                continue
            column = dict(line.split("\t", 1) for line in archive.read(name).decode().splitlines())
            cities, counties = column["cities"].split("|"), column["counties"].split("|")
            over = len(column["home"].split())
            codes = column["zip"].split()
            for code, city, within in list(
                zip(codes, column["city"].split(), column["in"].split(), strict=True)
            )[: len(codes) - over]:
                names = (
                    ()
                    if within == "x"
                    else (counties[int(p.split(":")[0])].split(" ", 1)[1] for p in within.split(","))
                )
                found[code] = (name.removesuffix(".tsv"), cities[int(city)], ", ".join(names))
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
    packed = pack(members(raw))
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
