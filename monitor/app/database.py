"""The database, the key file and the tombstones of one configuration."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from monitor.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

    from monitor.config import Settings
    from monitor.keys import KeyFile
    from monitor.subscribers import Tombstones


_LOOK_AGAIN = 1.0  # s, while another process migrates


def now() -> datetime:
    """The clock of the entry points."""
    return datetime.now(UTC)


def process_name() -> str:
    """The name of this process in heartbeats and leases."""
    return f"{os.uname().nodename}/{os.getpid()}"


def open_database(settings: Settings, *, create: bool = True) -> Engine:
    """Open the database, migrated to this program's revision, and bound to its data folder.

    Without ``create``, a database that does not exist or is empty is refused: a mistyped path would otherwise
    look like a service that has never polled. One of an earlier version is refused too, so that nobody
    upgrades a database by looking at it. Raises StoreError.
    """
    from monitor.errors import StoreError
    from monitor.outbox import clone_guard
    from monitor.storage.engine import connect
    from monitor.storage.migrate import upgrade

    if not create and (missing := describe_missing_database(settings)):
        raise StoreError(missing)
    engine = connect(settings.database_url)
    try:
        upgrade(
            engine,
            folder=settings.data.folder,
            now=now(),
            copies=settings.database.copy_before_upgrade,
            refuse_older=not create,
        )
        clone_guard.bind_folder(engine, settings.data.folder)
    except BaseException:
        engine.dispose()
        raise
    return engine


def describe_missing_database(settings: Settings) -> str | None:
    """Describe that the configured database is missing or empty, and what to do; None if it has tables. It
    never creates a SQLite file. Raises StoreError.
    """
    from monitor.storage import migrate
    from monitor.storage.engine import connect, describe_database, sqlite_file

    file = sqlite_file(settings.database_url)
    if file is None or _exists(file):
        engine = connect(settings.database_url)
        try:
            if migrate.load_revision(engine) is not None:
                return None
            name = describe_database(engine.url)
        finally:
            engine.dispose()
    else:
        name = f"the database {file}"
    return (
        f"{name} does not exist yet or is empty: check [database] url and [data] folder; `monitor init`, "
        "`monitor poll` and `monitor run` create it"
    )


def _exists(file: Path) -> bool:
    """Whether there is a file. Raises StoreError if its folder may not be looked into."""
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise StoreError(
            f"the database {file} cannot be opened ({error.strerror}): check the owner and permissions of its"
            " folder"
        ) from None
    return True


def read_keys(settings: Settings) -> KeyFile:
    """Read the existing key file, without a database. Raises KeyFileError."""
    from monitor.keys import KeyFile

    return KeyFile.load(settings.data.folder, create=False)


def open_site_database(settings: Settings, *, wait: timedelta | None = None) -> Engine:
    """Open the database for the site alone, by `Settings.site_database_url`.

    A role that may not read addresses may not migrate either: it waits until another process has migrated,
    for at most ``wait`` (None: the default time-out for migrations). Raises MigrationError.
    """
    from monitor.outbox import clone_guard
    from monitor.storage import grants, migrate
    from monitor.storage.engine import connect, reading

    engine = connect(settings.site_database_url)
    try:
        with reading(engine) as conn:
            complete = grants.may_read_addresses(conn)
        if complete:
            copies = settings.database.copy_before_upgrade
            migrate.upgrade(engine, folder=settings.data.folder, now=now(), copies=copies)
        else:
            _wait_for_migration(engine, migrate.WAIT if wait is None else wait)
        clone_guard.bind_folder(engine, settings.data.folder)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _wait_for_migration(engine: Engine, wait: timedelta) -> None:
    from monitor.errors import MigrationError
    from monitor.storage import migrate
    from monitor.subscribers.address_outlines import are_missing

    wanted, deadline = migrate.head(), time.monotonic() + wait.total_seconds()
    while (revision := migrate.load_revision(engine)) != wanted or are_missing(engine):
        if time.monotonic() >= deadline:
            raise MigrationError(
                f"the database is at revision {revision}, this program needs {wanted}, and the role of the "
                "site may not migrate it: start `monitor worker`, or run `monitor init`, with [database] url"
            )
        time.sleep(_LOOK_AGAIN)


def open_keys(settings: Settings, engine: Engine) -> KeyFile:
    """Open the key that encrypts addresses; it is created at the first start, but never if rows encrypted
    with another key exist.

    When another process exchanges it (`monitor key rotate`), this engine continues with the new one. Erasures
    that are newer than this copy of the database are applied again, and address columns that an earlier
    version did not store are filled in, except under a role that cannot read them. Raises KeyFileError.
    """
    from monitor.storage import grants
    from monitor.storage.engine import on_begin, transaction
    from monitor.storage.key_exchange import unlock
    from monitor.subscribers import reapply_erasures
    from monitor.subscribers.address_outlines import fill_outlines

    with transaction(engine) as conn:
        keys = unlock(conn, settings.data.folder)
        reads_addresses = grants.may_read_addresses(conn)
    on_begin(engine, keys.refresh)
    if reads_addresses:
        fill_outlines(engine, keys)
        reapply_erasures(engine, keys, open_tombstones(settings), now())
    return keys


def open_tombstones(settings: Settings) -> Tombstones:
    """Open the list of erasures, a file beside the database."""
    from monitor.subscribers import Tombstones

    return Tombstones(settings.data.folder)
