"""The one rule of freshness: new, fresh, late, blind, and since when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitor.core.freshness import Sight, blind_after, freshness, late_after

HOUR = timedelta(hours=1)
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("unseen", "sight"),
    [
        (timedelta(), Sight.FRESH),
        (1.5 * HOUR, Sight.FRESH),
        (1.5 * HOUR + SECOND, Sight.LATE),
        (3 * HOUR, Sight.LATE),
        (3 * HOUR + SECOND, Sight.BLIND),
        (timedelta(days=400), Sight.BLIND),
    ],
)
def test_sight_follows_from_the_intervals_without_a_good_check(unseen: timedelta, sight: Sight) -> None:
    seen = freshness(NOW - unseen, NOW, HOUR, NOW)
    assert seen.sight is sight
    assert seen.last_good_at == NOW - unseen
    assert seen.visible is (sight is not Sight.BLIND)
    assert seen.unseen_since == (None if sight is Sight.FRESH else NOW - unseen)


def test_the_thresholds_grow_with_the_polling_interval() -> None:
    assert (late_after(timedelta(days=1)), blind_after(timedelta(days=1))) == (
        timedelta(days=1.5),
        timedelta(days=3),
    )
    assert freshness(NOW - 4 * HOUR, NOW, timedelta(days=1), NOW).sight is Sight.FRESH


def test_a_source_that_was_never_polled_is_new_and_one_that_was_never_read_is_blind() -> None:
    new, blind = freshness(None, None, HOUR, NOW), freshness(None, NOW - SECOND, HOUR, NOW)
    assert (new.sight, new.new, new.blind, new.visible, new.unseen_since) == (
        Sight.NEW,
        True,
        False,
        False,
        None,
    )
    assert (blind.sight, blind.new, blind.blind, blind.visible) == (Sight.BLIND, False, True, False)


def test_polls_that_fail_do_not_make_a_source_fresher() -> None:
    assert freshness(NOW - 5 * HOUR, NOW, HOUR, NOW) == freshness(NOW - 5 * HOUR, None, HOUR, NOW)
