"""Pages of the site compared with a minimal FastAPI + Jinja2 + SQLite page, in one run: a cached page by time
on one connection, and the same page rendered again by processor time; then random ZIP pages in an open loop,
and a visitor after 64 others disconnected. The record is two lists of 2,616 agencies with three years behind
them.
"""

from __future__ import annotations

import asyncio
import http.client
import random
import resource
import socket
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
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
from tests.web.past import THREE_YEARS, make_site, write_past

ROUNDS, REQUESTS = 5, 300
TURNS, IN_A_TURN = 7, 10  # 80 minutes of the clock: after three hours the lists would count as not seen
ROWS_OF_TEXAS = 422  # the agencies and changes on /state/TX of this record
MINIMAL = Environment(autoescape=True).from_string(
    "<!doctype html><title>{{ title }}</title><ul>{% for name, place in rows %}"
    "<li>{{ name }} ({{ place }})</li>{% endfor %}</ul>"
)


def make_minimal(path: Path) -> FastAPI:
    """The peer: one query, one template. ZIPs have ten rows each, TX has as many as its page here."""
    rows = [(f"{n % 100:05}", f"Agency {n}", "Illinois") for n in range(1000)]
    rows += [("TX", f"County {n} Sheriff's Office", f"covers County {n}") for n in range(ROWS_OF_TEXAS)]
    with sqlite3.connect(path) as conn:
        conn.execute("CREATE TABLE agency (id INTEGER PRIMARY KEY, zip TEXT, name TEXT, place TEXT)")
        conn.execute("CREATE INDEX agency_zip ON agency (zip)")
        conn.executemany("INSERT INTO agency (zip, name, place) VALUES (?, ?, ?)", rows)
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


def compare_processor(
    ours: Any, path: str, peer: Any, peer_path: str, move: Callable[[], None]
) -> tuple[float, float]:
    """Seconds of processor for one request of each without a network, the best of rounds in turns; ``move``
    is called before each of ours.
    """

    async def ask() -> tuple[float, float]:
        clients = [
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")
            for app in (ours, peer)
        ]
        best = [1e9, 1e9]
        for number in range(TURNS + 1):
            for side, (client, address) in enumerate(zip(clients, (path, peer_path), strict=True)):
                began = time.process_time()
                for _ in range(IN_A_TURN):
                    if side == 0:
                        move()
                    assert (await client.get(address)).status_code == 200
                if number:  # the first round fills caches
                    best[side] = min(best[side], (time.process_time() - began) / IN_A_TURN)
        return best[0], best[1]

    return asyncio.run(ask())


def measure_open_loop(address: str, zips: list[str], rate: float, seconds: float) -> tuple[list[float], int]:
    """Latencies of requests for ZIP pages at random that come at a fixed rate, whatever the answers take, and
    how many failed.
    """
    dice = random.Random(1)

    async def run() -> tuple[list[float], int]:
        times: list[float] = []
        failed = 0

        async def ask(client: httpx.AsyncClient, due: float) -> None:
            nonlocal failed
            try:
                answer = await client.get(f"http://{address}/zip/{dice.choice(zips)}")
                failed += answer.status_code != 200
            except httpx.HTTPError:
                failed += 1
            times.append(time.perf_counter() - due)

        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=64), timeout=30) as client:
            began, tasks = time.perf_counter(), []
            for number in range(int(rate * seconds)):
                due = began + number / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                tasks.append(asyncio.create_task(ask(client, due)))
            await asyncio.gather(*tasks)
        return times, failed

    return asyncio.run(run())


def measure_capacity(address: str, zips: list[str], seconds: float = 5) -> float:
    """Requests per second that four clients get, one after the other, for ZIP pages at random."""
    dice = random.Random(2)

    async def run() -> float:
        done = 0
        until = time.perf_counter() + seconds

        async def client_loop(client: httpx.AsyncClient) -> None:
            nonlocal done
            while time.perf_counter() < until:
                await client.get(f"http://{address}/zip/{dice.choice(zips)}")
                done += 1

        async with httpx.AsyncClient(timeout=30) as client:
            await asyncio.gather(*(client_loop(client) for _ in range(4)))
        return done / seconds

    return asyncio.run(run())


def time_after_hangups(address: str, zips: list[str], clients: int = 64) -> float:
    """Seconds until a visitor has an answer, right after ``clients`` others have requested pages and
    disconnected.
    """
    host, _, port = address.rpartition(":")
    for number in range(clients):
        with socket.create_connection((host, int(port))) as one:
            one.sendall(f"GET /zip/{zips[number]} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
    began = time.perf_counter()
    assert httpx.get(f"http://{address}/zip/{zips[-1]}", timeout=60).status_code == 200
    return time.perf_counter() - began


def read_memory() -> int:
    """MiB of memory of this process that are resident now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 2**20


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1].isdecimal() else 60
    server.set_collector()  # as `monitor web` does
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = db.connect(f"sqlite:///{folder / 'monitor.db'}")
        migrate.upgrade(engine, folder=folder, now=datetime.now(UTC))
        write_past(engine, lists=2, days=THREE_YEARS)
        parts = make_site(engine, 2)
        clock: Any = parts.clock
        ours, peer = create_app(parts), make_minimal(folder / "peer.db")
        parts.coverage.prime()
        zips = sorted({zip_ for each in parts.coverage.of("list0").covers for zip_ in each.placement.places})
        zips = [code for code in zips if code.isdigit()][::9]

        def next_minute() -> None:
            clock.now += timedelta(minutes=1)

        for path, beside in (("/zip/75201", "/zip/00007"), ("/state/TX", "/zip/TX"), ("/", "/zip/00007")):
            began = clock.now
            again, least = compare_processor(ours, path, peer, beside, next_minute)
            clock.now = began
            print(
                f"made again, of the peer's processor: {again / least:.1f}  {path} "
                f"({again * 1000:.1f} and {least * 1000:.1f} ms)"
            )
        kept: list[float] = []
        sockets = [server.open_socket("127.0.0.1", 0) for _ in range(2)]
        address, other = (server.socket_address(at) for at in sockets)
        with server.serve_in_thread(ours, sockets[0]), server.serve_in_thread(peer, sockets[1]):
            time.sleep(1)
            for _ in range(ROUNDS):
                next_minute()
                one, two = time_requests(address, "/zip/75201"), time_requests(other, "/zip/00007")
                kept.append(one / two)
            print(
                f"kept page, of the peer's time: {statistics.median(kept):.2f}"
                f" ({min(kept):.2f} to {max(kept):.2f})"
            )
            # the first page of each state reads its tables and outlines, once in a process
            for code in {parts.gazetteer.state_of_zip(code): code for code in zips}.values():
                httpx.get(f"http://{address}/zip/{code}", timeout=60)
            next_minute()
            hung, before = time_after_hangups(address, zips), read_memory()
            print(f"the next visitor after 64 hang-ups: {hung * 1000:.0f} ms")
            next_minute()
            capacity = measure_capacity(address, zips)
            next_minute()
            times, failed = measure_open_loop(address, zips, 0.6 * capacity, seconds)
            times.sort()
            median, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
            print(
                f"open loop, {0.6 * capacity:.0f}/s for {seconds:.0f} s (60 % of {capacity:.0f}/s), "
                f"{len(zips)} ZIPs: {failed} failed, median {median * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms "
                f"({p99 / median:.1f} x), memory {before} to {read_memory()} MiB with the clients"
            )
        engine.dispose()


if __name__ == "__main__":
    main()
