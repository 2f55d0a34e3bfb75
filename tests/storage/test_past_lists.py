"""A list at any past number is found exactly, at the cost of that list, however long its history is."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from monitor.domain import Listing
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import baseline, imports, page_queries, record_rows
from monitor.storage.lists.baseline import NewVersion
from monitor.storage.lists.past_lists import compute_span, find_move, find_move_time
from monitor.storage.lists.record_rows import ListingVersion
from monitor.storage.lists.tables import ListingVersionRow

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
VERSION = ListingVersionRow.c


def listing(key: int, text: int) -> Listing:
    return Listing(name=f"Agency {key:04}", key=f"k{key}", state="IN", attributes=(("Text", str(text)),))


def tell(engine: Engine, keys: int, moves: int, changed: int) -> None:
    """A list of agencies of which some change with each move, each after another time."""
    with transaction(engine) as conn:
        first = [NewVersion(listing(key, 0), f"k{key}") for key in range(keys)]
        baseline.open_(conn, "list", first, 1, BEGAN)
        for move in range(2, moves + 2):
            at = BEGAN + move * HOUR
            moved = sorted({(move * move * 7 + step * 31) % keys for step in range(changed)})
            standing = set(conn.scalars(sa.select(VERSION.key).where(VERSION.to_number.is_(None))))
            baseline.close(conn, "list", [f"k{key}" for key in moved], move, at)
            # who changes for the third time in a row leaves, and comes back with the next change
            back = [key for key in moved if f"k{key}" not in standing or (move + key) % 3]
            baseline.open_(
                conn, "list", [NewVersion(listing(key, move), f"k{key}") for key in back], move, at
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
            names = [each.name for each in baseline.listings(conn, "list", at)]
            there = () if move is None else record_rows.load_list(conn, "list", move[0])
            assert sorted(names) == sorted(each.listing.name for each in there)
            listed = page_queries.listed_at(conn, "list", at)
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


def test_a_past_list_costs_no_more_steps_than_that_of_today(sqlite_engine: Engine) -> None:
    tell(sqlite_engine, keys=400, moves=1500, changed=6)
    with reading(sqlite_engine) as conn:
        rows = conn.scalar(sa.select(sa.func.count()).select_from(ListingVersionRow))
        listed = [len(record_rows.load_list(conn, "list", number)) for number in (750, 1501)]
    assert rows is not None
    assert rows > 15 * max(listed)
    today, past, first = (
        count_steps(sqlite_engine, lambda conn, number=number: record_rows.load_list(conn, "list", number))
        / count
        for number, count in ((1501, listed[1]), (750, listed[0]), (1, 400))
    )
    assert max(past, first) < 1.1 * today
    moment = BEGAN + 750 * HOUR
    for find in (
        lambda conn: find_move(conn, "list", moment),
        lambda conn: find_move(conn, "list"),
    ):
        assert count_steps(sqlite_engine, find) < 500
    assert count_steps(sqlite_engine, lambda conn: find_move_time(conn, "list", 750)) < today * 400
