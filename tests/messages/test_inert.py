"""What publishers write becomes no link, no mention and no command, in any mail or post."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.channels.webhook.content import render_webhook
from monitor.channels.webhook.section import WebhookEntry
from monitor.channels.webhook.shapes import SHAPES, Job
from monitor.domain import PlacementReason, Rendered
from monitor.messages import render
from monitor.messages.layout import clean, neutralize
from monitor.messages.model import Alert, NoticeDecision, OperatorNotice, Sender
from tests.messages.test_alert import AFTER, added, changed, listing, removed, told, written

HOSTILE = (
    "evil.com Police", "www.evil.com", "https://evil.com/login", "tg://resolve?domain=evil",
    "a@evil.com", "@all Police", "(@everyone)", "/stop Police", "see /start@evil_bot", "#general",
    "[Police](https://evil.com)", "<https://evil.com|Police>", "evil.com", "EVIL.ORG:443/x", "sub.evil.co.uk",
    "xn--e1awd7f.xn--p1ai", "evil.рф", "mailto:a@evil.com", "<!channel> evil\uff0ecom", "evil\u3002com",
    "Police \uff20here", "$EVIL Police", "1.2.3.4 Police", "10.0.0.255/login", "127.0.0.1:8080",
)  # fmt: skip
JOINER = "\u2060"

# What programs look for. A word joiner ends a word to some and is a letter to others, so both are tried.
LINK = re.compile(r"\w://|www\.\w|\d\.\d+\.\d+\.\d|[\w-]\s*[.\u3002\uff0e\uff61][^\W\d_]{2,}", re.IGNORECASE)
MENTION = re.compile(r"[@\uff20]\w")
COMMAND = re.compile(r"(?<!\w)[/#]\w|\$[A-Z]")
OURS = re.compile(r"https://(?:watch|maps)\.example[^\s\"<>)]*|hello@watch\.example")
TLDS = ("com", "org", "uk", "рф", "xn--p1ai")


def is_active(text: str) -> str | None:
    """What a program would make of a text; None for nothing."""
    text = OURS.sub("", text)
    for pattern in (LINK, MENTION, COMMAND):
        if found := pattern.search(text):
            return found[0]
    # readers that take any character for a part of a label (markdown-it's, for instance) know a domain by its
    # last label
    for label in re.findall(r"[.\u3002\uff0e\uff61]([^\s.\u3002\uff0e\uff61/:|>)]+)", text):
        if label.lower() in TLDS:
            return str(label)
    return None


def texts_of(message: Rendered) -> Iterator[str]:
    yield message.text
    yield message.subject
    for marked in (message.html, *message.blocks):
        body = re.sub(r"<style.*?</style>|<head.*?</head>", "", marked, flags=re.DOTALL)
        yield html.unescape(re.sub(r"<[^>]*>", " ", body))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_from_outside_is_inert_in_every_mail_and_post(name: str) -> None:
    assert is_active(name), "the test would see nothing"
    fields = {"state": None, "state_text": name, "attributes": (("TYPE", name), (name, "x"))}
    changes = [
        told(added(name, **fields), reason=PlacementReason("covers", (name,), name)),
        told(removed(name, **fields)),
        told(changed(listing(), listing(name), "name")),
        told(changed(listing(attributes=(("A", "x"),)), listing(attributes=(("A", name),)), "A")),
    ]
    for those in (*([each] for each in changes), changes):
        message = written(*those)
        for shown in texts_of(message):
            assert is_active(shown) is None, shown


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_publisher_said_is_inert_in_a_notice_to_the_operator(name: str) -> None:
    notice = OperatorNotice(
        opened=((f"ring: the last poll failed: {name}", "monitor poll ring"),),
        ended=(f"town: {name}",),
        decisions=(
            NoticeDecision(f"ring: {name}", url="https://watch.example/decide/1", command="decide 1"),
        ),
    )
    for message in (notice, replace(notice, opened=())):
        rendered = render(message, Sender(site_name="Map Monitor", contact="", timezone="America/Chicago"))
        for shown in (*texts_of(rendered), *(label for label, _ in rendered.buttons)):
            assert is_active(shown) is None, shown


@pytest.mark.parametrize("shape", sorted(set(SHAPES) - {"standard"}))
@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_from_outside_is_inert_in_every_service(shape: str, name: str) -> None:
    alert = Alert(
        told=(told(added(name)),),
        source="ring",
        title="Ring's map",
        publisher="Ring",
        official_url="https://maps.example/ring",
        permalink="https://watch.example/changes/1",
        meaning=None,
    )
    sender = Sender(site_name="Map Monitor", contact="", timezone="America/Chicago")
    entry = WebhookEntry.model_validate(
        {"places": ("IL",), "url": "https://hooks.example/a", "shape": shape}
        | {"matrix": {"room": "!a:b", "token": "t"}, "mastodon": {"token": "t"}}.get(shape, {})
        | ({"sender": "+1", "recipient": "g"} if shape == "signal" else {})
    )
    request = SHAPES[entry.shape](Job(entry, render_webhook(alert, sender), "msg_1", AFTER))
    body = request.body.decode()
    said = body.encode().decode("unicode_escape") if "\\u" in body else body
    for text in re.findall(r'"(?:content|text|message|body|status|title)":\s*"((?:[^"\\]|\\.)*)"', said):
        assert is_active(html.unescape(text).replace("\\n", "\n")) is None, text


@pytest.mark.parametrize(
    "name",
    [
        "Hammond Police Department", "St. Louis County Police", "U.S. Marshals Service", "Post No. 7",
        "Prince George's County and/or City", "Dept. of Corrections", "Cañon City Police", "N/A", "A. B. Co.",
        "24/7 Patrol", "a $5 fee", "12.50", "1.2.3", "01.02.2026", "(312) 555-0100",
    ],
)  # fmt: skip
def test_names_that_are_none_stay_as_they_are(name: str) -> None:
    assert neutralize(clean(name)) == name


@given(st.text())
def test_nothing_but_word_joiners_is_added(text: str) -> None:
    cleaned = clean(text)
    inert = neutralize(cleaned)
    assert inert.replace(JOINER, "") == cleaned.replace(JOINER, "")
    assert clean(inert) == clean(cleaned)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("X\u0301o\u0308lice", "X\u0301ölice"),
        ("P" + "\u0335\u0322\u031b\u0321" * 30 + "olice", "P"),
        ("Police" + "\u20dd" * 50, "Police\u20dd\u20dd"),
        ("Đặng Nguyễn", "Đặng Nguyễn"),
    ],
)
def test_stacks_of_combining_marks_go_and_letters_of_languages_stay(raw: str, shown: str) -> None:
    cleaned = clean(raw)
    if len(raw) > 100:
        assert re.fullmatch("P[\u0300-\u036f]{2}olice", cleaned)
    else:
        assert cleaned == shown
