"""A bot that serves, on a fresh database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from monitor.keys import KeyFile
from tests.bot.world import World


@pytest.fixture
def quiet(engine: Engine, keys: KeyFile, tmp_path: Path, now: datetime) -> Iterator[World]:
    """A world on SQLite and on PostgreSQL whose bot is not running yet."""
    world = World(engine, keys, tmp_path, now)
    with world.api:
        yield world


@pytest.fixture
def both(quiet: World) -> Iterator[World]:
    """A running bot, on SQLite and on PostgreSQL."""
    with quiet.running():
        yield quiet


@pytest.fixture
def still(sqlite_engine: Engine, keys: KeyFile, tmp_path: Path, now: datetime) -> Iterator[World]:
    """A world on SQLite whose bot is not running yet."""
    world = World(sqlite_engine, keys, tmp_path, now)
    with world.api:
        yield world


@pytest.fixture
def world(still: World) -> Iterator[World]:
    """A running bot, on SQLite: for what does not depend on the database."""
    with still.running():
        yield still
