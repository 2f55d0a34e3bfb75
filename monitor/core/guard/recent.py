"""What was published lately, as far as it bears on what may be published now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from monitor.core.diff import diff
from monitor.domain import Change, Kind, Listing, OpenChange, Policy, Released

Identity = tuple[Kind, str]
"""`Change.identity`."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What was published lately: who is gone, who was announced as listed again and until when, and what
    counts into groups.
    """

    gone: dict[str, Listing]
    returned: dict[str, datetime]
    counted: tuple[Change, ...]

    @classmethod
    def of(cls, released: Iterable[Released], now: datetime, policy: Policy) -> Memory:
        gone: dict[str, Listing] = {}
        returned: dict[str, datetime] = {}
        counted: list[Change] = []
        for one in sorted(released, key=lambda one: one.at):
            change, age = one.change, now - one.at
            if age < policy.group_window and not one.held:
                counted.append(change)
            if change.before and change.after and change.before.key in returned:
                returned[change.after.key] = returned.pop(change.before.key)
            elif change.kind is Kind.REMOVED and change.before and age <= policy.rename_memory:
                gone[change.before.key] = change.before
            elif change.kind is Kind.ADDED and change.after:
                gone.pop(change.after.key, None)
                if change.previous:
                    gone.pop(change.previous.key, None)
                    if age < policy.flap_window:
                        returned[change.after.key] = one.at + policy.flap_window
        return cls(gone, returned, tuple(counted))

    def with_previous(
        self, changes: tuple[Change, ...], known: dict[Identity, OpenChange]
    ) -> tuple[Change, ...]:
        """The changes, additions of a listing that was announced as gone marked so: by key, name or the
        rename rule.
        """
        was = {
            change.identity: known[change.identity].change.previous
            for change in changes
            if change.kind is Kind.ADDED and change.identity in known
        }
        open_ = [
            x.after
            for x in changes
            if x.kind is Kind.ADDED and x.after and not (x.previous or was.get(x.identity))
        ]
        if self.gone and open_:
            was |= {
                (Kind.ADDED, x.after.key): x.before
                for x in diff(self.gone.values(), open_)
                if x.before and x.after
            }
            for listing in open_:
                was.setdefault((Kind.ADDED, listing.key), self.gone.get(listing.key))
        return tuple(
            replace(change, previous=was[change.identity])
            if change.kind is Kind.ADDED and not change.previous and was.get(change.identity)
            else change
            for change in changes
        )

    def flapping(self, change: Change) -> datetime | None:
        """Until when an agency that was announced as listed again is not announced, if this change removes or
        adds it once more.
        """
        listing = (
            change.previous
            if change.kind is Kind.ADDED
            else change.before
            if change.kind is Kind.REMOVED
            else None
        )
        return self.returned.get(listing.key) if listing else None
