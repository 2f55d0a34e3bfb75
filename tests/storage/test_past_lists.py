"""A list at any past number is found exactly, at the cost of that list, however long its history is."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from filelock import FileLock
from sqlalchemy.engine import Connection, Engine

from monitor.domain import Listing
from monitor.storage.engine import connect, reading, transaction
from monitor.storage.lists import baseline, imports, page_queries, record_rows
from monitor.storage.lists.baseline import NewVersion
from monitor.storage.lists.past_lists import (
    SEEN_FROM,
    ListMoment,
    compute_span,
    find_moment,
    find_move,
    find_move_time,
)
from monitor.storage.lists.record_rows import ListingVersion
from monitor.storage.lists.tables import ListingVersionRow

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
VERSION = ListingVersionRow.c


def listing(key: int, text: int) -> Listing:
    return Listing(name=f"Agency {key:04}", key=f"k{key}", state="IN", attributes=(("Text", str(text)),))


def tell(engine: Engine, keys: int, moves: int, changed: int, waited: int = 0) -> None:
    """A list of agencies of which some change with each move, each after another time; what moves was seen up
    to ``waited`` half hours before it was believed.
    """
    with transaction(engine) as conn:
        first = [NewVersion(listing(key, 0), f"k{key}") for key in range(keys)]
        baseline.begin_versions(conn, "list", first, 1, BEGAN)
        for move in range(2, moves + 2):
            at = BEGAN + move * HOUR
            moved = sorted({(move * move * 7 + step * 31) % keys for step in range(changed)})
            standing = set(conn.scalars(sa.select(VERSION.key).where(VERSION.to_number.is_(None))))
            late = [f"k{key}" for key in moved if waited and (move + key) % 4]
            starts = baseline.load_ends(conn, "list", late) if late else {}
            starts |= baseline.load_starts(conn, "list", late) if late else {}
            seen = {key: max(at - (move * 5 % waited + 1) * HOUR / 2, starts.get(key, BEGAN)) for key in late}
            baseline.end_versions(
                conn, "list", [f"k{key}" for key in moved], move, at,
                {key: moment for key, moment in seen.items() if key in standing},
            )  # fmt: skip
            # who changes for the third time in a row leaves, and comes back with the next change
            back = [key for key in moved if f"k{key}" not in standing or (move + key) % 3]
            opened = [NewVersion(listing(key, move), f"k{key}", seen.get(f"k{key}")) for key in back]
            baseline.begin_versions(conn, "list", opened, move, at)
        if engine.dialect.name == "postgresql":
            # as it does by itself within a minute: until then it plans as for a table of hardly any row
            conn.exec_driver_sql("ANALYZE listing")


def naive_at(conn: Connection, at: datetime) -> list[str]:
    """The versions that polls saw at a moment by looking at all of them."""
    rows = conn.execute(
        sa.select(
            VERSION.key, VERSION.from_number, VERSION.from_at, VERSION.to_at, VERSION.seen_at, VERSION.gone_at
        )
    ).all()
    return sorted(
        f"{row.key} {row.from_number}"
        for row in rows
        if (row.seen_at or row.from_at) <= at and (row.to_at is None or (row.gone_at or row.to_at) > at)
    )


def naive(conn: Connection, number: int) -> list[str]:
    """The versions at a number by looking at all of them."""
    return sorted(
        f"{row.key} {row.from_number}"
        for row in conn.execute(sa.select(VERSION.key, VERSION.from_number, VERSION.to_number))
        if row.from_number <= number and (row.to_number is None or row.to_number > number)
    )


def test_a_list_at_every_number_and_moment_is_what_its_versions_say(engine: Engine) -> None:
    tell(engine, keys=23, moves=70, changed=5)
    past = [
        ListingVersion("k1", listing(1, -9), -9, -2, BEGAN - 9 * HOUR, BEGAN - 2 * HOUR),
        ListingVersion("k2", listing(2, -5), -5, 1, BEGAN - 5 * HOUR, BEGAN),
    ]
    with transaction(engine) as conn:
        imports.insert_versions(conn, "list", past)
    with reading(engine) as conn:
        for number in range(-12, 75):
            found = record_rows.load_list(conn, "list", number)
            assert sorted(f"{each.listing.key} {each.from_number}" for each in found) == naive(conn, number)
            at = BEGAN + number * HOUR if number not in (0, 1) else BEGAN + (number - 1) * HOUR
            move = find_move(conn, "list", at)
            names = [each.name for each in baseline.load_listings(conn, "list", at)]
            there = () if move is None else record_rows.load_list(conn, "list", move[0])
            assert sorted(names) == sorted(each.listing.name for each in there)
            listed = page_queries.load_listed_at(conn, "list", at)
            assert [each.name for _, each in listed] == sorted(names)
        for number in (-9, -5, -2, 1, 2, 40, 71):
            move = find_move(conn, "list", find_move_time(conn, "list", number))
            assert move is not None
            assert move[0] == number
        assert find_move_time(conn, "list", -4) is None
        assert find_move_time(conn, "list", 72) is None
        assert find_move(conn, "list", BEGAN - 10 * HOUR) is None
        spans = conn.execute(sa.select(VERSION.from_number, VERSION.to_number, VERSION.span)).all()
    assert all(row.span == compute_span(row.from_number, row.to_number) for row in spans)


def test_a_list_at_a_moment_has_what_was_seen_by_then_and_believed_later(engine: Engine) -> None:
    tell(engine, keys=23, moves=70, changed=5, waited=9)
    with reading(engine) as conn:
        numbers = 0
        for half in range(-2, 150):
            at = BEGAN + half * HOUR / 2
            moment = find_moment(conn, "list", at)
            assert (moment is None) == (half < 0)
            if moment is None:
                continue
            expected = naive_at(conn, at)
            assert moment.at <= at
            assert naive_at(conn, moment.at) == expected
            listed = record_rows.load_list_at(conn, "list", moment)
            assert sorted(f"{each.listing.key} {each.from_number}" for each in listed) == expected
            assert len({each.agency for each in listed}) == len(listed)
            assert [each for _, each in page_queries.load_listed_at(conn, "list", at)] == [
                each.listing for each in listed
            ]
            gone = {each.agency for each in record_rows.load_departed(conn, "list", moment)}
            ever = set(conn.scalars(sa.select(VERSION.key).where(at >= SEEN_FROM)))
            assert gone == ever - {each.agency for each in listed}
            numbers += expected != naive(conn, moment.number)
        assert numbers > 20, "what was believed later makes a difference"
        earlier, _ = record_rows.find_neighbors(conn, "list", BEGAN + 30 * HOUR)
        assert earlier is not None
        assert naive_at(conn, earlier) != naive_at(conn, BEGAN + 30 * HOUR)
        _, later = record_rows.find_neighbors(conn, "list", earlier)
        assert later is not None
        assert naive_at(conn, later - HOUR / 4) == naive_at(conn, earlier)
        assert find_moment(conn, "list", BEGAN + 500 * HOUR) == (71, BEGAN + 71 * HOUR)
        now = record_rows.load_list_at(conn, "list", ListMoment(71, BEGAN + 71 * HOUR))
        assert now == record_rows.load_list(conn, "list", 71)


@pytest.mark.parametrize(
    ("width", "span"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (2**20, 20), (2**20 + 1, 21)]
)
def test_a_span_is_how_many_bits_the_numbers_take(width: int, span: int) -> None:
    assert compute_span(-3, -3 + width) == span


def count_steps(engine: Engine, query: Callable[[Connection], object]) -> int:
    """Steps of SQLite's machine."""
    count = 0

    def add() -> int:
        nonlocal count
        count += 1
        return 0

    with reading(engine) as conn:
        raw = conn.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        raw.set_progress_handler(add, 1)
        try:
            query(conn)
        finally:
            raw.set_progress_handler(None, 0)
    return count


@pytest.fixture(scope="module")
def long_past(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A list with a long history, told once per run and only read."""
    path = tmp_path_factory.mktemp("told") / "monitor.db"
    shared = path.parents[2 if "PYTEST_XDIST_WORKER" in os.environ else 1] / "long_past.db"
    with FileLock(shared.with_suffix(".lock")):
        if not shared.exists():
            shutil.copyfile(sqlite_template, path)
            engine = connect(f"sqlite:///{path}")
            tell(engine, keys=400, moves=1500, changed=6)
            engine.dispose()
            path.rename(shared)
    shutil.copyfile(shared, path)
    engine = connect(f"sqlite:///{path}")
    yield engine
    engine.dispose()


def test_a_past_list_costs_no_more_steps_than_that_of_today(long_past: Engine) -> None:
    with reading(long_past) as conn:
        rows = conn.scalar(sa.select(sa.func.count()).select_from(ListingVersionRow))
        listed = [len(record_rows.load_list(conn, "list", number)) for number in (750, 1501)]
    assert rows is not None
    assert rows > 15 * max(listed)
    today, past, first = (
        count_steps(long_past, lambda conn, number=number: record_rows.load_list(conn, "list", number))
        / count
        for number, count in ((1501, listed[1]), (750, listed[0]), (1, 400))
    )
    assert max(past, first) < 1.1 * today
    moment = BEGAN + 750 * HOUR
    seen = count_steps(
        long_past, lambda conn: record_rows.load_list_at(conn, "list", ListMoment(750, moment))
    )
    assert seen / listed[0] < 1.2 * today
    for find in (
        lambda conn: find_moment(conn, "list", moment),
        lambda conn: find_move(conn, "list", moment),
        lambda conn: find_move(conn, "list"),
        lambda conn: find_move_time(conn, "list", 750),
    ):
        assert count_steps(long_past, find) < 500


def test_the_next_steps_of_a_list_cost_the_same_at_every_place_of_its_history(long_past: Engine) -> None:
    for number in (record_rows.BEGINNING[0], 2, 300, 750, 1450):

        def load(conn: Connection, number: int = number) -> tuple[record_rows.ListStep, ...]:
            return record_rows.load_steps(conn, "list", (number, ""), 100)

        with reading(long_past) as conn:
            assert len(load(conn)) == 100
        assert count_steps(long_past, load) < 150 * 100, number
