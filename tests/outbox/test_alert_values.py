"""What an alert says as a value: of the list, of each change, and where its page is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from monitor.domain import (
    Basis,
    Change,
    Confidence,
    Kind,
    Listing,
    Meaning,
    PlacementReason,
    SourceInfo,
    State,
)
from monitor.errors import UsageError
from monitor.outbox.alerts import AlertBuilder
from monitor.storage.deliveries.fanout import Published
from monitor.storage.lists.changes import Retraction, StoredChange

NOW = datetime(2026, 3, 1, 12, 34, 56, 789, tzinfo=UTC)
HOUR = timedelta(hours=1)
OLD, NEW = (Meaning(date(2026, 1, day), f"since {day}", f"desde {day}") for day in (1, 10))
RING = SourceInfo(
    name="ring",
    titles={"en": "Ring", "es": "Anillo"},
    every=HOUR,
    publisher="Ring LLC",
    official_url="https://ring.example",
    meanings=(OLD, NEW),
)
ICE = SourceInfo(name="ice", titles={"en": "ICE"}, every=HOUR, enabled=False)
SITE = "https://watch.example"


def builder(public: str | None = SITE, *sources: SourceInfo) -> AlertBuilder:
    return AlertBuilder({info.name: info for info in sources or (RING, ICE)}, public)


def published(number: int = 7, kind: Kind = Kind.ADDED, **values: Any) -> Published:
    listing = Listing(name="Hammond Police", state="IN", key="hammond")
    change = Change(kind, after=listing) if kind is Kind.ADDED else Change(kind, before=listing)
    usual = Published(
        id=number, change=change, reason=None, confidence=Confidence.EXACT, not_before=NOW - HOUR,
        not_after=NOW, was_held=False,
    )  # fmt: skip
    return replace(usual, **values)


def test_titles_are_in_the_readers_language_and_an_unknown_list_has_its_name() -> None:
    alerts = builder()
    assert [alerts.title("ring", x) for x in ("en", "es", "fr")] == ["Ring", "Anillo", "Ring"]
    assert alerts.title("gone", "en") == "gone"


def test_polls_have_an_address_where_there_is_a_site_and_the_list_is_known() -> None:
    assert builder(f"{SITE}/").find_polls_url("ring") == f"{SITE}/data/ring/polls.csv"
    assert builder().find_polls_url("gone") is None
    assert builder(None).find_polls_url("ring") is None


@pytest.mark.parametrize(
    ("numbers", "changeset", "link"),
    [
        ((7,), 3, f"{SITE}/change/7"),
        ((7,), None, f"{SITE}/change/7"),
        ((7, 8), 3, f"{SITE}/changes/3"),
        ((7, 8), None, f"{SITE}/changes"),
    ],
)
def test_one_change_links_its_own_page_and_several_that_of_their_poll(
    numbers: tuple[int, ...], changeset: int | None, link: str
) -> None:
    changes = [(published(number), ("46320",)) for number in numbers]
    assert builder().build("ring", "en", changes, changeset=changeset).permalink == link
    assert builder(None).build("ring", "en", changes, changeset=changeset).permalink is None


def test_an_alert_says_what_is_known_of_its_list() -> None:
    alert = builder().build("ring", "es", [(published(), ("IN", "46320"))], late=True)
    assert (alert.title, alert.publisher, alert.official_url) == (
        "Anillo",
        "Ring LLC",
        "https://ring.example",
    )
    assert (alert.meaning, alert.basis, alert.language, alert.late, alert.held) == (
        NEW, Basis.LISTING, "es", True, False,
    )  # fmt: skip
    (told,) = alert.told
    assert (told.because, told.not_before, told.not_after) == (("IN", "46320"), NOW - HOUR, NOW)
    assert not builder().build("ring", "es", [(published(), ())]).late


def test_of_a_list_that_is_not_configured_any_more_it_links_the_change() -> None:
    alert = builder().build("gone", "en", [(published(), ())])
    assert (alert.title, alert.publisher, alert.official_url) == (
        "gone", "The publisher", f"{SITE}/change/7",
    )  # fmt: skip
    assert (alert.meaning, alert.values) == (None, ())
    assert builder(None).build("gone", "en", [(published(), ())]).official_url == ""


def test_the_meaning_is_that_of_the_newest_change() -> None:
    then = datetime(2026, 1, 5, tzinfo=UTC)
    early = (published(1, not_before=None, not_after=then), ())
    assert builder().build("ring", "en", [early]).meaning == OLD
    for both in ([early, (published(2), ())], [(published(2), ()), early]):
        assert builder().build("ring", "en", both).meaning == NEW


def test_it_was_held_if_one_of_its_changes_was() -> None:
    held = (published(2, was_held=True), ())
    assert builder().build("ring", "en", [(published(), ()), held]).held
    assert not builder().build("ring", "en", [(published(), ())]).held


def test_only_what_was_added_moved_here_from_another_list() -> None:
    moved = {"hammond": "ice"}
    added, removed = (published(1), ()), (published(2, Kind.REMOVED), ())
    told = builder().build("ring", "en", [added, removed], moved=moved).told
    assert [x.came_from for x in told] == ["ICE", None]
    (told_alone,) = builder().build("ring", "en", [added], moved={"gary": "ice"}).told
    assert told_alone.came_from is None


def retracted(**values: Any) -> StoredChange:
    retraction = Retraction(NOW, {"en": "A mistake.", "es": "Un error."})
    usual = StoredChange(
        source="ring", change=published().change, agency="a1", state=State.PUBLISHED, first_seen_at=NOW,
        not_before=NOW - HOUR, id=7, retraction=retraction,
    )  # fmt: skip
    return replace(usual, **values)


def test_a_retraction_says_when_it_was_told_to_the_hour_and_why_it_is_taken_back() -> None:
    message = builder().build_retraction(retracted(), NOW, "es")
    assert message.told_at == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert (message.reason, message.reason_language, message.permalink) == (
        "Un error.", "es", f"{SITE}/change/7",
    )  # fmt: skip
    assert (message.official_url, message.told.confidence) == ("https://ring.example", Confidence.EXACT)
    assert builder().build_retraction(retracted(), None, "es").told_at is None
    other = builder().build_retraction(retracted(confidence="conflict"), NOW, "fr")
    assert (other.reason, other.reason_language) == ("A mistake.", "en")
    assert other.told.confidence is Confidence("conflict")
    unknown = builder().build_retraction(retracted(source="gone"), NOW, "en")
    assert (unknown.title, unknown.official_url) == ("gone", f"{SITE}/change/7")
    nowhere = builder(None).build_retraction(retracted(source="gone"), NOW, "en")
    assert (nowhere.permalink, nowhere.official_url) == (None, "")


def test_a_sample_is_of_the_first_list_that_is_monitored() -> None:
    alert = builder(SITE, ICE, RING).sample("en", NOW)
    (told,) = alert.told
    assert (alert.sample, alert.late, alert.held) == (True, False, False)
    assert alert.source == "ring"
    assert (told.not_before, told.not_after) == (NOW - HOUR, NOW)
    assert told.change.subject.since == date(2026, 2, 28)
    assert (told.because, told.reason) == (("46320",), PlacementReason("covers", ("Hammond",)))
    with pytest.raises(UsageError, match="no list is monitored"):
        builder(SITE, ICE).sample("en", NOW)
