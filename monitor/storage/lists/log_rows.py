"""The rows of the record's log. What an entry says and how entries are hashed is `monitor.record`'s."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage import database_facts
from monitor.storage.engine import insert_for, insert_in
from monitor.storage.lists.log_tables import LogCheckpointRow, LogHeadRow, LogLeafRow, LogNodeRow
from monitor.storage.lists.tables import SourceRow


@dataclass(frozen=True, slots=True)
class LogHead:
    """How many entries the log has, the joined hashes of its complete subtrees, and the key that signs it."""

    size: int = 0
    peaks: bytes = b""
    key: str | None = None


@dataclass(frozen=True, slots=True)
class LogLeaf:
    """An entry of the log: its number and its canonical bytes."""

    number: int
    content: bytes


@dataclass(frozen=True, slots=True)
class RecordFork:
    """That the record goes on from an older copy: when that was found, the number of the entry that says so,
    and the published head that the record does not continue.
    """

    at: datetime
    entry: int
    published: str


# Every poll executes these; building such a statement costs several times what its execution does.
_HEAD = sa.select(LogHeadRow.c.size, LogHeadRow.c.peaks, LogHeadRow.c.key)
_LOCKED_HEAD = _HEAD.with_for_update()
_UPDATE_HEAD = sa.update(LogHeadRow).values(size=sa.bindparam("size"), peaks=sa.bindparam("peaks"))
_INSERT_LEAF = sa.insert(LogLeafRow)


@cache
def _count_poll(dialect: str) -> sa.Insert:
    row = insert_in(dialect, SourceRow).values(name=sa.bindparam("source"), columns=[], folders=[], polls=1)
    return row.on_conflict_do_update(
        index_elements=["name"], set_={"polls": SourceRow.c.polls + 1}
    ).returning(SourceRow.c.polls, SourceRow.c.number)


def lock_head(conn: Connection) -> LogHead:
    """The state of the log, locked until the transaction ends, so that entries get numbers without a gap."""
    row = conn.execute(_LOCKED_HEAD).first()
    if row is None:
        conn.execute(insert_for(conn, LogHeadRow).values(id=1, size=0, peaks=b"").on_conflict_do_nothing())
        row = conn.execute(_LOCKED_HEAD).one()
    return LogHead(row.size, bytes(row.peaks), row.key)


def load_head(conn: Connection) -> LogHead:
    """The state of the log, for readers."""
    row = conn.execute(_HEAD).first()
    return LogHead() if row is None else LogHead(row.size, bytes(row.peaks), row.key)


def update_head(conn: Connection, size: int, peaks: bytes) -> None:
    """Write the state after an append; the caller holds the lock."""
    conn.execute(_UPDATE_HEAD, {"size": size, "peaks": peaks})


def update_key(conn: Connection, key: str) -> None:
    """Name the public key that signs the log from now on; the caller holds the lock."""
    conn.execute(sa.update(LogHeadRow).values(key=key))


def insert_leaf(conn: Connection, number: int, at: datetime, content: bytes, hashed: bytes) -> None:
    """Write one entry."""
    conn.execute(_INSERT_LEAF, {"number": number, "at": at, "content": content.decode(), "hash": hashed})


def insert_node(conn: Connection, level: int, position: int, hashed: bytes) -> None:
    """Write the root of a complete subtree."""
    conn.execute(sa.insert(LogNodeRow).values(level=level, position=position, hash=hashed))


def load_leaves(conn: Connection, numbers: Iterable[int]) -> tuple[LogLeaf, ...]:
    """Entries by number, in the order of the log; unknown numbers are missing."""
    rows = conn.execute(
        sa.select(LogLeafRow.c.number, LogLeafRow.c.content)
        .where(LogLeafRow.c.number.in_(list(numbers)))
        .order_by(LogLeafRow.c.number)
    )
    return tuple(LogLeaf(row.number, row.content.encode()) for row in rows)


def load_leaf_range(conn: Connection, start: int, end: int) -> tuple[LogLeaf, ...]:
    """The entries [start, end), for a bundle of entries."""
    rows = conn.execute(
        sa.select(LogLeafRow.c.number, LogLeafRow.c.content)
        .where(LogLeafRow.c.number >= start, LogLeafRow.c.number < end)
        .order_by(LogLeafRow.c.number)
    )
    return tuple(LogLeaf(row.number, row.content.encode()) for row in rows)


def load_leaves_of(conn: Connection, at: datetime, after: int) -> tuple[LogLeaf, ...]:
    """The entries of a moment behind the one with a number, in the order of the log."""
    rows = conn.execute(
        sa.select(LogLeafRow.c.number, LogLeafRow.c.content)
        .where(LogLeafRow.c.number > after, LogLeafRow.c.at == at)
        .order_by(LogLeafRow.c.number)
    )
    return tuple(LogLeaf(row.number, row.content.encode()) for row in rows)


def find_redaction(conn: Connection, sha256: str) -> LogLeaf | None:
    """Find the last entry that says that the bytes of a publication were removed. It reads the whole log."""
    leaf = LogLeafRow.c
    row = conn.execute(
        sa.select(leaf.number, leaf.content)
        .where(leaf.content.like(f'{{"at":"%","body":"{sha256}",%"type":"redaction"}}'))
        .order_by(leaf.number.desc())
        .limit(1)
    ).first()
    return None if row is None else LogLeaf(row.number, row.content.encode())


def load_hashes(conn: Connection, level: int, start: int, end: int) -> tuple[bytes, ...]:
    """The hashes [start, end) of a level that is kept: 0, 8, 16 ..."""
    if level == 0:
        number, hashed = LogLeafRow.c.number, LogLeafRow.c.hash
        query = sa.select(hashed).where(number >= start, number < end).order_by(number)
    else:
        position, hashed = LogNodeRow.c.position, LogNodeRow.c.hash
        query = (
            sa.select(hashed)
            .where(LogNodeRow.c.level == level, position >= start, position < end)
            .order_by(position)
        )
    return tuple(bytes(found) for found in conn.scalars(query))


def count_poll(conn: Connection, source: str) -> tuple[int, int]:
    """Count one more poll of a source; its number, and that of the baseline before it."""
    counted = conn.execute(_count_poll(conn.dialect.name), {"source": source}).one()
    return counted.polls, counted.number


def replace_checkpoint(conn: Connection, size: int, at: datetime, note: str) -> None:
    """Keep a signed state in the place of earlier ones, which can be signed again at any time."""
    conn.execute(sa.delete(LogCheckpointRow).where(LogCheckpointRow.c.size < size))
    conn.execute(
        insert_for(conn, LogCheckpointRow).values(size=size, at=at, note=note).on_conflict_do_nothing()
    )


def load_unsigned_since(conn: Connection) -> datetime | None:
    """When the first entry was appended that no signed state has; None when all are signed, or none ever
    was.
    """
    if load_head(conn).key is None:
        return None
    signed = sa.select(sa.func.coalesce(sa.func.max(LogCheckpointRow.c.size), 0)).scalar_subquery()
    at: datetime | None = conn.scalar(
        sa.select(LogLeafRow.c.at).where(LogLeafRow.c.number >= signed).order_by(LogLeafRow.c.number).limit(1)
    )
    return at


def load_checkpoint(conn: Connection) -> str | None:
    """The latest signed state."""
    note: str | None = conn.scalar(
        sa.select(LogCheckpointRow.c.note).order_by(LogCheckpointRow.c.size.desc()).limit(1)
    )
    return note


def add_fork(conn: Connection, fork: RecordFork) -> None:
    """Keep that the record goes on from an older copy, beside the entry that says so."""
    known = json.loads(database_facts.get(conn, database_facts.FORKS) or "[]")
    database_facts.put(
        conn, database_facts.FORKS, json.dumps([*known, [fork.at.isoformat(), fork.entry, fork.published]])
    )


def load_forks(conn: Connection) -> tuple[RecordFork, ...]:
    """Read when the record went on from an older copy, the first time first."""
    known = json.loads(database_facts.get(conn, database_facts.FORKS) or "[]")
    return tuple(
        RecordFork(datetime.fromisoformat(at), int(entry), str(published)) for at, entry, published in known
    )
