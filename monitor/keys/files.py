"""Key files: a master and the earlier keys, written as a whole or not at all."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from monitor.errors import KeyFileError

NAME = "monitor.key"
NEXT = "monitor.key.next"
"""The key file of a rotation in progress."""
MASTER_BYTES = 32
_COMMENT = (
    "# Encrypts the addresses in the database. Keep a copy apart from it: without this key they are lost."
)
_EARLIER = "earlier"
_LARGEST_FILE = 2**20  # bytes; every rotation adds a line of about 130


@dataclass(frozen=True, slots=True)
class Earlier:
    """What is kept of a replaced master. Until ``links_until`` every link that it signed works; after that
    only those that end something.
    """

    lookup: bytes = field(repr=False)
    token: bytes = field(repr=False)
    links_until: datetime


def write_new(path: Path, master: bytes | None = None, earlier: tuple[Earlier, ...] = ()) -> None:
    """Write a new key file; one that is there stays. Raises KeyFileError."""
    lines = [
        _COMMENT,
        _text(master or secrets.token_bytes(MASTER_BYTES)),
        *(
            f"{_EARLIER} {_text(each.lookup)} {_text(each.token)} {each.links_until.isoformat()}"
            for each in earlier
        ),
    ]
    try:
        write_secret(path, lines)
    except OSError as error:
        raise KeyFileError(
            f"the key file {path} cannot be created ({error.strerror}): check its folder"
        ) from None


def write_secret(path: Path, lines: Sequence[str], *, replace: bool = False) -> None:
    """Write a file of secrets aside, then into place: a reader sees the whole file, and without ``replace``
    one that is there stays. Raises OSError.
    """
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write("\n".join(lines) + "\n")
            file.flush()
            os.fsync(file.fileno())
        if replace:
            aside.replace(path)
        else:
            os.link(aside, path)
        flush(path.parent)
    except FileExistsError:
        pass  # another process was first; its key is the key
    finally:
        aside.unlink(missing_ok=True)


def flush(folder: Path) -> None:
    """Flush a folder: a new name is on the disk only after that."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read(path: Path) -> tuple[bytes, tuple[Earlier, ...]]:
    """Read the master and the earlier keys of a key file."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(_LARGEST_FILE)
    except FileNotFoundError:
        raise KeyFileError(
            f"the key file {path} is missing: put back the one that encrypted this database"
        ) from None
    except OSError as error:
        raise KeyFileError(f"the key file {path} cannot be read ({error.strerror})") from None
    if os.name == "posix" and mode & 0o077:
        raise KeyFileError(f"the key file can be read by others: run chmod 600 {path}")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(b"#")]
    try:
        first, *rest = lines
        return base64.b64decode(first, validate=True), tuple(_earlier(line) for line in rest)
    except (ValueError, binascii.Error):
        raise KeyFileError(f"the key file {path} does not hold a key: put the right file back") from None


def _earlier(line: bytes) -> Earlier:
    word, lookup, token, until = line.decode("ascii").split(" ")
    links_until = datetime.fromisoformat(until)
    if word != _EARLIER or links_until.tzinfo is None:
        raise ValueError
    return Earlier(
        base64.b64decode(lookup, validate=True), base64.b64decode(token, validate=True), links_until
    )


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode()


def mark(path: Path) -> object:
    """The identity of a file; it changes when another file takes its place."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
