"""What no log line may hold, in whatever test: an address, a token of a link, or a bot's token."""

from __future__ import annotations

import logging
import re

_SECRETS = {
    "an address": re.compile(r"[\w.+'-]+@[\w-]+(?:\.[\w-]+)+"),
    "a link's token": re.compile(
        r"(?<![0-9A-Za-z])[1-9][0-9]{0,18}x[a-z2-7]{16}(?:[a-z2-7]{10})?(?![0-9a-z])"
    ),
    "a browser's endpoint": re.compile(r"https://\S+/push/[\w-]{32}"),
    "a bot's token": re.compile(r"\b\d{5,12}:[A-Za-z0-9_-]{16,}"),
}


_PEERS = {
    "mail.log": frozenset(_SECRETS),
    "httpx": frozenset({"an address", "a link's token", "a browser's endpoint"}),
}
"""Loggers of what stands on the other side in tests: aiosmtpd, and the visitor's own client, which follows
links of mails.
"""


class Canaries(logging.Handler):
    """Sees every line of every logger, as it would be written, with its traceback; ``found`` says what was in
    which.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        passed = _PEERS.get(record.name, frozenset())
        self.found += [
            f"{what} in a line of {record.name}"
            for what, form in _SECRETS.items()
            if what not in passed and form.search(line)
        ]
