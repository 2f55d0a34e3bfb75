"""Agencies as 287(g) (with a county) and Ring's map (with a town) name them, by hand in
tests/data/places/judged.csv with the places that were expected before they were tried.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from monitor.domain import Confidence, Listing
from monitor.places import load
from monitor.places.county_names import county_named, county_rows

PATH = Path(__file__).parents[1] / "data" / "places" / "judged.csv"
ROWS = list(csv.DictReader(PATH.read_text(encoding="utf-8").splitlines()))


def zips_of(state: str, county: str) -> set[str]:
    table = load().table.state(state)
    return set(table.zips.pick(county_rows(table, county_named(table, county)[:1])))


def objections(row: dict[str, str]) -> str | None:
    """What is wrong with where an agency is placed: ``within`` a county most of its ZIPs lie there, ``most``
    is the number of ZIPs that are not too many.
    """
    placement = load().locate(
        Listing(name=row["name"], city=row["city"] or None, county=row["county"] or None, state=row["state"])
    )
    if row["statewide"]:
        return None if placement.statewide else f"is no agency of the whole state: {placement}"
    if placement.statewide or placement.confidence is Confidence.STATE_ONLY:
        return f"is not placed: {placement}"
    places, wrong = set(placement.places), []
    if row["is_county"] and places != zips_of(row["state"], row["is_county"]):
        wrong.append(f"is not {row['is_county']} County")
    if row["within"] and 2 * len(places & zips_of(row["state"], row["within"])) < len(places):
        wrong.append(f"is not in {row['within']} County")
    if not set(row["holds"].split()) <= places or places & set(row["lacks"].split()):
        wrong.append("has other ZIPs")
    if row["most"] and len(places) > int(row["most"]):
        wrong.append("has too many ZIPs")
    return f"{', '.join(wrong)}: {placement}" if wrong else None


@pytest.mark.parametrize("state", sorted({row["state"] for row in ROWS}))
def test_an_agency_gets_the_places_that_were_expected(state: str) -> None:
    rows = [row for row in ROWS if row["state"] == state]
    assert [(row["name"], wrong) for row in rows if (wrong := objections(row))] == []


def test_the_file_has_many_agencies_of_most_states() -> None:
    assert len(ROWS) >= 600
    assert len({row["state"] for row in ROWS}) >= 45
