"""The head of the public record is the last line of what is sent anyway, so that others keep it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor import app, config
from monitor.app import Components
from monitor.domain import Rendered
from monitor.messages.model import Alert, ListPlaces, Schedule, Welcome
from monitor.record import log
from monitor.record.checkpoint import read_checkpoint
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import log_rows

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HEAD = re.compile(r"record \d+ [A-Za-z0-9+/]{43}=")


@pytest.fixture
def settings(tmp_path: Path) -> config.Settings:
    path = tmp_path / "config.toml"
    path.write_text(
        '[data]\nfolder = "data"\n[mailbox]\nfolder = "mails"\n[site]\npublic_url = "https://w.example"\n'
    )
    return config.load(path, {})


def rendered(components: Components, message: Alert | Welcome, channel: str = "email") -> Rendered:
    made = components.render(channel, message)
    assert isinstance(made, Rendered)
    return made


def append(components: Components) -> None:
    with transaction(components.engine) as conn:
        log.append_entry(conn, {"type": "start", "at": "2026-03-01T12:00:00.000000Z"}, NOW)


def test_every_mail_and_post_ends_with_the_signed_head(settings: config.Settings) -> None:
    messages = (
        app.sample_alert(settings, "en", NOW),
        Welcome(
            language="es",
            follows=(ListPlaces("La lista", ("60601",)),),
            schedule=Schedule("at_once", 8, "UTC"),
            today=(),
        ),
    )
    with Components.open(settings, lambda: NOW) as components:
        for message in messages:
            made = rendered(components, message)
            assert not HEAD.search(made.text + made.html + "".join(made.blocks))
        append(components)
        components.sign_record()
        with reading(components.engine) as conn:
            note = log_rows.load_checkpoint(conn)
        assert note is not None
        head = read_checkpoint(note).head
        for message in messages:
            made = rendered(components, message)
            assert made.text.rstrip().splitlines()[-1] == head
            assert f"<code>{head}</code>" in made.html
            assert made.blocks[-1] == f"<code>{head}</code>"
            assert len(HEAD.findall(made.text)) == 1
        append(components)
        components.sign_record()
        assert rendered(components, messages[0]).text.rstrip().splitlines()[-1] != head
