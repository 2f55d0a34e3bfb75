"""A new address in place of the old one: whose it becomes, and when nothing changes."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from sqlalchemy.engine import Engine

from monitor import subscribers
from monitor.channels.kinds import lookup
from monitor.errors import UsageError
from monitor.keys import KeyFile
from monitor.storage import engine as db
from monitor.storage import people
from monitor.storage.people import Subscriber
from monitor.subscribers.moved_address import format_move, is_move, move


def find(engine: Engine, keys: KeyFile, address: str) -> Subscriber | None:
    with db.reading(engine) as conn:
        return people.find(conn, "email", lookup(keys, "email", address))


def add(engine: Engine, keys: KeyFile, now: datetime, address: str) -> int:
    return subscribers.add(
        engine,
        keys,
        channel="email",
        address=address,
        places=["IL"],
        sources=["ring"],
        origin="operator",
        now=now,
    ).subscriber


@pytest.mark.parametrize(
    ("subscribed", "suppressed", "moved"),
    [
        (("old@example.org",), None, True),
        ((), None, False),
        (("old@example.org", "new@example.org"), None, False),
        (("old@example.org",), "new@example.org", False),
        (("old@example.org",), "other@example.org", True),
    ],
    ids=[
        "known",
        "unknown",
        "the new one is subscribed",
        "the new one is suppressed",
        "another is suppressed",
    ],
)
def test_who_has_the_old_address_gets_the_new_one_if_it_is_free(
    sqlite_engine: Engine,
    keys: KeyFile,
    now: datetime,
    subscribed: tuple[str, ...],
    suppressed: str | None,
    moved: bool,
) -> None:
    numbers = {address: add(sqlite_engine, keys, now, address) for address in subscribed}
    form = json.loads(format_move("email", "Old@example.org", "New@example.org"))
    assert is_move(form)
    with db.transaction(sqlite_engine) as conn:
        if suppressed:
            people.suppress(conn, "email", lookup(keys, "email", suppressed), "gone", now)
        move(conn, keys, form)
    if moved:
        numbers = {"new@example.org": numbers["old@example.org"]}
    for address in ("old@example.org", "new@example.org"):
        one = find(sqlite_engine, keys, address)
        assert (one.id if one else None) == numbers.get(address)
    assert len(subscribers.load_subscribers(sqlite_engine, keys)) == len(numbers)


def test_a_move_to_another_server_is_refused() -> None:
    with pytest.raises(UsageError, match="sign up again"):
        format_move("email", "ann@example.org", "ann@other.example")
    assert not is_move({"channel": "email", "address": "ann@example.org"})


def test_a_move_of_any_length_is_padded_to_the_next_512_characters() -> None:
    long = f"{'a' * 64}@{'.'.join(['b' * 53] * 3)}.example.org"
    texts = [format_move("email", long, long.replace("a" * 64, "a" * length)) for length in range(1, 65)]
    lengths = [len(text.rstrip()) for text in texts]
    assert lengths == list(range(lengths[0], lengths[0] + 64))
    assert lengths[0] < 512 < lengths[-1]
    assert [len(text) for text in texts] == [512 if length <= 512 else 1024 for length in lengths]
