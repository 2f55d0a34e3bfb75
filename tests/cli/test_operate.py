"""The operator's first hour: init, check, status; and that every command explains itself to a stranger."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from monitor.app import open_database
from monitor.cli import COMMANDS, root
from monitor.cli.check import run_checks
from monitor.config import example, load
from tests.peers.http import Answer, Server
from tests.peers.smtp import SmtpPeer, certificate

KML = (
    b'<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document><Placemark>'
    b"<name>Gary Police Department</name><address>Gary, IN</address></Placemark></Document></kml>"
)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(root, arguments)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help_that_names_its_configuration(name: str) -> None:
    shown = run(name, "--help")
    assert shown.exit_code == 0
    assert len(shown.output.splitlines()) > 8
    if "Commands:" not in shown.output:
        assert "--config FILE" in shown.output


def test_an_unknown_command_is_wrong_usage_and_names_the_nearest() -> None:
    result = run("statsu")
    assert result.exit_code == 2
    assert "Did you mean 'status'?" in result.output


def test_a_database_that_does_not_exist_is_an_error_and_is_not_created(here: Path) -> None:
    (here / "config.toml").write_text('[database]\nurl = "sqlite:///data/monitr.db"\n')
    for call in (["status"], ["listings", "ring"], ["subscribers", "list"], ["backup"], ["deliver"]):
        result = run(*call)
        assert result.exit_code == 1, result.output
        assert result.stderr == (
            "monitor: the database data/monitr.db does not exist yet or is empty: check [database] url and "
            "[data] folder; `monitor init`, `monitor poll` and `monitor run` create it\n"
        )
    checked = run("check")
    assert "warn database: the database data/monitr.db does not exist yet" in checked.output
    assert not (here / "data").exists()
    (here / "data").mkdir()
    (here / "data" / "monitr.db").touch()
    assert "does not exist yet or is empty" in run("status").stderr
    run("init")
    assert run("status").exit_code == 0


def test_init_writes_the_example_the_database_and_a_private_key_and_changes_nothing_the_second_time(
    here: Path,
) -> None:
    assert run("init").exit_code == 0
    assert (here / "config.toml").read_text("utf-8") == example()
    assert stat.S_IMODE((here / "config.toml").stat().st_mode) == 0o600
    key = here / "data" / "monitor.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_bytes()
    (here / "config.toml").write_text('[site]\nname = "Ours"\n')
    again = run("init")
    assert again.exit_code == 0
    assert "exists and is not changed" in again.output
    assert key.read_bytes() == before
    assert "Ours" in (here / "config.toml").read_text("utf-8")


def test_a_broken_configuration_is_told_whole_with_exit_2_and_nothing_is_touched(here: Path) -> None:
    (here / "config.toml").write_text('[email]\nhots = 1\n[site]\ntimezone = "Nowhere"\n')
    for command in (["poll"], ["status"], ["check"], ["deliver"], ["run"], ["subscribers", "list"]):
        result = run(*command)
        assert result.exit_code == 2, command
        assert "email.hots: unknown key; did you mean email.host?" in result.stderr
        assert "site.timezone: " in result.stderr
    assert [path.name for path in here.iterdir()] == ["config.toml"]


def test_status_works_on_defaults_and_says_what_needs_attention_only_by_exit_code_when_asked(
    here: Path,
) -> None:
    open_database(load(None)).dispose()
    fresh = run("status", "--json")
    assert fresh.exit_code == 0
    report = json.loads(fresh.stdout)
    assert report["problems"] == [
        f"{name} was never polled; start `monitor run` or call `monitor poll`"
        for name in ("ring", "ice-287g", "ice-287g-pending")
    ]
    assert list(report) == ["now", "ok", "problems", "sources", "outbox", "sender"]
    assert list(report["sources"]) == ["ring", "ice-287g", "ice-287g-pending"]
    assert run("status", "--alive").exit_code == 1
    (here / "config.toml").write_text(
        '[fetch]\nattempts = 1\n[sources.ring]\nurl = "http://127.0.0.1:9/x"\n'
        "[sources.ice-287g]\nenabled = false\n"
    )
    assert run("poll").exit_code == 1
    assert run("status").exit_code == 0
    assert "the last poll failed" in run("status").output
    assert run("status", "--check").exit_code == 1


def test_a_replaced_key_says_what_the_old_one_still_reads(here: Path) -> None:
    run("init")
    replaced = run("key", "rotate", "--yes")
    assert replaced.exit_code == 0, replaced.output
    assert replaced.stdout == (
        "the key is replaced; 0 addresses are encrypted with the new one\n"
        "keep a copy of the new monitor.key in another place, and make a new `monitor backup`\n"
    )
    assert run("key", "rotate", "--leaked", "--yes").stdout.splitlines()[-1] == (
        "anybody who has the old key can still read earlier backups, and copies that upgrades left in "
        "data: delete them"
    )


def test_a_state_that_cannot_be_read_needs_attention(here: Path) -> None:
    assert run("status", "--check").exit_code == 1  # there is no database yet
    (here / "config.toml").write_text("[site]\nnmae = 'x'\n")
    assert run("status", "--check").exit_code == 2


def test_check_tries_sources_and_relay_and_sends_a_marked_sample(here: Path) -> None:
    with Server() as server, SmtpPeer() as smtp:
        server.put("/map.kml", KML)
        (here / "config.toml").write_text(
            f"""
            [site]
            public_url = "https://watch.example"
            listen = "0.0.0.0:8000"
            [email]
            host = "127.0.0.1"
            port = {smtp.port}
            security = "none"
            from = "Map Monitor <alerts@watch.example>"
            [sources.ring]
            url = "{server.url("/map.kml")}"
            [sources.ice-287g]
            page = "{server.url("/none")}"
            """
        )
        result = run("check", "--json", "--to", "me@reader.example")
        assert result.exit_code == 1
        found = {check["what"]: check for check in json.loads(result.stdout)["checks"]}
        assert "name a proxy on another machine in [site] trusted_proxies" in found["site"]["message"]
        assert found["ring"] == {"what": "ring", "ok": True, "message": "1 listing"}
        assert not found["ice-287g"]["ok"]
        assert "404" in found["ice-287g"]["message"]
        assert found["email"]["ok"]
        assert found["sample by email"]["ok"]
        (mail,) = smtp.mails
        assert mail.recipient == "me@reader.example"
        assert b"sample" in mail.content.lower()
        refused = run("check", "--to", "nobody")
        assert refused.exit_code == 2
        assert "not an address of a known channel" in refused.stderr
        assert len(smtp.mails) == 1


def test_web_push_before_the_first_start_speaks_of_no_lost_key(here: Path) -> None:
    off = "".join(f"[sources.{name}]\nenabled = false\n" for name in load(None).sources)
    (here / "config.toml").write_text(
        f'[webpush]\ncontact = "mailto:me@watch.example"\n[site]\npublic_url = "https://watch.example"\n{off}'
    )
    fresh = run("check")
    assert "ok   webpush: configured; the first start makes its key" in fresh.stdout, fresh.output
    run("init")
    assert "ok   webpush: configured; browsers subscribe with the key" in run("check").stdout
    (here / "data" / "monitor.key").unlink()
    lost = run("check")
    assert lost.exit_code == 1
    assert "FAIL webpush: the key file" in lost.stdout, lost.output


def test_check_tells_each_part_at_once_and_asks_a_publisher_once(here: Path) -> None:
    with Server() as server:
        server.script("/map.kml", [Answer(503)])
        (here / "config.toml").write_text(
            f"""
            [sources.ring]
            url = "{server.url("/map.kml")}"
            [sources.ice-287g]
            enabled = false
            [sources.ice-287g-pending]
            enabled = false
            """
        )
        found = run_checks(load(here / "config.toml"), None, here / "config.toml")
        assert next(found).what == "database"
        assert server.requests == []
        ring = next(found)
        assert (ring.what, ring.ok) == ("ring", False)
        assert "503" in ring.message
        assert len(server.requests) == 1


def test_a_relay_with_an_authority_of_its_own_is_trusted_when_that_is_named(here: Path) -> None:
    with SmtpPeer(tls="starttls", auth=True) as smtp:
        relay = f"""
            [sources.ring]
            enabled = false
            [sources.ice-287g]
            enabled = false
            [email]
            host = "127.0.0.1"
            port = {smtp.port}
            username = "alerts"
            password = "secret"
            from = "alerts@watch.example"
            """
        (here / "config.toml").write_text(relay)
        untrusted = run("check")
        assert untrusted.exit_code == 1
        assert "is not trusted" in untrusted.stdout
        assert "give its authority as ca" in untrusted.stdout
        (here / "config.toml").write_text(relay + 'ca = "authority.pem"\n')
        missing = run("check")
        assert missing.exit_code == 2
        assert "authority.pem is not a file of PEM certificates" in missing.stderr
        (here / "authority.pem").write_bytes(certificate())
        (here / "config.toml").chmod(0o644)
        trusted = run("check")
        assert trusted.exit_code == 0
        assert "signed in" in trusted.stdout
        assert "other users of this machine can read email.password in config.toml" in trusted.stdout
        (here / "config.toml").chmod(0o600)
        assert "other users" not in run("check").stdout


@pytest.mark.parametrize(
    ("address", "code", "said"),
    [("nobody", 2, "operator.notify"), ("-1001234567890", 1, "FAIL notify: ")],
    ids=["of no form", "of a channel that is not configured"],
)
def test_an_address_for_notices_that_nothing_reaches_is_found_by_check(
    tmp_path: Path, address: str, code: int, said: str
) -> None:
    off = "[sources.ring]\nenabled = false\n[sources.ice-287g]\nenabled = false\n"
    config = tmp_path / "config.toml"
    config.write_text(f'{off}[operator]\nnotify = ["{address}"]\n')
    shown = CliRunner().invoke(root, ["check", "--config", str(config)])
    assert shown.exit_code == code
    assert said in shown.output
    assert address not in shown.output


def test_tables_of_the_operator_are_read_by_check(tmp_path: Path) -> None:
    off = "[sources.ring]\nenabled = false\n[sources.ice-287g]\nenabled = false\n"
    config = tmp_path / "config.toml"
    config.write_text(f'{off}[documents]\nlaws = "laws.csv"\n[places]\noverrides = "overrides.csv"\n')
    (tmp_path / "laws.csv").write_text("state,law\n")
    (tmp_path / "overrides.csv").write_text("source,key,name,state,places,note\n,,A,IN,123,\n,,B,,46320,\n")
    shown = CliRunner().invoke(root, ["check", "--config", str(config)])
    assert shown.exit_code == 1
    lines = [line for line in shown.output.splitlines() if line.startswith("FAIL")]
    assert len(lines) == 3
    assert all("overrides.csv, line" in line for line in lines[:2])
    assert "the table of laws needs the columns" in lines[2]
    (tmp_path / "laws.csv").write_text("state,law,citation,reviewed\n")
    (tmp_path / "overrides.csv").write_text("source,key,name,state,places,note\n,,A,IN,46320,\n")
    assert CliRunner().invoke(root, ["check", "--config", str(config)]).exit_code == 0


def test_a_list_of_ones_own_without_a_meaning_is_a_warning_of_check(here: Path) -> None:
    with Server() as server:
        server.put("/map.kml", KML)
        (here / "config.toml").write_text(
            f"""
            [sources.mine]
            format = "mymaps"
            url = "{server.url("/map.kml")}"
            [sources.ring]
            enabled = false
            [sources.ice-287g]
            enabled = false
            """
        )
        result = run("check")
    assert result.exit_code == 0
    assert "warn mine: no text says what being on this list means" in result.output


def test_a_sample_needs_a_configured_channel(here: Path) -> None:
    result = run("check", "--to", "me@reader.example")
    assert result.exit_code == 2
    assert "email is not configured" in result.stderr
