"""What a change of preferences makes of digests and pauses, to the hour."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from monitor import subscribers
from monitor.core.tokens import Purpose
from monitor.errors import UsageError
from monitor.keys import KeyFile
from monitor.storage.people import Subscriber
from monitor.subscribers import LinkState, Preferences
from monitor.subscribers.preferences import _pause_end
from monitor.subscribers.signup import MOST_PLACES
from tests.subscribers.conftest import ANN, member, token, who

DAY = timedelta(days=1)
DAILY = {"frequency": "daily", "timezone": "America/Denver", "local_hour": 8}
PAUSE = {"pause_until": date(2026, 3, 20)}
AT_EIGHT_IN_NEW_YORK = "2026-03-20T08:00-04:00"
"""In the zone of the service, which counts for somebody who never chose one."""
AT_EIGHT_IN_DENVER = "2026-03-20T08:00-06:00"


def change(engine: Engine, keys: KeyFile, one: Subscriber, now: datetime, **changes: Any) -> Subscriber:
    given: dict[str, Any] = {
        "places": ("60601",), "sources": ("ring",), "language": "en", "frequency": "at_once",
    }  # fmt: skip
    link = token(keys, Purpose.MANAGE, one)
    new = Preferences(**(given | changes))
    zone = "America/New_York"
    changed = subscribers.change(
        engine, keys, link, new, now, default_timezone=zone, state_of_zip=lambda _: "IL"
    )
    assert changed.found is LinkState.OPEN
    assert changed.subscriber is not None
    return changed.subscriber


@pytest.mark.parametrize(
    ("before", "changes", "state", "paused_until", "digest_at", "since"),
    [
        ([], {}, "active", None, None, None),
        ([], DAILY, "active", None, "2026-03-02T08:00-07:00", "now"),
        ([], {"frequency": "daily"}, "active", None, "2026-03-02T08:00-06:00", "now"),
        ([], {"frequency": "daily", "local_hour": 0}, "active", None, "2026-03-03T00:00-06:00", "now"),
        ([DAILY], {}, "active", None, "now", "before"),
        ([DAILY], {"frequency": "weekly"}, "active", None, "2026-03-02T08:00-07:00", "before"),
        ([DAILY], DAILY | {"local_hour": 0}, "active", None, "2026-03-03T00:00-07:00", "before"),
        ([DAILY], DAILY | {"timezone": "UTC"}, "active", None, "2026-03-03T08:00+00:00", "before"),
        ([], PAUSE, "paused", AT_EIGHT_IN_NEW_YORK, AT_EIGHT_IN_NEW_YORK, "now"),
        ([DAILY], DAILY | PAUSE, "paused", AT_EIGHT_IN_DENVER, AT_EIGHT_IN_DENVER, "before"),
        ([DAILY], PAUSE, "paused", AT_EIGHT_IN_DENVER, AT_EIGHT_IN_DENVER, "before"),
        ([PAUSE], PAUSE, "paused", AT_EIGHT_IN_NEW_YORK, AT_EIGHT_IN_NEW_YORK, "before"),
        ([PAUSE], {}, "active", "now", "now", "before"),
        ([DAILY | PAUSE], DAILY, "active", "now", "now", "before"),
    ],
)
def test_when_the_next_digest_comes_and_from_when_it_collects(
    sqlite_engine: Engine,
    keys: KeyFile,
    now: datetime,
    before: list[dict[str, Any]],
    changes: dict[str, Any],
    state: str,
    paused_until: str | None,
    digest_at: str | None,
    since: str | None,
) -> None:
    """``now`` is Sunday noon in UTC; the change is made on Monday, a minute before eight in Chicago."""
    one = member(sqlite_engine, keys, now)
    for earlier in before:
        one = change(sqlite_engine, keys, one, now + timedelta(hours=1), **earlier)
    moments = {"now": now + DAY + timedelta(hours=1, minutes=59), "before": now + timedelta(hours=1)}
    changed = change(sqlite_engine, keys, one, moments["now"], **changes)

    def at(text: str | None) -> datetime | None:
        return None if text is None else moments.get(text) or datetime.fromisoformat(text)

    assert changed.state == state
    assert changed.paused_until == at(paused_until)
    assert changed.digest_at == at(digest_at)
    assert changed.digest_since == at(since)


@pytest.mark.parametrize(
    ("until", "end"),
    [
        (None, None),
        (date(2026, 2, 28), "a day that is still to come"),
        (date(2026, 3, 1), "a day that is still to come"),
        (date(2026, 3, 2), "2026-03-02T08:00-06:00"),
        (date(2027, 3, 2), "2027-03-02T08:00-06:00"),
        (date(2027, 3, 3), "a year at most"),
    ],
)
def test_a_pause_ends_at_eight_of_a_day_to_come_within_a_year(until: date | None, end: str | None) -> None:
    """It is eight o'clock on March 1 in Chicago."""
    now = datetime.fromisoformat("2026-03-01T08:00-06:00")
    if end is None or end.startswith("20"):
        assert _pause_end(until, "America/Chicago", now) == (end and datetime.fromisoformat(end))
    else:
        with pytest.raises(UsageError, match=end):
            _pause_end(until, "America/Chicago", now)


def test_as_many_places_as_a_form_may_have_and_no_more(
    sqlite_engine: Engine, keys: KeyFile, now: datetime
) -> None:
    one = member(sqlite_engine, keys, now, ANN)
    places = tuple(f"{60000 + number}" for number in range(MOST_PLACES))
    change(sqlite_engine, keys, one, now, places=(*places, *places))
    with pytest.raises(UsageError, match=f"at most {MOST_PLACES} places"):
        change(sqlite_engine, keys, one, now, places=(*places, "46320"))


def test_receipts_come_unless_somebody_does_not_want_them(
    sqlite_engine: Engine, keys: KeyFile, now: datetime
) -> None:
    one = member(sqlite_engine, keys, now)
    assert not change(sqlite_engine, keys, one, now, receipts=False).receipts
    assert change(sqlite_engine, keys, one, now).receipts
    assert who(sqlite_engine, keys).receipts  # type: ignore[union-attr]
