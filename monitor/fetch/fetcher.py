"""Asks for a target's bytes: conditionally, patiently, and no further than its boundary."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ssl import SSLContext
from types import TracebackType
from typing import Self, TypeVar

import httpx
import tenacity

from monitor import __version__
from monitor.errors import ConfigError
from monitor.fetch.attempt import Trail
from monitor.fetch.deadline import Deadline
from monitor.fetch.pages import first_link
from monitor.fetch.redirects import Boundary
from monitor.fetch.unpack import IDENTITY, BodyReader, Unacceptable, coding
from monitor.fetch.values import MIB, Failed, Fetched, FetchLimits, NotModified, Target, Validators, in_words

PAGE = FetchLimits(wire=4 * MIB, decoded=4 * MIB)
REDIRECTS = 5
REDIRECTING = frozenset({301, 302, 303, 307, 308})

Known = Callable[[str], Validators | None]
_Got = TypeVar("_Got")


def _nothing_known(url: str) -> Validators | None:
    return None


class Fetcher:
    """One HTTP client for all sources, and for all threads; a context manager.

    ``contact`` tells publishers whom to write to. ``timeout`` bounds a whole get with its page, redirects, retries and pauses;
    ``connect`` and ``read`` bound one connection and one silence. ``proxy`` is an http(s) URL; without one, the environment's proxies
    and certificate bundle count only if ``trust_env``. A get is tried ``attempts`` times at most; a server that asks for a wait of
    more than ``patience`` is not asked again here: `Failed.retry_after` says when to come back. ``sleep`` and the monotonic ``clock``
    are in seconds. Raises ConfigError for a proxy that cannot be used.
    """

    def __init__(
        self,
        *,
        contact: str = "",
        timeout: timedelta = timedelta(seconds=60),
        connect: timedelta = timedelta(seconds=10),
        read: timedelta = timedelta(seconds=30),
        limits: FetchLimits = FetchLimits(),  # noqa: B008 - frozen
        proxy: str | None = None,
        trust_env: bool = False,
        attempts: int = 3,
        patience: timedelta = timedelta(seconds=30),
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total = timeout.total_seconds()
        self._connect = connect.total_seconds()
        self._read = read.total_seconds()
        self._limits = limits
        self._attempts = attempts
        self._patience = patience
        self._sleep = sleep
        self._clock = clock
        # Full jitter: many monitors must not come back to a recovering server in step.
        self._jitter = tenacity.wait_random_exponential(multiplier=1, max=20)
        try:
            self._client = httpx.Client(
                headers={
                    "User-Agent": _user_agent(contact),
                    "Accept": "*/*",
                    "Accept-Encoding": "gzip, deflate",
                },
                proxy=proxy,
                trust_env=trust_env,
                verify=_trusted(trust_env),
                follow_redirects=False,
                event_hooks={"response": [_take_over]},
                # None is kept: no poll depends on an earlier one.
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                # A connection a poll: none is found dead, and `Deadline` sees every one of them open.
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

    def get(self, target: Target, validators: Known = _nothing_known) -> Fetched | NotModified:
        """The target's current file, or NotModified by what ``validators`` knows of the URL that answers; raises `Failed`.

        ``validators`` is asked by normalised URL, as in ``final_url``. A page is fetched anew each time and its bytes are not kept.
        """
        return self._persist(lambda deadline: self._get(target, validators, deadline))

    def fetch_link(
        self, href: str, target: Target, validators: Known = _nothing_known
    ) -> Fetched | NotModified:
        """What a KML NetworkLink in the target's file leads to, within the narrower boundary of such links; raises `Failed`.

        One hop: a link in what comes back is not to be followed.
        """
        return self._persist(lambda deadline: self._get_link(href, target, validators, deadline))

    def _persist(self, attempt: Callable[[Deadline], _Got]) -> _Got:
        with Deadline(self._total, self._clock) as deadline:
            retrying = tenacity.Retrying(
                retry=tenacity.retry_if_exception(self._is_worth_another),
                wait=self._pause,
                stop=lambda state: (
                    state.attempt_number >= self._attempts or state.upcoming_sleep >= deadline.remaining
                ),
                sleep=self._sleep,
                reraise=True,
            )
            return retrying(attempt, deadline)

    def _is_worth_another(self, error: BaseException) -> bool:
        return (
            isinstance(error, Failed)
            and error.transient
            and (error.retry_after is None or error.retry_after <= self._patience)
        )

    def _pause(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, Failed) else None
        return (asked or timedelta()).total_seconds() + self._jitter(state)

    def _get(self, target: Target, validators: Known, deadline: Deadline) -> Fetched | NotModified:
        boundary = _boundary(target, deadline)
        trail = Trail(str(boundary.home), deadline)
        if target.link is None:
            return self._follow(boundary.home, trail, boundary, validators, self._limits)

        trail.subject = "the page "
        page = self._follow(boundary.home, trail, boundary, _nothing_known, PAGE)
        assert isinstance(page, Fetched)  # nothing was known of it
        content_type = trail.header("content-type")
        href = first_link(page.body, page.final_url, target.link, content_type)
        if href is None:
            raise trail.failed(f"has no link that matches {target.link}")
        link = _address(href, trail, "has a link that leads to")
        if objection := boundary.objection(link, httpx.URL(page.final_url)):
            raise trail.failed(f"has a link that leads to {objection}")
        return self._follow(link, Trail(str(link), deadline), boundary, validators, self._limits)

    def _get_link(
        self, href: str, target: Target, validators: Known, deadline: Deadline
    ) -> Fetched | NotModified:
        boundary = _boundary(target, deadline, network_link=True)
        trail = Trail(str(boundary.home), deadline)
        link = _address(href.strip(), trail, "has a NetworkLink that leads to", base=boundary.home)
        if objection := boundary.objection(link, boundary.home):
            raise trail.failed(f"has a NetworkLink that leads to {objection}")
        return self._follow(link, Trail(str(link), deadline), boundary, validators, self._limits)

    def _follow(
        self, url: httpx.URL, trail: Trail, boundary: Boundary, validators: Known, limits: FetchLimits
    ) -> Fetched | NotModified:
        for _ in range(REDIRECTS + 1):
            trail.asks(str(url))
            known = validators(str(url))
            with self._asking(url, known, trail) as response:
                if response.status_code not in REDIRECTING:
                    return _answer(response, known, trail, limits)
                url = _redirection(response, url, trail, boundary)
        raise trail.failed(f"redirected more than {REDIRECTS} times")

    @contextlib.contextmanager
    def _asking(self, url: httpx.URL, known: Validators | None, trail: Trail) -> Iterator[httpx.Response]:
        deadline = trail.deadline
        if deadline.passed:
            raise trail.out_of_time()
        left = deadline.remaining
        request = self._client.build_request(
            "GET",
            url,
            headers=_conditions(known),
            timeout=httpx.Timeout(min(self._read, left), connect=min(self._connect, left)),
            extensions={"trace": deadline.trace, "trail": trail},
        )
        try:
            with contextlib.closing(self._send(request, trail)) as response:
                yield response
        except httpx.TransportError as error:
            raise trail.broke(error) from error

    def _send(self, request: httpx.Request, trail: Trail) -> httpx.Response:
        try:
            return self._client.send(request, stream=True)
        except (UnicodeError, OverflowError) as error:  # from the resolver: an overlong label, port 99999
            raise trail.failed("has a host name or a port that is not one") from error


def _take_over(response: httpx.Response) -> None:
    """Notes the answer, and hides its Location: httpx reads one even if it is not to follow it, and raises InvalidURL for "mailto:x"."""
    response.request.extensions["trail"].answered(response)
    response.headers.pop("location", None)


def _trusted(trust_env: bool) -> SSLContext:
    """The certificates that are trusted: the packaged ones, or those that the environment names instead."""
    named = (os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")) if trust_env else (None, None)
    return _certificates(*named)


@cache
def _certificates(file: str | None, folder: str | None) -> SSLContext:
    """Read once for all fetchers, for it takes longer than a small poll; ``file`` and ``folder`` are what httpx goes by."""
    return httpx.create_ssl_context(trust_env=bool(file or folder))


def _user_agent(contact: str) -> str:
    """A contact in other letters than ASCII, or with a line break, cannot stand in a header."""
    name = f"map-monitor/{__version__}"
    plain = "".join(c for c in contact if c.isascii() and c.isprintable() and c not in "()\\").strip()
    return f"{name} (+{plain})" if plain else name


def _boundary(target: Target, deadline: Deadline, *, network_link: bool = False) -> Boundary:
    nowhere = Trail("", deadline)  # an unusable address is not repeated: it may hold a password
    try:
        boundary = Boundary.around(target, network_link=network_link)
    except httpx.InvalidURL:
        raise nowhere.failed("the configured address is not a valid one") from None
    if objection := boundary.objection(boundary.home):
        raise nowhere.failed(f"the configured address is {objection}")
    return boundary


def _address(text: str, trail: Trail, leads_to: str, *, base: httpx.URL | None = None) -> httpx.URL:
    try:
        url = base.join(text) if base else httpx.URL(text)
    except httpx.InvalidURL:
        raise trail.failed(f"{leads_to} something that is not an address") from None
    return url.copy_with(fragment=None)


def _conditions(known: Validators | None) -> dict[str, str]:
    if known is None:
        return {}
    conditions = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
    return {name: value for name, value in conditions.items() if value}


def _redirection(response: httpx.Response, url: httpx.URL, trail: Trail, boundary: Boundary) -> httpx.URL:
    location = trail.header("location")
    if not location:
        raise trail.failed(f"answered {response.status_code} without saying where to go")
    following = _address(location, trail, "redirected to", base=url)
    if objection := boundary.objection(following, url):
        raise trail.failed(f"redirected to {objection}")
    return following


def _answer(
    response: httpx.Response, known: Validators | None, trail: Trail, limits: FetchLimits
) -> Fetched | NotModified:
    if response.status_code == httpx.codes.NOT_MODIFIED:
        if known is None or not _conditions(known):
            raise trail.failed("answered 304 although nothing is known of an earlier answer")
        fresh = _validators(response, known.hash)
        still = Validators(fresh.etag or known.etag, fresh.last_modified or known.last_modified, known.hash)
        return NotModified(**trail.evidence(), validators=still)
    if response.status_code != httpx.codes.OK:
        raise trail.refused(response)
    body, wire = _read(response, trail, limits)
    sha256 = hashlib.sha256(body).hexdigest()
    validators = _validators(response, sha256)
    return Fetched(**trail.evidence(), body=body, sha256=sha256, validators=validators, wire=wire)


def _validators(response: httpx.Response, sha256: str | None) -> Validators:
    def sendable(name: str) -> str | None:
        value = response.headers.get(name, "")
        return value if value and value.isascii() and value.isprintable() else None

    return Validators(sendable("etag"), sendable("last-modified"), sha256)


def _read(response: httpx.Response, trail: Trail, limits: FetchLimits) -> tuple[bytes, bytes | None]:
    """The whole body and its gzip form, if it came in one, or a failure: never a part of it."""
    try:
        named = coding(response.headers.get("content-encoding", ""))
        length = response.headers.get("content-length", "")
        if length.isdecimal() and int(length) > limits.wire:
            raise Unacceptable(f"answered more than {in_words(limits.wire)}")
        if named == IDENTITY and not _has_an_end(response):
            raise Unacceptable("gave an answer that does not say where it ends")
        body = BodyReader(named, limits)
        for chunk in response.iter_raw():
            trail.wire_bytes += len(chunk)
            body.feed(chunk)
            if trail.deadline.passed:
                break
        if trail.deadline.passed:  # an answer that was cut off by it may look complete
            raise trail.out_of_time()
        return body.close(), body.wire
    except Unacceptable as error:
        raise trail.failed(str(error)) from None


def _has_an_end(response: httpx.Response) -> bool:
    """Whether a cut answer can be told from a whole one. HTTP/1.0 has no other end than the connection's, and its servers are let pass."""
    return (
        response.http_version == "HTTP/1.0"
        or "content-length" in response.headers
        or "transfer-encoding" in response.headers
    )
