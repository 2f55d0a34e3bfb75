"""Notifies other processes on PostgreSQL of a write: NOTIFY with the commit, LISTEN on a separate connection.
A check costs no statement. SQLite counts commits instead (`engine.Commits`).
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import PoolProxiedConnection

from monitor.errors import StoreError
from monitor.storage.engine import explain_errors, open_direct_engine

_NAME = "map_monitor"  # the name of the PostgreSQL channel, which is local to each database


def notify(conn: Connection) -> None:
    """Notify all listeners when this transaction commits; does nothing on SQLite."""
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql(f"NOTIFY {_NAME}")


class Notifications:
    """Detects whether another process has notified since the last check. One thread at a time.

    It keeps a connection until `close`, and reconnects if it is lost.
    """

    def __init__(self, engine: Engine) -> None:
        if engine.dialect.name != "postgresql":
            raise ValueError("only PostgreSQL has notifications")
        self._engine = engine
        self._pooled: PoolProxiedConnection | None = None

    def has_new(self) -> bool:
        """Check once; also returns True when it starts to listen, because earlier notifications are unknown.

        Raises StoreError if the server cannot be reached.
        """
        if self._pooled is None:
            self._listen()
            return True
        import psycopg  # here, not above: the rest needs no driver of PostgreSQL

        driver: Any = self._pooled.driver_connection
        try:
            return bool(list(driver.notifies(timeout=0)))
        except psycopg.Error:
            self.close()
            return True  # look; the next call listens again

    def close(self) -> None:
        """Close the connection."""
        pooled, self._pooled = self._pooled, None
        if pooled is not None:
            with suppress(Exception):  # it may be lost already
                pooled.invalidate()

    def _listen(self) -> None:
        import psycopg

        with explain_errors(self._engine):
            pooled = open_direct_engine(self._engine).raw_connection()
        driver: Any = pooled.driver_connection
        try:
            driver.autocommit = True
            driver.execute(f"LISTEN {_NAME}")
        except psycopg.Error as error:
            pooled.invalidate()
            raise StoreError(f"the database cannot be listened to: {type(error).__name__}") from None
        self._pooled = pooled
