"""Maintenance of a database: statistics for its planner, which otherwise treats a million rows like ten, and
unused space that is returned to the disk.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor.storage.engine import explain_errors, sqlite_path, transaction

_ROWS = 1000  # of each index that are looked at, so that a large table costs no more than a small one
_OPTIMIZES_ALL = (3, 46)  # the first version in which PRAGMA optimize looks at tables that nobody has queried


def refresh_statistics(engine: Engine, filled: Iterable[sa.Table] = ()) -> None:
    """Let SQLite analyze tables that have grown or shrunk much (https://www.sqlite.org/lang_analyze.html).

    PostgreSQL does so by itself within minutes, but for the tables that were just ``filled``: until then a
    page of a past list took twenty times as long.
    """
    if sqlite_path(engine) is not None:
        with transaction(engine) as conn:
            conn.exec_driver_sql(f"PRAGMA analysis_limit = {_ROWS}")
            knows_all = sqlite3.sqlite_version_info >= _OPTIMIZES_ALL
            conn.exec_driver_sql("PRAGMA optimize = 0x10002" if knows_all else "ANALYZE")
        return
    for table in filled:
        # one by one, so that the locks are short
        with transaction(engine) as conn:
            conn.exec_driver_sql(f"ANALYZE {engine.dialect.identifier_preparer.format_table(table)}")


def shrink_database(engine: Engine) -> tuple[int, int] | None:
    """Rewrite a SQLite file without its free pages; returns its sizes in bytes before and after.

    None on PostgreSQL, whose autovacuum does this. Writers wait meanwhile; the disk needs as much room again.
    """
    path = sqlite_path(engine)
    if path is None:
        return None
    before = path.stat().st_size
    with explain_errors(engine), engine.connect() as conn:
        driver = conn.connection.driver_connection
        assert driver is not None
        driver.execute("VACUUM").close()  # not in a transaction, which SQLAlchemy would begin
        driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    return before, path.stat().st_size
