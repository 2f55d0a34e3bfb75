"""From a `Letter` of the outbox to a message, with what the configuration knows: titles of lists, pages, the voice of the site."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.engine import Engine

from monitor import letters
from monitor.config import Settings
from monitor.core.freshness import freshness, late_after
from monitor.domain import Alert, Message
from monitor.letters import Today, Voice, Wanted, Watch
from monitor.outbox import Content, Letter
from monitor.places.codes import state_of_zip
from monitor.storage.deliveries.notices import Checks
from monitor.storage.engine import reading
from monitor.storage.lists import baseline
from monitor.storage.lists.baseline import BaselineInfo
from monitor.storage.lists.coverage import Cover, Coverage
from monitor.storage.people import Follow

_NAMED = 40  # agencies that are named for one place; the others are counted
_NAMED_IN_ALL = 400  # a letter about many places must not become so long that mail programs cut it off


class Writer:
    """Makes a message of a letter; what `dispatch` calls as ``write``."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        coverage: Coverage,
        alert: Callable[[Content], Alert],
        clock: Callable[[], datetime],
    ) -> None:
        self._settings, self._engine, self._coverage, self._alert = settings, engine, coverage, alert
        self._clock = clock

    def __call__(self, letter: Letter) -> Message:
        """The message. Raises ValueError for a kind that is none."""
        voice = self.voice(letter.language)
        wanted = self._wanted(letter.follows, letter.language)
        when = letters.schedule(voice, letter.frequency, letter.timezone, letter.local_hour)
        match letter.kind, letter.about:
            case "confirm", about:
                if not voice.managed:
                    raise ValueError(
                        "a confirmation needs the site that serves its link: set [site] public_url"
                    )
                return letters.confirm(voice, wanted, when, known=about == "known")
            case "welcome", _:
                return letters.welcome(voice, wanted, when, self.today(letter.follows, letter.language))
            case "digest", about:
                return letters.digest(voice, about, [self._alert(content) for content in letter.contents])
            case "notice", "receipt":
                watched = [
                    Watch(
                        self.title(name, letter.language),
                        seen.good,
                        seen.last_good_at,
                        self._blind(name, seen),
                    )
                    for name, seen in letter.checks
                ]
                return letters.receipt(voice, wanted, when, watched)
            case "notice", "export":
                return letters.export(voice, wanted, letter.facts)
            case "notice", "blind" | "back":
                source = self._settings.sources.get(letter.source)
                return letters.sight(
                    voice,
                    self.title(letter.source, letter.language),
                    source.official if source else "",
                    self._seen_at(letter.source),
                    back=letter.about == "back",
                    watched=letter.source in self._settings.watched,
                )
        raise ValueError(f"a {letter.kind} about {letter.about!r} is not known")

    def today(self, follows: Iterable[Follow], language: str) -> tuple[Today, ...]:
        """Who covers these places now, a list at a time, its title in ``language``; ZIP codes of which the same is true stand together."""
        order = {name: number for number, name in enumerate(self._settings.watched)}
        wanted = sorted(
            (each for each in follows if each.source in order),
            key=lambda each: (each.place, order[each.source]),
        )
        with reading(self._engine) as conn:
            stand = baseline.all_believed(conn)
        together: dict[Today, list[str]] = {}
        for follow in wanted:
            found = self._today(follow, stand.get(follow.source, BaselineInfo(follow.source)), language)
            apart = () if follow.place.isdigit() else (follow.place,)
            together.setdefault(replace(found, places=apart), []).append(follow.place)
        named = min(_NAMED, _NAMED_IN_ALL // max(len(together), 1))
        return tuple(
            replace(each, places=tuple(places), agencies=each.agencies[:named])
            for each, places in together.items()
        )

    def _today(self, follow: Follow, stands: BaselineInfo, language: str) -> Today:
        covered = self._coverage.of(follow.source, stands.number)
        own: tuple[Cover, ...] = ()
        if follow.place == "US":
            covers = covered.covers
        elif follow.place.isdigit():
            own = covered.by_zip.get(follow.place, ())
            covers = covered.at(follow.place, follow.within or state_of_zip(follow.place))
        else:
            covers = covered.by_state.get(follow.place, ())
        seen = stands.last_good_at
        whole = follow.place == "US"
        return Today(
            places=(follow.place,),
            title=self.title(follow.source, language),
            # the whole country would be thousands of lines
            agencies=() if whole else tuple((each.listing.name, each.placement.reason) for each in covers),
            total=len(covers),
            seen_at=seen,
            state_only=follow.place.isdigit() and bool(covers) and not own,
            blind=self._is_blind(follow.source, seen),
        )

    def _seen_at(self, source: str) -> datetime | None:
        with reading(self._engine) as conn:
            return baseline.believed(conn, source).last_good_at

    def _is_blind(self, source: str, seen: datetime | None) -> bool:
        return not freshness(seen, None, self._settings.source(source).every, self._clock()).visible

    def _wanted(self, follows: Iterable[Follow], language: str) -> tuple[Wanted, ...]:
        places: dict[str, list[str]] = {}
        for follow in follows:
            places.setdefault(follow.source, []).append(follow.place)
        return tuple(Wanted(self.title(name, language), tuple(found)) for name, found in places.items())

    def _blind(self, source: str, seen: Checks) -> timedelta:
        """The time without a good check, but for what is usual between two of them."""
        known = self._settings.sources.get(source)
        usual = known.every if known else timedelta(hours=1)
        gaps = (end - start for start, end in seen.gaps)
        return sum((gap for gap in gaps if gap > late_after(usual)), timedelta())

    def title(self, source: str, language: str) -> str:
        """What readers of a language are told that a list is called, also one that is not configured any more."""
        known = self._settings.sources.get(source)
        return known.info(source).title(language) if known else source

    def voice(self, language: str) -> Voice:
        """Who speaks, in a language."""
        site = self._settings.site
        return Voice(
            site_name=site.name,
            contact=site.contact,
            timezone=site.timezone,
            language=language,
            managed=site.public_url is not None,
        )
