"""Due deliveries that version 0.1.0 wrote: they migrate, and each is sent as the message that it was.

0.1.0 kept what a digest or notice is about in its period ("blind ring 2026-02-28"); one test per form that it
wrote.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.keys import KeyFile
from monitor.storage import engine as db
from monitor.storage import migrate
from monitor.storage.columns import UtcDateTime
from tests.conftest import NOW
from tests.peers.postgres import Postgres
from tests.storage.test_migrate import scripts_at
from tests.subscribers.town import Postbox, Town, mail_server, settled

SOURCES = {"ring": "Ring's Active Agency Map", "ice-287g": "ICE's list of 287(g) agencies"}
DIGESTS = {
    "2026-03-01": "Your daily digest: 1 change · Map Monitor",
    "2026-W09": "Your weekly digest: 1 change · Map Monitor",
    "summary 2026-03-01T11:30:00": "While you paused: 1 change · Map Monitor",
    "last 2026-03-01T11:30:00": "Since your last digest: 1 change · Map Monitor",
}


class Earlier:
    """Rows as 0.1.0 wrote them. Subscribers follow a place on Ring's map and on the 287(g) list; deliveries
    are those of the one who came last.
    """

    def __init__(self, conn: Connection, keys: KeyFile, now: datetime) -> None:
        self._conn, self._keys, self._now = conn, keys, now
        self._tables = sa.MetaData()
        self._tables.reflect(conn)

    def subscribe(self, address: str, place: str = "60601", state: str = "IL") -> None:
        """A new subscriber."""
        then = self._now - timedelta(days=100)
        self.subscriber = self._insert(
            "subscriber", channel="email", address=self._keys.seal("email", address),
            address_hash=self._keys.lookup("email", address),
            state="active", origin="site", language="en", frequency="at_once", receipts=True,
            nonce="0badcafe",
            created_at=then, confirmed_at=then, strikes=0,
        )  # fmt: skip
        for source in ("ring", "ice-287g"):
            self._insert(
                "subscription", subscriber_id=self.subscriber, source=source, place=place, within=state,
                created_at=then,
            )  # fmt: skip

    def _insert(self, table: str, **values: Any) -> int:
        columns = self._tables.tables[table]
        key = next(iter(columns.primary_key.columns))
        stored = {name: self._stored(value) for name, value in values.items()}
        number: int = self._conn.execute(columns.insert().values(**stored).returning(key)).scalar_one()
        return number

    def _stored(self, value: Any) -> Any:
        """A value as the database holds it: reflection does not know the program's own type of times."""
        if isinstance(value, datetime):
            return UtcDateTime().process_bind_param(value, self._conn.dialect)
        return value

    def pend(self) -> None:
        """The subscriber has not confirmed yet."""
        subscriber = self._tables.tables["subscriber"]
        until = self._stored(self._now + timedelta(hours=47))
        self._conn.execute(
            subscriber.update()
            .where(subscriber.c.id == self.subscriber)
            .values(state="pending", confirmed_at=None, confirm_until=until)
        )

    def publish(self) -> int:
        """A published change in 60601, fanned out; returns the changeset."""
        at = self._now - timedelta(hours=1)
        changeset = self._insert("changeset", source="ring", number=1, at=at, fanned_out_at=at)
        change = self._insert(
            "change", source="ring", kind="added", agency="IL|chicago", state="published", reason="",
            fields=[],
            after={"name": "Chicago Police Department", "city": "Chicago", "state": "IL"},
            not_before=at - timedelta(hours=1), first_seen_at=at, was_held=False, approved=False,
            changeset_id=changeset, how="city", confidence="exact", placement="covers Chicago",
        )  # fmt: skip
        for place in ("60601", "IL", "US"):
            self._insert("change_place", change_id=change, place=place, everyone=False)
        return changeset

    def see(self, source: str, *, told_blind: bool) -> None:
        """A source that was read, whose followers were told that it cannot be read, or not."""
        good = self._now - timedelta(days=9)
        self._insert(
            "source", name=source, number=1, fingerprint="", columns=[], folders=[], last_good_at=good,
            last_fetch_at=good, blind_notified_at=self._now if told_blind else None,
        )  # fmt: skip

    def deliver(self, kind: str, period: str | None = None, changeset: int | None = None) -> int:
        """A due delivery."""
        return self._insert(
            "delivery", kind=kind, period=period, changeset_id=changeset, subscriber_id=self.subscriber,
            state="due",
            created_at=self._now, due_at=self._now, attempts=0, ambiguous=False,
        )  # fmt: skip

    def digest(self, period: str, changeset: int) -> None:
        """A due digest of one change."""
        delivery = self.deliver("digest", period)
        self._insert(
            "digest_changeset", subscriber_id=self.subscriber, changeset_id=changeset, delivery_id=delivery
        )


def address_of(form: str) -> str:
    """Who is owed the message of this form."""
    return f"{form.replace(' ', '-').replace(':', '')}@example.org"


def write_messages(rows: Earlier) -> None:
    """Every form but those about a list, each owed to a subscriber of its own."""
    changeset = rows.publish()
    rows.subscribe(address_of("alert"))
    rows.deliver("alert", changeset=changeset)
    rows.subscribe(address_of("confirmation"))
    rows.pend()
    rows.deliver("confirm", "2026-03-01T11:59:30")
    rows.subscribe(address_of("subscribed"))
    rows.deliver("confirm", "2026-03-01T11:59:30")
    rows.subscribe(address_of("welcome"))
    rows.deliver("welcome", "welcome")
    for period in DIGESTS:
        rows.subscribe(address_of(period))
        rows.digest(period, changeset)
    rows.subscribe(address_of("receipt"), "10001", "NY")  # where nothing was published
    rows.deliver("notice", "receipt 2026-02-28")
    rows.subscribe(address_of("export"))
    rows.deliver("notice", "export 2026-02-28T10:15:00")


def write_blind(rows: Earlier) -> None:
    """Lists that cannot be read, of which the notice is due."""
    for source in SOURCES:
        rows.see(source, told_blind=True)
        rows.subscribe(address_of(f"blind {source}"))
        rows.deliver("notice", f"blind {source} 2026-02-28")


def write_read_again(rows: Earlier) -> None:
    """Lists that can be read again, of which the notice is due, and one that is not true any more."""
    for source in SOURCES:
        rows.see(source, told_blind=False)
        rows.subscribe(address_of(f"back {source}"))
        rows.deliver("notice", f"back {source} 2026-02-28")
    rows.subscribe(address_of("blind ring"))
    rows.deliver("notice", "blind ring 2026-02-28")


def send(url: str, keys: KeyFile, folder: Path, write: Callable[[Earlier], None]) -> dict[str, list[str]]:
    """Write rows into a database as 0.1.0 made it, migrate, send everything that is due, and return the
    subjects by address.
    """
    engine = db.connect(url)
    postbox = Postbox()
    controller = mail_server(postbox)
    controller.start()
    try:
        migrate.upgrade(engine, folder=folder, now=NOW, scripts=scripts_at(folder / "then", "0001"))
        with db.transaction(engine) as conn:
            write(Earlier(conn, keys, NOW))
        report = migrate.upgrade(engine, folder=folder / "copies", now=NOW)
        assert report.before == "0001"
        town = Town(settled(folder, url, controller.port), engine, keys, postbox, NOW)
        drained = town.deliver()
        assert (drained.failed, drained.retried, drained.due) == (0, 0, 0)
        assert town.deliver().sent == 0
    finally:
        controller.stop()
        engine.dispose()
    subjects: dict[str, list[str]] = {}
    for address, mail in postbox.mails:
        subjects.setdefault(address, []).append(mail["Subject"])
    return subjects


Sent = Callable[[Callable[[Earlier], None]], dict[str, list[str]]]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], scope="module")
def sent(
    request: pytest.FixtureRequest, keys: KeyFile, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sent]:
    """What is sent of the rows that a function writes; all migrations run once for all tests that ask."""
    server: Postgres | None = None if request.param == "sqlite" else request.getfixturevalue("postgres")
    made: list[str] = []

    @cache
    def sent_of(write: Callable[[Earlier], None]) -> dict[str, list[str]]:
        folder = tmp_path_factory.mktemp("earlier")
        if server is None:
            return send(f"sqlite:///{folder / 'monitor.db'}", keys, folder, write)
        made.append(f"earlier_{secrets.token_hex(6)}")
        return send(server.create(made[-1]), keys, folder, write)

    yield sent_of
    if server is not None:
        for name in made:
            server.drop(name)


def test_nobody_else_is_written_to(sent: Sent) -> None:
    forms = ["alert", "confirmation", "subscribed", "welcome", *DIGESTS, "receipt", "export"]
    assert set(sent(write_messages)) == {address_of(form) for form in forms}
    assert set(sent(write_blind)) == {address_of(f"blind {source}") for source in SOURCES}
    assert set(sent(write_read_again)) == {address_of(f"back {source}") for source in SOURCES}


def test_an_alert(sent: Sent) -> None:
    subjects = sent(write_messages)[address_of("alert")]
    assert subjects == ["Chicago Police Department (IL) added to Ring's Active Agency Map"]


def test_a_confirmation(sent: Sent) -> None:
    subjects = sent(write_messages)[address_of("confirmation")]
    assert subjects == ["Please confirm: alerts from Map Monitor"]


def test_the_answer_to_somebody_who_is_subscribed_already(sent: Sent) -> None:
    subjects = sent(write_messages)[address_of("subscribed")]
    assert subjects == ["You are already subscribed: Map Monitor"]


def test_a_welcome(sent: Sent) -> None:
    assert sent(write_messages)[address_of("welcome")] == ["You are subscribed: Map Monitor"]


@pytest.mark.parametrize(("period", "subject"), DIGESTS.items())
def test_a_digest(sent: Sent, period: str, subject: str) -> None:
    assert sent(write_messages)[address_of(period)] == [subject]


@pytest.mark.parametrize(("source", "title"), SOURCES.items())
@pytest.mark.parametrize(
    ("about", "heading", "write"),
    [
        ("blind", "We cannot read this list right now", write_blind),
        ("back", "We can read this list again", write_read_again),
    ],
)
def test_a_notice_about_a_list(
    sent: Sent, about: str, heading: str, write: Callable[[Earlier], None], source: str, title: str
) -> None:
    assert sent(write)[address_of(f"{about} {source}")] == [f"{heading}: {title}"]


def test_a_notice_that_is_not_true_any_more_is_not_sent(sent: Sent) -> None:
    assert address_of("blind ring") not in sent(write_read_again)


def test_a_receipt(sent: Sent) -> None:
    subjects = sent(write_messages)[address_of("receipt")]
    assert subjects == ["Still watching: no change for your places in three months"]


def test_an_export(sent: Sent) -> None:
    assert sent(write_messages)[address_of("export")] == ["What Map Monitor stores about you"]
