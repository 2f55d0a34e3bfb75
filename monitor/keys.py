"""The key file: what seals addresses, finds them by hash, and signs tokens.

One master of 32 random bytes in ``monitor.key`` (mode 0600) beside, never inside, the database; every use has a subkey of its
own, derived by HKDF (RFC 5869). A database whose addresses were sealed with another key is refused, never re-keyed.

`begin_rotation` and `finish_rotation` exchange the master. Hashes of addresses that are no longer known (suppressions, tombstones) must
still be found, so a look-up is a chain: the first key's hash, hashed with the second key, and so on; stored hashes are carried along
by hashing them once more. Links to unsubscribe in mails that were sent must go on working. So the file keeps the earlier look-up and
token keys, and nothing that opens an address.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import stat
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

import idna
import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy.engine import Connection

from monitor.errors import KeyFileError

NAME = "monitor.key"
NEXT = "monitor.key.next"
"""The key of a rotation that is under way."""
_COMMENT = (
    "# Encrypts the addresses in the database. Keep a copy apart from it: without this key they are lost."
)
_EARLIER = "earlier"
_MASTER_BYTES = 32
_NONCE_BYTES = 12  # what AES-GCM is specified for (NIST SP 800-38D, 5.2.1.1)
_LARGEST_FILE = 2**20  # bytes; every rotation adds a line of about 100
_VERSION = b"\x01"  # of the sealed form, its first byte

# keys stands beside tables, not above it: these are the few columns that it has to see
_meta = sa.table("meta", sa.column("name"), sa.column("value"))
_subscriber = sa.table("subscriber", sa.column("address"))
_suppression = sa.table("suppression", sa.column("address_hash"))
_signup = sa.table("signup", sa.column("sealed"))
_FINGERPRINT = "key fingerprint"


@dataclass(frozen=True, slots=True)
class Earlier:
    """What is kept of a master that another one has replaced."""

    lookup: bytes = field(repr=False)
    token: bytes = field(repr=False)


@dataclass(frozen=True)
class KeyFile:
    """The subkeys of one master. ``fingerprint`` names the key and says nothing about it."""

    fingerprint: str
    token_key: bytes = field(repr=False)
    _address_key: bytes = field(repr=False)
    _lookup_keys: tuple[bytes, ...] = field(repr=False)
    earlier_token_keys: tuple[bytes, ...] = field(repr=False, default=())

    @classmethod
    def load(cls, folder: Path, *, create: bool) -> KeyFile:
        """Read ``monitor.key`` in ``folder``; with ``create`` an absent one is made.

        An absent, unreadable or malformed file, or one that others can read, is a `KeyFileError`. Two processes that create at
        once end with the same key.
        """
        path = folder / NAME
        if create and not path.exists():
            _create(path)
        return cls.derived(*_read(path))

    @classmethod
    def derived(cls, master: bytes, earlier: tuple[Earlier, ...] = ()) -> KeyFile:
        """The subkeys of a master of 32 bytes, with what is kept of ``earlier`` ones, oldest first."""
        if len(master) != _MASTER_BYTES:
            raise KeyFileError(f"a key has {_MASTER_BYTES} bytes, not {len(master)}: put the right file back")
        return cls(
            fingerprint=_subkey(master, "fingerprint")[:8].hex(),
            token_key=_subkey(master, "token"),
            _address_key=_subkey(master, "address"),
            _lookup_keys=(*(each.lookup for each in earlier), _subkey(master, "lookup")),
            earlier_token_keys=tuple(each.token for each in earlier),
        )

    def seal(self, channel: str, address: str) -> bytes:
        """Encrypt an address with AES-256-GCM under a random nonce; it can be opened as an address of this channel only."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _VERSION + nonce + AESGCM(self._address_key).encrypt(nonce, address.encode(), channel.encode())

    def open(self, channel: str, sealed: bytes) -> str:
        """The address in the clear; `KeyFileError` if another key, or another channel, sealed it."""
        version, nonce, ciphertext = sealed[:1], sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        if version != _VERSION or len(ciphertext) < 16:
            raise KeyFileError("an address was sealed by a newer version of the program, or is damaged")
        try:
            return AESGCM(self._address_key).decrypt(nonce, ciphertext, channel.encode()).decode()
        except InvalidTag:
            raise KeyFileError from None

    def lookup(self, channel: str, address: str) -> str:
        """The keyed hash (HMAC-SHA256, 64 hex digits) under which an address is found, however it is spelled."""
        return self.carried(self.first_lookup(channel, address))

    def first_lookup(self, channel: str, address: str) -> str:
        """The hash under the first look-up key there was: it stays the same through every rotation, for what lies outside the database."""
        return _hashed(self._lookup_keys[0], f"{channel}\0{_normal(channel, address)}")

    def carried(self, first: str) -> str:
        """The hash of today to a hash of `first_lookup`."""
        for key in self._lookup_keys[1:]:
            first = _hashed(key, first)
        return first

    def succeeded(self, hashed: str) -> str:
        """The hash under this key to the hash that the key before it gave."""
        return _hashed(self._lookup_keys[-1], hashed)


def unlock(conn: Connection, folder: Path) -> KeyFile:
    """The key of this database: made on a fresh one, and otherwise the very key that sealed it or a `KeyFileError`."""
    _settle_rotation(conn, folder)
    keyfile = KeyFile.load(folder, create=not _holds_sealed(conn))
    bind(conn, keyfile)
    return keyfile


def bind(conn: Connection, keyfile: KeyFile) -> None:
    """Write the key's fingerprint into a database that holds nothing sealed yet; refuse one that another key sealed."""
    if _fingerprint(conn) == keyfile.fingerprint:
        return
    if _holds_sealed(conn):
        raise KeyFileError
    conn.execute(_meta.delete().where(_meta.c.name == _FINGERPRINT, _meta.c.value != keyfile.fingerprint))
    conn.execute(
        sa.text("INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT (name) DO NOTHING"),
        {"name": _FINGERPRINT, "value": keyfile.fingerprint},
    )
    if _fingerprint(conn) != keyfile.fingerprint:  # another process was first, with another key
        raise KeyFileError


def begin_rotation(folder: Path) -> tuple[KeyFile, KeyFile]:
    """The key of now, and a new one that is written beside it and takes its place with `finish_rotation`."""
    master, earlier = _read(folder / NAME)
    now = KeyFile.derived(master, earlier)
    new_master = secrets.token_bytes(_MASTER_BYTES)
    new_earlier = (*earlier, Earlier(_subkey(master, "lookup"), _subkey(master, "token")))
    (folder / NEXT).unlink(missing_ok=True)  # of a rotation that came to nothing
    _create(folder / NEXT, new_master, new_earlier)
    return now, KeyFile.derived(new_master, new_earlier)


def rebind(conn: Connection, keyfile: KeyFile) -> None:
    """Write the key's fingerprint over another: everything in this database is sealed with it now."""
    conn.execute(_meta.delete().where(_meta.c.name == _FINGERPRINT))
    conn.execute(_meta.insert().values(name=_FINGERPRINT, value=keyfile.fingerprint))


def finish_rotation(folder: Path) -> None:
    """Put the new key in the old one's place: from here on only the new one opens the database."""
    (folder / NEXT).replace(folder / NAME)
    _flush(folder)


def _settle_rotation(conn: Connection, folder: Path) -> None:
    """After a crash in a rotation the database says which key is the right one."""
    if (folder / NEXT).exists() and KeyFile.derived(*_read(folder / NEXT)).fingerprint == _fingerprint(conn):
        finish_rotation(folder)


def _fingerprint(conn: Connection) -> str | None:
    known: str | None = conn.scalar(sa.select(_meta.c.value).where(_meta.c.name == _FINGERPRINT))
    return known


def _holds_sealed(conn: Connection) -> bool:
    """Whether anything here needs its key. Suppressions do: under another key they would no longer be found, and be written to."""
    sealed = sa.exists(sa.select(_subscriber.c.address).where(_subscriber.c.address.is_not(None)))
    hashed = sa.exists(sa.select(_suppression.c.address_hash))
    waiting = sa.exists(sa.select(_signup.c.sealed))
    return bool(conn.scalar(sa.select(sa.or_(sealed, hashed, waiting))))


def _hashed(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _subkey(master: bytes, use: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"map-monitor/{use}".encode()).derive(master)


def _normal(channel: str, address: str) -> str:
    """One spelling per address, for look-up only: a relay is always given what its owner wrote.

    RFC 5321 lets a local part differ by case alone, but nobody's does, and a stop must find what was typed in another case.
    """
    address = unicodedata.normalize("NFC", address.strip())
    local, at, domain = address.rpartition("@")
    if channel == "telegram" or not at:
        return address.casefold()
    try:
        domain = idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        domain = domain.casefold()
    return f"{local.casefold()}@{domain.rstrip('.')}"


def _create(path: Path, master: bytes | None = None, earlier: tuple[Earlier, ...] = ()) -> None:
    """Write a new key aside and link it into place: whoever sees the file sees all of it, and none is ever overwritten."""
    aside = path.with_name(f".{NAME}.{secrets.token_hex(8)}")
    lines = [
        _COMMENT,
        _text(master or secrets.token_bytes(_MASTER_BYTES)),
        *(f"{_EARLIER} {_text(each.lookup)} {_text(each.token)}" for each in earlier),
    ]
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write("\n".join(lines) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(aside, path)
        _flush(path.parent)
    except FileExistsError:
        pass  # another process was first; its key is the key
    except OSError as error:
        raise KeyFileError(
            f"the key file {path} cannot be created ({error.strerror}): check its folder"
        ) from None
    finally:
        aside.unlink(missing_ok=True)


def _flush(folder: Path) -> None:
    """A name in a folder is on the disk only once the folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(path: Path) -> tuple[bytes, tuple[Earlier, ...]]:
    """The master in a key file, and what is kept of earlier ones."""
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
    word, lookup, token = line.decode("ascii").split(" ")
    if word != _EARLIER:
        raise ValueError
    return Earlier(base64.b64decode(lookup, validate=True), base64.b64decode(token, validate=True))


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode()
