"""The mailbox to which mail comes back is emptied over IMAP and TLS: of what is ours, once, and whatever
stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from monitor import app, subscribers
from monitor.cli import root
from monitor.core.tokens import Purpose
from monitor.storage import engine as db
from monitor.storage.people.tables import SubscriberRow
from tests.peers.imap import ImapPeer
from tests.peers.smtp import certificate
from tests.subscribers.conftest import ANN, token, who
from tests.subscribers.test_bounces import report
from tests.subscribers.town import settled

SEEN, GONE = {"\\Seen"}, {"\\Seen", "\\Deleted"}
BOB = "bob@example.org"


class Operator:
    """Has a configuration, and two subscribers whose mails have come back: Ann's for good, and Bob's because
    a mailbox is full.
    """

    def __init__(self, folder: Path, url: str) -> None:
        (folder / "authority.pem").write_bytes(certificate())
        self._path = folder / "config.toml"
        settings = settled(folder, url, 25)
        self._plain = self._path.read_text()
        self._engine = db.connect(url)
        self._keys = app.open_keys(settings, self._engine)
        back = []
        for address in (ANN, BOB):
            subscribers.add(
                self._engine, self._keys, channel="email", address=address, places=["IL"], sources=["ring"],
                origin="operator",
                now=app.now(),
            )  # fmt: skip
            code = token(self._keys, Purpose.BOUNCE, who(self._engine, self._keys, address))
            back.append(f"alerts+{code}@watch.example")
        self.mails = {
            11: b"From: carol@example.org\r\nSubject: A question\r\n\r\nHow are you?\r\n",
            12: report(back[0]),
            13: b"\xff\x00rubbish" * 100_000,
            14: report(back[1], "5.2.2", diagnosis="smtp; 552 mailbox full"),
        }

    def empty(self, server: ImapPeer, **changes: str) -> Result:
        settings = {
            "host": "127.0.0.1", "user": "alerts", "password": server.password, "ca": "authority.pem",
        } | changes  # fmt: skip
        lines = "".join(f'imap_{name} = "{value}"\n' for name, value in settings.items() if value)
        self._path.write_text(
            self._plain.replace("[bounces]\n", f"[bounces]\nimap_port = {server.port}\n{lines}")
        )
        return CliRunner().invoke(root, ["bounces", "--imap", "--json", "--config", str(self._path)])

    def strikes(self) -> dict[str, int]:
        """How often the people who are left have refused."""
        with db.reading(self._engine) as conn:
            rows = conn.execute(sa.select(SubscriberRow.strikes, SubscriberRow.address)).all()  # type: ignore[call-overload]
        return {self._keys.open("email", sealed): strikes for strikes, sealed in rows if sealed}

    def close(self) -> None:
        self._engine.dispose()


@pytest.fixture
def operator(tmp_path: Path, sqlite_url: str) -> Iterator[Operator]:
    operator = Operator(tmp_path, sqlite_url)
    yield operator
    operator.close()


@pytest.mark.parametrize("uidplus", [True, False])
def test_it_is_emptied_of_what_is_ours(operator: Operator, uidplus: bool) -> None:
    with ImapPeer(operator.mails, uidplus=uidplus) as server:
        done = operator.empty(server)
        assert done.exit_code == 0, done.output
        assert '"suppressed": 1, "struck": 1, "passed": 0, "foreign": 2' in done.output
        assert server.flags() == {11: SEEN, 13: SEEN}
        assert '"foreign": 0' in operator.empty(server).output
    assert operator.strikes() == {BOB: 1}


def test_what_others_have_marked_is_not_deleted(operator: Operator) -> None:
    with ImapPeer(operator.mails) as server:
        server.messages[11].flags = set(GONE)
        assert operator.empty(server).exit_code == 0
        assert server.flags() == {11: GONE, 13: SEEN}


def test_a_mail_that_cannot_be_read_holds_up_no_other_and_is_left(operator: Operator) -> None:
    with ImapPeer(operator.mails, unreadable=[11]) as server:
        done = operator.empty(server)
        assert done.exit_code == 0, done.output
        assert server.flags() == {11: SEEN, 13: SEEN}


@pytest.mark.parametrize(
    ("drop", "dropped_after"),
    [
        (("UID FETCH", 4), False),
        (("UID STORE", 4), False),
        (("UID STORE", 4), True),
        (("UID EXPUNGE", 2), True),
    ],
)
def test_a_lost_connection_counts_nothing_twice(
    operator: Operator, drop: tuple[str, int], dropped_after: bool
) -> None:
    """Dropped at the full mailbox's mail, which is the last."""
    with ImapPeer(operator.mails, drop=drop, dropped_after=dropped_after) as server:
        lost = operator.empty(server)
        assert lost.exit_code == 1
        assert "try again" in lost.stderr
        server.drop = None
        done = operator.empty(server)
        assert done.exit_code == 0, done.output
    assert f'"struck": {int(drop[0] == "UID FETCH")}' in done.output
    assert operator.strikes() == {BOB: 1}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"password": "battery staple"}, "refuses the login"),
        ({"password": "contraseña"}, "refuses the login"),
        ({"ca": ""}, "is not trusted"),
        ({"ca": "config.toml"}, "is not a file of PEM certificates"),
        ({"ca": "nowhere.pem"}, "is not a file of PEM certificates"),
        ({"folder": "Elsewhere"}, "no folder 'Elsewhere'"),
        ({"folder": "Über"}, "no folder"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(operator: Operator, changes: dict[str, str], words: str) -> None:
    with ImapPeer({1: b"To: x\r\n\r\n"}) as server:
        done = operator.empty(server, **changes)
        assert done.exit_code == 1
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1
        for secret in (server.password, "battery staple", "contraseña", "may not log in"):
            assert secret not in done.stderr
        assert server.flags() == {1: set()}
