"""Changes a subscriber's preferences, by the link in every mail: places, lists, frequency, language, pause,
receipt.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy.engine import Engine

from monitor.core.due import DEFAULT_HOUR, next_digest, to_utc
from monitor.core.tokens import Purpose
from monitor.errors import UsageError
from monitor.keys import KeyFile
from monitor.places.codes import state_of_zip
from monitor.storage import eligibility, people
from monitor.storage import engine as db
from monitor.storage.people import ACTIVE, PAUSED, past_choices
from monitor.subscribers.personal_links import Link, LinkState, read_link
from monitor.subscribers.signup import MOST_PLACES, schedule, zone_of_place
from monitor.subscribers.validation import list_follows

log = logging.getLogger(__name__)

LONGEST_PAUSE = timedelta(days=366)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """The complete preferences; ``pause_until`` is a day in the subscriber's zone, None for no pause."""

    places: tuple[str, ...]
    sources: tuple[str, ...]
    language: str
    frequency: str
    timezone: str | None = None
    local_hour: int | None = None
    pause_until: date | None = None
    receipts: bool = True


def change(
    engine: Engine,
    keys: KeyFile,
    token: str,
    new: Preferences,
    now: datetime,
    *,
    default_timezone: str = "UTC",
    state_of_zip: Callable[[str], str | None] = state_of_zip,
) -> Link:
    """Set a subscriber's preferences exactly. Raises UsageError for an invalid value, with nothing changed.

    A change from digests to immediate alerts sends what was collected for the next digest now; ending a pause
    early sends its summary.
    """
    if len(set(new.places)) > MOST_PLACES:
        raise UsageError(f"choose at most {MOST_PLACES} places; a state holds all of its ZIP codes")
    requested = list_follows(new.places, new.sources, state_of_zip)
    with db.transaction(engine) as conn:
        moment_of_change = eligibility.next_moment(conn, now)
        link = read_link(conn, keys, Purpose.MANAGE, token, now, for_change=True)
        one = link.subscriber
        if link.found is not LinkState.OPEN or one is None:
            return link
        usual = zone_of_place(new.places[0], state_of_zip)
        zone, hour = schedule(new.frequency, new.timezone or one.timezone, new.local_hour, usual)
        pause = _pause_end(new.pause_until, zone or one.timezone or default_timezone, now)
        collected = one.digest_since
        due_at = pause or next_digest(new.frequency, zone or "UTC", hour or 0, now)
        ended_early = pause is None and one.state == PAUSED
        if collected is not None and (due_at is None or ended_early):
            due_at = now  # what was collected is sent now
        past_choices.insert_past_statuses(conn, [one.id], moment_of_change)
        people.update(
            conn,
            one.id,
            state=ACTIVE if pause is None else PAUSED,
            language=new.language,
            frequency=new.frequency,
            timezone=zone,
            local_hour=hour,
            paused_until=now if ended_early else pause,
            digest_at=due_at,
            digest_since=(collected or moment_of_change) if due_at else None,
            receipts=new.receipts,
        )
        people.replace_follows(conn, one.id, requested, moment_of_change)
        link = read_link(conn, keys, Purpose.MANAGE, token, now)
    log.info("subscriber %d changed their preferences", one.id)
    return link


def _pause_end(until: date | None, timezone: str, now: datetime) -> datetime | None:
    """Compute when a pause ends: at eight o'clock on its last day, local time. None if that is past."""
    if until is None:
        return None
    end = to_utc(until, DEFAULT_HOUR, timezone)
    if end <= now:
        raise UsageError("the pause must end on a day that is still to come")
    if end - now > LONGEST_PAUSE:
        raise UsageError("a pause lasts a year at most")
    return end
