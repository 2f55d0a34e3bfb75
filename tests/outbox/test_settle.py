"""What becomes of deliveries that were sent as one message and refused."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime, timedelta

import pytest

from monitor.core.retry import WAITS
from monitor.errors import Permanent, Transient
from monitor.outbox.outcomes import OutcomeKind, build_failure, build_retry
from monitor.storage.deliveries.queue import _CLAIMED, ALERT, Claimed

CLAIMED = Claimed(
    id=1,
    kind=ALERT,
    changeset=1,
    source="ring",
    created_at=datetime.fromisoformat("2026-03-01T12:00:00+00:00"),
    attempts=0,
    ambiguous=False,
    subscriber=1,
    channel="telegram",
    sealed=None,
    language="en",
    nonce="n",
    number=1,
    strikes=0,
    origin="operator",
)


@pytest.mark.parametrize(
    ("ambiguous", "outcome"), [((False, False), OutcomeKind.AGAIN), ((True, False), OutcomeKind.FAILED)]
)
def test_a_summary_may_have_arrived_if_one_of_its_deliveries_may(
    ambiguous: tuple[bool, ...], outcome: OutcomeKind
) -> None:
    """Telegram knows no copies, so a post that may have arrived twice is given up."""
    group = [replace(CLAIMED, id=id, ambiguous=each) for id, each in enumerate(ambiguous)]
    lost = Transient(ambiguous=True)
    now = CLAIMED.created_at
    assert build_retry("telegram", group, lost, now, chance=lambda: 0.5).kind is outcome


def test_a_summary_is_tried_as_often_and_as_long_as_its_newest_delivery() -> None:
    now = CLAIMED.created_at + timedelta(days=8)
    old = replace(CLAIMED, attempts=len(WAITS))
    new = replace(CLAIMED, id=2, created_at=now, attempts=1)
    outcome = build_retry("telegram", [old, new], Transient("429"), now, chance=lambda: 1.0)
    assert (outcome.kind, outcome.at) == (OutcomeKind.AGAIN, now + WAITS[1])


def test_a_summary_lives_as_long_as_its_newest_delivery() -> None:
    now = CLAIMED.created_at + timedelta(days=8)
    old = replace(CLAIMED, attempts=9)
    new = replace(old, id=2, created_at=now - timedelta(hours=1))
    for group in ([old, new], [new, old]):
        outcome = build_retry("telegram", group, Transient("429"), now, chance=lambda: 1.0)
        assert outcome.kind is OutcomeKind.AGAIN
    assert (
        build_retry("telegram", [old], Transient("429"), now, chance=lambda: 1.0).kind is OutcomeKind.FAILED
    )


def test_an_error_and_the_reason_of_a_pause_are_kept_to_300_characters() -> None:
    now = CLAIMED.created_at
    long = "x" * 301
    later = build_retry("telegram", [CLAIMED], Transient(long), now, chance=lambda: 1.0, lane="7")
    assert later.pause is not None
    failed = build_failure([CLAIMED], Permanent(long))
    assert {len(later.error), len(later.pause.reason), len(failed.error)} == {300}


def test_a_claim_is_read_in_the_order_of_its_fields() -> None:
    names = [column.name for column in _CLAIMED.selected_columns]
    assert names == [field.name for field in fields(Claimed)]
