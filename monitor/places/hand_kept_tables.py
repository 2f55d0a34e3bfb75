"""Tables that are kept by hand, beside this module: governments, mailing names and campuses that no rule can
derive.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from monitor.package_texts import read_text
from monitor.places.agency_kinds import AgencyName
from monitor.places.names import key, squeeze, word_set, words
from monitor.states import STATES


@dataclass(frozen=True, slots=True)
class Consolidated:
    """A force of whole counties; one of the phrases must begin a part of the agency's name."""

    phrases: tuple[tuple[str, ...], ...]
    counties: tuple[str, ...]
    area: str  # for people: "the five boroughs of New York City"


@dataclass(frozen=True, slots=True)
class Campus:
    """An institution's main seat: its town's name and a ZIP there. ``title`` is its whole name."""

    name: tuple[str, ...]
    town: str
    zips: tuple[str, ...]
    title: str


def _rows(name: str) -> Iterator[dict[str, str]]:
    yield from csv.DictReader(read_text("places", name).splitlines())


def _list(cell: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split(";") if part.strip())


@cache
def _consolidated() -> dict[str, tuple[Consolidated, ...]]:
    found: dict[str, list[Consolidated]] = defaultdict(list)
    for row in _rows("consolidated.csv"):
        phrases = tuple(words(phrase) for phrase in _list(row["phrases"]))
        found[row["state"]].append(Consolidated(phrases, _list(row["counties"]), row["area"]))
    return {state: tuple(rows) for state, rows in found.items()}


def consolidated(name: AgencyName, state: str) -> Consolidated | None:
    """Find the known force in a name, if there is one; the state behind a place is none ("Harrison, New York
    Police").
    """
    for row in _consolidated().get(state, ()):
        for phrase in row.phrases:
            of_state = phrase == (*words(STATES[state]), "police")
            parts = name.parts[:1] if of_state else name.parts
            if any(part[: len(phrase)] == phrase for part in parts):
                return row
    return None


@cache
def _consolidated_by_word() -> dict[str, frozenset[str]]:
    """The states with a known force whose phrase begins with a word."""
    found: dict[str, set[str]] = defaultdict(set)
    for state, rows in _consolidated().items():
        for row in rows:
            for phrase in row.phrases:
                found[phrase[0]].add(state)
    return {word: frozenset(states) for word, states in found.items()}


def consolidated_states(name: AgencyName) -> list[str]:
    """The states in which a name speaks of a known force."""
    by_word = _consolidated_by_word()
    states = {state for part in name.parts for state in by_word.get(part[0], ())}
    return sorted(state for state in states if consolidated(name, state) is not None)


@cache
def _consolidated_by_name() -> dict[tuple[str, ...], tuple[tuple[str, tuple[str, ...]], ...]]:
    found: dict[tuple[str, ...], list[tuple[str, tuple[str, ...]]]] = defaultdict(list)
    for state, rows in _consolidated().items():
        for row in rows:
            for phrase in row.phrases:
                twofold = " and " in row.area or phrase[:3] == ("city", "and", "county")
                if len(phrase) > 1 and twofold and _OFFICES.isdisjoint(phrase):
                    found[phrase].append((state, row.counties))
    return {name: tuple(rows) for name, rows in found.items()}


_OFFICES = word_set("police sheriff division metro metropolitan")


def consolidated_named(name: tuple[str, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The counties of a city and county of exactly that name, each with its state: "Macon Bibb"."""
    return _consolidated_by_name().get(name, ())


@cache
def _mailing() -> dict[tuple[str, str], tuple[tuple[str, tuple[str, ...]], ...]]:
    found: dict[tuple[str, str], list[tuple[str, tuple[str, ...]]]] = defaultdict(list)
    for row in _rows("mailing.csv"):
        found[row["state"], key(row["municipality"])].append((row["municipality"], _list(row["mail"])))
    return {where: tuple(rows) for where, rows in found.items()}


def mailing(state: str, name_key: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Municipalities of a name whose mailing names differ, each with its ZIPs or post towns."""
    return _mailing().get((state, name_key), ())


def mailing_of(state: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every municipality of a state on that list, by the key of its name, with its ZIPs or post towns."""
    return ((name, mail) for (where, name), rows in _mailing().items() if where == state for _, mail in rows)


@cache
def _campuses() -> dict[str, tuple[Campus, ...]]:
    found: dict[str, list[Campus]] = defaultdict(list)
    for row in _rows("campuses.csv"):
        names = _list(row["names"])
        for name in names:
            found[row["state"]].append(Campus(words(name), row["town"], _list(row["zips"]), names[0]))
    return {state: tuple(sorted(rows, key=lambda c: -len(squeeze(c.name)))) for state, rows in found.items()}


@cache
def _campuses_by_key() -> dict[str, tuple[tuple[str, Campus], ...]]:
    found: dict[str, list[tuple[str, Campus]]] = defaultdict(list)
    for state, rows in _campuses().items():
        for row in rows:
            found[squeeze(row.name)].append((state, row))
    return {name: tuple(rows) for name, rows in found.items()}


def campuses_named(name_key: str) -> tuple[tuple[str, Campus], ...]:
    """The institutions of exactly that name, each with its state."""
    return _campuses_by_key().get(name_key, ())


@cache
def _campuses_by_letters() -> dict[str, tuple[tuple[str, Campus], ...]]:
    """The institutions by the first letters of their names, also of what stands before "at": USC, UNC."""
    found: dict[str, dict[tuple[str, Campus], None]] = defaultdict(dict)
    for state, rows in _campuses().items():
        names = {row.name for row in rows}
        for row in rows:
            if not _TAUGHT_AT.isdisjoint(row.name):
                at = row.name.index("at") if "at" in row.name else len(row.name)
                before = row.name if row.name[:at] in names else row.name[:at]  # LSU is not at Eunice
                for name in (row.name, before):
                    letters = "".join(word[0] for word in name if word not in _NO_LETTER)
                    found[letters][state, row] = None
    return {letters: tuple(rows) for letters, rows in found.items()}


_TAUGHT_AT = word_set("university college institute")
_NO_LETTER = word_set("of at and the in for")


def campuses_by_letters(letters: str) -> tuple[tuple[str, Campus], ...]:
    """The universities and colleges with these first letters, each with its state."""
    return _campuses_by_letters().get(letters, ())


@cache
def _campuses_by_word() -> dict[str, tuple[tuple[str, Campus], ...]]:
    found: dict[str, list[tuple[str, Campus]]] = defaultdict(list)
    for state, rows in _campuses().items():
        for row in rows:
            found[row.name[0]].append((state, row))
    return {word: tuple(rows) for word, rows in found.items()}


def campuses_beginning(name: tuple[str, ...]) -> tuple[tuple[str, Campus], ...]:
    """The institutions whose names begin with these words, each with its state: the campuses of "University
    of North Carolina".
    """
    alike = _campuses_by_word().get(name[0], ())
    return tuple((state, row) for state, row in alike if row.name[: len(name)] == name)


def read_lists() -> None:
    """Read every list in advance."""
    _consolidated_by_name()
    _mailing()
    _campuses_by_key()
    _campuses_by_letters()
    _campuses_by_word()


def campus(said: tuple[str, ...], state: str) -> Campus | None:
    """The institution with the longest name that the words contain, or the one university of the state whose
    letters they begin with: "LSU Police".
    """
    whole = f" {' '.join(said)} "
    named = next((c for c in _campuses().get(state, ()) if f" {' '.join(c.name)} " in whole), None)
    if named is not None or len(said) < 2 or len(said[0]) < LEAST_LETTERS or said[1] not in _BEHIND_LETTERS:
        return named
    own = [c for code, c in campuses_by_letters(said[0]) if code == state]
    return own[0] if len(own) == 1 else None


LEAST_LETTERS = 3
_BEHIND_LETTERS = word_set("police dept campus public university")
