"""Any order of changes, people, clocks, relays, networks and failing writes, with a crash at any await of a
drain, those of the mail channel included.

A state machine: hypothesis invents lives of a sender, and afterwards nobody has missed a change, nobody's
address was given up, and copies are at most open connections and one group for each kill, and one for each
message that was stored and of which no answer arrived. A second test leaves nothing to chance: one drain is
killed at each of its awaits in turn.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy.engine import Engine

from monitor.errors import StoreError
from monitor.keys import KeyFile
from monitor.outbox import leases
from monitor.storage import engine as db
from monitor.storage import schema
from monitor.storage.deliveries import dead_letters
from monitor.storage.engine import transaction
from tests.outbox.crashes import run_until_killed
from tests.outbox.relay_model import MODES, NETS, ModelledEmail, RelayModel
from tests.outbox.world import HAMMOND, World
from tests.torture.test_delivery import Note, failing_writes

FULL = bool(os.environ.get("MONITOR_TORTURE"))
PARTS, EXAMPLES, STEPS = (4, 100, 40) if FULL else (1, 20, 20)
"""So many parts, which workers share, of so many invented lives, and how much happens in each life."""
HOURS = 1 if FULL else 4
"""Between two drains after a life."""
BEGAN = datetime(2026, 3, 7, 12, tzinfo=UTC)
KEYS = KeyFile.of_master(bytes(range(32)))
GROUP = CONNECTIONS = 2
PEOPLE = 6


class Lives(RuleBasedStateMachine):
    """Each life has a database file of its own, a copy of ``begun``. All have one engine: a new one would
    compile every statement again, which takes longer than the drain.
    """

    begun: ClassVar[Path]
    engine: ClassVar[Engine]
    database: ClassVar[Path]
    kills_in_all: ClassVar[int] = 0
    lost_in_all: ClassVar[int] = 0

    @initialize()
    def begin(self) -> None:
        self.folder = TemporaryDirectory(dir=self.begun.parent)
        Lives.database = Path(self.folder.name) / "monitor.db"
        shutil.copy(self.begun, self.database)
        leases._unsettled.clear()  # another process
        self.world = World(self.engine, KEYS, self.database.parent / "data", BEGAN)
        self.relay = RelayModel()
        self.people, self.changes, self.kills = 3, 1, 0
        self.latest = self.world.now

    @rule()
    @precondition(lambda self: self.people < PEOPLE)
    def somebody_signs_up(self) -> None:
        sign_up(self.world, self.people)
        self.people += 1

    @rule()
    @precondition(lambda self: self.changes < 12)
    def something_changes(self) -> None:
        self.world.publish(HAMMOND)
        self.world.fan_out()
        self.changes += 1

    @rule(minutes=st.sampled_from([1, 10, 60, 300, 24 * 60]))
    def time_passes(self, minutes: int) -> None:
        self.world.later(minutes=minutes)

    @rule(hours=st.sampled_from([-24, -1, 24]))
    def the_clock_jumps(self, hours: int) -> None:
        self.world.later(hours=hours)

    @rule(mode=st.sampled_from(MODES))
    def the_relay_changes(self, mode: str) -> None:
        self.relay.mode = mode

    @rule(net=st.sampled_from(NETS), pipelines=st.booleans())
    def the_network_changes(self, net: str, pipelines: bool) -> None:
        self.relay.net, self.relay.pipelines = net, pipelines

    @rule()
    def a_drain(self) -> None:
        self._drain(None)

    @rule(steps=st.integers(1, 100), changes=st.integers(0, 1))
    def a_drain_is_killed(self, steps: int, changes: int) -> None:
        if changes and self.changes < 12:
            self.something_changes()
        self._drain(steps)

    @rule(after=st.integers(0, 30), error=st.sampled_from(["database or disk is full", "database is locked"]))
    def a_drain_that_cannot_write(self, after: int, error: str) -> None:
        with failing_writes(self.world.engine, after, error):
            self._drain(None)

    def _drain(self, steps: int | None) -> None:
        async def sleep(seconds: float) -> None:
            self.world.later(seconds=seconds)

        channel = ModelledEmail(self.relay, CONNECTIONS, self.world.now)
        with suppress(StoreError):
            if run_until_killed(self.world.drain(channel, sleep=sleep), steps):
                self.kills += 1
                Lives.kills_in_all += 1
                leases._unsettled.clear()  # it was in the memory of the process

    @invariant()
    def the_latest_time_is_known(self) -> None:
        self.latest = max(self.latest, self.world.now)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.relay.mode = self.relay.net = "well"
        self.world.now = max(self.world.now, self.latest)  # what waits since a jump back is due in the future
        for hours in range(0, 24 * 8, HOURS):
            self.world.later(hours=HOURS)
            self._drain(None)
            if hours % 24 == 0:
                with transaction(self.world.engine) as conn:
                    dead_letters.requeue(conn, self.world.now)
            if set(self.world.states()) <= {"sent"}:
                break
        self._check()
        self.engine.dispose()
        self.folder.cleanup()

    def _check(self) -> None:
        rows = self.world.rows()
        assert {row.state for row in rows} <= {"sent"}
        assert self.world.rows(schema.SuppressionRow) == []
        assert {row.state for row in self.world.rows(schema.SubscriberRow)} <= {"active"}
        owed = Counter(row.subscriber_id for row in rows)
        told: Counter[int] = Counter()
        for mail in self.relay.stored:
            told[int(mail.address[1 : mail.address.index("@")]) + 1] += mail.text.count("Hammond")
        assert all(told[person] >= count for person, count in owed.items()), "somebody missed a change"
        stored = len(self.relay.stored)
        messages = len({mail.message_id for mail in self.relay.stored})
        Lives.lost_in_all += self.relay.lost_answers
        assert stored - messages <= self.kills * (CONNECTIONS + GROUP) + self.relay.lost_answers


def sign_up(world: World, number: int) -> None:
    world.person(f"p{number}@d{number % 4}.example", "IN")


@pytest.fixture
def lives(sqlite_template: Path, tmp_path: Path) -> Iterator[type[Lives]]:
    """The machine with its engine, and a database with which lives begin: three people and a change."""
    Lives.begun = Lives.database = tmp_path / "begun.db"
    shutil.copy(sqlite_template, Lives.begun)
    Lives.engine = db.connect(f"sqlite:///{Lives.begun}")

    @sa.event.listens_for(Lives.engine, "do_connect")
    def to_the_file_of_this_life(_: object, __: object, positional: list[Any], ___: object) -> None:
        positional[0] = str(Lives.database)

    world = World(Lives.engine, KEYS, tmp_path / "data", BEGAN)
    for number in range(3):
        sign_up(world, number)
    world.publish(HAMMOND)
    world.fan_out()
    Lives.engine.dispose()  # the last connection folds its log into the file
    yield Lives
    Lives.engine.dispose()


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.outbox.commit.GROUP", GROUP)
    monkeypatch.setattr("monitor.outbox.send.GROUP", GROUP)
    monkeypatch.setattr("monitor.outbox.commit._TRIES", (timedelta(0),))
    monkeypatch.setattr("monitor.outbox.commit.GROUP_WAIT", timedelta(milliseconds=1))


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize("part", range(PARTS))
def test_no_life_of_a_sender_loses_anything(lives: type[Lives], record_property: Note, part: int) -> None:
    bounds = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=not FULL,  # the same lives in each run of CI, other ones in each long run
        suppress_health_check=list(HealthCheck),
    )
    Lives.kills_in_all = Lives.lost_in_all = 0
    run_state_machine_as_test(lives, settings=bounds)
    record_property(
        "bound",
        f"part {part + 1} of {PARTS}: {EXAMPLES} lives of {STEPS} steps, {Lives.kills_in_all} kills, "
        f"{Lives.lost_in_all} lost answers",
    )


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize("net", ["well", "loses the answer"])
def test_a_drain_that_is_killed_at_any_of_its_awaits_loses_nothing(
    lives: type[Lives], record_property: Note, net: str
) -> None:
    """The same judge as above. The last drain is the one that no kill reached any more."""
    first = lives()
    first.begin()
    first.something_changes()
    lives.engine.dispose()
    shutil.copy(lives.database, lives.begun)
    first.folder.cleanup()
    for steps in itertools.count():
        life = lives()
        life.begin()
        life.the_network_changes(net, pipelines=True)
        life._drain(steps)
        killed = life.kills
        life.teardown()
        if not killed:
            break
    assert steps > PEOPLE
    record_property("bound", f"killed at each of {steps} awaits")
