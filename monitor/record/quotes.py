"""Finds texts in publications as they were received: where one is, or that none has it. Pure."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from html import escape
from zipfile import ZipFile

from monitor.errors import UsageError
from monitor.record.bundle import BundleBody, Quote
from monitor.record.bundle_reader import BROKEN

_OLD_OFFICE = b"\xd0\xcf\x11\xe0"  # the container of XLS files
_SUFFIXES = {"xl/workbook.bin": "xlsb", "xl/workbook.xml": "xlsx", "content.xml": "ods", "doc.kml": "kmz"}
_UNREADABLE = {"pdf", "xls", "xlsb"}  # their texts are packed or cut into pieces


def detect_suffix(content: bytes) -> str:
    """The suffix of a publication's format, by its first bytes or its parts."""
    if content.startswith(b"PK"):
        parts = _list_parts(content)
        return next((suffix for name, suffix in _SUFFIXES.items() if name in parts), "zip")
    if content.startswith(_OLD_OFFICE):
        return "xls"
    if content.startswith(b"%PDF-"):
        return "pdf"
    return "xml" if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") else "txt"


def iterate_parts(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Read the parts of a workbook or an archive with their names, or the whole publication as the part "". A
    broken archive has none.
    """
    if not content.startswith(b"PK"):
        yield "", content
        return
    with suppress(*BROKEN), ZipFile(io.BytesIO(content)) as archive:
        for name in sorted(archive.namelist()):
            yield name, archive.read(name)


def read_part(content: bytes, part: str) -> bytes:
    """Read a part that `iterate_parts` names."""
    if not part:
        return content
    with ZipFile(io.BytesIO(content)) as archive:
        return archive.read(part)


def list_spellings(text: str) -> tuple[str, ...]:
    """A text as publications write it: as it is, and escaped for XML and HTML."""
    return tuple(dict.fromkeys((text, escape(text), escape(text, quote=False))))


def find_quote(body: BundleBody, text: str) -> Quote | None:
    """Find a text in a publication: in the file itself, or in a part of a workbook; None if it does not
    occur.
    """
    if body.content is None or not text:
        return None
    for part, content in iterate_parts(body.content):
        offset = content.find(text.encode())
        if offset >= 0:
            return Quote(body.sha256, text, offset, part)
    return None


def prove_absence(body: BundleBody, text: str) -> Quote:
    """Prove that no part of a publication has the text.

    Raises UsageError if one has it, escaped or not, and for a publication that is not stored, or whose format
    does not show texts as they are.
    """
    if body.content is None:
        raise UsageError(f"the publication {body.sha256[:12]} was not kept: nobody can tell what it lacked")
    spellings = [spelling.encode() for spelling in list_spellings(text)]
    readable: list[bool] = []
    for name, part in iterate_parts(body.content):
        if any(spelling in part for spelling in spellings):
            raise UsageError(f"the publication {body.sha256[:12]} has the text {text!r}")
        if name.endswith((".xml", ".kml")) or not name:
            readable.append(_is_utf8(part))
    if detect_suffix(body.content) in _UNREADABLE or not (readable and all(readable)):
        raise UsageError(
            f"the publication {body.sha256[:12]} is a file ({body.suffix}) in which nobody can search for a "
            "text as it is: it does not prove that a text is missing"
        )
    return Quote(body.sha256, text)


def _list_parts(content: bytes) -> list[str]:
    with suppress(*BROKEN), ZipFile(io.BytesIO(content)) as archive:
        return archive.namelist()
    return []


def _is_utf8(text: bytes) -> bool:
    try:
        return "\0" not in text.decode()
    except UnicodeDecodeError:
        return False
