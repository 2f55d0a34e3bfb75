"""Queues notices: that a list could not be read for a long time, that it can be read again, and quarterly
receipts for subscribers without any message.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy.engine import Engine

from monitor.channels.kinds import KINDS
from monitor.core.freshness import blind_after
from monitor.domain import SourceInfo
from monitor.storage import database_facts
from monitor.storage.deliveries import notices
from monitor.storage.engine import reading, transaction

log = logging.getLogger(__name__)

BLIND_FOR = timedelta(days=7)
"""After this time without a good check the followers of a list get a notice that it cannot be read."""
RECEIPT_AFTER = timedelta(days=91)
"""After this time without any message a subscriber gets a receipt."""
LOOK_EVERY = timedelta(hours=6)
"""The interval at which subscribers who need a receipt are searched for."""
_LOOKED = "receipts looked for at"


def insert_due_notices(engine: Engine, watched: Mapping[str, SourceInfo], now: datetime) -> int:
    """Insert the due notices and quarterly receipts; returns how many.

    ``watched`` are the sources that are polled. Followers of any other source get a notice that it is no
    longer watched.
    """
    with reading(engine) as conn:
        sights = notices.load_visibility(conn)
    written = 0
    for source, sight in sights.items():
        told, good = sight.told_blind_at, sight.last_good_at
        # after a downtime, the service first polls before it calls a source unreadable
        looked = good is not None and sight.last_fetch_at is not None and sight.last_fetch_at > good
        unseen = looked or source not in watched
        long = max(BLIND_FOR, blind_after(watched[source].every)) if source in watched else BLIND_FOR
        if told is None and unseen and good is not None and now - good >= long:
            with transaction(engine) as conn:
                if notices.note_blind(conn, source, None, now):
                    written += notices.insert_for_followers(
                        conn, source, "blind", blind_period(source, now), now
                    )
                    log.warning(
                        "%s was not read for %d days: its followers get a notice", source, (now - good).days
                    )
        elif told is not None and good is not None and good > told:
            with transaction(engine) as conn:
                if notices.note_blind(conn, source, told, None):
                    written += notices.insert_for_followers(
                        conn,
                        source,
                        "back",
                        f"back {source} {now:%Y-%m-%d}",
                        now,
                        told=blind_period(source, told),
                    )
    with reading(engine) as conn:
        before = database_facts.get(conn, _LOOKED)
    if before is not None and now - datetime.fromisoformat(before) < LOOK_EVERY:
        return written
    with transaction(engine) as conn:
        database_facts.put(conn, _LOOKED, now.isoformat())
        channels = [name for name, kind in KINDS.items() if kind.sends_receipts]
        written += notices.insert_receipts(
            conn, f"receipt {now:%Y-%m-%d}", now, now - RECEIPT_AFTER, channels=channels
        )
    if written:
        log.info("%d notices were written", written)
    return written


def blind_period(source: str, told_at: datetime) -> str:
    """The dedupe key of the notice that a source is blind."""
    return f"blind {source} {told_at:%Y-%m-%d}"
