"""Exchanging the key: every address is sealed anew and every hash carried along, in one transaction, before the new key takes its place."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.engine import Engine

from monitor import db, keys
from monitor.store import resealing

log = logging.getLogger(__name__)

LINKS_KEPT = timedelta(days=100)
"""How long links in mails from before a rotation go on working: the rarest mail is the quarterly receipt, and the next one has new links."""


def rotate(engine: Engine, folder: Path, now: datetime, *, leaked: bool = False) -> int:
    """Exchange the master in the key file, beside whatever else works on the database; returns how many addresses were sealed anew.

    Whoever writes waits until it is done and goes on with the new key (`KeyFile.heed`). Links in mails that were sent go on working for
    `LINKS_KEPT`, those to unsubscribe for ever; with ``leaked`` only those to unsubscribe. Raises BusyError while another rotation is at
    work. A crash at any point leaves a database and a key that belong together, or is set right when the key is next read. Backups
    from before need the old key file.
    """
    with keys.rotating(folder):
        with db.reading(engine) as conn:
            keys.finish_what_was_cut_off(conn, folder)
        old, new = keys.begin_rotation(folder, now if leaked else now + LINKS_KEPT)
        with db.transaction(engine) as conn:
            keys.exclude(conn)
            keys.bind(conn, old)
            sealed = resealing.reseal(
                conn, lambda channel, address: new.seal(channel, old.open(channel, address)), new.succeeded
            )
            keys.rebind(conn, new)
        keys.finish_rotation(folder)
    log.info("the key was exchanged: %d addresses are sealed with the new one", sealed)
    return sealed
