"""Formats of log lines, as text and as JSON, with the id of the request that a line belongs to.

No line holds an address or a token: code does not pass one to a logger, and text that looks like one is
replaced here.
"""

from __future__ import annotations

import json
import logging
import re
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal

LogFormat = Literal["text", "json"]

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request that the site is answering; the response has it as X-Request-Id."""

_HIDDEN = (
    (re.compile(r"[\w.+'-]+@[\w-]+(?:\.[\w-]+)+"), "[address]"),
    (re.compile(r"(?<![0-9A-Za-z])[1-9][0-9]{0,18}x[a-z2-7]{16}(?:[a-z2-7]{10})?(?![0-9a-z])"), "[token]"),
    (re.compile(r"\b\d{5,12}:[A-Za-z0-9_-]{16,}"), "[token]"),
)
"""Mail addresses, tokens of links, and tokens of bots."""


def hide_secrets(text: str) -> str:
    """Replace text that looks like an address or a token."""
    for form, shown in _HIDDEN:
        text = form.sub(shown, text)
    return text


class TextLines(logging.Formatter):
    """``2026-11-28T09:13:47Z INFO monitor.outbox.drain deliveries: 1 sent``, and the request if there is one;
    times are in UTC.
    """

    def __init__(self) -> None:
        self.converter = time.gmtime
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%SZ")

    def format(self, record: logging.LogRecord) -> str:
        """Format a line, with its traceback if it has one."""
        shown, of = super().format(record), request_id.get()
        return hide_secrets(f"{shown} (request {of})" if of else shown)


class JsonLines(logging.Formatter):
    """One JSON object per line: time (ISO 8601 in UTC, to the millisecond), level, logger, message; request
    and exception if there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Format a line."""
        at = datetime.fromtimestamp(record.created, UTC)
        values = {
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": hide_secrets(record.getMessage()),
        }
        if (of := request_id.get()) is not None:
            values["request"] = of
        if record.exc_info:
            values["exception"] = hide_secrets(self.formatException(record.exc_info))
        return json.dumps(values, ensure_ascii=False)


def create_formatter(form: LogFormat) -> logging.Formatter:
    """Create the formatter of a configured format."""
    return JsonLines() if form == "json" else TextLines()
