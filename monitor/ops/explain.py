"""Explains why somebody was alerted to a change, or was not: stored data, formatted as sentences."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from monitor.channels import EVERYTHING
from monitor.channels.kinds import lookup, mask, normalize_address
from monitor.core.due import AT_ONCE
from monitor.domain import State
from monitor.errors import UsageError
from monitor.formatting import format_count, format_minute
from monitor.keys import KeyFile
from monitor.messages.place_names import describe_key
from monitor.ops.outbox_view import list_stored_lanes
from monitor.storage import people
from monitor.storage.deliveries import traces
from monitor.storage.deliveries.pauses import Pause, read_pauses
from monitor.storage.deliveries.retractions import RETRACTION
from monitor.storage.deliveries.traces import DeliveryTrace, PlaceMatch
from monitor.storage.engine import reading
from monitor.storage.lists import changes
from monitor.storage.lists.changes import StoredChange
from monitor.storage.people import Subscriber, past_choices
from monitor.storage.people.past_choices import PastStatus
from monitor.subscribers.retention import CHOICES_KEPT

ALERT, DIGEST, WAITING, NOT_TOLD, UNKNOWN = "alert", "digest", "waiting", "not told", "unknown"
_MANY = 5  # the most places named in a sentence


@dataclass(frozen=True, slots=True)
class Explanation:
    """``verdict``: "alert" or "digest" (that message contains it, see ``deliveries``), "waiting" (a message
    will), "not told", or "unknown" (nobody is subscribed with that address, or it was erased). ``steps`` are
    sentences, in the order of what happened; ``address`` is masked.
    """

    verdict: str
    change: int
    channel: str
    address: str
    matches: tuple[PlaceMatch, ...] = ()
    deliveries: tuple[DeliveryTrace, ...] = ()
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Facts:
    """The facts for the sentences. ``then`` are the subscriber's settings at the fan-out; None: as today."""

    now: datetime
    change: StoredChange
    subscriber: Subscriber
    follows: tuple[str, ...]
    places: tuple[str, ...]
    matches: tuple[PlaceMatch, ...]
    fanned_out_at: datetime | None
    then: PastStatus | None
    deliveries: tuple[DeliveryTrace, ...]
    retraction: DeliveryTrace | None
    pauses: tuple[Pause, ...]
    channel_configured: bool
    fenced: str | None


def explain(
    engine: Engine,
    keys: KeyFile,
    *,
    channel: str,
    address: str,
    change: int,
    configured: Collection[str],
    fenced: str | None,
    now: datetime,
) -> Explanation:
    """Explain what happened to a change for an address.

    ``configured`` are the channels with a transport, ``fenced`` is why nothing is sent (None: it is). Raises
    UsageError for an unknown change and an invalid address. An address that was never subscribed and one that
    was erased get the same answer.
    """
    address = normalize_address(channel, address)
    masked, lanes = mask(channel, address), list_stored_lanes(keys, channel, address)
    with reading(engine) as conn:
        stored = next(iter(changes.load_by_ids(conn, [change])), None)
        if stored is None:
            raise UsageError(f"there is no change {change}: `monitor changes` and `monitor holds` list them")
        subscriber = people.find(conn, channel, lookup(keys, channel, address))
        if subscriber is None:
            return Explanation(
                UNKNOWN, change, channel, masked, steps=("Nobody is subscribed with this address.",)
            )
        fanned_out_at = traces.load_fanned_out_at(conn, stored.changeset) if stored.changeset else None
        then, matches = None, traces.load_matches(conn, subscriber.id, stored.source, change)
        if fanned_out_at is not None:
            past = traces.load_past_matches(conn, subscriber.id, stored.source, change, fanned_out_at)
            now_followed = {match.place for match in matches if match.followed_since <= fanned_out_at}
            matches = tuple(match for match in matches if match.place in now_followed or not past) + tuple(
                match for match in past if match.place not in now_followed
            )
            then = past_choices.load_status_at(conn, subscriber.id, fanned_out_at)
        facts = _Facts(
            now=now,
            change=stored,
            subscriber=subscriber,
            follows=tuple(
                follow.place
                for follow in people.load_follows(conn, subscriber.id)
                if follow.source == stored.source
            ),
            places=traces.load_places(conn, change),
            matches=matches,
            fanned_out_at=fanned_out_at,
            then=then,
            deliveries=(
                traces.load_deliveries(conn, subscriber.id, stored.changeset) if stored.changeset else ()
            ),
            retraction=traces.load_retraction(conn, subscriber.id, change),
            pauses=tuple(
                pause for pause in read_pauses(conn, now) if pause.channel == channel and pause.name in lanes
            ),
            channel_configured=channel in configured,
            fenced=fenced,
        )
    verdict, steps = _judge(facts)
    steps += tuple(_describe_retraction(facts))
    return Explanation(verdict, change, channel, masked, matches, facts.deliveries, steps)


def _judge(facts: _Facts) -> tuple[str, tuple[str, ...]]:
    steps: list[str] = []
    stored = facts.change
    if stored.state is not State.PUBLISHED:
        steps.append(_why_unpublished(stored))
        return (WAITING if stored.state in (State.PENDING, State.HELD) else NOT_TOLD), tuple(steps)
    if stored.origin != changes.OWN:
        steps.append(
            f"It came with an import: {stored.captured_by} captured what it rests on. "
            "Nobody is told of those."
        )
        return NOT_TOLD, tuple(steps)
    steps.append(f"It was published on {_when(stored.ended_at)}.")
    if facts.fanned_out_at is None:
        steps.append("Its messages are not queued yet; `monitor run` or `monitor deliver` does it.")
        return WAITING, tuple(steps)
    steps.extend(_describe_matches(facts))
    if facts.matches and facts.then is not None:
        steps.extend(_describe_status(facts.then))
    if facts.deliveries and not facts.matches and facts.now - facts.fanned_out_at <= CHOICES_KEPT:
        # a message belongs to the changes of a poll; it contains those that match what the subscriber
        # followed then
        named = ", ".join(str(delivery.id) for delivery in facts.deliveries)
        steps.append(f"Message {named} tells them of other changes of the same poll.")
        return NOT_TOLD, tuple(steps)
    if facts.deliveries:
        for delivery in facts.deliveries:
            steps.extend(_describe_delivery(delivery, facts))
        last = facts.deliveries[-1]
        return _verdict(last), tuple(steps)
    if not facts.matches:
        return NOT_TOLD, tuple(steps)
    return _why_not_queued(facts, steps)


def _why_unpublished(stored: StoredChange) -> str:
    match stored.state:
        case State.PENDING:
            return f"It is not published: a second poll must confirm it first ({stored.reason or 'pending'})."
        case State.HELD:
            return f"It is not published: it is held ({stored.reason}); see `monitor holds`."
    return f"It was never published: it is {stored.state.value} ({stored.reason or 'the list took it back'})."


def _describe_matches(facts: _Facts) -> Iterator[str]:
    for place in facts.matches[:_MANY]:
        rule = "the agency serves that ZIP's whole state" if place.statewide else "the change concerns it"
        if place.area:
            rule = "the agency serves a part of it, or its whole state"
        since = f"since {_when(place.followed_since)}"
        if place.followed_until is None:
            yield f"They follow {describe_key(place.place)} {since}: {rule}."
        else:
            until = f"until {_when(place.followed_until)}"
            yield f"They followed {describe_key(place.place)} {since} and {until}: {rule}."
    if len(facts.matches) > _MANY:
        more = len(facts.matches) - _MANY
        yield f"{format_count(more, 'more of their places matches', 'more of their places match')}."
    if not facts.matches:
        yield (
            f"It concerns {_name(facts.places)}. Of this list they follow {_name(facts.follows)}: "
            "no place matches."
        )


def _describe_retraction(facts: _Facts) -> Iterator[str]:
    if facts.change.retraction is None:
        return
    yield f"The change was retracted on {_when(facts.change.retraction.at)}."
    if facts.retraction is not None:
        yield from _describe_delivery(facts.retraction, facts)


def _describe_delivery(delivery: DeliveryTrace, facts: _Facts) -> Iterator[str]:
    kind = "Digest" if delivery.in_digest else "Retraction" if delivery.kind == RETRACTION else "Message"
    what = f"{kind} {delivery.id}"
    yield f"{what} was queued on {_when(delivery.created_at)}."
    tried = f"after {delivery.attempts} attempts" if delivery.attempts != 1 else "at the first attempt"
    error = f": {delivery.last_error}" if delivery.last_error else ""
    match delivery.state:
        case "sent":
            yield f"{what} was accepted {tried}, on {_when(delivery.settled_at)}."
        case "failed" if delivery.ambiguous:
            yield (
                f"{what} may have arrived: it was handed over, and no answer came; it was given up {tried}, "
                f"on {_when(delivery.settled_at)}{error}."
            )
        case "failed":
            yield f"{what} failed for good {tried}, on {_when(delivery.settled_at)}{error}."
        case "dropped":
            yield f"{what} was dropped on {_when(delivery.settled_at)}{error}."
        case _:
            so_far = format_count(delivery.attempts, "attempt")
            yield f"{what} is due since {_when(delivery.due_at)}, {so_far} so far{error}."
            yield from _why_it_waits(facts)


def _why_it_waits(facts: _Facts) -> Iterator[str]:
    if facts.fenced:
        yield f"Nothing is sent now: {facts.fenced}."
    if not facts.channel_configured:
        yield f"The channel {facts.subscriber.channel} is not configured."
    for pause in facts.pauses:
        what = "The channel" if pause.name == EVERYTHING else "Their part of the channel"
        yield f"{what} is paused until {_when(pause.until)}: {pause.reason}."


def _why_not_queued(facts: _Facts, steps: list[str]) -> tuple[str, tuple[str, ...]]:
    subscriber, fanned_out_at = facts.subscriber, facts.fanned_out_at
    assert fanned_out_at is not None
    if all(place.followed_since > fanned_out_at for place in facts.matches):
        steps.append(
            f"They follow it only since after {_when(fanned_out_at)}, when its messages were queued."
        )
        return NOT_TOLD, tuple(steps)
    if facts.then is not None and facts.then.state == people.PENDING:
        steps.append(f"They confirmed their address only on {_when(facts.then.until)}.")
        return NOT_TOLD, tuple(steps)
    if subscriber.state == people.PENDING:
        steps.append("They have not confirmed their address.")
        return NOT_TOLD, tuple(steps)
    if subscriber.confirmed_at is not None and subscriber.confirmed_at > fanned_out_at:
        steps.append(f"They confirmed their address only on {_when(subscriber.confirmed_at)}.")
        return NOT_TOLD, tuple(steps)
    if subscriber.digest_at is not None:
        kind = (
            "the summary after their pause"
            if subscriber.paused_until
            else f"their {subscriber.frequency} digest"
        )
        if subscriber.digest_since is not None and subscriber.digest_since > fanned_out_at:
            steps.append(f"Their digest collects changes only since {_when(subscriber.digest_since)}.")
            return NOT_TOLD, tuple(steps)
        steps.append(f"It waits for {kind}, due on {_when(subscriber.digest_at)}.")
        return WAITING, tuple(steps)
    if all(place.followed_until is not None for place in facts.matches):
        steps.append("A digest or summary tells what somebody still follows when it is made.")
    elif subscriber.frequency == AT_ONCE:
        steps.append("No message is stored: they followed another place then, or it was deleted since.")
    return NOT_TOLD, tuple(steps)


def _describe_status(then: PastStatus) -> Iterator[str]:
    """Describe the subscriber's settings at the fan-out, if alerts were not immediate."""
    until = f"until {_when(then.until)}"
    if then.state == people.PAUSED:
        yield f"They had paused their messages {until}."
    elif then.frequency != AT_ONCE:
        yield f"They had a {then.frequency} digest {until}."


def _verdict(delivery: DeliveryTrace) -> str:
    if delivery.state == "due":
        return WAITING
    if delivery.state == "sent":
        return DIGEST if delivery.in_digest else ALERT
    return NOT_TOLD


def _name(places: Collection[str]) -> str:
    if not places:
        return "no place"
    named = ", ".join(map(describe_key, list(places)[:_MANY]))
    return named + (f" and {len(places) - _MANY} more" if len(places) > _MANY else "")


def _when(at: datetime | None) -> str:
    return format_minute(at) if at else "-"
