"""Proving that what must be gone is gone: the bytes of the database, its log and the program's logs are searched for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor import db, tokens
from monitor.keys import KeyFile
from monitor.store import people, retention
from monitor.subscribe.tombstones import Tombstones
from monitor.tokens import Purpose

_ADDRESS = re.compile(rb"[A-Za-z0-9._%+'-]{1,64}@[A-Za-z0-9.-]{1,253}")
# columns lie side by side in a file, so a match may begin anywhere: all of them are looked at, also those within another
_TOKEN = re.compile(
    rb"(?=([1-9][0-9]{0,18}x[a-z2-7]{26}))|(?=([1-9][0-9]{0,18}x[a-z2-7]{16}))", re.IGNORECASE
)
_HASH = re.compile(rb"(?=([0-9a-f]{64}))")
_BLOCK = 16 * 2**20
_OVERLAP = 1024


@dataclass(frozen=True, slots=True)
class Trace:
    """Something that must not be where it is; ``what`` says of which kind, never which."""

    where: str
    what: str


@dataclass(frozen=True)
class _Wanted:
    addresses: frozenset[bytes]
    domains: frozenset[bytes]
    tokens: frozenset[bytes]
    hashes: frozenset[bytes]
    words: tuple[bytes, ...]


def prove(
    engine: Engine,
    keys: KeyFile,
    tombstones: Tombstones,
    *,
    logs: Iterable[Path] = (),
    secrets: Iterable[str] = (),
) -> tuple[Trace, ...]:
    """Search the database (on SQLite its very bytes, with its log) and ``logs`` for subscribers' addresses and tokens in the clear, for
    hashes of the erased, and for ``secrets``. Nothing found is an empty result.
    """
    wanted = _wanted(engine, keys, tombstones, secrets)
    path = db.sqlite_path(engine)
    found: set[Trace] = set()
    if path is None:
        for where, content in _rows(engine):
            found |= _traces(where, content, wanted)
    else:
        with db.explained(engine), closing(engine.raw_connection()) as conn:
            # outside of a transaction, or it would do nothing; busy readers only make it do less
            conn.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for file in (path, path.with_name(f"{path.name}-wal")):
            if file.exists():
                for content in _blocks(file):
                    found |= _traces(file.name, content, wanted)
    for log in logs:
        for content in _blocks(log):
            found |= _traces(log.name, content, wanted)
    return tuple(sorted(found, key=lambda trace: (trace.where, trace.what)))


def _wanted(engine: Engine, keys: KeyFile, tombstones: Tombstones, secrets: Iterable[str]) -> _Wanted:
    with db.reading(engine) as conn:
        living = people.living(conn)
        kept = retention.hashes(conn)
    addresses = {keys.open(each.channel, each.sealed).casefold().encode() for each in living if each.sealed}
    codes = {
        tokens.make(key, purpose, each.id, each.nonce).encode()
        for key in keys.trusted_token_keys(None)
        for each in living
        for purpose in Purpose
    }
    erased = {keys.carried(first) for _, first in tombstones.read()}
    return _Wanted(
        addresses=frozenset(each for each in addresses if b"@" in each),
        domains=frozenset(each.rpartition(b"@")[2] for each in addresses if b"@" in each),
        tokens=frozenset(codes),
        hashes=frozenset(each.encode() for each in erased - kept),
        words=tuple(word.encode() for word in secrets if word),
    )


def _traces(where: str, content: bytes, wanted: _Wanted) -> set[Trace]:
    found: set[Trace] = set()
    if any(_holds(each.lower(), wanted) for each in _ADDRESS.findall(content)):
        found.add(Trace(where, "a subscriber's address in the clear"))
    if any(each.lower() in wanted.tokens for pair in _TOKEN.findall(content) for each in pair):
        found.add(Trace(where, "a token"))
    if any(each in wanted.hashes for each in _HASH.findall(content)):
        found.add(Trace(where, "the hash of an erased address"))
    if any(word in content for word in wanted.words):
        found.add(Trace(where, "a word that must not be there"))
    return found


def _holds(match: bytes, wanted: _Wanted) -> bool:
    """Whether an address is in something that looks like one, whatever stands before and after it."""
    local, _, domain = match.partition(b"@")
    return any(
        local[start:] + b"@" + domain[:end] in wanted.addresses
        for end in range(1, len(domain) + 1)
        if domain[:end] in wanted.domains
        for start in range(len(local))
    )


def _blocks(path: Path) -> Iterator[bytes]:
    """A file's bytes in overlapping pieces, so that nothing hides at a border."""
    before = b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield before + block
            before = block[-_OVERLAP:]


def _rows(engine: Engine) -> Iterator[tuple[str, bytes]]:
    """Every row of every table as text, for a server whose files are not ours to read. Bodies and headers of sources are theirs."""
    reflected = sa.MetaData()
    with db.reading(engine) as conn:
        reflected.reflect(conn)
        for table in reflected.sorted_tables:
            if table.name in {"body", "fetch", "alembic_version"}:
                continue
            for row in conn.execution_options(yield_per=500).execute(table.select()):
                yield table.name, repr(tuple(row)).encode()
