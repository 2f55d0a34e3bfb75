"""The differences between two states of a list, and how a page shows them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from monitor.domain import Listing
from monitor.states import group_by_state
from monitor.storage.lists.record_rows import ListingVersion

_ONE_BY_ONE = 40  # the most differences of a kind that are shown as one list; more are folded by state
# the most of a kind on a page of all states; for more, the page counts those of each state
_DIFFERENCES = 300
_COMPARED = 280  # the most lines of names on a comparison page: 100 kB
_CHANGED = 4  # lines for one changed entry
KINDS = ("joined", "left", "changed")


@dataclass(frozen=True, slots=True)
class ListDifference:
    """An agency whose entry differs between two moments; None if it is not on the list."""

    agency: str
    before: Listing | None
    after: Listing | None

    @property
    def kind(self) -> str:
        """One of `KINDS`."""
        return "joined" if self.before is None else "left" if self.after is None else "changed"

    @property
    def subject(self) -> Listing:
        found = self.after or self.before
        assert found is not None
        return found


@dataclass(frozen=True, slots=True)
class FoundDifferences:
    """The differences of one kind, as a page shows them: ``members`` in one list, ``folded`` by state, or
    only ``counts`` of each state. ``total`` is how many there are. States are sorted by name; None means
    without a state.
    """

    total: int
    members: Sequence[ListDifference] = ()
    folded: Mapping[str | None, Sequence[ListDifference]] = field(default_factory=dict)
    counts: Mapping[str | None, int] = field(default_factory=dict)


def fold_kinds(found: Sequence[ListDifference]) -> dict[str, FoundDifferences]:
    """Choose how a page of all states shows the differences of each kind, so that it has at most 100 kB."""
    kinds, room = {}, _COMPARED
    for kind in KINDS:
        members = [each for each in found if each.kind == kind]
        lines = _CHANGED if kind == "changed" else 1
        kinds[kind] = fold_differences(members, most=room // lines)
        room -= 0 if kinds[kind].counts else lines * len(members)
    return kinds


def fold_differences(found: Sequence[ListDifference], most: int = _DIFFERENCES) -> FoundDifferences:
    """Choose how a page shows the differences of a kind, with room for ``most`` of them."""
    if len(found) <= min(_ONE_BY_ONE, most):
        return FoundDifferences(len(found), members=found)
    by_state = group_by_state(found, lambda each: each.subject.state)
    if len(found) <= most:
        return FoundDifferences(len(found), folded=by_state)
    return FoundDifferences(len(found), counts={code: len(each) for code, each in by_state.items()})


def compare_lists(
    before: tuple[ListingVersion, ...], after: tuple[ListingVersion, ...], state: str = ""
) -> tuple[ListDifference, ...]:
    """The agencies whose entries differ, sorted by name; of one state if it is given."""
    old = {each.agency: each.listing for each in before}
    new = {each.agency: each.listing for each in after}
    found = [
        ListDifference(agency, old.get(agency), new.get(agency))
        for agency in dict.fromkeys([*old, *new])
        if old.get(agency) != new.get(agency)
    ]
    wanted = [
        each
        for each in found
        if not state or state in {listing.state for listing in (each.before, each.after) if listing}
    ]
    return tuple(sorted(wanted, key=lambda each: (each.subject.name.casefold(), each.agency)))


def cut_pages(found: Sequence[ListDifference]) -> list[list[ListDifference]]:
    """Split differences by kind into pages of at most 100 kB (changed entries take more room than names); at
    least one page.
    """
    pages: list[list[ListDifference]] = [[]]
    room = _COMPARED
    for each in sorted(found, key=lambda each: KINDS.index(each.kind)):  # the sort is stable within a kind
        lines = _CHANGED if each.kind == "changed" else 1
        if lines > room:
            pages.append([])
            room = _COMPARED
        pages[-1].append(each)
        room -= lines
    return pages
