"""The outcome of a send, and writing it down: the rows of a whole group of outcomes change in one transaction
[T4].
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy.engine import Connection

from monitor.channels import EVERYTHING
from monitor.channels.kinds import kind_of, lookup
from monitor.core.retry import Attempts, lane_until, next_attempt, struck_out
from monitor.errors import Permanent, Transient
from monitor.keys import KeyFile
from monitor.storage import people
from monitor.storage.deliveries import endings, pauses, queue
from monitor.storage.deliveries.queue import Claimed, Retry

log = logging.getLogger(__name__)

_ERROR_LENGTH = 300


class OutcomeKind(StrEnum):
    """What becomes of deliveries at their settling."""

    SENT = "sent"
    AGAIN = "again"
    FAILED = "failed"
    DROPPED = "dropped"
    POSTPONED = "postponed"  # not tried, because its lane pauses
    RELEASED = "released"  # not tried, and due as before


@dataclass(frozen=True, slots=True)
class PauseRequest:
    """A lane that has to wait, under the name that is stored for it."""

    lane: str
    until: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of deliveries that went together.

    ``at``: when AGAIN or POSTPONED ones are due. ``ambiguous``: this attempt may have arrived. ``gone`` and
    ``strike`` are what a refusal says of the address, ``moved_to`` is its new form.
    """

    kind: OutcomeKind
    ids: tuple[int, ...]
    deliveries: tuple[Claimed, ...] = ()
    error: str = ""
    at: datetime | None = None
    ambiguous: bool = False
    pause: PauseRequest | None = None
    gone: bool = False
    strike: bool = False
    moved_to: str | None = None


def refused_now(
    channel: str,
    deliveries: Sequence[Claimed],
    failure: Transient,
    now: datetime,
    *,
    chance: Callable[[], float],
    lane: str | None = None,
    moved_to: str | None = None,
) -> Outcome:
    """The outcome of a transient failure: tried again by the schedule, or given up. ``lane`` is the stored
    name of what pauses.
    """
    before = Attempts(
        created_at=max(delivery.created_at for delivery in deliveries),
        made=min(delivery.attempts for delivery in deliveries),
        ambiguous=any(delivery.ambiguous for delivery in deliveries),
    )
    again_at = next_attempt(
        before, failure, now, chance=chance, resend_ambiguous=kind_of(channel).resends_ambiguous
    )
    error = str(failure)[:_ERROR_LENGTH]
    return Outcome(
        kind=OutcomeKind.FAILED if again_at is None else OutcomeKind.AGAIN,
        ids=tuple(delivery.id for delivery in deliveries),
        deliveries=tuple(deliveries),
        error=error,
        at=again_at,
        ambiguous=failure.ambiguous,
        pause=PauseRequest(lane, lane_until(failure, now, whole_channel=lane == EVERYTHING), error)
        if lane
        else None,
        moved_to=moved_to,
    )


def refused_for_good(
    deliveries: Sequence[Claimed], failure: Permanent, *, moved_to: str | None = None
) -> Outcome:
    """The outcome of a permanent failure."""
    return Outcome(
        kind=OutcomeKind.FAILED,
        ids=tuple(delivery.id for delivery in deliveries),
        deliveries=tuple(deliveries),
        error=str(failure)[:_ERROR_LENGTH],
        gone=failure.address_gone,
        strike=failure.strike,
        moved_to=moved_to,
    )


def settle(
    conn: Connection, keys: KeyFile, channel: str, owner: str, outcomes: Iterable[Outcome], now: datetime
) -> None:
    """Write a group of outcomes down, with what they say about addresses and lanes."""
    outcomes = tuple(outcomes)
    by_kind: dict[OutcomeKind, list[Outcome]] = {kind: [] for kind in OutcomeKind}
    for outcome in outcomes:
        by_kind[outcome.kind].append(outcome)
    people.lock(conn, {each for outcome in outcomes for each in _touched(outcome)})
    accepted = [delivery for outcome in by_kind[OutcomeKind.SENT] for delivery in outcome.deliveries]
    if accepted:
        queue.sent(conn, [delivery.id for delivery in accepted], now)
        recovered = {delivery.subscriber for delivery in accepted if delivery.strikes}
        if recovered:
            queue.clear_strikes(conn, recovered)
    queue.try_again(
        conn,
        owner,
        [
            Retry(id, outcome.at, outcome.error, outcome.ambiguous)
            for outcome in by_kind[OutcomeKind.AGAIN]
            if outcome.at is not None
            for id in outcome.ids
        ],
    )
    queue.failed(
        conn,
        owner,
        [
            Retry(id, now, outcome.error, outcome.ambiguous)
            for outcome in by_kind[OutcomeKind.FAILED]
            for id in outcome.ids
        ],
        now,
    )
    for outcome in by_kind[OutcomeKind.DROPPED]:
        queue.drop(conn, outcome.ids, outcome.error, now)
    for at in {outcome.at for outcome in by_kind[OutcomeKind.POSTPONED]}:
        assert at is not None
        ids = [id for outcome in by_kind[OutcomeKind.POSTPONED] if outcome.at == at for id in outcome.ids]
        queue.postpone(conn, owner, ids, at)
    released = [id for outcome in by_kind[OutcomeKind.RELEASED] for id in outcome.ids]
    if released:
        queue.release(conn, owner, released)
    for outcome in (*by_kind[OutcomeKind.SENT], *by_kind[OutcomeKind.AGAIN], *by_kind[OutcomeKind.FAILED]):
        _address(conn, keys, channel, outcome, now)
        if outcome.pause is not None:
            pauses.set_pause(conn, channel, outcome.pause.lane, outcome.pause.until, outcome.pause.reason)


def _touched(outcome: Outcome) -> Iterable[int]:
    """The subscribers whose own rows an outcome may change."""
    refused = outcome.gone or outcome.strike or outcome.moved_to is not None
    return (each.subscriber for each in outcome.deliveries if refused or each.strikes)


def _address(conn: Connection, keys: KeyFile, channel: str, outcome: Outcome, now: datetime) -> None:
    """What an outcome says about the address: it moved, it is gone, or it has refused once more."""
    if not outcome.deliveries:
        return
    subscriber, origin = outcome.deliveries[0].subscriber, outcome.deliveries[0].origin
    if outcome.moved_to is not None and origin == "config":
        # its address stands in the configuration, to which every start goes back: what is due under a new one
        # would be lost then
        log.error(
            "%s: a configured group has another id now (subscriber %d): `monitor telegram test` "
            "says which, write it in [telegram.channels]",
            channel,
            subscriber,
        )
    elif outcome.moved_to is not None:
        _moved(conn, keys, channel, subscriber, outcome.moved_to, now)
    gone = outcome.gone
    if outcome.strike:
        gone = struck_out(*queue.strike(conn, subscriber, now), now)
    if not gone:
        return
    if origin == "config":
        # the operator's own chat, refused because of the operator's own mistake: a dead letter tells, and
        # nothing is closed for ever
        log.error(
            "%s: a configured chat refuses messages (subscriber %d): %s", channel, subscriber, outcome.error
        )
        return
    hashed = people.address_hash(conn, subscriber)
    if hashed is not None:
        people.suppress(conn, channel, hashed, outcome.error, now)
    endings.end(conn, subscriber, now)
    log.info("subscriber %d (%s) ended: %s", subscriber, channel, outcome.error)


def _moved(
    conn: Connection, keys: KeyFile, channel: str, subscriber: int, address: str, now: datetime
) -> None:
    hashed = lookup(keys, channel, address)
    known = people.find(conn, channel, hashed)
    if known is None:
        people.readdress(conn, subscriber, keys.seal(channel, address), hashed)
    elif known.id != subscriber:
        endings.merge(conn, subscriber, known.id, now)
