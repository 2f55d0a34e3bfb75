"""The types of the columns, partial indexes, and the names of the constraints."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlmodel import SQLModel

NAMING = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
SQLModel.metadata.naming_convention = NAMING
metadata = SQLModel.metadata


class _Columns:
    """A descriptor that returns the columns of a table class."""

    def __get__(self, row: object, owner: type[TableRow]) -> sa.ColumnCollection[str, sa.Column[Any]]:
        columns: sa.ColumnCollection[str, sa.Column[Any]] = sa.inspect(owner).local_table.c
        return columns


class TableRow(SQLModel):
    """The base of every table. ``c`` holds the table's columns, for queries: ``DeliveryRow.c.state``."""

    model_config = {"defer_build": True}  # rows are never validated

    c: ClassVar[_Columns] = _Columns()


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> sa.Index:
    """An index of the rows that fulfill ``where``, an SQL condition that SQLite and PostgreSQL read alike.

    The options that SQLAlchemy has for it load its module of either database, one of them for nothing.
    """
    return sa.Index(name, *columns, unique=unique, info={_WHERE: where})


_WHERE = "where"


@compiles(sa.schema.CreateIndex)
def _create_index(create: sa.schema.CreateIndex, compiler: Any, **options: Any) -> str:
    statement: str = compiler.visit_create_index(create, **options)
    where = create.element.info.get(_WHERE)
    return f"{statement} WHERE {where}" if where else statement


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware UTC datetime: ``timestamptz`` on PostgreSQL, microseconds since 1970 on SQLite. A naive value
    raises ValueError.

    SQLite has no type for times: as text each would take 26 bytes instead of 8, in its row and in every index
    on it.
    """

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        return sa.BigInteger() if dialect.name == "sqlite" else sa.DateTime(timezone=True)

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        return (value - _EPOCH) // _TICK if dialect.name == "sqlite" else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        at: datetime = _EPOCH + value * _TICK if dialect.name == "sqlite" else value.astimezone(UTC)
        return at


_EPOCH, _TICK = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


class Json(sa.types.TypeDecorator[Any]):
    """JSON in which None is SQL's NULL; plain `sa.JSON` stores the text ``null``."""

    impl = sa.JSON
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(none_as_null=True)


class BigId(sa.types.TypeDecorator[int]):
    """A 64-bit id: 600,000 deliveries a changeset would exhaust the 32 bits of PostgreSQL's INTEGER within
    years.

    SQLite's INTEGER has 64 bits, and increments automatically only with that type name.
    """

    impl = sa.BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        return sa.Integer() if dialect.name == "sqlite" else sa.BigInteger()
