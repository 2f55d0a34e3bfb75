"""The journeys that ARCHITECTURE.md draws, run under a profiler: each passes the functions that it names, in
that order.
"""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

import pytest

import monitor
from monitor import app
from monitor.cli.run import create_timer
from monitor.config import load
from monitor.outbox import fan_out
from monitor.polling import poll
from tests.conftest import ROOT
from tests.e2e.test_pipeline import NAMES, kml
from tests.peers.browser import stop_idle_servers
from tests.peers.http import Server
from tests.subscribers.town import Town, Visitor

FOLDER = f"{Path(monitor.__file__).parent}/"
MOST_FILES = 15
"""Files of monitor/ through which a confirmation mail goes from the form to the socket."""
PATIENCE = 600.0  # s, a bound for what hangs, on any machine


def steps(journey: str) -> tuple[str, ...]:
    """The functions of a journey, in order, as ARCHITECTURE.md names them: modules and functions in
    monitor/.
    """
    drawn = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    (paragraph,) = re.findall(rf"^\*\*{journey}\*\*.*?\n\n", drawn, re.MULTILINE | re.DOTALL)
    names = tuple(re.findall(r"`(\w+(?:\.\w+)+)`", paragraph))
    assert len(names) > 5, "the journey names hardly any function"
    return names


class Profiler:
    """Notes the calls of some functions, in this thread and in those that start meanwhile.

    ``calls`` are their names in order; ``files`` those of monitor/ that were on the stack of any of them,
    from the first call of the first one on.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self.calls: list[str] = []
        self.files: set[str] = set()
        self._first, self._names = names[0], frozenset(names)

    def __enter__(self) -> Self:
        threading.setprofile(self._note)
        sys.setprofile(self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _note(self, frame: FrameType, event: str, argument: Any) -> None:
        if event != "call" or not frame.f_code.co_filename.startswith(FOLDER):
            return
        name = f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}".removeprefix("monitor.")
        if name not in self._names or not (self.calls or name == self._first):
            return
        self.calls.append(name)
        caller: FrameType | None = frame
        while caller is not None:
            file = caller.f_code.co_filename
            if file.startswith(FOLDER):
                self.files.add(file.removeprefix(FOLDER))
            caller = caller.f_back


@pytest.fixture(autouse=True)
def fresh_servers() -> None:
    """The profiler sees what threads do that begin after it."""
    stop_idle_servers()


def assert_in_order(calls: Iterable[str], names: Iterable[str]) -> None:
    """Each name was called after the one before it."""
    rest = iter(calls)
    for name in names:
        assert name in rest, f"{name} was not called, or not after the step before it"


def test_a_change_passes_from_the_poll_to_the_mail(small_town: Town) -> None:
    town, names = small_town, steps("A change")
    town.member(places="46402")  # Gary
    with Server() as publisher:
        publisher.put("/map.kml", kml(*NAMES[1:]), etag='"1"')
        path = town.settings.data.folder.parent / "config.toml"
        others_off = path.read_text().replace("enabled = true", "enabled = false")
        path.write_text(f'{others_off}[sources.ring]\nurl = "{publisher.url("/map.kml")}"\n')
        town.settings = load(path, {})
        components, before = town.components, len(town.postbox.mails)
        with (
            app.open_fetcher(town.settings, None) as fetcher,
            app.open_parser(town.settings) as parser,
        ):
            poll(town.engine, components.polled_sources["ring"], fetcher, now=town.now, parser=parser)
            publisher.put("/map.kml", kml(*NAMES), etag='"2"')
            town.now += timedelta(hours=2)
            published = threading.Event()
            with Profiler(names) as profiler:
                timer = create_timer(components, fetcher, parser, published.set)
                timer.start()
                assert published.wait(PATIENCE)
                assert timer.stop()
                fan_out(town.engine, locate=components.locate, now=town.now)
                asyncio.run(app.send_due(components))
    mails = [mail["Subject"] for _, mail in town.postbox.mails[before:]]
    assert mails == ["Gary Police Department (IN) added to Ring's Active Agency Map"]
    assert_in_order(profiler.calls, names)


def test_a_sign_up_passes_from_the_form_to_the_confirmation_mail(small_town: Town) -> None:
    town, names = small_town, steps("A sign-up")
    with Profiler(names) as profiler:
        with town.open() as address:  # its threads are started under the profiler
            town.client = Visitor(address)
            assert town.sign_up().status_code == 200
        town.deliver()
    assert town.mail()["Subject"] == "Please confirm: alerts from Map Monitor"
    assert_in_order(profiler.calls, names)
    assert len(profiler.files) <= MOST_FILES, "\n".join(sorted(profiler.files))


def test_a_page_passes_from_the_request_to_its_template(small_town: Town) -> None:
    names = steps("A page view")
    with Profiler(names) as profiler, small_town.open() as address:
        page = Visitor(address).get("/zip/60601")
    assert page.status_code == 200
    assert "60601" in page.text
    assert_in_order(profiler.calls, names)
