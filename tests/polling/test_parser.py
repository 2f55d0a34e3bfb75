"""Every poll leaves its trace, whatever happened in it, and the parser's limits are reasons of failed
fetches.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor.domain import Listing
from monitor.domain import Publication as Parsed
from monitor.fetch import Fetched, NotModified
from monitor.parser import IN_PROCESS, Parser, ParserLimits, ParserProcess
from monitor.polling import PollOutcome, poll
from monitor.sources import Links, ParseOptions
from monitor.storage.lists.tables import FetchRow, SourceRow
from tests.polling.publisher import HOUR, Publication, agencies


class Counting:
    """The parser in this process, with its calls counted, or failing as no parser should."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls: list[str] = []
        self._error = error

    def find_links(self, body: bytes, options: ParseOptions) -> Links:
        self.calls.append("links")
        return IN_PROCESS.find_links(body, options)

    def parse(self, body: bytes, options: ParseOptions) -> Parsed:
        self.calls.append("parse")
        if self._error is not None:
            raise self._error
        return IN_PROCESS.parse(body, options)

    def pair(
        self,
        removed: Iterable[Listing],
        added: Iterable[Listing],
        *,
        widespread: frozenset[str] = frozenset(),
    ) -> list[tuple[Listing, Listing]]:
        self.calls.append("pair")
        return IN_PROCESS.pair(removed, added, widespread=widespread)


def fetches(engine: Engine) -> list[tuple[str, str]]:
    with engine.connect() as conn:
        table = sa.inspect(FetchRow).local_table
        return [tuple(row) for row in conn.execute(sa.select(table.c.outcome, table.c.reason))]


def next_poll(engine: Engine) -> object:
    with engine.connect() as conn:
        table = sa.inspect(SourceRow).local_table
        return conn.scalar(sa.select(table.c.next_poll_at))


def once(publication: Publication, parser: Parser, after: timedelta = HOUR) -> PollOutcome:
    publication.now += after
    return poll(
        publication.engine, publication.watch, publication.fetcher, now=publication.now, parser=parser
    ).outcome


def test_a_poll_whose_parser_runs_in_a_process_of_its_own_ends_the_same(publication: Publication) -> None:
    renamed = agencies(30)
    renamed[3]["Agency"] = renamed[3]["Agency"].replace("Police Department", "Police Dept")
    with ParserProcess() as parser:
        publication.publish(agencies(30))
        assert once(publication, parser) is PollOutcome.BASELINE
        publication.publish([*renamed, *agencies(1, 40)])
        assert once(publication, parser) is PollOutcome.PUBLISHED
        assert once(publication, parser) is PollOutcome.UNCHANGED


def test_an_unchanged_body_asks_the_parser_nothing(sqlite_publication: Publication) -> None:
    parser = Counting()
    sqlite_publication.publish(agencies(30))
    once(sqlite_publication, parser)
    assert parser.calls == ["links", "parse"]
    sqlite_publication.publish(agencies(30))  # the same bytes under another ETag
    assert once(sqlite_publication, parser) is PollOutcome.UNCHANGED
    assert parser.calls == ["links", "parse"]


def test_pairing_is_the_parsers_too(sqlite_publication: Publication) -> None:
    parser = Counting()
    sqlite_publication.publish(agencies(30))
    once(sqlite_publication, parser)
    parser.calls.clear()
    sqlite_publication.publish([*agencies(29), *agencies(1, 70)])
    once(sqlite_publication, parser)
    assert parser.calls == ["links", "parse", "pair"]


@pytest.mark.parametrize("error", [RuntimeError("secret"), RecursionError(), KeyError("x"), MemoryError()])
def test_an_unforeseen_exception_is_a_failed_fetch_and_the_next_poll_an_interval_away(
    publication: Publication, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    publication.publish(agencies(30))
    with caplog.at_level(logging.CRITICAL):
        assert once(publication, Counting(error)) is PollOutcome.FAILED
    ((outcome, reason),) = fetches(publication.engine)
    assert outcome == "failed"
    assert reason.startswith(f"an error of the program: {type(error).__name__} at test_parser.py:")
    assert "secret" not in reason
    assert str(next_poll(publication.engine)) >= str((publication.now + HOUR).replace(tzinfo=None))
    assert once(publication, IN_PROCESS) is PollOutcome.BASELINE


class Broken:
    """A client of HTTP that fails as none should."""

    def get(self, *_: object) -> Fetched | NotModified:
        raise UnicodeError("charset=\x01")

    fetch_links = get


def test_an_unforeseen_exception_of_the_client_is_a_failed_fetch_too(
    sqlite_publication: Publication, caplog: pytest.LogCaptureFixture
) -> None:
    sqlite_publication.seen(agencies(30))
    sqlite_publication.now += HOUR
    with caplog.at_level(logging.CRITICAL):
        result = poll(
            sqlite_publication.engine, sqlite_publication.watch, Broken(), now=sqlite_publication.now
        )
    assert result.outcome is PollOutcome.FAILED
    assert fetches(sqlite_publication.engine)[-1][0] == "failed"


def test_a_limit_that_is_broken_is_a_failed_fetch_and_the_baseline_stands(
    sqlite_publication: Publication, tmp_path: Path
) -> None:
    sqlite_publication.seen(agencies(30))
    sqlite_publication.publish(agencies(31))
    stuck = tmp_path / "child.py"
    stuck.write_text("import threading; threading.Event().wait()")
    with ParserProcess(ParserLimits(wall=timedelta(milliseconds=200)), script=stuck) as parser:
        assert once(sqlite_publication, parser) is PollOutcome.FAILED
    assert fetches(sqlite_publication.engine)[-1] == ("failed", "the parser took longer than 0.2 s")
    assert once(sqlite_publication, IN_PROCESS) is PollOutcome.PUBLISHED
