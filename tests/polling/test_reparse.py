"""The same bytes read otherwise: another parser or configuration announces nothing and swallows nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from monitor import sources
from monitor.domain import Kind, State
from monitor.sources import ParseOptions
from monitor.storage.engine import reading
from monitor.storage.lists import baseline, changes
from tests.polling.publisher import COLUMNS, HOUR, Publication, agencies, agency

WITHOUT_TYPE = ParseOptions(name="list", format="table", columns=replace(COLUMNS, attributes=()))
WITH_TYPE = ParseOptions(name="list", format="table", columns=COLUMNS)


def attributes(publication: Publication) -> set[tuple[tuple[str, str], ...]]:
    with reading(publication.engine) as conn:
        return {listing.attributes for listing in baseline.load_listings(conn, "list")}


def test_another_configuration_is_taken_silently_and_from_then_on(publication: Publication) -> None:
    publication.reconfigure(options=WITHOUT_TYPE)
    publication.seen(agencies(60))
    assert attributes(publication) == {()}

    publication.reconfigure(options=WITH_TYPE)
    outcome = publication.poll()

    assert outcome.outcome.value == "unchanged"
    assert attributes(publication) == {(("Type", "Jail"),)}
    with reading(publication.engine) as conn:
        assert changes.load_published(conn) == changes.load_standing(conn) == ()
        assert {
            listing.attributes for listing in baseline.load_listings(conn, "list", at=publication.now - HOUR)
        } == {()}


def test_what_really_changed_in_the_same_poll_is_told(sqlite_publication: Publication) -> None:
    sqlite_publication.reconfigure(options=WITHOUT_TYPE)
    sqlite_publication.seen(agencies(60))

    sqlite_publication.reconfigure(options=WITH_TYPE)
    outcome = sqlite_publication.seen([agency(0, Type="Warrants"), *agencies(59, 1), agency(77)])

    assert (outcome.added, outcome.removed, outcome.changed) == (1, 0, 1)


def test_what_stands_keeps_its_clock_and_is_not_swallowed(publication: Publication) -> None:
    publication.reconfigure(options=WITHOUT_TYPE)
    publication.seen(agencies(60))
    publication.seen([*agencies(59), *agencies(100, 200)])
    first_seen = publication.now

    publication.reconfigure(options=WITH_TYPE)
    outcome = publication.poll()
    assert (outcome.removed, outcome.held) == (1, 100)
    with reading(publication.engine) as conn:
        held = changes.load_standing(conn, "list")
    assert {row.state for row in held} == {State.HELD}
    assert {row.first_seen_at for row in held} == {first_seen}
    assert {row.change.subject.attributes for row in held} == {(("Type", "Jail"),)}

    publication.now = first_seen + 23 * HOUR
    assert publication.poll().added == 100
    assert attributes(publication) == {(("Type", "Jail"),)}


def test_a_listing_that_only_the_new_parser_sees_is_no_news(sqlite_publication: Publication) -> None:
    sqlite_publication.reconfigure(options=replace(WITH_TYPE, columns=replace(COLUMNS, name="Agency")))
    lone = [*agencies(60), agency(77, Agency="")]
    sqlite_publication.seen(lone)

    # read by another column every listing is another one: nothing of that is told, nor is the way back
    sqlite_publication.reconfigure(options=replace(WITH_TYPE, columns=replace(COLUMNS, name="County")))
    assert sqlite_publication.poll().outcome.value == "unchanged"
    sqlite_publication.reconfigure(options=WITH_TYPE)
    assert sqlite_publication.poll().outcome.value == "unchanged"
    with reading(sqlite_publication.engine) as conn:
        assert len(baseline.load_listings(conn, "list")) == 60
        assert changes.load_published(conn) == ()


def test_a_raised_parser_version_reads_the_stored_body_again(
    sqlite_publication: Publication, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlite_publication.seen(agencies(60))
    real = sources.parse

    def shouting(body: bytes, spec: ParseOptions) -> object:
        read = real(body, spec)
        return replace(
            read, listings=tuple(structs.replace(x, county=f"{x.county} (new)") for x in read.listings)
        )

    monkeypatch.setattr(sources, "PARSER_VERSION", 999)
    monkeypatch.setattr(sources, "parse", shouting)

    assert sqlite_publication.poll().outcome.value == "unchanged"
    with reading(sqlite_publication.engine) as conn:
        assert all((x.county or "").endswith("(new)") for x in baseline.load_listings(conn, "list"))
        assert changes.load_published(conn) == ()


def test_a_new_format_that_cannot_read_the_old_body_is_compared_with_the_old_baseline(
    sqlite_publication: Publication,
) -> None:
    sqlite_publication.seen(agencies(60))
    renamed = [
        {("Name" if key == "Agency" else key): value for key, value in row.items()} for row in agencies(59)
    ]
    assert sqlite_publication.seen(renamed).outcome.value == "failed"

    sqlite_publication.reconfigure(options=replace(WITH_TYPE, columns=replace(COLUMNS, name="Name")))
    assert sqlite_publication.poll().pending == 1
    assert sqlite_publication.poll().removed == 1
    with reading(sqlite_publication.engine) as conn:
        assert [row.change.kind for row in changes.load_published(conn)] == [Kind.REMOVED]


def test_processes_with_different_configurations_announce_nothing(sqlite_publication: Publication) -> None:
    sqlite_publication.seen(agencies(60))
    for spec in (WITHOUT_TYPE, WITH_TYPE, WITHOUT_TYPE, WITH_TYPE):
        sqlite_publication.reconfigure(options=spec)
        assert sqlite_publication.poll().outcome.value == "unchanged"


def test_every_version_of_the_parser_says_what_it_reads_in_another_way() -> None:
    text = Path(sources.__file__).read_text("utf-8").partition("PARSER_VERSION = ")[2].split('"""')[1]
    versions = [int(number) for number in re.findall(r"(?:^|[.] |\n)(\d+): ", text)]
    assert versions == list(range(2, sources.PARSER_VERSION + 1))
