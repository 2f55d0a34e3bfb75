"""``record.sqlite``: the tables of the data of all lists, one table after the other, and nothing else."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection

from monitor.domain import SourceInfo
from monitor.record.data.data_package import describe_schema
from monitor.record.data.describe import Locate, Record, iterate_table
from monitor.record.data.models import TABLES

MEDIA_TYPE = "application/vnd.sqlite3"
_BATCH = 500
_TYPES = {"integer": "INTEGER", "number": "REAL", "boolean": "INTEGER"}
_INDEXES = (
    "CREATE INDEX agencies_state ON agencies (state, source)",
    "CREATE INDEX versions_agency ON versions (source, agency)",
    "CREATE INDEX changes_number ON changes (source, number)",
    "CREATE INDEX polls_at ON polls (source, at)",
)


def write_database(
    path: Path, conn: Connection, sources: Mapping[str, SourceInfo], locate: Locate, licence: str
) -> None:
    """Write the database to a new file. Lists and objects are JSON text, times RFC 3339 in UTC."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as made:
        made.execute("PRAGMA journal_mode = OFF").close()
        made.execute("PRAGMA synchronous = OFF").close()
        made.execute(
            "CREATE TABLE lists (source TEXT PRIMARY KEY, title TEXT, publisher TEXT, url TEXT, license TEXT)"
        )
        made.executemany(
            "INSERT INTO lists VALUES (?, ?, ?, ?, ?)",
            [
                (each.name, each.title(), each.publisher, each.official_url, licence)
                for each in sources.values()
            ],
        )
        for table in TABLES:
            fields = describe_schema(table)["fields"]
            columns = ", ".join(f'"{field["name"]}" {_TYPES.get(field["type"], "TEXT")}' for field in fields)
            made.execute(f"CREATE TABLE {table} ({columns})")
            insert = f"INSERT INTO {table} VALUES ({', '.join('?' * len(fields))})"  # noqa: S608 - own names
            for name in sources:
                for batch in _batches(iterate_table(conn, name, table, locate)):
                    made.executemany(insert, batch)
        for index in _INDEXES:
            made.execute(index)
        made.commit()


def _batches(records: Iterable[Record]) -> Iterator[list[tuple[Any, ...]]]:
    found = iter(records)
    while batch := [tuple(map(_plain, record.values())) for record in islice(found, _BATCH)]:
        yield batch


def _plain(value: Any) -> Any:
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return value
