"""The client of the Bot API: receives updates, posts answers within Telegram's limits, and queries chats.

No other module of the bot calls the API.
"""

from __future__ import annotations

import asyncio
import html
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from telegram import (
    Bot,
    BotCommand,
    ChatFullInfo,
    ChatMember,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InlineQueryResultArticle,
    InputTextMessageContent,
    LinkPreviewOptions,
    Update,
    WebhookInfo,
)
from telegram.constants import ParseMode, UpdateType
from telegram.error import BadRequest, Forbidden, TelegramError

from monitor.bot.inline_answers import InlineResult
from monitor.bot.replies import Reply
from monitor.channels.telegram.posts import LIMIT, length
from monitor.channels.telegram.rate import PostRate
from monitor.channels.telegram.transport import (
    CheckedRequest,
    find_obstacle,
    meaning_of,
    quiet_libraries,
    trusted_certificates,
)
from monitor.channels.telegram.update_shape import check_update
from monitor.errors import Permanent, Transient

log = logging.getLogger(__name__)

KINDS = [
    UpdateType.MESSAGE,
    UpdateType.CALLBACK_QUERY,
    UpdateType.MY_CHAT_MEMBER,
    UpdateType.INLINE_QUERY,
]
"""The kinds of updates that the bot requests."""

LONGEST_NOTICE = 200
"""Characters of the notice that answers a button (Bot API, answerCallbackQuery)."""

_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)
_TIMEOUT = 15.0  # s, for one request
_INLINE_CACHED = 300  # s that Telegram may cache an inline answer for everybody who sends the same text
_TRIES = 3
_SHORT = timedelta(seconds=5)  # the longest wait after a 429; beyond it the answer is dropped


class Api:
    """One bot.

    The token is appended to ``base_url``; ``pace`` is shared with everything that posts with the same token.
    """

    def __init__(
        self,
        token: str,
        *,
        base_url: str,
        pace: PostRate,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        connections: int = 8,
    ) -> None:
        quiet_libraries()
        self._requests = [_request(2), _request(connections)]
        self._bot = Bot(
            token, base_url=base_url, get_updates_request=self._requests[0], request=self._requests[1]
        )
        self._pace, self._sleep = pace, sleep
        self.id = 0
        self.username = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for request in self._requests:
            await request.shutdown()

    async def introduce(self) -> None:
        """Fetch the bot's id and name. Raises TelegramError, as do all methods that do not say otherwise."""
        me = await self._bot.get_me()
        self.id, self.username = me.id, me.username or ""

    async def updates(self, after: int | None, wait: int) -> tuple[Update, ...]:
        """Fetch unconfirmed updates, waiting up to ``wait`` seconds for one.

        ``after`` confirms all up to it.
        """
        offset = None if after is None else after + 1
        return await self._bot.get_updates(offset=offset, timeout=wait, allowed_updates=KINDS)

    async def confirm(self, after: int) -> None:
        """Confirm all updates up to ``after``. Updates in the answer stay unconfirmed for the next poll."""
        await self._bot.get_updates(offset=after + 1, limit=1, timeout=0, allowed_updates=KINDS)

    def read(self, body: bytes) -> Update | None:
        """Parse an update from a webhook request; None if it is not one or cannot be read."""
        try:
            content = json.loads(body)
            return Update.de_json(content, self._bot) if _readable(content) else None
        except (ValueError, RecursionError):
            return None

    async def listen_at(self, url: str, secret: str) -> None:
        """Set the webhook."""
        await self._bot.set_webhook(url, allowed_updates=KINDS, secret_token=secret)

    async def hook(self) -> WebhookInfo:
        """Fetch the webhook's address and its last delivery error."""
        return await self._bot.get_webhook_info()

    async def listen_by_polling(self) -> None:
        """Remove the webhook. Telegram keeps the updates until the next poll; none is lost."""
        await self._bot.delete_webhook()

    async def menu(self, commands: Mapping[str, str], language: str | None) -> None:
        """Set the command menu for a language; None sets the default."""
        await self._bot.set_my_commands(
            [BotCommand(name, what) for name, what in commands.items()], language_code=language
        )

    async def chat(self, chat: int | str) -> ChatFullInfo | None:
        """Fetch a chat by number or @name; None when the API does not show it."""
        try:
            return await self._bot.get_chat(chat)
        except (BadRequest, Forbidden):
            return None

    async def member(self, chat: int | str, user: int) -> ChatMember | None:
        """Fetch a user's membership in a chat; None if the API does not show it."""
        try:
            return await self._bot.get_chat_member(chat, user)
        except (BadRequest, Forbidden):
            return None

    async def obstacle(self, chat: str) -> str | None:
        """Fetch the reason why the bot may not post in a chat, with what to do; None if it may."""
        return await find_obstacle(self._bot, chat, self.id)

    async def post(self, chat: int | str, reply: Reply, *, thread: int | None = None) -> None:
        """Post a reply. Raises Transient or Permanent."""

        async def send() -> None:
            await self._bot.send_message(
                chat,
                _cut(reply.text),
                parse_mode=ParseMode.HTML,
                link_preview_options=_NO_PREVIEW,
                reply_markup=_keyboard(reply),
                message_thread_id=thread,
            )

        await self._at_pace(chat, send)

    async def edit(self, chat: int, message: int, reply: Reply) -> None:
        """Replace a reply that was posted before. Raises Transient or Permanent."""

        async def send() -> None:
            try:
                await self._bot.edit_message_text(
                    _cut(reply.text),
                    chat,
                    message,
                    parse_mode=ParseMode.HTML,
                    link_preview_options=_NO_PREVIEW,
                    reply_markup=_keyboard(reply),
                )
            except BadRequest as error:
                if "not modified" not in error.message:  # the text is the same: the update arrived twice
                    raise

        await self._at_pace(chat, send)

    async def notice(self, query: str, text: str = "") -> None:
        """Answer a press of a button, with a notice if there is ``text``.

        Queries that are too old are skipped.
        """
        shown = html.unescape(text)[:LONGEST_NOTICE]
        try:
            await self._bot.answer_callback_query(query, shown or None, show_alert=bool(shown) or None)
        except TelegramError as error:
            log.info("a button could not be answered: %s", meaning_of(error, ""))

    async def answer_inline(self, query: str, results: Iterable[InlineResult]) -> None:
        """Answer an inline query (the bot's name and a text, in any chat). Queries that are too old are
        skipped.
        """
        articles = [
            InlineQueryResultArticle(
                id=result.key,
                title=result.title,
                input_message_content=InputTextMessageContent(
                    _cut(result.text), parse_mode=ParseMode.HTML, link_preview_options=_NO_PREVIEW
                ),
            )
            for result in results
        ]
        try:
            await self._bot.answer_inline_query(query, articles, cache_time=_INLINE_CACHED)
        except TelegramError as error:
            log.info("an inline question could not be answered: %s", meaning_of(error, ""))

    async def _at_pace(self, chat: int | str, send: Callable[[], Awaitable[None]]) -> None:
        """Make a request that counts as a post.

        Retry it if it was certainly not carried out and the wait is short.
        """
        for tries in range(1, _TRIES + 1):
            await self._pace.turn(str(chat))
            try:
                await send()
                return
            except TelegramError as error:
                meaning = meaning_of(error, str(chat))
                wait = _wait(meaning, tries)
                if wait is None or tries == _TRIES:
                    raise meaning from None
                await self._sleep(wait)


def _wait(meaning: Transient | Permanent | Exception, tries: int) -> float | None:
    """Compute the seconds until a failed request is retried; None: it is not retried."""
    if not isinstance(meaning, Transient) or meaning.ambiguous:
        return None
    if meaning.retry_after is not None:
        return meaning.retry_after.total_seconds() if meaning.retry_after <= _SHORT else None
    return float(tries)


def _keyboard(reply: Reply) -> InlineKeyboardMarkup | None:
    if not reply.buttons:
        return None
    return InlineKeyboardMarkup(
        [
            [
                InlineKeyboardButton(
                    html.unescape(button.text), url=button.url or None, callback_data=button.command or None
                )
                for button in row
            ]
            for row in reply.buttons
        ]
    )


def _cut(text: str) -> str:
    """Cut whole lines off the end of a reply that is too long: no tag spans lines."""
    lines = text.split("\n")
    while length(text) > LIMIT and len(lines) > 1:
        lines.pop()
        text = "\n".join([*lines, "…"])
    return text


class _Request(CheckedRequest):
    """Requests whose answers are parsed update by update.

    The library parses all updates of a response or none. Here, an update that cannot be parsed becomes an
    empty one and is skipped.
    """

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(payload)
        result = content.get("result")
        if isinstance(result, list):
            content["result"] = [
                {"update_id": each["update_id"]} if _is_update(each) and not _readable(each) else each
                for each in result
            ]
        return content


def _request(connections: int) -> _Request:
    return _Request(
        connection_pool_size=connections,
        read_timeout=_TIMEOUT,
        write_timeout=_TIMEOUT,
        connect_timeout=_TIMEOUT,
        pool_timeout=_TIMEOUT,
        httpx_kwargs={"verify": trusted_certificates()},
    )


def _is_update(result: Any) -> bool:
    return isinstance(result, dict) and "update_id" in result


def _readable(update: Any) -> bool:
    if check_update(update) is None:
        return False
    try:
        return _is_update(update) and Update.de_json(update, None).update_id >= 0
    except Exception:
        log.warning("an update of the API cannot be read by this version of the library and is passed over")
        return False
