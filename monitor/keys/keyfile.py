"""`KeyFile`: the subkeys of one master, and the change to another."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy.engine import Connection

from monitor.errors import KeyFileError
from monitor.keys.files import MASTER_BYTES, NAME, NEXT, Earlier, mark, read, write_new

# keys stands beside tables, not above it: these are the few columns that it has to see
META = sa.table("meta", sa.column("name"), sa.column("value"))
FINGERPRINT = "key fingerprint"
_NAMED = sa.select(META.c.value).where(META.c.name == FINGERPRINT)  # every transaction asks it
_NONCE_BYTES = 12  # what AES-GCM is specified for (NIST SP 800-38D, 5.2.1.1)
_OPENING = 3  # address keys from before that a process keeps in its memory
_VERSION = b"\x01"  # of the sealed form, its first byte


@dataclass(frozen=True, slots=True)
class Subkeys:
    """The subkeys of one key file. ``opening`` are the address keys that this process knew before."""

    fingerprint: str
    token: bytes
    address: bytes
    lookups: tuple[bytes, ...]
    earlier: tuple[Earlier, ...] = ()
    opening: tuple[bytes, ...] = field(compare=False, default=())


class KeyFile:
    """The subkeys of the current master, also after another process replaced it, if `refresh` is called as it
    says.
    """

    def __init__(self, own: Subkeys, path: Path | None = None, seen: object = None) -> None:
        self._own = own  # replaced as a whole: threads see one key or the other
        self._path, self._seen = path, seen

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeyFile) and self._own == other._own

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def load(cls, folder: Path, *, create: bool) -> KeyFile:
        """Read ``monitor.key`` in ``folder``; with ``create`` make an absent one.

        Raises KeyFileError for an absent, unreadable or malformed file and for one that others can read. Two
        processes that create at once end with the same key.
        """
        path = folder / NAME
        if create and not path.exists():
            write_new(path)
        seen = mark(path)
        return cls(derive(*read(path)), path, seen)

    @classmethod
    def derived(cls, master: bytes, earlier: tuple[Earlier, ...] = ()) -> KeyFile:
        """The subkeys of a master of 32 bytes, with ``earlier`` ones, oldest first."""
        return cls(derive(master, earlier))

    @property
    def fingerprint(self) -> str:
        """The fingerprint: names the key and reveals nothing about it."""
        return self._own.fingerprint

    @property
    def token_key(self) -> bytes:
        """The key that signs new tokens."""
        return self._own.token

    @property
    def first_token_key(self) -> bytes:
        """The first token key there was, for what must stay the same after a rotation and grants nothing."""
        return self._own.earlier[0].token if self._own.earlier else self._own.token

    def trusted_token_keys(self, now: datetime | None) -> tuple[bytes, ...]:
        """The keys whose tokens are valid at ``now``; None: all, for tokens that only end something."""
        kept = (each.token for each in self._own.earlier if now is None or now < each.links_until)
        return (self._own.token, *kept)

    def seal(self, channel: str, address: str) -> bytes:
        """Encrypt an address with AES-256-GCM under a random nonce; only this channel can decrypt it."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _VERSION + nonce + AESGCM(self._own.address).encrypt(nonce, address.encode(), channel.encode())

    def open(self, channel: str, sealed: bytes) -> str:
        """Decrypt an address. Raises KeyFileError if another key or channel encrypted it."""
        version, nonce, ciphertext = sealed[:1], sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        if version != _VERSION or len(ciphertext) < 16:
            raise KeyFileError("an address was sealed by a newer version of the program, or is damaged")
        own = self._own
        for key in (own.address, *own.opening):  # what was read before a rotation may be opened after it
            try:
                return AESGCM(key).decrypt(nonce, ciphertext, channel.encode()).decode()
            except InvalidTag:
                continue
        raise KeyFileError

    def lookup(self, channel: str, address: str) -> str:
        """The keyed hash (HMAC-SHA256, 64 hex digits) under which a text is found.

        ``address`` is hashed as it is: `channels.kinds.lookup` gives the spelling that its channel compares.
        """
        return self.carried(self.first_lookup(channel, address))

    def first_lookup(self, channel: str, address: str) -> str:
        """The hash under the first look-up key: it survives every rotation, for what lies outside the
        database.
        """
        return _hashed(self._own.lookups[0], f"{channel}\0{address}")

    def carried(self, first: str) -> str:
        """Today's hash for a hash of `first_lookup`."""
        return self.stages(first)[-1]

    def stages(self, first: str) -> tuple[str, ...]:
        """Every hash that a hash of `first_lookup` became: those of older copies of the database, and
        today's.
        """
        found = [first]
        for key in self._own.lookups[1:]:
            found.append(_hashed(key, found[-1]))
        return tuple(found)

    def succeeded(self, hashed: str) -> str:
        """The hash under this key for a hash of the key before it."""
        return _hashed(self._own.lookups[-1], hashed)

    def refresh(self, conn: Connection | None) -> None:
        """Change to another key if a rotation has replaced this one. Called at the start of every
        transaction.

        With a connection, the database names its key, until the transaction ends. Raises KeyFileError if the
        file is not that key, as on a second machine without a copy. Without a connection, for readers, a look
        at the file must do.
        """
        if self._path is None:
            return
        if conn is not None:
            name = named(conn)
            if name is not None and name != self.fingerprint:
                self._become(_fitting(self._path.parent, name))
            return
        seen = mark(self._path)
        if seen == self._seen:
            return
        with suppress(KeyFileError):  # the next writer gets the error
            found = derive(*read(self._path))
            if any(each.token == self.token_key for each in found.earlier):
                self._become(found)
        self._seen = seen

    def _become(self, found: Subkeys) -> None:
        own = self._own
        self._own = replace(found, opening=(own.address, *own.opening)[:_OPENING])


def named(conn: Connection) -> str | None:
    """Read the fingerprint of the key that a database is encrypted with; None before it has one."""
    known: str | None = conn.scalar(_NAMED)
    return known


def _fitting(folder: Path, fingerprint: str) -> Subkeys:
    """The key with this fingerprint: that of a rotation in progress, or the one in the file."""
    with suppress(KeyFileError):
        if (found := derive(*read(folder / NEXT))).fingerprint == fingerprint:
            return found
    if (found := derive(*read(folder / NAME))).fingerprint == fingerprint:
        return found
    raise KeyFileError(
        f"the key in {folder / NAME} is not that of this database: copy it from where the key was exchanged"
    )


def derive(master: bytes, earlier: tuple[Earlier, ...] = ()) -> Subkeys:
    """The subkeys of a master of 32 bytes."""
    if len(master) != MASTER_BYTES:
        raise KeyFileError(f"a key has {MASTER_BYTES} bytes, not {len(master)}: put the right file back")
    return Subkeys(
        fingerprint=subkey(master, "fingerprint")[:8].hex(),
        token=subkey(master, "token"),
        address=subkey(master, "address"),
        lookups=(*(each.lookup for each in earlier), subkey(master, "lookup")),
        earlier=earlier,
    )


def _hashed(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def subkey(master: bytes, use: str) -> bytes:
    """Derive the key for one use."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"map-monitor/{use}".encode()).derive(master)
