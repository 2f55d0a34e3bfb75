"""What tests of whole processes share: a port that nobody else takes, and waiting for a sign.

A process may be as slow or as quick as it likes: a test waits for what shows that it has got somewhere, and
never for a time.
"""

from __future__ import annotations

import re
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

PATIENCE = 600.0
"""Seconds after which a test gives up: a bound for what hangs, on any machine."""

_FIRST_PORT = 20_000
_reserved: list[socket.socket] = []


def reserve_port() -> int:
    """A port of 127.0.0.1 for a process that a test starts, which nobody else takes until this process ends.

    A port that the system gives away and gets back may be another's before the process listens: every
    connection takes one of that range. So it is one outside of it, and a name in the system tells other test
    processes that it is taken.
    """
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    outside = [*range(_FIRST_PORT, first), *range(last + 1, 65_536)]
    for port in outside or range(_FIRST_PORT, 65_536):
        name = socket.socket(socket.AF_UNIX)
        try:
            name.bind(f"\0monitor-port-{port}")
            with socket.create_server(("127.0.0.1", port)):
                pass
        except OSError:
            name.close()
            continue
        _reserved.append(name)
        return port
    raise AssertionError("no port is free")


def until(
    condition: Callable[[], Any], *alive: subprocess.Popen[str], what: str = "what is waited for"
) -> Any:
    """Wait until ``condition`` is true and return its value; the processes ``alive`` must not end
    meanwhile.
    """
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert all(process.poll() is None for process in alive), [each.communicate()[1] for each in alive]
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.05)
    return found


def read_memory(pid: int) -> float:
    """The memory of a process in MiB, what it shares counted in parts (PSS)."""
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) / 1024


def beats(database: Path) -> list[str]:
    """The senders that have written a heartbeat into a SQLite file, by name; none while it is being made."""
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=PATIENCE)) as opened:
            return [owner for (owner,) in opened.execute("SELECT owner FROM heartbeat WHERE part = 'sender'")]
    except sqlite3.Error:
        return []


def answers(port: int) -> bool:
    """Whether a site on 127.0.0.1 says that it is well.

    Tests ask again and again while a process starts, so this opens a plain connection: a client of httpx
    reads every authority's certificate first, which takes longer than the wait between two questions.
    """
    with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
