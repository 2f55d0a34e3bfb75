"""What people type for a county, a town or a radius, and the ZIPs that it stands for."""

from __future__ import annotations

import pytest

from monitor.errors import UsageError
from monitor.places import STATES, load, parse_place
from monitor.places.codes import is_area, parse_area, state_of_place
from monitor.places.finder import find
from monitor.places.followed_areas import choose_followed, find_area_key, load_area, read_followed
from monitor.places.packaged_table import distance


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("county-17031", "county-17031"),
        ("County 17031", "county-17031"),
        ("FIPS 17031", "county-17031"),
        ("Cook County, IL", "county-17031"),
        ("condado de Cook", "county-17031"),
        ("Cook County Sheriff's Office", "county-17031"),
        ("Orleans Parish, LA", "county-22071"),
        ("10 miles of 60601", "radius-60601-10"),
        ("within 25 miles of 60601", "radius-60601-25"),
        ("25 mi around 60601-1234", "radius-60601-25"),
        ("10 miles around ZIP code 60601", "radius-60601-10"),
        ("a menos de 10 millas de 60601", "radius-60601-10"),
        ("10 millas alrededor de 60601", "radius-60601-10"),
        ("radius-60601-10", "radius-60601-10"),
        ("Detroit", "town-MI-Detroit"),
        ("Detroit, MI", "town-MI-Detroit"),
        ("town-MI-Detroit", "town-MI-Detroit"),
        ("Detroit Police Department", "town-MI-Detroit"),
        ("Detriot, MI 48201", "48201"),
        ("Winston-Salem, NC", "town-NC-Winston-Salem"),
        ("Harlem", "town-NY-Harlem--Manhattan"),
        ("NYC", "town-NY-New-York-City"),
        ("60601-1234", "60601"),
        ("illinois", "IL"),
        ("US", "US"),
    ],
)
def test_what_is_typed_is_one_place(text: str, place: str) -> None:
    assert read_followed(text) == (place,)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("5 miles of 60601", "10 or 25 miles"),
        ("10 km of 60601", "10 or 25 miles"),
        ("five miles of 60601", "10 or 25 miles"),
        ("10 miles of Chicago", r"10 miles around 60607 \(Chicago, IL\)"),
        ("Orange County", "Orange County, CA; Orange County, FL"),
        ("Detriot", "Detroit, MI"),
        ("county-17999", "no place that we know"),
        ("county-99031", "no place that we know"),
        ("town-MI-Atlantis", "no place that we know"),
        ("town-XX-Detroit", "no place that we know"),
        ("radius-99999-10", "no place that we know"),
        ("2138", "4 digits"),
    ],
)
def test_what_is_no_place_says_what_to_write(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        read_followed(text)


def test_a_county_has_the_zips_of_the_finder_and_its_state() -> None:
    area = load_area("county-36047")
    assert area is not None
    assert (area.kind, area.name, area.states) == ("county", "Kings County", ("NY",))
    assert area.zips == find("Brooklyn", load()).towns[0].zips


def test_every_county_can_be_followed() -> None:
    gazetteer = load()
    counties = [
        county
        for state in STATES
        for county in gazetteer.table.state(state).counties
        if county.state == state and county.zips
    ]
    assert len(counties) > 3100
    assert all(load_area(f"county-{county.fips}") for county in counties)


def test_a_radius_crosses_state_lines_and_keeps_its_distance() -> None:
    area, wide = load_area("radius-60601-10"), load_area("radius-60601-25")
    assert area is not None
    assert wide is not None
    assert (area.states, wide.states) == (("IL",), ("IL", "IN"))
    assert set(area.zips) < set(wide.zips)
    table = load().table

    def miles(code: str) -> float:
        points = [state.point(row) for state, row in filter(None, map(table.find, (code, "60601")))]
        point, middle = (each for each in points if each is not None)
        return distance(point, middle) / 1.609344

    assert max(map(miles, area.zips)) <= 10 < min(miles(code) for code in set(wide.zips) - set(area.zips))
    assert max(map(miles, wide.zips)) <= 25
    assert "46320" in wide.zips  # Hammond, Indiana


def test_a_town_of_several_zips_can_be_followed_as_one_line() -> None:
    gazetteer = load()
    missed = []
    for state in ("MI", "NC", "PA", "PR"):
        for towns in gazetteer.table.state(state).towns.values():
            for town in towns:
                if town.population < 5000:
                    continue
                result = find(f"{town.name}, {state}", gazetteer)
                if result.kind == "agency":  # "Trooper, PA"
                    continue
                if result.sure and result.towns and len(result.towns[0].zips) > 1:
                    key = find_area_key(result.towns[0])
                    area = load_area(key) if key else None
                    if area is None or set(area.zips) != set(result.places):
                        missed.append(f"{town.name}, {state}")
    assert not missed


def test_keys_fit_into_a_link_of_the_bot() -> None:
    for text in ("St. Louis, MO", "Coeur d'Alene, ID", "Harlem", "Ponce, PR", "Espa\u00f1ola, NM"):
        (place,) = choose_followed(find(text, load()))
        assert place.isdigit() or (place.replace("-", "").isalnum() and place.isascii()), place
        assert parse_place(place) == place


@pytest.mark.parametrize(
    ("place", "state"),
    [
        ("county-17031", "IL"),
        ("town-MI-Detroit", "MI"),
        ("radius-46320-10", "IN"),
        ("60601", "IL"),
        ("IL", "IL"),
        ("US", None),
        ("00000", None),
    ],
)
def test_the_state_of_a_place(place: str, state: str | None) -> None:
    assert state_of_place(place) == state
    assert is_area(place) == (parse_area(place) is not None)


def test_the_finder_takes_a_radius() -> None:
    result = find("within 10 miles of 60601", load())
    assert (result.kind, result.label) == ("radius", "10 miles around 60601")
    assert result.places == load_area("radius-60601-10").zips  # type: ignore[union-attr]
    assert find(result.label, load()).kind == "radius"
    assert find("ten miles around 60601", load()) == result
    assert find("a menos de diez millas de 60601", load()) == result


@pytest.mark.parametrize(
    "text", ["10 km of 60601", "16 kilometers from 60601", "diez kilómetros de 60601", "five miles of 60601"]
)
def test_a_distance_that_cannot_be_followed_is_never_a_zip(text: str) -> None:
    assert find(text, load()).problem == "radius"


def test_a_street_called_mile_is_no_radius() -> None:
    assert find("20000 W 8 Mile Rd, Southfield, MI 48075", load()).zips == ("48075",)


def test_a_radius_around_a_name_is_asked_with_the_zips_in_the_middle() -> None:
    assert find("25 miles around Chicago", load()).suggestions == ("25 miles around 60607 (Chicago, IL)",)
    offered = find("25 millas de Springfield", load()).suggestions
    assert {text.partition("(")[2] for text in offered} >= {"Springfield, MO)", "Springfield, IL)"}
    for text in offered:
        assert find(text, load()).kind == "radius"
    assert find("25 miles around Xyzzyville", load()).problem == "radius"
