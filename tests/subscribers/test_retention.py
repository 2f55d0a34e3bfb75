"""When personal data is deleted, and how often that is looked at."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from monitor import subscribers
from monitor.core.tokens import Purpose
from monitor.keys import KeyFile
from monitor.storage import engine as db
from monitor.storage import people
from monitor.storage.people import bot_updates, past_choices, signups
from monitor.storage.people.tables import (
    BotUpdateRow,
    PastStatusRow,
    PastSubscriptionRow,
    RateWindowRow,
    ReturnedMailRow,
    SignupRow,
    SubscriberRow,
)
from monitor.subscribers.retention import purge, purge_in_turn
from tests.subscribers.conftest import ask, count, member, token

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("table", "write", "kept"),
    [
        (RateWindowRow, lambda conn, now: signups.count(conn, "a network", now), DAY),
        (SignupRow, lambda conn, now: signups.put(conn, b"sealed", now), 2 * DAY),
        (BotUpdateRow, lambda conn, now: bot_updates.put(conn, 1, b"sealed", now), DAY),
        (ReturnedMailRow, lambda conn, now: people.count_return(conn, "a digest", now), 30 * DAY),
        (PastStatusRow, lambda conn, now: past_choices.insert_past_statuses(conn, [1], now), 90 * DAY),
        (PastSubscriptionRow, lambda conn, now: people.unfollow(conn, 1, "ring", "60601", now), 90 * DAY),
    ],
    ids=lambda value: value.__tablename__ if isinstance(value, type) else "",
)
def test_what_is_stored_about_people_is_deleted_in_time_and_not_before(
    sqlite_engine: Engine,
    keys: KeyFile,
    now: datetime,
    table: type,
    write: Callable[[Connection, datetime], object],
    kept: timedelta,
) -> None:
    member(sqlite_engine, keys, now)
    with db.transaction(sqlite_engine) as conn:
        conn.execute(sa.delete(table))
        write(conn, now)
    assert count(sqlite_engine, table) == 1
    purge(sqlite_engine, now + kept - SECOND)
    assert count(sqlite_engine, table) == 1
    purge(sqlite_engine, now + kept + SECOND)
    assert count(sqlite_engine, table) == 0


def test_the_row_of_somebody_who_left_is_kept_for_180_days(
    sqlite_engine: Engine, keys: KeyFile, now: datetime
) -> None:
    link = token(keys, Purpose.UNSUBSCRIBE, member(sqlite_engine, keys, now))
    subscribers.leave(sqlite_engine, keys, link, now)
    assert purge(sqlite_engine, now + 180 * DAY - SECOND).ended == 0
    assert purge(sqlite_engine, now + 180 * DAY).ended == 1
    assert count(sqlite_engine, SubscriberRow) == 0


def test_what_was_purged_is_logged_where_there_was_something(
    sqlite_engine: Engine, keys: KeyFile, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="monitor")
    ask(sqlite_engine, keys, now)
    purge(sqlite_engine, now)
    assert "purged" not in caplog.text
    purge(sqlite_engine, now + 2 * DAY)
    assert "purged: 1 never confirmed, 0 who left long ago, 0 old deliveries, 0 forms" in caplog.messages


def test_the_purge_runs_once_an_hour_however_often_it_is_called(
    sqlite_engine: Engine, keys: KeyFile, now: datetime
) -> None:
    ask(sqlite_engine, keys, now - 2 * DAY)
    assert purge_in_turn(sqlite_engine, now)
    assert count(sqlite_engine, SubscriberRow) == 0
    ask(sqlite_engine, keys, now - 2 * DAY, "bob@example.org")
    assert not purge_in_turn(sqlite_engine, now)
    assert not purge_in_turn(sqlite_engine, now + HOUR - SECOND)
    assert count(sqlite_engine, SubscriberRow) == 1
    assert purge_in_turn(sqlite_engine, now + HOUR)
    assert count(sqlite_engine, SubscriberRow) == 0
    assert not purge_in_turn(sqlite_engine, now + HOUR)
