"""Posts through the Telegram Bot API, at Telegram's own pace.

A long message is several posts. The finished ones are remembered until the whole message is out, so a retry
within this process repeats none; after a restart, all posts of an unfinished message are made again
(at-least-once).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from functools import cache
from ssl import SSLContext
from types import TracebackType
from typing import Any, Self

# the library's own setting: RetryAfter.retry_after is a timedelta, and reading a 429 raises no deprecation
# warning
os.environ.setdefault("PTB_TIMEDELTA", "1")

from httpx import create_ssl_context
from telegram import (
    Bot,
    ChatMember,
    ChatMemberAdministrator,
    ChatMemberMember,
    ChatMemberRestricted,
    ChatPermissions,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    ReplyParameters,
)
from telegram.constants import ChatAction, ChatMemberStatus, ChatType, ParseMode
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)
from telegram.request import HTTPXRequest

from monitor.channels import EVERYTHING
from monitor.channels.telegram.posts import compose_posts
from monitor.channels.telegram.rate import PostRate
from monitor.domain import Envelope, Rendered
from monitor.errors import Permanent, SendError, Transient

log = logging.getLogger(__name__)

_CHAT = re.compile(r"@[A-Za-z]\w{3,31}|-?\d{1,20}")
_REMEMBERED = 10_000  # the most unfinished messages whose posts are remembered
_OUTSIDE = {ChatMemberStatus.LEFT, ChatMemberStatus.BANNED}
_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)

# httpx's errors, by name, that occur after the request was written: it may have been carried out. All others
# occur before.
_NETWORK = "check the network of this machine, or [telegram] base_url"
_AFTER_WRITING = {"ReadTimeout", "ReadError", "RemoteProtocolError", "CloseError"}

# these write the request's address, with the token in it, or chat ids and texts at INFO and DEBUG
_TALKATIVE = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.proxy",
    "telegram.Bot",
    "telegram.request.BaseRequest",
    "telegram.request.HTTPXRequest",
)


@cache
def trusted_certificates() -> SSLContext:
    """Load the trusted certificates, once for all clients: loading them takes longer than a post."""
    return create_ssl_context()


class UnreadableAnswer(TelegramError):
    """The answer is not Telegram's: something in between, a proxy or a portal, has answered instead."""


class CheckedRequest(HTTPXRequest):
    """Requests that accept only Telegram's own answers, whatever their status: the library would treat any
    page with a 403 as a refusal, and logs what it cannot read.
    """

    async def do_request(self, *given: Any, **more: Any) -> tuple[int, bytes]:
        status, payload = await super().do_request(*given, **more)
        try:
            answer = json.loads(payload)
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or "ok" not in answer:
            raise UnreadableAnswer("the answer is not Telegram's")
        return status, payload


class Telegram:
    """The Telegram channel. The token is appended to ``base_url``; ``clock`` (seconds) and ``sleep`` time the
    pace.

    ``picture`` is the address of a state's picture, with "{state}" in it, shown over posts about one state.
    ``pace`` is shared with other senders that use the same token in this process, so that the limits hold for
    all.
    """

    name = "telegram"

    def __init__(
        self,
        *,
        token: str,
        clock: Callable[[], float],
        base_url: str = "https://api.telegram.org/bot",
        concurrency: int = 8,
        timeout: float = 30.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        picture: str | None = None,
    ) -> None:
        quiet_libraries()
        self._picture = picture
        self.concurrency = concurrency
        self._requests = [
            CheckedRequest(
                connection_pool_size=concurrency,
                read_timeout=timeout,
                write_timeout=timeout,
                connect_timeout=timeout,
                pool_timeout=timeout,
                httpx_kwargs={"verify": trusted_certificates()},
            )
            for _ in range(2)
        ]
        self._bot = Bot(
            token, base_url=base_url, request=self._requests[0], get_updates_request=self._requests[1]
        )
        self.pace = PostRate(clock, sleep)
        self._made: OrderedDict[str, dict[bytes, int]] = OrderedDict()

    async def __aenter__(self) -> Self:
        for request in self._requests:
            await request.initialize()  # after an earlier close; it does not connect
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for request in self._requests:
            await request.shutdown()

    def lane(self, address: str) -> str:
        """The chat."""
        return address

    async def send(self, message: Rendered, envelope: Envelope) -> str | None:
        """Post one message to one chat; returns the number of its first post there. Raises Transient or
        Permanent, see `meaning_of`.
        """
        chat = envelope.address
        if not _CHAT.fullmatch(chat):
            raise Permanent("this is not a chat that Telegram knows", address_gone=True)
        made = self._made.setdefault(envelope.message_id, {})
        while len(self._made) > _REMEMBERED:
            self._made.popitem(last=False)
        posts = compose_posts(message.blocks, envelope.placeholders)
        for number, post in enumerate(posts, 1):
            digest = hashlib.sha256(post.encode()).digest()
            if digest not in made:
                buttons = message.buttons if number == len(posts) else ()
                made[digest] = await self._post(
                    chat,
                    post,
                    buttons,
                    message.state if number == 1 else "",
                    envelope.answered if number == 1 else "",
                )
        self._made.pop(envelope.message_id, None)
        return next((str(number) for number in made.values()), None)

    async def check(self, chats: Iterable[str] = ()) -> str:
        """Query the bot's name and whether it may post in the chats, without posting. Raises Transient or
        Permanent with the reason.
        """
        try:
            me = await self._bot.get_me()
            for chat in chats:
                reason = await find_obstacle(self._bot, chat, me.id)
                if reason is not None:
                    raise Permanent(
                        f"one of the configured chats: {redact_description(reason)}"
                        " (`monitor telegram test` says which)"
                    )
        except TelegramError as error:
            raise meaning_of(error, "") from None
        return f"Telegram answers as @{me.username}"

    async def _post(
        self,
        chat: str,
        post: str,
        buttons: Iterable[tuple[str, str]] = (),
        state: str = "",
        answered: str = "",
    ) -> int:
        await self.pace.turn(chat)
        try:
            posted = await self._bot.send_message(
                chat,
                post,
                parse_mode=ParseMode.HTML,
                link_preview_options=self._preview(state),
                reply_markup=_keyboard(buttons),
                reply_parameters=_reply_to(answered),
            )
        except TelegramError as error:
            raise meaning_of(error, chat) from None
        return posted.message_id

    def _preview(self, state: str) -> LinkPreviewOptions:
        """The picture over a post: the state's, if one is configured; Telegram fetches it by its address."""
        if self._picture is None or not state:
            return _NO_PREVIEW
        url = self._picture.replace("{state}", state)
        return LinkPreviewOptions(url=url, prefer_large_media=True, show_above_text=True)


def _keyboard(buttons: Iterable[tuple[str, str]]) -> InlineKeyboardMarkup | None:
    """Make one row for each button; None without any."""
    rows = [
        [
            InlineKeyboardButton(text, url=target)
            if target.startswith("https://")
            else InlineKeyboardButton(text, callback_data=target)
        ]
        for text, target in buttons
    ]
    return InlineKeyboardMarkup(rows) if rows else None


def _reply_to(answered: str) -> ReplyParameters | None:
    """Show a post as an answer to an earlier one, or by itself if that is gone."""
    if not answered.isdigit():
        return None
    return ReplyParameters(int(answered), allow_sending_without_reply=True)


async def find_obstacle(bot: Bot, chat: str, me: int) -> str | None:
    """Find why a bot may not post in a chat, and what to do; None if it may. Raises TelegramError if the API
    cannot be reached.

    Nothing is posted. In a group or a private chat the bot is shown as typing: only to a client that is about
    to write does the API report that a group has another id, or that a person has blocked the bot
    (`check_chat_access` in Telegram's telegram-bot-api).
    """
    try:
        known = await bot.get_chat(chat)
        if known.type == ChatType.CHANNEL:
            post = can_post(await bot.get_chat_member(known.id, me))
            return None if post else "make the bot an administrator there who may post messages"
        await bot.send_chat_action(known.id, ChatAction.TYPING)
        if known.type != ChatType.PRIVATE:
            return _mute(await bot.get_chat_member(known.id, me), known.permissions)
    except ChatMigrated as error:
        return f"the group became a supergroup: write {error.new_chat_id} instead"
    except Forbidden as error:
        return f"{redact_description(error.message)}: add the bot there"
    except BadRequest as error:
        if "not found" in error.message:
            return "Telegram shows no such chat to the bot: check the name, and add the bot there"
        if "admin" in error.message.lower():  # CHAT_ADMIN_REQUIRED
            return "make the bot an administrator there who may post messages"
        return redact_description(error.message)
    return None


def _mute(bot: ChatMember, everybody: ChatPermissions | None) -> str | None:
    """The same for a group, by the bot's membership and by what its members may do."""
    if bot.status in _OUTSIDE:
        return "add the bot to that group"
    if isinstance(bot, ChatMemberRestricted) and not bot.can_send_messages:
        return "the bot is restricted there: allow it to send messages"
    if isinstance(bot, ChatMemberMember) and everybody is not None and not everybody.can_send_messages:
        return "only administrators may write there: make the bot one"
    return None


def can_post(bot: ChatMember | None) -> bool:
    """Whether a bot with this membership may post in a channel; the API does not report this for a group."""
    return isinstance(bot, ChatMemberAdministrator) and bool(bot.can_post_messages)


def meaning_of(error: TelegramError, chat: str) -> SendError:
    """Convert an error of the Bot API into the error of the delivery. Its text holds neither chat nor
    token.
    """
    # BadRequest and TimedOut derive from NetworkError: the order of the cases matters
    match error:
        case RetryAfter():
            wait = error.retry_after
            wait = wait if isinstance(wait, timedelta) else timedelta(seconds=wait)
            return Transient(
                "Telegram asks to wait before the next post in this chat",
                retry_after=wait,
                lane=chat or EVERYTHING,
            )
        case ChatMigrated():
            return Permanent("the group became a supergroup with another id", moved_to=str(error.new_chat_id))
        case Forbidden():
            return Permanent(f"Telegram: {redact_description(error.message)}", address_gone=True)
        case InvalidToken():
            return Transient(
                "Telegram does not know the bot's token: give @BotFather's as [telegram] token",
                lane=EVERYTHING,
            )
        case UnreadableAnswer():
            return Transient(
                f"Telegram cannot be reached: something in between answers in its place: {_NETWORK}",
                lane=EVERYTHING,
            )
        case Conflict():
            return Transient(
                "another process uses this bot's token: stop it, or give it a bot of its own",
                lane=EVERYTHING,
            )
        case BadRequest():
            return Permanent(f"Telegram: {redact_description(error.message)}")
        case TimedOut() | NetworkError():
            after = type(error.__cause__).__name__ in _AFTER_WRITING
            if after:
                return Transient("Telegram took the post but gave no answer", ambiguous=True)
            if error.__cause__ is not None:
                return Transient(
                    f"Telegram cannot be reached: {_NETWORK}",
                    lane=EVERYTHING,
                )
            return Transient(f"Telegram failed: {redact_description(error.message)}")
    return Transient(f"Telegram: {redact_description(error.message)}")


def redact_description(description: str) -> str:
    """Remove what could be an address from a description by the API: names of chats and long numbers."""
    line = " ".join(description.split())
    return re.sub(r"@\w+|-?\d{5,}|https?://\S+", "[...]", line)[:200]


class _WarningsOnly(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING


_warnings_only = _WarningsOnly()


def quiet_libraries() -> None:
    """Keep the libraries from logging the token, a chat or a text, whatever level their loggers are
    set to.
    """
    for name in _TALKATIVE:
        logging.getLogger(name).addFilter(_warnings_only)
