"""Computes the outcomes of deliveries from a channel's answers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from monitor.channels import EVERYTHING, Channel
from monitor.channels.kinds import kind_of, lookup
from monitor.core.retry import REFUSED_WAIT, UNPROVEN_LIFE
from monitor.errors import Permanent, Transient
from monitor.keys import KeyFile
from monitor.outbox.leases import ClaimedBatch
from monitor.outbox.outcomes import Outcome, OutcomeKind, build_doubted_retry, build_failure, build_retry
from monitor.outbox.prepare import PreparedMessage
from monitor.outbox.verdicts import ALIKE
from monitor.storage.deliveries.pauses import Pause, PauseSpan, time_paused
from monitor.storage.deliveries.queue import Claimed

log = logging.getLogger(__name__)


class ChannelAnswers:
    """Computes outcomes from one channel's answers, with the known lanes and pauses.

    ``probe`` is the channel's pause that one message tests.
    """

    def __init__(
        self,
        name: str,
        channel: Channel,
        keys: KeyFile,
        clock: Callable[[], datetime],
        chance: Callable[[], float],
    ) -> None:
        self.probe: Pause | None = None
        self._name, self._channel, self._keys = name, channel, keys
        self._clock, self._chance = clock, chance
        self._spans: tuple[PauseSpan, ...] = ()
        self._accepted_at: datetime | None = None

    def begin_batch(self, taken: ClaimedBatch) -> None:
        """Store the pauses and the time of the last accepted message from a claimed batch."""
        self.probe, self._spans = taken.probe, taken.spans
        times = [at for at in (self._accepted_at, taken.accepted_at) if at is not None]
        self._accepted_at = max(times, default=None)

    def build_sent(
        self, prepared: PreparedMessage, began: datetime, moved_to: str | None, reference: str | None
    ) -> Outcome:
        """Build the outcome of an accepted message whose sending began at ``began``; ``reference`` is the
        server's id of it.
        """
        self._accepted_at = self._clock()
        return Outcome(
            kind=OutcomeKind.SENT,
            ids=prepared.ids,
            deliveries=prepared.deliveries,
            moved_to=moved_to,
            lane=self.name_lane(prepared.envelope.address),
            moment=began,
            ends_pause=self.probe is not None,
            told=prepared.told,
            reference=reference,
        )

    def name_lane(self, address: str, lane: str | None = None) -> str:
        """Compute the stored name of a lane: if the lane is itself an address, such as a chat, only its keyed
        hash is stored.
        """
        lane = self._channel.lane(address) if lane is None else lane
        return lookup(self._keys, self._name, address) if lane == address else lane

    def build_unrendered(self, deliveries: Sequence[Claimed], error: str, now: datetime) -> Outcome:
        """Build the outcome of deliveries for which no message could be rendered."""
        return build_retry(
            self._name,
            deliveries,
            Transient(error, unexplained=True),
            now,
            chance=self._chance,
            alone=self._takes_others(deliveries),
        )

    def build_refused(
        self, prepared: PreparedMessage, failure: Permanent, address: str, moved_to: str | None
    ) -> Outcome:
        """Build the outcome of a permanent failure: believed, or doubted where it may be about us.

        A configured chat belongs to the operator, so a refusal is a mistake in the configuration: it is
        retried for the lifetime of the message, unless addresses of this channel report themselves that they
        are gone.
        """
        ends = failure.address_gone and kind_of(self._name).revive_command is not None
        if prepared.deliveries[0].origin == "config" and not ends:
            mend = Transient(str(failure), retry_after=REFUSED_WAIT, lane=address)
            log.error("%s: a configured chat refuses messages: %s", self._name, failure)
            return self.build_later(prepared, mend, address, moved_to, counts=False)
        if not kind_of(self._name).doubts_refusals:
            return build_failure(prepared.deliveries, failure, moved_to=moved_to)
        if self.probe is not None and ALIKE in self.probe.reason:
            refused = Transient(self.probe.reason, lane=EVERYTHING, refuses_us=True)
            return self.build_later(prepared, refused, address, moved_to)
        outcome = build_doubted_retry(
            self._name,
            prepared.deliveries,
            failure,
            self._clock(),
            chance=self._chance,
            paused=self._time_paused(prepared.deliveries, address, doubted=True),
        )
        return replace(outcome, lane=self.name_lane(address), ends_pause=self.probe is not None)

    def build_later(
        self,
        prepared: PreparedMessage,
        failure: Transient,
        address: str,
        moved_to: str | None,
        *,
        counts: bool = True,
    ) -> Outcome:
        """Build the outcome of a transient failure. ``counts`` is as in `PauseRequest`."""
        outcome = build_retry(
            self._name,
            prepared.deliveries,
            failure,
            self._clock(),
            chance=self._chance,
            lane=None if failure.lane is None or failure.policy else self.name_lane(address, failure.lane),
            moved_to=moved_to,
            paused=self._time_paused(prepared.deliveries, address, doubted=failure.policy or failure.slower),
            alone=self._takes_others(prepared.deliveries),
            counts=counts and (failure.lane == EVERYTHING or kind_of(self._name).doubts_refusals),
        )
        answered = self.probe is not None and failure.lane != EVERYTHING and ALIKE not in self.probe.reason
        slower = 0.0 if failure.slower and failure.policy else None
        return replace(outcome, lane=self.name_lane(address), ends_pause=answered, slower=slower)

    def _time_paused(self, deliveries: Sequence[Claimed], address: str, *, doubted: bool) -> timedelta:
        """Compute for how long the channel or lane of these deliveries was paused during their lifetime.

        ``doubted``: also count the time since the server last accepted a message, up to `UNPROVEN_LIFE`: a
        server that accepts nothing may be refusing us, even if it has refused only a few people.
        """
        since, now = max(delivery.created_at for delivery in deliveries), self._clock()
        spans = self._spans
        if doubted:
            begin = since if self._accepted_at is None else max(since, self._accepted_at)
            spans += (PauseSpan(EVERYTHING, begin, min(now, since + UNPROVEN_LIFE)),)
        return time_paused(spans, (EVERYTHING, self.name_lane(address)), since, now)

    def _takes_others(self, deliveries: Sequence[Claimed]) -> bool:
        """Whether the server has accepted messages since these deliveries were created."""
        return self._accepted_at is not None and self._accepted_at >= max(
            delivery.created_at for delivery in deliveries
        )
