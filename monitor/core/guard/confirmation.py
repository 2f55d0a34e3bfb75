"""Tier 2: decides what is done with each change of a believed snapshot, and when."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from monitor.core.damage import looks_damaged
from monitor.core.diff import diff
from monitor.core.guard.groups import group_holds
from monitor.core.guard.reasons import format_span, name_listing
from monitor.core.guard.recent_changes import Identity, RecentChanges
from monitor.core.guard.unreadable import placeless_of, unreadable_rows_of
from monitor.domain import Change, Judgment, Kind, Listing, OpenChange, PastChange, Policy, State

_NO_STATES = "The list has lost its states"
_IN_PART = "Missing in a publication of which only a part was read"
_ANSWERED = "It was rejected by a person"


def judge(
    changes: Iterable[Change],
    accepted: Collection[Listing],
    standing: Iterable[OpenChange],
    released: Iterable[PastChange],
    *,
    now: datetime,
    policy: Policy,
    damaged: Iterable[Listing] = (),
    blank_states: bool = False,
    in_part: bool = False,
    reread: bool = True,
) -> tuple[Judgment, ...]:
    """Decide about each change, in the given order; a quiet change is published without a message.

    ``changes`` lead from ``accepted``, the baseline, to a good snapshot; on a poll that finds the same
    content they are those of ``standing``, and the decisions are the same. ``standing`` are the changes that
    were pending, held or rejected before this poll, ``released`` those published within
    ``policy.rename_memory``, and all earlier removals; ``damaged`` are rows whose name cannot be read.
    ``blank_states``: the publication has lost known states. ``in_part``: a part of it is unread, so what is
    missing may be there. ``reread``: it was parsed for this poll, so that ``damaged``, ``blank_states`` and
    ``in_part`` are known; a doubt that it no longer raises is over.

    A change keeps its clock and its hold while its identity is the same, whatever is published around it and
    even if its values differ now. An addition that is renamed before it was announced is still the same
    addition: it inherits clock and hold, so that a corrected typo does not start the wait again and a new
    name does not escape a hold. A person's decision does not carry over to a name that the person did not
    see: after a rejection, the new name waits for a person again.
    """
    changes = tuple(changes)
    known = _index_known(changes, standing)
    memory = RecentChanges.of(released, now, policy)
    changes = tuple(map(memory.without_late_dates, memory.with_previous(changes, known)))
    stateless = _find_lost_states(changes, known, reread) if blank_states or not reread else frozenset()
    hidden = _find_hidden(changes, known, reread) if in_part or not reread else frozenset()
    placeless = placeless_of([change for change in changes if change.identity not in stateless], accepted)
    doubts = placeless | unreadable_rows_of(changes, accepted, damaged)
    holds = group_holds(changes, accepted, known, memory, doubts, now, policy)
    judge_one = _Judge(known, memory, stateless, hidden, doubts, holds, now, policy, reread).judge
    return tuple(map(judge_one, changes))


class _Judge(NamedTuple):
    """Decides about the changes of one poll, each by what is known of all."""

    known: Mapping[Identity, OpenChange]
    memory: RecentChanges
    stateless: frozenset[Identity]
    hidden: frozenset[Identity]
    doubts: Mapping[Identity, str]
    holds: Mapping[Identity, tuple[str, timedelta]]
    now: datetime
    policy: Policy
    reread: bool

    def judge(self, change: Change) -> Judgment:
        if change.quiet:
            return Judgment(change, State.PUBLISHED, self.now)
        stood = self.known.get(change.identity)
        seen_again = stood and stood.reason.startswith(_IN_PART) and change.identity not in self.hidden
        since = stood.since if stood and not seen_again else self.now
        return (
            (self._judge_decided(change, stood, since) if stood else None)
            or self._judge_waiting(change, since)
            or self._judge_missing(change, since, seen_before=stood is not None)
            or Judgment(change, State.PUBLISHED, since)
        )

    def _judge_decided(self, change: Change, stood: OpenChange, since: datetime) -> Judgment | None:
        """What a person or an earlier hold has decided."""
        if stood.state is State.REJECTED:
            return Judgment(change, State.REJECTED, since, stood.reason)
        if stood.approved:
            return Judgment(change, State.PUBLISHED, since, stood.reason, held=stood.state is State.HELD)
        doubt_is_over = self.reread and change.identity not in self.doubts and _is_doubt(stood)
        if stood.state is not State.HELD or doubt_is_over:
            return None
        if stood.release_at and stood.release_at <= self.now:
            return Judgment(change, State.PUBLISHED, since, stood.reason, held=True)
        return Judgment(change, State.HELD, since, stood.reason, stood.release_at)

    def _judge_waiting(self, change: Change, since: datetime) -> Judgment | None:
        """Why a change is not believed yet, if something speaks against it."""
        if doubt := self.doubts.get(change.identity):
            return Judgment(change, State.HELD, since, doubt)
        if flapping := self.memory.flapping(change):
            reason = (
                f"It was announced as listed again less than {format_span(self.policy.flap_window)} ago; "
                "what changes back and forth may be a correction and is told once it lasts."
            )
            until = max(flapping, since + self.policy.removal_wait)
            return Judgment(change, State.PENDING, since, reason, until)
        if unread := _unread(change, self.stateless, self.hidden, self.policy):
            reason, wait = unread
            if self.now < since + wait:
                return Judgment(change, State.PENDING, since, reason, since + wait)
        if hold := self.holds.get(change.identity):
            reason, wait = hold
            return Judgment(change, State.HELD, since, reason, since + wait)
        return None

    def _judge_missing(self, change: Change, since: datetime, *, seen_before: bool) -> Judgment | None:
        """A poll can read a half-written file or a server that lags behind: a removal needs a second poll,
        half an hour later.
        """
        wait = self.policy.removal_wait
        if change.kind is not Kind.REMOVED or (seen_before and self.now - since >= wait):
            return None
        reason = f"Missing; announced if it is still missing {format_span(wait)} later."
        return Judgment(change, State.PENDING, since, reason, since + wait)


def _is_doubt(stood: OpenChange) -> bool:
    """Whether a hold only waits for a readable row, and no person has to decide it."""
    return stood.release_at is None and not stood.reason.startswith(_ANSWERED)


def _unread(
    change: Change, stateless: frozenset[Identity], hidden: frozenset[Identity], policy: Policy
) -> tuple[str, timedelta] | None:
    """Why a change waits until what it is about can be read, and the longest wait."""
    if change.identity in hidden:
        wait = policy.hold_others
        return f"{_IN_PART}; announced if the whole lacks it too, or after {format_span(wait)}.", wait
    if change.identity in stateless:
        wait = policy.hold_others
        return f"{_NO_STATES}; this is told once they are back, or after {format_span(wait)}.", wait
    after = change.after
    if after is None or (change.kind is Kind.CHANGED and not change.renamed):
        return None
    if looks_damaged(after.name):
        wait = policy.hold_additions
        return (
            f"Its name has damaged letters; it is told once it can be read, or after {format_span(wait)}.",
            wait,
        )
    return None


def _find_hidden(
    changes: Iterable[Change], known: dict[Identity, OpenChange], reread: bool
) -> frozenset[Identity]:
    """Find missing listings that may be in the unread part of a publication."""
    if not reread:
        return _find_standing(changes, known, _IN_PART)
    return frozenset(change.identity for change in changes if change.kind is Kind.REMOVED)


def _find_lost_states(
    changes: Iterable[Change], known: dict[Identity, OpenChange], reread: bool
) -> frozenset[Identity]:
    """Find new listings without a state while the list has lost its states, and listings that are missing
    meanwhile: both may be one agency.
    """
    changes = tuple(changes)
    if not reread:
        return _find_standing(changes, known, _NO_STATES)
    blank = {
        change.identity
        for change in changes
        if change.kind is Kind.ADDED and not change.subject.state and not change.subject.state_text
    }
    # includes one row that stands for several namesakes, and counts as a change of one of them
    stateless = any(x.after and not x.after.state and not x.after.state_text for x in changes)
    missing = {change.identity for change in changes if change.kind is Kind.REMOVED} if stateless else set()
    return frozenset(blank | missing)


def _find_standing(
    changes: Iterable[Change], known: dict[Identity, OpenChange], reason: str
) -> frozenset[Identity]:
    """Find changes that already waited for a reason."""
    stood = (known.get(change.identity) for change in changes)
    return frozenset(one.change.identity for one in stood if one and one.reason.startswith(reason))


def find_withdrawn(changes: Iterable[Change], standing: Iterable[OpenChange]) -> tuple[OpenChange, ...]:
    """Find the open changes that are no longer there; they end without a message.

    A change that is only quiet now counts as gone.
    """
    there = {change.identity for change in changes if not change.quiet}
    return tuple(one for one in standing if one.change.identity not in there)


def next_due(standing: Iterable[OpenChange], policy: Policy) -> datetime | None:
    """The first moment at which a good poll would publish one of these changes, if nothing else changes; None
    if only a person can.
    """
    times = (_due_at(one, policy) for one in standing)
    return min((time for time in times if time), default=None)


def due(standing: Iterable[OpenChange], now: datetime, policy: Policy | None = None) -> bool:
    """Whether a good poll now would publish one of these changes although the source has not changed."""
    time = next_due(standing, policy or Policy())
    return time is not None and time <= now


def _due_at(standing: OpenChange, policy: Policy) -> datetime | None:
    if standing.state is State.REJECTED:
        return None
    if standing.approved:
        return standing.since
    if standing.state is State.PENDING:
        return standing.release_at or standing.since + policy.removal_wait
    return standing.release_at


def _index_known(changes: Iterable[Change], standing: Iterable[OpenChange]) -> dict[Identity, OpenChange]:
    """Index the open changes by their identity in this poll: an addition may have another name or key now."""
    known = {one.change.identity: one for one in standing}
    new = (
        {change.identity: change.subject for change in changes if change.kind is Kind.ADDED} if known else {}
    )
    lost = [
        one.change.subject
        for identity, one in known.items()
        if identity[0] is Kind.ADDED and identity not in new
    ]
    fresh = [listing for identity, listing in new.items() if identity not in known]
    for heir in diff(lost, fresh) if lost and fresh else ():
        if heir.before and heir.after:
            known[Kind.ADDED, heir.after.key] = _inherit(known[Kind.ADDED, heir.before.key], heir)
    return known


def _inherit(stood: OpenChange, heir: Change) -> OpenChange:
    before, after = heir.before, heir.after
    if before and after and after.state and not before.state and _is_doubt(stood):
        return replace(stood, state=State.PENDING, reason="")  # it was waiting for its state
    if heir.quiet or not (stood.approved or stood.state is State.REJECTED):
        return stood
    if stood.approved:
        return replace(stood, approved=False)
    reason = f"{_ANSWERED} as {name_listing(stood.change.subject)} and reads differently now."
    return OpenChange(heir, State.HELD, stood.since, reason)
