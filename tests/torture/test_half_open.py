"""`monitor run` with 1,024 descriptors and 1,100 half-open requests: visitors are answered, and polls,
sign-ups and mails go on.

``make torture-processes``.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.cli.test_supervisor import children
from tests.peers.http import Server
from tests.peers.processes import PATIENCE, read_memory, reserve_port, until
from tests.peers.smtp import SmtpPeer
from tests.subscribers.town import PRESSED
from tests.torture.test_processes import long

DESCRIPTORS, HALF_OPEN = 1024, 1100
HALF = b"GET / HTTP/1.1\r\nHost: watch.example\r\n"
ROWS = [("Hammond Police Department", "Indiana"), ("Gary Police Department", "Indiana")]
CONFIGURATION = """
[data]
folder = "data"
[site]
listen = "127.0.0.1:{port}"
public_url = "http://watch.example"
[email]
host = "127.0.0.1"
port = {relay}
security = "none"
from = "Watch <alerts@watch.example>"
[sources.ice-287g]
enabled = false
[sources.ice-287g-pending]
enabled = false
[sources.ring]
enabled = false
[sources.list]
url = "{list}"
format = "table"
every = "1s"
columns = {{ name = "Agency", state = "State" }}
"""


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """This process holds the other ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def few_descriptors() -> None:
    """`ulimit -n 1024`, in the new process."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))


@contextmanager
def running(config: Path, log: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MONITOR_")}
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "monitor", "run", "--config", str(config), *options],
            stdout=file, stderr=file, env=environment, preexec_fn=few_descriptors,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def publish(server: Server, *rows: tuple[str, str]) -> None:
    server.put("/list.csv", "\n".join(["Agency,State", *(",".join(row) for row in rows)]).encode())


def sign_up(visitor: httpx.Client, address: str, places: str = "IN") -> None:
    page = visitor.get("/subscribe")
    stamp = re.search(r'name="stamp" value="([^"]+)"', page.text)
    assert stamp
    time.sleep(2.1)  # a person needs that long for the form
    form = {
        "address": address, "places": places, "lists": ["list"], "frequency": "at_once", "stamp": stamp[1],
    }  # fmt: skip
    assert visitor.post("/subscribe", data=form).status_code == 200


def confirm(visitor: httpx.Client, mail: bytes) -> None:
    """Press the button behind the link of a mail."""
    link = re.search(rb"http://watch\.example(/confirm/[\w-]+)", mail.replace(b"=\r\n", b""))
    assert link
    assert visitor.post(link[1].decode(), data=PRESSED).status_code == 200


@long
def test_half_open_requests_stop_neither_visitors_nor_polls_nor_mails(
    tmp_path: Path, many_descriptors: None, record_property: Callable[[str, object], None]
) -> None:
    config, log, port = tmp_path / "config.toml", tmp_path / "log", reserve_port()
    with ExitStack() as closing:
        relay = closing.enter_context(SmtpPeer())
        publisher = closing.enter_context(Server())
        publish(publisher, *ROWS[:1])
        config.write_text(CONFIGURATION.format(port=port, relay=relay.port, list=publisher.url("/list.csv")))
        service = closing.enter_context(running(config, log))
        visitor = closing.enter_context(
            httpx.Client(
                base_url=f"http://127.0.0.1:{port}", headers={"Host": "watch.example"},
                trust_env=False, timeout=PATIENCE,
            )
        )  # fmt: skip

        def answers() -> bool:
            try:
                return visitor.get("/healthz").status_code == 200
            except httpx.TransportError:
                return False

        until(answers, service)
        until(lambda: publisher.asked("/list.csv"))
        lines_before = len(log.read_bytes().splitlines())

        for _ in range(HALF_OPEN):
            half = closing.enter_context(socket.create_connection(("127.0.0.1", port)))
            half.sendall(HALF)
        for _ in range(20):
            assert visitor.get("/").status_code == 200

        began = time.monotonic()
        sign_up(visitor, "ann@example.org")
        sent = time.monotonic()
        until(lambda: len(relay.mails) >= 1)
        record_property("seconds from the form to its confirmation", round(time.monotonic() - sent, 2))
        confirm(visitor, relay.mails[0].content)
        until(lambda: len(relay.mails) >= 2)  # the welcome

        polls = len(publisher.asked("/list.csv"))
        publish(publisher, *ROWS)
        until(lambda: len(publisher.asked("/list.csv")) > polls)
        until(lambda: len(relay.mails) >= 3)
        assert b"Gary" in relay.mails[2].content
        record_property("seconds of all this", round(time.monotonic() - began, 1))

        pids = children(service.pid)
        assert set(pids) == {"worker", "web"}
        memory = {name: read_memory(pid) for name, pid in {**pids, "supervisor": service.pid}.items()}
        record_property("memory in MiB", {name: round(size) for name, size in memory.items()})
        text = log.read_text()
        assert "Traceback" not in text
        lines = len([line for line in text.splitlines() if "list: unchanged" not in line]) - lines_before
        assert lines < 60, text
        record_property("lines of the log", lines)

        began = time.monotonic()
        service.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        service.send_signal(signal.SIGTERM)
        assert service.wait(PATIENCE) in {0, 1}
        record_property("seconds from the signals to the end", round(time.monotonic() - began, 2))
        assert not children(service.pid)
