"""What must always hold, sentences 1, 2, 13 and 14: alerts arrive, or people are told that they do not."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.pool import QueuePool

from monitor.domain import Rendered
from monitor.errors import Permanent, Transient
from monitor.messages import Message
from monitor.ops.health_facts import load_facts
from monitor.ops.health_report import report_status
from monitor.schedule import PollTimer
from monitor.storage import engine as db
from monitor.storage import heartbeats, schema
from tests.e2e.test_pipeline import NAMES, Installation, kml, until
from tests.outbox.world import CHICAGO, GARY, HAMMOND, Recorder, World, locate, render
from tests.peers.botapi import BotApi
from tests.peers.http import Server
from tests.peers.smtp import SmtpPeer
from tests.polling.publisher import Publication, agencies
from tests.subscribers.conftest import deliveries
from tests.subscribers.town import Town, text

FULL = bool(os.environ.get("MONITOR_TORTURE"))
DAY = timedelta(days=1)


# 1. Nobody stops getting alerts without being told: a source that is blind for long is said so, on the site
# and to its operator.


def seen(town: Town, *, good: datetime) -> None:
    """The list was read at ``good`` for the last time, and tried now."""
    with db.transaction(town.engine) as conn:
        conn.execute(sa.delete(schema.SourceRow))
        conn.execute(
            sa.insert(schema.SourceRow).values(
                name="ring", number=1, fingerprint="", columns=[], folders=[], last_good_at=good,
                last_fetch_at=town.now,
                blind_notified_at=None,
            )
        )  # fmt: skip
        conn.execute(
            sa.insert(schema.FetchRow).values(
                source="ring",
                at=town.now,
                outcome="good" if good == town.now else "failed",
                reason="no answer",
            )
        )


def problems(town: Town) -> list[str]:
    watched = town.settings.watched_infos
    report = report_status(load_facts(town.engine, watched, configured={"email"}, fenced=None, now=town.now))
    found: list[str] = report["problems"]
    return found


def test_nobody_stops_getting_alerts_without_being_told(town: Town) -> None:
    town.member()
    seen(town, good=town.now)
    assert not [line for line in problems(town) if line.startswith("ring")]
    before = len(town.postbox.mails)

    last = town.now
    town.later(hours=6)
    seen(town, good=last)
    assert [line for line in problems(town) if line.startswith("ring was not read since")]  # its operator
    assert "cannot see this list" in town.client.get("/zip/60601").text  # the site
    assert town.client.get("/readyz").status_code == 503

    town.later(days=7)
    seen(town, good=last)
    town.deliver()
    town.later(days=1)
    town.deliver()
    (notice,) = [mail for _, mail in town.postbox.mails[before:]]  # and each follower, once
    assert "cannot read this list" in notice["Subject"]
    assert "hearing nothing from us does not mean that nothing has changed" in " ".join(text(notice).split())

    with db.transaction(town.engine) as conn:
        conn.execute(sa.update(schema.SourceRow).values(last_good_at=town.now, last_fetch_at=town.now))
    town.deliver()
    assert "can read this list again" in town.mail()["Subject"]


# 2. A message is not lost because a channel was down, or the process died at any instruction.


def test_a_message_is_not_lost_because_a_channel_was_down(world: World) -> None:
    world.person("a@a.example", "IN")
    world.person("@indiana", "IN", channel="telegram")
    world.publish(HAMMOND)
    world.fan_out()
    email, telegram = Recorder(), Recorder(name="telegram")
    for _ in range(17):  # two days and a half
        email.will("*", Transient("the relay is away", lane="*"))
        world.send(email, telegram)
        world.later(hours=3, minutes=30)
    world.send(email, telegram)
    assert email.told == {"a@a.example": ["added Hammond Police Department because IN"]}
    assert telegram.told == {"@indiana": ["added Hammond Police Department because IN"]}


class DeadError(Exception):
    """The process is no more: nothing that it does reaches the database."""


@contextmanager
def dying(engine: Engine, at: int) -> Iterator[list[int]]:
    """From the statement or commit of this number on, nothing reaches the database. Gives the count of what
    did.
    """
    done = [0]

    def one(*_: Any) -> None:
        if done[0] >= at:
            raise DeadError
        done[0] += 1

    events = ("before_cursor_execute", "commit")
    for event in events:
        sa.event.listen(engine, event, one)
    try:
        yield done
    finally:
        for event in events:
            sa.event.remove(engine, event, one)


def checked_out(engine: Engine) -> int:
    """Connections of the pool that somebody holds."""
    assert isinstance(engine.pool, QueuePool)
    return engine.pool.checkedout()


def test_a_message_is_not_lost_when_the_process_died_at_any_instruction(world: World) -> None:
    addresses = {f"p{number}@a.example" for number in range(3)}
    for address in addresses:
        world.person(address, "IN")
    world.send(Recorder())  # the database has its identity
    # The instructions are the same on both databases: the short run tries every one on SQLite.
    step = 1 if FULL or world.engine.dialect.name == "sqlite" else 4
    at, ended = 0, False
    while not ended:
        world.publish(HAMMOND)
        before, after = Recorder(), Recorder()
        with dying(world.engine, at) as done, suppress(DeadError):
            world.fan_out()
            world.send(before)
        ended = done[0] < at
        assert checked_out(world.engine) == 0, "every connection is given back"
        world.later(minutes=5)  # every lease has run out
        world.fan_out()
        world.send(after)
        told = [handed.address for handed in (*before.accepted, *after.accepted)]
        assert set(told) == addresses, f"lost by a death at {at}"
        assert set(world.states()) == {"sent"}
        copies = {handed.message_id for handed in before.accepted} & {h.message_id for h in after.accepted}
        assert len(told) - len(addresses) == len(copies)  # and a copy is known for one
        at += step
    assert at > 20


# 13. If the program is up, its sender is running; if it is not, health says so.


def test_if_the_program_is_up_its_sender_is_running(tmp_path: Path, sqlite_url: str) -> None:
    with Server() as server, SmtpPeer() as smtp, BotApi() as bot:
        server.put("/map.kml", kml(*NAMES), etag='"1"')
        here = Installation(tmp_path, sqlite_url, server, smtp, bot)
        with ExitStack() as ending:
            process = ending.enter_context(here.service())
            ending.callback(here.engine.dispose)
            until(here.is_working, "the sender's first beat")
            assert here.status()["sender"]["working"]
            here.run("subscribers", "add", "email", "ann@example.org", "IN")
            # whatever is put into the outbox by whomever leaves by itself
            here.run("subscribers", "export", "ann@example.org")
            until(lambda: smtp.mails, "a mail")
            os.kill(process.pid, signal.SIGKILL)
            process.wait(300)


def test_if_the_sender_is_not_running_health_says_so(world: World) -> None:
    def status() -> Any:
        return report_status(load_facts(world.engine, {}, configured={"email"}, fenced=None, now=world.now))

    with db.transaction(world.engine) as conn:
        heartbeats.write_beat(conn, "sender", "host/1", world.now)
    assert status()["sender"]["working"]
    world.person("a@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    assert status()["ok"]
    world.later(minutes=3)
    found = status()
    assert (found["ok"], found["sender"]["working"]) == (False, False)
    assert any("no sender is working" in line for line in found["problems"])


# 14. One bad listing, address, template or source does not stop the others.


def test_one_bad_listing_does_not_stop_the_others(world: World) -> None:
    world.person("a@a.example", "IN")

    def stumbling(source: str, listing: Any) -> Any:
        if listing.name == HAMMOND.name:
            raise ZeroDivisionError
        return locate(source, listing)

    broken = world.publish(HAMMOND)
    world.write(
        sa.update(schema.ChangeRow).where(schema.ChangeRow.changeset_id == broken).values(after={"x": 1})
    )
    world.publish(HAMMOND, GARY)
    assert world.fan_out(stumbling) == 1
    channel = Recorder()
    world.send(channel)
    assert channel.told == {
        "a@a.example": ["added Hammond Police Department because IN\nadded Gary Police Department because IN"]
    }


def test_one_damaged_row_of_a_publication_does_not_stop_the_others(sqlite_publication: Publication) -> None:
    sqlite_publication.seen(agencies(30))
    rows = agencies(31)
    rows[4] = rows[4] | {"Agency": "#VALUE!"}
    outcome = sqlite_publication.seen(rows)
    assert (outcome.added, outcome.removed) == (1, 0)


def test_one_bad_address_or_template_does_not_stop_the_others(world: World) -> None:
    for name in ("bad", "refused", "good"):
        world.person(f"{name}@a.example", "IN")
    world.person("spanish@a.example", "IN", language="es")
    world.person("other@b.example", "IN")
    world.write(
        sa.update(schema.SubscriberRow)
        .where(schema.SubscriberRow.id == 1)
        .values(address=b"sealed by nobody")
    )
    world.publish(HAMMOND)
    world.fan_out()

    def half(message: Message) -> Rendered:
        if message.language == "es":
            raise KeyError("a macro that is not there")
        return render(message)

    channel = Recorder()
    channel.will("refused@a.example", Permanent("no such user", address_gone=True))
    world.send(channel, render=half)
    assert sorted(channel.told) == ["good@a.example", "other@b.example"]
    assert sorted(world.states()) == ["due", "due", "failed", "sent", "sent"]
    world.later(hours=1)
    world.send(channel)  # the template was mended
    assert sorted(channel.told) == ["good@a.example", "other@b.example", "spanish@a.example"]


def test_one_bad_source_does_not_stop_the_others() -> None:
    asked: list[str] = []

    def poll(source: str) -> None:
        asked.append(source)
        if source == "bad":
            raise RuntimeError("a bug in its parser")

    timer = PollTimer(["bad", "good"], poll, tick=timedelta(milliseconds=20), jitter=timedelta(0))
    timer.start()
    until(lambda: asked.count("good") >= 3 and asked.count("bad") >= 3, "the next polls of both")
    assert timer.stop()


def test_one_bad_thing_that_time_brings_does_not_stop_the_alerts(
    small_town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = small_town
    town.member()

    def broken(*_: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr("monitor.outbox.insert_due_digests", broken)
    monkeypatch.setattr("monitor.subscribers.admit", broken)
    world = World(town.engine, town.keys, town.settings.data.folder, town.now)
    world.publish(CHICAGO)
    world.fan_out()
    town.deliver()
    assert "Chicago Police Department" in town.mail()["Subject"]
    assert deliveries(town.engine, "alert") == [("alert", "sent", None)]
