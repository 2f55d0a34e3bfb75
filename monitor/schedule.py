"""The scheduler: a timer that polls due sources, and loops that are independent of each other.

A source's due time is in the database (`next_poll_at`), so APScheduler's job store is in memory and a tick
with nothing due costs one query. The work itself is passed in as functions; this module decides only when it
runs, and reports what hangs.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Protocol

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from monitor.errors import MonitorError

log = logging.getLogger(__name__)

TICK = timedelta(seconds=15)
# Keeps many installations and sources from sending requests in the same second.
JITTER = timedelta(seconds=10)
SENDER_PAUSE = timedelta(seconds=5)

# Time for a running poll to finish at shutdown. What it did not commit is fetched again.
POLL_GRACE = timedelta(seconds=20)
# Time for the loops to finish at shutdown: messages being sent have 30 s, and then they are settled.
LOOP_GRACE = timedelta(seconds=35)
# Additional time for a thread that hangs: it would keep asyncio from closing.
HANG_GRACE = timedelta(seconds=5)


class _ErrorLog:
    """Logs the errors of one part, each once until it changes or ends.

    A database that is down would otherwise fill the log every few seconds and hide the rest.
    """

    def __init__(self, part: str) -> None:
        self._part = part
        self._last: str | None = None

    def log_error(self, error: Exception) -> None:
        """Log a MonitorError as one line, and any other error with its traceback, because it is a bug."""
        if not isinstance(error, MonitorError):
            log.error("%s: an error of the program", self._part, exc_info=error)
        elif str(error) != self._last:
            log.error("%s: %s", self._part, error)
            self._last = str(error)

    def log_success(self) -> None:
        """Log that the part works again, if it had failed."""
        if self._last is not None:
            log.info("%s: works again", self._part)
            self._last = None


class PollTimer:
    """Calls ``poll_if_due(source)`` for every source every `TICK`, in threads, never twice at a time for one
    source.
    """

    def __init__(
        self,
        sources: Iterable[str],
        poll_if_due: Callable[[str], None],
        *,
        tick: timedelta = TICK,
        jitter: timedelta = JITTER,
    ) -> None:
        names = list(sources)
        self._poll_if_due = poll_if_due
        self._errors = {name: _ErrorLog(name) for name in names}
        self._busy: dict[str, datetime] = {}
        self._idle = threading.Condition()
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(max(1, len(names)))},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        for name in names:
            self._scheduler.add_job(
                self._fire,
                "interval",
                seconds=tick.total_seconds(),
                jitter=int(jitter.total_seconds()) or None,
                # Sources that are due at the start are polled at once.
                next_run_time=datetime.now(UTC),
                args=[name],
                id=name,
            )

    def start(self) -> None:
        """Start the threads."""
        self._scheduler.start()

    def busy_since(self) -> dict[str, datetime]:
        """The start times of the running polls, by source."""
        with self._idle:
            return dict(self._busy)

    def stop(self, grace: timedelta = POLL_GRACE) -> bool:
        """Start no new polls and wait for running ones. False if some still ran after ``grace``."""
        self._scheduler.shutdown(wait=False)
        with self._idle:
            return self._idle.wait_for(lambda: not self._busy, grace.total_seconds())

    def _fire(self, name: str) -> None:
        with self._idle:
            self._busy[name] = datetime.now(UTC)
        try:
            self._poll_if_due(name)
            self._errors[name].log_success()
        except Exception as error:
            # An error of one source must not stop the others, nor its own next tick.
            self._errors[name].log_error(error)
        finally:
            with self._idle:
                del self._busy[name]
                self._idle.notify_all()


class _Loop:
    """A loop whose pause any thread can end. ``part`` names it in the log and in `monitor status`."""

    def __init__(self, part: str, pause: timedelta) -> None:
        self.part = part
        self._pause = pause
        self._errors = _ErrorLog(part)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken: asyncio.Event | None = None

    def wake(self) -> None:
        """End the current pause. May be called from any thread, also before or after the loop runs."""
        if self._loop is not None and self._woken is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._woken.set)

    async def run(self, stop: asyncio.Event) -> None:
        """Run until ``stop`` is set. An error in one round is logged and does not end the loop."""
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        while not stop.is_set():
            self._woken.clear()
            try:
                await self._act_once(stop)
                self._errors.log_success()
            except Exception as error:
                self._errors.log_error(error)
            await _wait_for_either(stop, self._woken, self._pause)

    async def _act_once(self, stop: asyncio.Event) -> None:
        raise NotImplementedError


class Repeater(_Loop):
    """Calls ``act`` in a thread of its own, at once, whenever woken, and otherwise every ``pause``."""

    def __init__(self, part: str, act: Callable[[], object], pause: timedelta) -> None:
        super().__init__(part, pause)
        self._act = act
        self._since: datetime | None = None

    def busy_since(self) -> datetime | None:
        """The start time of the running call; None if none is running."""
        return self._since

    async def _act_once(self, stop: asyncio.Event) -> None:
        # a thread of its own: asyncio's shared threads are few, and calls that hang would use them up
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._since = datetime.now(UTC)
        threading.Thread(target=self._call, args=(done,), name=self.part, daemon=True).start()
        try:
            await done
        finally:
            self._since = None

    def _call(self, done: asyncio.Future[None]) -> None:
        error: BaseException | None = None
        try:
            self._act()
        except BaseException as raised:
            error = raised
        with suppress(RuntimeError):  # the event loop is closed: nothing waits for the result
            done.get_loop().call_soon_threadsafe(_finish, done, error)


def _finish(done: asyncio.Future[None], error: BaseException | None) -> None:
    if done.done():  # canceled
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)


class SendingLoop(_Loop):
    """Calls ``send(stop)`` again and again: at once when woken, otherwise every `SENDER_PAUSE`.

    A round may send for hours; the sender itself reports which message hangs.
    """

    def __init__(self, part: str, send: Callable[[asyncio.Event], Awaitable[object]]) -> None:
        super().__init__(part, SENDER_PAUSE)
        self._send = send

    async def _act_once(self, stop: asyncio.Event) -> None:
        await self._send(stop)


async def _wait_for_either(stop: asyncio.Event, woken: asyncio.Event, pause: timedelta) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in (stop, woken)]
    try:
        await asyncio.wait(waits, timeout=pause.total_seconds(), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*waits, return_exceptions=True)


class Running(Protocol):
    """What `run_until_stopped` runs beside the timer: a loop of this module, or the bot's."""

    def __call__(self, stop: asyncio.Event, /) -> Awaitable[object]: ...


def run_until_stopped(timer: PollTimer, loops: Mapping[str, Running], grace: timedelta = LOOP_GRACE) -> bool:
    """Run the timer and the loops (by name) until SIGTERM or SIGINT; a second signal ends the process at
    once.

    All loops run in the same event loop and get the event that tells them to stop; then they have ``grace``
    to finish. Returns whether all work in progress was finished.
    """
    unfinished: set[str] = set()
    polls_ended = False
    watchdog = threading.Timer((grace + HANG_GRACE).total_seconds(), _end_hung)
    watchdog.daemon = True

    async def main() -> None:
        nonlocal polls_ended
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def on_signal() -> None:
            if stop.is_set():  # messages being sent are sent again later
                log.warning("a second signal: ending at once")
                os._exit(1)
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, on_signal)
        timer.start()
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: log.info("stopping"))
        tasks = {name: asyncio.ensure_future(run(stop)) for name, run in loops.items()}
        try:
            # a loop ends by itself only after an unexpected error: then the process ends, so that health
            # checks and the supervisor notice, instead of running on without it
            await asyncio.wait([stopping, *tasks.values()], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.set()
            watchdog.start()
        polls = asyncio.create_task(asyncio.to_thread(timer.stop))
        await asyncio.wait([stopping, *tasks.values()], timeout=grace.total_seconds())
        for name, task in tasks.items():
            if not task.done():
                unfinished.add(name)
                task.cancel()
        results = await asyncio.gather(*tasks.values(), return_exceptions=True)
        polls_ended = await polls
        for error in results:
            if isinstance(error, Exception):
                raise error

    try:
        asyncio.run(main())
    finally:
        watchdog.cancel()
    for name in sorted(unfinished):
        log.warning("%s did not end within %d s", name, grace.total_seconds())
    return polls_ended and not unfinished


def _end_hung() -> None:
    log.error("a thread hangs: ending all the same")
    os._exit(1)
