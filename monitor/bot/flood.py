"""Nobody keeps the bot busy for others: so many commands a minute from one chat are answered, the rest is passed over in silence."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

PER_MINUTE = 20
"""As many as the API lets a bot post in a group."""
_MINUTE = 60.0


class Flood:
    """``clock`` gives seconds and never goes back."""

    def __init__(self, clock: Callable[[], float], limit: int = PER_MINUTE) -> None:
        self._clock, self._limit = clock, limit
        self._chats: OrderedDict[int, deque[float]] = OrderedDict()

    def lets(self, chat: int) -> bool:
        """Whether one more command of this chat is answered now; counts it if so."""
        now = self._clock()
        while self._chats and next(iter(self._chats.values()))[-1] <= now - _MINUTE:
            self._chats.popitem(last=False)
        times = self._chats.setdefault(chat, deque(maxlen=self._limit))
        if len(times) == self._limit and times[0] > now - _MINUTE:
            return False
        times.append(now)
        self._chats.move_to_end(chat)
        return True
