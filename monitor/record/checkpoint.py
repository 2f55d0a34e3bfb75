"""Checkpoints of the log as C2SP signed notes with Ed25519 signatures. Pure.

https://c2sp.org/signed-note and https://c2sp.org/tlog-checkpoint. A checkpoint's text is three lines: the
origin (the name of the log and of its key), the number of entries, the root in base64. A note may contain
signatures of others, such as witnesses: those of unknown keys are ignored, as the format requires.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from monitor.errors import RecordError
from monitor.record.tree import HASH_BYTES

_ED25519 = b"\x01"  # the signature type of signed-note
_MARK = "\N{EM DASH} "
_LARGEST = 2**16  # the most bytes of a note


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key with the name of the log that it signs for."""

    name: str
    key: bytes

    def __post_init__(self) -> None:
        if not self.name or "+" in self.name or any(character.isspace() for character in self.name):
            raise RecordError(
                f"{self.name!r} cannot name a log: it holds a space or a plus sign, or is empty"
            )
        if len(self.key) != 32:
            raise RecordError("a public key of Ed25519 has 32 bytes")

    @property
    def id(self) -> bytes:
        """The four-byte key id in a signature."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.key).digest()[:4]

    def __str__(self) -> str:
        """The form in which verifier keys are published: name, id and key."""
        return f"{self.name}+{self.id.hex()}+{_base64(_ED25519 + self.key)}"

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """Read the published form. Raises RecordError."""
        try:
            name, id_, key = text.strip().split("+", 2)
            decoded = base64.b64decode(key, validate=True)
        except (ValueError, binascii.Error):
            raise RecordError("this is not a verifier key of a log: it reads name+id+key") from None
        verifier = cls(name, decoded[1:])
        if decoded[:1] != _ED25519 or verifier.id.hex() != id_:
            raise RecordError("this verifier key does not match its own id, or is of an unknown kind")
        return verifier

    def accepts(self, text: str, signature: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key with the name of the log that it signs for; ``seed`` is the 32 bytes of RFC 8032."""

    name: str
    seed: bytes = field(repr=False)

    @property
    def verifier(self) -> Verifier:
        return Verifier(self.name, self._private.public_key().public_bytes_raw())

    def sign_line(self, text: str) -> str:
        """The signature line of a note with this text."""
        signature = self.verifier.id + self._private.sign(text.encode())
        return f"{_MARK}{self.name} {_base64(signature)}\n"

    @property
    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log: how many entries it has, and the root of the tree over them."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"

    @property
    def head(self) -> str:
        """The one line that is published in places where others keep it: ``record 105120 A+/BDnq5...``, with
        the whole root.
        """
        return f"record {self.size} {_base64(self.root)}"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Parse the text; further lines (extensions) are ignored. Raises RecordError."""
        lines = text.split("\n")
        if len(lines) < 4 or not lines[0] or lines[-1]:
            raise RecordError("a checkpoint has three lines: origin, size, root")
        return cls(lines[0], _size(lines[1]), _root(lines[2]))


def parse_head(line: str) -> tuple[int, bytes]:
    """Parse size and root of a published head, in a line that may contain other words too. Raises
    RecordError.
    """
    words = line.split()
    for at, word in enumerate(words[:-2]):
        if word == "record":
            return _size(words[at + 1]), _root(words[at + 2])
    raise RecordError("this is not a head of the record: it reads record NUMBER ROOT")


def read_checkpoint(note: str) -> Checkpoint:
    """Read the checkpoint in our own note, without checking the signature. Raises RecordError."""
    return Checkpoint.parse(note.rpartition("\n\n")[0] + "\n")


def sign_note(text: str, signers: Iterable[Signer]) -> str:
    """A note with a signature of each signer."""
    if not text.endswith("\n") or any(ord(character) < 32 and character != "\n" for character in text):
        raise ValueError("the text of a note ends with a newline and has no other control character")
    return text + "\n" + "".join(signer.sign_line(text) for signer in signers)


def open_note(note: str, verifiers: Iterable[Verifier]) -> str:
    """Read the text of a note that at least one of the keys has signed. Raises RecordError, also for an
    invalid signature of a known key.
    """
    text, blank, rest = note.rpartition("\n\n")
    lines = rest.split("\n")
    if len(note) > _LARGEST or not blank or len(lines) < 2 or lines[-1]:
        raise RecordError("this is not a signed note: signatures follow its text after an empty line")
    text += "\n"
    known = {(verifier.name, verifier.id): verifier for verifier in verifiers}
    accepted = False
    for line in lines[:-1]:
        name, signature = _signature(line)
        verifier = known.get((name, signature[:4]))
        if verifier is None:
            continue
        if not verifier.accepts(text, signature[4:]):
            raise RecordError(f"the signature of {name} does not fit the text: one of the two was changed")
        accepted = True
    if not accepted:
        raise RecordError("no known key has signed this note")
    return text


def open_checkpoint(note: str, verifier: Verifier) -> Checkpoint:
    """Read a checkpoint that this key has signed for its own log. Raises RecordError."""
    checkpoint = Checkpoint.parse(open_note(note, [verifier]))
    if checkpoint.origin != verifier.name:
        raise RecordError(f"the checkpoint is of the log {checkpoint.origin}, the key of {verifier.name}")
    return checkpoint


def _signature(line: str) -> tuple[str, bytes]:
    name, space, encoded = line.removeprefix(_MARK).partition(" ")
    try:
        signature = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        signature = b""
    if (
        not line.startswith(_MARK)
        or not name
        or not space
        or len(signature) < 5
        or _base64(signature) != encoded
    ):
        raise RecordError("a signature line of the note cannot be read")
    return name, signature


def _size(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or (text.startswith("0") and text != "0") or len(text) > 18:
        raise RecordError("the number of entries in a checkpoint is not a number")
    return int(text)


def _root(text: str) -> bytes:
    try:
        root = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        root = b""
    if len(root) != HASH_BYTES or _base64(root) != text:  # base64 allows several spellings of the same bytes
        raise RecordError("the root in a checkpoint is not a hash in base64")
    return root


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
