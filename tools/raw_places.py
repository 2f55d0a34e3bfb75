"""The raw public files about ZIPs, counties and places, read and completed; `build_gazetteer` packs what
comes out.
"""

from __future__ import annotations

import csv
import gzip
import lzma
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from monitor.places.codes import state_of_zip
from monitor.places.fips import FIPS as FIPS_OF_STATE
from monitor.places.fips import STATE_OF_FIPS as FIPS

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
    """Counties by their legal names, and county subdivisions (GEOID of ten digits: state, county,
    subdivision).
    """
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
    """One spelling of independent cities ("Richmond (city)"); the postal file has several and cuts long
    ones.
    """
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
