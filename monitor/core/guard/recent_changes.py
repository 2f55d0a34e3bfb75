"""Recently published changes, as far as they matter for current ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from monitor.core.diff import diff, find_respelled, value_of
from monitor.domain import Change, Kind, Listing, OpenChange, PastChange, Policy

Identity = tuple[Kind, str]
"""`Change.identity`."""


@dataclass(frozen=True, slots=True)
class RecentChanges:
    """Recently published changes: agencies that are gone, agencies that were announced as listed again (and
    until when that matters), and changes that count toward groups.
    """

    gone: dict[str, Listing]
    long_gone: dict[str, Listing]
    published: dict[tuple[Kind, str], Change]
    returned: dict[str, datetime]
    counted: tuple[Change, ...]

    @classmethod
    def of(cls, released: Iterable[PastChange], now: datetime, policy: Policy) -> RecentChanges:
        gone: dict[str, Listing] = {}
        long_gone: dict[str, Listing] = {}
        published: dict[tuple[Kind, str], Change] = {}
        returned: dict[str, datetime] = {}
        counted: list[Change] = []
        for one in sorted(released, key=lambda one: one.at):
            change, age = one.change, now - one.at
            if age < policy.group_window and not one.held:
                counted.append(change)
            published[change.kind, change.subject.key] = change
            if change.before and change.after and change.before.key in returned:
                returned[change.after.key] = returned.pop(change.before.key)
            elif change.kind is Kind.REMOVED and change.before:
                (gone if age <= policy.rename_memory else long_gone)[change.before.key] = change.before
            elif change.kind is Kind.ADDED and change.after:
                for key in {change.after.key, change.previous.key if change.previous else ""}:
                    gone.pop(key, None)
                    long_gone.pop(key, None)
                if change.previous and age < policy.flap_window:
                    returned[change.after.key] = one.at + policy.flap_window
        return cls(gone, long_gone, published, returned, tuple(counted))

    def with_previous(
        self, changes: tuple[Change, ...], known: dict[Identity, OpenChange]
    ) -> tuple[Change, ...]:
        """The changes, with ``previous`` set on additions of a listing that was announced as gone. Recent
        ones are matched by key, name or the rename rule; older ones, of any age, by name or another usual
        spelling.
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
        was |= {
            (Kind.ADDED, x.after.key): x.before
            for x in diff(self.gone.values(), open_)
            if x.before and x.after
        }
        for listing in open_:
            was.setdefault((Kind.ADDED, listing.key), self.gone.get(listing.key))
        late = [listing for listing in open_ if not was.get((Kind.ADDED, listing.key))]
        was |= {
            (Kind.ADDED, now.key): before for before, now in find_respelled(self.long_gone.values(), late)
        }
        return tuple(
            replace(change, previous=was[change.identity])
            if change.kind is Kind.ADDED and not change.previous and was.get(change.identity)
            else change
            for change in changes
        )

    def without_late_dates(self, change: Change) -> Change:
        """The change, made quiet if it only adds a date to a listing recently published without one: the date
        could not be read then, and is not news.
        """
        before = change.before
        if before is None or before.since or change.fields != ("since",):
            return change
        return replace(change, quiet=True) if (Kind.ADDED, before.key) in self.published else change

    def undoes(self, change: Change) -> bool:
        """Whether a change only reverts a recently published one."""
        if change.kind is Kind.ADDED:
            return change.previous is not None
        assert change.before is not None
        if change.kind is Kind.REMOVED:
            return (Kind.ADDED, change.before.key) in self.published
        done = self.published.get((Kind.CHANGED, change.before.key))
        if done is None:
            return False
        after, earlier = change.after, done.before
        assert after is not None
        assert earlier is not None
        return all(value_of(after, field) == value_of(earlier, field) for field in done.fields)

    def flapping(self, change: Change) -> datetime | None:
        """Until when an agency that was announced as listed again is not announced once more, if this change
        removes or adds it.
        """
        listing = (
            change.previous
            if change.kind is Kind.ADDED
            else change.before
            if change.kind is Kind.REMOVED
            else None
        )
        return self.returned.get(listing.key) if listing else None
