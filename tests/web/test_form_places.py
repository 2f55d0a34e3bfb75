"""What people type into the places field."""

from __future__ import annotations

import pytest

from monitor.messages.place_names import name_place
from monitor.places import load
from monitor.web.forms import read_places


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("Queens", ["Queens, NY"]),
        ("Queens, NY", ["Queens, NY"]),
        ("The Bronx", ["The Bronx, NY"]),
        ("Bronx", ["The Bronx, NY"]),
        ("Manhattan", ["Manhattan, NY"]),
        ("Harlem", ["Harlem (Manhattan), NY"]),
        ("Brooklyn", ["Brooklyn, NY"]),
        ("South Boston", ["South Boston (Boston), MA"]),
        ("NYC", ["New York City, NY"]),
        ("SF", ["San Francisco County, CA"]),
        ("Philly", ["Philadelphia County, PA"]),
        ("Cook County", ["Cook County, IL"]),
        ("Harris County, TX", ["Harris County, TX"]),
        ("Miami-Dade", ["Miami-Dade County, FL"]),
        ("Detroit Police Department", ["Detroit, MI"]),
        ("LAPD", ["Los Angeles, CA"]),
        ("Washington, D.C.", ["District of Columbia"]),
        ("Saint Paul MN", ["Saint Paul, MN"]),
        ("St. Louis", ["St. Louis, MO"]),
        ("1600 Main St, Springfield, IL 62701", ["62701"]),
        ("90210-1234", ["90210"]),
        ("00901", ["00901"]),
        ("condado de Cook", ["Cook County, IL"]),
        ("Cook County, IL, Lake County, IN", ["Cook County, IL", "Lake County, IN"]),
        ("Hammond, IN; Gary, IN", ["Hammond, IN", "Gary, IN"]),
        ("Hammond, IN\r\n60601\r\n", ["Hammond, IN", "60601"]),
        ("60601 60602, IL", ["60601", "60602", "Illinois"]),
        ("IL 60601", ["60601"]),
        ("within 10 miles of 60601, Chicago, IL", ["10 miles around 60601", "Chicago, IL"]),
    ],
)
def test_each_entry_is_one_place(text: str, meant: list[str]) -> None:
    read = [places for _, places, _ in read_places(text, load())]
    assert [name_place(place, "en") for places in read for place in places] == meant


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("LA", "Louisiana"),
        ("Orange County", "Orange County, CA"),
        ("Detriot", "Detroit, MI"),
        ("Chicgo", "Chicago, IL"),
        ("Springfield", "Springfield, IL"),
        ("Nueva York", "New York, NY"),
    ],
)
def test_what_means_two_things_asks(text: str, suggestion: str) -> None:
    ((_, places, result),) = read_places(text, load())
    assert places == ()
    assert suggestion in result.suggestions


@pytest.mark.parametrize(
    ("text", "problem"), [("100 Main St", "no_town"), ("6032", "digits"), ("5 mi of 60601", "radius")]
)
def test_what_is_no_place_says_why(text: str, problem: str) -> None:
    ((_, places, result),) = read_places(text, load())
    assert (places, result.problem) == ((), problem)
