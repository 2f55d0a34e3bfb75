"""A stop that comes while a service starts ends it in order, at whatever moment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers.processes import PATIENCE

STOPPED_BEFORE = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
os.kill(os.getpid(), signal.SIGTERM)  # waits, and is there once the program can hear it
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
STOPPED_BETWEEN = """
import os, signal, sys
become = os.execv
def stopped(*given):
    os.kill(os.getpid(), signal.SIGTERM)
    become(*given)
os.execv = stopped
from monitor.cli import main
main()
"""


def ended(script: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A program that gets SIGTERM where the script says, when it has ended."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MONITOR_")}
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True, text=True, check=False, timeout=PATIENCE, cwd=folder, env=environment,
    )  # fmt: skip


@pytest.mark.parametrize(
    "program",
    [
        ("-m", "monitor", "run"),
        ("-m", "monitor", "run", "--one-process"),
        ("-m", "monitor", "worker"),
        ("-m", "monitor", "web"),
        ("-m", "monitor.cli.supervisor", "text"),
    ],
)
def test_a_stop_before_anything_is_there_ends_with_0(program: tuple[str, ...], tmp_path: Path) -> None:
    done = ended(STOPPED_BEFORE, *program, folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_a_stop_while_the_supervisor_takes_over_is_not_lost(tmp_path: Path) -> None:
    done = ended(STOPPED_BETWEEN, "run", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_command_that_is_no_service_is_ended_by_the_signal(tmp_path: Path) -> None:
    done = ended(STOPPED_BETWEEN.replace("os.execv = stopped", "stopped()"), "status", folder=tmp_path)
    assert done.returncode < 0


STOPPED_AS_FIRST_PROCESS = """
import os, signal, monitor.cli, monitor.demo
number = os.getpid()
os.getpid = lambda: 1  # as in a container
def play(*given, **named):
    os.kill(number, signal.SIGTERM)
    signal.sigtimedwait([signal.SIGINT], 600)  # the stop ends it before
    print("went on")
monitor.demo.play = play
monitor.cli.main()
"""


def test_a_stop_ends_a_command_that_is_the_first_process_of_a_container(tmp_path: Path) -> None:
    done = ended(STOPPED_AS_FIRST_PROCESS, "demo", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (1, "", "monitor: stopped")
