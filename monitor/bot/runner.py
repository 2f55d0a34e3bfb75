"""The bot at work: it takes updates, each once and never without the others, and answers them."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from telegram import Update
from telegram.error import Conflict, TelegramError

from monitor.bot.api import Api
from monitor.bot.chats import Chats
from monitor.bot.commands import Conversation
from monitor.bot.context import BotContext, Timing, Webhook
from monitor.bot.health import Condition
from monitor.bot.text import COMMANDS, ENOUGH, SORRY, STALE, Reply, Says
from monitor.bot.throttle import Flood, Lets
from monitor.bot.updates import Command, Gone, Moved, Stale, read
from monitor.channels.rate import Pace
from monitor.channels.telegram import meaning_of, words
from monitor.errors import Permanent, SendError, StoreError, Transient
from monitor.messages import locale
from monitor.storage import engine as db
from monitor.storage import facts

log = logging.getLogger(__name__)

TURN = "telegram updates"
"""What `db.turn` is asked for: one process polls, whatever their number."""

_REMEMBERED = 10_000  # updates that were taken, so that one that comes again is passed over
_LATELY = timedelta(minutes=2)  # Telegram remembers a failure of the webhook also when it is over
_CONFIRMING = 5.0  # s, for the last word to the API at a stop


class Bot:
    """The bot of one token.

    ``webhook`` None: it polls. ``blocked`` gives the reason why it must not speak now (the fence), or None. ``pace`` is the one of the
    Telegram channel of this process, whose posts count to the same limits. ``owner`` names this process in the signs of life that it
    gives while it hears of updates.
    """

    def __init__(
        self,
        token: str,
        parts: BotContext,
        *,
        base_url: str = "https://api.telegram.org/bot",
        webhook: Webhook | None = None,
        pace: Pace | None = None,
        blocked: Callable[[], str | None] = lambda: None,
        owner: str = "",
        timing: Timing = Timing(),  # noqa: B008 - frozen
        seconds: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._engine, self._clock = parts.engine, parts.clock
        self._api = Api(token, base_url=base_url, pace=pace or Pace(seconds, sleep), sleep=sleep)
        self._chats = Chats(parts)
        self._conversation = Conversation(parts, self._chats, self._api)
        self._webhook, self._blocked, self._timing = webhook, blocked, timing
        self._flood = Flood(seconds)
        self._taken: OrderedDict[int, None] = OrderedDict()
        self._locks: WeakValueDictionary[tuple[str, int], asyncio.Lock] = WeakValueDictionary()
        # answers that are not given yet, and updates of the webhook
        self._busy: set[asyncio.Future[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._condition = Condition(parts.engine, parts.clock, owner, timing)

    async def serve(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set. What fails on the way is logged and tried again; nothing is raised but a cancellation."""
        async with self._api:
            try:
                while not stop.is_set():
                    await _until(stop, await self._round(stop))
            finally:
                if self._busy:
                    await asyncio.wait(self._busy, timeout=self._timing.answer)

    async def _round(self, stop: asyncio.Event) -> float:
        """Hear of updates until ``stop`` or a failure; returns the seconds until the next round."""
        try:
            reason = await asyncio.to_thread(self._blocked)
            if reason is not None:
                await self._condition.complain(reason)
            elif self._webhook is not None:
                await self._hear(self._webhook, stop)
            else:
                await self._poll_in_turn(stop)
        except TelegramError as error:
            return await self._condition.failed(error)
        except StoreError as error:
            await self._condition.complain(str(error))
            return self._condition.pause()
        except Exception as error:
            log.error("the bot stumbled: %s", _where(error))
            return self._timing.longest_pause
        finally:
            self._loop = None
        return self._timing.standby

    async def handle_update(self, body: bytes, secret: str | None) -> int:
        """Take the body of one request to the webhook, from any thread's loop; returns the HTTP status to answer.

        ``secret`` is the header X-Telegram-Bot-Api-Secret-Token. 200: it was handled, or never can be. 403: not Telegram's.
        404: no webhook is configured. 503: not now, Telegram sends it again.
        """
        if self._webhook is None:
            return 404
        if not hmac.compare_digest((secret or "").encode(), self._webhook.secret.encode()):
            return 403
        loop = self._loop
        if loop is None:
            return 503
        if loop is asyncio.get_running_loop():
            return await self._from_webhook(body)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._from_webhook(body), loop))

    async def _from_webhook(self, body: bytes) -> int:
        update = self._api.read(body)
        if update is None:
            return 200  # asking for it again would not make it readable
        taking = asyncio.ensure_future(self._take([update]))
        self._busy.add(taking)
        taking.add_done_callback(self._busy.discard)
        try:
            await taking
        except StoreError as error:
            await self._condition.complain(str(error))
            return 503
        return 200

    async def _hear(self, webhook: Webhook, stop: asyncio.Event) -> None:
        """Be told of updates by `handle_update` until ``stop``, and see to it that they are sent there."""
        await self._introduce()
        await self._show_menu()
        self._loop = asyncio.get_running_loop()
        await self._api.listen_at(webhook.url, webhook.secret)
        looked = False
        while not stop.is_set():
            reason = await self._unheard(webhook)
            if reason is not None:
                await self._condition.complain(reason)
            elif looked or not self._condition.contested:
                await self._condition.well("the bot is told of updates by its webhook")
            looked = True
            await _until(stop, self._timing.beat)

    async def _unheard(self, webhook: Webhook) -> str | None:
        """Why Telegram's updates do not arrive; None when they do. Raises Conflict when somebody else has turned them away."""
        hook = await self._api.hook()
        if hook.url != webhook.url:
            raise Conflict("the webhook was changed")
        failed_at = hook.last_error_date
        lately = failed_at is not None and self._clock() - failed_at < _LATELY
        if not (lately and hook.pending_update_count):
            return None
        reason = words(hook.last_error_message or "no reason given")
        return f"Telegram cannot deliver to the webhook: {reason}"

    async def _poll_in_turn(self, stop: asyncio.Event) -> None:
        """Poll until ``stop`` while this process has the turn; do nothing when another has it."""
        turn = db.turn(self._engine, TURN)
        mine = await asyncio.to_thread(turn.__enter__)
        try:
            if mine:
                await self._poll(stop)
        finally:
            # shielded: a cancelled bot must not leave the lock to a connection that goes back to the pool
            await asyncio.shield(asyncio.to_thread(turn.__exit__, None, None, None))

    async def _poll(self, stop: asyncio.Event) -> None:
        """Ask for updates until ``stop``. They are confirmed with the next question, which is asked when all of them are handled."""
        await self._introduce()
        await self._api.listen_by_polling()
        await self._show_menu()
        handled: int | None = None
        wait = 0  # the first question shows whether questions are answered at all
        try:
            while not stop.is_set():
                updates = await _unless(stop, self._api.updates(handled, wait))
                if updates is None:
                    return
                # another process that polls lets a short question through and ends a long one: against it only that one counts
                if wait or not self._condition.contested:
                    await self._condition.well("the bot polls for updates")
                wait = self._timing.poll
                # an answer confirms what came before it; and numbers may begin anew after a quiet week
                handled = None
                if updates:
                    await self._take(updates)
                    handled = updates[-1].update_id
        finally:
            if handled is not None:
                with suppress(TelegramError, TimeoutError):
                    async with asyncio.timeout(_CONFIRMING):
                        await self._api.confirm(handled)

    async def _take(self, updates: Iterable[Update]) -> None:
        """Handle updates: those of one chat in their order, chats beside each other. Raises StoreError when some must come again.

        Answers wait for their place among the posts; one chat's long line of them holds up the others only for a moment.
        """
        deadline = asyncio.get_running_loop().time() + self._timing.answer
        by_chat: dict[int, list[Update]] = {}
        for update in updates:
            if update.update_id not in self._taken:
                chat = update.effective_chat
                by_chat.setdefault(chat.id if chat else 0, []).append(update)
        answers: list[asyncio.Task[None]] = []
        results = await asyncio.gather(
            *(self._take_of(chat, theirs, deadline, answers) for chat, theirs in by_chat.items()),
            return_exceptions=True,
        )
        if answers:
            await asyncio.wait(answers, timeout=self._timing.patience)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _take_of(
        self, chat: int, updates: Iterable[Update], deadline: float, answers: list[asyncio.Task[None]]
    ) -> None:
        async with self._lock("work", chat):
            for update in updates:
                if update.update_id in self._taken:
                    continue
                try:
                    answers += [self._begin(answer) for answer in await self._handle(update, deadline)]
                except StoreError:
                    raise  # nothing was changed, and the others will meet the same: it comes again
                except Exception as error:
                    log.error("an update was given up: %s", _where(error))
                self._taken[update.update_id] = None
                while len(self._taken) > _REMEMBERED:
                    self._taken.popitem(last=False)

    async def _handle(self, update: Update, deadline: float) -> list[Coroutine[None, None, None]]:
        """Do what an update asks for; returns what is left: to answer it."""
        match read(update, self._api.username):
            case Moved(chat, to):
                await asyncio.to_thread(self._chats.move, chat, to)
            case Gone(chat, name):
                await asyncio.to_thread(self._chats.gone, chat, name)
            case Stale(query, language):
                return [self._api.notice(query, Says(language)(STALE))]
            case Command() as asked:
                reply = await self._reply(asked)
                if reply is None:
                    return []
                if asked.query is None:
                    return [self._answer(asked, reply, deadline)]
                if reply.refusal:
                    return [self._api.notice(asked.query, reply.text)]
                return [self._api.notice(asked.query), self._answer(asked, reply, deadline)]
        return []

    async def _reply(self, asked: Command) -> Reply | None:
        """What to say to a command that is done now; None: nothing any more."""
        lets = self._flood.lets((asked.chat, asked.user))
        if lets is not Lets.YES:
            # a button waits for an answer each time, a message is told once
            told = lets is Lets.ENOUGH or asked.query is not None
            return Says(asked.language).refusal(ENOUGH) if told else None
        try:
            return await self._conversation.reply(asked)
        except StoreError:
            raise
        except Exception as error:
            log.error("an update was given up: %s", _where(error))
            return Says(asked.language).refusal(SORRY)

    def _begin(self, answer: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(answer)
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)
        return task

    async def _answer(self, asked: Command, reply: Reply, deadline: float) -> None:
        """Say it where it was asked, in its turn among the answers there. One that cannot be given is left out: what was asked for is
        done all the same."""
        try:
            async with asyncio.timeout_at(deadline), self._lock("answers", asked.chat):
                await self._say(asked, reply)
        except TimeoutError:
            log.info("an answer was left out: it would have come too late")
        except Exception as error:
            log.error("an answer was given up: %s", _where(error))

    async def _say(self, asked: Command, reply: Reply) -> None:
        if await asyncio.to_thread(self._chats.pauses, asked.chat):
            log.info("an answer was left out: its chat pauses")
            return
        try:
            await self._post(asked, reply)
        except SendError as failure:
            log.info("an answer could not be given: %s", failure)
            if isinstance(failure, Transient) and failure.retry_after is not None:
                until = self._clock() + failure.retry_after
                await asyncio.to_thread(self._chats.pause, asked.chat, until, str(failure))

    def _lock(self, what: str, chat: int) -> asyncio.Lock:
        return self._locks.setdefault((what, chat), asyncio.Lock())

    async def _post(self, asked: Command, reply: Reply) -> None:
        try:
            if asked.message is not None:
                try:
                    await self._api.edit(asked.chat, asked.message, reply)
                except Permanent as failure:
                    if failure.moved_to is not None or failure.address_gone:
                        raise
                    # the message was deleted or is too old to be changed
                    await self._api.post(asked.chat, reply, thread=asked.thread)
            else:
                await self._api.post(asked.chat, reply, thread=asked.thread)
        except Permanent as failure:
            if failure.moved_to is None:
                raise
            to = int(failure.moved_to)
            await asyncio.to_thread(self._chats.move, asked.chat, to)
            await self._api.post(to, reply)

    async def _introduce(self) -> None:
        await self._api.introduce()

        def keep() -> None:
            with db.transaction(self._engine) as conn:
                facts.put(conn, facts.BOT_USERNAME, self._api.username)

        await asyncio.to_thread(keep)

    async def _show_menu(self) -> None:
        """The commands by language; a bot without its menu works as well."""
        try:
            for language in locale.LANGUAGES:
                says = Says(language)
                menu = {name: str(says(what)) for name, what in COMMANDS.items()}
                await self._api.menu(menu, None if language == locale.DEFAULT else language)
        except TelegramError as error:
            log.warning("the menu of commands could not be set: %s", meaning_of(error, ""))


async def _until(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


async def _unless(stop: asyncio.Event, question: Awaitable[tuple[Update, ...]]) -> tuple[Update, ...] | None:
    """The answer; None when ``stop`` comes first: what was not confirmed stays with Telegram."""
    asking, stopping = asyncio.ensure_future(question), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([asking, stopping], return_when=asyncio.FIRST_COMPLETED)
        return asking.result() if asking.done() else None
    finally:
        for task in (asking, stopping):
            task.cancel()
        await asyncio.gather(asking, stopping, return_exceptions=True)


def _where(error: BaseException) -> str:
    """The kind of an error and where it was raised; its text may hold what must not be logged."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    at = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    return f"{type(error).__name__}{at}"
