"""The worker's loops: one that stands still holds up no other, is seen in `monitor status`, and ends with the
service.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from monitor import schedule
from monitor.app import Components
from monitor.cli import run
from monitor.cli.outgoing import OutgoingLoops, SignupWatch
from monitor.domain import Envelope
from monitor.keys import KeyFile
from monitor.ops import health
from monitor.outbox import send
from monitor.schedule import PollTimer, Repeater, run_until_stopped
from tests.outbox.world import GARY, HAMMOND, Recorder, World
from tests.subscribers.town import settled

PATIENCE = 600.0  # s, a bound for what hangs, on any machine


@pytest.fixture
def world(engine: Engine, keys: KeyFile, tmp_path: Path, now: datetime) -> World:
    return World(engine, keys, tmp_path / "data", now)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


def test_a_mail_without_an_answer_holds_up_no_other_loop_and_is_seen(
    world: World, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send, "STOP_GRACE", timedelta(milliseconds=50))
    monkeypatch.setattr(send, "LEASE", timedelta(milliseconds=40))  # renewed, and looked at, every 10 ms
    asked = asyncio.Event()

    async def never(envelope: Envelope) -> None:
        asked.set()
        await asyncio.Event().wait()

    mail, chat = Recorder("email", concurrency=1, before=never), Recorder("telegram")
    settings = settled(tmp_path, database_url, 9)
    components = Components(settings, world.engine, world.clock, world.keys)
    vars(components)["channels"] = {"email": mail, "telegram": chat}
    ann = world.person("ann@example.org", "IN")
    bea = world.person("bea@example.org", "IN")
    world.person("@indiana", "IN", channel="telegram")

    async def main() -> None:
        stop = asyncio.Event()
        with SignupWatch(world.engine) as watch:
            outgoing = OutgoingLoops(components, watch)
            running = [asyncio.create_task(loop.run(stop)) for loop in outgoing.all]
            world.publish(GARY)
            outgoing.fan_out.wake()
            await until(lambda: asked.is_set() and len(chat.accepted) == 1)
            world.later(minutes=3)
            world.publish(HAMMOND)  # is fanned out and told while the mail has no answer
            outgoing.fan_out.wake()
            await until(lambda: len(chat.accepted) == 2)
            await until(
                lambda: [loop.name for loop in components.load_health().standing] == ["sending on email"]
            )
            assert mail.attempts == 1
            stop.set()
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*running)

    asyncio.run(main())
    mails = [row for row in world.rows() if row.subscriber_id in {ann, bea} and row.state == "due"]
    # all are given back; the one that may have arrived is tried again later
    assert [row.owner for row in mails] == [None] * 4
    assert sorted((row.attempts, row.ambiguous) for row in mails) == [(0, False)] * 3 + [(1, True)]


def test_a_loop_that_hangs_is_named_in_the_health_of_a_living_process(
    world: World, database_url: str, tmp_path: Path
) -> None:
    components = Components(settled(tmp_path, database_url, 9), world.engine, world.clock, world.keys)
    world.folder.mkdir()
    hung, free = threading.Event(), threading.Event()

    def hang() -> None:
        hung.set()
        free.wait(PATIENCE)

    stuck = Repeater("fan-out", hang, timedelta(hours=1))
    timer = PollTimer([], lambda name: None)

    async def main() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(stuck.run(stop))
        await until(hung.is_set)
        since = stuck.busy_since()
        assert since is not None
        world.now = since + timedelta(minutes=1)
        run.beat(components, timer, [stuck])
        assert not components.load_health().standing
        world.now = since + timedelta(minutes=3)
        run.beat(components, timer, [stuck])
        assert [loop.name for loop in components.load_health().standing] == ["fan-out"]
        problems = [finding.problem for finding in health.find_problems(components.load_health())]
        assert any(problem.startswith("fan-out stands still since") for problem in problems)
        world.later(minutes=5)  # the process itself is gone: that is another finding
        assert not components.load_health().standing
        free.set()
        stop.set()
        await running
        run.beat(components, timer, [stuck])
        assert not components.load_health().standing

    asyncio.run(main())


def test_a_thread_that_hangs_holds_up_no_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "HANG_GRACE", timedelta(seconds=PATIENCE))  # it would end the tests
    hung, turned, free = threading.Event(), threading.Event(), threading.Event()

    def hang() -> None:
        hung.set()
        free.wait(PATIENCE)

    stuck = Repeater("stuck", hang, timedelta(hours=1))
    lively = Repeater("lively", turned.set, timedelta(milliseconds=1))

    def stop_when_hung() -> None:
        hung.wait(PATIENCE)
        turned.wait(PATIENCE)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop_when_hung).start()
    finished = run_until_stopped(
        PollTimer([], lambda name: None),
        {"stuck": stuck.run, "lively": lively.run},
        grace=timedelta(milliseconds=100),
    )
    free.set()
    assert not finished
    assert turned.is_set()


def test_a_loop_that_ends_by_an_error_ends_the_service() -> None:
    async def broken(stop: asyncio.Event) -> None:
        raise MemoryError

    lively = Repeater("lively", lambda: None, timedelta(milliseconds=1))
    with pytest.raises(MemoryError):
        run_until_stopped(PollTimer([], lambda name: None), {"broken": broken, "lively": lively.run})
