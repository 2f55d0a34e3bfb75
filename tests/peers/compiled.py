"""Statements that are compiled once per test process, not once per test."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Engine
from sqlalchemy.util import LRUCache

_STATEMENTS = 20_000  # more than the suite has


def share_compiled_statements() -> None:
    """Let all engines of a process share their compiled statements, as the one engine of a service does.

    Nearly every test has an engine of its own, and compiling took a fifth of the suite's processor time.
    SQLAlchemy looks statements up by the dialect too; all dialects of a kind are made alike here.
    """
    for kind in (SQLiteDialect_pysqlite, PGDialect_psycopg):
        kind.__hash__ = _hash_kind  # type: ignore[assignment,method-assign]
        kind.__eq__ = _is_same_kind  # type: ignore[method-assign]
    create = sa.create_engine
    compiled: LRUCache[Any, Any] = LRUCache(_STATEMENTS)

    def create_sharing(*args: Any, **options: Any) -> Engine:
        engine = create(*args, **options)
        engine.update_execution_options(compiled_cache=compiled)
        return engine

    sa.create_engine = create_sharing


def _hash_kind(dialect: object) -> int:
    return hash(type(dialect))


def _is_same_kind(dialect: object, other: object) -> bool:
    return type(dialect) is type(other)
