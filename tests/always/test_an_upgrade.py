"""What must always hold, sentence 12: an upgrade migrates every old database, on SQLite and PostgreSQL, or
refuses and changes nothing.

From every past revision, with rows in it: `tests/storage/test_migrate.py`. Here the service's own start.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor import app
from monitor.errors import MigrationError
from monitor.storage import engine as db
from tests.outbox.world import HAMMOND, World
from tests.subscribers.town import settled


def rows(engine: Engine) -> dict[str, list[Any]]:
    found = sa.MetaData()
    with db.reading(engine) as conn:
        found.reflect(conn)
        return {table.name: list(conn.execute(sa.select(table))) for table in found.sorted_tables}


def test_an_upgrade_keeps_every_row_or_refuses_and_changes_nothing(
    world: World, database_url: str, tmp_path: Path
) -> None:
    settings = settled(tmp_path, database_url, 2525)
    app.open_database(settings).dispose()
    world.person("a@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    before = rows(world.engine)
    app.open_database(settings).dispose()  # a start of the same version
    assert rows(world.engine) == before

    version = sa.table("alembic_version", sa.column("version_num"))
    known = before["alembic_version"][0].version_num
    world.write(sa.update(version).values(version_num="of the future"))
    ahead = rows(world.engine)
    with pytest.raises(MigrationError, match="newer version"):
        app.open_database(settings)
    assert rows(world.engine) == ahead
    world.write(sa.update(version).values(version_num=known))  # the next test is given this database
    app.open_database(settings).dispose()
    assert rows(world.engine) == before
