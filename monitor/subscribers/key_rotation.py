"""Replaces the key: every address is encrypted again in one transaction, before the new key takes its
place.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.engine import Engine

from monitor.storage import engine as db
from monitor.storage import heartbeats, key_exchange, reencrypt

log = logging.getLogger(__name__)

LINKS_KEPT = timedelta(days=100)
"""How long links in mails sent before a rotation keep working: even the rarest mail, the receipt, is sent
every quarter, and brings new links.
"""


def rotate(engine: Engine, folder: Path, now: datetime, *, leaked: bool = False) -> int:
    """Replace the master in the key file while other processes run; returns how many addresses were encrypted
    again.

    Writers wait until it is done and continue with the new key (`KeyFile.refresh`). Links in sent mails work
    for `LINKS_KEPT`, those to unsubscribe without a limit. With ``leaked`` only those to unsubscribe work,
    and every hash of an address is replaced too; this requires a stopped service. Raises BusyError during
    another rotation, and with ``leaked`` while the service runs. After a crash, the database and one of the
    two key files still belong together, and the next start finishes the rotation. Older backups need the old
    key file.
    """
    with key_exchange.rotating(folder):
        with db.reading(engine) as conn:
            if leaked:
                heartbeats.refuse_beside_a_service(conn, now)
            key_exchange.finish_interrupted(conn, folder)
        exchange = key_exchange.begin_rotation(folder, now if leaked else now + LINKS_KEPT, leaked=leaked)
        with db.transaction(engine) as conn:
            key_exchange.block_key_readers(conn)
            key_exchange.bind(conn, exchange.old)
            sealed = reencrypt.reseal(conn, exchange.reseal)
            if leaked:
                reencrypt.rehash(conn, exchange.rehash)
            key_exchange.rebind(conn, exchange.new)
        key_exchange.finish_rotation(folder)
    log.info("the key was replaced: %d addresses are encrypted with the new one", sealed)
    return sealed
