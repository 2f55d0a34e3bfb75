"""Every county of the gazetteer by its own full name, in English and Spanish; counties beside towns."""

from __future__ import annotations

import pytest

from monitor.messages.place_names import name_place
from monitor.places import load
from monitor.places.finder import find
from monitor.places.packaged_table import County, StateTable
from monitor.states import STATES

ISLANDS = {"Guam": "GU", "Saipan": "MP", "District of Columbia": "DC"}
"""Counties whose bare name is read as their whole state, which they are or stand for."""


def counties_of(code: str) -> list[County]:
    return [county for county in load().table.state(code).counties if county.state == code and county.zips]


def means(text: str, county: County, table: StateTable) -> bool:
    """Whether a text surely means exactly the ZIPs of a county."""
    result = find(text, load())
    return result.sure and result.places == tuple(sorted(table.zips[row] for row in county.zips))


@pytest.mark.parametrize("code", STATES)
def test_every_county_is_found_by_its_full_name(code: str) -> None:
    table = load().table.state(code)
    counties = counties_of(code)
    assert counties
    for county in counties:
        spanish = name_place(f"county-{county.fips}", "es")
        assert means(f"{county.title}, {code}", county, table), county.title
        assert means(f"{county.title.upper()} {STATES[code]}", county, table), county.title
        assert means(spanish, county, table), spanish
        assert means(spanish.removeprefix("el ").removeprefix("la "), county, table), spanish


@pytest.mark.parametrize("code", STATES)
def test_a_county_without_its_state_is_meant_or_offered(code: str) -> None:
    table = load().table.state(code)
    for county in counties_of(code):
        if county.independent:
            continue
        result = find(county.title, load())
        zips = tuple(sorted(table.zips[row] for row in county.zips))
        whole_state = result.states[:1] == (ISLANDS.get(county.title),)
        assert zips in {area.zips for area in result.towns} or whole_state or result.more, county.title


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Isle of Wight County, VA", "Isle of Wight County, VA"),
        ("Isle of Wight", "Isle of Wight, VA"),
        ("city and borough of Juneau", "Juneau City and Borough, AK"),
        ("Juneau Borough, AK", "Juneau City and Borough, AK"),
        ("Municipality of Anchorage", "Anchorage Municipality, AK"),
        ("municipio de Anchorage", "Anchorage Municipality, AK"),
        ("Petersburg Borough, AK", "Petersburg Census Area, AK"),
        ("municipio autónomo de Ponce", "Ponce Municipio, PR"),
        ("borough de Kenai Peninsula", "Kenai Peninsula Borough, AK"),
        ("el área censal de Bethel", "Bethel Census Area, AK"),
        ("ciudad y borough de Sitka", "Sitka City and Borough, AK"),
        ("county of Cook, IL", "Cook County, IL"),
        ("parroquia de Orleans", "Orleans Parish, LA"),
        ("Jefferson County, LA", "Jefferson Parish, LA"),
        ("la ciudad de Richmond, VA", "the city of Richmond, VA"),
        ("City of Chicago, IL", "Chicago, IL"),
        ("Wilkinsburg Borough, PA", "Wilkinsburg, PA"),
        ("Borough of Wilkinsburg, PA", "Wilkinsburg, PA"),
        ("Saipan, MP", "Saipan, MP"),
        ("St. Croix", "St. Croix, VI"),
        ("St. Croix County", "St. Croix County, WI"),
    ],
)
def test_a_kind_of_county_is_read_before_and_behind_its_name(text: str, label: str) -> None:
    assert find(text, load()).label == label


@pytest.mark.parametrize(
    ("text", "town", "county"),
    [
        ("Cook", "Cook, MN", "Cook County, IL"),
        ("Maricopa", "Maricopa, AZ", "Maricopa County, AZ"),
        ("Harris", "Harris, MN", "Harris County, TX"),
        ("Suffolk", "Suffolk, VA", "Suffolk County, NY"),
        ("Essex", "Essex, MD", "Essex County, MA"),
    ],
)
def test_a_name_of_a_small_town_and_a_large_county_is_asked_about(text: str, town: str, county: str) -> None:
    result = find(text, load())
    assert not result.places
    assert {town, county} <= set(result.suggestions)
    assert find(town, load()).label == town


@pytest.mark.parametrize("text", ["Los Angeles", "Dallas", "San Diego", "Houston", "Chicago", "Miami"])
def test_a_large_city_is_meant_before_the_county_around_it(text: str) -> None:
    assert find(text, load()).sure
