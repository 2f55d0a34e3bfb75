"""The engine: its two ways in, what each promises, and how it refuses."""

from __future__ import annotations

import os
import sqlite3
import stat
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor.errors import StoreError
from monitor.storage import engine as db
from monitor.storage import schema
from monitor.storage.lists.tables import ChangeRow
from monitor.storage.tables import HeartbeatRow, MetaRow

COUNT = sa.select(sa.func.count()).select_from(MetaRow)


def add(conn: sa.Connection, name: str, value: str = "") -> None:
    conn.execute(sa.insert(MetaRow).values(name=name, value=value))


def test_a_new_database_and_its_folders_are_private(tmp_path: Path, opened: Callable[..., Engine]) -> None:
    path = tmp_path / "made" / "here" / "monitor.db"
    with db.transaction(opened(f"sqlite:///{path}")) as conn:
        conn.execute(sa.text("CREATE TABLE fact (x)"))
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in (path, path.parent, path.parent.parent)}
    assert modes == {"monitor.db": 0o600, "here": 0o700, "made": 0o700}
    assert all(stat.S_IMODE(each.stat().st_mode) == 0o600 for each in path.parent.iterdir())


def test_what_is_raised_inside_a_transaction_takes_everything_back(engine: Engine) -> None:
    def half(engine: Engine) -> None:
        with db.transaction(engine) as conn:
            add(conn, "half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half(engine)
    with db.reading(engine) as conn:
        assert conn.scalar(COUNT) == 0


def test_ddl_is_taken_back_too(engine: Engine) -> None:
    def half(engine: Engine) -> None:
        with db.transaction(engine) as conn:
            conn.execute(sa.text("CREATE TABLE half (x integer)"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half(engine)
    assert not sa.inspect(engine).has_table("half")


def test_what_is_written_while_reading_is_not_kept(sqlite_engine: Engine) -> None:
    with db.reading(sqlite_engine) as conn:
        add(conn, "stray")
    with db.reading(sqlite_engine) as conn:
        assert conn.scalar(COUNT) == 0


def test_a_reader_sees_one_moment_while_others_write(engine: Engine) -> None:
    with db.reading(engine) as reader:
        assert reader.scalar(COUNT) == 0
        with db.transaction(engine) as writer:
            add(writer, "later")
        assert reader.scalar(COUNT) == 0
    with db.reading(engine) as reader:
        assert reader.scalar(COUNT) == 1


def test_a_writer_that_reads_first_is_never_overtaken_on_sqlite(
    sqlite_url: str, opened: Callable[..., Engine]
) -> None:
    mine = opened(sqlite_url)
    other = opened(sqlite_url, busy_timeout=timedelta(0))
    with db.transaction(mine) as conn:
        conn.scalar(COUNT)
        with pytest.raises(StoreError, match="locked by another program"), db.transaction(other):
            pass
        add(conn, "first")
    with db.transaction(other) as conn:
        add(conn, "second")
        assert conn.scalar(COUNT) == 2


def test_writers_of_one_process_take_turns_without_sqlites_own_waiting(
    sqlite_url: str, opened: Callable[..., Engine]
) -> None:
    engine = opened(sqlite_url, busy_timeout=timedelta(minutes=10))
    refusals: list[str] = []

    @sa.event.listens_for(engine, "before_cursor_execute")
    def impatient(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement == "BEGIN IMMEDIATE":
            cursor.execute("PRAGMA busy_timeout = 0")  # a second writer would be refused at once

    def write(number: int) -> None:
        try:
            with db.transaction(engine) as conn:
                add(conn, f"writer{number}")
        except StoreError as error:
            refusals.append(str(error))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(80)))
    with db.reading(engine) as conn:
        assert (refusals, conn.scalar(COUNT)) == ([], 80)


def test_a_writer_that_waits_in_vain_is_refused_and_nobody_hangs(
    sqlite_url: str, opened: Callable[..., Engine]
) -> None:
    engine = opened(sqlite_url, busy_timeout=timedelta(milliseconds=50))
    with db.transaction(engine), pytest.raises(StoreError, match="locked"), db.transaction(engine):
        pytest.fail("a transaction within another")
    with db.transaction(engine) as conn:
        add(conn, "after")


def test_a_full_disk_is_said_so_and_leaves_nothing_half_written(sqlite_engine: Engine) -> None:
    with db.transaction(sqlite_engine) as conn:
        pages = conn.exec_driver_sql("PRAGMA page_count").scalar_one()
        conn.exec_driver_sql(f"PRAGMA max_page_count = {pages + 4}")  # what a full disk looks like to SQLite
    with pytest.raises(StoreError, match="is full: make room"), db.transaction(sqlite_engine) as conn:
        conn.execute(
            sa.insert(MetaRow), [{"name": str(number), "value": "x" * 4000} for number in range(1000)]
        )
    with db.transaction(sqlite_engine) as conn:
        assert conn.scalar(COUNT) == 0
        add(conn, "it goes on")


def test_a_read_only_database_is_said_so(engine: Engine) -> None:
    refuse = (
        "PRAGMA query_only = ON"
        if engine.dialect.name == "sqlite"
        else "SET default_transaction_read_only = on"
    )
    with db.transaction(engine) as conn:
        conn.exec_driver_sql(refuse)
    with pytest.raises(StoreError, match=r"cannot be written|read-only"), db.transaction(engine) as conn:
        add(conn, "refused")


def test_missing_tables_name_the_command_that_makes_them(
    tmp_path: Path, opened: Callable[..., Engine]
) -> None:
    engine = opened(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(StoreError, match="monitor init"), db.reading(engine) as conn:
        conn.scalar(COUNT)


def test_a_file_that_is_no_database_is_said_so_and_left_alone(
    tmp_path: Path, opened: Callable[..., Engine]
) -> None:
    path = tmp_path / "letter.db"
    path.write_text("Dear reader, " * 500)
    with (
        pytest.raises(StoreError, match="not a SQLite database"),
        db.reading(opened(f"sqlite:///{path}")),
    ):
        pass
    assert path.read_text() == "Dear reader, " * 500


def test_a_folder_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be created"):
        db.connect(f"sqlite:///{tmp_path / 'file' / 'monitor.db'}")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://reader:s3cret@127.0.0.1:1/monitor",
        "postgresql://reader:s3cret@127.0.0.1:1/monitor?connect_timeout=soon",
        "postgresql://reader@127.0.0.1:1/monitor?password=s3cret",
        "postgresql://reader:s@x:s3cret@127.0.0.1:1/monitor",
        "mysql://reader:s3cret@127.0.0.1/monitor",
        "sqlite:///x.db?password=s3cret",
        "postgresql//reader:s3cret@nowhere",
        "postgresql://reader:s3cret@host:port/monitor",
    ],
)
def test_no_message_holds_the_password(url: str, opened: Callable[..., Engine]) -> None:
    with pytest.raises(StoreError) as caught, db.reading(opened(url)):
        pass
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))
    assert "\n" not in str(caught.value)


def test_no_message_holds_a_bound_value(engine: Engine) -> None:
    with db.transaction(engine) as conn:
        add(conn, "once", "person@example.org")
    with pytest.raises(sa.exc.IntegrityError) as caught, db.transaction(engine) as conn:
        add(conn, "once", "person@example.org")
    assert "person@" not in str(caught.value)


@pytest.mark.postgres
@pytest.mark.parametrize("form", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_a_postgresql_url_connects_in_utc(postgres_url: str, form: str) -> None:
    engine = db.connect(postgres_url.replace("postgresql", form, 1))
    with db.reading(engine) as conn:
        assert conn.exec_driver_sql("SHOW timezone").scalar_one() == "UTC"
    engine.dispose()


@pytest.mark.postgres
def test_a_lost_connection_is_said_so_and_the_next_one_works(postgres_engine: Engine) -> None:
    with (
        pytest.raises(StoreError, match=r"connection to .* lost|shutting down"),
        db.transaction(postgres_engine) as conn,
    ):
        conn.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")
    with db.transaction(postgres_engine) as conn:
        add(conn, "again")


@pytest.mark.postgres
def test_a_statement_that_the_server_stops_is_said_so(postgres_engine: Engine) -> None:
    slow = "SET LOCAL statement_timeout = 1; SELECT pg_sleep(60)"
    too_long = pytest.raises(StoreError, match="took too long: raise statement_timeout")
    with too_long, db.transaction(postgres_engine) as conn:
        conn.exec_driver_sql(slow)


def test_a_damaged_file_is_said_so_whoever_reads_it(sqlite_engine: Engine, tmp_path: Path) -> None:
    with db.transaction(sqlite_engine) as conn:
        conn.exec_driver_sql("CREATE TABLE long (text)")
        conn.exec_driver_sql("INSERT INTO long VALUES (randomblob(100000))")
    file = db.sqlite_path(sqlite_engine)
    assert file is not None
    with db.reading(sqlite_engine) as conn:
        conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    sqlite_engine.dispose()
    whole = file.read_bytes()
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    engine = db.connect(f"sqlite:///{damaged}")
    with pytest.raises(StoreError, match="is damaged"), db.reading(engine) as conn:
        conn.exec_driver_sql("SELECT * FROM long")
    with pytest.raises(StoreError, match="is damaged"):
        db.Commits(engine).read("SELECT * FROM long")
    engine.dispose()


def test_sqlite_promises(sqlite_engine: Engine) -> None:
    with db.reading(sqlite_engine) as conn:
        found = {
            name: conn.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "foreign_keys", "synchronous", "secure_delete")
        }
    assert found == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 2, "secure_delete": 1}


def test_times_come_back_aware_and_in_utc(engine: Engine) -> None:
    east = datetime(2026, 3, 1, 15, 0, tzinfo=timezone(timedelta(hours=3)))
    with db.transaction(engine) as conn:
        conn.execute(sa.insert(HeartbeatRow).values(part="sender", owner="a", at=east))
        back = conn.scalar(sa.select(schema.metadata.tables["heartbeat"].c.at))
    assert back == east
    assert back.tzinfo is UTC


def test_a_naive_time_is_refused(engine: Engine) -> None:
    naive = datetime(2026, 3, 1)  # noqa: DTZ001  # the point of the test
    with pytest.raises(sa.exc.StatementError, match="without a zone"), db.transaction(engine) as conn:
        conn.execute(sa.insert(HeartbeatRow).values(part="sender", owner="a", at=naive))


def test_absent_json_is_null_to_queries(engine: Engine, now: datetime) -> None:
    rows = schema.metadata.tables["change"]
    with db.transaction(engine) as conn:
        conn.execute(
            sa.insert(ChangeRow).values(
                source="ring", kind="added", agency="k", state="pending", reason="", fields=["name"],
                before=None, after={"name": "Café"}, first_seen_at=now, was_held=False, approved=False,
            )
        )  # fmt: skip
        assert conn.execute(sa.select(rows.c.after).where(rows.c.before.is_(None))).scalar_one() == {
            "name": "Café"
        }


def test_an_id_is_never_given_twice(sqlite_engine: Engine, now: datetime) -> None:
    rows = schema.metadata.tables["subscriber"]
    values = {
        "channel": "email", "state": "ended", "origin": "site", "nonce": "", "created_at": now,
        "language": "en", "frequency": "at_once", "strikes": 0,
    }  # fmt: skip
    with db.transaction(sqlite_engine) as conn:
        first = conn.execute(sa.insert(rows).values(values)).inserted_primary_key
        conn.execute(sa.delete(rows))
        assert conn.execute(sa.insert(rows).values(values)).inserted_primary_key > first


def test_a_commit_of_whomever_is_noticed_and_nothing_else(sqlite_engine: Engine) -> None:
    commits = db.Commits(sqlite_engine)
    before = commits.number()
    with db.reading(sqlite_engine) as conn:
        conn.scalar(COUNT)
    with suppress(ZeroDivisionError), db.transaction(sqlite_engine) as conn:
        add(conn, "taken back")
        raise ZeroDivisionError
    assert commits.number() == before
    with db.transaction(sqlite_engine) as conn:
        add(conn, "here")
    assert (here := commits.number()) != before
    other = db.connect(str(sqlite_engine.url))
    with db.transaction(other) as conn:
        add(conn, "elsewhere")
    assert commits.number() != here
    commits.close()
    other.dispose()


def test_a_database_in_memory_is_one_database() -> None:
    engine = db.connect("sqlite://")
    with db.transaction(engine) as conn:
        conn.execute(sa.text("CREATE TABLE fact (x)"))
    assert sa.inspect(engine).has_table("fact")
    assert db.sqlite_path(engine) is None
    engine.dispose()


def test_foreign_keys_hold(engine: Engine) -> None:
    with pytest.raises(sa.exc.IntegrityError), db.transaction(engine) as conn:
        conn.execute(sa.insert(schema.ChangePlaceRow).values(change_id=1, place="IL", everyone=False))


def test_connecting_makes_no_file_readable_through_the_umask(
    tmp_path: Path, opened: Callable[..., Engine]
) -> None:
    before = os.umask(0)
    try:
        opened(f"sqlite:///{tmp_path / 'monitor.db'}")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "monitor.db").stat().st_mode) == 0o600


def test_a_statement_that_the_program_got_wrong_is_a_store_error_too(engine: Engine) -> None:
    with pytest.raises(StoreError, match="refused a statement") as caught, db.reading(engine) as conn:
        conn.execute(sa.text("SELEKT secret"))
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_pool_without_a_free_connection_is_a_store_error(tmp_path: Path) -> None:
    engine = sa.create_engine(
        f"sqlite:///{tmp_path / 'a.db'}", poolclass=sa.QueuePool, pool_size=1, max_overflow=0, pool_timeout=0
    )
    with engine.connect(), pytest.raises(StoreError, match="no free connection"), db.reading(engine):
        pass
    engine.dispose()


def test_thirty_turns_at_once_leave_the_pool_to_transactions(postgres_url: str) -> None:
    engine = db.connect(postgres_url)
    with ExitStack() as turns:
        assert all(turns.enter_context(db.exclusive_turn(engine, f"poll {number}")) for number in range(30))
        assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        with db.exclusive_turn(engine, "poll 7") as mine:
            assert not mine
    with db.exclusive_turn(engine, "poll 7") as mine:
        assert mine
    engine.dispose()


def test_a_connection_that_watches_for_commits_is_closed_with_its_engine(sqlite_engine: Engine) -> None:
    """Python warns of connections that nobody closed, from 3.13 on."""
    watching, given_back = db.Commits(sqlite_engine), db.Commits(sqlite_engine)
    given_back.close()
    watching.number()
    sqlite_engine.dispose()
    for each in (watching, given_back):
        with pytest.raises(sqlite3.ProgrammingError, match="closed database"):
            each.number()
