"""Settles outcomes: the rows of a whole group of outcomes change in one transaction [T4]."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from monitor.channels import EVERYTHING
from monitor.channels.kinds import kind_of
from monitor.channels.outline import seal_address
from monitor.core.retry import LONGEST_PAUSE, WAITS, longer_pause, struck_out
from monitor.keys import KeyFile
from monitor.outbox.outcomes import Outcome, OutcomeKind, PauseRequest, SettledGroup
from monitor.outbox.verdicts import PROOF, judge_refusals
from monitor.storage import people
from monitor.storage.deliveries import configured_addresses, endings, pauses, queue, rates, refusals
from monitor.storage.deliveries.queue import Retry
from monitor.storage.deliveries.refusals import WAVE_PEOPLE, Refusal
from monitor.storage.deliveries.retractions import insert_retractions
from monitor.storage.lists import retracted_changes

log = logging.getLogger(__name__)

_UNDER_WAY = timedelta(days=1)
"""The longest time that a message is with a server, including a difference between the clocks of two
processes.
"""


def settle(
    conn: Connection, keys: KeyFile, channel: str, owner: str, outcomes: Iterable[Outcome], now: datetime
) -> SettledGroup:
    """Write a group of outcomes, with their consequences for addresses and lanes.

    Returns the resulting pauses, including those because too many people got the same refusal for it to be
    about each of them, and the deliveries of earlier refusals that are believed now.
    """
    outcomes = tuple(outcomes)
    by_kind: dict[OutcomeKind, list[Outcome]] = {kind: [] for kind in OutcomeKind}
    for outcome in outcomes:
        by_kind[outcome.kind].append(outcome)
    in_doubt = kind_of(channel).doubts_refusals
    known = refusals.load_open(conn, channel) if in_doubt else ()
    confirmed = _load_confirmed(conn, channel, outcomes, known, now) if in_doubt else ()
    people.lock(
        conn,
        {each for outcome in outcomes for each in _list_touched(outcome)}
        | {each.subscriber for each in (*known, *confirmed)},
    )
    accepted_before = _settle_sent(conn, channel, by_kind[OutcomeKind.SENT], now)
    _settle_unsent(conn, owner, by_kind, now)
    wanted: list[PauseRequest] = []
    for outcome in (*by_kind[OutcomeKind.SENT], *by_kind[OutcomeKind.AGAIN], *by_kind[OutcomeKind.FAILED]):
        _settle_address(conn, keys, channel, outcome, now)
        if outcome.ends_pause and pauses.end_pause(conn, channel, EVERYTHING, now):
            log.info("%s: the server takes messages again", channel)
        if outcome.slower is not None:
            rates.slow_down(conn, channel, outcome.lane, now, outcome.slower)
        if outcome.pause is not None:
            wanted.append(outcome.pause)
    if in_doubt and (known or any(outcome.verdict for outcome in outcomes)):
        judged = judge_refusals(conn, keys, channel, outcomes, known, confirmed, now, accepted_before)
    else:
        judged = SettledGroup()
    return SettledGroup(
        tuple(_write_pause(conn, channel, pause, now) for pause in (*wanted, *judged.pauses)),
        judged.given_up,
    )


def _settle_sent(conn: Connection, channel: str, sent: Sequence[Outcome], now: datetime) -> datetime | None:
    """Settle the accepted messages; returns when the server accepted one before them."""
    accepted = [delivery for outcome in sent for delivery in outcome.deliveries]
    if not accepted:
        return None
    accepted_before = refusals.note_acceptance(conn, channel, now)
    queue.settle_sent(conn, [delivery.id for delivery in accepted], now)
    queue.write_references(conn, _references(sent))
    _retract_late(conn, sent, now)
    if recovered := {delivery.subscriber for delivery in accepted if delivery.strikes}:
        queue.clear_strikes(conn, recovered)
    return accepted_before


def _settle_unsent(
    conn: Connection, owner: str, by_kind: Mapping[OutcomeKind, Sequence[Outcome]], now: datetime
) -> None:
    """Settle what is sent again, given up, dropped, postponed or released."""
    queue.schedule_retries(
        conn,
        owner,
        [
            Retry(id, outcome.at, outcome.error, outcome.ambiguous)
            for outcome in by_kind[OutcomeKind.AGAIN]
            if outcome.at is not None
            for id in outcome.ids
        ],
    )
    queue.settle_failed(
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
    if released := [id for outcome in by_kind[OutcomeKind.RELEASED] for id in outcome.ids]:
        queue.release(conn, owner, released)


def _load_confirmed(
    conn: Connection, channel: str, outcomes: Iterable[Outcome], known: Sequence[Refusal], now: datetime
) -> tuple[Refusal, ...]:
    """Read the refusals that counted lately, if there may be a wave now that began with them."""
    refused = {
        delivery.subscriber for outcome in outcomes if outcome.verdict for delivery in outcome.deliveries
    }
    if len(refused | {each.subscriber for each in known}) < WAVE_PEOPLE:
        return ()
    return refusals.load_confirmed(conn, channel, min((now, *(each.at for each in known))) - PROOF)


def _references(sent: Iterable[Outcome]) -> Iterable[tuple[int, int | None, str | None]]:
    """The deliveries of which more than the id must be stored, so that a later message can reply to
    theirs.
    """
    for outcome in sent:
        if outcome.reference is not None or len(outcome.ids) > 1:
            first = outcome.ids[0]
            yield from ((id, None if id == first else first, outcome.reference) for id in outcome.ids)


def _retract_late(conn: Connection, sent: Iterable[Outcome], now: datetime) -> None:
    """Queue the retraction for recipients whose message was being sent while the operator retracted its
    change.
    """
    told = [outcome for outcome in sent if outcome.told]
    late = retracted_changes.load_retracted_since(conn, now - _UNDER_WAY) if told else frozenset()
    for outcome in told if late else ():
        for change in outcome.told & late:
            insert_retractions(conn, change, [outcome.deliveries[0].subscriber], now)


def _write_pause(conn: Connection, channel: str, pause: PauseRequest, now: datetime) -> PauseRequest:
    """Write a pause; returns it with its end."""
    until = pause.until
    if pause.counts:
        since = pauses.extend_span(conn, channel, pause.lane, now, until)
        if pause.grows:
            longest = LONGEST_PAUSE if pause.lane == EVERYTHING else WAITS[-1]
            until = max(until, now + longer_pause(since, now, longest))
            pauses.extend_span(conn, channel, pause.lane, now, until)
    pauses.set_pause(conn, channel, pause.lane, until, pause.reason)
    return replace(pause, until=until)


def _list_touched(outcome: Outcome) -> Iterable[int]:
    """The subscribers whose own rows an outcome may change."""
    refused = outcome.gone or outcome.strike or outcome.moved_to is not None
    return (each.subscriber for each in outcome.deliveries if refused or each.strikes)


def _settle_address(conn: Connection, keys: KeyFile, channel: str, outcome: Outcome, now: datetime) -> None:
    """Apply an outcome's consequences for the address: it moved, it is gone, or it has refused once more."""
    if not outcome.deliveries:
        return
    subscriber, origin = outcome.deliveries[0].subscriber, outcome.deliveries[0].origin
    if outcome.moved_to is not None and origin == "config":
        # its address is configured, and every start restores that one: deliveries due under a new address
        # would be lost then
        log.error(
            "%s: a configured group has another id now (subscriber %d): `monitor telegram test` "
            "says which, write it in [telegram.channels]",
            channel,
            subscriber,
        )
    elif outcome.moved_to is not None:
        _move_address(conn, keys, channel, subscriber, outcome.moved_to, now)
    gone = outcome.gone
    if outcome.strike:
        gone = struck_out(*queue.add_strike(conn, subscriber, now), now)
    if not gone:
        return
    sealed = outcome.deliveries[0].sealed
    if origin == "config" and sealed is not None:
        name = keys.open(channel, sealed)
        configured_addresses.note_end(conn, channel, name, outcome.error, now)
        endings.end(conn, subscriber, now)
        log.error("%s: %s has ended: %s", channel, name, outcome.error)
        return
    endings.end_refused(conn, channel, subscriber, outcome.error, now)
    log.info("subscriber %d (%s) ended: %s", subscriber, channel, outcome.error)


def _move_address(
    conn: Connection, keys: KeyFile, channel: str, subscriber: int, address: str, now: datetime
) -> None:
    new = seal_address(keys, channel, address)
    known = people.find(conn, channel, new.hashed)
    queue.forget_references(conn, subscriber)
    if known is None:
        people.update_address(conn, subscriber, new)
    elif known.id != subscriber:
        endings.merge(conn, subscriber, known.id, now)
