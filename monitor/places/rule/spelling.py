"""Misspelled names: finds the nearest known name by a bounded edit distance."""

from __future__ import annotations

from collections.abc import Iterable

from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from monitor.places.compact import ByKey

SHORT = 9  # the number of letters up to which one typo is allowed, above it two
LEAST = 5  # shorter names have too many neighbors


def near_keys(wanted: str, known: Iterable[str]) -> list[str]:
    """The keys nearest to a misspelled one: same first letter, one typo up to nine letters, two above."""
    if len(wanted) < LEAST:
        return []
    allowed = 1 if len(wanted) <= SHORT else 2
    shortest, longest = len(wanted) - allowed, len(wanted) + allowed
    if isinstance(known, ByKey):
        choices = known.alike(wanted[0], shortest, longest)
    else:
        choices = [k for k in known if k[:1] == wanted[0] and shortest <= len(k) <= longest]
    found = extract(wanted, choices, scorer=OSA.distance, score_cutoff=allowed, limit=4)
    best = min((distance for _, distance, _ in found), default=0)
    return [k for k, distance, _ in found if distance == best]
