"""A publisher's web server on a loopback port, which says exactly what a test tells it to, well or badly.

    with Server() as server:
        server.put("/map.kml", body, etag='"1"', gzip=True)            # stands; 304 to who knows the etag
        server.page("/list", '<a href="/files/agencies.xlsx">list</a>')
        server.script("/x", [Answer(500), Answer(body=b"better")])     # in turn; the last one stands
        server.redirect("/old", "/map.kml")
        httpx.get(server.url("/map.kml"))
        assert server.requests[-1].header("if-none-match") is None

Every path that nobody mentioned answers 404. A path may carry its query ("/kml?mid=1"); without one it
answers any.
"""

from __future__ import annotations

import contextlib
import gzip as gzip_format
import socket
import ssl
import threading
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self

CHUNK = 8192


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. Bytes of ``body`` are decoded ones unless ``headers`` name a Content-Encoding themselves.

    ``etag`` and ``last_modified`` are sent and, if the request knows them, answered by 304. ``framing``: with
    its length, in chunks, or until the connection closes. ``length`` overrides the declared Content-Length.
    ``cut``: the connection is closed after so many bytes of the encoded body. ``drip``: seconds between
    single bytes of the body; ``drip_headers``: between those of the headers. ``delay``: seconds before
    anything is said. ``version`` is the protocol's ("HTTP/1.0").
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str | None = None
    last_modified: str | None = None
    encoding: Literal["gzip", "deflate", "raw deflate"] | None = None
    framing: Literal["length", "chunked", "close"] = "length"
    length: int | None = None
    cut: int | None = None
    drip: float | None = None
    drip_headers: float | None = None
    delay: float = 0.0
    version: str = "HTTP/1.1"


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked: ``path`` with its query (the whole URL when the server is used as a proxy)."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Server:
    """A context manager; ``requests`` are all requests so far. ``tls`` makes it https."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self._answers: dict[str, list[Answer]] = {}
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._tls = tls
        self._http = _Listener(self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stops at once, also in the middle of an answer; the port refuses connections from then on."""
        self._http.stop()
        self._thread.join()

    @property
    def host(self) -> str:
        return "127.0.0.1"

    @property
    def port(self) -> int:
        return int(self._http.server_address[1])

    def url(self, path: str = "/", *, host: str | None = None) -> str:
        """The absolute URL of a path, if wanted under another name of this machine ("localhost")."""
        return f"{'https' if self._tls else 'http'}://{host or self.host}:{self.port}{path}"

    @property
    def requests(self) -> list[Request]:
        with self._lock:
            return list(self._requests)

    def asked(self, path: str) -> list[Request]:
        """The requests for one path, with or without its query."""
        return [request for request in self.requests if path in (request.path, request.path.split("?")[0])]

    def put(
        self,
        path: str,
        body: bytes,
        *,
        etag: str | None = None,
        last_modified: str | None = None,
        gzip: bool = False,
        content_type: str = "application/octet-stream",
    ) -> None:
        """A file that stands until it is replaced."""
        self.script(
            path,
            [
                Answer(
                    body=body,
                    headers={"Content-Type": content_type},
                    etag=etag,
                    last_modified=last_modified,
                    encoding="gzip" if gzip else None,
                )
            ],
        )

    def page(self, path: str, html: str) -> None:
        """A page for people."""
        self.put(path, html.encode(), content_type="text/html; charset=utf-8")

    def redirect(self, path: str, location: str, status: int = 302) -> None:
        self.script(path, [Answer(status, headers={"Location": location})])

    def script(self, path: str, answers: Iterable[Answer]) -> None:
        """Answers for a path in turn, from its next request on; the last one stands."""
        with self._lock:
            self._answers[path] = list(answers)

    def remove(self, path: str) -> None:
        """From now on 404."""
        with self._lock:
            self._answers.pop(path, None)

    def _next(self, request: Request) -> Answer:
        with self._lock:
            self._requests.append(request)
            answers = self._answers.get(request.path) or self._answers.get(request.path.split("?")[0])
            if not answers:
                return Answer(404, body=b"there is nothing here")
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        known = (answer.etag is not None and request.header("if-none-match") == answer.etag) or (
            answer.last_modified is not None
            and request.header("if-none-match") is None
            and request.header("if-modified-since") == answer.last_modified
        )
        return replace(answer, status=304, body=b"", encoding=None) if known else answer


def bomb(size: int) -> bytes:
    """``size`` zero bytes as gzip, made without ever holding them."""
    packer = zlib.compressobj(9, wbits=31)
    zeros = bytes(2**20)
    whole, rest = divmod(size, len(zeros))
    parts = [packer.compress(zeros) for _ in range(whole)]
    return b"".join([*parts, packer.compress(zeros[:rest]), packer.flush()])


def encode(body: bytes, encoding: str | None) -> bytes:
    """A body under a content coding."""
    match encoding:
        case "gzip":
            return gzip_format.compress(body, mtime=0)
        case "deflate":
            return zlib.compress(body)
        case "raw deflate":
            packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
            return packer.compress(body) + packer.flush()
        case None:
            return body
        case _:
            raise ValueError(f"no such encoding: {encoding}")


class _Listener(ThreadingHTTPServer):
    daemon_threads = False  # joined at the end: no answer outlives its test

    def __init__(self, script: Server) -> None:
        self.script = script
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__((script.host, 0), _Conversation)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        with contextlib.suppress(OSError):  # the other side is free to leave, or to distrust our certificate
            if self.script._tls is not None:
                request.settimeout(60)
                request = self.script._tls.wrap_socket(request, server_side=True)
            with self._open_lock:
                self._open.add(request)
            try:
                if not self.stopping.is_set():
                    self.finish_request(request, client_address)
            finally:
                with self._open_lock:
                    self._open.discard(request)
        self.shutdown_request(request)

    def stop(self) -> None:
        self.stopping.set()
        self.shutdown()
        with self._open_lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)
        self.server_close()


class _Conversation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listener

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        request = Request(self.command, self.path, tuple(self.headers.items()))
        answer = self.server.script._next(request)
        if answer.delay and self.server.stopping.wait(answer.delay):
            return
        encoded = encode(answer.body, answer.encoding)
        self._send(self._head(answer, encoded), drip=answer.drip_headers)
        if self.command == "HEAD" or answer.status == 304:
            return
        sent = encoded if answer.cut is None else encoded[: answer.cut]
        if answer.framing == "chunked":
            for start in range(0, len(sent), CHUNK):
                piece = sent[start : start + CHUNK]
                self._send(b"%x\r\n%s\r\n" % (len(piece), piece), drip=answer.drip)
            if answer.cut is None:
                self._send(b"0\r\n\r\n")
        else:
            self._send(sent, drip=answer.drip)
        short = answer.length is not None and answer.length != len(encoded)
        if answer.cut is not None or answer.framing == "close" or short:
            self.close_connection = True

    do_HEAD = do_GET

    def _head(self, answer: Answer, encoded: bytes) -> bytes:
        headers = dict(answer.headers)
        if answer.etag is not None:
            headers["ETag"] = answer.etag
        if answer.last_modified is not None:
            headers["Last-Modified"] = answer.last_modified
        if answer.encoding is not None:
            headers["Content-Encoding"] = answer.encoding.removeprefix("raw ")
        if answer.framing == "chunked":
            headers["Transfer-Encoding"] = "chunked"
        elif answer.framing == "length" and answer.status != 304:
            headers["Content-Length"] = str(len(encoded) if answer.length is None else answer.length)
        if answer.framing == "close":
            headers["Connection"] = "close"
        lines = [f"{answer.version} {answer.status} Scripted", *(f"{k}: {v}" for k, v in headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _send(self, content: bytes, *, drip: float | None = None) -> None:
        if drip is None:
            self.wfile.write(content)
            return
        for at in range(len(content)):
            self.wfile.write(content[at : at + 1])
            if self.server.stopping.wait(drip):
                return
