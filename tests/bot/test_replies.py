"""Every sentence of the bot is there in Spanish, and fits where it goes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_file

from monitor import bot
from monitor.bot.api import LONGEST_NOTICE
from monitor.bot.replies import COMMANDS, Translator
from monitor.config import load
from monitor.errors import ConfigError
from monitor.messages.locale import LANGUAGES

ROOM = Path(bot.__file__).parent
KEYWORDS = {"N_": None, "translate": None, "refusal": None, "count": (1, 2)}


def written() -> set[str | tuple[str, ...]]:
    """The sentences in the code of the room."""
    found = (
        each for file in ROOM.glob("*.py") for each in extract_from_file("python", file, keywords=KEYWORDS)
    )
    return {message for _, message, _, _ in found}


def test_no_sentence_holds_a_percent_sign_that_is_no_value() -> None:
    for sentence in written():
        for text in (sentence,) if isinstance(sentence, str) else sentence:
            assert re.sub(r"%\(\w+\)s", "", text).count("%") == 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_button_or_the_menu_shows_fits(language: str) -> None:
    translate = Translator(language)
    refusals = {
        message for message in written() if isinstance(message, str) and not re.search(r"%|<b>", message)
    }
    assert all(len(translate(message)) <= LONGEST_NOTICE for message in refusals)
    assert all(len(translate(what)) <= 256 for what in COMMANDS.values())


def test_the_longest_command_behind_a_button_fits(tmp_path: Path) -> None:
    """A source's name has 32 characters at most, a chat's number 52 significant bits (Bot API, Chat)."""
    assert len(f"lists off {'a' * 32} {-(2**52)}") <= 64
    for length, refused in ((32, False), (33, True)):
        (tmp_path / "config.toml").write_text(f'[sources.{"a" * length}]\nformat = "table"\n')
        with pytest.raises(ConfigError) as caught:
            load(tmp_path / "config.toml", {})
        assert ("32 at most" in str(caught.value)) is refused


def test_values_from_outside_are_shown_and_nothing_more() -> None:
    translate = Translator("en")
    assert (
        translate("Watched for %(channel)s:", channel="<a href='x'>&\u202e\n")
        == "Watched for &lt;a href='x'&gt;&amp;:"
    )
