"""The words of reasons: listings, moments and lengths of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from monitor.core.guard.reasons import format_span, name_listing
from monitor.formatting import format_minute
from tests.core.simulation import agency


@pytest.mark.parametrize(
    ("time", "words"),
    [
        (timedelta(days=1), "a day"),
        (timedelta(days=5), "5 days"),
        (timedelta(hours=1), "an hour"),
        (timedelta(hours=24), "a day"),
        (timedelta(hours=36), "36 hours"),
        (timedelta(minutes=1), "a minute"),
        (timedelta(minutes=2), "2 minutes"),
        (timedelta(minutes=90), "90 minutes"),
        (timedelta(seconds=1), "a second"),
        (timedelta(seconds=61), "61 seconds"),
        (timedelta(seconds=0.5), "0.5 seconds"),
        (timedelta(), "0 seconds"),
    ],
)
def test_a_length_of_time_is_told_in_its_largest_whole_unit(time: timedelta, words: str) -> None:
    assert format_span(time) == words


def test_a_listing_is_told_with_its_state_or_what_stands_for_it() -> None:
    assert name_listing(agency("Alder Marshal", "IL", state_text="Ill.")) == "Alder Marshal (IL)"
    assert name_listing(agency("Alder Marshal", None, state_text="Illinios")) == "Alder Marshal (Illinios)"
    assert name_listing(agency("Alder Marshal", None)) == "Alder Marshal"


def test_a_time_is_told_to_the_minute_with_its_zone() -> None:
    at = datetime(2026, 3, 2, 12, 0, 59, tzinfo=UTC)
    assert (
        format_minute(at)
        == format_minute(at.astimezone(ZoneInfo("America/Chicago")))
        == "2026-03-02 12:00 UTC"
    )
    assert format_minute(at, "America/Chicago") == "2026-03-02 06:00 CST"
