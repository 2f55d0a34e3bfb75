"""What must always hold, sentences 4, 6 and 7: mail goes to those who asked for it, from the one database
that owes it.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from monitor import app, config, subscribers
from monitor.errors import FencedError, KeyFileError
from monitor.outbox import FenceState, clone_guard
from monitor.storage import engine as db
from monitor.storage import people
from monitor.storage.deliveries.tables import DeliveryRow
from monitor.storage.people.tables import SignupRow, SubscriberRow
from tests.outbox.world import CHICAGO, World
from tests.subscribers.conftest import ANN, ask, deliveries, member, who
from tests.subscribers.town import PRESSED, Postbox, Town, link, links, mail_server, settled


def happens(town: Town) -> None:
    """An agency of 60601 is put on the list."""
    world = World(town.engine, town.keys, town.settings.data.folder, town.now)
    world.publish(CHICAGO)
    assert world.fan_out()


# 4. A copied or restored database does not mail real people by itself; a container that was recreated on its
# own volume does.


def backup(town: Town, to: Path) -> None:
    path = db.sqlite_path(town.engine)
    assert path is not None
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)


@pytest.mark.parametrize("when", ["before the first mail", "after some mails"])
def test_a_copied_database_does_not_mail_real_people_by_itself(
    small_town: Town, tmp_path: Path, when: str
) -> None:
    town = small_town
    # as the program opens it, which the fixture has done by hand
    app.open_database(town.settings).dispose()
    if when == "after some mails":
        town.member()
    else:
        member(town.engine, town.keys, town.now)
    happens(town)
    elsewhere = tmp_path / "staging"
    (elsewhere / "data").mkdir(parents=True)
    backup(town, elsewhere / "data" / "monitor.db")
    postbox = Postbox()
    server = mail_server(postbox)
    server.start()
    try:
        settings = settled(elsewhere, f"sqlite:///{elsewhere}/data/monitor.db", server.port)
        engine = app.open_database(settings)
        with pytest.raises(KeyFileError):  # without the key nobody can even be named
            app.open_keys(settings, engine)
        shutil.copy(town.settings.data.folder / "monitor.key", settings.data.folder / "monitor.key")
        copy = Town(settings, engine, app.open_keys(settings, engine), postbox, town.now)
        with pytest.raises(FencedError):
            copy.deliver()
        assert postbox.mails == []
        assert ("alert", "due", None) in deliveries(engine)
        engine.dispose()
    finally:
        server.stop()
    before = len(town.postbox.mails)
    town.deliver()  # the original goes on
    assert len(town.postbox.mails) > before


def test_a_restored_database_does_not_mail_real_people_by_itself(small_town: Town, tmp_path: Path) -> None:
    town = small_town
    app.open_database(town.settings).dispose()
    town.member()
    happens(town)
    backup(town, tmp_path / "backup.db")
    town.deliver()
    mails = len(town.postbox.mails)
    path = db.sqlite_path(town.engine)
    assert path is not None
    town.engine.dispose()
    shutil.copyfile(tmp_path / "backup.db", path)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    town.later(days=1)
    with pytest.raises(FencedError):
        town.deliver()
    assert len(town.postbox.mails) == mails
    clone_guard.allow_sending(
        town.engine, town.settings.data.folder, now=town.now
    )  # what `monitor resume` does once it was told yes
    town.deliver()
    assert len(town.postbox.mails) == mails + 1


def test_a_container_that_was_recreated_on_its_own_volume_mails(
    small_town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = small_town
    app.open_database(town.settings).dispose()
    town.member()
    happens(town)
    town.engine.dispose()
    # another host name, other credentials and tuning, and everything opened again
    monkeypatch.setattr("os.uname", lambda: type("Host", (), {"nodename": "another"})())
    settings = town.settings.model_copy(
        update={
            "email": town.settings.email.model_copy(
                update={"connections": 9, "sender": "W <w@watch.example>"}
            )
        }
    )
    assert isinstance(settings, config.Settings)
    engine = app.open_database(settings)
    assert clone_guard.check(engine, settings.data.folder) == FenceState()
    before = len(town.postbox.mails)
    Town(settings, engine, app.open_keys(settings, engine), town.postbox, town.now).deliver()
    assert len(town.postbox.mails) == before + 1
    engine.dispose()


def test_whoever_was_erased_stays_so_in_an_old_copy_of_the_database(small_town: Town, tmp_path: Path) -> None:
    town = small_town
    town.member()
    town.member("bob@example.org")
    backup(town, tmp_path / "backup.db")
    town.later(days=1)
    subscribers.erase(
        town.engine, town.keys, channel="email", address=ANN, now=town.now,
        tombstones=app.open_tombstones(town.settings)
    )  # fmt: skip
    town.engine.dispose()
    path = db.sqlite_path(town.engine)
    assert path is not None
    shutil.copyfile(tmp_path / "backup.db", path)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    assert who(town.engine, town.keys) is not None
    app.open_keys(town.settings, town.engine)
    assert who(town.engine, town.keys) is None
    assert who(town.engine, town.keys, "bob@example.org") is not None


# 6. Link scanners neither confirm nor unsubscribe: GET changes nothing. One-click unsubscribe (RFC 8058) is a
# POST and works.


def everything(town: Town) -> list[object]:
    with db.reading(town.engine) as conn:
        return [
            conn.execute(sa.select(sa.inspect(table).local_table)).all()
            for table in (SubscriberRow, DeliveryRow, SignupRow)
        ]


def test_link_scanners_neither_confirm_nor_unsubscribe(town: Town) -> None:
    town.member("bob@example.org")
    happens(town)
    town.sign_up()
    town.deliver()
    before = everything(town)
    followed = {each for _, mail in town.postbox.mails for each in links(mail) if "watch.example" in each}
    assert {each.split("/")[3] for each in followed} >= {"confirm", "manage", "unsubscribe", "change"}
    for each in followed:
        for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"):
            town.client.request(method, each)
        town.client.get(f"{each}?List-Unsubscribe=One-Click&again=1")
    assert everything(town) == before
    assert who(town.engine, town.keys).state == "pending"  # type: ignore[union-attr]
    assert who(town.engine, town.keys, "bob@example.org").state == "active"  # type: ignore[union-attr]


@pytest.mark.parametrize("form", ["urlencoded", "multipart"])
def test_one_click_unsubscribe_is_a_post_and_works(small_town: Town, form: str) -> None:
    town = small_town
    town.member()
    happens(town)
    town.deliver()
    header = town.mail()["List-Unsubscribe"]
    assert town.mail()["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    address = header.partition(">")[0].removeprefix("<")
    body = {"List-Unsubscribe": "One-Click"}
    answer = town.client.post(
        address,
        **({"data": body} if form == "urlencoded" else {"files": {k: (None, v) for k, v in body.items()}}),
    )
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert who(town.engine, town.keys) is None
    world = World(town.engine, town.keys, town.settings.data.folder, town.now)
    world.publish(CHICAGO)
    assert world.fan_out() == 0
    before = len(town.postbox.mails)
    town.deliver()
    assert len(town.postbox.mails) == before


# 7. The sign-up form cannot be used to bomb a stranger's mailbox, nor to ask whether an address is
# subscribed.


def test_the_form_cannot_be_used_to_bomb_a_mailbox(small_town: Town) -> None:
    town = small_town
    for day in range(30):
        for spelling in (ANN, ANN.upper(), f" {ANN} ", "Ann@EXAMPLE.org"):
            subscribers.request(
                town.engine, town.keys,
                subscribers.SignupRequest(address=spelling, places=("60601",), sources=("ring",)),
                channel="email", client=f"192.0.{day}.7", now=town.now,
            )  # fmt: skip
        town.deliver()
        assert len(town.postbox.mails) <= min(day + 1, 3)
        town.later(hours=24, minutes=1)
    assert len(town.postbox.mails) == 3


def test_the_form_does_not_tell_whether_an_address_is_subscribed(small_town: Town) -> None:
    town = small_town
    names = ("unknown", "pending", "active", "suppressed", "undeliverable")
    member(town.engine, town.keys, town.now, "active@example.org")
    ask(town.engine, town.keys, town.now, "pending@example.org")
    with db.transaction(town.engine) as conn:
        people.suppress(conn, "email", town.keys.lookup("email", "suppressed@example.org"), "gone", town.now)
    town.postbox.refused["undeliverable@example.org"] = "550 5.1.1 no such user"
    ask(town.engine, town.keys, town.now, "undeliverable@example.org")
    town.deliver()
    town.sign_up("first@example.org")  # what is read once is read by now
    stamp = town.stamp()
    answers: Counter[str] = Counter()
    statements: list[int] = []

    def count(*_: object) -> None:
        statements[-1] += 1

    sa.event.listen(town.engine, "before_cursor_execute", count)
    for name in names:
        statements.append(0)
        form = {"address": f"{name}@example.org", "places": "60601", "lists": ["ring"], "stamp": stamp}
        answer = town.client.post("/subscribe", data=form)
        own = ("date", "x-request-id")  # of each answer, for every visitor
        headers = {key: value for key, value in answer.headers.items() if key not in own}
        answers[json.dumps([answer.status_code, answer.text, headers])] += 1
    sa.event.remove(town.engine, "before_cursor_execute", count)
    assert len(answers) == 1  # the same answer
    assert len(set(statements)) == 1  # and the same work for it
    assert town.client.get("/subscribe").status_code == 200


def test_only_the_owner_of_a_mailbox_can_say_yes(small_town: Town) -> None:
    town = small_town
    town.sign_up()
    town.deliver()
    world = World(town.engine, town.keys, town.settings.data.folder, town.now)
    world.publish(CHICAGO)
    assert world.fan_out() == 0
    town.later(hours=1)
    town.deliver()
    assert len(town.postbox.mails) == 1  # pending people are told nothing
    town.later(hours=48)
    assert town.client.post(link(town.mail(), "confirm"), data=PRESSED).status_code in {200, 404}
    assert deliveries(town.engine, "welcome") == []
    subscribers.purge(town.engine, town.now + timedelta(hours=1))
    assert who(town.engine, town.keys) is None
