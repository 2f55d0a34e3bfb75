"""A transaction that changes a subscriber locks the row before it decides, see `people.get`: on PostgreSQL
another one could otherwise change it between the decision and the write.

SQLite has one writer and leaves the clause out, so the statements are looked at before they are compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor import subscribers
from monitor.core.tokens import Purpose
from monitor.keys import KeyFile
from monitor.storage import engine as db
from monitor.storage.people import Subscriber
from monitor.storage.people.tables import SubscriberRow
from monitor.subscribers import Preferences, Tombstones, moved_address
from tests.subscribers.conftest import ANN, ask, member, token, who, wish
from tests.subscribers.test_bounces import back, dsn, report

LATER = timedelta(hours=1)


@dataclass
class Scene:
    """Ann, who was asked to confirm, and what changes or reads her row."""

    engine: Engine
    keys: KeyFile
    now: datetime
    folder: Path
    one: Subscriber

    def link(self, purpose: Purpose) -> str:
        return token(self.keys, purpose, self.one)

    def confirms(self) -> None:
        subscribers.confirm(self.engine, self.keys, self.link(Purpose.CONFIRM), self.now)

    def renews(self) -> None:
        link = self.link(Purpose.CONFIRM)
        subscribers.renew(self.engine, self.keys, link, self.now + timedelta(hours=49))

    def is_decided(self) -> None:
        subscribers.request(
            self.engine, self.keys, wish(), channel="email", client=None, now=self.now + LATER
        )
        subscribers.admit(self.engine, self.keys, self.now + LATER)

    def leaves(self) -> None:
        subscribers.leave(self.engine, self.keys, self.link(Purpose.UNSUBSCRIBE), self.now)

    def changes(self) -> None:
        new = Preferences(places=("IL",), sources=("ring",), language="en", frequency="at_once")
        subscribers.change(self.engine, self.keys, self.link(Purpose.MANAGE), new, self.now)

    def is_erased(self) -> None:
        subscribers.erase(
            self.engine, self.keys, channel="email", address=ANN, now=self.now,
            tombstones=Tombstones(self.folder),
        )  # fmt: skip

    def is_removed_by_address(self) -> None:
        subscribers.remove(self.engine, self.keys, now=self.now, channel="email", address=ANN)

    def is_removed_by_number(self) -> None:
        subscribers.remove(self.engine, self.keys, now=self.now, subscriber=1)

    def leaves_by_mail(self) -> None:
        mail = f"Subject: unsubscribe {self.link(Purpose.UNSUBSCRIBE)}\r\n\r\n"
        subscribers.apply_mail(self.engine, self.keys, mail.encode(), self.now)

    def refuses(self) -> None:
        subscribers.apply_mail(self.engine, self.keys, report(back(self.keys, self.one)), self.now)

    def complains(self) -> None:
        fields = f"Feedback-Type: abuse\nOriginal-Mail-From: <{back(self.keys, self.one)}>"
        mail = dsn(fields, to="fbl@watch.example", kind="feedback-report")
        subscribers.apply_mail(self.engine, self.keys, mail, self.now)

    def moves(self) -> None:
        form = {"channel": "email", "address": "ann.lee@example.org", "instead of": ANN}
        with db.transaction(self.engine) as conn:
            moved_address.move(conn, self.keys, form)

    def looks(self) -> None:
        subscribers.load_link(self.engine, self.keys, Purpose.CONFIRM, self.link(Purpose.CONFIRM), self.now)


@pytest.mark.parametrize(
    ("act", "locking"),
    [
        (Scene.confirms, [True]),
        (Scene.renews, [True]),
        (Scene.is_decided, [True]),
        (Scene.leaves, [True]),
        (Scene.changes, [True, True, False]),  # the places lock as well; the answer is what was written
        (Scene.is_erased, [True]),
        (Scene.is_removed_by_address, [True]),
        (Scene.is_removed_by_number, [True]),
        (Scene.leaves_by_mail, [True]),
        (Scene.refuses, [True]),
        (Scene.complains, [True, True]),  # in two transactions
        (Scene.moves, [True, False]),  # nobody has the new address
        (Scene.looks, [False]),
    ],
)
def test_what_changes_a_subscriber_locks_the_row_first(
    sqlite_engine: Engine,
    keys: KeyFile,
    now: datetime,
    tmp_path: Path,
    act: Callable[[Scene], None],
    locking: list[bool],
) -> None:
    (member if act is Scene.changes else ask)(sqlite_engine, keys, now)
    one = who(sqlite_engine, keys)
    assert one is not None
    found: list[bool] = []

    def note(_: Any, statement: Any, *__: Any) -> None:
        if isinstance(statement, sa.Select) and SubscriberRow.c.nonce in statement.selected_columns.values():
            found.append(statement._for_update_arg is not None)

    sa.event.listen(sqlite_engine, "before_execute", note)
    act(Scene(sqlite_engine, keys, now, tmp_path, one))
    assert found == locking
