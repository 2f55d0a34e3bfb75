"""Whatever a person does with their preferences, and however long mail is away: each change of their places
is told to them once.

A random life of one subscriber, held against a model of it that knows only what was followed when.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from msgspec import structs

from monitor import subscribers
from monitor.core import tokens
from monitor.core.due import FREQUENCIES
from monitor.core.tokens import Purpose
from monitor.domain import Listing, Placement, Rendered
from monitor.errors import UsageError
from monitor.keys import KeyFile
from monitor.messages import Message
from monitor.messages.model import Alert, Digest
from monitor.outbox import insert_due_digests
from monitor.storage.engine import connect
from monitor.storage.people.tables import SubscriberRow
from monitor.subscribers import Preferences
from tests.conftest import NOW
from tests.outbox.world import (
    AGENCIES,
    HEARD_BY,
    LISTS,
    PLACEMENTS,
    PLACES,
    WITHIN,
    Recorder,
    World,
)

LIVES = 400 if os.environ.get("MONITOR_TORTURE") else 12
"""A life is some thirty steps of about 10 ms."""


def locate(source: str, listing: Listing) -> Placement:
    return PLACEMENTS[listing.name.partition(" #")[0]]


def render(message: Message) -> Rendered:
    """The names of the agencies that a message tells, one a line."""
    alerts = message.alerts if isinstance(message, Digest) else (message,)
    names = [told.change.subject.name for alert in alerts if isinstance(alert, Alert) for told in alert.told]
    subject = "alert" if isinstance(message, Alert) else "digest" if isinstance(message, Digest) else "other"
    return Rendered(subject=subject, text="\n".join(names), html="")


@dataclass
class News:
    """A change as the model sees it: ``because`` are those of the person's follows that hear of it and were
    never given up since.
    """

    name: str
    source: str
    heard_by: frozenset[str]
    because: set[tuple[str, str]] = field(default_factory=set)
    concerned: bool = False


class Life(RuleBasedStateMachine):
    """One subscriber, one service."""

    template: Path
    keys: KeyFile

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        shutil.copyfile(self.template, self.folder / "monitor.db")
        (self.folder / "monitor.db").chmod(0o600)
        self.world = World(
            connect(f"sqlite:///{self.folder / 'monitor.db'}"),
            self.keys,
            self.folder / "data",
            NOW,
        )
        self.mail = Recorder()
        self.arrives = True
        self.news: dict[str, News] = {}
        self.waiting: list[str] = []

    @initialize(places=st.sets(st.sampled_from(PLACES), min_size=1))
    def begin(self, places: set[str]) -> None:
        self.follows = {("ring", place) for place in places}
        self.who = self.world.person("ann@example.org", *sorted(places))
        (row,) = (row for row in self.world.rows(SubscriberRow) if row.id == self.who)
        self.token = tokens.make(self.keys.token_key, Purpose.MANAGE, row.number, row.nonce)

    @rule(agency=st.sampled_from(sorted(AGENCIES)), source=st.sampled_from(LISTS))
    def something_is_published(self, agency: str, source: str) -> None:
        self.world.later(seconds=7)
        name = f"{agency} #{len(self.news)}"
        self.world.publish(structs.replace(AGENCIES[agency], name=name), source=source)
        self.news[name] = News(name, source, frozenset(HEARD_BY[agency]))
        self.waiting.append(name)

    @rule(
        places=st.sets(st.sampled_from(PLACES), min_size=1),
        sources=st.sets(st.sampled_from(LISTS), min_size=1),
        frequency=st.sampled_from(sorted(FREQUENCIES)),
        zone=st.sampled_from(["America/Chicago", "Pacific/Honolulu"]),
        hour=st.integers(0, 23),
        pause=st.none() | st.integers(1, 12),
    )
    def prefers(
        self, places: set[str], sources: set[str], frequency: str, zone: str, hour: int, pause: int | None
    ) -> None:
        self.world.later(seconds=7)
        wanted = Preferences(
            places=tuple(sorted(places)),
            sources=tuple(sorted(sources)),
            language="en",
            frequency=frequency,
            timezone=zone,
            local_hour=hour,
            pause_until=None if pause is None else self.world.now.date() + timedelta(days=pause),
        )
        try:
            subscribers.change(
                self.world.engine, self.keys, self.token, wanted, self.world.now, state_of_zip=WITHIN.get
            )
        except UsageError:
            return  # a pause that would end today: nothing was changed
        self.follows = {(source, place) for source in sources for place in places}
        for each in self.news.values():
            each.because &= self.follows

    @rule(arrives=st.booleans())
    def mail_comes_or_goes(self, arrives: bool) -> None:
        self.arrives = arrives

    @rule(minutes=st.sampled_from([1, 59, 61, 60 * 9, 60 * 24, 60 * 24 * 8]))
    def time_passes(self, minutes: int) -> None:
        self.world.later(minutes=minutes)

    @rule()
    def the_service_works(self) -> None:
        self.world.later(seconds=7)
        self.world.fan_out(locate)
        for name in self.waiting:
            news = self.news[name]
            news.because = {
                (source, place)
                for source, place in self.follows
                if source == news.source and place in news.heard_by
            }
            news.concerned = bool(news.because)
        self.waiting.clear()
        insert_due_digests(self.world.engine, self.world.now)
        if self.arrives:
            self.world.send(self.mail, render=render)

    @invariant()
    def nothing_is_told_twice_or_to_whom_it_does_not_concern(self) -> None:
        told = self.told()
        assert len(told) == len(set(told)), "told twice"
        assert all(self.news[name].concerned for name in told), "told though it concerned no place of theirs"

    def told(self) -> list[str]:
        return [name for each in self.mail.accepted for name in each.text.splitlines() if name]

    def teardown(self) -> None:
        if hasattr(self, "who"):
            self.arrives = True
            for _ in range(14):  # pauses end within twelve days, a week within seven
                self.the_service_works()
                self.world.later(days=1)
            self.the_service_works()
            self.nothing_is_told_twice_or_to_whom_it_does_not_concern()
            missing = {name for name, each in self.news.items() if each.because} - set(self.told())
            assert not missing, f"never told: {missing}"
        self.world.engine.dispose()
        shutil.rmtree(self.folder)


def test_each_change_of_their_places_is_told_once(sqlite_template: Path, keys: KeyFile) -> None:
    life = type("Lived", (Life,), {"template": sqlite_template, "keys": keys})
    run_state_machine_as_test(
        life,
        settings=settings(
            max_examples=LIVES,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
