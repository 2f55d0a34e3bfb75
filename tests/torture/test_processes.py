"""Whole workers as processes against a mail server: killed, stopped, frozen, copied.

``make torture-processes``; a small part always runs. What counts is what the mail server stored.
"""

from __future__ import annotations

import math
import os
import random
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor import app, config
from monitor.outbox.commit import GROUP
from monitor.storage.deliveries.tables import DeliveryRow
from monitor.storage.engine import reading, transaction
from monitor.storage.tables import HeartbeatRow
from tests.outbox.world import CHICAGO, GARY, HAMMOND, World
from tests.peers.forks import Command
from tests.peers.processes import PATIENCE, until
from tests.peers.smtp import STALL, SmtpPeer

FULL = bool(os.environ.get("MONITOR_TORTURE"))
long = pytest.mark.skipif(not FULL, reason="minutes long: make torture-processes")
CONNECTIONS = 4
CONFIGURATION = """
[data]
folder = "data"
{database}
[email]
host = "127.0.0.1"
port = {port}
security = "none"
from = "Watch <alerts@watch.example>"
connections = {connections}
[sources.ice-287g]
enabled = false
[sources.ring]
url = "http://127.0.0.1:9/none"
[fetch]
attempts = 1
"""


_opened: list[Engine] = []


@pytest.fixture(autouse=True)
def closed_engines() -> Iterator[None]:
    """No connection of a service outlives its test."""
    yield
    while _opened:
        _opened.pop().dispose()


class Service:
    """A configuration in a folder, with workers that are started and ended."""

    def __init__(self, folder: Path, url: str | None, port: int) -> None:
        """``url`` None: a SQLite file in the data folder."""
        self.folder = folder
        self.path = folder / "config.toml"
        database = f'[database]\nurl = "{url}"' if url is not None else ""
        self.path.write_text(CONFIGURATION.format(database=database, port=port, connections=CONNECTIONS))
        self.settings = config.load(self.path, {})
        self.engine = app.open_database(self.settings)
        _opened.append(self.engine)
        self.keys = app.open_keys(self.settings, self.engine)
        self.world = World(self.engine, self.keys, folder / "data", datetime.now(UTC))
        self._started: dict[int, tuple[datetime, Path]] = {}

    def start(self) -> Command:
        """Start a worker. Its log is a file, so that it never waits for a reader."""
        log, now = self.folder / f"worker-{len(self._started)}.log", datetime.now(UTC)
        worker = Command("worker", "--config", str(self.path), output=log)
        self._started[worker.pid] = now, log
        return worker

    def log(self, worker: Command) -> str:
        _, log = self._started[worker.pid]
        return log.read_text()

    def is_ready(self, worker: Command) -> bool:
        """Whether the loops of a worker run, of which one writes its heartbeat: then it listens to
        signals.
        """
        since, _ = self._started[worker.pid]
        beats = sa.select(HeartbeatRow.c.owner).where(HeartbeatRow.c.at >= since)
        with reading(self.engine) as conn:
            return any(owner.endswith(f"/{worker.pid}") for owner in conn.scalars(beats))

    def until(self, condition: Callable[[], Any], *workers: Command) -> None:
        """Wait for what the workers, which must not end meanwhile, bring about."""

        def happened() -> Any:
            found = condition()
            assert found or all(worker.poll() is None for worker in workers), [*map(self.log, workers)]
            return found

        until(happened)

    def stop(self, worker: Command) -> None:
        """Ask a worker to stop, once it listens for that; it ends in order."""
        self.until(partial(self.is_ready, worker), worker)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE) == 0, self.log(worker)

    def people(self, count: int) -> None:
        for number in range(count):
            self.world.person(f"p{number}@d{number % 5}.example", "IN")

    def owed(self) -> int:
        """How many deliveries are not sent; all states but that count as owed."""
        return self._count(DeliveryRow.c.state != "sent")

    def is_done(self) -> bool:
        """Whether deliveries were written, and all of them are sent."""
        return self._count(sa.true()) > 0 and self.owed() == 0

    def _count(self, which: sa.ColumnElement[bool]) -> int:
        with reading(self.engine) as conn:
            return conn.scalar(sa.select(sa.func.count()).select_from(DeliveryRow).where(which)) or 0

    def hurry(self) -> None:
        """What waits for a lease or a retry is due now."""
        with transaction(self.engine) as conn:
            past = datetime.now(UTC) - timedelta(hours=1)
            due = DeliveryRow.c.state == "due"
            conn.execute(sa.update(DeliveryRow).where(due).values(due_at=past, lease_until=None, owner=None))


@pytest.fixture
def peer() -> Iterator[SmtpPeer]:
    with SmtpPeer() as peer:
        yield peer


def reached(service: Service, peer: SmtpPeer, goal: int) -> bool:
    return len(peer.mails) >= goal or service.is_done()


@contextmanager
def ended(*processes: Command) -> Iterator[None]:
    with ExitStack() as closing:
        for process in processes:
            closing.callback(process.wait)
            closing.callback(process.kill)
        yield


def stored(peer: SmtpPeer) -> Counter[str]:
    return Counter(mail.recipient for mail in list(peer.mails))


def message_ids(peer: SmtpPeer) -> dict[str, set[bytes]]:
    found: dict[str, set[bytes]] = {}
    for mail in list(peer.mails):
        (line,) = (line for line in mail.content.splitlines() if line.lower().startswith(b"message-id:"))
        found.setdefault(mail.recipient, set()).add(line)
    return found


class Holding:
    """The mouth of a mail server that says no more once it has stored so many mails, until it is let go."""

    def __init__(self, peer: SmtpPeer) -> None:
        self._peer = peer
        self._goal: float = math.inf
        self._go_on = threading.Event()
        peer.judge = self._judge

    def hold_at(self, goal: int) -> None:
        self._go_on.clear()
        self._goal = goal

    def let_go(self) -> None:
        self._goal = math.inf
        self._go_on.set()

    def _judge(self, phase: str, recipient: str) -> None:
        if phase == "message" and len(self._peer.mails) >= self._goal:
            self._go_on.wait(PATIENCE)


def test_killed_workers_lose_nothing_and_copies_are_few(
    tmp_path: Path, database_url: str, peer: SmtpPeer, record_property: Callable[[str, object], None]
) -> None:
    """kill -9 anywhere between the fan-out and the settling: each second one while mails wait for their
    answer, the others wherever the worker is, which may have done everything by then.
    """
    chance, kills, people = random.Random(1), 25 if FULL else 2, 100 if FULL else 40
    service, holding = Service(tmp_path, database_url, peer.port), Holding(peer)
    service.people(people)
    killed = 0
    for number in range(kills):
        service.world.publish(HAMMOND)
        goal = len(peer.mails) + chance.randint(1, people // 2)
        if number % 2 == 0:
            holding.hold_at(goal)
        worker = service.start()
        with ended(worker):
            service.until(partial(reached, service, peer, goal), worker)
            worker.kill()
            worker.wait()
            killed += not service.is_done()
        holding.let_go()
        service.hurry()
    worker = service.start()
    with ended(worker):
        service.until(service.is_done, worker)
        service.stop(worker)
    assert killed >= -(-kills // 2), "those that were held were at work"
    ids = message_ids(peer)
    assert set(ids) == {f"p{number}@d{number % 5}.example" for number in range(people)}
    assert {len(theirs) for theirs in ids.values()} == {kills}, "each alert, and a copy with its Message-ID"
    copies = stored(peer).total() - people * kills
    assert copies <= killed * (CONNECTIONS + GROUP)
    record_property("kills", killed)
    record_property("copies", copies)


def test_a_second_signal_ends_a_worker_whose_relay_hangs(tmp_path: Path, database_url: str) -> None:
    """And what it had in hand is sent by the next one; copies are at most one per open connection."""
    people = 12
    with SmtpPeer({"message": [STALL] * CONNECTIONS}) as peer:
        service = Service(tmp_path, database_url, peer.port)
        service.people(people)
        service.world.publish(HAMMOND)
        worker = service.start()
        with ended(worker):
            service.until(lambda: len(peer.mails) == CONNECTIONS, worker)  # all of them wait for their answer
            worker.send_signal(signal.SIGTERM)
            if FULL:  # the first signal alone: 30 s for what is in flight, and then a clean end
                assert worker.wait(PATIENCE) == 0
            else:
                # two signals at once would be one; what is in flight has 30 s, and the second cuts them short
                service.until(lambda: "stopping" in service.log(worker), worker)
                worker.send_signal(signal.SIGTERM)
                assert worker.wait(PATIENCE) == 1
                assert "a second signal" in service.log(worker)
        service.hurry()
        worker = service.start()
        with ended(worker):
            service.until(lambda: len(stored(peer)) == people and service.owed() == 0, worker)
            service.stop(worker)
        assert stored(peer).total() - people <= CONNECTIONS
        assert all(len(ids) == 1 for ids in message_ids(peer).values())


def test_a_copied_folder_and_a_restored_one_send_nothing_and_the_original_goes_on(
    tmp_path: Path, peer: SmtpPeer
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    service = Service(home, None, peer.port)
    service.people(3)
    service.world.publish(HAMMOND)
    deliver(service)
    assert len(peer.mails) == 3
    service.world.publish(GARY)
    service.engine.dispose()
    shutil.copytree(home, tmp_path / "copy")  # `cp -a`: times and permissions too
    copied = config.load(tmp_path / "copy" / "config.toml", {})
    assert (tmp_path / "copy" / "data" / "monitor.db").exists()
    assert copied.data.folder.samefile(tmp_path / "copy" / "data")
    code, error = deliver_in(tmp_path / "copy" / "config.toml")
    assert (code, len(peer.mails)) == (1, 3), error
    assert "monitor resume" in error
    deliver(service)
    assert len(peer.mails) == 6
    service.world.publish(CHICAGO)
    service.engine.dispose()
    shutil.rmtree(home / "data")
    shutil.copytree(tmp_path / "copy" / "data", home / "data")  # the older state, at its old place
    code, error = deliver_in(service.path)
    assert (code, len(peer.mails)) == (1, 6), error


def deliver(service: Service) -> None:
    code, error = deliver_in(service.path)
    assert code == 0, error


def deliver_in(path: Path) -> tuple[int, str]:
    log = path.with_suffix(".log")
    code = Command("deliver", "--config", str(path), output=log).wait()
    return code, log.read_text()


@long
@pytest.mark.postgres
@pytest.mark.parametrize("replicas", [2, 3])
def test_replicas_of_which_one_is_frozen_send_everything_once(
    tmp_path: Path, postgres_url: str, replicas: int, peer: SmtpPeer
) -> None:
    """SIGSTOP for 30 s in the middle of sending: the others go on, and the frozen one repeats nothing."""
    people = 400
    service = Service(tmp_path, postgres_url, peer.port)
    service.people(people)
    service.world.publish(HAMMOND)
    workers = [service.start() for _ in range(replicas)]
    with ended(*workers):
        service.until(lambda: all(map(service.is_ready, workers)) and len(peer.mails) >= 20, *workers)
        workers[0].send_signal(signal.SIGSTOP)
        time.sleep(30)
        service.world.publish(GARY)
        workers[0].send_signal(signal.SIGCONT)
        service.until(lambda: stored(peer).total() >= 2 * people and service.owed() == 0, *workers)
        for worker in workers:
            service.stop(worker)
    assert set(stored(peer).values()) == {2}
    assert all(len(ids) == 2 for ids in message_ids(peer).values())
