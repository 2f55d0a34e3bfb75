"""What people type, and the places that they mean."""

from __future__ import annotations

import pytest

from monitor.places import load
from monitor.places.county_names import county_named
from monitor.places.finder import FinderResult, find, unofficial_names
from monitor.states import STATES

BOROUGHS = {
    "Manhattan": "36061",
    "Brooklyn": "36047",
    "Queens": "36081",
    "The Bronx": "36005",
    "Staten Island": "36085",
}


def look_up(text: str) -> FinderResult:
    return find(text, load())


def zips_of(state: str, *counties: str) -> set[str]:
    table = load().table.state(state)
    return {
        table.zips[r] for name in counties for c in county_named(table, name) for r in table.counties[c].zips
    }


def zips_by_fips(fips: str) -> set[str]:
    table = load().table.state("NY")
    (county,) = [county for county in table.counties if county.fips == fips]
    return {table.zips[row] for row in county.zips}


@pytest.mark.parametrize(
    ("text", "kind", "label", "some"),
    [
        ("Queens", "borough", "Queens, NY", {"11375", "11101"}),
        ("Queens, NY", "borough", "Queens, NY", {"11375", "11101"}),
        ("The Bronx", "borough", "The Bronx, NY", {"10451", "10475"}),
        ("Bronx", "borough", "The Bronx, NY", {"10451", "10475"}),
        ("Manhattan", "borough", "Manhattan, NY", {"10001", "10040"}),
        ("Harlem", "neighborhood", "Harlem (Manhattan), NY", {"10027", "10030"}),
        ("Brooklyn", "borough", "Brooklyn, NY", {"11201", "11239"}),
        ("South Boston", "neighborhood", "South Boston (Boston), MA", {"02127"}),
        ("NYC", "city", "New York City, NY", {"10001", "10301", "11375"}),
        ("SF", "city", "San Francisco, CA", {"94110"}),
        ("Philly", "city", "Philadelphia, PA", {"19103"}),
        ("Cook County", "county", "Cook County, IL", {"60601", "60004"}),
        ("Harris County, TX", "county", "Harris County, TX", {"77002"}),
        ("Miami-Dade", "county", "Miami-Dade County, FL", {"33125"}),
        ("Detroit Police Department", "agency", "Detroit Police Department, MI", {"48226"}),
        ("LAPD", "agency", "LAPD, CA", {"90012"}),
        ("Washington, D.C.", "town", "Washington, DC", {"20001"}),
        ("Saint Paul MN", "town", "Saint Paul, MN", {"55101"}),
        ("St. Louis", "town", "St. Louis, MO", {"63101"}),
        ("1600 Main St, Springfield, IL 62701", "zip", "62701", {"62701"}),
        ("90210-1234", "zip", "90210", {"90210"}),
        ("00901", "zip", "00901", {"00901"}),
        ("condado de Cook", "county", "Cook County, IL", {"60601"}),
        # of the same kinds, not on the list
        ("East LA", "city", "East Los Angeles, CA", {"90022"}),
        ("NOLA", "city", "New Orleans, LA", {"70112"}),
        ("Vegas", "city", "Las Vegas, NV", {"89101"}),
        ("SLC", "city", "Salt Lake City, UT", {"84101"}),
        ("OKC", "city", "Oklahoma City, OK", {"73102"}),
        ("ATX", "city", "Austin, TX", {"78701"}),
        ("STL", "city", "St. Louis, MO", {"63101"}),
        ("NY, NY", "city", "New York, NY", {"10001", "11375"}),
        ("Phila.", "city", "Philadelphia, PA", {"19103"}),
        ("DTLA", "neighborhood", "Downtown (Los Angeles), CA", {"90012"}),
        ("WeHo", "city", "West Hollywood, CA", {"90069"}),
        ("Texas DPS", "state", "Texas", {"TX"}),
        ("RVA", "city", "Richmond, VA", {"23219"}),
        ("Bay Area", "county", "San Francisco Bay Area, CA", {"94110", "94607", "95110"}),
        ("Long Island", "county", "Long Island, NY", {"11501", "11901"}),
        ("NYPD", "agency", "NYPD, NY", {"10001", "10301"}),
        ("Charlotte Amalie", "city", "Charlotte Amalie, VI", {"00802"}),
        ("Joint Base Lewis-McChord", "city", "Joint Base Lewis McChord, WA", {"98433"}),
        ("JBLM", "city", "Joint Base Lewis McChord, WA", {"98433"}),
        ("Fort Liberty", "city", "Fort Bragg, NC", {"28307"}),
        ("Fort Gordon, GA", "city", "Fort Gordon, GA", {"30905"}),
        ("Fort Jackson, SC", "city", "Fort Jackson, SC", {"29207"}),
        ("Naval Station Norfolk", "city", "Naval Station Norfolk, VA", {"23511"}),
        ("North Philly", "neighborhood", "North Philadelphia (Philadelphia), PA", {"19121"}),
        ("Main Street Gordon, GA", "town", "Gordon, GA", {"31031"}),
        ("Harris County Sheriff's Office", "agency", "Harris County Sheriff's Office, TX", {"77002"}),
        ("orleans parish", "county", "Orleans Parish, LA", {"70112"}),
        ("Brooklyn, CT", "town", "Brooklyn, CT", {"06234"}),
        ("Cook, IL", "county", "Cook County, IL", {"60601"}),
        ("500 Michigan Ave, Chicago", "town", "Chicago, IL", {"60601"}),
        ("city of chicago", "town", "Chicago, IL", {"60601"}),
        ("123 Bedford Ave, Brooklyn, NY", "borough", "Brooklyn, NY", {"11211"}),
        ("New York, NY", "city", "New York, NY", {"10001", "11375"}),
        ("60601 60602", "zips", "60601 60602", {"60601", "60602"}),
        ("Illinois", "state", "Illinois", {"IL"}),
        ("Louisiana", "state", "Louisiana", {"LA"}),
        ("New York State", "state", "New York", {"NY"}),
        ("Illinois State Police", "state", "Illinois", {"IL"}),
        ("USA", "country", "United States", {"US"}),
    ],
)
def test_what_people_type_means_one_place(text: str, kind: str, label: str, some: set[str]) -> None:
    result = look_up(text)
    assert (result.kind, result.label) == (kind, label)
    assert some <= set(result.places)


@pytest.mark.parametrize(
    ("text", "suggestions"),
    [
        ("LA", {"Los Angeles, CA", "Louisiana"}),
        (
            "Orange County",
            {f"Orange County, {state}" for state in ["CA", "FL", "IN", "NC", "NY", "TX", "VT", "VA"]},
        ),
        ("Springfield", {"Springfield, MO", "Springfield, MA", "Springfield, IL"}),
        ("Nueva York", {"New York, NY", "New York State"}),
        ("Hollywood", {"Hollywood, FL", "Hollywood (Los Angeles), CA"}),
        ("KC", {"Kansas City, MO", "Kansas City, KS"}),
        ("DFW", {"Dallas, TX", "Fort Worth, TX"}),
        ("RDU", {"Raleigh, NC", "Durham, NC"}),
    ],
)
def test_a_word_that_means_two_things_is_asked_about(text: str, suggestions: set[str]) -> None:
    result = look_up(text)
    assert result.kind == "question"
    assert result.places == ()
    assert suggestions <= set(result.suggestions)
    if text == "Orange County":
        assert len(result.suggestions) == 8


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Detriot", "Detroit, MI"),
        ("Chicgo", "Chicago, IL"),
        ("San Fransisco", "San Francisco, CA"),
        ("Minneaplis, MN", "Minneapolis, MN"),
        ("Alburquerque", "Albuquerque, NM"),
    ],
)
def test_a_typo_is_answered_with_what_is_near(text: str, first: str) -> None:
    result = look_up(text)
    assert (result.kind, result.places) == ("typo", ())
    assert result.suggestions[0] == first


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("100 Main St", "no_town"),
        ("20 Elm Street", "no_town"),
        ("1 Police Plaza", "no_town"),
        ("6032", "digits"),
        ("Qwxzt", "nothing"),
        ("纽约", "nothing"),
        ("Нью-Йорк", "nothing"),
        ("sheriff", "which_agency"),
    ],
)
def test_what_is_missing_is_said(text: str, problem: str) -> None:
    result = look_up(text)
    assert (result.kind, result.problem, result.suggestions) == ("none", problem, ())


@pytest.mark.parametrize(("name", "fips"), BOROUGHS.items())
def test_a_borough_is_exactly_the_zips_of_its_county(name: str, fips: str) -> None:
    assert set(look_up(name).places) == zips_by_fips(fips)


def test_new_york_city_is_its_five_boroughs() -> None:
    boroughs = set().union(*map(zips_by_fips, BOROUGHS.values()))
    for text in ("NYC", "New York City", "the Big Apple", "NYPD", "New York, NY"):
        assert set(look_up(text).places) == boroughs, text


def test_a_county_is_exactly_its_zips() -> None:
    assert set(look_up("condado de Cook").places) == zips_of("IL", "Cook")


@pytest.mark.parametrize(
    "text",
    ["LA", "Orange County", "Springfield", "Nueva York", "Hollywood", "Hyde Park", "Detriot", "Washington"],
)
def test_every_suggestion_means_one_place_when_it_is_typed(text: str) -> None:
    for suggestion in look_up(text).suggestions:
        assert look_up(suggestion).places, suggestion


def test_every_nickname_means_places() -> None:
    """A row that names a town or a county that the table does not have would fail."""
    for name, areas in unofficial_names._known().items():
        for area in areas:
            if area.kind == "state":
                assert area.state in STATES
                continue
            assert unofficial_names._area(area, load().table).zips, (name, area)


def test_agencies_of_one_name_are_asked_about() -> None:
    result = look_up("Springfield Police")
    assert result.kind == "question"
    assert {"Springfield Police, MO", "Springfield Police, IL"} <= set(result.suggestions)
    assert look_up("Springfield Police, IL").kind == "agency"


def test_a_town_called_like_an_office_is_a_town_where_its_state_is_named() -> None:
    for text in ("Trooper, PA", "Trooper PA"):
        found = find(text, load())
        assert (found.kind, found.label, found.places) == ("town", "Trooper, PA", ("19403", "19415"))
    assert find("Detroit Police, MI", load()).kind == "agency"


def test_a_city_that_no_census_counts_is_not_taken_for_a_village() -> None:
    found = find("San Juan", load())
    assert found.kind == "question"
    assert found.suggestions == ("San Juan, PR", "San Juan, TX", "San Juan, NM")


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("Camp Jackson, SC", "Jackson, SC"),
        ("Fort Ross, CA", "Ross, CA"),
        ("Broadway New York, NY", "New York, NY"),
    ],
)
def test_the_end_of_an_unknown_name_is_suggested_and_not_taken_for_it(text: str, near: str) -> None:
    """ "Fort Jackson, SC" was answered with Jackson, 80 miles away, and nothing said so."""
    result = look_up(text)
    assert (result.kind, result.places) == ("typo", ())
    assert near in result.suggestions


@pytest.mark.parametrize(
    "text",
    [
        "\uff16\uff10\uff16\uff10\uff11",  # full width, from a keyboard for Japanese or Chinese
        "\u3000\uff16\uff10\uff16\uff10\uff11 ",
        "٦٠٦٠١",  # Arabic
        "६०६०१",  # Hindi
    ],
)
def test_a_zip_is_read_in_the_digits_of_every_script(text: str) -> None:
    """The answer was that a ZIP code has five digits."""
    assert look_up(text).places == ("60601",)
    (radius,) = look_up(f"10 miles of {text.strip()}").towns
    assert radius.key == "radius-60601-10"
