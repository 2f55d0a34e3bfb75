"""Leaving is immediate, complete, and outlives a restored copy; what is not confirmed or long gone is
forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor import subscribers
from monitor.channels.kinds import first_lookup
from monitor.core.tokens import Purpose
from monitor.domain import Confidence, Placement, PlacementReason
from monitor.errors import StoreError, UsageError
from monitor.keys import KeyFile
from monitor.outbox import fan_out
from monitor.outbox.outcomes import Outcome, OutcomeKind
from monitor.outbox.settle import settle
from monitor.storage import engine as db
from monitor.storage import people
from monitor.storage.deliveries import endings, queue, retention
from monitor.storage.deliveries.tables import DeliveryRow
from monitor.storage.people.tables import RateWindowRow, SubscriberRow, SubscriptionRow
from monitor.subscribers import LinkState, Preferences, Tombstones
from monitor.subscribers.retention import purge
from monitor.subscribers.unsubscribe import _clear
from tests.subscribers.conftest import ANN, ask, count, deliveries, member, token, who, wish

DAY = timedelta(days=1)


def test_leaving_erases_and_drops_what_is_due_at_once(
    engine: Engine, keys: KeyFile, now: datetime, tmp_path: Path
) -> None:
    one = member(engine, keys, now)
    link = token(keys, Purpose.UNSUBSCRIBE, one)
    assert subscribers.load_link(engine, keys, Purpose.UNSUBSCRIBE, link, now).found is LinkState.OPEN
    assert who(engine, keys) is not None

    left = subscribers.leave(engine, keys, link, now, tombstones=Tombstones(tmp_path))

    assert left.found is LinkState.OPEN
    assert who(engine, keys) is None
    assert count(engine, SubscriptionRow) == 0
    assert {state for _, state, _ in deliveries(engine)} == {"dropped"}
    with db.reading(engine) as conn:
        row = conn.execute(sa.select(SubscriberRow.__table__)).mappings().one()  # type: ignore[attr-defined]
    assert (row["state"], row["address"], row["address_hash"]) == ("ended", None, None)
    assert subscribers.leave(engine, keys, link, now).found is LinkState.DONE
    assert keys.lookup("email", ANN) not in repr(dict(row))


@pytest.mark.postgres
def test_leaving_and_settling_never_wait_for_each_other(
    postgres_engine: Engine, keys: KeyFile, now: datetime
) -> None:
    """A person who leaves holds their own row and wants what is due; the sender must not hold that and want
    the row.
    """
    one = member(postgres_engine, keys, now)
    with db.transaction(postgres_engine) as conn:
        claims = {"channel": "email", "owner": "o", "now": now, "until": now, "lease_until": now + DAY}
        claimed = queue.load_claimed(conn, tuple(queue.claim(conn, limit=9, **claims)))  # type: ignore[arg-type]
    refused = [
        Outcome(kind=OutcomeKind.FAILED, ids=(each.id,), deliveries=(each,), strike=True) for each in claimed
    ]

    def settled() -> None:
        with db.transaction(postgres_engine) as conn:
            settle(conn, keys, "email", "o", refused, now)

    waits = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = "
        "'Lock'"
    )
    with ThreadPoolExecutor(1) as pool:
        with db.transaction(postgres_engine) as conn:
            people.lock(conn, [one.id])
            settling = pool.submit(settled)
            while not settling.done():
                with db.reading(postgres_engine) as looking:
                    if looking.scalar(waits):
                        break
            assert endings.end(conn, one.id, now)
        settling.result(timeout=300)
    assert {state for _, state, _ in deliveries(postgres_engine)} == {"dropped"}


def test_a_link_for_managing_does_not_unsubscribe(
    sqlite_engine: Engine, keys: KeyFile, now: datetime
) -> None:
    one = member(sqlite_engine, keys, now)
    for purpose in (Purpose.MANAGE, Purpose.CONFIRM, Purpose.BOUNCE):
        assert (
            subscribers.leave(sqlite_engine, keys, token(keys, purpose, one), now).found is LinkState.UNKNOWN
        )
    assert who(sqlite_engine, keys) is not None


def test_a_tombstone_buries_whoever_a_restored_copy_brings_back(
    engine: Engine, keys: KeyFile, now: datetime, tmp_path: Path
) -> None:
    stones = Tombstones(tmp_path)
    one = member(engine, keys, now)
    member(engine, keys, now, "bob@example.org")
    assert subscribers.reapply_erasures(engine, keys, stones, now) == 0  # nobody has ever left
    # left in a database that is gone
    stones.add("email", first_lookup(keys, "email", "ANN@example.org"), now + DAY)
    with (tmp_path / "erasures.txt").open("a") as file:
        file.write("2026-03-02T1")  # torn by a crash
    assert "ann" not in (tmp_path / "erasures.txt").read_text().lower()

    assert subscribers.reapply_erasures(engine, keys, stones, now + 2 * DAY) == 1
    assert who(engine, keys) is None
    assert who(engine, keys, "bob@example.org") is not None
    assert subscribers.reapply_erasures(engine, keys, stones, now + 2 * DAY) == 0

    again = member(engine, keys, now + 3 * DAY)
    assert subscribers.reapply_erasures(engine, keys, stones, now + 4 * DAY) == 0
    assert who(engine, keys) is not None
    assert again.id != one.id


@pytest.mark.parametrize(("later", "forgotten"), [(-1, 1), (0, 1), (1, 0)])
def test_a_form_is_forgotten_with_an_erasure_at_its_moment_or_after_it(
    sqlite_engine: Engine, keys: KeyFile, now: datetime, tmp_path: Path, later: int, forgotten: int
) -> None:
    stones = Tombstones(tmp_path)
    stones.add("email", first_lookup(keys, "email", ANN), now)
    asked_at = now + timedelta(seconds=later)
    subscribers.request(sqlite_engine, keys, wish(), channel="email", client="192.0.2.7", now=asked_at)
    assert subscribers.reapply_erasures(sqlite_engine, keys, stones, now + DAY) == forgotten


def test_nobody_leaves_without_a_tombstone(
    sqlite_engine: Engine, keys: KeyFile, now: datetime, tmp_path: Path
) -> None:
    one = member(sqlite_engine, keys, now)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(StoreError):
        subscribers.leave(
            sqlite_engine, keys, token(keys, Purpose.UNSUBSCRIBE, one), now, tombstones=Tombstones(blocked)
        )
    assert who(sqlite_engine, keys) is not None


def test_erasing_clears_the_mailbox_of_that_address_only(
    sqlite_engine: Engine, keys: KeyFile, now: datetime, tmp_path: Path
) -> None:
    member(sqlite_engine, keys, now)
    for name, to in (("1.eml", "Ann@example.org"), ("2.eml", "bob@example.org")):
        (tmp_path / name).write_text(f"To: {to}\nSubject: x\n\nann@example.org\n")
    done = subscribers.erase(
        sqlite_engine,
        keys,
        channel="email",
        address=ANN,
        now=now,
        tombstones=Tombstones(tmp_path),
        mailbox=tmp_path,
    )
    assert done == (True, 1)
    assert [path.name for path in tmp_path.glob("*.eml")] == ["2.eml"]
    assert who(sqlite_engine, keys) is None
    again = subscribers.erase(
        sqlite_engine,
        keys,
        channel="email",
        address="unknown@example.org",
        now=now,
        tombstones=Tombstones(tmp_path),
    )
    assert again == (False, 0)
    assert len(Tombstones(tmp_path).read()) == 2


def test_a_mail_to_several_is_deleted_for_each_of_them_and_one_that_is_gone_is_no_error(
    tmp_path: Path,
) -> None:
    (tmp_path / "1.eml").write_text("To: bob@example.org, Ann <ann@example.org>\n\nx\n")
    (tmp_path / "2.eml").write_text("To: bob@example.org\n\nx\n")

    def theirs(address: str) -> bool:
        if address == ANN:
            (tmp_path / "1.eml").unlink()  # somebody else deletes it at this moment
        return address == ANN

    assert _clear(tmp_path, theirs) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["2.eml"]


@pytest.mark.parametrize("restored", [False, True])
def test_a_form_that_still_waits_is_forgotten_with_its_address(
    engine: Engine, keys: KeyFile, now: datetime, tmp_path: Path, restored: bool
) -> None:
    """No sender runs, or a copy is put back that was made in between."""
    for address in ("Ann@Example.org", "bob@example.org"):
        subscribers.request(engine, keys, wish(address), channel="email", client=None, now=now)
    stones = Tombstones(tmp_path)
    if restored:
        stones.add("email", first_lookup(keys, "email", ANN), now + DAY)
        subscribers.reapply_erasures(engine, keys, stones, now + DAY)
    else:
        subscribers.erase(engine, keys, channel="email", address=ANN, now=now, tombstones=stones)
    subscribers.admit(engine, keys, now)
    assert who(engine, keys) is None
    assert who(engine, keys, "bob@example.org") is not None


def test_somebody_pending_without_a_date_on_their_link_is_forgotten_48_hours_after_they_came(
    sqlite_engine: Engine, keys: KeyFile, now: datetime
) -> None:
    ask(sqlite_engine, keys, now)
    with db.transaction(sqlite_engine) as conn:
        conn.execute(sa.update(SubscriberRow).values(confirm_until=None))
    assert purge(sqlite_engine, now + timedelta(hours=48, seconds=-1)).unconfirmed == 0
    assert purge(sqlite_engine, now + timedelta(hours=48)).unconfirmed == 1


def test_all_are_forgotten_however_few_a_transaction_takes(
    sqlite_engine: Engine, keys: KeyFile, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_AT_ONCE", 2)
    for name in "abcde":
        ask(sqlite_engine, keys, now, f"{name}@example.org")
    assert purge(sqlite_engine, now + timedelta(days=3)).unconfirmed == 5
    assert count(sqlite_engine, SubscriberRow) == 0


def test_a_settled_delivery_is_kept_for_400_days(sqlite_engine: Engine, keys: KeyFile, now: datetime) -> None:
    member(sqlite_engine, keys, now)
    with db.transaction(sqlite_engine) as conn:
        conn.execute(sa.update(DeliveryRow).values(state="sent", settled_at=now))
    kept = count(sqlite_engine, DeliveryRow)
    assert kept > 0
    assert purge(sqlite_engine, now + timedelta(days=400, seconds=-1)).deliveries == 0
    assert purge(sqlite_engine, now + timedelta(days=400)).deliveries == kept


def test_purging_keeps_to_the_times(engine: Engine, keys: KeyFile, now: datetime) -> None:
    ask(engine, keys, now, "late@example.org")
    ask(engine, keys, now + timedelta(hours=1), "waits@example.org")
    member(engine, keys, now, ANN)
    gone = member(engine, keys, now, "gone@example.org")
    subscribers.leave(engine, keys, token(keys, Purpose.UNSUBSCRIBE, gone), now)

    done = purge(engine, now + timedelta(hours=48))
    assert (done.unconfirmed, done.ended) == (1, 0)
    assert who(engine, keys, "late@example.org") is None
    assert who(engine, keys, "waits@example.org") is not None
    assert count(engine, RateWindowRow) == 0
    done = purge(engine, now + timedelta(days=180))
    assert (done.unconfirmed, done.ended) == (1, 1)
    assert count(engine, SubscriberRow) == 1
    assert (
        subscribers.leave(engine, keys, token(keys, Purpose.UNSUBSCRIBE, gone), now).found
        is LinkState.UNKNOWN
    )
    assert who(engine, keys) is not None


def new(**changes: object) -> Preferences:
    given: dict[str, object] = {
        "places": ("60601",), "sources": ("ring",), "language": "en", "frequency": "at_once",
    }  # fmt: skip
    return Preferences(**(given | changes))  # type: ignore[arg-type]


def test_preferences_become_exactly_what_the_page_says(engine: Engine, keys: KeyFile, now: datetime) -> None:
    one = member(engine, keys, now, ANN, "60601", "IL")
    link = token(keys, Purpose.MANAGE, one)
    wanted = new(
        places=("IL", "46320"),
        sources=("ring", "ice-287g"),
        language="es",
        frequency="weekly",
        local_hour=18,
        receipts=False,
    )
    changed = subscribers.change(engine, keys, link, wanted, now + DAY)
    assert changed.found is LinkState.OPEN
    assert changed.subscriber is not None
    assert (changed.subscriber.language, changed.subscriber.frequency, changed.subscriber.local_hour) == (
        "es",
        "weekly",
        18,
    )
    assert not changed.subscriber.receipts
    assert {(f.source, f.place) for f in changed.follows} == {
        (source, place) for source in ("ring", "ice-287g") for place in ("IL", "46320")
    }
    with db.reading(engine) as conn:
        dates = dict(
            conn.execute(
                sa.select(SubscriptionRow.place, SubscriptionRow.created_at).where(
                    SubscriptionRow.source == "ring"
                )
            ).all()
        )  # type: ignore[call-overload, arg-type]
    assert dates == {"IL": now, "46320": now + DAY}  # what is kept keeps its day


def test_a_pause_ends_on_a_day_to_come(sqlite_engine: Engine, keys: KeyFile, now: datetime) -> None:
    link = token(keys, Purpose.MANAGE, member(sqlite_engine, keys, now))
    for day in (date(2026, 3, 1), date(2020, 1, 1), date(2028, 1, 1)):
        with pytest.raises(UsageError):
            subscribers.change(sqlite_engine, keys, link, new(pause_until=day), now)
    for day in (8, 9):  # the clocks go forward on March 8, 2026
        paused = subscribers.change(
            sqlite_engine,
            keys,
            link,
            new(pause_until=date(2026, 3, day)),
            now,
            default_timezone="America/Chicago",
        )
        assert paused.subscriber is not None
        assert (paused.subscriber.state, paused.subscriber.paused_until) == (
            "paused", datetime.fromisoformat(f"2026-03-{day:02}T08:00-05:00"),
        )  # fmt: skip


def test_a_place_that_is_none_changes_nothing(sqlite_engine: Engine, keys: KeyFile, now: datetime) -> None:
    one = member(sqlite_engine, keys, now)
    with pytest.raises(UsageError):
        subscribers.change(sqlite_engine, keys, token(keys, Purpose.MANAGE, one), new(places=("00000",)), now)
    with db.reading(sqlite_engine) as conn:
        assert [f.place for f in people.load_follows(conn, one.id)] == ["60601"]


def test_whoever_left_manages_nothing(sqlite_engine: Engine, keys: KeyFile, now: datetime) -> None:
    one = member(sqlite_engine, keys, now)
    subscribers.leave(sqlite_engine, keys, token(keys, Purpose.UNSUBSCRIBE, one), now)
    changed = subscribers.change(sqlite_engine, keys, token(keys, Purpose.MANAGE, one), new(), now)
    assert changed.found is LinkState.UNKNOWN
    assert count(sqlite_engine, SubscriptionRow) == 0


def test_nothing_is_owed_to_whoever_left_before_a_fan_out(
    engine: Engine, keys: KeyFile, now: datetime, publish: Callable[..., int]
) -> None:
    one = member(engine, keys, now)
    subscribers.leave(engine, keys, token(keys, Purpose.UNSUBSCRIBE, one), now)
    publish("Chicago Police Department", now + DAY)
    placement = Placement(("60601",), "municipal", Confidence.EXACT, PlacementReason("covers", ("Chicago",)))
    assert fan_out(engine, locate=lambda *_: placement, now=now + DAY) == 0
    assert deliveries(engine, "alert") == []
    assert count(engine, DeliveryRow) == 2


def test_a_torn_tombstone_does_not_take_the_next_one_with_it(
    keys: KeyFile, now: datetime, tmp_path: Path
) -> None:
    stones = Tombstones(tmp_path)
    stones.add("email", first_lookup(keys, "email", "first@example.org"), now)
    path = tmp_path / "erasures.txt"
    path.write_bytes(path.read_bytes()[:-20])  # the machine lost its power in the midst of the line
    stones.add("email", first_lookup(keys, "email", ANN), now)
    assert set(stones.read()) == {("email", keys.first_lookup("email", ANN))}


def test_a_tombstone_that_was_written_in_part_is_an_error(
    keys: KeyFile, now: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.subscribers.erasures.os.write", lambda handle, line: len(line) - 1)
    with pytest.raises(StoreError, match=r"erasures\.txt cannot be written"):
        Tombstones(tmp_path).add("email", first_lookup(keys, "email", ANN), now)


def test_what_came_to_be_owed_to_somebody_while_they_were_forgotten_goes_as_well(
    engine: Engine, keys: KeyFile, now: datetime
) -> None:
    member(engine, keys, now)
    kept = deliveries(engine)
    with db.transaction(engine) as conn:
        assert queue.insert_message(conn, "confirm", 99, now, period="of nobody") is None
    assert deliveries(engine) == kept
    with db.transaction(engine) as conn:
        queue.insert_message(conn, "confirm", 1, now, period="of nobody")
        of_nobody = DeliveryRow.c.period == "of nobody"
        conn.execute(sa.update(DeliveryRow).where(of_nobody).values(subscriber_id=99))
    assert purge(engine, now).deliveries == 1
    assert deliveries(engine) == kept


def test_only_the_program_reads_the_file_of_erasures_and_its_folder(tmp_path: Path, now: datetime) -> None:
    stones = Tombstones(tmp_path / "new" / "data")
    stones.add("email", "a" * 64, now)
    assert stones.folder.stat().st_mode & 0o777 == 0o700
    (file,) = stones.folder.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(stones.read()) == 1
    stones.add("email", "b" * 64, now)
    assert (
        file.read_text("ascii") == f"{now.isoformat()} email {'a' * 64}\n{now.isoformat()} email {'b' * 64}\n"
    )


@pytest.mark.parametrize("half", [{"channel": "email"}, {"address": "ann@example.org"}, {}])
def test_who_is_removed_is_a_number_or_a_channel_with_an_address(
    sqlite_engine: Engine, keys: KeyFile, now: datetime, half: dict[str, str]
) -> None:
    member(sqlite_engine, keys, now)
    with pytest.raises(UsageError, match="give a subscriber's number"):
        subscribers.remove(sqlite_engine, keys, now=now, **half)
    assert who(sqlite_engine, keys) is not None
