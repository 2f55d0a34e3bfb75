"""What a good answer gives, what is asked, and what is kept as evidence."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import respx

from monitor import __version__
from monitor.errors import ConfigError, FetchError
from monitor.fetch import Fetched, Fetcher, FetchFailed, NotModified, Target, Validators
from tests.peers.http import Answer, Server

BODY = b"<kml>" + b"agency " * 20_000 + b"</kml>"
MODIFIED = "Mon, 02 Mar 2026 08:00:00 GMT"


def test_a_file_comes_whole_with_its_hash_its_validators_and_the_evidence(
    server: Server, fetcher: Fetcher
) -> None:
    server.put("/map.kml", BODY, etag='"1"', last_modified=MODIFIED, content_type="text/xml")
    got = fetcher.get(Target(url=server.url("/map.kml")))
    assert isinstance(got, Fetched)
    sha256 = hashlib.sha256(BODY).hexdigest()
    assert (got.body, got.sha256) == (BODY, sha256)
    assert got.validators == Validators('"1"', MODIFIED, sha256)
    assert got.url == got.final_url == server.url("/map.kml")
    assert (got.status, got.redirects, got.wire_bytes) == (200, (), len(BODY))
    assert dict(got.headers)["content-type"] == "text/xml"
    assert got.duration > timedelta()
    assert got.request is not None
    assert (got.request.headers, got.request.validators) == (server.requests[0].headers, ())
    assert (got.request.method, got.request.remote, got.request.certificate) == ("GET", "127.0.0.1", None)
    assert got.answered_after is not None
    assert timedelta() < got.answered_after <= got.duration


@pytest.mark.parametrize("encoding", [None, "gzip", "deflate", "raw deflate"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_every_coding_that_is_asked_for_is_understood(
    server: Server, fetcher: Fetcher, encoding: str | None, framing: str
) -> None:
    server.script("/x", [Answer(body=BODY, encoding=encoding, framing=framing)])
    got = fetcher.get(Target(url=server.url("/x")))
    assert isinstance(got, Fetched)
    assert got.body == BODY
    assert (got.wire_bytes < len(BODY) / 10) == (encoding is not None)
    assert server.requests[0].header("accept-encoding") == "gzip, deflate"


def test_stored_validators_are_sent_and_304_is_not_modified(server: Server, fetcher: Fetcher) -> None:
    server.put("/map.kml", BODY, etag='"1"', last_modified=MODIFIED)
    known = Validators('"1"', MODIFIED, "ab12")
    asked: list[str] = []

    def stored(url: str) -> Validators:
        asked.append(url)
        return known

    got = fetcher.get(Target(url=server.url("/map.kml")), stored)
    assert isinstance(got, NotModified)
    assert (got.status, got.validators, got.wire_bytes) == (304, known, 0)
    assert asked == [server.url("/map.kml")]
    request = server.requests[0]
    assert request.header("if-none-match") == '"1"'
    assert request.header("if-modified-since") == MODIFIED


def test_a_file_that_was_modified_comes_with_its_new_validators(server: Server, fetcher: Fetcher) -> None:
    server.put("/map.kml", BODY, etag='"2"')
    got = fetcher.get(Target(url=server.url("/map.kml")), lambda url: Validators('"1"'))
    assert isinstance(got, Fetched)
    assert got.validators.etag == '"2"'


def test_a_304_brings_the_stored_validators_up_to_date(server: Server, fetcher: Fetcher) -> None:
    server.script("/x", [Answer(304, headers={"ETag": '"2"'})])
    got = fetcher.get(Target(url=server.url("/x")), lambda url: Validators('"1"', MODIFIED, "ab12"))
    assert isinstance(got, NotModified)
    assert got.validators == Validators('"2"', MODIFIED, "ab12")


@pytest.mark.parametrize("known", [None, Validators(hash="ab12")])
def test_a_304_that_nobody_asked_for_is_a_failure(
    server: Server, fetcher: Fetcher, known: Validators | None
) -> None:
    server.script("/x", [Answer(304)])
    with pytest.raises(FetchFailed, match="304 although nothing is known"):
        fetcher.get(Target(url=server.url("/x")), lambda url: known)


def test_a_validator_that_cannot_be_sent_back_is_not_kept(server: Server, fetcher: Fetcher) -> None:
    server.script("/x", [Answer(body=BODY, etag='"é"', last_modified=MODIFIED)])
    got = fetcher.get(Target(url=server.url("/x")))
    assert isinstance(got, Fetched)
    assert got.validators == Validators(None, MODIFIED, got.sha256)


def test_the_user_agent_names_the_program_and_the_operators_contact(server: Server, fetcher: Fetcher) -> None:
    server.put("/x", BODY)
    fetcher.get(Target(url=server.url("/x")))
    assert (
        server.requests[0].header("user-agent") == f"map-monitor/{__version__} (+https://example.org/contact)"
    )


@pytest.mark.parametrize(
    ("contact", "agent"),
    [
        ("", f"map-monitor/{__version__}"),
        (
            "José (night) <j@example.org>\r\nX: y",
            f"map-monitor/{__version__} (+Jos night <j@example.org>X: y)",
        ),
    ],
)
def test_a_contact_that_cannot_stand_in_a_header_does_not_stop_the_fetch(
    server: Server, make: Callable[..., Fetcher], contact: str, agent: str
) -> None:
    server.put("/x", BODY)
    make(contact=contact).get(Target(url=server.url("/x")))
    assert server.requests[0].header("user-agent") == agent


def test_cookies_are_not_kept(server: Server, fetcher: Fetcher) -> None:
    server.script("/x", [Answer(body=BODY, headers={"Set-Cookie": "a=b; Path=/"})])
    for _ in range(2):
        got = fetcher.get(Target(url=server.url("/x")))
    assert ("set-cookie", "a=b; Path=/") in got.headers
    assert server.requests[1].header("cookie") is None


def test_several_threads_may_share_one_fetcher(server: Server, fetcher: Fetcher) -> None:
    got: dict[int, bytes] = {}

    def get(number: int) -> None:
        answer = fetcher.get(Target(url=server.url(f"/{number}")))
        assert isinstance(answer, Fetched)
        got[number] = answer.body

    for number in range(8):
        server.put(f"/{number}", b"%d" % number * 1000, gzip=True)
    threads = [threading.Thread(target=get, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == {number: b"%d" % number * 1000 for number in range(8)}


def test_a_request_has_no_body_and_asks_for_nothing_but_the_file(fetcher: Fetcher) -> None:
    with respx.mock:
        route = respx.get("https://www.google.com/maps/d/kml?mid=1&forcekml=1").respond(200, content=BODY)
        fetcher.get(Target(url="https://www.google.com/maps/d/kml?mid=1&forcekml=1"))
    headers = route.calls[0].request.headers
    assert set(headers) == {"host", "user-agent", "accept", "accept-encoding", "connection"}


def test_an_explicit_proxy_is_used(server: Server, make: Callable[..., Fetcher]) -> None:
    server.put("http://list.example/map.kml", BODY)
    proxy = f"http://user:secret@{server.host}:{server.port}"
    got = make(proxy=proxy).get(Target(url="http://list.example/map.kml"))
    assert isinstance(got, Fetched)
    assert server.requests[0].header("proxy-authorization") == "Basic dXNlcjpzZWNyZXQ="
    assert got.request is not None
    assert (got.request.remote, "dXNlcjpzZWNyZXQ=" in str(got.request)) == (None, False)


@pytest.mark.parametrize("trust_env", [True, False])
def test_the_environments_proxy_counts_only_if_it_is_trusted(
    server: Server, make: Callable[..., Fetcher], monkeypatch: pytest.MonkeyPatch, trust_env: bool
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url())
    monkeypatch.setenv("NO_PROXY", "")
    server.put("http://127.0.0.1:9/map.kml", BODY)
    fetcher = make(trust_env=trust_env, attempts=1)
    if trust_env:
        assert isinstance(fetcher.get(Target(url="http://127.0.0.1:9/map.kml")), Fetched)
    else:
        with pytest.raises(FetchFailed, match="cannot be reached"):
            fetcher.get(Target(url="http://127.0.0.1:9/map.kml"))


def test_the_password_of_a_proxy_is_in_no_message(make: Callable[..., Fetcher]) -> None:
    for unusable in (
        "ftp://user:secret@127.0.0.1",
        "http://user:secret@127.0.0.1:x",
        "socks5://user:secret@127.0.0.1",
    ):
        with pytest.raises(ConfigError) as refused:
            make(proxy=unusable)
        assert "secret" not in str(refused.value)
        assert refused.value.__suppress_context__
    with pytest.raises(FetchError) as failed:
        make(proxy="http://user:secret@127.0.0.1:9", attempts=1).get(Target(url="https://list.example/"))
    assert "secret" not in repr(failed.value) + repr(failed.value.__cause__)


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"url": "https://a.example/", "page": "https://a.example/", "link": "x"},
        {"page": "https://a.example/"},
        {"url": "https://a.example/", "link": "x"},
        {"page": "https://a.example/", "link": "("},
    ],
)
def test_a_target_is_either_a_url_or_a_page_with_a_link(parts: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"either a url or|not a regular expression"):
        Target(**parts)


def test_no_configured_address_raises_anything_else(fetcher: Fetcher) -> None:
    for url in (
        "https://",
        "http://a..example/",
        f"http://{'a' * 70}.example/",
        "http://[",
        "http://a b/",
        "http://127.0.0.1:99999/",
        "",
    ):
        with pytest.raises(FetchFailed) as caught:
            fetcher.get(Target(url=url))
        assert str(caught.value)
