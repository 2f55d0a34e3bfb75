"""The key is exchanged beside a running service: nothing is lost, nothing stops working, and a crash leaves a
key that fits.
"""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor import subscribers
from monitor.channels.outline import AddressOutline, open_outline
from monitor.core.tokens import Purpose
from monitor.errors import BusyError, KeyFileError
from monitor.keys import KeyFile
from monitor.outbox.prepare import MessagePreparer
from monitor.storage import engine as db
from monitor.storage import heartbeats, key_exchange, people
from monitor.storage.deliveries import pauses
from monitor.storage.people import signups
from monitor.storage.people.tables import RateWindowRow, SignupRow
from monitor.subscribers import LinkState, SignupAnswer, Tombstones
from monitor.subscribers.key_rotation import LINKS_KEPT
from tests.peers.forks import run_to_end
from tests.subscribers.conftest import ANN, ask, member, token, who, wish
from tests.subscribers.killed_rotation import rotate_until_killed


@pytest.fixture
def sealed(engine: Engine, tmp_path: Path) -> KeyFile:
    """The key of this database, in a file."""
    return unlocked(engine, tmp_path)


def unlocked(engine: Engine, folder: Path) -> KeyFile:
    with db.transaction(engine) as conn:
        return key_exchange.unlock(conn, folder)


@contextmanager
def process(url: str, folder: Path) -> Iterator[tuple[Engine, KeyFile]]:
    """What another process has in its memory: an engine, and the key as it is now."""
    engine = db.connect(url)
    own = unlocked(engine, folder)
    db.on_begin(engine, own.refresh)
    yield engine, own
    engine.dispose()


@pytest.mark.parametrize("leaked", [False, True])
def test_a_rotated_key_opens_and_finds_everything(
    engine: Engine, sealed: KeyFile, now: datetime, tmp_path: Path, leaked: bool
) -> None:
    one = member(engine, sealed, now)
    ask(engine, sealed, now, "asked@example.org")
    subscribers.request(
        engine, sealed, wish("waits@example.org", "IL"), channel="email", client="192.0.2.9", now=now
    )
    with db.transaction(engine) as conn:
        people.suppress(conn, "email", sealed.lookup("email", "gone@example.org"), "gone", now)
    stones = Tombstones(tmp_path)
    stones.add("email", sealed.first_lookup("email", "erased@example.org"), now + timedelta(days=9))
    with db.reading(engine) as conn:
        windows = conn.scalar(sa.select(sa.func.count()).select_from(RateWindowRow))

    for _ in range(2):  # once more: if it leaked, a chain of three keys
        assert subscribers.rotate(engine, tmp_path, now, leaked=leaked) == 2
    new = unlocked(engine, tmp_path)

    assert new.fingerprint != sealed.fingerprint
    assert (tmp_path / "monitor.key").stat().st_mode & 0o777 == 0o600
    again = who(engine, new)
    assert again is not None
    assert again.outline is not None
    with db.reading(engine) as conn:
        resealed = people.load_sealed_addresses(conn)[again.id]
    assert (again.id, new.open("email", resealed)) == (one.id, ANN)
    outline = open_outline(new, "email", again.outline)
    assert outline == AddressOutline.compute(new, "email", ANN)
    assert outline == AddressOutline.compute(sealed, "email", ANN), "its hashes survive every rotation"
    assert (who(engine, sealed) is None) is leaked  # only a key that leaked stops finding anything
    with pytest.raises(KeyFileError):
        sealed.open("email", resealed)
    with pytest.raises(KeyFileError):
        open_outline(sealed, "email", again.outline)
    with db.transaction(engine) as conn:
        assert people.load_reason(conn, "email", new.lookup("email", "gone@example.org")) == "gone"
        assert conn.scalar(sa.select(sa.func.count()).select_from(RateWindowRow)) == windows
        assert signups.count(conn, new.lookup("network", "192.0.2.0/24"), now) == 4
    assert subscribers.admit(engine, new, now) == 1
    assert who(engine, new, "waits@example.org") is not None
    member(engine, new, now, "erased@example.org")
    assert subscribers.reapply_erasures(engine, new, stones, now) == 1


def test_a_rotation_is_ordinary_unless_the_key_is_said_to_have_leaked(
    sqlite_engine: Engine, tmp_path: Path, now: datetime
) -> None:
    old = unlocked(sqlite_engine, tmp_path)
    link = token(old, Purpose.MANAGE, member(sqlite_engine, old, now))
    subscribers.rotate(sqlite_engine, tmp_path, now)
    new = unlocked(sqlite_engine, tmp_path)
    found = subscribers.load_link(sqlite_engine, new, Purpose.MANAGE, link, now + timedelta(hours=1)).found
    assert found is LinkState.OPEN


@pytest.mark.parametrize("leaked", [False, True])
def test_links_in_mails_that_were_sent_go_on_working(
    sqlite_engine: Engine, tmp_path: Path, now: datetime, leaked: bool
) -> None:
    engine = sqlite_engine
    old = unlocked(engine, tmp_path)
    one = member(engine, old, now)
    ask(engine, old, now, "asked@example.org")
    asked = who(engine, old, "asked@example.org")
    links = {purpose: token(old, purpose, one) for purpose in Purpose}
    confirm = token(old, Purpose.CONFIRM, asked)

    subscribers.rotate(engine, tmp_path, now, leaked=leaked)
    new = unlocked(engine, tmp_path)

    def found(purpose: Purpose, link: str, at: datetime) -> LinkState:
        return subscribers.load_link(engine, new, purpose, link, at).found

    works, later = LinkState.UNKNOWN if leaked else LinkState.OPEN, now + LINKS_KEPT
    assert found(Purpose.CONFIRM, confirm, now + timedelta(hours=1)) is works
    assert found(Purpose.MANAGE, links[Purpose.MANAGE], later - timedelta(days=1)) is works
    assert found(Purpose.MANAGE, links[Purpose.MANAGE], later) is LinkState.UNKNOWN
    assert found(Purpose.MANAGE, token(new, Purpose.MANAGE, one), later) is LinkState.OPEN
    years = now + timedelta(days=2000)
    for purpose in (Purpose.UNSUBSCRIBE, Purpose.BOUNCE):
        assert found(purpose, links[purpose], years) is LinkState.OPEN
    assert subscribers.leave(engine, new, links[Purpose.UNSUBSCRIBE], years).found is LinkState.OPEN


def test_a_copy_of_a_message_keeps_its_id_after_a_rotation(tmp_path: Path, now: datetime) -> None:
    def message_id(key: KeyFile) -> str:
        preparer = MessagePreparer(
            db.connect("sqlite://"), key, None,
            lambda _: None, lambda _: {},  # type: ignore[arg-type, return-value]
            series="i", domain="watch.example",
        )  # fmt: skip
        return preparer._message_id(7)

    old = KeyFile.load(tmp_path, create=True)
    before = message_id(old)
    key_exchange.begin_rotation(tmp_path, now, leaked=True)
    key_exchange.finish_rotation(tmp_path)
    assert message_id(KeyFile.load(tmp_path, create=False)) == before


def test_processes_that_run_go_over_to_the_new_key(
    engine: Engine, database_url: str, sealed: KeyFile, now: datetime, tmp_path: Path
) -> None:
    one = member(engine, sealed, now)
    with process(database_url, tmp_path) as (their_engine, theirs):
        with db.reading(their_engine) as conn:
            read_before = people.load_sealed_addresses(conn)[one.id]
        subscribers.rotate(engine, tmp_path, now)
        new = unlocked(engine, tmp_path)
        # a process that only reads
        manage = token(new, Purpose.MANAGE, one)
        assert (
            subscribers.load_link(their_engine, theirs, Purpose.MANAGE, manage, now).found is LinkState.OPEN
        )
        subscribers.rotate(engine, tmp_path, now)
        new = unlocked(engine, tmp_path)
        # a process that writes
        ask(their_engine, theirs, now, "bob@example.org")
        assert who(engine, new, "bob@example.org") is not None
        assert theirs == new
        # what they had read before can still be opened
        assert theirs.open("email", read_before) == ANN
        stones = Tombstones(tmp_path)
        left = subscribers.leave(
            their_engine, theirs, token(sealed, Purpose.UNSUBSCRIBE, one), now, tombstones=stones
        )
        assert left.found is LinkState.OPEN
        assert len(stones.read()) == 1


def test_a_rotation_amid_sign_ups_and_leavings_loses_nobody(
    engine: Engine, database_url: str, sealed: KeyFile, now: datetime, tmp_path: Path
) -> None:
    stays = [member(engine, sealed, now, f"stays{n}@example.org") for n in range(3)]
    leavers = [member(engine, sealed, now, f"leaves{n}@example.org") for n in range(8)]
    links = [token(sealed, Purpose.UNSUBSCRIBE, one) for one in leavers]
    over = threading.Event()

    def signing_up(number: int) -> int:
        taken = 0
        with process(database_url, tmp_path) as (theirs, key):
            while not over.is_set() and taken < 100:
                form = wish(f"new{number}.{taken}@example.org")
                client = f"10.{number}.{taken}.1"
                assert (
                    subscribers.request(theirs, key, form, channel="email", client=client, now=now)
                    is SignupAnswer.TAKEN
                )
                subscribers.admit(theirs, key, now)
                taken += 1
        return taken

    def leaving() -> None:
        with process(database_url, tmp_path) as (theirs, key):
            for link in links:
                left = subscribers.leave(theirs, key, link, now, tombstones=Tombstones(tmp_path))
                assert left.found is LinkState.OPEN

    with ThreadPoolExecutor(3) as pool:
        taken = [pool.submit(signing_up, number) for number in range(2)]
        left = pool.submit(leaving)
        for _ in range(4):
            subscribers.rotate(engine, tmp_path, now)
        left.result(timeout=300)
        over.set()
        counts = [each.result(timeout=300) for each in taken]

    new = unlocked(engine, tmp_path)
    assert subscribers.reapply_erasures(engine, new, Tombstones(tmp_path), now) == 0
    with db.reading(engine) as conn:
        living = people.load_living(conn)
        addresses = people.load_sealed_addresses(conn)
        assert conn.scalar(sa.select(sa.func.count()).select_from(SignupRow)) == 0
        for each in living:
            found = people.find(conn, "email", new.lookup("email", new.open("email", addresses[each.id])))
            assert found == each
    assert len(living) == len(stays) + sum(counts)


def test_a_key_that_was_exchanged_elsewhere_is_asked_for(
    sqlite_engine: Engine, sqlite_url: str, tmp_path: Path, now: datetime
) -> None:
    """A second machine has a copy of the key file in a folder of its own."""
    here, there = tmp_path / "here", tmp_path / "there"
    member(sqlite_engine, unlocked(sqlite_engine, here), now)
    there.mkdir()
    (there / "monitor.key").write_bytes((here / "monitor.key").read_bytes())
    (there / "monitor.key").chmod(0o600)
    with process(sqlite_url, there) as (theirs, key):
        subscribers.rotate(sqlite_engine, here, now)
        for write in (
            lambda: ask(theirs, key, now, "bob@example.org"),
            lambda: subscribers.rotate(theirs, there, now),
        ):
            with pytest.raises(KeyFileError):
                write()
        (there / "monitor.key").write_bytes((here / "monitor.key").read_bytes())
        ask(theirs, key, now, "bob@example.org")
        assert len(subscribers.load_subscribers(theirs, key)) == 2


@pytest.mark.parametrize("step", ["block_key_readers", "rebind", "finish_rotation"])
def test_a_rotation_that_is_killed_leaves_a_key_that_fits(
    engine: Engine, database_url: str, sealed: KeyFile, now: datetime, tmp_path: Path, step: str
) -> None:
    member(engine, sealed, now)
    with process(database_url, tmp_path) as (their_engine, theirs):
        assert run_to_end(rotate_until_killed, step, database_url, tmp_path, now) == -signal.SIGKILL
        # a process that ran on, before anybody has set anything right
        member(their_engine, theirs, now, "bob@example.org")
    assert len(subscribers.load_subscribers(engine, unlocked(engine, tmp_path))) == 2
    assert subscribers.rotate(engine, tmp_path, now) == 2
    assert not (tmp_path / "monitor.key.next").exists()
    assert len(subscribers.load_subscribers(engine, unlocked(engine, tmp_path))) == 2


def test_two_rotations_do_not_meet(sqlite_engine: Engine, tmp_path: Path, now: datetime) -> None:
    unlocked(sqlite_engine, tmp_path)
    with key_exchange.rotating(tmp_path), pytest.raises(BusyError, match="at work"):
        subscribers.rotate(sqlite_engine, tmp_path, now)
    assert subscribers.rotate(sqlite_engine, tmp_path, now) == 0


HASHES = (
    ("subscriber", "address_hash"),
    ("suppression", "address_hash"),
    ("confirmation", "address_hash"),
    ("lane", "name"),
    ("rate_window", "who"),
)


def hashes(engine: Engine) -> dict[tuple[str, str], list[str]]:
    with db.reading(engine) as conn:
        return {
            (table, column): sorted(
                value
                for value in conn.scalars(sa.select(sa.column(column)).select_from(sa.table(table)))
                if value and re.fullmatch(r"[0-9a-f]{64}", value)
            )
            for table, column in HASHES
        }


@pytest.mark.parametrize("leaked", [False, True])
def test_only_a_leaked_key_replaces_hashes(
    engine: Engine, sealed: KeyFile, now: datetime, tmp_path: Path, leaked: bool
) -> None:
    member(engine, sealed, now)
    chat = sealed.lookup("telegram", "-1001234567890")
    with db.transaction(engine) as conn:
        people.suppress(conn, "email", sealed.lookup("email", "gone@example.org"), "gone", now)
        signups.count_confirmation(conn, "email", sealed.lookup("email", ANN), 1, now)
        pauses.set_pause(conn, "telegram", chat, now + timedelta(hours=1), "429")
    before = hashes(engine)
    assert all(before.values()), before

    subscribers.rotate(engine, tmp_path, now, leaked=leaked)

    after = hashes(engine)
    for place, values in before.items():
        assert len(after[place]) == len(values)
        assert set(values).isdisjoint(after[place]) if leaked else values == after[place], place
    new = unlocked(engine, tmp_path)
    assert new.lookup("telegram", "-1001234567890") in after["lane", "name"]


def test_a_leaked_key_is_not_replaced_beside_a_running_service(
    engine: Engine, sealed: KeyFile, now: datetime, tmp_path: Path
) -> None:
    one = member(engine, sealed, now)
    with db.transaction(engine) as conn:
        heartbeats.write_beat(conn, "bot", "another", now - timedelta(seconds=119))
    with pytest.raises(BusyError, match="stop it on every machine"):
        subscribers.rotate(engine, tmp_path, now, leaked=True)
    assert not (tmp_path / "monitor.key.next").exists()
    assert who(engine, unlocked(engine, tmp_path)) == one
    assert subscribers.rotate(engine, tmp_path, now) == 1
    assert subscribers.rotate(engine, tmp_path, now + timedelta(seconds=1), leaked=True) == 1


def test_a_leaked_key_is_replaced_at_once_after_a_service_that_was_stopped(
    engine: Engine, sealed: KeyFile, now: datetime, tmp_path: Path
) -> None:
    member(engine, sealed, now)
    with db.transaction(engine) as conn:
        heartbeats.write_beat(conn, "sender", "here/1", now)
        heartbeats.put_standing_loops(conn, "here/1", {"notices": now})
        heartbeats.write_beat(conn, "sender", "there/1", now)
        heartbeats.end_beats(conn, "here/1")
    with pytest.raises(BusyError):
        subscribers.rotate(engine, tmp_path, now, leaked=True)  # beside the other machine
    with db.transaction(engine) as conn:
        heartbeats.end_beats(conn, "there/1")
    assert subscribers.rotate(engine, tmp_path, now, leaked=True) == 1


KEY_FILE_OF_FIRST_VERSION = "\n".join(
    (
        "# a comment",
        "WepuDVipdJcumJs6HpvNmT4OvXPdcAXrBu78LJX9JK8=",
        "earlier rVyhp2juHvYIPsLJHHTl5s3Qq6COMJD6xFDE2QkrjcU= "
        "jb15cfAcjVohRcH9O2huyj8kjQVDQhEPXmFVu5HhH+U= 2026-11-21T00:00:00+00:00",
        "earlier HMGrLEnyEF8hAGavjQqA0YtlgW8fQ9WwHuBZRY7WRrE= "
        "+cvJ7hHkcb5kdsdtcXM5hWn8fU2CzGZqC8E6U5/+yzY= 2026-11-22T00:00:00+00:00",
    )
)
FINGERPRINT_OF_FIRST_VERSION = "068dd897503e8b3f"
HASH_OF_ANN = "2f23bc57ee33e885e6073dc2c3f60c90148194cf5a58a34bb093dfc22c3b9a5d"
SEALED_BY_FIRST_VERSION = (
    "0106e4d9b63c74d9c3fddeaa009a746ef8f54c134b711160f525ad00d1a460e2cfff66ce4e2a275bfce0c0b5"
)


def test_a_key_file_of_version_0_1_0_goes_on(sqlite_engine: Engine, tmp_path: Path, now: datetime) -> None:
    """Written by `monitor key rotate` of 0.1.0, twice; the hash is the one that it computed for Ann."""
    (tmp_path / "monitor.key").write_text(KEY_FILE_OF_FIRST_VERSION)
    (tmp_path / "monitor.key").chmod(0o600)
    key = unlocked(sqlite_engine, tmp_path)
    assert (key.fingerprint, key.lookup("email", ANN)) == (FINGERPRINT_OF_FIRST_VERSION, HASH_OF_ANN)
    assert key.open("email", bytes.fromhex(SEALED_BY_FIRST_VERSION)) == ANN
    subscribers.rotate(sqlite_engine, tmp_path, now)
    new = unlocked(sqlite_engine, tmp_path)
    assert new.lookup("email", ANN) == HASH_OF_ANN
    assert new.trusted_token_keys(None)[1:] == (*key.trusted_token_keys(None)[1:], key.token_key)
    assert "earlier" not in (tmp_path / "monitor.key").read_text()
