"""A conversion of stored publications killed again and again: at every moment every body is there, and it
gets done.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import datetime

from sqlalchemy.engine import Engine

from monitor.storage.lists import bodies
from tests.storage.test_bodies import lists, loaded, name_of, published_before, stored

KILLS = 30 if os.environ.get("MONITOR_TORTURE") else 3
PATIENCE = 300.0  # s, a bound for what hangs, on any machine
PROGRAM = """
import sys
from monitor.storage.engine import connect
from monitor.storage.lists import bodies
engine = connect(sys.argv[1])
print("begins", flush=True)
print(bodies.convert_bodies(engine).bodies, flush=True)
"""


def test_kills_lose_no_body_and_the_work_is_done_in_the_end(
    engine: Engine, database_url: str, now: datetime
) -> None:
    published = lists(90, rows=3000)
    published_before(engine, now, "list", published)
    chance = random.Random(7)
    killed = 0
    for _ in range(KILLS):
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, database_url], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begins\n"
            before = count_differences(engine)
            deadline = time.monotonic() + PATIENCE
            wanted = before + chance.randrange(1, 4)
            while count_differences(engine) < wanted and process.poll() is None:
                assert time.monotonic() < deadline
            process.send_signal(signal.SIGKILL)
        killed += process.returncode == -signal.SIGKILL
        for body in chance.sample(published, 10):
            assert loaded(engine, name_of(body)) == body
    assert killed >= KILLS // 2
    bodies.convert_bodies(engine)
    for body in published:
        assert loaded(engine, name_of(body)) == body
    assert count_differences(engine) == 90 - 3  # of each full chain the first stays whole


def count_differences(engine: Engine) -> int:
    return sum(row.encoding == "difference" for row in stored(engine).values())
