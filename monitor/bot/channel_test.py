"""Tests the operator's channels: whether the bot is a member and may post."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from telegram.error import TelegramError

from monitor.bot.api import Api
from monitor.bot.replies import Reply, safe
from monitor.channels.telegram.transport import meaning_of
from monitor.errors import SendError


@dataclass(frozen=True, slots=True)
class ChannelTestResult:
    """The result for one configured chat."""

    chat: str
    places: tuple[str, ...]
    ok: bool
    message: str
    posted: bool = False


async def check_channels(
    api: Api, channels: Mapping[str, str], *, name: str, post: bool
) -> tuple[ChannelTestResult, ...]:
    """Test each chat of ``channels`` (place to chat) separately; with ``post`` also post a message marked as
    a test.

    Raises SendError when the API does not answer at all.
    """
    try:
        await api.introduce()
    except TelegramError as error:
        raise meaning_of(error, "") from None
    places: dict[str, list[str]] = {}
    for place, chat in channels.items():
        places.setdefault(chat, []).append(place)
    return tuple([await _proof(api, chat, tuple(theirs), name, post) for chat, theirs in places.items()])


async def _proof(api: Api, chat: str, places: tuple[str, ...], name: str, post: bool) -> ChannelTestResult:
    try:
        reason = await api.obstacle(chat)
        if reason is not None:
            return ChannelTestResult(chat, places, False, reason)
        if not post:
            return ChannelTestResult(chat, places, True, "the bot may post there")
        text = f"<b>Test</b>: {safe(name)} tries whether it can post here. No agency has changed."
        await api.post(chat, Reply(text))
    except TelegramError as error:
        return ChannelTestResult(chat, places, False, str(meaning_of(error, "")))
    except SendError as failure:
        return ChannelTestResult(chat, places, False, str(failure))
    return ChannelTestResult(chat, places, True, "a test message was posted", posted=True)
