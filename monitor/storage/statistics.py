"""Statistics for SQLite's planner, which otherwise treats a million rows like ten."""

from __future__ import annotations

import sqlite3

from sqlalchemy.engine import Engine

from monitor.storage.engine import sqlite_path, transaction

_ROWS = 1000  # of each index that are looked at, so that a large table costs no more than a small one
_OPTIMIZES_ALL = (3, 46)  # the first version in which PRAGMA optimize looks at tables that nobody has queried


def refresh_statistics(engine: Engine) -> None:
    """Let SQLite analyze tables that have grown or shrunk much (https://www.sqlite.org/lang_analyze.html);
    PostgreSQL does so by itself.
    """
    if sqlite_path(engine) is None:
        return
    with transaction(engine) as conn:
        conn.exec_driver_sql(f"PRAGMA analysis_limit = {_ROWS}")
        knows_all = sqlite3.sqlite_version_info >= _OPTIMIZES_ALL
        conn.exec_driver_sql("PRAGMA optimize = 0x10002" if knows_all else "ANALYZE")
