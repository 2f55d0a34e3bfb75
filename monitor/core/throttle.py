"""Limits the commands per minute of one person in one chat, so that nobody can keep the bot from serving
others.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from enum import Enum, auto

PER_MINUTE = 20
"""The number of posts per minute that the Telegram Bot API allows a bot in a group."""
_MINUTE = 60.0


class Admission(Enum):
    """ALLOWED: run the command. REJECTED_WITH_REPLY: reject it and say so, once a minute. REJECTED: without a
    reply.
    """

    ALLOWED = auto()
    REJECTED_WITH_REPLY = auto()
    REJECTED = auto()


class Throttle:
    """A sliding window of one minute per (chat, person). ``clock`` returns seconds and is monotonic."""

    def __init__(self, clock: Callable[[], float], limit: int = PER_MINUTE) -> None:
        self._clock, self._limit = clock, limit
        self._times: OrderedDict[Hashable, deque[float]] = OrderedDict()

    def admit(self, who: Hashable) -> Admission:
        """Count one more command and decide whether it runs."""
        now = self._clock()
        while self._times and next(iter(self._times.values()))[-1] <= now - _MINUTE:
            self._times.popitem(last=False)
        times = self._times.setdefault(who, deque(maxlen=self._limit + 1))
        full = len(times) == self._limit + 1
        if full and times[0] > now - _MINUTE:
            return Admission.REJECTED
        # The first command above the limit is counted too: it is the one that gets an answer.
        above = len(times) >= self._limit and times[-self._limit] > now - _MINUTE
        times.append(now)
        self._times.move_to_end(who)
        return Admission.REJECTED_WITH_REPLY if above else Admission.ALLOWED
