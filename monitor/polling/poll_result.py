"""The result of one poll."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PollOutcome(StrEnum):
    """How a poll ended; the first one that applies."""

    BASELINE = "baseline"
    FAILED = "failed"
    REJECTED = "rejected"
    PUBLISHED = "published"
    HELD = "held"
    PENDING = "pending"
    UNCHANGED = "unchanged"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class PollResult:
    """The summary of one poll. ``added``, ``removed``, ``changed`` count published changes; ``pending``,
    ``held`` open ones.
    """

    source: str
    outcome: PollOutcome
    added: int = 0
    removed: int = 0
    changed: int = 0
    pending: int = 0
    held: int = 0
    reason: str = ""
