"""`monitor run`: worker and site as processes of their own that are kept alive, and end together."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from monitor.cli.supervisor import Supervisor
from tests.peers.processes import PATIENCE, answers, beats, reserve_port, until

CONFIGURATION = """
[data]
folder = "{data}"
[site]
listen = "127.0.0.1:{port}"
[sources.ice-287g]
enabled = false
[sources.ring]
url = "http://127.0.0.1:9/none"
[fetch]
attempts = 1
"""


def children(pid: int) -> dict[str, int]:
    """The processes that a supervisor has started, by role."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if parent == pid and b"--supervised" in command:
            found[command[command.index(b"--supervised") - 1].decode()] = int(folder.name)
    return found


def is_running(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextmanager
def service(folder: Path, port: int, data: Path = Path("data")) -> Iterator[subprocess.Popen[str]]:
    config = folder / "config.toml"
    config.write_text(CONFIGURATION.format(port=port, data=data))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MONITOR_")}
    command = [sys.executable, "-m", "monitor", "run", "--config", str(config)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as running:
        try:
            yield running
        finally:
            left = children(running.pid)
            running.kill()  # before: it starts again what dies
            for pid in left.values():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def is_up(running: subprocess.Popen[str], folder: Path, port: int) -> bool:
    """Whether the site answers and the loops of the worker run, of which one writes its heartbeat."""
    if not answers(port):
        return False
    worker = children(running.pid).get("worker")
    return any(owner.endswith(f"/{worker}") for owner in beats(folder / "data" / "monitor.db"))


def test_each_process_that_dies_is_started_again_and_both_end_together(tmp_path: Path) -> None:
    port = reserve_port()
    with service(tmp_path, port) as running:
        until(lambda: is_up(running, tmp_path, port), running)
        first = children(running.pid)
        assert set(first) == {"worker", "web"}

        os.kill(first["web"], signal.SIGKILL)
        until(
            lambda: children(running.pid).get("web", first["web"]) != first["web"] and answers(port), running
        )
        assert children(running.pid)["worker"] == first["worker"]

        os.kill(first["worker"], signal.SIGKILL)
        until(
            lambda: (
                children(running.pid).get("worker", first["worker"]) != first["worker"]
                and is_up(running, tmp_path, port)
            ),
            running,
        )
        new = children(running.pid)

        running.send_signal(signal.SIGTERM)
        _, err = running.communicate(timeout=PATIENCE)
        assert running.returncode == 0, err
        assert not any(map(is_running, new.values()))
        assert "worker ended after" in err
        assert "web ended after" in err


def test_a_second_service_on_the_database_ends_at_once_and_both_end_when_the_supervisor_is_killed(
    tmp_path: Path, sqlite_template: Path
) -> None:
    """One service for both facts, on a database that is there already: starting one costs most by far."""
    port, data, other = reserve_port(), tmp_path / "data", tmp_path / "other"
    data.mkdir(mode=0o700)
    other.mkdir()
    shutil.copyfile(sqlite_template, data / "monitor.db")
    (data / "monitor.db").chmod(0o600)
    with service(tmp_path, port) as first:
        until(lambda: is_up(first, tmp_path, port), first)
        with service(other, reserve_port(), data) as second:
            _, err = second.communicate(timeout=PATIENCE)
            assert second.returncode == 1, err
            assert "Another `monitor run` uses this database" in err
            assert "Traceback" not in err

        found = children(first.pid)
        assert set(found) == {"worker", "web"}
        assert all(map(is_running, found.values()))
        first.kill()
        until(lambda: not any(map(is_running, found.values())))


def test_what_cannot_start_ends_both_with_its_exit_code(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        service(tmp_path, taken.getsockname()[1]) as running,
    ):
        _, err = running.communicate(timeout=PATIENCE)
        assert running.returncode == 2, err
        assert "the site cannot listen on" in err
        assert children(running.pid) == {}


SCRIPT = """
import os, signal, sys, time
{body}
"""


def child(body: str) -> list[str]:
    return [sys.executable, "-c", SCRIPT.format(body=body)]


@pytest.mark.parametrize(
    ("body", "code"),
    [("sys.exit(2)", 2), ("sys.exit(1)", 1), ("sys.exit(7)", 7)],
)
def test_an_exit_at_the_first_start_is_passed_on(body: str, code: int) -> None:
    script = f"""
from monitor.cli.supervisor import Supervisor
import sys
sys.exit(Supervisor({{"one": {child(body)!r}, "two": {child("time.sleep(60)")!r}}}).run())
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, timeout=PATIENCE)
    assert done.returncode == code


def test_what_has_started_is_started_again_however_soon_it_ends(tmp_path: Path) -> None:
    count = tmp_path / "count"
    body = f"""
from monitor.cli import supervisor
supervisor._is_supervised.set()
supervisor.note_started()
with open({str(count)!r}, "a") as file:
    file.write("x")
sys.exit(3)
"""
    script = f"""
from monitor.cli import supervisor
import sys
supervisor.FIRST_PAUSE = 0.01
sys.exit(supervisor.Supervisor({{"one": {child(body)!r}}}).run())
"""
    with subprocess.Popen([sys.executable, "-c", script]) as running:
        until(lambda: count.exists() and len(count.read_text()) >= 2)
        running.send_signal(signal.SIGTERM)
        assert running.wait(PATIENCE) in {0, 1, 3}


def test_a_second_signal_ends_what_does_not_end(tmp_path: Path) -> None:
    started, told = tmp_path / "started", tmp_path / "told"
    body = f"""
signal.signal(15, lambda *_: open({str(told)!r}, "w").close())
open({str(started)!r}, "w").close()
while True:
    time.sleep(0.1)
"""
    script = f"""
from monitor.cli.supervisor import Supervisor
import sys
sys.exit(Supervisor({{"one": {child(body)!r}}}).run())
"""
    with subprocess.Popen([sys.executable, "-c", script]) as running:
        until(started.exists)
        running.send_signal(signal.SIGTERM)
        until(told.exists)
        running.send_signal(signal.SIGTERM)
        assert running.wait(PATIENCE) == 1


def test_the_pauses_grow_to_a_minute_and_a_long_life_forgets_them() -> None:
    now = 0.0
    supervisor = Supervisor({"one": child("pass")}, clock=lambda: now)
    (process,) = supervisor._processes
    pauses = []
    for life in (20.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 100.0):
        process.started_at, process.starts, process.has_started = now, process.starts + 1, True
        now += life
        assert supervisor._handle_end(process, 1, now)
        pauses.append(process.pause)
    assert pauses == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 1.0]
