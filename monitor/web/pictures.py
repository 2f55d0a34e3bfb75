"""The pictures of counts, drawn anew once an hour: they read a whole history."""

from __future__ import annotations

import threading
from datetime import datetime

from sqlalchemy.engine import Connection

from monitor.health import BLIND_AFTER_POLLS
from monitor.store import baseline
from monitor.store import pages as store
from monitor.web.chart import Chart, chart
from monitor.web.parts import Watched


class Pictures:
    """One picture per list, kept for as long as its baseline and the hour are the same. Safe for several threads."""

    def __init__(self, timezone: str) -> None:
        self._timezone = timezone
        self._lock = threading.Lock()
        self._drawn: dict[str, tuple[tuple[int, datetime], Chart | None]] = {}

    def of(self, conn: Connection, watched: Watched, now: datetime) -> Chart | None:
        """The picture of a list; None while there is nothing to show over time."""
        key = (baseline.believed(conn, watched.name).number, now.replace(minute=0, second=0, microsecond=0))
        known = self._drawn.get(watched.name)
        if known is None or known[0] != key:
            with self._lock:
                known = self._drawn[watched.name] = (key, self._draw(conn, watched, now))
        return known[1]

    def _draw(self, conn: Connection, watched: Watched, now: datetime) -> Chart | None:
        counts = store.counts(conn, watched.name)
        if not counts:
            return None
        longest = BLIND_AFTER_POLLS * watched.every
        gaps = store.gaps(conn, watched.name, since=counts[0][0], longest=longest, now=now)
        return chart(counts, now, self._timezone, [(gap.since, gap.until or now) for gap in gaps])
