"""Mail that came back counts only with our own token, by the rules for refusals, whichever way it comes
in.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from monitor import subscribers
from monitor.cli import root
from monitor.core.tokens import Purpose
from monitor.keys import KeyFile
from monitor.ops.health_facts import load_facts
from monitor.ops.health_report import report_status
from monitor.storage import engine as db
from monitor.storage import people
from monitor.storage.deliveries import fanout, pauses, refusals
from monitor.storage.deliveries.tables import DeliveryRow
from monitor.subscribers import BounceVerdict, Tombstones
from tests.subscribers.conftest import ANN, deliveries, member, token, who
from tests.subscribers.town import Town

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def report(
    to: str, status: str = "5.1.1", action: str = "failed", diagnosis: str = "smtp; 550 no such user"
) -> bytes:
    """A delivery status notification as a mail server makes it (RFC 3464, appendix E)."""
    return (
        f"From: MAILER-DAEMON@relay.example\r\nTo: {to}\r\nSubject: Undelivered Mail Returned to Sender\r\n"
        "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nI am sorry.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; relay.example\r\n\r\n"
        f"Final-Recipient: rfc822; {ANN}\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: {diagnosis}\r\n\r\n"
        "--b\r\nContent-Type: text/rfc822-headers\r\n\r\n"
        "Subject: unsubscribe 1xaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n--b--\r\n"
    ).encode()


def back(keys: KeyFile, one: people.Subscriber) -> str:
    return f"alerts+{token(keys, Purpose.BOUNCE, one)}@watch.example"


def test_an_address_that_is_gone_is_suppressed_at_once(engine: Engine, keys: KeyFile, now: datetime) -> None:
    one = member(engine, keys, now)
    for status in ("5.1.1", "5.1.2", "5.1.10"):
        assert subscribers.apply_mail(engine, keys, report(back(keys, one), status), now) in {
            BounceVerdict.SUPPRESSED,
            BounceVerdict.PASSED,
        }
    assert who(engine, keys) is None
    with db.reading(engine) as conn:
        reason = people.load_reason(conn, "email", keys.lookup("email", ANN))
    assert reason == "mail came back: 5.1.1"


def test_other_refusals_strike_and_the_third_after_seven_days_suppresses(
    engine: Engine, keys: KeyFile, now: datetime
) -> None:
    one = member(engine, keys, now)

    def full(number: int) -> bytes:
        return report(back(keys, one), "5.2.2", diagnosis=f"smtp; 552 mailbox full, queue id {number}")

    for number in range(4):
        at = now + number * timedelta(hours=1)
        assert subscribers.apply_mail(engine, keys, full(number), at) is BounceVerdict.STRUCK
    # a relay that posts it once more, a mailbox that is read again
    assert subscribers.apply_mail(engine, keys, full(3), now + DAY) is BounceVerdict.PASSED
    subscribers.purge(engine, now + DAY)
    assert subscribers.apply_mail(engine, keys, full(0), now + 2 * DAY) is BounceVerdict.PASSED
    assert subscribers.apply_mail(engine, keys, full(4), now + 2 * DAY) is BounceVerdict.STRUCK
    assert subscribers.apply_mail(engine, keys, full(5), now + 7 * DAY) is BounceVerdict.SUPPRESSED


@pytest.mark.parametrize(
    ("status", "action"),
    [("4.4.1", "delayed"), ("5.4.1", "delayed"), ("2.1.5", "delivered"), ("4.2.2", "failed")],
)
def test_a_delay_says_nothing_about_the_address(
    sqlite_engine: Engine, keys: KeyFile, now: datetime, status: str, action: str
) -> None:
    one = member(sqlite_engine, keys, now)
    assert (
        subscribers.apply_mail(sqlite_engine, keys, report(back(keys, one), status, action), now)
        is BounceVerdict.PASSED
    )


def test_a_refusal_for_our_own_faults_is_the_operators_and_nobody_elses(
    engine: Engine, keys: KeyFile, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even a lane pauses: a person who knows the token in their own mail writes such reports, once a
    minute.
    """
    one = member(engine, keys, now)
    for status in ("5.1.7", "5.1.8", "5.7.1", "5.7.26"):
        mail = report(back(keys, one), status, diagnosis=f"smtp; 550 mail to {ANN} fails DMARC")
        assert subscribers.apply_mail(engine, keys, mail, now) is BounceVerdict.PASSED
    with db.reading(engine) as conn:
        assert pauses.read_pauses(conn, now) == ()
    assert who(engine, keys) is not None
    assert "DMARC" in caplog.text
    assert ANN not in caplog.text
    state = report_status(load_facts(engine, {}, configured=["email"], fenced=None, now=now))
    (problem,) = [each for each in state["problems"] if "5.7.26" in each]
    assert "1 mail came back from 1 provider with 5.7.26: publish SPF and DKIM" in problem
    assert "monitor outbox restore 'returned 5.7.26'" in problem


def test_what_came_back_for_our_own_faults_can_be_sent_again(
    engine: Engine, keys: KeyFile, now: datetime, publish: Callable[..., int]
) -> None:
    one = member(engine, keys, now)
    changeset = publish("One", now)
    with db.transaction(engine) as conn:
        fanout.mark_fanned_out(conn, changeset, now)
        fanout.insert_deliveries(conn, changeset, "ring", now)
        conn.execute(sa.update(DeliveryRow).values(state="sent", settled_at=now))
    mail = report(back(keys, one), "5.7.515", diagnosis="smtp; 550 5.7.515 Access denied")
    for _ in range(2):  # the second time it is the same mail
        assert subscribers.apply_mail(engine, keys, mail, now + HOUR) is BounceVerdict.PASSED
    with db.transaction(engine) as conn:
        (wave,) = refusals.load_waves(conn, now)
        assert (wave.answer, wave.people, wave.returned) == ("returned 5.7.515", 1, 1)
        assert refusals.restore(conn, "email", wave.answer, now + DAY) == (1, 1)
    assert [state for _, state, _ in deliveries(engine, "alert")] == ["due"]


def test_a_wave_of_refusals_alarms_the_operator(sqlite_engine: Engine, keys: KeyFile, now: datetime) -> None:
    """A relay that refuses everybody by mistake would close the whole list."""

    def problems(at: datetime) -> list[str]:
        state = report_status(load_facts(sqlite_engine, {}, configured=["email"], fenced=None, now=at))
        return [problem for problem in state["problems"] if "refuse mail" in problem]

    one = member(sqlite_engine, keys, now)
    with db.transaction(sqlite_engine) as conn:
        for number in range(9):
            people.suppress(conn, "email", f"{number}", "gone", now)
    assert problems(now) == []
    assert (
        subscribers.apply_mail(sqlite_engine, keys, report(back(keys, one)), now) is BounceVerdict.SUPPRESSED
    )
    assert len(problems(now)) == 1
    assert problems(now + 2 * DAY) == []


def test_without_a_token_of_ours_nothing_happens(sqlite_engine: Engine, keys: KeyFile, now: datetime) -> None:
    one = member(sqlite_engine, keys, now)
    wrong = [
        "alerts@watch.example",
        f"alerts+{one.id}xaaaaaaaaaaaaaaaa@watch.example",
        f"alerts+{token(keys, Purpose.BOUNCE, one)[:-1]}a2@watch.example",
        f"alerts+{token(keys, Purpose.MANAGE, one)}@watch.example",
        f"alerts+999{token(keys, Purpose.BOUNCE, one)}@watch.example",
    ]
    for to in wrong:
        assert subscribers.apply_mail(sqlite_engine, keys, report(to), now) is BounceVerdict.FOREIGN
    plain = f"To: {back(keys, one)}\r\nSubject: 5.1.1\r\n\r\nStatus: 5.1.1\r\nAction: failed\r\n".encode()
    assert subscribers.apply_mail(sqlite_engine, keys, plain, now) is BounceVerdict.FOREIGN
    assert who(sqlite_engine, keys) is not None


def test_a_token_survives_whatever_case_a_relay_gives_it(
    sqlite_engine: Engine, keys: KeyFile, now: datetime
) -> None:
    one = member(sqlite_engine, keys, now)
    assert (
        subscribers.apply_mail(sqlite_engine, keys, report(back(keys, one).upper()), now)
        is BounceVerdict.SUPPRESSED
    )


@pytest.mark.parametrize("subject", ["unsubscribe {}", "Re: Unsubscribe {}", "UNSUBSCRIBE  {}"])
def test_a_mail_to_the_unsubscribe_address_ends_it(
    engine: Engine, keys: KeyFile, now: datetime, tmp_path: Path, subject: str
) -> None:
    one = member(engine, keys, now)
    mail = EmailMessage()
    mail["From"], mail["To"] = ANN, "alerts@watch.example"
    mail["Subject"] = subject.format(token(keys, Purpose.UNSUBSCRIBE, one))
    mail.set_content("")
    for _ in range(2):
        assert (
            subscribers.apply_mail(engine, keys, bytes(mail), now, tombstones=Tombstones(tmp_path))
            is BounceVerdict.LEFT
        )
    assert who(engine, keys) is None
    assert len(Tombstones(tmp_path).read()) == 1


def dsn(fields: str, *, to: str, returned: str = "", kind: str = "delivery-status", **headers: str) -> bytes:
    """A report as servers write them: headers, the words for a person, the fields, and the message or its
    headers.
    """
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    folded = fields.strip().replace("\n", "\r\n")
    return (
        f"Return-Path: <>\r\nTo: {to}\r\n{more}MIME-Version: 1.0\r\n"
        f'Content-Type: multipart/report; report-type={kind};\r\n\tboundary="=_b"\r\n\r\nThis is MIME.\r\n'
        "--=_b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        "U29ycnkuIA==\r\n"
        f"--=_b\r\nContent-Type: message/{kind}\r\n\r\n{folded}\r\n\r\n"
        f"--=_b\r\nContent-Type: message/rfc822\r\n\r\n{returned}Subject: x\r\n\r\nFrom here on\r\n"
        "--=_b--\r\n"
    ).encode()


FIELDS = {
    "Postfix": (
        "Reporting-MTA: dns; mx.watch.example\nX-Postfix-Queue-ID: 4F1\n\n"
        "Final-Recipient: rfc822; ann@example.org\n"
        "Original-Recipient: rfc822;ann@example.org\nAction: failed\nStatus: 5.1.1\n"
        "Remote-MTA: dns; mx.example.org\n"
        "Diagnostic-Code: smtp; 550 5.1.1 <ann@example.org>: Recipient address rejected:\n"
        "    User unknown in local recipient table",
        BounceVerdict.SUPPRESSED,
    ),
    "Postfix, delayed": (
        "Reporting-MTA: dns; mx.watch.example\n\nFinal-Recipient: rfc822; ann@example.org\nAction: delayed\n"
        "Status: 4.4.1\n"
        "Diagnostic-Code: X-Postfix; connect to mx.example.org[192.0.2.1]:25: Connection timed out\n"
        "Will-Retry-Until: Tue, 3 Mar 2026 00:00:00 +0000",
        BounceVerdict.PASSED,
    ),
    "Exim": (
        "Reporting-MTA: dns; mx.watch.example\n\nAction: failed\nFinal-Recipient: rfc822;ann@example.org\n"
        "Status: 5.0.0\n"
        "Remote-MTA: dns; mx.example.org\nDiagnostic-Code: smtp; 550 5.1.1 No such user here",
        BounceVerdict.SUPPRESSED,
    ),
    "Exim, an old server behind it": (
        "Reporting-MTA: dns; mx.watch.example\n\nAction: failed\nFinal-Recipient: rfc822;ann@example.org\n"
        "Status: 5.0.0\n"
        "Diagnostic-Code: smtp; 550 No such user here, asked by 5.9.1.2",
        BounceVerdict.STRUCK,
    ),
    "Exchange": (
        "Reporting-MTA: dns;EX01.example.org\n\nFinal-recipient: RFC822;ann@example.org\nAction: failed\n"
        "Status: 5.1.10\n"
        "Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found by SMTP address lookup\n"
        "X-Display-Name: Ann",
        BounceVerdict.SUPPRESSED,
    ),
    "Outlook": (
        "Reporting-MTA: dns;AM0.prod.example.com\n\nFinal-Recipient: rfc822;ann@example.org\n"
        "Action: failed\nStatus: 5.7.1\n"
        "Diagnostic-Code: smtp;550 5.7.1 Service unavailable, client host [192.0.2.1] blocked using a list",
        BounceVerdict.PASSED,
    ),
    "Gmail": (
        "Reporting-MTA: dns; googlemail.com\nArrival-Date: Sun, 01 Mar 2026 00:00:00 -0800 (PST)\n\n"
        "Final-Recipient: rfc822; ann@example.org\nAction: failed\nStatus: 5.2.2\n"
        "Diagnostic-Code: smtp; 552-5.2.2 The recipient's inbox is out of storage space. Please direct\n"
        " 552 5.2.2 the recipient to https://support.example.com/",
        BounceVerdict.STRUCK,
    ),
    "no status": (
        "Reporting-MTA: dns; old.example\n\nFinal-Recipient: rfc822; ann@example.org\nAction: failed\n"
        "Diagnostic-Code: smtp; 550-5.1.1 unknown",
        BounceVerdict.SUPPRESSED,
    ),
    "no status, for now": (
        "Reporting-MTA: dns; old.example\n\nAction: failed\nDiagnostic-Code: smtp; 451 greylisted",
        BounceVerdict.PASSED,
    ),
    "neither status nor diagnosis": (
        "Reporting-MTA: dns; old.example\n\nAction: failed",
        BounceVerdict.STRUCK,
    ),
    "one of several": (
        "Reporting-MTA: dns; x.example\n\nAction: relayed\nStatus: 2.0.0\n\nAction: failed (unknown)\n"
        "Status: 5.1.2 (no host)",
        BounceVerdict.SUPPRESSED,
    ),
    "no action": ("Reporting-MTA: dns; x.example\n\nStatus: 5.1.1", BounceVerdict.FOREIGN),
}


@pytest.mark.parametrize("server", FIELDS)
def test_reports_are_read_as_servers_write_them(
    sqlite_engine: Engine, keys: KeyFile, now: datetime, server: str
) -> None:
    fields, verdict = FIELDS[server]
    one = member(sqlite_engine, keys, now)
    mail = dsn(fields, to="alerts@watch.example", Delivered_To=back(keys, one))
    assert subscribers.apply_mail(sqlite_engine, keys, mail, now) is verdict
    assert (who(sqlite_engine, keys) is None) is (verdict is BounceVerdict.SUPPRESSED)


def test_a_relay_without_envelope_addresses_of_ours_returns_the_token_in_the_message(
    sqlite_engine: Engine, keys: KeyFile, now: datetime
) -> None:
    one = member(sqlite_engine, keys, now)
    fields, _ = FIELDS["Postfix"]

    def mail(token: str) -> bytes:
        link = f"https://watch.example/unsubscribe/{token}"
        returned = f"List-Unsubscribe: <{link}>,\r\n <mailto:alerts@watch.example>\r\n"
        return dsn(fields, to="alerts@watch.example", returned=returned)

    forged = mail(f"{one.id}x{'a' * 26}")
    assert subscribers.apply_mail(sqlite_engine, keys, forged, now) is BounceVerdict.FOREIGN
    ours = mail(token(keys, Purpose.UNSUBSCRIBE, one))
    assert subscribers.apply_mail(sqlite_engine, keys, ours, now) is BounceVerdict.SUPPRESSED


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        ("abuse", BounceVerdict.LEFT),
        ("Abuse ", BounceVerdict.LEFT),
        ("fraud", BounceVerdict.LEFT),
        ("opt-out", BounceVerdict.LEFT),  # RFC 6650, 3.2: they asked their provider to end it
        ("opt-out-list", BounceVerdict.FOREIGN),
        ("not-spam", BounceVerdict.FOREIGN),
        ("virus", BounceVerdict.FOREIGN),
    ],
)
def test_a_complaint_is_a_wish_to_leave(
    engine: Engine, keys: KeyFile, now: datetime, tmp_path: Path, kind: str, verdict: BounceVerdict
) -> None:
    """RFC 5965: the provider of somebody who called it abuse tells us, with the address blacked out."""
    one = member(engine, keys, now)
    mail = dsn(
        f"Feedback-Type: {kind}\nUser-Agent: SomeGenerator/1.0\nVersion: 1\n"
        f"Original-Mail-From: <{back(keys, one)}>",
        to="fbl@watch.example", kind="feedback-report",
    )  # fmt: skip
    stones = Tombstones(tmp_path)
    assert subscribers.apply_mail(engine, keys, mail, now, tombstones=stones) is verdict
    assert (who(engine, keys) is None) is (verdict is BounceVerdict.LEFT)
    assert len(stones.read()) == (verdict is BounceVerdict.LEFT)


def test_an_automatic_answer_says_nothing_about_the_address(
    sqlite_engine: Engine, keys: KeyFile, now: datetime
) -> None:
    one = member(sqlite_engine, keys, now)
    answer = f"To: {back(keys, one)}\r\nSubject: Away until 5.1.1\r\n%s\r\nI am away. Status: 5.1.1\r\n"
    automatic = (answer % "Auto-Submitted: auto-replied\r\n").encode()
    assert subscribers.apply_mail(sqlite_engine, keys, automatic, now) is BounceVerdict.PASSED
    # what a person wrote is left for a person
    assert subscribers.apply_mail(sqlite_engine, keys, (answer % "").encode(), now) is BounceVerdict.FOREIGN
    assert who(sqlite_engine, keys) is not None


def test_whatever_was_written_is_read_or_left_in_bounded_time(
    sqlite_engine: Engine, keys: KeyFile, now: datetime
) -> None:
    """Each of these took minutes, or ended the program."""
    one = member(sqlite_engine, keys, now)
    deep = "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\r\n\r\n--b{n}\r\n' for n in range(2000))
    for junk in (
        deep,
        "Content-Type: message/rfc822\r\n\r\n" * 5000,
        f"To: {'a@b.example, ' * 50_000}\r\n\r\n",
        f"To: {'(' * 50_000}\r\n\r\n",
        f"Subject: {'=?utf-8?q?a?= ' * 50_000}\r\n\r\n",
        f"Subject: =?x-no-such?q?unsubscribe?=\r\nTo: =?utf-8?b?////?= {back(keys, one)}\r\n\r\n",
    ):
        assert subscribers.apply_mail(sqlite_engine, keys, junk.encode(), now) is BounceVerdict.FOREIGN
    large = report(back(keys, one)) + b"x" * 10 * 2**20
    assert subscribers.apply_mail(sqlite_engine, keys, large, now) is BounceVerdict.SUPPRESSED


def test_what_stands_behind_the_first_half_mebibyte_is_not_read(
    sqlite_engine: Engine, keys: KeyFile, now: datetime
) -> None:
    one = member(sqlite_engine, keys, now)
    before, status, after = report(back(keys, one)).partition(b"Status: 5.1.1\r\n")

    def fill(length: int) -> bytes:
        """A report whose status ends after so many bytes."""
        words = length - len(before) - len(status)
        return before.replace(b"I am sorry.", b"I am sorry." + b"x" * words) + status + after

    behind = fill(512 * 1024 + 300)
    assert subscribers.apply_mail(sqlite_engine, keys, behind, now) is BounceVerdict.PASSED
    within = fill(512 * 1024)
    assert subscribers.apply_mail(sqlite_engine, keys, within, now) is BounceVerdict.SUPPRESSED


def test_a_mailbox_file_is_cut_where_mails_begin() -> None:
    box = (
        b"From MAILER-DAEMON Mon Mar  2 00:00:00 2026\nTo: a\n\nFrom now on it is full.\n\n"
        b"From 2026 on as well.\n>From me\n"
        b"\nFrom x@y.example  Tue Mar 10 00:00:00 UTC 2026\nTo: b\n\nb\n"
    )
    assert list(subscribers.mails(box)) == [
        b"To: a\n\nFrom now on it is full.\n\nFrom 2026 on as well.\nFrom me",
        b"To: b\n\nb\n",
    ]
    assert list(subscribers.mails(b"To: a\n\nFrom x Mon Mar  2 00:00:00 2026\n")) == [
        b"To: a\n\nFrom x Mon Mar  2 00:00:00 2026\n"
    ]


@given(
    st.binary(max_size=400) | st.text(max_size=200).map(lambda text: report(text.replace("\n", ""), text[:9]))
)
def test_any_bytes_are_read_or_foreign(content: bytes) -> None:
    engine = _EMPTY.setdefault("engine", db.connect("sqlite://"))
    if "ready" not in _EMPTY:
        from monitor.storage.columns import metadata

        metadata.create_all(engine)
        _EMPTY["ready"] = engine
    keys = KeyFile.of_master(bytes(32))
    assert (
        subscribers.apply_mail(engine, keys, content, datetime.fromisoformat("2026-03-01T12:00Z"))
        is BounceVerdict.FOREIGN
    )


_EMPTY: dict[str, Engine] = {}


def test_the_command_takes_files_and_a_pipe_and_whole_mailboxes(small_town: Town, tmp_path: Path) -> None:
    town = small_town
    town.member()
    town.member("bob@example.org")
    returned_to = [sender for sender in town.postbox.senders if "+" in sender]
    assert len(returned_to) == 4
    box = tmp_path / "box"
    box.write_bytes(
        b"From x Mon Mar  2 00:00:00 2026\n"
        + report(returned_to[0])
        + b"\nFrom y Mon Mar  2 00:00:00 2026\n"
        + report("nobody@watch.example")
    )
    arguments = ["bounces", "--config", str(tmp_path / "config.toml"), "--json"]
    done = CliRunner().invoke(root, [*arguments, str(box)])
    assert done.exit_code == 0, done.output
    assert '"suppressed": 1' in done.output
    assert '"foreign": 1' in done.output
    assert CliRunner().invoke(root, [*arguments, "-"], input=report(returned_to[-1])).exit_code == 0
    assert who(town.engine, town.keys) is None
    assert who(town.engine, town.keys, "bob@example.org") is None
    assert CliRunner().invoke(root, arguments).exit_code == 2
    assert CliRunner().invoke(root, [*arguments, str(tmp_path / "none")]).exit_code == 2


def test_the_webhook_wants_the_secret(small_town: Town) -> None:
    town = small_town
    town.member()
    mail = report(town.postbox.senders[-1])
    for given_ in ("", "Bearer wrong", "a secret that nobody guesses x"):
        assert _posted(town, mail, given_) == 403
    assert who(town.engine, town.keys) is not None
    assert _posted(town, mail, "bearer a secret that nobody guesses") == 204  # as some relays write it
    assert who(town.engine, town.keys) is None


def _posted(town: Town, mail: bytes, secret: str) -> int:
    town.client.headers["Authorization"] = secret
    return town.client.post("/bounces", content=mail).status_code
