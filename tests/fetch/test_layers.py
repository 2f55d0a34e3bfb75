"""Lists that come in pages: an ArcGIS layer that is whole, and servers that lie in each way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from monitor.fetch import Fetched, Fetcher, FetchFailed, Target
from monitor.net import SizeLimits
from monitor.sources import ColumnMap, ParseOptions, parse
from monitor.sources.arcgis import collect

OPTIONS = ParseOptions(
    "layer", "arcgis", ColumnMap(name="Agency", state="ST", since="JOINED"), settings={"page_size": 3}
)
FIELDS = [
    {"name": "FID", "type": "esriFieldTypeOID"},
    {"name": "AGENCY", "type": "esriFieldTypeString"},
    {"name": "ST", "type": "esriFieldTypeString"},
    {"name": "JOINED", "type": "esriFieldTypeDate"},
    {"name": "PILOT", "type": "esriFieldTypeString"},
]
Lie = Callable[["Layer", dict[str, str], dict[str, Any]], None]


class Layer:
    """A feature layer with seven records; ``lie`` changes an answer before it is sent."""

    def __init__(self, lie: Lie | None = None) -> None:
        self.ids = [5, 1, 9, 3, 12, 30, 31]
        self.requests: list[dict[str, str]] = []
        self.lie = lie or (lambda layer, request, answer: None)

    def answer(self, path: str) -> bytes:
        parts = urlsplit(path)
        request = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.requests.append(request)
        answer: dict[str, Any] = {"fields": FIELDS, "objectIdField": "FID", "maxRecordCount": 1000}
        if "returnCountOnly" in request:
            answer = {"count": len(self.ids)}
        elif "returnIdsOnly" in request:
            answer = {"objectIdFieldName": "FID", "objectIds": list(self.ids)}
        elif parts.path.endswith("/query"):
            bounds = [int(part.split("=")[1]) for part in request["where"].split(" AND ")[1:]]
            low, high = bounds or (0, 1000)
            chosen = [number for number in self.ids if low <= number <= high]
            names = [field["name"] for field in FIELDS]
            fields = names if request["outFields"] == "*" else request["outFields"].split(",")
            answer = {"features": [self.record(number, fields) for number in chosen]}
        self.lie(self, request, answer)
        return json.dumps(answer).encode()

    def record(self, number: int, fields: list[str]) -> dict[str, Any]:
        values = {
            "FID": number,
            "AGENCY": f"Police {number}",
            "ST": "IN",
            "JOINED": 1525737600000,
            "PILOT": "x",
        }
        return {"attributes": {name: values[name] for name in fields}, "geometry": {"x": -87.5, "y": 41.5}}


@contextmanager
def served(layer: Layer) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = layer.answer(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/rest/services/Agencies/FeatureServer/0"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def target(url: str, options: ParseOptions = OPTIONS) -> Target:
    return Target(url=url, collect=partial(collect, options=options))


def get(fetcher: Fetcher, layer: Layer, options: ParseOptions = OPTIONS) -> Fetched:
    with served(layer) as url:
        fetched = fetcher.get(target(url, options))
    assert isinstance(fetched, Fetched)
    return fetched


def test_a_layer_is_read_page_by_page_as_one_body(fetcher: Fetcher) -> None:
    layer = Layer()
    with served(layer) as url:
        fetched = fetcher.get(target(url))
    assert isinstance(fetched, Fetched)
    assert fetched.final_url == url
    assert len(layer.requests) == 1 + 2 + 3 + 1
    publication = parse(fetched.body, OPTIONS)
    names = [listing.name for listing in publication.listings]
    assert names == [f"Police {number}" for number in (1, 3, 5, 9, 12, 30, 31)]
    assert {listing.point for listing in publication.listings} == {(41.5, -87.5)}
    assert not publication.problems
    document = json.loads(fetched.body)
    assert len(document["pages"]) == 3
    assert all(len(digest) == 64 for digest in document["pages"])


def test_only_configured_columns_are_fetched_and_kept(fetcher: Fetcher) -> None:
    layer = Layer()
    body = get(fetcher, layer).body
    assert {request.get("outFields") for request in layer.requests} == {None, "FID,AGENCY,ST,JOINED"}
    assert b"PILOT" not in body


def test_the_order_of_a_servers_answers_does_not_change_the_body(fetcher: Fetcher) -> None:
    def reorder(layer: Layer, request: dict[str, str], answer: dict[str, Any]) -> None:
        answer.get("objectIds", []).reverse()

    layer = Layer(reorder)
    layer.ids.sort()
    assert get(fetcher, layer).sha256 == get(fetcher, Layer(sort_features)).sha256


@pytest.mark.parametrize("write", [str, float])
def test_object_ids_that_are_texts_or_have_a_point_are_read(
    fetcher: Fetcher, write: Callable[[int], object]
) -> None:
    def rewrite(layer: Layer, request: dict[str, str], answer: dict[str, Any]) -> None:
        if "objectIds" in answer:
            answer["objectIds"] = list(map(write, answer["objectIds"]))
        for feature in answer.get("features", ()):
            feature["attributes"]["FID"] = write(feature["attributes"]["FID"])

    got = get(fetcher, Layer(rewrite))
    names = [listing.name for listing in parse(got.body, OPTIONS).listings]
    assert names == [listing.name for listing in parse(get(fetcher, Layer()).body, OPTIONS).listings]


def sort_features(layer: Layer, request: dict[str, str], answer: dict[str, Any]) -> None:
    answer.get("features", []).sort(key=lambda feature: feature["attributes"]["FID"])


def test_a_layer_that_changes_once_in_the_middle_is_read_again(fetcher: Fetcher) -> None:
    def grow_once(layer: Layer, request: dict[str, str], answer: dict[str, Any]) -> None:
        if "features" in answer and len(layer.ids) == 7:
            layer.ids.append(40)

    publication = parse(get(fetcher, Layer(grow_once)).body, OPTIONS)
    assert len(publication.listings) == 8


def lose_a_record(layer: Layer, request: dict[str, str], answer: dict[str, Any]) -> None:
    if "features" in answer:
        answer["features"].pop()


def repeat_a_record(layer: Layer, request: dict[str, str], answer: dict[str, Any]) -> None:
    if "features" in answer:
        answer["features"][-1] = answer["features"][0]


def ignore_the_page(layer: Layer, request: dict[str, str], answer: dict[str, Any]) -> None:
    if "features" in answer:
        answer["features"] = [layer.record(number, ["FID", "AGENCY"]) for number in sorted(layer.ids)[:3]]


def exceed(layer: Layer, request: dict[str, str], answer: dict[str, Any]) -> None:
    if "features" in answer:
        answer["exceededTransferLimit"] = True


def fail_late(layer: Layer, request: dict[str, str], answer: dict[str, Any]) -> None:
    if len([x for x in layer.requests if "outFields" in x]) % 3 == 0 and "features" in answer:
        answer.clear()
        answer["error"] = {"code": 500, "message": "secret"}


def count_more(layer: Layer, request: dict[str, str], answer: dict[str, Any]) -> None:
    if "count" in answer:
        answer["count"] += 1


def count_other_at_the_end(layer: Layer, request: dict[str, str], answer: dict[str, Any]) -> None:
    if "count" in answer and "outFields" in layer.requests[-2]:
        answer["count"] -= 1


def count_none(layer: Layer, request: dict[str, str], answer: dict[str, Any]) -> None:
    if "count" in answer:
        answer["count"] = 0


def name_an_id_twice(layer: Layer, request: dict[str, str], answer: dict[str, Any]) -> None:
    if "objectIds" in answer:
        answer["objectIds"][0] = answer["objectIds"][1]


def name_no_ids(layer: Layer, request: dict[str, str], answer: dict[str, Any]) -> None:
    if "objectIds" in answer:
        answer["objectIds"] = None


def hide_the_object_id(layer: Layer, request: dict[str, str], answer: dict[str, Any]) -> None:
    if "objectIdField" in answer:
        answer["objectIdField"] = "1=1; DROP"


def rename_the_column(layer: Layer, request: dict[str, str], answer: dict[str, Any]) -> None:
    if "fields" in answer:
        answer["fields"] = [FIELDS[0], {"name": "ORG"}]


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        (lose_a_record, "answered 2 records of a page that has 3"),
        (repeat_a_record, "answered other records of a page"),
        (ignore_the_page, "answered other records of a page"),
        (exceed, "said that a page leaves records out"),
        (fail_late, "answered with the error 500"),
        (count_more, "counted 8 records and named 7"),
        (count_other_at_the_end, "counted 7 records before its pages were read and 6 after"),
        (count_none, "counted no record"),
        (name_an_id_twice, "named an object id twice"),
        (name_no_ids, "answered no object ids"),
        (hide_the_object_id, "has no object ids"),
        (rename_the_column, 'No field is called "Agency"; there are: FID, ORG'),
    ],
)
def test_a_layer_that_lies_is_a_failed_fetch(fetcher: Fetcher, lie: Lie, reason: str) -> None:
    with pytest.raises(FetchFailed, match=reason) as caught:
        get(fetcher, Layer(lie))
    assert caught.value.transient
    assert "secret" not in str(caught.value)


def test_pages_that_together_are_too_large_are_a_failed_fetch(make: Callable[..., Fetcher]) -> None:
    with pytest.raises(FetchFailed, match="together are too large"):
        get(make(limits=SizeLimits(decoded=800)), Layer())


def test_a_page_that_redirects_elsewhere_is_a_failed_fetch(fetcher: Fetcher) -> None:
    def elsewhere(url: str) -> Any:
        yield "http://localhost:1/rest"

    with served(Layer()) as url, pytest.raises(FetchFailed, match="localhost, which is not an allowed host"):
        fetcher.get(Target(url=url, collect=elsewhere))
