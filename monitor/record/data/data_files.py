"""The files of the record, each built once for a state of its list and cached on disk.

Files are complete or absent: each is written to a temporary name and then renamed.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import threading
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from sqlalchemy.engine import Connection, Engine

from monitor import __version__
from monitor.domain import SourceInfo
from monitor.places import Gazetteer
from monitor.record.data import data_package, record_database
from monitor.record.data.describe import Locate, Record, format_time, iterate_table
from monitor.record.data.encoders import encode_csv, encode_geojson, encode_json, encode_ndjson
from monitor.storage.engine import reading
from monitor.storage.lists import baseline, poll_rows, record_rows
from monitor.storage.lists.past_lists import ListMoment
from monitor.storage.lists.retracted_changes import count_all_retracted, count_retracted

SCHEMA = 4
"""The version of the files' fields; it is part of the name of every cached file."""

FILES: dict[str, tuple[str, str]] = {
    "agencies.csv": ("agencies", "text/csv; charset=utf-8"),
    "agencies.json": ("agencies", "application/json"),
    "agencies.geojson": ("agencies", "application/geo+json"),
    "versions.csv": ("versions", "text/csv; charset=utf-8"),
    "changes.csv": ("changes", "text/csv; charset=utf-8"),
    "changes.ndjson": ("changes", "application/x-ndjson"),
    "polls.csv": ("polls", "text/csv; charset=utf-8"),
}
"""The files of each list, each with its table and media type."""

COMPRESSED, COMPRESSED_TYPE = ".gz", "application/gzip"
"""What is appended to the name of a file for its compressed form, and that form's media type."""
PACKAGE = "datapackage.json"
DATABASE = "record.sqlite"
_PAST_KEPT = 64  # the most files of past moments of one list that stay on disk
_KEPT = re.compile(r"(?P<key>[^~]+)~(?P<hash>[0-9a-f]{64})~(?P<name>[^~]+)")


@dataclass(frozen=True, slots=True)
class _ListState:
    """The state that the files of a list depend on: its number, its retracted changes, and the id of its last
    poll.
    """

    number: int = 0
    retracted: int = 0
    last_poll: int = 0


def _load_states(conn: Connection) -> defaultdict[str, _ListState]:
    """Load the state of every list by name, with three statements; zeros for one that was never polled."""
    stands, polls = baseline.load_all_infos(conn), poll_rows.find_last_polls(conn)
    retracted = count_all_retracted(conn)
    return defaultdict(
        _ListState,
        {
            name: _ListState(info.number, retracted.get(name, 0), polls.get(name, 0))
            for name, info in stands.items()
        },
    )


def _load_state(conn: Connection, source: str) -> _ListState:
    """Load the state of one list: its files cost the same, however many lists there are."""
    info, poll = baseline.load_info(conn, source), poll_rows.find_last_poll(conn, source)
    return _ListState(info.number, count_retracted(conn, source), poll[0] if poll is not None else 0)


@dataclass(frozen=True, slots=True)
class DataFile:
    """A complete file on disk, with its size in bytes and its SHA-256."""

    path: Path
    name: str
    media_type: str
    size: int
    sha256: str

    @property
    def etag(self) -> str:
        return f'"{self.sha256[:32]}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class DataTerms:
    """The publisher and the terms of the data; ``url`` is the site's URL, "" without one."""

    name: str
    url: str
    licence: str


@dataclass(slots=True, kw_only=True)
class DataFiles:
    """Builds and caches the files. Thread-safe; several processes may share the folder."""

    engine: Engine
    sources: Mapping[str, SourceInfo]
    locate: Locate
    gazetteer: Gazetteer
    terms: DataTerms
    folder: Path
    _locks: defaultdict[tuple[str, str], threading.Lock] = field(
        default_factory=lambda: defaultdict(threading.Lock), init=False
    )

    def build(self, source: str, name: str, moment: ListMoment | None = None) -> DataFile:
        """Build a file of a list as it is now, or of its agencies at a moment at which the list changed.

        Raises KeyError for a name that is not in `FILES`, OSError if it cannot be written.
        """
        table, media_type = FILES[name]
        past = moment is not None
        with self._locks[source, name]:
            with reading(self.engine) as conn:
                key = self._compute_key(_load_state(conn, source), table, moment)
                folder = self.folder / source / ("past" if past else "now")
                found = _find(folder, key, name, media_type)
                if found is None:
                    pieces = self._encode(conn, source, name, moment)
                    found = _write(folder, key, name, media_type, pieces)
                    _forget(folder, name, _PAST_KEPT if past else 2)
            return found

    def build_compressed(self, source: str, name: str, moment: ListMoment | None = None) -> DataFile:
        """Build a file as `build` does and compress it with gzip: equal files give equal bytes. Raises as
        `build` does.
        """
        plain = self.build(source, name, moment)
        compressed = f"{name}{COMPRESSED}"
        with self._locks[source, compressed]:
            folder, key = plain.path.parent, plain.sha256[:20]
            found = _find(folder, key, compressed, COMPRESSED_TYPE)
            if found is None:
                with plain.path.open("rb") as file:
                    found = _write(folder, key, compressed, COMPRESSED_TYPE, _compress(file))
                _forget(folder, compressed, _PAST_KEPT if moment is not None else 2)
            return found

    def build_package(self, source: str) -> tuple[bytes, dict[str, DataFile]]:
        """``datapackage.json`` of a list, and the files that it describes."""
        files = {name: self.build(source, name) for name in FILES}
        described = data_package.describe_package(
            self.sources[source],
            self.terms.name,
            self.terms.licence,
            [
                (file.name, FILES[file.name][0], file.media_type, file.size, file.sha256)
                for file in files.values()
            ],
        )
        return described, files

    def list_read(self) -> tuple[str, ...]:
        """The lists that were read at least once. Another one has no files: an empty one would say that its
        publisher lists nobody.
        """
        with reading(self.engine) as conn:
            moves = record_rows.find_moves(conn)
        return tuple(source for source in self.sources if source in moves)

    def build_all(self) -> dict[str, tuple[DataFile, ...]]:
        """The files of every list that was read as it is now, by list and in the order of `FILES`."""
        with reading(self.engine) as conn:
            states = _load_states(conn)
        return {source: tuple(self._find_or_build(source, states[source])) for source in self.list_read()}

    def _find_or_build(self, source: str, state: _ListState) -> Iterator[DataFile]:
        for name, (table, media_type) in FILES.items():
            key = self._compute_key(state, table, None)
            yield _find(self.folder / source / "now", key, name, media_type) or self.build(source, name)

    def build_database(self) -> DataFile:
        """``record.sqlite``: the tables of all lists."""
        with self._locks["", DATABASE], reading(self.engine) as conn:
            known = _load_states(conn)
            states = [
                (
                    name,
                    *(
                        self._compute_key(known[name], table, None)
                        for table in ("agencies", "changes", "polls")
                    ),
                )
                for name in self.sources
            ]
            key = hashlib.sha256(repr(states).encode()).hexdigest()[:20]
            found = _find(self.folder, key, DATABASE, record_database.MEDIA_TYPE)
            if found is None:
                _prepare_folder(self.folder)
                path = self.folder / f".{DATABASE}-{os.getpid()}-{threading.get_ident()}"
                record_database.write_database(path, conn, self.sources, self.locate, self.terms.licence)
                found = _keep(path, self.folder, key, DATABASE, record_database.MEDIA_TYPE)
                _forget(self.folder, DATABASE, 2)
            return found

    def select_agencies(
        self,
        source: str,
        name: str,
        moment: ListMoment | None,
        state: str | None,
        year: int | None,
        *,
        departed: bool = False,
    ) -> bytes:
        """Select the agencies of one state, or with the publisher's date in one year, in the format of a
        file; with ``departed``, include those that are no longer listed.
        """
        with reading(self.engine) as conn:
            records = (
                record
                for record in iterate_table(conn, source, "agencies", self.locate, moment, departed=departed)
                if (state is None or record["state"] == state)
                and (year is None or (record["since"] or "").startswith(f"{year:04}-"))
            )
            return b"".join(self._encode_records(conn, source, name, moment, records))

    def find_point(self, record: Record) -> tuple[float, float] | None:
        """Find the point of an agency: as published, or the center of the ZIPs that it serves; None for one
        that serves a whole state or could not be placed.
        """
        if record["latitude"] is not None:
            return record["latitude"], record["longitude"]
        centers = map(self.gazetteer.point, record["zips"])
        points = [center for center in centers if center is not None]
        if not points:
            return None
        north, east = (sum(point[axis] for point in points) / len(points) for axis in (0, 1))
        return round(north, 4), round(east, 4)

    def _compute_key(self, state: _ListState, table: str, moment: ListMoment | None) -> str:
        if table == "polls":
            return f"{SCHEMA}-{state.last_poll}"
        if table == "changes":
            return f"{SCHEMA}-{state.number}r{state.retracted}-{__version__}"
        # the known past changes with the list: by later decisions about changes, or by an import
        past = "" if moment is None else f"at{moment.number}t{moment.at.timestamp():.6f}"
        return f"{SCHEMA}-{state.number}{past}-{__version__}-{self._hash_corrections()}"

    def _hash_corrections(self) -> str:
        """Hash the operator's corrections: places depend on the program and on these."""
        return hashlib.sha256(repr(self.gazetteer.overrides).encode()).hexdigest()[:8]

    def _encode(self, conn: Connection, source: str, name: str, moment: ListMoment | None) -> Iterator[bytes]:
        records = iterate_table(conn, source, FILES[name][0], self.locate, moment)
        return self._encode_records(conn, source, name, moment, records)

    def _encode_records(
        self, conn: Connection, source: str, name: str, moment: ListMoment | None, records: Iterable[Record]
    ) -> Iterator[bytes]:
        table, suffix = FILES[name][0], name.rpartition(".")[2]
        if suffix == "csv":
            return encode_csv(table, records)
        if suffix == "ndjson":
            return encode_ndjson(records)
        number, at = moment or record_rows.find_move(conn, source) or (0, None)
        head = {
            "source": source,
            "number": number,
            "at": format_time(at),
            "license": self.terms.licence,
        }
        if suffix == "geojson":
            return encode_geojson(head, records, self.find_point)
        return encode_json(head, table, records)


def _write(folder: Path, key: str, name: str, media_type: str, pieces: Iterable[bytes]) -> DataFile:
    _prepare_folder(folder)
    descriptor, path = tempfile.mkstemp(prefix=".", dir=folder)
    with os.fdopen(descriptor, "wb") as file:
        _write_pieces(file, pieces)
    return _keep(Path(path), folder, key, name, media_type)


def _write_pieces(file: IO[bytes], pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        file.write(piece)


def _compress(file: IO[bytes]) -> Iterator[bytes]:
    """Compress a file with gzip, without a name or a time in its header (RFC 1952)."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    while piece := file.read(2**20):
        yield packer.compress(piece)
    yield packer.flush()


def _keep(path: Path, folder: Path, key: str, name: str, media_type: str) -> DataFile:
    """Rename a written file to its final name, which includes its hash."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    kept = folder / f"{key}~{sha256}~{name}"
    path.replace(kept)
    return DataFile(kept, name, media_type, kept.stat().st_size, sha256)


def _find(folder: Path, key: str, name: str, media_type: str) -> DataFile | None:
    for path in folder.glob(f"{key}~*~{name}"):
        parts = _KEPT.fullmatch(path.name)
        if parts is not None:
            return DataFile(path, name, media_type, path.stat().st_size, parts["hash"])
    return None


def _forget(folder: Path, name: str, most: int) -> None:
    """Remove the oldest files of a name; a reader that has one open can still read it."""
    paths = sorted(folder.glob(f"*~*~{name}"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in paths[most:]:
        with suppress(FileNotFoundError):
            path.unlink()


def _prepare_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
