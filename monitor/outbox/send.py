"""One channel's share of a drain: claim [T3], send with no transaction open, settle [T4].

Each channel drains independently, so a slow one delays no other. At any moment at most ``concurrency +
GROUP`` messages of a channel have been handed over and are not settled; a kill can cause at most that many
duplicates. Database calls are synchronous functions in threads; there is no async session.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from monitor.channels import EVERYTHING, Channel
from monitor.channels.kinds import kind_of
from monitor.domain import LaneLimit
from monitor.errors import Permanent, StoreError, Transient
from monitor.keys import KeyFile
from monitor.outbox.answers import ChannelAnswers
from monitor.outbox.commit import GROUP, GroupCommit
from monitor.outbox.leases import BATCH, LEASE, Leases
from monitor.outbox.outcomes import Outcome, OutcomeKind
from monitor.outbox.pacing import Pacer
from monitor.outbox.prepare import MessagePreparer, NotRendered, NotWanted, PreparedContent, PreparedMessage
from monitor.storage.deliveries import queue
from monitor.storage.deliveries.queue import DeliveryStatus

log = logging.getLogger(__name__)

_AHEAD = 50  # the number of upcoming messages whose status is read together with the next ones
_ROUNDS_FOR_MORE = 4  # of the event loop
STOP_GRACE = timedelta(seconds=30)
"""How long messages being sent may take to finish at a stop."""


_TRIED = frozenset({OutcomeKind.SENT, OutcomeKind.AGAIN, OutcomeKind.FAILED})
STALLED_AFTER = timedelta(minutes=2)
"""After this time without an answer a message counts as stalled; the others continue."""


def is_worth_a_query(room: int, concurrency: int) -> bool:
    """Whether a channel that carries ``concurrency`` messages has room for so many that they should be looked
    up now: a query takes as long for one message as for half of what the channel carries.
    """
    return room >= concurrency // 2


def find_stalled(begun: Iterable[datetime], now: datetime) -> datetime | None:
    """When the oldest of the messages being sent was begun, if that is so long ago that it counts as
    stalled.
    """
    oldest = min(begun, default=now)
    return oldest if now - oldest >= STALLED_AFTER else None


class ChannelSender:
    """One channel's share of a drain: a supply of prepared messages, messages being sent, and their settling.

    All methods run in the event loop. `Leases` and `MessagePreparer` work in threads, so that a slow query or
    a long message delays no other loop; only what is cheaper than the hand-over to a thread runs in the loop.
    """

    def __init__(
        self,
        name: str,
        channel: Channel,
        keys: KeyFile,
        *,
        claims: Leases,
        preparer: MessagePreparer,
        clock: Callable[[], datetime],
        until: datetime | None,
        stop: asyncio.Event,
        chance: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.counts: Counter[OutcomeKind] = Counter()
        self._name, self._channel = name, channel
        self._claims, self._preparer = claims, preparer
        self._limit = kind_of(name).limit
        self._clock, self._until, self._stop = clock, until, stop
        self._groups = GroupCommit(self._write, self._note_settled)
        self._in_hand: set[int] = set()  # claimed and not settled
        self._ready: deque[PreparedContent | PreparedMessage] = deque()  # rendered and not begun
        self._sending: dict[asyncio.Task[None], datetime] = {}  # with the channel, and since when
        self._retried: set[int] = set()
        self._given_up: set[int] = set()  # failed because an earlier refusal is believed, and not counted yet
        self._unsettled = 0  # outcomes
        self._paused: dict[str, datetime] = {}
        self._answers = ChannelAnswers(name, channel, keys, clock, chance)
        self._pacer = Pacer(claims.reserve, clock, sleep, self._take_back)
        self._refused: set[int] = set()  # subscribers whose address is gone, even before that is settled
        # subscribers who may be gone, and until when nothing is sent to them
        self._doubted: dict[int, datetime] = {}
        self._supplied = self._closing = False
        self._failure: BaseException | None = None
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Run until nothing is left to claim, or until the stop. Raises StoreError if outcomes cannot be
        settled.
        """
        try:
            await asyncio.to_thread(self._claims.settle_kept, self._clock())
        except BaseException:
            self._claims.close()
            raise
        stopping = asyncio.create_task(self._stop.wait())
        stopping.add_done_callback(lambda _: self._changed.set())
        background: list[asyncio.Task[Any]] = [stopping]
        background += [
            asyncio.create_task(work()) for work in (self._groups.run, self._renew, self._pacer.run)
        ]
        supply = asyncio.create_task(self._supply())
        try:
            async with self._channel:
                try:
                    await self._feed()
                    await self._when(lambda: self._stop.is_set() or not self._under_way())
                finally:
                    await self._wind_up()
        finally:
            self._closing = True
            self._changed.set()
            try:
                await asyncio.wait({supply})
                await self._when(lambda: not self._unsettled)
                await self._leave()
            finally:  # also if the database fails now, or this is canceled
                for task in background:
                    task.cancel()
                await asyncio.gather(*background, return_exceptions=True)
                self._claims.close()
        if self._failure is not None:
            raise self._failure

    # --- the supply: claim and prepare, one batch ahead of the sending

    async def _supply(self) -> None:
        try:
            while not self._over():
                if len(self._ready) > BATCH // 2:
                    await self._when(lambda: self._over() or len(self._ready) <= BATCH // 2)
                    continue
                now = self._clock()
                taken = await asyncio.to_thread(self._claims.take, now, self._until or now)
                self._paused.update(taken.paused)
                if not taken.ids:
                    return
                self._answers.begin_batch(taken)
                self._pacer.limited |= taken.rated
                # after a jump of the clock our own leases look expired: deliveries at hand are not begun
                # twice
                fresh = [id for id in taken.ids if id not in self._in_hand]
                self._in_hand.update(fresh)
                results = await asyncio.to_thread(self._preparer.prepare_contents, fresh, now)
                outcomes = [
                    self._outcome_of(result, now)
                    for result in results
                    if not isinstance(result, PreparedContent)
                ]
                self._ready.extend(result for result in results if isinstance(result, PreparedContent))
                self._changed.set()
                self._settle(outcomes)
                await self._until_settled({id for outcome in outcomes for id in outcome.ids})
                if self._answers.probe is not None:
                    await self._when(lambda: self._over() or self._answers.probe is None or not self._in_hand)
        except Exception as error:
            self._failure = self._failure or error
        finally:
            self._supplied = True
            self._changed.set()

    def _outcome_of(self, result: NotRendered | NotWanted, now: datetime) -> Outcome:
        match result:
            case NotRendered(deliveries, error):
                return self._answers.build_unrendered(deliveries, error, now)
            case NotWanted(ids, reason):
                return Outcome(kind=OutcomeKind.DROPPED, ids=ids, error=reason)

    async def _renew(self) -> None:
        """Renew the leases while this runs: another sender may claim a row whose lease has expired."""
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 4)
            now = self._clock()
            stalled_since = find_stalled(self._sending.values(), now)
            if stalled_since is not None:
                log.warning(
                    "%s: a message has waited for the server's answer since %s: the server has stalled",
                    self._name,
                    stalled_since.isoformat(timespec="seconds"),
                )
            try:
                await asyncio.to_thread(self._claims.renew, tuple(self._in_hand), now, stalled_since)
            except StoreError as error:
                log.warning("%s: leases could not be renewed: %s", self._name, error)

    # --- sending: as many messages at once as the channel accepts, each checked right before

    async def _feed(self) -> None:
        while True:
            await self._when(
                lambda: (
                    self._over()
                    or (
                        self._room() > 0 and (bool(self._ready) or (self._supplied and not self._pacer.holds))
                    )
                )
            )
            await self._let_more_end()
            if self._over() or not self._ready:
                return
            messages = self._address(
                [self._ready.popleft() for _ in range(min(self._room(), len(self._ready)))]
            )
            self._changed.set()
            for prepared in await self._filter_wanted(messages):
                task = asyncio.create_task(self._carry(prepared))
                self._sending[task] = self._clock()
                task.add_done_callback(self._note_end)

    async def _let_more_end(self) -> None:
        """Let a few more messages end first, where a query reads whether their recipients still want them. A
        message that hangs is not waited for.
        """
        for _ in range(_ROUNDS_FOR_MORE):
            if self._claims.local or is_worth_a_query(self._room(), self._channel.concurrency):
                return
            await asyncio.sleep(0)

    def _address(self, taken: Sequence[PreparedContent | PreparedMessage]) -> list[PreparedMessage]:
        """At most as many at once as the channel has room for, so that this holds up nobody."""
        results = [
            each if isinstance(each, PreparedMessage) else self._preparer.address(each) for each in taken
        ]
        failed = [each for each in results if isinstance(each, NotRendered)]
        self._settle([self._outcome_of(each, self._clock()) for each in failed])
        return [each for each in results if isinstance(each, PreparedMessage)]

    def _under_way(self) -> int:
        """How many messages are with the channel, or answered and not settled."""
        return len(self._sending) + self._unsettled

    def _room(self) -> int:
        limit = self._channel.concurrency
        return min(limit - len(self._sending), limit + GROUP - self._under_way())

    def _over(self) -> bool:
        """Whether nothing new may begin."""
        return (
            self._closing
            or self._stop.is_set()
            or self._failure is not None
            or self._pauses(EVERYTHING) is not None
        )

    def _pauses(self, lane: str) -> datetime | None:
        until = self._paused.get(lane)
        return until if until is not None and until > self._clock() else None

    async def _filter_wanted(self, messages: Sequence[PreparedMessage]) -> list[PreparedMessage]:
        """Filter the messages that may be sent now. An unsubscribe, a suppression or another owner of the row
        overrides the claim.
        """
        ids = [id for prepared in messages for id in prepared.ids]
        standing = await self._read_statuses(ids)
        go: list[tuple[PreparedMessage, str, LaneLimit | None]] = []
        stay: list[Outcome] = []
        for prepared in messages:
            address = prepared.envelope.address
            lane = self._answers.name_lane(address)
            pause = self._pauses(lane)
            left = next((why for id in prepared.ids if (why := _find_drop_reason(standing.get(id)))), None)
            if prepared.envelope.subscriber in self._refused:
                left = "the address is gone"
            if left is not None:
                stay.append(Outcome(kind=OutcomeKind.DROPPED, ids=prepared.ids, error=left))
            elif not all(self._is_ours(standing[id]) for id in prepared.ids):
                stay.append(Outcome(kind=OutcomeKind.RELEASED, ids=prepared.ids))
            elif pause is not None:
                stay.append(Outcome(kind=OutcomeKind.POSTPONED, ids=prepared.ids, at=pause))
            elif (again := self._doubted.get(prepared.envelope.subscriber)) is not None:
                stay.append(Outcome(kind=OutcomeKind.POSTPONED, ids=prepared.ids, at=again))
            else:
                go.append((prepared, lane, self._limit(address)))
        admitted = await self._pacer.admit(go)
        stay += [
            Outcome(kind=OutcomeKind.POSTPONED, ids=prepared.ids, at=at) for prepared, at in admitted.later
        ]
        self._settle(stay)
        return admitted.go

    def _take_back(self, prepared: PreparedMessage) -> None:
        """Put a message whose turn has come first in the queue; it is checked once more."""
        self._ready.appendleft(prepared)
        self._changed.set()

    async def _read_statuses(self, ids: Sequence[int]) -> dict[int, DeliveryStatus]:
        # reading a few rows of a local file is faster than using a thread, and never waits for a writer
        if self._claims.local:
            ahead = (delivery.id for each in islice(self._ready, _AHEAD) for delivery in each.deliveries)
            return self._claims.read_statuses(ids, ahead)
        return await asyncio.to_thread(self._claims.read_statuses, ids)

    def _is_ours(self, standing: DeliveryStatus) -> bool:
        """Whether no other sender has taken over the row, as happens if this machine slept past the end of
        its lease.
        """
        return standing.owner == self._claims.owner and not standing.waits

    def _note_end(self, task: asyncio.Task[None]) -> None:
        del self._sending[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = self._failure or error
        if not self._sending and (not self._ready or self._over()):
            self._groups.flush()  # no message is about to be sent that could join the group
        self._changed.set()

    async def _carry(self, prepared: PreparedMessage) -> None:
        """Send a message through the channel; its outcome is settled together with others."""
        outcome = await self._attempt(prepared)
        if outcome.kind is OutcomeKind.SENT:
            self._pacer.note_accepted(outcome.lane)
        elif outcome.slower is not None:
            outcome = replace(outcome, slower=self._pacer.count_accepted(outcome.lane))
        if outcome.gone:
            self._refused.add(prepared.envelope.subscriber)
        if outcome.verdict and outcome.at is not None:
            self._doubted[prepared.envelope.subscriber] = outcome.at
        if outcome.pause is not None:
            # messages that were being sent report the same pause again
            if self._pauses(outcome.pause.lane) is None:
                log.warning(
                    "%s: %s pauses until %s: %s",
                    self._name,
                    _describe_lane(outcome.pause.lane),
                    outcome.pause.until.isoformat(timespec="seconds"),
                    outcome.error,
                )
            self._paused[outcome.pause.lane] = outcome.pause.until
        self._settle([outcome])

    def _write(self, outcomes: Sequence[Outcome]) -> None:
        """Settle a group, in a thread, and keep the resulting pauses and failures."""
        settled = self._claims.settle(outcomes, self._clock())
        self._given_up |= settled.given_up
        for pause in settled.pauses:
            self._paused[pause.lane] = max(pause.until, self._paused.get(pause.lane, pause.until))

    async def _attempt(self, prepared: PreparedMessage) -> Outcome:
        """Send a message and compute its outcome; never raises."""
        envelope, moved_to = prepared.envelope, None
        began = self._clock()
        while True:
            try:
                reference = await self._channel.send(prepared.rendered, envelope)
            except Permanent as failure:
                if failure.moved_to is None or moved_to is not None:
                    return self._answers.build_refused(prepared, failure, envelope.address, moved_to)
                moved_to = failure.moved_to
                envelope = replace(envelope, address=moved_to)
                continue
            except Transient as failure:
                return self._answers.build_later(prepared, failure, envelope.address, moved_to)
            except asyncio.CancelledError:
                # only `_wind_up` cancels, and a message that was handed over may arrive
                stopped = Transient("the program was stopped before the answer came", ambiguous=True)
                return self._answers.build_later(prepared, stopped, envelope.address, moved_to)
            except Exception as error:
                # its text may hold the address
                what = type(error).__name__
                log.error("%s: delivery %d failed with an unforeseen %s", self._name, envelope.delivery, what)
                unforeseen = Transient(f"unforeseen {what}", ambiguous=True, unexplained=True)
                return self._answers.build_later(prepared, unforeseen, envelope.address, moved_to)
            return self._answers.build_sent(prepared, began, moved_to, reference)

    # --- settling, and the end

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        self._unsettled += len(outcomes)
        self._groups.add(outcomes)

    def _note_settled(self, outcomes: Sequence[Outcome], error: Exception | None) -> None:
        """Handle a group that was settled, or could not be."""
        self._unsettled -= len(outcomes)
        if error is not None:
            self._claims.keep_unsettled(outcomes)
            self._failure = self._failure or error
        else:
            for outcome in outcomes:
                self.counts[outcome.kind] += len(outcome.ids)
                if outcome.kind is OutcomeKind.AGAIN:
                    self._retried.update(outcome.ids)
                self._in_hand.difference_update(outcome.ids)
                if outcome.kind in _TRIED:
                    self._answers.probe = None
                if outcome.slower is not None:
                    self._pacer.recall(outcome.lane)
            self._count_given_up()
        self._changed.set()

    def _count_given_up(self) -> None:
        """Count deliveries whose refusal is believed now as failed, no longer as retried."""
        retried = self._given_up & self._retried
        self._retried -= retried
        self.counts[OutcomeKind.AGAIN] -= len(retried)
        self.counts[OutcomeKind.FAILED] += len(self._given_up)
        self._given_up.clear()

    async def _until_settled(self, ids: Collection[int]) -> None:
        await self._when(lambda: self._over() or self._in_hand.isdisjoint(ids))

    async def _wind_up(self) -> None:
        """Begin nothing new, give the messages being sent time to finish, and settle everything that was
        begun.
        """
        self._closing = True
        self._changed.set()
        try:
            async with asyncio.timeout(STOP_GRACE.total_seconds()):
                await self._when(lambda: not self._sending)
        except TimeoutError:
            log.warning(
                "%s: %d messages were under way at the stop and may arrive twice",
                self._name,
                len(self._sending),
            )
        for task in self._sending:
            task.cancel()
        await self._when(lambda: not self._under_way())

    async def _leave(self) -> None:
        """Release what was claimed and not begun, and advance the clone guard past what was sent."""
        try:
            if left := self._in_hand - self._claims.unsettled_ids():
                await asyncio.to_thread(self._claims.release, tuple(left))
            if self.counts[OutcomeKind.SENT]:
                await asyncio.to_thread(self._claims.advance_guard)
        except StoreError as error:
            log.warning(
                "%s: the end could not be written down, and leases will run out: %s", self._name, error
            )

    async def _when(self, reached: Callable[[], bool]) -> None:
        while not reached():
            self._changed.clear()
            await self._changed.wait()


def _find_drop_reason(standing: DeliveryStatus | None) -> str | None:
    """Find why the recipient must not get a delivery any more; None if they may."""
    if standing is None or standing.state == queue.DROPPED or standing.subscriber == "ended":
        return "the subscriber has left"
    if standing.suppressed:
        return "the address is suppressed"
    if standing.subscriber == "pending" and standing.kind != queue.CONFIRM:
        return "the subscriber has not confirmed"
    return None


def _describe_lane(lane: str) -> str:
    return "the channel" if lane == EVERYTHING else "a part of it"
