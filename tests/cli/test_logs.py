"""The log of the service: text or JSON, times in UTC, the request's id, and no secret whatever is logged."""

from __future__ import annotations

import json
import logging
import re
import socket
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy.engine import Engine

from monitor import config
from monitor.cli.logs import configure
from monitor.core import tokens
from monitor.errors import ConfigError
from monitor.log_lines import JsonLines, LogFormat, TextLines, request_id
from monitor.web import create_app
from tests.peers.browser import served
from tests.peers.processes import PATIENCE
from tests.web.story import Clock, site

TOKEN = tokens.make(bytes(32), tokens.Purpose.MANAGE, 1234567, "nonce")
SECRETS = ("ann.lee@people.example", TOKEN, "123456789:AAbbCCddEEffGGhhIIjj")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Tests configure the whole process's logging."""
    root = logging.getLogger()
    handlers, level, own = root.handlers[:], root.level, logging.getLogger("monitor").level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("monitor").setLevel(own)
    logging.getLogger("uvicorn.error").setLevel(logging.NOTSET)
    logging.captureWarnings(False)


def record(message: str, *arguments: object, failed: bool = False) -> logging.LogRecord:
    error = None
    if failed:
        try:
            raise ValueError(f"no: {SECRETS[0]} {TOKEN}")
        except ValueError:
            error = sys.exc_info()
    made = logging.LogRecord("monitor.outbox.drain", logging.INFO, "drain.py", 7, message, arguments, error)
    made.created = 1795857123.25
    return made


def test_a_line_of_json_has_a_time_with_zone_and_its_parts() -> None:
    line = json.loads(JsonLines().format(record("deliveries: %d sent", 3)))
    assert line == {
        "time": "2026-11-28T09:12:03.250Z",
        "level": "INFO",
        "logger": "monitor.outbox.drain",
        "message": "deliveries: 3 sent",
    }
    token = request_id.set("abc123")
    try:
        assert json.loads(JsonLines().format(record("x")))["request"] == "abc123"
        assert TextLines().format(record("x")).endswith("monitor.outbox.drain x (request abc123)")
    finally:
        request_id.reset(token)


def test_a_traceback_stays_in_its_line() -> None:
    text = JsonLines().format(record("it failed", failed=True))
    assert "\n" not in text
    assert "ValueError: no: [address] [token]" in json.loads(text)["exception"]


@pytest.mark.parametrize("form", [JsonLines(), TextLines()])
def test_no_line_holds_an_address_or_a_token_whatever_is_logged(form: logging.Formatter) -> None:
    for failed in (False, True):
        line = form.format(record("%s and %s of %s", *SECRETS, failed=failed))
        assert not any(secret in line for secret in SECRETS)
        assert "[address] and [token] of [token]" in line


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_service_writes_what_is_configured(form: LogFormat, capsys: pytest.CaptureFixture[str]) -> None:
    configure(False, service=True, form=form)
    logging.getLogger("monitor.demo").info("it works")
    (line,) = capsys.readouterr().err.splitlines()
    if form == "json":
        assert json.loads(line)["message"] == "it works"
    else:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ INFO monitor\.demo it works", line)


@pytest.mark.parametrize(
    "request_text",
    [
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
    ids=["upgrade", "TLS to a port without it"],
)
def test_no_visitor_writes_a_warning(
    sqlite_engine: Engine, now: datetime, capsys: pytest.CaptureFixture[str], request_text: str
) -> None:
    with served(create_app(site(sqlite_engine, Clock(now)))) as address:
        configure(False, service=True)
        where = urlsplit(address)
        with socket.create_connection((str(where.hostname), where.port or 0), timeout=PATIENCE) as connection:
            connection.sendall(request_text.encode("latin-1"))
            while connection.recv(65_536):
                pass
    assert "WARNING" not in capsys.readouterr().err


def test_an_answer_of_the_site_names_its_lines(
    sqlite_engine: Engine, now: datetime, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    application = create_app(site(sqlite_engine, Clock(now)))

    def fail(*_: object) -> None:
        logging.getLogger("monitor.web").error("it fails")
        raise RuntimeError

    monkeypatch.setattr("monitor.web.about.render_page", fail)
    with served(application) as address:
        configure(False, service=True, form="json")
        # a connection each: the server closes one whose page has failed
        answers = [
            httpx.get(address + path, trust_env=False, timeout=PATIENCE)
            for path in ("/about", "/healthz", "/about")
        ]
    assert [answer.status_code for answer in answers] == [500, 200, 500]
    assert "Something went wrong here" in answers[0].text, "a page that is kept fails as every other does"
    ids = [answer.headers["X-Request-Id"] for answer in answers]
    assert len(set(ids)) == 3
    assert all(re.fullmatch(r"[0-9a-f]{12}", id) for id in ids)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    assert [line["request"] for line in lines if line["message"] == "it fails"] == [ids[0], ids[2]]


def test_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[log]\nformat = "xml"\n')
    with pytest.raises(ConfigError, match=r"log\.format"):
        config.load(path, {})
    assert config.load(None, {"MONITOR_LOG__FORMAT": "json"}).log.format == "json"
