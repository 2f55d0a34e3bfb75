"""A real browser, and a real server for it: headless Chromium, and the site under uvicorn on a loopback port.

    def test_it_is_accessible(browser: Browser) -> None:
        with served(app) as address, visit(browser, address + "/", language="es") as seen:
            assert seen.violations() == []

Where Chromium is absent the tests that need it are skipped; with ``MONITOR_CI=1`` that is a failure.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, CDPSession, Dialog, Page, Request, sync_playwright
from starlette.types import ASGIApp, Receive, Scope, Send

from monitor.web.server import open_socket
from tests.peers.processes import PATIENCE
from tests.peers.templates import keep_compiled

CHROMIUM = Path(os.environ.get("MONITOR_TEST_CHROMIUM", "/usr/bin/chromium"))
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--js-flags=--no-opt --no-maglev",  # axe runs for a third of a second: making it faster takes longer
)
keep_compiled()  # all that serve applications import this first
WCAG = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


class _SiteServer:
    """A server in a thread of its own, which serves one application after another.

    A test that started and stopped one would build a thread, an event loop and a socket, and wait for the
    loop's next look at whether it shall stop, ten times a second.
    """

    def __init__(self) -> None:
        self._app: ASGIApp | None = None
        self._unanswered = 0
        self._answered = threading.Condition()
        listener = open_socket("127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            self._answer,
            interface="asgi3",  # a method of an object is not recognized
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_keep_alive=600,  # seconds; no client meets a connection that is just being closed
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, daemon=True)
        self._thread.start()

    @contextmanager
    def serve(self, app: ASGIApp) -> Iterator[None]:
        self._app = app
        try:
            yield
        finally:
            with self._answered:  # what was begun may still use the test's database
                self._answered.wait_for(lambda: self._unanswered == 0, timeout=300)
            self._app = None

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(300)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        assert app is not None, "asked after the end of the block"
        with self._answered:
            self._unanswered += 1
        try:
            await app(scope, receive, send)
        finally:
            with self._answered:
                self._unanswered -= 1
                self._answered.notify_all()


_idle: list[_SiteServer] = []


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """The address of an application that is served until the end of the block."""
    if not _idle:
        atexit.register((made := _SiteServer()).stop)
        _idle.append(made)
    server = _idle.pop()
    try:
        with server.serve(app):
            yield server.address
    finally:
        _idle.append(server)


def stop_idle_servers() -> None:
    """Let the next applications be served by threads that begin then, which a profiler sees."""
    while _idle:
        _idle.pop().stop()


@contextmanager
def chromium() -> Iterator[Callable[[], AbstractContextManager[Browser]]]:
    """A headless Chromium, for the blocks in which it is used; the test is skipped where there is none.

    Playwright's event loop counts as running in this thread, but does nothing between two calls. Outside of
    the blocks it is hidden, so that other tests can run loops of their own.
    """
    if not CHROMIUM.is_file():
        if os.environ.get("MONITOR_CI") == "1":
            pytest.fail(f"{CHROMIUM} is not here")
        pytest.skip("Chromium is not here")

    @contextmanager
    def use() -> Iterator[Browser]:
        asyncio._set_running_loop(loop)
        try:
            yield browser
        finally:
            asyncio._set_running_loop(None)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=list(ARGUMENTS), timeout=PATIENCE * 1000
        )
        loop = asyncio.get_running_loop()
        _kept[browser] = {}
        asyncio._set_running_loop(None)
        try:
            yield use
        finally:
            asyncio._set_running_loop(loop)
            del _kept[browser]
            browser.close()


@dataclass
class _Kept:
    """A page that visits use one after another, and which of them uses it now."""

    page: Page
    session: CDPSession
    seen: Seen | None = None


_kept: dict[Browser, dict[str, _Kept]] = {}
"""Pages by their browser and language."""


@contextmanager
def visit(
    browser: Browser,
    url: str,
    *,
    language: str = "en",
    phone: bool = False,
    scripts: bool = True,
    alone: bool = False,
) -> Iterator[Seen]:
    """A page as one visitor sees it, and what the browser complained of.

    A page is kept for the next visitor who runs its scripts, without cookies and cached files: a new one is a
    new process, which compiles axe again, and that costs more than most visits. One that is ``alone`` may
    change what is not put back: permissions, scripts of its own, service workers, storage.
    """
    keep = scripts and not alone
    kept = _kept[browser].pop(language, None) if keep else None
    if kept is None:
        kept = _open_page(browser, language, scripts)
    page = kept.page
    page.context.clear_cookies()
    kept.session.send("Network.clearBrowserCache")
    page.set_viewport_size({"width": 390 if phone else 1100, "height": 800})
    kept.seen = Seen(page, kept.session)
    try:
        page.goto(url)
        yield kept.seen
    except BaseException:
        keep = False
        raise
    finally:
        kept.seen = None
        if keep:
            page.evaluate("window.stop()")
            _kept[browser][language] = kept
        else:
            page.context.close()


def _open_page(browser: Browser, language: str, scripts: bool) -> _Kept:
    context = browser.new_context(color_scheme="light", locale=f"{language}-US", java_script_enabled=scripts)
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    kept = _Kept(page, context.new_cdp_session(page))

    def complain(text: str) -> None:
        if kept.seen is not None:
            kept.seen.complaints.append(text)

    def dismiss(dialog: Dialog) -> None:
        complain(f"dialog: {dialog.message}")
        dialog.dismiss()

    def note_request(request: Request) -> None:
        if kept.seen is not None:
            kept.seen.requests.append(request.url)

    page.on("console", lambda message: complain(message.text))
    page.on("pageerror", lambda error: complain(str(error)))
    page.on("dialog", dismiss)
    page.on("request", note_request)
    return kept


class Seen:
    """A page in the browser. ``complaints`` are console messages, script errors and dialogs; ``requests``
    every address it asked for.
    """

    def __init__(self, page: Page, session: CDPSession) -> None:
        self.page = page
        self._session = session
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
            # half a megabyte, which `evaluate` would hand over and look through a second time
            self._session.send("Runtime.evaluate", {"expression": Axe().axe_script})
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
