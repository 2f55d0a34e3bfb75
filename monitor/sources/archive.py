"""Reads untrusted ZIP files: unpacked bytes are counted while unpacking, whatever the declared sizes are."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from monitor.errors import ParseError
from monitor.sources.column_map import MIB, ParseLimits

_CHUNK = 64 * 1024
_ENCRYPTED = 0x1  # APPNOTE 4.4.4
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, NotImplementedError)
"""What `zipfile` raises for a damaged, encrypted or exotic archive."""


class Archive:
    """An open ZIP with a budget of bytes that may still be unpacked, shared by all entries: overlapping ones
    count twice.
    """

    def __init__(self, body: bytes, limits: ParseLimits, entries: int) -> None:
        self._size = len(body)
        self._limits = limits
        self._unpacked = 0
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(body))
        except _BROKEN:
            raise ParseError(f"The ZIP is damaged or cut off at byte {len(body):,}.") from None
        self._entries = self._zip.infolist()
        if len(self._entries) > entries:
            raise ParseError(f"The ZIP has {len(self._entries):,} entries; at most {entries} are read.")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(entry.filename for entry in self._entries)

    def read(self, name: str) -> bytes:
        """Unpack one entry; raises ParseError as soon as it exceeds the limits."""
        return b"".join(self.chunks(name))

    def chunks(self, name: str) -> Iterator[bytes]:
        try:
            entry = self._zip.getinfo(name)
            if entry.flag_bits & _ENCRYPTED:
                raise ParseError(
                    f"The ZIP's entry {name} is protected by a password; "
                    "ask the publisher for one that is not."
                )
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                # Other methods may expand one input block to an output block of any size.
                raise ParseError(
                    "The ZIP is compressed by a method other than deflate; ask for an ordinary one."
                )
            with self._zip.open(entry) as file:
                while chunk := file.read(_CHUNK):
                    self._count(len(chunk))
                    yield chunk
        except KeyError:
            raise ParseError(f"The ZIP has no entry {name}.") from None
        except _BROKEN:
            raise ParseError(f"The ZIP's entry {name} is damaged.") from None

    def _count(self, size: int) -> None:
        self._unpacked += size
        if self._unpacked > self._limits.decoded:
            raise ParseError(f"The ZIP unpacks to more than {self._limits.decoded / MIB:g} MiB.")
        if self._unpacked > _CHUNK and self._unpacked > self._limits.ratio * self._size:
            raise ParseError(f"The ZIP unpacks to more than {self._limits.ratio} times its size.")

    def close(self) -> None:
        self._zip.close()


@contextmanager
def open_archive(body: bytes, limits: ParseLimits, entries: int) -> Iterator[Archive]:
    """Open an archive, and close it afterwards."""
    archive = Archive(body, limits, entries)
    try:
        yield archive
    finally:
        archive.close()
