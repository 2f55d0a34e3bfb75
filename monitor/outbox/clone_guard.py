"""The clone guard: a copied or restored database does not write to real people by itself.

A database gets its identity when it is first opened, and ``fence.json`` in the data folder contains it. Each
time deliveries are claimed, and once more when the last of them is settled, the database increments a count
and then the file is written with that count. An older database, or one without its folder, does not match its
file. A copy of the whole folder matches, so ``fence.json`` also names the instance: inode and time of the
last status change of a file that is never written again. No copy or restore preserves both; a recursive chown
or chmod, or a hard link, changes the time too. Host name, credentials and settings do not matter: a recreated
container on its own volume keeps sending.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from sqlalchemy.engine import Connection, Engine

from monitor.errors import FencedError, StoreError
from monitor.storage import database_facts
from monitor.storage.deliveries import send_mark
from monitor.storage.engine import reading, transaction

NAME = "fence.json"
INSTANCE = "instance"
"""The file whose inode and status change distinguish a data folder from its copies."""
_REMEDY = "run `monitor resume` and confirm to start sending"


@dataclass(frozen=True, slots=True)
class FenceState:
    """``reason``: why nothing may be sent, for the operator; None: the database belongs to its folder."""

    reason: str | None = None


@dataclass(frozen=True, slots=True)
class SendCount:
    """The content of ``fence.json``: which database sent from this folder, its count of sends, and the
    instance of the folder (None: written by a version without instances).
    """

    identity: str
    sends: int
    instance: str | None = None


def check(engine: Engine, folder: Path) -> FenceState:
    """Check that this database is the one that sent from this data folder, and not older than it was then."""
    try:
        noted, identity, sends = _load_counts(engine, folder)
        if noted is None and identity is not None:
            # the first start of another sender may have bound them in between, the file first
            noted, identity, sends = _load_counts(engine, folder)
    except (OSError, ValueError, KeyError, TypeError):
        return FenceState(f"{folder / NAME} cannot be read; {_REMEDY}")
    if identity is None and sends == 0 and (noted is None or noted.sends == 0):
        return FenceState()  # a new database
    if noted is None:
        return FenceState(
            f"this database was in use before, but not from {folder}: it looks like a copy; {_REMEDY}"
        )
    if noted.identity != identity:
        return FenceState(f"another database has sent from the folder {folder} before; {_REMEDY}")
    if noted.instance is not None and noted.instance != _read_instance(folder):
        return FenceState(
            f"{folder} looks copied or restored since it last sent, or its owner or permissions were changed;"
            f" {_REMEDY}"
        )
    if noted.sends > sends:
        return FenceState(
            f"this database is older than its last sends: it looks restored from a backup; {_REMEDY}"
        )
    return FenceState()


def _load_counts(engine: Engine, folder: Path) -> tuple[SendCount | None, str | None, int]:
    """Read the folder's file, then the database's identity and count of sends.

    In this order: another sender increments the database first, and its progress would look like a restore.
    """
    noted = _read(folder / NAME)
    with reading(engine) as conn:
        return noted, database_facts.load_identity(conn), send_mark.read(conn)


def bind_folder(engine: Engine, folder: Path) -> None:
    """Give a new database its identity and write it to its data folder, so that a copy elsewhere is
    recognized.

    Raises StoreError when the folder cannot be written.
    """
    with reading(engine) as conn:
        known = database_facts.load_identity(conn)
    if known is not None:
        _bind_instance(folder, known)
        return
    with transaction(engine) as conn:
        identity = database_facts.ensure_identity(conn)
        try:
            before = _read(folder / NAME)
        except (OSError, ValueError, KeyError, TypeError):
            return  # `check` reports it
        if before is None or before.sends == 0:
            # before the commit: after a crash in between, it is repeated
            _write(folder / NAME, SendCount(identity, send_mark.read(conn), _create_instance(folder)))


def _bind_instance(folder: Path, identity: str) -> None:
    """Write the instance to a folder that an earlier version of the program has bound."""
    try:
        noted = _read(folder / NAME)
    except (OSError, ValueError, KeyError, TypeError):
        return  # `check` reports it
    if noted is not None and noted.identity == identity and noted.instance is None:
        _write(folder / NAME, replace(noted, instance=_create_instance(folder)))


def allow_sending(engine: Engine, folder: Path, *, now: datetime) -> None:
    """Bind the database to this folder, after a person has seen what would be sent and confirmed it.

    A new epoch begins: the numbers of deliveries may have been used by the original or by a newer copy, and
    mail stores drop a Message-ID that they know.
    """
    instance = _create_instance(folder)
    with transaction(engine) as conn:
        earlier = [
            *_load_epochs(conn),
            (now.isoformat(), database_facts.get(conn, database_facts.EPOCH) or ""),
        ]
        database_facts.put(conn, database_facts.EARLIER_EPOCHS, json.dumps(earlier))
        database_facts.put(conn, database_facts.EPOCH, secrets.token_hex(8))
        noted = SendCount(database_facts.ensure_identity(conn), send_mark.read(conn), instance)
    _write(folder / NAME, noted)


class CloneGuard:
    """The clone guard of one running sender.

    ``series`` is part of every Message-ID: the database's identity, and the epoch that the last `monitor
    resume` began. ``earlier_series`` are the former ones, each with the time until which it was used.
    """

    def __init__(self, engine: Engine, folder: Path) -> None:
        """Bind a new database to the folder. Raises FencedError when this database may not send from it."""
        reason = check(engine, folder).reason
        if reason is not None:
            raise FencedError(reason)
        bind_folder(engine, folder)
        with reading(engine) as conn:
            self._identity = database_facts.load_identity(conn) or ""
            epoch = database_facts.get(conn, database_facts.EPOCH)
            earlier = _load_epochs(conn)
        self.series = self._make_series(epoch)
        self.earlier_series = tuple(
            (datetime.fromisoformat(until), self._make_series(then)) for until, then in earlier
        )
        self._instance = _create_instance(folder)
        self._path = folder / NAME
        self._sends = 0
        self._lock = threading.Lock()

    def _make_series(self, epoch: str | None) -> str:
        return f"{self._identity} {epoch}" if epoch else self._identity

    def advance(self, sends: int) -> None:
        """Write to the disk that the database has counted ``sends`` sends, before the first of them
        is sent.
        """
        with self._lock:
            if sends > self._sends:  # threads may arrive in a different order than their transactions
                _write(self._path, SendCount(self._identity, sends, self._instance))
                self._sends = sends


def _load_epochs(conn: Connection) -> list[tuple[str, str]]:
    """The epochs of sending before the present one, oldest first: (until, epoch)."""
    return [
        (until, epoch)
        for until, epoch in json.loads(database_facts.get(conn, database_facts.EARLIER_EPOCHS) or "[]")
    ]


def _read(path: Path) -> SendCount | None:
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    return SendCount(str(content["identity"]), int(content["sends"]), content.get("instance"))


def _read_instance(folder: Path) -> str | None:
    """Read the instance of a data folder; None without the instance file."""
    try:
        found = (folder / INSTANCE).stat()
    except OSError:
        return None
    return f"{found.st_ino}-{found.st_ctime_ns}"


def _create_instance(folder: Path) -> str:
    """Read the instance of a data folder, and create the instance file if it is missing.

    Raises StoreError.
    """
    path = folder / INSTANCE
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError), path.open("x", encoding="utf-8") as file:
            file.write("This file tells its folder from copies of it; leave it alone.\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written ({error.strerror}): check the data folder; nothing was sent"
        ) from None
    found = _read_instance(folder)
    assert found is not None
    return found


def _write(path: Path, noted: SendCount) -> None:
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with aside.open("w", encoding="utf-8") as file:
            json.dump({"identity": noted.identity, "sends": noted.sends, "instance": noted.instance}, file)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # a power cut could lose the rename otherwise
        finally:
            os.close(folder)
    except OSError as error:
        with suppress(OSError):  # the temporary file, or its folder, may not exist
            aside.unlink()
        raise StoreError(
            f"{path} cannot be written ({error.strerror}): check the data folder; nothing was sent"
        ) from None
