"""Lists in a compressed file: in gzip (".csv.gz"), or in a ZIP that is neither a KMZ nor a workbook.

They are unpacked within the parser's limits. The stored and hashed body is the one that was sent.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import NamedTuple

from monitor.errors import ParseError
from monitor.sources.archive import open_archive
from monitor.sources.column_map import MIB, ParseLimits
from monitor.sources.formats import ENDINGS
from monitor.sources.sniff import is_zip

_GZIP = b"\x1f\x8b"
_PIECE = 64 * 1024
_MOST_LAYERS = 3  # a file in gzip in a ZIP, and one more
_WITH_GZIP_HEADER = 16 + zlib.MAX_WBITS
_TAR = slice(257, 262)  # where a tar archive has its mark (POSIX.1, ustar)
COMPRESSED = (".gz", ".zip")
_LISTS = (*ENDINGS, *COMPRESSED)
"""Endings of the name of a possible list. Other files beside one only explain it ("README.txt")."""


class Unpacked(NamedTuple):
    """The unpacked file, and the names of other files beside it, which are not read."""

    body: bytes
    layers: int = 0
    others: tuple[str, ...] = ()


def unpack_file(body: bytes, limits: ParseLimits, wanted: str = "") -> Unpacked:
    """Unpack the file in a body; returns the body itself if it is not compressed.

    ``wanted`` names the file of a ZIP that is the list, with "*" for its variable part. Raises ParseError if
    that is ambiguous, for a damaged or protected file, and for one that exceeds the limits.
    """
    limits = replace(limits, decoded=min(limits.decoded, max(_PIECE, limits.ratio * len(body))))
    others: tuple[str, ...] = ()
    for layer in range(_MOST_LAYERS):
        if body.startswith(_GZIP):
            body = _unpack_gzip(body, limits)
        elif is_zip(body) and (inside := _unpack_zip(body, limits, wanted)):
            body, beside = inside
            others += beside
        else:
            return Unpacked(body, layer, others)
    if body.startswith(_GZIP):
        raise ParseError(
            f"The body is compressed more than {_MOST_LAYERS} times; give the address of the file itself."
        )
    return Unpacked(body, _MOST_LAYERS, others)


def _unpack_gzip(body: bytes, limits: ParseLimits) -> bytes:
    """Unpack a gzip of one or more members (RFC 1952); zeros after the last one are padding."""
    pieces: list[bytes] = []
    size = 0
    left = body
    while left.startswith(_GZIP):
        stream = zlib.decompressobj(_WITH_GZIP_HEADER)
        while not stream.eof:
            try:
                piece = stream.decompress(left, _PIECE)
            except zlib.error:
                raise ParseError("The gzip is damaged.") from None
            left = stream.unconsumed_tail
            size += len(piece)
            if size > limits.decoded:
                raise ParseError(f"The gzip unpacks to more than {limits.decoded / MIB:.3g} MiB.")
            pieces.append(piece)
            if not stream.eof and not left and not piece:
                raise ParseError(f"The gzip is cut off at byte {len(body):,}.")
        left = stream.unused_data
    if left.strip(b"\0"):
        raise ParseError("The gzip is damaged: something else follows it.")
    unpacked = b"".join(pieces)
    if unpacked[_TAR] == b"ustar":
        raise ParseError("The gzip holds a tar archive; give the address of the list itself, or of a ZIP.")
    return unpacked


def _unpack_zip(body: bytes, limits: ParseLimits, wanted: str) -> tuple[bytes, tuple[str, ...]] | None:
    """Unpack the file in a ZIP; returns it with the names of others, or None for a KMZ, a workbook, and an
    empty ZIP.
    """
    with open_archive(body, limits, limits.entries) as archive:
        names = [name for name in archive.names if not _is_made_by_systems(name)]
        if not names or _is_document(names):
            return None
        fitting = names
        if wanted:
            fitting = [
                name for name in names if fnmatchcase(name, wanted) or fnmatchcase(_last(name), wanted)
            ]
        else:
            fitting = [name for name in names if _may_be_list(name, alone=len(names) == 1)]
            if not fitting:
                return None
        if len(fitting) != 1:
            there = ", ".join(name[:60] for name in (fitting or names)[:10])
            wish = f" that fit {wanted[:60]}" if wanted else ""
            raise ParseError(
                f"The ZIP holds {len(fitting):,} files{wish} where one is read ({there}); name the list as "
                "options.file, with * for what changes in its name."
            )
        return archive.read(fitting[0]), tuple(name for name in names if name != fitting[0])


def _may_be_list(name: str, *, alone: bool) -> bool:
    """Whether a file may be a list by its name; a single file may also be a text or have no extension."""
    return name.lower().endswith(_LISTS) or (
        alone and (name.lower().endswith(".txt") or "." not in _last(name))
    )


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _is_made_by_systems(name: str) -> bool:
    """Whether an entry is a folder, or a file that macOS or Windows adds."""
    return (
        name.endswith("/")
        or name.startswith("__MACOSX/")
        or _last(name).startswith(("._", ".DS_Store", "Thumbs.db"))
    )


def _is_document(names: list[str]) -> bool:
    """Whether these are the parts of one document: a KMZ, or a workbook in OOXML or OpenDocument."""
    parts = {"[content_types].xml", "mimetype", "content.xml", "xl/workbook.xml", "xl/workbook.bin"}
    lower = [name.lower() for name in names]
    lists = [name for name in lower if name.endswith(_LISTS)]
    return not parts.isdisjoint(lower) or (bool(lists) and _is_map(lists))


def _is_map(names: list[str]) -> bool:
    """Whether the lists in a ZIP are the documents of one KMZ, some of which may be compressed again."""
    return all(name.endswith((".kml", ".kmz")) for name in names) and any(
        name.endswith(".kml") for name in names
    )
