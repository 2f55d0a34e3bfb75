"""Processes that begin in milliseconds: copies of one that has imported what they need. Python takes about a
second of the processor to import the program again, which is longer than what most of them then do.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

PATIENCE = 600.0  # s, a bound for what hangs, on any machine
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        "monitor.cli.operate",
        "monitor.cli.run",
        "monitor.cli.sending",
        "tests.outbox.killed_writer",
        "tests.outbox.victim",
        "tests.storage.killed_conversion",
        "tests.subscribers.killed_rotation",
    ]
)


@contextmanager
def running(work: Callable[..., Any], *given: Any) -> Iterator[BaseProcess]:
    """A process that does ``work`` and ends; at the end of the block it is killed if it still runs."""
    process = _FORKS.Process(target=work, args=given)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()
        process.close()


def run_to_end(work: Callable[..., Any], *given: Any) -> int:
    """Let a process do ``work`` and return its exit code, the negative number of the signal that ended it."""
    with running(work, *given) as process:
        process.join(PATIENCE)
        assert process.exitcode is not None, "it does not end"
        return process.exitcode


class Command:
    """``monitor`` with these arguments, used like a `subprocess.Popen`; what it prints is written to a file.

    What a process does while it starts is not seen here: tests of that start Python itself.
    """

    def __init__(self, *arguments: str, output: Path) -> None:
        self._process = _FORKS.Process(target=_call, args=(arguments, output))
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float = PATIENCE) -> int:
        self._process.join(timeout)
        assert self._process.exitcode is not None, "it does not end"
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()


def _call(arguments: tuple[str, ...], output: Path) -> None:
    from monitor.cli import main

    for name in [name for name in os.environ if name.startswith("MONITOR_")]:
        del os.environ[name]
    with output.open("w") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    sys.argv = ["monitor", *arguments]
    main()
