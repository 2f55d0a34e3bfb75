"""Copies of a database that is in use, as a SQLite file: of a SQLite file, and of a server's tables, whose
revision may be a past one.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.columns import Json, UtcDateTime

_PAGES = 1000
"""Pages that are copied between two reports of progress."""


def copy_file(path: Path, copy: Path, progress: Callable[[int, int], None] = lambda done, of: None) -> None:
    """Write a consistent, verified and flushed copy (mode 0600) that is one file, complete by itself.

    It is written aside and then put into place. ``progress`` gets the pages copied and all pages. Raises
    OSError and sqlite3.Error, the latter also when the original is damaged.
    """
    aside = copy.with_name(copy.name + ".part")
    aside.unlink(missing_ok=True)
    try:
        os.close(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(aside)) as target:
            # in one transaction, because other processes write meanwhile, and each write would restart the
            # copy
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            source.backup(target, pages=_PAGES, progress=lambda _, left, of: progress(of - left, of))
            target.execute("PRAGMA journal_mode = DELETE")
            _verify(source, target)
        with aside.open("rb+") as file:
            os.fsync(file.fileno())
        aside.replace(copy)
    finally:
        aside.unlink(missing_ok=True)


def _verify(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    verdict = [row[0] for row in target.execute("PRAGMA integrity_check")]
    if verdict != ["ok"]:
        raise sqlite3.DatabaseError(f"it is damaged: {verdict[0]}")
    tables = [row[0] for row in source.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    for table in tables:
        count = f'SELECT count(*) FROM "{table}"'  # noqa: S608  # a name from the schema itself
        if source.execute(count).fetchone() != target.execute(count).fetchone():
            raise sqlite3.DatabaseError(f"it lacks rows of {table}")


def merge_log(path: Path) -> None:
    """Leave no write-ahead log beside a SQLite file that nobody has open."""
    conn = sqlite3.connect(path)
    try:
        conn.execute("PRAGMA journal_mode = DELETE")
    finally:
        conn.close()
    path.with_name(f"{path.name}.migrate").unlink(missing_ok=True)


_BATCH = 200  # rows held in memory at once
_REVISION = "alembic_version"


def copy_tables(source: Connection, target: Connection) -> int:
    """Copy every row of every table, which the target has too; returns how many.

    The tables are those that the source really has: the program's own definitions are of a newer revision.
    Raises ValueError if the target has fewer rows of a table at the end.
    """
    reflected = sa.MetaData()
    reflected.reflect(source)
    copied = 0
    for table in reflected.sorted_tables:
        if table.name == _REVISION:
            continue
        own = sa.Table(
            table.name,
            sa.MetaData(),
            *(sa.Column(column.name, _type_of(column.type)) for column in table.columns),
        )
        target.execute(sa.delete(own))  # what the revisions themselves write
        rows = source.execution_options(stream_results=True, max_row_buffer=_BATCH).execute(sa.select(own))
        for batch in rows.mappings().partitions(_BATCH):
            target.execute(sa.insert(own), [dict(row) for row in batch])
        count = sa.select(sa.func.count()).select_from(own)
        expected, found = source.scalar(count) or 0, target.scalar(count) or 0
        if expected != found:
            raise ValueError(f"{found} of {expected} rows of {table.name} were copied")
        copied += found
    return copied


def _type_of(found: sa.types.TypeEngine[Any]) -> sa.types.TypeEngine[Any]:
    """The type under which both databases store a column as the program does."""
    if isinstance(found, sa.DateTime):
        return UtcDateTime()
    if isinstance(found, sa.JSON):
        return Json()
    return found.as_generic()
