"""The bot's loop: receives updates, handles each exactly once, and answers them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Coroutine, Hashable, Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Any
from weakref import WeakValueDictionary

from telegram import Update
from telegram.error import Conflict, TelegramError

from monitor.bot.api import Api
from monitor.bot.backoff import BotHealth
from monitor.bot.chats import Chats
from monitor.bot.commands import Commands
from monitor.bot.context import BotContext, Timing, Webhook
from monitor.bot.inline_answers import find_results
from monitor.bot.replies import COMMANDS, ENOUGH, SORRY, STALE, Reply, Translator
from monitor.bot.updates import (
    BotRemoved,
    Command,
    GroupMigrated,
    InlineQuestion,
    StaleButton,
    read_update,
)
from monitor.channels.telegram.rate import PostRate
from monitor.channels.telegram.transport import meaning_of, redact_description
from monitor.core.throttle import Admission, Throttle
from monitor.errors import KeyFileError, Permanent, SendError, StoreError, Transient, location_of
from monitor.messages import locale
from monitor.storage import database_facts
from monitor.storage import engine as db
from monitor.storage.people import bot_updates

log = logging.getLogger(__name__)

TURN = "telegram updates"
"""The name of the lock (`db.exclusive_turn`) that lets one process receive updates, however many run."""

_REMEMBERED = 10_000  # the number of handled updates to remember, so that a repeated one is skipped
_STORED_AT_ONCE = 100  # webhook updates that are read from the database in one batch
_LATELY = timedelta(minutes=2)  # Telegram reports a webhook failure for this long after its end
_CONFIRMING = 5.0  # s, for the last confirmation when the bot stops


class Bot:
    """The bot of one token.

    ``webhook`` None: the bot polls. ``blocked`` returns the reason why it must not answer now (the clone
    guard), or None. ``pace`` is shared with this process's Telegram channel, whose posts count toward the
    same limits. ``owner`` names this process in its heartbeats.
    """

    def __init__(
        self,
        token: str,
        context: BotContext,
        *,
        base_url: str = "https://api.telegram.org/bot",
        webhook: Webhook | None = None,
        pace: PostRate | None = None,
        blocked: Callable[[], str | None] = lambda: None,
        owner: str = "",
        timing: Timing = Timing(),  # noqa: B008 - frozen
        seconds: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._engine, self._keys, self._clock = context.engine, context.keys, context.clock
        self._context = context
        self._api = Api(token, base_url=base_url, pace=pace or PostRate(seconds, sleep), sleep=sleep)
        self._chats = Chats(context)
        self._commands = Commands(context, self._chats, self._api)
        self._webhook, self._blocked, self._timing = webhook, blocked, timing
        self._throttle = Throttle(seconds)
        self._seen_updates: OrderedDict[int, None] = OrderedDict()
        self._locks: WeakValueDictionary[tuple[str, Hashable], asyncio.Lock] = WeakValueDictionary()
        # answers in progress
        self._busy: set[asyncio.Future[Any]] = set()
        self._health = BotHealth(context.engine, context.clock, owner, timing)

    async def serve(self, stop: asyncio.Event) -> None:
        """Run until ``stop`` is set.

        Failures are logged and retried; only a cancellation is raised.
        """
        async with self._api:
            try:
                while not stop.is_set():
                    await _until(stop, await self._round(stop))
            finally:
                if self._busy:
                    await asyncio.wait(self._busy, timeout=self._timing.answer)

    async def _round(self, stop: asyncio.Event) -> float:
        """Receive updates until ``stop`` or a failure; returns the seconds until the next round."""
        try:
            reason = await asyncio.to_thread(self._blocked)
            if reason is not None:
                await self._health.report_problem(reason)
            else:
                await self._work_in_turn(stop)
        except TelegramError as error:
            return await self._health.note_failure(error)
        except StoreError as error:
            await self._health.report_problem(str(error))
            return self._health.pause()
        except Exception as error:
            log.error("the bot failed: %s", location_of(error))
            return self._timing.longest_pause
        return self._timing.standby

    async def _serve_webhook(self, webhook: Webhook, stop: asyncio.Event) -> None:
        """Set the webhook, then check it and answer what it has received, until ``stop``."""
        await self._introduce()
        await self._show_menu()
        await self._api.listen_at(webhook.url, webhook.secret)
        looked_at: float | None = None
        while not stop.is_set():
            now = time.monotonic()
            if looked_at is None or now - looked_at >= self._timing.beat:
                reason = await self._read_webhook_problem(webhook)
                if reason is not None:
                    await self._health.report_problem(reason)
                elif looked_at is not None or not self._health.has_rival:
                    await self._health.report_working("the bot receives updates by its webhook")
                looked_at = now
            try:
                await self._process_stored()
            except StoreError as error:  # they stay in the database
                await self._health.report_problem(str(error))
                await _until(stop, self._health.pause())
            await _until(stop, self._timing.look)

    async def _process_stored(self) -> None:
        """Answer the updates that the site has stored, and delete them. Raises StoreError."""
        while stored := await asyncio.to_thread(self._load_stored):
            await self._process(update for _, body in stored if body and (update := self._api.read(body)))
            await asyncio.to_thread(self._delete_stored, [number for number, _ in stored])

    def _load_stored(self) -> list[tuple[int, bytes | None]]:
        """Load the oldest updates with their bodies; None for a body that no current key decrypts."""
        with db.reading(self._engine) as conn:
            stored = bot_updates.load_oldest(conn, _STORED_AT_ONCE)
        loaded: list[tuple[int, bytes | None]] = []
        for each in stored:
            try:
                loaded.append((each.update_id, self._keys.open(bot_updates.SEALED_AS, each.sealed).encode()))
            except KeyFileError:
                log.error("an update was dropped: it was sealed with another key")
                loaded.append((each.update_id, None))
        return loaded

    def _delete_stored(self, numbers: Collection[int]) -> None:
        with db.transaction(self._engine) as conn:
            bot_updates.delete(conn, numbers)

    async def _read_webhook_problem(self, webhook: Webhook) -> str | None:
        """Ask Telegram why its updates do not arrive; None if they do.

        Raises Conflict when the webhook was changed.
        """
        hook = await self._api.hook()
        if hook.url != webhook.url:
            raise Conflict("the webhook was changed")
        failed_at = hook.last_error_date
        lately = failed_at is not None and self._clock() - failed_at < _LATELY
        if not (lately and hook.pending_update_count):
            return None
        reason = redact_description(hook.last_error_message or "no reason given")
        return f"Telegram cannot deliver to the webhook: {reason}"

    async def _work_in_turn(self, stop: asyncio.Event) -> None:
        """Receive updates until ``stop`` if this process gets the lock; return at once if another process has
        it.
        """
        turn = db.exclusive_turn(self._engine, TURN)
        mine = await asyncio.to_thread(turn.__enter__)
        try:
            if mine and self._webhook is not None:
                await self._serve_webhook(self._webhook, stop)
            elif mine:
                await self._poll(stop)
        finally:
            # Shielded: a canceled bot must not return a connection that holds the lock to the pool.
            await asyncio.shield(asyncio.to_thread(turn.__exit__, None, None, None))

    async def _poll(self, stop: asyncio.Event) -> None:
        """Request updates until ``stop``.

        Each request confirms the updates before it, after all of them were handled.
        """
        await self._introduce()
        await self._api.listen_by_polling()
        await self._show_menu()
        handled: int | None = None
        wait = 0  # the first request shows whether the API answers at all
        try:
            while not stop.is_set():
                updates = await _unless(stop, self._api.updates(handled, wait))
                if updates is None:
                    return
                # A second process lets a short request through and ends a long one, so only a long one proves
                # that there is no second process.
                if wait or not self._health.has_rival:
                    await self._health.report_working("the bot polls for updates")
                wait = self._timing.poll
                # This response confirmed the earlier updates, and numbers may restart after a week without
                # updates.
                handled = None
                if updates:
                    await self._process(updates)
                    handled = updates[-1].update_id
        finally:
            if handled is not None:
                with suppress(TelegramError, TimeoutError):
                    async with asyncio.timeout(_CONFIRMING):
                        await self._api.confirm(handled)

    async def _process(self, updates: Iterable[Update]) -> None:
        """Handle updates: those of one chat in order, chats in parallel. Raises StoreError when some must be
        delivered again.

        Answers wait for their turn to be posted; many answers in one chat delay other chats only briefly.
        """
        deadline = asyncio.get_running_loop().time() + self._timing.answer
        by_chat: dict[Hashable, list[Update]] = {}
        for update in updates:
            if update.update_id not in self._seen_updates:
                by_chat.setdefault(_find_origin(update), []).append(update)
        answers: list[asyncio.Task[None]] = []
        results = await asyncio.gather(
            *(self._process_chat(chat, theirs, deadline, answers) for chat, theirs in by_chat.items()),
            return_exceptions=True,
        )
        if answers:
            await self._wait_for(answers)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _wait_for(self, answers: Collection[asyncio.Task[None]]) -> None:
        """Wait briefly until these answers are posted: other chats must not wait for one chat's turns."""
        await asyncio.wait(answers, timeout=self._timing.patience)

    async def _process_chat(
        self, chat: Hashable, updates: Iterable[Update], deadline: float, answers: list[asyncio.Task[None]]
    ) -> None:
        async with self._lock("work", chat):
            for update in updates:
                if update.update_id in self._seen_updates:
                    continue
                try:
                    answers += [self._begin(answer) for answer in await self._handle(update, deadline)]
                except StoreError:
                    # nothing was changed, and the next update would fail too: the API delivers it again
                    raise
                except Exception as error:
                    log.error("an update was dropped: %s", location_of(error))
                self._seen_updates[update.update_id] = None
                while len(self._seen_updates) > _REMEMBERED:
                    self._seen_updates.popitem(last=False)

    async def _handle(self, update: Update, deadline: float) -> list[Coroutine[None, None, None]]:
        """Handle an update; returns the answers that are still to be posted."""
        match read_update(update, self._api.username):
            case GroupMigrated(chat, to):
                await asyncio.to_thread(self._chats.migrate, chat, to)
            case BotRemoved(chat, name):
                await asyncio.to_thread(self._chats.note_removal, chat, name)
            case StaleButton(query, language):
                return [self._api.notice(query, Translator(language)(STALE))]
            case InlineQuestion() as question:
                # Telegram sends a query after each letter; above the limit they get no answer
                if self._throttle.admit((0, question.user)) is Admission.ALLOWED:
                    return [self._answer_inline(question, deadline)]
            case Command() as command:
                reply = await self._reply(command)
                if reply is None:
                    return []
                if command.query is None:
                    return [self._answer(command, reply, deadline)]
                if reply.refusal:
                    return [self._api.notice(command.query, reply.text)]
                return [self._api.notice(command.query), self._answer(command, reply, deadline)]
        return []

    async def _answer_inline(self, question: InlineQuestion, deadline: float) -> None:
        """Answer with the places that the text means. A failed answer is dropped: the next letter sends a new
        query.
        """
        translate = Translator(question.language)
        try:
            async with asyncio.timeout_at(deadline):
                results = await asyncio.to_thread(find_results, question.text, self._context, translate)
                await self._api.answer_inline(question.query, results)
        except TimeoutError:
            log.info("an inline question was dropped: it is too late")
        except Exception as error:
            log.error("an inline question was dropped: %s", location_of(error))

    async def _reply(self, command: Command) -> Reply | None:
        """Run a command and return its reply; None: no answer."""
        admission = self._throttle.admit((command.chat, command.user))
        if admission is not Admission.ALLOWED:
            # Each press of a button needs an answer; a message gets one only once.
            told = admission is Admission.REJECTED_WITH_REPLY or command.query is not None
            return Translator(command.language).refusal(ENOUGH) if told else None
        try:
            return await self._commands.reply(command)
        except StoreError:
            raise
        except Exception as error:
            log.error("a command failed: %s", location_of(error))
            return Translator(command.language).refusal(SORRY)

    def _begin(self, answer: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(answer)
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)
        return task

    async def _answer(self, command: Command, reply: Reply, deadline: float) -> None:
        """Post a reply in its chat, in order.

        A reply that cannot be posted is dropped; the command's changes stay.
        """
        try:
            async with asyncio.timeout_at(deadline), self._lock("answers", command.chat):
                await self._post_when_allowed(command, reply)
        except TimeoutError:
            log.info("an answer was dropped: it is too late")
        except Exception as error:
            log.error("an answer was dropped: %s", location_of(error))

    async def _post_when_allowed(self, command: Command, reply: Reply) -> None:
        if await asyncio.to_thread(self._chats.pauses, command.chat):
            log.info("an answer was dropped: its chat is paused")
            return
        try:
            await self._post(command, reply)
        except SendError as failure:
            log.info("an answer could not be posted: %s", failure)
            if isinstance(failure, Transient) and failure.retry_after is not None:
                until = self._clock() + failure.retry_after
                await asyncio.to_thread(self._chats.pause, command.chat, until, str(failure))

    def _lock(self, what: str, chat: Hashable) -> asyncio.Lock:
        return self._locks.setdefault((what, chat), asyncio.Lock())

    async def _post(self, command: Command, reply: Reply) -> None:
        try:
            if command.message is not None:
                try:
                    await self._api.edit(command.chat, command.message, reply)
                except Permanent as failure:
                    if failure.moved_to is not None or failure.address_gone:
                        raise
                    # the message was deleted or is too old to be changed
                    await self._api.post(command.chat, reply, thread=command.thread)
            else:
                await self._api.post(command.chat, reply, thread=command.thread)
        except Permanent as failure:
            if failure.moved_to is None:
                raise
            to = int(failure.moved_to)
            await asyncio.to_thread(self._chats.migrate, command.chat, to)
            await self._api.post(to, reply)

    async def _introduce(self) -> None:
        await self._api.introduce()

        def keep() -> None:
            with db.transaction(self._engine) as conn:
                database_facts.put(conn, database_facts.BOT_USERNAME, self._api.username)

        await asyncio.to_thread(keep)

    async def _show_menu(self) -> None:
        """Set the command menu for each language; the bot also works without it."""
        try:
            for language in locale.LANGUAGES:
                translate = Translator(language)
                menu = {name: str(translate(what)) for name, what in COMMANDS.items()}
                await self._api.menu(menu, None if language == locale.DEFAULT else language)
        except TelegramError as error:
            log.warning("the menu of commands could not be set: %s", meaning_of(error, ""))


async def _until(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


async def _unless(stop: asyncio.Event, question: Awaitable[tuple[Update, ...]]) -> tuple[Update, ...] | None:
    """Await the request; None when ``stop`` comes first. Unconfirmed updates stay with Telegram."""
    asking, stopping = asyncio.ensure_future(question), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([asking, stopping], return_when=asyncio.FIRST_COMPLETED)
        return asking.result() if asking.done() else None
    finally:
        for task in (asking, stopping):
            task.cancel()
        await asyncio.gather(asking, stopping, return_exceptions=True)


def _find_origin(update: Update) -> Hashable:
    """Find the chat, or for an inline query the person, whose updates are handled in order."""
    chat, user = update.effective_chat, update.effective_user
    return chat.id if chat else ("inline", user.id if user else 0)
