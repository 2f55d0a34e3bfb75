"""A conversion of stored publications killed again and again: at every moment every body is there, and it
gets done.
"""

from __future__ import annotations

import os
import random
import signal
from datetime import datetime

from sqlalchemy.engine import Engine

from monitor.storage.lists import bodies
from tests.peers.forks import run_to_end
from tests.storage.killed_conversion import convert_until_killed
from tests.storage.test_bodies import lists, loaded, name_of, published_before, stored

KILLS = 30 if os.environ.get("MONITOR_TORTURE") else 3
MOST = 30
"""How many statements a conversion lives at most; one body takes about four."""


def test_kills_lose_no_body_and_the_work_is_done_in_the_end(
    engine: Engine, database_url: str, now: datetime
) -> None:
    published = lists(90, rows=3000)
    published_before(engine, now, "list", published)
    chance = random.Random(7)
    killed = 0
    for _ in range(KILLS):
        code = run_to_end(convert_until_killed, database_url, chance.randrange(MOST))
        assert code in {0, -signal.SIGKILL}
        killed += code != 0
        for body in chance.sample(published, 10):
            assert loaded(engine, name_of(body)) == body
    assert killed >= KILLS // 2
    bodies.convert_bodies(engine)
    for body in published:
        assert loaded(engine, name_of(body)) == body
    assert count_differences(engine) == 90 - 3  # of each full chain the first stays whole


def count_differences(engine: Engine) -> int:
    return sum(row.encoding == "difference" for row in stored(engine).values())
