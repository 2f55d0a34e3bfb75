"""Finds the agencies that cover a person's followed places, as values for messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy.engine import Engine

from monitor.core.freshness import freshness
from monitor.domain import SourceInfo
from monitor.messages.model import AgenciesToday, AlsoListed, ListedAgency
from monitor.places.codes import is_area, state_of_zip
from monitor.places.followed_areas import load_area
from monitor.storage import people
from monitor.storage.deliveries.newly_covered import NewlyCovered
from monitor.storage.engine import reading
from monitor.storage.lists import baseline
from monitor.storage.lists.baseline import BaselineInfo
from monitor.storage.lists.coverage import Cover, Coverage
from monitor.storage.people import Follow

_NAMED = 40  # the most agencies named for one place; the others are counted
_NAMED_IN_ALL = 400  # keeps a mail about many places short enough that mail programs do not cut it off


class CoveredPlaces:
    """Looks up places in the current lists. ``title`` returns the title of a list in a language."""

    def __init__(
        self,
        sources: Mapping[str, SourceInfo],
        engine: Engine,
        coverage: Coverage,
        clock: Callable[[], datetime],
        title: Callable[[str, str], str],
    ) -> None:
        self._sources, self._engine, self._coverage, self._clock = sources, engine, coverage, clock
        self._title = title

    def load_agencies_today(self, follows: Iterable[Follow], language: str) -> tuple[AgenciesToday, ...]:
        """Read which agencies cover these places now; ZIPs with the same answer are grouped."""
        watched = [name for name, info in self._sources.items() if info.enabled]
        order = {name: number for number, name in enumerate(watched)}
        wanted = sorted(
            (follow for follow in follows if follow.source in order),
            key=lambda follow: (follow.place, order[follow.source]),
        )
        with reading(self._engine) as conn:
            baselines = baseline.load_all_infos(conn)
        together: dict[AgenciesToday, list[str]] = {}
        for follow in wanted:
            answer = self._today(follow, baselines.get(follow.source, BaselineInfo(follow.source)), language)
            apart = () if follow.place.isdigit() else (follow.place,)
            together.setdefault(replace(answer, places=apart), []).append(follow.place)
        named = min(_NAMED, _NAMED_IN_ALL // max(len(together), 1))
        return tuple(
            replace(answer, places=tuple(places), agencies=answer.agencies[:named])
            for answer, places in together.items()
        )

    def list_newly_covered(
        self, subscriber: int, owed: Iterable[NewlyCovered], language: str
    ) -> AlsoListed | None:
        """List those agencies of ``owed`` that are still listed and serve a followed place; None if there are
        none.
        """
        with reading(self._engine) as conn:
            follows = people.load_follows(conn, subscriber)
        wanted = {(each.source, each.agency) for each in owed}
        watched = {name for name, info in self._sources.items() if info.enabled}
        found = {
            (cover.source, cover.agency): cover
            for follow in follows
            if follow.source in watched & {source for source, _ in wanted}
            for cover in self._find_covers(follow, None)[1]
            if (cover.source, cover.agency) in wanted
        }
        agencies = tuple(
            ListedAgency(cover.listing.name, self._title(source, language), cover.placement.reason)
            for (source, _), cover in sorted(found.items())
        )
        return AlsoListed(agencies[:_NAMED], len(agencies)) if agencies else None

    def _find_covers(self, follow: Follow, number: int | None) -> tuple[tuple[Cover, ...], tuple[Cover, ...]]:
        """The agencies of the place itself, and all agencies that its followers are alerted to."""
        covered = self._coverage.of(follow.source, number)
        own: tuple[Cover, ...] = ()
        if follow.place == "US":
            covers = covered.covers
        elif follow.place.isdigit():
            own = covered.by_zip.get(follow.place, ())
            covers = covered.at(follow.place, follow.within or state_of_zip(follow.place))
        elif is_area(follow.place):
            area = load_area(follow.place)
            own = covered.among(area.zips) if area else ()
            covers = own + (covered.statewide(area.states) if area else ())
        else:
            covers = covered.by_state.get(follow.place, ())
        return own, covers

    def _today(self, follow: Follow, stands: BaselineInfo, language: str) -> AgenciesToday:
        own, covers = self._find_covers(follow, stands.number)
        seen = stands.last_good_at
        whole = follow.place == "US"
        return AgenciesToday(
            places=(follow.place,),
            title=self._title(follow.source, language),
            # the whole country would take thousands of lines
            agencies=() if whole else tuple((cover.listing.name, cover.placement.reason) for cover in covers),
            total=len(covers),
            seen_at=seen,
            state_only=(follow.place.isdigit() or is_area(follow.place)) and bool(covers) and not own,
            blind=self._is_blind(follow.source, seen),
        )

    def _is_blind(self, source: str, seen: datetime | None) -> bool:
        return not freshness(seen, None, self._sources[source].every, self._clock()).visible
