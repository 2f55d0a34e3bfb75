"""A change of the key that ends at any of its steps."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from monitor.storage import engine as db
from monitor.storage import key_exchange
from monitor.subscribers import key_rotation
from tests.outbox.killed_writer import kill_this_process


def rotate_until_killed(step: str, url: str, folder: Path, now: datetime) -> None:
    """What a process does that kills itself instead of this step of `key_exchange`."""
    assert hasattr(key_exchange, step)
    setattr(key_exchange, step, lambda *_: kill_this_process())
    key_rotation.rotate(db.connect(url), folder, now)
