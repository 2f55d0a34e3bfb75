"""Nobody keeps the bot busy for others: so many commands a minute of one person are done, and what comes on top is passed over."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from enum import Enum, auto

PER_MINUTE = 20
"""As many as the API lets a bot post in a group."""
_MINUTE = 60.0


class Lets(Enum):
    """YES: the command is done. ENOUGH: it is not, and this is said once. NO: nothing more is said in this minute."""

    YES = auto()
    ENOUGH = auto()
    NO = auto()


class Flood:
    """``clock`` gives seconds and never goes back. Who a command comes from is one person in one chat: nobody's flood silences another."""

    def __init__(self, clock: Callable[[], float], limit: int = PER_MINUTE) -> None:
        self._clock, self._limit = clock, limit
        self._times: OrderedDict[Hashable, deque[float]] = OrderedDict()

    def lets(self, who: Hashable) -> Lets:
        """Whether one more command is done now; counts it."""
        now = self._clock()
        while self._times and next(iter(self._times.values()))[-1] <= now - _MINUTE:
            self._times.popitem(last=False)
        times = self._times.setdefault(who, deque(maxlen=self._limit + 1))
        full = len(times) == self._limit + 1
        if full and times[0] > now - _MINUTE:
            return Lets.NO
        # one above the limit is counted as well: it is the one that is told
        above = len(times) >= self._limit and times[-self._limit] > now - _MINUTE
        times.append(now)
        self._times.move_to_end(who)
        return Lets.ENOUGH if above else Lets.YES
