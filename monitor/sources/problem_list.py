"""Collects the problems of a publication in the order in which they are found."""

from __future__ import annotations

from monitor.domain import Problem

_MOST_PROBLEMS = 1000
"""The most problems that are kept of a publication, the first ones; the rest are only counted."""

IGNORE_TOTAL = "if that counts something else, ignore_total = true in the options says so"
"""What to do if a total is not that of the rows."""


class ProblemList:
    """The problems of the rows that were read so far: ``found`` are those that are kept."""

    def __init__(self) -> None:
        self.found: list[Problem] = []
        self._unkept = 0

    def report(self, kind: str, message: str, number: int | None = None) -> None:
        """Keep a problem of row ``number``, or of the whole publication."""
        if len(self.found) < 2 * _MOST_PROBLEMS:
            self.found.append(Problem(kind, message, number))
        else:
            self._unkept += 1

    def cut(self, text: str, length: int, column: str, number: int) -> str:
        """Cut a text to the length; what is left out is reported as a problem of row ``number``."""
        if len(text) <= length:
            return text
        self.report("text cut", f"{column} has {len(text):,} characters; {length:,} are kept", number)
        return text[:length]

    def list_first(self, *, by_row: bool = False) -> tuple[Problem, ...]:
        """The first problems, as they were found or by their rows, and how many more there are."""
        found = sorted(self.found, key=lambda problem: problem.row or 0) if by_row else self.found
        more = len(found) - _MOST_PROBLEMS + self._unkept
        if more <= 0:
            return tuple(found)
        return (*found[:_MOST_PROBLEMS], Problem("more problems", f"{more:,} more problems are not listed"))


def brief(text: str | None) -> str:
    """The beginning of a text, to name it in a problem."""
    return (text or "")[:80]
