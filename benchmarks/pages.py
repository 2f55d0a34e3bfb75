"""Pages of the site beside a minimal FastAPI + Jinja2 + SQLite page, in one run: a kept page in time on one
connection, and the same page made anew in processor time.

The record is small (the story of the web tests), so made-anew figures are those of rendering, not of three
years.
"""

from __future__ import annotations

import asyncio
import http.client
import socket
import sqlite3
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from jinja2 import Environment

from monitor.storage import engine as db
from monitor.storage import migrate
from monitor.web import create_app, server
from tests.web.story import Clock, site, tell

ROUNDS, REQUESTS = 5, 300
MINIMAL = Environment(autoescape=True).from_string(
    "<!doctype html><title>{{ title }}</title><ul>{% for name, place in rows %}"
    "<li>{{ name }} ({{ place }})</li>{% endfor %}</ul>"
)


def make_minimal(path: Path) -> FastAPI:
    """The peer: one query of ten rows, one template."""
    with sqlite3.connect(path) as conn:
        conn.execute("CREATE TABLE agency (id INTEGER PRIMARY KEY, zip TEXT, name TEXT, place TEXT)")
        conn.execute("CREATE INDEX agency_zip ON agency (zip)")
        conn.executemany(
            "INSERT INTO agency (zip, name, place) VALUES (?, ?, ?)",
            [(f"{n % 100:05}", f"Agency {n}", "Illinois") for n in range(1000)],
        )
    shared = sqlite3.connect(path, check_same_thread=False)
    app = FastAPI()

    @app.get("/zip/{code}", response_class=HTMLResponse)
    def page(code: str) -> str:
        rows = shared.execute("SELECT name, place FROM agency WHERE zip = ?", (code,)).fetchall()
        return MINIMAL.render(title=code, rows=rows)

    return app


def time_requests(address: str, path: str) -> float:
    """The median seconds of a request on one kept connection."""
    connection = http.client.HTTPConnection(address)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    times = []
    for number in range(REQUESTS + 1):
        began = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        if number:
            times.append(time.perf_counter() - began)
    connection.close()
    return statistics.median(times)


def time_processor(app: Any, path: str, move: Any) -> float:
    """Seconds of processor for one request without a network; ``move`` is called before each."""

    async def ask() -> float:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            await client.get(path)
            began = time.process_time()
            for _ in range(50):
                move()
                assert (await client.get(path)).status_code == 200
            return (time.process_time() - began) / 50

    return asyncio.run(ask())


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = db.connect(f"sqlite:///{folder / 'monitor.db'}")
        migrate.upgrade(engine, folder=folder, now=datetime.now(UTC))
        clock = Clock(tell(engine))
        ours, peer = create_app(site(engine, clock)), make_minimal(folder / "peer.db")
        kept: list[float] = []
        sockets = [server.open_socket("127.0.0.1", 0) for _ in range(2)]
        address, other = (server.socket_address(at) for at in sockets)
        with server.serve_in_thread(ours, sockets[0]), server.serve_in_thread(peer, sockets[1]):
            time.sleep(1)
            for _ in range(ROUNDS):
                clock.now += timedelta(minutes=1)
                one, two = time_requests(address, "/zip/46320"), time_requests(other, "/zip/00007")
                print(f"  {one * 1000:.2f} ms and {two * 1000:.2f} ms")
                kept.append(one / two)

        def next_minute() -> None:
            clock.now += timedelta(minutes=1)

        anew = {
            path: time_processor(ours, path, next_minute) / time_processor(peer, "/zip/00007", lambda: None)
            for path in ("/zip/46320", "/state/IN", "/")
        }
        print(
            f"kept page, of the peer's time:      {statistics.median(kept):.2f}"
            f" ({min(kept):.2f} to {max(kept):.2f})"
        )
        for path, ratio in anew.items():
            print(f"made anew, of the peer's processor: {ratio:.1f}  {path}")
        engine.dispose()


if __name__ == "__main__":
    main()
