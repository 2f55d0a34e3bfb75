"""Sign-up: a form comes in, the address is asked to confirm, and its owner confirms.

`request` does the same work for every address: it counts, and stores the form encrypted. `admit`, which the
sender calls, decides later, so neither the answer nor its timing reveals anything about an address. `confirm`
is called by the owner's link.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from sqlalchemy.engine import Connection, Engine

from monitor.channels.kinds import lookup, normalize_address
from monitor.channels.outline import AddressOutline, open_outline, seal_address
from monitor.core.due import AT_ONCE, DEFAULT_HOUR, FREQUENCIES, is_zone, next_digest, zone_of_state
from monitor.core.tokens import Purpose
from monitor.errors import KeyFileError, UsageError
from monitor.keys import KeyFile
from monitor.places.codes import state_of_place, state_of_zip
from monitor.places.followed_areas import read_followed
from monitor.storage import eligibility, people
from monitor.storage import engine as db
from monitor.storage.deliveries import queue
from monitor.storage.people import PENDING, Follow, Subscriber, past_choices, signups
from monitor.storage.people.signups import SITE
from monitor.subscribers import moved_address
from monitor.subscribers.personal_links import Link, LinkState, read_link
from monitor.subscribers.validation import list_follows

log = logging.getLogger(__name__)

CONFIRM_WITHIN = timedelta(hours=48)
"""How long a confirmation's link works; unconfirmed sign-ups are purged after that."""
ONE_CONFIRMATION_IN = timedelta(hours=24)
MOST_CONFIRMATIONS = 3
"""The most confirmations that are sent to an address until its owner confirms one."""
MOST_IN_A_MAILBOX = 10
"""The most confirmations a day to one mailbox, under all spellings: a+1@b.example and a-2@c.b.example are
one.
"""
MOST_IN_A_DOMAIN = 30
"""The most confirmations a day to all addresses of a domain, except at large providers: its owner may get
them all.
"""
PARTS_OF_THE_SITE = 10
"""The fraction of the site's limit for one /48 of IPv6, which contains 256 households (/56), is one in this
many.
"""
ASK_AGAIN_AFTER = timedelta(days=30)
"""When an address that refused mail may sign up again."""
REMINDED_ANEW_AFTER = timedelta(days=30)
"""When the count restarts for a subscribed address, which only gets a reminder."""
MOST_PLACES = 250
"""The most places of one form: the residential ZIP codes of any city fit."""
_SIGNUP = "signup"  # the associated data of an encrypted form


@dataclass(frozen=True, slots=True)
class SignupLimits:
    """The most sign-ups per hour from one network (/24, or /56 of IPv6) and for the whole site; one /48 of
    IPv6 gets a tenth of that.
    """

    network: int = 20
    site: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class SignupRequest:
    """The content of a sign-up form. ``timezone`` and ``local_hour`` matter for digests; None uses the
    defaults for the first place.
    """

    address: str
    places: tuple[str, ...]
    sources: tuple[str, ...]
    language: str = "en"
    frequency: str = AT_ONCE
    timezone: str | None = None
    local_hour: int | None = None


class SignupAnswer(StrEnum):
    """The result of a request. It does not depend on who owns the address."""

    TAKEN = "taken"
    NETWORK_BUSY = "network busy"
    SITE_BUSY = "site busy"


def request(
    engine: Engine,
    keys: KeyFile,
    wanted: SignupRequest,
    *,
    client: str | None,
    now: datetime,
    limits: SignupLimits = SignupLimits(),
    channel: str,
    state_of_zip: Callable[[str], str | None] = state_of_zip,
) -> SignupAnswer:
    """Store a sign-up, see `request_form`. Raises UsageError for an invalid address or place. The address is
    not looked up, and nothing is sent.
    """
    form = _form(channel, wanted, state_of_zip)
    return request_form(engine, keys, form, client=client, now=now, limits=limits)


def request_form(
    engine: Engine, keys: KeyFile, form: str, *, client: str | None, now: datetime, limits: SignupLimits
) -> SignupAnswer:
    """Store a validated form, within the limits. ``client`` is the visitor's IP address; only a keyed hash of
    its network is kept, for a day.
    """
    network = network_of(client)
    with db.transaction(engine) as conn:
        # encrypted and hashed inside the transaction, in which the key cannot change
        from_network = signups.count(conn, keys.lookup("network", network), now)
        if from_network > limits.network:
            return _refused(SignupAnswer.NETWORK_BUSY, from_network == limits.network + 1)
        wide = wide_network_of(client)
        if wide is not None:
            most = max(1, limits.site // PARTS_OF_THE_SITE)
            from_wide = signups.count(conn, keys.lookup("network", wide), now)
            if from_wide > most:
                return _refused(SignupAnswer.NETWORK_BUSY, from_wide == most + 1)
        in_all = signups.count(conn, SITE, now)
        if in_all > limits.site:
            return _refused(SignupAnswer.SITE_BUSY, in_all == limits.site + 1)
        signups.put(conn, keys.seal(_SIGNUP, form), now)
    return SignupAnswer.TAKEN


def admit(engine: Engine, keys: KeyFile, now: datetime) -> int:
    """Process every stored sign-up; returns how many. Confirmations are sent by the outbox."""
    with db.reading(engine) as conn:
        if not signups.has_pending(conn):
            return 0
    decided = 0
    while _decide_oldest(engine, keys, now):
        decided += 1
    return decided


def withdraw(conn: Connection, keys: KeyFile, theirs: Callable[[str, str, datetime], bool]) -> int:
    """Delete undecided forms for which ``theirs`` returns True; returns how many.

    ``theirs`` is called with channel, address and time of each. Call this before subscribers are looked up: a
    form that is being processed now is a subscriber afterwards.
    """
    withdrawn = 0
    for each in signups.read_all(conn):
        with suppress(KeyFileError):  # `admit` skips it and logs it
            form = json.loads(keys.open(_SIGNUP, each.sealed))
            if theirs(form["channel"], form["address"], each.at):
                signups.delete(conn, each.id)
                withdrawn += 1
    return withdrawn


def confirm(engine: Engine, keys: KeyFile, token: str, now: datetime) -> Link:
    """Confirm a subscriber: active from now on, with a welcome queued. DONE if already confirmed."""
    with db.transaction(engine) as conn:
        moment = eligibility.next_moment(conn, now)
        link = read_link(conn, keys, Purpose.CONFIRM, token, now, for_change=True)
        if link.found is not LinkState.OPEN or link.subscriber is None:
            return link
        one = link.subscriber
        begin(conn, one, now, moment)
        hashed = people.load_address_hash(conn, one.id)
        if hashed is not None:
            signups.delete_confirmation_count(conn, one.channel, hashed)
        queue.insert_message(conn, "welcome", one.id, now, period="welcome")
    log.info("subscriber %d (%s) confirmed", one.id, one.channel)
    return Link(LinkState.OPEN, one, link.follows)


def renew(engine: Engine, keys: KeyFile, token: str, now: datetime) -> Link:
    """Queue another confirmation for an expired link, within the same limits. Returns EXPIRED: it is sent if
    the limits allow.
    """
    with db.transaction(engine) as conn:
        link = read_link(conn, keys, Purpose.CONFIRM, token, now, for_change=True)
        if link.found is LinkState.EXPIRED and link.subscriber is not None:
            hashed = people.load_address_hash(conn, link.subscriber.id)
            if hashed is not None:
                _ask(conn, keys, hashed, link.subscriber, now)
    return link


def begin(conn: Connection, one: Subscriber, now: datetime, moment: datetime) -> None:
    """Activate a subscriber; digests collect changes that are fanned out after ``moment``."""
    past_choices.insert_past_statuses(conn, [one.id], moment)
    people.activate(conn, one.id, now)
    due_at = next_digest(one.frequency, one.timezone or "UTC", one.local_hour or 0, now)
    people.update(conn, one.id, digest_at=due_at, digest_since=moment if due_at else None, confirm_until=None)


def network_of(client: str | None) -> str:
    """Compute the network under which an IP address is counted: its /24, or the /56 of one IPv6 household.
    All requests without an address count as one network.
    """
    address = _read_client(client)
    if address is None:
        return "unknown"
    return str(ip_network((address, 24 if address.version == 4 else 56), strict=False))


def wide_network_of(client: str | None) -> str | None:
    """Compute the /48 of an IPv6 address, which one customer may own; None for any other client."""
    address = _read_client(client)
    return None if address is None or address.version == 4 else str(ip_network((address, 48), strict=False))


def _read_client(client: str | None) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address((client or "").partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _form(channel: str, wanted: SignupRequest, state_of_zip: Callable[[str], str | None]) -> str:
    """Validate a form and serialize it for encrypted storage; padded, so that its size does not reveal the
    content.
    """
    if len(set(wanted.places)) > MOST_PLACES:
        raise UsageError(f"choose at most {MOST_PLACES} places; a state holds all of its ZIP codes")
    follows = list_follows(wanted.places, wanted.sources, state_of_zip)
    zone, hour = schedule(
        wanted.frequency, wanted.timezone, wanted.local_hour, zone_of_place(wanted.places[0], state_of_zip)
    )
    content = {
        "channel": channel,
        "address": normalize_address(channel, wanted.address),
        "follows": sorted([each.source, each.place, each.within] for each in follows),
        "language": wanted.language,
        "frequency": wanted.frequency,
        "timezone": zone,
        "local_hour": hour,
    }
    text = json.dumps(content, separators=(",", ":"))
    return text.ljust(-(-len(text) // 512) * 512)


def zone_of_place(place: str, state_of_zip: Callable[[str], str | None] = state_of_zip) -> str:
    """Find the time zone of a place, by its state."""
    name = read_followed(place)[0]
    return zone_of_state(state_of_zip(name) if name.isdigit() else state_of_place(name))


def schedule(
    frequency: str, timezone: str | None, hour: int | None, usual: str
) -> tuple[str | None, int | None]:
    """Compute the zone and hour for a frequency, with defaults filled in: ``usual`` is the zone of the first
    place. Raises UsageError for invalid values.
    """
    if frequency not in FREQUENCIES:
        raise UsageError(f"choose one of {', '.join(FREQUENCIES)}")
    if frequency == AT_ONCE:
        return None, None
    timezone = usual if timezone is None else timezone
    hour = DEFAULT_HOUR if hour is None else hour
    if not is_zone(timezone) or not 0 <= hour <= 23:
        raise UsageError("choose a time zone and an hour from 0 to 23")
    return timezone, hour


def _refused(answer: SignupAnswer, first: bool) -> SignupAnswer:
    """Log once an hour that a limit was reached: many sign-ups, or an attack."""
    if first:
        where = "one network" if answer is SignupAnswer.NETWORK_BUSY else "the whole site"
        log.warning("sign-ups: the hourly limit of %s was reached; further ones are turned away", where)
    return answer


def _decide_oldest(engine: Engine, keys: KeyFile, now: datetime) -> bool:
    """Process the oldest form; False if none is left, or another process has locked the rest.

    Each form is a transaction of its own that locks only one subscriber: transactions that lock several in
    different orders would deadlock.
    """
    with db.transaction(engine) as conn:
        oldest = signups.read_oldest(conn)
        if oldest is None:
            return False
        _decide(conn, keys, oldest.sealed, now)
        signups.delete(conn, oldest.id)
    return True


def _decide(conn: Connection, keys: KeyFile, sealed: bytes, now: datetime) -> None:
    """Process one form: create a pending subscriber, change a pending one, or queue a reminder for a
    subscribed one.

    A pending subscriber's choices change only with a mail that shows them: otherwise anybody could change
    what somebody else is about to confirm.
    """
    try:
        form = json.loads(keys.open(_SIGNUP, sealed))
    except KeyFileError:
        log.warning("a sign-up could not be read and is lost: it was sealed with another key, or is damaged")
        return
    channel, address = form["channel"], form["address"]
    if moved_address.is_move(form):
        moved_address.move(conn, keys, form)
        return
    hashed = lookup(keys, channel, address)
    since = people.load_since(conn, channel, hashed)
    if since is not None and now - since < ASK_AGAIN_AFTER:
        return
    choices = {name: form[name] for name in ("frequency", "timezone", "local_hour", "language")}
    one = people.find(conn, channel, hashed, for_change=True)
    if one is None:
        if since is not None:
            # one new confirmation, but not a second one: if it bounces, the address is suppressed again
            people.unsuppress(conn, channel, hashed)
            signups.count_confirmation(
                conn, channel, hashed, MOST_CONFIRMATIONS - 1, now - ONE_CONFIRMATION_IN
            )
        if not _may_ask(signups.read_confirmation_count(conn, channel, hashed), now):
            return
        one, _ = people.add_or_find(
            conn,
            channel=channel,
            address=seal_address(keys, channel, address),
            state=PENDING,
            origin="site",
            nonce=secrets.token_hex(16),
            now=now,
            language=choices["language"],
        )
    if one.state != PENDING:
        _remind(conn, channel, hashed, one, now)
    elif _ask(conn, keys, hashed, one, now):
        people.update(conn, one.id, **choices)
        people.replace_follows(conn, one.id, [Follow(*each) for each in form["follows"]], now)


def _may_ask(earlier: signups.ConfirmationCount | None, now: datetime) -> bool:
    return earlier is None or (earlier.count < MOST_CONFIRMATIONS and now - earlier.at >= ONE_CONFIRMATION_IN)


def _ask(conn: Connection, keys: KeyFile, hashed: str, one: Subscriber, now: datetime) -> bool:
    """Queue a confirmation; False if the address or its mailbox has reached its limit."""
    channel = one.channel
    asked = signups.read_confirmation_count(conn, channel, hashed)
    if not _may_ask(asked, now) or one.outline is None:
        return False
    if not _has_room(conn, keys, open_outline(keys, channel, one.outline), now):
        return False
    count = (asked.count if asked else 0) + 1
    signups.count_confirmation(conn, channel, hashed, count, now)
    people.update(conn, one.id, confirm_until=now + CONFIRM_WITHIN)
    queue.insert_message(conn, "confirm", one.id, now, period=f"{now:%Y-%m-%dT%H:%M:%S}")
    log.info("subscriber %d (%s) is asked to confirm", one.id, channel)
    return True


def _has_room(conn: Connection, keys: KeyFile, outline: AddressOutline, now: datetime) -> bool:
    """Count one more confirmation to the mailbox and the domain of an address; returns whether both are
    within today's limits.
    """
    written = signups.count(conn, keys.compute_lookup(outline.mailbox), now, by_day=True)
    if written > MOST_IN_A_MAILBOX:
        if written == MOST_IN_A_MAILBOX + 1:
            log.warning("sign-ups: somebody fills a mailbox under many spellings; it gets no more today")
        return False
    if outline.domain is None:
        return True
    written = signups.count(conn, keys.compute_lookup(outline.domain), now, by_day=True)
    if written == MOST_IN_A_DOMAIN + 1:
        log.warning("sign-ups: a domain got all the confirmations that one gets in a day; no more today")
    return written <= MOST_IN_A_DOMAIN


def _remind(conn: Connection, channel: str, hashed: str, one: Subscriber, now: datetime) -> None:
    """Queue a reminder for a subscribed address."""
    asked = signups.read_confirmation_count(conn, channel, hashed)
    if asked is not None and now - asked.at >= REMINDED_ANEW_AFTER:
        asked = None
    if not _may_ask(asked, now):
        return
    signups.count_confirmation(conn, channel, hashed, (asked.count if asked else 0) + 1, now)
    queue.insert_message(conn, "confirm", one.id, now, period=f"{now:%Y-%m-%dT%H:%M:%S}")
