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
STRIKES = 3
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
) -> datetime | None:
    """When to try again after ``failure``; None gives the message up.

    It is given up when `LIFETIME` is over, but not before every one of `WAITS` was used: what lay behind a
    fence or waited for a channel still gets its attempts. ``chance`` draws from [0, 1). Without
    ``resend_ambiguous`` a message that may have arrived is sent once more and no further.
    """
    if failure.ambiguous and before.ambiguous and not resend_ambiguous:
        return None
    longest = WAITS[min(before.made, len(WAITS) - 1)]
    wait = max(longest * chance(), _SHORTEST)
    if failure.retry_after is not None:
        wait = max(wait, failure.retry_after)
    if now + wait > before.created_at + LIFETIME and before.made >= len(WAITS):
        return None
    return now + wait


def lane_until(failure: Transient, now: datetime, *, whole_channel: bool = False) -> datetime:
    """Until when the lane of a failure pauses."""
    usual = CHANNEL_PAUSE if whole_channel else LANE_PAUSE
    return now + (usual if failure.retry_after is None else max(failure.retry_after, _SHORTEST))


def struck_out(strikes: int, first: datetime, now: datetime) -> bool:
    """Whether refusals are proof against an address: `STRIKES` of them, on at least two days (UTC)."""
    return strikes >= STRIKES and first.date() != now.date()
