"""One captured file, with the times that it gives itself.

Files are never ordered by name: a name may contain a time, which is compared with the other sources of one.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from xml.etree.ElementTree import ParseError as XmlError
from zipfile import BadZipFile, ZipFile

from monitor.errors import UsageError

_LARGEST_XML = 1 << 20
_MODIFIED = re.compile(rb"<dcterms:modified[^>]*>\s*([0-9T:.Z+-]+)\s*<")


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedFile:
    """A file with the moment at which somebody captured it.

    ``dated_by`` is the source of the time: manifest, name, commit, archive. ``named_at`` is the time in its
    name, ``saved_at`` the one stored in a workbook; None if there is none.
    """

    at: datetime
    path: Path
    name: str
    sha256: str
    size: int
    dated_by: str
    captured_by: str
    url: str = ""
    licence: str = ""
    note: str = ""
    named_at: datetime | None = None
    saved_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """The default attribution of files that have none of their own."""

    captured_by: str = ""
    url: str = ""
    licence: str = ""
    note: str = ""


def describe_file(path: Path, *, at: datetime, name: str, dated_by: str, said: Attribution) -> CapturedFile:
    """Read a captured file and the times that it gives itself."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    return CapturedFile(
        at=at,
        path=path,
        name=name,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        dated_by=dated_by,
        captured_by=said.captured_by,
        url=said.url,
        licence=said.licence,
        note=said.note,
        named_at=None if (found := find_time(name)) is None else found[0],
        saved_at=find_saved_time(content),
    )


_STAMP = re.compile(r"(?<!\d)(\d{4})(\d{2})(\d{2})[T_]?(\d{2})(\d{2})(\d{2})(?!\d)")
_ISO = re.compile(
    r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?:[T_ ](\d{2})[:h-]?(\d{2})(?:[:-]?(\d{2}))?)?(?:Z|(?!\d))"
)
_PLAIN = re.compile(r"(?<!\d)(\d{4})(\d{2})(\d{2})(?!\d)")
_AMERICAN = re.compile(r"(?<!\d)(\d{2})-?(\d{2})-?(\d{4})(am|pm)?(?![\da-z])", re.IGNORECASE)


def find_time(name: str) -> tuple[datetime, bool] | None:
    """The time in a file's name, in UTC, and whether it is exact: 20250221214937, 2025-02-21, 20250221,
    02212025 and 02212025pm are understood. A bare day means noon, am means noon and pm 20:00. None if there
    is no time, or several.
    """
    for pattern in (_STAMP, _ISO, _PLAIN, _AMERICAN):
        found = {
            value
            for match in pattern.finditer(name)
            if (value := _read_time(match.groups(), american=pattern is _AMERICAN)) is not None
        }
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def find_saved_time(content: bytes) -> datetime | None:
    """When a workbook was last saved, as it says itself; None for other files and damaged ones."""
    if not content.startswith(b"PK"):
        return None
    try:
        with ZipFile(BytesIO(content)) as archive, archive.open("docProps/core.xml") as part:
            found = _MODIFIED.search(part.read(_LARGEST_XML))
    except (BadZipFile, KeyError, XmlError, OSError, ValueError, RuntimeError, NotImplementedError):
        return None
    try:
        saved = None if found is None else datetime.fromisoformat(found[1].decode("ascii", "replace"))
    except ValueError:
        return None
    return saved.astimezone(UTC) if saved is not None and saved.tzinfo is not None else None


def _read_time(groups: tuple[str | None, ...], *, american: bool) -> tuple[datetime, bool] | None:
    half = None
    if american:
        month, day, year, half = groups
        clock: tuple[str | None, ...] = ()
    else:
        year, month, day, *rest = groups
        clock = tuple(rest)
    exact = len(clock) >= 2 and clock[0] is not None
    hour = int(clock[0] or 0) if exact else (20 if (half or "").lower() == "pm" else 12)
    minute, second = (int(clock[place] or 0) if exact and len(clock) > place else 0 for place in (1, 2))
    try:
        at = datetime(int(year or 0), int(month or 0), int(day or 0), hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return (at, exact) if 1990 <= at.year <= 2200 else None
