"""Web push: what a relay and the browser behind it make of what we send, and what its answers mean."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from monitor.channels.kinds import KINDS, lookup, mask, normalize_address, recognize
from monitor.channels.webpush.encryption import BLOCK, LARGEST_PLAINTEXT, encrypt
from monitor.channels.webpush.endpoint import LONGEST, PushAddress, find_company
from monitor.channels.webpush.transport import WebPushChannel
from monitor.channels.webpush.vapid import Vapid, format_server_key
from monitor.config import load
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
from monitor.errors import ConfigError, Permanent, Transient, UsageError
from monitor.keys import KeyFile, KeyFileContent
from monitor.messages import Message, Sender
from monitor.messages.model import (
    AgenciesToday,
    Alert,
    AlreadySubscribed,
    AlsoListed,
    Canary,
    ChangeRetracted,
    Confirmation,
    Digest,
    Export,
    ListChecks,
    ListedAgency,
    ListPlaces,
    ListReadable,
    ListSwitchedOff,
    ListUnreadable,
    OperatorNotice,
    Receipt,
    Schedule,
    Welcome,
)
from monitor.messages.notification import PushMessage, render_notification
from monitor.storage import key_exchange
from tests.peers.push import PushBrowser, PushRelay, decrypt, to_bytes, to_text, trusting

NOW = datetime(2026, 11, 24, 20, 7, tzinfo=UTC)
SENDER = Sender(site_name="Watch", timezone="America/Chicago", managed=True)
SECRET = bytes(range(32))
KEY = format_server_key(SECRET)


@pytest.fixture
def relay() -> Iterator[PushRelay]:
    with PushRelay(NOW.timestamp) as running:
        yield running


def channel(*, secret: bytes = SECRET, allow_private: bool = True) -> WebPushChannel:
    return WebPushChannel(
        lambda: Vapid(secret, "mailto:operator@watch.example"),
        clock=lambda: NOW,
        allow_private=allow_private,
        tls=trusting(),
    )


def send(to: PushBrowser, message: PushMessage, number: int = 7, **more: Any) -> None:
    async def once() -> None:
        values = {"confirm": "https://watch.example/confirm/1xabc", "asked": "today", "stop": "there"}
        envelope = Envelope(number, to.address, f"<{number}@watch.example>", placeholders=values)
        async with channel(**more) as opened:
            await opened.send(message, envelope)

    asyncio.run(once())


def told(name: str = "Hammond Police Department", **more: Any) -> AlertedChange:
    listing = Listing(name=name, key=f"IN|{name}", city="Hammond", state="IN", since=date(2026, 11, 20))
    return AlertedChange(
        change=Change(Kind.ADDED, before=None, after=listing),
        because=("46320",),
        reason=PlacementReason("covers", ("Hammond",)),
        confidence=Confidence.EXACT,
        not_before=NOW - timedelta(hours=1),
        not_after=NOW,
        **more,
    )


def alert(*names: str, **more: Any) -> Alert:
    given: dict[str, Any] = {
        "source": "ring",
        "title": "Ring's map",
        "publisher": "Ring",
        "official_url": "https://ring.example/map",
        "told": tuple(told(name) for name in names) or (told(),),
        "meaning": Meaning(
            since=date(2024, 1, 24), en="It is listed.", es="Figura en la lista.", citation="Ring"
        ),
        "permalink": "https://watch.example/changes/7",
    }
    return Alert(**given | more)


PLACES = (ListPlaces("Ring's map", ("46320", "county-17031")),)
TODAY = AgenciesToday(
    places=("46320",),
    title="Ring's map",
    agencies=(("Hammond Police Department", None),),
    total=1,
    seen_at=NOW,
)


def messages(language: str) -> list[Message]:
    """One of every kind."""
    noticed = {"language": language, "title": "Ring's map", "official_url": "", "seen_at": NOW}
    asked = {"language": language, "follows": PLACES, "schedule": Schedule()}
    checked = ListChecks(
        title="Ring's map",
        good=2000,
        last_good_at=NOW,
        blind=timedelta(hours=3),
        since=NOW - timedelta(days=91),
        until=NOW,
        polls=2003,
        longest=timedelta(minutes=90),
    )
    return [
        alert(language=language),
        alert("Gary Police Department", "Hammond Police Department", language=language, late=True),
        Digest(language=language, about="daily", alerts=(alert(language=language),)),
        Confirmation(**asked),
        AlreadySubscribed(**asked),
        Welcome(**asked, today=(TODAY,)),
        ChangeRetracted(
            language=language,
            source="ring",
            title="Ring's map",
            publisher="Ring",
            official_url="https://ring.example/map",
            told=told(),
            told_at=NOW,
            retracted_at=NOW,
            reason="It was a test page.",
            reason_language="en",
            permalink="https://watch.example/change/7",
        ),
        ListUnreadable(**noticed),
        ListReadable(**noticed),
        ListSwitchedOff(**noticed),
        Receipt(**asked, checks=(checked,)),
        Export(language=language, follows=PLACES, facts=(("state", "active"),)),
        OperatorNotice(opened=(("the disk is full", "monitor status"),)),
        Canary(queued_at=NOW),
    ]


# --- encryption and signature


def of_scalar(text: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(to_bytes(text), "big"), ec.SECP256R1())


def test_the_example_of_rfc_8291_comes_out_to_the_byte() -> None:
    """RFC 8291, 5 and appendix A."""
    browser = of_scalar("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94")
    auth = to_bytes("BTBZMqHH6r4Tts7J_aSIgg")
    point = to_bytes(
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
    )
    body = encrypt(
        b"When I grow up, I want to be a watermelon",
        point,
        auth,
        own=of_scalar("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"),
        salt=to_bytes("DGv6ra1nlYgDCS1FRnbzlw"),
        block=1,
    )
    assert to_text(body) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6Tlz"
        "AC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )
    assert decrypt(body, browser, auth) == b"When I grow up, I want to be a watermelon"


def test_a_body_shows_the_relay_neither_its_text_nor_its_length(relay: PushRelay) -> None:
    browser = relay.subscribe()
    point = to_bytes(browser.p256dh)
    bodies = [encrypt(b"x" * length, point, browser.auth) for length in (1, 2, 700, BLOCK)]
    assert {len(body) for body in bodies} == {86 + BLOCK + 1 + 16}
    assert len(encrypt(bytes(LARGEST_PLAINTEXT), point, browser.auth)) <= 4096
    assert bodies[0] != encrypt(b"x", point, browser.auth), "a key or a salt is used twice"
    with pytest.raises(ValueError, match="too long"):
        encrypt(bytes(LARGEST_PLAINTEXT + 1), point, browser.auth)


def test_a_signature_is_made_once_in_hours_for_each_relay_and_renewed_before_it_ends() -> None:
    vapid = Vapid(SECRET, "mailto:operator@watch.example")
    first = vapid.authorize("https://one.example", NOW)
    assert vapid.authorize("https://one.example", NOW + timedelta(hours=5)) == first
    assert vapid.authorize("https://two.example", NOW) != first
    assert vapid.authorize("https://one.example", NOW + timedelta(hours=7)) != first
    assert vapid.authorize("https://one.example", NOW - timedelta(days=2)) != first, "the clock was set back"


def test_the_key_stays_through_rotations_files_and_restores(tmp_path: Path) -> None:
    first = KeyFile.load(tmp_path, create=True).push_secret
    exchange = key_exchange.begin_rotation(tmp_path, NOW)
    assert exchange.new.push_secret == exchange.old.push_secret == first
    assert exchange.new.token_key != exchange.old.token_key
    key_exchange.finish_rotation(tmp_path)
    key_exchange.begin_rotation(tmp_path, NOW, leaked=True)
    key_exchange.finish_rotation(tmp_path)
    assert KeyFile.load(tmp_path, create=False).push_secret == first
    # a copy of the file is the key
    other = tmp_path / "restored"
    other.mkdir(mode=0o700)
    (other / "monitor.key").write_bytes((tmp_path / "monitor.key").read_bytes())
    (other / "monitor.key").chmod(0o600)
    assert KeyFile.load(other, create=False).push_secret == first
    assert KeyFile.of_content(KeyFileContent(bytes(32))).push_secret != first


# --- what is sent


@pytest.mark.parametrize("language", ["en", "es"])
def test_every_kind_of_message_reaches_the_browser(relay: PushRelay, language: str) -> None:
    browser = relay.subscribe(KEY)
    for number, message in enumerate(messages(language)):
        send(browser, render_notification(message, SENDER), number)
        shown = browser.messages[-1]
        assert relay.refused == []
        assert shown["title"], message
        assert shown["body"], message
        assert shown["lang"] == getattr(message, "language", "en")
        assert len(browser.raw[-1]) <= 3000
        assert "\ue000" not in browser.raw[-1].decode(), "a placeholder was left"


def test_an_alert_says_the_news_and_leads_to_its_page(relay: PushRelay) -> None:
    browser = relay.subscribe(KEY)
    send(browser, render_notification(alert(), SENDER))
    (shown,), (headers,) = browser.messages, browser.headers
    assert shown["title"] == "Hammond Police Department (IN) added to Ring's map"
    assert "Not there at our check" in shown["body"]
    assert "It is listed." in shown["body"]
    assert "46320" in shown["body"]
    assert shown["url"] == "https://watch.example/changes/7"
    assert "confirm" not in shown
    assert (headers["ttl"], headers["urgency"]) == (str(28 * 86400), "high")
    assert "content-type" in headers
    several = render_notification(alert("Gary Police Department", "Hammond Police Department"), SENDER)
    assert "Gary Police Department: " in several.body
    assert "Hammond Police Department: " in several.body


def test_what_is_told_beside_the_news_is_not_cut_off_by_it() -> None:
    listed = ListedAgency("Lake County Sheriff", "Ring's map", PlacementReason("covers", ("Hammond",)))
    names = [f"Agency number {number} of a long list" for number in range(50)]
    message = alert(*names, also=AlsoListed((listed,), 1))
    body = render_notification(message, SENDER).body
    assert len(body) <= 700
    assert "Also listed for your places today: Lake County Sheriff (Ring's map)" in body.splitlines()[-1]
    assert "Also listed" not in render_notification(alert(*names), SENDER).body


def test_the_first_push_carries_the_link_that_the_browser_confirms(relay: PushRelay) -> None:
    browser = relay.subscribe(KEY)
    confirmation = Confirmation(language="en", follows=PLACES, schedule=Schedule())
    send(browser, render_notification(confirmation, SENDER))
    (shown,), (headers,) = browser.messages, browser.headers
    assert shown["title"] == "You get alerts for 46320; Cook County, IL"
    assert shown["confirm"] == shown["url"] == "https://watch.example/confirm/1xabc"
    assert headers["ttl"] == str(48 * 3600), "no longer than its link works"


def test_a_copy_replaces_the_first_and_another_message_does_not(relay: PushRelay) -> None:
    browser, other = relay.subscribe(KEY), relay.subscribe(KEY)
    news = render_notification(alert(), SENDER)
    for to, number in ((browser, 1), (browser, 1), (browser, 2), (other, 1)):
        send(to, news, number)
    first, again, second = (headers["topic"] for headers in browser.headers)
    assert first == again != second
    assert other.headers[0]["topic"] != first, "a relay could tell that two people get the same"
    assert [shown["tag"] for shown in browser.messages] == [first, again, second]
    notices = {"language": "en", "title": "Ring's map", "official_url": "", "seen_at": NOW}
    send(browser, render_notification(ListUnreadable(**notices), SENDER), 3)  # type: ignore[arg-type]
    send(browser, render_notification(ListReadable(**notices), SENDER), 4)  # type: ignore[arg-type]
    assert browser.headers[-1]["topic"] == browser.headers[-2]["topic"], "what is true now replaces what was"


def test_a_long_message_is_cut_to_what_a_relay_takes(relay: PushRelay) -> None:
    browser = relay.subscribe(KEY)
    names = [f"{number} {'Ω' * 150} Police" for number in range(40)]
    message = render_notification(alert(*names), SENDER)
    send(browser, message)
    assert len(message.body) <= 700
    assert len(browser.raw[0]) <= 3000
    longest = replace(message, body="Ω" * 5000)
    send(browser, longest, 8)
    assert len(browser.raw[1]) <= 3000
    assert browser.messages[1]["body"].endswith("…")
    assert browser.messages[1]["title"] == message.title


# --- what is answered


@pytest.mark.parametrize("status", [404, 410])
def test_a_subscription_that_has_ended_ends(relay: PushRelay, status: int) -> None:
    browser = relay.subscribe(KEY)
    relay.answers.append((status, {}))
    with pytest.raises(Permanent, match=str(status)) as caught:
        send(browser, render_notification(alert(), SENDER))
    assert caught.value.address_gone
    assert browser.endpoint not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "wait", "lane"),
    [
        ((429, {"Retry-After": "120"}), 120, "localhost"),
        ((503, {"Retry-After": "Tue, 24 Nov 2026 20:17:00 GMT"}), 600, "localhost"),
        ((503, {"Retry-After": "999999999999"}), 12 * 3600, "localhost"),
        ((500, {"Retry-After": "soon"}), None, "localhost"),
        ((502, {}), None, "localhost"),
        ((403, {}), None, None),
        ((400, {}), None, None),
        ((413, {}), None, None),
        ((307, {"Location": "https://127.0.0.1/"}), None, None),
    ],
)
def test_what_is_tried_again_and_what_waits_with_it(
    relay: PushRelay, answer: tuple[int, dict[str, str]], wait: int | None, lane: str | None
) -> None:
    browser = relay.subscribe(KEY)
    relay.answers.append(answer)
    with pytest.raises(Transient, match=str(answer[0])) as caught:
        send(browser, render_notification(alert(), SENDER))
    assert caught.value.retry_after == (None if wait is None else timedelta(seconds=wait))
    assert caught.value.lane == lane, "a stranger's subscription would hold up a relay"
    assert caught.value.slower == (answer[0] == 429)
    assert caught.value.unexplained == (answer[0] == 413)
    assert relay.requests == 1, "a redirect was followed"


def test_the_relay_refuses_another_key_than_the_browser_subscribed_with(relay: PushRelay) -> None:
    browser = relay.subscribe(KEY)
    with pytest.raises(Transient, match="403") as caught:
        send(browser, render_notification(alert(), SENDER), secret=bytes(32))
    assert relay.refused == ["another key than the one that the browser subscribed with"]
    assert not caught.value.refuses_us


def test_a_relay_that_is_away_is_tried_again(relay: PushRelay) -> None:
    browser = relay.subscribe()
    relay.__exit__(None, None, None)
    with pytest.raises(Transient) as caught:
        send(browser, render_notification(alert(), SENDER))
    assert caught.value.lane == "localhost"
    relay.__enter__()


def test_the_check_opens_the_key_and_asks_nobody(relay: PushRelay) -> None:
    assert channel().check() == KEY
    assert relay.requests == 0


def test_only_public_addresses_and_the_port_of_https_are_asked(relay: PushRelay) -> None:
    browser = relay.subscribe(KEY)
    with pytest.raises(Permanent, match="port"):
        send(browser, render_notification(alert(), SENDER), allow_private=False)
    inside = replace(browser, endpoint="https://localhost/push/1")
    with pytest.raises(Transient, match="not public"):
        send(inside, render_notification(alert(), SENDER), allow_private=False)
    assert relay.requests == 0


# --- addresses


GOOD = PushBrowser(
    "https://fcm.googleapis.com/fcm/send/abc:def-ghi",
    ec.derive_private_key(7, ec.SECP256R1()),
    bytes(16),
)
POINT = GOOD.p256dh


def test_a_subscription_is_read_and_written_in_one_form() -> None:
    assert normalize_address("webpush", GOOD.address) == GOOD.address
    padded = f"{GOOD.endpoint} {POINT}= {to_text(GOOD.auth)}=="
    assert normalize_address("webpush", padded) == GOOD.address
    assert recognize(GOOD.address) == "webpush"
    assert PushAddress.of_subscription(json.dumps(GOOD.subscription)).endpoint == GOOD.endpoint
    assert str(GOOD.auth) not in repr(PushAddress.parse(GOOD.address))


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://fcm.googleapis.com/fcm/send/abc",
        "https://127.0.0.1/push",
        "https://[::1]/push",
        "https://2130706433/push",
        "https://user@fcm.googleapis.com/push",
        "https://fcm.googleapis.com:99999/push",
        "https://fcm.googleapis.com:0/push",
        "https://fcm.googleapis.com",
        "https:///push",
        "https://fcm.googleapis.com/push#part",
        "https://-bad.example/push",
        "https://bad..example/push",
        "https://FCM.googleapis.com/push",
        "ftp://fcm.googleapis.com/push",
        "https://fcm.googleapis.com/" + "a" * LONGEST,
        "https://fcm.googleapis.com/é",
        "",
    ],
)
def test_what_is_no_endpoint_is_refused(endpoint: str) -> None:
    with pytest.raises(UsageError):
        PushAddress.parse(f"{endpoint} {POINT} {to_text(GOOD.auth)}")


@pytest.mark.parametrize(
    ("p256dh", "auth"),
    [
        (POINT[:-4], to_text(bytes(16))),
        (to_text(b"\x04" + bytes(64)), to_text(bytes(16))),
        ("!" * len(POINT), to_text(bytes(16))),
        (POINT, to_text(bytes(15))),
        (POINT, ""),
        (POINT, "é" * 22),
    ],
)
def test_what_is_no_key_is_refused(p256dh: str, auth: str) -> None:
    with pytest.raises(UsageError):
        PushAddress.parse(f"{GOOD.endpoint} {p256dh} {auth}")


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", "1", '"x"', '{"endpoint": 1}', '{"endpoint": "x", "keys": []}', "[" * 3000],
)
def test_what_is_no_subscription_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        PushAddress.of_subscription(text)


def test_a_relay_cannot_look_up_what_its_browsers_follow() -> None:
    """It knows each endpoint, and neither the browser's secret nor its key."""
    key = KeyFile.of_master(SECRET)
    guessed = replace(GOOD, auth=bytes([1] * 16))
    assert lookup(key, "webpush", GOOD.address) != lookup(key, "webpush", guessed.address)
    assert lookup(key, "webpush", f" {GOOD.address} ") == lookup(key, "webpush", GOOD.address)
    assert mask("webpush", GOOD.address) == "fcm.googleapis.com…hi"
    assert mask("webpush", "garbage") == "…"
    kind = KINDS["webpush"]
    assert kind.lane(GOOD.address) == "fcm.googleapis.com"
    assert kind.shared_domain(GOOD.address) is None
    assert kind.shared_domain("https://push.a.evil.example/1 x y") == "evil.example"


@pytest.mark.parametrize(
    ("host", "company"),
    [
        ("fcm.googleapis.com", "Google"),
        ("jmt17.google.com", "Google"),
        ("updates.push.services.mozilla.com", "Mozilla"),
        ("web.push.apple.com", "Apple"),
        ("wns2-by3p.notify.windows.com", "Microsoft"),
        ("fcm.googleapis.com.evil.example", None),
        ("evilgoogleapis.com", None),
    ],
)
def test_the_company_is_told_by_the_host(host: str, company: str | None) -> None:
    assert find_company(host) == company


@pytest.mark.parametrize(
    ("old", "new", "may"),
    [
        ("https://a.notify.windows.com/1", "https://b.notify.windows.com/2", True),
        ("https://push.one.example/1", "https://push.one.example/2", True),
        ("https://push.one.example/1", "https://push.two.example/1", False),
        ("https://fcm.googleapis.com/1", "https://web.push.apple.com/1", False),
        ("https://fcm.googleapis.com/1", "https://fcm.googleapis.com.evil.example/1", False),
    ],
)
def test_a_renewed_subscription_stays_with_its_company(old: str, new: str, may: bool) -> None:
    keys = GOOD.address.partition(" ")[2]
    assert KINDS["webpush"].may_move(f"{old} {keys}", f"{new} {keys}") is may


# --- configuration


def test_it_needs_a_contact_and_https(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        '[site]\npublic_url = "https://watch.example"\n[webpush]\ncontact = "mailto:me@watch.example"\n'
    )
    settings = load(path, {})
    assert KINDS["webpush"].is_configured(settings.webpush)
    path.write_text(
        '[site]\npublic_url = "http://127.0.0.1:8000"\n[webpush]\ncontact = "mailto:me@watch.example"\n'
    )
    load(path, {})
    path.write_text("[webpush]\n")
    assert not KINDS["webpush"].is_configured(load(path, {}).webpush)
    for site, contact, problem in (
        ('public_url = "http://watch.example"', "mailto:me@watch.example", "https"),
        ("", "mailto:me@watch.example", "https"),
        ('public_url = "https://watch.example"', "me@watch.example", "mailto:"),
    ):
        path.write_text(f'[site]\n{site}\n[webpush]\ncontact = "{contact}"\n')
        with pytest.raises(ConfigError, match=problem):
            load(path, {})
