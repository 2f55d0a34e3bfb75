"""An upgrade from version 0.1.0 with three years behind it: `python -m benchmarks.upgrade [--postgres]`.

Two lists of 2,616 agencies, polled hourly for three years, with a changed body every twelve hours and people
who got messages. The rows are written into the tables of today and copied, column by column, into a database
of revision 0001; the upgrade is then what `monitor run` does at its start: the verified copy (SQLite), the
revisions in one transaction, and the outlines of addresses.
"""

from __future__ import annotations

import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from benchmarks.outbox import NUMBERS
from monitor.keys import KeyFile
from monitor.storage import migrate, schema
from monitor.storage.engine import connect, reading, sqlite_path, transaction
from monitor.subscribers.address_outlines import fill_outlines
from tests.peers.postgres import Postgres
from tests.storage.test_migrate import scripts_at
from tests.web import past

NOW = datetime(2026, 6, 1, 13, 0, tzinfo=UTC)
PEOPLE, DELIVERIES = 20_000, 400_000
BODIES, BODY_BYTES = 2 * 2_190, 126_000
"""Two lists, 730 changed publications a year, as version 0.1.0 stored them: each whole, compressed."""
KEYS = KeyFile.of_master(bytes(range(32)))
BEFORE = NOW - timedelta(days=300)
_BATCH = 5_000
_NOW = sa.bindparam("now", BEFORE, schema.UtcDateTime())


def copy_past(source: Engine, old: Engine) -> int:
    """Copy every row into the tables and columns that the old database has; returns how many rows."""
    there, copied = sa.MetaData(), 0
    there.reflect(old)
    for table in schema.metadata.sorted_tables:
        if table.name not in there.tables or table.name in {"meta", "progress"}:
            continue
        shared = [name for name in there.tables[table.name].c.keys() if name in table.c]  # noqa: SIM118
        typed = sa.table(table.name, *(sa.column(name, table.c[name].type) for name in shared))
        with reading(source) as reader, transaction(old) as writer:
            for batch in reader.execute(sa.select(*(table.c[name] for name in shared))).partitions(_BATCH):
                writer.execute(sa.insert(typed), [dict(zip(shared, row, strict=True)) for row in batch])
                copied += len(batch)
    return copied


def write_bodies(old: Engine) -> None:
    """Write bodies that cannot be compressed further, as those of 0.1.0 could not."""
    with transaction(old) as conn:
        for first in range(0, BODIES, 100):
            rows = [
                {"hash": secrets.token_hex(32), "content": secrets.token_bytes(BODY_BYTES), "now": BEFORE}
                for _ in range(min(100, BODIES - first))
            ]
            conn.execute(
                sa.text(
                    "INSERT INTO body (hash, encoding, size, content, at)"
                    " VALUES (:hash, 'gzip', 1700000, :content, :now)"
                ).bindparams(_NOW),
                rows,
            )


def write_people(old: Engine) -> None:
    """Write people who follow a ZIP, and what was sent to them."""
    numbers = NUMBERS[old.dialect.name]
    with transaction(old) as conn:
        for first in range(0, PEOPLE, _BATCH):
            conn.execute(
                sa.text(
                    "INSERT INTO subscriber (id, channel, address, address_hash, state, origin, language,"
                    " frequency, nonce, created_at, strikes, receipts) VALUES (:id, 'email', :sealed,"
                    " :hashed, 'active', 'site', 'en', 'at_once', :nonce, :now, 0, true)"
                ).bindparams(_NOW),
                [
                    {
                        "id": number,
                        "sealed": KEYS.seal("email", f"p{number}@d{number % 500}.example"),
                        "hashed": KEYS.lookup("email", f"p{number}@d{number % 500}.example"),
                        "nonce": secrets.token_hex(16),
                        "now": BEFORE,
                    }
                    for number in range(first + 1, first + _BATCH + 1)
                ],
            )
        conn.execute(
            sa.text(
                "INSERT INTO subscription (subscriber_id, source, place, within, created_at)"
                f" {numbers} SELECT n, 'list0', '' || (10000 + n % 40000), 'TX', :now FROM numbers"
            ).bindparams(_NOW),
            {"n": PEOPLE, "now": BEFORE},
        )
        conn.execute(
            sa.text(
                "INSERT INTO delivery (kind, changeset_id, subscriber_id, state, created_at, due_at,"
                f" attempts, ambiguous, settled_at) {numbers} SELECT 'alert', 1 + n / {PEOPLE},"
                f" 1 + n % {PEOPLE}, 'sent', :now, :now, 1, false, :now FROM numbers"
            ).bindparams(_NOW),
            {"n": DELIVERIES, "now": BEFORE},
        )


def measure_size(engine: Engine) -> float:
    """The size of a database, in MB."""
    path = sqlite_path(engine)
    if path is None:
        with reading(engine) as conn:
            size: Any = conn.scalar(sa.text("SELECT pg_database_size(current_database())"))
        return float(size) / 1e6
    return sum(part.stat().st_size for part in path.parent.glob(f"{path.name}*") if part.is_file()) / 1e6


@contextmanager
def opened(folder: Path, server: Postgres | None) -> Iterator[Engine]:
    """An empty database."""
    engine = connect(server.create("upgraded") if server else f"sqlite:///{folder / 'old' / 'monitor.db'}")
    yield engine
    engine.dispose()
    if server:
        server.drop("upgraded")


def run(folder: Path, past_rows: Engine, server: Postgres | None) -> None:
    """Make the old database and upgrade it; prints a line of the table."""
    with opened(folder, server) as old:
        migrate.upgrade(old, folder=folder, now=NOW, scripts=scripts_at(folder / "scripts", "0001"))
        rows = copy_past(past_rows, old) + BODIES + 2 * PEOPLE + DELIVERIES
        write_bodies(old)
        write_people(old)
        old.dispose()  # a WAL is folded into its file
        before = measure_size(old)
        began = time.perf_counter()
        report = migrate.upgrade(old, folder=folder, now=NOW)
        migrated = time.perf_counter() - began
        began = time.perf_counter()
        filled = fill_outlines(old, KEYS)
        outlines = time.perf_counter() - began
        assert filled == PEOPLE
        old.dispose()
        print(
            f"| {old.dialect.name} | {rows:,} rows, {before:,.0f} MB | {report.before} to {report.after} | "
            f"{migrated:.1f} s | {outlines:.1f} s | {measure_size(old):,.0f} MB |",
            flush=True,
        )


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        folder.chmod(0o711)
        past_rows = connect(f"sqlite:///{folder / 'past.db'}")
        migrate.upgrade(past_rows, folder=folder, now=NOW)
        past.write_past(past_rows, lists=2, days=past.THREE_YEARS)
        print("| database | of 0.1.0 | revisions | upgrade, with the copy | outlines | size after |")
        print("|---|---|---|---|---|---|")
        (folder / "old").mkdir()
        run(folder, past_rows, None)
        if "--postgres" in sys.argv:
            server = Postgres(folder / "postgres")
            server.start()
            try:
                (folder / "again").mkdir()
                run(folder / "again", past_rows, server)
            finally:
                server.stop()
        past_rows.dispose()


if __name__ == "__main__":
    main()
