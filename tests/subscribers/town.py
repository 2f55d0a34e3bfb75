"""A whole small service for one test: configuration, database, site, and a real mail server on loopback, with
a clock that is moved.
"""

from __future__ import annotations

import asyncio
import atexit
import email
import email.policy
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any

import httpx
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from sqlalchemy.engine import Engine
from starlette.types import ASGIApp

from monitor import app, config, web
from monitor.app import Components
from monitor.config import Settings
from monitor.keys import KeyFile
from monitor.outbox import Drained
from tests.peers.browser import served

CONFIGURATION = """
[data]
folder = "data"
[database]
url = "{url}"
[site]
public_url = "https://watch.example"
timezone = "America/Chicago"
contact = "alerts@watch.example"
[email]
host = "127.0.0.1"
port = {port}
security = "none"
from = "Watch <alerts@watch.example>"
[bounces]
secret = "a secret that nobody guesses"
[sources.ice-287g]
enabled = true
"""


PRESSED = {"confirm": "yes"}
"""What the button of the page behind a confirmation's link sends."""


class Postbox:
    """aiosmtpd's handler: what arrived, and answers for addresses that refuse."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, EmailMessage]] = []
        self.senders: list[str] = []
        self.refused: dict[str, str] = {}

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append((envelope.rcpt_tos[0], mail))
        self.senders.append(envelope.mail_from or "")
        return "250 2.0.0 taken"


@cache
def _open_client() -> httpx.Client:
    """One for all visitors: making a client takes longer than most pages. It keeps no cookies."""
    client = httpx.Client(
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        trust_env=False,
        verify=False,  # nothing here is https, and reading certificates takes as long again
        timeout=300,
    )
    atexit.register(client.close)
    return client


class Visitor:
    """Somebody with a browser that keeps no cookies; paths and absolute links of the site are the same to
    it.
    """

    def __init__(self, address: str) -> None:
        self.headers = {"Host": "watch.example"}
        self._address = address

    def request(self, method: str, url: str, **more: Any) -> httpx.Response:
        path = url.removeprefix("https://watch.example")
        return _open_client().request(method, self._address + path, headers=self.headers, **more)

    def get(self, url: str) -> httpx.Response:
        return self.request("GET", url)

    def post(self, url: str, **more: Any) -> httpx.Response:
        return self.request("POST", url, **more)


@dataclass
class Town:
    """``client`` visits the site; ``deliver`` sends what is due at the clock's time. ``site_engine``: the
    site has one of its own.
    """

    settings: Settings
    engine: Engine
    keys: KeyFile
    postbox: Postbox
    now: datetime
    site_engine: Engine | None = None
    client: Visitor = field(init=False)
    address: str = field(init=False)

    def open(self) -> AbstractContextManager[str]:
        """Serve the site until the end of the block."""
        return served(self._app())

    @property
    def components(self) -> Components:
        return Components(self.settings, self.engine, lambda: self.now, self.keys)

    def _app(self) -> ASGIApp:
        if self.site_engine is None:
            return web.create(self.components)
        keys = app.open_keys(self.settings, self.site_engine)
        return web.create(Components(self.settings, self.site_engine, lambda: self.now, keys))

    def later(self, **time: float) -> None:
        self.now += timedelta(**time)

    def deliver(self) -> Drained:
        sending = app.send_due(self.components)
        with ThreadPoolExecutor(1) as pool:  # a browser's driver has an event loop in this thread
            return pool.submit(asyncio.run, sending).result()

    def stamp(self) -> str:
        """A form that is old enough to be sent."""
        found = re.search(r'name="stamp" value="([^"]+)"', self.client.get("/subscribe").text)
        assert found
        self.later(seconds=5)
        return found[1]

    def sign_up(self, address: str = "ann@example.org", **more: Any) -> httpx.Response:
        form = {
            "address": address,
            "places": "60601",
            "lists": ["ring"],
            "frequency": "at_once",
            "stamp": self.stamp(),
        } | more
        return self.client.post("/subscribe", data=form)

    def mail(self, number: int = -1) -> EmailMessage:
        return self.postbox.mails[number][1]

    def member(self, address: str = "ann@example.org", **more: Any) -> None:
        self.sign_up(address, **more)
        self.deliver()
        answer = self.client.post(link(self.mail(), "confirm"), data=PRESSED)
        assert answer.status_code == 200, answer.text
        self.deliver()


def settled(folder: Path, url: str, port: int, more: str = "") -> Settings:
    path = folder / "config.toml"
    path.write_text(CONFIGURATION.format(url=url, port=port) + more)
    return config.load(path, {})


class Server(Controller):
    """aiosmtpd on a port that the system chooses: known only once the server listens."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


def mail_server(postbox: Postbox) -> Server:
    return Server(postbox, hostname="127.0.0.1", port=0, ready_timeout=300.0)


def opened(
    engine: Engine,
    url: str,
    now: datetime,
    folder: Path,
    more: str = "",
    site_engine: Engine | None = None,
) -> Iterator[Town]:
    """A town whose site and mail server listen, with ``more`` in its configuration; for fixtures."""
    postbox = Postbox()
    controller = mail_server(postbox)
    controller.start()
    try:
        settings = settled(folder, url, controller.port, more)
        town = Town(settings, engine, app.open_keys(settings, engine), postbox, now, site_engine)
        with town.open() as address:
            town.address, town.client = address, Visitor(address)
            yield town
    finally:
        controller.stop()


def text(mail: EmailMessage, kind: str = "plain") -> str:
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content())


def links(mail: EmailMessage) -> set[str]:
    """Every link of a mail: in its text, its HTML and its headers."""
    found = set(re.findall(r"https://[^\s\"<>]+", text(mail) + text(mail, "html")))
    return found | set(re.findall(r"<(https://[^>]+)>", mail.get("List-Unsubscribe", "")))


def link(mail: EmailMessage, page: str) -> str:
    """The path of the link to one page."""
    found = re.search(rf"https://watch\.example(/{page}/\S+)", text(mail))
    assert found, text(mail)
    return found[1]
