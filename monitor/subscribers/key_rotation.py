"""Exchanging the key: every address is sealed anew and every hash carried along, in one transaction, before the new key takes its place."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.engine import Engine

from monitor.storage import engine as db
from monitor.storage import key_exchange, reencrypt

log = logging.getLogger(__name__)

LINKS_KEPT = timedelta(days=100)
"""How long links in mails from before a rotation go on working: the rarest mail is the quarterly receipt, and the next one has new links."""


def rotate(engine: Engine, folder: Path, now: datetime, *, leaked: bool = False) -> int:
    """Exchange the master in the key file, beside whatever else works on the database; returns how many addresses were sealed anew.

    Whoever writes waits until it is done and goes on with the new key (`KeyFile.refresh`). Links in mails that were sent go on working for
    `LINKS_KEPT`, those to unsubscribe for ever; with ``leaked`` only those to unsubscribe. Raises BusyError while another rotation is at
    work. A crash at any point leaves a database and a key that belong together, or is set right when the key is next read. Backups
    from before need the old key file.
    """
    with key_exchange.rotating(folder):
        with db.reading(engine) as conn:
            key_exchange.finish_what_was_cut_off(conn, folder)
        old, new = key_exchange.begin_rotation(folder, now if leaked else now + LINKS_KEPT)
        with db.transaction(engine) as conn:
            key_exchange.exclude(conn)
            key_exchange.bind(conn, old)
            sealed = reencrypt.reseal(
                conn, lambda channel, address: new.seal(channel, old.open(channel, address)), new.succeeded
            )
            key_exchange.rebind(conn, new)
        key_exchange.finish_rotation(folder)
    log.info("the key was exchanged: %d addresses are sealed with the new one", sealed)
    return sealed
