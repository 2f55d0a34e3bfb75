"""Queues the canary: a message to the operator that is sent like an alert, so that its absence shows that
alerts do not arrive either.
"""

from __future__ import annotations

import logging
import secrets
from datetime import datetime, timedelta

from sqlalchemy.engine import Engine

from monitor.channels.kinds import lookup, normalize_address
from monitor.channels.outline import seal_address
from monitor.keys import KeyFile
from monitor.storage import people
from monitor.storage.deliveries import canary_rows, queue
from monitor.storage.deliveries.canary_rows import CANARY
from monitor.storage.engine import reading, transaction

log = logging.getLogger(__name__)


def insert_due_canary(
    engine: Engine, keys: KeyFile, channel: str, address: str, every: timedelta, now: datetime
) -> int:
    """Queue a canary if the last one is older than ``every`` and none waits; returns how many. It belongs to
    a subscriber of its own that follows nothing, or to the existing one with this address.
    """
    address = normalize_address(channel, address)
    with reading(engine) as conn:
        one = people.find(conn, channel, lookup(keys, channel, address))
        trace = canary_rows.load_canary(conn) if one is not None else None
    if trace is not None and (trace.waits or (trace.queued_at is not None and now - trace.queued_at < every)):
        return 0
    with transaction(engine) as conn:
        one, new = people.add_or_find(
            conn,
            channel=channel,
            address=seal_address(keys, channel, address),
            state=people.ACTIVE,
            origin=CANARY,
            nonce=secrets.token_hex(16),
            now=now,
            language="en",
        )
        if new:
            people.update(conn, one.id, receipts=False)
        canary_rows.note_canary(conn, one.id, now)
        # two processes at once write only one, because they compute the same period
        period = f"{int(now.timestamp() // every.total_seconds())}"
        queued = queue.insert_message(conn, CANARY, one.id, now, period=period)
    return int(queued is not None)
