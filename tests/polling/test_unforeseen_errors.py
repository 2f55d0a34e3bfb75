"""An error of the program at any step of a poll: a failed fetch with its reason, and the next poll is an
interval away.
"""

from __future__ import annotations

import logging
from typing import Any

import pytest

from monitor.core import guard
from monitor.polling import PollOutcome, apply, received
from monitor.polling.received import Received
from monitor.storage.lists import baseline, bodies, history
from tests.polling.publisher import Publication, agencies
from tests.polling.test_parser import fetches, next_poll

STEPS = [
    (history, "was_read_whole"),
    (history, "load_validators"),
    (received, "digest"),
    (received, "compute_clock"),
    (received, "describe_sent"),
    (Received, "publication"),
    (baseline, "load_info"),
    (history, "find_rejected_now"),
    (history, "find_last_seen"),
    (guard, "reject"),
    (guard, "judge"),
    (apply, "load_state"),
    (apply, "locate_published"),
    (apply, "write"),
    (bodies, "insert_body"),
]


@pytest.mark.parametrize(("room", "step"), STEPS, ids=lambda each: each if isinstance(each, str) else None)
def test_an_error_at_any_step_leaves_its_row_and_waits_for_the_interval(
    sqlite_publication: Publication,
    room: object,
    step: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    publication = sqlite_publication
    assert publication.seen(agencies(30)).outcome is PollOutcome.BASELINE

    def fail(*_: Any, **__: Any) -> None:
        raise ArithmeticError("what only this program knows")

    with monkeypatch.context() as patch, caplog.at_level(logging.CRITICAL):
        patch.setattr(room, step, fail)
        assert publication.seen([*agencies(30), *agencies(1, 40)]).outcome is PollOutcome.FAILED
    outcome, reason = fetches(publication.engine)[-1]
    assert outcome == "failed"
    assert reason.startswith("an error of the program: ArithmeticError at test_unforeseen_errors.py:")
    assert str(next_poll(publication.engine)) >= str(
        (publication.now + publication.watch.every).replace(tzinfo=None)
    )
    assert publication.seen([*agencies(30), *agencies(1, 40)]).outcome is PollOutcome.PUBLISHED
