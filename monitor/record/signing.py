"""Signed states of the log: the key that belongs to a database, checkpoints, and the copy of the last one
outside the database.

The copy, ``log.head`` beside the key, shows whether the database is older than the published record, that is,
a restored backup that continued. That cannot be undone, so it is recorded in the log itself, and a comparison
of heads reveals it.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from sqlalchemy.engine import Engine

from monitor.errors import KeyFileError, RecordError, UsageError
from monitor.keys.file_format import flush_folder
from monitor.record import log
from monitor.record.checkpoint import Checkpoint, Verifier, open_checkpoint, read_checkpoint, sign_note
from monitor.record.leaf import format_time
from monitor.record.log_key import (
    NAME,
    LogKey,
    create_log_key,
    follow_endorsements,
    load_log_key,
    read_endorsement,
    replace_unusable_log_key,
)
from monitor.record.tree import compute_root
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import log_rows
from monitor.storage.lists.log_rows import RecordFork

logger = logging.getLogger(__name__)

HEAD = "log.head"
_LARGEST_HEAD = 2**16  # bytes


def open_log_key(engine: Engine, folder: Path, name: str, now: datetime) -> LogKey:
    """Open the key that signs this database's log; it is created with the first entry of the log under
    ``name``.

    A new key that the previous one has signed is accepted, and the log records it. Raises KeyFileError for
    any other.
    """
    with reading(engine) as conn:
        known = log_rows.load_head(conn).key
    key = create_log_key(folder, name) if known is None else load_log_key(folder)
    if known == str(key.verifier):
        return key
    with transaction(engine) as conn:
        known = log_rows.lock_head(conn).key
        if known == str(key.verifier):
            return key
        content = {"type": "key", "at": format_time(now), "key": str(key.verifier)}
        if known is not None:
            if (
                follow_endorsements(Verifier.parse(known), key.endorsements) != key.verifier
                or not key.endorsements
            ):
                raise KeyFileError(
                    f"the key in {folder / NAME} is not the one that signs this record ({known}): put it back"
                )
            content |= {"before": known, "endorsement": key.endorsements[-1]}
        log.append_entry(conn, content, now)
        log_rows.update_key(conn, str(key.verifier))
    return key


def find_log_key_problem(engine: Engine, folder: Path) -> str | None:
    """Describe why the log's key file is not the one that signs this record, and what to do; None if it is,
    or if no key was created yet. It is read-only. Raises StoreError.
    """
    with reading(engine) as conn:
        known = log_rows.load_head(conn).key
    if known is None:
        return None
    try:
        key = load_log_key(folder)
        reached = follow_endorsements(Verifier.parse(known), key.endorsements)
    except (KeyFileError, RecordError) as error:
        return str(error)
    if reached != key.verifier:
        return f"the key in {folder / NAME} is not the one that signs this record ({known}): put it back"
    return None


def check_replaceable(engine: Engine, folder: Path, *, lost: bool) -> None:
    """Check that the key can be replaced as intended, without changing anything: with its signature, or
    ``lost``. Raises UsageError if it is not lost or nothing was recorded yet, KeyFileError if it is lost and
    that was not said.
    """
    with reading(engine) as conn:
        known = log_rows.load_head(conn).key
    if known is None:
        raise UsageError("there is no key to replace: the first poll makes it, with the record")
    problem = find_log_key_problem(engine, folder)
    if lost and problem is None:
        raise UsageError("the key that signs this record is not lost: replace it without --lost")
    if not lost and problem is not None:
        raise KeyFileError(problem)


def replace_lost_key(engine: Engine, folder: Path, now: datetime) -> LogKey:
    """Continue the record with a new key after the loss of the old one. The log records that the new key is
    not endorsed. Raises UsageError if the key is not lost, KeyFileError.

    Readers who kept an earlier head cannot verify by the signature that it is the same record, only by the
    head itself: the log still begins with the entries that it covers.
    """
    check_replaceable(engine, folder, lost=True)
    with reading(engine) as conn:
        known = Verifier.parse(log_rows.load_head(conn).key or "")
    _report_fork(engine, [known], folder, now)
    with transaction(engine) as conn:
        log_rows.lock_head(conn)
        key = replace_unusable_log_key(folder, known.name)
        content = {"type": "key", "at": format_time(now), "key": str(key.verifier)}
        log.append_entry(
            conn, content | {"before": str(known), "endorsement": "none: the key before was lost"}, now
        )
        log_rows.update_key(conn, str(key.verifier))
    return key


def append_start(engine: Engine, version: str, now: datetime) -> None:
    """Append that the service was started, with the version of the program."""
    with transaction(engine) as conn:
        log.append_entry(conn, {"type": "start", "at": format_time(now), "version": version}, now)


def sign_checkpoint(engine: Engine, key: LogKey, folder: Path, now: datetime) -> Checkpoint | None:
    """Sign the state of the log if it has grown; None if it has not. Records in the log if the database is an
    older copy.
    """
    _report_fork(engine, _list_verifiers(key), folder, now)
    with reading(engine) as conn:
        head = log_rows.load_head(conn)
        last = log_rows.load_checkpoint(conn)
    if head.size == 0 or (last is not None and read_checkpoint(last).size == head.size):
        return None
    checkpoint = Checkpoint(key.signer.name, head.size, log.read_frontier(head).root)
    note = sign_note(checkpoint.text, [key.signer])
    with transaction(engine) as conn:
        log_rows.replace_checkpoint(conn, head.size, now, note)
    _write_head(folder, note)
    return checkpoint


def find_fork(engine: Engine, verifiers: Sequence[Verifier], folder: Path) -> Checkpoint | None:
    """Find the last published state, signed by one of these keys, if the log in the database does not
    continue it.
    """
    published = _read_head(folder, verifiers)
    if published is None:
        return None
    with reading(engine) as conn:
        size = log_rows.load_head(conn).size
        if published.size <= size and compute_root(published.size, log.read_nodes(conn)) == published.root:
            return None
    return published


def find_lost_head(engine: Engine, folder: Path) -> str | None:
    """The published head that the database does not continue and does not say so yet; None if there is none,
    or if the key that signed it cannot be read. Raises StoreError.
    """
    try:
        verifiers = _list_verifiers(load_log_key(folder))
    except KeyFileError:
        return None
    lost = find_fork(engine, verifiers, folder)
    return None if lost is None else lost.head


def _report_fork(engine: Engine, verifiers: Sequence[Verifier], folder: Path, now: datetime) -> None:
    lost = find_fork(engine, verifiers, folder)
    if lost is None:
        return
    logger.error(
        "the database is an older copy than the public record: %r was published and is not in it. What was "
        "recorded after the copy was made is lost; the record says so from now on",
        lost.head,
    )
    with transaction(engine) as conn:
        entry = log.append_entry(conn, {"type": "fork", "at": format_time(now), "published": lost.head}, now)
        log_rows.add_fork(conn, RecordFork(now, entry, lost.head))
    (folder / HEAD).unlink(missing_ok=True)


def _list_verifiers(key: LogKey) -> tuple[Verifier, ...]:
    """A key and its predecessors."""
    return key.verifier, *(read_endorsement(endorsement)[0] for endorsement in key.endorsements)


def _read_head(folder: Path, verifiers: Sequence[Verifier]) -> Checkpoint | None:
    try:
        with (folder / HEAD).open(encoding="utf-8") as file:
            note = file.read(_LARGEST_HEAD)
    except FileNotFoundError:
        return None
    for verifier in verifiers:
        with suppress(RecordError):
            return open_checkpoint(note, verifier)
    return None


def _write_head(folder: Path, note: str) -> None:
    aside = folder / f".{HEAD}.{secrets.token_hex(8)}"
    with os.fdopen(
        os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(note)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(folder / HEAD)
    flush_folder(folder)
