"""Whatever two people, programs or clicks do to one subscriber at once, the result is that of one after the
other.

Each pair runs with the second one in every gap between two statements of the first, on both databases. The
judge is the program itself: what the pair leaves when one has ended before the other begins.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor import subscribers
from monitor.core.tokens import Purpose
from monitor.keys import KeyFile
from monitor.storage import engine as db
from monitor.storage import people
from monitor.storage.deliveries.tables import DeliveryRow
from monitor.storage.people.tables import RateWindowRow, SignupRow, SubscriberRow
from monitor.subscribers import Preferences, Tombstones
from tests.subscribers.conftest import ask, member, token, who, wish
from tests.subscribers.interleaving import interleave

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TORTURE = bool(os.environ.get("MONITOR_TORTURE"))
EVERY = 1 if TORTURE else 6
"""In CI each pair is tried in every sixth gap, others for the next pair; with MONITOR_TORTURE in all."""


@dataclass
class Scene:
    """One person in a database that two processes have open."""

    engine: Engine
    keys: KeyFile
    tombstones: Tombstones
    now: datetime
    address: str
    link: Callable[[Purpose], str]


Step = Callable[[Scene], Any]


def prefers(frequency: str, *places: str) -> Step:
    def change(scene: Scene) -> Any:
        wanted = Preferences(
            places=places,
            sources=("ring",),
            language="en",
            frequency=frequency,
            timezone=None if frequency == "at_once" else "America/Chicago",
            local_hour=None if frequency == "at_once" else 8,
        )
        return subscribers.change(
            scene.engine, scene.keys, scene.link(Purpose.MANAGE), wanted, scene.now
        ).found

    return change


def leaves(scene: Scene) -> Any:
    return subscribers.leave(
        scene.engine,
        scene.keys,
        scene.link(Purpose.UNSUBSCRIBE),
        scene.now,
        tombstones=scene.tombstones,
    ).found


def confirms(scene: Scene) -> Any:
    return subscribers.confirm(scene.engine, scene.keys, scene.link(Purpose.CONFIRM), scene.now).found


def erases(scene: Scene) -> Any:
    return subscribers.erase(
        scene.engine,
        scene.keys,
        channel="email",
        address=scene.address,
        now=scene.now,
        tombstones=scene.tombstones,
    )


def is_removed(scene: Scene) -> Any:
    return subscribers.remove(scene.engine, scene.keys, channel="email", address=scene.address, now=scene.now)


def is_added(scene: Scene) -> Any:
    return subscribers.add(
        scene.engine,
        scene.keys,
        channel="email",
        address=scene.address,
        places=["IL"],
        sources=["ring"],
        origin="operator",
        now=scene.now,
    ).new


def has_left(scene: Scene) -> Any:
    """Mail to the unsubscribe address."""
    mail = f"Subject: unsubscribe {scene.link(Purpose.UNSUBSCRIBE)}\r\n\r\n"
    return subscribers.apply_mail(
        scene.engine, scene.keys, mail.encode(), scene.now, tombstones=scene.tombstones
    )


def is_decided(scene: Scene) -> Any:
    return subscribers.admit(scene.engine, scene.keys, scene.now)


def erasures_are_applied_again(scene: Scene) -> Any:
    return subscribers.reapply_erasures(scene.engine, scene.keys, scene.tombstones, scene.now)


def sends_a_form(scene: Scene, *places: str) -> None:
    subscribers.request(
        scene.engine,
        scene.keys,
        wish(scene.address, *places),
        channel="email",
        client=None,
        now=scene.now,
    )


def is_member(scene: Scene) -> None:
    member(scene.engine, scene.keys, scene.now - DAY, scene.address, "60601")


def has_asked_twice(scene: Scene) -> None:
    """Asked to confirm one form, with another one undecided that may be asked about too."""
    ask(scene.engine, scene.keys, scene.now - 25 * HOUR, scene.address, "60601")
    sends_a_form(scene, "46320")


def has_sent_a_form(scene: Scene) -> None:
    sends_a_form(scene, "60601")


def has_sent_a_form_and_was_erased(scene: Scene) -> None:
    """As in a restored database: the form is older than the erasure."""
    sends_a_form(scene, "60601")
    scene.tombstones.add("email", scene.keys.first_lookup("email", scene.address), scene.now)


prefers_digests = prefers("daily", "46320", "IN")
prefers_alerts = prefers("at_once", "IL")

PAIRS: list[tuple[Step, Step, Step]] = [
    *(
        (is_member, *pair)
        for pair in itertools.permutations(
            (
                prefers_digests,
                prefers_alerts,
                leaves,
                erases,
                is_removed,
                is_added,
                has_left,
            ),
            2,
        )
    ),
    *(
        (has_asked_twice, *pair)
        for pair in itertools.permutations((confirms, is_decided, leaves, erases, is_added), 2)
    ),
    *((has_sent_a_form, *pair) for pair in itertools.permutations((is_decided, erases, is_added), 2)),
    *(
        (has_sent_a_form_and_was_erased, *pair)
        for pair in itertools.permutations((is_decided, erasures_are_applied_again), 2)
    ),
]


WRITERS = {prefers_digests, prefers_alerts, is_decided}
"""Those that store something of a person: CI plays the pairs with one of them."""


@dataclass(frozen=True)
class Outcome:
    """What is stored of the person in the end."""

    living: tuple[tuple[str, str, frozenset[str]], ...]
    """State, frequency and places of each subscriber who has not ended."""
    places_of_ended: int
    forms: int
    due: tuple[tuple[str, str], ...]
    """Kind of each due delivery and the state of its subscriber."""


def outcome(engine: Engine, since: int) -> Outcome:
    """What is stored of the subscribers whose number is larger than ``since``: those of one scene."""
    rows = SubscriberRow
    with db.reading(engine) as conn:
        each: Any = conn.execute(
            sa.select(rows.c.id, rows.c.state, rows.c.frequency).where(rows.c.id > since).order_by(rows.c.id)
        ).all()
        places = {id: frozenset(one.place for one in people.load_follows(conn, id)) for id, _, _ in each}
        due: Any = conn.execute(
            sa.select(DeliveryRow.c.kind, rows.c.state)
            .join(rows, rows.c.id == DeliveryRow.c.subscriber_id)
            .where(rows.c.id > since, DeliveryRow.c.state == "due")
            .order_by(DeliveryRow.c.kind, rows.c.state)
        ).all()
        forms = conn.scalar(sa.select(sa.func.count()).select_from(SignupRow))
    return Outcome(
        tuple((state, frequency, places[id]) for id, state, frequency in each if state != "ended"),
        sum(len(places[id]) for id, state, _ in each if state == "ended"),
        forms or 0,
        tuple((kind, state) for kind, state in due),
    )


@pytest.fixture
def engines(database_url: str) -> Iterator[tuple[Engine, Engine]]:
    """The same database as two processes have it."""
    two = db.connect(database_url), db.connect(database_url)
    yield two
    for each in two:
        each.dispose()


@dataclass
class Stage:
    """Plays pairs, each with a person of its own, in one database."""

    engines: tuple[Engine, Engine]
    keys: KeyFile
    folder: Path
    now: datetime
    people: int = 0

    def play(self, before: Step, first: Step, second: Step, at: int) -> tuple[Any, Outcome, bool]:
        """``second`` just before the ``at``-th statement of ``first``; 0: ``second`` before ``first``."""
        self.people += 1
        address = f"person{self.people}@m{self.people}.example"
        with db.transaction(self.engines[0]) as conn:
            for table in (SignupRow, RateWindowRow):  # no scene changes another's
                conn.execute(sa.delete(table))
            since = conn.scalar(sa.select(sa.func.max(SubscriberRow.c.id))) or 0
        folder = self.folder / str(self.people)
        links: dict[Purpose, str] = {}
        scenes = [
            Scene(engine, self.keys, Tombstones(folder), self.now, address, links.__getitem__)
            for engine in self.engines
        ]
        before(scenes[0])
        one = who(self.engines[0], self.keys, address)
        if one is not None:
            links.update({purpose: token(self.keys, purpose, one) for purpose in Purpose})
        if at == 0:
            answers: Any = second(scenes[1]), first(scenes[0])
            answers, stopped = (answers[1], answers[0]), True
        else:
            done = interleave(self.engines, lambda: first(scenes[0]), lambda: second(scenes[1]), at)
            answers, stopped = (done.first, done.second), done.stopped
        return answers, outcome(self.engines[0], since), stopped


@pytest.mark.parametrize("half", [0, 1, 2, 3])
def test_two_at_once_leave_what_one_after_the_other_leaves(
    engines: tuple[Engine, Engine], keys: KeyFile, now: datetime, tmp_path: Path, half: int
) -> None:
    stage = Stage(engines, keys, tmp_path, now)
    tried = 0
    for number, (before, first, second) in enumerate(PAIRS):
        if number % 4 != half or not (TORTURE or WRITERS & {first, second}):
            continue
        one_by_one = [stage.play(before, first, second, 0)[:2], stage.play(before, first, second, 10**6)[:2]]
        assert all(not each.places_of_ended for _, each in one_by_one)
        assert all(state != "ended" for _, each in one_by_one for _, state in each.due)
        for at in itertools.count(1 + number % EVERY, EVERY):
            answers, left, stopped = stage.play(before, first, second, at)
            if not stopped:
                break
            assert (answers, left) in one_by_one, (
                f"{before.__name__}: {second.__name__} before statement {at} of {first.__name__}"
            )
            tried += 1
    assert tried > len(PAIRS) / 8
