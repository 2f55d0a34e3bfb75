"""Finds the counties of a state by name: with or without the word for their kind, and by old names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from monitor.places.names import squeeze, words
from monitor.places.packaged_table import StateTable

_COUNTY_WORDS = frozenset(("county", "parish", "boro", "municipio", "municipality", "area"))
_KINDS_BEHIND = tuple(
    tuple(kind.split())
    for kind in (
        "city and boro",
        "census area",
        "county",
        "parish",
        "municipio",
        "boro",
        "municipality",
        "city",
    )
)
_KINDS_BEFORE = tuple(
    tuple(kind.split())
    for kind in (
        "city and boro of",
        "county of",
        "parish of",
        "boro of",
        "municipality of",
        "city of",
        "municipio de",
        "municipio autonomo de",
    )
)
"""The words for kinds of counties as `words` spells them."""
OLD_COUNTIES = {
    ("AK", "wadehampton"): ("kusilvak",),
    ("AK", "valdezcordova"): ("chugach", "copperriver"),
    ("SD", "shannon"): ("oglalalakota",),
    ("FL", "dade"): ("miamidade",),
}
"""Counties renamed or divided since 1990, by the keys of their names."""


def county_named(table: StateTable, text: str) -> list[int]:
    """The counties that a text names, with or without the word for their kind ("Cook", "County of Cook",
    "Kenai Peninsula Borough"); independent cities by "city".
    """
    return counties_by_keys(table, county_keys(text), city="city" in words(text))


def county_keys(text: str) -> tuple[str, ...]:
    """The keys under which a text may name a county, for any state; the first that is one is meant."""
    said = words(text)
    return tuple(map(squeeze, _county_stems(said[1:] if said[:1] == ("the",) else said)))


def counties_by_keys(table: StateTable, keys: Iterable[str], *, city: bool) -> list[int]:
    """The counties of the first key that has any. If a county and a city have the same name, the one that the
    text means.
    """
    for each in keys:
        found = counties_by_key(table, each)
        if len(found) > 1:
            found = [c for c in found if table.counties[c].independent == city] or found
        if found:
            return found
    return []


def _county_stems(said: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """A county's name as it was written, and without the word for its kind after it, before it, and both.

    The whole name is first, because the Isle of Wight and James City County contain such words.
    """
    fronts = [said, *(said[len(kind) :] for kind in _KINDS_BEFORE if said[: len(kind)] == kind)]
    for front in fronts:
        yield front
        yield from (front[: -len(kind)] for kind in _KINDS_BEHIND if front[-len(kind) :] == kind)


def counties_by_key(table: StateTable, stem: str) -> list[int]:
    """The counties with that name, including old names."""
    found = list(table.by_county.get(stem, ()))
    for later in OLD_COUNTIES.get((table.state, stem), ()):
        found.extend(table.by_county.get(later, ()))
    return found


def counties_in_words(table: StateTable, part: tuple[str, ...]) -> list[int]:
    """The counties before the word county, parish, borough or municipio, or after "county of"."""
    found: list[int] = []
    for at, word in enumerate(part):
        if word not in _COUNTY_WORDS:
            continue
        before = [part[at - n : at] for n in range(min(4, at), 0, -1)]
        after = (
            [part[at + 2 : at + 2 + n] for n in range(4, 0, -1)] if part[at + 1 : at + 2] == ("of",) else []
        )
        for run in before + after:
            hit = counties_by_key(table, squeeze(run))
            if hit:
                counties = [c for c in hit if not table.counties[c].independent]
                found.extend(counties or hit)
                break
    return list(dict.fromkeys(found))


def county_titles(table: StateTable, counties: Iterable[int]) -> tuple[str, ...]:
    """The counties' names for people: ("Kings County", "the city of Richmond")."""
    return tuple(table.counties[c].title for c in counties)


def county_rows(table: StateTable, counties: Iterable[int]) -> set[int]:
    """The ZIPs with at least 2 % of their land in the counties."""
    return {r for c in counties for r in table.counties[c].zips}
