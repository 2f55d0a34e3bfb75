"""Reading updates, whatever is in them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telegram import Update

from monitor.bot import places
from monitor.bot.context import BotContext
from monitor.bot.replies import Translator, safe
from monitor.bot.updates import COMMANDS, LOOK, UNKNOWN, Command, read_update
from monitor.domain import Listing
from monitor.places import load
from tests.peers.botapi import ME, message

WORDS = st.text(max_size=60) | st.sampled_from(
    ["60601", "IL", "@lakes", "-100123", "New York", "/watch", "_", "hi"]
)
TEXTS = st.lists(WORDS | st.sampled_from([f"/{command}" for command in COMMANDS]), max_size=5).map(" ".join)


def command(text: str, **more: Any) -> Any:
    update = Update.de_json({"update_id": 1, "message": message(text, **more)}, None)
    return read_update(update, ME["username"])


@given(TEXTS)
def test_any_text_in_private_is_a_command_or_nothing(text: str) -> None:
    found = command(text)
    assert found is None or (found.verb in {*COMMANDS, LOOK, UNKNOWN} and found.private and found.user == 7)


@given(TEXTS)
def test_only_commands_are_read_in_a_group(text: str) -> None:
    found = command(text, chat=-5, kind="supergroup")
    assert found is None or (text.strip().startswith("/") and not found.private)


@given(TEXTS)
def test_words_are_places_or_refused_with_a_sentence(text: str) -> None:
    context = BotContext.__new__(BotContext)
    object.__setattr__(context, "gazetteer", load())
    found = places.read(tuple(text.split()), context)
    if isinstance(found, places.NotAPlace):
        assert Translator("es")(found.sentence, zip=found.zip)
    else:
        assert all((within is not None) == place.isdigit() for place, within in found.items())


@pytest.mark.parametrize(
    ("text", "verb", "arguments", "target"),
    [
        ("/watch 60601, IL;IN", "watch", ("60601", "IL", "IN"), None),
        ("/watch IN @Lakes_1", "watch", ("IN",), "@Lakes_1"),
        ("/stop -1001234567890", "stop", (), "-1001234567890"),
        ("/start", "start", (), None),
        ("/watch\n60601", "watch", ("60601",), None),
        ("/WATCH@MONITOR_BOT il", "watch", ("il",), None),
        ("/welcome", "unknown", (), None),
        ("/unwatch IN", "stop", ("IN",), None),
    ],
)
def test_a_command_is_its_name_its_words_and_a_channel(
    text: str, verb: str, arguments: tuple[str, ...], target: str | None
) -> None:
    found = command(text)
    assert isinstance(found, Command)
    assert (found.verb, found.arguments, found.target) == (verb, arguments, target)


@pytest.mark.parametrize(
    "more",
    [
        {"forward_origin": {"type": "hidden_user", "date": 1, "sender_user_name": "Ann"}},
        {"from": {"id": 9, "is_bot": True, "first_name": "Another bot"}},
        {"from": None},
    ],
)
def test_what_somebody_else_said_is_no_command(more: dict[str, Any]) -> None:
    assert command("/stop", **more) is None


@given(st.text())
def test_a_name_from_outside_is_shown_without_becoming_html(name: str) -> None:
    shown = safe(Listing(name=name).name)
    assert "<" not in shown
    assert ">" not in shown
    assert len(shown) <= 5 * 200
