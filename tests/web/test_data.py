"""The data files and the API over HTTP, as programs of strangers use them."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import zstandard
from sqlalchemy.engine import Engine

from monitor.record.data.data_files import FILES
from monitor.record.data.dump import write_dump
from monitor.record.data.models import TABLES
from monitor.web import api_models, api_versions, create_app
from monitor.web.api_versions import ApiChangeEntry
from tests.peers.browser import served
from tests.web.conftest import Running
from tests.web.story import SOURCE, SOURCES, START, Clock, site

FOLDER = f"/data/{SOURCE}"
OPEN = [
    f"{FOLDER}/agencies.csv",
    f"{FOLDER}/datapackage.json",
    f"{FOLDER}/agencies.csv.gz",
    f"{FOLDER}/dataset.jsonld",
    "/data/record.sqlite",
    "/data/catalog.jsonld",
    "/data/dataset.jsonld",
    "/api/v1/lists",
    f"/api/v1/agencies?source={SOURCE}",
    "/api/v1/openapi.json",
    "/feed.atom",
    "/feed.json",
]
BROKEN = ["/data/none/agencies.csv", f"{FOLDER}/none.csv", "/api/v1/none", "/api/v1/zip/x", "/data/a/b/c"]


@pytest.fixture(autouse=True)
def fresh_minute(web: Running) -> None:
    """Each test asks in a minute of its own: the limit counts per minute."""
    fresh_minute.minutes = getattr(fresh_minute, "minutes", 0) + 1  # type: ignore[attr-defined]
    web.clock.now += timedelta(minutes=fresh_minute.minutes)  # type: ignore[attr-defined]


def get_json(web: Running, path: str) -> Any:
    answer = web.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def check_is_open(answer: httpx.Response) -> None:
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", OPEN)
def test_data_is_open_to_every_page_and_304_too(web: Running, path: str) -> None:
    answer = web.get(path)
    assert answer.status_code == 200
    check_is_open(answer)
    assert int(answer.headers["content-length"]) == len(answer.content)
    again = web.get(path, **{"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""
    check_is_open(again)
    head = web.ask("HEAD", path)
    assert (head.status_code, head.content) == (200, b"")
    asked = web.ask("OPTIONS", path, headers={"Origin": "https://other.example"})
    assert asked.status_code == 204
    assert "If-None-Match" in asked.headers["access-control-allow-headers"]
    check_is_open(asked)


@pytest.mark.parametrize("path", BROKEN)
def test_errors_are_open_and_say_the_way_out(web: Running, path: str) -> None:
    answer = web.get(path)
    assert 400 <= answer.status_code < 500
    check_is_open(answer)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = api_models.ProblemAnswer.model_validate(answer.json())
    assert problem.status == answer.status_code
    assert problem.detail


@pytest.mark.parametrize(
    ("ranges", "status"),
    [
        ("bytes=0-5", 206),
        ("bytes=0-0, -3", 206),
        ("bytes=999999999-", 416),
        ("lines=0-5", 200),
        ("bytes", 200),
        ("bytes=abc", 200),
        ("bytes=5-2", 200),
        (f"bytes={'9' * 5_000}-", 200),
    ],
)
def test_a_part_of_a_file_is_sent_and_what_is_no_range_of_bytes_is_ignored(
    web: Running, ranges: str, status: int
) -> None:
    whole = web.get(f"{FOLDER}/agencies.csv").content
    answer = web.get(f"{FOLDER}/agencies.csv", Range=ranges)
    assert answer.status_code == status
    check_is_open(answer)
    if status == 200:
        assert answer.content == whole
    if ranges == "bytes=0-5":
        assert answer.content == whole[:6]


def test_pages_stay_closed(web: Running) -> None:
    for path in ("/data", "/api", "/changes"):
        answer = web.get(path)
        assert answer.status_code == 200
        assert "access-control-allow-origin" not in answer.headers
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_the_package_describes_every_file(web: Running) -> None:
    package = get_json(web, f"{FOLDER}/datapackage.json")
    assert [each["path"] for each in package["resources"]] == list(FILES)
    for each in package["resources"]:
        content = web.get(f"{FOLDER}/{each['path']}").content
        assert each["bytes"] == len(content)
        assert each["hash"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
        if "schema" in each:
            rows = list(csv.reader(io.StringIO(content.decode())))
            assert rows[0] == [field["name"] for field in each["schema"]["fields"]]
            assert all(len(row) == len(rows[0]) for row in rows)


def test_every_file_is_there_compressed_and_unpacks_to_the_same_bytes(web: Running) -> None:
    for name in FILES:
        plain, packed = web.get(f"{FOLDER}/{name}"), web.get(f"{FOLDER}/{name}.gz")
        assert gzip.decompress(packed.content) == plain.content, name
        assert "content-encoding" not in packed.headers
        assert packed.headers["content-type"] == "application/gzip"
        assert packed.headers["etag"] != plain.headers["etag"]
        assert packed.content[3:8] == bytes(5)  # neither a name nor a time
    page = web.get("/data").text
    assert f'href="{FOLDER}/changes.ndjson.gz"' in page
    then = f"{START + timedelta(hours=1, minutes=30):%Y-%m-%dT%H:%M:%SZ}"
    moved = web.get(f"{FOLDER}/agencies.csv.gz?at={then}").headers["location"]
    past = web.get(moved)
    assert gzip.decompress(past.content) == web.get(moved.replace(".csv.gz", ".csv")).content
    assert web.get(f"{FOLDER}/agencies.csv.gz?state=IN").status_code == 400
    assert web.get(f"{FOLDER}/datapackage.json.gz").status_code == 404


def test_a_list_describes_itself_as_a_dataset(web: Running) -> None:
    found = web.get(f"/list/{SOURCE}").headers["link"]
    assert f'{FOLDER}/dataset.jsonld>; rel="describedby"' in found
    described = get_json(web, f"{FOLDER}/dataset.jsonld")
    assert (described["@context"], described["@type"]) == ("https://schema.org", "Dataset")
    assert described["temporalCoverage"] == "2026-03-01/.."
    assert described["dateModified"] > "2026-03-01T12:00:00"
    for each in described["distribution"]:
        content = web.get(f"{FOLDER}/{each['name']}").content
        assert each["sha256"] == hashlib.sha256(content).hexdigest()
        assert each["contentSize"] == f"{len(content)} B"
    whole = get_json(web, "/data/dataset.jsonld")["@graph"]
    assert [{"@context": "https://schema.org", **each} for each in whole] == [described]


def test_a_list_that_was_never_read_has_no_files(web: Running, tmp_path: Path) -> None:
    """An empty file would say that its publisher lists nobody."""
    unread = replace(SOURCES[SOURCE], name="unread")
    made = site(web.engine, web.clock, folder=tmp_path)
    assert made.data_files is not None
    sources = {**SOURCES, "unread": unread}
    files = replace(made.data_files, sources=sources)
    assert files.list_read() == (SOURCE,)
    with served(create_app(replace(made, sources=sources, data_files=files))) as address:
        for name in ("agencies.csv", "polls.csv", "datapackage.json", "dataset.jsonld"):
            answer = web.client.get(f"{address}/data/unread/{name}")
            assert answer.status_code == 404
            assert answer.json()["detail"] == "Nothing was read of this list yet."
        for name in ("catalog.jsonld", "dataset.jsonld", "record.sqlite"):
            answer = web.client.get(f"{address}/data/{name}")
            assert answer.status_code == 200
            assert "/data/unread" not in answer.text
    packed = io.BytesIO()
    write_dump(packed, files)
    with tarfile.open(
        fileobj=zstandard.ZstdDecompressor().stream_reader(io.BytesIO(packed.getvalue())), mode="r|"
    ) as archive:
        assert {name.split("/")[1] for name in archive.getnames() if "/" in name and "data" in name} == {
            SOURCE,
            "record.sqlite",
        }


def test_the_file_of_a_moment_is_the_list_of_then(web: Running) -> None:
    now = get_json(web, f"{FOLDER}/agencies.json")
    then = f"{START + timedelta(hours=1, minutes=30):%Y-%m-%dT%H:%M:%SZ}"
    moved = web.get(f"{FOLDER}/agencies.json?at={then}")
    assert moved.status_code == 307
    check_is_open(moved)
    past = get_json(web, moved.headers["location"])
    names = [{each["name"] for each in found["agencies"]} for found in (past, now)]
    assert "Springfield Police Department" in names[0] - names[1]
    assert "Gary Police Department" in names[1] - names[0]
    assert web.get(f"{FOLDER}/agencies.json?at=2001-01-01").status_code == 404
    assert web.get(f"{FOLDER}/versions.csv?at=2026-03-01").status_code == 400


def test_a_csv_of_one_state_that_joined_in_one_year(web: Running) -> None:
    content = web.get(f"{FOLDER}/agencies.csv?state=IN&joined=2025").text
    rows = list(csv.DictReader(io.StringIO(content)))
    assert sorted(row["name"] for row in rows) == [
        "Indiana State Police", "Lake County Sheriff's Office", "Zyxwv Task Force",
    ]  # fmt: skip


def test_geojson_has_longitude_first_and_null_where_not_placed(web: Running) -> None:
    found = get_json(web, f"{FOLDER}/agencies.geojson")
    assert found["type"] == "FeatureCollection"
    assert "GeoNames" in found["attribution"]
    shapes = {each["properties"]["name"]: each["geometry"] for each in found["features"]}
    assert shapes["Zyxwv Task Force"] is None
    assert shapes["Indiana State Police"] is None
    east, north = shapes["Gary Police Department"]["coordinates"]
    assert (round(east), round(north)) == (-87, 42)


def test_answers_are_what_the_schema_says(web: Running) -> None:
    schema = get_json(web, "/api/v1/openapi.json")
    assert schema["openapi"] == "3.1.0"
    checks = {
        "/api/v1/lists": api_models.ListsAnswer,
        "/api/v1/agencies?state=IN": api_models.AgenciesAnswer,
        "/api/v1/changes": api_models.ChangesAnswer,
        "/api/v1/polls": api_models.PollsAnswer,
        "/api/v1/zip/46402": api_models.ZipAnswer,
        "/api/v1/log": api_models.LogAnswer,
        "/api/v1/changelog.json": api_models.ChangelogAnswer,
    }
    for path, model in checks.items():
        found = get_json(web, path)
        model.model_validate(found)
        assert list(found) == list(model.model_fields), path
    body = schema["paths"]["/api/v1/bodies/{sha256}"]["get"]["responses"]["200"]
    assert list(body["content"]) == ["application/octet-stream"]
    agency = get_json(web, "/api/v1/agencies?limit=1")["agencies"][0]["agency"]
    whole = get_json(web, f"/api/v1/agencies/{SOURCE}/{agency}")
    api_models.AgencyAnswer.model_validate(whole)
    assert whole["versions"][-1]["to_number"] is None
    described = {path.partition("?")[0] for path in checks}
    assert described < set(schema["paths"]) | {"/api/v1/zip/46402"}


def test_pages_of_agencies_are_the_whole_list_once(web: Running) -> None:
    whole = get_json(web, f"{FOLDER}/agencies.json")["agencies"]
    path, found = "/api/v1/agencies?limit=2", []
    while path:
        page = get_json(web, path)
        found += page["agencies"]
        path = (page["next"] or "").removeprefix("https://watch.example")
    assert found == whole
    assert len(found) > 4


def test_a_copy_kept_by_changes_equals_the_list_at_every_number(web: Running) -> None:
    copy: dict[str, Any] = {}
    states: dict[int, dict[str, Any]] = {}
    moments: dict[int, str] = {}
    path = "/api/v1/changes?since=0&limit=3"
    while path:
        page = get_json(web, path)
        for step in page["changes"]:
            if step["after"] is None:
                del copy[step["agency"]]
            else:
                copy[step["agency"]] = step["after"]
            states[step["number"]] = dict(copy)
            moments[step["number"]] = step["at"]
        path = (page["next"] or "").removeprefix("https://watch.example")
    assert len(states) >= 5
    fields = list(api_models.ListingFields.model_fields)
    for number, state in states.items():
        resumed = web.get(f"/api/v1/changes?since={number}&limit=1").json()
        assert all(step["number"] > number for step in resumed["changes"])
        listed = get_json(web, f"/api/v1/agencies?number={number}&limit=500")
        assert listed["number"] == number
        assert get_json(web, f"/api/v1/agencies?at={moments[number]}&limit=500")["number"] == number
        assert state == {each["agency"]: {name: each[name] for name in fields} for each in listed["agencies"]}


def test_a_moment_gives_what_was_seen_and_a_number_what_was_believed(web: Running) -> None:
    """Springfield was missing at a poll, and believed to be gone an hour later."""
    (step,) = get_json(web, "/api/v1/changes?kind=removed")["changes"]
    name, missing = step["before"]["name"], step["change"]["first_seen_at"]
    at = get_json(web, f"/api/v1/agencies?at={missing}&limit=3")
    names = [each["name"] for each in at["agencies"]]
    while at["next"]:
        at = get_json(web, at["next"].removeprefix("https://watch.example"))
        names += [each["name"] for each in at["agencies"]]
    believed = get_json(web, f"/api/v1/agencies?number={at['number']}")["agencies"]
    assert name not in names
    assert {each["name"] for each in believed} - set(names) == {name}
    assert at["number"] < step["number"]
    assert web.get(f"/api/v1/agencies?number={at['number']}&at={missing}").status_code == 400
    assert web.get("/api/v1/agencies?number=99").status_code == 404
    past = get_json(web, f"{FOLDER}/agencies.json?at={missing}")
    assert (past["at"], {each["name"] for each in past["agencies"]}) == (missing, set(names))


def test_a_file_can_have_those_that_joined_and_left_again(web: Running) -> None:
    def load(query: str) -> dict[str, dict[str, str]]:
        rows = csv.DictReader(io.StringIO(web.get(f"{FOLDER}/agencies.csv?{query}").text))
        return {row["name"]: row for row in rows}

    now, every = load("joined=2025"), load("joined=2025&left=1")
    assert set(every) - set(now) == {"Springfield Police Department"}
    assert every["Springfield Police Department"]["gone_at"] == "2026-03-01T15:00:00Z"
    assert {row["gone_at"] for row in now.values()} == {""}
    assert {row["attributes_text"] for row in now.values()} == {"Type: Jail", "Type: State"}
    assert "Springfield Police Department" in load("state=IL&left=1")
    named = web.get(f"{FOLDER}/agencies.csv?joined=2025&left=1").headers["content-disposition"]
    assert "list-joined-2025-with-departed-agencies.csv" in named
    assert web.get(f"{FOLDER}/changes.csv?left=1").status_code == 400
    assert web.get(f"{FOLDER}/agencies.csv?left=2").status_code == 400
    changed = [
        row["differences"]
        for row in csv.DictReader(io.StringIO(web.get(f"{FOLDER}/changes.csv").text))
        if row["kind"] == "changed"
    ]
    assert changed == [
        "name: Chicago Police Department -> Chicago Police Dept and Bureau",
        "Type: Jail -> Task force",
    ]


def test_published_changes_stand_beside_their_steps(web: Running) -> None:
    steps = get_json(web, "/api/v1/changes?kind=removed")["changes"]
    assert [step["change"]["name"] for step in steps] == ["Springfield Police Department"]
    assert steps[0]["change"]["not_before"] < steps[0]["change"]["first_seen_at"] <= steps[0]["at"]
    first = get_json(web, "/api/v1/changes?limit=1")["changes"][0]
    assert first["change"] is None
    assert {step["agency"] for step in get_json(web, "/api/v1/changes?zip=46402&since=1")["changes"]}


def test_a_publication_has_the_bytes_of_its_hash(web: Running) -> None:
    polls = get_json(web, "/api/v1/polls?limit=1")
    assert polls["next"]
    sha256 = polls["polls"][0]["sha256"]
    answer = web.get(f"/api/v1/bodies/{sha256}")
    assert hashlib.sha256(answer.content).hexdigest() == sha256
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert web.get(f"/api/v1/bodies/{'0' * 64}").status_code == 404


def test_the_api_has_a_limit_and_the_files_have_none(web: Running) -> None:
    answers = [web.get("/api/v1/log") for _ in range(62)]
    refused = answers[-1]
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) <= 60
    check_is_open(refused)
    assert "/data" in refused.json()["detail"]
    assert web.get(f"{FOLDER}/agencies.csv").status_code == 200
    web.clock.now += timedelta(minutes=1)
    assert web.get("/api/v1/log").status_code == 200


def test_an_address_that_goes_says_so_a_year_before() -> None:
    entry = ApiChangeEntry(
        START.date(), "Goes.", "/api/v1/old", START.date() + timedelta(days=400), "/api/v2/new"
    )
    headers = api_versions.deprecation_headers("/api/v1/old/1", [entry])
    assert headers["Deprecation"] == "@1772323200"
    assert headers["Sunset"].endswith("GMT")
    assert 'rel="successor-version"' in headers["Link"]
    assert api_versions.deprecation_headers("/api/v1/new", [entry]) == {}
    for each in api_versions.CHANGELOG:
        assert each.sunset is None or each.sunset - each.day >= timedelta(days=365)


def test_the_json_feed_has_the_entries_of_the_atom_feed(web: Running) -> None:
    feed = get_json(web, "/feed.json")
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["feed_url"] == "https://watch.example/feed.json"
    atom = web.get("/feed.atom").text
    assert len(feed["items"]) == 4
    for item in feed["items"]:
        assert item["id"] in atom
        assert item["title"]
        assert item["content_text"]
    assert [item["title"] for item in get_json(web, "/zip/46402/feed.json")["items"]] == [
        "Gary Police Department (IN) added to The camera list"
    ]


FROZEN = json.loads(
    """{
"agencies": ["name","state","state_text","county","city","since","url","documents","attributes","source_id",
 "latitude","longitude","source","agency","version_number","version_at","serves","confidence","zips","captured_by",
 "first_seen_at","gone_at","attributes_text"],
"versions": ["name","state","state_text","county","city","since","url","documents","attributes","source_id",
 "latitude","longitude","source","agency","from_number","to_number","from_at","to_at","captured_by","seen_from",
 "seen_to","attributes_text"],
"changes": ["source","id","number","kind","agency","name","state","fields","not_before","first_seen_at",
 "published_at","was_held","before","after","origin","captured_by","retracted_at","retraction","differences",
 "since","attributes_text"],
"polls": ["source","id","at","outcome","status","reason","url","bytes","sha256","leaf"]
}"""
)


def test_fields_of_version_1_are_never_renamed_or_removed() -> None:
    for table, names in FROZEN.items():
        assert list(TABLES[table].model_fields)[: len(names)] == names
    assert list(FILES) == [
        "agencies.csv", "agencies.json", "agencies.geojson", "versions.csv", "changes.csv", "changes.ndjson",
        "polls.csv",
    ]  # fmt: skip


ENVELOPES = {
    "ListRecord": "source title publisher url number at agencies last_poll_at last_good_at",
    "ListsAnswer": "lists",
    "AgenciesAnswer": "source number at agencies next",
    "AgencyAnswer": "source agency versions changes",
    "StepRecord": "number at kind agency before after change",
    "ChangesAnswer": "source number changes next resume",
    "PollsAnswer": "source polls next",
    "ServingAgency": "why",
    "ZipAnswer": "zip state towns agencies not_placed",
    "LogAnswer": "head size checkpoint key tiles",
    "ApiChange": "day text address sunset",
    "ChangelogAnswer": "version changes",
    "ProblemAnswer": "type title status detail",
}


@pytest.mark.parametrize("name", list(ENVELOPES))
def test_fields_of_answers_are_never_renamed_or_removed(name: str) -> None:
    """What stands around the records is part of version 1 too."""
    fields = set(getattr(api_models, name).model_fields)
    assert set(ENVELOPES[name].split()) <= fields


def test_an_unknown_key_of_the_api_is_a_problem_whatever_it_ends_with(web: Running) -> None:
    for key in ("nobody_", "nobody.", "__main__", "nobody)"):
        answer = web.get(f"/api/v1/agencies/{SOURCE}/{key}")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json"), key


def test_a_key_with_a_nul_is_unknown_on_both_databases(
    engine: Engine, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    """The real bytes: PostgreSQL refused the statement, and the log asked to report an error of ours."""
    with served(create_app(site(engine, Clock(now)))) as address:
        keys = (f"/api/v1/agencies/{SOURCE}/%00", f"/api/v1/agencies/{SOURCE}/a%00b")
        for path in (*keys, "/evidence/document/%00"):
            assert httpx.get(address + path, trust_env=False, timeout=300).status_code == 404, path
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
