"""`monitor webhooks`: what is configured, what has ended, and following it again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from monitor.app import open_database
from monitor.cli import root
from monitor.config import load
from monitor.storage import engine as db
from monitor.storage.deliveries import configured_addresses

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(
        '[data]\nfolder = "data"\n[webhook.to.desk]\nurl = "https://desk.example/1"\n'
        f'places = ["IN", "60601"]\nsecret = "{SECRET}"\n'
    )
    return file


def monitor(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(root, [*arguments, "--config", str(config)])


def test_a_webhook_that_has_ended_is_listed_and_revived(config: Path) -> None:
    open_database(load(config)).dispose()
    listed = monitor(config, "webhooks", "list", "--json")
    assert json.loads(listed.output) == {
        "name": "desk", "places": ["IN", "60601"], "ended_at": None, "reason": None,
    }  # fmt: skip
    engine = db.connect(f"sqlite:///{config.parent / 'data' / 'monitor.db'}")
    at = datetime(2026, 4, 3, 12, tzinfo=UTC)
    with db.transaction(engine) as conn:
        configured_addresses.note_end(conn, "webhook", "desk", "the webhook answered 410: it is gone", at)
    assert "2026-04-03 12:00 UTC  the webhook answered 410" in monitor(config, "webhooks", "list").output
    revived = monitor(config, "webhooks", "revive", "desk")
    assert (revived.exit_code, revived.output) == (0, "desk gets messages again\n")
    assert json.loads(monitor(config, "webhooks", "list", "--json").output)["ended_at"] is None
    for name, says in (("desk", "has not ended"), ("other", "there is no [webhook.to.other]")):
        refused = monitor(config, "webhooks", "revive", name)
        assert refused.exit_code == 2
        assert says in refused.output
    engine.dispose()


def test_without_webhooks_it_says_where_to_read(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[data]\nfolder = "data"\n')
    open_database(load(tmp_path / "config.toml")).dispose()
    assert "docs/webhooks.md" in monitor(tmp_path / "config.toml", "webhooks", "list").output
