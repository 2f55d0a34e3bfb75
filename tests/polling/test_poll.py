"""What one poll after another makes of what a publisher serves."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor import sources
from monitor.domain import Kind, Policy, State
from monitor.fetch import FetchEvidence, Target
from monitor.polling import PollResult, poll
from monitor.polling.received import NOT_KEPT, compute_clock
from monitor.record.leaf import dump_canonical
from monitor.sources import ParseOptions
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import baseline, bodies, changes, log_rows, overview
from monitor.storage.lists.tables import BodyRow
from monitor.storage.schema import metadata
from tests.peers.http import Answer
from tests.polling.publisher import COLUMNS, HOUR, START, Publication, agencies, agency, csv


def rows(engine: Engine, table: str) -> list[dict[str, Any]]:
    with reading(engine) as conn:
        columns = metadata.tables[table]
        return [dict(row) for row in conn.execute(sa.select(columns).order_by(columns.c[0])).mappings()]


def names(publication: Publication, **when: Any) -> list[str]:
    with reading(publication.engine) as conn:
        return sorted(listing.name for listing in baseline.load_listings(conn, "list", **when))


def told(publication: Publication) -> list[tuple[Kind, str]]:
    with reading(publication.engine) as conn:
        return [(row.change.kind, row.change.subject.name) for row in changes.load_published(conn)]


def counts(outcome: PollResult) -> tuple[str, int, int, int, int, int]:
    return (
        outcome.outcome.value,
        outcome.added,
        outcome.removed,
        outcome.changed,
        outcome.pending,
        outcome.held,
    )


# --- good publications
# ------------------------------------------------------------------------------------------------------------


def test_the_first_publication_is_the_baseline_and_is_announced_to_nobody(publication: Publication) -> None:
    outcome = publication.seen(agencies(30))

    assert counts(outcome) == ("baseline", 0, 0, 0, 0, 0)
    assert len(names(publication)) == 30
    assert rows(publication.engine, "change") == []
    assert rows(publication.engine, "changeset") == []
    (fetch,) = rows(publication.engine, "fetch")
    assert (fetch["outcome"], fetch["status"], fetch["url"]) == (
        "good",
        200,
        publication.server.url("/list.csv"),
    )
    assert ["etag", '"1"'] in fetch["headers"]
    (snapshot,) = rows(publication.engine, "snapshot")
    assert (snapshot["verdict"], snapshot["listings"], snapshot["fetch_id"]) == ("accepted", 30, fetch["id"])


def test_rows_that_the_first_poll_cannot_read_are_counted(sqlite_publication: Publication) -> None:
    first = sqlite_publication.seen([*agencies(30), agency(30, Agency="#VALUE!"), agency(31, Agency="")])
    assert first.outcome.value == "baseline"
    assert first.reason == "the name of 2 rows cannot be read; monitor parse shows them"


def test_an_unchanged_poll_writes_one_row_and_its_entry_and_parses_nothing(
    publication: Publication, monkeypatch: pytest.MonkeyPatch
) -> None:
    publication.seen(agencies(30))
    before = {table: len(rows(publication.engine, table)) for table in metadata.tables}

    monkeypatch.setattr(sources, "parse", lambda *_: pytest.fail("it was parsed"))
    outcome = publication.poll()

    assert counts(outcome) == ("unchanged", 0, 0, 0, 0, 0)
    assert publication.server.requests[-1].header("if-none-match") == '"1"'
    after = {table: len(rows(publication.engine, table)) for table in metadata.tables}
    assert after == before | {"fetch": before["fetch"] + 1, "log_leaf": before["log_leaf"] + 1}
    assert rows(publication.engine, "fetch")[-1]["status"] == 304
    first, second = rows(publication.engine, "fetch")
    assert first["request_id"] == second["request_id"]
    assert (first["validators"], second["validators"]) == (None, [["If-None-Match", '"1"']])
    assert rows(publication.engine, "snapshot")[0]["last_seen_at"] == publication.now


def test_a_poll_keeps_the_request_as_it_was_sent_and_the_log_names_it(publication: Publication) -> None:
    publication.seen(agencies(30))
    publication.poll()
    publication.server.script("/list.csv", [Answer(status=404)])
    publication.poll()

    (kept,) = rows(publication.engine, "sent_request")
    content = kept["content"]
    assert (content["method"], content["remote"]) == ("GET", "127.0.0.1")
    assert set(content) == {"method", "headers", "remote"}
    validators = [["If-None-Match", '"1"']]
    for sent in publication.server.requests[1:]:
        assert [list(header) for header in sent.headers] == [*content["headers"], *validators]
    entries = [json.loads(row["content"]) for row in rows(publication.engine, "log_leaf")]
    polls = [entry for entry in entries if entry["type"] == "poll"]
    asked = content | {"validators": validators}
    hashes = [hashlib.sha256(dump_canonical(each)).hexdigest() for each in (content, asked, asked)]
    assert [entry["request"] for entry in polls] == hashes
    assert [entry["outcome"] for entry in polls] == ["good", "unchanged", "failed"]


@pytest.mark.parametrize(
    ("date", "clock"),
    [
        ("Sun, 01 Mar 2026 12:00:04 GMT", 2),
        ("Sun, 01 Mar 2026 12:00:02 GMT", -1),  # cut to the second, as every Date is
        ("Sun, 01 Mar 2026 11:00:02 GMT", -3601),
        ("yesterday", None),
        (None, None),
    ],
)
def test_how_far_the_clock_of_a_server_is_from_ours(date: str | None, clock: int | None) -> None:
    got = FetchEvidence(
        url="https://list.example/",
        final_url="https://list.example/",
        status=200,
        headers=(("Date", date),) if date else (),
        answered_after=timedelta(milliseconds=2000 if clock == 2 else 2500),
    )
    assert compute_clock(got, START) == clock
    assert compute_clock(replace(got, answered_after=None), START) is None


def test_a_server_that_was_not_reached_was_sent_no_request(publication: Publication) -> None:
    publication.server.close()
    assert publication.poll().outcome.value == "failed"
    assert rows(publication.engine, "sent_request") == []
    (entry,) = [json.loads(row["content"]) for row in rows(publication.engine, "log_leaf")]
    assert {"request", "clock"} & entry.keys() == set()


def test_the_same_bytes_under_another_etag_are_unchanged(
    publication: Publication, monkeypatch: pytest.MonkeyPatch
) -> None:
    publication.seen(agencies(30))

    monkeypatch.setattr(sources, "parse", lambda *_: pytest.fail("it was parsed"))
    outcome = publication.seen(agencies(30))

    assert outcome.outcome.value == "unchanged"
    assert [row["etag"] for row in rows(publication.engine, "validator")] == ['"2"']
    assert len(rows(publication.engine, "body")) == 1


def test_an_addition_is_published_at_once_with_the_interval_in_which_it_happened(
    publication: Publication,
) -> None:
    publication.seen(agencies(30))
    publication.poll()
    last_without = publication.now

    outcome = publication.seen([*agencies(30), agency(77)])

    assert counts(outcome) == ("published", 1, 0, 0, 0, 0)
    (change,) = rows(publication.engine, "change")
    assert (change["not_before"], change["first_seen_at"]) == (last_without, publication.now)
    (changeset,) = rows(publication.engine, "changeset")
    assert (change["changeset_id"], changeset["at"], changeset["fanned_out_at"]) == (
        changeset["id"],
        publication.now,
        None,
    )
    assert agency(77)["Agency"] in names(publication)


def test_a_removed_agency_is_announced_once_and_after_a_second_look(publication: Publication) -> None:
    publication.seen(agencies(30))

    first = publication.seen(agencies(29))
    assert counts(first) == ("pending", 0, 0, 0, 1, 0)
    assert "30 minutes" in first.reason
    assert len(names(publication)) == 30
    seen_missing = publication.now

    second = publication.poll()
    assert counts(second) == ("published", 0, 1, 0, 0, 0)
    assert len(names(publication)) == 29
    assert counts(publication.poll()) == ("unchanged", 0, 0, 0, 0, 0)
    (change,) = rows(publication.engine, "change")
    assert (change["first_seen_at"], change["not_before"]) == (seen_missing, seen_missing - HOUR)
    assert change["ended_at"] == seen_missing + HOUR


def test_a_second_look_that_comes_too_soon_confirms_nothing(sqlite_publication: Publication) -> None:
    sqlite_publication.seen(agencies(30))
    sqlite_publication.seen(agencies(29))

    assert counts(sqlite_publication.poll(timedelta(minutes=29)))[0] == "pending"
    assert counts(sqlite_publication.poll(timedelta(minutes=1)))[0] == "published"


def test_a_removal_that_comes_back_is_withdrawn_in_silence(publication: Publication) -> None:
    publication.seen(agencies(30))
    publication.seen(agencies(29))

    assert counts(publication.seen(agencies(30))) == ("unchanged", 0, 0, 0, 0, 0)
    (change,) = rows(publication.engine, "change")
    assert (change["state"], change["ended_at"]) == ("withdrawn", publication.now)
    assert told(publication) == []


def test_a_rename_is_one_change_and_the_agency_survives_it(publication: Publication) -> None:
    publication.seen(agencies(30))
    old = agency(3)
    new = agency(3, Agency=old["Agency"].replace("Department", "Dept."))
    newer = agency(3, Agency=old["Agency"].replace(" Police", "s Police"))
    others = [row for row in agencies(30) if row != old]

    assert counts(publication.seen([*others, new])) == ("published", 0, 0, 1, 0, 0)
    assert counts(publication.seen([*others, newer])) == ("published", 0, 0, 1, 0, 0)

    assert {row["agency"] for row in rows(publication.engine, "change")} == {f"TX|{old['Agency'].lower()}"}
    with reading(publication.engine) as conn:
        agencies_now = baseline.load_accepted(conn, "list").agencies
    assert agencies_now[f"TX|{newer['Agency'].lower()}"] == f"TX|{old['Agency'].lower()}"


def test_a_new_agency_under_the_name_that_another_once_had_is_another_agency(
    publication: Publication,
) -> None:
    old = agency(3)
    others = [row for row in agencies(30) if row != old]
    publication.seen([*others, old])
    renamed = agency(3, Agency=old["Agency"].replace("Department", "Dept."))
    publication.seen([*others, renamed])

    publication.seen([*others, renamed, agency(3, Since="2026-02-02")])

    with reading(publication.engine) as conn:
        lineages = list(baseline.load_accepted(conn, "list").agencies.values())
    assert len(set(lineages)) == len(lineages)


def test_an_agency_that_is_listed_again_continues_itself(publication: Publication) -> None:
    publication.seen(agencies(30))
    publication.seen(agencies(29))
    publication.poll()

    assert publication.seen(agencies(30)).outcome.value == "rejected"  # it may be an old copy
    outcome = publication.poll(timedelta(days=1))

    assert counts(outcome) == ("published", 1, 0, 0, 0, 0)
    removed, added = rows(publication.engine, "change")
    assert added["previous"] == removed["before"]
    assert added["agency"] == removed["agency"]


def test_a_change_that_is_taken_back_is_seen_as_two(publication: Publication) -> None:
    one, other = agencies(30), [*agencies(29), agency(29, Type="Task force")]
    publication.seen(one)

    assert counts(publication.seen(other)) == ("published", 0, 0, 1, 0, 0)
    assert counts(publication.seen(one)) == ("rejected", 0, 0, 0, 0, 0)
    assert counts(publication.poll(timedelta(days=1))) == ("published", 0, 0, 1, 0, 0)
    assert len(rows(publication.engine, "body")) == 2


def test_what_nobody_is_told_moves_the_baseline_without_a_change(publication: Publication) -> None:
    publication.seen(agencies(30))
    shouted = [agency(0, Agency=agency(0)["Agency"].upper()), *agencies(29, 1)]

    outcome = publication.seen(shouted)

    assert counts(outcome) == ("unchanged", 0, 0, 0, 0, 0)
    assert agency(0)["Agency"].upper() in names(publication)
    assert agency(0)["Agency"] in names(publication, at=publication.now - HOUR)
    assert rows(publication.engine, "change") == []


def test_a_column_that_appears_is_taken_silently(sqlite_publication: Publication) -> None:
    without = [{key: value for key, value in row.items() if key != "Type"} for row in agencies(30)]
    sqlite_publication.seen(without)

    assert counts(sqlite_publication.seen(agencies(30))) == ("unchanged", 0, 0, 0, 0, 0)
    with reading(sqlite_publication.engine) as conn:
        assert all(
            dict(listing.attributes) == {"Type": "Jail"} for listing in baseline.load_listings(conn, "list")
        )


def test_a_flood_of_additions_is_held_and_released_after_a_day_by_polls_that_parse_nothing(
    publication: Publication, monkeypatch: pytest.MonkeyPatch
) -> None:
    publication.seen(agencies(30))

    outcome = publication.seen(agencies(130))
    assert counts(outcome) == ("held", 0, 0, 0, 0, 100)
    assert outcome.reason
    monkeypatch.setattr(sources, "parse", lambda *_: pytest.fail("it was parsed"))
    for _ in range(23):
        assert counts(publication.poll()) == ("held", 0, 0, 0, 0, 100)

    assert counts(publication.poll()) == ("published", 100, 0, 0, 0, 0)
    assert len(names(publication)) == 130
    assert {(row["was_held"], row["first_seen_at"]) for row in rows(publication.engine, "change")} == {
        (True, START + 2 * HOUR)
    }


def test_what_was_believed_at_any_moment_is_restored_exactly(publication: Publication) -> None:
    publication.reconfigure(policy=Policy(others=100, group_share=10, stale_after=timedelta()))
    believed = {}
    for step in range(12):
        published = [
            agency(number, Type=f"Type {number * step % 5}", County=f"County {(number + step // 4) % 7}")
            for number in range(40 + step % 3)
            if number % 11 != step % 11 or step % 2
        ]
        publication.seen(published)
        with reading(publication.engine) as conn:
            believed[publication.now] = baseline.load_listings(conn, "list")

    with reading(publication.engine) as conn:
        assert baseline.load_listings(conn, "list", at=START) == ()
        for moment, listings in believed.items():
            assert baseline.load_listings(conn, "list", at=moment) == listings
            assert baseline.load_listings(conn, "list", at=moment + HOUR / 2) == listings
    assert len(set(believed.values())) > 5


def test_every_change_ends_with_a_baseline_equal_to_the_last_good_publication(
    publication: Publication,
) -> None:
    publication.seen(agencies(40))
    last = [agency(0, Type="Warrants"), *agencies(35, 2), agency(99)]
    publication.seen(last)
    publication.poll()

    with reading(publication.engine) as conn:
        listings = baseline.load_listings(conn, "list")
    parsed = sources.parse(csv(last), publication.watch.options).listings
    assert set(listings) == set(parsed)


# --- page and link, NetworkLink
# ----------------------------------------------------------------------------------------------------


def test_a_page_that_links_an_old_file_again_is_a_reversal_although_the_server_says_not_modified(
    publication: Publication,
) -> None:
    server = publication.server
    publication.reconfigure(target=Target(page=server.url("/page"), link=r"list-\w+\.csv"))
    one, other = agencies(30), [*agencies(29), agency(29, Type="Task force")]
    server.put("/list-a.csv", csv(one), etag='"a"')
    server.put("/list-b.csv", csv(other), etag='"b"')

    server.page("/page", '<a href="/list-a.csv">list</a>')
    publication.poll()
    server.page("/page", '<a href="/list-b.csv">list</a>')
    assert counts(publication.poll()) == ("published", 0, 0, 1, 0, 0)
    server.page("/page", '<a href="/list-a.csv">list</a>')
    assert counts(publication.poll()) == ("rejected", 0, 0, 0, 0, 0)

    assert server.asked("/list-a.csv")[-1].header("if-none-match") == '"a"'
    assert rows(publication.engine, "fetch")[-1]["status"] == 304
    assert counts(publication.poll(timedelta(days=1))) == ("published", 0, 0, 1, 0, 0)
    fetches = [row["outcome"] for row in rows(publication.engine, "fetch")]
    assert fetches == ["good", "good", "rejected", "good"]


def test_a_new_file_name_with_old_content_is_unchanged(sqlite_publication: Publication) -> None:
    server = sqlite_publication.server
    sqlite_publication.reconfigure(target=Target(page=server.url("/page"), link=r"list-\w+\.csv"))
    for name in ("a", "b"):
        server.put(f"/list-{name}.csv", csv(agencies(30)), etag=f'"{name}"')
        server.page("/page", f'<a href="/list-{name}.csv">list</a>')
        outcome = sqlite_publication.poll()

    assert outcome.outcome.value == "unchanged"
    assert rows(sqlite_publication.engine, "fetch")[-1]["url"] == server.url("/list-b.csv")


def test_validators_are_not_sent_when_the_body_that_they_stand_for_is_no_longer_kept(
    publication: Publication,
) -> None:
    publication.seen(agencies(30))
    with publication.engine.begin() as conn:
        conn.execute(sa.delete(metadata.tables["body"]))

    assert publication.poll().outcome.value == "unchanged"
    assert publication.server.requests[-1].header("if-none-match") is None


KML = '<kml xmlns="http://www.opengis.net/kml/2.2"><Document><name>Map</name>{}</Document></kml>'


def placemark(name: str) -> str:
    return f"<Placemark><name>{name}</name><address>Hammond, IN</address></Placemark>"


def test_a_kml_that_holds_only_a_network_link_is_followed_one_hop(sqlite_publication: Publication) -> None:
    server = sqlite_publication.server
    sqlite_publication.reconfigure(
        target=Target(url=server.url("/map.kml")), options=ParseOptions(name="list", format="mymaps")
    )
    href = f"<NetworkLink><Link><href><![CDATA[{server.url('/real.kml')}]]></href></Link></NetworkLink>"
    server.put("/map.kml", KML.format(href).encode(), etag='"link"')
    server.put("/real.kml", KML.format(placemark("Hammond Police Department")).encode(), etag='"real"')

    outcome = sqlite_publication.poll()

    assert outcome.outcome.value == "baseline"
    assert names(sqlite_publication) == ["Hammond Police Department"]
    assert sqlite_publication.poll().outcome.value == "unchanged"
    assert server.asked("/real.kml")[-1].header("if-none-match") == '"real"'


def linked(sqlite_publication: Publication, *paths: str) -> str:
    return "".join(
        f"<NetworkLink><Link><href>{sqlite_publication.server.url(path)}</href></Link></NetworkLink>"
        for path in paths
    )


def test_links_beside_placemarks_are_fetched_and_read_with_them(sqlite_publication: Publication) -> None:
    server = sqlite_publication.server
    sqlite_publication.reconfigure(
        target=Target(url=server.url("/map.kml")), options=ParseOptions(name="list", format="mymaps")
    )
    links = linked(sqlite_publication, "/one.kml", "/two.kml")
    server.put("/map.kml", KML.format(placemark("A Police") + links).encode(), etag='"map"')
    server.put("/one.kml", KML.format(placemark("B Police")).encode(), etag='"one"')
    server.put("/two.kml", KML.format(placemark("C Police")).encode(), etag='"two"')
    assert sqlite_publication.poll().outcome.value == "baseline"
    assert sorted(names(sqlite_publication)) == ["A Police", "B Police", "C Police"]
    assert sqlite_publication.poll().outcome.value == "unchanged"

    # that the map itself has not changed says nothing of what it links
    server.put("/two.kml", KML.format(placemark("C Police") + placemark("D Police")).encode(), etag='"2"')
    assert sqlite_publication.poll().added == 1
    server.script("/two.kml", [Answer(500)])
    assert sqlite_publication.poll().outcome.value == "failed"


def test_links_of_a_file_that_was_chosen_among_several_are_read_too(sqlite_publication: Publication) -> None:
    server = sqlite_publication.server
    sqlite_publication.reconfigure(
        target=Target(page=server.url("/page"), link=r"map.*\.kml$"),
        options=ParseOptions(name="list", format="mymaps"),
    )
    server.put("/page", b'<!doctype html><a href="/map1.kml">one</a> <a href="/map2.kml">two</a>')
    links = linked(sqlite_publication, "/one.kml")
    server.put("/map1.kml", KML.format(placemark("A Police") + links).encode())
    server.put("/one.kml", KML.format(placemark("B Police")).encode())
    assert sqlite_publication.poll().outcome.value == "baseline"
    assert sorted(names(sqlite_publication)) == ["A Police", "B Police"]


def test_a_first_publication_with_an_unread_part_is_no_silent_baseline(
    sqlite_publication: Publication,
) -> None:
    server = sqlite_publication.server
    sqlite_publication.reconfigure(
        target=Target(url=server.url("/map.kml")), options=ParseOptions(name="list", format="mymaps")
    )
    link = "<NetworkLink><Link><href>https://elsewhere.example/two.kml</href></Link></NetworkLink>"
    server.put("/map.kml", KML.format(placemark("A Police") + link).encode(), etag='"map"')
    outcome = sqlite_publication.poll()
    assert outcome.outcome.value == "rejected"
    assert outcome.reason.startswith(
        "A part of the publication was not read (https://elsewhere.example/two.kml)"
    )
    for _ in range(5):
        assert sqlite_publication.poll(timedelta(hours=14)).outcome.value == "rejected"
    assert sqlite_publication.poll(timedelta(hours=14)).outcome.value == "baseline"  # after three days
    assert names(sqlite_publication) == ["A Police"]


# --- bad publications
# ------------------------------------------------------------------------------------------------------------

BAD = {
    "an error": Answer(500),
    "not there": Answer(404),
    "a page with status 200": Answer(body=b"<!doctype html><p>Please log in"),
    "nothing": Answer(body=b""),
    "a header and no row": Answer(body=b"Agency,State,County,Since,Type\n"),
    "another table": Answer(body=b"a,b\n1,2\n"),
    "cut off": Answer(body=csv(agencies(30)), cut=100),
}


@pytest.mark.parametrize("answer", BAD.values(), ids=BAD.keys())
def test_a_failed_poll_leaves_everything_as_it_was_and_its_evidence(
    sqlite_publication: Publication, answer: Answer
) -> None:
    sqlite_publication.seen(agencies(30))
    sqlite_publication.seen(agencies(29))
    before = {
        table: rows(sqlite_publication.engine, table)
        for table in ("listing", "change", "validator", "snapshot")
    }
    waiting = rows(sqlite_publication.engine, "source")[0]

    sqlite_publication.server.script("/list.csv", [replace(answer, etag='"bad"')])
    outcome = sqlite_publication.poll()

    assert outcome.outcome.value == "failed"
    assert outcome.reason
    assert outcome.pending == 1
    assert {table: rows(sqlite_publication.engine, table) for table in before} == before
    fetch = rows(sqlite_publication.engine, "fetch")[-1]
    assert (fetch["outcome"], fetch["reason"]) == ("failed", outcome.reason)
    source = rows(sqlite_publication.engine, "source")[0]
    assert source["last_good_at"] == waiting["last_good_at"] == sqlite_publication.now - HOUR
    assert source["last_fetch_at"] == sqlite_publication.now

    sqlite_publication.publish(agencies(29))
    assert counts(sqlite_publication.poll()) == ("published", 0, 1, 0, 0, 0)


def test_an_answer_that_asks_to_wait_puts_the_next_poll_off(publication: Publication) -> None:
    publication.seen(agencies(30))
    assert rows(publication.engine, "source")[0]["next_poll_at"] == publication.now + HOUR

    publication.server.script("/list.csv", [Answer(503, headers={"Retry-After": "7200"})])
    publication.poll()

    assert rows(publication.engine, "source")[0]["next_poll_at"] == publication.now + 2 * HOUR


def test_unreadable_bodies_are_kept_once_in_a_row(sqlite_publication: Publication) -> None:
    sqlite_publication.seen(agencies(30))
    for number in range(3):
        sqlite_publication.server.put("/list.csv", b"<html>error %d</html>" % number)
        assert sqlite_publication.poll().outcome.value == "failed"

    assert len(rows(sqlite_publication.engine, "body")) == 2


def test_a_rejected_publication_is_kept_with_its_reason_and_moves_nothing(publication: Publication) -> None:
    publication.seen(agencies(60))
    publication.seen(agencies(59))
    before = {
        table: rows(publication.engine, table) for table in ("listing", "change", "changeset", "validator")
    }

    outcome = publication.seen(agencies(30))

    assert counts(outcome) == ("rejected", 0, 0, 0, 1, 0)
    assert {table: rows(publication.engine, table) for table in before} == before
    snapshot = rows(publication.engine, "snapshot")[-1]
    assert (snapshot["verdict"], snapshot["reason"], snapshot["listings"]) == ("rejected", outcome.reason, 30)
    fetch = rows(publication.engine, "fetch")[-1]
    assert (fetch["outcome"], fetch["reason"]) == ("rejected", outcome.reason)
    assert len(rows(publication.engine, "body")) == 3
    assert rows(publication.engine, "source")[0]["last_good_at"] == publication.now - HOUR


def test_what_is_rejected_stays_so_without_being_parsed_again_and_a_pending_change_keeps_its_clock(
    publication: Publication, monkeypatch: pytest.MonkeyPatch
) -> None:
    publication.seen(agencies(60))
    publication.seen(agencies(59))
    first_missed = publication.now
    publication.seen(agencies(30))
    with monkeypatch.context() as patched:
        patched.setattr(sources, "parse", lambda *_: pytest.fail("it was parsed"))
        for _ in range(3):
            assert counts(publication.poll(timedelta(hours=23))) == ("rejected", 0, 0, 0, 1, 0)
    snapshots = rows(publication.engine, "snapshot")
    assert len(snapshots) == 3
    assert snapshots[-1]["last_seen_at"] == publication.now

    assert counts(publication.seen(agencies(59))) == ("published", 0, 1, 0, 0, 0)
    assert rows(publication.engine, "change")[0]["first_seen_at"] == first_missed


def test_rows_dated_in_the_future_are_not_believed_when_their_day_comes(
    sqlite_publication: Publication,
) -> None:
    sqlite_publication.seen(agencies(30))
    ahead = [agency(number, Since="2026-03-09") for number in range(40, 44)]

    assert sqlite_publication.seen([*agencies(30), *ahead], timedelta(days=5)).outcome.value == "rejected"
    assert sqlite_publication.poll(timedelta(hours=20)).outcome.value == "rejected"
    assert sqlite_publication.poll(timedelta(hours=20)).outcome.value == "rejected"


def test_an_old_list_that_is_put_up_again_is_rejected(sqlite_publication: Publication) -> None:
    sqlite_publication.seen(agencies(100))
    sqlite_publication.seen([*agencies(92), *(agency(number, Type="Warrants") for number in range(92, 100))])
    sqlite_publication.poll(timedelta(days=2))

    outcome = sqlite_publication.seen(agencies(100))

    assert outcome.outcome.value == "rejected"
    assert "published before" in outcome.reason


def test_one_damaged_row_does_not_take_its_listing_away(sqlite_publication: Publication) -> None:
    sqlite_publication.seen(agencies(30))
    broken = [*agencies(29), agency(29, Agency="#VALUE!")]

    assert sqlite_publication.seen(broken).held == 1
    assert counts(sqlite_publication.poll(timedelta(days=30))) == ("held", 0, 0, 0, 0, 1)
    assert counts(sqlite_publication.seen(agencies(30))) == ("unchanged", 0, 0, 0, 0, 0)
    assert [problem[0] for problem in rows(sqlite_publication.engine, "snapshot")[1]["problems"]]
    assert told(sqlite_publication) == []


def test_a_poll_that_was_overtaken_by_a_later_one_undoes_nothing(publication: Publication) -> None:
    publication.seen(agencies(30))
    publication.seen([*agencies(29), agency(29, Type="Task force")])
    latest = publication.now
    publication.publish(agencies(30))

    outcome = poll(publication.engine, publication.watch, publication.fetcher, now=latest - HOUR / 2)

    assert counts(outcome) == ("unchanged", 0, 0, 0, 0, 0)
    assert "later poll" in outcome.reason
    assert rows(publication.engine, "source")[0]["last_good_at"] == latest
    assert len(told(publication)) == 1


# --- bodies
# ------------------------------------------------------------------------------------------------------------


def test_a_body_is_given_back_as_it_was_fetched_and_takes_less_room(publication: Publication) -> None:
    body = csv(agencies(400))
    publication.seen(body)

    (kept,) = rows(publication.engine, "body")
    assert (kept["encoding"], kept["size"]) == ("zstd", len(body))
    assert len(kept["content"]) < len(body) / 3
    with reading(publication.engine) as conn:
        assert bodies.load_body(conn, kept["hash"]) == body
        assert bodies.load_body(conn, "0" * 64) is None


def test_a_changed_body_is_kept_by_its_difference_in_the_form_that_the_server_sent(
    publication: Publication,
) -> None:
    first, second = csv(agencies(400)), csv(agencies(401))
    for body in (first, second):
        publication.publish(gzip.compress(body, mtime=0), headers={"Content-Encoding": "gzip"})
        publication.poll()

    kept = rows(publication.engine, "body")
    assert [(row["encoding"], row["size"]) for row in kept] == [
        ("gzip", len(first)),
        ("difference", len(second)),
    ]
    assert len(kept[1]["content"]) * 10 < len(kept[0]["content"])
    with reading(publication.engine) as conn:
        for row, body in zip(kept, (first, second), strict=True):
            assert bodies.load_body(conn, row["hash"]) == body
            assert bodies.load_wire(conn, row["hash"]) == gzip.compress(body, mtime=0)


def test_a_damaged_body_is_a_failed_poll_that_says_so(sqlite_publication: Publication) -> None:
    """A new configuration has the last body read again, and the disk has lost a bit of it."""
    sqlite_publication.seen(agencies(400))
    with transaction(sqlite_publication.engine) as conn:
        content = bytearray(rows(sqlite_publication.engine, "body")[0]["content"])
        content[100] ^= 1
        conn.execute(sa.update(BodyRow).values(content=bytes(content)))
    sqlite_publication.reconfigure(
        options=replace(sqlite_publication.watch.options, columns=replace(COLUMNS, attributes=()))
    )

    outcome = sqlite_publication.poll()

    assert outcome.outcome.value == "failed"
    assert "restore the database from a backup" in outcome.reason.lower()
    assert rows(sqlite_publication.engine, "fetch")[-1]["reason"] == outcome.reason


def test_an_unchanged_poll_keeps_only_the_headers_that_are_news(publication: Publication) -> None:
    headers = {"Server": "a server", "X-Cache": "miss", "Set-Cookie": "id=1"}
    publication.server.script(
        "/list.csv",
        [
            Answer(body=csv(agencies(30)), headers=headers, etag='"1"'),
            Answer(body=csv(agencies(30)), headers=headers | {"X-Cache": "hit"}, etag='"1"'),
        ],
    )
    publication.poll()
    publication.poll()

    good, unchanged = rows(publication.engine, "fetch")
    assert ["server", "a server"] in good["headers"]
    assert "set-cookie" not in dict(good["headers"])
    assert unchanged["headers"] == [["x-cache", "hit"]]
    assert unchanged["url"] is None


def test_states_of_changes_are_those_of_the_domain(sqlite_publication: Publication) -> None:
    sqlite_publication.seen(agencies(30))
    sqlite_publication.seen(agencies(29))
    with reading(sqlite_publication.engine) as conn:
        (row,) = changes.load_standing(conn, "list")
    assert row.state is State.PENDING
    assert row.standing.change == row.change


def test_a_server_that_says_not_modified_for_ever_is_noticed_within_a_day(publication: Publication) -> None:
    publication.seen(agencies(30))
    publication.publish([*agencies(30), agency(40)], etag='"1"')  # changed content under the old ETag
    for _ in range(23):
        assert publication.poll().outcome.value == "unchanged"
    assert rows(publication.engine, "fetch")[-1]["status"] == 304
    assert counts(publication.poll()) == ("published", 1, 0, 0, 0, 0)


def test_a_file_cut_inside_its_last_cell_is_not_believed_and_is_over_with_the_whole_file(
    publication: Publication,
) -> None:
    whole = csv([*agencies(29), agency(29, Type="Task Force Model")])
    publication.seen(whole)
    cut = publication.seen(whole[:-9])
    assert cut.outcome.value == "rejected"
    assert "It may be cut off." in cut.reason
    assert publication.seen(whole).outcome.value == "unchanged"
    # a publisher that never writes the last line's end is none
    assert (
        publication.seen(csv([*agencies(29), agency(29, Type="Task Force")])[:-1]).outcome.value == "rejected"
    )
    assert rows(publication.engine, "change") == []


def test_every_publication_of_three_days_is_rejected_and_then_judged(sqlite_publication: Publication) -> None:
    sqlite_publication.seen(agencies(60))
    for hour in range(72):
        outcome = sqlite_publication.seen([*agencies(40), *agencies(1, 100 + hour)])
        assert outcome.outcome.value == "rejected"
    assert counts(sqlite_publication.seen([*agencies(40), agency(300)])) == ("published", 1, 0, 0, 0, 20)


def test_a_body_without_room_on_the_disk_is_read_and_not_kept_and_everything_says_so(
    sqlite_publication: Publication,
) -> None:
    engine = sqlite_publication.engine
    sqlite_publication.seen(agencies(30))
    sqlite_publication.reconfigure(has_room=lambda size: False)
    outcome = sqlite_publication.seen(agencies(31))
    assert (outcome.outcome.value, outcome.added) == ("published", 1)
    with engine.connect() as conn:
        state = overview.load_overview(conn, "list")
        leaves = log_rows.load_leaf_range(conn, 0, log_rows.load_head(conn).size)
        polls = [entry for leaf in leaves if (entry := json.loads(leaf.content))["type"] == "poll"]
    assert state.last_reason == NOT_KEPT
    assert not state.body_kept
    assert [entry.get("body_kept") for entry in polls] == [None, 0]

    # with room again, what is still served is kept
    sqlite_publication.reconfigure(has_room=lambda size: True)
    sqlite_publication.publish(agencies(31))
    assert sqlite_publication.poll().outcome.value == "unchanged"
    with engine.connect() as conn:
        assert overview.load_overview(conn, "list").body_kept
