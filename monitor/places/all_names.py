"""The names of all states' towns and counties in one order: which states have a name, and which names begin
so or are as long.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from functools import cache

from monitor.places.county_names import OLD_COUNTIES
from monitor.places.hand_kept_tables import mailing_of
from monitor.places.names import make_key
from monitor.places.packaged_table import StateTable, Table
from monitor.states import STATES


class AllNames:
    """Names by their keys. Those with one initial and length are one text, so that they need little memory
    and are compared at once.
    """

    __slots__ = ("_states", "_texts")

    def __init__(self, table: Table) -> None:
        states: dict[str, int] = defaultdict(int)
        for bit, code in enumerate(STATES):
            for name in _names_of(table.state(code)):
                states[name] |= 1 << bit
        alike: dict[tuple[str, int], list[str]] = defaultdict(list)
        for name in sorted(filter(None, states)):
            alike[name[0], len(name)].append(name)
        self._texts = {kind: "".join(names) for kind, names in alike.items()}
        self._states = {kind: tuple(map(states.__getitem__, names)) for kind, names in alike.items()}

    def states_of(self, name: str) -> list[str]:
        """The states with a town or county of a name, in the order of `STATES`."""
        if not name:
            return []
        alike = (name[0], len(name))
        at = self._first_from(alike, name)
        if self._texts.get(alike, "")[at * len(name) : (at + 1) * len(name)] != name:
            return []
        states = self._states[alike][at]
        return [code for bit, code in enumerate(STATES) if states >> bit & 1]

    def alike(self, initial: str, length: int) -> list[str]:
        """The names with an initial and a length, alphabetically."""
        text = self._texts.get((initial, length), "")
        return [text[at : at + length] for at in range(0, len(text), length)]

    def beginning(self, name: str) -> Iterator[str]:
        """The longer names that begin with a name, the short ones first."""
        for initial, length in sorted(kind for kind in self._texts if kind[0] == name[0]):
            if length > len(name):
                text = self._texts[initial, length]
                at = self._first_from((initial, length), name) * length
                while text.startswith(name, at):
                    yield text[at : at + length]
                    at += length

    def _first_from(self, alike: tuple[str, int], name: str) -> int:
        """The position of the first of these names that is not before a name."""
        length, text = alike[1], self._texts.get(alike, "")
        return bisect_left(
            range(len(text) // length), name, key=lambda at: text[at * length : (at + 1) * length]
        )


def _names_of(state: StateTable) -> Iterator[str]:
    yield from state.towns
    yield from state.by_city
    yield from (name for name, _ in mailing_of(state.state))
    yield from state.by_county
    yield from (make_key(county.title) for county in state.counties)
    yield from (old for code, old in OLD_COUNTIES if code == state.state)


@cache
def all_names(table: Table) -> AllNames:
    """The names of a table, read once."""
    return AllNames(table)
