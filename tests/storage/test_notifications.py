"""The worker learns of a sign-up without asking, and SQLite's planner knows how many people there are."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor.cli.outgoing import ASK_EVERY, SignupWatch
from monitor.keys import KeyFile
from monitor.storage import engine as db
from monitor.storage.deliveries import digests
from monitor.storage.maintenance import refresh_statistics
from monitor.storage.people import signups
from tests.cli.test_supervisor import until
from tests.subscribers.conftest import member


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def site(postgres_url: str) -> Iterator[Engine]:
    """The engine of another process."""
    engine = db.connect(postgres_url)
    yield engine
    engine.dispose()


def sign_up(engine: Engine, now: datetime) -> None:
    with db.transaction(engine) as conn:
        signups.put(conn, b"sealed", now)


def decide(engine: Engine) -> None:
    with db.transaction(engine) as conn:
        conn.exec_driver_sql("DELETE FROM signup")


@pytest.mark.postgres
def test_postgresql_is_asked_only_when_something_was_said(
    postgres_engine: Engine, site: Engine, now: datetime
) -> None:
    statements: list[str] = []
    sa.event.listen(postgres_engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    clock = Clock()
    with SignupWatch(postgres_engine, clock) as watch:
        assert not watch.is_any_pending()
        statements.clear()
        for _ in range(20):
            clock.now += 1.0
            assert not watch.is_any_pending()
        assert statements == [], "twenty seconds in which nobody signs up"
        sign_up(site, now)
        until(watch.is_any_pending)  # the server passes it on in its own time
        assert watch.is_any_pending(), "it waits still"
        decide(postgres_engine)
        assert not watch.is_any_pending()


@pytest.mark.postgres
def test_a_sign_up_is_seen_although_the_listening_connection_was_lost(
    postgres_engine: Engine, site: Engine, now: datetime
) -> None:
    clock = Clock()
    with SignupWatch(postgres_engine, clock) as watch:
        assert not watch.is_any_pending()
        with db.transaction(site) as conn:
            ended = conn.execute(
                sa.text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE query LIKE 'LISTEN%' AND datname = current_database()"
                )
            ).all()
            assert len(ended) == 1
        sign_up(site, now)
        until(watch.is_any_pending)
        decide(postgres_engine)
        assert not watch.is_any_pending(), "listening again"
        sign_up(site, now)
        until(watch.is_any_pending)


@pytest.mark.postgres
def test_postgresql_is_asked_now_and_then_all_the_same(
    postgres_engine: Engine, site: Engine, now: datetime
) -> None:
    clock = Clock()
    with SignupWatch(postgres_engine, clock) as watch:
        assert not watch.is_any_pending()
        with db.transaction(site) as conn:  # as if its notification had been lost
            conn.execute(sa.text("INSERT INTO signup (sealed, at) VALUES ('x', now())"))
        assert not watch.is_any_pending()
        clock.now += ASK_EVERY.total_seconds()
        assert watch.is_any_pending()


def test_statistics_keep_the_look_for_digests_cheap(
    sqlite_engine: Engine, keys: KeyFile, now: datetime
) -> None:
    member(sqlite_engine, keys, now)
    with db.transaction(sqlite_engine) as conn:
        conn.exec_driver_sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
            " INSERT INTO subscriber (channel, address, address_hash, state, origin, language, frequency,"
            " receipts, nonce, created_at, strikes, number) SELECT 'email', x'00', 'h' || i, 'active',"
            " 'site', 'en', 'at_once', 1, 'n', 0, 0, 1000000 + i FROM n"
        )
    refresh_statistics(sqlite_engine)
    with db.reading(sqlite_engine) as conn:
        assert conn.exec_driver_sql("SELECT count(*) FROM sqlite_stat1 WHERE tbl = 'subscriber'").scalar()
        steps = [0]

        def count() -> int:
            steps[0] += 1
            return 0

        driver = conn.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.set_progress_handler(count, 1)
        assert not digests.has_due(conn, now + timedelta(days=9))
        driver.set_progress_handler(None, 1)
    assert 0 < steps[0] <= 50
