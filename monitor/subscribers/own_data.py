"""Sends everything that is stored about a subscriber, to that subscriber only."""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy.engine import Engine

from monitor.channels.kinds import lookup
from monitor.keys import KeyFile
from monitor.storage import engine as db
from monitor.storage import people
from monitor.storage.deliveries import queue
from monitor.storage.people import PENDING

log = logging.getLogger(__name__)


def export(engine: Engine, keys: KeyFile, *, channel: str, address: str, now: datetime) -> bool:
    """Queue a message with everything that is stored about an address, to that address; False if it is not
    subscribed.
    """
    with db.transaction(engine) as conn:
        one = people.find(conn, channel, lookup(keys, channel, address))
        if one is None or one.state == PENDING:
            return False
        queue.insert_message(
            conn, "notice", one.id, now, period=f"export {now:%Y-%m-%dT%H:%M:%S}", about="export"
        )
    log.info("subscriber %d is sent what is stored about them", one.id)
    return True
