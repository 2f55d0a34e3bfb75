"""Copies every row of one database into another, SQLite or PostgreSQL, and verifies that they are the same.

A table's digest is a sum over its rows, so that it does not depend on their order: the two databases sort
text differently.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from monitor.errors import StoreError
from monitor.storage import database_facts
from monitor.storage import engine as db
from monitor.storage.maintenance import refresh_statistics
from monitor.storage.schema import metadata

Progress = Callable[[int], None]
"""Called with the number of rows that were copied or read since the last call."""

_BATCH = 500  # rows held in memory at once
_LARGE_BATCH = 8  # the same for tables with whole publications
_ROOM = 2**256
_NOT_COPIED = frozenset({"heartbeat"})  # of processes that do not work on the other database
_ALWAYS_THERE = frozenset({"meta", "heartbeat", "progress", "log_head"})  # also in a database of no use yet


@dataclass(frozen=True, slots=True)
class TableDigest:
    """How many rows a table has, and the sum of their SHA-256 hashes modulo 2^256, as 64 hex digits."""

    rows: int
    digest: str


def tables() -> tuple[sa.Table, ...]:
    """The tables whose rows are copied; a table comes after those that its rows point to."""
    return tuple(table for table in metadata.sorted_tables if table.name not in _NOT_COPIED)


def count_rows(conn: Connection) -> int:
    """Count the rows that are copied."""
    return sum(
        conn.scalar(_copied(table).with_only_columns(sa.func.count(), maintain_column_froms=True)) or 0
        for table in tables()
    )


def is_unused(conn: Connection) -> bool:
    """Whether a database, migrated or not, holds nothing that a service has written."""
    present = set(sa.inspect(conn).get_table_names())
    return not any(
        conn.scalar(sa.select(sa.exists(sa.select(sa.literal(1)).select_from(table))))
        for table in tables()
        if table.name in present and table.name not in _ALWAYS_THERE
    )


def compute_digests(conn: Connection, progress: Progress = lambda _: None) -> dict[str, TableDigest]:
    """Read every row and compute the digest of each table, by name. The identity of the database is left out:
    a copy gets its own.
    """
    return {table.name: _digest(_read(conn, table), progress) for table in tables()}


def copy_rows(source: Connection, target: Connection, progress: Progress = lambda _: None) -> None:
    """Copy every row into a migrated, unused database, which gets an identity of its own.

    So the clone guard treats it as a copy, and nothing is sent from it before `monitor resume`.
    """
    for table in reversed(tables()):
        target.execute(sa.delete(table))
    for table in tables():
        for batch in _read(source, table):
            target.execute(sa.insert(table), [dict(row) for row in batch])
            progress(len(batch))
        _advance_sequence(target, table)
    database_facts.put(target, database_facts.IDENTITY, secrets.token_hex(16))


def transfer(source: Engine, target: Engine, progress: Progress = lambda _: None) -> dict[str, TableDigest]:
    """Copy every row in one transaction, read both sides again and compare them; returns the digests.

    The target must be migrated and unused. ``progress`` gets the rows copied and then those of both
    comparisons: three times `count_rows`. Raises StoreError, also when the two sides differ; the copied rows
    are then deleted again.
    """
    with db.reading(source) as reader:
        with db.transaction(target) as writer:
            if not is_unused(writer):
                raise StoreError(f"{db.describe_database(target.url)} is not empty: name an empty database")
            copy_rows(reader, writer, progress)
        before = compute_digests(reader, progress)
    with db.reading(target) as reader:
        after = compute_digests(reader, progress)
    differing = sorted(name for name in before if before[name] != after[name])
    if differing:
        delete_rows(target)
        raise StoreError(
            f"{db.describe_database(target.url)} did not keep the rows of {', '.join(differing)} as they "
            "were; they were deleted again, please report it"
        )
    refresh_statistics(target, metadata.sorted_tables)
    return before


def delete_rows(engine: Engine) -> None:
    """Delete every row of this program's tables."""
    with db.transaction(engine) as conn:
        for table in reversed(metadata.sorted_tables):
            conn.execute(sa.delete(table))


def _read(conn: Connection, table: sa.Table) -> Iterator[Sequence[sa.RowMapping]]:
    """Read a table in batches."""
    large = any(isinstance(column.type, sa.LargeBinary) for column in table.columns)
    size = _LARGE_BATCH if large else _BATCH
    rows = conn.execution_options(stream_results=True, max_row_buffer=size).execute(_copied(table))
    try:
        yield from rows.mappings().partitions(size)
    finally:
        rows.close()


def _copied(table: sa.Table) -> sa.Select[Any]:
    """The rows of a table that a copy gets: all but the identity of the database."""
    query = sa.select(table)
    return query.where(table.c.name != database_facts.IDENTITY) if table.name == "meta" else query


def _digest(batches: Iterator[Sequence[sa.RowMapping]], progress: Progress) -> TableDigest:
    count, total = 0, 0
    for batch in batches:
        for row in batch:
            text = json.dumps(
                {name: _plain(value) for name, value in row.items()}, sort_keys=True, ensure_ascii=True
            )
            total = (total + int.from_bytes(hashlib.sha256(text.encode()).digest())) % _ROOM
        count += len(batch)
        progress(len(batch))
    return TableDigest(count, f"{total:064x}")


def _plain(value: object) -> object:
    """Convert a value to JSON, the same for both databases."""
    match value:
        case bytes() | memoryview():
            return {"sha256": hashlib.sha256(value).hexdigest()}
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds")
        case None | bool() | int() | float() | str() | list() | dict():
            return value
    return str(value)


def _advance_sequence(conn: Connection, table: sa.Table) -> None:
    """Set PostgreSQL's sequence to the largest id that was copied."""
    if conn.dialect.name != "postgresql":
        return
    for column in table.primary_key.columns:
        sequence = conn.scalar(sa.select(sa.func.pg_get_serial_sequence(table.name, column.name)))
        largest = conn.scalar(sa.select(sa.func.max(column))) if sequence else None
        if largest is not None:
            conn.execute(sa.select(sa.func.setval(sequence, largest)))
