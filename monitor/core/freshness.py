"""Freshness: whether a source is seen now, and if not, since when. The one rule for status, pages, mails, bot
and notices.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

LATE_AFTER_POLLS = 1.5
"""A source is late after this many polling intervals without a good check; includes jitter."""
BLIND_AFTER_POLLS = 3
"""A source is blind after this many polling intervals without a good check; one lost poll is normal on the
web.
"""


class Sight(StrEnum):
    """Whether a source is seen. NEW: it was never polled."""

    NEW = "new"
    FRESH = "fresh"
    LATE = "late"
    BLIND = "blind"


@dataclass(frozen=True, slots=True)
class Freshness:
    """Whether a source is seen, and the time of its last good check (None: there was none)."""

    sight: Sight
    last_good_at: datetime | None

    @property
    def blind(self) -> bool:
        return self.sight is Sight.BLIND

    @property
    def new(self) -> bool:
        return self.sight is Sight.NEW

    @property
    def visible(self) -> bool:
        """Whether what we know of the list can be relied on."""
        return self.sight in {Sight.FRESH, Sight.LATE}

    @property
    def unseen_since(self) -> datetime | None:
        """The time when a late or blind source was last seen; None for others, and if there was no good
        check.
        """
        return None if self.sight is Sight.FRESH else self.last_good_at


def freshness(
    last_good_at: datetime | None, last_attempt_at: datetime | None, every: timedelta, now: datetime
) -> Freshness:
    """Compute the freshness of a source at ``now``.

    ``every`` is its polling interval. A source that was polled but never read successfully is blind.
    """
    if last_good_at is None:
        return Freshness(Sight.NEW if last_attempt_at is None else Sight.BLIND, None)
    unseen = now - last_good_at
    if unseen > blind_after(every):
        return Freshness(Sight.BLIND, last_good_at)
    return Freshness(Sight.LATE if unseen > late_after(every) else Sight.FRESH, last_good_at)


def late_after(every: timedelta) -> timedelta:
    """Compute the time without a good check after which a source is late."""
    return LATE_AFTER_POLLS * every


def blind_after(every: timedelta) -> timedelta:
    """Compute the time without a good check after which a source is blind."""
    return BLIND_AFTER_POLLS * every
