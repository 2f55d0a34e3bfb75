"""Holds changes that come in too large a group of one kind."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from monitor.core.guard.reasons import format_span
from monitor.core.guard.recent_changes import Identity, RecentChanges
from monitor.domain import Change, Kind, Listing, OpenChange, Policy, State
from monitor.states import STATES


def _group(change: Change) -> str:
    if change.kind is Kind.CHANGED:
        return "renames" if change.renamed else "changes"
    return "additions" if change.kind is Kind.ADDED else "removals"


_SHORT = 100
"""The size of a list from which on absolute limits make sense: 37 additions to 143 were a normal day."""

_DONE = {"additions": "appeared", "removals": "vanished", "renames": "were renamed", "changes": "changed"}


def group_holds(
    changes: Sequence[Change],
    accepted: Collection[Listing],
    known: dict[Identity, OpenChange],
    memory: RecentChanges,
    doubts: dict[Identity, str],
    now: datetime,
    policy: Policy,
) -> dict[Identity, tuple[str, timedelta]]:
    """Find the changes to hold because there are too many of their kind, with the reason and the duration.

    A publisher's accident is many changes at once, a normal day a few. In the real history, more than this
    within 24 hours was either an accident (the misspelled state stood for 72 hours, hence five days) or a
    batch of genuine additions, which a day's wait does not hurt. Changes published in that time without a
    hold count too; those that were held and then believed do not, nor do those that a person has decided or
    must decide. A change that was first seen earlier is not part of the group. On a short list the limits are
    large shares: there, ``whole_group`` changes that are more than ``group_share`` of it are a group too (20
    of 44 were renamed at once). Changes that only undo earlier ones are probably corrections and wait less.
    """

    def counts(change: Change) -> bool:
        stood = known.get(change.identity)
        if change.quiet or change.identity in doubts:
            return False
        if stood is None:
            return True
        answered = (
            stood.approved
            or stood.state is State.REJECTED
            or (stood.state is State.HELD and not stood.release_at)
        )
        return not answered and now - stood.since < policy.group_window

    group = [change for change in changes if counts(change)]
    sizes = Counter(map(_group, group)) + Counter(map(_group, memory.counted))
    limits = {
        "additions": max(policy.additions, policy.additions_share * len(accepted)),
        "removals": max(policy.removals, policy.removals_share * len(accepted)),
        "renames": max(policy.renames, policy.renames_share * len(accepted)),
        "changes": max(policy.others, policy.others_share * len(accepted)),
    }
    short = 0 < len(accepted) < _SHORT
    share = max(policy.whole_group - 1, policy.group_share * len(accepted)) if short else math.inf
    holds: dict[Identity, tuple[str, timedelta]] = {}
    for change in group:
        kind = _group(change)
        limit = min(limits[kind], share)
        if sizes[kind] > limit:
            undoes = memory.undoes(change)
            wait = policy.hold_additions if kind == "additions" else policy.hold_others
            wait = min(wait, policy.hold_undone) if undoes else wait
            why = " They undo earlier changes and may be a correction." if undoes else ""
            holds[change.identity] = (
                f"{sizes[kind]:,} agencies {_DONE[kind]} at once; more than {int(limit):,} {kind} "
                f"in {policy.group_window / timedelta(hours=1):g} hours wait {format_span(wait)}.{why}",
                wait,
            )
    for field in ("state", "folder"):
        holds |= _wholly_gone(field, group, changes, accepted, known, memory, policy)
    return holds


def _wholly_gone(
    field: str,
    group: Sequence[Change],
    changes: Sequence[Change],
    accepted: Collection[Listing],
    known: dict[Identity, OpenChange],
    memory: RecentChanges,
    policy: Policy,
) -> dict[Identity, tuple[str, timedelta]]:
    """Find the changes that, with recently published ones, leave a state or folder without a listing: it was
    probably misspelled or lost, not emptied.

    A misspelled state loses its listings by changes; a renamed folder keeps them under the new name. This is
    checked only when there is a new removal; otherwise a renamed folder would look empty at the next poll,
    when only the missing listings still have its old name.
    """

    def where(listing: Listing | None) -> str | None:
        return getattr(listing, field) if listing else None

    def leaves(change: Change) -> bool:
        if change.kind is Kind.CHANGED:
            return field == "state" and where(change.before) != where(change.after)
        return change.kind is Kind.REMOVED

    leaving = [change for change in changes if leaves(change)]
    touched = {where(change.before) for change in leaving if change.identity not in known} - {None}
    if not touched:
        return {}
    left = Counter(map(where, accepted))
    left.subtract(where(change.before) for change in leaving)
    left.update(where(change.after) for change in changes if change.kind is Kind.ADDED or leaves(change))
    lately = Counter(where(change.before) for change in memory.counted if leaves(change))
    sizes = Counter(where(change.before) for change in leaving) + lately
    empty = {place for place in touched if left[place] <= 0 and sizes[place] >= policy.whole_group}
    return {
        change.identity: (
            f"All {sizes[place]:,} listings of {STATES.get(place, place)} are gone; "
            f"a whole {field} waits {format_span(policy.hold_others)}.",
            policy.hold_others,
        )
        for change in group
        if leaves(change) and (place := where(change.before)) in empty and place
    }
