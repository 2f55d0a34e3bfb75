"""What the outbox costs the database where there are many people and a long past: steps of SQLite's virtual
machine, counted without statistics, as in a database on which nobody has run `ANALYZE`; rows that PostgreSQL
reads, with the statistics that it collects by itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from monitor.storage import schema
from monitor.storage.deliveries import backlog, digests, fanout, queue
from monitor.storage.deliveries.digests import CollectedPlaces
from monitor.storage.deliveries.fanout import Match
from monitor.storage.engine import reading, transaction

PEOPLE = 28_000
READERS = 500
CHANGESETS = 2_000
PAST = 500  # changesets on PostgreSQL
HOUR = timedelta(hours=1)
_NUMBERS = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :n) "
_SEALED = {"sqlite": "x'00'", "postgresql": "decode('00', 'hex')"}
Steps = Callable[[Callable[[Connection], object]], int]


@pytest.fixture
def steps(sqlite_engine: Engine) -> Steps:
    """Counts the steps of a query, which gets a connection."""
    count = 0

    def add() -> int:
        nonlocal count
        count += 1
        return 0

    def measure(query: Callable[[Connection], object]) -> int:
        nonlocal count
        with reading(sqlite_engine) as conn:
            raw = conn.connection.driver_connection
            assert isinstance(raw, sqlite3.Connection)
            count = 0
            raw.set_progress_handler(add, 1)
            try:
                query(conn)
            finally:
                raw.set_progress_handler(None, 0)
        return count

    return measure


@pytest.fixture
def rows_read(postgres_engine: Engine) -> Steps:
    """Counts the rows that the nodes of a query's plans read or passed over; the query gets a connection."""

    def count(plan: dict[str, Any]) -> int:
        passed = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Join Filter", 0)
        own = (plan["Actual Rows"] + passed) * plan["Actual Loops"]
        return int(own) + sum(count(child) for child in plan.get("Plans", ()))

    def measure(query: Callable[[Connection], object]) -> int:
        with postgres_engine.connect() as conn:
            conn.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("ANALYZE")
        asked: list[tuple[str, Any]] = []

        def note(conn: Connection, cursor: object, statement: str, parameters: Any, *_: object) -> None:
            asked.append((statement, parameters))

        with transaction(postgres_engine) as conn:
            sa.event.listen(conn, "before_cursor_execute", note)
            query(conn)
            sa.event.remove(conn, "before_cursor_execute", note)
            plans = [
                conn.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).scalar_one()
                for statement, parameters in asked
            ]
        return sum(count(plan[0]["Plan"]) for plan in plans)

    return measure


def write(engine: Engine, statement: str, now: datetime, count: int) -> None:
    with transaction(engine) as conn:
        bound = sa.text(statement).bindparams(
            sa.bindparam("now", now, schema.UtcDateTime()),
            sa.bindparam("later", now + HOUR, schema.UtcDateTime()),
        )
        conn.execute(bound, {"n": count})


def populate(engine: Engine, now: datetime, people: int = PEOPLE) -> None:
    """People with daily digests that are due in an hour; each follows one of 40 ZIPs and its state."""
    write(
        engine,
        "INSERT INTO subscriber (id, channel, address, address_hash, state, origin, language, frequency, "
        "timezone, local_hour, digest_at, digest_since, nonce, created_at, strikes, receipts) "
        f"{_NUMBERS} SELECT n, 'email', {_SEALED[engine.dialect.name]}, 'hash' || n, 'active', 'site', 'en', "
        "'daily', 'UTC', 8, :later, :now, 'x', :now, 0, true FROM numbers",
        now,
        people,
    )
    for place, within in (("'' || (60601 + n % 40)", "'IL'"), ("'IL'", "NULL")):
        write(
            engine,
            "INSERT INTO subscription (subscriber_id, source, place, within, created_at) "
            f"{_NUMBERS} SELECT n, 'ring', {place}, {within}, :now FROM numbers WHERE :later = :later",
            now,
            people,
        )


def publish(engine: Engine, start: datetime, count: int) -> None:
    """So many changesets an hour apart, fanned out, each with one change at two ZIPs, its state and US."""
    with transaction(engine) as conn:
        for number in range(count):
            at = start + number * HOUR
            changeset = conn.scalar(
                sa.insert(schema.ChangesetRow)
                .values(source="ring", number=number, at=at, fanned_out_at=at)
                .returning(schema.ChangesetRow.id)  # type: ignore[call-overload]
            )
            change = conn.scalar(
                sa.insert(schema.ChangeRow)
                .values(
                    source="ring", kind="added", agency=f"k{number}", state="published", reason="",
                    first_seen_at=at, was_held=False, approved=False, changeset_id=changeset,
                )
                .returning(schema.ChangeRow.id)  # type: ignore[call-overload]
            )  # fmt: skip
            places = [f"{60601 + number % 40}", f"{60601 + (number + 1) % 40}", "IL", "US"]
            conn.execute(
                sa.insert(schema.ChangePlaceRow),
                [{"change_id": change, "place": place, "everyone": False} for place in places],
            )


def test_a_look_for_digests_costs_the_same_however_many_people_there_are(
    sqlite_engine: Engine, now: datetime, steps: Steps
) -> None:
    populate(sqlite_engine, now)
    assert steps(lambda conn: digests.has_due(conn, now)) <= 50
    assert steps(lambda conn: digests.load_due(conn, now, READERS)) <= 60
    assert steps(lambda conn: digests.load_due(conn, now + HOUR, READERS)) <= 60 * READERS


def test_what_a_digest_collects_costs_the_same_however_long_the_past_is(
    sqlite_engine: Engine, now: datetime, steps: Steps
) -> None:
    populate(sqlite_engine, now)
    publish(sqlite_engine, now - (CHANGESETS - 1) * HOUR, CHANGESETS)
    readers = range(1, READERS + 1)
    found: dict[int, tuple[int, ...]] = {}

    def collect(conn: Connection) -> None:
        found.update(digests.load_collected(conn, readers, CollectedPlaces()))

    cost = steps(collect)
    assert len(found) == READERS, "each follows the state of the newest change"
    assert {len(changesets) for changesets in found.values()} == {1}
    assert cost <= 60_000


def test_a_look_for_messages_of_one_channel_does_not_walk_those_of_another(
    sqlite_engine: Engine, now: datetime, steps: Steps
) -> None:
    populate(sqlite_engine, now)
    write(
        sqlite_engine,
        "INSERT INTO delivery (kind, channel, period, subscriber_id, state, created_at, due_at, attempts, "
        f"ambiguous) {_NUMBERS} SELECT 'notice', 'email', 'p', n, 'due', :now, :now, 0, false FROM numbers "
        "WHERE :later = :later",
        now,
        PEOPLE,
    )
    # the same few dozen in each version of SQLite, which differ by some; a walk takes thousands
    assert steps(lambda conn: queue.has_due(conn, "telegram", now, now)) <= 100
    assert steps(lambda conn: queue.has_due(conn, "email", now, now)) <= 100
    assert steps(lambda conn: backlog.read_backlog(conn)) <= 25 * PEOPLE


def test_what_an_alert_tells_costs_little_for_each_change_of_the_day(
    sqlite_engine: Engine, now: datetime, steps: Steps
) -> None:
    """Nobody here follows an area, which is seen once for each subscription: to look for one in each change
    cost more than all else.
    """
    changes = 100
    populate(sqlite_engine, now, READERS)
    publish(sqlite_engine, now, 1)
    with transaction(sqlite_engine) as conn:
        changeset = conn.scalar(sa.select(sa.func.max(schema.ChangesetRow.id)))
        for number in range(changes):
            change = conn.scalar(
                sa.insert(schema.ChangeRow)
                .values(
                    source="ring", kind="added", agency=f"other{number}", state="published", reason="",
                    first_seen_at=now, was_held=False, approved=False, changeset_id=changeset,
                )
                .returning(schema.ChangeRow.id)  # type: ignore[call-overload]
            )  # fmt: skip
            conn.execute(sa.insert(schema.ChangePlaceRow).values(change_id=change, place="73301"))
    write(
        sqlite_engine,
        "INSERT INTO delivery (kind, channel, changeset_id, subscriber_id, state, created_at, due_at, "
        f"attempts, ambiguous) {_NUMBERS} SELECT 'alert', 'email', (SELECT max(id) FROM changeset), n, "
        "'due', :now, :now, 0, false FROM numbers WHERE :later = :later",
        now,
        READERS,
    )
    found: dict[int, list[Match]] = {}
    cost = steps(lambda conn: found.update(fanout.load_matches(conn, range(1, READERS + 1))))
    assert len(found) == READERS, "each follows the state of the first change"
    assert cost <= 20 * READERS * changes


@pytest.mark.postgres
def test_on_postgresql_too_digests_cost_what_is_due_and_not_how_many_people_or_changes_there_are(
    postgres_engine: Engine, now: datetime, rows_read: Steps
) -> None:
    populate(postgres_engine, now)
    publish(postgres_engine, now - (PAST - 1) * HOUR, PAST)
    assert rows_read(lambda conn: digests.has_due(conn, now)) <= 5
    assert rows_read(lambda conn: digests.load_due(conn, now, READERS)) <= 5
    assert rows_read(lambda conn: digests.load_due(conn, now + HOUR, READERS)) <= 4 * READERS
    assert (
        rows_read(lambda conn: digests.load_collected(conn, range(1, READERS + 1), CollectedPlaces()))
        <= 12 * READERS
    )
    write(
        postgres_engine,
        "INSERT INTO delivery (kind, channel, period, subscriber_id, state, created_at, due_at, attempts, "
        f"ambiguous) {_NUMBERS} SELECT 'notice', 'email', 'p', n, 'due', :now, :now, 0, false FROM numbers "
        "WHERE :later = :later",
        now,
        PEOPLE,
    )
    assert rows_read(lambda conn: queue.has_due(conn, "telegram", now, now)) <= 10
    assert rows_read(lambda conn: queue.has_due(conn, "email", now, now)) <= 10
    lease = {"channel": "email", "owner": "o", "now": now, "until": now, "lease_until": now + HOUR}
    assert rows_read(lambda conn: queue.claim(conn, **lease, limit=200)) <= 8 * 200  # type: ignore[arg-type]
