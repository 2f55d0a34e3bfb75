"""The key of a database, and its replacement."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy.engine import Connection, Engine

from monitor.errors import BusyError, KeyFileError
from monitor.keys.file_format import (
    NAME,
    NEXT,
    EarlierToken,
    KeyFileContent,
    derive_subkey,
    flush_folder,
    read,
    write_new,
)
from monitor.keys.key_file import FINGERPRINT, META, KeyFile, compute_hash, derive_subkeys, read_fingerprint
from monitor.storage.engine import reading

# not the encrypted columns, which the role of the site may not read
_subscriber = sa.table("subscriber", sa.column("address_hash"))
_suppression = sa.table("suppression", sa.column("address_hash"))
_signup = sa.table("signup", sa.column("id"))


def unlock(conn: Connection, folder: Path) -> KeyFile:
    """Open the key of this database: created for a new one, otherwise the key that encrypted it. Raises
    KeyFileError.
    """
    settle_rotation(conn, folder)
    keyfile = KeyFile.load(folder, create=not _holds_sealed(conn))
    with suppress(KeyFileError):  # `bind` refuses it if there is anything that needs another
        keyfile.refresh(conn)
    bind(conn, keyfile)
    return keyfile


def find_key_problem(engine: Engine, folder: Path) -> str | None:
    """Describe why the key file is not the one that this database needs, and what to do; None if it is, or if
    no key was created yet. It is read-only. Raises StoreError.
    """
    for last in (False, True):
        with reading(engine) as conn:
            wanted, sealed = read_fingerprint(conn), _holds_sealed(conn)
        if wanted is None and not sealed and not (folder / NAME).exists():
            return None
        try:
            KeyFile.load(folder, create=False)
            if wanted is None or wanted in _read_fingerprints(folder) or not sealed:
                return None
        except KeyFileError as error:
            return str(error)
        if last:
            break  # the first read may have been between the two steps of a rotation
    return f"the key in {folder / NAME} is not the one that encrypted this database: put that one back"


def _read_fingerprints(folder: Path) -> set[str]:
    """The fingerprints of the key in the folder, and of one whose rotation is in progress."""
    found = set()
    for name in (NAME, NEXT):
        with suppress(KeyFileError):
            found.add(derive_subkeys(read(folder / name)).fingerprint)
    return found


def bind(conn: Connection, keyfile: KeyFile) -> None:
    """Write the key's fingerprint into a database without encrypted rows. Raises KeyFileError if another key
    encrypted some.
    """
    if read_fingerprint(conn) == keyfile.fingerprint:
        return
    if _holds_sealed(conn):
        raise KeyFileError
    conn.execute(META.delete().where(META.c.name == FINGERPRINT, META.c.value != keyfile.fingerprint))
    conn.execute(
        sa.text("INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT (name) DO NOTHING"),
        {"name": FINGERPRINT, "value": keyfile.fingerprint},
    )
    if read_fingerprint(conn) != keyfile.fingerprint:  # another process was first, with another key
        raise KeyFileError


@contextmanager
def rotating(folder: Path) -> Iterator[None]:
    """Hold the lock for rotating the key in ``folder``. Raises BusyError at once when another process holds
    it.
    """
    try:
        with FileLock(folder / f"{NAME}.lock", timeout=0, mode=0o600):
            yield
    except Timeout:
        raise BusyError("another `monitor key rotate` is at work: let it finish") from None


@dataclass(frozen=True, slots=True)
class KeyExchange:
    """A key and its successor. ``new_lookup`` is the lookup key that the successor adds, if any."""

    old: KeyFile
    new: KeyFile
    new_lookup: bytes | None = field(default=None, repr=False)

    def reseal(self, channel: str, sealed: bytes) -> bytes:
        """Encrypt a value of the old key with the new one."""
        return self.new.seal(channel, self.old.open(channel, sealed))

    def rehash(self, hashed: str) -> str:
        """The hash under the new key for a hash of the old one."""
        return hashed if self.new_lookup is None else compute_hash(self.new_lookup, hashed)


def begin_rotation(folder: Path, links_until: datetime, *, leaked: bool = False) -> KeyExchange:
    """Read the current key, and write a new one beside it, which `finish_rotation` puts in its place.

    Links that the current key signed work until ``links_until``; those of earlier keys end. The lookup keys
    stay, unless they ``leaked`` too: then one more is added to the chain. The key of push messages also
    stays: browsers accept no messages signed with another key. Only within `rotating`, and after
    `finish_interrupted`: an existing new key counts as abandoned.
    """
    old = read(folder / NAME)
    new_lookup = secrets.token_bytes(32) if leaked else None
    new = KeyFileContent(
        KeyFileContent.generate().master,
        (*old.lookup_chain(), *([new_lookup] if new_lookup else ())),
        (
            *(replace(token, links_until=min(token.links_until, links_until)) for token in old.tokens),
            EarlierToken(derive_subkey(old.master, "token"), links_until),
        ),
        old.push_secret(),
    )
    (folder / NEXT).unlink(missing_ok=True)
    write_new(folder / NEXT, new)
    return KeyExchange(KeyFile.of_content(old), KeyFile.of_content(new), new_lookup)


def block_key_readers(conn: Connection) -> None:
    """Wait until every transaction that has read the key (`KeyFile.refresh`) is over, and block new ones
    until this one ends.

    SQLite has one writer anyway. On PostgreSQL a read leaves a lock on the table until its transaction ends.
    Raises StoreError if another transaction, such as a backup, holds it for longer than 10 s.
    """
    if conn.dialect.name == "postgresql":
        conn.execute(sa.text("SET LOCAL lock_timeout = '10s'"))
        conn.execute(sa.text("LOCK TABLE meta IN ACCESS EXCLUSIVE MODE"))
        conn.execute(sa.text("SET LOCAL lock_timeout = DEFAULT"))


def rebind(conn: Connection, keyfile: KeyFile) -> None:
    """Replace the key's fingerprint: everything in this database is encrypted with it now."""
    conn.execute(META.delete().where(META.c.name == FINGERPRINT))
    conn.execute(META.insert().values(name=FINGERPRINT, value=keyfile.fingerprint))


def finish_rotation(folder: Path) -> None:
    """Move the new key into place: from here on only it opens the database."""
    (folder / NEXT).replace(folder / NAME)
    flush_folder(folder)


def settle_rotation(conn: Connection, folder: Path) -> None:
    """Finish a rotation that was interrupted after the database had its new key; one in progress finishes
    itself.
    """
    if (folder / NEXT).exists():
        with suppress(BusyError), rotating(folder):
            finish_interrupted(conn, folder)


def finish_interrupted(conn: Connection, folder: Path) -> None:
    """Finish an interrupted rotation whose new key the database has already. Call it within `rotating`."""
    if (folder / NEXT).exists() and derive_subkeys(read(folder / NEXT)).fingerprint == read_fingerprint(conn):
        finish_rotation(folder)


def _holds_sealed(conn: Connection) -> bool:
    """Whether any row needs the key. Suppressions do: with another key they would not be found."""
    sealed = sa.exists(sa.select(_subscriber.c.address_hash).where(_subscriber.c.address_hash.is_not(None)))
    hashed = sa.exists(sa.select(_suppression.c.address_hash))
    waiting = sa.exists(sa.select(_signup.c.id))
    return bool(conn.scalar(sa.select(sa.or_(sealed, hashed, waiting))))
