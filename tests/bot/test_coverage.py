"""What the bot says of today: who is listed, and how far that is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.domain import Confidence, Listing, Placement, PlacementReason
from tests.bot.world import ICE, RING, World

CHICAGO = (
    Listing(name="Chicago <Police>", state="IL"),
    Placement(("60601",), "city", Confidence.APPROXIMATE, PlacementReason("covers", ("Chicago",))),
)
ILLINOIS = (
    Listing(name="Illinois State Police", state="IL"),
    Placement(("IL",), "state", Confidence.EXACT, PlacementReason("state", ("IL",)), statewide=True),
)


@pytest.fixture
def seeing(still: World) -> Iterator[World]:
    """Ring's map was read ten minutes ago and lists two agencies that serve 60601; the other list was never
    read.
    """
    listed = {
        ("ring", "60601"): (ILLINOIS, CHICAGO),
        ("ring", "60699"): (ILLINOIS,),
        ("ring", "46320"): (CHICAGO,) * 12,
    }
    still.context = replace(
        still.context,
        covering=lambda source, place: listed.get((source, place), ()),
        timezone="America/Chicago",
    )
    still.read_well("ring", still.now - timedelta(minutes=10))
    with still.running():
        yield still


def test_whoever_watches_is_told_who_covers_the_zip_today_local_agencies_first(seeing: World) -> None:
    text = seeing.ask("/watch 60601").text
    assert f"{RING}, for 60601 at our check of Mar 1, 2026, 5:50 am CST:" in text
    assert (
        "• <b>Chicago &lt;Police&gt;</b> covers Chicago\n• <b>Illinois State Police</b> covers all of "
        "Illinois" in text
    )
    assert "an estimate" in text


def test_only_state_agencies_is_said_as_that(seeing: World) -> None:
    assert "only agencies of the whole state for 60699" in seeing.ask("/watch 60699").text


def test_nobody_listed_is_said_with_the_time_of_the_check(seeing: World) -> None:
    text = seeing.ask("/watch 60602").text
    assert f"{RING}: no agency for 60602 at our check of Mar 1, 2026, 5:50 am CST." in text
    assert "estimate" not in text


def test_a_list_that_was_not_read_yet_says_nothing_about_a_zip(seeing: World) -> None:
    assert f"{ICE}: not read yet, so what it shows for 60601 is not known." in seeing.ask("/watch 60601").text


def test_a_list_that_cannot_be_seen_now_is_not_taken_for_an_empty_one(seeing: World) -> None:
    seeing.now += timedelta(hours=9)
    text = seeing.ask("/watch 60601").text
    assert (
        f"{RING}: we cannot see this list right now; the last good check was Mar 1, 2026, 5:50 am CST."
        in text
    )
    assert "Chicago &lt;" not in text
    assert "Nothing is known of changes since then." in seeing.ask("/status").text


def test_a_long_list_of_agencies_is_cut_with_its_number(seeing: World) -> None:
    assert "• and 4 more" in seeing.ask("/watch 46320").text


def test_an_answer_about_many_places_stays_one_message(seeing: World) -> None:
    answer = seeing.ask(
        "/watch " + " ".join(["60601", "60699", "46320", *(f"606{n:02}" for n in range(10, 50))])
    )
    assert len(answer.text) < 4096
    assert answer.accepted


def test_the_status_says_how_fresh_each_list_is(seeing: World) -> None:
    text = seeing.ask("/status").text
    assert f"• {RING}: last good check Mar 1, 2026, 5:50 am CST." in text
    assert f"• {ICE}: not read yet." in text
    assert "0 places are watched." in text
    assert "última revisión válida" in seeing.ask("/status", language="es").text


def test_the_page_of_the_zip_is_a_button_where_telegram_can_link_to_it(still: World) -> None:
    for url, buttons in (("https://watch.example/", 3), ("http://localhost:8000", 2)):
        still.context = replace(still.context, public_url=url)
        with still.running():
            assert len(still.ask("/watch 60601").buttons) == buttons
    assert ("More about 60601", "https://watch.example/zip/60601") in still.api.posts[0].buttons
