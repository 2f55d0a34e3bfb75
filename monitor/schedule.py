"""The running service: a timer that polls what is due, and a sender that drains the outbox. A timer, nothing more.

When a source is due stands in the database (`next_poll_at`), not here: APScheduler's job store is in memory, and a tick that finds nothing
due costs one query. The parts are given as functions, so that this room decides only *when*.
"""

from __future__ import annotations

import asyncio
import logging
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
# so that many installations, and many sources of one, do not ask at the same second
JITTER = timedelta(seconds=10)
SENDER_PAUSE = timedelta(seconds=5)
BEAT = timedelta(seconds=20)
# a poll in the middle of a download gets this long at a stop; whatever it did not commit is asked for again
POLL_GRACE = timedelta(seconds=20)


class _Trouble:
    """What goes wrong in one part again and again, for the log: said once, until it is something else or is over.

    A database that is away would otherwise fill the log every few seconds and hide the rest.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._said: str | None = None

    def met(self, error: Exception) -> None:
        """An error of ours is a line for the operator; any other is a mistake of the program, with its traceback."""
        if not isinstance(error, MonitorError):
            log.error("%s: an error of the program", self._what, exc_info=error)
        elif str(error) != self._said:
            log.error("%s: %s", self._what, error)
            self._said = str(error)

    def over(self) -> None:
        """It went well."""
        if self._said is not None:
            log.info("%s: works again", self._what)
            self._said = None


class Timer:
    """Calls ``poll_if_due(source)`` for every source about each `TICK`, one call per source at a time, in threads of its own."""

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
        self._troubles = {name: _Trouble(name) for name in names}
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
                # what is due at the start is polled at once instead of after the first tick
                next_run_time=datetime.now(UTC),
                args=[name],
                id=name,
            )

    def start(self) -> None:
        """Begin, in threads of its own."""
        self._scheduler.start()

    def stop(self, grace: timedelta = POLL_GRACE) -> bool:
        """No new polls; wait for the ones under way. False if some were still under way after ``grace``."""
        self._scheduler.shutdown(wait=False)
        with self._idle:
            return self._idle.wait_for(lambda: self._busy == 0, grace.total_seconds())

    def _fire(self, name: str) -> None:
        with self._idle:
            self._busy += 1
        try:
            self._poll_if_due(name)
            self._troubles[name].over()
        except Exception as error:
            # one source must not stop the others, nor its own next tick
            self._troubles[name].met(error)
        finally:
            with self._idle:
                self._busy -= 1
                self._idle.notify_all()


class Sender:
    """Calls ``send(stop)`` again and again: at once when woken, otherwise every `SENDER_PAUSE`. ``beat`` is called every `BEAT` and says that it is alive."""

    def __init__(self, send: Callable[[asyncio.Event], Awaitable[object]], beat: Callable[[], None]) -> None:
        self._send = send
        self._beat = beat
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken: asyncio.Event | None = None

    def wake(self) -> None:
        """Something was published; may be called from any thread, also before or after `run`."""
        if self._loop is not None and self._woken is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._woken.set)

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop`` is set. An error of one round is logged; the next round is another chance."""
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        beating = asyncio.create_task(self._beats())
        trouble = _Trouble("sending")
        try:
            while not stop.is_set():
                self._woken.clear()
                try:
                    await self._send(stop)
                    trouble.over()
                except Exception as error:
                    trouble.met(error)
                await _first(stop, self._woken, SENDER_PAUSE)
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    async def _beats(self) -> None:
        """Beside the rounds, because one of them may send for hours."""
        trouble = _Trouble("the sender's sign of life")
        while True:
            try:
                await asyncio.to_thread(self._beat)
                trouble.over()
            except Exception as error:
                trouble.met(error)
            await asyncio.sleep(BEAT.total_seconds())


async def _first(stop: asyncio.Event, woken: asyncio.Event, pause: timedelta) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in (stop, woken)]
    try:
        await asyncio.wait(waits, timeout=pause.total_seconds(), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*waits, return_exceptions=True)


def run_until_stopped(
    timer: Timer, sender: Sender, *beside: Callable[[asyncio.Event], Awaitable[object]]
) -> bool:
    """Run timer and sender, and what runs ``beside`` them in the same loop, until SIGTERM or SIGINT.

    Each of ``beside`` gets the event that says stop. True if everything under way came to its end.
    """

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        timer.start()
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: log.info("stopping"))
        try:
            await asyncio.gather(sender.run(stop), *(part(stop) for part in beside))
        finally:
            stop.set()
            await stopping

    asyncio.run(main())
    return timer.stop()
