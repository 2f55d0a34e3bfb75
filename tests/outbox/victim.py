"""A sender for a process of its own, to be killed.

Its channel's relay is a file: a line in it is a message that the relay has accepted ("250").
"""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from monitor.domain import Envelope, Rendered
from monitor.keys import KeyFile
from monitor.outbox import drain
from monitor.storage import engine as db
from tests.conftest import NOW
from tests.outbox.world import every_channel, loader, placeholders, render

CONCURRENCY = 4


class FileRelay:
    name = "email"
    concurrency = CONCURRENCY

    def __init__(self, path: Path, most: int | None) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._most, self._begun = most, 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def lane(self, address: str) -> str:
        return address.rpartition("@")[2]

    async def send(self, message: Rendered, envelope: Envelope) -> None:
        self._begun += 1
        if self._most is not None and self._begun > self._most:
            await asyncio.Event().wait()
        await asyncio.sleep(0.001)
        os.write(self._file, f"{envelope.delivery} {envelope.address} {envelope.message_id}\n".encode())
        await asyncio.sleep(0.001)


def send_all(url: str, folder: str, log: str, hours: int, most: int | None) -> None:
    """Drain the database. ``hours`` moves the clock, past the leases of killed processes; after
    ``most`` messages the relay answers no more, so that no kill comes too late.
    """
    now = NOW + timedelta(hours=hours)
    engine = db.connect(url)
    asyncio.run(
        drain(
            engine,
            {"email": FileRelay(Path(log), most)},
            KeyFile.of_master(bytes(range(32))),
            loader=loader(engine, lambda: now),
            render=every_channel(render),
            placeholders=placeholders,
            folder=Path(folder),
            domain="watch.example",
            owner=f"victim/{os.getpid()}",
            clock=lambda: now,
        )
    )
