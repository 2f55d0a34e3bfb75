"""Requests with a body to URLs from other people: no redirects, no private addresses."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self

import httpx

from monitor.net.addresses import is_public
from monitor.net.client import format_user_agent, load_certificates
from monitor.net.exchange_errors import ExchangeFailed

_LARGEST_ANSWER = 64 * 1024  # the most bytes of an answer that are read
_AMBIGUOUS = (httpx.ReadTimeout, httpx.ReadError, httpx.RemoteProtocolError, httpx.CloseError)
"""Errors that occur after the request was written: it may have been carried out."""
LONGEST_WAIT = timedelta(hours=12)
"""The longest wait requested by a server that is respected."""


class PostFailed(ExchangeFailed):
    """No answer was received. ``ambiguous``: the request may have been carried out."""

    def __init__(self, reason: str, *, ambiguous: bool = False) -> None:
        super().__init__(reason, transient=True)
        self.ambiguous = ambiguous


class ForbiddenAddress(PostFailed):
    """The host's address is not a public one."""


@dataclass(frozen=True, slots=True)
class PostAnswer:
    """A whole answer; ``headers`` have lower-case names, ``body`` is cut at 64 KiB."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def read_wait(self, now: datetime) -> timedelta | None:
        """Read the wait that the server requests by Retry-After, at most `LONGEST_WAIT`; None if it requests
        none.
        """
        wait = parse_retry_after(self.headers.get("retry-after", ""), now)
        return None if wait is None else min(wait, LONGEST_WAIT)


class PostClient:
    """Sends requests with a body; a context manager for asyncio.

    The host name is resolved here, all of its addresses must be public unless ``allow_private``, and the
    request goes to the checked address: a name that resolves differently a moment later makes no difference.
    ``timeout`` limits a whole request, in seconds. ``tls`` replaces the packaged certificates.
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        timeout: timedelta = timedelta(seconds=30),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._tls = tls
        self._timeout = timeout.total_seconds()
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        self._client = httpx.AsyncClient(
            headers={"User-Agent": format_user_agent("")},
            timeout=self._timeout,
            trust_env=False,
            verify=self._tls or load_certificates(trust_env=False),
            follow_redirects=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def request(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> PostAnswer:
        """Send one request and read its answer, with any status. Raises PostFailed."""
        assert self._client is not None
        try:
            async with asyncio.timeout(self._timeout):
                target = httpx.URL(url)
                address = await self._resolve(target)
                async with self._client.stream(
                    method,
                    target.copy_with(host=address),
                    content=body,
                    headers={**headers, "Host": target.netloc.decode("ascii")},
                    extensions={"sni_hostname": target.raw_host.decode("ascii")},
                ) as answer:
                    content = b""
                    async for chunk in answer.aiter_bytes():
                        content += chunk[: _LARGEST_ANSWER - len(content)]
                        if len(content) >= _LARGEST_ANSWER:
                            break
                    return PostAnswer(
                        answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, content
                    )
        except TimeoutError:
            raise PostFailed(f"gave no answer within {self._timeout:.0f} s", ambiguous=True) from None
        except _AMBIGUOUS as error:
            raise PostFailed(f"gave no whole answer ({type(error).__name__})", ambiguous=True) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PostFailed(f"could not be reached ({type(error).__name__})") from None

    async def _resolve(self, url: httpx.URL) -> str:
        """Resolve the address to connect to."""
        host = url.raw_host.decode("ascii").strip("[]")
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError:
            raise PostFailed("has a host name that cannot be resolved") from None
        addresses = [str(entry[4][0]) for entry in found]
        if not addresses:
            raise PostFailed("has a host name that cannot be resolved")
        if not self._allow_private and not all(is_public(address) for address in addresses):
            raise ForbiddenAddress("has an address that is not public")
        return addresses[0]


def parse_retry_after(value: str, now: datetime) -> timedelta | None:
    """Parse a Retry-After header in seconds or as a date (RFC 9110, 10.2.3) as a wait; None for anything
    else.
    """
    value = value.strip()
    if value.isascii() and value.isdecimal():
        return timedelta(seconds=int(value[:9]))
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(until - now, timedelta())
