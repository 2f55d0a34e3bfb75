"""Connections to PostgreSQL that outlive the engine which opened them.

Nearly every test opens an engine of its own, and a new connection is a new process of the server, which reads
the catalog of its database again: that costs more than what most tests then ask. A kept one is as new: its
last user leaves no transaction, setting, lock, prepared statement, temporary table or channel behind.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import ExecStatus, TransactionStatus
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

_MOST = 4  # of a kind; the server takes 300 in all

Kind = tuple[int, str, frozenset[tuple[str, Any]]]
"""The process that opened it, for a child inherits what only its parent uses; the database; the options."""
_kept: dict[Kind, list[psycopg.Connection[Any]]] = defaultdict(list)


def keep_connections() -> None:
    """Let the engines of this process take over each other's connections."""
    connect = PGDialect_psycopg.connect
    close = PGDialect_psycopg.do_close

    def take_or_connect(dialect: PGDialect_psycopg, **options: Any) -> Any:
        # the context says how values are converted: all engines of the product do that alike
        kind = _kind({name: value for name, value in options.items() if name != "context"})
        connection: Any = _take(kind) or connect(dialect, **options)
        connection.kind = kind
        return connection

    def keep_or_close(dialect: PGDialect_psycopg, connection: Any) -> None:
        if not _keep(connection.kind, connection):
            close(dialect, connection)

    PGDialect_psycopg.connect = take_or_connect  # type: ignore[method-assign]
    PGDialect_psycopg.do_close = keep_or_close  # type: ignore[method-assign]
    PGDialect_psycopg.do_terminate = close  # type: ignore[method-assign]


@contextmanager
def connection_to(url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection of the tests' own, on which each statement is a transaction."""
    kind = _kind(conninfo_to_dict(url))
    connection = _take(kind) or psycopg.connect(url)
    connection.autocommit = True
    try:
        yield connection
    finally:
        if not _keep(kind, connection):
            connection.close()


def kept_backends(database: str) -> list[int]:
    """The server's processes behind what this process keeps to a database."""
    return [each.info.backend_pid for kind in _kinds(database) for each in _kept[kind]]


def close_kept(database: str | None = None) -> None:
    """Close what this process keeps to a database, or all of it."""
    for kind in _kinds(database):
        for connection in _kept.pop(kind):
            connection.close()


def _kind(options: dict[str, Any]) -> Kind:
    return os.getpid(), options["dbname"], frozenset(options.items())


def _kinds(database: str | None) -> list[Kind]:
    return [each for each in list(_kept) if each[0] == os.getpid() and database in (None, each[1])]


def _take(kind: Kind) -> psycopg.Connection[Any] | None:
    while kept := _kept[kind]:
        connection = kept.pop()
        # its server may have ended, or have been told to end it
        if connection.pgconn.exec_(b"").status == ExecStatus.EMPTY_QUERY:
            return connection
        connection.close()
    return None


def _keep(kind: Kind, connection: psycopg.Connection[Any]) -> bool:
    """Keep what its user closes; False if it cannot be as new, or if there are enough."""
    idle = not connection.closed and connection.info.transaction_status == TransactionStatus.IDLE
    if kind[0] != os.getpid() or not idle or len(_kept[kind]) >= _MOST:
        return False
    try:
        connection.autocommit = True
        connection.execute("DISCARD ALL", prepare=False)
        connection.autocommit = False
    except psycopg.Error:
        return False
    connection.isolation_level = connection.read_only = connection.deferrable = None
    connection._notice_handlers.clear()
    connection._prepared = type(connection._prepared)()  # what it had prepared is gone
    if connection._notifies_backlog:
        return False
    _kept[kind].append(connection)
    return True
