"""Gets a target's bytes: conditional requests, retries, redirects and links, within the address policy."""

from __future__ import annotations

import contextlib
import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlsplit

import tenacity

from monitor.errors import ParseError
from monitor.fetch.attempt import FetchAttempt
from monitor.fetch.fetch_result import Fetched, FetchFailed, NotModified, Validators
from monitor.fetch.links import describe_link, describe_links, find_candidates, read_file_name
from monitor.fetch.printed_count import read_printed_count
from monitor.fetch.target import LinkRule, Target
from monitor.net import (
    MIB,
    AddressPolicy,
    Answer,
    Deadline,
    ExchangeFailed,
    HttpClient,
    InvalidUrl,
    SizeLimits,
    Url,
)
from monitor.sources.format import Links, Pages
from monitor.sources.page_links import PageLink, read_links

PAGE_LIMITS = SizeLimits(wire=4 * MIB, decoded=4 * MIB)
MOST_REDIRECTS = 5
MOST_PAGES = 2000
MOST_CANDIDATES = 5
"""The most links of a page that are requested, one after another, until one fits."""
REDIRECTING = frozenset({301, 302, 303, 307, 308})

Known = Callable[[str], Validators | None]
ReadLinks = Callable[[bytes, str, str], tuple[PageLink, ...]]
"""Reads the links of a page; see `page_links.read_links`. Raises ParseError."""
Fits = Callable[[Fetched], str | None]
"""Returns why a file is not the source's, such as a missing column; None if it may be."""
_Got = TypeVar("_Got")
_GotOrNot = TypeVar("_GotOrNot", Fetched, NotModified, Fetched | NotModified)


def _add_count(got: _GotOrNot, printed_on: Fetched, target: Target) -> _GotOrNot:
    """Add the publisher's own printed count, if the target asks for it."""
    if target.printed_count is None:
        return got
    return replace(got, printed_count=read_printed_count(printed_on.body, target.printed_count))


def _nothing_known(url: str) -> Validators | None:
    return None


class Fetcher:
    """One HTTP client for all sources, and for all threads; a context manager.

    ``contact`` is the contact address for publishers. ``timeout`` limits a whole get with its page,
    redirects, retries and pauses; ``connect`` and ``read`` limit one connection attempt and one read. All are
    in seconds. ``proxy`` is an http(s) URL; without one, the environment's proxies and certificate bundle
    count only if ``trust_env``. A get is tried ``attempts`` times at most; a server that asks for a wait
    longer than ``patience`` gets no further request in this get: `FetchFailed.retry_after` says when to try
    again. ``on_wait`` gets a line for a person before each further attempt. ``read_links`` reads the links
    of a page, for the service in the parser's process. ``sleep`` and the monotonic ``clock`` are in seconds.
    Raises ConfigError for an unusable proxy.
    """

    def __init__(
        self,
        *,
        contact: str = "",
        timeout: timedelta = timedelta(seconds=60),
        connect: timedelta = timedelta(seconds=10),
        read: timedelta = timedelta(seconds=30),
        limits: SizeLimits = SizeLimits(),  # noqa: B008 - frozen
        proxy: str | None = None,
        trust_env: bool = False,
        attempts: int = 3,
        patience: timedelta = timedelta(seconds=30),
        on_wait: Callable[[str], object] = lambda text: None,
        read_links: ReadLinks = read_links,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total = timeout.total_seconds()
        self._limits = limits
        self._attempts = attempts
        self._patience = patience
        self._on_wait = on_wait
        self._read_links = read_links
        self._sleep = sleep
        self._clock = clock
        # Full jitter: many installations must not retry a recovering server at the same time.
        self._jitter = tenacity.wait_random_exponential(multiplier=1, max=20)
        self._client = HttpClient(
            contact=contact, connect=connect, read=read, proxy=proxy, trust_env=trust_env
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def get(
        self, target: Target, validators: Known = _nothing_known, fits: Fits = lambda file: None
    ) -> Fetched | NotModified:
        """Get the target's current file, or NotModified according to the ``validators`` of its URL; raises
        `FetchFailed`.

        ``validators`` is called with the normalized URL, as in ``final_url``. A page is fetched each time and
        its bytes are not kept. Of several candidate links, the next one is requested only if the file of the
        one before does not ``fits``.
        """
        return self._persist(lambda deadline: self._get(target, validators, fits, deadline))

    def fetch_link(
        self, href: str, target: Target, validators: Known = _nothing_known
    ) -> Fetched | NotModified:
        """Get the file at a KML NetworkLink in the target's file, under the policy for such links; raises
        `FetchFailed`.

        Only one hop: a link in the returned file is not followed.
        """
        return self._persist(lambda deadline: self._get_link(href, target, validators, deadline))

    def fetch_document(
        self, address: str, target: Target, validators: Validators | None, largest: int
    ) -> Fetched | NotModified:
        """Get a document of at most ``largest`` bytes that a listing links, if it has changed; raises
        `FetchFailed`.

        The rules for links on the target's page apply: the document and every redirect must be on the
        target's host or on one of its ``hosts``.
        """
        limits = replace(self._limits, wire=largest, decoded=largest)

        def get(deadline: Deadline) -> Fetched | NotModified:
            policy = _make_policy(target, deadline)
            nowhere = FetchAttempt("", deadline)
            link = _read_address(address, nowhere, "is linked at")
            if objection := policy.find_objection(link, policy.home):
                raise nowhere.failure(f"is linked at {objection}", forbidden=True)
            attempt = FetchAttempt(str(link), deadline, user_agent=target.user_agent)
            known = {str(link): validators} if validators else {}
            return self._follow(link, attempt, policy, known.get, limits)

        return self._persist(get)

    def fetch_links(
        self,
        first: Fetched,
        links: Links,
        compose: Callable[[Mapping[str, bytes]], bytes],
        target: Target,
        validators: Known = _nothing_known,
    ) -> Fetched | NotModified:
        """Get the linked documents of ``first``, the target's file; raises `FetchFailed`.

        The result is ``first`` itself if it has no links, and the linked file if it is nothing but one link.
        Otherwise one body is composed of it and of the documents at its links. A link that the policy forbids
        is left out, and the parser reports it.
        """
        if not links.hrefs:
            return first
        if links.alone:
            return self.fetch_link(links.hrefs[0], target, validators)
        linked: dict[str, bytes] = {}
        wire, decoded = first.wire_bytes, len(first.body)
        for href in links.hrefs:
            try:
                got = self.fetch_link(href, target)
            except FetchFailed as failed:
                if failed.forbidden:
                    continue
                raise
            assert isinstance(got, Fetched)  # the request was not conditional
            wire, decoded = wire + got.wire_bytes, decoded + len(got.body)
            if wire > self._limits.wire or decoded > self._limits.decoded:
                raise FetchFailed("links documents that together are too large", evidence=got)
            linked[href] = got.body
        if not linked:
            return first
        body = compose(linked)
        sha256 = hashlib.sha256(body).hexdigest()
        # without validators: an unchanged first document does not mean that the others are unchanged
        return replace(
            first,
            wire_bytes=wire,
            body=body,
            sha256=sha256,
            validators=Validators(hash=sha256),
            wire=None,
        )

    def _persist(self, attempt: Callable[[Deadline], _Got]) -> _Got:
        with Deadline(self._total, self._clock) as deadline:
            retrying = tenacity.Retrying(
                retry=tenacity.retry_if_exception(self._is_worth_another),
                wait=self._compute_pause,
                stop=lambda state: (
                    state.attempt_number >= self._attempts or state.upcoming_sleep >= deadline.remaining
                ),
                sleep=self._sleep,
                before_sleep=self._tell_wait,
                reraise=True,
            )
            return retrying(attempt, deadline)

    def _tell_wait(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        # only the host: the rest of an address may hold a secret
        host = (urlsplit(error.evidence.url).hostname if isinstance(error, FetchFailed) else None) or ""
        self._on_wait(
            f"{host}: {error}; attempt {state.attempt_number + 1} of {self._attempts} follows in "
            f"{state.upcoming_sleep:.0f} s"
        )

    def _is_worth_another(self, error: BaseException) -> bool:
        return (
            isinstance(error, FetchFailed)
            and error.transient
            and (error.retry_after is None or error.retry_after <= self._patience)
        )

    def _compute_pause(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        requested = error.retry_after if isinstance(error, FetchFailed) else None
        return (requested or timedelta()).total_seconds() + self._jitter(state)

    def _get(
        self, target: Target, validators: Known, fits: Fits, deadline: Deadline
    ) -> Fetched | NotModified:
        policy = _make_policy(target, deadline)
        attempt = FetchAttempt(str(policy.home), deadline, user_agent=target.user_agent)
        if target.collect is not None:
            return self._collect(target.collect(str(policy.home)), attempt, policy)
        if (rule := target.rule) is None:
            got = self._follow(policy.home, attempt, policy, validators, self._limits)
            return _add_count(got, got, target) if isinstance(got, Fetched) else got

        attempt.subject = "the page "
        page = self._follow(policy.home, attempt, policy, _nothing_known, PAGE_LIMITS)
        assert isinstance(page, Fetched)  # the request was not conditional
        try:
            links = self._read_links(page.body, page.final_url, attempt.header("content-type"))
        except ParseError as error:
            raise attempt.failure(f"cannot be read: {error}") from error
        candidates = find_candidates(links, rule)[:MOST_CANDIDATES]
        if not candidates:
            raise attempt.failure(f"has no link that matches {rule}; {describe_links(links)}", absent=True)
        refused: list[str] = []
        for candidate in candidates:
            try:
                got, name = self._get_candidate(candidate, page.final_url, attempt, policy, validators)
            except FetchFailed as failed:
                if len(candidates) == 1 or failed.transient:
                    raise
                refused.append(f"{describe_link(candidate)} {str(failed).removeprefix(attempt.subject)}")
                continue
            objection = None if isinstance(got, NotModified) else _object_to_name(name, rule)
            if objection is None and isinstance(got, Fetched) and len(candidates) > 1:
                objection = fits(got)  # with only one candidate, its bytes are kept together with the reason
            if objection is None:
                return _add_count(got, page, target)
            refused.append(f"{describe_link(candidate)} {objection}")
        raise attempt.failure(f"links no file that fits: {'; '.join(refused)}")

    def _get_candidate(
        self, candidate: PageLink, page: str, attempt: FetchAttempt, policy: AddressPolicy, validators: Known
    ) -> tuple[Fetched | NotModified, str | None]:
        """Get the file at a link, and the file name in the answer."""
        link = _read_address(candidate.address, attempt, "has a link that leads to")
        if objection := policy.find_objection(link, Url(page)):
            raise attempt.failure(f"has a link that leads to {objection}")
        of_link = FetchAttempt(str(link), attempt.deadline, user_agent=attempt.user_agent)
        got = self._follow(link, of_link, policy, validators, self._limits)
        return got, read_file_name(of_link.header("content-disposition"), got.final_url)

    def _get_link(
        self, href: str, target: Target, validators: Known, deadline: Deadline
    ) -> Fetched | NotModified:
        policy = _make_policy(target, deadline, network_link=True)
        attempt = FetchAttempt(str(policy.home), deadline, user_agent=target.user_agent)
        link = _read_address(href.strip(), attempt, "has a NetworkLink that leads to", base=policy.home)
        if objection := policy.find_objection(link, policy.home):
            raise attempt.failure(f"has a NetworkLink that leads to {objection}", forbidden=True)
        of_link = FetchAttempt(str(link), deadline, user_agent=target.user_agent)
        return self._follow(link, of_link, policy, validators, self._limits)

    def _collect(self, pages: Pages, attempt: FetchAttempt, policy: AddressPolicy) -> Fetched:
        """Get page after page; one failure fails the whole get, because an incomplete list is not usable."""
        home, deadline = attempt.url, attempt.deadline
        wire = decoded = 0
        try:
            address = next(pages)
            for _ in range(MOST_PAGES):
                url = _read_address(address, attempt, "has a page at")
                if objection := policy.find_objection(url, policy.home):
                    raise attempt.failure(f"has a page at {objection}")
                attempt = FetchAttempt(str(url), deadline, user_agent=attempt.user_agent)
                page = self._follow(url, attempt, policy, _nothing_known, self._limits)
                assert isinstance(page, Fetched)  # the request was not conditional
                wire, decoded = wire + page.wire_bytes, decoded + len(page.body)
                if wire > self._limits.wire or decoded > self._limits.decoded:
                    raise attempt.failure("has pages that together are too large")
                address = pages.send(page.body)
        except ParseError as error:
            raise attempt.failure(str(error), transient=True) from error
        except StopIteration as end:
            body: bytes = end.value
            sha256 = hashlib.sha256(body).hexdigest()
            evidence = attempt.evidence() | {
                "url": home,
                "final_url": home,
                "redirects": (),
                "wire_bytes": wire,
            }
            return Fetched(**evidence, body=body, sha256=sha256, validators=Validators(hash=sha256))
        raise attempt.failure(f"has more than {MOST_PAGES} pages")

    def _follow(
        self, url: Url, attempt: FetchAttempt, policy: AddressPolicy, validators: Known, limits: SizeLimits
    ) -> Fetched | NotModified:
        for _ in range(MOST_REDIRECTS + 1):
            attempt.record_request(str(url))
            known = validators(str(url))
            with self._request(url, known, attempt, public=not policy.names(url)) as answer:
                if answer.status not in REDIRECTING:
                    return _read_answer(answer, known, attempt, limits)
                attempt.keep_cookies(url.host)
                url = _read_redirect(answer, url, attempt, policy)
        raise attempt.failure(f"redirected more than {MOST_REDIRECTS} times")

    @contextlib.contextmanager
    def _request(
        self, url: Url, known: Validators | None, attempt: FetchAttempt, *, public: bool
    ) -> Iterator[Answer]:
        try:
            headers = _conditions(known)
            if attempt.user_agent:
                headers["User-Agent"] = attempt.user_agent
            if cookies := attempt.cookies.get(url.host):
                headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
            with self._client.get(url, headers, attempt.deadline, public=public) as answer:
                attempt.answer, attempt.request = answer, answer.request
                yield answer
        except ExchangeFailed as error:
            raise attempt.failed_exchange(error) from error


def _object_to_name(name: str | None, rule: LinkRule) -> str | None:
    """Describe why a file of this name does not match the rule; None if it may."""
    if name and (
        (rule.never and re.search(rule.never, name)) or (rule.file and not re.search(rule.file, name))
    ):
        return f"is named {name[:80]}"
    return None


def _make_policy(target: Target, deadline: Deadline, *, network_link: bool = False) -> AddressPolicy:
    # an invalid address is not repeated in the error: it may hold a password
    nowhere = FetchAttempt("", deadline)
    try:
        policy = AddressPolicy.around(target.home, target.hosts, network_link=network_link)
    except InvalidUrl:
        raise nowhere.failure("the configured address is not a valid one") from None
    if objection := policy.find_objection(policy.home):
        raise nowhere.failure(f"the configured address is {objection}")
    return policy


def _read_address(text: str, attempt: FetchAttempt, leads_to: str, *, base: Url | None = None) -> Url:
    try:
        url = base.join(text) if base else Url(text)
    except InvalidUrl:
        raise attempt.failure(f"{leads_to} something that is not an address") from None
    return url.copy_with(fragment=None)


def _conditions(known: Validators | None) -> dict[str, str]:
    if known is None:
        return {}
    conditions = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
    return {name: value for name, value in conditions.items() if value}


def _read_redirect(answer: Answer, url: Url, attempt: FetchAttempt, policy: AddressPolicy) -> Url:
    location = answer.header("location")
    if not location:
        raise attempt.failure(f"answered {answer.status} without saying where to go")
    following = _read_address(location, attempt, "redirected to", base=url)
    if objection := policy.find_objection(following, url):
        raise attempt.failure(f"redirected to {objection}")
    return following


def _read_answer(
    answer: Answer, known: Validators | None, attempt: FetchAttempt, limits: SizeLimits
) -> Fetched | NotModified:
    if answer.status == 304:
        if known is None or not _conditions(known):
            raise attempt.failure("answered 304 although nothing is known of an earlier answer")
        fresh = _read_validators(answer, known.hash)
        still = Validators(fresh.etag or known.etag, fresh.last_modified or known.last_modified, known.hash)
        return NotModified(**attempt.evidence(), validators=still)
    if answer.status != 200:
        raise attempt.bad_status(answer)
    body = answer.read_body(limits)
    sha256 = hashlib.sha256(body.decoded).hexdigest()
    return Fetched(
        **attempt.evidence(),
        body=body.decoded,
        sha256=sha256,
        validators=_read_validators(answer, sha256),
        wire=body.wire,
    )


def _read_validators(answer: Answer, sha256: str | None) -> Validators:
    """The answer's validators, without those that cannot be sent back in a header."""

    def sendable(name: str) -> str | None:
        value = answer.all_headers(name)
        return value if value and value.isascii() and value.isprintable() else None

    return Validators(sendable("etag"), sendable("last-modified"), sha256)
