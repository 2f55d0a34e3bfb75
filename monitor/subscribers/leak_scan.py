"""Searches the database, its log, the data folder and the program's logs for personal data that must not be
there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor import keys as keyfiles
from monitor.core import tokens
from monitor.core.tokens import Purpose
from monitor.keys import KeyFile
from monitor.storage import engine as db
from monitor.storage import people
from monitor.storage.deliveries import retention
from monitor.subscribers import erasures as tombs
from monitor.subscribers.erasures import Tombstones

_ADDRESS = re.compile(rb"[A-Za-z0-9._%+'-]{1,64}@[A-Za-z0-9.-]{1,253}")
_ENDPOINT = re.compile(rb"https://[!-~]{16,}", re.IGNORECASE)  # the endpoint of a browser at a relay
# columns are adjacent in a file, so a match may begin anywhere: all of them are checked, even those within
# another
_TOKEN = re.compile(
    rb"(?=([1-9][0-9]{0,18}x[a-z2-7]{26}))|(?=([1-9][0-9]{0,18}x[a-z2-7]{16}))", re.IGNORECASE
)
_HASH = re.compile(rb"(?=([0-9a-f]{64}))")
_UNSEEN = "the server's own files: deleted rows until VACUUM FULL, its write-ahead log, its backups"
_BLOCK = 16 * 2**20
_OVERLAP = 1024


@dataclass(frozen=True, slots=True)
class Trace:
    """A finding; ``what`` names its kind and never its content."""

    where: str
    what: str


@dataclass(frozen=True, slots=True)
class LeakScanResult:
    """What was searched (files, or tables of a server), what was found, and what could not be searched (None:
    nothing).
    """

    searched: tuple[str, ...]
    found: tuple[Trace, ...]
    unseen: str | None = None


@dataclass(frozen=True)
class _Wanted:
    addresses: frozenset[bytes]
    endpoints: frozenset[bytes]
    domains: frozenset[bytes]
    tokens: frozenset[bytes]
    hashes: frozenset[bytes]
    words: tuple[bytes, ...]


def scan_for_leaks(
    engine: Engine,
    keys: KeyFile,
    tombstones: Tombstones,
    *,
    logs: Iterable[Path] = (),
    secrets: Iterable[str] = (),
) -> LeakScanResult:
    """Search the database, the data folder and ``logs`` for addresses and tokens in the clear, hashes of
    erased subscribers, and ``secrets`` in any case.

    On SQLite the raw bytes are searched: the file with its free pages, its log, and copies from before
    upgrades. A server shows only its rows, which proves nothing about the rest: `LeakScanResult.unseen` says
    so.
    """
    wanted = _wanted(engine, keys, tombstones, secrets)
    path = db.sqlite_path(engine)
    searched: dict[str, set[Trace]] = {}
    if path is None:
        for where, content in _rows(engine):
            searched.setdefault(where, set()).update(_traces(where, content, wanted))
    else:
        with db.explain_errors(engine), closing(engine.raw_connection()) as conn:
            # outside of a transaction, because it has no effect in one; busy readers only reduce its effect
            conn.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    ours = [path, path.with_name(f"{path.name}-wal")] if path is not None else []
    for file in dict.fromkeys((*ours, *_kept(tombstones.folder), *logs)):
        with suppress(FileNotFoundError):  # a log that was merged into its database
            for content in _blocks(file):
                searched.setdefault(file.name, set()).update(_traces(file.name, content, wanted))
    found = {trace for traces in searched.values() for trace in traces}
    return LeakScanResult(
        searched=tuple(searched),
        found=tuple(sorted(found, key=lambda trace: (trace.where, trace.what))),
        unseen=None if path is not None else _UNSEEN,
    )


def _kept(folder: Path) -> Iterator[Path]:
    """The files of the data folder, without those that hold keys or the hashes of erased subscribers."""
    for file in sorted(folder.glob("*")):
        if file.is_file() and not file.name.startswith(keyfiles.NAME) and file.name != tombs.NAME:
            yield file


def _wanted(engine: Engine, keys: KeyFile, tombstones: Tombstones, secrets: Iterable[str]) -> _Wanted:
    with db.reading(engine) as conn:
        living = people.load_living(conn)
        sealed = people.load_sealed_addresses(conn)
        kept = retention.load_hashes(conn)  # for example of a person who subscribed again
    addresses = {
        keys.open(each.channel, sealed[each.id]).casefold().encode() for each in living if each.id in sealed
    }
    mails = {each for each in addresses if b"@" in each and not _ENDPOINT.match(each)}
    codes = {
        tokens.make(key, purpose, number, each.nonce).encode()
        for key in keys.trusted_token_keys(None)
        for each in living
        for number in (each.number, each.id)  # tokens of version 0.1.0 contain the id
        for purpose in Purpose
    }
    erased = {each for _, first in tombstones.read() for each in keys.compute_stages(first)}
    return _Wanted(
        addresses=frozenset(mails),
        endpoints=frozenset(each.partition(b" ")[0] for each in addresses - mails if _ENDPOINT.match(each)),
        domains=frozenset(each.rpartition(b"@")[2] for each in mails),
        tokens=frozenset(codes),
        hashes=frozenset(each.encode() for each in erased - kept),
        words=tuple(word.lower().encode() for word in secrets if word),
    )


def _traces(where: str, content: bytes, wanted: _Wanted) -> set[Trace]:
    found: set[Trace] = set()
    if any(_holds(each.lower(), wanted) for each in _ADDRESS.findall(content)):
        found.add(Trace(where, "a subscriber's address in the clear"))
    lengths = {len(each) for each in wanted.endpoints}
    if any(
        each[:length].lower() in wanted.endpoints for each in _ENDPOINT.findall(content) for length in lengths
    ):
        found.add(Trace(where, "the endpoint of a subscriber's browser in the clear"))
    if any(each.lower() in wanted.tokens for pair in _TOKEN.findall(content) for each in pair):
        found.add(Trace(where, "a token"))
    if any(each in wanted.hashes for each in _HASH.findall(content)):
        found.add(Trace(where, "the hash of an erased address"))
    lowered = content.lower() if wanted.words else b""
    if any(word in lowered for word in wanted.words):
        found.add(Trace(where, "a word that must not be there"))
    return found


def _holds(match: bytes, wanted: _Wanted) -> bool:
    """Whether an address occurs in the text, with any text around it."""
    local, _, domain = match.partition(b"@")
    return any(
        local[start:] + b"@" + domain[:end] in wanted.addresses
        for end in range(1, len(domain) + 1)
        if domain[:end] in wanted.domains
        for start in range(len(local))
    )


def _blocks(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes in overlapping blocks, so that nothing is missed at a boundary."""
    before = b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield before + block
            before = block[-_OVERLAP:]
    if not before:
        yield b""  # an empty file counts as searched


def _rows(engine: Engine) -> Iterator[tuple[str, bytes]]:
    """Yield every row of every table as text, for a server whose files we cannot read. Bodies and headers of
    sources are skipped.
    """
    reflected = sa.MetaData()
    with db.reading(engine) as conn:
        reflected.reflect(conn)
        for table in reflected.sorted_tables:
            if table.name in {"body", "fetch", "alembic_version"}:
                continue
            for row in conn.execution_options(yield_per=500).execute(table.select()):
                yield table.name, repr(tuple(row)).encode()
