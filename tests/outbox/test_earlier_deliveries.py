"""Due deliveries that version 0.1.0 wrote: they migrate, and each is sent as the message that it was.

0.1.0 kept what a digest or notice is about in its period ("blind ring 2026-02-28"); one test per form that it
wrote.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from monitor.keys import KeyFile
from monitor.storage import engine as db
from monitor.storage import migrate
from monitor.storage.columns import UtcDateTime
from tests.peers.postgres import Postgres
from tests.storage.test_migrate import scripts_at
from tests.subscribers.town import Postbox, Town, mail_server, settled

ANN = "ann@example.org"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def earlier(request: pytest.FixtureRequest, tmp_path: Path, now: datetime) -> Iterator[Engine]:
    """A database as 0.1.0 made it, without rows."""
    server: Postgres | None = None
    name = f"earlier_{secrets.token_hex(6)}"
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'monitor.db'}"
    else:
        server = request.getfixturevalue("postgres")
        url = server.create(name)
    engine = db.connect(url)
    migrate.upgrade(engine, folder=tmp_path, now=now, scripts=scripts_at(tmp_path / "then", "0001"))
    yield engine
    engine.dispose()
    if server is not None:
        server.drop(name)


class Earlier:
    """Rows as 0.1.0 wrote them, for one subscriber who follows 60601 on Ring's map and on the 287(g) list."""

    def __init__(self, conn: Connection, keys: KeyFile, now: datetime) -> None:
        self._conn, self._now = conn, now
        self._tables = sa.MetaData()
        self._tables.reflect(conn)
        then = now - timedelta(days=100)
        self.subscriber = self._insert(
            "subscriber", channel="email", address=keys.seal("email", ANN), address_hash=keys.lookup("email",
            ANN),
            state="active", origin="site", language="en", frequency="at_once", receipts=True,
            nonce="0badcafe",
            created_at=then, confirmed_at=then, strikes=0,
        )  # fmt: skip
        for source in ("ring", "ice-287g"):
            self._insert(
                "subscription", subscriber_id=self.subscriber, source=source, place="60601", within="IL",
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
            subscriber.update().values(state="pending", confirmed_at=None, confirm_until=until)
        )

    def publish(self) -> int:
        """A published change near the subscriber, fanned out; returns the changeset."""
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

    def digest(self, period: str) -> None:
        """A due digest of one change."""
        changeset = self.publish()
        delivery = self.deliver("digest", period)
        self._insert(
            "digest_changeset", subscriber_id=self.subscriber, changeset_id=changeset, delivery_id=delivery
        )


def send(engine: Engine, keys: KeyFile, now: datetime, folder: Path) -> list[str]:
    """Migrate, send everything that is due, and return the subjects."""
    report = migrate.upgrade(engine, folder=folder / "copies", now=now)
    assert report.before == "0001"
    postbox = Postbox()
    controller = mail_server(postbox)
    controller.start()
    try:
        url = engine.url.set(drivername=engine.dialect.name).render_as_string(hide_password=False)
        settings = settled(folder, url, controller.port)
        town = Town(settings, engine, keys, postbox, now)
        drained = town.deliver()
        assert (drained.failed, drained.retried, drained.due) == (0, 0, 0)
        assert town.deliver().sent == 0
    finally:
        controller.stop()
    assert {address for address, _ in postbox.mails} <= {ANN}
    return [mail["Subject"] for _, mail in postbox.mails]


def test_an_alert(earlier: Engine, keys: KeyFile, now: datetime, tmp_path: Path) -> None:
    with db.transaction(earlier) as conn:
        rows = Earlier(conn, keys, now)
        rows.deliver("alert", changeset=rows.publish())
    subjects = send(earlier, keys, now, tmp_path)
    assert subjects == ["Chicago Police Department (IL) added to Ring's Active Agency Map"]


def test_a_confirmation(earlier: Engine, keys: KeyFile, now: datetime, tmp_path: Path) -> None:
    with db.transaction(earlier) as conn:
        rows = Earlier(conn, keys, now)
        rows.pend()
        rows.deliver("confirm", "2026-03-01T11:59:30")
    assert send(earlier, keys, now, tmp_path) == ["Please confirm: alerts from Map Monitor"]


def test_the_answer_to_somebody_who_is_subscribed_already(
    earlier: Engine, keys: KeyFile, now: datetime, tmp_path: Path
) -> None:
    with db.transaction(earlier) as conn:
        Earlier(conn, keys, now).deliver("confirm", "2026-03-01T11:59:30")
    assert send(earlier, keys, now, tmp_path) == ["You are already subscribed: Map Monitor"]


def test_a_welcome(earlier: Engine, keys: KeyFile, now: datetime, tmp_path: Path) -> None:
    with db.transaction(earlier) as conn:
        Earlier(conn, keys, now).deliver("welcome", "welcome")
    assert send(earlier, keys, now, tmp_path) == ["You are subscribed: Map Monitor"]


@pytest.mark.parametrize(
    ("period", "subject"),
    [
        ("2026-03-01", "Your daily digest: 1 change · Map Monitor"),
        ("2026-W09", "Your weekly digest: 1 change · Map Monitor"),
        ("summary 2026-03-01T11:30:00", "While you paused: 1 change · Map Monitor"),
        ("last 2026-03-01T11:30:00", "Since your last digest: 1 change · Map Monitor"),
    ],
)
def test_a_digest(
    earlier: Engine, keys: KeyFile, now: datetime, tmp_path: Path, period: str, subject: str
) -> None:
    with db.transaction(earlier) as conn:
        Earlier(conn, keys, now).digest(period)
    assert send(earlier, keys, now, tmp_path) == [subject]


@pytest.mark.parametrize(
    ("source", "title"),
    [("ring", "Ring's Active Agency Map"), ("ice-287g", "ICE's list of 287(g) agencies")],
)
@pytest.mark.parametrize(
    ("about", "heading"),
    [("blind", "We cannot read this list right now"), ("back", "We can read this list again")],
)
def test_a_notice_about_a_list(
    earlier: Engine,
    keys: KeyFile,
    now: datetime,
    tmp_path: Path,
    about: str,
    heading: str,
    source: str,
    title: str,
) -> None:
    with db.transaction(earlier) as conn:
        rows = Earlier(conn, keys, now)
        rows.see(source, told_blind=about == "blind")
        rows.deliver("notice", f"{about} {source} 2026-02-28")
    assert send(earlier, keys, now, tmp_path) == [f"{heading}: {title}"]


def test_a_notice_that_is_not_true_any_more_is_not_sent(
    earlier: Engine, keys: KeyFile, now: datetime, tmp_path: Path
) -> None:
    with db.transaction(earlier) as conn:
        rows = Earlier(conn, keys, now)
        rows.see("ring", told_blind=False)
        rows.deliver("notice", "blind ring 2026-02-28")
    assert send(earlier, keys, now, tmp_path) == []


def test_a_receipt(earlier: Engine, keys: KeyFile, now: datetime, tmp_path: Path) -> None:
    with db.transaction(earlier) as conn:
        Earlier(conn, keys, now).deliver("notice", "receipt 2026-02-28")
    subjects = send(earlier, keys, now, tmp_path)
    assert subjects == ["Still watching: no change for your places in three months"]


def test_an_export(earlier: Engine, keys: KeyFile, now: datetime, tmp_path: Path) -> None:
    with db.transaction(earlier) as conn:
        Earlier(conn, keys, now).deliver("notice", "export 2026-02-28T10:15:00")
    assert send(earlier, keys, now, tmp_path) == ["What Map Monitor stores about you"]
