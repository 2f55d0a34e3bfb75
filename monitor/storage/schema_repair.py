"""Repairs a database that is at the newest revision but differs from the table definitions.

That happens where a revision was edited after a database had it, as the first one was in November 2026, or
where somebody changed the database by hand. What is missing is added as the revisions would have made it;
what cannot be added is refused.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.schema import CreateColumn
from sqlalchemy.sql.schema import ScalarElementColumnDefault

# name of a table, name of a column, whether a row must give it a value
_COLUMNS = {
    "sqlite": 'SELECT m.name, p.name, p."notnull" AND p.dflt_value IS NULL AND NOT p.pk'
    " FROM sqlite_schema m JOIN pragma_table_xinfo(m.name) p WHERE m.type = 'table'",
    "postgresql": "SELECT c.relname, a.attname, a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''"
    " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
    " WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'"
    " AND a.attnum > 0 AND NOT a.attisdropped",
}
_INDEXES = {
    "sqlite": "SELECT name FROM sqlite_schema WHERE type = 'index'",
    "postgresql": "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()",
}


@dataclass(frozen=True, slots=True)
class SchemaDifferences:
    """Missing parts of a database, and differences that cannot be repaired, described for people."""

    tables: tuple[sa.Table, ...]
    columns: tuple[sa.Column[object], ...]
    indexes: tuple[sa.Index, ...]
    unmendable: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.tables or self.columns or self.indexes or self.unmendable)


def find_differences(conn: Connection) -> SchemaDifferences:
    """Compare the database with the tables, by names, in two statements.

    An extra column is a difference only if new rows would need a value for it. Other columns, tables and
    indexes that are not ours are left alone.
    """
    from monitor.storage.schema import metadata  # here: who imports `migrate` loads no table of people

    there: dict[str, dict[str, bool]] = defaultdict(dict)
    for table_name, column_name, required in conn.exec_driver_sql(_COLUMNS[conn.dialect.name]):
        there[table_name][column_name] = bool(required)
    index_names = set(conn.exec_driver_sql(_INDEXES[conn.dialect.name]).scalars())
    tables, columns, indexes, unmendable = [], [], [], []
    for table in metadata.sorted_tables:
        if table.name not in there:
            tables.append(table)
            continue
        for column in table.c:
            if column.name in there[table.name]:
                continue
            if column.primary_key or (not column.nullable and _value_for_old_rows(column, conn) is None):
                unmendable.append(f"the table {table.name} lacks the column {column.name}")
            else:
                columns.append(column)
        unmendable += [
            f"the table {table.name} has a column {name} that this program does not fill"
            for name, required in there[table.name].items()
            if required and name not in table.c
        ]
        indexes += [index for index in table.indexes if index.name not in index_names]
    return SchemaDifferences(tuple(tables), tuple(columns), tuple(indexes), tuple(unmendable))


def add_missing(conn: Connection, found: SchemaDifferences) -> list[str]:
    """Add tables, columns and indexes that are missing; returns what was added, as words for people."""
    for table in found.tables:
        table.create(conn)
    for column in found.columns:
        definition = CreateColumn(column).compile(dialect=conn.dialect).string
        if not column.nullable and column.server_default is None:
            definition += f" DEFAULT {_value_for_old_rows(column, conn)}"
        quote = conn.dialect.identifier_preparer.quote
        table_name = quote(column.table.name)
        conn.exec_driver_sql(f"ALTER TABLE {table_name} ADD COLUMN {definition}")
        # the default was only for existing rows
        if column.server_default is None and conn.dialect.name == "postgresql":
            conn.exec_driver_sql(f"ALTER TABLE {table_name} ALTER COLUMN {quote(column.name)} DROP DEFAULT")
    for index in found.indexes:
        index.create(conn)
    return [
        *(f"table {table.name}" for table in found.tables),
        *(f"column {column.table.name}.{column.name}" for column in found.columns),
        *(f"index {index.name}" for index in found.indexes),
    ]


def _value_for_old_rows(column: sa.Column[object], conn: Connection) -> str | None:
    """The SQL of what rows get that were written without a column; None when nothing stands for it."""
    if isinstance(column.server_default, sa.DefaultClause):
        argument = column.server_default.arg
        return argument if isinstance(argument, str) else str(argument.compile(dialect=conn.dialect))
    if isinstance(column.default, ScalarElementColumnDefault):
        value = sa.literal(column.default.arg, column.type)
        return str(value.compile(dialect=conn.dialect, compile_kwargs={"literal_binds": True}))
    return None
