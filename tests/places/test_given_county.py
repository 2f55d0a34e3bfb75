"""A county in the listing bounds the answer: namesakes elsewhere in the state are not meant."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from csv import DictReader
from lzma import open as open_xz
from pathlib import Path

import pytest

from monitor.domain import Confidence, Listing, Placement
from monitor.places import load
from monitor.places.county_names import county_named
from monitor.states import STATES


def locate(name: str, state: str, city: str | None = None, county: str | None = None) -> Placement:
    return load().locate(Listing(name=name, state=state, city=city, county=county))


def zips_of(state: str, county: str) -> set[str]:
    table = load().table.state(state)
    return {table.zips[r] for c in county_named(table, county) for r in table.counties[c].zips}


@pytest.mark.parametrize(
    ("name", "state", "city", "county"),
    [
        ("Greene Township Constable's Office", "PA", None, "Erie"),
        ("Pennsylvania State Constable's Office So Middleton Twp", "PA", None, "Cumberland"),
        ("Pennsylvania State Constable's Office Cooke Township", "PA", None, "Cumberland"),
        ("Pennsylvania State Constable's Office Honey Brook Precinct 1", "PA", None, "Chester"),
        ("Union Police Department", "OH", None, "Montgomery"),
        ("Union Police Department", "OH", "Union", "Montgomery"),
        ("Springfield Township Police Department", "PA", "Wyndmoor", "Montgomery"),
        ("Springfield Township Police Department", "PA", None, "Montgomery"),
        ("Washington Township Police Department", "NJ", None, "Bergen"),
        ("Washington Township Police Department", "NJ", "Washington Township", "Bergen"),
        ("Warrior Run Police Department", "PA", None, "Luzerne"),
        ("Warrior Run Borough Police Department", "PA", "Warrior Run", "Luzerne"),
        ("Susquehanna Regional Police Department", "PA", None, "Lancaster"),
        ("Susquehanna Regional PD", "PA", "Susquehanna", "Lancaster"),
        ("Oak Grove Village Police Department", "MO", None, "Franklin"),
        ("Oak Grove Village Police Department", "MO", "Oak Grove Village", "Franklin"),
        ("San Francisco Police Department - Airport Bureau", "CA", None, "San Mateo"),
    ],
)
def test_every_zip_lies_in_the_county_that_is_given(
    name: str, state: str, city: str | None, county: str
) -> None:
    placement = locate(name, state, city, county)
    assert set(placement.places) <= zips_of(state, county)
    assert not placement.statewide


def test_a_precinct_named_after_a_borough_is_about_that_borough() -> None:
    name = "Pennsylvania State Constable's Office Honey Brook Precinct 1"
    placement = locate(name, "PA", county="Chester")
    assert placement.places == ("19344",)
    assert placement.confidence is Confidence.APPROXIMATE


def test_a_name_that_says_another_county_is_a_conflict() -> None:
    placement = locate("Anoka County Sheriff's Office", "MN", county="Hennepin")
    assert placement.confidence is Confidence.CONFLICT
    assert set(placement.places) == zips_of("MN", "Anoka")


def test_agencies_of_the_whole_state_are_not_bound_to_the_county_of_their_headquarters() -> None:
    assert locate("Florida Highway Patrol", "FL", county="Leon").places == ("FL",)


@pytest.mark.parametrize(
    ("name", "state", "city", "places"),
    [
        ("Union Police Department", "OH", "Union", {"45322"}),
        ("Horizon City Police Department", "TX", "El Paso", {"79927", "79928"}),
        ("Williams Creek Police Department", "IN", "Indianapolis", {"46240"}),
        ("Springfield Township Police Department", "PA", "Wyndmoor", {"19038"}),
        ("Oak Grove Village Police Department", "MO", "Sullivan", {"63080"}),
        ("Whitehall Township Police Department", "PA", "Whitehall", {"18052"}),
    ],
)
def test_a_place_is_told_from_its_namesake_and_its_large_neighbor(
    name: str, state: str, city: str, places: set[str]
) -> None:
    assert set(locate(name, state, city).places) == places


def test_a_namesake_without_a_county_is_not_called_exact() -> None:
    for name, state, city in (
        ("Union Police Department", "OH", "Union"),
        ("Lakewood Police Department", "IL", "Village of Lakewood"),
        ("Douglass Township Police Department", "PA", "Boyertown"),
        ("Conemaugh Township Police Department", "PA", "Johnstown"),
        ("Warrior Run Police Department", "PA", "Warrior Run"),
    ):
        assert locate(name, state, city).confidence is Confidence.APPROXIMATE, name


@pytest.mark.parametrize(
    "name",
    [
        "New York City Sheriff's Office",
        "NEW YORK CITY SHERIFFS OFFICE - DEPARTMENT OF FINANCE",
        "New York City Police Department",
    ],
)
def test_the_sheriff_of_new_york_city_serves_all_five_boroughs(name: str) -> None:
    boroughs = set().union(*(zips_of("NY", c) for c in ("New York", "Kings", "Queens", "Bronx", "Richmond")))
    assert set(locate(name, "NY", "New York").places) == boroughs


def test_a_wide_zip_of_a_town_is_the_towns() -> None:
    assert "98502" in locate("Olympia Police Department", "WA", "Olympia").places


@pytest.mark.shared
@pytest.mark.parametrize("given", ["city", "county"])
def test_what_is_called_exact_holds_a_zip_of_the_agency_s_own_county(shared: Path, given: str) -> None:
    exact = right = 0
    for row in _agencies(shared):
        placement = locate(row["NAME"], row["STATE"], **{given: row[given.upper()]})
        own = zips_of(row["STATE"], row["COUNTY"])
        if placement.confidence is Confidence.EXACT and not placement.statewide and own:
            exact += 1
            right += bool(own & set(placement.places))
    assert exact > 5300
    assert right / exact >= 0.999


def _agencies(shared: Path) -> Iterator[dict[str, str]]:
    """The half of the sample that the rule was not tuned on."""
    path = shared / "data" / "geo" / "hifld_agencies_sample.csv.xz"
    with open_xz(path, "rt", encoding="utf-8") as lines:
        for row in DictReader(lines):
            if zlib.crc32(row["ID"].encode()) & 1 and row["STATE"] in STATES:
                yield row


@pytest.mark.parametrize(
    ("name", "state", "some"),
    [
        ("Department of Public Safety, City of Cary", "NC", "27511"),
        ("Police Department, City of Tampa", "FL", "33602"),
        ("Town Marshal of Zionsville", "IN", "46077"),
    ],
)
def test_an_office_stands_before_its_town(name: str, state: str, some: str) -> None:
    placement = locate(name, state)
    assert (placement.confidence, some in placement.places) == (Confidence.EXACT, True)


def test_a_township_has_no_post_office_of_a_namesake_across_the_state() -> None:
    """43916 is Colerain in Belmont County, 339 km from the township beside Cincinnati."""
    placement = locate("Colerain Police Department", "OH", "Cincinnati")
    assert placement.places == ("45239", "45247", "45251", "45252")


@pytest.mark.parametrize("name", ["City of New York Department of Corrections", "New York City Marshals"])
def test_what_is_of_new_york_city_serves_more_than_manhattan(name: str) -> None:
    assert {"10451", "11201", "11375", "10301"} <= set(locate(name, "NY", "New York").places)


def test_the_sheriff_of_la_county_serves_the_county_from_every_station() -> None:
    placement = locate("LA County Sheriff Malibu/Lost Hills", "CA", "Calabasas")
    assert set(placement.places) == zips_of("CA", "Los Angeles")


@pytest.mark.parametrize(
    ("name", "state", "city", "some"),
    [
        ("LSU Police Department", "LA", "Baton Rouge", "70803"),
        ("USC Department of Public Safety", "CA", "Los Angeles", "90089"),
        ("USC Police", "SC", "Columbia", "29208"),
    ],
)
def test_the_letters_of_a_university_give_its_seat(name: str, state: str, city: str, some: str) -> None:
    """They were given the whole city."""
    placement = locate(name, state, city)
    assert (placement.how, some in placement.places) == ("seat", True)
    assert len(placement.places) < 5


@pytest.mark.parametrize(
    ("name", "state"),
    [("Jessup Correctional Institution", "MD"), ("Centennial Correctional Facility", "CO"),
     ("Texarkana Narcotics Drug Task Force", "TX")],
)  # fmt: skip
def test_a_prison_or_drug_squad_called_after_a_town_is_not_exact(name: str, state: str) -> None:
    assert locate(name, state).confidence is Confidence.APPROXIMATE


def test_a_village_without_a_point_is_not_the_one_whose_name_is_shorter() -> None:
    """Junction City is 125 km from Junction."""
    assert locate("Junction City Police Department", "IL").confidence is Confidence.STATE_ONLY
    assert locate("Junction City Police Department", "IL", "Sandoval").places == ("62882",)


def test_a_school_district_of_two_towns_is_not_the_first_town_s() -> None:
    """San Felipe is 463 km from Del Rio."""
    placement = locate("San Felipe - Del Rio Independent School District Police Department", "TX")
    assert "78840" in placement.places


@pytest.mark.parametrize(
    ("name", "state", "how"),
    [
        ("Clark County Constable, Henderson Township", "NV", "county"),
        ("Baldwin County Board of Education Police", "GA", "institution_county"),
        ("Mobile Board of Education Police", "AL", "institution"),
    ],
)
def test_a_part_of_a_county_and_a_school_board_are_not_exact(name: str, state: str, how: str) -> None:
    placement = locate(name, state)
    assert (placement.confidence, placement.how) == (Confidence.APPROXIMATE, how)
