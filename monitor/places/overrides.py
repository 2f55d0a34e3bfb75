"""The operator's corrections: agencies and their places, looked up by identity."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from monitor.domain import Listing, Placement
from monitor.places.names import key


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
        """The look-up tables of rows; a later row wins over an earlier one."""
        made = cls()
        for row in rows:
            if row.key:
                made.by_key[row.source, row.key] = row.placement
            else:
                made.by_name[row.source, key(row.name), row.state] = row.placement
        return made

    def find(self, listing: Listing, source: str | None) -> Placement | None:
        """The placement that the operator gave: of this source before every source, by key before by name."""
        named = key(listing.name), listing.state or ""
        for where in (source, "") if source else ("",):
            found = self.by_key.get((where, listing.key)) or self.by_name.get((where, *named))
            if found is not None:
                return found
        return None
