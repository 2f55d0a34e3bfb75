"""An IMAP server for one mailbox (RFC 3501, UIDPLUS), over TLS with a certificate of its own; it can refuse a
message and drop the line.
"""

from __future__ import annotations

import re
import socketserver
import ssl
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import BinaryIO, Self

from tests.peers.tcp import Listening
from tests.peers.tls import LOOPBACK, presenting


@dataclass
class Kept:
    """A message in the folder."""

    content: bytes
    flags: set[str] = field(default_factory=set)


class ImapPeer:
    """A context manager; listens on 127.0.0.1 at ``port``. The folder is INBOX, ``messages`` are in it by
    UID.

    ``unreadable`` are UIDs that it cannot fetch. ``drop`` names a command and which of its occurrences,
    counted from 1, is answered by closing the connection, before (or with ``dropped_after`` after) it was
    done.
    """

    def __init__(
        self,
        messages: dict[int, bytes],
        *,
        password: str = "correct horse",
        unreadable: Iterable[int] = (),
        uidplus: bool = True,
        drop: tuple[str, int] | None = None,
        dropped_after: bool = False,
    ) -> None:
        self.messages = {uid: Kept(content) for uid, content in messages.items()}
        self.password, self.unreadable, self.uidplus = password, set(unreadable), uidplus
        self.drop, self.dropped_after = drop, dropped_after
        self.commands: list[str] = []

    def __enter__(self) -> Self:
        peer = self

        class Conversation(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with (
                    suppress(OSError),
                    presenting(LOOPBACK).wrap_socket(self.request, server_side=True) as line,
                    line.makefile("rb") as file,
                ):
                    _Session(peer, line, file).run()

        self._server = Listening(Conversation)
        self.port = self._server.port
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def flags(self) -> dict[int, set[str]]:
        return {uid: kept.flags for uid, kept in self.messages.items()}


class _Session:
    """One connection: not authenticated, authenticated, or in the folder."""

    def __init__(self, peer: ImapPeer, line: ssl.SSLSocket, file: BinaryIO) -> None:
        self._peer, self._line, self._file = peer, line, file
        self._state = "new"

    def run(self) -> None:
        self._say("* OK IMAP4rev1 ready")
        while line := self._file.readline().decode().strip():
            tag, _, command = line.partition(" ")
            name = " ".join(command.split()[: 2 if command.upper().startswith("UID") else 1]).upper()
            self._peer.commands.append(name)
            drops = self._peer.drop == (name, self._peer.commands.count(name))
            if drops and not self._peer.dropped_after:
                return
            answer = self._do(name, command)
            if drops:
                return
            self._say(f"{tag} {answer}")
            if name == "LOGOUT":
                return

    def _do(self, name: str, command: str) -> str:
        peer = self._peer
        match name:
            case "CAPABILITY":
                self._say("* CAPABILITY IMAP4rev1" + (" UIDPLUS" if peer.uidplus else ""))
            case "LOGIN":
                if command != f'LOGIN alerts "{peer.password}"':
                    return "NO [AUTHENTICATIONFAILED] alerts may not log in"
                self._state = "in"
            case "LOGOUT":
                self._say("* BYE")
            case _ if self._state == "new":
                return "BAD log in first"
            case "SELECT":
                if command != 'SELECT "INBOX"':
                    return "NO no such folder"
                self._say(f"* {len(peer.messages)} EXISTS")
                self._state = "folder"
            case _ if self._state != "folder":
                return "BAD select a folder first"
            case "UID SEARCH":
                unseen = [str(uid) for uid, kept in peer.messages.items() if "\\Seen" not in kept.flags]
                self._say(f"* SEARCH {' '.join(unseen)}")
            case "UID FETCH":
                asked = re.fullmatch(r"UID FETCH (\d+) \(BODY\.PEEK\[\]<0\.(\d+)>\)", command)
                assert asked
                uid = int(asked[1])
                if uid in peer.unreadable:
                    return "NO [SERVERBUG] cannot read it"
                content = peer.messages[uid].content[: int(asked[2])]
                self._say(f"* 1 FETCH (UID {uid} BODY[]<0> {{{len(content)}}}")
                self._line.sendall(content + b")\r\n")
            case "UID STORE":
                stored = re.fullmatch(r"UID STORE (\d+) \+FLAGS \((.*)\)", command)
                assert stored
                peer.messages[int(stored[1])].flags.update(stored[2].split())
            case "UID EXPUNGE" | "EXPUNGE":
                for uid in [uid for uid, kept in peer.messages.items() if "\\Deleted" in kept.flags]:
                    if name == "EXPUNGE" or command == f"UID EXPUNGE {uid}":
                        del peer.messages[uid]
            case _:
                return "BAD what?"
        return "OK done"

    def _say(self, text: str) -> None:
        self._line.sendall(f"{text}\r\n".encode())
