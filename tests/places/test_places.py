"""What people may subscribe to, and what a ZIP is."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain import Confidence, Listing, Placement, PlacementReason
from monitor.errors import UsageError
from monitor.places import MILITARY, STATES, ZipKind, load, parse_place, state_of_zip


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("60601", "60601"),
        (" 60601 ", "60601"),
        ("60601-1234", "60601"),
        ("\uff16\uff10\uff16\uff10\uff11", "60601"),  # full-width digits
        ("606011234", "60601"),
        ("00501", "00501"),
        ("IL", "IL"),
        ("il", "IL"),
        ("Illinois", "IL"),
        ("new  york", "NY"),
        ("District of Columbia", "DC"),
        ("Puerto Rico", "PR"),
        ("US", "US"),
        ("all", "US"),
    ],
)
def test_a_place_is_read_as_people_write_it(text: str, place: str) -> None:
    assert parse_place(text) == place


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Give a place"),
        ("606", "has 3 digits"),
        ("2138", "has 4 digits"),
        ("606011", "is not a ZIP code"),
        ("\u0666\u0660\u0666\u0660\u0661", "is not a ZIP code"),  # digits of another script
        ("60601-12", "is not a ZIP code"),
        ("Ilinois", 'write "Illinois"'),
        ("Chicago", "no place that we know"),
        ("AE", "military region"),
    ],
)
def test_what_is_no_place_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_place(text)


@given(st.text(max_size=12))
def test_a_text_is_a_place_or_a_usage_error(text: str) -> None:
    try:
        place = parse_place(text)
    except UsageError:
        return
    assert place in STATES or place == "US" or (len(place) == 5 and place.isdigit())


def test_a_short_zip_is_never_padded() -> None:
    with pytest.raises(UsageError, match="never guessed"):
        parse_place("2138")


def test_reading_a_place_does_not_load_the_table() -> None:
    script = (
        "import sys; import monitor.places.codes; print(any('gazetteer.table' in m for m in sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


def test_the_prefix_gives_the_state_that_the_table_gives() -> None:
    gazetteer = load()
    wrong = {
        code: state
        for state in (*STATES, *MILITARY)
        for table in (gazetteer.table.state(state),)
        for code in table.zips[: len(table.zips) - len(table.homes)]
        if state_of_zip(code) != state
    }
    assert len(wrong) <= 12, wrong  # post offices that are served across a state line
    assert all(gazetteer.state_of_zip(code) == state for code, state in wrong.items())


def test_a_zip_has_its_towns_counties_and_states() -> None:
    area = load().zip("63105")
    assert area is not None
    assert area.towns[:2] == ("Saint Louis", "Clayton")
    assert area.counties == ("St. Louis County", "the city of St. Louis")
    assert area.state == "MO"
    assert area.kind is ZipKind.STANDARD
    assert area.notices == ()


@pytest.mark.parametrize(
    ("zip_code", "kind", "said"),
    [
        ("46325", ZipKind.PO_BOX, "no area of its own"),
        ("20500", ZipKind.UNIQUE, "one large receiver"),
        ("09012", ZipKind.MILITARY, "military or diplomatic post office"),
        ("84536", ZipKind.STANDARD, "reaches into Arizona"),
    ],
)
def test_a_zip_that_is_not_plain_comes_with_a_notice(zip_code: str, kind: ZipKind, said: str) -> None:
    area = load().zip(zip_code)
    assert area is not None
    assert area.kind is kind
    assert any(said in notice for notice in area.notices)
    assert load().notices(zip_code) == area.notices


def test_an_unknown_zip_is_accepted_with_a_notice_and_the_state_of_its_prefix() -> None:
    assert load().zip("60000") is None
    assert "in Illinois" in load().notices("60000")[0]
    assert "belong to no state" in load().notices("00000")[0]


def test_a_towns_several_zips_and_a_zips_several_towns_agree() -> None:
    gazetteer = load()
    (hammond,) = gazetteer.towns("Hammond, IN")
    assert "46320" in hammond.zips
    assert all("Hammond" in area.towns for z in hammond.zips if (area := gazetteer.zip(z)))
    assert len(gazetteer.towns("Springfield")) > 10
    assert gazetteer.towns("Nowhere At All") == ()


def placed(
    name: str, places: tuple[str, ...], *, statewide: bool = False, state: str = "IL"
) -> tuple[Listing, Placement]:
    confidence = Confidence.EXACT if statewide or places[0].isdigit() else Confidence.STATE_ONLY
    return Listing(name=name, state=state), Placement(
        places, "name", confidence, PlacementReason("covers", ("it",)), statewide
    )


def test_who_covers_a_zip_is_told_apart_by_why() -> None:
    agencies = [
        placed("Oak Park Police", ("60302", "60304")),
        placed("Cook County Sheriff", ("60301", "60302")),
        placed("Illinois State Police", ("IL",), statewide=True),
        placed("Lost Police", ("IL",)),
        placed("Peoria Police", ("61602",)),
        placed("Indiana State Police", ("IN",), statewide=True, state="IN"),
        placed("Nowhere Police", ("US",)),
    ]
    covers = load().covers("60302", agencies)
    assert [listing.name for listing, _ in covers.agencies] == ["Cook County Sheriff", "Oak Park Police"]
    assert [listing.name for listing, _ in covers.statewide] == ["Illinois State Police"]
    assert [listing.name for listing, _ in covers.not_placed] == ["Lost Police"]


def test_a_military_zip_is_covered_by_nobody() -> None:
    assert load().covers("09012", [placed("Illinois State Police", ("IL",), statewide=True)]).statewide == ()
