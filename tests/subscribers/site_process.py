"""The site as a process of its own, whose clock another process moves and whose wait for SQLite's one writer
it sees.

Run as ``python -m tests.subscribers.site_process CONFIG SHARED``; prints the address it listens at, and ends
when its standard input does.
"""

from __future__ import annotations

import mmap
import struct
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

from monitor import app, config, web
from monitor.app import Components
from monitor.storage import engine as db
from tests.conftest import ROOT
from tests.peers.browser import served

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SIZE = 16


class Shared:
    """The time, and whether the site waits to begin a writing transaction: eight bytes each in a file."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_SIZE))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _SIZE)

    @property
    def now(self) -> datetime:
        (microseconds,) = struct.unpack_from("<q", self._memory, 0)
        return _EPOCH + timedelta(microseconds=microseconds)

    @now.setter
    def now(self, at: datetime) -> None:
        struct.pack_into("<q", self._memory, 0, (at - _EPOCH) // timedelta(microseconds=1))

    @property
    def waits(self) -> bool:
        return bool(self._memory[8])

    @waits.setter
    def waits(self, waits: bool) -> None:
        self._memory[8] = int(waits)


@dataclass
class SiteProcess:
    """The running process, for the one that started it."""

    configuration: Path
    shared: Path
    address: str = ""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.subscribers.site_process", self.configuration, self.shared]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().strip()
        assert self.address.startswith("http://127.0.0.1:"), "the site did not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(300)
        finally:
            self._process.kill()
            self._process.stdout.close()


def main(configuration: Path, shared: Shared) -> None:
    settings = config.load(configuration, {})
    engine = db.connect(settings.database_url)

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        shared.waits = statement == "BEGIN IMMEDIATE"

    def note_end(*_: Any) -> None:
        shared.waits = False

    sa.event.listen(engine, "before_cursor_execute", note)
    sa.event.listen(engine, "after_cursor_execute", note_end)
    keys = app.open_keys(settings, engine)
    components = Components(settings, engine, lambda: shared.now, keys)
    with served(web.create(components)) as address:
        sys.stdout.write(f"{address}\n")
        sys.stdout.flush()
        sys.stdin.read()
    engine.dispose()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Shared(Path(sys.argv[2])))
