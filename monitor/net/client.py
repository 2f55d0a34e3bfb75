"""One request, one answer: httpx with readable errors, a deadline and size limits."""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx

from monitor import __version__
from monitor.errors import ConfigError, describe_connection_error
from monitor.net.addresses import is_public
from monitor.net.deadline import Deadline
from monitor.net.decompress import IDENTITY, BodyReader, proves_its_end, read_coding
from monitor.net.exchange_errors import BadBody, ExchangeFailed
from monitor.net.limits import SizeLimits, format_size
from monitor.net.sent_request import SentRequest, add_peer, describe_request


class Body(NamedTuple):
    """A whole body, decoded; ``wire`` is its gzip form as received, None if the server did not send gzip."""

    decoded: bytes
    wire: bytes | None


class Answer:
    """A server's answer: ``status``, ``headers`` as received, and a body to read once.

    ``wire_bytes`` counts the bytes of the body received so far, still compressed; ``request`` is the request,
    ``began`` the seconds from the start of the deadline until the answer began.
    """

    def __init__(self, response: httpx.Response, deadline: Deadline, request: SentRequest) -> None:
        self.status = response.status_code
        self.request = request
        self.began = deadline.elapsed
        self.headers: tuple[tuple[str, str], ...] = response.extensions[_HEADERS]
        self.wire_bytes = 0
        self._response = response
        self._deadline = deadline

    def header(self, name: str) -> str:
        """The first header of a (lower-case) name, "" without one."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    def all_headers(self, name: str) -> str:
        """All headers of a (lower-case) name, joined by commas as RFC 9110, 5.3 allows."""
        return ", ".join(value for key, value in self.headers if key.lower() == name)

    def read_body(self, limits: SizeLimits) -> Body:
        """Read the whole body. Raises ExchangeFailed, never returns a part of it."""
        coding = read_coding(self.all_headers("content-encoding"))
        length = self.header("content-length")
        if length.isdecimal() and int(length) > limits.wire:
            raise BadBody(f"answered more than {format_size(limits.wire)}")
        ends = coding != IDENTITY or self._declares_its_end()
        body = BodyReader(coding, limits)
        for chunk in self._response.iter_raw():
            self.wire_bytes += len(chunk)
            body.feed(chunk)
            if self._deadline.passed:
                break
        if self._deadline.passed:  # an answer that was cut off by the deadline may look complete
            raise _late(self._deadline)
        decoded = body.close()
        if not ends and not proves_its_end(decoded):
            raise BadBody("gave an answer that does not say where it ends")
        return Body(decoded, body.wire)

    def _declares_its_end(self) -> bool:
        """Whether a truncated answer can be distinguished from a whole one. HTTP/1.0 bodies end with the
        connection, so they are accepted.
        """
        return self._response.http_version == "HTTP/1.0" or bool(
            self.header("content-length") or self.header("transfer-encoding")
        )


class HttpClient:
    """One httpx client for all threads; a context manager.

    ``contact`` is sent to servers as the contact address. ``connect`` and ``read`` limit one connection
    attempt and one read, in seconds. ``proxy`` is an http(s) URL; without one, the environment's proxies and
    certificate bundle count only if ``trust_env``. Raises ConfigError for a proxy that cannot be used.
    """

    def __init__(
        self,
        *,
        contact: str = "",
        connect: timedelta = timedelta(seconds=10),
        read: timedelta = timedelta(seconds=30),
        proxy: str | None = None,
        trust_env: bool = False,
    ) -> None:
        self._connect = connect.total_seconds()
        self._read = read.total_seconds()
        self._proxied = proxy is not None or trust_env
        try:
            self._client = httpx.Client(
                headers={
                    "User-Agent": format_user_agent(contact),
                    "Accept": "*/*",
                    "Accept-Encoding": "gzip, deflate",
                },
                proxy=proxy,
                trust_env=trust_env,
                verify=load_certificates(trust_env),
                follow_redirects=False,
                event_hooks={"response": [_hide_location]},
                # No cookie is kept: no request depends on an earlier one.
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                # One connection per request: no stale connection is reused, and `Deadline` sees each of them
                # open.
                limits=httpx.Limits(max_keepalive_connections=0),
            )
        except (ValueError, ImportError, httpx.InvalidURL):
            # not "from": the cause repeats the address, perhaps with its password
            raise ConfigError(["the proxy's address must start with http:// or https://"]) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    @contextlib.contextmanager
    def get(
        self, url: httpx.URL, headers: Mapping[str, str], deadline: Deadline, *, public: bool = False
    ) -> Iterator[Answer]:
        """Send a GET; the answer is open inside the context. Raises ExchangeFailed, also while the body is
        read.

        ``public``: nothing is sent to a host whose name resolves to an address that is not public. With a
        proxy, the proxy decides.
        """
        if deadline.passed:
            raise _late(deadline)
        left = deadline.remaining
        trace = _SendingTrace(_refuse_private(deadline) if public and not self._proxied else deadline.trace)
        request = self._client.build_request(
            "GET",
            url,
            headers=dict(headers),
            timeout=httpx.Timeout(min(self._read, left), connect=min(self._connect, left)),
            extensions={"trace": trace},
        )
        try:
            with contextlib.closing(self._send(request)) as response:
                sent = add_peer(describe_request(request), response, proxied=self._proxied)
                yield Answer(response, deadline, sent)
        except httpx.TransportError as error:
            failed = _describe(error, deadline)
            failed.request = describe_request(request) if trace.sent else None
            raise failed from error

    def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            return self._client.send(request, stream=True)
        # raised by the resolver for an overlong label, or port 99999
        except (UnicodeError, OverflowError) as error:
            raise ExchangeFailed("has a host name or a port that is not one") from error


class _SendingTrace:
    """Passes on httpx's trace events, and records whether a request was sent."""

    def __init__(self, following: Callable[[str, dict[str, Any]], None]) -> None:
        self._following = following
        self.sent = False

    def __call__(self, event: str, info: dict[str, Any]) -> None:
        self.sent = self.sent or event.endswith(".send_request_headers.complete")
        self._following(event, info)


def _refuse_private(deadline: Deadline) -> Callable[[str, dict[str, Any]], None]:
    """A trace function that ends a connection to an address that is not public, before anything is sent.

    It checks the connected address, so that a name that resolves differently a moment later makes no
    difference.
    """

    def trace(event: str, info: dict[str, Any]) -> None:
        deadline.trace(event, info)
        if event.endswith(".connect_tcp.complete"):
            stream = info["return_value"]
            if not is_public(str(stream.get_extra_info("server_addr")[0])):
                stream.close()
                raise ExchangeFailed("has an address that is not public")

    return trace


_HEADERS = "monitor.headers"


def _hide_location(response: httpx.Response) -> None:
    """Keep the headers and hide Location: httpx parses it even without following it, and fails for
    "mailto:x".
    """
    response.extensions[_HEADERS] = tuple(response.headers.multi_items())
    response.headers.pop("location", None)


def _late(deadline: Deadline) -> ExchangeFailed:
    return ExchangeFailed(f"did not finish within {deadline.total:g} s", transient=True)


def _describe(error: httpx.TransportError, deadline: Deadline) -> ExchangeFailed:
    """Describe the failure of a connection. Of the error's own text, only the operating system's is
    repeated.
    """
    if deadline.passed:
        return _late(deadline)
    untrusted = next((e for e in _causes(error) if isinstance(e, ssl.SSLCertVerificationError)), None)
    if untrusted is not None:
        return ExchangeFailed(f"has a certificate that is not to be trusted: {untrusted.verify_message}")
    lasting = isinstance(error, (httpx.UnsupportedProtocol, httpx.LocalProtocolError))
    return ExchangeFailed(_reason(error), transient=not lasting)


def _reason(error: httpx.TransportError) -> str:
    match error:
        case httpx.ConnectTimeout():
            return "did not take the connection in time"
        case httpx.TimeoutException():
            return "went silent for too long"
        case httpx.ProxyError():
            return "could not be reached: the proxy refused"
        case httpx.ConnectError():
            system = (describe_connection_error(e) for e in _causes(error) if isinstance(e, OSError))
            said = next(filter(None, system), None)
            return f"cannot be reached{f': {said}' if said else ''}"
        case httpx.ReadError() | httpx.WriteError() | httpx.CloseError():
            return "broke the connection off in the middle of its answer"
        case httpx.RemoteProtocolError():
            return "gave an answer that breaks off or is not valid HTTP"
        case _:
            return "could not be asked"


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def load_certificates(trust_env: bool) -> ssl.SSLContext:
    """Load the trusted certificates: the packaged ones, or those that the environment names instead."""
    named = (os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")) if trust_env else (None, None)
    return _certificates(*named)


@cache
def _certificates(file: str | None, folder: str | None) -> ssl.SSLContext:
    """Loaded once for all clients, because it takes longer than a small request; httpx reads the same
    variables.
    """
    return httpx.create_ssl_context(trust_env=bool(file or folder))


def format_user_agent(contact: str) -> str:
    """Format the User-Agent; a contact that is not ASCII or has a line break is not allowed in a header."""
    name = f"map-monitor/{__version__}"
    plain = "".join(c for c in contact if c.isascii() and c.isprintable() and c not in "()\\").strip()
    return f"{name} (+{plain})" if plain else name
