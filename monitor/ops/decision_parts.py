"""What every kind of decision of the operator has: what it shows, its answers, how they are carried out."""

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
    """What decisions are carried out with. ``watches`` are the polled lists by name, ``folder`` is the data
    folder; ``renew_placements`` places every agency again after its places were given.
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
    """One answer: its name in forms, and what its button says."""

    name: str
    label: str


@dataclass(frozen=True, slots=True)
class DecisionField:
    """A field of text that belongs to an answer: its name in forms, what it asks about, what was written in
    it, and what is wrong with that.
    """

    name: str
    label: str
    value: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class DecisionText:
    """What is decided about, in English as the notices are: a title, what to know first, what it concerns one
    by one, and the command that does the same.
    """

    title: str
    facts: tuple[str, ...]
    command: str
    items: tuple[str, ...] = ()


class DecisionKind(ABC):
    """A kind of decision. ``choices`` are its answers."""

    choices: ClassVar[tuple[Choice, ...]]

    @abstractmethod
    def freeze(self, parts: DecisionParts, about: str) -> str | None:
        """Read what exactly is decided about, as text to store; None if there is nothing to decide."""

    @abstractmethod
    def describe(self, parts: DecisionParts, stored: str) -> DecisionText | None:
        """Describe what is still to be decided of it; None if that has become nothing."""

    def fields(self, parts: DecisionParts, stored: str) -> tuple[DecisionField, ...]:
        """Read the fields that the answer needs; most kinds have buttons alone."""
        return ()

    def find_problems(self, parts: DecisionParts, stored: str, answers: Mapping[str, str]) -> dict[str, str]:
        """Find what is wrong with what was written in fields, by field."""
        return {}

    @abstractmethod
    def carry_out(self, parts: DecisionParts, stored: str, choice: str, answers: Mapping[str, str]) -> str:
        """Do what was chosen; ``answers`` is what was written in fields. Returns what came of it, as a
        sentence. Raises MonitorError.
        """
