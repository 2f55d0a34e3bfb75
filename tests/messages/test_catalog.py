"""The one catalog: every sentence of every room is in it, in Spanish, and nothing else is."""

from __future__ import annotations

import re
from functools import cache
from io import BytesIO
from typing import Any

from babel.messages.catalog import Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po

from tests.conftest import ROOT

PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]")
TEMPLATES = {"trimmed": "true", "silent": "false"}
# the functions of each room that take a sentence, and which arguments it is
ROOMS: dict[str, dict[str, Any]] = {
    "web": {"translate": (2,)},
    "bot": {"translate": None, "refusal": None, "count": (1, 2)},
    "places": {},
    "messages": {"say": None, "self": None, "count": (1, 2), "_count": (1, 2), "N_": None},
}

Sentence = str | tuple[str, ...]


@cache
def written() -> dict[Sentence, str]:
    """Every sentence in code and templates (with its plural), and where it stands."""
    found: dict[Sentence, str] = {}
    for room, keywords in ROOMS.items():
        for file, line, message, _, _ in extract_from_dir(
            ROOT / "monitor" / room,
            [("templates/**.html", "jinja2"), ("templates/**.atom", "jinja2"), ("**.py", "python")],
            {"templates/**.html": TEMPLATES, "templates/**.atom": TEMPLATES},
            keywords={**DEFAULT_KEYWORDS, "N_": None, **keywords},
        ):
            sentence = tuple(part for part in message) if isinstance(message, tuple) else message
            found[sentence] = f"{room}/{file}:{line}"
    return found


@cache
def spanish() -> tuple[Message, ...]:
    body = (ROOT / "monitor" / "messages" / "es.po").read_bytes()
    return tuple(message for message in read_po(BytesIO(body), locale="es", abort_invalid=True) if message.id)


def test_every_sentence_is_translated() -> None:
    translated = {message.id for message in spanish() if message.string and all(message.string)}
    singular = {message.id[0] if isinstance(message.id, tuple) else message.id for message in spanish()}
    missing = {
        sentence: where
        for sentence, where in written().items()
        if sentence not in translated and (isinstance(sentence, tuple) or sentence not in singular)
    }
    assert missing == {}


def test_the_catalog_holds_nothing_that_is_not_said() -> None:
    said = {sentence[0] if isinstance(sentence, tuple) else sentence for sentence in written()}
    left = [
        message.id
        for message in spanish()
        if (message.id[0] if isinstance(message.id, tuple) else message.id) not in said
    ]
    assert left == []


def test_a_translation_has_the_values_of_its_sentence_and_no_doubt() -> None:
    for message in spanish():
        english = message.id if isinstance(message.id, tuple) else (message.id,)
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        assert not message.fuzzy, english
        wanted = set(PLACEHOLDER.findall(english[-1]))
        for text in strings:
            assert text, english
            assert set(PLACEHOLDER.findall(text)) <= wanted | OPTIONAL, english
        # "Ring's" is a word of its own in English alone
        assert set(PLACEHOLDER.findall(strings[-1])) - OPTIONAL == wanted - OPTIONAL, english


OPTIONAL = {"owner", "publisher"}


def test_a_translation_has_the_commands_and_the_tags_of_its_sentence() -> None:
    for message in spanish():
        english = message.id if isinstance(message.id, tuple) else (message.id,)
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        for one, other in zip(english, strings, strict=True):
            for what in (r"(?<!\w)/[a-z]+\b", r"</?b>"):
                assert sorted(re.findall(what, one)) == sorted(re.findall(what, other)), one
