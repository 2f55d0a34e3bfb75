"""The whole record as one file, ``.tar.zst``: the data files and the database of all lists, the log with its
checkpoint, and every publication as it was received.

It is streamed: only one publication is in memory at a time, whatever the size of the record.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import zstandard
from sqlalchemy.engine import Connection

from monitor.record.bundle import read_verifier
from monitor.record.checkpoint import read_checkpoint
from monitor.record.data.data_files import DATABASE, PACKAGE, DataFiles
from monitor.storage.engine import reading
from monitor.storage.lists import bodies, log_rows, record_rows

DAILY, MONTHLY = 7, 12
"""The numbers of dumps that are kept: those of the last days, and the first one of each of the last
months.
"""
SUFFIX = ".tar.zst"
MEDIA_TYPE = "application/zstd"
_LEVEL = 10
_PIECE = 2**20  # the most bytes of a member that are read at once


def make_dump(files: DataFiles, folder: Path, now: datetime) -> Path:
    """Write the dump of a day (UTC) unless it exists, and remove old ones.

    Raises OSError if it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{now.astimezone(UTC):%Y-%m-%d}{SUFFIX}"
    if not path.exists():
        written = path.with_suffix(".part")
        with written.open("wb") as file:
            write_dump(file, files)
        written.replace(path)
        forget_dumps(folder)
    return path


def list_dumps(folder: Path) -> tuple[Path, ...]:
    """The kept dumps, newest first."""
    return tuple(sorted(folder.glob(f"????-??-??{SUFFIX}"), reverse=True))


def forget_dumps(folder: Path) -> None:
    """Keep the newest `DAILY` dumps and the first dump of each of the newest `MONTHLY` months."""
    dumps = list_dumps(folder)
    firsts = {path.name[:7]: path for path in dumps}  # the oldest of a month comes last
    kept = {*dumps[:DAILY], *(firsts[month] for month in sorted(firsts, reverse=True)[:MONTHLY])}
    for path in dumps:
        if path not in kept:
            with suppress(FileNotFoundError):
                path.unlink()


def write_dump(target: IO[bytes], files: DataFiles) -> None:
    """Write the dump to an open file."""
    packer = zstandard.ZstdCompressor(level=_LEVEL)
    with (
        packer.stream_writer(target, closefd=False) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as archive,
    ):
        for source in files.list_read():
            described, built = files.build_package(source)
            _add(archive, f"data/{source}/{PACKAGE}", described)
            for file in built.values():
                _add_file(archive, f"data/{source}/{file.name}", file.path)
        _add_file(archive, f"data/{DATABASE}", files.build_database().path)
        with reading(files.engine) as conn:
            _add_log(archive, conn)
            for sha256 in record_rows.iterate_bodies(conn):
                content = bodies.load_body(conn, sha256)
                if content is not None:
                    _add(archive, f"bodies/{sha256}", content)
        _add(archive, "verify.py", read_verifier())


def _add_log(archive: tarfile.TarFile, conn: Connection) -> None:
    note = log_rows.load_checkpoint(conn)
    if note is None:
        return
    _add(archive, "log/checkpoint", note.encode())
    key = log_rows.load_head(conn).key
    if key is not None:
        _add(archive, "log/key", f"{key}\n".encode())
    # A member's size precedes its content, so the entries are packed in parts.
    for number, part in enumerate(_split(record_rows.iterate_leaves(conn, read_checkpoint(note).size))):
        _add(archive, f"log/entries-{number:06}.ndjson", part)


def _split(lines: Iterator[str]) -> Iterator[bytes]:
    part = bytearray()
    for line in lines:
        part += line.encode() + b"\n"
        if len(part) >= _PIECE:
            yield bytes(part)
            part.clear()
    if part:
        yield bytes(part)


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    archive.addfile(_describe(name, len(content)), io.BytesIO(content))


def _add_file(archive: tarfile.TarFile, name: str, path: Path) -> None:
    with path.open("rb") as file:
        archive.addfile(_describe(name, path.stat().st_size), file)


def _describe(name: str, size: int) -> tarfile.TarInfo:
    """Describe a member without a time or an owner, so that the same content gives the same bytes."""
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o644
    return info
