"""Telegram through its Bot API."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from monitor.channels import Channel, ChannelKind, OperatorAddress, mask_middle
from monitor.channels.telegram.section import TelegramSection
from monitor.domain import Envelope, LaneLimit, Rendered
from monitor.errors import UsageError
from monitor.keys import KeyFile

if TYPE_CHECKING:
    from monitor.channels.telegram.transport import Telegram


class TelegramKind(ChannelKind[TelegramSection]):
    """Telegram: a post that may have been made is repeated once at most."""

    name = "telegram"
    section = TelegramSection
    resends_ambiguous = False
    has_bot = True
    loggers = ("telegram", "httpx", "httpcore")

    def normalize(self, address: str) -> str:
        """Return a chat's number or @name."""
        if not re.fullmatch(r"-?[1-9][0-9]{0,18}|@[A-Za-z][A-Za-z0-9_]{3,31}", address, re.ASCII):
            raise UsageError("this is not a Telegram chat: write its number (-1001234567890) or its @name")
        return address

    def recognizes(self, address: str) -> bool:
        """Whether the text is a number, or a name that begins with @."""
        return re.fullmatch(r"@\w+|-?\d+", address) is not None

    def comparable(self, address: str) -> str:
        """The name in lower case: names of chats are case-insensitive."""
        return unicodedata.normalize("NFC", address.strip()).casefold()

    def mask(self, address: str) -> str:
        """``@e…il`` or ``-…90``"""
        return mask_middle(address, 2 if address.startswith("@") else 1)

    def limit(self, address: str) -> LaneLimit | None:
        """Twenty posts in any minute to a group or channel (Telegram's bot FAQ): ten at once, ten more a
        minute. A private chat has no such limit.
        """
        return None if address.isdigit() else LaneLimit(rate=10 / 60, burst=10)

    def is_configured(self, section: TelegramSection) -> bool:
        """Whether there is a token."""
        return section.token is not None

    def open(
        self, section: TelegramSection, clock: Callable[[], datetime], keys: Callable[[], KeyFile]
    ) -> Channel:
        """Create the transport. Its pace runs on the monotonic clock, not on ``clock``."""
        from monitor.channels.telegram.transport import Telegram

        assert section.token is not None
        return Telegram(
            token=section.token.get_secret_value(),
            base_url=section.base_url,
            clock=time.monotonic,
            picture=section.picture,
        )

    def format_sample(self, rendered: Rendered) -> str:
        """The posts, in Telegram's HTML."""
        return "\n\n".join(rendered.blocks)

    def operator_addresses(self, section: TelegramSection) -> tuple[OperatorAddress, ...]:
        """The chats of ``[telegram.channels]``."""
        return tuple(OperatorAddress(place, chat) for place, chat in section.channels.items())

    def public_url(self, address: str) -> str | None:
        """The page of a channel with a name; a chat by its number is not public."""
        return f"https://t.me/{address[1:]}" if address.startswith("@") else None

    def takes_answers(self, address: str) -> bool:
        """Whether the address is a chat's number: everybody can join a chat with a name. In a group, only
        administrators decide.
        """
        return re.fullmatch(r"-?\d+", address) is not None

    def absence(self, section: TelegramSection) -> tuple[bool, str] | None:
        """Reports a mistake if channels are configured."""
        return (False, "channels are configured, but no token") if section.channels else None

    async def check(self, section: TelegramSection, channel: Telegram) -> str:
        """Query the bot's name, and whether it may post in the configured chats."""
        return await channel.check(section.channels.values())

    def mail_writer(
        self, sender: str, clock: Callable[[], datetime]
    ) -> Callable[[Rendered, Envelope], bytes]:
        """A readable mail with the posts of the chat."""
        from monitor.channels.telegram.mail_copy import write_mail_copy

        return lambda message, envelope: write_mail_copy(message, envelope, sender, clock())
