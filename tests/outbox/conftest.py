"""The small world, fresh for each test, on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from monitor.keys import KeyFile
from tests.outbox.world import World


@pytest.fixture
def world(engine: Engine, keys: KeyFile, tmp_path: Path, now: datetime) -> World:
    return World(engine, keys, tmp_path / "data", now)


@pytest.fixture
def sqlite_world(sqlite_engine: Engine, keys: KeyFile, tmp_path: Path, now: datetime) -> World:
    """For what does not depend on the kind of database."""
    return World(sqlite_engine, keys, tmp_path / "data", now)
