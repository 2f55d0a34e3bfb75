"""What a look-up costs, in calls of Python functions: the first of its text, after all states are loaded."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from types import FrameType

import pytest

from monitor.places.areas import sites
from monitor.places.finder import find
from monitor.places.finder.search import ALWAYS_NAMED
from monitor.places.gazetteer import Gazetteer
from monitor.places.hand_kept_tables import read_lists
from monitor.places.packaged_table import list_names, packaged
from monitor.places.town_zips import town_rows
from monitor.states import STATES

MOST_CALLS = 6_000
"""About 2 ms of processor on the machines that this was measured on."""


MOST_COMPARISONS = 8
"""How often one text is compared with the names of all towns."""


def count_calls(do: Callable[[], object], name: str | None = None) -> int:
    """How many calls of Python functions a piece of work takes, those of generators included; only of one
    ``name`` if it is given.
    """
    count = 0

    def profile(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call" and name in (None, frame.f_code.co_name)

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        do()
    finally:
        sys.setprofile(before)
    return count


@pytest.fixture(scope="module")
def gazetteer() -> Gazetteer:
    """One of its own, so that nothing is kept of earlier look-ups."""
    loaded = Gazetteer(packaged())
    for code in STATES:
        loaded.table.state(code)
    find("Chicgo", loaded)  # the names by length, which the first misspelled one needs
    find("10 miles of 60601", loaded)  # the corners of the states, which the first radius needs
    read_lists()  # as `load` does
    return loaded


@pytest.mark.parametrize(
    "text",
    ["Gary Hammond Indiana", "police in Hammond", "does gary indiana police use ring",
     "¿Está Springfield en la lista?",
     "Washington", "Springfield", "Franklin", "Clinton", "Dallas", "Miami", "New York", "Detroit", "Queens",
     "Saint Paul MN", "Orange County", "Detriot", "100 Main St, Springfield, IL", "DFW", "Bay Area",
     "Detroit Police Department", "Washington Police", "Washington Township Police Department",
     "Jackson Township Police", "Union Police Department", "FRANKLIN POLICE DEPARTMENT", "Springfield Police",
     "Hammond and Gary, IN", "Gary IN Hammond IN", "Chicago, Detroit", "25 miles around Springfield", "Cook",
     "Isle of Wight County", "Portland Police Bureau - Northeast Precinct",
     "Washington County Sheriff's Office", "LAPD", "25 miles around Albany, NY", "10001, NY", "02108 Boston",
     "USC", "Provo-Orem", "Cook County, Lake County",
     "University of North", "Cook County and Mordor County", "Macon-Bibb", "La Cañada", "TX - Houston"],
)  # fmt: skip
def test_the_first_look_up_of_a_name_is_cheap(gazetteer: Gazetteer, text: str) -> None:
    assert count_calls(lambda: find(text, gazetteer)) <= MOST_CALLS


MISSPELLED = [
    "chicgo, detriot, huoston",
    "Chicgo Detriot Huoston",
    "Sprngfield and Minneaplis and Philadelpha",
    "Jakson County and Jeferson County and Washingtn County",
    "Coook County, Laake County, Dupaage County, Wiill County",
    "where is the sherif of maricpa conty arizna",
    "Does the Sprngfeild Polce Departmnt use Rng cameras",
    "mi ciudad es Huoston Tejass",
    "Kolumbus Jorgia Filadelfia Forth Worthh",
    "a b c d e f g h i j k l m n o p",
    "Gray; Hamond; Chcago; Bston; Detrit; Lansng; Albny; Mimi; Dalas; Portlnd; Seatle; Denvr; Phenix; Tuson",
    "a list which nobody reads: offices, letters, regions, nations, schools, slips and what else is there",
]


@pytest.mark.parametrize("text", MISSPELLED)
def test_many_misspelled_words_cost_no_more_than_few(gazetteer: Gazetteer, text: str) -> None:
    assert count_calls(lambda: find(text, gazetteer)) <= MOST_CALLS
    assert count_calls(lambda: find(text, gazetteer), "near_areas") <= MOST_COMPARISONS


def test_only_the_first_places_of_a_long_list_are_looked_up(gazetteer: Gazetteer) -> None:
    """Twenty names of many towns each cost 16 ms."""
    text = "; ".join(
        f"{name} Township" for name in ["Springfield", "Washington", "Franklin", "Clinton", "Madison"]
    )
    assert count_calls(lambda: find(text, gazetteer), "find_exact") <= 1 + ALWAYS_NAMED
    found = find(text, gazetteer)
    assert found.more
    assert {"Springfield, IL", "Washington, UT", "Franklin, TN"} <= set(found.suggestions)


def some_states() -> list[str]:
    return ["DC", "DE", "NV", "PR", "RI", "VT", "WY"]


@pytest.mark.parametrize("code", some_states())
def test_the_packaged_zips_of_towns_are_what_the_rules_work_out(gazetteer: Gazetteer, code: str) -> None:
    """Where this fails, a rule or a hand-kept list has changed: rebuild the table (make places)."""
    table = gazetteer.table.state(code)
    names = list_names(table.towns, table.by_city)
    assert len(names) > 0
    for name in names:
        named = table.find_name(name)
        assert named is not None
        assert named.town_zips
        for site in sites(table, name):
            assert (site.packaged is not None) == site.located
            assert town_rows(table, site) == town_rows(table, replace(site, packaged=None))
