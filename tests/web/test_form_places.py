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
        ("All of Detroit", ["Detroit, MI"]),
        ("all of Cook County", ["Cook County, IL"]),
        ("All of Michigan", ["Michigan"]),
        ("the whole city of Detroit", ["Detroit, MI"]),
        ("todo Detroit, todo el condado de Cook", ["Detroit, MI", "Cook County, IL"]),
        ("toda la ciudad de Detroit", ["Detroit, MI"]),
        ("todo el país", ["the whole country"]),
        ("60601 and 60602", ["60601", "60602"]),
        ("60601, 60602, and 60603", ["60601", "60602", "60603"]),
        ("60601 or 60602", ["60601", "60602"]),
        ("60601 y 60602", ["60601", "60602"]),
        ("60601 (home), 60602 (work)", ["60601", "60602"]),
        ("Illinois and Indiana", ["Illinois", "Indiana"]),
        ("Hammond and Gary, IN", ["Hammond, IN", "Gary, IN"]),
        ("Chicago, Gary, and Hammond, IN", ["Chicago, IL", "Gary, IN", "Hammond, IN"]),
        ("Chicago, IL and Portland, ME", ["Chicago, IL", "Portland, ME"]),
        ("Portland, OR or Salem, OR", ["Portland, OR", "Salem, OR"]),
        ("Cook County and Lake County, IL", ["Cook County, IL", "Lake County, IL"]),
        ("Little Rock and North Little Rock, AR", ["Little Rock, AR", "North Little Rock, AR"]),
        ("Ponce y Caguas, PR", ["Ponce, PR", "Caguas, PR"]),
        ("King and Queen County, VA", ["King and Queen County, VA"]),
        ("Truth or Consequences, NM", ["Truth or Consequences, NM"]),
        ("Hammond, IN, USA", ["Hammond, IN"]),
        ("100 Main St, Springfield, IL, USA", ["Springfield, IL"]),
        ("Hammond, Lake County, IN", ["Hammond, IN"]),
        ("Chicago, IL 60601, Gary, IN 46402", ["60601", "46402"]),
        ("IL 60601, IN 46320", ["60601", "46320"]),
        ("PO Box 12, Gary, IN 46401", ["46401"]),
        ("233 S Wacker Dr, Chicago, IL", ["Chicago, IL"]),
        ("1600 Main St\r\nApt 4\r\nSpringfield, IL 62701", ["62701"]),
        ("1600 Main St, Springfield, IL 62701 and 60601", ["62701", "60601"]),
        ("SoCal", ["Southern California, CA"]),
        ("Navajo Nation, AZ", ["Navajo Nation, AZ"]),
        ("LA County Sheriff", ["Los Angeles County, CA"]),
        ("Texas Rangers", ["Texas"]),
        ("alguacil de Maricopa", ["Maricopa County, AZ"]),
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


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("Xyzzy and Gary, IN", "Xyzzy"),
        ("100 Main St, Texas", "100 Main St, Texas"),
        ("100 Main St\n\n", "100 Main St"),
        ("100 Main St, Springfield", "Springfield"),
        ("Xyzzy Parks and Wildlife Department", "Xyzzy Parks and Wildlife Department"),
    ],
)
def test_what_is_asked_is_what_was_not_understood(text: str, asked: str) -> None:
    assert [entry for entry, places, _ in read_places(text, load()) if not places] == [asked]


def test_an_office_of_a_state_with_an_and_is_one_entry() -> None:
    text = "Texas Parks and Wildlife Department"
    assert [(entry, places) for entry, places, _ in read_places(text, load())] == [(text, ("TX",))]
