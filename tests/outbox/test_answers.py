"""What a channel's answers mean for the deliveries of a message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from monitor.channels import EVERYTHING
from monitor.channels.kinds import lookup
from monitor.core.retry import (
    CHANNEL_PAUSE,
    LANE_PAUSE,
    LIFETIME,
    POISON_TRIES,
    REFUSED_WAIT,
    UNPROVEN_LIFE,
    WAITS,
)
from monitor.errors import Permanent, Transient
from monitor.keys import KeyFile
from monitor.outbox.answers import ChannelAnswers
from monitor.outbox.leases import ClaimedBatch
from monitor.outbox.outcomes import Outcome, OutcomeKind
from monitor.outbox.prepare import PreparedMessage
from monitor.outbox.verdicts import ALIKE
from monitor.storage.deliveries import refusals
from monitor.storage.deliveries.pauses import Pause, PauseSpan
from monitor.storage.deliveries.queue import Claimed
from tests.outbox.test_settle import CLAIMED

NOW = CLAIMED.created_at + timedelta(hours=2)
HOUR = timedelta(hours=1)
MAIL = replace(CLAIMED, channel="email")
ADDRESS = "ann@mail.example"


class Lanes:
    """A channel whose lanes are mail domains, or chats."""

    def lane(self, address: str) -> str:
        return address.rpartition("@")[2]


class Envelope:
    address = ADDRESS


def message(*deliveries: Claimed) -> PreparedMessage:
    return PreparedMessage(
        deliveries=deliveries or (MAIL,),
        rendered=None,
        envelope=Envelope(),
        told=frozenset({3}),  # type: ignore[arg-type]
    )


def answers(keys: KeyFile, name: str = "email", *, chance: float = 1.0, **taken: Any) -> ChannelAnswers:
    made = ChannelAnswers(name, Lanes(), keys, lambda: NOW, lambda: chance)  # type: ignore[arg-type]
    made.begin_batch(ClaimedBatch(**taken))
    return made


def pause(reason: str, name: str = EVERYTHING) -> Pause:
    return Pause(channel="email", name=name, until=NOW, reason=reason)


def test_an_accepted_message_names_its_lane_and_when_its_sending_began(keys: KeyFile) -> None:
    outcome = answers(keys).build_sent(message(), NOW - HOUR, "moved", "post 7")
    assert outcome == Outcome(
        kind=OutcomeKind.SENT, ids=(1,), deliveries=(MAIL,), moved_to="moved", lane="mail.example",
        moment=NOW - HOUR, told=frozenset({3}), reference="post 7",
    )  # fmt: skip
    assert answers(keys, probe=pause("x")).build_sent(message(), NOW, None, None).ends_pause


def test_a_lane_that_is_an_address_is_stored_by_its_hash(keys: KeyFile) -> None:
    made = answers(keys, "telegram")
    assert made.name_lane("-1007") == lookup(keys, "telegram", "-1007")
    assert made.name_lane("-1007", EVERYTHING) == EVERYTHING
    assert answers(keys).name_lane(ADDRESS) == "mail.example"


@pytest.mark.parametrize(
    ("accepted", "attempts", "kind"),
    [
        (None, POISON_TRIES - 1, OutcomeKind.AGAIN),
        (MAIL.created_at - HOUR, POISON_TRIES - 1, OutcomeKind.AGAIN),
        (MAIL.created_at, POISON_TRIES - 1, OutcomeKind.FAILED),
        (NOW, POISON_TRIES - 1, OutcomeKind.FAILED),
        (NOW, POISON_TRIES - 2, OutcomeKind.AGAIN),
    ],
)
def test_what_cannot_be_rendered_is_given_up_if_others_were_taken_meanwhile(
    keys: KeyFile, accepted: datetime | None, attempts: int, kind: OutcomeKind
) -> None:
    made = answers(keys, accepted_at=accepted)
    poison = replace(MAIL, attempts=attempts)
    assert made.build_unrendered([poison], "KeyError", NOW).kind is kind
    later = made.build_later(message(poison), Transient("odd", unexplained=True), ADDRESS, None)
    assert later.kind is kind


def test_the_newest_accepted_message_is_remembered(keys: KeyFile) -> None:
    poison = replace(MAIL, attempts=POISON_TRIES - 1)
    for first, second in (
        (NOW, None),
        (None, NOW),
        (NOW, MAIL.created_at - HOUR),
        (MAIL.created_at - HOUR, NOW),
    ):
        made = answers(keys, accepted_at=first)
        made.begin_batch(ClaimedBatch(accepted_at=second))
        assert made.build_unrendered([poison], "KeyError", NOW).kind is OutcomeKind.FAILED


def test_the_newest_of_several_deliveries_decides(keys: KeyFile) -> None:
    old = replace(MAIL, attempts=POISON_TRIES - 1)
    new = replace(old, id=2, created_at=NOW)
    made = answers(keys, accepted_at=NOW - HOUR)
    assert made.build_unrendered([old, new], "KeyError", NOW).kind is OutcomeKind.AGAIN
    assert made.build_unrendered([old, old], "KeyError", NOW).kind is OutcomeKind.FAILED


# refusals for good


def refuse(
    keys: KeyFile, *, name: str = "email", origin: str = "site", probe: str = "", **why: Any
) -> Outcome:
    delivery = replace(MAIL, channel=name, origin=origin)
    made = answers(keys, name, probe=pause(probe) if probe else None)
    return made.build_refused(message(delivery), Permanent("550 no", **why), ADDRESS, "moved")


@pytest.mark.parametrize(
    ("why", "verdict"),
    [
        ({"address_gone": True}, refusals.GONE),
        ({"address_gone": True, "strike": True}, refusals.GONE),
        ({"strike": True}, refusals.STRIKE),
        ({}, refusals.CONTENT),
    ],
)
def test_a_mail_servers_refusal_is_doubted(keys: KeyFile, why: dict[str, bool], verdict: str) -> None:
    outcome = refuse(keys, **why)
    assert (outcome.kind, outcome.verdict, outcome.at) == (OutcomeKind.AGAIN, verdict, NOW + REFUSED_WAIT)
    assert (outcome.lane, outcome.answer, outcome.ends_pause) == ("mail.example", "550 no", False)
    assert (outcome.gone, outcome.strike, outcome.pause) == (False, False, None)
    assert refuse(keys, probe="421 away", **why).ends_pause


def test_a_refusal_beside_a_refusal_of_everybody_is_about_us(keys: KeyFile) -> None:
    reason = f"the server {ALIKE}: 550 no"
    outcome = refuse(keys, probe=reason, strike=True)
    assert (outcome.kind, outcome.verdict, outcome.ends_pause) == (OutcomeKind.AGAIN, "", False)
    assert outcome.pause is not None
    assert (outcome.pause.lane, outcome.pause.until, outcome.pause.reason) == (
        EVERYTHING, NOW + CHANNEL_PAUSE, reason,
    )  # fmt: skip
    assert outcome.pause.grows


@pytest.mark.parametrize("why", [{"address_gone": True}, {"strike": True}, {}])
def test_a_bot_apis_refusal_is_believed(keys: KeyFile, why: dict[str, bool]) -> None:
    outcome = refuse(keys, name="telegram", **why)
    assert (outcome.kind, outcome.moved_to) == (OutcomeKind.FAILED, "moved")
    assert (outcome.gone, outcome.strike) == (bool(why.get("address_gone")), bool(why.get("strike")))
    assert not outcome.ambiguous, "it has not arrived"


@pytest.mark.parametrize(
    ("name", "gone", "kind"),
    [
        ("telegram", True, OutcomeKind.AGAIN),
        ("telegram", False, OutcomeKind.AGAIN),
        ("email", True, OutcomeKind.AGAIN),
        ("email", False, OutcomeKind.AGAIN),
        ("webhook", True, OutcomeKind.FAILED),
        ("webhook", False, OutcomeKind.AGAIN),
    ],
)
def test_a_configured_address_is_the_operators_mistake_unless_it_says_that_it_is_gone(
    keys: KeyFile, name: str, gone: bool, kind: OutcomeKind
) -> None:
    outcome = refuse(keys, name=name, origin="config", address_gone=gone)
    assert outcome.kind is kind
    if kind is OutcomeKind.AGAIN:
        assert outcome.at == NOW + REFUSED_WAIT
        assert outcome.pause is not None
        assert not outcome.pause.counts


# refusals for now


@pytest.mark.parametrize(
    ("why", "lane", "wait", "counts"),
    [
        ({}, None, None, None),
        ({"lane": "mail.example"}, "mail.example", LANE_PAUSE, True),
        ({"lane": EVERYTHING}, EVERYTHING, CHANNEL_PAUSE, True),
        ({"lane": "mail.example", "policy": True}, None, None, None),
    ],
)
def test_what_pauses_after_a_failure(
    keys: KeyFile, why: dict[str, Any], lane: str | None, wait: timedelta | None, counts: bool | None
) -> None:
    outcome = answers(keys).build_later(message(), Transient("421", **why), ADDRESS, None)
    assert outcome.kind is OutcomeKind.AGAIN
    if lane is None:
        assert outcome.pause is None
    else:
        assert outcome.pause is not None
        assert wait is not None
        assert (outcome.pause.lane, outcome.pause.until, outcome.pause.counts) == (lane, NOW + wait, counts)
    # what a whole channel's trouble has stopped is due when that ends
    assert outcome.at == NOW + (CHANNEL_PAUSE if lane == EVERYTHING else timedelta(minutes=1))
    assert outcome.verdict == (refusals.POLICY if why.get("policy") else "")


@pytest.mark.parametrize("lane", [None, "mail.example", EVERYTHING])
def test_only_trouble_of_the_whole_server_does_not_lengthen_the_waits_of_a_message(
    keys: KeyFile, lane: str | None
) -> None:
    tried = message(replace(MAIL, attempts=3))
    outcome = answers(keys).build_later(tried, Transient("421", lane=lane), ADDRESS, None)
    assert outcome.at == NOW + (CHANNEL_PAUSE if lane == EVERYTHING else WAITS[3])


def test_a_pause_of_one_chat_does_not_lengthen_the_life_of_its_messages(keys: KeyFile) -> None:
    chat = message(CLAIMED)
    outcome = answers(keys, "telegram").build_later(chat, Transient("429", lane="-1007"), "-1007", None)
    assert outcome.pause is not None
    assert (outcome.pause.lane, outcome.pause.counts) == (lookup(keys, "telegram", "-1007"), False)
    all_of_it = answers(keys, "telegram").build_later(chat, Transient("502", lane=EVERYTHING), "-1007", None)
    assert all_of_it.pause is not None
    assert all_of_it.pause.counts


@pytest.mark.parametrize(
    ("slower", "policy", "rate", "verdict"),
    [
        (True, True, 0.0, ""),
        (True, False, None, ""),
        (False, True, None, refusals.POLICY),
        (False, False, None, ""),
    ],
)
def test_a_lane_that_takes_fewer_is_slowed_down_and_refuses_nobody(
    keys: KeyFile, slower: bool, policy: bool, rate: float | None, verdict: str
) -> None:
    failure = Transient("452", lane="mail.example", slower=slower, policy=policy)
    outcome = answers(keys).build_later(message(), failure, ADDRESS, None)
    assert (outcome.slower, outcome.verdict) == (rate, verdict)


@pytest.mark.parametrize(
    ("probe", "lane", "ends"),
    [
        (None, None, False),
        ("421 away", None, True),
        ("421 away", "mail.example", True),
        ("421 away", EVERYTHING, False),
        (f"the server {ALIKE}: 550", None, False),
    ],
)
def test_an_answer_to_the_probe_ends_the_pause_unless_it_is_of_everything(
    keys: KeyFile, probe: str | None, lane: str | None, ends: bool
) -> None:
    made = answers(keys, probe=pause(probe) if probe else None)
    assert made.build_later(message(), Transient("450", lane=lane), ADDRESS, None).ends_pause is ends


OLD = replace(MAIL, created_at=NOW - LIFETIME - HOUR, attempts=9)


def give_up(keys: KeyFile, delivery: Claimed, *spans: PauseSpan, **why: Any) -> bool:
    accepted: datetime | None = why.pop("accepted", NOW)
    made = answers(keys, chance=0.0, spans=spans, accepted_at=accepted)
    failure = Transient("450", retry_after=timedelta(minutes=1), **why)
    return made.build_later(message(delivery), failure, ADDRESS, None).kind is OutcomeKind.FAILED


@pytest.mark.parametrize(
    ("spans", "given_up"),
    [
        ((), True),
        ((EVERYTHING, 4), False),
        (("mail.example", 4), False),
        (("other.example", 4), True),
        ((EVERYTHING, 1), True),
    ],
)
def test_time_in_which_its_channel_or_lane_paused_does_not_count(
    keys: KeyFile, spans: Sequence[Any], given_up: bool
) -> None:
    made = (
        [PauseSpan(name=spans[0], since=NOW - 9 * HOUR, until=NOW - (9 - spans[1]) * HOUR)] if spans else []
    )
    assert give_up(keys, replace(OLD, attempts=9), *made) is given_up


@pytest.mark.parametrize("why", [{"policy": True}, {"slower": True}])
def test_while_a_server_takes_nothing_what_it_refuses_lives_a_month(
    keys: KeyFile, why: dict[str, bool]
) -> None:
    assert give_up(keys, OLD, accepted=NOW, **why)
    assert not give_up(keys, OLD, accepted=NOW - 4 * HOUR, **why)
    assert not give_up(keys, OLD, accepted=None, **why)
    assert give_up(keys, OLD, accepted=None)
    month = replace(OLD, created_at=NOW - UNPROVEN_LIFE - LIFETIME + HOUR)
    assert not give_up(keys, month, accepted=None, **why)
    assert give_up(keys, replace(month, created_at=month.created_at - 2 * HOUR), accepted=None, **why)
    assert not give_up(keys, month, accepted=month.created_at - HOUR, **why)


@pytest.mark.parametrize("why", [{"address_gone": True}, {"strike": True}, {}])
def test_while_a_server_takes_nothing_what_it_refuses_for_good_lives_a_month(
    keys: KeyFile, why: dict[str, bool]
) -> None:
    for accepted, kind in (
        (NOW, OutcomeKind.FAILED),
        (NOW - 4 * HOUR, OutcomeKind.AGAIN),
        (None, OutcomeKind.AGAIN),
    ):
        made = answers(keys, chance=0.0, accepted_at=accepted)
        assert made.build_refused(message(OLD), Permanent("550 no", **why), ADDRESS, None).kind is kind


def test_of_several_deliveries_a_pause_before_the_newest_does_not_count(keys: KeyFile) -> None:
    older = replace(OLD, id=2, created_at=OLD.created_at - 20 * HOUR)
    before, since = (PauseSpan(EVERYTHING, at, at + 4 * HOUR) for at in (older.created_at, OLD.created_at))
    for span, kind in ((before, OutcomeKind.FAILED), (since, OutcomeKind.AGAIN)):
        made = answers(keys, chance=0.0, spans=(span,), accepted_at=NOW)
        failure = Transient("450", retry_after=timedelta(minutes=1))
        assert made.build_later(message(older, OLD), failure, ADDRESS, None).kind is kind
