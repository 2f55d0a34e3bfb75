"""Reads captured files of a list's past, each with its time and the person who captured it: from folders,
manifests, git histories and web archives.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from monitor.errors import UsageError
from monitor.history.archives import is_archive, is_repository, read_archive, read_repository
from monitor.history.captured_file import Attribution, CapturedFile, describe_file, find_time
from monitor.history.replay import read_manifest_rows

MANIFEST = "manifest.csv"
# the allowed difference of two times of one file: time zones, and the hours of a workday
_NEAR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Conflict:
    """Something about a file that a person should look at before it becomes part of the record."""

    kind: str
    name: str
    text: str


def read_captures(
    paths: Sequence[Path], said: Attribution, folder: Path, git_path: str | None = None
) -> tuple[CapturedFile, ...]:
    """Read the files at these paths, sorted by time. ``folder`` is for unpacked files.

    A path is a manifest (a CSV file with the header time,file), a folder of files or with a manifest.csv, a
    git repository (``git_path`` names the file in it), a WARC or WACZ file, or one captured file. Raises
    UsageError for a file without a time or without a person who captured it.
    """
    found: list[CapturedFile] = []
    for path in paths:
        if path.is_dir():
            found += _read_folder(path, said, folder, git_path)
        elif not path.is_file():
            raise UsageError(f"there is no file {path}")
        elif is_archive(path):
            found += read_archive(path, said, folder)
        elif _is_manifest(path):
            found += _read_manifest(path, said)
        else:
            found.append(_read_file(path, said))
    nameless = next((file.name for file in found if not file.captured_by), None)
    if nameless is not None:
        raise UsageError(
            f"nobody is named who captured {nameless}: give --captured-by, or a column captured_by"
        )
    return _without_copies(sorted(found, key=lambda file: (file.at, file.name)))


def _read_folder(path: Path, said: Attribution, folder: Path, git_path: str | None) -> list[CapturedFile]:
    if is_repository(path):
        if git_path is None:
            raise UsageError(f"{path} is a git repository: name the file in it with --git-path")
        return read_repository(path, git_path, said, folder)
    if (path / MANIFEST).is_file():
        return _read_manifest(path / MANIFEST, said)
    files = [file for file in sorted(path.iterdir()) if file.is_file() and file.name[0] != "."]
    if not files:
        raise UsageError(f"{path} holds no file")
    return [_read_file(file, said) for file in files]


def find_conflicts(files: Sequence[CapturedFile]) -> tuple[Conflict, ...]:
    """Find contradictions in these files, in their order."""
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
    """Remove files that are given twice. Raises UsageError for two different files of one moment."""
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
