"""Copies the rows of a server's database into a SQLite file of the same revision, which may be a past one."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.columns import Json, UtcDateTime

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
