"""Webhooks: each service takes what it is sent, and each answer has its consequence."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from monitor.channels.kinds import KINDS
from monitor.channels.webhook.content import WebhookMessage, render_webhook, to_plain_text
from monitor.channels.webhook.section import WebhookEntry, WebhookSection
from monitor.channels.webhook.shapes import cut_text
from monitor.channels.webhook.transport import WebhookChannel, make_id
from monitor.config import find_warnings, load
from monitor.domain import (
    AlertedChange,
    Change,
    Confidence,
    Envelope,
    Kind,
    Listing,
    Meaning,
    PlacementReason,
)
from monitor.errors import ConfigError, Permanent, Transient
from monitor.messages import Sender
from monitor.messages.model import Alert, ChangeRetracted, ListUnreadable
from monitor.net.post import is_public
from tests.peers import hooks
from tests.peers.hooks import HookServer

NOW = datetime(2026, 11, 24, 20, 7, tzinfo=UTC)
KEY, NEXT_KEY = bytes(range(32)), bytes(range(1, 33))
SENDER = Sender(site_name="Watch", timezone="America/Chicago", managed=True)
LISTING = Listing(
    name="Hammond Police Department", key="IN|hammond", city="Hammond", state="IN", since=date(2026, 11, 20)
)


def alert(*names: str, **more: Any) -> Alert:
    told = tuple(
        AlertedChange(
            change=Change(Kind.ADDED, after=structs.replace(LISTING, name=name, key=f"IN|{name}")),
            because=("46320",),
            reason=PlacementReason("covers", ("Hammond",)),
            confidence=Confidence.EXACT,
            not_before=NOW - timedelta(hours=1),
            not_after=NOW,
        )
        for name in names or (LISTING.name,)
    )
    given: dict[str, Any] = {
        "source": "ring",
        "title": "Ring's map",
        "publisher": "Ring",
        "official_url": "https://ring.example/map",
        "told": told,
        "meaning": Meaning(
            date(2024, 1, 24), en="It is listed.", es="Figura en la lista.", citation="Ring, 2024"
        ),
        "permalink": "https://watch.example/changes/7",
    }
    return Alert(**given | more)


def secret(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


def entry(server: HookServer, shape: str = "standard", path: str = "/", **more: Any) -> WebhookEntry:
    given = {"url": server.url(path), "places": ["IN"], "shape": shape, "secret": secret(KEY)}
    return WebhookEntry.model_validate(given | more)


def send(
    to: WebhookEntry, message: WebhookMessage, number: int = 7, *, allow_private: bool = True, **more: str
) -> str | None:
    async def once() -> str | None:
        channel = WebhookChannel({"desk": to}, allow_private=allow_private, clock=lambda: NOW)
        async with channel:
            return await channel.send(message, Envelope(number, "desk", f"<{number}@watch.example>", **more))

    return asyncio.run(once())


@pytest.fixture
def receiver() -> Iterator[HookServer]:
    with HookServer(hooks.receiver, keys=[KEY]) as server:
        yield server


def test_a_signed_webhook_says_everything_in_fields(receiver: HookServer) -> None:
    send(entry(receiver), render_webhook(alert(), SENDER))
    (call,) = receiver.calls
    assert receiver.posts == ["agency.changed"]
    assert call.headers["content-type"] == "application/json"
    assert call.json == {
        "type": "agency.changed",
        "timestamp": "2026-11-24T20:07:00+00:00",
        "data": {
            "source": "ring",
            "list": "Ring's map",
            "publisher": "Ring",
            "language": "en",
            "changes": [
                {
                    "kind": "added",
                    "agency": {
                        "key": "IN|Hammond Police Department",
                        "name": "Hammond Police Department",
                        "city": "Hammond",
                        "county": None,
                        "state": "IN",
                        "own_date": "2026-11-20",
                        "url": None,
                        "attributes": {},
                    },
                    "before": None,
                    "fields": [],
                    "places": ["46320"],
                    "placement": call.json["data"]["changes"][0]["placement"],
                    "confidence": "exact",
                    "interval": {
                        "not_before": "2026-11-24T19:07:00+00:00",
                        "not_after": "2026-11-24T20:07:00+00:00",
                    },
                    "gone_at": None,
                }
            ],
            "also_listed": [],
            "meaning": {"text": "It is listed.", "since": "2024-01-24", "citation": "Ring, 2024"},
            "was_held": False,
            "late": False,
            "sample": False,
            "links": {
                "changes": "https://watch.example/changes/7",
                "official": "https://ring.example/map",
            },
        },
    }
    assert "Hammond" in call.json["data"]["changes"][0]["placement"]


def test_an_id_is_the_same_at_each_attempt_and_tells_no_number(receiver: HookServer) -> None:
    message = render_webhook(alert(), SENDER)
    for number in (7, 7, 8):
        send(entry(receiver), message, number)
    ids = [call.headers["webhook-id"] for call in receiver.calls]
    assert ids[0] == ids[1] != ids[2]
    assert receiver.posts == ["agency.changed"] * 2
    assert make_id("<7@watch.example>") == ids[0]


def test_during_an_exchange_both_secrets_sign(receiver: HookServer) -> None:
    receiver.keys = [NEXT_KEY]
    with pytest.raises(Transient, match="401"):
        send(entry(receiver), render_webhook(alert(), SENDER))
    send(entry(receiver, next_secret=secret(NEXT_KEY)), render_webhook(alert(), SENDER))
    assert receiver.posts == ["agency.changed"]


@pytest.mark.parametrize(
    ("status", "headers", "body", "expected", "wait"),
    [
        (410, {}, b"", Permanent, None),
        (404, {}, b"", Transient, None),
        (400, {}, b"", Transient, None),
        (500, {}, b"", Transient, None),
        (429, {"Retry-After": "90"}, b"", Transient, 90),
        (503, {"Retry-After": "Tue, 24 Nov 2026 20:09:00 GMT"}, b"", Transient, 120),
        (503, {"Retry-After": "Tue, 24 Nov 2026 19:00:00 GMT"}, b"", Transient, 0),
        (429, {}, b'{"retry_after": 1.5}', Transient, 1.5),
        (429, {}, b'{"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 2500}', Transient, 2.5),
        (503, {"Retry-After": "99999999"}, b"", Transient, 43200),
        (429, {"Retry-After": "soon"}, b"[]", Transient, None),
        (302, {"Location": "http://127.0.0.1:1/"}, b"", Transient, None),
    ],
)
def test_each_answer_has_its_consequence(
    receiver: HookServer,
    status: int,
    headers: dict[str, str],
    body: bytes,
    expected: type[Exception],
    wait: float | None,
) -> None:
    receiver.answers = [(status, headers, body)]
    with pytest.raises(expected, match=str(status)) as caught:
        send(entry(receiver), render_webhook(alert(), SENDER))
    error = caught.value
    if isinstance(error, Permanent):
        assert error.address_gone
    elif isinstance(error, Transient):
        assert error.retry_after == (None if wait is None else timedelta(seconds=wait))
        assert error.lane == "desk"
    assert len(receiver.calls) == 1, "no redirect is followed"


def test_a_silent_or_absent_server_is_tried_again_and_nothing_is_logged(
    receiver: HookServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    to = entry(receiver, path="/hooks/a-secret-path")
    with HookServer(hooks.receiver) as gone:
        address = gone.url("/hooks/a-secret-path")
    with pytest.raises(Transient, match="could not be reached") as caught:
        send(to.model_copy(update={"url": type(to.url)(address)}), render_webhook(alert(), SENDER))
    assert not caught.value.ambiguous
    assert "a-secret-path" not in caplog.text
    assert "a-secret-path" not in str(caught.value)
    assert "a-secret-path" not in repr(to)


def test_a_private_address_is_refused_unless_allowed(receiver: HookServer) -> None:
    with pytest.raises(Transient, match="not public"):
        send(entry(receiver), render_webhook(alert(), SENDER), allow_private=False)
    assert receiver.calls == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True), ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("127.0.0.1", False), ("10.0.0.1", False), ("100.64.0.1", False), ("169.254.169.254", False),
        ("0.0.0.0", False), ("224.0.0.1", False), ("255.255.255.255", False), ("192.0.2.1", False),
        ("::1", False), ("fe80::1%eth0", False), ("fc00::1", False), ("ff02::1", False),
        ("::ffff:127.0.0.1", False), ("::ffff:10.1.2.3", False), ("::ffff:93.184.216.34", True),
        ("2002:7f00:1::", False), ("64:ff9b::7f00:1", False), ("64:ff9b::5db8:d822", True), ("", False),
        ("not an address", False),
    ],
)  # fmt: skip
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


SERVICES = {
    "discord": (hooks.discord, "/api/webhooks/1/token", {}),
    "slack": (hooks.slack, "/services/T/B/X", {}),
    "teams": (hooks.teams, "/workflows/1", {}),
    "ntfy": (hooks.ntfy, "/town-alerts", {"token": "tk_secret"}),
    "matrix": (hooks.matrix, "/", {"token": "tk_secret", "room": "!abc:matrix.example"}),
    "mastodon": (hooks.mastodon, "", {"token": "tk_secret"}),
    "signal": (hooks.signal, "", {"sender": "+13125550100", "recipient": "group.abc="}),
}


@pytest.mark.parametrize("shape", SERVICES)
@pytest.mark.parametrize(
    "names",
    [
        ("Hammond & <Sons> @everyone",),
        (r"Hammond **Sons** __of__ # [them](x) ||`\`||",),
        tuple(f"Agency {n} of a town" for n in range(400)),
        tuple(f"Agency \U0001f693 {n} " + "\U0001f6a8" * 60 for n in range(200)),
    ],
)
def test_each_service_takes_short_and_long_messages(shape: str, names: tuple[str, ...]) -> None:
    service, path, more = SERVICES[shape]
    with HookServer(service) as server:
        send(entry(server, shape, path, **more), render_webhook(alert(*names), SENDER))
        (post,) = server.posts
        assert names[0].split()[0] in post
        if len(names) > 1 and shape != "matrix":
            assert "https://watch.example/changes/7" in post


@pytest.mark.parametrize("shape", ["matrix", "mastodon"])
def test_a_message_sent_twice_is_one_post_where_the_service_can_tell(shape: str) -> None:
    service, path, more = SERVICES[shape]
    with HookServer(service) as server:
        for _ in range(2):
            send(entry(server, shape, path, **more), render_webhook(alert(), SENDER))
        assert len(server.posts) == 1


def taken_back(**more: Any) -> ChangeRetracted:
    given: dict[str, Any] = {
        "language": "en",
        "source": "ring",
        "title": "Ring's map",
        "publisher": "Ring",
        "official_url": "https://ring.example/map",
        "told": replace(alert().told[0], because=()),
        "told_at": NOW - timedelta(days=2),
        "retracted_at": NOW,
        "reason": "It was our error.",
        "reason_language": "en",
        "permalink": "https://watch.example/change/12",
    }
    return ChangeRetracted(**given | more)


def test_a_retraction_names_the_message_that_it_retracts(receiver: HookServer) -> None:
    first, to = render_webhook(alert(), SENDER), entry(receiver)
    send(to, first, 7)
    send(to, render_webhook(taken_back(), SENDER), 8, answers="<7@watch.example>")
    send(to, render_webhook(taken_back(), SENDER), 9)
    told, said, unknown = receiver.calls
    assert said.json["type"] == "agency.retracted"
    data = said.json["data"]
    assert data["retracts"] == told.headers["webhook-id"] != said.headers["webhook-id"]
    assert data["change"] == told.json["data"]["changes"][0] | {"places": []}
    assert (data["reason"], data["reason_language"]) == ("It was our error.", "en")
    assert data["retracted_at"] == "2026-11-24T20:07:00+00:00"
    assert unknown.json["data"]["retracts"] is None


@pytest.mark.parametrize("shape", SERVICES)
def test_each_service_takes_a_retraction_as_an_answer_where_it_can(shape: str) -> None:
    service, path, more = SERVICES[shape]
    answers = {
        "matrix": ("$1", {"m.relates_to": {"m.in_reply_to": {"event_id": "$1"}}}),
        "mastodon": ("1", {"in_reply_to_id": "1"}),
    }
    called, names = answers.get(shape, (None, {}))
    with HookServer(service) as server:
        to = entry(server, shape, path, **more)
        assert send(to, render_webhook(alert(), SENDER)) == called
        send(to, render_webhook(taken_back(), SENDER), 8, answered=called or "")
        assert "Retracted: Hammond Police Department" in server.posts[1]
        assert "It was our error." in server.posts[1]
        said = server.calls[1].json
        assert {name: said[name] for name in names} == names


def test_other_messages_are_notices(receiver: HookServer) -> None:
    message = ListUnreadable(
        language="es", title="Mapa de Ring", official_url="https://ring.example", seen_at=NOW
    )
    send(entry(receiver), render_webhook(message, SENDER))
    said = receiver.calls[0].json
    assert (said["type"], said["data"]["language"]) == ("notice", "es")
    assert "Mapa de Ring" in said["data"]["text"]
    assert "\ue000" not in json.dumps(said, ensure_ascii=False), "no placeholder is left"


def test_plain_text_keeps_links_and_loses_tags() -> None:
    assert to_plain_text('<b>A &amp; B</b>: <a href="https://x.example/?a=1">Details</a>') == (
        "A & B: Details: https://x.example/?a=1"
    )


@pytest.mark.parametrize("limit", [20, 60, 100, 5000])
def test_a_text_is_cut_between_blocks_and_never_longer(limit: int) -> None:
    message = WebhookMessage("x", {}, "Subject", tuple(f"Block {n}" for n in range(40)), "https://x.example")
    text = cut_text(message, limit)
    assert len(text) <= limit or limit == 20
    assert text.endswith("https://x.example") is (limit < 400)


CONFIGURATION = """
[webhook.to.desk]
url_file = "{folder}/url"
places = ["IL", "60601"]
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
[webhook.to.chat]
url = "https://discord.example/api/webhooks/1/2"
places = ["IL"]
shape = "discord"
language = "es"
"""


def test_several_entries_may_follow_one_place(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("https://desk.example/hook\n")
    (tmp_path / "config.toml").write_text(CONFIGURATION.format(folder=tmp_path))
    section = load(tmp_path / "config.toml", {}).channel("webhook")
    assert isinstance(section, WebhookSection)
    assert section.to["desk"].url.get_secret_value() == "https://desk.example/hook"
    found = [
        (own.place, own.address, own.language) for own in KINDS["webhook"].operator_addresses(section) or ()
    ]
    assert found == [("IL", "desk", "en"), ("60601", "desk", "en"), ("IL", "chat", "es")]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ('url = "ftp://x"', "https://"),
        ('url = "http://chat.example/x"\nshape = "slack"', "allow_private"),
        ('url = "https://x.example"\nshape = "irc"', "standard"),
        ('url = "https://x.example"', "secret"),
        ('url = "https://x.example"\nsecret = "short"', "whsec_"),
        ('url = "https://x.example"\nshape = "matrix"\ntoken = "t"', "room"),
        ('url = "https://x.example"\nshape = "mastodon"', "token"),
        ('url = "https://x.example"\nshape = "signal"', "recipient"),
        (
            'url_file = "/no/such/file"',
            r"^webhook\.to\.desk\.url_file: /no/such/file cannot be used: there is no ",
        ),
        ('urll = "https://x.example"', r"unknown key; did you mean webhook\.to\.desk\.url\?"),
        ('url_fil = "url"', r"unknown key; did you mean webhook\.to\.desk\.url_file\?"),
    ],
)
def test_a_wrong_entry_is_refused_with_what_to_write(tmp_path: Path, wrong: str, reason: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'[webhook.to.desk]\nplaces = ["IL"]\n{wrong}\n')
    with pytest.raises(ConfigError, match=reason):
        load(path, {})


def test_a_relative_file_is_beside_the_configuration_and_no_secret_is_left_open(tmp_path: Path) -> None:
    """It was looked for in the folder where the command ran; one that all can read was not named."""
    path = tmp_path / "config.toml"
    path.write_text(CONFIGURATION.format(folder="secrets"))
    path.chmod(0o644)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "url").write_text("https://desk.example/hook\n")
    (tmp_path / "secrets" / "url").chmod(0o644)
    assert load(path, {}).channel("webhook").to["desk"].url.get_secret_value() == "https://desk.example/hook"  # type: ignore[attr-defined]
    written, readable = find_warnings(path, {})
    assert "webhook.to.chat.url, webhook.to.desk.secret in " in written
    assert "webhook.to.desk.url_file" in readable


def test_a_sample_for_the_operator_is_the_object_that_would_be_posted() -> None:
    shown = json.loads(KINDS["webhook"].format_sample(render_webhook(alert(), SENDER)))
    assert shown["type"] == "agency.changed"
    assert shown["data"]["changes"][0]["agency"]["name"] == "Hammond Police Department"
