"""Subscribers that the operator adds, lists and removes by command, and the channels in the configuration."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection, Engine

from monitor.channels import OperatorAddress
from monitor.channels.kinds import kind_of, lookup, mask, normalize_address
from monitor.channels.outline import open_outline, seal_address
from monitor.errors import UsageError
from monitor.keys import KeyFile
from monitor.places.codes import state_of_zip
from monitor.storage import eligibility, people
from monitor.storage import engine as db
from monitor.storage.deliveries import configured_addresses, endings
from monitor.storage.people import ACTIVE, Follow
from monitor.subscribers.erasures import Tombstones
from monitor.subscribers.signup import begin
from monitor.subscribers.unsubscribe import depart
from monitor.subscribers.validation import list_follows

log = logging.getLogger(__name__)

CONFIG = "config"
"""The origin of subscribers that are configured; they are removed when they leave the configuration."""


@dataclass(frozen=True, slots=True)
class AddResult:
    """The result of `add`: the subscriber, whether it is new, and how many places (times sources) were
    added.
    """

    subscriber: int
    masked: str
    new: bool
    follows: int


@dataclass(frozen=True, slots=True)
class ListedSubscriber:
    """One subscriber in the operator's list, with the address masked."""

    subscriber: int
    channel: str
    masked: str
    state: str
    origin: str
    language: str
    created_at: datetime
    follows: tuple[Follow, ...]


@dataclass(frozen=True, slots=True)
class FollowedChannels:
    """The result of `follow_channels`: chats added and removed, and places whose chat is suppressed."""

    added: int
    ended: int
    suppressed: tuple[str, ...] = ()


def add(
    engine: Engine,
    keys: KeyFile,
    *,
    channel: str,
    address: str,
    places: Collection[str],
    sources: Collection[str],
    origin: str,
    now: datetime,
    language: str = "en",
    state_of_zip: Callable[[str], str | None] = state_of_zip,
) -> AddResult:
    """Add an address that is active at once, or more places to an existing one.

    Raises UsageError for an invalid address or place and for a suppressed address.
    """
    address = normalize_address(channel, address)
    requested = list_follows(places, sources, state_of_zip)
    with db.transaction(engine) as conn:
        moment = eligibility.next_moment(conn, now)
        hashed = lookup(keys, channel, address)
        reason = people.load_reason(conn, channel, hashed)
        if reason is not None:
            raise UsageError(f"this address must not be written to any more: {reason}")
        subscriber, new = _admit(conn, keys, channel, address, origin, now, moment, language)
        follows = people.follow(conn, subscriber, requested, moment)
    log.info(
        "subscriber %d (%s): %s, %d places added", subscriber, channel, "new" if new else "known", follows
    )
    return AddResult(subscriber, mask(channel, address), new, follows)


def remove(
    engine: Engine,
    keys: KeyFile,
    *,
    now: datetime,
    channel: str | None = None,
    address: str | None = None,
    subscriber: int | None = None,
    tombstones: Tombstones | None = None,
) -> bool:
    """End a subscriber by id or by channel and address: the address is erased and due deliveries are dropped.
    False: unknown.
    """
    with db.transaction(engine) as conn:
        if subscriber is not None:
            found = people.get(conn, subscriber, for_change=True)
        elif channel is not None and address is not None:
            found = people.find(conn, channel, lookup(keys, channel, address), for_change=True)
        else:
            raise UsageError("give a subscriber's number, or a channel and an address")
        ended = found is not None and depart(conn, keys, found, now, tombstones)
    if found is not None and ended:
        log.info("subscriber %d ended", found.id)
    return ended


def load_subscribers(engine: Engine, keys: KeyFile) -> tuple[ListedSubscriber, ...]:
    """List every subscriber who has not ended, with what they follow."""
    with db.reading(engine) as conn:
        living = people.load_living(conn)
        follows = people.load_all_follows(conn)
    return tuple(
        ListedSubscriber(
            subscriber=each.id,
            channel=each.channel,
            masked=open_outline(keys, each.channel, each.outline).masked if each.outline else "",
            state=each.state,
            origin=each.origin,
            language=each.language,
            created_at=each.created_at,
            follows=follows.get(each.id, ()),
        )
        for each in living
    )


def follow_channels(
    engine: Engine,
    keys: KeyFile,
    addresses: Collection[OperatorAddress],
    sources: Collection[str],
    now: datetime,
    *,
    channel: str,
    state_of_zip: Callable[[str], str | None] = state_of_zip,
) -> FollowedChannels:
    """Synchronize the subscribers of origin "config" with the operator's own addresses. Runs at every start.

    A chat with several places is one subscriber. A chat that was added in another way keeps its places.
    """
    chats: dict[str, set[str]] = {}
    languages: dict[str, str] = {}
    targets: dict[str, str] = {}
    ends = kind_of(channel).revive_command is not None
    for own in addresses:
        chat = normalize_address(channel, own.address)
        chats.setdefault(chat, set()).add(own.place)
        languages[chat] = own.language
        targets[chat] = keys.lookup(channel, f"target\0{own.target}")
    added = ended = 0
    suppressed: list[str] = []
    with db.transaction(engine) as conn:
        moment = eligibility.next_moment(conn, now)
        hashes = {lookup(keys, channel, chat): (chat, places) for chat, places in chats.items()}
        for known in people.load_living(conn, channel=channel, origin=CONFIG):
            if people.load_address_hash(conn, known.id) not in hashes:
                ended += endings.end(conn, known.id, now)
        if ends:
            configured_addresses.forget_others(conn, channel, set(chats))
        for hashed, (chat, places) in hashes.items():
            if people.load_reason(conn, channel, hashed) is not None:
                suppressed += sorted(places)
                continue
            if ends and not configured_addresses.begin_following(conn, channel, chat, targets[chat]):
                continue  # it was ended by its own refusal; `monitor status` says so
            requested = list_follows(places, sources, state_of_zip)
            subscriber, new = _admit(conn, keys, channel, chat, CONFIG, now, moment, languages[chat])
            added += new
            people.follow(conn, subscriber, requested, moment)
            known_now = people.get(conn, subscriber)
            if known_now is not None and known_now.origin == CONFIG:
                for follow in set(people.load_follows(conn, subscriber)) - requested:
                    people.unfollow(conn, subscriber, follow.source, follow.place, moment)
    return FollowedChannels(added, ended, tuple(suppressed))


def _admit(
    conn: Connection,
    keys: KeyFile,
    channel: str,
    address: str,
    origin: str,
    now: datetime,
    moment: datetime,
    language: str,
) -> tuple[int, bool]:
    """Find or create the active subscriber with this address; returns whether it is new. Two concurrent
    requests create only one.
    """
    one, new = people.add_or_find(
        conn,
        channel=channel,
        address=seal_address(keys, channel, address),
        state=ACTIVE,
        origin=origin,
        nonce=secrets.token_hex(16),
        now=now,
        language=language,
    )
    if one.state == people.PENDING:
        begin(conn, one, now, moment)
    return one.id, new
