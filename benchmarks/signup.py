"""Sign-up against the framework alone, and against itself: does its time tell the state of an address?

    python -m benchmarks.signup [POSTS] [CLIENTS]

Both sides are FastAPI under the same server, each in a process of its own, asked over kept connections by the
same clients. "the framework" takes the same form and writes one row into a SQLite file that is as durable
(WAL, synchronous = FULL), with the driver alone. "sign-up" is the whole site on two real lists. The limits of
sign-ups are lifted, so that every post is taken. Then an address in five states is posted in turn by one
client: the spread of the medians is what an observer could hope to see.
"""

from __future__ import annotations

import asyncio
import hashlib
import multiprocessing
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

from fastapi import FastAPI, Form
from sqlalchemy.engine import Engine

from monitor import app, config, subscribers, web
from monitor.config import Settings
from monitor.core import tokens
from monitor.core.tokens import Purpose
from monitor.demo.workbooks import unpack_files
from monitor.fetch import Fetched, Validators
from monitor.keys import KeyFile
from monitor.polling import poll
from monitor.polling.polled_source import UnlinkedSource
from monitor.storage import engine as db
from monitor.storage import people
from monitor.subscribers import SignupRequest
from monitor.web import forms, server

STATES = ("unknown", "pending", "active", "suppressed", "undeliverable")
LISTS = {"ring": "ring-2019-09-09.kml", "ice-287g": "participatingAgencies05182026am.xlsx"}
CONFIGURATION = """
[data]
folder = "data"
[site]
public_url = "https://watch.example"
[email]
host = "127.0.0.1"
from = "Watch <alerts@watch.example>"
[signup]
per_network = 100000000
per_site = 100000000
"""


class Publisher(UnlinkedSource):
    """What `poll` asks for a list: one body."""

    refusal = ""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def get(self, target: object, *_: object) -> Fetched:
        digest = hashlib.sha256(self._body).hexdigest()
        return Fetched(
            url="https://list.example", final_url="https://list.example", headers=(), duration=timedelta(),
            status=200,
            wire_bytes=len(self._body), body=self._body, sha256=digest, validators=Validators(hash=digest),
        )  # fmt: skip


def installed(folder: Path) -> tuple[Settings, Engine, KeyFile]:
    """An installation that has read two lists, and knows an address in each of the five states."""
    (folder / "config.toml").write_text(CONFIGURATION)
    settings = config.load(folder / "config.toml", {})
    engine = app.open_database(settings)
    keys, now = app.open_keys(settings, engine), app.now()
    published = unpack_files(folder / "files")
    for name, file in LISTS.items():
        body = (published / file).read_bytes()
        poll(engine, app.polled_source(settings, name), Publisher(body), now=now)  # type: ignore[arg-type]
    for state in STATES[1:]:
        _bring(engine, keys, state, now)
    return settings, engine, keys


def _bring(engine: Engine, keys: KeyFile, state: str, now: datetime) -> None:
    address = f"{state}@example.org"
    hashed = keys.lookup("email", address)
    if state == "suppressed":
        with db.transaction(engine) as conn:
            people.suppress(conn, "email", hashed, "gone", now)
        return
    wish = SignupRequest(address=address, places=("60601",), sources=("ring",))
    subscribers.request(engine, keys, wish, channel="email", client=None, now=now)
    subscribers.admit(engine, keys, now)
    with db.reading(engine) as conn:
        one = people.find(conn, "email", hashed)
    assert one is not None
    if state != "pending":
        subscribers.confirm(
            engine, keys, tokens.make(keys.token_key, Purpose.CONFIRM, one.number, one.nonce), now
        )
    if state == "undeliverable":
        with db.transaction(engine) as conn:
            people.update(conn, one.id, strikes=2)


def serve_site(folder: Path, pipe: Connection) -> None:
    """The whole site, until the process is ended; tells its port."""
    settings = config.load(folder / "config.toml", {})
    components = app.Components.open(settings)
    site_app = web.create(components)
    components.coverage.prime()
    _serve(site_app, pipe)


def serve_framework(folder: Path, pipe: Connection) -> None:
    """One endpoint that takes the same form and writes one row."""
    local = threading.local()
    site_app = FastAPI(openapi_url=None)

    def connection() -> sqlite3.Connection:
        if not hasattr(local, "connection"):
            made = local.connection = sqlite3.connect(
                folder / "framework.db", isolation_level=None, timeout=30
            )
            made.execute("PRAGMA journal_mode = WAL")
            made.execute("PRAGMA synchronous = FULL")
            made.execute("CREATE TABLE IF NOT EXISTS signup (id INTEGER PRIMARY KEY, sealed BLOB, at TEXT)")
        found: sqlite3.Connection = local.connection
        return found

    @site_app.post("/subscribe")
    def sign_up(
        address: Annotated[str, Form()] = "",
        places: Annotated[str, Form()] = "",
        lists: Annotated[list[str], Form()] = [],  # noqa: B006 - read only
        frequency: Annotated[str, Form()] = "",
        stamp: Annotated[str, Form()] = "",
    ) -> dict[str, bool]:
        row = ((
            f"{address} {places} {lists} "
            f"{frequency} {stamp}"
        ).ljust(540).encode(), datetime.now(UTC).isoformat())  # fmt: skip
        conn = connection()
        conn.execute("BEGIN IMMEDIATE")
        conn.execute("INSERT INTO signup (sealed, at) VALUES (?, ?)", row)
        conn.execute("COMMIT")
        return {"taken": True}

    _serve(site_app, pipe)


def _serve(site_app: object, pipe: Connection) -> None:
    at = server.open_socket("127.0.0.1", 0)
    pipe.send(at.getsockname()[1])
    server.create_server(site_app).run(sockets=[at])  # type: ignore[arg-type]


@contextmanager
def running(serve: Callable[[Path, Connection], None], folder: Path) -> Iterator[int]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(folder, there), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        process.terminate()
        process.join()


def post(number: int, address: str, stamp: str) -> bytes:
    """One filled form as bytes, from a network of its own."""
    form = {
        "address": address,
        "places": "60601",
        "lists": ["ring", "ice-287g"],
        "frequency": "at_once",
        "stamp": stamp,
    }
    body = urlencode(form, doseq=True).encode()
    network = f"10.{number >> 8 & 255}.{number & 255}.1"
    head = (
        f"POST /subscribe HTTP/1.1\r\nHost: watch.example\r\nX-Forwarded-For: {network}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def ask(port: int, posts: Iterable[bytes], clients: int) -> list[float]:
    """Send posts over so many kept connections; the seconds that each took.

    Every one is taken, or this ends.
    """
    shared, took = iter(posts), []

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for each in shared:
            began = time.perf_counter()
            writer.write(each)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))
            took.append(time.perf_counter() - began)
            status = head.partition(b"\r\n")[0].decode()
            if " 200 " not in status:
                raise RuntimeError(f"a post was answered {status}")
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return took


def main(posts: int = 1500, clients: int = 32, rounds: int = 3) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _, engine, keys = installed(folder)
        stamp = forms.sign_form_time(keys.token_key, app.now() - timedelta(seconds=10))
        ways = {"the framework, one row": serve_framework, "sign-up, the whole site": serve_site}
        best: dict[str, tuple[float, list[float]]] = {}
        with running(serve_framework, folder) as framework, running(serve_site, folder) as site:
            ports = dict(zip(ways, (framework, site), strict=True))
            for turn in range(rounds + 1):
                for way, port in ports.items():
                    count = posts if turn else posts // 10  # the first round only warms up
                    forms_sent = [post(n, f"person{turn}-{n}@example.org", stamp) for n in range(count)]
                    began = time.perf_counter()
                    took = asyncio.run(ask(port, forms_sent, clients))
                    rate = count / (time.perf_counter() - began)
                    if turn and rate > best.get(way, (0.0, []))[0]:
                        best[way] = rate, took
            states: dict[str, list[float]] = {state: [] for state in STATES}
            for n in range(210):
                for state in STATES:
                    took = asyncio.run(ask(site, [post(n, f"{state}@example.org", stamp)], 1))
                    if n >= 10:
                        states[state] += took
        engine.dispose()
    limit, own = (best[way] for way in ways)
    print(f"{posts} posts, {clients} clients, the best of {rounds} rounds\n")
    print("| way | posts/s | of the framework | median ms | p99 ms |\n|---|---|---|---|---|")
    for way, (rate, took) in best.items():
        p99 = statistics.quantiles(took, n=100)[98]
        print(
            f"| {way} | {rate:,.0f} | {rate / limit[0]:.2f} | "
            f"{statistics.median(took) * 1e3:.1f} | {p99 * 1e3:.1f} |"
        )  # fmt: skip
    print(
        "\np99 against the framework's own: "
        f"{statistics.quantiles(own[1], n=100)[98] / statistics.quantiles(limit[1], n=100)[98]:.2f}"
    )  # fmt: skip
    print("\n| state of the address, 200 posts each | median ms |\n|---|---|")
    medians = {state: statistics.median(took) for state, took in states.items()}
    for state, median in medians.items():
        print(f"| {state} | {median * 1e3:.3f} |")
    middle = statistics.median(medians.values())
    print(f"\nspread of the medians: {(max(medians.values()) - min(medians.values())) / middle:.1%}")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
