"""The bot's name and a place in any chat: what is on the lists there today."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitor.domain import Confidence, Listing, Placement, PlacementReason
from tests.bot.world import RING, World

POLICE = Listing(name="Hammond Police Department", state="IN")
COVERS = Placement(("46320",), "city", Confidence.EXACT, PlacementReason("covers", ("Hammond",)))


@pytest.fixture
def listing(still: World) -> World:
    """A bot that knows of one agency in Hammond, on a list that was read an hour ago."""
    fields = {name: getattr(still.context, name) for name in still.context.__dataclass_fields__}

    def covering(source: str, place: str) -> list[tuple[Listing, Placement]]:
        here = place in ("46320", "town-IN-Hammond", "county-18089", "IN")
        return [(POLICE, COVERS)] if here and source == "ring" else []

    still.context = type(still.context)(
        **fields | {"covering": covering, "public_url": "https://watch.example"}
    )
    still.read_well("ring", still.now - timedelta(minutes=30))
    return still


def ask(world: World, text: str, **who: str) -> list[tuple[str, str, str]]:
    before = len(world.api.inline_answers)
    world.api.asks_inline(text, **who)  # type: ignore[arg-type]
    world.api.wait(lambda: len(world.api.inline_answers) > before)
    return world.api.inline_answers[before]


def test_a_town_a_county_a_zip_and_a_state_are_answered_with_what_is_listed_there(listing: World) -> None:
    with listing.running():
        for text, key, name, path in (
            ("Hammond, IN", "town-IN-Hammond", "Hammond, IN", "/town/IN-Hammond"),
            ("Lake County, IN", "county-18089", "Lake County, IN", "/county/18089"),
            ("46320", "46320", "46320", "/zip/46320"),
            ("Indiana", "IN", "Indiana", "/state/IN"),
        ):
            ((found, title, message),) = ask(listing, text)
            assert (found, title) == (key, name)
            assert message.startswith(f"<b>{name}</b>\n\n{RING}, for {name} at our check of")
            assert "<b>Hammond Police Department</b> covers Hammond" in message
            assert f'<a href="https://watch.example{path}">' in message


def test_a_name_of_several_places_and_a_typo_are_answered_with_each(listing: World) -> None:
    with listing.running():
        titles = [title for _, title, _ in ask(listing, "Springfield")]
        assert len(titles) > 2
        assert "Springfield, MO" in titles
        assert ask(listing, "Detriot")[0][1] == "Detroit, MI"
        assert [title for _, title, _ in ask(listing, "condado de Cook", language="es")] == [
            "Condado de Cook, IL"
        ]


@pytest.mark.parametrize("text", ["", "   ", "thanks", "<b>x", "5 miles of 60601", "x" * 250])
def test_what_is_no_place_is_answered_with_nothing(world: World, text: str) -> None:
    assert ask(world, text) == []
    assert world.follows() == set()
