"""Nothing that was sent may be read in the logs, whatever a logger is set to."""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Iterator
from contextlib import suppress

import pytest

from monitor.channels.email.transport import Email
from monitor.errors import SendError
from tests.channels.examples import MESSAGE, SENDER, clock, envelope
from tests.channels.test_telegram import telegram
from tests.peers.botapi import FORBIDDEN, NOT_FOUND, BotApi, flood
from tests.peers.log_lines import every_line
from tests.peers.smtp import DROP, SmtpPeer

ADDRESS = "canary.bird@people.example"
CHAT = "-100987654321"
SECRETS = ("canary", "people.example", CHAT, "Hammond", "secret-word")


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """Every line that any logger writes, with all of them at DEBUG."""
    with every_line() as seen:
        yield seen


def test_no_line_at_debug_holds_an_address_a_chat_a_text_or_the_token(lines: list[str]) -> None:
    async def run(smtp: SmtpPeer, api: BotApi) -> None:
        mail = Email(
            host="127.0.0.1",
            port=smtp.port,
            sender=SENDER,
            clock=clock,
            security="none",
            username="canary",
            password="secret-word",
        )
        async with mail, telegram(api) as posts:
            for delivery in range(7):
                for channel, address in ((mail, ADDRESS), (posts, CHAT)):
                    with suppress(SendError):
                        await channel.send(MESSAGE, envelope(address, delivery))

    refused = f"550 5.1.1 <{ADDRESS}> unknown"
    script = {"RCPT": ["250 ok", refused], "message": ["250 ok", DROP], "MAIL": ["250 ok"] * 3 + [DROP]}
    with (
        warnings.catch_warnings(),
        SmtpPeer(script, auth=True) as smtp,
        BotApi([FORBIDDEN, NOT_FOUND, flood(1)]) as api,
    ):
        asyncio.run(run(smtp, api), debug=True)
    assert len(smtp.mails) >= 4
    assert len(api.made) == 4
    logging.getLogger("monitor").debug("a line")
    assert any("a line" in line for line in lines)
    assert [line for line in lines for secret in SECRETS if secret in line] == []
