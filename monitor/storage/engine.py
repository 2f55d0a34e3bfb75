"""The engine, and the two ways into it: `transaction` to write and `reading` to read.

Database errors leave here as `StoreError`, one line that says what to do; no message contains a password or a
bound value.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.pool import NullPool, StaticPool

from monitor.errors import StoreError
from monitor.storage.error_texts import explain_error, explain_sqlite_error

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

BUSY_TIMEOUT = timedelta(seconds=10)
CONNECT_TIMEOUT = timedelta(seconds=10)
_BEGIN = "sqlite_begin"  # the execution option that says how a SQLite transaction begins
WRITING = {_BEGIN: "IMMEDIATE"}
"""Execution options of a writing connection; `transaction` sets them."""
_KEPT = 16  # connections, one for every thread of a process: opening one takes longer than most transactions
_on_begin: WeakKeyDictionary[Engine, list[Callable[[Connection | None], None]]] = WeakKeyDictionary()
_direct: WeakKeyDictionary[Engine, Engine] = WeakKeyDictionary()
_queues: WeakKeyDictionary[Engine, tuple[threading.Lock, timedelta]] = WeakKeyDictionary()
_FORMS = "sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME"


def connect(url: str, *, busy_timeout: timedelta = BUSY_TIMEOUT) -> Engine:
    """Create an engine for ``sqlite:///path`` or ``postgresql://...``; a SQLite file and its folder are
    created if missing (0600, 0700).

    ``busy_timeout`` is how long a SQLite writer waits for another. Raises StoreError for another kind of URL
    and for a folder that cannot be created. A PostgreSQL server is not contacted yet.
    """
    try:
        parsed = make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        # "from None": their texts quote the URL, or the part of a password after an unescaped "@"
        raise StoreError(f"the database URL cannot be read: use {_FORMS}") from None
    match parsed.drivername:
        case "sqlite" | "sqlite+pysqlite":
            return _connect_sqlite(parsed, busy_timeout)
        case "postgres" | "postgresql" | "postgresql+psycopg":
            return _connect_postgresql(parsed)
    raise StoreError(f"a database of the kind {parsed.drivername!r} is not supported: use {_FORMS}")


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """A connection in a writing transaction, committed at the end and rolled back on any exception.

    On SQLite it holds the write lock from the start: a transaction that reads first and then writes fails at
    once when another has written in between (BUSY_SNAPSHOT), whatever the busy timeout.
    """
    with (
        explain_errors(engine),
        _queued(engine),
        engine.connect().execution_options(**WRITING) as conn,
        conn.begin(),
    ):
        for check in _on_begin.get(engine, ()):
            check(conn)
        yield conn


def on_begin(engine: Engine, check: Callable[[Connection | None], None]) -> None:
    """Register ``check``: it is called first in every `transaction` of an engine, with its connection, and
    with None before every `reading`. Its exceptions propagate from the transaction.
    """
    _on_begin.setdefault(engine, []).append(check)


@contextmanager
def _queued(engine: Engine) -> Iterator[None]:
    """Serialize the writers of this process. SQLite's own busy handler sleeps longer and longer, so that some
    writers starve.

    A writer that waited for the whole busy timeout continues, and gets SQLite's own refusal.
    """
    queue = _queues.get(engine)
    if queue is None:
        yield
        return
    lock, patience = queue
    mine = lock.acquire(timeout=patience.total_seconds())
    try:
        yield
    finally:
        if mine:
            lock.release()


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection on which every query sees the same snapshot; writes on it are rolled back."""
    options: dict[str, Any] = {_BEGIN: "DEFERRED"}
    if engine.dialect.name == "postgresql":
        # PostgreSQL's default level gives each statement a snapshot of its own
        options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    for check in _on_begin.get(engine, ()):
        check(None)
    with explain_errors(engine), engine.connect().execution_options(**options) as conn:
        yield conn


@contextmanager
def explain_errors(engine: Engine) -> Iterator[None]:
    """Convert every database error in this block to a `StoreError`.

    An `IntegrityError` propagates: the caller expects it.
    """
    try:
        yield
    except sa.exc.IntegrityError:
        raise
    except sa.exc.DBAPIError as error:
        # Not "from error": its chain ends in a driver's text, which can name what the message must not.
        raise StoreError(explain_error(error, engine.url, describe_database(engine.url))) from None
    except sqlite3.Error as error:  # raised while a connection is prepared outside of SQLAlchemy
        raise StoreError(
            explain_sqlite_error(error, describe_database(engine.url)) or "a query failed"
        ) from None
    except sa.exc.TimeoutError:
        raise StoreError(
            f"{describe_database(engine.url)} has no free connection: too much runs at once in this process; "
            "it is tried again"
        ) from None


class Commits:
    """Detects whether another connection has committed to a SQLite file, at a hundredth of the cost of a
    query, and runs single queries for callers that must read again after a commit. Not thread-safe.

    ``PRAGMA data_version`` (https://www.sqlite.org/pragma.html#pragma_data_version) covers only *other*
    connections, so this class keeps a connection of its own until `close`.
    """

    def __init__(self, engine: Engine) -> None:
        if sqlite_path(engine) is None:
            raise ValueError("only a SQLite file counts its commits")
        with explain_errors(engine):
            self._engine, self._pooled = engine, engine.raw_connection()
        self._driver: Any = self._pooled.driver_connection
        sa.event.listen(engine, "engine_disposed", self._end)

    def number(self) -> int:
        """A number that changes with every commit. Raises StoreError."""
        ((number,),) = self._run("PRAGMA data_version")
        return int(number)

    def read(self, statement: str, *given: object) -> list[tuple[Any, ...]]:
        """Run one query and return SQLite's own values, at a tenth of the cost of a query through SQLAlchemy;
        it is run for every message. Raises StoreError.
        """
        for check in _on_begin.get(self._engine, ()):
            check(None)
        return self._run(statement, *given)

    def _run(self, statement: str, *given: object) -> list[tuple[Any, ...]]:
        try:
            return list(self._driver.execute(statement, given))
        except sqlite3.ProgrammingError:
            raise  # a closed connection is a bug
        except sqlite3.Error as error:
            raise StoreError(
                explain_sqlite_error(error, describe_database(self._engine.url)) or "a query failed"
            ) from None

    def close(self) -> None:
        """Give the connection back."""
        if sa.event.contains(self._engine, "engine_disposed", self._end):
            sa.event.remove(self._engine, "engine_disposed", self._end)
        self._pooled.close()

    def _end(self, engine: Engine) -> None:
        """Close the connection and its engine, whose pool no longer knows the connection."""
        if self._pooled.is_valid:
            self._pooled.invalidate()


class SingleReads:
    """A long-lived connection for queries that need no common snapshot, each without a transaction: on
    PostgreSQL that is one round trip instead of four. For one thread at a time.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept: Connection | None = None

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """The connection, a new one after an error. Raises StoreError."""
        for check in _on_begin.get(self._engine, ()):
            check(None)
        with explain_errors(self._engine):
            if self._kept is None:
                self._kept = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            try:
                yield self._kept
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Give the connection back."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()


def insert_for(conn: Connection, table: type[Any]) -> postgresql.Insert | sqlite.Insert:
    """Create an INSERT with ON CONFLICT, which has the same syntax in both databases but belongs to
    SQLAlchemy's dialects.
    """
    return insert_in(conn.dialect.name, table)


def insert_in(dialect: str, table: type[Any]) -> postgresql.Insert | sqlite.Insert:
    """Like `insert_for`, for a dialect by name: for a statement that is built once."""
    rows = sa.inspect(table).local_table
    if dialect != "postgresql":
        return sqlite.insert(rows)
    from sqlalchemy.dialects import postgresql  # 2 MB, which SQLite does not need

    return postgresql.insert(rows)


def describe_database(url: URL) -> str:
    """Describe the database for people: a path, or host and name; never a user or password."""
    if url.get_backend_name() == "sqlite":
        return f"the database {url.database or 'in memory'}"
    host = url.host or url.query.get("host") or "localhost"
    return f"the database {url.database or ''} on {host}" + (f":{url.port}" if url.port else "")


def sqlite_file(url: str) -> Path | None:
    """The file that a URL names; None in memory, on PostgreSQL, or for a URL that cannot be read."""
    try:
        return _file_of(make_url(url))
    except (sa.exc.ArgumentError, ValueError):
        return None


def sqlite_path(engine: Engine) -> Path | None:
    """The file of a SQLite database; None in memory or on PostgreSQL."""
    return _file_of(engine.url)


def _file_of(url: URL) -> Path | None:
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database))


def _connect_sqlite(url: URL, busy_timeout: timedelta) -> Engine:
    if url.query:
        raise StoreError(f"a SQLite URL takes no options: use {_FORMS}")
    in_memory = url.database in (None, "", ":memory:")
    if not in_memory:
        _create_private(Path(str(url.database)))
    engine = sa.create_engine(
        url.set(drivername="sqlite+pysqlite"),
        hide_parameters=True,
        json_serializer=_compact,
        # one connection for all threads, or each thread would get an empty database of its own
        **(
            {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
            if in_memory
            else {"pool_size": _KEPT, "pool_use_lifo": True}
        ),
    )
    pragmas = (
        f"PRAGMA busy_timeout = {int(busy_timeout / timedelta(milliseconds=1))}",  # ms
        # FULL, not NORMAL: a power failure must not undo an unsubscribe or a settlement, because the count of
        # sends, which is stored beside the database, would then be ahead of it and stop all sending. It costs
        # one flush (about 0.5 ms) per commit.
        "PRAGMA synchronous = FULL",
        "PRAGMA foreign_keys = ON",
        "PRAGMA secure_delete = ON",  # an erased address is overwritten, not only freed
        "PRAGMA journal_size_limit = 67108864",  # a large fan-out does not leave a large WAL behind forever
    )

    _queues[engine] = threading.Lock(), busy_timeout

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _: object) -> None:
        # The driver's own transactions begin lazily, before writes only, and differ between Python versions.
        # With None it begins none, so that `_begin` decides alone; commit() and rollback() still end them.
        connection.isolation_level = None
        try:
            _write_ahead(connection, busy_timeout)
            for pragma in pragmas:
                connection.execute(pragma).close()
        except BaseException:
            connection.close()  # the pool drops a connection that could not be prepared
            raise

    @sa.event.listens_for(engine, "begin")
    def _begin(conn: Connection) -> None:
        conn.exec_driver_sql(f"BEGIN {conn.get_execution_options().get(_BEGIN, 'DEFERRED')}")

    return engine


def _connect_postgresql(url: URL) -> Engine:
    return _postgresql_engine(url, pool_pre_ping=True)  # a restarted server costs a reconnect, not an error


def _postgresql_engine(url: URL, **options: Any) -> Engine:
    defaults: dict[str, Any] = {
        "connect_timeout": int(CONNECT_TIMEOUT.total_seconds()),
        "application_name": "map-monitor",
    }
    engine = sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        hide_parameters=True,
        json_serializer=_compact,
        **options,
        connect_args={name: value for name, value in defaults.items() if name not in url.query},
    )

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET TIME ZONE 'UTC'")
        connection.commit()

    return engine


def _write_ahead(connection: sqlite3.Connection, patience: timedelta) -> None:
    """Switch to write-ahead logging, in which readers and the writer do not wait for each other.

    Two processes that do this to the same new file get "database is locked" regardless of the busy timeout,
    because SQLite does not wait where that could deadlock. So this function waits.
    """
    deadline = time.monotonic() + patience.total_seconds()
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _create_private(path: Path) -> None:
    """Create the file and its missing folders before SQLite does, which would apply the umask."""
    missing = [folder for folder in path.parents if not folder.exists()]
    try:
        for folder in reversed(missing):
            folder.mkdir(mode=0o700, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        who = f"; this program runs as user {os.geteuid()}" if isinstance(error, PermissionError) else ""
        raise StoreError(
            f"the database {path} cannot be created or opened ({error.strerror}): check its folder{who}"
        ) from None


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def open_direct_engine(engine: Engine) -> Engine:
    """Create an engine for the same PostgreSQL database without a connection pool."""
    return _direct.get(engine) or _direct.setdefault(
        engine, _postgresql_engine(engine.url, poolclass=NullPool)
    )


@contextmanager
def exclusive_turn(engine: Engine, what: str) -> Iterator[bool]:
    """Try to get the exclusive right to do ``what`` among all processes on the database. Always True on
    SQLite, where only one process works.

    On PostgreSQL this is an advisory lock on a direct connection, which is not taken from the pool: many
    downloads at once must not starve the transactions. The lock only saves work; unique keys in the database
    prevent duplicates.
    """
    if engine.dialect.name != "postgresql":
        yield True
        return
    key = int.from_bytes(hashlib.sha256(f"map-monitor {what}".encode()).digest()[:8], signed=True)
    direct = open_direct_engine(engine)
    with explain_errors(engine), direct.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        taken = bool(conn.scalar(sa.select(sa.func.pg_try_advisory_lock(key))))
        try:
            yield taken
        finally:
            # Closing the connection gives the lock back too, but only when the server notices.
            if taken:
                with suppress(sa.exc.DBAPIError):
                    conn.execute(sa.select(sa.func.pg_advisory_unlock(key)))
