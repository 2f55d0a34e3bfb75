"""`monitor doctor`: what receivers of mail look up, the clock, the disk, the key and the backup."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy.engine import Engine

from monitor.app import Components, describe_missing_database, open_database
from monitor.cli import root
from monitor.config import load
from monitor.errors import KeyFileError, StoreError
from monitor.keys import KeyFile
from monitor.ops.doctor import DomainRecords, diagnose_clock, diagnose_domain, diagnose_host
from monitor.ops.health import HostFacts
from monitor.ops.mail_diagnosis import diagnose_mail
from monitor.record.log_key import load_log_key
from monitor.storage import engine as db
from monitor.storage import key_exchange
from tests.ops.test_health import FINE, NOW
from tests.peers.names import NameServer
from tests.subscribers.conftest import member
from tests.subscribers.town import Postbox, mail_server

DOMAIN = "watch.example"
GOOD = {
    (DOMAIN, "TXT"): ['"v=spf1 include:relay.example -all"', '"google-site-verification=x"'],
    (DOMAIN, "MX"): ["10 mx.watch.example."],
    (f"_dmarc.{DOMAIN}", "TXT"): ['"v=DMARC1; p=quarantine"'],
    (f"one._domainkey.{DOMAIN}", "TXT"): ['"v=DKIM1; k=rsa; " "p=MIGfMA0GCSq"'],
}


def diagnose(
    records: Mapping[tuple[str, str], Sequence[str]], selector: str | None = "one"
) -> dict[str, tuple[bool | None, str]]:
    with NameServer(records) as server:
        found = diagnose_domain(DomainRecords([server.address]), DOMAIN, selector)
        return {one.what.removeprefix("DNS: "): (one.ok, one.message) for one in found}


def test_a_domain_in_order() -> None:
    assert {what: ok for what, (ok, _) in diagnose(GOOD).items()} == {
        "SPF": True, "DMARC": True, "DKIM": True, "bounces": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("what", "change", "says"),
    [
        ("SPF", {(DOMAIN, "TXT"): ['"hello"']}, 'publish a TXT record such as "v=spf1'),
        ("SPF", {(DOMAIN, "TXT"): ['"v=spf1 -all"', '"V=SPF1 ~all"']}, "2 SPF records"),
        ("DMARC", {(f"_dmarc.{DOMAIN}", "TXT"): ['"nothing"']}, "p=none; rua=mailto:you@watch.example"),
        ("DKIM", {(f"one._domainkey.{DOMAIN}", "TXT"): ['"v=DKIM1; p="']}, "is revoked"),
        ("DKIM", {(f"one._domainkey.{DOMAIN}", "TXT"): []}, "has no key"),
        ("bounces", {(DOMAIN, "MX"): []}, "bounces are lost"),
    ],
)
def test_each_fault_is_named_with_what_to_publish(
    what: str, change: Mapping[tuple[str, str], Sequence[str]], says: str
) -> None:
    found = diagnose({**GOOD, **change})
    assert found[what][0] is False
    assert says in found[what][1]
    assert [ok for other, (ok, _) in found.items() if other != what] == [True] * 3


def test_a_selector_that_nobody_named_is_no_fault() -> None:
    assert diagnose(GOOD, None)["DKIM"][0] is None


def test_a_silent_name_server_is_no_fault_of_the_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.ops.doctor._TIMEOUT", 0.2)
    with NameServer(GOOD, silent=True) as server:
        (found,) = diagnose_domain(DomainRecords([server.address]), DOMAIN, None)
    assert (found.ok, "no name server answered" in found.message) == (None, True)


@pytest.mark.parametrize(
    ("ahead", "ok", "says"),
    [
        (0, True, "within 0 s"),
        (119, True, "within 119 s"),
        (-121, False, "121 s behind"),
        (3600, False, "3600 s ahead"),
    ],
)
def test_the_clock_is_compared_with_the_nearest_publisher(ahead: int, ok: bool, says: str) -> None:
    date = format_datetime(NOW.replace(microsecond=0))
    at = NOW.replace(microsecond=0) + timedelta(seconds=ahead)
    found = diagnose_clock(
        [(date, at), ("no date", at), (date, at + timedelta(days=9) * (1 if ahead >= 0 else -1))]
    )
    assert found.ok is ok
    assert says in found.message


def test_without_an_answer_the_clock_is_not_judged() -> None:
    assert diagnose_clock([]).ok is None


def test_the_host_is_looked_at_as_status_does() -> None:
    bad = HostFacts(disk_free=1, disk_low=2, key_problem="the key is gone", backup_after=timedelta(days=1))
    found = {one.what: one for one in diagnose_host(replace(FINE, host=bad))}
    assert [found[part].ok for part in ("key", "disk", "backup")] == [False, False, False]
    assert found["backup"].message == "no backup was made yet; run `monitor backup`"
    assert found["disk"].message.endswith("; run `monitor vacuum`")
    good = {one.what: one.ok for one in diagnose_host(replace(FINE, host=HostFacts(disk_free=5)))}
    assert good == {"key": True, "disk": True, "backup": True}


def test_a_missing_or_foreign_key_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[sources.ring]\nenabled = false\n[sources.ice-287g]\nenabled = false\n")
    settings, folder = load(path), tmp_path / "data"

    def look() -> dict[str, tuple[bool | None, str]]:
        said = json.loads(CliRunner().invoke(root, ["doctor", "--config", str(path), "--json"]).stdout)
        return {one["what"]: (one["ok"], one["message"]) for one in said["findings"]}

    def problems() -> list[str]:
        return list(
            json.loads(CliRunner().invoke(root, ["status", "--config", str(path), "--json"]).stdout)[
                "problems"
            ]
        )

    open_database(settings).dispose()
    assert look()["key"] == (True, "none yet; `monitor init` and the first start make it")
    assert not (folder / "monitor.key").exists(), "to look makes none"
    with Components.open(settings) as components:
        member(components.engine, components.keys, components.clock())
        components.sign_record()
    assert look()["key"][0] is look()["record key"][0] is look()["database"][0] is True
    own = (folder / "monitor.key").read_text()
    (folder / "monitor.key").unlink()
    assert look()["key"][0] is look()["database"][0] is False
    assert "is missing: put back the one" in look()["key"][1]
    assert not (folder / "monitor.key").exists(), "to look makes none"
    assert any("monitor.key is missing" in problem for problem in problems())
    KeyFile.load(folder, create=True)
    assert "is not the one that encrypted this database" in look()["key"][1]
    (folder / "monitor.key").write_text(own)
    assert look()["key"] == (True, "the key file is this database's, and nobody else can read it")
    (folder / "log.key").unlink()
    assert look()["record key"][0] is False


def test_a_damaged_database_stops_no_other_check(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[sources.ring]\nenabled = false\n[sources.ice-287g]\nenabled = false\n")
    open_database(load(path)).dispose()
    (tmp_path / "data" / "monitor.db").write_text("of another program\n" * 99)
    shown = CliRunner().invoke(root, ["doctor", "--config", str(path), "--json"])
    found = {one["what"]: (one["ok"], one["message"]) for one in json.loads(shown.stdout)["findings"]}
    assert shown.exit_code == 1
    assert (found["host"][0], found["database"][0]) == (None, False)
    assert "is not a SQLite database: check [database] url" in found["database"][1]
    assert {"email", "clock"} <= found.keys()
    assert found["disk"][0] is True
    with path.open("a") as file:
        file.write(f"[operator]\ndisk_low = {10**12}\n")
    shown = CliRunner().invoke(root, ["doctor", "--config", str(path), "--json"])
    found = {one["what"]: (one["ok"], one["message"]) for one in json.loads(shown.stdout)["findings"]}
    assert found["disk"][0] is False
    assert "MB are free where the data is: make room" in found["disk"][1]


def test_a_folder_that_cannot_be_looked_into_is_a_fault_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[data]\nfolder = "loop"\n[database]\nurl = "sqlite:///loop/monitor.db"\n')
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(StoreError, match="check the owner and permissions of its folder"):
        describe_missing_database(load(path))


@pytest.mark.parametrize("content", [b"\xff\x00key", b"not a key"])
def test_a_key_of_the_record_that_is_none_is_a_fault(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "log.key").write_bytes(content)
    (tmp_path / "log.key").chmod(0o600)
    with pytest.raises(KeyFileError, match="does not hold the key of a record"):
        load_log_key(tmp_path)


def test_a_rotation_between_its_two_steps_is_no_fault(engine: Engine, tmp_path: Path) -> None:
    with db.transaction(engine) as conn:
        keys = key_exchange.unlock(conn, tmp_path)
    member(engine, keys, NOW)
    exchange = key_exchange.begin_rotation(tmp_path, NOW)
    assert key_exchange.find_key_problem(engine, tmp_path) is None
    with db.transaction(engine) as conn:
        key_exchange.rebind(conn, exchange.new)
    assert key_exchange.find_key_problem(engine, tmp_path) is None
    key_exchange.finish_rotation(tmp_path)
    assert key_exchange.find_key_problem(engine, tmp_path) is None


def test_the_command_says_all_of_it_and_sends_nothing(tmp_path: Path) -> None:
    postbox = Postbox()
    relay = mail_server(postbox)
    relay.start()
    try:
        path = tmp_path / "config.toml"
        path.write_text(
            f"""
            [email]
            host = "127.0.0.1"
            port = {relay.port}
            security = "none"
            from = "Watch <alerts@{DOMAIN}>"
            [sources.ring]
            enabled = false
            [sources.ice-287g]
            enabled = false
            """
        )
        open_database(load(path)).dispose()
        with NameServer({**GOOD, (f"_dmarc.{DOMAIN}", "TXT"): ['"none"']}) as server:
            host, port = server.address
            options = ["doctor", "--config", str(path), "--nameserver", f"{host}:{port}", "--selector", "one"]
            shown = CliRunner().invoke(root, options)
            said = json.loads(CliRunner().invoke(root, [*options, "--json"]).stdout)
            looked = CliRunner().invoke(root, [*options, "--mail", "-"], input=MAIL)
        assert "ok   mail: signed headers" in looked.output
        assert shown.exit_code == 1
        assert "ok   DNS: SPF" in shown.output
        assert "FAIL DNS: DMARC" in shown.output
        assert "?    clock" in shown.output
        assert said["ok"] is False
        assert {one["what"] for one in said["findings"]} >= {"DNS: DKIM", "key", "disk", "email", "database"}
        assert postbox.mails == []
        wrong = CliRunner().invoke(root, ["doctor", "--config", str(path), "--nameserver", "nobody"])
        assert wrong.exit_code == 2
    finally:
        relay.stop()


MAIL = """\
Authentication-Results: mx.inbox.example; dkim=pass header.d=watch.example; spf=pass; dmarc=pass
Received: from relay.example by mx.inbox.example
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=relay.example; s=r; h=from; b=AAAA
DKIM-Signature: v=1; a=rsa-sha256; d=watch.example; s=one;
 h=From:To:Subject:List-Unsubscribe:
 List-Unsubscribe-Post; bh=abc=; b=AA
 BB
From: Watch <alerts@watch.example>
To: you@inbox.example
Subject: An agency
List-Unsubscribe: <https://watch.example/u/1>, <mailto:alerts@watch.example>
List-Unsubscribe-Post: List-Unsubscribe=One-Click

Text
"""


def diagnose_one(mail: str, domain: str = DOMAIN) -> dict[str, tuple[bool | None, str]]:
    with NameServer(GOOD) as server:
        found = diagnose_mail(mail.encode(), domain, DomainRecords([server.address]))
        return {one.what: (one.ok, one.message) for one in found}


def test_a_mail_that_arrived_in_order() -> None:
    found = diagnose_one(MAIL)
    assert {what: ok for what, (ok, _) in found.items()} == {
        "mail: DKIM": True, "mail: signed headers": True, "mail: key": True, "mail: receiver": True,
    }  # fmt: skip
    assert found["mail: receiver"][1] == "it found spf pass, dkim pass, dmarc pass"
    assert diagnose_one(MAIL, domain="") == found, "without a configured sender the mail's own counts"


@pytest.mark.parametrize(
    ("old", "new", "what", "ok", "says"),
    [
        ("d=watch.example; s=one", "d=other.example; s=one", "mail: DKIM", False, "signed for relay.example"),
        ("DKIM-Signature", "X-Gone", "mail: DKIM", False, "it is not signed: let your relay sign"),
        (
            ":\n List-Unsubscribe-Post;",
            ";",
            "mail: signed headers",
            False,
            "leaves out List-Unsubscribe-Post",
        ),
        ("h=From:To", "h=To", "mail: signed headers", False, "leaves out From"),
        ("s=one", "s=two", "mail: key", False, "two._domainkey.watch.example has no key"),
        ("dmarc=pass", "dmarc=fail", "mail: receiver", False, "dmarc fail"),
        ("Authentication-Results", "X-Gone", "mail: receiver", None, "wrote no result"),
        ("alerts@watch.example>\nTo", "ann@other.example>\nTo", "mail", False, "from other.example"),
        ("From: Watch <alerts@watch.example>\n", "", "mail", False, "save its source"),
    ],
)
def test_what_is_wrong_with_a_mail_is_said(old: str, new: str, what: str, ok: bool | None, says: str) -> None:
    assert old in MAIL
    found = diagnose_one(MAIL.replace(old, new))
    assert found[what][0] is ok
    assert says in found[what][1]
