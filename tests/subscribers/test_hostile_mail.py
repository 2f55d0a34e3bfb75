"""Mail that comes back is read in bounded, linear time, also if an attacker wrote it."""

from __future__ import annotations

from email import message_from_bytes

import pytest

from monitor.subscribers import bounces

NESTED = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(300))
REPORT = (
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n"
    b"Content-Type: text/plain\r\n\r\nIt came back.\r\n--b\r\n"
    b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
    b"Action: failed\r\nStatus: 5.1.1\r\n\r\n--b--\r\n"
)


@pytest.mark.parametrize(
    ("mail", "readable"),
    [
        (REPORT, True),
        (REPORT + b"a line of forty characters, as mails have\r\n" * 11_000, True),
        (NESTED + b"\n" * 100, False),
        (b"Subject: x\n\n" + b"\n" * 60_000, False),
        (b"Subject: x\r\r" + b"\r" * 60_000, False),
        (b"boundary\n" * 30, True),
        (b"boundary\n" * 31, False),
        (b"\n" * 50_000, True),
        (b"\n" * 50_001, False),
    ],
    ids=[
        "report",
        "long report",
        "multiparts",
        "empty lines",
        "old line ends",
        "30 parts",
        "31 parts",
        "50,000 lines",
        "50,001 lines",
    ],
)
def test_what_is_too_deep_or_too_long_is_not_parsed(mail: bytes, readable: bool) -> None:
    assert bounces._is_readable(mail[: bounces.LARGEST]) is readable


def test_a_foreign_mail_never_reaches_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[int] = []
    monkeypatch.setattr(bounces, "message_from_bytes", lambda mail: parsed.append(len(mail)))
    nothing: object = None
    verdict = bounces.apply_mail(nothing, nothing, NESTED + b"x\n" * 250_000, nothing)  # type: ignore[arg-type]
    assert verdict is bounces.BounceVerdict.FOREIGN
    assert not parsed


def test_the_beginning_of_a_mail_in_an_mbox_is_short() -> None:
    first = b"From a@b.example Sat Nov 28 06:00:00 2026\nSubject: one\n\nText.\n\n"
    second = b"From MAILER-DAEMON  Sat Nov  8 06:00:00 2026 +0000\r\nSubject: two\n\n"
    assert [message_from_bytes(mail)["Subject"] for mail in bounces.mails(first + second)] == ["one", "two"]
    hostile = b"From a Sat Nov 28 " + b"1" * 500_000
    assert list(bounces.mails(hostile)) == [hostile]
