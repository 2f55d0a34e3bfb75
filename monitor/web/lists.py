"""How each watched list stands: when it was last seen, and whether we can see it at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from monitor.core.freshness import Freshness, freshness
from monitor.domain import SourceInfo
from monitor.storage.lists import overview
from monitor.web.context import Site


@dataclass(frozen=True, slots=True)
class ListStatus:
    """A list, how fresh what we know of it is, and how many listings and held changes it has.

    ``rejected_until``: when a publication that is not believed now is judged change by change.
    """

    watched: SourceInfo
    freshness: Freshness
    count: int
    held: int
    rejected_until: datetime | None = None

    @property
    def seen_at(self) -> datetime | None:
        return self.freshness.last_good_at

    @property
    def blind(self) -> bool:
        return self.freshness.blind

    @property
    def new(self) -> bool:
        return self.freshness.new

    @property
    def name(self) -> str:
        return self.watched.name


def standing(conn: Connection, site: Site, now: datetime) -> tuple[ListStatus, ...]:
    """Every watched list, in the order of the configuration."""
    found = []
    for watched in site.sources.values():
        state = overview.source_state(conn, watched.name)
        found.append(
            ListStatus(
                watched=watched,
                freshness=freshness(state.last_good_at, state.last_fetch_at, watched.every, now),
                count=state.baseline,
                held=state.held,
                rejected_until=state.rejected_until,
            )
        )
    return tuple(found)
