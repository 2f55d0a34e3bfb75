"""The key file: private, made once, and never a second one over what the first has sealed."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from monitor.channels.kinds import KINDS, lookup
from monitor.channels.outline import seal_address
from monitor.errors import KeyFileError
from monitor.keys import KeyFile
from monitor.storage import engine as db
from monitor.storage import key_exchange, people
from monitor.storage.deliveries import endings

KEY = KeyFile.of_master(bytes(range(32)))
OTHER = KeyFile.of_master(bytes(32))


def admit(engine: Engine, keyfile: KeyFile, now: datetime) -> int:
    with db.transaction(engine) as conn:
        subscriber = people.add(
            conn, channel="email", address=seal_address(keyfile, "email", "ann@example.org"), state="active",
            origin="operator", nonce="n", now=now,
        )  # fmt: skip
    assert subscriber is not None
    return subscriber


def test_a_new_key_file_is_private_and_read_back(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = KeyFile.load(tmp_path / "new", create=True)
    finally:
        os.umask(before)
    assert [each.name for each in (tmp_path / "new").iterdir()] == ["monitor.key"]
    assert stat.S_IMODE((tmp_path / "new" / "monitor.key").stat().st_mode) == 0o600
    assert KeyFile.load(tmp_path / "new", create=False) == made
    assert KeyFile.load(tmp_path / "new", create=True) == made


def test_two_that_create_at_once_end_with_the_same_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda _: KeyFile.load(tmp_path, create=True), range(64)))
    assert len({each.fingerprint for each in made}) == 1
    assert [each.name for each in tmp_path.iterdir()] == ["monitor.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_key_that_others_can_reach_is_refused_with_the_command_that_mends_it(
    tmp_path: Path, mode: int
) -> None:
    KeyFile.load(tmp_path, create=True)
    path = tmp_path / "monitor.key"
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=f"chmod 600 {path}"):
        KeyFile.load(tmp_path, create=False)


def test_a_missing_key_is_not_made_unasked(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="is missing"):
        KeyFile.load(tmp_path, create=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["", "# only a comment\n", "not base64!\n", "c2hvcnQ=\n", "YQ==\nYg==\n", "\x00" * 5000]
)
def test_a_damaged_key_file_is_refused_and_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "monitor.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(KeyFileError):
        KeyFile.load(tmp_path, create=True)
    assert path.read_text() == text


@given(st.text(), st.text())
def test_what_was_sealed_is_opened_again(channel: str, address: str) -> None:
    assert KEY.open(channel, KEY.seal(channel, address)) == address


def test_sealing_twice_shows_no_likeness() -> None:
    assert KEY.seal("email", "ann@example.org") != KEY.seal("email", "ann@example.org")
    assert b"ann" not in KEY.seal("email", "ann@example.org")


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_changed_byte_is_noticed(position: int, difference: int) -> None:
    sealed = bytearray(KEY.seal("email", "ann@example.org"))
    sealed[position % len(sealed)] ^= difference
    with pytest.raises(KeyFileError):
        KEY.open("email", bytes(sealed))


def test_another_key_or_channel_opens_nothing() -> None:
    sealed = KEY.seal("email", "ann@example.org")
    for keyfile, channel in ((OTHER, "email"), (KEY, "telegram")):
        with pytest.raises(KeyFileError) as caught:
            keyfile.open(channel, sealed)
        assert "ann" not in str(caught.value)


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01" + bytes(20), b"\x02" + bytes(60)])
def test_what_was_never_sealed_is_refused(sealed: bytes) -> None:
    with pytest.raises(KeyFileError):
        KEY.open("email", sealed)


@pytest.mark.parametrize(
    ("channel", "one", "same"),
    [
        ("email", "Ann@Example.ORG", " ann@example.org "),
        ("email", "ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("email", "ann@BÜCHER.example", "ann@bücher.example"),
        ("email", "jose\u0301@example.org", "jos\u00e9@example.org"),
        ("telegram", "@Example_IL", "@example_il"),
        ("telegram", "-1001234567890", "-1001234567890"),
    ],
)
def test_an_address_is_found_however_it_is_spelled(channel: str, one: str, same: str) -> None:
    assert lookup(KEY, channel, one) == lookup(KEY, channel, same)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("email", "ann@example.org"), ("email", "bob@example.org")),
        (("email", "@example_il"), ("telegram", "@example_il")),
        (("email", "ann@fass.example"), ("email", "ann@faß.example")),
        (("email", "a@b@example.org"), ("email", "b@example.org")),
    ],
)
def test_different_addresses_have_different_hashes(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert lookup(KEY, *one) != lookup(KEY, *other)


def test_an_address_and_its_mailbox_have_different_hashes() -> None:
    assert KEY.lookup("email", "ann@example.org") != KEY.lookup("mailbox", "ann@example.org")


@given(st.text(), st.text())
def test_any_text_can_be_looked_up(channel: str, address: str) -> None:
    assert len(KEY.lookup(channel, address)) == 64


@given(st.sampled_from(sorted(KINDS)), st.text())
def test_any_text_can_be_looked_up_as_an_address(channel: str, address: str) -> None:
    assert len(lookup(KEY, channel, address)) == 64


def test_the_hash_needs_the_key() -> None:
    assert KEY.lookup("email", "ann@example.org") != OTHER.lookup("email", "ann@example.org")


def test_every_use_has_a_key_of_its_own_and_none_is_shown() -> None:
    uses = {KEY._own.token, KEY._own.address.key, *KEY._own.lookups}
    assert len(uses) == 3
    assert all(len(use) == 32 and use.hex() not in repr(KEY) and repr(use) not in repr(KEY) for use in uses)


def test_a_fresh_database_gets_a_key_and_keeps_it(engine: Engine, tmp_path: Path, now: datetime) -> None:
    with db.transaction(engine) as conn:
        made = key_exchange.unlock(conn, tmp_path / "keys")
    admit(engine, made, now)
    with db.transaction(engine) as conn:
        assert key_exchange.unlock(conn, tmp_path / "keys") == made


def test_processes_that_start_together_agree_on_one_key(engine: Engine, tmp_path: Path) -> None:
    def unlock(_: int) -> KeyFile:
        with db.transaction(engine) as conn:
            return key_exchange.unlock(conn, tmp_path / "keys")

    with ThreadPoolExecutor(8) as pool:
        assert len({each.fingerprint for each in pool.map(unlock, range(16))}) == 1


def test_sealed_rows_without_their_key_refuse_and_no_new_key_is_made(
    engine: Engine, tmp_path: Path, now: datetime
) -> None:
    folder = tmp_path / "keys"
    with db.transaction(engine) as conn:
        made = key_exchange.unlock(conn, folder)
    admit(engine, made, now)
    (folder / "monitor.key").unlink()
    with pytest.raises(KeyFileError, match="is missing"), db.transaction(engine) as conn:
        key_exchange.unlock(conn, folder)
    assert list(folder.iterdir()) == []


def test_another_key_over_sealed_rows_is_refused(engine: Engine, now: datetime) -> None:
    with db.transaction(engine) as conn:
        key_exchange.bind(conn, KEY)
    admit(engine, KEY, now)
    with pytest.raises(KeyFileError, match="not the one"), db.transaction(engine) as conn:
        key_exchange.bind(conn, OTHER)
    with db.transaction(engine) as conn:
        key_exchange.bind(conn, KEY)


def test_suppressions_hold_their_key_too(engine: Engine, now: datetime) -> None:
    with db.transaction(engine) as conn:
        key_exchange.bind(conn, KEY)
        people.suppress(conn, "email", KEY.lookup("email", "ann@example.org"), "bounced", now)
    with pytest.raises(KeyFileError), db.transaction(engine) as conn:
        key_exchange.bind(conn, OTHER)


def test_a_database_that_holds_nothing_sealed_takes_another_key(engine: Engine, now: datetime) -> None:
    with db.transaction(engine) as conn:
        key_exchange.bind(conn, KEY)
    subscriber = admit(engine, KEY, now)
    with db.transaction(engine) as conn:
        endings.end(conn, subscriber, now)
        key_exchange.bind(conn, OTHER)
    with db.transaction(engine) as conn:
        key_exchange.bind(conn, OTHER)


@pytest.mark.parametrize("leaked", [False, True])
def test_a_key_that_was_exchanged_a_hundred_times_still_opens_and_finds(
    tmp_path: Path, now: datetime, leaked: bool
) -> None:
    first = KeyFile.load(tmp_path, create=True)
    for _ in range(100):
        new = key_exchange.begin_rotation(tmp_path, now, leaked=leaked).new
        key_exchange.finish_rotation(tmp_path)
    last = KeyFile.load(tmp_path, create=False)
    assert last == new
    assert len(last.trusted_token_keys(None)) == 101
    assert last.trusted_token_keys(now) == (last.token_key,)
    assert last.first_token_key == first.token_key
    assert last.first_lookup("email", "a@b.example") == first.first_lookup("email", "a@b.example")
    assert (last.lookup("email", "a@b.example") == first.lookup("email", "a@b.example")) is not leaked
