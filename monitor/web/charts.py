"""Gaps in which a list could not be read, and charts of counts.

Both need a whole history, so results are cached.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy.engine import Connection

from monitor.core.freshness import blind_after
from monitor.domain import SourceInfo
from monitor.pictures.count_chart import CountChart, compute_chart
from monitor.storage.lists import imports, timeline
from monitor.storage.lists import page_queries as store
from monitor.storage.lists.timeline import Gap, SourceGaps

_SHORTEST_MONTH = timedelta(days=28)
"""The longest time between two captures of an imported past that does not skip a whole month."""


class GapHistory:
    """The gaps of each list. After the first call only new polls are read. Thread-safe.

    ``jumps``: times without any check are jumps in a recording's clock, not gaps.
    """

    def __init__(self, *, jumps: bool = False) -> None:
        self._jumps = jumps
        self._lock = threading.Lock()
        self._seen: dict[str, SourceGaps] = {}
        self._polled_at: dict[str, datetime] = {}

    def of(
        self, conn: Connection, watched: SourceInfo, now: datetime, polled_at: datetime | None = None
    ) -> tuple[Gap, ...]:
        """Read the gaps of a list, newest first, including one that is still open.

        ``polled_at``: its last poll, if known from the same read transaction; nothing is read while it is the
        same.
        """
        longest = blind_after(watched.every)
        with self._lock:
            seen = self._seen.get(watched.name)
            if seen is None or polled_at is None or self._polled_at.get(watched.name) != polled_at:
                seen = timeline.load_gaps(conn, seen or SourceGaps(watched.name), longest)
                self._seen[watched.name] = seen
                if polled_at is not None:
                    self._polled_at[watched.name] = polled_at
        gaps = seen.until(now, longest)
        return tuple(gap for gap in gaps if gap.failed or gap.rejected) if self._jumps else gaps

    def unseen(
        self,
        conn: Connection,
        watched: SourceInfo,
        now: datetime,
        polled_at: datetime | None = None,
        *,
        imported: bool = True,
    ) -> tuple[tuple[datetime, datetime], ...]:
        """Read the times in which nobody saw a list, from the last check before to the first one after or
        ``now``: the gaps of our own polls, and the times between captures of an imported past that are more
        than a month apart. ``polled_at`` is as in `of`; not ``imported``: the list is known to have no such
        past.
        """
        looks = imports.load_looks(conn, watched.name) if imported else ()
        captured = [(a, b) for a, b in pairwise(looks) if b - a > _SHORTEST_MONTH]
        return (*captured, *((gap.since, gap.until or now) for gap in self.of(conn, watched, now, polled_at)))


class ChartCache:
    """One chart per list, kept while its baseline and the hour stay the same. Thread-safe."""

    def __init__(self, timezone: str, sights: GapHistory) -> None:
        self._timezone = timezone
        self._sights = sights
        self._lock = threading.Lock()
        self._drawn: dict[str, tuple[tuple[int, datetime], CountChart | None]] = {}

    def of(self, conn: Connection, watched: SourceInfo, now: datetime, number: int) -> CountChart | None:
        """Return the chart of a list with the number of its baseline; None while there is no history
        to show.
        """
        key = (number, now.replace(minute=0, second=0, microsecond=0))
        known = self._drawn.get(watched.name)
        if known is None or known[0] != key:
            with self._lock:
                known = self._drawn[watched.name] = (key, self._draw(conn, watched, now))
        return known[1]

    def _draw(self, conn: Connection, watched: SourceInfo, now: datetime) -> CountChart | None:
        counts = store.load_counts(conn, watched.name)
        if not counts:
            return None
        gaps = self._sights.unseen(conn, watched, now)
        past = imports.load_import(conn, watched.name)
        captured = None if past is None else past.joined_at or now
        return compute_chart(counts, now, self._timezone, gaps, captured)
