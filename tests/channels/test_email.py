"""The mail channel against servers that behave and that do not."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from email import message_from_bytes
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from monitor.channels import EVERYTHING, Channel
from monitor.channels.email.connection_limit import ConnectionLimit
from monitor.channels.email.mime import Form, MailSender
from monitor.channels.email.transport import Email
from monitor.errors import Permanent, SendError, Transient
from tests.channels.examples import MESSAGE, NOW, SENDER, clock, envelope
from tests.peers.processes import PATIENCE, reserve_port
from tests.peers.smtp import DROP, STALL, SmtpPeer, trusting


def email(port: int, **options: Any) -> Email:
    defaults = {
        "security": "none", "clock": clock, "sender": SENDER, "timeout": PATIENCE, "data_timeout": PATIENCE,
    }  # fmt: skip
    return Email(host="127.0.0.1", port=port, **defaults | options)


@pytest.fixture(autouse=True, params=[False, True], ids=["one by one", "pipelined"])
def pipelines(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Every test also with a server that takes commands together."""
    monkeypatch.setattr(SmtpPeer, "pipelines", request.param)
    return bool(request.param)


def outcomes(channel: Email, times: int = 1, **words: str) -> list[SendError | None]:
    """Send that many mails one after another; what each came to."""

    async def run() -> list[SendError | None]:
        results: list[SendError | None] = []
        async with channel:
            for number in range(times):
                try:
                    await channel.send(MESSAGE, envelope(delivery=number, **words))
                    results.append(None)
                except SendError as error:
                    results.append(error)
        return results

    return asyncio.run(run())


def failure(channel: Email) -> SendError:
    (error,) = outcomes(channel)
    assert error is not None
    return error


class Sink:
    def __init__(self) -> None:
        self.taken: list[tuple[str | None, list[str], bytes]] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.taken.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.content))
        return "250 2.0.0 ok"


class AnyPort(Controller):
    """aiosmtpd on a port that the system chooses: known only once the server listens."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def sink() -> Iterator[tuple[Sink, int]]:
    controller = AnyPort(Sink(), hostname="127.0.0.1", port=0)
    controller.start()
    yield controller.handler, controller.port
    controller.stop()


def test_a_real_server_gets_one_recipient_per_mail_and_the_very_bytes(sink: tuple[Sink, int]) -> None:
    handler, port = sink
    assert outcomes(email(port), times=3) == [None] * 3
    expected = [
        Form(MESSAGE, MailSender.parse(SENDER)).fill(envelope(delivery=number), NOW) for number in range(3)
    ]
    assert [content for _, _, content in handler.taken] == expected
    assert all(recipients == ["ann@people.example"] for _, recipients, _ in handler.taken)


def test_it_is_a_channel() -> None:
    channel: Channel = email(25, connections=7)
    assert (channel.name, channel.concurrency, channel.lane("Ann@People.Example")) == (
        "email",
        7,
        "people.example",
    )


def test_opening_connects_to_nothing() -> None:
    assert outcomes(email(1), times=0) == []


def test_it_can_be_closed_and_opened_again() -> None:
    with SmtpPeer() as peer:
        channel = email(peer.port, connections=1)
        assert outcomes(channel, 2) + outcomes(channel, 2) == [None] * 4
    assert peer.connections == 2


def test_many_mails_share_a_few_connections() -> None:
    async def run(port: int) -> None:
        async with email(port, connections=3) as channel:
            await asyncio.gather(*(channel.send(MESSAGE, envelope(delivery=n)) for n in range(40)))

    with SmtpPeer() as peer:
        asyncio.run(run(peer.port))
    assert peer.connections <= 3
    assert len({message_from_bytes(mail.content)["Message-ID"] for mail in peer.mails}) == 40
    assert peer.commands.count("QUIT") == peer.connections


class OneConnection(SmtpPeer):
    """Serves one connection, and does not answer its second MAIL before ``go``."""

    def __init__(self) -> None:
        super().__init__(most=1)
        self.go = threading.Event()
        self._asked = 0

    def _answer(
        self, connection: socket.socket, phase: str, usual: str | None = None, judged: str | None = None
    ) -> str:
        self._asked += phase == "MAIL"
        if phase == "MAIL" and self._asked == 2:
            assert self.go.wait(PATIENCE)
        return super()._answer(connection, phase, usual, judged)


def test_a_connection_that_waits_for_its_next_mail_is_served_while_another_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between two mails it was neither idle nor at work, so the server counted as away and all paused."""
    lower = ConnectionLimit.lower

    async def lower_and_go_on(limit: ConnectionLimit, total: int, idle: Callable[[], int]) -> bool:
        loop = asyncio.get_running_loop()
        loop.call_soon(peer.go.set)
        return await lower(limit, total, idle)

    monkeypatch.setattr(ConnectionLimit, "lower", lower_and_go_on)

    async def run(port: int) -> None:
        async with email(port, connections=2) as channel:
            await channel.send(MESSAGE, envelope(delivery=1))
            await asyncio.gather(*(channel.send(MESSAGE, envelope(delivery=n)) for n in (2, 3)))

    with OneConnection() as peer:
        asyncio.run(run(peer.port))
    assert (len(peer.mails), peer.connections, peer.refused_connections) == (3, 1, 1)


def test_bounces_come_back_to_an_address_that_names_the_delivery() -> None:
    with SmtpPeer() as peer:
        outcomes(email(peer.port, bounce_token=lambda e: f"d{e.delivery}"))
        outcomes(email(peer.port, bounce_token=lambda e: f"d{e.delivery}", verp=False))
    assert [mail.sender for mail in peer.mails] == ["alerts+d0@watch.example", "alerts@watch.example"]


def test_a_bounce_token_that_does_not_fit_is_the_operators_to_mend() -> None:
    error = failure(email(1, bounce_token=lambda _: "t" * 60))
    assert isinstance(error, Transient)
    assert error.lane == EVERYTHING
    assert "verp = false" in str(error)


@pytest.mark.parametrize(
    ("phase", "answer", "gone", "strike"),
    [
        ("RCPT", "550 5.1.1 <ann@people.example> unknown", True, False),
        ("RCPT", "550 no", False, True),
        ("message", "554 5.6.0 no", False, False),
        ("DATA", "554 5.6.0 no", False, False),
    ],
)
def test_what_is_refused_for_good_is_told_apart(phase: str, answer: str, gone: bool, strike: bool) -> None:
    with SmtpPeer({phase: [answer]}) as peer:
        error, after = outcomes(email(peer.port), times=2)
    assert isinstance(error, Permanent)
    assert (error.address_gone, error.strike) == (gone, strike)
    assert "ann" not in str(error)
    assert after is None
    assert peer.connections == 1, "the same connection goes on after a refusal"


@pytest.mark.parametrize("phase", ["MAIL", "RCPT"])
def test_a_server_that_wants_a_body_without_a_recipient_gets_none(
    phase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SmtpPeer, "takes_any_data", True)
    with SmtpPeer({phase: ["550 5.1.1 unknown"]}) as peer:
        error, after = outcomes(email(peer.port), times=2)
    assert error is not None
    assert after is None
    assert [message_from_bytes(mail.content)["Message-ID"] for mail in peer.mails] == [
        "<delivery-1@watch.example>"
    ]


@pytest.mark.parametrize("phase", ["MAIL", "RCPT", "DATA", "message"])
def test_a_temporary_answer_is_tried_again_and_is_not_ambiguous(phase: str) -> None:
    with SmtpPeer({phase: ["451 4.3.0 later"]}) as peer:
        error = failure(email(peer.port))
    assert isinstance(error, Transient)
    assert not error.ambiguous


def test_a_policy_answer_pauses_the_domain() -> None:
    with SmtpPeer({"message": ["550 5.7.1 spam"]}) as peer:
        error = failure(email(peer.port))
    assert isinstance(error, Transient)
    assert error.lane == "people.example"


@pytest.mark.parametrize("phase", ["RCPT", "DATA", "message"])
def test_after_421_the_connection_is_closed_and_the_next_mail_gets_a_new_one(phase: str) -> None:
    with SmtpPeer({phase: ["421 4.3.2 shutting down"]}) as peer:
        error, after = outcomes(email(peer.port), times=2)
    assert isinstance(error, Transient)
    assert after is None
    assert peer.connections == 2


@pytest.mark.parametrize("answer", ["421 4.4.2 idle too long", DROP])
def test_an_idle_connection_that_went_stale_is_replaced_without_a_failure(answer: str) -> None:
    with SmtpPeer({"MAIL": ["250 ok", answer]}) as peer:
        assert outcomes(email(peer.port), times=2) == [None, None]
    assert peer.connections == 2


def test_a_fresh_connection_that_is_refused_at_once_is_a_failure() -> None:
    with SmtpPeer({"MAIL": [DROP]}) as peer:
        error = failure(email(peer.port))
    assert isinstance(error, Transient)
    assert not error.ambiguous
    assert peer.connections == 1


def test_a_port_where_nobody_listens_is_said_in_the_words_of_the_system() -> None:
    port = reserve_port()
    said = f"127.0.0.1:{port} cannot be reached: Connection refused: check [email] host and port"
    assert str(failure(email(port))) == said


def test_a_connection_idle_for_too_long_is_not_used_again() -> None:
    with SmtpPeer() as peer:
        assert outcomes(email(peer.port, idle_limit=-1.0), times=2) == [None, None]
    assert peer.connections == 2


@pytest.mark.parametrize("phase", ["RCPT", "DATA"])
@pytest.mark.parametrize("answer", [DROP, STALL])
def test_a_connection_that_dies_before_the_body_has_delivered_nothing(phase: str, answer: str) -> None:
    with SmtpPeer({phase: [answer]}) as peer:
        error = failure(email(peer.port, timeout=0.2))
    assert isinstance(error, Transient)
    assert not error.ambiguous


@pytest.mark.parametrize("answer", [DROP, STALL, "what?"])
def test_a_connection_that_dies_after_the_body_is_ambiguous(answer: str) -> None:
    async def run(channel: Email) -> SendError:
        async with channel:
            with pytest.raises(SendError) as caught:
                await channel.send(MESSAGE, envelope(delivery=0))
            channel._data_timeout = PATIENCE  # the first has nothing to wait for, the second is answered
            await channel.send(MESSAGE, envelope(delivery=1))
        return caught.value

    with SmtpPeer({"message": [answer]}) as peer:
        error = asyncio.run(run(email(peer.port, data_timeout=0.2 if answer == STALL else PATIENCE)))
    assert isinstance(error, Transient)
    assert error.ambiguous
    assert len(peer.mails) == 2


@pytest.mark.parametrize("answer", [DROP, "what?"])
def test_the_next_mail_goes_over_another_connection_after_one_that_died(answer: str) -> None:
    with SmtpPeer({"message": [answer]}) as peer:
        error, after = outcomes(email(peer.port), times=2)
    assert isinstance(error, Transient)
    assert after is None
    assert len(peer.mails) == peer.connections == 2


def test_a_server_that_is_away_pauses_the_channel() -> None:
    port = reserve_port()
    error = failure(email(port))
    assert isinstance(error, Transient)
    assert error.lane == EVERYTHING
    assert f"127.0.0.1:{port} cannot be reached" in str(error)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_goes_over_tls_when_the_certificate_is_trusted(security: str) -> None:
    with SmtpPeer(tls=security) as peer:
        assert outcomes(email(peer.port, security=security, tls=trusting()), times=2) == [None, None]
    assert peer.connections == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_that_is_not_trusted_stops_the_channel_and_says_so(security: str) -> None:
    with SmtpPeer(tls=security) as peer:
        error = failure(email(peer.port, security=security, tls=ssl.create_default_context()))
    assert isinstance(error, Transient)
    assert error.lane == EVERYTHING
    assert "certificate" in str(error)
    assert not any(command.startswith("MAIL") for command in peer.commands)


def test_a_server_without_starttls_gets_nothing_in_clear_text() -> None:
    with SmtpPeer() as peer:
        error = failure(email(peer.port, security="starttls"))
    assert isinstance(error, Transient)
    assert error.lane == EVERYTHING
    assert "offers no STARTTLS" in str(error)
    assert "check [email] port and security" in str(error)
    assert not any(command.startswith("MAIL") for command in peer.commands)


def test_a_refused_starttls_is_not_a_licence_for_clear_text() -> None:
    with SmtpPeer({"STARTTLS": ["454 4.7.0 not now"]}, tls="starttls") as peer:
        error = failure(email(peer.port, security="starttls", tls=trusting()))
    assert isinstance(error, Transient)
    assert error.lane == EVERYTHING
    assert not any(command.startswith("MAIL") for command in peer.commands)


def test_a_refused_password_pauses_the_channel_without_repeating_it() -> None:
    with SmtpPeer({"AUTH": ["535 5.7.8 bad credentials for operator"]}, auth=True) as peer:
        error = failure(email(peer.port, username="operator", password="secret-word"))
    assert isinstance(error, Transient)
    assert error.lane == EVERYTHING
    assert "refuses the user name or the password" in str(error)
    assert str(error).endswith(": check [email] username and password")
    assert "secret-word" not in str(error)
    assert "operator" not in str(error)


def test_a_check_signs_in_and_sends_nothing() -> None:
    with SmtpPeer(tls="starttls", auth=True) as peer:
        channel = email(peer.port, security="starttls", tls=trusting(), username="operator", password="x")
        said = asyncio.run(channel.check())
    assert "with TLSv1" in said
    assert said.endswith("signed in")
    assert peer.mails == []


def test_a_bad_address_never_reaches_the_server() -> None:
    async def run(port: int) -> None:
        async with email(port) as channel:
            await channel.send(MESSAGE, envelope("a@b.c\r\nRCPT TO:<x@y.z>"))

    with SmtpPeer() as peer, pytest.raises(Permanent):
        asyncio.run(run(peer.port))
    assert peer.connections == 0


@pytest.mark.parametrize("phase", ["RCPT", "message"])
def test_a_send_that_is_cancelled_leaves_no_half_used_connection(phase: str) -> None:
    async def run(peer: SmtpPeer) -> None:
        def stalled() -> bool:
            return not peer.script[phase]

        async with email(peer.port) as channel:
            task = asyncio.create_task(channel.send(MESSAGE, envelope()))
            await until(stalled)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await channel.send(MESSAGE, envelope(delivery=2))

    with SmtpPeer({phase: [STALL]}) as peer:
        asyncio.run(run(peer))
    assert peer.connections == 2
    assert message_from_bytes(peer.mails[-1].content)["Message-ID"] == "<delivery-2@watch.example>"


async def until(condition: Callable[[], bool]) -> None:
    """Look again and again, with a bound: the server is a thread of its own."""
    async with asyncio.timeout(600):
        while not condition():
            await asyncio.sleep(0.005)
