"""Connects alembic to the database: on the connection from `monitor.storage.migrate`, or on a developer's
own.
"""

from __future__ import annotations

import sqlmodel
from alembic import context
from sqlalchemy.engine import Connection

from monitor.storage import engine as db
from monitor.storage import schema


def render_type(kind: str, thing: object, _: object) -> str | bool:
    """Render the column types of `monitor.storage.schema` under that module's names."""
    if kind == "type" and isinstance(thing, schema.UtcDateTime | schema.Json | schema.BigId):
        return f"columns.{type(thing).__name__}()"
    if kind == "type" and isinstance(thing, sqlmodel.AutoString):
        return "sqlmodel.AutoString()"
    return False


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=schema.metadata,
        render_as_batch=True,  # SQLite cannot alter a table: alembic copies it
        render_item=render_type,
        # SQLite's DDL is transactional too if the driver does not manage transactions, as set up by
        # `monitor.storage.engine`.
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    engine = db.connect(context.config.get_main_option("sqlalchemy.url") or "")
    with db.transaction(engine) as own:
        run(own)
    engine.dispose()
