"""Backups: written while the service runs, verified by opening them, and restored only on request.

A backup is a folder: ``monitor.db``, a SQLite file with every row, whichever database is used;
``erasures.txt``, the erasures up to then; ``manifest.json``, which lists the contents. So one format serves
SQLite and PostgreSQL, can be restored to either, and can be checked without a server. It contains no key: a
copied backup alone reveals no address.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from monitor import __version__
from monitor.errors import KeyFileError, StoreError, describe_os_error
from monitor.keys import NAME as KEY_NAME
from monitor.keys import KeyFile
from monitor.keys.key_file import read_fingerprint
from monitor.storage import database_facts, migrate, transfer
from monitor.storage import engine as db
from monitor.storage.database_copies import copy_file, merge_log
from monitor.storage.transfer import Progress, TableDigest
from monitor.subscribers import erasures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

DATABASE, ERASURES, MANIFEST = "monitor.db", erasures.NAME, "manifest.json"
_FORMAT = 1
_PREFIX = "monitor-backup-"
_TIME = "%Y%m%dT%H%M%SZ"
Steps = Callable[[str, int], Progress]
"""Begins a step with a number of rows; returns a function that counts them."""


@dataclass(frozen=True, slots=True)
class BackupManifest:
    """The contents of a backup.

    ``revision`` is the database's schema, ``key`` the fingerprint of the key that encrypts its addresses
    (None: there are none), ``files`` the SHA-256 of each file, ``tables`` the rows and digest of each table.
    """

    made_at: datetime
    version: str
    revision: str
    key: str | None
    files: dict[str, str]
    tables: dict[str, TableDigest]

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables.values())


def write_backup(
    engine: Engine, data: Path, to: Path, now: datetime, steps: Steps
) -> tuple[Path, BackupManifest]:
    """Write a backup folder below ``to`` and verify it; returns it and its manifest.

    Other processes can write meanwhile: the backup is a consistent snapshot. Raises StoreError; an unfinished
    backup is deleted.
    """
    folder = to / f"{_PREFIX}{now.astimezone(UTC).strftime(_TIME)}"
    aside = to / f".{folder.name}.part"
    try:
        to.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.exists():
            raise StoreError(f"{folder} exists already: wait a second or name another folder")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(mode=0o700)
        read = _write_database(engine, aside / DATABASE, steps)
        with suppress(FileNotFoundError):
            shutil.copyfile(data / ERASURES, aside / ERASURES)
            (aside / ERASURES).chmod(0o600)
        manifest = _describe(aside, now, steps)
        if read is not None and read != manifest.tables:
            raise StoreError("the backup did not keep the rows as they were: please report it")
        (aside / MANIFEST).write_text(_to_json(manifest), "utf-8")
        aside.rename(folder)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            f"the backup could not be written to {to} ({describe_os_error(error)}): "
            "name a folder that this user may write"
        ) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    with db.transaction(engine) as conn:
        database_facts.put(
            conn, database_facts.LAST_BACKUP, now.astimezone(UTC).isoformat(timespec="seconds")
        )
    return folder, manifest


def copy_database(engine: Engine, path: Path) -> None:
    """Copy the database to a new SQLite file, while the service runs. Raises StoreError."""
    path.touch(mode=0o600)
    try:
        _write_database(engine, path, lambda what, count: lambda done: None)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            f"the database could not be copied to {path.parent} ({describe_os_error(error)}): "
            "make room there, or let this user write"
        ) from None


def copy_keys(data: Path, to: Path) -> list[Path]:
    """Copy the key files of the data folder into another folder; returns the copies. Raises StoreError."""
    copies = []
    try:
        to.mkdir(mode=0o700, parents=True, exist_ok=True)
        for key in (data / KEY_NAME, data / "log.key"):
            if key.exists():
                copy = to / key.name
                copy.unlink(missing_ok=True)
                copy.touch(mode=0o600)
                copy.write_bytes(key.read_bytes())
                copies.append(copy)
    except OSError as error:
        raise StoreError(
            f"the keys could not be copied to {to} ({describe_os_error(error)}): "
            "name a folder that this user may write"
        ) from None
    return copies


def list_backups(folder: Path) -> list[Path]:
    """List the backups below a folder, oldest first; empty if there is no such folder."""
    return sorted(each for each in folder.glob(f"{_PREFIX}*") if (each / MANIFEST).is_file())


def delete_old_backups(to: Path, keep: int) -> list[Path]:
    """Delete all but the newest ``keep`` backups below ``to``; returns the deleted ones. Old backups contain
    people who have left.
    """
    old = list_backups(to)[:-keep]
    for folder in old:
        shutil.rmtree(folder)
    return old


def read_manifest(folder: Path) -> BackupManifest:
    """Read the manifest of a backup and compare the hash of each file. Raises StoreError."""
    try:
        content = json.loads((folder / MANIFEST).read_text("utf-8"))
        if content["format"] != _FORMAT:
            raise StoreError(f"{folder} was written by a newer version of this program: install that version")
        manifest = BackupManifest(
            made_at=datetime.fromisoformat(content["made_at"]),
            version=content["version"],
            revision=content["revision"],
            key=content["key"],
            files=content["files"],
            tables={name: TableDigest(**table) for name, table in content["tables"].items()},
        )
        for name, expected in manifest.files.items():
            if hash_file(folder / name) != expected:
                raise StoreError(f"{folder / name} is not as it was written: use another backup")
    except FileNotFoundError as error:
        raise StoreError(f"{folder} is not a whole backup: {error.filename} is missing") from None
    except OSError as error:
        raise StoreError(
            f"{error.filename} cannot be read ({describe_os_error(error)}): let this user read it"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StoreError(f"{folder / MANIFEST} is damaged: use another backup") from None
    if DATABASE not in manifest.files:
        raise StoreError(f"{folder / MANIFEST} names no {DATABASE}: use another backup")
    return manifest


def restore(folder: Path, target: Engine, data: Path, now: datetime, steps: Steps) -> BackupManifest:
    """Copy a backup into a migrated, unused database and merge its erasures into the data folder.

    The restored database sends nothing before `monitor resume`. Raises StoreError; KeyFileError when the key
    in the data folder is not the backup's.
    """
    manifest = read_manifest(folder)
    refuse_another_key(manifest, data)
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _opened_copy(folder / DATABASE, data, now) as source:
        with db.reading(source) as conn:
            rows = transfer.count_rows(conn)
        transfer.transfer(source, target, steps("restoring", 3 * rows))
    _merge_erasures(folder / ERASURES, data / ERASURES)
    return manifest


def refuse_another_key(manifest: BackupManifest, data: Path) -> None:
    """Raise KeyFileError when the key in the data folder cannot open the backup's addresses."""
    if manifest.key is None:
        return
    try:
        fingerprint = KeyFile.load(data, create=False).fingerprint
    except KeyFileError as error:
        raise KeyFileError(
            f"{error}; the backup needs the key {manifest.key}: copy that monitor.key to {data / KEY_NAME}"
        ) from None
    if fingerprint != manifest.key:
        raise KeyFileError(
            f"the backup's addresses are encrypted with the key {manifest.key}, and {data / KEY_NAME} is "
            f"{fingerprint}: copy the key of that time there"
        )


def hash_file(path: Path) -> str:
    """The SHA-256 of a file, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_database(engine: Engine, path: Path, steps: Steps) -> dict[str, TableDigest] | None:
    """Write the copy. Returns the digests of the rows that were read, None if SQLite itself copied
    the file.
    """
    original = db.sqlite_path(engine)
    if original is not None:
        count: Progress | None = None
        done = 0

        def progress(pages: int, of: int) -> None:
            nonlocal count, done
            count = count or steps("copying", of)
            count(pages - done)
            done = pages

        copy_file(original, path, progress)
        return None
    copy = db.connect(f"sqlite:///{path}")
    try:
        migrate.upgrade(copy, folder=path.parent, now=datetime.now(UTC))
        with db.reading(engine) as source:
            counted = steps("copying", transfer.count_rows(source))
            with db.transaction(copy) as target:
                transfer.copy_rows(source, target, counted)
            digests = transfer.compute_digests(source)
    finally:
        copy.dispose()
    merge_log(path)
    return digests


def _describe(folder: Path, now: datetime, steps: Steps) -> BackupManifest:
    """Open the written database and describe it."""
    path = folder / DATABASE
    engine = db.connect(f"sqlite:///{path}")
    try:
        with db.reading(engine) as conn:
            revision, key = migrate.load_revision(engine), read_fingerprint(conn)
            digests = transfer.compute_digests(conn, steps("verifying", transfer.count_rows(conn)))
    finally:
        engine.dispose()
    merge_log(path)
    assert revision is not None
    return BackupManifest(
        made_at=now.astimezone(UTC),
        version=__version__,
        revision=revision,
        key=key,
        files={name: hash_file(folder / name) for name in (DATABASE, ERASURES) if (folder / name).exists()},
        tables=digests,
    )


def _to_json(manifest: BackupManifest) -> str:
    content = {
        "format": _FORMAT,
        **asdict(manifest),
        "made_at": manifest.made_at.isoformat(timespec="seconds"),
    }
    return json.dumps(content, indent=1) + "\n"


@contextmanager
def _opened_copy(path: Path, data: Path, now: datetime) -> Iterator[Engine]:
    """Open a copy of a backup's database in a temporary folder in the data folder, at this program's
    revision: the backup itself may be read-only.
    """
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=data) as name:
        copy = Path(name) / DATABASE
        shutil.copyfile(path, copy)
        engine = db.connect(f"sqlite:///{copy}")
        try:
            migrate.upgrade(engine, folder=Path(name), now=now)
            yield engine
        finally:
            engine.dispose()


def _merge_erasures(source: Path, target: Path) -> None:
    """Merge the erasures of a backup into those of the data folder: neither list may be lost."""
    try:
        erased = source.read_text("ascii").splitlines()
    except FileNotFoundError:
        return
    known = set(target.read_text("ascii").splitlines()) if target.exists() else set()
    new = [entry for entry in erased if entry not in known]
    if new:
        target.touch(mode=0o600)
        with target.open("a", encoding="ascii") as file:
            file.write("".join(f"{entry}\n" for entry in new))
