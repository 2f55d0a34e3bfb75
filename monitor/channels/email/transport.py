"""Mail over SMTP: several persistent connections to one relay, one recipient per mail; the phase of every
failure is known.

aiosmtplib connects, starts TLS and signs in; then `MailDialogue` sends MAIL, RCPT and DATA, and the body only
after the 354. So a connection that is lost before that has certainly delivered nothing, and one that is lost
after it may have (`Transient.ambiguous`).
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from types import TracebackType
from typing import Literal, NamedTuple, Self

import aiosmtplib
from aiosmtplib import SMTPAuthenticationError, SMTPException, SMTPHeloError, SMTPTimeoutError

from monitor.channels import EVERYTHING
from monitor.channels.email.connection_limit import ConnectionLimit
from monitor.channels.email.mime import Form, MailSender, check_address
from monitor.channels.email.replies import domain_of, redact, refusal
from monitor.domain import Envelope, Rendered
from monitor.errors import Transient, describe_connection_error

log = logging.getLogger(__name__)

Security = Literal["starttls", "tls", "none"]

DATA_TIMEOUT = 600.0
"""Seconds to wait for the reply to the end of DATA (RFC 5321, 4.5.3.2.6): giving up sooner causes
duplicates.
"""

IDLE_LIMIT = 60.0
"""Seconds after which an idle connection is not reused: relays and NATs drop them silently."""

_QUIT_TIMEOUT = 5.0
_ADDRESS = "check [email] host and port"
_PORTS = 'check [email] port and security ("tls" goes with port 465, "starttls" with 587)'
_LONGEST_REPLY = 32_768  # bytes; a longer reply is not valid
_CLOSING = 421  # the server ends the connection (RFC 5321, 3.8)
_LINE_DOT = re.compile(rb"\n\.")
_TOKEN = re.compile(r"[A-Za-z0-9_=.-]{1,64}")


class _TooManyConnections(Exception):
    """The server refuses one more connection while it serves others."""


class _Client(aiosmtplib.SMTP):
    """A connection being made that closes at once; over TLS, the library would wait for the other side's
    close.
    """

    def close(self) -> None:
        transport = self.transport
        super().close()
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()


class ServerReply(NamedTuple):
    """A server's reply: its code, and its lines without codes."""

    code: int
    text: str


class MailDialogue(asyncio.Protocol):
    """The mails of one connection, once it is secured and signed in: commands out, replies in. One exchange
    at a time, in one event loop.

    If the server offers pipelining (RFC 2920), commands are sent together: MAIL, RCPT and DATA take one round
    trip instead of three, and every reply can still be matched to its command.

    ``pipelines``: the server takes several commands at once.
    """

    def __init__(self, transport: asyncio.Transport, *, pipelines: bool) -> None:
        self.pipelines = pipelines
        self.is_open = True
        self.used_at = 0.0
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._wanted = 0
        self._replies: list[ServerReply] = []
        self._lines: list[bytes] = []  # of an incomplete reply
        self._rest = b""
        self._deadline: float | None = None  # of the exchange that waits for its replies
        self._timer: asyncio.TimerHandle | None = None
        transport.set_protocol(self)

    def get_extra_info(self, name: str) -> object:
        """The transport's extra information with this name, such as "ssl_object"."""
        return self._transport.get_extra_info(name)

    async def say(self, commands: Sequence[bytes], patience: float) -> list[ServerReply]:
        """Send as many of these commands as may go at once; returns the replies to them.

        Fewer replies than commands mean that the connection broke, the server ended it, or did not answer for
        ``patience`` seconds. It is closed then.
        """
        together = commands if self.pipelines else commands[:1]
        return await self.exchange(b"\r\n".join(together) + b"\r\n", len(together), patience)

    async def exchange(self, data: bytes, replies: int, patience: float) -> list[ServerReply]:
        """Send bytes and return at most ``replies`` replies to them; fewer as in `say`."""
        if not self.is_open:
            return []
        self._replies, self._wanted = [], replies
        self._waiter = self._loop.create_future()
        self._transport.write(data)
        self._limit(self._loop.time() + patience)
        try:
            await self._waiter
        except BaseException:
            self.close()  # cancelled: nothing waits for the server's next reply
            raise
        finally:
            self._waiter = self._deadline = None
        return self._replies

    def _limit(self, deadline: float) -> None:
        """Close the connection at the deadline unless the replies come before; one timer serves many
        exchanges.
        """
        self._deadline = deadline
        if self._timer is not None and self._timer.when() > deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(deadline, self._look)

    def _look(self) -> None:
        """Handle the timer: the exchange that it was set for may have ended long ago."""
        self._timer = None
        if self._deadline is None:
            return
        if self._loop.time() < self._deadline:
            self._limit(self._deadline)
        else:
            self.close()

    def close(self) -> None:
        """End the connection at once, without waiting for the other side's TLS close."""
        self.is_open = False
        self._transport.abort()
        self._wake()

    def data_received(self, data: bytes) -> None:
        """Receive part of one reply, or several replies."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        missing = self._wanted - len(self._replies) if self._waiter is not None else 0
        for line in lines:
            if not missing:
                return self.close()  # not a reply to a command: a closing message, or an error
            text = line[4:].strip()
            if line[3:4] == b"-":
                self._lines.append(text)
                continue
            if not (line[:3].isdigit() and len(line) >= 3):
                return self.close()
            if self._lines:
                text = b"\n".join([*self._lines, text])
                self._lines = []
            code = int(line[:3])
            self._replies.append(ServerReply(code, text.decode("utf-8", "replace")))
            missing -= 1
            if code == _CLOSING:
                return self.close()
        if len(self._rest) + sum(map(len, self._lines)) > _LONGEST_REPLY:
            return self.close()
        if not missing:
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is closed."""
        self.is_open = False
        self._wake()

    def _wake(self) -> None:
        """End the wait, and the timer if the connection is closed."""
        if self._timer is not None and not self.is_open:
            self._timer.cancel()
            self._timer = None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Email:
    """The mail channel.

    ``security``: "starttls" (required, never a silent fall back to clear text), "tls" or "none".
    ``bounce_token`` returns the token in the envelope sender of one delivery (VERP):
    "alerts+TOKEN@watch.example"; without it, or with ``verp`` False, bounces go to the plain sender.
    ``timeout`` is in seconds, for everything except the reply to the end of DATA. ``clock`` dates the mails.
    """

    name = "email"

    def __init__(
        self,
        *,
        host: str,
        port: int,
        sender: str,
        clock: Callable[[], datetime],
        security: Security = "starttls",
        username: str | None = None,
        password: str | None = None,
        connections: int = 4,
        verp: bool = True,
        bounce_token: Callable[[Envelope], str] | None = None,
        tls: ssl.SSLContext | None = None,
        timeout: float = 60.0,
        data_timeout: float = DATA_TIMEOUT,
        idle_limit: float = IDLE_LIMIT,
    ) -> None:
        self.concurrency = connections
        self._host, self._port, self._security = host, port, security
        self._username, self._password = username, password
        self._head = MailSender.parse(sender)
        self._bounce_token = bounce_token if verp else None
        self._tls = tls
        self._timeout, self._data_timeout, self._idle_limit = timeout, data_timeout, idle_limit
        self._clock = clock
        self._slots = ConnectionLimit(connections)
        self._idle: list[MailDialogue] = []
        self._form = lru_cache(maxsize=64)(self._new_form)

    async def __aenter__(self) -> Self:
        allowed, self._slots = self._slots.allowed, ConnectionLimit(self.concurrency)  # of this event loop
        self._slots.allowed = allowed
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        idle, self._idle = self._idle, []
        await asyncio.gather(*(self._quit(connection) for connection in idle))

    def lane(self, address: str) -> str:
        """The mail domain."""
        return domain_of(address)

    async def send(self, message: Rendered, envelope: Envelope) -> None:
        """Send one mail to the relay. Raises Transient or Permanent, see `replies.refusal`."""
        address = check_address(envelope.address)
        mail = self._form(message).fill(envelope, self._clock())
        sender = self._envelope_sender(envelope)
        while True:
            try:
                async with self._slots:
                    await self._send_on_a_connection(sender, address, mail)
                return
            except _TooManyConnections:
                log.info("the mail server takes %d connections at once", self._slots.allowed)

    async def _send_on_a_connection(self, sender: str, address: str, mail: bytes) -> None:
        opening = (f"MAIL FROM:<{sender}>".encode("ascii"), f"RCPT TO:<{address}>".encode("ascii"), b"DATA")
        connection, replies = await self._begin_mail(opening, address)
        with self._slots.working():
            try:
                await self._transfer(connection, opening, replies, mail, address)
            except BaseException:
                await self._reset(connection, replies)
                raise
        self._slots.count_accepted()
        self._keep(connection)

    async def check(self) -> str:
        """Connect, start TLS and sign in without sending; return what was reached. Raises Transient with the
        reason.
        """
        connection = await self._connect()
        secured = connection.get_extra_info("ssl_object")
        await self._quit(connection)
        how = f"with {secured.version()}" if isinstance(secured, ssl.SSLObject) else "in clear text"
        return f"{self._host}:{self._port} answers {how}" + (", signed in" if self._username else "")

    def _new_form(self, message: Rendered) -> Form:
        return Form(message, self._head)

    def _envelope_sender(self, envelope: Envelope) -> str:
        if self._bounce_token is None:
            return self._head.address
        token = self._bounce_token(envelope)
        local = f"{self._head.local}+{token}"
        if not _TOKEN.fullmatch(token) or len(local) > 64:  # RFC 5321, 4.5.3.1.1
            raise Transient(
                "the sender's address leaves no room for a bounce token; shorten it or set verp = false",
                lane=EVERYTHING,
            )
        return f"{local}@{self._head.domain}"

    async def _begin_mail(
        self, opening: tuple[bytes, ...], address: str
    ) -> tuple[MailDialogue, list[ServerReply]]:
        """Get a connection that has answered MAIL, with its replies so far: an idle one if it still works,
        otherwise a new one.
        """
        connection = self._take_idle()
        if connection is not None:
            with self._slots.connecting():  # the server serves it, or the next command shows that it does not
                replies = await connection.say(opening, self._timeout)
            if replies and replies[0].code != _CLOSING:
                return connection, replies
            log.debug("the mail server had closed an idle connection; reconnecting")
        try:
            with self._slots.connecting() as total:
                return await self._open(opening, address)
        except Transient:
            # it serves other connections of ours now, so it is reachable and only has a limit
            if await self._slots.lower(total, lambda: len(self._idle)):
                raise _TooManyConnections from None
            raise

    async def _open(self, opening: tuple[bytes, ...], address: str) -> tuple[MailDialogue, list[ServerReply]]:
        """Open a new connection; returns it with the reply to its first MAIL, which is not a 421. Raises
        Transient.
        """
        connection = await self._connect()
        replies = await connection.say(opening, self._timeout)
        if not replies:
            raise Transient("the mail server closed the connection at MAIL", lane=EVERYTHING)
        if replies[0].code == _CLOSING:
            raise refusal("MAIL", *replies[0], address)
        return connection, replies

    async def _transfer(
        self,
        connection: MailDialogue,
        opening: tuple[bytes, ...],
        replies: list[ServerReply],
        mail: bytes,
        address: str,
    ) -> None:
        """Await the outstanding replies to MAIL, RCPT and DATA, and send the body."""
        for number, phase in enumerate(("MAIL", "RCPT", "DATA")):
            if number == len(replies):
                replies += await connection.say(opening[number:], self._timeout)
            if number == len(replies):
                raise Transient("the mail server closed the connection before the message was handed over")
            code, text = replies[number]
            if code != 354 if phase == "DATA" else not 200 <= code <= 299:
                raise refusal(phase, code, text, address)
        # a dot that begins a line is doubled (RFC 5321, 4.5.2); a mail begins with a header, never with a dot
        body = _LINE_DOT.sub(b"\n..", mail) + b".\r\n"
        # from the first byte on, the outcome is unknown until the reply arrives
        answers = await connection.exchange(body, 1, self._data_timeout)
        if not answers:
            raise Transient(
                "the connection to the mail server broke after the message was handed over", ambiguous=True
            )
        code, text = answers[0]
        if not 200 <= code <= 299:
            raise refusal("message", code, text, address)

    def _take_idle(self) -> MailDialogue | None:
        """Take the most recently used connection if it is fresh; close older ones."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open and now - connection.used_at <= self._idle_limit:
                return connection
            connection.close()
        return None

    def _keep(self, connection: MailDialogue) -> None:
        if connection.is_open:
            connection.used_at = asyncio.get_running_loop().time()
            self._idle.append(connection)

    async def _reset(self, connection: MailDialogue, replies: list[ServerReply]) -> None:
        """After a refusal, keep the connection if the server accepts RSET; close it otherwise."""
        task = asyncio.current_task()
        cancelled = task is not None and task.cancelling()
        # the recipient was refused but DATA got a 354: the server waits for a body (RFC 2920, 3.1)
        expects_body = len(replies) == 3 and replies[2].code == 354 and self._was_refused(replies)
        if not connection.is_open or cancelled or expects_body:
            connection.close()
            return
        answers = await connection.say((b"RSET",), self._timeout)
        if [answer.code for answer in answers] == [250]:
            self._keep(connection)
        else:
            connection.close()

    def _was_refused(self, replies: list[ServerReply]) -> bool:
        return not all(200 <= reply.code <= 299 for reply in replies[:2])

    async def _connect(self) -> MailDialogue:
        """Open a new connection with TLS and sign in. Raises Transient for the whole channel with the
        reason.
        """
        where = f"{self._host}:{self._port}"
        client = _Client(
            hostname=self._host,
            port=self._port,
            # instead of this machine's name, which every recipient could read
            local_hostname=self._head.domain,
            timeout=self._timeout,
            use_tls=self._security == "tls",
            start_tls=False,  # done below explicitly: the library would fall back to clear text
            tls_context=self._tls,
        )
        step = "reached"
        try:
            await client.connect()
            await self._greet(client)
            if self._security == "starttls":
                step = "secured"
                if not client.supports_extension("starttls"):
                    raise Transient(
                        f"{where} offers no STARTTLS, and nothing is sent in clear text: {_PORTS}",
                        lane=EVERYTHING,
                    )
                await client.starttls()
                await self._greet(client)
            if self._username is not None:
                step = "signed in to"
                await client.login(self._username, self._password or "")
        except BaseException as error:
            client.close()
            if isinstance(error, SMTPException | OSError):
                raise Transient(f"{where} cannot be {step}: {self._why(error)}", lane=EVERYTHING) from None
            raise
        log.debug("connected to the mail server")
        assert isinstance(client.transport, asyncio.Transport)
        return MailDialogue(client.transport, pipelines=client.supports_extension("pipelining"))

    async def _greet(self, client: _Client) -> None:
        try:
            await client.ehlo()
        except SMTPHeloError:
            if not client.is_connected:
                raise
            await client.helo()

    def _why(self, error: BaseException) -> str:
        """Describe a connection's failure without the user name and the password."""
        cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"its certificate is not trusted ({cause.verify_message}):"
                " check [email] host, or give its authority as ca"
            )
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed ({cause.reason or 'no reason given'}): {_PORTS}"
        if isinstance(error, SMTPAuthenticationError):
            reason = redact(error.message, self._username or "")
            return (
                f"it refuses the user name or the password ({error.code} {reason}):"
                " check [email] username and password"
            )
        if isinstance(error, aiosmtplib.SMTPResponseException):
            return f"{error.code} {redact(error.message, self._username or '')}"
        if isinstance(error, SMTPTimeoutError | TimeoutError):
            return f"no answer within {self._timeout:g} s: {_ADDRESS}, and that this network lets mail out"
        if isinstance(cause, OSError) and (said := describe_connection_error(cause)):
            return said if isinstance(cause, socket.gaierror) else f"{said}: {_ADDRESS}"
        return redact(str(error), self._username or "")

    async def _quit(self, connection: MailDialogue) -> None:
        if not await connection.say((b"QUIT",), _QUIT_TIMEOUT):
            log.debug("the mail server did not say goodbye")
        connection.close()
