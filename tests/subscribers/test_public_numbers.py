"""Nobody can count the readers: no mail, link or page carries a number that counts people or deliveries."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor.core import tokens
from monitor.core.tokens import SMALLEST, Purpose
from monitor.keys import KeyFile
from monitor.storage import engine as db
from monitor.storage.deliveries.tables import DeliveryRow
from monitor.subscribers import personal_links
from tests.subscribers.conftest import count, member, who
from tests.subscribers.town import Town, links

READERS = 5


def readers(town: Town) -> list[str]:
    addresses = [f"reader{number}@example.org" for number in range(READERS)]
    for address in addresses:
        town.member(address)
    return addresses


def test_no_mail_counts_people_or_deliveries(small_town: Town) -> None:
    town = small_town
    addresses = readers(town)
    assert len(town.postbox.mails) == 2 * READERS == count(town.engine, DeliveryRow)
    tokens_sent = {
        found
        for _, mail in town.postbox.mails
        for found in re.findall(r"\b([0-9]+)x[a-z2-7]{16,26}\b", " ".join(links(mail)))
    } | {found for sender in town.postbox.senders for found in re.findall(r"\+([0-9]+)x", sender)}
    numbers = {one.number for each in addresses if (one := who(town.engine, town.keys, each)) is not None}
    assert len(numbers) == READERS
    assert {int(each) for each in tokens_sent} == numbers
    assert min(numbers) >= SMALLEST
    ids = [mail["Message-ID"] for _, mail in town.postbox.mails]
    assert len(set(ids)) == 2 * READERS
    assert all(re.fullmatch(r"<[0-9a-f]{32}@watch\.example>", each) for each in ids)


def test_the_probe_tells_no_number_of_deliveries(small_town: Town) -> None:
    town = small_town
    readers(town)
    with db.transaction(town.engine) as conn:
        conn.execute(sa.update(DeliveryRow).values(state="due", due_at=town.now))
    quiet = town.client.get("/readyz")
    town.later(hours=1)
    stuck = town.client.get("/readyz")
    assert "deliveries are overdue and nobody sends them" in stuck.json()["reasons"]
    for answer in (quiet, stuck):
        checks = answer.json()["checks"]
        assert set(checks["outbox"]) == {"ok", "reasons", "sender"}
        assert set(checks["outbox"]["sender"]) == {"working"}
        assert str(2 * READERS) not in re.findall(r"\b\d+\b", repr(checks["outbox"]))


@pytest.mark.parametrize("purpose", list(Purpose))
def test_a_token_that_was_sent_before_there_were_random_numbers_works(
    engine: Engine, keys: KeyFile, now: datetime, purpose: Purpose
) -> None:
    one = member(engine, keys, now)
    old = tokens.make(keys.token_key, purpose, one.id, one.nonce)
    new = tokens.make(keys.token_key, purpose, one.number, one.nonce)
    for token in (old, new):
        with db.reading(engine) as conn:
            found = personal_links.read_owner(conn, keys, purpose, token, now)
        assert found == one
    # neither number makes the other's code good
    code = new.partition("x")[2]
    with db.reading(engine) as conn:
        assert personal_links.read_owner(conn, keys, purpose, f"{one.id}x{code}", now) is None
