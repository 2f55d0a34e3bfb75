"""Digests and pauses: everything that happened is told once, at the local hour, and nothing where nothing
happened.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from monitor import subscribers
from monitor.core.due import DAILY, WEEKLY, ZONES, name_period, next_digest
from monitor.core.tokens import Purpose
from monitor.keys import KeyFile
from monitor.outbox import insert_due_digests, insert_due_notices
from monitor.storage import eligibility, people
from monitor.storage import engine as db
from monitor.storage.deliveries import fanout
from monitor.storage.deliveries.tables import DigestChangesetRow
from monitor.storage.people import Subscriber
from monitor.storage.people.tables import SubscriberRow
from monitor.subscribers import Preferences
from tests.subscribers.conftest import ANN, deliveries, member, token

Publish = Callable[..., int]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CHICAGO = ZoneInfo("America/Chicago")


def out(engine: Engine, publish: Publish, name: str, at: datetime, *places: str, **more: object) -> int:
    """Publish a change and fan it out at that moment, or after what was decided before."""
    changeset = publish(name, at, *places, **more)
    with db.transaction(engine) as conn:
        fanout.mark_fanned_out(conn, changeset, eligibility.next_moment(conn, at))
        fanout.insert_deliveries(conn, changeset, str(more.get("source", "ring")), at)
    return changeset


def told(engine: Engine) -> list[tuple[str | None, int]]:
    """(period, changeset) of every digest."""
    from monitor.storage.deliveries.tables import DeliveryRow

    with db.reading(engine) as conn:
        rows = conn.execute(
            sa.select(DeliveryRow.period, DigestChangesetRow.changeset_id)  # type: ignore[call-overload]
            .join(DigestChangesetRow, DigestChangesetRow.delivery_id == DeliveryRow.id)
            .order_by(DeliveryRow.id, DigestChangesetRow.changeset_id)
        )
        return [tuple(row) for row in rows]


def daily(engine: Engine, keys: KeyFile, now: datetime, **more: object) -> Subscriber:
    return member(
        engine, keys, now, ANN, "60601", frequency="daily", timezone="America/Chicago", local_hour=8, **more
    )


def prefer(engine: Engine, keys: KeyFile, one: Subscriber, now: datetime, **changes: object) -> None:
    given: dict[str, object] = {
        "places": ("60601",), "sources": ("ring",), "language": "en", "frequency": "at_once",
    }  # fmt: skip
    subscribers.change(engine, keys, token(keys, Purpose.MANAGE, one), Preferences(**(given | changes)), now)  # type: ignore[arg-type]


def test_a_daily_digest_tells_a_days_changes_once_at_the_local_hour(
    engine: Engine, keys: KeyFile, now: datetime, publish: Publish
) -> None:
    daily(engine, keys, now)  # Sunday noon UTC, 6 am in Chicago
    first = out(engine, publish, "One", now + HOUR)
    second = out(engine, publish, "Two", now + HOUR, "60601")
    out(engine, publish, "Elsewhere", now + HOUR, "46320", "IN")
    assert deliveries(engine, "alert") == []
    assert insert_due_digests(engine, now + 2 * HOUR - timedelta(seconds=1)) == 0
    assert insert_due_digests(engine, now + 2 * HOUR) == 1
    assert insert_due_digests(engine, now + 2 * HOUR) == 0
    assert told(engine) == [("2026-03-01", first), ("2026-03-01", second)]
    third = out(engine, publish, "Three", now + 3 * HOUR)
    assert insert_due_digests(engine, now + DAY) == 0
    assert insert_due_digests(engine, now + DAY + 2 * HOUR) == 1
    assert told(engine)[2:] == [("2026-03-02", third)]


def test_nothing_happened_is_no_digest(
    engine: Engine, keys: KeyFile, now: datetime, publish: Publish
) -> None:
    daily(engine, keys, now)
    for days in range(1, 5):
        assert insert_due_digests(engine, now + days * DAY) == 0
    changeset = out(engine, publish, "One", now + 5 * DAY)
    assert insert_due_digests(engine, now + 6 * DAY) == 1
    assert told(engine) == [("2026-03-05", changeset)]


def test_what_happened_before_somebody_asked_is_no_news(
    engine: Engine, keys: KeyFile, now: datetime, publish: Publish
) -> None:
    out(engine, publish, "Old", now - HOUR)
    daily(engine, keys, now)
    assert insert_due_digests(engine, now + DAY) == 0


def test_a_fan_out_that_commits_late_is_told_by_the_next_digest(
    engine: Engine, keys: KeyFile, now: datetime, publish: Publish
) -> None:
    daily(engine, keys, now)
    assert insert_due_digests(engine, now + 2 * HOUR) == 0
    late = out(engine, publish, "Late", now + 2 * HOUR - timedelta(seconds=20))
    assert insert_due_digests(engine, now + DAY + 2 * HOUR) == 1
    assert told(engine) == [("2026-03-02", late)]


def digest_since(engine: Engine) -> datetime:
    with db.reading(engine) as conn:
        since = conn.scalar(sa.select(SubscriberRow.digest_since))  # type: ignore[call-overload]
    assert isinstance(since, datetime)
    return since


def test_a_digest_collects_from_the_moment_of_the_last_one(
    engine: Engine, keys: KeyFile, now: datetime
) -> None:
    daily(engine, keys, now + HOUR + timedelta(minutes=50))  # ten minutes before their first digest
    insert_due_digests(engine, now + 2 * HOUR)
    assert digest_since(engine) == now + 2 * HOUR
    with db.transaction(engine) as conn:  # a process whose clock is ahead
        ahead = eligibility.next_moment(conn, now + 2 * DAY)
    insert_due_digests(engine, now + DAY + 2 * HOUR)
    assert digest_since(engine) == ahead + timedelta(microseconds=1)


def test_whoever_is_down_for_days_catches_up_with_one_digest(
    engine: Engine, keys: KeyFile, now: datetime, publish: Publish
) -> None:
    daily(engine, keys, now)
    changesets = [out(engine, publish, f"Agency {n}", now + n * DAY + HOUR) for n in range(4)]
    assert insert_due_digests(engine, now + 4 * DAY) == 1
    assert [changeset for _, changeset in told(engine)] == changesets


def test_two_processes_write_a_digest_once(
    engine: Engine, keys: KeyFile, now: datetime, publish: Publish
) -> None:
    for n in range(20):
        member(engine, keys, now, f"p{n}@example.org", "60601", frequency="daily")
    out(engine, publish, "One", now + HOUR)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: insert_due_digests(engine, now + 2 * DAY), range(4)))
    assert len(deliveries(engine, "digest")) == 20
    assert len(told(engine)) == 20


def test_changing_the_frequency_tells_everything_once(
    engine: Engine, keys: KeyFile, now: datetime, publish: Publish
) -> None:
    one = member(engine, keys, now)
    out(engine, publish, "As an alert", now + HOUR)
    assert len(deliveries(engine, "alert")) == 1
    prefer(engine, keys, one, now + 2 * HOUR, frequency="daily", timezone="UTC", local_hour=8)
    second = out(engine, publish, "For the digest", now + 3 * HOUR)
    prefer(engine, keys, one, now + 4 * HOUR, frequency="at_once")
    assert insert_due_digests(engine, now + 4 * HOUR) == 1
    assert [changeset for _, changeset in told(engine)] == [second]
    out(engine, publish, "As an alert again", now + 5 * HOUR)
    assert len(deliveries(engine, "alert")) == 2
    assert insert_due_digests(engine, now + 5 * DAY) == 0


def test_a_pause_ends_with_one_summary_of_everything(
    engine: Engine, keys: KeyFile, now: datetime, publish: Publish
) -> None:
    one = member(engine, keys, now)
    before = out(engine, publish, "Due before the pause", now + HOUR)
    prefer(engine, keys, one, now + 2 * HOUR, pause_until=date(2026, 3, 5))
    during = [out(engine, publish, f"During {n}", now + n * DAY) for n in (1, 2, 3)]
    assert insert_due_digests(engine, now + 3 * DAY) == 0
    assert insert_due_digests(engine, now + 4 * DAY) == 1
    assert [changeset for _, changeset in told(engine)] == [before, *during]
    assert deliveries(engine, "alert") == [("alert", "dropped", None)]
    after = out(engine, publish, "After", now + 5 * DAY)
    assert after
    assert [state for _, state, _ in deliveries(engine, "alert")] == ["dropped", "due"]
    assert insert_due_digests(engine, now + 9 * DAY) == 0


def test_ending_a_pause_early_brings_its_summary_now(
    engine: Engine, keys: KeyFile, now: datetime, publish: Publish
) -> None:
    one = member(engine, keys, now)
    prefer(engine, keys, one, now, pause_until=date(2026, 6, 1))
    changeset = out(engine, publish, "During", now + DAY)
    prefer(engine, keys, one, now + 2 * DAY)
    assert insert_due_digests(engine, now + 2 * DAY) == 1
    assert [each for _, each in told(engine)] == [changeset]


def test_a_quarter_of_silence_brings_a_receipt_unless_it_is_not_wanted(
    engine: Engine, keys: KeyFile, now: datetime, publish: Publish
) -> None:
    member(engine, keys, now)
    unwilling = member(engine, keys, now, "no@example.org")
    prefer(engine, keys, unwilling, now, receipts=False)
    hears = member(engine, keys, now, "hears@example.org", "46320")
    assert hears
    out(engine, publish, "Hammond", now + 60 * DAY, "46320", "IN")
    receipts = [insert_due_notices(engine, {}, now + days * DAY) for days in (1, 90, 91, 92, 120, 152, 182)]
    assert receipts == [0, 0, 1, 0, 0, 1, 1]


@pytest.mark.parametrize(
    ("after", "due"),
    [
        ("2026-03-07T08:00-06:00", "2026-03-08T08:00-05:00"),  # the clocks go forward in between
        ("2026-10-31T08:00-05:00", "2026-11-01T08:00-06:00"),  # and back
        ("2026-03-07T07:59-06:00", "2026-03-07T08:00-06:00"),
    ],
)
def test_eight_oclock_stays_eight_oclock(after: str, due: str) -> None:
    found = next_digest(DAILY, "America/Chicago", 8, datetime.fromisoformat(after))
    assert found == datetime.fromisoformat(due)


def test_an_hour_that_is_skipped_or_comes_twice_brings_one_digest() -> None:
    skipped = next_digest(DAILY, "America/Chicago", 2, datetime.fromisoformat("2026-03-08T00:00-06:00"))
    assert skipped == datetime.fromisoformat("2026-03-08T03:00-05:00")
    twice = next_digest(DAILY, "America/Chicago", 1, datetime.fromisoformat("2026-11-01T00:30-05:00"))
    assert twice == datetime.fromisoformat("2026-11-01T01:00-05:00")
    assert next_digest(DAILY, "America/Chicago", 1, twice) == datetime.fromisoformat("2026-11-02T01:00-06:00")


moments = st.integers(1_735_689_600, 1_893_456_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@given(st.sampled_from([DAILY, WEEKLY]), st.sampled_from(ZONES), st.integers(0, 23), moments)
def test_digests_go_on_each_in_a_period_of_its_own(
    frequency: str, zone: str, hour: int, start: datetime
) -> None:
    times = [start]
    for _ in range(20):
        due = next_digest(frequency, zone, hour, times[-1])
        assert due is not None
        assert due > times[-1]
        times.append(due)
    periods = [name_period(frequency, zone, at) for at in times[1:]]
    assert len(set(periods)) == len(periods)
    step = DAY if frequency == DAILY else 7 * DAY
    assert all(abs(b - a - step) <= HOUR for a, b in pairwise(times[1:]))


def test_a_second_digest_on_one_day_waits_for_the_next_and_loses_nothing(
    engine: Engine, keys: KeyFile, now: datetime, publish: Publish
) -> None:
    one = daily(engine, keys, now)
    first = out(engine, publish, "In the morning", now + HOUR)
    assert insert_due_digests(engine, now + 2 * HOUR) == 1
    second = out(engine, publish, "At noon", now + 6 * HOUR)
    prefer(engine, keys, one, now + 7 * HOUR, frequency="daily", timezone="America/Chicago", local_hour=20)
    assert insert_due_digests(engine, now + 15 * HOUR) == 0  # 9 pm in Chicago, and this day was told
    assert insert_due_digests(engine, now + DAY + 15 * HOUR) == 1
    assert told(engine) == [("2026-03-01", first), ("2026-03-02", second)]


def test_a_zone_that_this_machine_does_not_know_stops_nobody_elses_digest(
    engine: Engine, keys: KeyFile, now: datetime, publish: Publish
) -> None:
    one = daily(engine, keys, now)
    member(engine, keys, now, "other@example.org", frequency="daily", timezone="UTC", local_hour=8)
    with db.transaction(engine) as conn:
        people.update(conn, one.id, timezone="Mars/Olympus_Mons")
    out(engine, publish, "One", now + HOUR)
    assert insert_due_digests(engine, now + DAY) == 2
    assert insert_due_digests(engine, now + DAY) == 0


@pytest.mark.parametrize(
    ("frequency", "first", "again"),
    [("daily", 3, 4), ("weekly", 2, 9)],  # the 2nd of March is a Monday
)
def test_a_digest_that_an_outage_delays_past_midnight_does_not_take_the_name_of_the_next(
    engine: Engine, keys: KeyFile, publish: Publish, frequency: str, first: int, again: int
) -> None:
    """Down from the morning until half an hour after midnight; what changes then is told that morning."""

    def local(day: int, hour: int, minute: int = 0) -> datetime:
        return datetime(2026, 3, day, hour, minute, tzinfo=CHICAGO).astimezone(UTC)

    fields = {"frequency": frequency, "timezone": "America/Chicago", "local_hour": 8}
    member(engine, keys, local(first - 1, 12), ANN, "60601", **fields)
    out(engine, publish, "One", local(first - 1, 13))
    assert insert_due_digests(engine, local(again, 0, 30)) == 1
    late = out(engine, publish, "Two", local(again, 1))
    assert insert_due_digests(engine, local(again, 8)) == 1
    names = [name_period(frequency, "America/Chicago", local(day, 8)) for day in (first, again)]
    assert [name for name, _ in told(engine)] == names
    assert told(engine)[-1][1] == late
