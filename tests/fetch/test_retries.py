"""What is tried again, how often, and after how long."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from monitor.fetch import Fetched, Fetcher, FetchFailed, Target
from tests.peers.http import Answer, Server

BODY = b"<kml/>"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_server_that_recovers_is_waited_for(
    server: Server, fetcher: Fetcher, slept: list[float], status: int
) -> None:
    server.script("/x", [Answer(status), Answer(body=BODY, cut=2), Answer(body=BODY)])
    got = fetcher.get(Target(url=server.url("/x")))
    assert isinstance(got, Fetched)
    assert got.body == BODY
    assert len(slept) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 501, 505])
def test_a_refusal_is_not_argued_with(
    server: Server, failure: Callable[..., FetchFailed], slept: list[float], status: int
) -> None:
    server.script("/x", [Answer(status), Answer(body=BODY)])
    assert str(failure(server.url("/x"))) == f"answered {status}"
    assert not slept


def test_the_number_of_attempts_is_bounded(
    server: Server, make: Callable[..., Fetcher], failure: Callable[..., FetchFailed], slept: list[float]
) -> None:
    server.script("/x", [Answer(500)])
    failed = failure(server.url("/x"), make(attempts=4))
    assert str(failed) == "answered 500"
    assert failed.transient
    assert len(server.requests) == 4
    assert len(slept) == 3


def test_a_person_who_waits_is_told_before_each_further_attempt(
    server: Server, make: Callable[..., Fetcher], failure: Callable[..., FetchFailed]
) -> None:
    server.script("/x", [Answer(500)])
    told: list[str] = []
    failure(server.url("/x?token=secret"), make(attempts=3, on_wait=told.append))
    assert [line.rpartition(" in ")[0] for line in told] == [
        "127.0.0.1: answered 500; attempt 2 of 3 follows",
        "127.0.0.1: answered 500; attempt 3 of 3 follows",
    ]


def test_pauses_are_jittered_over_a_growing_window(
    server: Server, make: Callable[..., Fetcher], failure: Callable[..., FetchFailed], slept: list[float]
) -> None:
    server.script("/x", [Answer(500)])
    failure(server.url("/x"), make(attempts=8, timeout=timedelta(hours=1)))
    assert len(set(slept)) == 7
    assert all(0 <= pause <= min(20, 2**n) for n, pause in enumerate(slept))


def test_no_pause_outlasts_the_time_of_the_get(
    server: Server, make: Callable[..., Fetcher], failure: Callable[..., FetchFailed]
) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    server.script("/x", [Answer(500, headers={"Retry-After": "10"})])
    fetcher = make(attempts=100, timeout=timedelta(seconds=35), sleep=sleep, clock=lambda: now[0])
    failed = failure(server.url("/x"), fetcher)
    assert 10 <= now[0] < 35
    assert failed.evidence.duration == timedelta(seconds=now[0])
    assert 2 <= len(server.requests) <= 4


def test_retry_after_in_seconds_is_obeyed(server: Server, fetcher: Fetcher, slept: list[float]) -> None:
    server.script("/x", [Answer(429, headers={"Retry-After": "7"}), Answer(body=BODY)])
    assert isinstance(fetcher.get(Target(url=server.url("/x"))), Fetched)
    assert 7 <= slept[0] <= 8


def test_retry_after_as_a_date_counts_from_the_servers_own_clock(
    server: Server, fetcher: Fetcher, slept: list[float]
) -> None:
    clock = {"Date": "Sun, 06 Nov 1994 08:49:30 GMT", "Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"}
    server.script("/x", [Answer(503, headers=clock), Answer(body=BODY)])
    assert isinstance(fetcher.get(Target(url=server.url("/x"))), Fetched)
    assert 7 <= slept[0] <= 8


def test_a_wait_beyond_patience_is_left_to_the_next_poll(
    server: Server, failure: Callable[..., FetchFailed], slept: list[float]
) -> None:
    server.script("/x", [Answer(429, headers={"Retry-After": "3600"}), Answer(body=BODY)])
    failed = failure(server.url("/x"))
    assert str(failed) == "answered 429 and asked to wait 3600 s"
    assert failed.retry_after == timedelta(hours=1)
    assert not slept
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("9" * 5000, timedelta(days=365)),
        ("0", timedelta()),
        ("Sun, 06 Nov 1994 08:49:00 GMT", timedelta()),
        ("Sun, 06 Nov 1994 08:50:30 -0000", timedelta(seconds=60)),
        ("Sun, 06 Nov 9994 08:50:30 GMT", timedelta(days=365)),
        ("-5", None),
        ("soon", None),
        ("99999999999 Nov 1994", None),
        ("", None),
        ("\u0663", None),
    ],
)
def test_no_retry_after_breaks_the_fetch(
    server: Server, failure: Callable[..., FetchFailed], value: str, wait: timedelta | None
) -> None:
    date = "Sun, 06 Nov 1994 08:49:30 GMT"
    raw = value.encode().decode("latin-1")
    server.script("/x", [Answer(503, headers={"Retry-After": raw, "Date": date})])
    assert failure(server.url("/x")).retry_after == wait


def test_a_date_without_the_servers_clock_is_not_guessed(
    server: Server, failure: Callable[..., FetchFailed]
) -> None:
    server.script("/x", [Answer(503, headers={"Retry-After": "Sun, 06 Nov 1994 08:49:30 GMT"})])
    assert failure(server.url("/x")).retry_after is None
