"""A conversion of stored publications that ends at any of its statements."""

from __future__ import annotations

from monitor.storage.engine import connect
from monitor.storage.lists import bodies
from tests.outbox.killed_writer import kill_this_process
from tests.peers.statements import ending_at


def convert_until_killed(url: str, number: int) -> None:
    """What a process does that kills itself before the statement of this number."""
    engine = connect(url)
    with ending_at(engine, number, kill_this_process):
        bodies.convert_bodies(engine)
