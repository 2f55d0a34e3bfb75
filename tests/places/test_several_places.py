"""Several places in one text: none of them is dropped in silence."""

from __future__ import annotations

import pytest

from monitor.errors import UsageError
from monitor.places import load
from monitor.places.finder import LONGEST, find
from monitor.places.finder.search import MOST_NAMED
from monitor.places.followed_areas import read_followed
from monitor.places.given_places import read_given_places
from monitor.states import STATES


@pytest.mark.parametrize(
    "text",
    [
        "60601 and 60602", "60601 y 60602", "60601 or 60602", "60601 & 60602", "60601/60602",
        "60602, and 60601", "Chicago, IL 60601 and Chicago, IL 60602", "60601 (home), 60602 (work)",
    ],
)  # fmt: skip
def test_several_zips_are_all_meant(text: str) -> None:
    assert find(text, load()).places == ("60601", "60602")


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("Hammond and Gary, IN", {"Hammond, IN", "Gary, IN"}),
        ("Hammond and Gary IN", {"Hammond, IN", "Gary, IN"}),
        ("Hammond y Gary, IN", {"Hammond, IN", "Gary, IN"}),
        ("Gary IN Hammond IN", {"Gary, IN", "Hammond, IN"}),
        ("gary in hammond in", {"Gary, IN", "Hammond, IN"}),
        ("Gary, IN, Hammond, IN", {"Gary, IN", "Hammond, IN"}),
        ("Chicago, Detroit", {"Chicago, IL", "Detroit, MI"}),
        ("Chicago and Detroit", {"Chicago, IL", "Detroit, MI"}),
        ("Chicgo and Gary, IN", {"Chicago, IL", "Gary, IN"}),
        ("Chicago police and Detroit police, MI", {"Chicago police, IL", "Detroit police, MI"}),
        ("Minneapolis/St. Paul", {"Minneapolis, MN", "Saint Paul, MN"}),
        ("Portland, OR or Portland, ME", {"Portland, OR", "Portland, ME"}),
        ("Bristol TN/VA", {"Bristol, TN", "Bristol, VA"}),
        ("Kansas City, MO/KS", {"Kansas City, MO", "Kansas City, KS"}),
        ("between Dallas and Fort Worth", {"Dallas, TX", "Fort Worth, TX"}),
        ("Texas, Oklahoma", {"Texas", "Oklahoma"}),
        ("IL IN", {"Illinois", "Indiana"}),
        ("Illinois and Gary, IN", {"Illinois", "Gary, IN"}),
        ("Indiana and Gary, IN", {"Indiana", "Gary, IN"}),
        ("60601 and Gary, IN", {"60601, IL", "Gary, IN"}),
        ("Cook and Lake Counties, IL", {"Cook County, IL", "Lake County, IL"}),
        ("Cook and Lake County, IL", {"Cook County, IL", "Lake County, IL"}),
        ("Orleans and Jefferson Parishes, LA", {"Orleans Parish, LA", "Jefferson Parish, LA"}),
        ("Harris County, TX; King County, WA", {"Harris County, TX", "King County, WA"}),
        ("10 miles of 60601 and 25 miles of 46402", {"10 miles around 60601", "25 miles around 46402"}),
    ],
)
def test_several_names_are_each_offered(text: str, offered: set[str]) -> None:
    result = find(text, load())
    assert not result.places
    assert set(result.suggestions) >= offered
    for label in result.suggestions:
        assert find(label, load()).places


def test_towns_of_a_name_in_several_states_are_asked_beside_the_other_place() -> None:
    offered = find("Springfield and Gary, IN", load()).suggestions
    assert {"Springfield, IL", "Springfield, MO", "Gary, IN"} <= set(offered)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("King and Queen County, VA", "King and Queen County, VA"),
        ("Lake and Peninsula Borough, AK", "Lake and Peninsula Borough, AK"),
        ("Truth or Consequences, NM", "Truth or Consequences, NM"),
        ("LA CA", "Los Angeles, CA"),
        ("Harlem, Manhattan, New York", "Harlem (Manhattan), NY"),
        ("Chicago, Cook County", "Chicago, IL"),
        ("Hammond, Lake County, IN", "Hammond, IN"),
        ("Illinois, Chicago", "Chicago, IL"),
        ("Richmond, Virginia, EE. UU.", "Richmond, VA"),
        ("100 Main St, Springfield, IL", "Springfield, IL"),
        ("1600 Main St, Springfield, IL 62701", "62701"),
        ("12 Oak Ave, Apt 3, Gary, IN 46402", "46402"),
        ("corner of 5th and Main, Springfield, IL", "Springfield, IL"),
        ("Boys and Girls Club, Chicago IL", "Chicago, IL"),
        ("Champaign, IL, and Champaign, Illinois", "Champaign, IL"),
        ("US and IL", "United States"),
        (
            "Columbus Division of Police - Precinct 11 and Precinct 12, OH",
            "Columbus Division of Police - Precinct 11 and Precinct 12, OH",
        ),
        ("Allen County Sheriff / Allen County Jail, IN", "Allen County Sheriff / Allen County Jail, IN"),
    ],
)
def test_one_place_with_such_words_stays_one(text: str, label: str) -> None:
    assert find(text, load()).label == label


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("6060 and 60601", "digits"),
        ("10 km of 60601 and Gary, IN", "radius"),
        ("Hammond and Qwertyuiop, IN", "nothing"),
        ("Boys and Girls Club", "nothing"),
        ("Fish and Game Warden", "nothing"),
    ],
)
def test_a_wrong_place_among_them_is_said(text: str, problem: str) -> None:
    assert find(text, load()).problem == problem


def test_a_name_that_many_towns_have_is_asked_about_beside_one_that_is_no_place() -> None:
    result = find("Hammond and Xyzzy", load())
    assert (result.kind, result.unknown) == ("question", ("Xyzzy",))
    assert {"Hammond, IN", "Hammond, LA"} <= set(result.suggestions)


@pytest.mark.parametrize(
    "text", ["hammond, indiana, usa", "Hammond, IN, us", "hammond, indiana, estados unidos"]
)
def test_the_country_behind_a_town_is_not_everywhere(text: str) -> None:
    assert find(text, load()).label == "Hammond, IN"


@pytest.mark.parametrize(
    ("text", "unknown", "offered"),
    [
        ("Xyzzy and Hammond, IN", ("Xyzzy",), ("Hammond, IN",)),
        ("Xyzzy; Hammond, IN; Qwertyuiop", ("Xyzzy", "Qwertyuiop"), ("Hammond, IN",)),
        ("Xyzzy; 60601", ("Xyzzy",), ("60601, IL",)),
        ("Dededo, GU", ("Dededo",), ("Guam",)),
        ("Chicago and Xyzzy", ("Xyzzy",), ("Chicago, IL",)),
        ("Xyzzy y Hammond IN", ("Xyzzy",), ("Hammond, IN",)),
        ("Chicago, Gary and Xyzzy", ("Xyzzy",), ("Chicago, IL", "Gary, IN")),
        ("60601 Indiana", (), ("60601, IL", "Indiana")),
    ],
)
def test_a_part_that_is_no_place_is_named_and_the_others_are_asked_about(
    text: str, unknown: tuple[str, ...], offered: tuple[str, ...]
) -> None:
    result = find(text, load())
    assert (result.kind, result.places) == ("question", ())
    assert (result.unknown, result.suggestions) == (unknown, offered)


def test_two_states_side_by_side_are_asked_about() -> None:
    assert find("Indiana Illinois", load()).suggestions == ("Indiana", "Illinois")


def test_places_beyond_the_most_are_told() -> None:
    few, many = find("; ".join(list(STATES)[:5]), load()), find(";".join(list(STATES)[:30]), load())
    assert (len(few.states), few.more) == (5, False)
    assert (len(many.states), many.more) == (MOST_NAMED, True)


def test_a_name_that_is_cut_off_is_not_looked_up() -> None:
    names = ["Los Angeles, CA"] * 11 + ["San Francisco, CA"]
    assert len("; ".join(names[:11])) < LONGEST < len("; ".join(names))
    assert find("; ".join(names), load()).label == "Los Angeles, CA"


@pytest.mark.parametrize("text", ["Hammond and Gary, IN", "Gary IN Hammond IN"])
def test_places_of_the_operator_are_one_at_a_time(text: str) -> None:
    with pytest.raises(UsageError, match="Gary, IN"):
        read_followed(text)
    with pytest.raises(UsageError, match="Gary, IN"):
        read_given_places(text, load())
