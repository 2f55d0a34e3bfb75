"""Small histories with one fault each, played through the configured sources: what must be told in all."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from monitor import app
from monitor.config import load
from monitor.history.replay import Event, ReplaySummary, read_manifest, replay

FOLDER = Path(__file__).parent.parent / "data" / "histories"
"""A file a publication; the manifests ``NAME.csv`` say when each was served."""

_Told = list[tuple[str, str, str]]


def _told(source: str, name: str) -> tuple[_Told, ReplaySummary]:
    """What was published of a history: moment, sign, and the names before and after with what was told."""
    settings = load(environment={})
    *events, summary = replay(read_manifest(FOLDER / f"{name}.csv"), app.polled_source(settings, source))
    assert isinstance(summary, ReplaySummary)
    told = []
    for event in events:
        assert isinstance(event, Event)
        for change in event.changes if event.verdict == "published" else ():
            subject = change.subject.name
            if change.renamed:
                assert change.before is not None
                subject = f"{change.before.name} -> {subject}"
            told.append((f"{event.time:%m-%d %H:%M}", change.kind.value, subject))
    return told, summary


def test_a_lost_folder_of_three_is_held_and_what_joins_later_is_told_at_once() -> None:
    told, summary = _told("ring", "layer")
    assert told == [
        ("01-10 00:00", "removed", "Aurora Fire Department"),
        ("01-10 00:00", "removed", "Joliet Fire Department"),
        ("01-10 00:00", "removed", "Naperville Fire Department"),
        ("02-01 00:00", "added", "Quincy Police Department"),
        ("06-01 00:00", "added", "Pekin Police Department"),
        ("06-01 01:00", "removed", "Elgin Police Department"),
    ]
    assert summary.rejected == 0


def test_a_tiny_list_loses_two_of_eight_and_stays_readable() -> None:
    told, summary = _told("ring", "tiny")
    assert told == [
        ("01-05 01:00", "removed", "Champaign Police Department"),
        ("01-05 01:00", "removed", "Cicero Police Department"),
        ("03-01 00:00", "added", "Decatur Police Department"),
        ("03-01 00:00", "added", "Evanston Police Department"),
    ]
    assert (summary.rejected, summary.held, summary.listings) == (0, 0, 8)


def test_an_old_copy_for_an_hour_tells_nothing() -> None:
    told, summary = _told("ice-287g", "lag")
    assert told == [
        ("01-05 00:00", "changed", "Aurora Police Department -> Aurora Dept. of Public Safety"),
        ("01-05 00:00", "added", "Ocala Police Department"),
        ("01-05 01:00", "removed", "Joliet Police Department"),
    ]
    assert summary.waiting == 0


def test_names_of_a_broken_encoding_tell_nothing() -> None:
    told, summary = _told("ice-287g", "mojibake")
    assert (told, summary.held, summary.rejected, summary.listings) == ([], 0, 0, 31)


@pytest.mark.parametrize(
    ("name", "listings", "changes"),
    [
        (
            "dup",
            31,
            [
                ("01-05 00:00", "changed", "City of St. Cloud Police Department"),
                ("02-05 00:00", "changed", "St. Cloud Police Department"),
            ],
        ),
        ("quote", 31, [("01-05 00:00", "changed", "Grayson County Sheriff\u2019s Office")]),
    ],
)
def test_another_spelling_of_an_agency_is_no_other_agency(name: str, listings: int, changes: _Told) -> None:
    told, summary = _told("ice-287g", name)
    assert told == changes
    assert (summary.listings, summary.waiting) == (listings, 0)


def test_the_same_point_under_another_name_is_a_rename() -> None:
    told, _ = _told("ring", "point")
    assert told == [
        ("01-05 00:00", "changed", "Elgin Police Department -> Kane-Elgin Joint Public Safety Agency")
    ]


def test_a_rejection_is_over_after_three_days_although_each_publication_is_a_new_one(tmp_path: Path) -> None:
    """A real map lost a layer of its placemarks, and every later publication was refused for a year."""
    whole = (FOLDER / "f1.kml").read_text("utf-8")
    marks = whole.split("<Placemark>")
    rows = ["time,file", "2026-01-01T00:00:00Z,0.kml"]
    (tmp_path / "0.kml").write_text(whole, "utf-8")
    for day in range(1, 15):
        new = f"<Placemark><name>Town {day} Marshal</name><address>Town {day}, IL</address></Placemark>"
        body = "<Placemark>".join([marks[0], *marks[13:]]).replace("</Folder>", f"{new}</Folder>", 1)
        (tmp_path / f"{day}.kml").write_text(body, "utf-8")
        rows.append(f"2026-01-{day + 1:02}T00:00:00Z,{day}.kml")
    (tmp_path / "m.csv").write_text("\n".join(rows), "utf-8")
    settings = load(environment={})
    *events, _ = replay(read_manifest(tmp_path / "m.csv"), app.polled_source(settings, "ring"))

    assert [event for event in events if isinstance(event, Event) and event.verdict == "rejected"]
    published = [event for event in events if isinstance(event, Event) and event.verdict == "published"]
    first = published[0]
    assert first.time - read_manifest(tmp_path / "m.csv")[1].at == timedelta(days=3)
    assert [change.subject.name for change in first.changes] == ["Town 4 Marshal"]
