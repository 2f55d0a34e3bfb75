"""Exchanging the key: every address is sealed anew and every hash carried along, in one transaction, before the new key takes its place."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.engine import Engine

from monitor import db, keys
from monitor.errors import BusyError
from monitor.store import facts, resealing

log = logging.getLogger(__name__)

SILENT_FOR = timedelta(minutes=2)
"""A sender that has been silent for so long does not run."""


def rotate(engine: Engine, folder: Path, now: datetime) -> int:
    """Exchange the master in the key file; returns how many addresses were sealed anew.

    Raises BusyError while a sender works: it would go on with the old key in its memory. A crash at any point leaves a database and
    a key that belong together, or is set right when the key is next read. Backups from before need the old key file.
    """
    with db.reading(engine) as conn:
        beat = facts.heartbeat(conn, "sender")
    if beat is not None and now - beat < SILENT_FOR:
        raise BusyError(
            "a service works on this database: stop `monitor run` and `monitor web`, and try again in two minutes"
        )
    old, new = keys.begin_rotation(folder)
    with db.transaction(engine) as conn:
        keys.bind(conn, old)
        sealed = resealing.reseal(
            conn, lambda channel, address: new.seal(channel, old.open(channel, address)), new.succeeded
        )
        keys.rebind(conn, new)
    keys.finish_rotation(folder)
    log.info("the key was exchanged: %d addresses are sealed with the new one", sealed)
    return sealed
