"""A real browser, and a real server for it: headless Chromium, and the site under uvicorn on a loopback port.

    with served(app) as address, chromium() as browser, visit(browser, address + "/", language="es") as seen:
        assert seen.violations() == []

Where Chromium is absent the tests that need it are skipped; with ``MONITOR_CI=1`` that is a failure.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright
from starlette.types import ASGIApp

from tests.peers.processes import PATIENCE

CHROMIUM = Path(os.environ.get("MONITOR_TEST_CHROMIUM", "/usr/bin/chromium"))
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WCAG = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """The address of an application that is served until the end of the block."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 300
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        assert time.monotonic() < deadline, "the server did not start in time"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(300)
        listener.close()


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium; the test is skipped where there is none."""
    if not CHROMIUM.is_file():
        if os.environ.get("MONITOR_CI") == "1":
            pytest.fail(f"{CHROMIUM} is not here")
        pytest.skip("Chromium is not here")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=list(ARGUMENTS), timeout=PATIENCE * 1000
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visit(
    browser: Browser,
    url: str,
    *,
    language: str = "en",
    phone: bool = False,
    scripts: bool = True,
) -> Iterator[Seen]:
    """A page as one visitor sees it, and what the browser complained of."""
    context = browser.new_context(
        viewport={"width": 390 if phone else 1100, "height": 800},
        color_scheme="light",
        locale=f"{language}-US",
        java_script_enabled=scripts,
    )
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    seen = Seen(page)
    page.on("console", lambda message: seen.complaints.append(message.text))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on("dialog", lambda dialog: (seen.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: seen.requests.append(request.url))
    try:
        page.goto(url)
        yield seen
    finally:
        context.close()


class Seen:
    """A page in the browser. ``complaints`` are console messages, script errors and dialogs; ``requests``
    every address it asked for.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []

    def violations(self) -> list[str]:
        """What axe finds against WCAG 2.2 AA and good practice, a line each: all of it in light, the contrast
        again in the dark.
        """
        whole: dict[str, Any] = {"type": "tag", "values": list(WCAG)}
        found = self._axe(whole)
        self.page.emulate_media(color_scheme="dark")
        found += [f"dark {each}" for each in self._axe({"type": "rule", "values": ["color-contrast"]})]
        self.page.emulate_media(color_scheme="light")
        return found

    def _axe(self, rules: dict[str, Any]) -> list[str]:
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(Axe().axe_script)
        options = {"resultTypes": ["violations"], "runOnly": rules}
        found = self.page.evaluate(
            "options => axe.run(document, options).then(found => found.violations)", options
        )
        return [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]

    def overflows(self) -> bool:
        """Whether the page is wider than a phone's window, so that one has to scroll sideways."""
        self.page.set_viewport_size({"width": 390, "height": 800})
        return bool(
            self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        )
