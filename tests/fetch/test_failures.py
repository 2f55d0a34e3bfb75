"""What is not a good answer: always a failure with its reason and the evidence, never a part of a body."""

from __future__ import annotations

import socket
import threading
import time
import tracemalloc
from collections.abc import Callable
from datetime import timedelta

import pytest

from monitor.fetch import Fetched, Fetcher, FetchFailed, Target
from monitor.net import Deadline, SizeLimits
from tests.peers.http import Answer, Server, bomb
from tests.peers.processes import reserve_port

MIB = 2**20
BODY = b"state,agency\n" + b"IL,Hammond Police Department\n" * 2000
GZIPPED = {"Content-Encoding": "gzip"}


@pytest.mark.parametrize("status", [201, 203, 204, 206, 300, 400, 401, 403, 404, 410, 451])
def test_only_200_is_a_file(server: Server, failure: Callable[..., FetchFailed], status: int) -> None:
    server.script("/x", [Answer(status, body=b"" if status == 204 else BODY, headers={"Server": "s"})])
    failed = failure(server.url("/x"))
    assert str(failed).startswith(f"answered {status}")
    assert failed.evidence.status == status
    assert ("server", "s") in failed.evidence.headers
    assert failed.evidence.final_url == server.url("/x")
    assert failed.evidence.duration > timedelta()
    assert not failed.transient
    assert len(server.requests) == 1


def test_an_empty_body_is_a_failure(server: Server, failure: Callable[..., FetchFailed]) -> None:
    server.script("/x", [Answer()])
    server.script("/gzip", [Answer(encoding="gzip")])
    server.script("/nothing-gzipped", [Answer(headers=GZIPPED)])
    for path in ("/x", "/gzip", "/nothing-gzipped"):
        assert str(failure(server.url(path))) == "answered with an empty body"


@pytest.mark.parametrize("encoding", [None, "gzip", "deflate"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("cut", [0, 1, 60])
def test_an_answer_that_is_cut_off_is_never_a_short_body(
    server: Server,
    make: Callable[..., Fetcher],
    failure: Callable[..., FetchFailed],
    encoding: str | None,
    framing: str,
    cut: int,
) -> None:
    server.script("/x", [Answer(body=BODY, encoding=encoding, framing=framing, cut=cut)])
    failed = failure(server.url("/x"), make(attempts=2))
    assert str(failed) == "gave an answer that breaks off or is not valid HTTP"
    assert failed.evidence.status == 200
    assert failed.evidence.wire_bytes == cut
    assert failed.transient
    assert len(server.requests) == 2


def test_fewer_bytes_than_announced_are_a_failure(
    server: Server, failure: Callable[..., FetchFailed]
) -> None:
    server.script("/x", [Answer(body=BODY, length=len(BODY) + 1)])
    assert "breaks off" in str(failure(server.url("/x")))


def test_an_answer_without_any_end_is_refused_unless_its_compression_has_one(
    server: Server, fetcher: Fetcher, failure: Callable[..., FetchFailed]
) -> None:
    server.script("/x", [Answer(body=BODY, framing="close")])
    assert str(failure(server.url("/x"))) == "gave an answer that does not say where it ends"
    server.script("/gzip", [Answer(body=BODY, framing="close", encoding="gzip")])
    server.script("/old", [Answer(body=BODY, framing="close", version="HTTP/1.0")])
    for path in ("/gzip", "/old"):
        got = fetcher.get(Target(url=server.url(path)))
        assert isinstance(got, Fetched)
        assert got.body == BODY
    server.script("/cut", [Answer(body=BODY, framing="close", encoding="gzip", cut=100)])
    assert str(failure(server.url("/cut"))) == "answered with a compressed body that breaks off"


@pytest.mark.parametrize(
    "body",
    [
        b"<?xml version='1.0'?>\n<kml><Document/></kml>\n",
        b'{"features": []}\n',
        b"PK\x03\x04" + b"x" * 100 + b"PK\x05\x06" + bytes(18),
    ],
    ids=["kml", "json", "zip"],
)
def test_an_answer_without_any_end_is_taken_where_its_body_proves_its_own(
    server: Server, fetcher: Fetcher, failure: Callable[..., FetchFailed], body: bytes
) -> None:
    server.script("/x", [Answer(body=body, framing="close")])
    got = fetcher.get(Target(url=server.url("/x")))
    assert isinstance(got, Fetched)
    assert got.body == body
    server.script("/x", [Answer(body=body[:-4], framing="close")])
    assert str(failure(server.url("/x"))) == "gave an answer that does not say where it ends"


@pytest.mark.parametrize("coding", ["utf-8", "UTF-8", "identity", "none", "iso-8859-1", "identity, utf-8"])
def test_a_content_coding_that_is_none_is_none(server: Server, fetcher: Fetcher, coding: str) -> None:
    server.script("/x", [Answer(body=BODY, headers={"Content-Encoding": coding})])
    got = fetcher.get(Target(url=server.url("/x")))
    assert isinstance(got, Fetched)
    assert got.body == BODY


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, gzip", "gzip, br"])
def test_a_compression_that_was_not_asked_for_is_a_failure(
    server: Server, failure: Callable[..., FetchFailed], coding: str
) -> None:
    server.script("/x", [Answer(body=BODY, headers={"Content-Encoding": coding})])
    assert "compress" in str(failure(server.url("/x")))


def test_a_body_that_is_not_the_gzip_it_says_it_is_is_a_failure(
    server: Server, failure: Callable[..., FetchFailed]
) -> None:
    server.script("/x", [Answer(body=BODY, headers=GZIPPED)])
    assert str(failure(server.url("/x"))) == "answered with a body that is not the gzip it says it is"


def test_too_much_on_the_wire_is_a_failure_announced_or_not(
    server: Server, make: Callable[..., Fetcher], failure: Callable[..., FetchFailed]
) -> None:
    fetcher = make(limits=SizeLimits(wire=MIB))
    server.script("/announced", [Answer(body=b"x", length=MIB + 1)])
    failed = failure(server.url("/announced"), fetcher)
    assert str(failed) == "answered more than 1 MiB"
    assert failed.evidence.wire_bytes == 0
    server.script("/chunked", [Answer(body=bytes(3 * MIB), framing="chunked")])
    failed = failure(server.url("/chunked"), fetcher)
    assert str(failed) == "answered more than 1 MiB"
    assert MIB < failed.evidence.wire_bytes < MIB + 2**17
    assert not failed.transient
    assert len(server.requests) == 2


def test_sixteen_mebibytes_on_the_wire_are_the_limit(
    server: Server, failure: Callable[..., FetchFailed]
) -> None:
    server.script("/x", [Answer(body=b"x", length=16 * MIB + 1)])
    assert str(failure(server.url("/x"))) == "answered more than 16 MiB"


def test_a_gzip_bomb_fails_before_it_has_grown(server: Server, failure: Callable[..., FetchFailed]) -> None:
    server.script("/x", [Answer(body=bomb(80 * MIB), headers=GZIPPED)])
    tracemalloc.start()
    try:
        failed = failure(server.url("/x"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(failed) == "unpacks to more than 100 times its size"
    assert failed.evidence.wire_bytes <= 2**17
    assert peak < 12 * MIB


def test_never_more_than_the_limit_is_held(
    server: Server, make: Callable[..., Fetcher], failure: Callable[..., FetchFailed]
) -> None:
    server.script("/x", [Answer(body=bomb(80 * MIB), headers=GZIPPED)])
    fetcher = make(limits=SizeLimits(ratio=10_000))
    tracemalloc.start()
    try:
        failed = failure(server.url("/x"), fetcher)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(failed) == "unpacks to more than 64 MiB"
    assert peak < 72 * MIB  # the buffer grows by an eighth


@pytest.fixture
def time_is_over(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], bool]], None]:
    """Lets a deadline's timer fire when something has happened, in the place of after some seconds."""
    signs: list[Callable[[], bool]] = [lambda: False]

    class Sign(threading.Thread):
        def __init__(self, _total: float, cut: Callable[[], None]) -> None:
            super().__init__(daemon=True)
            self._cut, self._canceled = cut, threading.Event()

        def run(self) -> None:
            while not self._canceled.wait(0.005):
                if signs[-1]():
                    self._cut()
                    return

        def cancel(self) -> None:
            self._canceled.set()

    monkeypatch.setattr("monitor.net.deadline.threading.Timer", Sign)
    return signs.append


def test_a_server_that_drips_is_cut_off_when_the_time_is_over(
    server: Server,
    make: Callable[..., Fetcher],
    failure: Callable[..., FetchFailed],
    time_is_over: Callable[[Callable[[], bool]], None],
) -> None:
    """Without the cut the four would take hours, and then succeed."""
    server.script("/body", [Answer(body=BODY, drip=60)])
    server.script("/headers", [Answer(body=BODY, drip_headers=60, headers={"X": "x" * 1000})])
    server.script("/endless", [Answer(body=BODY, drip=60, framing="close", version="HTTP/1.0")])
    server.script("/silent", [Answer(body=BODY, delay=3600)])
    for path in ("/body", "/headers", "/endless", "/silent"):
        time_is_over(lambda path=path: len(server.asked(path)) == 1)  # type: ignore[misc]
        patient = make(timeout=timedelta(seconds=600), read=timedelta(seconds=600))
        assert str(failure(server.url(path), patient)) == "did not finish within 600 s"
        assert len(server.asked(path)) == 1


def test_a_later_get_is_cut_off_as_well(
    server: Server,
    make: Callable[..., Fetcher],
    failure: Callable[..., FetchFailed],
    time_is_over: Callable[[Callable[[], bool]], None],
) -> None:
    fetcher = make(timeout=timedelta(seconds=600), read=timedelta(seconds=600))
    server.page("/page", '<a href="/x">')
    server.put("/x", BODY)
    target = Target(page=server.url("/page"), link="/x")
    assert isinstance(fetcher.get(target), Fetched)
    server.script("/x", [Answer(body=BODY, drip_headers=60, headers={"X": "x" * 1000})])
    for where in (Target(url=server.url("/x")), target):
        before = len(server.asked("/x"))
        time_is_over(lambda before=before: len(server.asked("/x")) > before)  # type: ignore[misc]
        assert str(failure(where, fetcher)) == "did not finish within 600 s"


def test_the_time_of_an_exchange_is_cut_by_the_clock() -> None:
    with Deadline(0.01, time.monotonic) as deadline:
        deadline._timer.join(300)
        assert deadline.passed


def test_a_connection_that_opens_after_the_time_is_over_is_cut_off() -> None:
    class Stream:
        def get_extra_info(self, name: str) -> socket.socket:
            assert name == "socket"
            return ours

    ours, theirs = socket.socketpair()
    with ours, theirs, Deadline(0.0, time.monotonic) as deadline:
        deadline._timer.join(300)
        deadline.trace("connection.connect_tcp.complete", {"return_value": Stream()})
        theirs.settimeout(60)
        assert theirs.recv(1) == b""


def test_a_server_that_goes_silent_is_given_up_and_asked_again(
    server: Server, make: Callable[..., Fetcher], failure: Callable[..., FetchFailed]
) -> None:
    server.script("/x", [Answer(body=BODY, delay=30)])
    failed = failure(server.url("/x"), make(read=timedelta(seconds=0.05), attempts=2))
    assert str(failed) == "went silent for too long"
    assert len(server.requests) == 2


def test_a_server_that_is_not_there_is_said_so(failure: Callable[..., FetchFailed]) -> None:
    failed = failure(f"http://127.0.0.1:{reserve_port()}/")
    assert str(failed) == "cannot be reached: Connection refused"
    assert failed.transient
    assert failed.evidence.status is None


def test_what_is_not_http_is_a_failure(server: Server, failure: Callable[..., FetchFailed]) -> None:
    server.script("/x", [Answer(body=BODY, version="SMTP")])
    assert str(failure(server.url("/x"))) == "gave an answer that breaks off or is not valid HTTP"


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:text/plain,x", "map.kml", "http://"]
)
def test_only_http_and_https_are_fetched(failure: Callable[..., FetchFailed], url: str) -> None:
    assert "the configured address is" in str(failure(url))


def test_a_configured_password_is_refused_and_kept_nowhere(
    server: Server, failure: Callable[..., FetchFailed]
) -> None:
    failed = failure(f"http://user:secret@{server.host}:{server.port}/x")
    assert str(failed) == "the configured address is an address with a password in it"
    assert "secret" not in repr(failed.evidence)
    assert not server.requests
