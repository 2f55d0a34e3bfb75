"""What must always hold, sentences 8, 9 and 15: an alert has a believed change in it, told as what it is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitor.channels.outline import seal_address
from monitor.domain import AlertedChange, Confidence, Listing, Placement, PlacementReason, SourceInfo
from monitor.keys import KeyFile
from monitor.messages import render
from monitor.messages.model import Alert, Sender
from monitor.ops.health_facts import load_facts
from monitor.ops.health_report import report_status
from monitor.outbox import fan_out
from monitor.polling import PollOutcome
from monitor.storage import people
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import changes
from monitor.storage.people import Follow
from tests.peers.http import Answer
from tests.polling.publisher import HOUR, Publication, agencies, agency, csv


@pytest.fixture
def audience(publication: Publication, keys: KeyFile) -> Publication:
    """A list of sixty agencies that somebody follows."""
    publication.seen(agencies(60))
    with transaction(publication.engine) as conn:
        one = people.add(
            conn, channel="email", address=seal_address(keys, "email", "a@a.example"), state="active",
            origin="operator", nonce="nonce", now=publication.now,
        )  # fmt: skip
        assert one is not None
        people.follow(conn, one, [Follow("list", "US")], publication.now)
    return publication


def everywhere(source: str, listing: Listing) -> Placement:
    return Placement((listing.state or "US",), "state", Confidence.EXACT, PlacementReason("state", ("IN",)))


SENDER = Sender(site_name="Watch")


def told(publication: Publication) -> list[str]:
    """What everybody has been told of this list so far, as the subjects of alerts."""
    fan_out(publication.engine, locate=everywhere, now=publication.now)
    with reading(publication.engine) as conn:
        return [
            render(
                Alert(
                    source="list", title="the list", publisher="They", official_url="https://list.example/",
                    meaning=None,
                    told=(
                        AlertedChange(
                            row.change, ("US",), None, Confidence.EXACT, row.not_before, row.first_seen_at
                        ),
                    ),
                    language="en",
                ),
                SENDER,
            ).subject
            for row in changes.load_published(conn)
        ]  # fmt: skip


def owed(publication: Publication) -> int:
    return fan_out(publication.engine, locate=everywhere, now=publication.now)


# 8. No alert without a change in it. A broken, truncated, swapped or misspelt publication is held, not
# announced.


def misspelt() -> list[dict[str, str]]:
    return [row | {"State": "Indianna"} if row["State"] == "Indiana" else row for row in agencies(60)]


BAD = {
    "broken": b"\xff\xfe\x00<html><body>Sign in to continue</body></html>",
    "empty": b"",
    "only its header": csv(agencies(1)).splitlines()[0] + b"\n",
    "truncated": csv(agencies(60))[: len(csv(agencies(60))) // 2],
    "cut in a row": csv(agencies(60))[:-40],
    "swapped": csv(agencies(60, start=3000)),
    "misspelt": csv(misspelt()),
    "without a column": csv([{k: v for k, v in row.items() if k != "State"} for row in agencies(60)]),
    "without names": csv([row | {"Agency": "#VALUE!"} for row in agencies(60)]),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_publication_is_held_and_not_announced(audience: Publication, what: str) -> None:
    outcomes = [audience.seen(BAD[what]), audience.poll(), audience.poll()]
    assert all(each.outcome is not PollOutcome.PUBLISHED for each in outcomes), outcomes
    assert owed(audience) == 0
    assert told(audience) == []
    audience.seen(agencies(60))  # and when it is mended, there is nothing to take back
    audience.poll()
    assert owed(audience) == 0


def test_no_alert_is_without_a_change_in_it() -> None:
    alert = Alert(
        source="list", title="the list", publisher="They", official_url="https://list.example/", told=(),
        meaning=None,
        language="en",
    )  # fmt: skip
    with pytest.raises(ValueError, match="without a change"):
        render(alert, SENDER)


def test_an_old_publication_that_is_put_up_again_is_not_announced(audience: Publication) -> None:
    audience.seen([*agencies(60), *agencies(10, start=400)])
    before = told(audience)
    assert len(before) == 10
    audience.now += timedelta(days=3)
    audience.poll()
    audience.seen(agencies(60))
    assert told(audience) == before


# 9. Source errors reach the operator, never the audience as alerts.


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=500, body=b"oops"),
        Answer(status=404, body=b"gone"),
        Answer(
            status=200, body=b"<!DOCTYPE html><title>Sign in</title>", headers={"Content-Type": "text/html"}
        ),
        Answer(status=200, body=b""),
    ],
    ids=["500", "404", "a sign-in page", "nothing"],
)
def test_source_errors_reach_the_operator_and_never_the_audience(
    audience: Publication, answer: Answer
) -> None:
    audience.server.script("/list.csv", [answer])
    for _ in range(5):
        assert audience.poll().outcome in {PollOutcome.FAILED, PollOutcome.REJECTED}
        assert owed(audience) == 0
    info = SourceInfo(name="list", titles={"en": "The list"}, every=HOUR)
    status = report_status(
        load_facts(audience.engine, {"list": info}, configured={"email"}, fenced=None, now=audience.now)
    )
    assert [line for line in status["problems"] if line.startswith("list")]
    assert status["sources"]["list"]["last_reason"]
    assert told(audience) == []


# 15. A rename or a typo fix is told as that, never as "left" plus "joined".


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Police Department", "Dept. of Police"),
        ("Police Department", "Police Departement"),
        ("Police Department", "Police Dept"),
    ],
)
def test_a_rename_or_a_typo_fix_is_told_as_that(audience: Publication, before: str, after: str) -> None:
    old = agency(3)
    new = agency(3, Agency=old["Agency"].replace(before, after))
    rows = [new if row == old else row for row in agencies(60)]
    audience.seen(rows)
    for _ in range(4):  # nothing follows it
        audience.poll()
    subjects = told(audience)
    assert not [subject for subject in subjects if "no longer listed" in subject or "added to" in subject]
    assert len(subjects) <= 1
    if subjects:
        assert "is now listed as" in subjects[0]
        assert after in subjects[0]


def test_a_swap_of_letters_in_one_name_is_told_as_that(audience: Publication) -> None:
    old = agency(3)
    word = old["Agency"].split()[0]
    swapped = word[0] + word[2] + word[1] + word[3:]
    rows = [
        agency(3, Agency=old["Agency"].replace(word, swapped)) if row == old else row for row in agencies(60)
    ]
    audience.seen(rows)
    audience.poll()
    (subject,) = told(audience)
    assert "is now listed as" in subject


def test_alerts_carry_the_time_of_our_checks_and_never_a_made_up_one(audience: Publication) -> None:
    audience.seen([*agencies(60), agency(99)])
    with reading(audience.engine) as conn:
        (row,) = changes.load_published(conn)
    assert (row.not_before, row.first_seen_at) == (audience.now - HOUR, audience.now)
