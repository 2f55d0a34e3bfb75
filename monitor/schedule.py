"""When things happen: a timer that polls due sources, and a loop that drains the outbox.

A source's due time is in the database (`next_poll_at`), so APScheduler's job store is in memory and a tick
with nothing due costs one query. What is done is given as functions; this module decides only when.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from monitor.errors import MonitorError

log = logging.getLogger(__name__)

TICK = timedelta(seconds=15)
# So that many installations and sources do not send requests in the same second.
JITTER = timedelta(seconds=10)
SENDER_PAUSE = timedelta(seconds=5)
BEAT = timedelta(seconds=20)
# The time that a running poll gets at a stop. What it did not commit is fetched again.
POLL_GRACE = timedelta(seconds=20)


class _ErrorLog:
    """Logs the errors of one part, each once until it changes or ends.

    A database that is down would otherwise fill the log every few seconds and hide the rest.
    """

    def __init__(self, part: str) -> None:
        self._part = part
        self._last: str | None = None

    def log_error(self, error: Exception) -> None:
        """Log a MonitorError as one line, and any other with its traceback, because it is a bug."""
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
    """Calls ``poll_if_due(source)`` for every source every `TICK`, in threads, once at a time."""

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
        self._busy = 0
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

    def stop(self, grace: timedelta = POLL_GRACE) -> bool:
        """Start no new polls and wait for running ones. False if some still ran after ``grace``."""
        self._scheduler.shutdown(wait=False)
        with self._idle:
            return self._idle.wait_for(lambda: self._busy == 0, grace.total_seconds())

    def _fire(self, name: str) -> None:
        with self._idle:
            self._busy += 1
        try:
            self._poll_if_due(name)
            self._errors[name].log_success()
        except Exception as error:
            # One source must not stop the others, nor its own next tick.
            self._errors[name].log_error(error)
        finally:
            with self._idle:
                self._busy -= 1
                self._idle.notify_all()


class _Wakeable:
    """A loop whose pause any thread can end."""

    _loop: asyncio.AbstractEventLoop | None = None
    _woken: asyncio.Event | None = None

    def wake(self) -> None:
        """Go on at once. May be called from any thread, also before or after the loop runs."""
        if self._loop is not None and self._woken is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._woken.set)


class Repeater(_Wakeable):
    """Calls ``act`` in a thread, at once, whenever woken, and otherwise every ``pause``; ``part`` names it in
    the log.
    """

    def __init__(self, part: str, act: Callable[[], object], pause: timedelta) -> None:
        self._act = act
        self._pause = pause
        self._errors = _ErrorLog(part)

    async def run(self, stop: asyncio.Event) -> None:
        """Run until ``stop`` is set. An error in one round is logged and does not end the loop."""
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        while not stop.is_set():
            self._woken.clear()
            try:
                await asyncio.to_thread(self._act)
                self._errors.log_success()
            except Exception as error:
                self._errors.log_error(error)
            await _wait_for_either(stop, self._woken, self._pause)


class SenderLoop(_Wakeable):
    """Calls ``send(stop)`` again and again: at once when woken, otherwise every `SENDER_PAUSE`.

    ``beat`` writes a heartbeat and is called every `BEAT`.
    """

    def __init__(self, send: Callable[[asyncio.Event], Awaitable[object]], beat: Callable[[], None]) -> None:
        self._send = send
        self._beat = beat

    async def run(self, stop: asyncio.Event) -> None:
        """Run until ``stop`` is set. An error in one round is logged and does not end the loop."""
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        heart = asyncio.create_task(self._beat_forever())
        errors = _ErrorLog("sending")
        try:
            while not stop.is_set():
                self._woken.clear()
                try:
                    await self._send(stop)
                    errors.log_success()
                except Exception as error:
                    errors.log_error(error)
                await _wait_for_either(stop, self._woken, SENDER_PAUSE)
        finally:
            heart.cancel()
            await asyncio.gather(heart, return_exceptions=True)

    async def _beat_forever(self) -> None:
        """Beat apart from the rounds, because one round may send for hours."""
        errors = _ErrorLog("the sender's heartbeat")
        while True:
            try:
                await asyncio.to_thread(self._beat)
                errors.log_success()
            except Exception as error:
                errors.log_error(error)
            await asyncio.sleep(BEAT.total_seconds())


async def _wait_for_either(stop: asyncio.Event, woken: asyncio.Event, pause: timedelta) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in (stop, woken)]
    try:
        await asyncio.wait(waits, timeout=pause.total_seconds(), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*waits, return_exceptions=True)


def run_until_stopped(
    timer: PollTimer, sender: SenderLoop, *loops: Callable[[asyncio.Event], Awaitable[object]]
) -> bool:
    """Run timer, sender and further loops until SIGTERM or SIGINT; a second signal ends the process at once.

    Each of ``loops`` runs in the same event loop and gets the event that tells it to stop. Returns whether
    everything under way was finished.
    """

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def on_signal() -> None:
            if stop.is_set():  # what was under way is sent again later
                log.warning("a second signal: ending at once")
                os._exit(1)
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, on_signal)
        timer.start()
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: log.info("stopping"))
        try:
            await asyncio.gather(sender.run(stop), *(loop_until(stop) for loop_until in loops))
        finally:
            stop.set()
            await stopping

    asyncio.run(main())
    return timer.stop()
