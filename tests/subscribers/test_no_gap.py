"""Nobody falls between two ways of being told. Each window is opened on purpose, not by luck."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Connection, Engine

from monitor import subscribers
from monitor.core.tokens import Purpose
from monitor.domain import Confidence, Listing, Placement, PlacementReason
from monitor.keys import KeyFile
from monitor.outbox import fan_out, insert_due_digests
from monitor.storage import eligibility
from monitor.storage import engine as db
from monitor.storage.deliveries import fanout
from monitor.storage.deliveries.tables import DeliveryRow, DigestChangesetRow
from monitor.subscribers import Preferences
from tests.subscribers.conftest import ANN, _published, ask, member, token, who

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SECOND = timedelta(seconds=1)
PLACED = Placement(("60601",), "municipal", Confidence.EXACT, PlacementReason("covers", ("Chicago",)))
PATIENCE = 600.0  # s, a bound for what hangs, on any machine


def locate(source: str, listing: Listing) -> Placement:
    return PLACED


def publish(engine: Engine, at: datetime, name: str = "Chicago Police Department") -> int:
    with db.transaction(engine) as conn:
        return _published(conn, name, at, ("60601", "IL", "US"), "ring", False)


def switch(engine: Engine, keys: KeyFile, frequency: str, now: datetime, **more: object) -> None:
    given = {"places": ("60601",), "sources": ("ring",), "language": "en", "frequency": frequency} | more
    if frequency != "at_once":
        given |= {"timezone": "America/Chicago", "local_hour": 8}
    link = token(keys, Purpose.MANAGE, who(engine, keys))
    subscribers.change(engine, keys, link, Preferences(**given), now)  # type: ignore[arg-type]


def told(engine: Engine) -> list[int]:
    """The changesets that Ann is told, by alerts that stand and by digests, each as often as it is told."""
    with db.reading(engine) as conn:
        alerts = conn.scalars(
            sa.select(DeliveryRow.c.changeset_id).where(
                DeliveryRow.c.changeset_id.is_not(None), DeliveryRow.c.state != "dropped"
            )
        ).all()
        digests = conn.scalars(sa.select(DigestChangesetRow.c.changeset_id)).all()
    return sorted([*(number for number in alerts if number is not None), *digests])


def all_digests(engine: Engine, now: datetime) -> None:
    insert_due_digests(engine, now + 2 * DAY)
    insert_due_digests(engine, now + 9 * DAY)


@pytest.mark.parametrize(
    ("before", "after"), [("at_once", "daily"), ("daily", "at_once"), ("daily", "weekly")]
)
@pytest.mark.parametrize("skew", [SECOND, timedelta(0), -SECOND])
def test_a_switch_after_the_fan_out_read_its_clock(
    engine: Engine, keys: KeyFile, now: datetime, before: str, after: str, skew: timedelta
) -> None:
    member(engine, keys, now - HOUR)
    switch(engine, keys, before, now - HOUR)
    changeset = publish(engine, now)

    def locate_and_switch(source: str, listing: Listing) -> Placement:
        switch(engine, keys, after, now + skew)  # between the fan-out's clock and its transaction
        return PLACED

    fan_out(engine, locate=locate_and_switch, now=now)
    all_digests(engine, now)
    assert told(engine) == [changeset]


@pytest.mark.parametrize("skew", [SECOND, -SECOND])
def test_a_pause_after_the_fan_out_read_its_clock(
    engine: Engine, keys: KeyFile, now: datetime, skew: timedelta
) -> None:
    member(engine, keys, now - HOUR)
    changeset = publish(engine, now)

    def locate_and_pause(source: str, listing: Listing) -> Placement:
        switch(engine, keys, "at_once", now + skew, pause_until=(now + 3 * DAY).date())
        return PLACED

    fan_out(engine, locate=locate_and_pause, now=now)
    all_digests(engine, now)
    assert told(engine) == [changeset]


def test_a_confirmation_after_the_fan_out_read_its_clock(
    engine: Engine, keys: KeyFile, now: datetime
) -> None:
    """Confirmed before the fan-out commits: told by their first digest."""
    ask(engine, keys, now - HOUR, ANN, "60601", frequency="daily", timezone="America/Chicago", local_hour=8)
    changeset = publish(engine, now)

    def locate_and_confirm(source: str, listing: Listing) -> Placement:
        link = token(keys, Purpose.CONFIRM, who(engine, keys))
        subscribers.confirm(engine, keys, link, now + SECOND)
        return PLACED

    fan_out(engine, locate=locate_and_confirm, now=now)
    all_digests(engine, now)
    assert told(engine) == [changeset]


def test_an_operator_who_adds_somebody_pending_begins_their_digests(
    engine: Engine, keys: KeyFile, now: datetime
) -> None:
    """Activated without a plan, they would get no alert, as daily readers, and no digest."""
    ask(engine, keys, now - HOUR, ANN, "60601", frequency="daily", timezone="America/Chicago", local_hour=8)
    subscribers.add(
        engine,
        keys,
        channel="email",
        address=ANN,
        places=["60601"],
        sources=["ring"],
        origin="operator",
        now=now,
    )
    changeset = publish(engine, now + SECOND)
    fan_out(engine, locate=locate, now=now + SECOND)
    all_digests(engine, now)
    assert told(engine) == [changeset]


def waits_for_a_lock(engine: Engine) -> bool:
    with db.reading(engine) as conn:
        return bool(
            conn.scalar(
                sa.text(
                    "SELECT count(*) FROM pg_stat_activity "
                    "WHERE wait_event_type = 'Lock' AND datname = current_database()"
                )
            )
        )


@pytest.mark.postgres
@pytest.mark.parametrize(("before", "after"), [("at_once", "daily"), ("daily", "at_once")])
def test_a_switch_while_a_fan_out_is_not_committed(
    postgres_url: str,
    keys: KeyFile,
    now: datetime,
    before: str,
    after: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = db.connect(postgres_url)
    member(engine, keys, now - HOUR)
    switch(engine, keys, before, now - HOUR)
    changeset = publish(engine, now)
    written, go_on = threading.Event(), threading.Event()
    original = fanout.insert_deliveries

    def write_and_wait(conn: Connection, *rest: object) -> int:
        count = original(conn, *rest)  # type: ignore[arg-type]
        written.set()
        assert go_on.wait(PATIENCE)
        return count

    monkeypatch.setattr(fanout, "insert_deliveries", write_and_wait)
    with ThreadPoolExecutor(2) as pool:
        out = pool.submit(fan_out, engine, locate=locate, now=now)
        assert written.wait(PATIENCE)
        switched = pool.submit(switch, engine, keys, after, now + SECOND)
        deadline = time.monotonic() + PATIENCE
        while not switched.done() and not waits_for_a_lock(engine):
            assert time.monotonic() < deadline
        go_on.set()
        out.result(PATIENCE)
        switched.result(PATIENCE)
    all_digests(engine, now)
    assert told(engine) == [changeset]
    engine.dispose()


@pytest.mark.postgres
def test_a_digest_that_is_written_while_a_fan_out_is_not_committed(
    postgres_url: str, keys: KeyFile, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = db.connect(postgres_url)
    member(engine, keys, now - DAY)
    switch(engine, keys, "daily", now - DAY)
    changeset = publish(engine, now)
    written, go_on = threading.Event(), threading.Event()
    original = fanout.write_places

    def place_and_wait(conn: Connection, *rest: object) -> None:
        original(conn, *rest)  # type: ignore[arg-type]
        written.set()
        assert go_on.wait(PATIENCE)

    monkeypatch.setattr(fanout, "write_places", place_and_wait)
    with ThreadPoolExecutor(2) as pool:
        out = pool.submit(fan_out, engine, locate=locate, now=now)
        assert written.wait(PATIENCE)
        digest = pool.submit(insert_due_digests, engine, now + DAY)
        deadline = time.monotonic() + PATIENCE
        while not digest.done() and not waits_for_a_lock(engine):
            assert time.monotonic() < deadline
        go_on.set()
        out.result(PATIENCE)
        digest.result(PATIENCE)
    all_digests(engine, now)
    assert told(engine) == [changeset]
    engine.dispose()


def test_each_moment_is_later_than_the_one_before_whatever_the_clock(engine: Engine, now: datetime) -> None:
    moments = []
    for at in (now, now, now - DAY, now + HOUR, now):
        with db.transaction(engine) as conn:
            moments.append(eligibility.next_moment(conn, at))
    assert moments == sorted(set(moments))
    assert moments[0] == now
    assert moments[3] == now + HOUR


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("switch"), st.sampled_from(["at_once", "daily", "weekly"])),
        st.tuples(st.just("publish"), st.just("")),
        st.tuples(st.just("digests"), st.just("")),
        st.tuples(st.just("inside"), st.sampled_from(["at_once", "daily", "weekly"])),
        st.tuples(st.just("back"), st.just("")),
    ),
    min_size=1,
    max_size=12,
)


@given(steps=STEPS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_they_change_and_the_clock_does_each_change_is_told_once(
    steps: list[tuple[str, str]], fresh: Callable[[], Engine], keys: KeyFile, now: datetime
) -> None:
    engine, at, published = fresh(), now, []
    member(engine, keys, at)
    for number, (what, frequency) in enumerate(steps):
        at += timedelta(minutes=17)
        if what == "switch":
            switch(engine, keys, frequency, at)
        elif what == "digests":
            insert_due_digests(engine, at)
        elif what == "back":
            at -= HOUR
        else:
            published.append(publish(engine, at, f"Agency {number}"))

            def between(
                source: str, listing: Listing, frequency: str = frequency, at: datetime = at
            ) -> Placement:
                if frequency:
                    switch(engine, keys, frequency, at + SECOND)
                return PLACED

            fan_out(engine, locate=between, now=at)
    for days in (2, 9, 18):
        insert_due_digests(engine, at + days * DAY)
    assert told(engine) == published
    engine.dispose()


@pytest.fixture
def fresh(sqlite_template: object, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Engine]:
    """Makes a fresh migrated database for each example."""

    def make() -> Engine:
        path = tmp_path_factory.mktemp("life") / "monitor.db"
        shutil.copyfile(str(sqlite_template), path)
        return db.connect(f"sqlite:///{path}")

    return make
