"""A channel is one kind in the registry: here one that posts JSON, registered by one line and used as people
use any.
"""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import URLError
from urllib.parse import urlsplit, urlunsplit

import pytest
from click.testing import CliRunner, Result
from sqlalchemy.engine import Engine

from monitor.channels import ChannelKind
from monitor.channels.kinds import KINDS, lookup, mask, normalize_address, recognize
from monitor.channels.mailbox import Mailbox
from monitor.cli import root
from monitor.config import load
from monitor.domain import Envelope
from monitor.errors import ConfigError, Transient, UsageError
from monitor.keys import KeyFile
from monitor.messages import Message, Sender
from monitor.messages.model import Alert
from monitor.settings_types import ChannelSection
from monitor.storage import engine as db
from monitor.storage.migrate import upgrade
from tests.outbox.world import HAMMOND, World, locate

KEY = KeyFile.of_master(bytes(range(32)))


class JsonPostSection(ChannelSection):
    """``[jsonpost]``"""

    enabled: bool = False


class JsonPostChannel:
    """Posts a JSON object to each address."""

    name, concurrency = "jsonpost", 2

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def lane(self, address: str) -> str:
        return KINDS["jsonpost"].lane(address)

    async def send(self, message: dict[str, Any], envelope: Envelope) -> None:
        body = json.dumps(message | {"id": envelope.message_id}).encode()
        request = urllib.request.Request(
            envelope.address, body, {"Content-Type": "application/json"}, method="POST"
        )
        try:
            (await asyncio.to_thread(urllib.request.urlopen, request, timeout=300)).close()
        except URLError as error:
            raise Transient(f"the hook does not answer: {type(error).__name__}") from None


class JsonPostKind(ChannelKind[JsonPostSection]):
    """JSON by POST."""

    name = "jsonpost"
    section = JsonPostSection

    def normalize(self, address: str) -> str:
        if urlsplit(address).scheme not in {"http", "https"}:
            raise UsageError("this is not the URL of a hook")
        return address

    def comparable(self, address: str) -> str:
        """Only the host is without case."""
        parts = urlsplit(address)
        return urlunsplit((parts.scheme, parts.netloc.lower(), *parts[2:]))

    def mask(self, address: str) -> str:
        return f"{urlsplit(address).scheme}://…"

    def lane(self, address: str) -> str:
        return urlsplit(address).netloc

    def is_configured(self, section: JsonPostSection) -> bool:
        return section.enabled

    def open(
        self, section: JsonPostSection, clock: Callable[[], datetime], keys: Callable[[], KeyFile]
    ) -> JsonPostChannel:
        return JsonPostChannel()

    def renderer(self) -> Callable[[Message, Sender], dict[str, Any]]:
        return render_json


def render_json(message: Message, sender: Sender) -> dict[str, Any]:
    """From the message's value: no template."""
    changes = message.told if isinstance(message, Alert) else ()
    return {
        "kind": type(message).__name__,
        "changes": [{"kind": told.change.kind.value, "agency": told.change.subject.name} for told in changes],
    }


class Hooks:
    """A web server on a loopback port that keeps what is posted to it."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, dict[str, Any]]] = []
        hooks = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hooks.posts.append((self.path, json.loads(body)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return None

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hooks]:
    """A peer for the channel, which is registered as any other is: by one line."""
    monkeypatch.setitem(KINDS, "jsonpost", JsonPostKind())
    with Hooks() as running:
        yield running


ENGINES: list[Engine] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Closes what the installations of a test opened."""
    yield
    while ENGINES:
        ENGINES.pop().dispose()


class Installation:
    """A configuration with the channel, and a database with somebody's changes in it."""

    def __init__(self, folder: Path, configuration: str = "[jsonpost]\nenabled = true\n") -> None:
        self.config = folder / "config.toml"
        self.config.write_text(f'[data]\nfolder = "data"\n{configuration}')
        data = folder / "data"
        engine = db.connect(f"sqlite:///{data / 'monitor.db'}")
        ENGINES.append(engine)
        upgrade(engine, folder=data, now=datetime.now(UTC))
        self.world = World(engine, KeyFile.load(data, create=True), data, datetime.now(UTC))

    def monitor(self, *arguments: str) -> Result:
        command, *rest = arguments
        runner = CliRunner(env={"MONITOR_TEST_POSTGRES": None})
        return runner.invoke(root, [command, "--config", str(self.config), *rest])

    def add(self, address: str, channel: str = "jsonpost") -> Result:
        return self.monitor("subscribers", "add", channel, address, "46320", "--source", "ring")

    def deliver(self) -> dict[str, int]:
        self.world.publish(HAMMOND)
        self.world.fan_out(locate)
        counts: dict[str, int] = json.loads(self.monitor("deliver", "--json").stdout)
        return counts


def test_a_channel_of_one_line_gets_its_alerts_rendered_from_the_value(tmp_path: Path, hooks: Hooks) -> None:
    ours = Installation(tmp_path)
    assert ours.add(hooks.url("/Hook/AbC")).exit_code == 0
    assert ours.deliver() == {"sent": 1, "retried": 0, "failed": 0, "due": 0}
    ((path, body),) = hooks.posts
    assert path == "/Hook/AbC"
    assert body["kind"] == "Alert"
    assert body["changes"] == [{"kind": "added", "agency": "Hammond Police Department"}]


def test_addresses_are_compared_as_their_channel_says(tmp_path: Path, hooks: Hooks) -> None:
    """A bug of 0.1.0: every address was compared without case, and these two hooks were one subscriber."""
    ours = Installation(tmp_path)
    upper, lower = hooks.url("/Hook/AbC"), hooks.url("/hook/abc")
    assert "added" in ours.add(upper).output
    assert "added" in ours.add(lower).output
    assert "exists already" in ours.add(upper.replace("http:", "HTTP:")).output
    assert ours.deliver()["sent"] == 2
    assert sorted(path for path, _ in hooks.posts) == ["/Hook/AbC", "/hook/abc"]
    removed = ours.monitor("subscribers", "remove", "--channel", "jsonpost", lower)
    assert removed.exit_code == 0
    assert ours.monitor("subscribers", "list").stdout.count("jsonpost") == 1


def test_its_addresses_are_masked_in_lists_and_never_logged(
    tmp_path: Path, hooks: Hooks, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "monitor")
    ours = Installation(tmp_path)
    outputs = [ours.add(hooks.url("/Hook/AbC")).output, ours.add(hooks.url("/gone") + "\x07").output]
    ours.deliver()
    outputs.append(ours.monitor("subscribers", "list").output)
    assert "http://…" in outputs[0]
    assert "http://…" in outputs[2]
    for text in (*outputs, caplog.text):
        assert "/Hook" not in text
        assert "127.0.0.1" not in text


def test_a_hook_that_does_not_answer_keeps_its_delivery_due(tmp_path: Path, hooks: Hooks) -> None:
    ours = Installation(tmp_path)
    with Hooks() as closing:
        address = closing.url("/hook")
    ours.add(address)
    assert ours.deliver() == {"sent": 0, "retried": 1, "failed": 0, "due": 1}


def test_a_mailbox_stands_in_for_any_channel_and_is_cleared_when_somebody_is_erased(
    tmp_path: Path, hooks: Hooks
) -> None:
    ours = Installation(tmp_path, '[mailbox]\nfolder = "mailbox"\n')
    for path in ("/Hook/AbC", "/hook/abc"):
        ours.add(hooks.url(path))
    assert ours.deliver()["sent"] == 2
    assert hooks.posts == []
    files = list((tmp_path / "mailbox").glob("*.eml"))
    assert len(files) == 2
    for file in files:
        mail = message_from_bytes(file.read_bytes(), policy=policy.default)
        assert isinstance(mail, EmailMessage)
        assert "Hammond Police Department" in mail.get_content()
    erased = ours.monitor("subscribers", "erase", "--channel", "jsonpost", hooks.url("/hook/abc"))
    assert "1 file deleted" in erased.output
    assert len(list((tmp_path / "mailbox").glob("*.eml"))) == 1


def test_an_unknown_channel_is_refused_with_the_nearest_known_one(tmp_path: Path, hooks: Hooks) -> None:
    ours = Installation(tmp_path)
    refused = ours.add(hooks.url("/x"), channel="jsonpots")
    assert refused.exit_code == 2
    assert "did you mean jsonpost?" in refused.stderr
    for use in (normalize_address, lambda channel, address: lookup(KEY, channel, address)):
        with pytest.raises(UsageError, match=r"no channel 'emial'.*did you mean email\?"):
            use("emial", "ann@example.org")
    assert mask("fax", "555 0100") == "…"


def test_its_section_is_part_of_the_configuration_and_checked(tmp_path: Path, hooks: Hooks) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[jsonpost]\nenabeld = true\n")
    with pytest.raises(
        ConfigError, match=r"jsonpost\.enabeld: unknown key; did you mean jsonpost\.enabled\?"
    ):
        load(config, {})
    section = load(None, {"MONITOR_JSONPOST__ENABLED": "true"}).channel("jsonpost")
    assert isinstance(section, JsonPostSection)
    assert section.enabled


def test_a_section_of_no_channel_is_refused() -> None:
    with pytest.raises(ConfigError, match="jsonpost: unknown key"):
        load(None, {"MONITOR_JSONPOST__ENABLED": "true"})


@pytest.mark.parametrize(
    ("address", "channel"),
    [
        ("ann@example.org", "email"),
        ("@example_il", "telegram"),
        ("-1001234567890", "telegram"),
        ("42", "telegram"),
    ],
)
def test_an_address_is_recognized_by_its_form(address: str, channel: str) -> None:
    assert recognize(address) == channel


def test_an_address_of_no_form_needs_its_channel_named() -> None:
    with pytest.raises(UsageError, match="name the channel"):
        recognize("nobody")


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_kind_is_registered_under_its_name_and_has_a_valid_empty_section(kind: ChannelKind[Any]) -> None:
    assert KINDS[kind.name] is kind
    assert not kind.is_configured(kind.section())
    assert kind.comparable(kind.comparable("Ann@Example.org")) == kind.comparable("Ann@Example.org")


def test_a_mailbox_bears_the_name_and_lanes_of_the_kind_that_it_replaces(tmp_path: Path) -> None:
    for name, kind in KINDS.items():
        channel = Mailbox(tmp_path, kind, sender="alerts@watch.example", clock=lambda: datetime.now(UTC))
        assert isinstance(channel, Mailbox)
        assert channel.name == name
        assert channel.lane("Ann@Example.org") == kind.lane("Ann@Example.org")


def test_the_registry_imports_no_transport() -> None:
    script = (
        "import sys, monitor.channels.kinds, monitor.config;"
        "print(sorted({'aiosmtplib', 'telegram', 'httpx'} & sys.modules.keys()))"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
