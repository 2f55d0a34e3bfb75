"""`monitor run` as two processes that are kept alive: the worker, and the site.

So visitors cannot take file descriptors or time from polling and sending. The two share only the database. A
process that dies is restarted; the pauses between restarts grow to a minute. One that cannot start at all (a
wrong configuration, another service on the database, a port in use) ends both, with its exit code. This
process itself imports little and only waits.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from monitor.cli.stopping import install_handlers, keep_signals_waiting

if TYPE_CHECKING:
    from monitor.log_lines import LogFormat

log = logging.getLogger(__name__)

WRONG_USAGE = 2
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # s, before a process is started again
STOP_GRACE = 40.0
"""Seconds that a stop may take: a send in progress has 30, a visitor's request 10."""
SECOND_GRACE = 2.0  # s, after a second signal
_STARTED = b"started"
_is_supervised = threading.Event()


@dataclass
class SupervisedProcess:
    """One process: its command line, when it was started (monotonic seconds), and the pause before the next
    start.

    ``lifeline`` is a socket whose other end is the standard input of the process. The process reads it, and
    ends when this one is gone; it writes to it once it has started, so that a slow start needs no time-out.
    """

    name: str
    command: Sequence[str]
    pause: float = FIRST_PAUSE
    started_at: float = 0.0
    starts: int = 0
    start_at: float | None = 0.0
    running: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    lifeline: socket.socket | None = field(default=None, repr=False)
    has_started: bool = False

    def start(self, now: float) -> None:
        """Start the process in a group of its own, so that Ctrl-C reaches only this one, which passes it
        on.
        """
        self.lifeline, theirs = socket.socketpair()
        with theirs:
            self.running = subprocess.Popen(self.command, stdin=theirs.fileno(), process_group=0)  # noqa: S603  # our own
        self.started_at, self.start_at = now, None
        self.starts += 1

    def close(self) -> None:
        """Read whether a process that has ended had started, and close its socket."""
        if self.lifeline is not None:
            with suppress(OSError), self.lifeline as lifeline:
                self.has_started |= bool(lifeline.recv(len(_STARTED), socket.MSG_DONTWAIT))
        self.running = self.lifeline = None


class Supervisor:
    """Keeps processes alive until a signal comes. ``commands`` are their command lines by name."""

    def __init__(
        self, commands: Mapping[str, Sequence[str]], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._processes = [SupervisedProcess(name, command) for name, command in commands.items()]
        self._clock = clock
        self._signals = 0
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._code = 0

    def run(self) -> int:
        """Run until SIGTERM or SIGINT, or until a process cannot start; returns the exit code."""
        install_handlers(self._on_signal)
        signal.signal(signal.SIGCHLD, lambda *_: self._wake())
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_read, selectors.EVENT_READ)
            while not self._signals and self._step(self._clock()):
                if selector.select(self._time_to_next_start()):
                    os.read(self._wake_read, 1024)
            self._stop(selector)
        return self._code

    def _step(self, now: float) -> bool:
        """Start the due processes and handle those that have ended; False if a process cannot start."""
        for process in self._processes:
            if process.start_at is not None and process.start_at <= now:
                process.start(now)
            code = process.running.poll() if process.running is not None else None
            if code is not None and not self._handle_end(process, code, now):
                return False
        return True

    def _handle_end(self, process: SupervisedProcess, code: int, now: float) -> bool:
        """Plan the next start of a process that has ended; False if it cannot start at all."""
        lived = now - process.started_at
        process.close()
        if process.starts == 1 and not process.has_started and code > 0:
            self._code = code
            return False
        process.pause = FIRST_PAUSE if lived > LONGEST_PAUSE else min(process.pause * 2, LONGEST_PAUSE)
        process.start_at = now + process.pause
        log.error(
            "%s ended after %.0f s with code %d and is started again in %.0f s",
            process.name,
            lived,
            code,
            process.pause,
        )
        return True

    def _time_to_next_start(self) -> float | None:
        times = [process.start_at for process in self._processes if process.start_at is not None]
        return max(min(times) - self._clock(), 0) if times else None

    def _stop(self, selector: selectors.BaseSelector) -> None:
        """Ask every process to end, and kill those that do not within the grace."""
        sent, deadline = 0, self._clock() + STOP_GRACE
        while running := [process for process in self._processes if process.running is not None]:
            if sent < max(self._signals, 1):
                sent = max(self._signals, 1)
                if sent > 1:
                    deadline = min(deadline, self._clock() + SECOND_GRACE)
                for process in running:
                    assert process.running is not None
                    with suppress(ProcessLookupError):
                        process.running.send_signal(signal.SIGTERM)
            left = deadline - self._clock()
            if left <= 0:
                for process in running:
                    assert process.running is not None
                    log.error("%s does not end and is killed", process.name)
                    process.running.kill()
            if selector.select(max(left, 0.1)):
                os.read(self._wake_read, 1024)
            for process in running:
                assert process.running is not None
                code = process.running.poll()
                if code is not None:
                    self._code = self._code or (0 if code in (0, -signal.SIGTERM) else 1)
                    process.close()

    def _on_signal(self, *_: object) -> None:
        self._signals += 1
        self._wake()

    def _wake(self) -> None:
        with suppress(BlockingIOError):
            os.write(self._wake_write, b"x")


def supervise(options: Sequence[str], form: LogFormat) -> NoReturn:
    """Become a supervisor of worker and site, which get these additional options (``--config FILE``,
    ``--debug``). ``form`` is the log format.

    This process is replaced by a new one, so that the modules that were imported to read the configuration
    take no memory while the service runs.
    """
    keep_signals_waiting()  # until `Supervisor.run` has its handlers
    os.execv(sys.executable, (sys.executable, "-m", "monitor.cli.supervisor", form, *options))  # noqa: S606


def note_started() -> None:
    """Tell the supervisor, if there is one, that this process has started."""
    if _is_supervised.is_set():
        with suppress(OSError):
            os.write(0, _STARTED)


def end_with_supervisor() -> None:
    """Stop this process as with SIGTERM when the supervisor is gone, whatever the reason."""
    _is_supervised.set()

    def wait() -> None:
        # the supervisor sends nothing; its death shows as end of file or as a broken connection
        with suppress(OSError):
            while os.read(0, 1024):
                pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="supervisor", daemon=True).start()


def main(arguments: Sequence[str]) -> int:
    """Supervise until stopped; returns the exit code. ``arguments`` are the format of the log and the options
    of `supervise`.
    """
    from monitor.cli.logs import configure

    form, *options = arguments
    configure("--debug" in options, service=True, libraries=False, form="json" if form == "json" else "text")
    program = (sys.executable, "-m", "monitor")
    return Supervisor({role: (*program, role, "--supervised", *options) for role in ("worker", "web")}).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
