"""Personal links: their owners and states."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy.engine import Connection, Engine

from monitor.core import tokens
from monitor.core.tokens import Purpose
from monitor.keys import KeyFile
from monitor.storage import engine as db
from monitor.storage import people
from monitor.storage.people import ENDED, PENDING, Follow, Subscriber


class LinkState(StrEnum):
    """The state of a personal link."""

    OPEN = "open"  # it can be acted upon
    DONE = "done"  # it was used, or its subscriber no longer needs it
    EXPIRED = "expired"
    UNKNOWN = "unknown"  # it was not created here, or its subscriber is purged


@dataclass(frozen=True, slots=True)
class Link:
    """A personal link and its subscriber; ``subscriber`` is None if there is none."""

    found: LinkState
    subscriber: Subscriber | None = None
    follows: tuple[Follow, ...] = ()


def load_link(engine: Engine, keys: KeyFile, purpose: Purpose, token: str, now: datetime) -> Link:
    """Read the state of a personal link, without changing anything."""
    with db.reading(engine) as conn:
        return read_link(conn, keys, purpose, token, now)


def read_link(
    conn: Connection,
    keys: KeyFile,
    purpose: Purpose,
    token: str,
    now: datetime,
    *,
    for_change: bool = False,
) -> Link:
    """Read a personal link; ``for_change`` as in `people.get`."""
    one = read_owner(conn, keys, purpose, token, now, for_change=for_change)
    if one is None:
        return Link(LinkState.UNKNOWN)
    if one.state == ENDED:
        return Link(LinkState.DONE if purpose is Purpose.UNSUBSCRIBE else LinkState.UNKNOWN, one)
    if purpose is Purpose.CONFIRM and one.state != PENDING:
        return Link(LinkState.DONE, one)
    if purpose is Purpose.CONFIRM and (one.confirm_until is None or one.confirm_until <= now):
        return Link(LinkState.EXPIRED, one)
    if purpose is Purpose.MANAGE and one.state == PENDING:
        return Link(LinkState.UNKNOWN)
    return Link(LinkState.OPEN, one, people.load_follows(conn, one.id))


def read_owner(
    conn: Connection,
    keys: KeyFile,
    purpose: Purpose,
    token: str,
    now: datetime,
    *,
    for_change: bool,
) -> Subscriber | None:
    """Read the subscriber of a valid token for this purpose; ``for_change`` as in `people.get`.

    After a rotation, older tokens are valid for a time (`keys.file_format.EarlierToken`), those that only end
    something without a limit.
    """
    number = tokens.parse_number(token)
    one = people.load_by_number(conn, number, for_change=for_change) if number is not None else None
    if one is None or number is None:
        return None
    ends = purpose in {Purpose.UNSUBSCRIBE, Purpose.BOUNCE}
    trusted = keys.trusted_token_keys(None if ends else now)
    return one if any(tokens.check(key, purpose, token, number, one.nonce) for key in trusted) else None
