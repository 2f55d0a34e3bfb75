"""Erasures, as keyed hashes in a file outside the database: they are applied again to a restored copy.

``erasures.txt`` in the data folder has one line per erasure: the hash with the first lookup key
(`KeyFile.first_lookup`, which a rotation does not change), the channel, and the time. It only grows, by one
flushed line at a time.
"""

from __future__ import annotations

import errno
import logging
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.engine import Engine

from monitor.channels.kinds import first_lookup
from monitor.errors import StoreError
from monitor.keys import KeyFile
from monitor.storage import engine as db
from monitor.storage import people
from monitor.storage.deliveries import endings
from monitor.storage.people import signups
from monitor.subscribers.signup import withdraw

log = logging.getLogger(__name__)

NAME = "erasures.txt"
_LINE = re.compile(r"(\S+) ([a-z0-9_-]+) ([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Tombstones:
    """The file of erasures in a data folder."""

    folder: Path

    def add(self, channel: str, first_hash: str, now: datetime) -> None:
        """Append an erasure of the address with this hash (`channels.kinds.first_lookup`); it is on the disk
        when this returns. Raises StoreError when the file cannot be written.
        """
        line = f"{now.astimezone(UTC).isoformat()} {channel} {first_hash}\n"
        path = self.folder / NAME
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                size = os.fstat(handle).st_size
                if size and os.pread(handle, 1, size - 1) != b"\n":
                    line = (
                        "\n" + line
                    )  # the previous line was cut off by a crash, and must not merge with this one
                if os.write(handle, line.encode("ascii")) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise StoreError(f"{path} cannot be written ({error.strerror}): check the data folder") from None

    def read(self) -> dict[tuple[str, str], datetime]:
        """Read the last erasure of each (channel, first hash). A line that was cut off by a crash is
        skipped.
        """
        try:
            text = (self.folder / NAME).read_text("ascii")
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError):
            raise StoreError(
                f"{self.folder / NAME} cannot be read: it says who must stay forgotten, so put it back in "
                "order"
            ) from None
        found = (_LINE.fullmatch(line) for line in text.splitlines())
        return {(each[2], each[3]): datetime.fromisoformat(each[1]) for each in found if each}


def reapply_erasures(engine: Engine, keys: KeyFile, tombstones: Tombstones, now: datetime) -> int:
    """End every subscriber who was erased after they signed up, as after a restore, and delete their forms;
    returns how many. Runs at every start.
    """
    erased = tombstones.read()
    if not erased:
        return 0
    hashes = {(channel, keys.compute_lookup(first)): at for (channel, first), at in erased.items()}
    with db.reading(engine) as conn:
        restored, waiting = people.load_created_before(conn, hashes), signups.has_pending(conn)
    if not restored and not waiting:
        return 0

    def theirs(channel: str, address: str, came_at: datetime) -> bool:
        at = erased.get((channel, first_lookup(keys, channel, address)))
        return at is not None and came_at <= at

    with db.transaction(engine) as conn:
        ended = withdraw(conn, keys, theirs)
        restored = people.load_created_before(conn, hashes)  # includes a form that was just decided
        people.lock(conn, restored)
        ended += sum(endings.end(conn, subscriber, now) for subscriber in restored)
    if not ended:
        return 0
    log.warning(
        "%d subscribers of this database had been erased since it was copied, and are so again", ended
    )
    return ended
