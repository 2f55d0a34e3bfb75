"""Which refusals somebody who is accepted now disproves, and which an accepted message proves."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy.engine import Engine

from monitor.channels import EVERYTHING
from monitor.core.retry import CHANNEL_PAUSE, LANE_PAUSE
from monitor.outbox.outcomes import Outcome, OutcomeKind, PauseRequest
from monitor.outbox.verdicts import PROOF, _find_disproved, _first_of_wave, _split_by_proof, _take_back
from monitor.storage.deliveries import refusals
from monitor.storage.deliveries.refusals import WAVE_LANES, Refusal
from monitor.storage.engine import transaction
from tests.outbox.test_settle import CLAIMED

NOW = datetime.fromisoformat("2026-03-01T12:00:00+00:00")
SECOND = timedelta(seconds=1)
REFUSED = Refusal(
    channel="email", subscriber=1, delivery=1, lane="lane", answer="550 no", error="550 no",
    verdict=refusals.STRIKE, at=NOW, id=1,
)  # fmt: skip


def accept(subscriber: int, began: datetime | None, kind: OutcomeKind = OutcomeKind.SENT) -> Outcome:
    return Outcome(kind=kind, ids=(9,), deliveries=(replace(CLAIMED, subscriber=subscriber),), moment=began)


@pytest.mark.parametrize(
    ("began", "kind", "disproved"),
    [
        (NOW, OutcomeKind.SENT, True),
        (NOW + SECOND, OutcomeKind.SENT, True),
        (NOW - SECOND, OutcomeKind.SENT, False),
        (None, OutcomeKind.SENT, False),
        (NOW + SECOND, OutcomeKind.AGAIN, False),
    ],
)
def test_who_is_accepted_after_a_refusal_disproves_it(
    began: datetime | None, kind: OutcomeKind, disproved: bool
) -> None:
    assert bool(_find_disproved([REFUSED], [accept(1, began, kind)])) is disproved


def test_the_same_answer_until_then_counts_for_nobody() -> None:
    same = replace(REFUSED, id=2, subscriber=2)
    others = [
        replace(same, id=3, answer="552 full"),
        replace(same, id=4, at=NOW + 2 * SECOND),
        replace(same, id=5, alone=True),
    ]
    edge = replace(same, id=6, at=NOW + SECOND)
    found = _find_disproved([REFUSED, same, *others, edge], [accept(1, NOW + SECOND)])
    assert [x.id for x in found] == [1, 2, 6]
    alone = replace(REFUSED, alone=True)
    assert _find_disproved([alone], [accept(1, NOW + SECOND)]) == (alone,)


def test_the_latest_acceptance_decides() -> None:
    again = replace(REFUSED, id=2, subscriber=2)
    late = replace(REFUSED, id=3, subscriber=3, at=NOW + 5 * SECOND)
    for outcomes in (
        [accept(1, NOW + SECOND), accept(2, NOW + 9 * SECOND)],
        [accept(2, NOW + 9 * SECOND), accept(1, NOW + SECOND)],
    ):
        for order in ([REFUSED, again, late], [again, REFUSED, late]):
            assert {x.id for x in _find_disproved(order, outcomes)} == {1, 2, 3}


@pytest.mark.parametrize(
    ("taken", "before", "proven"),
    [
        ([NOW + PROOF], None, True),
        ([NOW - PROOF], None, True),
        ([NOW + PROOF + SECOND], None, False),
        ([], NOW - PROOF, True),
        ([], NOW - PROOF - SECOND, False),
        ([], None, False),
        ([NOW + 2 * PROOF, NOW], None, True),
    ],
)
def test_a_refusal_is_proven_within_an_hour_of_an_accepted_message(
    taken: list[datetime], before: datetime | None, proven: bool
) -> None:
    confirmed, stale = _split_by_proof([REFUSED], taken, before)
    assert (confirmed, stale) == (([REFUSED], []) if proven else ([], [REFUSED]))


def test_what_a_domain_holds_against_us_needs_no_proof() -> None:
    policy = replace(REFUSED, verdict=refusals.POLICY)
    assert _split_by_proof([policy], [], None) == ([policy], [])


def test_a_persons_last_refusal_decides_for_all_of_them() -> None:
    early = replace(REFUSED, id=2, at=NOW - 2 * PROOF)
    for order in ([early, REFUSED], [REFUSED, early]):
        assert _split_by_proof(order, [NOW + PROOF], None)[0] == order
        assert _split_by_proof(order, [early.at - PROOF], None)[1] == order


def test_the_beginning_of_a_wave_is_what_counted_alike_within_an_hour_before_it() -> None:
    wave = [replace(REFUSED, lane="a"), replace(REFUSED, lane="b", at=NOW + PROOF)]
    early = replace(REFUSED, id=2, at=NOW - PROOF)
    others = [
        replace(early, id=3, at=early.at - SECOND),
        replace(early, id=4, answer="552 full"),
        replace(early, id=5, alone=True),
    ]
    assert _first_of_wave([early, *others], wave) == (early,)
    assert _first_of_wave([early], wave[:1]) == (), "one domain alone refuses its own"


def test_the_pause_of_a_wave_grows_and_says_the_last_error(sqlite_engine: Engine) -> None:
    wave = [REFUSED, replace(REFUSED, id=2, error="550 no, 2nd"), replace(REFUSED, id=3, error="550 no, 3rd")]
    everywhere = [replace(each, lane=str(at)) for at, each in enumerate((wave * WAVE_LANES)[-WAVE_LANES:])]
    with transaction(sqlite_engine) as conn:
        one = _take_back(conn, "email", wave, {"lane": "a.example"}, NOW)
        all_ = _take_back(conn, "email", everywhere, {}, NOW)
    assert one == PauseRequest("a.example", NOW + LANE_PAUSE, "550 no, 3rd", grows=True)
    reason = "the server refuses everybody alike: 550 no, 3rd"
    assert all_ == PauseRequest(EVERYTHING, NOW + CHANNEL_PAUSE, reason, grows=True)
