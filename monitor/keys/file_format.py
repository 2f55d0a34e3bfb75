"""Key files: a master, lookup keys and earlier token keys, written atomically."""

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

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from monitor.errors import KeyFileError

NAME = "monitor.key"
NEXT = "monitor.key.next"
"""The key file of a rotation in progress."""
MASTER_BYTES = 32
_COMMENT = (
    "# Encrypts the addresses in the database. Keep a copy apart from it: without this key they are lost."
)
_LARGEST_FILE = 2**20  # bytes; every rotation adds a line of about 90


@dataclass(frozen=True, slots=True)
class EarlierToken:
    """The token key of a replaced master. Until ``links_until`` every link that it signed works; after that,
    only links that end something.
    """

    key: bytes = field(repr=False)
    links_until: datetime


@dataclass(frozen=True, slots=True)
class KeyFileContent:
    """The content of a key file.

    ``lookups``: the lookup keys, oldest first; a lookup is a chain through all of them, and only ``monitor
    key rotate --leaked`` adds one. If empty, the key derived from ``master`` is used, as in a file that was
    never rotated. ``tokens``: the token keys of replaced masters, oldest first. ``push``: the secret of the
    key that signs push messages; if empty, it is derived, like ``lookups``.
    """

    master: bytes = field(repr=False)
    lookups: tuple[bytes, ...] = field(default=(), repr=False)
    tokens: tuple[EarlierToken, ...] = ()
    push: bytes = field(default=b"", repr=False)

    @classmethod
    def generate(cls) -> KeyFileContent:
        """Create content with a new random master."""
        return cls(secrets.token_bytes(MASTER_BYTES))

    def lookup_chain(self) -> tuple[bytes, ...]:
        """The effective lookup keys, oldest first."""
        return self.lookups or (derive_subkey(self.master, "lookup"),)

    def push_secret(self) -> bytes:
        """The effective secret of the key that signs push messages."""
        return self.push or derive_subkey(self.master, "push")


def derive_subkey(master: bytes, use: str) -> bytes:
    """Derive the key of a master for one use, by HKDF (RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"map-monitor/{use}".encode()).derive(master)


def write_new(path: Path, content: KeyFileContent) -> None:
    """Write a new key file; an existing one is kept. Raises KeyFileError."""
    try:
        write_secret(
            path,
            [
                _COMMENT,
                _text(content.master),
                *(f"lookup {_text(key)}" for key in content.lookups),
                *(f"token {_text(token.key)} {token.links_until.isoformat()}" for token in content.tokens),
                *([f"push {_text(content.push)}"] if content.push else []),
            ],
        )
    except OSError as error:
        raise KeyFileError(
            f"the key file {path} cannot be created ({error.strerror}): check its folder"
        ) from None


def write_secret(path: Path, lines: Sequence[str], *, replace: bool = False) -> None:
    """Write a file of secrets to a temporary name, then move it into place: a reader sees the whole file.
    Without ``replace``, an existing file is kept. Raises OSError.
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
        flush_folder(path.parent)
    except FileExistsError:
        pass  # another process was first, and its key is used
    finally:
        aside.unlink(missing_ok=True)


def flush_folder(folder: Path) -> None:
    """Flush a folder: a new name is on the disk only after that."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read(path: Path) -> KeyFileContent:
    """Read a key file, also one of version 0.1.0. Raises KeyFileError."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(_LARGEST_FILE)
    except FileNotFoundError:
        raise KeyFileError(
            f"the key file {path} is missing: put back the one that encrypted this database"
        ) from None
    except OSError as error:
        raise KeyFileError(
            f"the key file {path} cannot be read ({error.strerror}): check its owner and permissions"
        ) from None
    if os.name == "posix" and mode & 0o077:
        raise KeyFileError(f"the key file can be read by others: run chmod 600 {path}")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(b"#")]
    try:
        first, *rest = (line.decode("ascii") for line in lines)
        return _parse(_key(first), [line.split(" ") for line in rest])
    except (ValueError, binascii.Error):
        raise KeyFileError(f"the key file {path} does not hold a key: put the right file back") from None


def _parse(master: bytes, lines: Sequence[Sequence[str]]) -> KeyFileContent:
    """Parse the lines of a key file. Raises ValueError.

    Version 0.1.0 added a lookup key with every rotation: ``earlier LOOKUP TOKEN TIME``. The lookup key of
    such a file's master is the last of its chain.
    """
    lookups: list[bytes] = []
    tokens: list[EarlierToken] = []
    push = b""
    of_first_version = False
    for line in lines:
        match line:
            case ["lookup", lookup]:
                lookups.append(_key(lookup))
            case ["token", token, until]:
                tokens.append(EarlierToken(_key(token), _time(until)))
            case ["push", secret]:
                push = _key(secret)
            case ["earlier", lookup, token, until]:
                of_first_version = True
                lookups.append(_key(lookup))
                tokens.append(EarlierToken(_key(token), _time(until)))
            case _:
                raise ValueError
    if of_first_version:
        lookups.append(derive_subkey(master, "lookup"))
    return KeyFileContent(master, tuple(lookups), tuple(tokens), push)


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError
    return time


def _key(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode()


def identify_file(path: Path) -> object:
    """The identity of a file; it changes when another file takes its place."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
