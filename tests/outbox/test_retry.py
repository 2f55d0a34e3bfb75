"""When a message is tried again: pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.retry import (
    CHANNEL_PAUSE,
    LANE_PAUSE,
    LIFETIME,
    WAITS,
    Attempts,
    lane_until,
    longer_pause,
    next_attempt,
    struck_out,
)
from monitor.errors import Transient

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = Transient("451")


@pytest.mark.parametrize(("made", "wait"), [*enumerate(WAITS), (9, WAITS[-1])])
def test_waits_grow_to_four_hours_and_stay_there(made: int, wait: timedelta) -> None:
    before = Attempts(START, made)
    assert next_attempt(before, LATER, START, chance=lambda: 1.0) == START + wait
    assert next_attempt(before, LATER, START, chance=lambda: 0.5) == START + wait / 2


@settings(max_examples=50)
@given(made=st.integers(0, 40), chance=st.floats(0, 1, exclude_max=True), age=st.integers(0, 10 * 86400))
def test_an_attempt_is_always_later_and_never_past_the_lifetime(made: int, chance: float, age: int) -> None:
    now = START + timedelta(seconds=age)
    again = next_attempt(Attempts(START, made), LATER, now, chance=lambda: chance)
    if again is not None:
        assert now < again <= now + WAITS[-1]
        assert again <= START + LIFETIME or made < len(WAITS)
    else:
        assert made >= len(WAITS)


@settings(max_examples=30)
@given(draws=st.lists(st.floats(0, 1, exclude_max=True), min_size=400, max_size=400))
def test_a_message_that_is_never_accepted_is_given_up_within_three_days(draws: list[float]) -> None:
    now, made = START, 0
    for draw in draws:
        again = next_attempt(Attempts(START, made), LATER, now, chance=lambda draw=draw: draw)  # type: ignore[misc]
        if again is None:
            break
        now, made = again, made + 1
    assert now <= START + LIFETIME


def test_the_last_attempt_may_be_at_the_end_of_the_lifetime_and_not_after_it() -> None:
    tried = Attempts(START, len(WAITS))
    end = START + LIFETIME
    now = end - WAITS[-1]
    assert next_attempt(tried, LATER, now, chance=lambda: 1.0) == end
    assert next_attempt(tried, LATER, now + timedelta(seconds=1), chance=lambda: 1.0) is None


def test_the_wait_that_was_asked_for_is_a_minimum() -> None:
    flood = Transient(retry_after=timedelta(hours=2))
    assert next_attempt(Attempts(START), flood, START, chance=lambda: 0.5) == START + timedelta(hours=2)


def test_what_may_have_arrived_twice_is_given_up_where_that_is_the_policy() -> None:
    lost = Transient(ambiguous=True)
    once, twice = Attempts(START), Attempts(START, 1, ambiguous=True)
    for before, given_up in ((once, False), (twice, True)):
        again = next_attempt(before, lost, START, chance=lambda: 0.5, resend_ambiguous=False)
        assert (again is None) is given_up
    assert next_attempt(twice, LATER, START, chance=lambda: 0.5, resend_ambiguous=False) is not None
    assert next_attempt(twice, lost, START, chance=lambda: 0.5) is not None


def test_a_lane_pauses_as_long_as_asked_or_as_is_usual() -> None:
    assert lane_until(Transient(retry_after=timedelta(seconds=7)), START) == START + timedelta(seconds=7)
    assert lane_until(LATER, START) == START + LANE_PAUSE
    assert lane_until(LATER, START, whole_channel=True) == START + CHANNEL_PAUSE


def test_three_strikes_need_seven_days() -> None:
    assert not struck_out(2, START, START + timedelta(days=50))
    assert not struck_out(9, START, START + timedelta(hours=3))
    assert not struck_out(9, START, START + timedelta(days=6, hours=23))
    assert struck_out(3, START, START + timedelta(days=7))


def test_a_message_whose_failure_nobody_explains_is_given_up_after_eight_tries() -> None:
    unexplained = Transient("its template breaks", unexplained=True)
    assert next_attempt(Attempts(START, 6), unexplained, START, chance=lambda: 0.5) is not None
    assert next_attempt(Attempts(START, 7), unexplained, START, chance=lambda: 0.5) is None
    assert next_attempt(Attempts(START, 7), LATER, START, chance=lambda: 0.5) is not None
    others = next_attempt(Attempts(START, 70), unexplained, START, chance=lambda: 0.5, alone=False)
    assert others is not None, "nobody's messages go: it is not this one's fault"


def test_time_under_a_pause_does_not_count() -> None:
    tried, end = Attempts(START, 9), START + LIFETIME
    assert next_attempt(tried, LATER, end, chance=lambda: 0.5) is None
    paused = timedelta(days=3)
    assert next_attempt(tried, LATER, end, chance=lambda: 0.5, paused=paused) is not None
    assert next_attempt(tried, LATER, end + paused, chance=lambda: 0.5, paused=paused) is None


def test_a_server_that_goes_on_refusing_us_is_asked_less_and_less_often() -> None:
    waits = [longer_pause(START, START + timedelta(minutes=age)) for age in (0, 2, 20, 60, 6000)]
    assert waits == [timedelta(minutes=minutes) for minutes in (1, 1, 5, 15, 15)]


def test_the_waits_are_a_minute_five_a_quarter_an_hour_and_four() -> None:
    assert [wait / timedelta(minutes=1) for wait in WAITS] == [1, 5, 15, 60, 240]
