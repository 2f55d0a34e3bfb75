"""Rate limits of a bot: about 30 posts/s in all, 1/s in a chat, 20/min in a group or channel (Telegram's bot
FAQ).
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable

OVERALL = 30
IN_GROUP = 20
MINUTE = 60.0


class PostRate:
    """Hands out turns. A turn is reserved when it is requested, so turns are granted in the order of
    requests.

    ``clock`` returns seconds and is monotonic; ``sleep`` waits for a number of seconds.
    """

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]]) -> None:
        self._clock, self._sleep = clock, sleep
        self._all: deque[float] = deque(maxlen=OVERALL)
        self._chats: OrderedDict[str, deque[float]] = OrderedDict()

    async def turn(self, chat: str) -> None:
        """Wait until a post in this chat may be made."""
        await self._until(self._in_chat(chat, self._clock()))
        # reserved only now: a chat that has to wait for a minute must not block a place in the common queue
        await self._until(self._overall(self._clock()))

    async def _until(self, at: float) -> None:
        wait = at - self._clock()
        if wait > 0:
            await self._sleep(wait)

    def _in_chat(self, chat: str, now: float) -> float:
        self._forget(now)
        turns = self._chats.setdefault(chat, deque(maxlen=IN_GROUP))
        at = max(now, turns[-1] + 1.0) if turns else now
        # a private chat's id is a positive number
        if not chat.isdigit() and len(turns) == IN_GROUP:
            at = max(at, turns[0] + MINUTE)
        turns.append(at)
        self._chats.move_to_end(chat)
        return at

    def _overall(self, now: float) -> float:
        at = max(now, self._all[0] + 1.0) if len(self._all) == OVERALL else now
        self._all.append(at)
        return at

    def _forget(self, now: float) -> None:
        """Drop chats whose last turn is more than a minute ago: they no longer limit anything."""
        while self._chats:
            chat, turns = next(iter(self._chats.items()))
            if turns[-1] > now - MINUTE:
                return
            del self._chats[chat]
