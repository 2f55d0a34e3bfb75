"""Everybody eligible at a change is told it exactly once, whatever they and the service do meanwhile.

Two processes, both databases, the site's real requests, the sender's loops, bounces, erasures and exchanges
of the key. ``LIFE=seed`` plays one life again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from monitor import app
from monitor.storage import engine as db
from tests.outbox.world import World
from tests.subscribers.lives import Life, Stage
from tests.subscribers.site_process import Shared, SiteProcess
from tests.subscribers.town import settled

PARTS, LIVES = (5, 200) if os.environ.get("MONITOR_TORTURE") else (1, 3)
"""So many parts, which workers share, of so many lives each, on each database; a life is some 25 steps and
two weeks in which everything is sent.
"""


@pytest.fixture
def stage(database_url: str, tmp_path: Path, now: datetime) -> Iterator[Stage]:
    settings = settled(tmp_path, database_url, 9)
    engine = db.connect(database_url)
    keys = app.open_keys(settings, engine)
    shared = Shared(tmp_path / "shared")
    shared.now = now
    world = World(engine, keys, tmp_path / "fence", now)
    with (
        SiteProcess(tmp_path / "config.toml", tmp_path / "shared") as site,
        httpx.Client(
            base_url=site.address, headers={"Host": "watch.example"}, trust_env=False, timeout=300
        ) as client,
    ):
        yield Stage(world, keys, settings.data.folder, shared, client)
    engine.dispose()


@pytest.mark.parametrize("part", range(PARTS))
def test_each_change_is_told_once_in_random_lives_between_two_processes(stage: Stage, part: int) -> None:
    only = os.environ.get("LIFE")
    for seed in [int(only)] if only else range(part * LIVES, (part + 1) * LIVES):
        life = Life(stage, seed)
        try:
            life.play()
        except BaseException as error:
            error.add_note("\n".join((f"LIFE={seed}", *life.history)))
            raise
    if not only:
        eventful = ("told", "windows", "prefers", "confirms", "leaves")
        assert min(stage.seen[each] for each in eventful) > LIVES // 4, stage.seen
