"""The parts of every kind of decision by the operator: its text, its choices, and how they are
carried out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import Engine

from monitor.parser import Parser
from monitor.polling import PolledSource

if TYPE_CHECKING:
    from monitor.places import Gazetteer


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionParts:
    """The dependencies of decisions. ``watches`` are the polled lists by name, ``folder`` is the data folder;
    ``renew_placements`` places agencies again after places were assigned.
    """

    engine: Engine
    clock: Callable[[], datetime]
    watches: Callable[[], Mapping[str, PolledSource]]
    open_parser: Callable[[], AbstractContextManager[Parser]]
    folder: Path
    gazetteer: Callable[[], Gazetteer]
    renew_placements: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice: its name in forms, and the text of its button."""

    name: str
    label: str


@dataclass(frozen=True, slots=True)
class DecisionField:
    """A text field of a decision: its name in forms, its label, its value, and the problem with the value."""

    name: str
    label: str
    value: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class DecisionText:
    """The text of a decision, in English like the notices: a title, background, the items that it concerns,
    and the command that does the same.
    """

    title: str
    facts: tuple[str, ...]
    command: str
    items: tuple[str, ...] = ()


class DecisionKind(ABC):
    """A kind of decision, with its ``choices``."""

    choices: ClassVar[tuple[Choice, ...]]

    @abstractmethod
    def freeze(self, parts: DecisionParts, about: str) -> str | None:
        """Read the exact subject of the decision, as text to store; None if there is nothing to decide."""

    @abstractmethod
    def describe(self, parts: DecisionParts, stored: str) -> DecisionText | None:
        """Describe what is still to be decided; None if nothing is left."""

    def fields(self, parts: DecisionParts, stored: str) -> tuple[DecisionField, ...]:
        """Read the fields that a choice needs; most kinds have only buttons."""
        return ()

    def find_problems(self, parts: DecisionParts, stored: str, answers: Mapping[str, str]) -> dict[str, str]:
        """Find problems with the values of fields, by field."""
        return {}

    @abstractmethod
    def carry_out(self, parts: DecisionParts, stored: str, choice: str, answers: Mapping[str, str]) -> str:
        """Carry out the choice; ``answers`` are the values of fields. Returns the result as a sentence.
        Raises MonitorError.
        """
