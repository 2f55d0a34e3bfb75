"""Alerts in a browser, from the tap to the end: the subscription proves itself, is found by its secret only,
and is erased like an address.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from sqlalchemy.engine import Engine

from monitor import config, subscribers, web
from monitor.app import Components
from monitor.cli import root
from monitor.domain import Confidence, Listing, Placement, PlacementReason
from monitor.ops.explain import explain
from monitor.outbox import fan_out
from monitor.storage import engine as db
from monitor.storage import people
from monitor.storage.deliveries import pauses
from monitor.storage.people.tables import SubscriberRow
from monitor.subscribers import moved_address
from monitor.web.composition import signup_problem
from tests.peers.browser import served
from tests.peers.push import PushBrowser
from tests.subscribers.conftest import deliveries
from tests.subscribers.push_world import PushTown, opened_push_town
from tests.subscribers.town import Visitor


@pytest.fixture
def push_town(engine: Engine, database_url: str, now: datetime, tmp_path: Path) -> Iterator[PushTown]:
    """On SQLite and on PostgreSQL."""
    yield from opened_push_town(engine, database_url, now, tmp_path)


@pytest.fixture
def small_push_town(
    sqlite_engine: Engine, sqlite_url: str, now: datetime, tmp_path: Path
) -> Iterator[PushTown]:
    """The same on SQLite, for what does not depend on the kind of database."""
    yield from opened_push_town(sqlite_engine, sqlite_url, now, tmp_path)


def locate(source: str, listing: Listing) -> Placement:
    places = ("46320",) if listing.name.startswith("Hammond") else ("60601",)
    return Placement(places, "city", Confidence.EXACT, PlacementReason("covers", (listing.name,)))


def news(push_town: PushTown, publish: Callable[..., int], name: str, *places: str) -> int:
    """A change is published and sent."""
    town = push_town.town
    town.later(minutes=5)
    changeset = publish(name, town.now, *places)
    fan_out(town.engine, locate=locate, now=town.now)
    town.deliver()
    return changeset


def mine(push_town: PushTown, browser: PushBrowser, **more: str) -> tuple[int, str]:
    answer = push_town.post("/push/mine", subscription=json.dumps(browser.subscription), **more)
    return answer.status_code, answer.text


def test_from_the_tap_to_the_end(push_town: PushTown, publish: Callable[..., int]) -> None:
    town, relay = push_town.town, push_town.relay
    browser = push_town.browser()
    answer = push_town.sign_up(browser)
    assert answer.status_code == 200
    assert "Look at your notifications" in answer.text
    assert "localhost" in answer.text, "the page does not say who carries the notifications"
    town.deliver()
    (first,) = browser.messages
    assert first["title"] == "You get alerts for 60601"
    one = push_town.who(browser)
    assert one is not None
    assert one.state == "pending"
    assert "on its way" in mine(push_town, browser)[1]

    news(push_town, publish, "Too Early Police")
    assert len(browser.messages) == 1, "an alert before the browser has answered"
    assert push_town.answer(browser).status_code == 200
    town.deliver()
    assert push_town.who(browser).state == "active"  # type: ignore[union-attr]
    welcome = browser.messages[1]
    assert welcome["tag"] == first["tag"], "the second notification stands beside the first"
    assert welcome["url"] == "push"

    changeset = news(push_town, publish, "Chicago Police")
    told = browser.messages[2]
    assert told["title"].startswith("Chicago Police (IL) added to")
    assert told["url"].endswith(f"/change/{changeset}")
    assert relay.refused == []
    assert town.postbox.mails == []

    status, shown = mine(push_town, browser)
    assert status == 200
    assert "60601" in shown
    manage = re.search(r'href="(/manage/[^"?]+)"', shown)
    assert manage
    assert "localhost…" in town.client.get(manage[1]).text
    saved = town.client.post(
        manage[1], data={"places": "46320", "lists": ["ring"], "language": "es", "receipts": "1"}
    )
    assert saved.status_code == 200
    news(push_town, publish, "Chicago Again Police")
    assert len(browser.messages) == 3
    news(push_town, publish, "Hammond Police", "46320", "IN")
    assert browser.messages[3]["lang"] == "es"

    left = push_town.post("/push/leave", subscription=json.dumps(browser.subscription))
    assert left.status_code == 204
    assert push_town.who(browser) is None
    assert mine(push_town, browser)[0] == 404
    news(push_town, publish, "Hammond Again Police", "46320", "IN")
    assert len(browser.messages) == 4
    with db.reading(town.engine) as conn:
        row = conn.execute(sa.select(SubscriberRow)).one()._mapping
    assert (row["state"], row["address"], row["address_hash"], row["outline"]) == ("ended", None, None, None)
    assert (town.settings.data.folder / "erasures.txt").read_text().count("webpush") == 1
    # the same browser may come again at once
    push_town.sign_up(browser)
    town.deliver()
    assert browser.messages[-1]["title"] == "You get alerts for 60601"


def test_what_is_stored_is_sealed(push_town: PushTown) -> None:
    """Neither the endpoint nor a key of the browser is in the database, and nobody's address in a URL."""
    browser = push_town.member()
    folder = push_town.town.settings.data.folder

    def prove() -> set[str]:
        town, words = push_town.town, [browser.endpoint.rpartition("/")[2], browser.p256dh]
        erased = subscribers.Tombstones(folder)
        return {
            each.what
            for each in subscribers.scan_for_leaks(town.engine, town.keys, erased, secrets=words).found
        }

    assert prove() == set()
    (folder / "some.log").write_text(f"POST {browser.endpoint}?more answered\n")
    assert prove() == {
        "the endpoint of a subscriber's browser in the clear",
        "a word that must not be there",
    }


@pytest.mark.parametrize("status", [404, 410])
def test_a_subscription_that_ended_at_the_relay_ends_here(
    push_town: PushTown, publish: Callable[..., int], status: int
) -> None:
    browser, stays = push_town.member(), push_town.member()
    push_town.relay.answers.append((status, {}))
    news(push_town, publish, "Chicago Police")
    ended = [each for each in (browser, stays) if push_town.who(each) is None]
    assert len(ended) == 1
    news(push_town, publish, "Chicago Again Police")
    (other,) = (
        {id(browser): browser, id(stays): stays}.values() - ended
        if False
        else [each for each in (browser, stays) if each is not ended[0]]
    )
    assert [shown["title"][:7] for shown in other.messages[2:]] == ["Chicago", "Chicago"]
    assert len(ended[0].messages) == 2


def test_a_busy_relay_gets_it_later(push_town: PushTown, publish: Callable[..., int]) -> None:
    browser = push_town.member()
    push_town.relay.answers += [(503, {"Retry-After": "600"})]
    news(push_town, publish, "Chicago Police")
    assert len(browser.messages) == 2
    with db.reading(push_town.town.engine) as conn:
        paused = [each.name for each in pauses.read_pauses(conn, push_town.town.now)]
    assert paused == ["localhost"], "its own browsers wait for a relay, and no others"
    push_town.town.later(minutes=5)
    push_town.town.deliver()
    assert push_town.relay.requests == 3, "sooner than it asked"
    push_town.town.later(minutes=20)
    push_town.town.deliver()
    assert len(browser.messages) == 3


def test_an_endpoint_that_never_answers_is_written_to_three_times_at_most(push_town: PushTown) -> None:
    """Somebody enters another's endpoint: it gets what an email address would get."""
    browser, town = push_town.browser(), push_town.town
    for _ in range(6):
        push_town.sign_up(browser)
        town.deliver()
        town.later(hours=25)
    assert len(browser.messages) == 3
    town.later(hours=49)
    subscribers.purge(town.engine, town.now)
    assert push_town.who(browser) is None


def test_only_the_browser_itself_can_look_change_and_leave(push_town: PushTown) -> None:
    """The relay knows the endpoint, and neither the secret nor the key."""
    browser = push_town.member()
    guess = replace(browser, auth=bytes(16))
    text = json.dumps(guess.subscription)
    assert push_town.post("/push/mine", subscription=text).status_code == 404
    assert push_town.post("/push/leave", subscription=text).status_code == 404
    assert push_town.post("/push/renew", old=text, subscription=json.dumps(push_town.browser().subscription))
    push_town.town.deliver()
    assert push_town.who(browser) is not None
    for text in ("", "{}", json.dumps({"endpoint": browser.endpoint})):
        assert push_town.post("/push/mine", subscription=text).status_code == 404
        assert push_town.post("/push/leave", subscription=text).status_code == 404
        assert push_town.post("/push/renew", old=text, subscription=text).status_code == 422


def test_a_browser_that_renews_its_subscription_goes_on(
    push_town: PushTown, publish: Callable[..., int]
) -> None:
    old, new = push_town.member(), push_town.browser()
    fields = {"old": json.dumps(old.subscription), "subscription": json.dumps(new.subscription)}
    before = push_town.who(old)
    assert push_town.post("/push/renew", **fields).status_code == 202
    push_town.town.deliver()
    assert push_town.who(old) is None
    assert push_town.who(new) == replace(before, outline=push_town.who(new).outline)  # type: ignore[union-attr, type-var]
    news(push_town, publish, "Chicago Police")
    assert [shown["title"][:7] for shown in new.messages] == ["Chicago"]
    assert len(old.messages) == 2
    # again, and by somebody who has left: nothing
    assert push_town.post("/push/renew", **fields).status_code == 202
    push_town.post("/push/leave", subscription=json.dumps(new.subscription))
    assert push_town.post("/push/renew", old=fields["subscription"], subscription=fields["old"])
    push_town.town.deliver()
    assert push_town.who(old) is None
    assert push_town.who(new) is None


def test_a_subscription_does_not_move_to_another_relay_unproved(push_town: PushTown) -> None:
    old = push_town.member()
    elsewhere = replace(old, endpoint="https://victim.example/push/1")
    answer = push_town.post(
        "/push/renew", old=json.dumps(old.subscription), subscription=json.dumps(elsewhere.subscription)
    )
    assert answer.status_code == 409
    push_town.town.deliver()
    assert push_town.who(old) is not None


def test_a_form_without_a_subscription_says_what_to_do(small_push_town: PushTown) -> None:
    stamp = small_push_town.town.stamp()
    fields = {"places": "60601", "lists": ["ring"], "stamp": stamp}
    answer = small_push_town.post("/push", subscription="", **fields)
    assert answer.status_code == 422
    assert "Switch on JavaScript" in answer.text
    assert "60601" in answer.text
    subscription = json.dumps(small_push_town.browser().subscription)
    for wrong in ({"stamp": ""}, {"places": "Narnia"}, {"lists": []}):
        answer = small_push_town.post("/push", subscription=subscription, **fields | wrong)
        assert answer.status_code == 422, wrong
    assert deliveries(small_push_town.town.engine) == []


def test_sign_ups_from_one_network_are_limited(small_push_town: PushTown) -> None:
    town = small_push_town.town
    statuses = [small_push_town.sign_up(small_push_town.browser()).status_code for _ in range(21)]
    assert statuses == [200] * 20 + [429]
    fields = json.dumps(small_push_town.browser().subscription)
    assert small_push_town.post("/push/renew", old=fields, subscription=fields).status_code == 429
    town.deliver()
    assert small_push_town.relay.requests == 20


def test_endpoints_of_an_unknown_relay_are_limited_by_its_domain(small_push_town: PushTown) -> None:
    """A stranger with a domain of their own, whose endpoints are all theirs."""
    town = small_push_town.town
    for number in range(35):
        if number == 20:
            town.later(hours=1)
        small_push_town.sign_up(small_push_town.browser())
    town.deliver()
    assert small_push_town.relay.requests == 30


def test_the_key_is_exchanged_beside_a_subscription(push_town: PushTown, publish: Callable[..., int]) -> None:
    browser, key = push_town.member(), push_town.key
    town = push_town.town
    assert subscribers.rotate(town.engine, town.settings.data.folder, town.now) == 1
    assert push_town.key == key
    news(push_town, publish, "Chicago Police")
    assert len(browser.messages) == 3
    assert push_town.relay.refused == []
    assert mine(push_town, browser)[0] == 200


def test_digests_pauses_and_notices_come_as_on_other_channels(
    push_town: PushTown, publish: Callable[..., int]
) -> None:
    browser = push_town.member(frequency="daily", hour="8", zone="America/Chicago")
    news(push_town, publish, "Chicago Police")
    news(push_town, publish, "Second Police")
    assert len(browser.messages) == 2
    push_town.town.later(days=1)
    push_town.town.deliver()
    (digest,) = browser.messages[2:]
    assert digest["title"] == "Your daily digest: 2 changes"
    assert digest["url"].endswith("/changes")


def test_somebody_who_has_them_already_can_add_a_place(small_push_town: PushTown) -> None:
    browser = small_push_town.member()
    _, shown = mine(small_push_town, browser, place="46320")
    link = re.search(r'href="(/manage/[^"]+\?place=46320)"', shown)
    assert link
    form = small_push_town.town.client.get(link[1]).text
    assert "60601, 46320" in form
    assert "Unsubscribe from everything" not in form
    assert "?place=" not in mine(small_push_town, browser, place="60601")[1]
    assert "?place=" not in mine(small_push_town, browser, place="<script>")[1]


def test_explain_and_the_commands_know_it(
    push_town: PushTown, publish: Callable[..., int], tmp_path: Path
) -> None:
    browser, town = push_town.member(), push_town.town
    news(push_town, publish, "Chicago Police")
    told = explain(
        town.engine,
        town.keys,
        channel="webpush",
        address=browser.address,
        change=1,
        now=town.now,
        configured=frozenset({"webpush"}),
        fenced=None,
    )
    assert told.verdict == "alert"
    named = ["--config", str(tmp_path / "config.toml")]
    listed = CliRunner().invoke(root, ["subscribers", "list", *named])
    assert "webpush" in listed.output, listed.output
    assert browser.endpoint not in listed.output
    erased = CliRunner().invoke(root, ["subscribers", "erase", browser.address, *named])
    assert erased.exit_code == 0, erased.output
    assert push_town.who(browser) is None


def test_a_site_without_it_offers_nothing(small_town: object) -> None:
    town = small_town
    client = town.client  # type: ignore[attr-defined]
    for path in ("/subscribe", "/zip/60601"):
        assert "in this browser" not in client.get(path).text
    assert client.get("/push").status_code == 404
    assert client.post("/push", data={}).status_code == 404
    assert client.get("/manifest.webmanifest").json()["start_url"] == "/"


def test_a_site_may_have_browsers_and_no_mail(sqlite_engine: Engine, sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        f'[data]\nfolder = "data"\n[database]\nurl = "{sqlite_url}"\n'
        '[site]\npublic_url = "https://watch.example"\n[webpush]\ncontact = "mailto:me@watch.example"\n'
    )
    components = Components(config.load(path, {}), sqlite_engine)
    assert signup_problem(components) is None
    with served(web.create(components)) as address:
        form = Visitor(address).get("/subscribe").text
    assert "get alerts in this browser instead" in form
    assert 'href="/push"' in form
    assert 'name="address"' not in form


def test_the_site_is_an_app_that_can_be_installed(small_push_town: PushTown) -> None:
    client = small_push_town.town.client
    home = client.get("/").text
    assert 'rel="manifest" href="/manifest.webmanifest"' in home
    answer = client.get("/manifest.webmanifest")
    assert answer.headers["content-type"] == "application/manifest+json"
    manifest = answer.json()
    assert (manifest["start_url"], manifest["scope"], manifest["display"]) == ("/push", "/", "standalone")
    for icon in manifest["icons"]:
        picture = client.get(icon["src"]).content
        size = int(icon["sizes"].partition("x")[0])
        assert picture[:8] == b"\x89PNG\r\n\x1a\n"
        assert picture[16:24] == size.to_bytes(4, "big") * 2
    assert client.get("/app-icon-7.png").status_code == 404
    worker = client.get("/push-worker.js")
    assert worker.headers["content-type"].startswith("text/javascript")
    assert worker.headers["content-security-policy"] == "default-src 'none'; connect-src 'self'"
    assert worker.headers["cache-control"] == "no-cache"
    page = client.get("/push?place=60601")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    assert small_push_town.key in page.text
    assert 'href="/push?place=60601"' in client.get("/zip/60601").text
    assert 'href="/push?place=60601"' in client.get("/subscribe?place=60601").text
    assert "script-src" not in client.get("/subscribe").headers["content-security-policy"]


def test_a_tap_confirms_where_the_browser_could_not(small_push_town: PushTown) -> None:
    """The link of the first notification leads to the page with the button."""
    browser = small_push_town.browser()
    small_push_town.sign_up(browser)
    small_push_town.town.deliver()
    client, link = small_push_town.town.client, browser.messages[0]["url"]
    assert "<form" in client.get(link).text
    assert small_push_town.who(browser).state == "pending"  # type: ignore[union-attr]
    done = client.post(link, data={"confirm": "yes"})
    assert 'href="/push"' in done.text
    assert (
        "mail"
        not in re.sub(r"<header.*?</header>|<footer.*?</footer>", "", done.text, flags=re.DOTALL).lower()
    )
    assert small_push_town.who(browser).state == "active"  # type: ignore[union-attr]


def test_whoever_is_suppressed_is_not_written_to(small_push_town: PushTown) -> None:
    browser, town = small_push_town.browser(), small_push_town.town
    browser.gone = True
    small_push_town.sign_up(browser)
    town.deliver()
    assert small_push_town.who(browser) is None
    browser.gone = False
    town.later(minutes=10)
    small_push_town.sign_up(browser)
    town.deliver()
    assert small_push_town.relay.requests == 1
    with db.reading(town.engine) as conn:
        assert people.count_living(conn) == 0
    town.later(days=31)
    small_push_town.sign_up(browser)
    town.deliver()
    assert len(browser.messages) == 1


def test_a_wait_of_days_ends_as_a_dead_letter(push_town: PushTown, publish: Callable[..., int]) -> None:
    """A relay that refuses one browser for ever, as with the key of another service."""
    browser, town = push_town.member(), push_town.town
    browser.key = "BA"
    news(push_town, publish, "Chicago Police")
    for _ in range(40):
        town.now += timedelta(hours=4, minutes=1)
        town.deliver()
    assert ("alert", "failed", None) in deliveries(town.engine, "alert")
    named = ["--config", str(town.settings.data.folder.parent / "config.toml")]
    letter = json.loads(CliRunner().invoke(root, ["outbox", "list", "--json", *named]).output)
    assert (letter["channel"], letter["kind"]) == ("webpush", "alert")
    assert "403" in letter["error"]
    assert browser.endpoint not in str(letter)
    assert push_town.who(browser) is not None


def test_a_move_has_the_size_of_a_form_whatever_the_addresses_are(small_push_town: PushTown) -> None:
    old, new = small_push_town.browser(), small_push_town.browser()
    texts = [
        moved_address.format_move("webpush", old.address, replace(new, endpoint=new.endpoint + end).address)
        for end in ("", "x" * 100, "x" * 300)
    ]
    assert all(len(text) % 512 == 0 and len(text) - len(text.rstrip()) < 512 for text in texts)
    assert json.loads(texts[0])["channel"] == "webpush"
