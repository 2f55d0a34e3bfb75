"""Real agencies of all kinds and every state, kept by hand in tests/data/places/agencies.csv with the
geography that justifies each.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from monitor.domain import Confidence, Listing
from monitor.places import STATES, load

PATH = Path(__file__).parents[1] / "data" / "places" / "agencies.csv"
ROWS = list(csv.DictReader(PATH.read_text(encoding="utf-8").splitlines()))
WHOLE_STATE = "STATE"


def listing(row: dict[str, str]) -> Listing:
    return Listing(
        name=row["name"], city=row["city"] or None, county=row["county"] or None, state=row["state"]
    )


def objections(row: dict[str, str]) -> str | None:
    """What is wrong with where an agency is placed."""
    placement = load().locate(listing(row))
    must, must_not = row["must"].split(), row["must_not"].split()
    if must == [WHOLE_STATE]:
        right = placement.statewide and placement.places == (row["state"],)
        return None if right else f"is no agency of the whole state: {placement}"
    if placement.confidence is Confidence.STATE_ONLY:
        return f"is not placed: {placement}"
    missing, extra = set(must) - set(placement.places), set(must_not) & set(placement.places)
    return f"lacks {sorted(missing)}, has {sorted(extra)}: {placement}" if missing or extra else None


@pytest.mark.parametrize("state", sorted({row["state"] for row in ROWS}))
def test_a_real_agency_gets_the_places_it_should_and_none_it_should_not(state: str) -> None:
    rows = [row for row in ROWS if row["state"] == state]
    assert [(row["name"], wrong) for row in rows if (wrong := objections(row))] == []


def test_the_file_holds_at_least_150_agencies_of_every_state_and_says_why() -> None:
    assert len(ROWS) >= 150
    assert {row["state"] for row in ROWS} == set(STATES)
    assert all(row["note"] for row in ROWS)
    assert {
        "municipal",
        "county",
        "consolidated",
        "institution",
        "state",
        "tribal",
        "fire",
        "prosecutor",
        "airport",
        "transit",
        "park",
    } <= {row["kind"] for row in ROWS}


def test_every_zip_in_the_file_is_a_known_zip() -> None:
    gazetteer = load()
    asked = {z for row in ROWS for z in (row["must"] + " " + row["must_not"]).split() if z != WHOLE_STATE}
    assert [z for z in sorted(asked) if gazetteer.table.find(z) is None] == []
