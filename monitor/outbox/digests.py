"""Queues due digests as deliveries: one per person and period, with all changes in their places since the
last one.
"""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy.engine import Engine

from monitor.core.due import AT_ONCE, WEEKLY, name_period, next_digest, zone_or_utc
from monitor.storage import eligibility
from monitor.storage.deliveries import digests
from monitor.storage.deliveries.digests import DueDigest, NewDigest
from monitor.storage.engine import reading, transaction
from monitor.storage.people import past_choices

log = logging.getLogger(__name__)

_BATCH = 500  # the number of subscribers in one transaction


def insert_due_digests(engine: Engine, now: datetime) -> int:
    """Insert the due digests, and summaries after a pause; returns how many. None is inserted without a
    change.

    Running this twice, or in two processes at once, is harmless: each person gets a changeset once.
    """
    written = 0
    places = digests.CollectedPlaces()
    while True:
        with reading(engine) as conn:
            if not digests.has_due(conn, now):
                break
        with transaction(engine) as conn:
            # ordered after every committed fan-out and before every other one: changes that this digest does
            # not see are in the next one
            moment = eligibility.next_moment(conn, now)
            due = digests.load_due(conn, now, _BATCH)
            found = digests.load_collected(conn, [entry.subscriber for entry in due], places)
            paused = [entry.subscriber for entry in due if entry.was_paused]
            postponed = digests.take_alerts(conn, paused, now) if paused else {}
            new = {
                entry.subscriber: NewDigest(
                    entry.channel, _period(entry), _about(entry), tuple(sorted(changesets))
                )
                for entry in due
                if (changesets := {*found.get(entry.subscriber, ()), *postponed.get(entry.subscriber, ())})
            }
            inserted = digests.insert_digests(conn, new, now)
            left = new.keys() - inserted
            if due:
                past_choices.insert_past_statuses(conn, paused, moment)
                plans = [_plan(entry, now, moment, left=entry.subscriber in left) for entry in due]
                digests.write_schedules(conn, plans)
        written += len(inserted)
        if not due:  # another process is writing them
            break
    if written:
        log.info("%d digests were written", written)
    return written


def _about(due: DueDigest) -> str:
    """What a digest covers: a pause, the time since the last digest before a switch to immediate alerts, a
    week, or a day.
    """
    if due.was_paused:
        return "summary"
    return {AT_ONCE: "last", WEEKLY: "weekly"}.get(due.frequency, "daily")


def _period(due: DueDigest) -> str:
    """The key that keeps a digest from being written twice.

    It is derived from the moment at which the digest was due, not from the current time: otherwise, after an
    outage over midnight, yesterday's digest would take the key of today's.
    """
    about = _about(due)
    if about in {"summary", "last"}:
        return f"{about} {due.at:%Y-%m-%dT%H:%M:%S}"
    return name_period(due.frequency, zone_or_utc(due.timezone), due.at)


def _plan(
    due: DueDigest, now: datetime, moment: datetime, *, left: bool
) -> tuple[int, datetime | None, datetime | None]:
    """Compute when the next digest is due and from when on it collects changes: (subscriber, due at, since).

    ``moment`` is this digest's position in the order of fan-outs: each earlier one is committed, and each
    later one has a later time. ``left``: a digest of this period was already written, as after a change of
    the hour, so the next one starts at the same time as this one.
    """
    at = next_digest(due.frequency, zone_or_utc(due.timezone), due.local_hour or 0, now)
    since = due.since if left else moment
    return due.subscriber, at, since if at else None
