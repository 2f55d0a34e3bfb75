"""A small world for people: published changes with places, and somebody who asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from monitor import subscribers
from monitor.core import tokens
from monitor.core.tokens import Purpose
from monitor.domain import Listing
from monitor.keys import KeyFile
from monitor.storage import engine as db
from monitor.storage import people
from monitor.storage.deliveries.tables import DeliveryRow
from monitor.storage.lists.codec import listing_to_json
from monitor.storage.lists.tables import ChangePlaceRow, ChangeRow, ChangesetRow
from monitor.storage.people import Subscriber
from monitor.subscribers import SignupRequest
from tests.subscribers.town import Town, opened

ANN = "ann@example.org"


def wish(address: str = ANN, *places: str, **more: Any) -> SignupRequest:
    return SignupRequest(address=address, places=places or ("60601",), **{"sources": ("ring",), **more})


def ask(
    engine: Engine, keys: KeyFile, now: datetime, address: str = ANN, *places: str, **more: Any
) -> subscribers.SignupAnswer:
    """A form is sent, and the sender looks at it."""
    answer = subscribers.request(
        engine, keys, wish(address, *places, **more), channel="email", client="192.0.2.7", now=now
    )
    subscribers.admit(engine, keys, now)
    return answer


def who(engine: Engine, keys: KeyFile, address: str = ANN) -> Subscriber | None:
    with db.reading(engine) as conn:
        return people.find(conn, "email", keys.lookup("email", address))


def token(keys: KeyFile, purpose: Purpose, one: Subscriber | None) -> str:
    assert one is not None
    return tokens.make(keys.token_key, purpose, one.number, one.nonce)


def member(
    engine: Engine, keys: KeyFile, now: datetime, address: str = ANN, *places: str, **more: Any
) -> Subscriber:
    """Somebody who asked and confirmed."""
    ask(engine, keys, now, address, *places, **more)
    subscribers.confirm(engine, keys, token(keys, Purpose.CONFIRM, who(engine, keys, address)), now)
    one = who(engine, keys, address)
    assert one is not None
    return one


def deliveries(engine: Engine, *kinds: str) -> list[tuple[str, str, str | None]]:
    """(kind, state, period) of what the outbox holds, oldest first."""
    with db.reading(engine) as conn:
        rows = conn.execute(
            sa.select(DeliveryRow.kind, DeliveryRow.state, DeliveryRow.period).order_by(DeliveryRow.id)
        )  # type: ignore[call-overload]
        return [tuple(row) for row in rows if not kinds or row.kind in kinds]


def count(engine: Engine, table: Any) -> int:
    with db.reading(engine) as conn:
        return conn.scalar(sa.select(sa.func.count()).select_from(table)) or 0


@pytest.fixture
def publish(engine: Engine) -> Callable[..., int]:
    """Write a published changeset with one added agency and its places; not fanned out. Returns its id."""

    def published(name: str, at: datetime, *places: str, source: str = "ring", everyone: bool = False) -> int:
        with db.transaction(engine) as conn:
            return _published(conn, name, at, places or ("60601", "IL", "US"), source, everyone)

    return published


def _published(
    conn: Connection, name: str, at: datetime, places: tuple[str, ...], source: str, everyone: bool
) -> int:
    number = (conn.scalar(sa.select(sa.func.count()).select_from(ChangesetRow)) or 0) + 1
    changeset = conn.scalar(
        sa.insert(ChangesetRow).values(source=source, number=number, at=at).returning(ChangesetRow.id)  # type: ignore[call-overload]
    )
    listing = Listing(name=name, key=f"IL|{name}", state="IL", city="Chicago")
    change = conn.scalar(
        sa.insert(ChangeRow)
        .values(
            source=source, kind="added", agency=listing.key, state="published", reason="", fields=[],
            after=listing_to_json(listing), first_seen_at=at, was_held=False, approved=False,
            changeset_id=changeset,
            how="municipal", confidence="exact", placement="covers Chicago",
        )
        .returning(ChangeRow.id)  # type: ignore[call-overload]
    )  # fmt: skip
    conn.execute(
        sa.insert(ChangePlaceRow),
        [
            {"change_id": change, "place": place, "everyone": everyone and not place.isdigit()}
            for place in places
        ],
    )
    assert changeset is not None
    return int(changeset)


@pytest.fixture
def town(engine: Engine, database_url: str, now: datetime, tmp_path: Path) -> Iterator[Town]:
    """A service of its own, on SQLite and on PostgreSQL, with a mail server that listens."""
    yield from opened(engine, database_url, now, tmp_path)


@pytest.fixture
def small_town(sqlite_engine: Engine, sqlite_url: str, now: datetime, tmp_path: Path) -> Iterator[Town]:
    """The same on SQLite, for what does not depend on the kind of database."""
    yield from opened(sqlite_engine, sqlite_url, now, tmp_path)
