"""Delivery under everything that can happen to it: ``make torture-delivery``; a small part of it always runs.

What counts is what the servers stored: nothing is lost, and copies are as few as promised.
"""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor.channels.telegram.transport import Telegram
from monitor.domain import Rendered
from monitor.errors import StoreError
from monitor.keys import KeyFile
from monitor.messages import Message
from monitor.outbox.commit import GROUP
from monitor.storage import schema
from monitor.storage.deliveries.backlog import read_backlog
from monitor.storage.engine import reading
from tests.outbox.killing import check, kill_again_and_again
from tests.outbox.test_relays import mail_to
from tests.outbox.world import HAMMOND, Recorder, World, render
from tests.peers.botapi import DROP_STORED, Answer, BotApi, Portal, flood
from tests.peers.smtp import DROP, SmtpPeer

FULL = bool(os.environ.get("MONITOR_TORTURE"))
long = pytest.mark.skipif(not FULL, reason="minutes long: make torture-delivery")
Note = Callable[[str, object], None]


def owed(world: World, people: int, channel: str = "email") -> None:
    world.crowd(
        [
            f"p{number}@d{number % 7}.example" if channel == "email" else str(1000 + number)
            for number in range(people)
        ],
        "IN",
        channel=channel,
    )
    world.publish(HAMMOND)
    world.fan_out()


def posts(message: Message) -> Rendered:
    """The message as one post."""
    rendered = render(message)
    return replace(rendered, blocks=(rendered.text,))


def message_ids(peer: SmtpPeer) -> Counter[bytes]:
    """How often each message is stored."""
    return Counter(mail.content.partition(b"\nMessage-ID: ")[2].split()[0] for mail in peer.mails)


def until_settled(world: World, send: Callable[[], object], step: timedelta = timedelta(minutes=10)) -> None:
    """Drain until nothing is due, for at most six days of the world's clock."""
    end = world.now + timedelta(days=6)
    while "due" in world.states():
        assert world.now < end, "it never ends"
        send()
        world.now += step


@long
def test_two_hundred_kills_in_ten_thousand_deliveries(
    engine: Engine,
    database_url: str,
    keys: KeyFile,
    tmp_path: Path,
    now: datetime,
    record_property: Note,
) -> None:
    world = World(engine, keys, tmp_path / "data", now)
    aftermath = kill_again_and_again(world, database_url, people=10_000, kills=200, chance=random.Random(3))
    assert aftermath.kills == 200
    record_property("bound", f"{aftermath.copies} copies")
    check(world, aftermath, 10_000)


@pytest.mark.parametrize("seed", range(8 if FULL else 1))
def test_a_relay_that_does_everything_that_relays_do(
    engine: Engine, keys: KeyFile, tmp_path: Path, now: datetime, seed: int, record_property: Note
) -> None:
    """One mail in twenty is stored and then the connection dies; others meet greylisting, limits, a busy
    server, a server that ends the connection, and an account that is refused for a day.
    """
    world = World(engine, keys, tmp_path / "data", now)
    people = 2000 if FULL else 60
    chance, dropped, first = random.Random(seed), Counter[str](), dict[str, datetime]()

    def judge(phase: str, recipient: str) -> str | None:
        if phase == "message":
            if chance.random() < 0.05:
                dropped[recipient] += 1
                return DROP
            return "450 4.3.0 busy" if chance.random() < 0.03 else None
        if timedelta(hours=2) < world.now - now < timedelta(hours=26):
            return "550 5.1.90 Your message can't be sent: daily limit"
        if recipient.endswith("@d0.example"):
            young = world.now - first.setdefault(recipient, world.now) < timedelta(minutes=5)
            return "451 4.7.1 greylisted" if young else None
        return chance.choice([None] * 20 + ["421 4.3.2 closing", "452 4.7.1 slow down", "451 4.3.0 later"])

    with SmtpPeer(judge=judge, most=3) as peer:
        channel = mail_to(peer, world)
        owed(world, people)

        async def sleep(seconds: float) -> None:
            world.later(seconds=seconds)

        until_settled(world, lambda: world.send(channel, sleep=sleep))
        ids = message_ids(peer)
    record_property("bound", f"{sum(ids.values()) - len(ids)} copies")
    assert len(ids) == people
    assert {mail.recipient for mail in peer.mails} == {f"p{n}@d{n % 7}.example" for n in range(people)}
    assert sum(ids.values()) - len(ids) <= sum(dropped.values())
    assert set(world.states()) == {"sent"}
    assert world.rows(schema.SuppressionRow) == []


@pytest.mark.parametrize("seed", range(5 if FULL else 1))
def test_a_bot_api_that_floods_fails_and_forgets_to_answer(
    engine: Engine, keys: KeyFile, tmp_path: Path, now: datetime, seed: int, record_property: Note
) -> None:
    """Three posts in ten are answered 429, one in twenty 502, one in a hundred is made and not answered."""
    world = World(engine, keys, tmp_path / "data", now)
    people = 1000 if FULL else 60
    chance = random.Random(seed)
    unanswered = 0

    def judge() -> Answer | Portal | str | None:
        nonlocal unanswered
        draw = chance.random()
        if draw < 0.3:
            return flood(3)
        if draw < 0.35:
            return Answer(502, "Bad Gateway")
        if draw < 0.36:
            unanswered += 1
            return DROP_STORED
        return None

    async def at_once(_: float) -> None:
        """The limits of this process are tested elsewhere."""

    with BotApi(judge=judge) as api:
        owed(world, people, "telegram")
        for number in range(people):  # groups too, whose limit is shared
            if number % 10 == 0:
                world.person(f"-{2000 + number}", "46320", channel="telegram")

        async def two() -> None:  # two workers, and new ones each round: a restart
            workers = [
                Telegram(token=api.token, base_url=api.base_url, clock=time.monotonic, sleep=at_once)
                for _ in range(2)
            ]
            await asyncio.gather(*(world.drain(worker, render=posts) for worker in workers))  # type: ignore[arg-type]

        until_settled(world, lambda: asyncio.run(two()), timedelta(seconds=30))
        told = Counter(post.chat for post in api.posts if post.accepted)
    record_property("bound", f"{sum(told.values()) - len(told)} copies")
    # a post of which two answers were lost is given up: it was made, and nobody says that it failed
    given_up = [row for row in world.rows() if row.state != "sent"]
    assert {(row.state, row.ambiguous) for row in given_up} <= {("failed", True)}
    assert len(given_up) <= unanswered // 2
    with reading(engine) as conn:
        backlog = read_backlog(conn)
    assert (backlog.failed, backlog.unknown) == (0, len(given_up))
    assert set(told) == {str(1000 + number) for number in range(people)}
    assert sum(told.values()) - len(told) <= unanswered
    assert max(told.values()) <= 2, "at most one such copy"
    assert api.refusals == []


@contextmanager
def failing_writes(engine: Engine, after: int, error: str) -> Iterator[list[int]]:
    """Every write to a SQLite database fails from the ``after``-th statement on, with SQLite's own error."""
    seen = [0]

    def execute(cursor: object, statement: str, *_: object) -> None:
        if statement.split(maxsplit=1)[0] in {"INSERT", "UPDATE", "DELETE"}:
            seen[0] += 1
            if seen[0] > after:
                raise sqlite3.OperationalError(error)

    sa.event.listen(engine, "do_execute", execute)
    sa.event.listen(engine, "do_executemany", execute)
    try:
        yield seen
    finally:
        sa.event.remove(engine, "do_execute", execute)
        sa.event.remove(engine, "do_executemany", execute)


@pytest.mark.parametrize(
    "error",
    ["database or disk is full", "database is locked", "attempt to write a readonly database"],
)
def test_a_disk_that_takes_no_more_at_any_write_costs_no_copy(
    sqlite_engine: Engine,
    keys: KeyFile,
    tmp_path: Path,
    now: datetime,
    error: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("monitor.outbox.commit._TRIES", (timedelta(0),) * 3)
    world = World(sqlite_engine, keys, tmp_path / "data", now)
    for number in range(6):
        world.person(f"p{number}@d{number}.example", "IN")
    channel = Recorder(concurrency=2)
    after, more = 0, True
    while more:
        assert after < 100, "the writes of a drain do not grow"
        assert len(channel.accepted) <= 6 * after
        world.publish(HAMMOND)
        world.fan_out()
        with failing_writes(world.engine, after, error) as seen:
            for _ in range(4):
                with suppress(StoreError):
                    world.send(channel)
                world.later(minutes=3)
        more, after = seen[0] > after, after + 1
        world.send(channel)
        world.later(minutes=3)
    assert after > 5
    assert set(world.states()) == {"sent"}
    copies = Counter(handed.message_id for handed in channel.accepted)
    assert len(copies) == 6 * after
    assert max(copies.values()) == 1


@pytest.mark.postgres
def test_connections_to_postgres_that_are_cut_at_any_moment(
    postgres_engine: Engine, keys: KeyFile, tmp_path: Path, now: datetime, record_property: Note
) -> None:
    world = World(postgres_engine, keys, tmp_path / "data", now)
    owed(world, 3000 if FULL else 150)
    url = postgres_engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    over, cuts, chance = threading.Event(), 0, random.Random(1)

    def cut() -> None:
        nonlocal cuts
        with psycopg.connect(url, autocommit=True) as conn:
            while not over.wait(chance.uniform(0.01, 0.4)):
                cuts += conn.execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                ).fetchone()[0]  # type: ignore[index]

    thread = threading.Thread(target=cut)
    thread.start()
    channel, failures = Recorder(concurrency=4), 0
    try:
        for _ in range(200 if FULL else 20):
            try:
                world.send(channel)
            except StoreError:
                failures += 1
            world.later(minutes=3)
    finally:
        over.set()
        thread.join()
    _until_sent(world, channel)
    record_property("bound", f"{cuts} connections cut, {failures} drains failed")
    _nothing_lost(world, channel, failures)


def _until_sent(world: World, channel: Recorder) -> None:
    for _ in range(20):
        world.later(minutes=3)
        world.send(channel)


def _nothing_lost(world: World, channel: Recorder, failures: int) -> None:
    assert set(world.states()) == {"sent"}
    copies = Counter(handed.message_id for handed in channel.accepted)
    assert len(copies) == len(world.rows())
    assert sum(copies.values()) - len(copies) <= failures * (channel.concurrency + GROUP)
