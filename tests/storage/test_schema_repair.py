"""A database that is at the newest revision, and lacks something or has something that nobody knows."""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor.errors import MigrationError
from monitor.storage import engine as db
from monitor.storage import migrate
from monitor.storage.schema import SubscriberRow
from monitor.storage.schema_repair import find_differences
from tests.storage.test_migrate import differences


def run(engine: Engine, *statements: str) -> None:
    with db.transaction(engine) as conn:
        for statement in statements:
            conn.exec_driver_sql(statement)


def are_there_differences(engine: Engine) -> bool:
    with db.reading(engine) as conn:
        return bool(find_differences(conn))


def test_a_fresh_database_has_no_differences(engine: Engine) -> None:
    assert not are_there_differences(engine)


def test_what_is_missing_is_added_at_the_next_start(
    engine: Engine, tmp_path: Path, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    run(
        engine,
        "DROP TABLE rate_window",
        "DROP INDEX ix_listing_source_to_at",
        "ALTER TABLE body DROP COLUMN wire_hash",
        "ALTER TABLE body DROP COLUMN position",
    )
    assert are_there_differences(engine)
    with caplog.at_level(logging.WARNING):
        migrate.upgrade(engine, folder=tmp_path, now=now)
    (said,) = [record.getMessage() for record in caplog.records]
    assert "table rate_window, " in said
    for each in ("column body.wire_hash", "column body.position", "index ix_listing_source_to_at"):
        assert each in said
    assert not are_there_differences(engine)
    assert differences(engine) == []
    caplog.clear()
    migrate.upgrade(engine, folder=tmp_path, now=now)
    assert caplog.records == []


def test_rows_without_a_column_get_its_default(engine: Engine, tmp_path: Path, now: datetime) -> None:
    subscriber = sa.table("subscriber", sa.column("receipts", sa.Boolean()))
    row = {"channel": "email", "state": "active", "origin": "form", "nonce": "x", "created_at": now}
    with db.transaction(engine) as conn:
        conn.execute(sa.insert(SubscriberRow).values(**row, receipts=False))
    run(engine, "ALTER TABLE subscriber DROP COLUMN receipts")
    migrate.upgrade(engine, folder=tmp_path, now=now)
    with db.reading(engine) as conn:
        assert conn.execute(sa.select(subscriber.c.receipts)).scalars().all() == [True]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("ALTER TABLE body ADD COLUMN foreign_one INTEGER", None),
        ("ALTER TABLE body ADD COLUMN foreign_one INTEGER NOT NULL DEFAULT 3", None),
        ("CREATE TABLE somebodys (name TEXT NOT NULL)", None),
        ("ALTER TABLE body RENAME COLUMN encoding TO form", "the table body lacks the column encoding"),
    ],
)
def test_what_is_too_many_is_left_and_what_cannot_be_added_is_refused(
    engine: Engine, tmp_path: Path, now: datetime, statement: str, said: str | None
) -> None:
    run(engine, statement, "DROP INDEX ix_listing_source_to_at")
    if said is None:
        migrate.upgrade(engine, folder=tmp_path, now=now)
        assert not are_there_differences(engine)
        return
    with pytest.raises(MigrationError, match=said) as refused:
        migrate.upgrade(engine, folder=tmp_path, now=now)
    assert "has a column form that this program does not fill" in str(refused.value)
    assert "monitor restore" in str(refused.value)
    with db.reading(engine) as conn:
        assert [index.name for index in find_differences(conn).indexes] == ["ix_listing_source_to_at"]
