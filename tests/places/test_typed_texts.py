"""What residents, journalists, organizers and phones type, by hand in tests/data/places/typed.csv with the
answer that was expected before it was tried.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from monitor.places import load
from monitor.places.finder import find

PATH = Path(__file__).parents[1] / "data" / "places" / "typed.csv"
ROWS = list(csv.DictReader(PATH.read_text(encoding="utf-8").splitlines()))


def answers(row: dict[str, str]) -> bool:
    """Whether a text gets its answer: of a question, these are among the choices."""
    found = find(row["text"], load())
    match row["kind"]:
        case "place":
            return found.label == row["answer"] and bool(found.places)
        case "question":
            return found.kind == "question" and set(row["answer"].split("; ")) <= set(found.suggestions)
        case "misspelled":
            return found.kind == "typo" and row["answer"] in found.suggestions[:2]
        case _:
            return found.problem == row["answer"]


@pytest.mark.parametrize("kind", ["place", "question", "misspelled", "problem"])
def test_every_text_gets_the_answer_that_was_expected(kind: str) -> None:
    rows = [row for row in ROWS if row["kind"] == kind]
    assert len(rows) > 20
    assert [(row["text"], find(row["text"], load()).label) for row in rows if not answers(row)] == []
