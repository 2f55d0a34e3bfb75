"""Redirects and NetworkLinks are followed where a source may lead, and nowhere else."""

from __future__ import annotations

import hashlib
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import respx

from monitor.fetch import Fetched, Fetcher, FetchFailed, Target, Validators
from monitor.net import AddressPolicy
from tests.peers.http import Answer, Server
from tests.peers.tls import LOOPBACK, make_certificate

BODY = b"<kml/>"


def test_redirects_are_followed_and_recorded(server: Server, fetcher: Fetcher) -> None:
    server.redirect("/a", "/b?x=1", 301)
    server.redirect("/b", server.url("/c"), 307)
    server.put("/c", BODY, etag='"c"')
    asked: list[str] = []

    def stored(url: str) -> None:
        asked.append(url)

    got = fetcher.get(Target(url=server.url("/a")), stored)
    assert isinstance(got, Fetched)
    assert got.url == server.url("/a")
    assert got.redirects == (server.url("/b?x=1"), server.url("/c"))
    assert got.final_url == server.url("/c")
    assert asked == [server.url("/a"), server.url("/b?x=1"), server.url("/c")]


def test_a_redirect_in_other_letters_than_ascii_is_followed(server: Server, fetcher: Fetcher) -> None:
    server.redirect("/a", "/añade".encode().decode("latin-1"))
    server.put("/a%C3%B1ade", BODY)
    assert fetcher.get(Target(url=server.url("/a"))).final_url == server.url("/a%C3%B1ade")


def test_validators_belong_to_the_address_that_answers(server: Server, fetcher: Fetcher) -> None:
    server.redirect("/a", "/c")
    server.put("/c", BODY, etag='"c"')
    got = fetcher.get(Target(url=server.url("/a")), {server.url("/c"): Validators('"c"')}.get)
    assert got.status == 304
    assert server.asked("/a")[0].header("if-none-match") is None


def test_five_redirects_are_the_limit(
    server: Server, fetcher: Fetcher, failure: Callable[..., FetchFailed]
) -> None:
    for step in range(6):
        server.redirect(f"/{step}", f"/{step + 1}")
    server.put("/6", BODY)
    assert isinstance(fetcher.get(Target(url=server.url("/1"))), Fetched)
    failed = failure(server.url("/0"))
    assert str(failed) == "redirected more than 5 times"
    assert len(failed.evidence.redirects) == 5


def test_a_cookie_of_a_redirect_to_itself_is_sent_back_once(server: Server, fetcher: Fetcher) -> None:
    headers = {"Location": "/x", "Set-Cookie": "seen=1; Path=/; HttpOnly"}
    answers = [Answer(302, headers=headers), Answer(body=BODY)]
    for _ in range(2):
        server.script("/x", list(answers))
        got = fetcher.get(Target(url=server.url("/x")))
        assert isinstance(got, Fetched)
    assert [request.header("cookie") for request in server.requests] == [None, "seen=1", None, "seen=1"]
    assert got.request is not None
    assert (got.request.withheld, "seen=1" in str(got.request)) == (("Cookie",), False)


def test_a_cookie_goes_to_no_other_host(fetcher: Fetcher) -> None:
    with respx.mock:
        headers = {"Location": "https://files.example/y", "Set-Cookie": "seen=1"}
        respx.get("https://list.example/x").respond(302, headers=headers)
        other = respx.get("https://files.example/y").respond(200, content=BODY)
        fetcher.get(Target(url="https://list.example/x", hosts=frozenset({"files.example"})))
        assert "cookie" not in other.calls.last.request.headers


def test_a_circle_of_redirects_ends(server: Server, failure: Callable[..., FetchFailed]) -> None:
    server.redirect("/a", "/a")
    assert str(failure(server.url("/a"))) == "redirected more than 5 times"
    assert len(server.requests) == 6


def test_a_foreign_host_is_not_asked(server: Server, failure: Callable[..., FetchFailed]) -> None:
    server.redirect("/a", "https://login.example/?next=/a")
    failed = failure(server.url("/a"))
    assert str(failed) == "redirected to login.example, which is not an allowed host"
    assert failed.evidence.status == 302
    assert ("location", "https://login.example/?next=/a") in failed.evidence.headers
    assert failed.evidence.redirects == ()
    assert not failed.transient


def test_a_host_that_the_operator_named_is_asked(
    server: Server, fetcher: Fetcher, failure: Callable[..., FetchFailed]
) -> None:
    server.redirect("/a", server.url("/b", host="localhost"))
    server.put("/b", BODY)
    assert "localhost, which is not" in str(failure(server.url("/a")))
    got = fetcher.get(Target(url=server.url("/a"), hosts=frozenset({"LOCALHOST."})))
    assert got.final_url == server.url("/b", host="localhost")


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("file:///etc/passwd", "redirected to something that is not an http or https address"),
        ("ftp://127.0.0.1/x", "redirected to something that is not an http or https address"),
        ("http://user:secret@127.0.0.1/", "redirected to an address with a password in it"),
        ("http://127.0.0.1:22/", "redirected to port 22 of 127.0.0.1, which is not an allowed port"),
        ("http://127.0.0.1:x/", "redirected to something that is not an address"),
        ("mailto:x", "redirected to something that is not an http or https address"),
        (
            "https://sub.127.0.0.1.example/",
            "redirected to sub.127.0.0.1.example, which is not an allowed host",
        ),
        ("//evil.example/x", "redirected to evil.example, which is not an allowed host"),
        ("", "answered 302 without saying where to go"),
    ],
)
def test_a_redirect_to_what_may_not_be_fetched_is_a_failure(
    server: Server, failure: Callable[..., FetchFailed], location: str, reason: str
) -> None:
    server.redirect("/a", location)
    failed = failure(server.url("/a"))
    assert str(failed) == reason
    assert len(server.requests) == 1


def test_http_may_lead_to_https_and_never_back(fetcher: Fetcher) -> None:
    with respx.mock:
        respx.get("http://list.example/").respond(301, headers={"Location": "https://list.example/"})
        respx.get("https://list.example/").respond(200, content=BODY)
        assert fetcher.get(Target(url="http://list.example/")).final_url == "https://list.example/"
    with respx.mock:
        respx.get("https://list.example/").respond(301, headers={"Location": "http://list.example/"})
        with pytest.raises(FetchFailed, match=r"redirected to list\.example without encryption"):
            fetcher.get(Target(url="https://list.example/"))


# NetworkLinks


def objection(href: str, configured: str, *hosts: str) -> str | None:
    policy = AddressPolicy.around(configured, hosts, network_link=True)
    return policy.find_objection(policy.home.join(href), policy.home)


@pytest.mark.parametrize(
    ("href", "configured"),
    [
        ("https://www.google.com/maps/d/kml?mid=1", "https://list.example/map.kml"),
        ("https://google.com/maps/d/u/0/kml?mid=1", "http://list.example/map.kml"),
        ("https://list.example/layer.kml", "https://list.example/map.kml"),
        ("https://list.example/layer.kml", "http://list.example/map.kml"),
        ("http://list.example/layer.kml", "http://list.example/map.kml"),
        ("layer.kml", "https://list.example/map.kml"),
        ("https://files.example/layer.kml", "https://list.example/map.kml"),
    ],
)
def test_a_network_link_may_lead_to(href: str, configured: str) -> None:
    assert objection(href, configured, "files.example") is None


@pytest.mark.parametrize(
    ("href", "configured"),
    [
        ("http://www.google.com/maps/d/kml?mid=1", "http://list.example/map.kml"),
        ("http://www.google.com/maps/d/kml?mid=1", "https://list.example/map.kml"),
        ("https://www.google.com/url?q=x", "https://list.example/map.kml"),
        ("https://www.google.com/maps/d/../../url?q=x", "https://list.example/map.kml"),
        ("https://www.google.com/maps/d/%2e%2e/%2E%2E/url?q=x", "https://list.example/map.kml"),
        ("https://maps.google.com/maps/d/kml", "https://list.example/map.kml"),
        ("https://google.com.example/maps/d/kml", "https://list.example/map.kml"),
        ("https://www.google.com:8443/maps/d/kml", "https://list.example/map.kml"),
        ("http://list.example/layer.kml", "https://list.example/map.kml"),
        ("http://files.example/layer.kml", "http://list.example/map.kml"),
        ("https://other.example/layer.kml", "https://list.example/map.kml"),
        ("file:///etc/passwd", "https://list.example/map.kml"),
        ("https://a:b@list.example/layer.kml", "https://list.example/map.kml"),
    ],
)
def test_a_network_link_may_not_lead_to(href: str, configured: str) -> None:
    assert objection(href, configured, "files.example") is not None


def test_a_network_link_on_the_configured_host_is_fetched(server: Server, fetcher: Fetcher) -> None:
    server.put("/layer.kml", BODY, etag='"1"')
    target = Target(url=server.url("/map.kml"))
    got = fetcher.fetch_link(f"\n {server.url('/layer.kml')}\n", target)
    assert isinstance(got, Fetched)
    assert (got.body, got.url) == (BODY, server.url("/layer.kml"))
    assert fetcher.fetch_link("layer.kml", target, lambda url: got.validators).status == 304


@pytest.mark.parametrize("href", ["https://other.example/x", "http://127.0.0.1:x/", "ftp://127.0.0.1/"])
def test_a_network_link_to_elsewhere_is_a_failure_of_the_source(
    server: Server, fetcher: Fetcher, href: str
) -> None:
    with pytest.raises(FetchFailed, match="has a NetworkLink that leads to") as caught:
        fetcher.fetch_link(href, Target(url=server.url("/map.kml")))
    assert caught.value.evidence.url == server.url("/map.kml")
    assert not server.requests


def test_my_maps_may_not_redirect_a_network_link_out_of_my_maps(fetcher: Fetcher) -> None:
    start = "https://www.google.com/maps/d/kml?mid=1"
    with respx.mock:
        respx.get(start).respond(302, headers={"Location": "https://www.google.com/sorry/"})
        with pytest.raises(
            FetchFailed, match=r"redirected to www\.google\.com, which is not an allowed host"
        ):
            fetcher.fetch_link(start, Target(url="https://list.example/map.kml"))


# TLS


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key, as one PEM file."""
    pem = tmp_path / "publisher.pem"
    pem.write_bytes(make_certificate(LOOPBACK)[0])
    return pem


@pytest.fixture
def secure(authority: Path) -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    with Server(tls=context) as server:
        yield server


def test_a_certificate_that_nobody_trusts_is_said_so_at_once(
    secure: Server, failure: Callable[..., FetchFailed], slept: list[float]
) -> None:
    failed = failure(secure.url("/x"))
    assert str(failed).startswith("has a certificate that is not to be trusted: self")
    assert not failed.transient
    assert not slept


def test_the_operators_certificate_bundle_is_trusted_and_a_drip_over_tls_is_cut_off(
    secure: Server,
    server: Server,
    make: Callable[..., Fetcher],
    failure: Callable[..., FetchFailed],
    authority: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    secure.put("/x", BODY)
    got = make(trust_env=True).get(Target(url=secure.url("/x")))
    assert isinstance(got, Fetched)
    assert got.request is not None
    certificate = hashlib.sha256(
        ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((secure.host, secure.port)))
    ).hexdigest()
    # where the environment may name a proxy, nobody can say where the connection went
    assert (got.request.certificate, got.request.remote) == (certificate, None)
    secure.redirect("/down", server.url("/x"))
    assert "not an allowed port" in str(failure(secure.url("/down"), make(trust_env=True)))
    for slow in (Answer(body=BODY * 100, drip=0.02), Answer(body=BODY, drip_headers=0.02)):
        secure.script("/x", [slow])
        fetcher = make(trust_env=True, timeout=timedelta(seconds=0.2))
        assert str(failure(secure.url("/x"), fetcher)) == "did not finish within 0.2 s"


def test_a_proxy_is_cut_off_as_well(
    server: Server, make: Callable[..., Fetcher], failure: Callable[..., FetchFailed]
) -> None:
    server.script("http://list.example/x", [Answer(body=BODY, drip_headers=0.02)])
    fetcher = make(proxy=server.url(), timeout=timedelta(seconds=0.1))
    assert str(failure("http://list.example/x", fetcher)) == "did not finish within 0.1 s"


def test_hosts_are_compared_as_ascii() -> None:
    policy = AddressPolicy.around("https://Bücher.example/", {"WWW.bücher.example"})
    assert policy.hosts == {"xn--bcher-kva.example", "www.xn--bcher-kva.example"}
    assert policy.find_objection(httpx.URL("https://xn--bcher-kva.example./")) is None


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1"])
def test_a_host_that_nobody_configured_is_not_asked_on_a_private_network(
    server: Server, make: Callable[..., Fetcher], monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """The name of My Maps leads to this machine: the connection ends before a byte is sent."""
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **more: resolve(address if "google" in str(host) else host, *rest, **more),
    )
    port = httpx.URL(server.url("/")).port
    link = f"https://www.google.com:{port}/maps/d/kml?mid=1"
    with pytest.raises(FetchFailed, match="address that is not public") as caught:
        make(attempts=1).fetch_link(link, Target(url=server.url("/map.kml")))
    assert not caught.value.transient
    assert not server.asked("/maps/d/kml")


def test_a_host_of_the_configuration_may_be_on_a_private_network(server: Server, fetcher: Fetcher) -> None:
    server.put("/list", BODY)
    assert isinstance(fetcher.get(Target(url=server.url("/list"))), Fetched)
    policy = AddressPolicy.around("http://list.internal/", ["files.internal"], network_link=True)
    assert policy.names(httpx.URL("http://FILES.internal./x"))
    assert not policy.names(httpx.URL("https://www.google.com/maps/d/kml"))
