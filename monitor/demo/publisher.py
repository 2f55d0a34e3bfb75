"""A web server on loopback that replaces the publishers; serves files with validators, as real servers do."""

from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

_LINK = """<?xml version="1.0" encoding="UTF-8"?>
<kml xmlns="http://www.opengis.net/kml/2.2"><Document><name>Ring</name><NetworkLink><name>Ring</name>
<Link><href><![CDATA[{address}/ring.kml]]></href></Link></NetworkLink></Document></kml>
"""
_PAGE = """<!DOCTYPE html><title>287(g)</title><h1>Participating agencies</h1>
<p><a href="/files/{name}">Participating Agencies</a></p>
"""


class DemoPublisher:
    """A small web server for ``folder``; served files stay there and may be edited while it runs.

    ``/ring-link.kml`` is a KML with only a NetworkLink to ``/ring.kml``; ``/287g.html`` links to the workbook
    under its current name.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._workbook = ""
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                kind, body = publisher._find(self.path)
                etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"' if body is not None else ""
                if body is None:
                    self.send_error(404)
                elif self.headers.get("If-None-Match") == etag:
                    self.send_response(304)
                    self.send_header("ETag", etag)
                    self.end_headers()
                else:
                    self.send_response(200)
                    self.send_header("Content-Type", kind)
                    self.send_header("Content-Length", str(len(body)))
                    self.send_header("ETag", etag)
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Log nothing: the demo prints the story."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def address(self) -> str:
        """The base URL, without a trailing slash."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def serve(self, source: str, body: bytes, *, name: str) -> None:
        """Set what the publisher of a source serves from now on."""
        if source == "ring":
            (self._folder / "ring.kml").write_bytes(body)
        else:
            (self._folder / name).write_bytes(body)
            self._workbook = name

    def serves(self, source: str) -> bool:
        """Whether the publisher of a source serves anything yet."""
        return (self._folder / "ring.kml").exists() if source == "ring" else bool(self._workbook)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _find(self, path: str) -> tuple[str, bytes | None]:
        if path == "/ring-link.kml":
            return "application/vnd.google-earth.kml+xml", _LINK.format(address=self.address).encode()
        if path == "/287g.html" and self._workbook:
            return "text/html; charset=utf-8", _PAGE.format(name=self._workbook).encode()
        served = {"/ring.kml": "ring.kml", f"/files/{self._workbook}": self._workbook}.get(path)
        file = self._folder / served if served else None
        if file is None or not file.is_file():
            return "", None
        kind = "application/vnd.google-earth.kml+xml" if file.suffix == ".kml" else "application/octet-stream"
        return kind, file.read_bytes()
