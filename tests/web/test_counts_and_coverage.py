"""The picture of counts, and the memory of who covers what."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from monitor.domain import Confidence, Listing, Placement
from monitor.fetch import Fetcher
from monitor.pictures.count_chart import HEIGHT, WIDTH, compute_chart
from monitor.storage.lists.coverage import Coverage
from monitor.web.presenters import agency_hash, agency_path
from tests.peers.http import Server
from tests.web.story import GARY, HAMMOND, LAKE, SOURCE, STATE_POLICE, Publisher, locate

DAY = datetime(2026, 3, 1, tzinfo=UTC)


def test_a_picture_ends_at_the_last_count_and_its_table_begins_with_it() -> None:
    drawn = compute_chart(
        [(DAY, 10), (DAY + timedelta(days=3), 12), (DAY + timedelta(days=3, hours=1), 15)],
        DAY + timedelta(days=6),
        "UTC",
    )
    assert drawn is not None
    assert (drawn.first, drawn.count) == (10, 15)
    assert drawn.rows == ((date(2026, 3, 4), 15), (date(2026, 3, 1), 10))
    assert [tick.count for tick in drawn.ticks] == [0, 5, 10, 15]


def test_no_picture_of_nothing() -> None:
    assert compute_chart([], DAY, "UTC") is None
    assert compute_chart([(DAY, 1)], DAY, "UTC") is None


def test_a_gap_is_shaded_where_it_was() -> None:
    gaps = [
        (DAY + timedelta(days=1), DAY + timedelta(days=2)),
        (DAY + timedelta(days=3), DAY + timedelta(days=3, minutes=1)),
    ]
    drawn = compute_chart([(DAY, 4)], DAY + timedelta(days=4), "UTC", gaps)
    assert drawn is not None
    ((left, width),) = drawn.gaps
    assert abs(left - (8 + width)) < 0.2


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(1, 10**7), st.integers(0, 50_000)), min_size=1, max_size=400),
    st.timedeltas(timedelta(seconds=1), timedelta(days=3000)),
)
def test_a_picture_stays_in_its_frame_whatever_the_counts(
    steps: list[tuple[int, int]], after: timedelta
) -> None:
    at, counts = DAY, []
    for seconds, count in steps:
        at += timedelta(seconds=seconds)
        counts.append((at, count))
    drawn = compute_chart(counts, at + after, "America/Chicago")
    assert drawn is not None
    assert 0 < drawn.last[0] < WIDTH
    assert 0 < drawn.last[1] < HEIGHT
    assert 2 <= len(drawn.ticks) <= 6
    assert drawn.ticks[-1].count >= max(count for _, count in counts)
    assert len(drawn.line) < 8_000
    assert len(drawn.rows) <= 120


@settings(max_examples=60)
@given(st.text(max_size=500))
def test_an_agency_s_address_is_short_safe_and_its_own(key: str) -> None:
    path = agency_path("list", key)
    assert len(path) < 100
    assert set(path) <= set("abcdefghijklmnopqrstuvwxyz0123456789-/")
    assert path.endswith(agency_hash(key))
    assert agency_path("list", key + "x") != path


def test_only_what_is_new_is_placed_again(sqlite_engine: Engine) -> None:
    placed: list[str] = []

    def counting(source: str, listing: Listing) -> Placement:
        placed.append(listing.name)
        return locate(source, listing)

    with Server() as server, Fetcher(attempts=1) as fetcher:
        publisher = Publisher(server, sqlite_engine, fetcher)
        publisher.says([HAMMOND, LAKE, STATE_POLICE])
        coverage = Coverage(sqlite_engine, [SOURCE], counting)
        threads = [threading.Thread(target=coverage.prime) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(placed) == 3
        publisher.says([HAMMOND, LAKE, STATE_POLICE, GARY])
        covered = coverage.of(SOURCE)
    assert placed[3:] == [GARY["Agency"]]
    assert [cover.listing.name for cover in covered.at("46402", "IN")] == [
        "Gary Police Department", "Lake County Sheriff's Office", "Indiana State Police",
    ]  # fmt: skip


def test_a_listing_that_cannot_be_placed_hides_no_other(sqlite_engine: Engine) -> None:
    def stumbling(source: str, listing: Listing) -> Any:
        if listing.name == GARY["Agency"]:
            raise ValueError("no")
        return locate(source, listing)

    with Server() as server, Fetcher(attempts=1) as fetcher:
        Publisher(server, sqlite_engine, fetcher).says([HAMMOND, GARY])
    covered = Coverage(sqlite_engine, [SOURCE], stumbling).of(SOURCE)
    (unplaced,) = covered.unplaced(["IN"])
    assert (unplaced.listing.name, unplaced.placement.confidence) == (GARY["Agency"], Confidence.STATE_ONLY)
    assert [cover.listing.name for cover in covered.at("46320", "IN")] == [HAMMOND["Agency"]]
