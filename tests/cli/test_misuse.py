"""Wrong use of a command is one line on stderr that says what to do, and exit code 2."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor.cli import root
from tests.peers.processes import PATIENCE


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["statu"], "no such command 'statu'. Did you mean 'status'? `monitor --help` shows what it takes"),
        (["explain", "a@example.org"], "missing argument 'CHANGE'; `monitor explain --help` shows"),
        (["status", "--jsn"], "`monitor status --help` shows what it takes"),
        (["outbox", "show", "x"], "'x' is not a valid integer; `monitor outbox show --help`"),
        (["backup", "--keep", "0"], "`monitor backup --help` shows what it takes"),
        (["subscribers", "add", "email", "a@example.org", "--place", "60601"], "no such option"),
        (["subscribers", "add", "emial", "a@example.org", "60601"], "there is no channel 'emial'"),
        (["evidence"], "give the number of a change"),
    ],
)
def test_a_wrong_use_is_one_line(arguments: list[str], says: str) -> None:
    said = CliRunner().invoke(root, arguments)
    assert said.exit_code == 2
    assert said.stdout == ""
    assert len(said.stderr.splitlines()) == 1
    assert said.stderr.startswith("monitor: ")
    assert says in said.stderr


def test_a_file_that_the_system_refuses_is_one_line_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    config = tmp_path / "config.toml"
    config.write_text("")
    assert CliRunner().invoke(root, ["init", "--config", str(config)]).exit_code == 0
    target = tmp_path / "file" / "below"
    said = CliRunner().invoke(root, ["export", str(target), "--config", str(config)])
    assert said.exit_code == 1
    assert said.stderr.startswith(f"monitor: {target}")
    assert said.stderr.endswith(": not a directory; check the path, its owner and its mode\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be in the wrong folder")
def test_root_in_another_users_data_folder_is_warned_at_a_terminal(tmp_path: Path) -> None:
    """A key that root replaces is root's, and the service cannot read it any more."""
    (tmp_path / "config.toml").write_text("")
    options = ["--config", str(tmp_path / "config.toml")]
    assert CliRunner().invoke(root, ["init", *options]).exit_code == 0
    os.chown(tmp_path / "data", 54_321, 54_321)
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "monitor", "outbox", *options]
    said = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, check=True, timeout=PATIENCE)
    os.close(theirs)
    assert said.stdout == b"every message that was tried has been accepted\n"
    expected = f"monitor: {tmp_path / 'data'} belongs to user 54321: run commands as that user, not as root"
    assert os.read(ours, 65_536).decode().strip() == expected
    os.close(ours)
    piped = subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE)
    assert piped.stderr == b""


def test_an_output_without_room_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        said = subprocess.run(
            [sys.executable, "-m", "monitor", "find", "60601"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
    assert said.returncode == 1
    assert said.stderr == "monitor: no space left on device: make room where the output is written\n"


def test_a_place_that_is_none_names_every_kind_of_place(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("")
    assert CliRunner().invoke(root, ["init", "--config", str(config)]).exit_code == 0
    said = CliRunner().invoke(
        root, ["subscribers", "add", "email", "a@example.org", "Xyzzy", "--config", str(config)]
    )
    assert said.exit_code == 2
    for kind in ("a ZIP code", "a town", "a county", "a radius", "a state", "US"):
        assert kind in said.stderr


def test_changes_take_the_list_as_listings_do(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("")
    assert CliRunner().invoke(root, ["init", "--config", str(config)]).exit_code == 0
    options = ["--config", str(config)]
    assert CliRunner().invoke(root, ["changes", "ring", *options]).output == "nothing was published\n"
    unknown = CliRunner().invoke(root, ["changes", "rong", *options])
    assert (unknown.exit_code, "there is no source 'rong'" in unknown.stderr) == (2, True)
    assert CliRunner().invoke(root, ["changes", "ring", "--source", "ice-287g", *options]).exit_code == 2
