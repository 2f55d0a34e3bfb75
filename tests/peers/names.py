"""A name server on a loopback port that knows what a test tells it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping, Sequence
from typing import Self

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class NameServer:
    """A context manager. ``records``: (name without the final dot, type) to the texts of its records."""

    def __init__(self, records: Mapping[tuple[str, str], Sequence[str]], *, silent: bool = False) -> None:
        self._records, self._silent = records, silent
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.1)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._socket.getsockname()
        return host, port

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while not self._over.is_set():
            try:
                content, peer = self._socket.recvfrom(4096)
            except TimeoutError:
                continue
            if not self._silent:
                self._socket.sendto(self._answer(dns.message.from_wire(content)).to_wire(), peer)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        answer = dns.message.make_response(query)
        (question,) = query.question
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        texts = self._records.get((name, kind))
        if texts:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *texts))
        elif not any(known == name for known, _ in self._records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer
