"""Agreements that listings link: each document kept by its hash, its replacement told, nothing else taken."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from monitor.fetch import Fetcher
from monitor.polling.agreement_keeper import AgreementKeeper, AgreementRules, find_pdf_problem
from monitor.record.leaf import decode_leaf
from monitor.storage.engine import reading
from monitor.storage.lists import agreements, bodies, log_rows
from monitor.storage.lists.agreements import Agreement, AgreementCopy
from tests.peers.http import Answer
from tests.polling.publisher import COLUMNS, HOUR, Publication, agency

FIRST = b"%PDF-1.7\n1 0 obj <</Type /Catalog>> endobj\ntrailer\n%%EOF\n"
SECOND = FIRST.replace(b"Catalog", b"Catalogue")
PAGE = b"<!doctype html><title>Sign in</title><p>%PDF- %%EOF"
WEEK = timedelta(days=7)


class Agreements:
    """A list of two agencies that link documents, and what keeps these."""

    def __init__(self, publication: Publication, fetcher: Fetcher, **rules: Any) -> None:
        self.publication, self.engine, self.server = publication, publication.engine, publication.server
        columns = replace(COLUMNS, url="Agreement")
        publication.watch = replace(
            publication.watch, options=replace(publication.watch.options, columns=columns)
        )
        self.links("/a.pdf", "/b.pdf")
        self.keeper = AgreementKeeper(
            self.engine,
            {"list": publication.watch.target},
            fetcher,
            AgreementRules(**{"every": WEEK} | rules),
        )

    def links(self, *addresses: str) -> None:
        rows = [
            agency(number, Agreement=self.server.url(address) if address.startswith("/") else address)
            for number, address in enumerate(addresses)
        ]
        self.publication.seen(rows)
        self.publication.poll()
        self.publication.poll()

    @property
    def requests(self) -> list[str]:
        return [each.path for each in self.server.requests if each.path != "/list.csv"]

    def look(self) -> list[str]:
        """Look until nothing is due."""
        seen = []
        while (url := self.keeper.look_at_next(self.publication.now)) is not None:
            seen.append(url)
        return seen

    def later(self, by: timedelta) -> None:
        self.publication.now += by

    def known(self) -> dict[str, Agreement]:
        with reading(self.engine) as conn:
            return {each.url: each for each in agreements.load_agreements(conn, "list")}

    def copies(self, path: str) -> list[AgreementCopy]:
        each = self.known()[self.server.url(path)]
        with reading(self.engine) as conn:
            return agreements.load_copies(conn, [each.id]).get(each.id, [])

    def entries(self) -> list[dict[str, Any]]:
        """What the log tells of agreements."""
        with reading(self.engine) as conn:
            leaves = log_rows.load_leaf_range(conn, 0, 1000)
        told = [decode_leaf(leaf.content) for leaf in leaves]
        return [each for each in told if "/agreement/" in str(each.get("source"))]


@pytest.fixture
def make(publication: Publication, fetcher: Fetcher) -> Callable[..., Agreements]:
    return lambda **rules: Agreements(publication, fetcher, **rules)


def body(engine: Engine, sha256: str) -> bytes | None:
    with reading(engine) as conn:
        return bodies.load_body(conn, sha256)


def test_each_linked_document_is_kept_once_and_asked_for_again_only_after_a_week(
    make: Callable[..., Agreements],
) -> None:
    kept = make()
    kept.server.put("/a.pdf", FIRST, etag='"1"')
    kept.server.put("/b.pdf", FIRST)
    assert kept.look() == [kept.server.url("/a.pdf"), kept.server.url("/b.pdf")]
    assert kept.look() == []
    (copy,) = kept.copies("/a.pdf")
    assert (copy.before, copy.size, copy.readable) == (None, len(FIRST), True)
    assert len(copy.agencies) == 1
    assert body(kept.engine, copy.after) == FIRST
    kept.later(WEEK)
    assert len(kept.look()) == 2
    assert kept.server.requests[-2].header("if-none-match") == '"1"'
    assert [each.path for each in kept.server.requests if each.path == "/a.pdf"] == ["/a.pdf"] * 2
    assert len(kept.copies("/a.pdf")) == 1
    polls = [each for each in kept.entries() if each["type"] == "poll" and "/a.pdf" in each["url"]]
    assert [(each["poll"], each["outcome"]) for each in polls] == [(1, "good"), (2, "unchanged")]
    assert polls[0]["body"] == polls[1]["body"] == copy.after
    told = [change for each in kept.entries() if each["type"] == "changes" for change in each["changes"]]
    assert [each["kind"] for each in told] == ["agreement kept"] * 2


def test_a_replacement_is_told_once_a_second_look_has_seen_the_same_bytes(
    make: Callable[..., Agreements],
) -> None:
    kept = make()
    kept.server.put("/a.pdf", FIRST)
    kept.server.put("/b.pdf", FIRST)
    kept.look()
    seen_last = kept.publication.now
    kept.server.put("/a.pdf", SECOND)
    kept.later(WEEK)
    kept.look()
    seen_first = kept.publication.now
    assert len(kept.copies("/a.pdf")) == 1
    kept.later(HOUR)
    assert kept.look() == [kept.server.url("/a.pdf")]
    first, second = kept.copies("/a.pdf")
    assert (second.before, second.not_before, second.first_seen_at) == (first.after, seen_last, seen_first)
    assert (second.from_look, second.to_look) == (1, 2)
    assert body(kept.engine, second.after) == SECOND
    assert body(kept.engine, first.after) == FIRST
    (told,) = [each for each in kept.entries() if "replaced" in json.dumps(each.get("changes", ""))]
    assert told["changes"][0]["before"] == first.after
    with reading(kept.engine) as conn:
        assert [each.id for each in agreements.load_newest_replacements(conn, ["list"], 5)] == [second.id]


def test_a_server_that_makes_a_new_file_for_each_reader_tells_of_none_and_fills_no_disk(
    make: Callable[..., Agreements],
) -> None:
    kept = make()
    kept.server.put("/b.pdf", FIRST)
    made = [FIRST.replace(b"1 0", b"%d 0" % number) for number in range(1, 9)]
    kept.server.script("/a.pdf", [Answer(body=each) for each in made])
    for _ in range(6):
        kept.look()
        kept.later(WEEK)
    assert len(kept.copies("/a.pdf")) == 1
    with reading(kept.engine) as conn:
        hashes = [each.hash for each in agreements.load_looks(conn, 1, 1, 9) if each.hash]
        assert len(set(hashes)) == 6
        assert sum(bodies.load_body(conn, each) is not None for each in hashes) == 1
    polls = [each for each in kept.entries() if each["type"] == "poll" and "/a.pdf" in each["url"]]
    assert [each.get("body_kept") for each in polls] == [
        None,
        *[0] * 5,
    ]  # the log claims nothing that is not here


def test_a_page_in_place_of_the_document_is_refused_and_takes_nothing_back(
    make: Callable[..., Agreements],
) -> None:
    kept = make()
    kept.server.put("/a.pdf", FIRST)
    kept.server.script("/b.pdf", [Answer(body=PAGE, headers={"Content-Type": "application/pdf"})])
    kept.look()
    refused = kept.known()[kept.server.url("/b.pdf")]
    assert (refused.hash, refused.failures) == (None, 1)
    assert refused.problem == "brought a page (HTML) in place of the PDF"
    kept.server.script("/a.pdf", [Answer(body=PAGE)])
    for _ in range(3):
        kept.later(WEEK)
        kept.look()
    (copy,) = kept.copies("/a.pdf")
    assert body(kept.engine, copy.after) == FIRST
    assert kept.known()[kept.server.url("/a.pdf")].hash == copy.after
    rejected = [each for each in kept.entries() if each.get("outcome") == "rejected"]
    assert all(each["body_kept"] == 0 for each in rejected)
    kept.server.put("/a.pdf", FIRST)
    kept.later(timedelta(days=31))
    kept.look()
    assert (kept.known()[kept.server.url("/a.pdf")].failures, len(kept.copies("/a.pdf"))) == (0, 1)


def test_an_address_that_brings_nothing_is_asked_more_and_more_rarely(
    make: Callable[..., Agreements],
) -> None:
    kept = make()
    kept.server.put("/b.pdf", FIRST)
    pauses = []
    for _ in range(5):
        kept.look()
        each = kept.known()[kept.server.url("/a.pdf")]
        assert each.looked_at is not None
        assert each.next_at is not None
        pauses.append((each.next_at - each.looked_at).days)
        kept.publication.now = each.next_at
    assert pauses == [7, 14, 28, 30, 30]
    assert "404" in each.problem


def test_a_publisher_that_asks_to_wait_is_left_alone_with_all_its_documents(
    make: Callable[..., Agreements],
) -> None:
    kept = make()
    kept.server.script("/a.pdf", [Answer(503, headers={"Retry-After": "86400"}), Answer(body=FIRST)])
    kept.server.put("/b.pdf", FIRST)
    assert kept.look() == [kept.server.url("/a.pdf")]
    assert kept.requests == ["/a.pdf"]
    kept.later(timedelta(hours=23))
    assert kept.look() == []
    kept.later(HOUR)
    assert kept.look() == [kept.server.url("/b.pdf")]


def test_only_addresses_of_the_publisher_are_asked(make: Callable[..., Agreements]) -> None:
    kept = make()
    kept.server.redirect("/a.pdf", "https://elsewhere.example/a.pdf")
    kept.links("/a.pdf", "https://elsewhere.example/b.pdf")
    kept.look()
    known = kept.known()
    assert "elsewhere.example, which is not an allowed host" in known[kept.server.url("/a.pdf")].problem
    assert (
        "elsewhere.example, which is not an allowed host" in known["https://elsewhere.example/b.pdf"].problem
    )
    assert kept.requests == ["/a.pdf"]


def test_beyond_the_bounds_only_the_hash_is_recorded_until_there_is_room(
    make: Callable[..., Agreements],
) -> None:
    kept = make(all_bytes=len(FIRST) + 10)
    kept.server.put("/a.pdf", FIRST)
    kept.server.put("/b.pdf", SECOND)
    kept.look()
    (copy,) = kept.copies("/b.pdf")
    assert (copy.readable, body(kept.engine, copy.after)) == (False, None)
    (entry,) = [each for each in kept.entries() if each.get("body_kept") == 0]
    assert entry["body"] == copy.after
    with reading(kept.engine) as conn:
        assert agreements.count_not_kept(conn) == 1
    kept.keeper.rules = replace(kept.keeper.rules, all_bytes=10**6)
    kept.later(WEEK)
    kept.look()
    (copy,) = kept.copies("/b.pdf")
    assert copy.readable
    assert body(kept.engine, copy.after) == SECOND
    too_large = make(largest=len(FIRST) - 1)
    too_large.server.put("/c.pdf", FIRST)
    too_large.links("/a.pdf", "/c.pdf")
    too_large.look()
    assert too_large.known()[kept.server.url("/c.pdf")].hash is None


def test_what_no_listing_links_any_more_is_asked_for_no_more(make: Callable[..., Agreements]) -> None:
    kept = make()
    for path in ("/a.pdf", "/b.pdf", "/c.pdf"):
        kept.server.put(path, FIRST)
    kept.look()
    kept.links("/a.pdf", "/c.pdf")
    assert kept.look() == [kept.server.url("/c.pdf")]
    kept.later(2 * WEEK)
    assert kept.server.url("/b.pdf") not in kept.look()
    assert len(kept.copies("/b.pdf")) == 1
    kept.links("/a.pdf", "/b.pdf")
    assert kept.server.url("/b.pdf") in kept.look()
    assert len(kept.copies("/b.pdf")) == 1


def test_two_processes_never_look_at_one_document_at_once(make: Callable[..., Agreements]) -> None:
    kept = make()
    with reading(kept.engine) as conn:
        assert agreements.find_due(conn, ["list"], kept.publication.now) is None  # no list was read yet
    kept.keeper._update_links(kept.publication.now)
    with kept.engine.begin() as conn:
        due = agreements.find_due(conn, ["list"], kept.publication.now)
        assert due is not None
        until = kept.publication.now + agreements.LEASE
        assert [agreements.claim(conn, due, until) for _ in range(2)] == [True, False]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (FIRST, None),
        (b"junk before\n" + FIRST, None),
        (FIRST + b"\n" * 3000, None),
        (b"", "brought an empty file"),
        (PAGE, "brought a page (HTML) in place of the PDF"),
        (b"\n \n<html>", "brought a page (HTML) in place of the PDF"),
        (b"PK\x03\x04", "brought a file that is no PDF"),
        (b"x" * 1024 + FIRST, "brought a file that is no PDF"),
        (FIRST[:30], "brought a PDF whose end is missing"),
    ],
)
def test_what_is_no_whole_pdf_is_told_apart(content: bytes, problem: str | None) -> None:
    assert find_pdf_problem(content) == problem
