"""The outcomes of messages, computed from the channel's answers, to be settled. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from monitor.channels import EVERYTHING
from monitor.channels.kinds import kind_of
from monitor.core.retry import REFUSED_WAIT, Attempts, lane_until, next_attempt
from monitor.errors import Permanent, Transient
from monitor.storage.deliveries import refusals
from monitor.storage.deliveries.queue import Claimed

_ERROR_LENGTH = 300


class OutcomeKind(StrEnum):
    """What happens to deliveries when they are settled."""

    SENT = "sent"
    AGAIN = "again"
    FAILED = "failed"
    DROPPED = "dropped"
    POSTPONED = "postponed"  # not tried, because its lane is paused
    RELEASED = "released"  # not tried, and due as before


@dataclass(frozen=True, slots=True)
class PauseRequest:
    """A lane that has to pause, by its stored name.

    ``grows``: each pause after the first is longer, up to `retry.LONGEST_PAUSE`. ``counts``: the pause does
    not count toward the lifetime of deliveries that wait for it.
    """

    lane: str
    until: datetime
    reason: str
    grows: bool
    counts: bool = True


@dataclass(frozen=True, slots=True)
class SettledGroup:
    """What followed from a group of outcomes: pauses, and deliveries that have failed, because an earlier
    refusal of them is believed now.
    """

    pauses: tuple[PauseRequest, ...] = ()
    given_up: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of deliveries that were sent as one message.

    ``at``: when AGAIN or POSTPONED ones are due. ``ambiguous``: this attempt may have arrived. ``gone`` and
    ``strike`` are a refusal's consequences for the address, ``moved_to`` is its new form. ``lane`` is the
    stored name of the recipient's lane. ``moment``: when the sending of an accepted message began, or when a
    refusal was received. ``verdict`` and ``answer`` belong to a doubted refusal, see `refusals`.
    ``ends_pause``: this was the probe of a paused channel. ``slower``: the lane asks for fewer messages, and
    accepted this many in the last second. ``told`` are the changes in an accepted message, ``reference`` is
    the server's id of it.
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
    lane: str = ""
    moment: datetime | None = None
    verdict: str = ""
    answer: str = ""
    ends_pause: bool = False
    slower: float | None = None
    told: frozenset[int] = frozenset()
    reference: str | None = None


def build_retry(
    channel: str,
    deliveries: Sequence[Claimed],
    failure: Transient,
    now: datetime,
    *,
    chance: Callable[[], float],
    lane: str | None = None,
    moved_to: str | None = None,
    paused: timedelta = timedelta(),
    alone: bool = True,
    counts: bool = True,
) -> Outcome:
    """Build the outcome of a transient failure: retried by the schedule, or given up.

    ``lane`` is the stored name of the lane that pauses; deliveries stopped by a failure of the whole channel
    are due when its pause ends. ``paused`` and ``alone`` are as in `retry.next_attempt`, ``counts`` as in
    `PauseRequest`.
    """
    before = Attempts(
        created_at=max(delivery.created_at for delivery in deliveries),
        made=min(delivery.attempts for delivery in deliveries),
        ambiguous=any(delivery.ambiguous for delivery in deliveries),
    )
    again_at = next_attempt(
        before,
        failure,
        now,
        chance=chance,
        resend_ambiguous=kind_of(channel).resends_ambiguous,
        paused=paused,
        alone=alone,
    )
    pause = None
    if lane:
        until = lane_until(failure, now, whole_channel=lane == EVERYTHING)
        pause = PauseRequest(lane, until, str(failure)[:_ERROR_LENGTH], failure.refuses_us, counts)
        if lane == EVERYTHING and again_at is not None:
            again_at = until
    error = str(failure)[:_ERROR_LENGTH]
    return Outcome(
        kind=OutcomeKind.FAILED if again_at is None else OutcomeKind.AGAIN,
        ids=tuple(delivery.id for delivery in deliveries),
        deliveries=tuple(deliveries),
        error=error,
        at=again_at,
        ambiguous=failure.ambiguous,
        pause=pause,
        moved_to=moved_to,
        verdict=refusals.POLICY if failure.policy and not failure.slower else "",
        answer=failure.answer,
        moment=now,
    )


def build_failure(
    deliveries: Sequence[Claimed], failure: Permanent, *, moved_to: str | None = None
) -> Outcome:
    """Build the outcome of a permanent failure."""
    return Outcome(
        kind=OutcomeKind.FAILED,
        ids=tuple(delivery.id for delivery in deliveries),
        deliveries=tuple(deliveries),
        error=str(failure)[:_ERROR_LENGTH],
        gone=failure.address_gone,
        strike=failure.strike,
        moved_to=moved_to,
    )


def build_doubted_retry(
    channel: str,
    deliveries: Sequence[Claimed],
    failure: Permanent,
    now: datetime,
    *,
    chance: Callable[[], float],
    paused: timedelta,
) -> Outcome:
    """Build the outcome of a permanent failure that may concern the sender: due again until something
    confirms it.
    """
    later = Transient(str(failure), retry_after=REFUSED_WAIT)
    outcome = build_retry(channel, deliveries, later, now, chance=chance, paused=paused)
    verdict = (
        refusals.GONE if failure.address_gone else refusals.STRIKE if failure.strike else refusals.CONTENT
    )
    return replace(outcome, verdict=verdict, answer=failure.answer)
