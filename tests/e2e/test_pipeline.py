"""From the official map to an inbox: real commands, real protocols on loopback, both databases."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import policy
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from monitor import app
from monitor.app import Components
from monitor.cli import root
from monitor.config import load
from monitor.storage import engine as db
from monitor.storage.deliveries.tables import DeliveryRow
from monitor.storage.tables import HeartbeatRow
from tests.peers.botapi import BotApi
from tests.peers.http import Server
from tests.peers.smtp import STALL, Mail, SmtpPeer

PATIENCE = 600.0  # s, a bound for what hangs, on any machine
NAMES = [
    f"{town} Police Department" for town in ("Gary", "Munster", "Highland", "Griffith", "Dyer", "Crown Point")
]


def kml(*names: str) -> bytes:
    """A map as Ring's: addresses, no points."""
    rows = "".join(
        f"<Placemark><name>{name}</name>"
        f"<address>{name.removesuffix(' Police Department')}, IN</address></Placemark>"
        for name in names
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document><name>Map</name>'
        f"<Folder><name>Agencies</name>{rows}</Folder></Document></kml>"
    ).encode()


class Installation:
    """One operator's installation: a configuration, a database, and the commands run on it as processes."""

    def __init__(self, folder: Path, database_url: str, server: Server, smtp: SmtpPeer, bot: BotApi) -> None:
        self.engine = db.connect(database_url)
        self.config = folder / "config.toml"
        self.config.write_text(
            f"""
            [database]
            url = "{database_url}"
            [site]
            contact = "operator@watch.example"
            timezone = "America/Chicago"
            listen = "127.0.0.1:0"
            [email]
            host = "127.0.0.1"
            port = {smtp.port}
            security = "none"
            from = "Map Monitor <alerts@watch.example>"
            connections = 2
            [telegram]
            token = "{bot.token}"
            base_url = "{bot.base_url}"
            [telegram.channels]
            IN = "@example_indiana"
            [sources.ring]
            url = "{server.url("/map.kml")}"
            [sources.ice-287g]
            enabled = false
            """,
            "utf-8",
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MONITOR_")}
        return subprocess.Popen(
            [sys.executable, "-m", "monitor", *arguments, "--config", str(self.config)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run a command in this process: starting Python for each would take most of the test's time."""
        result = CliRunner().invoke(root, [*arguments, "--config", str(self.config)])
        assert result.exit_code == code, result.output
        return result.stdout

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", code=code))

    def status(self) -> Any:
        """What `monitor status` says, whatever it exits with."""
        return json.loads(CliRunner().invoke(root, ["status", "--json", "--config", str(self.config)]).stdout)

    def is_working(self) -> bool:
        """Whether a sender has written its heartbeat. It is asked again and again while a service starts, so
        it asks the database: a whole `monitor status` takes longer than the wait between two questions.
        """
        with db.reading(self.engine) as conn:
            return bool(conn.scalar(sa.select(sa.func.count()).where(HeartbeatRow.c.part == "sender")))

    def due(self) -> int:
        """How many messages wait, asked of the database for the same reason."""
        with db.reading(self.engine) as conn:
            query = sa.select(sa.func.count()).where(DeliveryRow.c.state == "due")
            return conn.scalar(query) or 0

    @contextmanager
    def service(self) -> Iterator[subprocess.Popen[str]]:
        """On PostgreSQL worker and site; on SQLite the worker alone: `test_supervisor` starts both there."""
        process = self.start("run" if self.engine.dialect.name == "postgresql" else "worker")
        try:
            yield process
        finally:
            process.kill()
            process.communicate(timeout=PATIENCE)


def until(condition: Callable[[], object], what: str) -> None:
    """Wait, with a bound, for what another process does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.1)


def headers(mail: Mail) -> dict[str, str]:
    return dict(BytesParser(policy=policy.default).parsebytes(mail.content).items())


@pytest.fixture
def peers() -> Iterator[tuple[Server, SmtpPeer, BotApi]]:
    with Server() as server, SmtpPeer() as smtp, BotApi() as bot:
        server.put("/map.kml", kml(*NAMES), etag='"1"')
        yield server, smtp, bot


@pytest.fixture
def here(
    tmp_path: Path, database_url: str, peers: tuple[Server, SmtpPeer, BotApi], kept_parser: None
) -> Iterator[Installation]:
    installation = Installation(tmp_path, database_url, *peers)
    yield installation
    installation.engine.dispose()


def test_a_change_of_the_official_map_reaches_the_mailbox_and_the_channel_once(
    here: Installation, peers: tuple[Server, SmtpPeer, BotApi]
) -> None:
    server, smtp, bot = peers
    assert here.json("poll")["outcome"] == "baseline"
    here.run("subscribers", "add", "email", "ruth@reader.example", "46320", "IN")
    here.run("subscribers", "add", "email", "else@reader.example", "10001")

    with here.service() as service:
        until(here.is_working, "the sender's first beat")
        assert here.status()["sender"]["working"]
        server.put("/map.kml", kml(*NAMES, "Hammond Police Department"), etag='"2"')
        # beside the running service: it polls again in an hour only
        outcome = here.json("poll", "ring")
        assert (outcome["outcome"], outcome["added"]) == ("published", 1)
        until(lambda: smtp.mails and bot.made, "the alert")
        until(lambda: here.due() == 0, "settling")
        assert here.status()["outbox"]["due"] == 0
        service.send_signal(signal.SIGTERM)
        assert service.wait(PATIENCE) == 0

    (mail,) = smtp.mails
    assert mail.recipient == "ruth@reader.example"
    assert headers(mail)["Subject"] == "Hammond Police Department (IN) added to Ring's Active Agency Map"
    (post,) = bot.posts
    assert post.chat == "@example_indiana"
    assert "Hammond Police Department" in post.text
    assert here.json("deliver") == {"sent": 0, "retried": 0, "failed": 0, "due": 0}


def test_a_removal_is_told_after_a_second_look_and_an_unchanged_poll_parses_nothing(
    here: Installation, peers: tuple[Server, SmtpPeer, BotApi]
) -> None:
    server, smtp, _ = peers
    here.run("poll")
    here.run("subscribers", "add", "email", "ruth@reader.example", "IN")
    server.put("/map.kml", kml(*NAMES[1:]), etag='"2"')
    assert here.json("poll")["outcome"] == "pending"
    assert here.json("poll")["outcome"] == "pending"
    assert server.requests[-1].header("if-none-match") == '"2"'
    assert smtp.mails == []
    settings = load(here.config, {})
    engine = app.open_database(settings)
    from monitor.polling import poll

    with app.open_fetcher(settings, None) as fetcher:
        later = datetime.now(UTC) + timedelta(minutes=31)
        assert poll(engine, app.polled_source(settings, "ring"), fetcher, now=later).removed == 1
    engine.dispose()


def test_a_kill_between_claim_and_settle_loses_nothing_and_a_copy_has_the_same_message_id(
    here: Installation, peers: tuple[Server, SmtpPeer, BotApi]
) -> None:
    server, smtp, _ = peers
    here.run("poll")
    for number in range(5):
        here.run("subscribers", "add", "email", f"reader{number}@reader.example", "IN")
    server.put("/map.kml", kml(*NAMES, "Hammond Police Department"), etag='"2"')
    here.run("poll")

    smtp.script["message"] += ["250 2.0.0 taken", STALL, STALL]
    sender = here.start("deliver")
    # one was answered, two connections are between the end of DATA and its answer
    until(lambda: len(smtp.mails) >= 3, "the sending")
    until(lambda: here.due() <= 5, "the settling of what was answered")
    assert here.status()["outbox"]["due"] <= 5
    sender.kill()
    sender.communicate(timeout=PATIENCE)
    assert 0 < here.status()["outbox"]["due"] <= 5

    settings = load(here.config, {})
    engine = app.open_database(settings)
    later = datetime.now(UTC) + timedelta(minutes=5)  # the dead sender's leases have run out
    result = asyncio.run(app.send_due(Components(settings, engine, lambda: later)))
    assert (result.failed, result.due) == (0, 0)
    with db.reading(engine) as conn:
        assert conn.exec_driver_sql("SELECT count(*) FROM delivery WHERE state <> 'sent'").scalar() == 0
    engine.dispose()

    got: dict[str, list[str]] = {}
    for mail in smtp.mails:
        got.setdefault(mail.recipient, []).append(headers(mail)["Message-ID"])
    assert sorted(got) == [f"reader{number}@reader.example" for number in range(5)]
    assert all(len(set(identities)) == 1 for identities in got.values())
    assert sum(len(identities) - 1 for identities in got.values()) <= 3


def test_a_broken_answer_fails_the_poll_with_its_reason_and_the_baseline_stands(
    here: Installation, peers: tuple[Server, SmtpPeer, BotApi]
) -> None:
    server, smtp, _ = peers
    here.run("poll")
    server.put("/map.kml", kml(*NAMES)[:-80])
    outcome = here.json("poll", code=1)
    assert outcome["outcome"] == "failed"
    assert "cut off" in outcome["reason"]
    status = here.status()
    assert status["sources"]["ring"]["baseline"] == len(NAMES)
    assert any("cut off" in problem for problem in status["problems"])
    assert smtp.mails == []


def test_a_configured_channel_is_told_where_only_the_commands_run_and_no_more_once_it_is_taken_out(
    here: Installation, peers: tuple[Server, SmtpPeer, BotApi]
) -> None:
    server, _, bot = peers
    here.run("poll")
    server.put("/map.kml", kml(*NAMES, "Hammond Police Department"), etag='"2"')
    here.run("poll")
    assert here.json("deliver")["sent"] == 1
    (post,) = bot.posts
    assert (post.chat, "Hammond Police Department" in post.text) == ("@example_indiana", True)

    server.put("/map.kml", kml(*NAMES, "Hammond Police Department", "Whiting Police Department"), etag='"3"')
    here.run("poll")
    here.config.write_text(here.config.read_text().replace('IN = "@example_indiana"', ""))
    assert here.json("deliver") == {"sent": 0, "retried": 0, "failed": 0, "due": 0}
    assert len(bot.posts) == 1
