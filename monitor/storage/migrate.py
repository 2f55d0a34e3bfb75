"""Migrates a database to this program's revision, or leaves it exactly as it was.

The revisions are alembic's, from the folder that is shipped with the program. All pending ones run in one
transaction, under a lock, after a verified copy of a SQLite file; both databases roll DDL back.
"""

from __future__ import annotations

import ast
import logging
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy.engine import Connection, Engine

from monitor.errors import MigrationError, StoreError
from monitor.storage import engine as db
from monitor.storage import grants, schema_repair
from monitor.storage.database_copies import copy_file, copy_tables, merge_log

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

log = logging.getLogger(__name__)

WAIT = timedelta(minutes=5)
"""How long a second process waits for the first to finish migrating."""
ADVISORY_LOCK = 0x6D6F6E69746F72  # "monitor": any number that no other program on the same server takes
_MARGIN = 16 * 2**20  # bytes that stay free whatever the size of the database
_TIME = "%Y%m%dT%H%M%SZ"
_SERVER = Path("monitor.db")
"""The name prefix of copies of a server's database."""


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """The result of `upgrade`: the revision before (None: the database was empty) and after, and the copy."""

    before: str | None
    after: str
    copy: Path | None = None

    @property
    def changed(self) -> bool:
        return self.before != self.after


def upgrade(
    engine: Engine,
    *,
    folder: Path,
    now: datetime,
    scripts: Path | None = None,
    free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    wait: timedelta = WAIT,
    copies: bool = True,
    refuse_older: bool = False,
) -> MigrationReport:
    """Migrate to `head`; several processes may call it at once and one does the work.

    ``folder`` takes the copy of the database as it was, a SQLite file whatever it is, unless ``copies`` is
    False on PostgreSQL; ``free`` returns the bytes free there, ``scripts`` is another folder of revisions.
    Raises MigrationError for a newer database, with ``refuse_older`` for one of an earlier version too, for
    too little room or a failed revision; the database is then as it was.
    """
    target = head(scripts)
    before = load_revision(engine)
    if before == target:
        if scripts is None:
            _repair(engine, wait)
        return MigrationReport(before, target)
    copy = None
    revisions = _revisions(scripts)
    if refuse_older and before is not None:
        _refuse_unknown(before, revisions, engine, folder)
        raise MigrationError(
            f"{db.describe_database(engine.url)} is of an earlier version of this program (revision "
            f"{before}; this one needs {target}): `monitor init` upgrades it after a copy, as a start of the "
            "service does"
        )
    try:
        with _alone(engine, wait), _migrating(engine, wait) as conn:
            before = _revision(conn)  # checked again, now that no other process can migrate it
            if before == target:
                return MigrationReport(before, target)
            _refuse_unknown(before, revisions, engine, folder)
            _refuse_site_role(conn, before)
            path = db.sqlite_path(engine)
            if before is not None and path is not None:
                copy = _copy(path, folder, before, now, free)
            elif before is not None and copies:
                copy = _copy_server(engine, folder, before, revisions, now, free)
            if copy is not None:
                log.info("copied the database to %s before migrating it", copy)
            _run(conn, revisions, target)
            if scripts is None:
                _add_missing(conn, engine)
            grants.renew_grants(conn)
    except MigrationError:
        _delete_unneeded(copy)
        raise
    except StoreError as error:
        _delete_unneeded(copy)
        raise MigrationError(f"{error}; the database is still at revision {before or 'none'}") from error
    # a revision is code and may raise anything; the transaction is rolled back and the operator must be told
    except Exception as error:
        _delete_unneeded(copy)
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise MigrationError(
            f"{db.describe_database(engine.url)} could not be brought from revision {before or 'none'} to "
            f"{target} and is as it was: {reason}"
        ) from error
    log.info("migrated the database from revision %s to %s", before, target)
    return MigrationReport(before, target, copy)


def _repair(engine: Engine, wait: timedelta) -> None:
    """Add parts that are missing in a database at the newest revision. Raises MigrationError."""
    with db.reading(engine) as conn:
        if not schema_repair.find_differences(conn):
            return
        _refuse_site_role(conn, head())
    try:
        with _alone(engine, wait), _migrating(engine, wait) as conn:
            _add_missing(conn, engine)
            grants.renew_grants(conn)
    except MigrationError:
        raise
    except StoreError as error:
        raise MigrationError(f"{error}; the database is as it was") from error


def _add_missing(conn: Connection, engine: Engine) -> None:
    found = schema_repair.find_differences(conn)
    if found.unmendable:
        raise MigrationError(
            f"{db.describe_database(engine.url)} is not what revision {head()} makes of it: "
            f"{'; '.join(found.unmendable)}. Restore a backup (`monitor restore`), or the copy "
            "that the last upgrade made in the data folder; nothing was changed"
        )
    if found:
        added = ", ".join(schema_repair.add_missing(conn, found))
        log.warning("the database lacked what its revision has, and got it: %s", added)


def _delete_unneeded(copy: Path | None) -> None:
    """Delete the copy of a failed migration: the database is unchanged, and a service that restarts in a loop
    would fill the disk with copies.
    """
    if copy is not None:
        copy.unlink(missing_ok=True)


def load_revision(engine: Engine) -> str | None:
    """The revision that the database is at; None when it has no tables of this program."""
    with db.reading(engine) as conn:
        return _revision(conn)


def head(scripts: Path | None = None) -> str:
    """The newest revision that this program knows, read without alembic, which takes 6 MB of memory and a
    tenth of a second that a start on a current database need not spend. Raises MigrationError.
    """
    return _packaged_head() if scripts is None else _read_head(scripts)


@cache
def _packaged_head() -> str:
    return _read_head(scripts_folder())


def _read_head(scripts: Path) -> str:
    """The revision that no other one follows."""
    found, followed = set(), set()
    for file in (scripts / "versions").glob("*.py"):
        given = _read_constants(file.read_text("utf-8"))
        found.add(given["revision"])
        followed.add(given["down_revision"])
    heads = found - followed
    if len(heads) != 1:
        raise MigrationError(f"{scripts} has {len(heads)} newest revisions instead of one")
    return str(heads.pop())


def _read_constants(program: str) -> dict[str, object]:
    """The names to which a program gives a constant at its top."""
    found: dict[str, object] = {}
    for statement in ast.parse(program).body:
        match statement:
            case ast.Assign([ast.Name(name)], ast.Constant(value)):
                found[name] = value
    return found


def scripts_folder() -> Path:
    """Where the revisions are: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "alembic"
    return installed if installed.is_dir() else package.parent / "alembic"


def _revisions(scripts: Path | None) -> ScriptDirectory:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(scripts or scripts_folder()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def _run(conn: Connection, revisions: ScriptDirectory, target: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(revisions.dir).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = conn
    command.upgrade(config, target)
    if conn.dialect.name == "sqlite":
        broken = conn.exec_driver_sql("PRAGMA foreign_key_check").first()
        if broken is not None:
            raise MigrationError(
                f"a row of {broken[0]} would point to no row of {broken[2]}; the database is as it was"
            )


def _revision(conn: Connection) -> str | None:
    if not sa.inspect(conn).has_table("alembic_version"):
        return None
    revision: str | None = conn.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return revision


@contextmanager
def _alone(engine: Engine, wait: timedelta) -> Iterator[None]:
    """Hold the migration lock of a SQLite database, a file next to it.

    PostgreSQL's is taken in the transaction itself.
    """
    path = db.sqlite_path(engine)
    if path is None:
        yield
        return
    lock = FileLock(path.with_name(path.name + ".migrate"), timeout=wait.total_seconds(), mode=0o600)
    try:
        lock.acquire()
    except Timeout:
        raise MigrationError(
            f"another program still migrates {db.describe_database(engine.url)}: let it finish, then try "
            "again"
        ) from None
    except OSError as error:
        raise MigrationError(
            f"{lock.lock_file} cannot be created ({error.strerror}): check its folder"
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _migrating(engine: Engine, wait: timedelta) -> Iterator[Connection]:
    """The one transaction of a migration.

    On SQLite foreign keys are off in it: batch mode replaces a table by a copy of itself, which would
    otherwise delete the rows that refer to the old one. The pragma works outside a transaction only.
    PostgreSQL alters tables in place.
    """
    if engine.dialect.name == "postgresql":
        with db.transaction(engine) as conn:
            conn.execute(sa.text(f"SET LOCAL lock_timeout = {int(wait / timedelta(milliseconds=1))}"))
            # ends with the transaction, also through a pooler and when this process is killed
            conn.execute(sa.text(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))
            yield conn
        return
    with db.explain_errors(engine), engine.connect().execution_options(**db.WRITING) as conn:
        driver = conn.connection.driver_connection
        assert driver is not None
        driver.execute("PRAGMA foreign_keys = OFF").close()
        try:
            with conn.begin():
                yield conn
        finally:
            driver.execute("PRAGMA foreign_keys = ON").close()


def _refuse_unknown(before: str | None, revisions: ScriptDirectory, engine: Engine, folder: Path) -> None:
    known = {script.revision for script in revisions.walk_revisions()}
    if before is None or before in known:
        return
    way_back = "install the newer version again"
    path = db.sqlite_path(engine)
    copies = _copies(path or _SERVER, folder, known)
    if copies and path is not None:
        way_back += f", or put the copy {copies[-1]}, made before it was upgraded, in the place of {path}"
    elif copies:
        way_back += f", or give [database] url the copy made before it was upgraded: sqlite:///{copies[-1]}"
    elif path is None:
        way_back += ", or restore the backup made before it was upgraded"
    raise MigrationError(
        f"{db.describe_database(engine.url)} belongs to a newer version of this program (revision {before}; "
        f"this one knows {revisions.get_current_head()}): {way_back}"
    )


def _refuse_site_role(conn: Connection, before: str | None) -> None:
    if not grants.may_read_addresses(conn):
        raise MigrationError(
            f"the database is at revision {before}, and the role of the site may not migrate it: start "
            "`monitor run` or `monitor worker`, or run `monitor init`, with [database] url"
        )


def _copies(path: Path, folder: Path, revisions: set[str]) -> list[Path]:
    """The copies that this program could open, oldest first."""
    found = []
    for copy in folder.glob(f"{path.stem}-*-*{path.suffix}"):
        revision, _, time = copy.stem.removeprefix(f"{path.stem}-").rpartition("-")
        if revision in revisions:
            found.append((time, copy))
    return [copy for _, copy in sorted(found)]


def forget_copies(engine: Engine, folder: Path, before: datetime) -> int:
    """Delete copies from before upgrades that are older than this: they still contain people who left since.
    Returns how many.
    """
    path = db.sqlite_path(engine) or _SERVER
    deleted = 0
    for copy in folder.glob(f"{path.stem}-*-*{path.suffix}"):
        with suppress(ValueError):  # not one of our copies
            made = datetime.strptime(copy.stem.rpartition("-")[2], _TIME).replace(tzinfo=UTC)
            if made < before:
                copy.unlink(missing_ok=True)
                deleted += 1
    return deleted


def _copy(path: Path, folder: Path, revision: str, now: datetime, free: Callable[[Path], int]) -> Path:
    """A consistent, checked and flushed copy, ``monitor-0001-20260101T120000Z.db``; the caller holds the
    write lock.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    size = sum(part.stat().st_size for part in (path, path.with_name(f"{path.name}-wal")) if part.exists())
    # for the copy, and as much again for the write-ahead log, because a revision may rewrite every table
    need, room = 2 * size + _MARGIN, free(folder)
    if room < need:
        raise MigrationError(
            f"the disk is too small to copy the database before migrating it: {need / 1e6:.0f} MB are "
            f"needed in {folder} "
            f"and {room / 1e6:.0f} MB are free; make room and start again, nothing was changed"
        )
    copy = folder / f"{path.stem}-{revision}-{now.astimezone(UTC).strftime(_TIME)}{path.suffix}"
    try:
        copy_file(path, copy)
    except (OSError, sqlite3.Error) as error:
        raise MigrationError(f"the copy {copy} could not be made ({error}); nothing was changed") from error
    return copy


def _copy_server(
    engine: Engine,
    folder: Path,
    revision: str,
    revisions: ScriptDirectory,
    now: datetime,
    free: Callable[[Path], int],
) -> Path:
    """Write a consistent copy of a PostgreSQL database as a SQLite file of its revision, which the matching
    version of the program can open.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with db.reading(engine) as source:
        size = source.scalar(sa.text("SELECT pg_database_size(current_database())")) or 0
        need, room = size + _MARGIN, free(folder)
        if room < need:
            raise MigrationError(
                f"the disk is too small to copy the database before migrating it: {need / 1e6:.0f} MB are "
                f"needed in {folder} and {room / 1e6:.0f} MB are free; make room, or make a backup of your "
                "own and set [database] copy_before_upgrade = false; nothing was changed"
            )
        name = f"{_SERVER.stem}-{revision}-{now.astimezone(UTC).strftime(_TIME)}{_SERVER.suffix}"
        part = folder / f".{name}.part"
        try:
            part.unlink(missing_ok=True)
            part.touch(mode=0o600)
            target = db.connect(f"sqlite:///{part}")
            try:
                with _migrating(target, WAIT) as conn:
                    _run(conn, revisions, revision)
                    copy_tables(source, conn)
            finally:
                target.dispose()
            merge_log(part)
            return part.rename(folder / name)
        except (OSError, ValueError, sqlite3.Error, StoreError, sa.exc.SQLAlchemyError) as error:
            raise MigrationError(
                f"the copy of the database could not be made ({error}); nothing was changed"
            ) from error
        finally:
            for rest in folder.glob(f"{part.name}*"):
                rest.unlink(missing_ok=True)
