"""How each watched list stands: when it was last seen, and whether we can see it at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from monitor.ops.health import blind
from monitor.storage.lists import overview
from monitor.web.context import Site, SiteList


@dataclass(frozen=True, slots=True)
class ListStatus:
    """A list and how fresh what we know of it is. ``seen_at`` is the last good check, ``blind`` that it is
    too long ago to be relied on.

    A list that was never read is blind too, once ``seen_at`` should be there; before the first check it is
    ``new``.
    """

    watched: SiteList
    seen_at: datetime | None
    blind: bool
    new: bool
    count: int
    held: int

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
                seen_at=state.last_good_at,
                blind=blind(state.last_good_at, state.last_fetch_at, watched.every, now)
                or (state.last_good_at is None and state.last_fetch_at is not None),
                new=state.last_fetch_at is None,
                count=state.baseline,
                held=state.held,
            )
        )
    return tuple(found)
