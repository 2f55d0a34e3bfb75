"""A mail server that does as it is told: answers scripted codes at chosen phases, drops, stalls, speaks
STARTTLS with its own certificate.
"""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Self

from tests.peers.tcp import Listening
from tests.peers.tls import LOOPBACK, make_certificate, presenting

DROP = "<drop>"
"""Instead of an answer: close the connection."""

STALL = "<stall>"
"""Instead of an answer: say nothing until the server is closed."""

_USUAL = {
    "connect": "220 peer ESMTP",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go on",
    "message": "250 2.0.0 taken",
    "RSET": "250 2.0.0 ok",
    "AUTH": "235 2.7.0 welcome",
    "STARTTLS": "220 2.0.0 go on",
    "QUIT": "221 2.0.0 bye",
}


@dataclass(frozen=True)
class Mail:
    """One mail that was handed over, with the dots taken out again."""

    sender: str
    recipient: str
    content: bytes


class SmtpPeer:
    """A context manager; listens on 127.0.0.1 at ``port``.

    ``script`` maps a phase ("connect", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "message", "RSET",
    "QUIT") to the answers of its first occurrences; afterwards it answers as usual. An answer of several
    parts may end in DROP: "421 bye", DROP. ``most`` connections are served at once, and more get a 421.
    ``judge(phase, recipient)`` answers RCPT and the end of a message instead of the script where it returns a
    text. ``tls``: "none", "starttls" or "tls". ``mails``, ``commands`` and ``connections`` say what happened.

    ``pipelines``: it takes commands together (RFC 2920). A DATA without a recipient is refused, or answered
    with 354 where ``takes_any_data``.
    """

    pipelines = False
    takes_any_data = False

    def __init__(
        self,
        script: Mapping[str, Iterable[str | tuple[str, ...]]] | None = None,
        *,
        tls: str = "none",
        auth: bool = False,
        most: int | None = None,
        judge: Callable[[str, str], str | None] | None = None,
    ) -> None:
        self.script = defaultdict(list, {phase: list(answers) for phase, answers in (script or {}).items()})
        self.tls, self.auth = tls, auth
        self.mails: list[Mail] = []
        self.commands: list[str] = []
        self.connections = self.refused_connections = self._serving = 0
        self.most, self.judge = most, judge
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        peer = self

        class Conversation(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with ExitStack() as closing:
                    connection = closing.enter_context(self.request)
                    with peer._lock:
                        served = peer.most is None or peer._serving < peer.most
                        peer._serving += served
                        peer.refused_connections += not served
                    if not served:
                        with suppress(OSError):
                            connection.sendall(b"421 4.7.0 too many connections\r\n")
                        return
                    try:
                        peer._converse(connection, closing)
                    finally:
                        with peer._lock:
                            peer._serving -= 1

        self._server = Listening(Conversation)
        self.port = self._server.port
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()  # before: a connection that came in between would not be dropped
        self.drop_all()
        self._server.stop()

    def drop_all(self) -> None:
        """Close every connection from this side."""
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _converse(self, connection: socket.socket, closing: ExitStack) -> None:
        with self._lock:
            self.connections += 1
            self._sockets.append(connection)
        if self.tls == "tls":
            connection = closing.enter_context(self._secured(connection))
        sender = recipient = ""
        refused = False
        secured = self.tls == "tls"
        if not self._answer(connection, "connect"):
            return
        file = closing.enter_context(connection.makefile("rb"))
        while line := file.readline():
            command = line.decode("utf-8", "replace").strip()
            verb = command.partition(" ")[0].upper()
            with self._lock:
                self.commands.append(command)
            if verb in {"EHLO", "HELO"}:
                offers = ["peer", *(["STARTTLS"] if self.tls == "starttls" and not secured else [])]
                offers += ["AUTH PLAIN"] if self.auth else []
                offers += ["PIPELINING"] if self.pipelines else []
                usual = "\r\n".join(
                    f"250{' ' if n == len(offers) else '-'}{o}" for n, o in enumerate(offers, 1)
                )
                if not self._answer(connection, "EHLO", usual):
                    return
                continue
            if verb == "MAIL":
                sender = command.partition("<")[2].partition(">")[0]
            if verb == "RCPT":
                recipient = command.partition("<")[2].partition(">")[0]
            judged = self.judge(verb, recipient) if self.judge is not None and verb == "RCPT" else None
            if verb == "DATA" and refused:
                judged = "354 whatever" if self.takes_any_data else "503 5.5.1 there is no recipient"
            if not (answer := self._answer(connection, verb, judged=judged)) or verb == "QUIT":
                return
            if verb in {"MAIL", "RCPT"}:
                refused = not answer.startswith("2") or (refused and verb == "RCPT")
            if verb == "STARTTLS" and answer.startswith("220"):
                connection = closing.enter_context(self._secured(connection))
                file, secured = closing.enter_context(connection.makefile("rb")), True
            if verb == "DATA" and answer.startswith("354"):
                content = bytearray()
                while (part := file.readline()) != b".\r\n":
                    if not part:
                        return
                    content += part[1:] if part.startswith(b".") else part
                judged = self.judge("message", recipient) if self.judge is not None else None
                if judged is None or judged.startswith("2") or judged == DROP:
                    with self._lock:
                        self.mails.append(Mail(sender, recipient, bytes(content)))
                if not self._answer(connection, "message", judged=judged):
                    return

    def _answer(
        self, connection: socket.socket, phase: str, usual: str | None = None, judged: str | None = None
    ) -> str:
        """Answer; the answer's text, or nothing when the conversation is over."""
        if judged == DROP:
            connection.shutdown(socket.SHUT_RDWR)
            return ""
        if judged is not None:
            connection.sendall(f"{judged}\r\n".encode())
            return judged
        with self._lock:
            scripted = self.script[phase].pop(0) if self.script[phase] else None
        parts = (
            (scripted,)
            if isinstance(scripted, str)
            else scripted or (usual or _USUAL.get(phase, "500 5.5.1 what?"),)
        )
        said = ""
        for part in parts:
            if part == STALL:
                self._over.wait()
                return ""
            if part == DROP:
                connection.shutdown(socket.SHUT_RDWR)
                return ""
            said = part
            connection.sendall(f"{part}\r\n".encode())
        return said

    def _secured(self, connection: socket.socket) -> socket.socket:
        secured = presenting(LOOPBACK).wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        )
        with self._lock:
            self._sockets.append(secured)
        try:
            secured.do_handshake()
        except OSError:
            secured.close()
            raise
        return secured


def certificate() -> bytes:
    """The peer's certificate, which signs itself, as PEM."""
    return make_certificate(LOOPBACK)[1]


def trusting() -> ssl.SSLContext:
    """A client's context that trusts the peer's certificate and nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=make_certificate(LOOPBACK)[1].decode())
    return context
