"""The key that signs the log: ``log.key`` beside the database, and its replacement.

The file contains the key in the form ``PRIVATE+KEY+name+id+key``, as for other logs, and after a replacement
one endorsement per earlier key: a note in which the old key signs the new one. A key is never replaced
without one, so that everybody who knows an old key can verify the new one.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from monitor.errors import KeyFileError, RecordError
from monitor.keys.file_format import write_secret
from monitor.record.checkpoint import Signer, Verifier, open_note, sign_note

NAME = "log.key"
_COMMENT = (
    "# Signs the public record. Keep a copy apart from it: without this key the record cannot be continued."
)
_PREFIX = "PRIVATE+KEY+"
_EARLIER = "earlier "
_TITLE = "map-monitor log key"
_LARGEST_FILE = 2**20  # bytes


@dataclass(frozen=True, slots=True)
class LogKey:
    """The key of a log, and the chain of endorsements from the first key to it, oldest first."""

    signer: Signer
    endorsements: tuple[str, ...] = ()

    @property
    def verifier(self) -> Verifier:
        return self.signer.verifier


def create_log_key(folder: Path, name: str) -> LogKey:
    """Write the first key of a log; if another process was faster, return its key. Raises KeyFileError."""
    path = folder / NAME
    _write(path, LogKey(Signer(name, secrets.token_bytes(32))), replace=False)
    return load_log_key(folder)


def load_log_key(folder: Path) -> LogKey:
    """Read the key. A missing or malformed file, or one that others can read, is a KeyFileError."""
    path = folder / NAME
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(_LARGEST_FILE).decode("ascii", "replace")
    except FileNotFoundError:
        raise KeyFileError(
            f"the key of the record {path} is missing: put back the one that signed it, "
            "or, if it is lost for good, run `monitor key rotate-record --lost`"
        ) from None
    except OSError as error:
        raise KeyFileError(
            f"the key of the record {path} cannot be read ({error.strerror}): check its owner and permissions"
        ) from None
    if os.name == "posix" and mode & 0o077:
        raise KeyFileError(f"the key of the record can be read by others: run chmod 600 {path}")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    try:
        first, *rest = lines
        key = LogKey(_parse(first), tuple(_parse_endorsement(line) for line in rest))
        if key.endorsements and follow_endorsements(_first(key), key.endorsements) != key.verifier:
            raise ValueError
    except (ValueError, binascii.Error, RecordError):
        raise KeyFileError(
            f"the file {path} does not hold the key of a record: put the right file back"
        ) from None
    return key


def exchange_log_key(folder: Path, key: LogKey) -> LogKey:
    """Replace ``key`` by a new key, which it signs. The log keeps its name. Raises KeyFileError."""
    new = Signer(key.signer.name, secrets.token_bytes(32))
    exchanged = LogKey(new, (*key.endorsements, endorse(key.signer, new)))
    _write(folder / NAME, exchanged, replace=True)
    return load_log_key(folder)


def replace_unusable_log_key(folder: Path, name: str) -> LogKey:
    """Write a new key that no earlier one has signed. An existing file is renamed to ``log.key.unusable``.
    Raises KeyFileError.
    """
    path = folder / NAME
    if path.exists():
        path.replace(path.with_name(f"{NAME}.unusable"))
    _write(path, LogKey(Signer(name, secrets.token_bytes(32))), replace=True)
    return load_log_key(folder)


def endorse(old: Signer, new: Signer) -> str:
    """Create the note in which an old key names its successor, signed by both: the new key's signature proves
    possession.
    """
    return sign_note(f"{_TITLE}\n{old.verifier}\n{new.verifier}\n", [old, new])


def read_endorsement(note: str) -> tuple[Verifier, Verifier]:
    """Read the old and the new key of an endorsement that both have signed. Raises RecordError."""
    lines = note.split("\n")
    if len(lines) < 4 or lines[0] != _TITLE or lines[3]:
        raise RecordError("this is not the endorsement of a key")
    old, new = Verifier.parse(lines[1]), Verifier.parse(lines[2])
    for verifier in (old, new):
        open_note(note, [verifier])
    return old, new


def follow_endorsements(known: Verifier, endorsements: tuple[str, ...]) -> Verifier:
    """Follow a chain of endorsements from a known key to the current one; endorsements before the known key
    are skipped.

    Raises RecordError if one is not signed by the key before it.
    """
    reached = None
    for note in endorsements:
        old, new = read_endorsement(note)
        if reached is not None and old != reached:
            raise RecordError("the keys of the record do not follow each other")
        if reached is not None or old == known:
            reached = new
    return reached or known


def _first(key: LogKey) -> Verifier:
    return read_endorsement(key.endorsements[0])[0]


def _parse(line: str) -> Signer:
    name, id_, encoded = line.removeprefix(_PREFIX).split("+", 2)
    decoded = base64.b64decode(encoded, validate=True)
    if not line.startswith(_PREFIX) or len(decoded) != 33 or decoded[:1] != b"\x01":
        raise ValueError
    signer = Signer(name, decoded[1:])
    if signer.verifier.id.hex() != id_:
        raise ValueError
    return signer


def _parse_endorsement(line: str) -> str:
    if not line.startswith(_EARLIER):
        raise ValueError
    return base64.b64decode(line.removeprefix(_EARLIER), validate=True).decode()


def _write(path: Path, key: LogKey, *, replace: bool) -> None:
    """Write the key; without ``replace`` an existing one is kept. Raises KeyFileError."""
    signer = key.signer
    secret = base64.b64encode(b"\x01" + signer.seed).decode()
    lines = [_COMMENT, f"{_PREFIX}{signer.name}+{signer.verifier.id.hex()}+{secret}"]
    lines += [_EARLIER + base64.b64encode(note.encode()).decode() for note in key.endorsements]
    try:
        write_secret(path, lines, replace=replace)
    except OSError as error:
        raise KeyFileError(
            f"the key of the record {path} cannot be written ({error.strerror}): check its folder"
        ) from None
