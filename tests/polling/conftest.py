"""The fixture of a small list that is published and polled."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy.engine import Engine

from monitor.fetch import Fetcher
from tests.peers.http import Server
from tests.polling.publisher import Publication


@pytest.fixture(scope="session")
def fetcher() -> Iterator[Fetcher]:
    """One client for all tests: reading the system's certificates is what takes longest in a small poll."""
    with Fetcher(attempts=1) as fetcher:
        yield fetcher


@pytest.fixture
def publication(engine: Engine, fetcher: Fetcher) -> Iterator[Publication]:
    """A list on a loopback server, polled into a fresh database."""
    with Server() as server:
        yield Publication(server, engine, fetcher)


@pytest.fixture
def sqlite_publication(sqlite_engine: Engine, fetcher: Fetcher) -> Iterator[Publication]:
    """The same on SQLite alone, for what does not depend on the kind of database."""
    with Server() as server:
        yield Publication(server, sqlite_engine, fetcher)
