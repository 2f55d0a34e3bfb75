"""Many ZIPs with one center: the source has only that of their city, which is far from most of them."""

from __future__ import annotations

import pytest

from monitor.domain import Listing
from monitor.places import load
from monitor.places.finder import find
from monitor.places.radius import zips_around


def places_of(text: str) -> set[str]:
    (town,) = find(text, load()).towns
    return set(town.zips)


def test_a_campus_without_a_center_of_its_own_is_misplaced() -> None:
    california = load().table.state("CA")
    campus, beside = california.row["90095"], california.row["90024"]
    assert california.point(campus) == california.point(california.row["90089"])  # of another university
    assert california.is_misplaced(campus)
    assert not california.is_misplaced(beside)


@pytest.mark.parametrize(
    ("text", "its", "not_its"),
    [
        ("UCLA", {"90095", "90024"}, {"90089", "90073"}),
        ("Georgetown University", {"20057", "20007"}, {"20059", "20204"}),
        ("University of Houston", {"77204", "77004"}, {"77018", "77091"}),
        ("O'Hare", {"60666", "60656"}, {"60607", "60608", "60616"}),
        ("DFW Airport", {"75261"}, {"75215", "75390"}),
    ],
)
def test_a_campus_gets_its_own_neighbors(text: str, its: set[str], not_its: set[str]) -> None:
    places = places_of(text)
    assert its <= places
    assert places.isdisjoint(not_its)


def test_a_town_gets_no_campus_whose_center_is_only_said_to_be_there() -> None:
    assert places_of("Harbor City, CA") == {"90710"}


def test_a_seat_without_a_center_is_not_where_another_town_is_given() -> None:
    listing = Listing(name="Metropolitan Transportation Authority Police", city="Beacon", state="NY")
    placement = load().locate(listing)
    assert "12508" in placement.places
    assert "10004" not in placement.places


def test_a_radius_holds_them_for_those_who_follow_it() -> None:
    around = zips_around(load().table, "60601", 10)
    assert {"60666", "60690"} <= around.keys()
