"""The publisher's own count is found in the text of its page or file."""

from __future__ import annotations

import pytest

from monitor.fetch import Fetched, Fetcher, NotModified, Target
from monitor.fetch.printed_count import read_printed_count
from tests.peers.http import Server

PATTERN = r"lists ([0-9., ]+) agencies"


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (b"<p>It lists 2,616 agencies.</p>", 2616),
        (b"<p>It <b>lists</b>\n&#50;616&nbsp;agencies.</p>", 2616),
        ("It lists 2\u00a0616 agencies".encode(), 2616),
        (b"It lists many agencies", None),
        (b"It lists , agencies", None),
        (b"It lists 999999999999 agencies", None),
        (b"It lists 12 <broken agencies", None),
        (b"\xff\xfe", None),
        (b"<" * 1_000_000, None),
    ],
)
def test_a_number_is_read_without_tags_and_separators(body: bytes, count: int | None) -> None:
    assert read_printed_count(body, PATTERN) == count


def test_a_file_that_prints_its_count_gives_it_and_one_that_is_not_sent_again_does_not() -> None:
    with Server() as server, Fetcher(attempts=1) as fetcher:
        server.put("/list", b"It lists 7 agencies", etag='"1"')
        target = Target(url=server.url("/list"), printed_count=PATTERN)
        first = fetcher.get(target)
        assert isinstance(first, Fetched)
        assert first.printed_count == 7
        again = fetcher.get(target, lambda url: first.validators)
        assert isinstance(again, NotModified)
        assert again.printed_count is None
        plain = fetcher.get(Target(url=server.url("/list")))
        assert plain.printed_count is None
