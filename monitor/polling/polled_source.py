"""A configured source as a poll needs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from monitor import sources
from monitor.domain import Policy
from monitor.fetch import Target
from monitor.sources import ParseOptions

if TYPE_CHECKING:
    from monitor.places import Gazetteer


@dataclass(frozen=True, slots=True, kw_only=True)
class PolledSource:
    """One configured source as a poll needs it: its location, format, interval, and the guard's policy.

    ``optional``: a page without a link to the file is normal. ``leads_to``: an agency that moves from this
    list to that one is announced there, and not as removed here. Polls that are further apart than
    ``longest_gap`` do not prove that a publication was there all the time. ``has_room`` returns whether a
    body of that many bytes may be stored. ``gazetteer`` loads the gazetteer that places accepted listings;
    None: they are placed later.
    """

    name: str
    every: timedelta
    target: Target
    options: ParseOptions
    policy: Policy = field(default_factory=Policy)
    optional: bool = False
    leads_to: str | None = None
    longest_gap: timedelta = timedelta(days=1)
    has_room: Callable[[int], bool] = field(default=lambda size: True, compare=False)
    gazetteer: Callable[[], Gazetteer] | None = field(default=None, compare=False)

    @property
    def fingerprint(self) -> str:
        """A hash of the parsing settings. With another fingerprint, the same bytes may give other
        listings.
        """
        return sources.fingerprint(self.options)
