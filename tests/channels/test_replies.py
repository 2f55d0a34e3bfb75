"""What a mail server's answer means."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitor.channels import EVERYTHING
from monitor.channels.email.replies import redact, refusal
from monitor.errors import Permanent, Transient
from tests.outbox.wordings import OURS, THEIRS

ADDRESS = "ann.lee@People.example"


@pytest.mark.parametrize("text", ["5.1.1 no such user", "5.1.2 no such host", "5.1.10 null MX"])
@pytest.mark.parametrize("phase", ["RCPT", "message"])
def test_an_address_that_does_not_exist_is_suppressed(phase: str, text: str) -> None:
    error = refusal(phase, 550, text, ADDRESS)
    assert isinstance(error, Permanent)
    assert error.address_gone


@pytest.mark.parametrize(
    ("code", "text"), [(550, "no"), (552, "5.2.2 mailbox full"), (550, "5.1.3 bad syntax"), (554, "5.4.4 x")]
)
def test_another_refusal_of_an_address_is_a_strike_and_no_proof(code: int, text: str) -> None:
    error = refusal("RCPT", code, text, ADDRESS)
    assert isinstance(error, Permanent)
    assert error.strike
    assert not error.address_gone


@pytest.mark.parametrize(("code", "text"), [(554, "5.6.0 bad content"), (552, "5.3.4 too big"), (554, "no")])
def test_a_refused_content_is_nobodys_strike(code: int, text: str) -> None:
    error = refusal("message", code, text, ADDRESS)
    assert isinstance(error, Permanent)
    assert not error.strike
    assert not error.address_gone


@pytest.mark.parametrize(
    ("code", "text"),
    [(550, "5.7.1 spf"), (550, "5.7.26 dmarc"), (452, "4.7.1 too fast"), (421, "4.7.0 slow down")],
)
@pytest.mark.parametrize("phase", ["RCPT", "DATA", "message"])
def test_policy_pauses_the_domain_and_never_suppresses_a_person(phase: str, code: int, text: str) -> None:
    error = refusal(phase, code, text, ADDRESS)
    assert isinstance(error, Transient)
    assert error.lane == "people.example"
    assert error.policy, "the domain pauses only if it is so for many"
    assert error.slower == (code < 500)
    assert not error.ambiguous


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("4.7.1 <ann.lee@people.example>: Recipient address rejected: Greylisted, try again later", 300),
        ("4.2.0 graylisted, see http://postgrey.example/help, retry in 10 minutes", 600),
        ("4.7.1 please try again in 60 seconds", 300),
    ],
)
def test_greylisting_concerns_one_recipient_and_is_over_after_its_time(text: str, wait: int) -> None:
    error = refusal("RCPT", 451, text, ADDRESS)
    assert isinstance(error, Transient)
    assert (error.lane, error.policy, error.slower) == (None, False, False)
    assert error.retry_after == timedelta(seconds=wait)


@pytest.mark.parametrize(
    ("code", "text"), [(450, "4.2.0 busy"), (421, "4.3.2 bye"), (451, ""), (999, "?"), (354, "?")]
)
def test_everything_else_is_tried_again(code: int, text: str) -> None:
    error = refusal("RCPT", code, text, ADDRESS)
    assert isinstance(error, Transient)
    assert error.lane is None


@pytest.mark.parametrize(
    ("phase", "code", "text"),
    [
        ("MAIL", 553, "5.7.1 not your sender"),
        ("MAIL", 530, "log in first"),
        ("RCPT", 553, "5.1.8 bad sender"),
        ("RCPT", 530, "5.5.1 log in"),
    ],
)
def test_a_refused_sender_pauses_the_whole_channel(phase: str, code: int, text: str) -> None:
    error = refusal(phase, code, text, ADDRESS)
    assert isinstance(error, Transient)
    assert error.lane == EVERYTHING


@pytest.mark.parametrize(
    "text",
    [
        "5.1.1 <ann.lee@people.example>: unknown",
        "5.1.1 ANN.LEE@PEOPLE.EXAMPLE unknown",
        "5.1.1 user ann.lee unknown",
        "bounced by alerts+TOKEN@watch.example\r\nfor ann.lee@people.example;",
    ],
)
def test_no_error_repeats_the_address(text: str) -> None:
    error = str(refusal("RCPT", 550, text, ADDRESS)).lower()
    assert "ann.lee" not in error
    assert "token" not in error
    assert "\n" not in error


def test_a_long_answer_is_cut() -> None:
    assert len(redact("x" * 5000, ADDRESS)) == 200


def kind_of_refusal(phase: str, code: int, text: str) -> str:
    error = refusal(phase, code, text.replace("{}", "p1@d1.example"), "p1@d1.example")
    if isinstance(error, Permanent):
        return "gone" if error.address_gone else "strike" if error.strike else "refused"
    assert isinstance(error, Transient)
    if error.refuses_us:
        return "us"
    return "slower" if error.slower else "domain" if error.policy else "later"


def test_too_many_messages_for_now_slow_the_domain_and_no_other() -> None:
    error = refusal("RCPT", 452, "4.7.1 Too many messages from you, slow down", ADDRESS)
    assert isinstance(error, Transient)
    assert (error.lane, error.policy, error.slower) == ("people.example", True, True)


@pytest.mark.parametrize(("kind", "phase", "code", "text"), [*OURS, *THEIRS])
def test_wordings_are_read_as_the_kind_that_they_are(kind: str, phase: str, code: int, text: str) -> None:
    assert kind_of_refusal(phase, code, text) == kind


def test_what_one_mailbox_says_of_itself_holds_up_nobody_else() -> None:
    assert {kind for kind, *_ in THEIRS} <= {"gone", "strike", "later"}
