"""The waits, limits and hours that the documents promise: nobody changes one without noticing."""

from __future__ import annotations

from datetime import timedelta

from monitor.core import due, retry


def test_a_message_is_tried_for_three_days_after_growing_waits() -> None:
    minutes = [wait / timedelta(minutes=1) for wait in retry.WAITS]
    assert minutes == [1, 5, 15, 60, 240]
    assert timedelta(days=3) == retry.LIFETIME
    assert timedelta(days=30) == retry.UNPROVEN_LIFE
    assert timedelta(hours=1) == retry.REFUSED_WAIT
    assert retry.POISON_TRIES == 8


def test_a_channel_pauses_for_a_minute_and_a_lane_for_a_quarter_of_an_hour() -> None:
    assert timedelta(minutes=15) == retry.LANE_PAUSE
    assert timedelta(minutes=1) == retry.CHANNEL_PAUSE
    assert timedelta(minutes=15) == retry.LONGEST_PAUSE


def test_three_refusals_within_more_than_a_week_end_an_address() -> None:
    assert retry.STRIKES == 3
    assert timedelta(days=7) == retry.STRIKES_WITHIN


def test_digests_come_at_eight_and_weekly_ones_on_mondays() -> None:
    assert due.DEFAULT_HOUR == 8
    assert due.MONDAY == 0
