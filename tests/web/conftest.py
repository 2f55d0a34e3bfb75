"""The story's site: told once per worker, served on a loopback port, asked over HTTP."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy.engine import Engine

from monitor.storage import engine as db
from monitor.web import create_app
from tests.peers.browser import served
from tests.web.agreements import serve_agreements, tell_agreements
from tests.web.story import Clock, site, tell


@dataclass
class Running:
    """A served site: its address, the clock that it goes by, its database, and a visitor without cookies."""

    address: str
    clock: Clock
    engine: Engine
    told_at: datetime
    client: httpx.Client

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.ask("GET", path, headers=headers)

    def find(self, text: str, **headers: str) -> httpx.Response:
        return self.ask("POST", "/find", data={"q": text}, headers=headers)

    def ask(self, method: str, path: str, **options: object) -> httpx.Response:
        self.client.cookies.clear()
        return self.client.request(method, self.address + path, **options)  # type: ignore[arg-type]


def _keep_told(template: Path, folder: Path, story: Callable[[Engine], datetime]) -> tuple[Path, datetime]:
    """Tell a story to a copy of the template, and return its path and when the story ended."""
    path = folder / "monitor.db"
    shutil.copyfile(template, path)
    engine = db.connect(f"sqlite:///{path}")
    ended = story(engine)
    engine.dispose()
    return path, ended


@pytest.fixture(scope="session")
def told(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, datetime]:
    """A database in which the story was told, and when that ended."""
    return _keep_told(sqlite_template, tmp_path_factory.mktemp("story"), tell)


@pytest.fixture(scope="session")
def client() -> Iterator[httpx.Client]:
    """One for all requests: making a client costs more than most pages."""
    with httpx.Client(verify=False, trust_env=False, timeout=600) as made:
        yield made


@pytest.fixture(scope="session")
def _running(told: tuple[Path, datetime], client: httpx.Client) -> Iterator[Running]:
    path, ended = told
    engine = db.connect(f"sqlite:///{path}")
    clock = Clock(ended)
    with served(create_app(site(engine, clock, folder=path.parent / "public"))) as address:
        yield Running(address, clock, engine, ended, client)
    engine.dispose()


@pytest.fixture
def web(_running: Running) -> Iterator[Running]:
    """The served story, at the time when it ended."""
    _running.clock.now = _running.told_at
    yield _running
    _running.clock.now = _running.told_at


@pytest.fixture(scope="session")
def told_agreements(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, datetime]:
    """A database in which the lists of agreements were told, and when that ended."""
    return _keep_told(sqlite_template, tmp_path_factory.mktemp("agreements"), tell_agreements)


@pytest.fixture(scope="session")
def agreements_engine(told_agreements: tuple[Path, datetime]) -> Iterator[Engine]:
    """The database of the lists of agreements, to read from."""
    engine = db.connect(f"sqlite:///{told_agreements[0]}")
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def _served_agreements(
    agreements_engine: Engine, told_agreements: tuple[Path, datetime]
) -> Iterator[httpx.Client]:
    with serve_agreements(agreements_engine, told_agreements[1]) as client:
        yield client


@pytest.fixture
def agreements(_served_agreements: httpx.Client) -> httpx.Client:
    """A visitor of a site that watches ICE's list and Ring's as they are configured out of the box.

    One site for all tests: they only look at it.
    """
    _served_agreements.cookies.clear()
    return _served_agreements
