"""Retention periods of data about people, and its deletion."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.engine import Engine

from monitor.storage import database_facts
from monitor.storage import engine as db
from monitor.storage.deliveries import retention
from monitor.storage.maintenance import refresh_statistics
from monitor.storage.people import area_places, past_choices
from monitor.subscribers.signup import CONFIRM_WITHIN

log = logging.getLogger(__name__)

COUNTS_KEPT = timedelta(hours=24)
"""How long the counts per network are kept, which the limits need."""
ENDED_KEPT = timedelta(days=180)
"""How long the row of an ended subscriber is kept, without address and places, so that an old link still gets
an answer.
"""
DELIVERIES_KEPT = timedelta(days=400)
"""How long it is stored which message was sent and when."""
RETURNS_KEPT = timedelta(days=30)
"""How long it is stored which bounced mails were counted, so that none counts twice."""
CHOICES_KEPT = timedelta(days=90)
"""How long a subscriber's earlier places and settings are stored after a change."""
UPDATES_KEPT = timedelta(days=1)
"""How long unanswered messages to the bot are kept while it does not run; Telegram does not keep them longer
either.
"""

PURGE_EVERY = timedelta(hours=1)
_PURGED = "purged at"


@dataclass(frozen=True, slots=True)
class Purged:
    """The result of `purge`."""

    unconfirmed: int
    ended: int
    deliveries: int
    counts: int
    signups: int


def purge(engine: Engine, now: datetime) -> Purged:
    """Delete expired data; on SQLite deleted data is also overwritten (``secure_delete``)."""
    unconfirmed = ended = 0
    while True:
        with db.transaction(engine) as conn:
            late = retention.load_unconfirmed(conn, now, now - CONFIRM_WITHIN)
            gone = retention.load_long_gone(conn, now - ENDED_KEPT)
            retention.forget(conn, (*late, *gone))
        unconfirmed, ended = unconfirmed + len(late), ended + len(gone)
        if not late and not gone:
            break
    with db.transaction(engine) as conn:
        purged = Purged(
            unconfirmed=unconfirmed,
            ended=ended,
            deliveries=retention.forget_deliveries(conn, now - DELIVERIES_KEPT),
            counts=retention.forget_windows(conn, now - COUNTS_KEPT),
            signups=retention.forget_signups(conn, now - CONFIRM_WITHIN),
        )
        retention.forget_updates(conn, now - UPDATES_KEPT)
        retention.forget_returns(conn, now - RETURNS_KEPT)
        past_choices.delete_before(conn, now - CHOICES_KEPT)
        area_places.delete_unused(conn)
    if any((purged.unconfirmed, purged.ended, purged.deliveries, purged.signups)):
        log.info(
            "purged: %d never confirmed, %d who left long ago, %d old deliveries, %d forms",
            purged.unconfirmed, purged.ended, purged.deliveries, purged.signups,
        )  # fmt: skip
    return purged


def purge_in_turn(engine: Engine, now: datetime) -> bool:
    """Run `purge` unless it ran within `PURGE_EVERY`. Returns whether it ran."""
    with db.reading(engine) as conn:
        before = database_facts.get(conn, _PURGED)
    if before is not None and now - datetime.fromisoformat(before) < PURGE_EVERY:
        return False
    with db.transaction(engine) as conn:
        database_facts.put(conn, _PURGED, now.isoformat())
    purge(engine, now)
    refresh_statistics(engine)
    return True
