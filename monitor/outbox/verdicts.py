"""Decides, while outcomes are settled, whether a refusal is about the recipient or about us.

A mail relay that refuses our account may use the reply for an unknown recipient, and use it for every
recipient. So a refusal counts only once the relay has accepted a message for another mail domain whose
sending began after the refusal. If many recipients get the same refusal while nothing is accepted, the
refusals are a wave: they are reversed, and the channel (or the one domain) pauses. A wave may begin before it
is recognized, and continue after it. So the same refusals that counted within `PROOF` before it, and refusals
of messages that were being sent when it was recognized, are reversed with it.

With too few recipients for a wave, two more rules apply. A refusal text that was given to somebody who is
accepted now is reversed for everybody. And a refusal counts only if the server accepted a message within
`PROOF` of it, because otherwise both replies may be about us, at different times.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from monitor.channels import EVERYTHING
from monitor.channels.kinds import hash_lane
from monitor.core.retry import CHANNEL_PAUSE, LANE_PAUSE, struck_out
from monitor.keys import KeyFile
from monitor.outbox.outcomes import Outcome, OutcomeKind, PauseRequest, SettledGroup
from monitor.storage.deliveries import endings, pauses, queue, refusals
from monitor.storage.deliveries.refusals import Refusal

log = logging.getLogger(__name__)

ALIKE = "refuses everybody alike"
"""The beginning of the reason of a pause that ends only when a message is accepted."""
PROOF = timedelta(hours=1)
"""A refusal counts only if the server accepted a message within this time before or after it."""


def judge_refusals(
    conn: Connection,
    keys: KeyFile,
    channel: str,
    outcomes: Sequence[Outcome],
    known: Iterable[Refusal],
    confirmed: Iterable[Refusal],
    now: datetime,
    accepted_before: datetime | None,
) -> SettledGroup:
    """Write this group's refusals and decide which of the open ones count; returns the consequences.
    ``known`` are the refusals that were open before, ``confirmed`` those that were confirmed recently; the
    subscribers of both are locked. ``accepted_before``: when the server last accepted a message before this
    group's.
    """
    lanes = {outcome.lane for outcome in outcomes if outcome.lane}
    names = {hash_lane(keys, channel, lane): lane for lane in lanes}
    hashes = {name: hashed for hashed, name in names.items()}
    refused = _list_refused(channel, outcomes, hashes, now)
    refusals.insert_refusals(conn, refused)
    taken = _find_taken(outcomes, hashes)
    unsettled = refusals.load_open(conn, channel) if refused else tuple(known)
    if refused and ALIKE in pauses.load_reason(conn, channel, EVERYTHING):
        # they were being sent when the wave was found: since then only probes are, and none is doubted
        before = {each.id for each in known}
        _reverse(conn, [each for each in unsettled if each.id not in before], now)
        unsettled = tuple(each for each in unsettled if each.id in before)
    if not unsettled:
        return SettledGroup()
    earliest = min(each.at for each in unsettled)
    wave = refusals.find_wave(unsettled, [lane for lane, began in taken.items() if began >= earliest])
    if wave:
        began = _first_of_wave(confirmed, wave)
        if began:
            queue.clear_strikes(conn, {each.subscriber for each in began})
        return SettledGroup(pauses=(_take_back(conn, channel, (*began, *wave), names, now),))
    disproved = _find_disproved(unsettled, outcomes)
    if disproved:
        _reverse(conn, disproved, now)
        unsettled = tuple(each for each in unsettled if each not in disproved)
    proven, stale = _split_by_proof(_find_answered(unsettled, taken), list(taken.values()), accepted_before)
    given_up = _believe(conn, channel, proven, now)
    refusals.make_due(conn, stale, now)  # refused at the time of a message that was accepted just now
    left = {each.id for each in unsettled} - {each.id for each in proven}
    refusals.mark_alone(
        conn,
        [
            each.id
            for each in unsettled
            if each.id in left and each.lane in taken and taken[each.lane] >= each.at
        ],
    )
    return SettledGroup(given_up=given_up)


def _list_refused(
    channel: str, outcomes: Iterable[Outcome], hashes: Mapping[str, str], now: datetime
) -> list[Refusal]:
    """The refusals of a group, one per delivery."""
    return [
        Refusal(
            channel=channel,
            subscriber=delivery.subscriber,
            delivery=delivery.id,
            lane=hashes[outcome.lane],
            answer=outcome.answer,
            error=outcome.error,
            verdict=outcome.verdict,
            at=outcome.moment or now,
        )
        for outcome in outcomes
        if outcome.verdict and outcome.lane
        for delivery in outcome.deliveries
    ]


def _find_taken(outcomes: Iterable[Outcome], hashes: Mapping[str, str]) -> dict[str, datetime]:
    """When the sending of the newest accepted message of each lane began."""
    taken: dict[str, datetime] = {}
    for outcome in outcomes:
        if outcome.kind is OutcomeKind.SENT and outcome.lane and outcome.moment is not None:
            lane = hashes[outcome.lane]
            taken[lane] = max(outcome.moment, taken.get(lane, outcome.moment))
    return taken


def _find_answered(unsettled: Iterable[Refusal], taken: Mapping[str, datetime]) -> list[Refusal]:
    """Find the refusals after which another lane accepted a message, or, for a domain's complaint about us,
    the domain itself.
    """
    return [
        each
        for each in unsettled
        if any(
            (lane == each.lane) == (each.verdict == refusals.POLICY) and began >= each.at
            for lane, began in taken.items()
        )
    ]


def _first_of_wave(confirmed: Iterable[Refusal], wave: Sequence[Refusal]) -> tuple[Refusal, ...]:
    """Find the refusals that were confirmed before the wave was recognized: the same reply within `PROOF`
    before it, from lanes that accepted nothing in between. Only a wave of several lanes can have such a
    beginning. Pure.
    """
    if len({each.lane for each in wave}) < refusals.WAVE_LANES:
        return ()
    since = min(each.at for each in wave) - PROOF
    return tuple(
        each for each in confirmed if each.answer == wave[0].answer and each.at >= since and not each.alone
    )


def _find_disproved(unsettled: Iterable[Refusal], outcomes: Iterable[Outcome]) -> tuple[Refusal, ...]:
    """Find refusals whose reply was earlier given to somebody who is accepted now. Pure."""
    accepted = {
        delivery.subscriber: outcome.moment
        for outcome in outcomes
        if outcome.kind is OutcomeKind.SENT and outcome.moment is not None
        for delivery in outcome.deliveries
    }
    unsettled = tuple(unsettled)
    false: dict[str, datetime] = {}  # when an answer was last given to people who are accepted now
    for each in unsettled:
        began = accepted.get(each.subscriber)
        if began is not None and began >= each.at:
            false[each.answer] = max(began, false.get(each.answer, began))
    return tuple(
        each
        for each in unsettled
        if each.answer in false
        and each.at <= false[each.answer]
        and (each.subscriber in accepted or not each.alone)
    )


def _split_by_proof(
    answered: Iterable[Refusal], taken: Sequence[datetime], accepted_before: datetime | None
) -> tuple[list[Refusal], list[Refusal]]:
    """Split refusals into those whose recipient was last refused within `PROOF` of an accepted message, and
    the others. A domain's complaint about us needs no such proof. Pure.
    """
    answered = tuple(answered)
    last: dict[int, datetime] = {}
    for each in answered:
        last[each.subscriber] = max(each.at, last.get(each.subscriber, each.at))
    times = [*taken, *([accepted_before] if accepted_before is not None else [])]
    proven = {who for who, at in last.items() if any(abs(other - at) <= PROOF for other in times)}
    confirmed = [each for each in answered if each.verdict == refusals.POLICY or each.subscriber in proven]
    return confirmed, [each for each in answered if each not in confirmed]


def _take_back(
    conn: Connection, channel: str, wave: Sequence[Refusal], names: dict[str, str], now: datetime
) -> PauseRequest:
    """Reverse a wave of refusals: its deliveries become due again, and the channel or domain pauses."""
    lanes = {each.lane for each in wave}
    everybody = len(lanes) >= refusals.WAVE_LANES
    until = now + (CHANNEL_PAUSE if everybody else LANE_PAUSE)
    _reverse(conn, wave, now if everybody else until)
    error = wave[-1].error
    if everybody:
        log.error(
            "%s: the server %s (%d people at %d domains): nothing counts against them, sending pauses: %s",
            channel,
            ALIKE,
            len({each.subscriber for each in wave}),
            len(lanes),
            error,
        )
        return PauseRequest(EVERYTHING, until, f"the server {ALIKE}: {error}", grows=True)
    log.error("%s: a domain %s, and pauses: %s", channel, ALIKE, error)
    return PauseRequest(names[wave[-1].lane], until, error, grows=True)


def _reverse(conn: Connection, found: Sequence[Refusal], due: datetime) -> None:
    """Reverse refusals: they count for nobody, and their deliveries become due again."""
    refusals.settle_refusals(conn, [each.id for each in found], refusals.TAKEN_BACK)
    refusals.make_due(conn, found, due)


def _believe(conn: Connection, channel: str, confirmed: Sequence[Refusal], now: datetime) -> frozenset[int]:
    """Confirm refusals: one strike at most for each subscriber, however many messages were refused. Returns
    the deliveries that have failed now.
    """
    refusals.settle_refusals(conn, [each.id for each in confirmed], refusals.CONFIRMED)
    given_up = refusals.fail_refused(
        conn, [each for each in confirmed if each.verdict != refusals.POLICY], now
    )
    for subscriber in sorted({each.subscriber for each in confirmed}):
        theirs = [each for each in confirmed if each.subscriber == subscriber]
        gone = next((each for each in theirs if each.verdict == refusals.GONE), None)
        struck = next((each for each in theirs if each.verdict == refusals.STRIKE), None)
        if gone is None and struck is not None and struck_out(*queue.add_strike(conn, subscriber, now), now):
            gone = struck
        if gone is None:
            continue
        endings.end_refused(conn, channel, subscriber, gone.error, now)
        log.info("subscriber %d (%s) ended: %s", subscriber, channel, gone.error)
    return given_up
