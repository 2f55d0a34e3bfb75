"""What a returned mail claims, before any of it is checked."""

from __future__ import annotations

from email import message_from_bytes

import pytest

from monitor.core.tokens import Purpose
from monitor.subscribers.bounces import DeliveryReport, MailClaims, _is_readable, _read, mails

BOUNCE, LEAVE = "7x" + "a" * 16, "7x" + "b" * 26
VERP = (Purpose.BOUNCE, BOUNCE)
NOTHING = MailClaims(stop=None, claims=(), reports=(), complaint=False, automatic=False)


def read(text: str) -> MailClaims:
    return _read(message_from_bytes(text.encode()))


def report(group: str = "", *, kind: str = "message/delivery-status", more: str = "", head: str = "") -> str:
    """A report with these fields of one recipient, and further parts."""
    return (
        f'{head}Content-Type: multipart/report; boundary="b"\n\n--b\nContent-Type: text/plain\n\nSorry.\n'
        f"--b\nContent-Type: {kind}\n\nReporting-MTA: dns; a.example\n\n{group}\n\n{more}--b--\n"
    )


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ("Status: 5.1.1\nDiagnostic-Code: smtp; 550 no such user", "5.1.1"),
        ("Status: 5.1.1\nDiagnostic-Code: smtp; 552 5.2.2 full", "5.1.1"),
        ("Status: 5.0.0\nDiagnostic-Code: smtp; 552 5.2.2 full", "5.2.2"),
        ("Status: 5.0.0\nDiagnostic-Code: smtp; 452 4.2.2 full", "5.0.0"),
        ("Status: 5.1.0\nDiagnostic-Code: smtp; 552 5.2.2 full", "5.1.0"),
        ("Status: 5.0.1\nDiagnostic-Code: smtp; 552 5.2.2 full", "5.0.1"),
        ("Diagnostic-Code: smtp; 552 5.2.2 full", "5.2.2"),
        ("Diagnostic-Code: smtp; 452 greylisted", "4.0.0"),
        ("Diagnostic-Code: smtp; 650 odd", "5.0.0"),
        ("Diagnostic-Code: smtp; 1.5.2.2.9 at 15.1.1 or 5.1.1111", "5.0.0"),
        ("", "5.0.0"),
        ("Status: fine", "5.0.0"),
        ("Status: 3.1.1", "5.0.0"),
    ],
)
def test_the_status_is_the_given_one_unless_the_text_says_more(fields: str, status: str) -> None:
    (found,) = read(report(f"Action: Failed \n{fields}")).reports
    assert (found.action, found.status) == ("failed", status)


def test_the_text_of_the_server_is_kept_to_500_characters_without_its_kind() -> None:
    (found,) = read(report(f"Action: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; {'x' * 501}")).reports
    assert found == DeliveryReport("failed", "5.1.1", "x" * 500)
    (folded,) = read(report("Action: failed\nDiagnostic-Code: smtp;\n 550   no\n such; user")).reports
    assert folded.diagnosis == "550 no such; user"


def test_a_group_without_an_action_is_about_the_report() -> None:
    assert read(report("Status: 5.1.1")).reports == ()
    both = "Action: failed\nStatus: 5.1.1\n\nAction: delayed\nStatus: 4.4.1"
    assert [x.status for x in read(report(both)).reports] == ["5.1.1", "4.4.1"]


def test_only_a_report_reports() -> None:
    text = report("Action: failed\nStatus: 5.1.1")
    assert len(read(text).reports) == 1
    assert read(text.replace("multipart/report", "multipart/mixed")).reports == ()
    assert read(report("Action: failed", kind="text/plain")).reports == ()


def test_thirty_recipients_and_thirty_parts_are_read() -> None:
    groups = "\n\n".join(f"Action: failed\nStatus: 5.1.{number}" for number in range(40))
    assert len(read(report(groups)).reports) == 29  # the first group is about the report
    part = "--b\nContent-Type: message/delivery-status\n\nAction: failed\n\n"
    assert len(read(report("Action: failed", more=part * 40)).reports) == 14  # each has a part within


@pytest.mark.parametrize("header", ["To", "Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To"])
def test_the_token_stands_in_the_address_that_a_mail_came_back_to(header: str) -> None:
    assert read(f"{header}: <alerts+{BOUNCE.upper()}@watch.example>\n\n").claims == (
        (Purpose.BOUNCE, BOUNCE.upper()),
    )
    assert read(f"{header}: <alerts+{BOUNCE}b@watch.example>\n\n").claims == ()
    assert read(f"X-{header}-Not: <alerts+{BOUNCE}@watch.example>\n\n").claims == ()


def original(headers: str, kind: str = "text/rfc822-headers") -> str:
    return f"--b\nContent-Type: {kind}\n\n{headers}\n\n"


@pytest.mark.parametrize("kind", ["text/rfc822-headers", "message/rfc822"])
def test_or_in_the_message_that_a_report_returns(kind: str) -> None:
    headers = (
        f"Return-Path: <alerts+{BOUNCE}@watch.example>\n"
        f"List-Unsubscribe: <https://watch.example/unsubscribe/{LEAVE}>"
    )
    more = original(headers, kind)
    assert read(report(more=more)).claims == (VERP, (Purpose.UNSUBSCRIBE, LEAVE))
    assert read(report(more=more).replace("multipart/report", "multipart/mixed")).claims == ()


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        ("abuse", True),
        (" Fraud ", True),
        ("opt-out", True),
        ("virus", False),
        ("not-spam", False),
        ("", False),
    ],
)
def test_which_feedback_is_a_complaint(kind: str, complaint: bool) -> None:
    feedback = (
        "--b\nContent-Type: message/feedback-report\n\n"
        f"Feedback-Type: {kind}\nOriginal-Mail-From: <alerts+{BOUNCE}@watch.example>\n\n"
    )
    said = read(report(more=feedback))
    assert said.complaint is complaint
    assert said.claims == (VERP,)
    assert not read(report(more=feedback).replace("multipart/report", "multipart/mixed")).complaint


def test_a_subject_asks_to_stop_except_that_of_a_report() -> None:
    assert read(f"Subject: UNSUBSCRIBE  {LEAVE}\n\n").stop == LEAVE
    assert read(f"Subject: =?utf-8?q?unsubscribe_{LEAVE}?=\n\n").stop == LEAVE
    assert read(f"Subject: =?no-such-charset?q?x?= unsubscribe {LEAVE}\n\n").stop == LEAVE
    assert read(f"Subject: unsubscribe {LEAVE}b\n\n").stop is None
    assert read(report(head=f"Subject: unsubscribe {LEAVE}\n")).stop is None
    assert read(f"Subject: {'x' * 999} unsubscribe {LEAVE}\n\n").stop is None


@pytest.mark.parametrize(
    ("value", "automatic"), [("auto-replied", True), ("NO ", False), ("", False), ("auto-generated", True)]
)
def test_which_mail_is_an_automatic_answer(value: str, automatic: bool) -> None:
    assert read(f"Auto-Submitted: {value}\n\n").automatic is automatic
    assert read("Subject: x\n\n") == NOTHING


def test_five_headers_of_a_name_are_read() -> None:
    empty, ours = "To: a@b.example\n", f"To: alerts+{BOUNCE}@watch.example\n"
    assert read(empty * 4 + ours + "\n").claims == (VERP,)
    assert read(empty * 5 + ours + "\n").claims == ()


@pytest.mark.parametrize(
    ("mail", "readable"),
    [
        (b"\n" * 50_000, True),
        (b"\n" * 50_001, False),
        (b"\r" * 50_001, False),
        (b"\r\n" * 50_000, True),
        (b"\r\n" * 50_001, False),
        (b"Boundary " * 30, True),
        (b"Boundary " * 31, False),
        (b"\n" * 50_000 + b"boundary", True),
        (b"", True),
    ],
)
def test_how_many_lines_and_boundaries_a_mail_may_have(mail: bytes, readable: bool) -> None:
    assert _is_readable(mail) is readable


def test_an_mbox_is_split_where_a_mail_begins() -> None:
    begin = b"From MAILER-DAEMON Sun Mar  1 12:00:00 2026\n"
    one, two = b"Subject: 1\n\n>From here\n>>From there\n", b"Subject: 2\n\nFrom now on\n"
    assert list(mails(begin + one + b"\n" + begin + two)) == [b"Subject: 1\n\nFrom here\n>From there", two]
    assert list(mails(one)) == [one]
    assert list(mails(b"")) == [b""]
    assert list(mails(begin + b"\n\n" + begin)) == []


def test_a_returned_message_is_no_part_of_the_report() -> None:
    """Its own headers may be called as the fields of a report are."""
    more = original("Action: failed\nStatus: 5.1.1", "message/rfc822")
    assert read(report("Action: delayed\nStatus: 4.4.1", more=more)).reports == (
        DeliveryReport("delayed", "4.4.1", ""),
    )


def test_a_thousand_characters_of_a_header_are_read() -> None:
    ours = f"alerts+{BOUNCE}"
    assert read(f"To: {'x' * (999 - len(ours))}{ours}@watch.example\n\n").claims == (VERP,)
    assert read(f"To: {'x' * (1000 - len(ours))}{ours}@watch.example\n\n").claims == ()
