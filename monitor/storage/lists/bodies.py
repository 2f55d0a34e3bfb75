"""Raw bodies of publications: stored by difference, read back exactly, verified by their hash.

A body is stored whole, or as a zstd frame with an earlier body of the same source as its dictionary: a change
of six rows in a list of 2,600 takes 0.3 kB instead of 100. The bodies of a source form chains of at most
`CHAIN`. The first of each chain is whole, and number n has number n & (n - 1) as its dictionary, so that
reading any of them decodes at most log2(CHAIN) frames before it.

The wire form (what the server sent, compressed with gzip) is kept too. A whole body is stored in that form.
For a difference the parameters of zlib are stored if they reproduce exactly these bytes (about 60 bytes);
otherwise only the hash of the wire form is stored.

A workbook (XLSX) is a ZIP archive whose parts are compressed already. Differences of its unpacked parts would
be small, but the archive could not be restored byte by byte: zlib reproduced 18 of the 279 parts of 13 real
workbooks. So it is stored as received, and by difference only if that saves half, as for a workbook that was
published again with another comment.
"""

from __future__ import annotations

import hashlib
import logging
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
import zstandard
from sqlalchemy.engine import Connection, Engine

from monitor.errors import DamagedBody, StoreError, UsageError
from monitor.storage.engine import insert_for, reading, transaction
from monitor.storage.lists.tables import BodyRow, SnapshotRow

log = logging.getLogger(__name__)

RAW, ZSTD, GZIP, DIFFERENCE, REDACTED = "raw", "zstd", "gzip", "difference", "redacted"
CHAIN = 32
"""The bodies of a chain, of which one is whole: at 730 changed publications a year, 23 whole ones."""
DIFFERENCE_LIMIT = 16 * 2**20
"""Bytes of the largest body that takes part in differences: it bounds the memory of writing and reading one
to about 100 MiB.
"""
# of zstd: 1.7 MB of KML in 25 ms to a tenth of its size; the highest levels take 20 times that for 8 % less
_LEVEL = 9
_NEAR_LEVEL, _NEAR = 6, 2**22  # up to 4 MiB a difference is as small, in half the time; beyond it is not
_CLEAR = (
    50  # a difference of this part of the body is taken without looking at how small the whole form would be
)
_STEP = 2**16  # bytes of input per step while comparing with a wire form
_LEVELS = (6, 1, 9, 5, 4, 3, 2, 7, 8)  # of zlib, the most common defaults of servers first
_MEMORY = (8, 9)  # memLevel of zlib: its own default, and that of Apache httpd


@dataclass(frozen=True, slots=True)
class GzipParameters:
    """Parameters with which zlib compresses a body to exactly the bytes that a server sent. ``header`` is the
    gzip header, verbatim.
    """

    level: int
    memory: int
    header: bytes

    def compress(self, body: bytes) -> Iterator[bytes]:
        """The wire form, piece by piece (RFC 1952)."""
        yield self.header
        stream = zlib.compressobj(self.level, zlib.DEFLATED, -zlib.MAX_WBITS, self.memory)
        for start in range(0, len(body), _STEP):
            yield stream.compress(body[start : start + _STEP])
        yield stream.flush()
        yield zlib.crc32(body).to_bytes(4, "little") + (len(body) % 2**32).to_bytes(4, "little")

    def reproduces(self, wire: bytes, body: bytes) -> bool:
        """Whether compressing gives these bytes. Stops at the first piece that differs, which is nearly
        always the first.
        """
        at = 0
        for piece in self.compress(body):
            if wire[at : at + len(piece)] != piece:
                return False
            at += len(piece)
        return at == len(wire)

    def to_json(self) -> list[Any]:
        return [self.level, self.memory, self.header.hex()]

    @classmethod
    def from_json(cls, stored: list[Any]) -> GzipParameters:
        level, memory, header = stored
        return cls(level, memory, bytes.fromhex(header))


@dataclass(frozen=True, slots=True)
class Conversion:
    """How many bodies `convert_bodies` stored by difference, their bytes before and after, and how many are
    damaged.
    """

    bodies: int = 0
    before: int = 0
    after: int = 0
    damaged: int = 0


@dataclass(frozen=True, slots=True)
class _Form:
    encoding: str
    content: bytes
    base: str | None = None
    position: int = 0
    wire: GzipParameters | None = None


def insert_body(
    conn: Connection,
    sha256: str,
    body: bytes,
    now: datetime,
    *,
    previous: str | None = None,
    wire: bytes | None = None,
) -> None:
    """Store a body, once per hash. ``previous`` is the hash of the body of the same source that it most
    likely resembles, ``wire`` the gzip form in which the server sent it, if it did.
    """
    if conn.scalar(sa.select(sa.exists().where(BodyRow.c.hash == sha256))):
        return
    form = _smallest_form(conn, body, previous, wire)
    conn.execute(
        insert_for(conn, BodyRow)
        .values(
            hash=sha256,
            size=len(body),
            encoding=form.encoding,
            content=form.content,
            at=now,
            base=form.base,
            position=form.position,
            wire_hash=None if wire is None else hashlib.sha256(wire).hexdigest(),
            wire_parameters=None if form.wire is None else form.wire.to_json(),
        )
        .on_conflict_do_nothing()
    )


def load_body(conn: Connection, sha256: str) -> bytes | None:
    """The decoded bytes of a stored body; None if it is not (or no longer) stored. Raises DamagedBody if they
    do not match the hash.
    """
    chain = _load_chain(conn, sha256)
    return None if chain is None or chain[0].encoding == REDACTED else _decode_chain(chain)


def load_wire(conn: Connection, sha256: str) -> bytes | None:
    """The gzip form in which a server first sent a body; None if it sent another form, or if it was not
    stored. Raises StoreError if the bytes do not match their hash, because another version of zlib may
    compress differently.
    """
    chain = _load_chain(conn, sha256)
    if chain is None or chain[0].wire_hash is None or chain[0].encoding == REDACTED:
        return None
    row, wire = chain[0], b""
    if row.encoding == GZIP:
        wire = bytes(row.content)
    elif row.wire_parameters is not None:
        wire = b"".join(GzipParameters.from_json(row.wire_parameters).compress(_decode_chain(chain)))
    else:
        return None
    if hashlib.sha256(wire).hexdigest() != row.wire_hash:
        raise StoreError(
            f"the compressed form of the publication {sha256[:12]} cannot be rebuilt here: "
            f"it was made for another version of zlib (this is {zlib.ZLIB_RUNTIME_VERSION}); "
            "the publication itself is not affected"
        )
    return wire


def load_kept_size(conn: Connection, sha256: str) -> int:
    """Load the size of a stored body, in bytes. Raises UsageError if it is not stored."""
    kept = sa.and_(BodyRow.c.hash == sha256, BodyRow.c.encoding != REDACTED)
    size = conn.scalar(sa.select(BodyRow.c.size).where(kept))
    if size is None:
        raise UsageError(f"no publication with the hash {sha256} is kept")
    return int(size)


def find_kept(conn: Connection, hashes: Iterable[str]) -> dict[str, bool]:
    """Which of these bodies have a row, and whether their bytes are stored (False: they were redacted)."""
    query = sa.select(BodyRow.c.hash, BodyRow.c.encoding).where(BodyRow.c.hash.in_(list(hashes)))
    return {row.hash: row.encoding != REDACTED for row in conn.execute(query)}


def redact_body(conn: Connection, sha256: str) -> None:
    """Remove the bytes of a body and keep its hash. Bodies that have it as their dictionary are stored whole
    first. Raises UsageError for a body that is not stored, DamagedBody if another body depends on it and it
    cannot be read.
    """
    known = conn.scalar(sa.select(BodyRow.c.encoding).where(BodyRow.c.hash == sha256).with_for_update())
    if known is None or known == REDACTED:
        raise UsageError(f"no publication with the hash {sha256} is kept")
    dependents = conn.scalars(sa.select(BodyRow.c.hash).where(BodyRow.c.base == sha256)).all()
    for dependent in dependents:
        body = load_body(conn, dependent)
        assert body is not None  # a redacted body has no base
        form = _compress_whole(body)
        conn.execute(
            sa.update(BodyRow)
            .where(BodyRow.c.hash == dependent)
            .values(encoding=form.encoding, content=form.content, base=None, position=0)
        )
    conn.execute(
        sa.update(BodyRow)
        .where(BodyRow.c.hash == sha256)
        .values(encoding=REDACTED, content=b"", base=None, position=0, wire_parameters=None)
    )


def convert_bodies(engine: Engine) -> Conversion:
    """Store bodies of earlier versions by difference, each in a transaction of its own. It can be stopped at
    any moment and started again. Bodies that are the dictionary of others, and bodies with a wire form, are
    not converted.
    """
    done = Conversion()
    with reading(engine) as conn:
        sources = conn.scalars(sa.select(SnapshotRow.c.source).distinct()).all()
    for source in sorted(sources):
        previous: str | None = None
        for sha256 in _list_hashes(engine, source):
            if previous is None:
                previous = sha256
                continue
            try:
                with transaction(engine) as conn:
                    saved = _convert(conn, sha256, previous)
            except DamagedBody as error:
                log.error("%s", error)
                done = replace(done, damaged=done.damaged + 1)
                continue
            if saved is not None:
                done = replace(
                    done, bodies=done.bodies + 1, before=done.before + saved[0], after=done.after + saved[1]
                )
            previous = sha256
    return done


def find_gzip_parameters(wire: bytes, body: bytes) -> GzipParameters | None:
    """Find the parameters that reproduce a wire form exactly; None if there are none, because the server does
    not use zlib.
    """
    header = _gzip_header(wire)
    if header is None:
        return None
    tries = (GzipParameters(level, memory, header) for level in _LEVELS for memory in _MEMORY)
    return next((parameters for parameters in tries if parameters.reproduces(wire, body)), None)


_COLUMNS: tuple[Any, ...] = (
    BodyRow.c.hash,
    BodyRow.c.size,
    BodyRow.c.encoding,
    BodyRow.c.content,
    BodyRow.c.base,
    BodyRow.c.position,
    BodyRow.c.wire_hash,
    BodyRow.c.wire_parameters,
)


def _list_hashes(engine: Engine, source: str) -> list[str]:
    """The bodies of a source in the order in which they were first published."""
    first = sa.func.min(SnapshotRow.c.id)
    with reading(engine) as conn:
        return list(
            conn.scalars(
                sa.select(SnapshotRow.c.hash)
                .where(SnapshotRow.c.source == source)
                .group_by(SnapshotRow.c.hash)
                .order_by(first)
            )
        )


def _convert(conn: Connection, sha256: str, previous: str) -> tuple[int, int] | None:
    """Replace a whole body by a difference; returns its size before and after in bytes, None if it is not
    replaced.
    """
    # the lock keeps a poll from taking this body as a dictionary between the question and the update
    row = conn.execute(sa.select(*_COLUMNS[:5]).where(BodyRow.c.hash == sha256).with_for_update()).first()
    if row is None or row.encoding not in (RAW, ZSTD):
        return None
    if conn.scalar(sa.select(sa.exists().where(BodyRow.c.base == sha256))):
        return None
    form = _difference(conn, _decode_chain([row]), previous)
    if form is None or 2 * len(form.content) > len(row.content):
        return None
    conn.execute(
        sa.update(BodyRow)
        .where(BodyRow.c.hash == sha256)
        .values(encoding=form.encoding, content=form.content, base=form.base, position=form.position)
    )
    return len(row.content), len(form.content)


def _smallest_form(conn: Connection, body: bytes, previous: str | None, wire: bytes | None) -> _Form:
    difference = None if previous is None else _difference(conn, body, previous, wire)
    if difference is not None and len(difference.content) * _CLEAR <= len(body):
        return difference
    whole = _compress_whole(body) if wire is None else _Form(GZIP, wire)
    if difference is not None and 2 * len(difference.content) <= len(whole.content):
        return difference
    return whole


def _compress_whole(body: bytes) -> _Form:
    packed = zstandard.ZstdCompressor(level=_LEVEL).compress(body)
    return _Form(ZSTD, packed) if len(packed) < len(body) else _Form(RAW, body)


def _difference(conn: Connection, body: bytes, previous: str, wire: bytes | None = None) -> _Form | None:
    """A body as the difference to an earlier one; None at the end of a chain, or if the earlier one is not
    usable.
    """
    position = conn.scalar(
        sa.select(BodyRow.c.position).where(BodyRow.c.hash == previous).with_for_update(read=True)
    )
    if position is None or position + 1 >= CHAIN or not 0 < len(body) <= DIFFERENCE_LIMIT:
        return None
    try:
        chain = _load_chain(conn, previous, (position + 1) & position)
        base = None if chain is None or chain[0].encoding == REDACTED else _decode_chain(chain)
    except DamagedBody as error:
        log.warning("a new publication is stored whole: %s", error)
        return None
    if chain is None or not base or len(base) > DIFFERENCE_LIMIT:
        return None
    content = _compress_with(base, body)
    if _decompress_with(base, content) != body:  # a fault here would be found only when the body is needed
        log.warning("a new publication is stored whole: its difference does not decode to it")
        return None
    parameters = None if wire is None else find_gzip_parameters(wire, body)
    return _Form(DIFFERENCE, content, chain[0].hash, position + 1, parameters)


def _load_chain(conn: Connection, sha256: str, until: int | None = None) -> list[Any] | None:
    """The rows from which a body is decoded, its own first and a whole one last; None if it is not stored.
    With ``until``, the chain of the nearest body below it whose position is at most that.
    """
    chain: list[Any] = []
    wanted: str | None = sha256
    for _ in range(CHAIN):
        row = conn.execute(sa.select(*_COLUMNS).where(BodyRow.c.hash == wanted)).first()
        if row is None:
            if wanted == sha256:
                return None
            break
        if until is None or row.position <= until:
            chain.append(row)
        if row.base is None:
            return chain
        wanted = row.base
    raise _damaged(sha256)


def _decode_chain(chain: Iterable[Any]) -> bytes:
    """The decoded bytes of the first row. At most two bodies are in memory at once. Raises DamagedBody."""
    rows = list(chain)
    body: bytes | None = None
    try:
        for row in reversed(rows):
            body = _decode(row, body)
    except (zstandard.ZstdError, zlib.error, MemoryError):
        raise _damaged(rows[0].hash) from None
    assert body is not None
    if hashlib.sha256(body).hexdigest() != rows[0].hash:
        raise _damaged(rows[0].hash)
    return body


def _decode(row: Any, base: bytes | None) -> bytes:
    content = bytes(row.content)
    if row.encoding == RAW:
        return content
    if row.encoding == GZIP:
        return _unpack_gzip(content, row.size)
    if zstandard.frame_content_size(content) != row.size:  # it is what the decoder allocates
        raise zstandard.ZstdError
    if row.encoding == ZSTD:
        return zstandard.ZstdDecompressor().decompress(content)
    if row.encoding != DIFFERENCE or base is None:
        raise zstandard.ZstdError
    return _decompress_with(base, content)


def _compress_with(base: bytes, body: bytes) -> bytes:
    # the window reaches all of the dictionary from the end of the body; the level's own ends at 4 MiB
    parameters = zstandard.ZstdCompressionParameters.from_level(
        _NEAR_LEVEL if len(body) <= _NEAR else _LEVEL,
        source_size=len(body),
        dict_size=len(base),
        window_log=max((len(base) + len(body)).bit_length(), zstandard.WINDOWLOG_MIN),
    )
    return zstandard.ZstdCompressor(compression_params=parameters, dict_data=_dictionary(base)).compress(body)


def _decompress_with(base: bytes, content: bytes) -> bytes:
    return zstandard.ZstdDecompressor(dict_data=_dictionary(base)).decompress(content)


def _dictionary(base: bytes) -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


def _unpack_gzip(wire: bytes, size: int) -> bytes:
    """All members of a gzip body, at most ``size`` bytes. What follows the last member is padding
    (`net.decompress` saw to that).
    """
    pieces: list[bytes] = []
    while wire[:1] == b"\x1f":
        stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        pieces.append(stream.decompress(wire, size - sum(map(len, pieces)) + 1))
        if not stream.eof:
            raise zlib.error
        wire = stream.unused_data.lstrip(b"\0")
    return b"".join(pieces)


def _gzip_header(wire: bytes) -> bytes | None:
    """The header of the first member (RFC 1952, 2.3)."""
    if len(wire) < 18 or wire[:3] != b"\x1f\x8b\x08":
        return None
    flags, end = wire[3], 10
    if flags & 0x04:
        end += 2 + int.from_bytes(wire[end : end + 2], "little")
    for flag in (0x08, 0x10):  # a file name, a comment
        if flags & flag:
            end = wire.find(b"\0", end) + 1
            if not end:
                return None
    end += 2 if flags & 0x02 else 0
    return wire[:end]


def _damaged(sha256: str) -> DamagedBody:
    return DamagedBody(
        f"the stored publication {sha256[:12]} is damaged: it does not match its hash. "
        "Restore the database from a backup, and check the disk"
    )
