"""How well and how fast agencies are placed: coverage, counties, nearest ZIPs, surplus and calibration, on
real names.

    python -m benchmarks.gazetteer [--json] [--half report|tune|all] [--with-points] [--misses N]

Reads ../shared/data (HIFLD's agencies, the 287(g) workbooks). The rule was tuned on the agencies whose ID has
an even CRC-32; the figures are of the other half. Agencies' points are what the answers are checked against:
the rule does not see them unless --with-points says so.

"surplus %" is the share of all matched ZIPs whose center is farther than 15 km from the agency's point,
pooled: stations of large cities dominate it, and a wide city's own outlying ZIPs and PO boxes count as
surplus too. "surplus per agency %" is the mean of the agencies' own shares. "municipal hq" leaves out
stations and precincts ("... - PRECINCT 5"), "consolidated" are the governments known by hand, "other" is
neither police nor any of these.
"""

from __future__ import annotations

import argparse
import csv
import json
import lzma
import random
import statistics
import sys
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import openpyxl
from msgspec import structs

from monitor.domain import Confidence, Listing, Placement
from monitor.places import Gazetteer, load
from monitor.places.finder import find
from monitor.places.names import key
from monitor.places.packaged_table import county_stem, distance
from monitor.states import read_state

SHARED = Path(__file__).parents[1] / ".." / "shared" / "data"
SURPLUS_KM = 15.0


@dataclass(frozen=True)
class Agency:
    id: str
    listing: Listing
    county: str
    point: tuple[float, float]


def hifld(half: str) -> Iterator[Agency]:
    """The sample's agencies with a state; half "tune" has even checksums, "report" odd ones."""
    with lzma.open(SHARED / "geo" / "hifld_agencies_sample.csv.xz", "rt", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            odd = zlib.crc32(row["ID"].encode()) & 1
            if half != "all" and odd != (half == "report"):
                continue
            yield Agency(
                row["ID"],
                Listing(name=row["NAME"], city=row["CITY"], state=row["STATE"]),
                row["COUNTY"],
                (float(row["Y"]), float(row["X"])),
            )


def participants() -> list[Listing]:
    """Every distinct name, state and county in all workbooks of the 287(g) list."""
    found: dict[tuple[str, str, str], Listing] = {}
    for path in sorted((SHARED / "ice_287g").glob("*.xlsx")):
        for sheet in openpyxl.load_workbook(path, read_only=True):
            head: list[str] = []
            for cells in sheet.iter_rows(values_only=True):
                texts = [str(c).strip() if c is not None else "" for c in cells]
                if not head:
                    head = texts if "STATE" in texts else []
                    continue
                row = dict(zip(head, texts, strict=False))
                name, reading = row.get("LAW ENFORCEMENT AGENCY", ""), read_state(row.get("STATE", ""))
                county = row.get("COUNTY", "")
                if name and reading and name != "#VALUE!":
                    found[name, reading.code, county] = Listing(
                        name=name, state=reading.code, county=county or None
                    )
    return list(found.values())


def kind_of(agency: Agency) -> str:
    """The kind by HIFLD's own words, independent of the rule."""
    name = f" {agency.listing.name} "
    for kind, marks in (
        (
            "state",
            (
                "STATE POLICE",
                "HIGHWAY PATROL",
                "STATE PATROL",
                "STATE TROOPER",
                "DEPARTMENT OF NATURAL",
                "DEPARTMENT OF CORRECTION",
            ),
        ),
        (
            "institution",
            ("UNIVERSITY", "COLLEGE", "SCHOOL", "AIRPORT", "HOSPITAL", "TRANSIT", "CAMPUS", "STATE PARK"),
        ),
        ("tribal", ("TRIBAL", "TRIBE", "NATION ")),
        ("county", ("COUNTY", "SHERIFF", "PARISH", "CONSTABLE")),
    ):
        if any(mark in name for mark in marks):
            return kind
    return "municipal" if "POLICE" in name or "MARSHAL" in name else "other"


@dataclass
class Tally:
    """The results of one list of agencies."""

    agencies: int = 0
    placed: int = 0
    county_known: int = 0
    county_right: int = 0
    nearest_known: int = 0
    nearest_in: int = 0
    nearest_areal_in: int = 0
    zips: list[int] = field(default_factory=list)
    far: int = 0
    far_share: float = 0.0
    by_confidence: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))

    def row(self) -> dict[str, object]:
        def percent(part: float, whole: float) -> float | None:
            return round(100 * part / whole, 2) if whole else None

        return {
            "agencies": self.agencies,
            "placed %": percent(self.placed, self.agencies),
            "county right %": percent(self.county_right, self.county_known),
            "nearest ZIP in %": percent(self.nearest_in, self.nearest_known),
            "nearest areal in %": percent(self.nearest_areal_in, self.nearest_known),
            "surplus %": percent(self.far, sum(self.zips)),
            "surplus per agency %": percent(self.far_share, len(self.zips)),
            "median ZIPs": statistics.median(self.zips) if self.zips else None,
        }


class Truth:
    """The truth according to the points: nearest ZIP, county."""

    def __init__(self, gazetteer: Gazetteer) -> None:
        self.table = gazetteer.table

    def nearest(self, agency: Agency, areal: bool) -> str | None:
        table = self.table.state(agency.listing.state or "")
        near = [
            (away, row) for away, row in table.near(agency.point, 40.0) if not areal or table.radius[row] >= 0
        ]
        return table.zips[min(near)[1]] if near else None

    def counties(self, state: str, places: Iterable[str]) -> set[str]:
        table = self.table.state(state)
        found = set()
        for code in places:
            row = table.row.get(code)
            if row is not None:
                found.update(key(county_stem(table.counties[c].name)) for c, _ in table.shares[row])
        return found

    def knows_county(self, state: str, name: str) -> bool:
        return key(name) in self.table.state(state).by_county

    def far(self, agency: Agency, places: Iterable[str]) -> int:
        table = self.table.state(agency.listing.state or "")
        points = (table.point(table.row[p]) for p in places if p in table.row)
        return sum(1 for p in points if p and distance(p, agency.point) > SURPLUS_KM)


def county_key(name: str, state: str) -> str:
    stem = (
        name.removesuffix(" CITY")
        if state in ("VA", "MD", "MO")
        and name.endswith(" CITY")
        and name not in ("JAMES CITY", "CHARLES CITY")
        else name
    )
    return key(stem)


def score(
    gazetteer: Gazetteer, agencies: Iterable[Agency], *, points: bool = False
) -> tuple[dict[str, Tally], list[tuple[str, Agency, Placement]]]:
    truth = Truth(gazetteer)
    tallies: dict[str, Tally] = defaultdict(Tally)
    misses: list[tuple[str, Agency, Placement]] = []
    for agency in agencies:
        listing = agency.listing
        if points:
            listing = structs.replace(listing, point=agency.point)
        placement = gazetteer.locate(listing)
        kind = "consolidated" if placement.how == "consolidated" else kind_of(agency)
        rows = [tallies["all"], tallies[kind]]
        if kind == "municipal" and " - " not in listing.name:
            rows.append(tallies["municipal hq"])
        for tally in rows:
            tally.agencies += 1
            tally.placed += placement.confidence is not Confidence.STATE_ONLY
        if placement.confidence is Confidence.STATE_ONLY:
            misses.append(("unplaced", agency, placement))
            continue
        if placement.statewide:
            continue
        state = listing.state or ""
        wanted = county_key(agency.county, state)
        right_county = wanted in truth.counties(state, placement.places)
        nearest, areal = truth.nearest(agency, False), truth.nearest(agency, True)
        far = truth.far(agency, placement.places)
        for tally in rows:
            if truth.knows_county(state, wanted):
                tally.county_known += 1
                tally.county_right += right_county
                verdict = tally.by_confidence[placement.confidence]
                verdict[0] += 1
                verdict[1] += right_county
            if nearest:
                tally.nearest_known += 1
                tally.nearest_in += nearest in placement.places
                tally.nearest_areal_in += areal in placement.places
            tally.zips.append(len(placement.places))
            tally.far += far
            tally.far_share += far / len(placement.places)
        if truth.knows_county(state, wanted) and not right_county:
            misses.append((f"county {placement.confidence}", agency, placement))
        elif kind == "municipal" and nearest and nearest not in placement.places:
            misses.append((f"nearest {nearest}/{areal}", agency, placement))
        if kind == "municipal" and far > 0.5 * len(placement.places):
            misses.append(("surplus", agency, placement))
    return dict(tallies), misses


def without_city(agencies: Iterable[Agency]) -> list[Agency]:
    """The same agencies as a list with names and states only would have them: headquarters and their branches
    told once.
    """
    seen: dict[tuple[str, str | None], Agency] = {}
    for agency in agencies:
        seen.setdefault((agency.listing.name, agency.listing.state), agency)
    return [replace(a, listing=structs.replace(a.listing, city=None)) for a in seen.values()]


def speed(gazetteer: Gazetteer, agencies: list[Agency]) -> float:
    """Agencies a second after loading."""
    for agency in agencies[:2000]:
        gazetteer.locate(agency.listing)
    began = time.perf_counter()
    for agency in agencies:
        gazetteer.locate(agency.listing)
    return len(agencies) / (time.perf_counter() - began)


def finder_speed(
    gazetteer: Gazetteer, agencies: list[Agency], count: int = 400
) -> dict[str, dict[str, float]]:
    """Processor milliseconds of a lookup after loading, each text for the first time, by kind of text."""
    find("Detriot", gazetteer)  # reads every state and makes the index of spellings
    some = [a.listing for a in random.Random(1).sample(agencies, count) if a.listing.city]
    texts = {
        "town": [f"{a.city}" for a in some],
        "town and state": [f"{a.city}, {a.state}" for a in some],
        "address": [f"100 Main St, {a.city}, {a.state}" for a in some],
        "typo": [f"{a.city}"[:3] + f"{a.city}"[4:] for a in some],
        "agency": [a.name for a in some],
    }
    figures: dict[str, dict[str, float]] = {}
    for kind, typed in texts.items():
        took = []
        for text in typed:
            began = time.process_time()
            find(text, gazetteer)
            took.append(1000 * (time.process_time() - began))
        p99 = statistics.quantiles(took, n=100)[98]
        figures[kind] = {"mean": round(statistics.mean(took), 2), "p99": round(p99, 2)}
    return figures


def table(title: str, rows: dict[str, dict[str, object]]) -> None:
    columns = list(next(iter(rows.values())))
    print(f"\n{title}\n{'':14}" + "".join(f"{c:>21}" for c in columns))
    for name, row in rows.items():
        print(f"{name:14}" + "".join(f"{'-' if row[c] is None else row[c]:>21}" for c in columns))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    parser.add_argument("--half", choices=("report", "tune", "all"), default="report")
    parser.add_argument("--with-points", action="store_true", help="let the rule see the agencies' points")
    parser.add_argument("--misses", type=int, default=0, metavar="N", help="show so many misses of each sort")
    given = parser.parse_args()
    gazetteer = load()
    agencies = list(hifld(given.half))
    with_city, misses = score(gazetteer, agencies, points=given.with_points)
    bare, bare_misses = score(gazetteer, without_city(agencies))
    names = participants()
    placed = [(n, gazetteer.locate(n)) for n in names]
    unplaced = [n for n, p in placed if p.confidence is Confidence.STATE_ONLY]
    answer = {
        "half": given.half,
        "name, city and state": {k: t.row() for k, t in sorted(with_city.items())},
        "name and state": {k: t.row() for k, t in sorted(bare.items())},
        "287(g) names": {
            "agencies": len(names),
            "placed %": round(100 * (1 - len(unplaced) / len(names)), 2),
        },
        "calibration: county right % by confidence": {
            c: {"agencies": n, "right %": round(100 * r / n, 2)}
            for c, (n, r) in sorted(with_city["all"].by_confidence.items())
        },
        "calibration without a city": {
            c: {"agencies": n, "right %": round(100 * r / n, 2)}
            for c, (n, r) in sorted(bare["all"].by_confidence.items())
        },
        "agencies/s": round(speed(gazetteer, agencies)),
        "finder, ms of processor": finder_speed(gazetteer, agencies),
    }
    if given.json:
        print(json.dumps(answer, indent=2))
        return 0
    table(f"HIFLD, half {given.half}: name, city and state", answer["name, city and state"])
    table("name and state only", answer["name and state"])
    for title in (
        "287(g) names",
        "calibration: county right % by confidence",
        "calibration without a city",
        "agencies/s",
        "finder, ms of processor",
    ):
        print(f"{title}: {answer[title]}")
    for title, found in (("with city", misses), ("without city", bare_misses)):
        sorts: dict[str, list[str]] = defaultdict(list)
        for why, agency, placement in found:
            a = agency.listing
            sorts[why.split(" ")[0]].append(
                f"{why}: {a.name} | {a.city} {a.state} | {agency.county} -> {placement.how} "
                f"{placement.confidence} {' '.join(placement.places[:6])} {len(placement.places)}"
            )
        for sort, lines in sorts.items():
            print(f"\n{title}, {sort}: {len(lines)}")
            for line in random.Random(4).sample(lines, min(given.misses, len(lines))):
                print("  " + line)
    if given.misses:
        print("\n287(g) unplaced:", Counter(n.state for n in unplaced).most_common(5))
        for n in unplaced[: given.misses]:
            print("  ", n.name, "|", n.state, "|", n.county)
    return 0


if __name__ == "__main__":
    sys.exit(main())
