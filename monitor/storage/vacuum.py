"""Returns unused space to the disk."""

from __future__ import annotations

from sqlalchemy.engine import Engine

from monitor.storage.engine import explain_errors, sqlite_path


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
