"""`monitor deliver`, `resume`, `failed` and `subscribers`, called as people call them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from monitor.cli import root
from monitor.formatting import format_minute
from monitor.keys import KeyFile
from monitor.outbox import clone_guard
from monitor.storage import engine as db
from monitor.storage import schema
from monitor.storage.deliveries import refusals
from monitor.storage.migrate import upgrade
from tests.outbox.world import HAMMOND, World, locate
from tests.peers.smtp import SmtpPeer


class Installation:
    """A configuration file with its data folder, and the commands run on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.toml"
        self.config.write_text(
            '[data]\nfolder = "data"\n[mailbox]\nfolder = "mailbox"\n[site]\ncontact = "me@watch.example"\n'
        )
        engine = db.connect(f"sqlite:///{folder / 'data' / 'monitor.db'}")
        upgrade(engine, folder=folder / "data", now=datetime.now(UTC))
        self.world = World(
            engine, KeyFile.load(folder / "data", create=True), folder / "data", datetime.now(UTC)
        )

    def monitor(self, *arguments: str, stdin: str | None = None) -> Result:
        command, *rest = arguments
        return CliRunner(env={"MONITOR_TEST_POSTGRES": None}).invoke(
            root, [command, "--config", str(self.config), *rest], input=stdin
        )

    def unconfigured(self) -> None:
        """Take the mailbox away: no channel is configured then."""
        self.config.write_text('[data]\nfolder = "data"\n')

    def letters(self) -> list[Path]:
        return sorted((self.folder / "mailbox").glob("*.eml"))

    def publish(self) -> None:
        self.world.publish(HAMMOND)
        self.world.fan_out(locate)


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path)
    yield made
    made.world.engine.dispose()


def deliver(installed: Installation) -> dict[str, int]:
    result = installed.monitor("deliver", "--json")
    assert result.exit_code == 0, result.output
    counts: dict[str, int] = json.loads(result.stdout)
    return counts


def test_deliver_sends_what_is_due_and_says_what_it_did(installed: Installation) -> None:
    installed.monitor("subscribers", "add", "email", "anna@example.org", "46320", "--source", "ring")
    installed.publish()
    assert deliver(installed) == {"sent": 1, "retried": 0, "failed": 0, "due": 0}
    (letter,) = installed.letters()
    mail = message_from_bytes(letter.read_bytes())
    assert mail["To"] == "anna@example.org"
    assert "Hammond Police Department" in mail["Subject"]
    assert deliver(installed) == {"sent": 0, "retried": 0, "failed": 0, "due": 0}
    assert "0 sent, 0 to be tried again, 0 failed, 0 due" in installed.monitor("deliver").output


def test_after_deliver_has_ended_no_sender_is_said_to_work(installed: Installation) -> None:
    installed.monitor("subscribers", "add", "email", "anna@example.org", "46320", "--source", "ring")
    installed.publish()
    assert deliver(installed)["sent"] == 1
    seen = json.loads(installed.monitor("status", "--json").stdout)["sender"]
    assert seen["working"] is False
    assert seen["age"] < 120
    assert "sender: not running, last seen" in installed.monitor("status").output


def test_deliver_writes_deliveries_that_a_killed_poll_left_unwritten(installed: Installation) -> None:
    installed.monitor("subscribers", "add", "email", "anna@example.org", "IN", "--source", "ring")
    installed.world.publish(HAMMOND)
    assert deliver(installed)["sent"] == 1


def test_deliver_without_a_transport_keeps_everything_due(installed: Installation) -> None:
    installed.unconfigured()
    installed.monitor("subscribers", "add", "email", "anna@example.org", "IN")
    installed.publish()
    assert deliver(installed) == {"sent": 0, "retried": 0, "failed": 0, "due": 1}


def test_status_says_why_a_relay_takes_nothing_and_what_is_refused_again_and_again(
    installed: Installation,
) -> None:
    installed.monitor("subscribers", "add", "email", "anna@example.org", "IN", "--source", "ring")
    installed.publish()
    with SmtpPeer({"AUTH": ["535 5.7.8 no"] * 9}, auth=True) as smtp:
        installed.config.write_text(
            f"""
            [data]
            folder = "data"
            [email]
            host = "127.0.0.1"
            port = {smtp.port}
            security = "none"
            username = "alerts"
            password = "canary"
            from = "alerts@watch.example"
            """
        )
        assert deliver(installed)["retried"] == 1
    report = json.loads(installed.monitor("status", "--json").stdout)
    (pause,) = report["outbox"]["paused"]
    assert pause["channel"] == "email"
    assert "refuses the user name or the password" in pause["reason"]
    until = format_minute(datetime.fromisoformat(pause["until"]))
    assert (
        f"email: nothing is sent before {until}, everything stays due: {pause['reason']}"
        in report["problems"]
    )
    listed = installed.monitor("outbox")
    assert "refuses the user name or the password" in listed.stdout
    assert "email: nothing is sent before" in listed.stderr
    assert "everything stays due" in listed.stderr
    assert report["outbox"]["refused_often"] == {}
    installed.world.write(sa.update(schema.DeliveryRow).values(attempts=3))
    installed.world.write(sa.delete(schema.LaneRow))
    shown = installed.monitor("status").stdout
    assert "! email: 1 delivery was tried 3 times or more, the last answer: 127.0.0.1:" in shown


def test_resume_shows_what_would_be_sent_and_waits_for_a_yes(installed: Installation) -> None:
    installed.monitor("subscribers", "add", "email", "anna@example.org", "IN", "--source", "ring")
    installed.publish()
    deliver(installed)
    (installed.folder / "data" / clone_guard.NAME).unlink()
    installed.publish()
    refused = installed.monitor("deliver", "--json")
    assert refused.exit_code == 1
    assert "monitor resume" in refused.stderr
    asked = installed.monitor("resume", stdin="n\n")
    assert asked.exit_code == 1
    assert "it looks like a copy" in asked.output
    assert "email" in asked.output
    assert "ring" in asked.output
    assert installed.monitor("deliver").exit_code == 1
    assert installed.monitor("resume", stdin="y\n").exit_code == 0
    assert deliver(installed)["sent"] == 1
    assert "nothing to do: this database sends" in installed.monitor("resume").output


def test_resume_with_yes_asks_nothing(installed: Installation) -> None:
    installed.monitor("subscribers", "add", "email", "anna@example.org", "IN", "--source", "ring")
    installed.publish()
    deliver(installed)
    (installed.folder / "data" / clone_guard.NAME).unlink()
    result = installed.monitor("resume", "--yes")
    assert result.exit_code == 0
    assert "Nothing is due;" in result.output


def test_failed_lists_dead_letters_masked_and_queues_them_again(installed: Installation) -> None:
    installed.monitor("subscribers", "add", "email", "anna@example.org", "IN", "--source", "ring")
    installed.publish()
    installed.world.write(
        sa.update(schema.DeliveryRow).values(
            state="failed", attempts=4, last_error="550 no", settled_at=installed.world.now
        )
    )
    table = installed.monitor("failed")
    assert "550 no" in table.output
    assert "anna" not in table.output
    (line,) = installed.monitor("failed", "--json").stdout.splitlines()
    letter = json.loads(line)
    assert list(letter) == [
        "id", "kind", "channel", "address", "source", "created_at", "failed_at", "attempts", "error",
        "ambiguous", "state", "due_at",
    ]  # fmt: skip
    assert (
        installed.monitor("outbox", "--failed", "--json").stdout
        == installed.monitor("failed", "--json").stdout
    )
    assert installed.monitor("outbox", "--failed").output == table.output
    assert "no message is due" in installed.monitor("outbox", "--due").output
    assert (letter["address"], letter["attempts"], letter["source"]) == ("a…@e….org", 4, "ring")
    assert installed.monitor("failed", "retry").exit_code == 2
    assert installed.monitor("failed", "retry", "1", "--all").exit_code == 2
    assert installed.monitor("failed", "retry", "1", "77").exit_code == 2
    assert installed.world.states() == ["failed"], "nothing is queued if one of them does not exist"
    assert "1 queued again" in installed.monitor("failed", "retry", "1").output
    assert "no message has failed" in installed.monitor("failed", "list").output
    assert deliver(installed)["sent"] == 1


def test_all_dead_letters_are_queued_again_at_once(installed: Installation) -> None:
    for name in ("anna", "bert"):
        installed.monitor("subscribers", "add", "email", f"{name}@example.org", "IN", "--source", "ring")
    installed.publish()
    installed.world.write(
        sa.update(schema.DeliveryRow).values(state="failed", settled_at=installed.world.now)
    )
    assert "2 queued again" in installed.monitor("failed", "retry", "--all").output


def test_what_an_operator_looks_at_each_day_shows_no_address(installed: Installation) -> None:
    installed.monitor("subscribers", "add", "email", "anna@example.org", "46320", "--source", "ring")
    installed.publish()
    assert deliver(installed)["sent"] == 1
    backup = Path(json.loads(installed.monitor("backup", "--json").stdout)["folder"])
    shown = [installed.monitor("metrics").output] + [
        installed.monitor(*words, *form).output
        for words in (
            ("status",),
            ("doctor", "--nameserver", "127.0.0.1:1"),
            ("outbox", "show", "1"),
            ("subscribers",),
            ("explain", "anna@example.org", "1"),
        )
        for form in ((), ("--json",))
    ]
    shown += [file.read_bytes().decode("latin-1") for file in backup.iterdir()]
    assert all(shown)
    assert [text for text in shown if "anna" in text.lower() or "example.org" in text] == []


def test_without_a_list_there_is_nothing_to_follow(installed: Installation) -> None:
    off = "[sources.ring]\nenabled = false\n[sources.ice-287g]\nenabled = false\n"
    installed.config.write_text('[data]\nfolder = "data"\n' + off)
    refused = installed.monitor("subscribers", "add", "email", "anna@example.org", "46320")
    assert refused.exit_code == 2
    assert "no list is watched: write one into the configuration" in refused.output


def test_subscribers_are_added_listed_masked_and_removed(installed: Installation) -> None:
    added = installed.monitor(
        "subscribers", "add", "email", "Anna@Example.org", "46320", "il", "--source", "ring"
    )
    assert added.exit_code == 0, added.output
    assert "subscriber 1 (A…@e….org) added; 2 new subscriptions (one place on one list each)" in added.output
    again = installed.monitor("subscribers", "add", "email", "anna@example.org", "US", "--source", "ring")
    assert "exists already; 1 new subscription (" in again.output
    (line,) = installed.monitor("subscribers", "--json").stdout.splitlines()
    listed = json.loads(line)
    assert list(listed) == [
        "id",
        "channel",
        "address",
        "state",
        "origin",
        "language",
        "created_at",
        "follows",
    ]
    assert listed["address"] == "A…@e….org"
    assert listed["follows"] == [{"source": "ring", "place": place} for place in ("46320", "IL", "US")]
    assert "nna" not in installed.monitor("subscribers", "list").output
    assert installed.monitor("subscribers", "remove", "ANNA@example.org").exit_code == 0
    gone = installed.monitor("subscribers", "remove", "1")
    assert gone.exit_code == 2
    assert "`monitor subscribers` lists them" in gone.stderr
    assert "no subscribers" in installed.monitor("subscribers").output


def test_a_chat_with_a_negative_number_is_an_address(installed: Installation) -> None:
    added = installed.monitor("subscribers", "add", "telegram", "-1001234567890", "IN")
    assert added.exit_code == 0, added.output
    exported = installed.monitor("subscribers", "export", "-1001234567890")
    assert exported.exit_code == 0, exported.output
    assert installed.monitor("subscribers", "remove", "-1001234567890").exit_code == 0
    erased = installed.monitor("subscribers", "erase", "-1001234567890")
    assert "erased; it was not subscribed" in erased.output


def test_without_a_source_every_watched_list_is_followed(installed: Installation) -> None:
    installed.monitor("subscribers", "add", "email", "anna@example.org", "IN")
    (line,) = installed.monitor("subscribers", "--json").stdout.splitlines()
    assert {follow["source"] for follow in json.loads(line)["follows"]} == {
        "ring",
        "ice-287g",
        "ice-287g-pending",
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("email", "not an address", "IN"), "not an email address"),
        (("email", "a@example.org", "ZZ"), "ZZ"),
        (("email", "a@example.org", "00000"), "00000"),
        (("email", "a@example.org", "IN", "--source", "rign"), "did you mean ring"),
        (("fax", "123", "IN"), "fax"),
        (("email", "a@example.org"), "PLACE"),
    ],
)
def test_a_wrong_subscriber_is_refused_with_the_reason(
    installed: Installation, arguments: tuple[str, ...], words: str
) -> None:
    result = installed.monitor("subscribers", "add", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "no subscribers" in installed.monitor("subscribers").output


def test_a_wave_of_refusals_is_listed_and_undone(installed: Installation) -> None:
    assert "every message" in installed.monitor("outbox").stdout
    world = installed.world
    world.person("ann@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    world.write(
        sa.update(schema.DeliveryRow).values(
            state="failed", attempts=2, last_error="550 5.2.1 disabled", settled_at=world.now
        )
    )
    assert "no server has refused" in installed.monitor("outbox", "restore").stdout
    refusal = refusals.Refusal(
        channel="email", subscriber=1, delivery=1, lane="0" * 64, answer="RCPT 550 5.2.1",
        error="550 5.2.1 disabled", verdict=refusals.STRIKE, at=world.now,
    )  # fmt: skip
    with db.transaction(world.engine) as conn:
        refusals.insert_refusals(conn, [refusal], state=refusals.CONFIRMED)
    (line,) = installed.monitor("outbox", "--json").stdout.splitlines()
    found = json.loads(line)
    assert (found["id"], found["state"], found["address"]) == (1, "failed", "a…@a….example")
    (line,) = installed.monitor("outbox", "restore", "--json").stdout.splitlines()
    assert json.loads(line) | {"answer": "RCPT 550 5.2.1", "people": 1, "confirmed": 1} == json.loads(line)
    unknown = installed.monitor("outbox", "restore", "RCPT 550 5.2.1", "another")
    assert (unknown.exit_code, "nobody was refused with 'another'" in unknown.stderr) == (2, True)
    assert world.states() == ["failed"], "nothing is undone if one of them is unknown"
    undone = installed.monitor("outbox", "restore", *["RCPT", "550", "5.2.1"])  # typed without quotes
    assert "nothing counts against 1 person, 1 message is due again" in undone.stdout
    assert world.states() == ["due"]
    assert installed.monitor("outbox", "restore", "RCPT 550 5.2.1").exit_code == 0
    assert "accepted" in installed.monitor("outbox").stdout


def test_a_message_is_shown_with_what_it_tells_and_waits_for(installed: Installation) -> None:
    installed.monitor("subscribers", "add", "email", "anna@example.org", "IN", "--source", "ring")
    installed.publish()
    (line,) = installed.monitor("outbox", "show", "1", "--json").stdout.splitlines()
    shown = json.loads(line)
    assert list(shown) == [
        "id", "kind", "about", "source", "changes", "state", "channel", "address", "subscriber", "created_at",
        "due_at", "attempts", "error", "ambiguous", "settled_at", "waits",
    ]  # fmt: skip
    assert (shown["id"], shown["kind"], shown["source"], shown["state"]) == (1, "alert", "ring", "due")
    assert (shown["changes"], shown["address"], shown["waits"]) == ([1], "a…@e….org", [])
    assert "Nothing holds it up" in installed.monitor("outbox", "show", "1").output
    installed.unconfigured()
    later = installed.world.now + timedelta(hours=4)
    installed.world.write(
        sa.update(schema.DeliveryRow).values(attempts=2, last_error="451 later", due_at=later)
    )
    installed.world.write(
        sa.insert(schema.LaneRow).values(
            channel="email", name="example.org", until=later, reason="451 4.7.1 slow down"
        )
    )
    text = installed.monitor("outbox", "show", "1").output
    assert "The channel email is not configured." in text
    assert "Its part of the channel is paused until" in text
    assert "451 4.7.1 slow down" in text
    assert f"Its next attempt is on {later:%Y-%m-%d %H:%M} UTC." in text
    assert "last answer: 451 later" in text
    assert "anna" not in text


def test_a_message_that_is_not_there_is_named(installed: Installation) -> None:
    installed.monitor("subscribers", "add", "email", "anna@example.org", "IN", "--source", "ring")
    installed.publish()
    for command in (["show", "1", "77"], ["retry", "1", "77"], ["drop", "--yes", "1", "77"]):
        result = installed.monitor("outbox", *command)
        assert (result.exit_code, result.stdout) == (2, ""), command
        assert "there is no message 77: `monitor outbox`" in result.stderr
    assert installed.world.states() == ["due"], "nothing is dropped if one of them does not exist"
    assert installed.monitor("outbox", "show").exit_code == 2


def test_messages_that_wait_and_that_failed_are_tried_again_now(installed: Installation) -> None:
    for name in ("anna", "bert", "carl"):
        installed.monitor("subscribers", "add", "email", f"{name}@example.org", "IN", "--source", "ring")
    installed.publish()
    later = installed.world.now + timedelta(hours=4)
    rows = schema.DeliveryRow
    installed.world.write(
        sa.update(rows).where(rows.c.id == 1).values(attempts=2, last_error="451 later", due_at=later)
    )
    installed.world.write(
        sa.update(rows)
        .where(rows.c.id == 2)
        .values(state="failed", attempts=9, last_error="550 no", settled_at=installed.world.now)
    )
    installed.world.write(sa.update(rows).where(rows.c.id == 3).values(state="sent"))
    assert installed.monitor("outbox", "retry").exit_code == 2
    assert installed.monitor("outbox", "retry", "1", "--all").exit_code == 2
    refused = installed.monitor("outbox", "retry", "3")
    assert refused.exit_code == 1
    assert "3: not due and not failed" in refused.stderr
    assert deliver(installed) == {"sent": 0, "retried": 0, "failed": 0, "due": 1}
    result = installed.monitor("outbox", "retry", "--all", "--json")
    assert json.loads(result.stdout) == {"due": [1, 2]}
    assert deliver(installed) == {"sent": 2, "retried": 0, "failed": 0, "due": 0}


def test_what_a_sender_has_in_hand_keeps_its_time(installed: Installation) -> None:
    installed.monitor("subscribers", "add", "email", "anna@example.org", "IN", "--source", "ring")
    installed.publish()
    leased = datetime.now(UTC) + timedelta(minutes=5)
    installed.world.write(
        sa.update(schema.DeliveryRow).values(attempts=1, lease_until=leased, owner="another/1")
    )
    assert installed.monitor("outbox", "retry", "1").exit_code == 1
    assert "A sender has it in hand until" in installed.monitor("outbox", "show", "1").output


def test_a_message_is_dropped_after_a_yes_and_explained(installed: Installation) -> None:
    for name in ("anna", "bert"):
        installed.monitor("subscribers", "add", "email", f"{name}@example.org", "IN", "--source", "ring")
    installed.publish()
    asked = installed.monitor("outbox", "drop", "1", stdin="n\n")
    assert asked.exit_code == 1
    assert "1: alert of ring to a…@e….org by email, due" in asked.stderr
    assert installed.world.states() == ["due", "due"]
    assert "1 dropped" in installed.monitor("outbox", "drop", "1", stdin="y\n").output
    assert installed.world.states() == ["dropped", "due"]
    again = installed.monitor("outbox", "drop", "1", "2", "--yes", "--json")
    assert again.exit_code == 1
    assert json.loads(again.stdout) == {"dropped": [2]}
    assert "1: neither due nor failed" in again.stderr
    assert deliver(installed) == {"sent": 0, "retried": 0, "failed": 0, "due": 0}
    assert installed.letters() == []
    assert "dropped" in installed.monitor("outbox", "show", "1").output
    explained = json.loads(installed.monitor("explain", "anna@example.org", "1", "--json").stdout)
    assert explained["verdict"] == "not told"
    assert any("the operator dropped it" in step for step in explained["steps"])


def test_the_message_of_somebody_who_left_is_not_tried_again(installed: Installation) -> None:
    installed.monitor("subscribers", "add", "email", "anna@example.org", "IN", "--source", "ring")
    installed.publish()
    installed.world.write(
        sa.update(schema.DeliveryRow).values(state="failed", settled_at=installed.world.now)
    )
    installed.monitor("subscribers", "remove", "anna@example.org")
    assert installed.monitor("outbox", "retry", "1").exit_code == 1
    assert "to: a subscriber who has left by email" in installed.monitor("outbox", "show", "1").output
