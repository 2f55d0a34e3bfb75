"""From the configuration to a bot."""

from __future__ import annotations

import queue
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from monitor import bot
from monitor.app import Components
from monitor.config import Settings, load
from monitor.errors import ConfigError
from monitor.keys import KeyFile
from monitor.storage import database_facts
from monitor.storage.deliveries import send_mark
from monitor.storage.engine import transaction
from tests.bot.world import World

SECRET = "0123456789abcdef"


def settings(folder: Path, text: str) -> Settings:
    (folder / "config.toml").write_text(f'[data]\nfolder = "{folder}"\n{text}')
    return load(folder / "config.toml", {})


@pytest.mark.parametrize("text", ["", '[telegram]\ntoken = "1:a"\n[mailbox]\nfolder = "mails"\n'])
def test_without_telegram_there_is_no_bot(
    sqlite_engine: Engine, keys: KeyFile, tmp_path: Path, text: str
) -> None:
    configured = settings(tmp_path, text)
    assert bot.create(Components(configured, sqlite_engine, opened_keys=keys)) is None


@pytest.mark.parametrize("copied", [False, True])
def test_the_bot_of_a_configuration_answers_unless_its_database_is_a_copy(
    still: World, tmp_path: Path, copied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, engine = still.api, still.engine
    configured = settings(tmp_path, f'[telegram]\ntoken = "{api.token}"\nbase_url = "{api.base_url}"\n')
    if copied:
        with transaction(engine) as conn:
            database_facts.ensure_identity(conn)
            send_mark.advance(conn, 5)  # it has sent before, but there is no mark of it in this folder
    talking = bot.create(Components(configured, engine, opened_keys=still.keys))
    assert talking is not None
    if not copied:
        with still.running(talking):
            assert "Ring's Active Agency Map" in still.ask("/watch 60601").text
            still.press("language es")
            assert "Mapa de agencias activas de Ring" in still.ask("/list").text
        return
    said: queue.Queue[str] = queue.Queue()
    complain = talking._health.report_problem

    async def overheard(reason: str) -> None:
        said.put(reason)
        await complain(reason)

    monkeypatch.setattr(talking._health, "report_problem", overheard)
    with still.running(talking):
        assert "looks like a copy" in said.get(timeout=300)
    assert api.calls == []


def test_a_webhook_needs_its_secret_and_a_secret_is_hard_to_guess(tmp_path: Path) -> None:
    url = 'webhook_url = "https://watch.example/telegram"'
    site = '[site]\npublic_url = "https://watch.example/monitor"\n'
    found = settings(tmp_path, f'{site}[telegram]\n{url}\nwebhook_secret = "{SECRET}"\n').telegram
    assert found.webhook_secret is not None
    assert (found.webhook_url, found.webhook_secret.get_secret_value()) == (
        "https://watch.example/telegram",
        SECRET,
    )
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    assert settings(tmp_path, f'{site}[telegram]\n{url}\nwebhook_secret_file = "secret"\n').telegram == found
    for elsewhere in ("", site.replace("watch", "other")):
        with pytest.raises(ConfigError, match="no update would be let in"):
            settings(tmp_path, f'{elsewhere}[telegram]\n{url}\nwebhook_secret = "{SECRET}"\n')
    for text in (
        url,
        f'webhook_secret = "{SECRET}"',
        f'{url}\nwebhook_secret = "short"',
        f'{url}\nwebhook_secret = "{SECRET} {SECRET}"',
    ):
        with pytest.raises(ConfigError, match="webhook") as caught:
            settings(tmp_path, f"{site}[telegram]\n{text}\n")
        assert SECRET not in str(caught.value)
