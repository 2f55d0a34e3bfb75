"""Reads an evidence bundle that somebody received: its ZIP file, or the folder into which it was unpacked.

Programs handle an irregular ZIP file differently: of two files with one name, some show the first and others
the last. What is verified here must be what everybody sees, so an irregular ZIP file is refused.
"""

from __future__ import annotations

import io
import stat
import zlib
from pathlib import Path
from zipfile import BadZipFile, ZipFile, ZipInfo

from monitor.errors import UsageError
from monitor.record.verify import LARGEST, SUMS, VerificationFailed

BROKEN = (BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, NotImplementedError)
"""The exceptions that reading a broken ZIP file can raise."""
_LOCAL = 30  # the bytes of a file's header before its name
_DESCRIPTOR = 24  # the most bytes after a file whose size was not known before it
_LENGTHS = 26  # where it says how long the name and the extra field are
_END = b"PK\x05\x06"
_END_BYTES = 22
_LIST = (12, 16)  # where the end says how long the list of files is, and where it begins
_HIDDEN = "the ZIP file has bytes that belong to none of its files: programs may show other files than these"


def read_bundle(path: Path) -> dict[str, bytes]:
    """Read the files of a bundle, by their paths in it. Raises UsageError for a file that is not a ZIP file,
    VerificationFailed for one that programs may read differently, or that cannot be read.
    """
    try:
        if path.is_dir():
            return _read_folder(path)
        if path.stat().st_size > LARGEST:
            raise VerificationFailed("the file is too large for an evidence bundle")
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be read: {error.strerror}") from None
    try:
        archive = ZipFile(io.BytesIO(content))
    except BROKEN:
        raise UsageError(f"{path} is not a ZIP file, or is damaged") from None
    with archive:
        entries = archive.infolist()
        _check_layout(content, entries)
        files = _name_files(entries)
        try:
            return {name: archive.read(entry) for name, entry in files.items()}
        except BROKEN:
            raise VerificationFailed("a file in the ZIP file is damaged or encrypted") from None


def _read_folder(folder: Path) -> dict[str, bytes]:
    files = [file for file in folder.rglob("*") if file.is_file() and not file.is_symlink()]
    if sum(file.stat().st_size for file in files) > LARGEST:
        raise VerificationFailed("the folder is too large for an evidence bundle")
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def _check_layout(content: bytes, entries: list[ZipInfo]) -> None:
    """Check that the ZIP file has nothing but the files that its list names, one after the other."""
    if sum(entry.file_size for entry in entries) > LARGEST:
        raise VerificationFailed("the ZIP file unpacks to too many bytes for an evidence bundle")
    end = slack = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        start = entry.header_offset
        if not end <= start <= end + slack:
            raise VerificationFailed(_HIDDEN)
        lengths = content[start + _LENGTHS : start + _LOCAL]
        end = start + _LOCAL + sum(int.from_bytes(lengths[at : at + 2], "little") for at in (0, 2))
        end += entry.compress_size
        slack = _DESCRIPTOR if entry.flag_bits & 8 else 0
    at = len(content) - _END_BYTES
    size, listed = (int.from_bytes(content[at + place : at + place + 4], "little") for place in _LIST)
    if content[at : at + 4] != _END or not end <= listed <= end + slack or listed + size != at:
        raise VerificationFailed(_HIDDEN)


def _name_files(entries: list[ZipInfo]) -> dict[str, ZipInfo]:
    """Name the files by their paths in the one folder of the bundle."""
    files = [entry for entry in entries if not entry.is_dir()]
    folders = {entry.filename.partition("/")[0] for entry in files}
    within = "" if SUMS in folders else f"{min(folders, default='')}/"
    if within and len(folders) > 1:
        raise VerificationFailed(f"the ZIP file has several folders, {_list(folders)}: a bundle has one")
    seen: set[str] = set()  # in lower case, as some systems name files
    for entry in files:
        parts = entry.filename.split("/")
        plain = entry.filename == entry.orig_filename and entry.filename.isprintable()
        if not plain or {"", ".", ".."} & {*parts} or {*"\\:"} & {*entry.filename}:
            raise VerificationFailed(f"the ZIP file has a file that lies outside of it: {entry.filename!r}")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise VerificationFailed(f"{entry.filename} is a link to another file, not a file")
        if entry.filename.lower() in seen:
            raise VerificationFailed(f"the ZIP file has {entry.filename} twice: which one is shown differs")
        seen.add(entry.filename.lower())
    return {entry.filename.removeprefix(within): entry for entry in files}


def _list(names: set[str]) -> str:
    return ", ".join(repr(name) for name in sorted(names)[:5])
