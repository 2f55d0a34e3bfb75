"""The small world, fresh for each test, on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from monitor.keys import KeyFile
from tests.outbox.world import World


@pytest.fixture
def world(engine: Engine, keys: KeyFile, tmp_path: Path, now: datetime) -> Iterator[World]:
    with asyncio.Runner() as runner:
        yield World(engine, keys, tmp_path / "data", now, runner)


@pytest.fixture
def sqlite_world(sqlite_engine: Engine, keys: KeyFile, tmp_path: Path, now: datetime) -> Iterator[World]:
    """For what does not depend on the kind of database."""
    with asyncio.Runner() as runner:
        yield World(sqlite_engine, keys, tmp_path / "data", now, runner)
