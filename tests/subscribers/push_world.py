"""A town whose people get alerts in their browsers, and the relay of those browsers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy.engine import Engine

from monitor.channels.kinds import lookup
from monitor.channels.webpush.vapid import format_server_key
from monitor.storage import engine as db
from monitor.storage import people
from monitor.storage.people import Subscriber
from tests.peers import push
from tests.peers.push import PushBrowser, PushRelay
from tests.subscribers.town import PRESSED, Town, opened


@dataclass
class PushTown:
    """``town`` with its ``relay``; the clock of both is the town's."""

    town: Town
    relay: PushRelay

    @property
    def key(self) -> str:
        return format_server_key(self.town.keys.push_secret)

    def browser(self) -> PushBrowser:
        return self.relay.subscribe(self.key)

    def post(self, path: str, **fields: Any) -> httpx.Response:
        return self.town.client.post(path, data=fields)

    def sign_up(self, browser: PushBrowser, **more: Any) -> httpx.Response:
        """The form, as the page's script sends it."""
        form = {
            "subscription": json.dumps(browser.subscription),
            "places": "60601",
            "lists": ["ring"],
            "stamp": self.town.stamp(),
        }
        return self.post("/push", **form | more)

    def answer(self, browser: PushBrowser) -> httpx.Response:
        """What the service worker does with the first push."""
        return self.post(browser.messages[-1]["confirm"], **PRESSED)

    def member(self, **more: Any) -> PushBrowser:
        """Somebody whose browser has proved itself."""
        browser = self.browser()
        assert self.sign_up(browser, **more).status_code == 200
        self.town.deliver()
        assert self.answer(browser).status_code == 200
        self.town.deliver()
        return browser

    def who(self, browser: PushBrowser) -> Subscriber | None:
        with db.reading(self.town.engine) as conn:
            return people.find(conn, "webpush", lookup(self.town.keys, "webpush", browser.address))


def opened_push_town(
    engine: Engine, url: str, now: datetime, folder: Path, site_engine: Engine | None = None
) -> Iterator[PushTown]:
    """A push town that runs; for fixtures."""
    authority = folder / "relay.pem"
    authority.write_bytes(push.certificate())
    more = f"""
[webpush]
contact = "mailto:operator@watch.example"
allow_private = true
ca = "{authority}"
"""
    time: list[Town] = []
    with PushRelay(lambda: time[0].now.timestamp()) as relay:
        for town in opened(engine, url, now, folder, more, site_engine):
            time.append(town)
            yield PushTown(town, relay)
