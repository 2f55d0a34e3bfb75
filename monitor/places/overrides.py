"""The operator's corrections: agencies and their places, looked up by identity."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from monitor.domain import Confidence, Listing, Placement, PlacementReason
from monitor.places.names import key
from monitor.states import STATES


@dataclass(frozen=True, slots=True)
class Override:
    """One row: an agency by its key, or by name and state, in one source or (source empty) in every one."""

    source: str
    key: str
    name: str
    state: str
    placement: Placement


@dataclass(frozen=True, slots=True)
class Overrides:
    """The rows, for look-up by identity."""

    by_key: dict[tuple[str, str], Placement] = field(default_factory=dict)
    by_name: dict[tuple[str, str, str], Placement] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Override]) -> Overrides:
        """Build the lookup tables of rows; a later row overrides an earlier one."""
        made = cls()
        for row in rows:
            if row.key:
                made.by_key[row.source, row.key] = row.placement
            else:
                made.by_name[row.source, key(row.name), row.state] = row.placement
        return made

    def with_rows(self, rows: Iterable[Override]) -> Overrides:
        """The same with further rows, which override these."""
        more = Overrides.of(rows)
        return Overrides(self.by_key | more.by_key, self.by_name | more.by_name)

    def find(self, listing: Listing, source: str | None) -> Placement | None:
        """The placement that the operator gave: of this source before every source, by key before by name."""
        named = key(listing.name), listing.state or ""
        for where in (source, "") if source else ("",):
            found = self.by_key.get((where, listing.key)) or self.by_name.get((where, *named))
            if found is not None:
                return found
        return None


def make_override(
    source: str, key: str, name: str, state: str, places: tuple[str, ...], note: str
) -> Override:
    """Make the row of one agency from places that are known: ZIPs or one state."""
    return Override(source, key, name, state, make_placement(places, note))


def make_placement(places: tuple[str, ...], note: str) -> Placement:
    """Make the placement that an operator gave: ZIPs or one state, and a note on why or ""."""
    reason = PlacementReason("operator_note", (), note) if note else PlacementReason("operator")
    statewide = any(place in STATES for place in places)
    return Placement(places, "override", Confidence.EXACT, reason, statewide=statewide)
