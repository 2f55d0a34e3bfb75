"""Alerts in a real browser: nothing is asked before a tap, the worker shows what comes and confirms by
itself, and the page shows, changes and stops. Only the browser's way to its company's relay is replaced: the
keys are real, and what the relay has taken is handed to the worker as the browser would.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, CDPSession, Page
from sqlalchemy.engine import Engine

from tests.peers.browser import visit
from tests.peers.push import PushBrowser
from tests.subscribers.push_world import PushTown, opened_push_town

pytestmark = pytest.mark.browser

SUBSCRIBE = """
given => {
  const kept = () => localStorage.getItem("subscribed");
  const made = () => kept() && {
    endpoint: given.endpoint,
    options: { userVisibleOnly: true, applicationServerKey: null },
    toJSON: () => given,
    unsubscribe: async () => { localStorage.removeItem("subscribed"); return true; },
  };
  PushManager.prototype.getSubscription = async () => made();
  PushManager.prototype.subscribe = async options => {
    if (!options.userVisibleOnly) throw new Error("a browser refuses silent pushes");
    localStorage.setItem("subscribed", [...options.applicationServerKey].join());
    return made();
  };
}
"""


@pytest.fixture
def push_town(sqlite_engine: Engine, sqlite_url: str, now: datetime, tmp_path: Path) -> Iterator[PushTown]:
    yield from opened_push_town(sqlite_engine, sqlite_url, now, tmp_path)


def connect(page: Page, to: PushBrowser) -> None:
    """Let the page's browser subscribe with these keys."""
    page.context.add_init_script(f"({SUBSCRIBE})({json.dumps(to.subscription)})")


class Worker:
    """The service worker, as the browser's own push service reaches it."""

    def __init__(self, page: Page, origin: str) -> None:
        self._page, self._origin = page, origin
        self._session: CDPSession = page.context.new_cdp_session(page)
        self._registrations: list[dict[str, Any]] = []
        self._session.on(
            "ServiceWorker.workerRegistrationUpdated",
            lambda event: self._registrations.extend(event["registrations"]),
        )
        self._session.send("ServiceWorker.enable")

    def deliver(self, text: str) -> None:
        """Hand a push to the worker."""
        self._page.wait_for_function("navigator.serviceWorker.getRegistration().then(each => !!each.active)")
        assert self._registrations
        self._session.send(
            "ServiceWorker.deliverPushMessage",
            {
                "origin": self._origin,
                "registrationId": self._registrations[-1]["registrationId"],
                "data": text,
            },
        )

    def shown(self, title: str) -> dict[str, Any]:
        """Wait for a notification with this title."""
        self._page.wait_for_function(
            """title => navigator.serviceWorker.getRegistration()
                .then(each => each.getNotifications())
                .then(all => all.some(each => each.title.startsWith(title)))""",
            arg=title,
        )
        found: list[dict[str, Any]] = self._page.evaluate(
            """title => navigator.serviceWorker.getRegistration()
                .then(each => each.getNotifications())
                .then(all => all.filter(each => each.title.startsWith(title))
                    .map(each => ({ title: each.title, body: each.body, lang: each.lang, tag: each.tag,
                        link: each.data.link })))""",
            title,
        )
        (one,) = found
        return one


def local(push_town: PushTown, to: PushBrowser, number: int = -1) -> str:
    """A message as it reached the browser, with the address at which the site is served here."""
    return to.raw[number].decode().replace("https://watch.example", push_town.town.address)


@pytest.mark.parametrize("language", ["en", "es"])
def test_from_the_tap_to_the_end_in_a_browser(push_town: PushTown, browser: Browser, language: str) -> None:
    town, own = push_town.town, push_town.browser()
    with visit(browser, f"{town.address}/zip/60601", language=language, phone=True, alone=True) as seen:
        page = seen.page
        page.context.grant_permissions(["notifications"], origin=town.address)
        page.context.add_init_script(
            "const ask = Notification.requestPermission.bind(Notification);"
            "Notification.requestPermission = () => {"
            " sessionStorage.setItem('asked', 'yes'); return ask(); }"
        )
        connect(page, own)
        page.locator('a[href^="/push?place=60601"]').first.click()
        assert page.url == f"{town.address}/push?place=60601"
        assert "Google" in page.inner_text("main")
        assert page.evaluate("sessionStorage.getItem('asked')") is None, "asked before a tap"
        worker = Worker(page, town.address)
        town.later(seconds=5)
        page.click("#push form button")
        page.wait_for_url(f"{town.address}/push")
        assert page.evaluate("sessionStorage.getItem('asked')") == "yes"
        assert page.evaluate("localStorage.getItem('subscribed')").startswith("4,"), "not the server's key"
        assert "localhost" in page.inner_text("main")
        town.deliver()
        assert push_town.who(own).state == "pending"  # type: ignore[union-attr]

        with page.context.expect_event("request", lambda each: "/confirm/" in each.url) as confirmed:
            worker.deliver(local(push_town, own))
        response = confirmed.value.response()
        assert response is not None
        assert response.status == 200
        first = worker.shown("You get alerts" if language == "en" else "Recibe avisos")
        assert first["lang"] == language
        assert first["link"].startswith(f"{town.address}/confirm/")
        assert push_town.who(own).state == "active"  # type: ignore[union-attr]
        town.deliver()
        worker.deliver(local(push_town, own))
        page.wait_for_function(
            """link => navigator.serviceWorker.getRegistration().then(each => each.getNotifications())
                .then(all => all.length === 1 && all[0].data.link === link)""",
            arg=f"{town.address}/push",
        )

        page.goto(f"{town.address}/push?place=46320")
        page.wait_for_selector("#push-mine:not([hidden])")
        assert "60601" in page.inner_text("#push-mine")
        assert not page.is_visible("#push form")
        assert seen.violations() == []
        assert not seen.overflows()
        page.click('a[href$="?place=46320"]')
        page.click("main form button")
        assert page.locator("[role=status]").count() == 1
        assert "46320" in page.input_value("#places")

        page.goto(f"{town.address}/push")
        page.click("[data-push=stop]")
        page.wait_for_selector("[data-state=stopped]:not([hidden])")
        assert push_town.who(own) is None
        assert page.evaluate("localStorage.getItem('subscribed')") is None
        assert page.is_visible("#push form")
        assert [each for each in seen.complaints if "favicon" not in each] == []
        addresses = [each for each in seen.requests if own.endpoint.rpartition("/")[2] in each]
        assert addresses == [], "the endpoint stands in a URL"


def test_without_permission_without_scripts_and_without_push_it_says_what_to_do(
    push_town: PushTown, browser: Browser
) -> None:
    town = push_town.town
    with visit(browser, f"{town.address}/push?place=60601", scripts=False) as seen:
        assert "JavaScript" in seen.page.inner_text("#push")
        seen.page.click("#push form button")
        assert "JavaScript" in seen.page.inner_text("#subscription-error")
        assert seen.page.input_value("#places") == "60601"
    with visit(browser, f"{town.address}/push?place=60601", alone=True) as seen:
        assert seen.violations() == []
        assert not seen.overflows()
        seen.page.click("#push form button")  # a new headless browser refuses by itself
        seen.page.wait_for_selector("[data-state=denied]:not([hidden])")
        assert seen.page.is_enabled("#push form button")
        seen.page.context.add_init_script("delete window.PushManager")
        seen.page.goto(f"{town.address}/push")
        seen.page.wait_for_selector("[data-state=unsupported]:not([hidden])")
        seen.page.context.add_init_script(
            "Object.defineProperty(navigator, 'userAgent', { get: () => 'Mozilla/5.0 (iPhone)' })"
        )
        seen.page.goto(f"{town.address}/push")
        seen.page.wait_for_selector("[data-state=apple]:not([hidden])")
        assert not seen.page.is_visible("#push form")
        assert seen.complaints == []


def test_a_browser_that_renews_its_subscription_tells_us_by_itself(
    push_town: PushTown, browser: Browser
) -> None:
    """``pushsubscriptionchange``, as the browser raises it; and a notification where that fails."""
    town, own, new = push_town.town, push_town.member(), push_town.browser()
    with visit(browser, f"{town.address}/push", alone=True) as seen:
        page = seen.page
        page.context.grant_permissions(["notifications"], origin=town.address)
        connect(page, own)
        page.evaluate("localStorage.setItem('subscribed', 'yes')")
        page.evaluate(
            "navigator.serviceWorker.register('/push-worker.js').then(() => navigator.serviceWorker.ready)"
        )
        page.evaluate(
            """async ([subscription, key]) => {
                const stopped = { title: "Stopped", body: "Tap", lang: "en" };
                const kept = new Response(JSON.stringify({ subscription, key, stopped }));
                await (await caches.open("push")).put("/push/own", kept);
            }""",
            [own.subscription, push_town.key],
        )
        (worker,) = page.context.service_workers
        renew = "given => renew(given && { toJSON: () => given })"
        with page.context.expect_event("request", lambda each: each.url.endswith("/push/renew")) as asked:
            worker.evaluate(renew, new.subscription)
        response = asked.value.response()
        assert response is not None
        assert response.status == 202
        town.deliver()
        assert push_town.who(own) is None
        assert push_town.who(new) is not None
        kept = page.evaluate("caches.match('/push/own').then(each => each.json())")
        assert kept["subscription"] == new.subscription

        elsewhere = new.subscription | {"endpoint": "https://elsewhere.example/1"}
        worker.evaluate(renew, elsewhere)
        assert Worker(page, town.address).shown("Stopped")["link"] == f"{town.address}/push"
