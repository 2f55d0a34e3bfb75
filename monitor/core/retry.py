"""Decides when a message that was not accepted is tried again, and when it is given up. Pure: clock and
random numbers are arguments.

The waits are those of mail servers (RFC 5321, 4.5.4.1: give up after some days, not sooner), with full
jitter, so that messages that failed together are not retried together.
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
"""The pause of a lane if the other side named no time."""
CHANNEL_PAUSE = timedelta(minutes=1)
"""The same for a whole channel: its server is unreachable or refuses us, and is tried again soon with the few
messages at hand.
"""
LONGEST_PAUSE = timedelta(minutes=15)
"""The longest pause of a channel whose server refuses us as a whole, before one more message is tried."""
UNPROVEN_LIFE = timedelta(days=30)
"""The longest lifetime of a message that is refused for good by a server that accepts nothing else either."""
REFUSED_WAIT = timedelta(hours=1)
"""The shortest wait after a permanent refusal that nothing has confirmed yet."""
STRIKES = 3
STRIKES_WITHIN = timedelta(days=7)
"""No address is suppressed sooner than this after its first strike: until then, a wave of false refusals can
be undone.
"""
POISON_TRIES = 8
"""A message whose failures are ours or unexplained is given up after this many tries."""
_SHORTEST = timedelta(seconds=1)  # jitter may be zero, but attempts must not follow at once


@dataclass(frozen=True, slots=True)
class Attempts:
    """The attempts of one message before this failure: how many, and whether one of them may have arrived."""

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
    """Compute when to try again after ``failure``; None means that the message is given up.

    It is given up when `LIFETIME` is over, but not before every one of `WAITS` was used: a message that
    waited behind a fence or for a channel still gets its attempts. ``paused`` is the time for which its lane
    or channel was paused, which does not count. A message that fails without a known reason is given up after
    `POISON_TRIES` if it is ``alone``, that is, others were accepted meanwhile. ``chance`` draws from [0, 1).
    Without ``resend_ambiguous`` a message that may have arrived is sent only once more.
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
    """Compute until when the lane of a failure pauses."""
    usual = CHANNEL_PAUSE if whole_channel else LANE_PAUSE
    return now + (usual if failure.retry_after is None else max(failure.retry_after, _SHORTEST))


def longer_pause(since: datetime, now: datetime, longest: timedelta = LONGEST_PAUSE) -> timedelta:
    """Compute the pause of a channel whose server has refused us since ``since``; it grows with that time."""
    return min(max((now - since) / 4, CHANNEL_PAUSE), longest)


def struck_out(strikes: int, first: datetime, now: datetime) -> bool:
    """Whether refusals are enough to suppress an address: `STRIKES` of them, over at least
    `STRIKES_WITHIN`.
    """
    return strikes >= STRIKES and now - first >= STRIKES_WITHIN
