"""The mails of one connection to a relay, once it is secured and signed in: commands out, replies in.

Where the server offers it, commands go together (RFC 2920): MAIL, RCPT and DATA cost one round trip and not
three, and every reply still says which of them it answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

_LONGEST = 32_768  # bytes of one reply: a server that sends more has lost its way
CLOSING = 421
"""The server ends the connection (RFC 5321, 3.8)."""


class Reply(NamedTuple):
    """A server's reply: its code, and its lines without codes."""

    code: int
    text: str


class MailDialogue(asyncio.Protocol):
    """Takes over a transport that something else has opened. One exchange at a time, in one event loop.

    ``pipelines``: the server takes several commands at once.
    """

    def __init__(self, transport: asyncio.Transport, *, pipelines: bool) -> None:
        self.pipelines = pipelines
        self.is_open = True
        self.used_at = 0.0
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._wanted = 0
        self._replies: list[Reply] = []
        self._lines: list[bytes] = []  # of a reply that is not whole yet
        self._rest = b""
        transport.set_protocol(self)

    def get_extra_info(self, name: str) -> object:
        """What the transport knows under this name, "ssl_object" for one."""
        return self._transport.get_extra_info(name)

    async def say(self, commands: Sequence[bytes], patience: float) -> list[Reply]:
        """Send as many of these commands as may go at once; returns the replies to them.

        Fewer replies than commands: the connection broke, the server ended it, or said nothing for
        ``patience`` seconds. It is closed then.
        """
        together = commands if self.pipelines else commands[:1]
        return await self.exchange(b"\r\n".join(together) + b"\r\n", len(together), patience)

    async def exchange(self, data: bytes, replies: int, patience: float) -> list[Reply]:
        """Send bytes and return the replies to them, so many or fewer, as in `say`."""
        if not self.is_open:
            return []
        self._replies, self._wanted = [], replies
        self._waiter = self._loop.create_future()
        self._transport.write(data)
        timer = self._loop.call_later(patience, self.close)
        try:
            await self._waiter
        except BaseException:
            self.close()  # cancelled: what the server answers now belongs to nobody
            raise
        finally:
            timer.cancel()
            self._waiter = None
        return self._replies

    def close(self) -> None:
        """End the connection at once; over TLS a goodbye would be waited for."""
        self.is_open = False
        self._transport.abort()
        self._wake()

    def data_received(self, data: bytes) -> None:
        """Part of one reply, or several replies."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if self._waiter is None or len(self._replies) == self._wanted:
                return self.close()  # nobody asked: a goodbye, or nonsense
            self._lines.append(line[4:].strip())
            if line[3:4] == b"-":
                continue
            if not (line[:3].isdigit() and len(line) >= 3):
                return self.close()
            text = b"\n".join(self._lines).decode("utf-8", "replace")
            self._lines = []
            reply = Reply(int(line[:3]), text)
            self._replies.append(reply)
            if reply.code == CLOSING:
                return self.close()
        if len(self._rest) + sum(map(len, self._lines)) > _LONGEST:
            return self.close()
        if len(self._replies) == self._wanted:
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone."""
        self.is_open = False
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
