"""Unsubscribing: effective at once; the address is erased in the same transaction and remembered outside the
database as a keyed hash.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from email import policy
from email.parser import BytesParser
from email.utils import getaddresses
from pathlib import Path

from sqlalchemy.engine import Connection, Engine

from monitor.channels.kinds import first_lookup, lookup, normalize_address
from monitor.channels.outline import open_outline
from monitor.core.tokens import Purpose
from monitor.keys import KeyFile
from monitor.storage import engine as db
from monitor.storage import people
from monitor.storage.deliveries import endings
from monitor.storage.people import Subscriber, signups
from monitor.subscribers.erasures import Tombstones
from monitor.subscribers.personal_links import Link, LinkState, read_link
from monitor.subscribers.signup import withdraw

log = logging.getLogger(__name__)


def leave(
    engine: Engine,
    keys: KeyFile,
    token: str,
    now: datetime,
    *,
    tombstones: Tombstones | None = None,
    purpose: Purpose = Purpose.UNSUBSCRIBE,
) -> Link:
    """Unsubscribe the owner of a link. OPEN: they were subscribed until now; DONE: they had unsubscribed
    before.
    """
    with db.transaction(engine) as conn:
        link = read_link(conn, keys, purpose, token, now, for_change=True)
        if link.found is not LinkState.OPEN or link.subscriber is None:
            return link
        depart(conn, keys, link.subscriber, now, tombstones)
    log.info("subscriber %d left", link.subscriber.id)
    return link


def depart(
    conn: Connection, keys: KeyFile, one: Subscriber, now: datetime, tombstones: Tombstones | None
) -> bool:
    """End a subscriber in an open transaction; False if already ended. A former subscriber may sign up again
    at once:

    the count of reminders does not block the confirmation. The erasure is on the disk before the transaction
    commits. Otherwise, after a crash in between, a restored copy would send to them again.
    """
    if tombstones is not None and one.outline is not None:
        tombstones.add(one.channel, open_outline(keys, one.channel, one.outline).address, now)
    hashed = people.load_address_hash(conn, one.id)
    if one.confirmed_at is not None and hashed is not None:
        signups.delete_confirmation_count(conn, one.channel, hashed)
    return endings.end(conn, one.id, now)


def erase(
    engine: Engine,
    keys: KeyFile,
    *,
    channel: str,
    address: str,
    now: datetime,
    tombstones: Tombstones,
    mailbox: Path | None = None,
) -> tuple[bool, int]:
    """Erase an address, subscribed or not: its subscriber ends, its waiting form and its files in ``mailbox``
    are deleted, and the erasure is recorded.

    Returns whether it was subscribed, and how many files were deleted. A suppression stays: it is a keyed
    hash and keeps the address from being written to. Raises UsageError for an invalid address.
    """
    address = normalize_address(channel, address)
    with db.transaction(engine) as conn:
        wanted = lookup(keys, channel, address)
        withdraw(conn, keys, lambda where, to, _: where == channel and lookup(keys, channel, to) == wanted)
        one = people.find(conn, channel, wanted, for_change=True)
        if one is None:
            tombstones.add(channel, first_lookup(keys, channel, address), now)
        ended = one is not None and depart(conn, keys, one, now, tombstones)
    wanted = lookup(keys, channel, address)
    return ended, _clear(mailbox, lambda to: lookup(keys, channel, to) == wanted) if mailbox else 0


def _clear(mailbox: Path, theirs: Callable[[str], bool]) -> int:
    """Delete the mails in a folder that went to an address."""
    deleted = 0
    parser = BytesParser(policy=policy.default)
    for path in sorted(mailbox.glob("*.eml")):
        with path.open("rb") as file:
            heads = parser.parse(file, headersonly=True)
        recipients = getaddresses([str(value) for value in heads.get_all("To", [])])
        if any(theirs(address) or theirs(name) for name, address in recipients):
            path.unlink(missing_ok=True)
            deleted += 1
    return deleted
