"""Senders killed thirty times over thousands of messages: ``make torture``."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from monitor.keys import KeyFile
from tests.outbox.killing import check, kill_again_and_again
from tests.outbox.world import World

pytestmark = pytest.mark.skipif(
    not os.environ.get("MONITOR_TORTURE"), reason="minutes long: set MONITOR_TORTURE=1"
)


@pytest.mark.parametrize("seed", [1, 2])
def test_thirty_kills_lose_nothing_and_copy_little(
    engine: Engine,
    database_url: str,
    keys: KeyFile,
    tmp_path: Path,
    now: datetime,
    seed: int,
    record_property: Callable[[str, object], None],
) -> None:
    world = World(engine, keys, tmp_path / "data", now)
    aftermath = kill_again_and_again(world, database_url, people=6000, kills=30, chance=random.Random(seed))
    assert aftermath.kills == 30
    record_property("bound", f"{aftermath.copies} copies")
    check(world, aftermath, 6000)
