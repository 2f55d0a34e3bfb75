"""The demo is the program's own job on real data: what it shows must be true."""

from __future__ import annotations

import json
import re
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from monitor import demo
from monitor.app import polled_source
from monitor.cli import root
from monitor.config import load
from monitor.demo import play
from monitor.demo.story import LAST, STEPS
from monitor.errors import UsageError


def mails(folder: Path) -> list[EmailMessage]:
    parser = BytesParser(policy=policy.default)
    return [parser.parsebytes(path.read_bytes()) for path in sorted((folder / "mailbox").glob("*.eml"))]  # type: ignore[misc]


def to(mail: EmailMessage) -> str:
    return mail["To"].addresses[0].display_name or mail["To"].addresses[0].addr_spec


def test_the_first_sight_of_a_list_is_its_baseline_and_told_to_nobody(told: tuple[Path, str]) -> None:
    assert "37 listings seen for the first time" in told[1]
    assert "1195 listings seen for the first time" in told[1]
    assert not any(mail["Subject"].startswith("37 agencies") for mail in mails(told[0]))


@pytest.mark.parametrize(
    ("started", "on_path", "shown"),
    [
        (".venv/bin/monitor", None, ".venv/bin/monitor"),
        ("/usr/local/bin/monitor", "/usr/local/bin/monitor", "monitor"),
        ("/usr/lib/python3/monitor/__main__.py", None, "monitor"),
    ],
)
def test_commands_that_are_shown_can_be_copied(started: str, on_path: str | None, shown: str) -> None:
    assert demo.find_program_name(started, on_path) == shown


def test_a_sign_in_page_and_a_broken_answer_are_not_believed(told: tuple[Path, str]) -> None:
    assert len(re.findall("not believed: ", told[1])) == 2


def test_a_resident_hears_of_their_own_agency_only(told: tuple[Path, str]) -> None:
    subjects = {
        who: [mail["Subject"] for mail in mails(told[0]) if to(mail) == who]
        for who in map(to, mails(told[0]))
    }
    assert subjects["dana@detroit.example"] == [
        "Detroit Police Department (MI) added to Ring's Active Agency Map"
    ]
    assert len(subjects["ruth@carroll.example"]) == 1
    assert "Carroll County" in subjects["ruth@carroll.example"][0]
    assert "no longer listed" in subjects["ruth@carroll.example"][0]
    assert all("(MI)" in subject for subject in subjects["@example_michigan"])


def test_the_misspelt_state_makes_no_event_and_the_true_removals_beside_it_are_told(
    told: tuple[Path, str],
) -> None:
    step = told[1].split("PENNSLYVANIA")[1].split("\n\n")[0]
    removed = re.findall(r"^ +- (.+), (..)$", step, re.M)
    assert {state for _, state in removed} == {"MD"}
    assert len(removed) == 5


def test_what_comes_at_once_in_great_number_waits_a_day(told: tuple[Path, str]) -> None:
    step = told[1].split("very many at once")[1].split("Four days later")[0]
    assert "276 held" in step
    assert re.search(r"2026-05-15 14:00 UTC: the wait is over\n +believed: 276 added", step)


def test_an_alert_says_between_which_checks_and_why_it_came(told: tuple[Path, str]) -> None:
    (mail,) = [mail for mail in mails(told[0]) if to(mail) == "dana@detroit.example"]
    body = mail.get_body(("plain",))
    assert body is not None
    text = " ".join(body.get_content().split())
    assert "Not there at our check Sep 9, 2019, 8:00 am EDT; there at 10:00 am." in text
    assert "You follow 48226; this agency covers Detroit." in text
    assert "Listing alone gives no access to cameras." in text


def test_its_configuration_works_with_the_other_commands(told: tuple[Path, str]) -> None:
    config = str(told[0] / "config.toml")
    runner = CliRunner()
    changes = runner.invoke(root, ["changes", "--json", "--config", config, "--place", "21157"])
    assert changes.exit_code == 0, changes.output
    assert "Carroll County" in changes.stdout
    listed = runner.invoke(
        root, ["listings", "ring", "--at", "2019-09-01", "--format", "json", "--config", config]
    )
    assert len(listed.stdout.splitlines()) == 37
    status = runner.invoke(root, ["status", "--json", "--config", config])
    assert status.stdout, status.output
    assert json.loads(status.stdout)["outbox"]["due"] == 0


def test_once_it_plays_the_last_release_as_well_and_opens_no_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "STEPS", STEPS[-1:])
    lines: list[str] = []
    play(tmp_path / "demo", once=True, say=lines.append)
    said = "\n".join(lines)
    before, last = said.split(LAST.text)
    assert STEPS[-1].text in before
    assert re.search(r"\d+ added, \d+ no longer listed", last)
    assert "The site:" not in said
    assert {to(mail) for mail in mails(tmp_path / "demo")} <= {"desk@newsroom.example", "@example_michigan"}
    subjects = [mail["Subject"] for mail in mails(tmp_path / "demo") if to(mail) == "@example_michigan"]
    assert all("(MI)" in subject for subject in subjects)


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds other things"):
        play(tmp_path, once=True)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_the_map_of_the_demo_is_what_the_script_makes(shared: Path, tmp_path: Path) -> None:
    import subprocess
    import sys

    from tests.conftest import ROOT

    script = ROOT / "tools" / "build_demo_map.py"
    subprocess.run(
        [sys.executable, script, shared / "data/ring/ring_2019_news_lists.csv", tmp_path],
        check=True,
        capture_output=True,
    )
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (ROOT / "monitor/demo/files" / path.name).read_bytes()


def test_the_past_is_imported_and_charts_begin_in_2021(told: tuple[Path, str]) -> None:
    step = told[1].split("Its past is imported")[1].split("\n\n")[0]
    assert "6 files that were captured from January 2021 to April 2025" in step
    assert "Nobody is told" in step
    config = str(told[0] / "config.toml")
    listed = CliRunner().invoke(root, ["listings", "ice-287g", "--at", "2021-06-01", "--config", config])
    assert listed.stdout.rstrip().endswith("147 listings")
    assert not any("2021" in mail["Subject"] or "2025" in mail["Subject"] for mail in mails(told[0]))


def test_the_demo_asks_no_server_but_its_own(told: tuple[Path, str]) -> None:
    settings = load(told[0] / "config.toml", {})
    targets = [polled_source(settings, name).target for name in settings.watched]
    assert {urlsplit(target.home).hostname for target in targets} == {"127.0.0.1"}
