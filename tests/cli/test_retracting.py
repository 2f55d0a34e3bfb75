"""`monitor retract`: first who would be told, then the question, then once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from monitor.app import open_database
from monitor.cli import root
from monitor.config import load
from monitor.keys import KeyFile
from tests.outbox.world import HAMMOND, Recorder, World


@pytest.fixture
def told(tmp_path: Path, keys: KeyFile, now: Any) -> Iterator[tuple[Path, World]]:
    """Two people by email and a chat were told that an agency was added."""
    file = tmp_path / "config.toml"
    file.write_text(
        '[data]\nfolder = "data"\n[sources.ring]\ntitle = "Cameras"\nformat = "table"\nurl = "https://a.example/x"\n'
        '[sources.ring.columns]\nname = "Agency"\n'
    )
    engine = open_database(load(file))
    world = World(engine, keys, tmp_path / "data", now)
    for address, channel in (("a@a.example", "email"), ("b@b.example", "email"), ("-100", "telegram")):
        world.person(address, "IN", channel=channel)
    world.publish(HAMMOND)
    world.fan_out()
    world.send(Recorder(), Recorder("telegram"))
    yield file, world
    engine.dispose()


def monitor(config: Path, *arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(root, [*arguments, "--config", str(config)], input=typed)


def owed(world: World) -> int:
    return sum(row.kind == "retraction" for row in world.rows())


def test_it_shows_asks_and_does_it_once(told: tuple[Path, World]) -> None:
    config, world = told
    arguments = ("retract", "1", "--reason", "Our error.", "--reason-es", "Un error nuestro.")
    dry = monitor(config, *arguments, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert "Hammond Police Department (IN) added to Cameras" in dry.output
    assert "email" in dry.output
    assert "retracted" not in monitor(config, "changes").output
    assert json.loads(monitor(config, "changes", "--json").output)["retracted_at"] is None
    assert "telegram" in dry.output
    declined = monitor(config, *arguments, typed="n\n")
    assert declined.exit_code == 1
    shown = json.loads(monitor(config, *arguments, "--json").output)
    assert (shown["done"], shown["total"], shown["channels"]) == (False, 3, {"email": 2, "telegram": 1})
    assert shown["retracted_at"] is None
    assert owed(world) == 0

    done = monitor(config, *arguments, typed="y\n")
    assert done.exit_code == 0, done.output
    assert "3 messages are due" in done.output
    assert owed(world) == 3
    assert "Hammond Police Department (IN), retracted" in monitor(config, "changes").output
    listed = json.loads(monitor(config, "changes", "--json").output)
    assert listed["retracted_at"] is not None
    assert listed["retraction"] == {"en": "Our error.", "es": "Un error nuestro."}
    again = monitor(config, *arguments, "--yes")
    assert again.exit_code == 0
    assert again.output.startswith("nothing to do: change 1 was retracted on ")
    as_json = json.loads(monitor(config, *arguments, "--yes", "--json").output)
    assert (as_json["done"], as_json["total"], as_json["reason_es"]) == (False, 0, "Un error nuestro.")
    assert owed(world) == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("retract", "1"), "missing option '--reason'"),
        (("retract", "1", "--reason", " ", "--yes"), "the retraction needs a reason"),
        (("retract", "9", "--reason", "x", "--yes"), "there is no change 9"),
    ],
)
def test_a_wrong_use_writes_nothing(told: tuple[Path, World], arguments: tuple[str, ...], says: str) -> None:
    config, world = told
    refused = monitor(config, *arguments)
    assert refused.exit_code == 2
    assert says in refused.output
    assert owed(world) == 0
