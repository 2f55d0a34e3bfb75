"""Fan-out and digests that end at any of their statements."""

from __future__ import annotations

import os
import signal
from datetime import datetime, timedelta

from sqlalchemy.engine import Engine

from monitor.outbox import fan_out, insert_due_digests
from monitor.storage import engine as db
from tests.outbox.world import locate
from tests.peers.statements import ending_at

LATER = timedelta(hours=2)


def write_all(engine: Engine, now: datetime) -> None:
    """What is owed for the changes of now, and the digests that are due two hours later."""
    fan_out(engine, locate=locate, now=now)
    insert_due_digests(engine, now + LATER)


def kill_this_process() -> None:
    """End as kill -9 does."""
    os.kill(os.getpid(), signal.SIGKILL)


def write_until_killed(url: str, number: int, now: datetime) -> None:
    """What a process does that kills itself before the statement of this number."""
    engine = db.connect(url)
    with ending_at(engine, number, kill_this_process):
        write_all(engine, now)
