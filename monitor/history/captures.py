"""Captured files of a list's past, each with its time and who captured it: from folders, manifests, histories
of git and web archives.

A file is never ordered by its name: a name can give a time, and what else gives one is compared with it.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from xml.etree.ElementTree import ParseError as XmlError
from zipfile import BadZipFile, ZipFile

from monitor.errors import UsageError
from monitor.history.replay import read_manifest_rows

MANIFEST = "manifest.csv"
_NEAR = timedelta(days=1)  # how far two times of one file may be apart: zones, and the hours of a day's work
_LARGEST_XML = 1 << 20
_MODIFIED = re.compile(rb"<dcterms:modified[^>]*>\s*([0-9T:.Z+-]+)\s*<")


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedFile:
    """A file with the moment at which somebody captured it.

    ``dated_by`` says where the time is from: manifest, name, commit, archive. ``named_at`` is the time in its
    name, ``saved_at`` the one that a workbook has in itself; None where there is none.
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


@dataclass(frozen=True, slots=True)
class Conflict:
    """Something about a file that a person should look at before it becomes part of the record."""

    kind: str
    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """What is said of every file that says nothing else of itself."""

    captured_by: str = ""
    url: str = ""
    licence: str = ""
    note: str = ""


def read_captures(
    paths: Sequence[Path], said: Attribution, folder: Path, git_path: str | None = None
) -> tuple[CapturedFile, ...]:
    """Read what is at these paths, by time. ``folder`` takes what must be unpacked.

    A path is a manifest (a CSV file with the header time,file), a folder of files or with a manifest.csv, a
    git repository (``git_path`` names the file in it), a WARC or WACZ file, or one captured file. Raises
    UsageError for a file without a time or without anybody who captured it.
    """
    from monitor.history.archives import is_archive, is_repository, read_archive, read_repository

    found: list[CapturedFile] = []
    for path in paths:
        if path.is_dir():
            if is_repository(path):
                if git_path is None:
                    raise UsageError(f"{path} is a git repository: name the file in it with --git-path")
                found += read_repository(path, git_path, said, folder)
            elif (path / MANIFEST).is_file():
                found += _read_manifest(path / MANIFEST, said)
            else:
                files = [file for file in sorted(path.iterdir()) if file.is_file() and file.name[0] != "."]
                if not files:
                    raise UsageError(f"{path} holds no file")
                found += [_read_file(file, said) for file in files]
        elif not path.is_file():
            raise UsageError(f"there is no file {path}")
        elif is_archive(path):
            found += read_archive(path, said, folder)
        elif _is_manifest(path):
            found += _read_manifest(path, said)
        else:
            found.append(_read_file(path, said))
    for file in found:
        if not file.captured_by:
            raise UsageError(
                f"nobody is named who captured {file.name}: give --captured-by, or a column captured_by"
            )
    return _without_copies(sorted(found, key=lambda file: (file.at, file.name)))


def find_conflicts(files: Sequence[CapturedFile]) -> tuple[Conflict, ...]:
    """What does not fit together in these files, in their order."""
    conflicts: list[Conflict] = []
    seen: dict[str, int] = {}
    newest, saved_last = None, None
    for place, file in enumerate(files):
        conflicts += _date_conflicts(file)
        earlier = seen.get(file.sha256)
        if earlier == place - 1 and earlier is not None:
            conflicts.append(
                Conflict("equal content", file.name, f"It has the same bytes as {files[earlier].name}.")
            )
        elif earlier is not None:
            text = f"It has the bytes of {files[earlier].name}, and other files lie between."
            conflicts.append(Conflict("backward jump", file.name, text))
        seen[file.sha256] = place
        if newest is not None and saved_last is not None and file.saved_at and file.saved_at < saved_last:
            text = (
                f"The workbook was saved on {_day(file.saved_at)}, before that of {newest.name}"
                f" ({_day(saved_last)}), and is said to be captured after it."
            )
            conflicts.append(Conflict("backward jump", file.name, text))
        saved = file.saved_at
        if saved is not None and saved - file.at <= _NEAR and (saved_last is None or saved > saved_last):
            newest, saved_last = file, saved
    return tuple(conflicts)


def describe_file(path: Path, *, at: datetime, name: str, dated_by: str, said: Attribution) -> CapturedFile:
    """A captured file with what it says of itself."""
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
    02212025 and 02212025pm are understood. A day is taken at noon, am at noon and pm at 20:00. None where
    there is no time, or several.
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


def _read_file(path: Path, said: Attribution) -> CapturedFile:
    found = find_time(path.name)
    if found is None:
        raise UsageError(
            f"no time is known for {path}: its name has none, or several. Write a manifest, a CSV file with "
            "the header time,file,captured_by"
        )
    return describe_file(path, at=found[0], name=path.name, dated_by="name", said=said)


def _read_manifest(path: Path, said: Attribution) -> list[CapturedFile]:
    found = []
    for served, row in read_manifest_rows(path):
        own = replace(
            said,
            captured_by=row.get("captured_by") or said.captured_by,
            url=row.get("url") or said.url,
            licence=row.get("licence") or said.licence,
            note=row.get("note") or said.note,
        )
        found.append(
            describe_file(served.path, at=served.at, name=served.path.name, dated_by="manifest", said=own)
        )
    return found


def _is_manifest(path: Path) -> bool:
    if path.suffix.lower() != ".csv":
        return False
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return False
    return {"time", "file"} <= {title.strip() for title in header}


def _without_copies(files: Iterable[CapturedFile]) -> tuple[CapturedFile, ...]:
    """The files without those that are given twice. Raises UsageError for two of one moment that differ."""
    kept: dict[datetime, CapturedFile] = {}
    for file in files:
        other = kept.setdefault(file.at, file)
        if other.sha256 != file.sha256:
            raise UsageError(
                f"{other.name} and {file.name} are said to be captured at the same moment, "
                f"{file.at:%Y-%m-%d %H:%M:%S} UTC, and differ: write a manifest with their times"
            )
    return tuple(kept.values())


def _date_conflicts(file: CapturedFile) -> list[Conflict]:
    found = []
    if file.named_at is not None and abs(file.named_at - file.at) > _NEAR:
        text = f"Its name says {_day(file.named_at)}, its {file.dated_by} says {_day(file.at)}."
        found.append(Conflict("date", file.name, text))
    if file.saved_at is not None and file.saved_at - file.at > _NEAR:
        text = (
            f"The workbook says that it was saved on {_day(file.saved_at)}, after {_day(file.at)}, "
            "when it is said to be captured."
        )
        found.append(Conflict("date", file.name, text))
    return found


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"
