"""Computes when a digest is due: at a local hour in the subscriber's time zone, also across daylight saving
changes. Pure.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

AT_ONCE, DAILY, WEEKLY = "at_once", "daily", "weekly"
FREQUENCIES = (AT_ONCE, DAILY, WEEKLY)
DEFAULT_HOUR = 8
"""The local hour of a digest when nobody chose one."""
MONDAY = 0
"""The weekday of weekly digests."""

ZONES = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "Pacific/Honolulu",
    "America/Puerto_Rico",
    "Pacific/Guam",
    "Pacific/Pago_Pago",
)
"""The time zones that a form offers, east to west and then overseas."""

_STATES = {
    "America/Chicago": "AL AR IA IL KS LA MN MO MS ND NE OK SD TN TX WI",
    "America/Denver": "CO ID MT NM UT WY",
    "America/Phoenix": "AZ",
    "America/Los_Angeles": "CA NV OR WA",
    "America/Anchorage": "AK",
    "Pacific/Honolulu": "HI",
    "America/Puerto_Rico": "PR VI",
    "Pacific/Guam": "GU MP",
    "Pacific/Pago_Pago": "AS",
}
_ZONE_OF = {state: zone for zone, states in _STATES.items() for state in states.split()}


def zone_of_state(state: str | None) -> str:
    """The time zone of most of a state's population: a default that people can change."""
    return _ZONE_OF.get(state or "", "America/New_York")


@cache
def _all_zones() -> frozenset[str]:
    """Cached, because the names are collected from hundreds of files."""
    return frozenset(available_timezones())


def is_zone(name: str) -> bool:
    """Whether this names a time zone."""
    return name in _all_zones()


def zone_or_utc(name: str | None) -> str:
    """The time zone, or UTC if this machine does not know it: a digest at another hour is better than
    none.
    """
    try:
        return ZoneInfo(name or "UTC").key
    except (ZoneInfoNotFoundError, ValueError):
        return "UTC"


def next_digest(frequency: str, timezone: str, hour: int, after: datetime) -> datetime | None:
    """Compute the first moment after ``after`` at which a digest of this frequency is due, in UTC; None for
    immediate alerts.

    An hour that daylight saving skips becomes the moment that follows the gap; of an hour that occurs twice,
    the first counts.
    """
    if frequency == AT_ONCE:
        return None
    zone = ZoneInfo(timezone)
    day = after.astimezone(zone).date()
    while True:
        due = _at(day, hour, zone)
        if due > after and (frequency == DAILY or day.weekday() == MONDAY):
            return due
        day += timedelta(days=1)


def name_period(frequency: str, timezone: str, at: datetime) -> str:
    """The name of the period whose digest is due at this moment: "2026-11-24", or "2026-W48" for weekly
    ones.
    """
    day = at.astimezone(ZoneInfo(timezone)).date()
    if frequency == WEEKLY:
        year, week, _ = day.isocalendar()
        return f"{year}-W{week:02d}"
    return day.isoformat()


def to_utc(day: date, hour: int, timezone: str) -> datetime:
    """Convert a local hour of a day to UTC."""
    return _at(day, hour, ZoneInfo(timezone))


def quiet_end(since: int, until: int, timezone: str | None, now: datetime) -> datetime | None:
    """Compute when the current quiet hours, from ``since`` to ``until`` o'clock local time, end, in UTC; None
    outside of them. They may cross midnight; equal hours mean no quiet hours.
    """
    zone = ZoneInfo(zone_or_utc(timezone))
    local = now.astimezone(zone)
    over_midnight = since > until and not until <= local.hour < since
    if not (since <= local.hour < until or over_midnight):
        return None
    end = _at(local.date(), until, zone)
    return end if end > now else _at(local.date() + timedelta(days=1), until, zone)


def _at(day: date, hour: int, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(hour), zone).astimezone(UTC)
