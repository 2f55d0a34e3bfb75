"""Replaces the key: every address is encrypted again and every hash carried along in one transaction, before
the new key takes its place.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.engine import Engine

from monitor.storage import engine as db
from monitor.storage import key_exchange, reencrypt

log = logging.getLogger(__name__)

LINKS_KEPT = timedelta(days=100)
"""How long links in mails from before a rotation keep working: the rarest mail is the quarterly receipt, and
the next one has new links.
"""


def rotate(engine: Engine, folder: Path, now: datetime, *, leaked: bool = False) -> int:
    """Replace the master in the key file while other processes run; returns how many addresses were encrypted
    again.

    Writers wait until it is done and continue with the new key (`KeyFile.refresh`). Links in sent mails work
    for `LINKS_KEPT`, those to unsubscribe without a limit; with ``leaked`` only those to unsubscribe. Raises
    BusyError during another rotation. After a crash, the database and one of the two key files still belong
    together, and the next start finishes the rotation. Older backups need the old key file.
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
