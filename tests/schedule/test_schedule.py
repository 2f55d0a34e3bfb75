"""The timer fires, survives errors and stops; the sender goes round, survives errors and wakes."""

from __future__ import annotations

import asyncio
import logging
import threading
from datetime import timedelta

import pytest

from monitor.errors import StoreError
from monitor.schedule import PollTimer, Repeater, SendingLoop

SOON = timedelta(milliseconds=20)
PATIENCE = 600.0  # s, a bound for what hangs, on any machine


def test_every_source_is_asked_at_the_start_and_again_at_every_tick() -> None:
    asked: dict[str, threading.Semaphore] = {"a": threading.Semaphore(0), "b": threading.Semaphore(0)}
    timer = PollTimer(asked, lambda name: asked[name].release(), tick=SOON, jitter=timedelta(0))
    timer.start()
    try:
        for semaphore in asked.values():
            for _ in range(3):
                assert semaphore.acquire(timeout=PATIENCE)
    finally:
        assert timer.stop()


def test_an_error_of_one_source_stops_neither_the_others_nor_its_own_next_tick(
    caplog: pytest.LogCaptureFixture,
) -> None:
    good, bad = threading.Semaphore(0), threading.Semaphore(0)

    def poll(name: str) -> None:
        if name == "bad":
            bad.release()
            raise RuntimeError("broken")
        good.release()

    timer = PollTimer(["bad", "good"], poll, tick=SOON, jitter=timedelta(0))
    with caplog.at_level(logging.ERROR, "monitor.schedule"):
        timer.start()
        assert bad.acquire(timeout=PATIENCE)
        assert bad.acquire(timeout=PATIENCE)
        assert good.acquire(timeout=PATIENCE)
        assert timer.stop()
    assert "bad: an error of the program" in caplog.text


def test_one_source_is_never_polled_twice_at_a_time_and_a_stop_waits_for_it() -> None:
    begun, finish = threading.Semaphore(0), threading.Event()
    at_once: list[int] = []
    running = 0

    def poll(name: str) -> None:
        nonlocal running
        running += 1
        at_once.append(running)
        begun.release()
        finish.wait(PATIENCE)
        running -= 1

    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
    timer = PollTimer(["a"], poll, tick=SOON, jitter=timedelta(0))
    timer.start()
    assert begun.acquire(timeout=PATIENCE)
    assert not timer.stop(timedelta(milliseconds=50))
    finish.set()
    with timer._idle:
        assert timer._idle.wait_for(lambda: not timer._busy, PATIENCE)
    assert at_once == [1]


def test_the_sender_goes_on_after_an_error_and_is_woken_before_its_pause_is_over() -> None:
    rounds = 0

    async def main() -> None:
        stop = asyncio.Event()

        async def send(_: asyncio.Event) -> None:
            nonlocal rounds
            rounds += 1
            if rounds == 3:
                stop.set()
                return
            # the next round has to come from the wake-up: the pause is far longer than this test's patience
            asyncio.get_running_loop().call_soon(sender.wake)
            if rounds == 1:
                raise OSError("relay is away")

        sender = SendingLoop("sending", send)
        async with asyncio.timeout(PATIENCE):
            await sender.run(stop)

    asyncio.run(main())
    assert rounds == 3


def test_what_keeps_going_wrong_is_a_line_once_and_its_end_another(caplog: pytest.LogCaptureFixture) -> None:
    away = StoreError("the database is away: check that it runs")
    rounds: list[Exception | None] = [away, away, away, None, None, StoreError("the disk is full: make room")]

    async def main() -> None:
        stop = asyncio.Event()

        async def send(_: asyncio.Event) -> None:
            asyncio.get_running_loop().call_soon(sender.wake)
            error = rounds.pop(0)
            if not rounds:
                stop.set()
            if error is not None:
                raise error

        sender = SendingLoop("sending", send)
        async with asyncio.timeout(PATIENCE):
            await sender.run(stop)

    with caplog.at_level(logging.INFO, "monitor.schedule"):
        asyncio.run(main())
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", f"sending: {away}"),
        ("INFO", "sending: works again"),
        ("ERROR", "sending: the disk is full: make room"),
    ]
    assert not any(record.exc_info for record in caplog.records)


def test_a_repeater_acts_at_once_when_woken_and_after_an_error(caplog: pytest.LogCaptureFixture) -> None:
    acted = threading.Semaphore(0)
    rounds: list[int] = []

    def act() -> None:
        rounds.append(1)
        acted.release()
        if len(rounds) == 1:
            raise StoreError("the disk is full")

    async def main() -> None:
        stop = asyncio.Event()
        repeater = Repeater("the record", act, timedelta(hours=1))
        running = asyncio.create_task(repeater.run(stop))
        for _ in range(3):
            assert await asyncio.to_thread(acted.acquire, timeout=PATIENCE)
            await asyncio.to_thread(repeater.wake)
        stop.set()
        await asyncio.wait_for(running, PATIENCE)

    with caplog.at_level(logging.INFO):
        asyncio.run(main())
    assert "the record: the disk is full" in caplog.text
