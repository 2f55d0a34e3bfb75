"""Digests that fall due become deliveries: one per person and period, of everything that happened in their places since the last."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from sqlalchemy.engine import Engine

from monitor.core.due import AT_ONCE, WEEKLY, next_digest, period, zone_or_utc
from monitor.storage.deliveries import digests
from monitor.storage.deliveries.digests import Due, NewDigest
from monitor.storage.engine import reading, transaction

log = logging.getLogger(__name__)

OVERLAP = timedelta(hours=1)
"""How far a digest looks back before the one before it: a fan-out may be committed some time after the moment it names."""
_AT_ONCE = 500  # subscribers in one transaction


def digests_due(engine: Engine, now: datetime) -> int:
    """Write the digests, and the summaries after a pause, that are due; returns how many. Nobody gets one without a change in it.

    Running it twice, or in two processes at once, is harmless: a changeset is told to a person once.
    """
    written = 0
    while True:
        with reading(engine) as conn:
            if not digests.any_due(conn, now):
                break
        with transaction(engine) as conn:
            due = digests.due(conn, now, _AT_ONCE)
            found = digests.collected(conn, [each.subscriber for each in due])
            paused = [each.subscriber for each in due if each.was_paused]
            waited = digests.take_alerts(conn, paused, now) if paused else {}
            told = {
                each.subscriber: NewDigest(_period(each, now), _about(each), tuple(sorted(changesets)))
                for each in due
                if (changesets := {*found.get(each.subscriber, ()), *waited.get(each.subscriber, ())})
            }
            owed = digests.insert_digests(conn, told, now)
            left = told.keys() - owed
            if due:
                digests.scheduled(conn, [_plan(each, now, left=each.subscriber in left) for each in due])
        written += len(owed)
        if not due:  # another process has them in hand
            break
    if written:
        log.info("%d digests are due", written)
    return written


def _about(due: Due) -> str:
    """What a digest is about: a pause, the time since the last digest before alerts at once, a week, or a day."""
    if due.was_paused:
        return "summary"
    return {AT_ONCE: "last", WEEKLY: "weekly"}.get(due.frequency, "daily")


def _period(due: Due, now: datetime) -> str:
    """The key that keeps a digest from being written twice."""
    about = _about(due)
    if about in {"summary", "last"}:
        return f"{about} {now:%Y-%m-%dT%H:%M:%S}"
    return period(due.frequency, zone_or_utc(due.timezone), now)


def _plan(due: Due, now: datetime, *, left: bool) -> tuple[int, datetime | None, datetime | None]:
    """When the next one is due and from when on it looks; with ``left`` this one's period was told already, as after a change of the
    hour, and the next one looks as far back as this one did.
    """
    at = next_digest(due.frequency, zone_or_utc(due.timezone), due.local_hour or 0, now)
    since = due.since if left else max(due.since, now - OVERLAP)
    return due.subscriber, at, since if at else None
