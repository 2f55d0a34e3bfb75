"""When a message that was not accepted is tried again, and when it is given up. Pure: clock and chance are
arguments.

The waits are those of mail servers (RFC 5321, 4.5.4.1: give up after some days, not sooner), with full
jitter, so that what failed together does not come back together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.errors import Transient

WAITS = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=4),
)
"""The longest wait after each failure; the last one repeats."""
LIFETIME = timedelta(days=3)
LANE_PAUSE = timedelta(minutes=15)
"""How long a lane pauses when the other side named no time."""
CHANNEL_PAUSE = timedelta(minutes=1)
"""The same for a whole channel: its server is away or refuses us, and is asked again soon by the few messages
in hand.
"""
LONGEST_PAUSE = timedelta(minutes=15)
"""How long a channel pauses at most before one more message is tried, whose server refuses us as a whole."""
UNPROVEN_LIFE = timedelta(days=30)
"""How long a message lives at most that is refused for good by a server that takes nothing else either."""
REFUSED_WAIT = timedelta(hours=1)
"""The shortest wait after a refusal for good that nothing has confirmed yet."""
STRIKES = 3
STRIKES_WITHIN = timedelta(days=7)
"""No address is given up sooner than this after its first strike: until then a wave can be undone."""
POISON_TRIES = 8
"""After so many tries a message whose failures are ours or unexplained is given up."""
_SHORTEST = timedelta(seconds=1)  # jitter may come out as nothing, and an attempt never follows on itself


@dataclass(frozen=True, slots=True)
class Attempts:
    """What is known of one message before this failure: how often it was tried, and whether one attempt may
    have arrived.
    """

    created_at: datetime
    made: int = 0
    ambiguous: bool = False


def next_attempt(
    before: Attempts,
    failure: Transient,
    now: datetime,
    *,
    chance: Callable[[], float],
    resend_ambiguous: bool = True,
    paused: timedelta = timedelta(),
    alone: bool = True,
) -> datetime | None:
    """When to try again after ``failure``; None gives the message up.

    It is given up when `LIFETIME` is over, but not before every one of `WAITS` was used: what lay behind a
    fence or waited for a channel still gets its attempts. ``paused`` is how much of its time its lane or
    channel was paused: that does not count. What fails for no explained reason is given up after
    `POISON_TRIES`, if it is ``alone``: others were accepted meanwhile. ``chance`` draws from [0, 1). Without
    ``resend_ambiguous`` a message that may have arrived is sent once more and no further.
    """
    if failure.ambiguous and before.ambiguous and not resend_ambiguous:
        return None
    if failure.unexplained and alone and before.made + 1 >= POISON_TRIES:
        return None
    longest = WAITS[min(before.made, len(WAITS) - 1)]
    wait = max(longest * chance(), _SHORTEST)
    if failure.retry_after is not None:
        wait = max(wait, failure.retry_after)
    if now + wait > before.created_at + LIFETIME + paused and before.made >= len(WAITS):
        return None
    return now + wait


def lane_until(failure: Transient, now: datetime, *, whole_channel: bool = False) -> datetime:
    """Until when the lane of a failure pauses."""
    usual = CHANNEL_PAUSE if whole_channel else LANE_PAUSE
    return now + (usual if failure.retry_after is None else max(failure.retry_after, _SHORTEST))


def longer_pause(since: datetime, now: datetime, longest: timedelta = LONGEST_PAUSE) -> timedelta:
    """How long a channel pauses whose server has refused us since then: longer the longer that lasts."""
    return min(max((now - since) / 4, CHANNEL_PAUSE), longest)


def struck_out(strikes: int, first: datetime, now: datetime) -> bool:
    """Whether refusals are proof against an address: `STRIKES` of them, over at least `STRIKES_WITHIN`."""
    return strikes >= STRIKES and now - first >= STRIKES_WITHIN
