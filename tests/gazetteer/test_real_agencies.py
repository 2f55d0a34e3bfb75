"""Real agencies of all kinds and every state, kept by hand in tests/data/places/agencies.csv with the geography that justifies each."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from monitor.domain import Confidence, Listing
from monitor.gazetteer import STATES, load

PATH = Path(__file__).parents[1] / "data" / "places" / "agencies.csv"
ROWS = list(csv.DictReader(PATH.read_text(encoding="utf-8").splitlines()))
WHOLE_STATE = "STATE"


def listing(row: dict[str, str]) -> Listing:
    return Listing(
        name=row["name"], city=row["city"] or None, county=row["county"] or None, state=row["state"]
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['name']}, {row['state']}")
def test_a_real_agency_gets_the_places_it_should_and_none_it_should_not(row: dict[str, str]) -> None:
    placement = load().locate(listing(row))
    must, must_not = row["must"].split(), row["must_not"].split()
    if must == [WHOLE_STATE]:
        assert placement.statewide
        assert placement.places == (row["state"],)
        return
    assert placement.confidence is not Confidence.STATE_ONLY
    assert set(must) <= set(placement.places), placement
    assert not set(must_not) & set(placement.places), placement


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
    assert [z for z in sorted(asked) if gazetteer.zip(z) is None] == []
