"""Polling over a history of files: the same as polling every hour, only sooner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.domain import Kind, Policy
from monitor.errors import UsageError
from monitor.fetch import Target
from monitor.history.replay import Event, ReplaySummary, Served, read_manifest, replay
from monitor.polling import PolledSource
from monitor.sources import ColumnMap, ParseOptions
from tests.polling.publisher import COLUMNS, HOUR, START, agencies, agency, csv

WATCH = PolledSource(
    name="list",
    every=HOUR,
    target=Target(url="https://list.example/list.csv"),
    options=ParseOptions(name="list", format="table", columns=COLUMNS),
)
ICE = PolledSource(
    name="ice-287g",
    every=HOUR,
    target=Target(page="https://www.ice.gov/identify-and-arrest/287g", link="xlsx"),
    options=ParseOptions(
        name="ice-287g",
        format="table",
        columns=ColumnMap(
            name="LAW ENFORCEMENT AGENCY", state="STATE", county="COUNTY", since="SIGNED", url="MOA",
            attributes=("SUPPORT TYPE", "TYPE", "ADDENDUM"),
        ),
    ),
)  # fmt: skip
# small waits, so that a plain simulation of every poll stays short
HASTY = Policy(
    hold_additions=timedelta(hours=9), hold_others=timedelta(hours=14), flap_window=timedelta(hours=20)
)


def served(folder: Path, *files: tuple[float, bytes]) -> tuple[Served, ...]:
    """Files with the hour at which each appeared."""
    made = []
    for number, (hour, body) in enumerate(files):
        path = folder / f"{number}.csv"
        path.write_bytes(body)
        made.append(Served(START + hour * HOUR, path))
    return tuple(made)


def told(
    files: Sequence[Served], watch: PolledSource = WATCH, **options: bool
) -> tuple[list[Event], ReplaySummary]:
    *events, summary = replay(files, watch, **options)
    assert isinstance(summary, ReplaySummary)
    return [event for event in events if isinstance(event, Event)], summary


def counts(event: Event) -> tuple[str, int, int, int]:
    return event.verdict, len(event.of(Kind.ADDED)), len(event.of(Kind.REMOVED)), len(event.of(Kind.CHANGED))


def test_what_waits_is_released_between_two_files_and_after_the_last(tmp_path: Path) -> None:
    files = served(
        tmp_path,
        (0, csv(agencies(60))),
        (10.5, csv(agencies(59))),
        (100, csv([*agencies(59), *agencies(100, 200)])),
        (101, csv([*agencies(58), *agencies(100, 200)])),
    )

    events, summary = told(files)

    hours = [(event.time - START) / HOUR for event in events]
    assert [(hour, *counts(event)) for hour, event in zip(hours, events, strict=True)] == [
        (12, "published", 0, 1, 0),
        (100, "held", 100, 0, 0),
        (102, "published", 0, 1, 0),
        (124, "published", 100, 0, 0),
    ]
    assert (summary.polls, summary.listings, summary.waiting) == (125, 158, 0)


def test_polls_are_made_at_the_interval_of_the_source_from_the_first_file_on(tmp_path: Path) -> None:
    files = served(tmp_path, (0.25, csv(agencies(60))), (3.5, csv([*agencies(60), agency(77)])))
    (event,), summary = told(files)
    assert event.time == START + 4.25 * HOUR
    assert (summary.first_poll, summary.last_poll) == (START + 0.25 * HOUR, event.time)


def test_a_file_that_no_poll_saw_is_counted(tmp_path: Path) -> None:
    files = served(tmp_path, (0, csv(agencies(60))), (0.2, csv(agencies(20))), (0.4, csv(agencies(60))))
    events, summary = told(files)
    assert (events, summary.unseen, summary.files) == ([], 1, 3)


def test_a_rejected_content_is_told_once_however_often_it_comes(tmp_path: Path) -> None:
    good, bad = csv(agencies(60)), csv(agencies(20))
    files = served(tmp_path, (0, good), (30, bad), (60, good), (90, bad))
    events, summary = told(files)
    # three days without a good publication, and then the five of a hold
    assert [event.verdict for event in events] == ["rejected", "held", "published"]
    assert [(event.time - START) / HOUR for event in events] == [30, 90 + 72, 90 + 72 + 120]
    assert (summary.rejected, summary.listings) == (1, 20)


def test_a_file_that_cannot_be_read_confirms_nothing(tmp_path: Path) -> None:
    files = served(
        tmp_path, (0, csv(agencies(60))), (5, csv(agencies(59))), (6, b"<html>"), (30, csv(agencies(59)))
    )
    events, summary = told(files)
    assert [(event.time - START) / HOUR for event in events] == [30]
    assert summary.unreadable == 1
    assert summary.problems[0].startswith("2.csv: ")


def test_the_idle_polls_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from monitor.history import replay as module

    made = []
    poll = module.poll
    monkeypatch.setattr(module, "poll", lambda *args, **kw: made.append(1) or poll(*args, **kw))
    files = served(tmp_path, (0, csv(agencies(60))), (8760, csv(agencies(59))))

    _, summary = told(files)

    assert summary.polls == 8762
    assert len(made) == 4


bodies = st.sampled_from(
    [
        csv(agencies(40)),
        csv(agencies(39)),
        csv([*agencies(38), agency(77)]),
        csv([agency(0, Type="Warrants"), *agencies(39, 1)]),
        csv([agency(0, Agency=agency(0)["Agency"] + "s"), *agencies(39, 1)]),
        csv([*agencies(40), *agencies(60, 100)]),
        csv([*agencies(40), *(agency(number, Since="2026-03-04") for number in range(200, 204))]),
        csv(agencies(32)),
        csv(agencies(10)),
        b"<html>",
    ]
)
gaps = st.sampled_from([0.4, 1, 1.5, 3, 7, 26.25])  # hours


@settings(max_examples=4)
@given(st.lists(st.tuples(gaps, bodies), min_size=2, max_size=6))
def test_skipping_idle_polls_tells_exactly_the_same(steps: list[tuple[float, bytes]]) -> None:
    watch = PolledSource(name="list", every=HOUR, target=WATCH.target, options=WATCH.options, policy=HASTY)
    with TemporaryDirectory() as folder:
        hour, files = 0.0, [(0.0, csv(agencies(40)))]
        for gap, body in steps:
            hour += gap
            files.append((hour, body))
        history = served(Path(folder), *files)
        events, summary = told(history, watch)
        plain_events, plain = told(history, watch, skip_idle=False)
    assert events == plain_events
    assert asdict(summary) == asdict(plain)


@pytest.mark.shared
def test_the_misspelling_of_a_state_and_what_hides_behind_it(shared: Path) -> None:
    """Of the 68 misspelt rows nothing is told; the five true removals of Maryland and the rename of Arkansas
    are.
    """
    releases = (
        ("2026-02-17T20:00", "02172026pm"),
        ("2026-02-27T14:00", "02272026am"),
        ("2026-03-02T14:00", "03022026am"),
    )
    files = [
        Served(
            datetime.fromisoformat(time).replace(tzinfo=UTC),
            shared / f"data/ice_287g/participatingAgencies{name}.xlsx",
        )
        for time, name in releases
    ]

    events, summary = told(files, ICE)

    removed = [change.subject for event in events for change in event.of(Kind.REMOVED)]
    assert [listing.state for listing in removed] == ["MD"] * 5
    renamed = [change for event in events for change in event.of(Kind.CHANGED) if change.renamed]
    assert [change.subject.state for change in renamed] == ["AR"]
    assert not [
        change
        for event in events
        for change in event.changes
        if change.subject.state == "PA" and change.kind is not Kind.ADDED
    ]
    assert (summary.rejected, summary.unreadable, summary.waiting) == (0, 0, 0)


def test_times_of_a_manifest_are_utc_and_files_are_beside_it(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes(b"b")
    (tmp_path / "a.csv").write_bytes(b"a")
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(
        "\ufefftime,file\n2026-03-02T06:00:00+06:00,b.csv\n2026-03-01T00:00:00,a.csv\n", "utf-8"
    )

    assert read_manifest(manifest) == (
        Served(datetime(2026, 3, 1, tzinfo=UTC), tmp_path / "a.csv"),
        Served(datetime(2026, 3, 2, tzinfo=UTC), tmp_path / "b.csv"),
    )
    with pytest.raises(UsageError, match="cannot be read"):
        read_manifest(tmp_path / "none.csv")
