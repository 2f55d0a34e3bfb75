"""The fence: a copied or restored database does not write to real people by itself.

A database gets its identity when it is first opened, and ``fence.json`` in the data folder names it. Each time deliveries are claimed,
and once more when the last of them is settled, the database counts its mark up and then the file is written with that mark. Whoever
brings an older database, or one without its folder, has a pair that does not fit. Host name, credentials and tuning are outside: a
recreated container on its own volume goes on.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import Engine

from monitor.errors import FencedError, StoreError
from monitor.storage import meta
from monitor.storage.deliveries import send_mark
from monitor.storage.engine import reading, transaction

NAME = "fence.json"
_WAY_OUT = "run `monitor resume` and confirm to start sending"


@dataclass(frozen=True, slots=True)
class FenceState:
    """``reason`` why nothing may be sent, in words for the operator; None: the database and its folder belong together."""

    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """What ``fence.json`` says: which database sent from here, and how far it was."""

    identity: str
    sends: int


def check(engine: Engine, folder: Path) -> FenceState:
    """Whether this database is the one that sent from this data folder, and not older than it was then."""
    with reading(engine) as conn:
        identity, sends = meta.known_identity(conn), send_mark.read(conn)
    try:
        mark = _read(folder / NAME)
    except (OSError, ValueError, KeyError, TypeError):
        return FenceState(f"{folder / NAME} cannot be read; {_WAY_OUT}")
    if identity is None and sends == 0 and (mark is None or mark.sends == 0):
        return FenceState()  # nobody has opened it yet
    if mark is None:
        return FenceState(
            f"this database was in use before, but not from {folder}: it looks like a copy; {_WAY_OUT}"
        )
    if mark.identity != identity:
        return FenceState(f"another database has sent from {folder} before; {_WAY_OUT}")
    if mark.sends > sends:
        return FenceState(
            f"this database is older than its last sends: it looks restored from a backup; {_WAY_OUT}"
        )
    return FenceState()


def settle_in(engine: Engine, folder: Path) -> None:
    """Give a database that has none its identity, and name it in its data folder: a copy elsewhere is known for one from then on.

    Raises StoreError when the folder cannot be written.
    """
    with reading(engine) as conn:
        if meta.known_identity(conn) is not None:
            return
    with transaction(engine) as conn:
        identity = meta.identity(conn)
        try:
            before = _read(folder / NAME)
        except (OSError, ValueError, KeyError, TypeError):
            return  # `check` says so
        if before is None or before.sends == 0:
            # before the commit: after a crash in between this is done again
            _write(folder / NAME, Mark(identity, send_mark.read(conn)))


def lift(engine: Engine, folder: Path) -> None:
    """A person has seen what would be sent and said yes: from now on this database belongs to this folder."""
    with transaction(engine) as conn:
        mark = Mark(meta.identity(conn), send_mark.read(conn))
    _write(folder / NAME, mark)


class CloneGuard:
    """The fence of one running sender."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        """Raises FencedError when this database may not send from here."""
        reason = check(engine, folder).reason
        if reason is not None:
            raise FencedError(reason)
        settle_in(engine, folder)
        with reading(engine) as conn:
            self.identity = meta.known_identity(conn) or ""
        self._path = folder / NAME
        self._sends = 0
        self._lock = threading.Lock()

    def advance(self, sends: int) -> None:
        """Note beside the database, flushed to the disk, that it has counted up to ``sends``; before the first of them leaves."""
        with self._lock:
            if sends > self._sends:  # threads may come in another order than their transactions did
                _write(self._path, Mark(self.identity, sends))
                self._sends = sends


def _read(path: Path) -> Mark | None:
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    return Mark(str(content["identity"]), int(content["sends"]))


def _write(path: Path, mark: Mark) -> None:
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with aside.open("w", encoding="utf-8") as file:
            json.dump({"identity": mark.identity, "sends": mark.sends}, file)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # or the rename itself may be lost with the power
        finally:
            os.close(folder)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise StoreError(
            f"{path} cannot be written ({error.strerror}): check the data folder; nothing was sent"
        ) from None
