"""What is listed today for the places that somebody follows, as a welcome and a next message say it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest
from sqlalchemy.engine import Engine

from monitor.domain import Confidence, Listing, Placement, PlacementReason, SourceInfo
from monitor.keys import KeyFile
from monitor.messages.model import AgenciesToday
from monitor.outbox.covered_places import CoveredPlaces
from monitor.storage.deliveries.newly_covered import NewlyCovered
from monitor.storage.lists.coverage import Coverage
from monitor.storage.people import Follow
from tests.outbox.test_placement_renewal import accept
from tests.outbox.world import GARY, HAMMOND, NOWHERE, PLACEMENTS, STATE_POLICE, World

HOUR = timedelta(hours=1)
LAKE = "county-18089"
RING = SourceInfo(name="ring", titles={"en": "Ring", "es": "Anillo"}, every=HOUR)
ICE = SourceInfo(name="ice-287g", titles={"en": "ICE"}, every=HOUR)
OFF = SourceInfo(name="off", titles={"en": "Off"}, every=HOUR, enabled=False)
MANY_NAMED, MOST_NAMED = 40, 400


@pytest.fixture
def world(sqlite_world: World) -> World:
    return sqlite_world


def locate(source: str, listing: Listing) -> Placement:
    """As the world does; any other agency serves the ZIP code that is its city."""
    return PLACEMENTS.get(listing.name) or Placement(
        (listing.city or "US",), "city", Confidence.EXACT, PlacementReason("covers")
    )


def places(world: World) -> CoveredPlaces:
    lists = {info.name: info for info in (RING, OFF, ICE)}
    return CoveredPlaces(
        lists,
        world.engine,
        Coverage(world.engine, lists, locate),
        world.clock,
        lambda name, language: lists[name].title(language),
    )


def today(world: World, *followed: str, sources: Iterable[str] = ("ring",)) -> tuple[AgenciesToday, ...]:
    follows = [Follow(source, place) for source in sources for place in followed]
    return places(world).load_agencies_today(follows, "en")


def names(answer: AgenciesToday) -> list[str]:
    return [name for name, _ in answer.agencies]


@pytest.mark.parametrize(
    ("place", "named", "total", "state_only"),
    [
        ("46320", [HAMMOND.name, STATE_POLICE.name], 2, False),
        ("46999", [STATE_POLICE.name], 1, True),
        ("60601", [], 0, False),
        (LAKE, [GARY.name, HAMMOND.name, STATE_POLICE.name], 3, False),
        ("county-18127", [STATE_POLICE.name], 1, True),
        ("IN", [GARY.name, HAMMOND.name, STATE_POLICE.name, NOWHERE.name], 4, False),
        ("IL", [], 0, False),
        ("US", [], 4, False),  # thousands, so they are counted only
    ],
)
def test_a_welcome_names_what_is_listed_for_each_kind_of_place(
    world: World, place: str, named: list[str], total: int, state_only: bool
) -> None:
    """A ZIP code's own agencies come first, then those of its whole state, which it may have alone."""
    accept(world, HAMMOND, GARY, STATE_POLICE, NOWHERE)
    (answer,) = today(world, place)
    assert (names(answer), answer.total, answer.state_only) == (named, total, state_only)
    assert (answer.places, answer.title) == ((place,), "Ring")


def test_zips_with_one_answer_stand_together_and_other_places_apart(world: World) -> None:
    accept(world, HAMMOND)
    accept(world, GARY, source="ice-287g")
    answers = today(world, "46324", "46320", "46402", "IN", "IL", sources=("ring", "ice-287g", "off"))
    assert [(answer.title, answer.places, names(answer)) for answer in answers] == [
        ("Ring", ("46320", "46324"), [HAMMOND.name]),
        ("ICE", ("46320", "46324"), []),
        ("Ring", ("46402",), []),
        ("ICE", ("46402",), [GARY.name]),
        ("Ring", ("IL",), []),
        ("ICE", ("IL",), []),
        ("Ring", ("IN",), [HAMMOND.name]),
        ("ICE", ("IN",), [GARY.name]),
    ]


@pytest.mark.parametrize(("zips", "named"), [(1, MANY_NAMED), (10, MANY_NAMED), (11, MOST_NAMED // 11)])
def test_at_most_forty_agencies_are_named_for_a_place_and_four_hundred_in_all(
    world: World, zips: int, named: int
) -> None:
    """A mail must not become so long that mail programs cut it off; the others are counted."""
    codes = [f"46{number:03}" for number in range(zips)]
    accept(
        world,
        *(
            Listing(name=f"Agency {number:02} of {code}", key=f"{code}-{number}", city=code, state="IN")
            for code in codes
            for number in range(MANY_NAMED + 2)
        ),
    )
    answers = today(world, *codes)
    assert len(answers) == zips
    assert {(len(answer.agencies), answer.total) for answer in answers} == {(named, MANY_NAMED + 2)}


@pytest.mark.parametrize(("age", "blind"), [(3 * HOUR, False), (3 * HOUR + timedelta(seconds=1), True)])
def test_a_list_that_was_not_read_for_three_intervals_is_said_to_be_blind(
    world: World, age: timedelta, blind: bool
) -> None:
    accept(world, HAMMOND)
    read_at = world.now
    world.now += age
    (answer,) = today(world, "46320")
    assert (answer.blind, answer.seen_at) == (blind, read_at)


def test_a_list_that_was_never_read_is_blind_and_names_nobody(world: World) -> None:
    (answer,) = today(world, "46320")
    assert (answer.blind, answer.seen_at, answer.total) == (True, None, 0)


def test_of_what_somebody_is_owed_only_what_is_listed_for_their_places_is_said(world: World) -> None:
    person = world.person("a@a.example", "46320", "46402", sources=("ring", "off", "ice-287g"))
    accept(world, HAMMOND, GARY)
    accept(world, GARY, source="off")

    def said(*owed: tuple[str, str], language: str = "en") -> list[tuple[str, str]] | None:
        also = places(world).list_newly_covered(person, [NewlyCovered(*each) for each in owed], language)
        if also is None:
            return None
        assert also.total == len(also.agencies)
        return [(each.name, each.title) for each in also.agencies]

    assert said(("ring", HAMMOND.key)) == [(HAMMOND.name, "Ring")]
    both = ("ring", HAMMOND.key), ("ring", GARY.key)
    assert said(*both, language="es") == [(GARY.name, "Anillo"), (HAMMOND.name, "Anillo")]
    assert said(("ring", STATE_POLICE.key)) is None, "it is not listed any more"
    assert said(("ice-287g", HAMMOND.key)) is None, "it is on another list"
    assert said(("off", GARY.key)) is None, "that list is not watched any more"
    assert said(("off", GARY.key), ("ring", GARY.key)) == [(GARY.name, "Ring")]
    assert said() is None


def test_of_many_that_somebody_is_owed_forty_are_named_and_all_are_counted(
    sqlite_engine: Engine, keys: KeyFile, world: World, now: datetime
) -> None:
    person = world.person("a@a.example", "46320")
    agencies = [
        Listing(name=f"Agency {number:02}", key=f"key-{number:02}", city="46320", state="IN")
        for number in range(MANY_NAMED + 2)
    ]
    accept(world, *agencies)
    owed = [NewlyCovered("ring", agency.key) for agency in agencies]
    also = places(world).list_newly_covered(person, owed, "en")
    assert also is not None
    assert (len(also.agencies), also.total) == (MANY_NAMED, MANY_NAMED + 2)
