"""A mail server and the network before it, in memory: the mail channel's own bytes in, a server's bytes out,
one event loop and no real time. What the server stored is what counts.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes
from typing import Any

from monitor.channels import EVERYTHING
from monitor.channels.email.transport import Email, MailDialogue
from monitor.errors import Transient

MODES = ("well", "away", "refuses", "quota", "greylists", "limits", "takes some")
"""How the server is: "takes some" refuses the recipients of every other domain for now."""
NETS = (
    "well",
    "refused",
    "breaks at DATA",
    "loses the message",
    "loses the answer",
    "message without an answer",
    "answer that never comes",
    "byte by byte",
)
"""How the network is. A message or its answer is lost with the connection, or with all that is said later."""
_REFUSALS = {
    "refuses": "550 no",
    "quota": "550 5.1.90 daily limit",
    "greylists": "451 4.7.1 greylisted",
}


@dataclass(frozen=True)
class StoredMail:
    """A mail that the server has: for whom, its Message-ID and its text."""

    address: str
    message_id: str
    text: str


@dataclass
class RelayModel:
    """``lost_answers``: how many mails were stored of which the sender cannot know."""

    mode: str = "well"
    net: str = "well"
    pipelines: bool = True
    lost_answers: int = 0
    stored: list[StoredMail] = field(default_factory=list)
    recipients: int = 0

    def answer_recipient(self, address: str) -> str:
        """The reply to RCPT."""
        self.recipients += 1
        if self.mode == "limits" and self.recipients % 2:
            return "452 4.7.1 slow down"
        if self.mode == "takes some" and address.endswith(("d0.example", "d2.example")):
            return "451 4.3.0 later"
        return _REFUSALS.get(self.mode, "250 2.1.5 ok")

    def store(self, address: str, content: bytes) -> None:
        """Keep a mail as servers do, before they answer."""
        # not with policy.default, which takes each header apart: that takes as long as sending the mail
        mail = message_from_bytes(content)
        plain = next(part for part in mail.walk() if part.get_content_type() == "text/plain")
        text = plain.get_payload(decode=True)
        assert isinstance(text, bytes)
        self.stored.append(StoredMail(address, mail["Message-ID"].strip(), text.decode()))


class ModelledEmail(Email):
    """The mail channel with the model in place of a network; everything above the bytes is real."""

    def __init__(self, relay: RelayModel, connections: int, now: datetime) -> None:
        super().__init__(
            host="relay.example",
            port=25,
            sender="Map Monitor <alerts@watch.example>",
            clock=lambda: now,
            security="none",
            connections=connections,
        )
        self._relay = relay

    async def _connect(self) -> MailDialogue:
        await asyncio.sleep(0)
        if self._relay.mode == "away" or self._relay.net == "refused":
            raise Transient("relay.example:25 cannot be reached: Connection refused", lane=EVERYTHING)
        return MailDialogue(_Wire(self._relay), pipelines=self._relay.pipelines)


class _Wire(asyncio.Transport):
    """The server's end of one connection."""

    def __init__(self, relay: RelayModel) -> None:
        super().__init__()
        self._relay, self._loop = relay, asyncio.get_running_loop()
        self._received = b""
        self._saying: deque[bytes] = deque()
        self._recipient = ""
        self._refused = self._in_body = self._closed = False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, MailDialogue)
        self._dialogue = protocol

    def write(self, data: Any) -> None:
        self._received += bytes(data)
        self._loop.call_soon(self._serve)

    def abort(self) -> None:
        if not self._closed:
            self._closed = True
            self._loop.call_soon(self._dialogue.connection_lost, None)

    def _serve(self) -> None:
        while not self._closed:
            end = b"\r\n.\r\n" if self._in_body else b"\r\n"
            found, separator, rest = self._received.partition(end)
            if not separator:
                return
            self._received = rest
            if self._in_body:
                self._in_body = False
                self._take_body(found + b"\r\n")
            else:
                self._take_command(found.decode())

    def _take_command(self, command: str) -> None:
        verb = command[:4].upper()
        if verb == "RCPT":
            self._recipient = command.partition("<")[2].rstrip(">")
            answer = self._relay.answer_recipient(self._recipient)
            self._refused = not answer.startswith("2")
            self._say(answer)
        elif verb != "DATA":
            self._say("250 2.0.0 ok")
        elif self._relay.net == "breaks at DATA":
            self.abort()
        elif self._refused:
            self._say("503 5.5.1 no recipient")
        else:
            self._in_body = True
            self._say("354 go on")

    def _take_body(self, content: bytes) -> None:
        net = self._relay.net
        if net not in {"loses the message", "message without an answer"}:
            self._relay.store(self._recipient, content.replace(b"\r\n..", b"\r\n."))
        if net in {"loses the answer", "answer that never comes"}:
            self._relay.lost_answers += 1
        if net in {"loses the message", "loses the answer"}:
            self.abort()
        elif net in {"message without an answer", "answer that never comes"}:
            self._loop.call_soon(self._dialogue.close)  # as its timer does
        else:
            self._say("250 2.0.0 taken")

    def _say(self, answer: str) -> None:
        whole = f"{answer}\r\n".encode()
        pieces = [whole[at : at + 1] for at in range(len(whole))]
        self._saying += pieces if self._relay.net == "byte by byte" else [whole]
        self._loop.call_soon(self._let_arrive)

    def _let_arrive(self) -> None:
        if self._saying and not self._closed:
            self._dialogue.data_received(self._saying.popleft())
            self._loop.call_soon(self._let_arrive)
