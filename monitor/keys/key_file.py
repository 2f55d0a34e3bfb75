"""`KeyFile`: the subkeys of one master, and the change to another."""

from __future__ import annotations

import hmac
import secrets
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.engine import Connection

from monitor.errors import KeyFileError
from monitor.keys.file_format import (
    MASTER_BYTES,
    NAME,
    NEXT,
    EarlierToken,
    KeyFileContent,
    derive_subkey,
    identify_file,
    read,
    write_new,
)

# keys is a sibling of tables and may not import it: these are the few columns that it needs
META = sa.table("meta", sa.column("name"), sa.column("value"))
FINGERPRINT = "key fingerprint"
# prepared once, because every transaction runs it
_FINGERPRINT_QUERY = sa.select(META.c.value).where(META.c.name == FINGERPRINT)
_NONCE_BYTES = 12  # what AES-GCM is specified for (NIST SP 800-38D, 5.2.1.1)
_OPENING = 3  # the most earlier address keys that a process keeps in memory
_FIRST_FORM = b"\x01"  # of a sealed value, its first byte: nonce and ciphertext follow
_FORM = b"\x02"  # key id, nonce and ciphertext follow
_KEY_ID_BYTES = 4
_TAG_BYTES = 16


@dataclass(frozen=True, slots=True)
class AddressKey:
    """A key that encrypts addresses, with the id that its ciphertexts contain."""

    key: bytes = field(repr=False)
    id: bytes
    # created once: creating a cipher costs more than using it
    cipher: AESGCM = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "cipher", AESGCM(self.key))

    @classmethod
    def derive(cls, master: bytes) -> AddressKey:
        """The address key of a master of 32 bytes. The id reveals nothing about the key."""
        return cls(derive_subkey(master, "address"), derive_subkey(master, "address key id")[:_KEY_ID_BYTES])


@dataclass(frozen=True, slots=True)
class Subkeys:
    """The subkeys of one key file. ``opening`` are the address keys that this process knew before."""

    fingerprint: str
    token: bytes
    address: AddressKey
    lookups: tuple[bytes, ...]
    push: bytes = field(default=b"", repr=False)
    earlier: tuple[EarlierToken, ...] = ()
    opening: tuple[AddressKey, ...] = field(compare=False, default=())


class KeyFile:
    """The subkeys of the current master, also after another process replaced it, provided that `refresh` is
    called as documented.
    """

    def __init__(self, own: Subkeys, path: Path | None = None, seen: object = None) -> None:
        self._own = own  # replaced as a whole: threads see one key or the other
        self._path, self._seen = path, seen

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeyFile) and self._own == other._own

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def load(cls, folder: Path, *, create: bool) -> KeyFile:
        """Read ``monitor.key`` in ``folder``; with ``create``, create a missing one.

        Raises KeyFileError for a missing, unreadable or malformed file and for one that others can read. Two
        processes that create it at once get the same key.
        """
        path = folder / NAME
        if create and not path.exists():
            write_new(path, KeyFileContent.generate())
        seen = identify_file(path)
        return cls(derive_subkeys(read(path)), path, seen)

    @classmethod
    def of_master(cls, master: bytes) -> KeyFile:
        """The subkeys of a master of 32 bytes that was never rotated."""
        return cls.of_content(KeyFileContent(master))

    @classmethod
    def of_content(cls, content: KeyFileContent) -> KeyFile:
        """The subkeys of a key file's content."""
        return cls(derive_subkeys(content))

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
        """The oldest token key, for values that must not change with a rotation and grant no access."""
        return self._own.earlier[0].key if self._own.earlier else self._own.token

    @property
    def push_secret(self) -> bytes:
        """The secret behind the key that signs push messages. It survives every rotation: browsers have bound
        their subscriptions to that key.
        """
        return self._own.push

    def trusted_token_keys(self, now: datetime | None) -> tuple[bytes, ...]:
        """The keys whose tokens are valid at ``now``; None: all, for tokens that only end something."""
        kept = (token.key for token in self._own.earlier if now is None or now < token.links_until)
        return (self._own.token, *kept)

    def seal(self, channel: str, address: str) -> bytes:
        """Encrypt an address with AES-256-GCM under a random nonce; only this channel can decrypt it."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        own = self._own.address
        return _FORM + own.id + nonce + own.cipher.encrypt(nonce, address.encode(), channel.encode())

    def open(self, channel: str, sealed: bytes) -> str:
        """Decrypt an address, also one that version 0.1.0 encrypted, without a key id. Raises KeyFileError if
        another key or channel encrypted it.
        """
        own = self._own
        keys = (own.address, *own.opening)  # a value read before a rotation may be decrypted after it
        form, rest = sealed[:1], sealed[1:]
        if form == _FORM:
            keys = tuple(key for key in keys if key.id == rest[:_KEY_ID_BYTES])
            rest = rest[_KEY_ID_BYTES:]
        nonce, ciphertext = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
        if form not in (_FIRST_FORM, _FORM) or len(ciphertext) < _TAG_BYTES:
            raise KeyFileError("an address was sealed by a newer version of the program, or is damaged")
        for key in keys:
            try:
                return key.cipher.decrypt(nonce, ciphertext, channel.encode()).decode()
            except InvalidTag:
                continue
        raise KeyFileError

    def lookup(self, channel: str, address: str) -> str:
        """The keyed hash (HMAC-SHA256, 64 hex digits) under which a text is found.

        ``address`` is hashed as it is: `channels.kinds.lookup` passes the canonical spelling of its channel.
        """
        return self.compute_lookup(self.first_lookup(channel, address))

    def first_lookup(self, channel: str, address: str) -> str:
        """Compute the hash with the first lookup key: it survives every rotation, for use outside the
        database.
        """
        return compute_hash(self._own.lookups[0], f"{channel}\0{address}")

    def compute_lookup(self, first: str) -> str:
        """Compute the current hash from a hash of `first_lookup`."""
        return self.compute_stages(first)[-1]

    def compute_stages(self, first: str) -> tuple[str, ...]:
        """Compute every stage of a hash of `first_lookup`: those in older copies of the database, and the
        current one.
        """
        stages = [first]
        for key in self._own.lookups[1:]:
            stages.append(compute_hash(key, stages[-1]))
        return tuple(stages)

    def refresh(self, conn: Connection | None) -> None:
        """Change to another key if a rotation has replaced this one. Called at the start of every
        transaction.

        With a connection, the key is read from the database and stays valid until the transaction ends.
        Raises KeyFileError if the file has another key, as on a second machine without a copy. Without a
        connection, for readers, only the file is checked.
        """
        if self._path is None:
            return
        if conn is not None:
            name = read_fingerprint(conn)
            if name is not None and name != self.fingerprint:
                self._become(_read_fitting(self._path.parent, name))
            return
        seen = identify_file(self._path)
        if seen == self._seen:
            return
        with suppress(KeyFileError):  # the next writer gets the error
            subkeys = derive_subkeys(read(self._path))
            if any(token.key == self.token_key for token in subkeys.earlier):
                self._become(subkeys)
        self._seen = seen

    def _become(self, subkeys: Subkeys) -> None:
        own = self._own
        self._own = replace(subkeys, opening=(own.address, *own.opening)[:_OPENING])


def read_fingerprint(conn: Connection) -> str | None:
    """Read the fingerprint of the key that a database is encrypted with; None before it has one."""
    fingerprint: str | None = conn.scalar(_FINGERPRINT_QUERY)
    return fingerprint


def _read_fitting(folder: Path, fingerprint: str) -> Subkeys:
    """Read the key with this fingerprint: from a rotation in progress, or from the key file."""
    with suppress(KeyFileError):
        if (subkeys := derive_subkeys(read(folder / NEXT))).fingerprint == fingerprint:
            return subkeys
    if (subkeys := derive_subkeys(read(folder / NAME))).fingerprint == fingerprint:
        return subkeys
    raise KeyFileError(
        f"the key in {folder / NAME} is not that of this database: copy it from where the key was exchanged"
    )


def derive_subkeys(content: KeyFileContent) -> Subkeys:
    """Derive the subkeys of a key file's content. Raises KeyFileError if its master does not have 32
    bytes.
    """
    master = content.master
    if len(master) != MASTER_BYTES:
        raise KeyFileError(f"a key has {MASTER_BYTES} bytes, not {len(master)}: put the right file back")
    return Subkeys(
        fingerprint=derive_subkey(master, "fingerprint")[:8].hex(),
        token=derive_subkey(master, "token"),
        address=AddressKey.derive(master),
        lookups=content.lookup_chain(),
        push=content.push_secret(),
        earlier=content.tokens,
    )


def compute_hash(key: bytes, text: str) -> str:
    """Compute the keyed hash of a text (HMAC-SHA256, 64 hex digits)."""
    return hmac.digest(key, text.encode(), "sha256").hex()
