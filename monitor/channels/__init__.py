"""How a message leaves: one module per channel, all behind one protocol.

A channel is opened once (``async with``), keeps its connections, and takes one message for one recipient at a time; up to
``concurrency`` calls of `Channel.send` may run at once. What goes wrong is raised as `errors.Transient` or `errors.Permanent` and
nothing else. A channel never sees the database or the configuration, and never logs an address, a chat id or a token.

Keys of ``Envelope.placeholders``: every placeholder of the message, and for mail two more that only headers use:
``one-click`` (the https address of RFC 8058) and ``stop-by-mail`` (a mailto: link for List-Unsubscribe when ``stop`` is none).
"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from monitor.domain import Envelope, Rendered

EVERYTHING = "*"
"""The lane of a failure that concerns the whole channel: the server is away, refuses the password, or lost its certificate."""


class Channel(Protocol):
    """One way out. Opening it connects to nothing: a server that is away fails the first send, not the program's start.

    ``name`` is the word in ``subscriber.channel`` ("email", "telegram"), ``concurrency`` how many sends may run at once.
    """

    @property
    def name(self) -> str: ...

    @property
    def concurrency(self) -> int: ...

    def lane(self, address: str) -> str:
        """What pauses together with this address: its mail domain or its chat id. Pure; never raises."""
        ...

    async def send(self, message: Rendered, envelope: Envelope) -> None:
        """Hand one message over, its marks filled from ``envelope.placeholders``. Raises Transient or Permanent; returning is acceptance."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
