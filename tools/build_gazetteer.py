"""Builds the packaged table of places, byte for byte the same from the same raw files, and reports what two builds differ in.

    python tools/build_gazetteer.py build --postal US.txt --counties FILE --places FILE --names FILE [--zcta-place FILE] [--report]
    python tools/build_gazetteer.py report OLD NEW

Raw files may be plain, .gz or .xz. The official downloads, each with its licence:

==============  ==================================================================================  ===================
argument        publisher and file                                                                  licence
==============  ==================================================================================  ===================
--postal        GeoNames, export/zip/US.zip, US.txt: ZIP, city, state, county, point                CC BY 4.0
--places        GeoNames, export/dump/US.zip, feature class P with at least 500 people, re-saved    CC BY 4.0
                as the columns state, name, population, latitude, longitude
--counties      U.S. Census Bureau, geo/docs/maps-data/data/rel2020/zcta520,                        public domain
                tab20_zcta520_county20_natl.txt (the official file or its comma-separated re-save)
--names         U.S. Census Bureau names and GEOIDs of places and county subdivisions, as           public domain names
                collected by Open Civic Data, identifiers/country-us, us_census_places.csv
--zcta-place    U.S. Census Bureau, geo/docs/maps-data/data/rel2020/zcta520,                        public domain
                tab20_zcta520_place20_natl.txt; optional: with it the land that a ZIP shares with
                a place decides, without it the place's point and population do
==============  ==================================================================================  ===================
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import io
import lzma
import math
import sys
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from monitor.gazetteer.fips import FIPS as FIPS_OF_STATE
from monitor.gazetteer.fips import STATE_OF_FIPS as FIPS
from monitor.gazetteer.names import key
from monitor.gazetteer.places import state_of_zip

PACKAGED = Path(__file__).parents[1] / "monitor" / "gazetteer" / "table.zip"
LEAST_SHARE = 2  # percent of a ZIP's land that makes it a county's or a place's ZIP
# The territories' county equivalents and post towns: in none of the raw files.
TERRITORY_COUNTIES = {
    "66010": "Guam",
    "78010": "St. Croix",
    "78020": "St. John",
    "78030": "St. Thomas",
    "60010": "Eastern District",
    "60020": "Manu'a District",
    "60050": "Western District",
    "69085": "Northern Islands",
    "69100": "Rota",
    "69110": "Saipan",
    "69120": "Tinian",
}
TERRITORY_TOWNS = {
    "00802": "St Thomas",
    "00803": "St Thomas",
    "00820": "Christiansted",
    "00830": "St John",
    "00840": "Frederiksted",
    "00850": "Kingshill",
    "00851": "Kingshill",
    "96799": "Pago Pago",
    "96910": "Hagatna",
    "96913": "Barrigada",
    "96915": "Santa Rita",
    "96916": "Merizo",
    "96917": "Inarajan",
    "96921": "Barrigada",
    "96928": "Agat",
    "96929": "Yigo",
    "96931": "Tamuning",
    "96932": "Hagatna",
    "96950": "Saipan",
    "96951": "Rota",
    "96952": "Tinian",
}
ALASKA_COUNTIES = {"02158": "Kusilvak Census Area", "02270": "Kusilvak Census Area"}
KINDS = {"township": "t", "town": "o", "village": "v", "borough": "b", "city": "c", "plantation": "p"}


@dataclass
class Zip:
    code: str
    city: str
    state: str
    point: tuple[float, float] | None
    land: int = 0  # square metres; 0 when it has no area of its own
    counties: dict[str, int] = field(default_factory=dict)  # five-digit FIPS -> percent of its land

    @property
    def radius(self) -> int:
        """Radius in units of 0.1 km of the circle that is as large as the ZIP's land."""
        return round(math.sqrt(self.land / math.pi) / 100)


@dataclass
class Raw:
    """Everything that the table holds, before it is split by state."""

    zips: dict[str, Zip] = field(default_factory=dict)
    counties: dict[str, str] = field(default_factory=dict)  # five-digit FIPS -> legal name
    places: dict[str, list[tuple[str, int, float, float]]] = field(default_factory=lambda: defaultdict(list))
    subdivisions: dict[str, list[tuple[str, str, str]]] = field(default_factory=lambda: defaultdict(list))
    incorporated: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    shares: dict[str, list[tuple[str, dict[str, int]]]] = field(default_factory=lambda: defaultdict(list))


def lines(path: Path) -> Iterator[str]:
    """The text lines of a plain, gzip or xz file."""
    opened = {".xz": lzma.open, ".gz": gzip.open}.get(path.suffix)
    if opened is None:
        with path.open(encoding="utf-8-sig", newline="") as plain:
            yield from plain
    else:
        with opened(path, "rt", encoding="utf-8-sig", newline="") as packed:
            yield from packed


def table(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a Census relation, with "|" or "," between the columns."""
    rows = lines(path)
    head = next(rows)
    names = head.rstrip("\r\n").split("|" if "|" in head else ",")
    return csv.DictReader(rows, fieldnames=names, delimiter="|" if "|" in head else ",")


def read_postal(path: Path, raw: Raw) -> None:
    for line in lines(path):
        cell = line.rstrip("\r\n").split("\t")
        code, city, state, county, fips, lat, lon = (
            cell[1],
            cell[2],
            cell[4],
            cell[5],
            cell[6],
            cell[9],
            cell[10],
        )
        known = raw.zips.get(code)
        if known is not None and known.state:  # a base's second row, as FPO: the row with a state stays
            continue
        found = Zip(code, city, state, (float(lat), float(lon)) if lat and lon else None)
        state_fips = FIPS_OF_STATE.get(state)
        if fips and state_fips:
            found.counties = {state_fips + fips: 100}
            raw.counties.setdefault(state_fips + fips, county)
        raw.zips[code] = found


def read_counties(path: Path, raw: Raw) -> None:
    land: dict[str, int] = {}
    parts: dict[str, dict[str, int]] = defaultdict(dict)
    for row in table(path):
        code = row.get("zcta5") or row.get("GEOID_ZCTA5_20") or ""
        county = row.get("fips_code_county") or row.get("GEOID_COUNTY_20") or ""
        if not code or not county:
            continue
        land[code] = int(row.get("arealand_zcta5_20") or row.get("AREALAND_ZCTA5_20") or 0)
        parts[code][county] = int(row.get("arealand_part") or row.get("AREALAND_PART") or 0)
    for code, areas in parts.items():
        total = sum(areas.values())
        shares = {
            c: round(100 * a / total) if total else 100
            for c, a in areas.items()
            if not total or 100 * a >= LEAST_SHARE * total
        }
        main = max(areas, key=lambda c: (areas[c], c))
        found = raw.zips.setdefault(code, Zip(code, "", FIPS[main[:2]], None))
        found.land, found.counties = land[code], shares
    largest: dict[str, tuple[int, str]] = {}
    for code, areas in parts.items():
        for county, area in areas.items():
            largest[county] = max(largest.get(county, (0, "")), (area, code))
    for county in sorted(
        (largest.keys() & raw.counties.keys()) - {c for z in raw.zips.values() if z.land for c in z.counties}
    ):
        raw.zips[largest[county][1]].counties[county] = (
            1  # a city smaller than 2 % of its only ZIP (Lexington, Virginia)
        )


def read_places(path: Path, raw: Raw) -> None:
    for row in csv.DictReader(lines(path), delimiter="\t"):
        raw.places[row["state"]].append(
            (row["name"], int(row["population"]), float(row["latitude"]), float(row["longitude"]))
        )


def read_names(path: Path, raw: Raw) -> None:
    """Counties by their legal names, and county subdivisions (GEOID of ten digits: state, county, subdivision)."""
    for row in csv.DictReader(lines(path)):
        geoid = row["census_geoid"].removeprefix("place-")
        if len(geoid) == 5:
            raw.counties[geoid] = row["name"]
        elif len(geoid) == 10 and geoid[:2] in FIPS:
            name, _, kind = row["name"].rpartition(" ")
            letter = KINDS.get(kind.casefold())
            raw.subdivisions[FIPS[geoid[:2]]].append(
                (geoid[2:5], name if letter else row["name"], letter or "-")
            )
        elif len(geoid) == 7 and geoid[:2] in FIPS:
            name, _, kind = row["name"].rpartition(" ")
            raw.incorporated[FIPS[geoid[:2]]].append(name if kind in KINDS else row["name"])


def read_zcta_place(path: Path, raw: Raw) -> None:
    shares: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for row in table(path):
        code, geoid, name = row["GEOID_ZCTA5_20"], row["GEOID_PLACE_20"], row["NAMELSAD_PLACE_20"]
        whole, part = int(row["AREALAND_ZCTA5_20"] or 0), int(row["AREALAND_PART"] or 0)
        if code and geoid[:2] in FIPS and whole and 100 * part >= LEAST_SHARE * whole:
            plain = name.removesuffix(" CDP")
            stem, _, kind = plain.rpartition(" ")
            shares[FIPS[geoid[:2]], stem if kind in KINDS else plain][code] = round(100 * part / whole)
    for (state, name), zips in shares.items():
        raw.shares[state].append((name, zips))


def complete(raw: Raw) -> None:
    """Names what the raw files leave without a name, and brings all ZIPs to the counties of one year."""
    raw.counties.update(TERRITORY_COUNTIES)
    raw.counties = {fips: county_name(fips, name) for fips, name in raw.counties.items()}
    areal: dict[str, list[Zip]] = defaultdict(list)
    for z in raw.zips.values():
        if z.land and z.point:
            areal[z.state].append(z)
    known = {c for z in raw.zips.values() if z.land for c in z.counties}
    for z in raw.zips.values():
        if not z.land and not known.issuperset(z.counties):
            z.counties = nearest_counties(z, areal[z.state])
    for found in raw.zips.values():
        if not found.city:
            main = max(found.counties, key=lambda c: (found.counties[c], c))
            found.city = TERRITORY_TOWNS.get(found.code) or raw.counties[main].removesuffix(" Municipio")
        if not found.state and found.city[:4] in ("APO ", "FPO ", "DPO "):
            found.state = state_of_zip(found.code) or found.city[-2:]  # the file writes "AA" for some in Asia
            found.city = found.city[:4] + found.state


def county_name(fips: str, name: str) -> str:
    """One spelling of independent cities ("Richmond (city)"); the postal file has several and cuts long ones."""
    if fips[:2] in ("24", "29", "32", "51") and fips[2:] >= "510":
        return name.removeprefix("City of ").removesuffix(")").removesuffix("(city").strip() + " (city)"
    return ALASKA_COUNTIES.get(fips, name)


def nearest_counties(found: Zip, areal: list[Zip]) -> dict[str, int]:
    """The counties of the nearest ZIP with land, for one whose own the relation does not know.

    The postal file follows Connecticut's planning regions of 2022, the relation the counties before them.
    """
    if found.point is None or not areal:
        return found.counties
    lat, lon = found.point

    def away(z: Zip) -> tuple[float, str]:
        assert z.point is not None
        return math.hypot(z.point[0] - lat, (z.point[1] - lon) * math.cos(math.radians(lat))), z.code

    return dict(min(areal, key=away).counties)


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
    return "".join(f"{name}\t{values}\n" for name, values in columns.items())


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
    """A zip archive whose bytes depend on nothing but the members: fixed times, fixed order, fixed LZMA settings."""
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
        f"{given.out}: {len(packed):,} bytes, {len(raw.zips):,} ZIPs, sha256 {hashlib.sha256(packed).hexdigest()}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
