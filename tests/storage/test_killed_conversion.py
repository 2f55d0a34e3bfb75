"""A conversion of stored publications killed again and again: at every moment every body is there, and it
gets done.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from datetime import datetime

from sqlalchemy.engine import Engine

from monitor.storage.lists import bodies
from tests.conftest import ROOT
from tests.peers.processes import PATIENCE
from tests.storage.test_bodies import lists, loaded, name_of, published_before, stored

KILLS = 30 if os.environ.get("MONITOR_TORTURE") else 3
PROGRAM = """
import sys
from monitor.storage.engine import connect
from monitor.storage.lists import bodies
from tests.outbox.killed_writer import ending_at, kill_this_process
engine = connect(sys.argv[1])
with ending_at(engine, int(sys.argv[2]), kill_this_process):
    bodies.convert_bodies(engine)
"""
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
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, database_url, str(chance.randrange(MOST))],
            cwd=ROOT, check=False, timeout=PATIENCE,
        )  # fmt: skip
        assert ended.returncode in {0, -signal.SIGKILL}
        killed += ended.returncode != 0
        for body in chance.sample(published, 10):
            assert loaded(engine, name_of(body)) == body
    assert killed >= KILLS // 2
    bodies.convert_bodies(engine)
    for body in published:
        assert loaded(engine, name_of(body)) == body
    assert count_differences(engine) == 90 - 3  # of each full chain the first stays whole


def count_differences(engine: Engine) -> int:
    return sum(row.encoding == "difference" for row in stored(engine).values())
