"""Mail that came back counts only with our own token, by the rules for refusals, whichever way it comes in."""

from __future__ import annotations

import imaplib
import re
import socketserver
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from monitor import db, subscribe
from monitor.cli import root
from monitor.cli.mailbox import empty
from monitor.errors import MonitorError
from monitor.keys import KeyFile
from monitor.store import facts, people
from monitor.subscribe import Tombstones, Verdict
from monitor.tokens import Purpose
from tests.people.conftest import ANN, member, token, who
from tests.people.town import Town

DAY = timedelta(days=1)


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
        f"Final-Recipient: rfc822; {ANN}\r\nAction: {action}\r\nStatus: {status}\r\nDiagnostic-Code: {diagnosis}\r\n\r\n"
        "--b\r\nContent-Type: text/rfc822-headers\r\n\r\nSubject: unsubscribe 1xaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n--b--\r\n"
    ).encode()


def back(keys: KeyFile, one: people.Subscriber) -> str:
    return f"alerts+{token(keys, Purpose.BOUNCE, one)}@watch.example"


def test_an_address_that_is_gone_is_suppressed_at_once(engine: Engine, keys: KeyFile, now: datetime) -> None:
    one = member(engine, keys, now)
    for status in ("5.1.1", "5.1.2", "5.1.10"):
        assert subscribe.returned(engine, keys, report(back(keys, one), status), now) in {
            Verdict.SUPPRESSED,
            Verdict.PASSED,
        }
    assert who(engine, keys) is None
    with db.reading(engine) as conn:
        reason = people.suppression(conn, "email", keys.lookup("email", ANN))
    assert reason == "mail came back: 5.1.1"


def test_other_refusals_strike_and_the_third_on_a_second_day_suppresses(
    engine: Engine, keys: KeyFile, now: datetime
) -> None:
    one = member(engine, keys, now)
    mail = report(back(keys, one), "5.2.2", diagnosis="smtp; 552 mailbox full")
    verdicts = [subscribe.returned(engine, keys, mail, now + n * timedelta(hours=1)) for n in range(4)]
    assert verdicts == [Verdict.STRUCK] * 4
    assert subscribe.returned(engine, keys, mail, now + DAY) is Verdict.SUPPRESSED


@pytest.mark.parametrize(
    ("status", "action"),
    [("4.4.1", "delayed"), ("5.4.1", "delayed"), ("2.1.5", "delivered"), ("4.2.2", "failed")],
)
def test_a_delay_says_nothing_about_the_address(
    sqlite_engine: Engine, keys: KeyFile, now: datetime, status: str, action: str
) -> None:
    one = member(sqlite_engine, keys, now)
    assert (
        subscribe.returned(sqlite_engine, keys, report(back(keys, one), status, action), now)
        is Verdict.PASSED
    )


def test_a_refusal_for_our_own_faults_pauses_the_domain_and_suppresses_nobody(
    sqlite_engine: Engine, keys: KeyFile, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    one = member(sqlite_engine, keys, now)
    mail = report(back(keys, one), "5.7.26", diagnosis=f"smtp; 550 mail to {ANN} fails DMARC")
    assert subscribe.returned(sqlite_engine, keys, mail, now) is Verdict.PASSED
    with db.reading(sqlite_engine) as conn:
        assert [(lane.channel, lane.name) for lane in facts.lanes(conn, now)] == [("email", "example.org")]
    assert who(sqlite_engine, keys) is not None
    assert "DMARC" in caplog.text
    assert ANN not in caplog.text


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
        assert subscribe.returned(sqlite_engine, keys, report(to), now) is Verdict.FOREIGN
    plain = f"To: {back(keys, one)}\r\nSubject: 5.1.1\r\n\r\nStatus: 5.1.1\r\nAction: failed\r\n".encode()
    assert subscribe.returned(sqlite_engine, keys, plain, now) is Verdict.FOREIGN
    assert who(sqlite_engine, keys) is not None


def test_a_token_survives_whatever_case_a_relay_gives_it(
    sqlite_engine: Engine, keys: KeyFile, now: datetime
) -> None:
    one = member(sqlite_engine, keys, now)
    assert subscribe.returned(sqlite_engine, keys, report(back(keys, one).upper()), now) is Verdict.SUPPRESSED


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
            subscribe.returned(engine, keys, bytes(mail), now, tombstones=Tombstones(tmp_path))
            is Verdict.LEFT
        )
    assert who(engine, keys) is None
    assert len(Tombstones(tmp_path).read()) == 1


@given(
    st.binary(max_size=400) | st.text(max_size=200).map(lambda text: report(text.replace("\n", ""), text[:9]))
)
def test_any_bytes_are_read_or_foreign(content: bytes) -> None:
    engine = _EMPTY.setdefault("engine", db.connect("sqlite://"))
    if "ready" not in _EMPTY:
        from monitor.tables import metadata

        metadata.create_all(engine)
        _EMPTY["ready"] = engine
    keys = KeyFile.derived(bytes(32))
    assert (
        subscribe.returned(engine, keys, content, datetime.fromisoformat("2026-03-01T12:00Z"))
        is Verdict.FOREIGN
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
    assert _posted(town, mail, "Bearer a secret that nobody guesses") == 204
    assert who(town.engine, town.keys) is None


def _posted(town: Town, mail: bytes, secret: str) -> int:
    town.client.headers["Authorization"] = secret
    return town.client.post("/bounces", content=mail).status_code


class Mailbox(socketserver.StreamRequestHandler):
    """Enough of an IMAP server (RFC 3501) for one client: one folder, INBOX."""

    content: dict[int, tuple[bytes, set[str]]]

    def handle(self) -> None:
        self._say("* OK IMAP4rev1 ready")
        while line := self.rfile.readline().decode().strip():
            tag, _, command = line.partition(" ")
            if command.startswith("UID SEARCH"):
                unseen = [str(uid) for uid, (_, flags) in self.content.items() if "\\Seen" not in flags]
                self._say(f"* SEARCH {' '.join(unseen)}")
            elif found := re.match(r"UID FETCH (\d+)", command):
                mail = self.content[int(found[1])][0]
                self.wfile.write(
                    f"* 1 FETCH (UID {found[1]} BODY[] {{{len(mail)}}}\r\n".encode() + mail + b")\r\n"
                )
            elif found := re.match(r"UID STORE (\d+) \+FLAGS \((.*)\)", command):
                self.content[int(found[1])][1].update(found[2].split())
            elif command == "EXPUNGE":
                for uid in [uid for uid, (_, flags) in self.content.items() if "\\Deleted" in flags]:
                    del self.content[uid]
            elif command.startswith("SELECT"):
                if "INBOX" not in command:
                    self._say(f"{tag} NO no such folder")
                    continue
                self._say(f"* {len(self.content)} EXISTS")
            elif command == "CAPABILITY":
                self._say("* CAPABILITY IMAP4rev1")
            self._say(f"{tag} OK done")
            if command == "LOGOUT":
                return

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@pytest.fixture
def imap() -> Iterator[tuple[dict[int, tuple[bytes, set[str]]], int]]:
    content: dict[int, tuple[bytes, set[str]]] = {}
    with socketserver.ThreadingTCPServer(
        ("127.0.0.1", 0), type("Own", (Mailbox,), {"content": content})
    ) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield content, server.server_address[1]
        server.shutdown()
        thread.join()


def test_a_mailbox_is_emptied_of_what_is_ours(
    sqlite_engine: Engine, keys: KeyFile, now: datetime, imap: tuple[dict[int, tuple[bytes, set[str]]], int]
) -> None:
    content, port = imap
    one = member(sqlite_engine, keys, now)
    content |= {
        1: (report("nobody@watch.example"), set()),
        2: (report(back(keys, one)), set()),
        3: (report(back(keys, one)), {"\\Seen"}),
    }
    with imaplib.IMAP4("127.0.0.1", port) as mailbox:
        mailbox.state = "AUTH"
        empty(mailbox, "INBOX", lambda mail: subscribe.returned(sqlite_engine, keys, mail, now))
        assert {uid: flags for uid, (_, flags) in content.items()} == {1: {"\\Seen"}, 3: {"\\Seen"}}
        with pytest.raises(MonitorError, match="no folder"):
            empty(mailbox, "Elsewhere", lambda _: Verdict.FOREIGN)
    assert who(sqlite_engine, keys) is None


def test_a_report_never_stops_the_mail_of_everybody(engine: Engine, keys: KeyFile, now: datetime) -> None:
    one = member(engine, keys, now)  # knows the token in their own mail, and writes the report by hand
    for status in ("5.1.7", "5.1.8", "5.7.1"):
        assert subscribe.returned(engine, keys, report(back(keys, one), status), now) is Verdict.PASSED
    with db.reading(engine) as conn:
        assert {lane.name for lane in facts.lanes(conn, now)} == {"example.org"}
    assert who(engine, keys) is not None
