"""Nobody can count the readers: no mail, link or page carries a number that counts people or deliveries."""

from __future__ import annotations

import asyncio
import re
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from monitor.core import tokens
from monitor.core.tokens import SMALLEST, Purpose
from monitor.keys import KeyFile
from monitor.storage import engine as db
from monitor.storage import heartbeats
from monitor.storage.deliveries.tables import DeliveryRow
from monitor.storage.people.tables import SubscriberRow
from monitor.subscribers import personal_links
from monitor.web.middleware import UNKNOWN_AFTER, SiteMiddleware
from tests.subscribers.conftest import count, member, who
from tests.subscribers.town import Town, Visitor, link, links, opened
from tests.web.past import END, write_past
from tests.web.test_page_costs import PAGES

READERS = 5
LIST = """
[sources.list0]
title = "A list"
publisher = "A publisher"
official_url = "https://publisher.example/list"
format = "table"
url = "https://publisher.example/list.csv"
columns = { name = "Agency", state = "State" }
"""
PERSONAL = tuple(
    f"/{page}/{number}x{code}"
    for page in ("confirm", "manage", "unsubscribe")
    for number, code in ((1, "a" * 26), (2, "b" * 26), (SMALLEST + 7, "c" * 26))
)
ELSEWHERE = ("/subscribe", "/readyz", "/metrics", "/nothing", "/changes/99", "/log/checkpoint", "/log/key")


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


def test_no_public_answer_changes_with_the_readers(
    sqlite_engine: Engine, sqlite_url: str, tmp_path: Path
) -> None:
    """Each page, feed, file, API answer and probe, with its headers, is the same to the byte for a service
    that nobody follows and for one with readers, people who wait, who left and whose address refused.
    """
    write_past(sqlite_engine, lists=1, days=3, listings=40)
    asked = END + timedelta(hours=3)
    with contextmanager(opened)(sqlite_engine, sqlite_url, asked, tmp_path, LIST) as town:
        with db.transaction(town.engine) as conn:
            heartbeats.write_beat(conn, "sender", "a sender", asked)
        before = answers(town)
        readers(town)
        town.sign_up("waits@example.org")
        town.deliver()
        town.sign_up("asked@example.org")  # nobody has looked at it yet
        town.postbox.refused["gone@example.org"] = "550 5.1.1 no such user"
        town.sign_up("gone@example.org")
        town.deliver()
        town.member("left@example.org")
        town.client.post(link(town.mail(), "unsubscribe"), data={"List-Unsubscribe": "One-Click"})
        with db.reading(town.engine) as conn:
            states = set(conn.scalars(sa.select(SubscriberRow.state)))
        assert states == {"active", "pending", "ended"}
        town.now = asked
        assert answers(town) == before


def answers(town: Town) -> dict[str, tuple[int, dict[str, str], str]]:
    """What a site that has just started answers: status, headers and body by path."""
    with town.open() as address:
        visitor = Visitor(address)
        return {path: answer(visitor, path) for path in (*PAGES, *PERSONAL, *ELSEWHERE)}


def answer(visitor: Visitor, path: str) -> tuple[int, dict[str, str], str]:
    got = visitor.get(path)
    own = {"date", "x-request-id"}  # of each request
    headers = {name: value for name, value in got.headers.items() if name not in own}
    stamped = re.sub(r'name="stamp" value="[^"]+"', "", got.content.decode("latin-1"))
    return got.status_code, headers, stamped


@pytest.mark.parametrize("purpose", list(Purpose))
def test_a_token_that_was_sent_before_there_were_random_numbers_works(
    engine: Engine, keys: KeyFile, now: datetime, purpose: Purpose
) -> None:
    one = member(engine, keys, now)
    old = tokens.make(keys.token_key, purpose, one.id, one.nonce)
    new = tokens.make(keys.token_key, purpose, one.number, one.nonce)
    for token in (old, new):
        with db.reading(engine) as conn:
            found = personal_links.read_owner(conn, keys, purpose, token, now, for_change=False)
        assert found == one
    # neither number makes the other's code good
    code = new.partition("x")[2]
    with db.reading(engine) as conn:
        by_id = f"{one.id}x{code}"
        assert personal_links.read_owner(conn, keys, purpose, by_id, now, for_change=False) is None


def test_how_long_an_answer_takes_does_not_say_which_ids_exist() -> None:
    """Counted with a clock of the test's own: looking up an id that exists takes longer."""

    async def told(path: str, status: int, work: float) -> float:
        now = 50.0

        async def page(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal now
            now += work
            await Response("x", status)(scope, receive, send)

        async def sleep(seconds: float) -> None:
            nonlocal now
            now += seconds

        async def receive() -> Message:
            return {"type": "http.request"}

        answered: list[float] = []

        async def send(message: Message) -> None:
            answered.append(now)

        scope: Scope = {
            "type": "http", "method": "GET", "path": path, "query_string": b"",
            "headers": [(b"host", b"watch.example")],
        }  # fmt: skip
        site = SiteMiddleware(page, "https://watch.example", clock=lambda: now, sleep=sleep)
        await site(scope, receive, send)
        return round(answered[0] - 50.0, 9)

    async def measured() -> None:
        for page in ("confirm", "manage", "unsubscribe", "decide"):
            for work in (0.001, 0.04, 0.0999):
                assert await told(f"/{page}/7x{'a' * 26}", 404, work) == UNKNOWN_AFTER
            assert await told(f"/{page}/7x{'a' * 26}", 200, 0.001) == 0.001
            assert await told(f"/{page}/7x{'a' * 26}", 404, 0.25) == 0.25
        assert await told("/nothing", 404, 0.001) == 0.001

    asyncio.run(measured())
