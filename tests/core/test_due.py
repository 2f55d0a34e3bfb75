"""When quiet hours end."""

from __future__ import annotations

from datetime import datetime

import pytest

from monitor.core.due import quiet_end

CHICAGO = "America/Chicago"  # UTC-6 in winter, UTC-5 in summer; the clock changes on 2026-03-08


@pytest.mark.parametrize(
    ("since", "until", "now", "end"),
    [
        (22, 7, "2026-01-10T04:30+00:00", "2026-01-10T13:00+00:00"),  # 22:30, until the next morning
        (22, 7, "2026-01-10T04:00+00:00", "2026-01-10T13:00+00:00"),  # the first minute
        (22, 7, "2026-01-10T08:00+00:00", "2026-01-10T13:00+00:00"),  # 2:00, until the same morning
        (22, 7, "2026-01-10T13:00+00:00", None),  # 7:00 is over
        (22, 7, "2026-01-10T03:59+00:00", None),
        (13, 15, "2026-01-10T20:59+00:00", "2026-01-10T21:00+00:00"),  # within one day
        (13, 15, "2026-01-10T21:00+00:00", None),
        (9, 9, "2026-01-10T15:30+00:00", None),  # hours that are the same are none
        (22, 7, "2026-03-08T05:00+00:00", "2026-03-08T12:00+00:00"),  # a night of 23 hours
    ],
)
def test_quiet_hours_end_at_the_next_such_hour_there(
    since: int, until: int, now: str, end: str | None
) -> None:
    found = quiet_end(since, until, CHICAGO, datetime.fromisoformat(now))
    assert found == (datetime.fromisoformat(end) if end else None)


def test_without_a_time_zone_the_hours_are_of_utc() -> None:
    now = datetime.fromisoformat("2026-01-10T23:00+00:00")
    assert quiet_end(22, 7, None, now) == datetime.fromisoformat("2026-01-11T07:00+00:00")
