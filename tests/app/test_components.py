"""The composition root: parts are built once, on first use, and a command loads only what it needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from monitor import app, config, subscribers, web
from monitor.app import Components
from monitor.channels.kinds import KINDS
from monitor.errors import KeyFileError
from monitor.places import Gazetteer
from tests.peers.browser import served
from tests.peers.processes import PATIENCE


@pytest.fixture
def settings(tmp_path: Path) -> config.Settings:
    path = tmp_path / "config.toml"
    path.write_text('[data]\nfolder = "data"\n[mailbox]\nfolder = "mails"\n')
    return config.load(path, {})


def test_parts_are_built_on_first_use_and_once(settings: config.Settings) -> None:
    with Components.open(settings) as components:
        assert set(vars(components)) == {"settings", "engine", "clock", "opened_keys"}
        assert not (settings.data.folder / "monitor.key").exists()
        for part in ("keys", "gazetteer", "coverage", "channels", "polled_sources"):
            assert getattr(components, part) is getattr(components, part), part
        assert (settings.data.folder / "monitor.key").exists()
        assert set(components.channels) == set(KINDS)
        assert set(components.polled_sources) == set(settings.watched)
        assert components.fenced() is None


def test_keys_that_are_open_already_are_used(settings: config.Settings) -> None:
    with Components.open(settings) as first:
        keys = first.keys
        second = Components(settings, first.engine, first.clock, keys)
        assert second.keys is keys


def test_a_missing_key_stops_only_what_needs_it(settings: config.Settings) -> None:
    with Components.open(settings) as components:
        subscribers.add(
            components.engine,
            components.keys,
            channel="email",
            address="ann@example.org",
            places=("60601",),
            sources=("ring",),
            origin="operator",
            now=components.clock(),
        )
    (settings.data.folder / "monitor.key").unlink()
    with Components.open(settings) as components:
        assert components.coverage.of("ring").covers == ()
        with pytest.raises(KeyFileError):
            _ = components.keys


def test_the_gazetteer_is_shared_by_all_that_place_agencies(
    settings: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[config.Settings] = []
    load = app.load_gazetteer

    def counting(given: config.Settings) -> Gazetteer:
        loads.append(given)
        return load(given)

    monkeypatch.setattr(app.watching, "load_gazetteer", counting)
    with Components.open(settings) as components:
        web.create(components)
        assert components.gazetteer.state_of_zip("60601") == "IL"
        components.coverage.prime()
    assert len(loads) == 1


def test_a_site_without_a_list_answers_a_form_without_a_sample(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    names = config.default_sources()["sources"]
    off = "".join(f"[sources.{name}]\nenabled = false\n" for name in names)
    path.write_text(f'[data]\nfolder = "data"\n[mailbox]\nfolder = "mails"\n{off}')
    with (
        Components.open(config.load(path, {})) as components,
        served(web.create(components)) as address,
        httpx.Client(trust_env=False, timeout=PATIENCE) as client,
    ):
        assert client.get(address).status_code == 200
        answer = client.get(f"{address}/confirm/unknown")
        assert answer.status_code in {404, 410}
        assert "What an alert looks like" not in answer.text


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["status", "--help"], ["web", "--help"]]
)
def test_help_loads_no_database_no_site_and_no_configuration(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from monitor.cli import root\n"
        f"root({arguments!r}, standalone_mode=False)\n"
        "heavy = {'sqlalchemy', 'pydantic', 'fastapi', 'httpx', 'telegram', 'jinja2', 'lxml'}\n"
        "print('loaded:', sorted(heavy & set(sys.modules)))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "loaded: []"
