"""GeoJSON as servers write it, and as they get it wrong."""

from __future__ import annotations

import json
from datetime import date

import pytest

from monitor.domain import Publication
from monitor.errors import ParseError
from monitor.sources import ColumnMap, ParseLimits, ParseOptions, parse
from tests.sources.golden import FOLDER

LAYER = ParseOptions("agencies", "geojson", ColumnMap(name="name", state="state", id="id", since="joined"))
BODY = (FOLDER / "features.geojson").read_bytes()


def feature(name: object = "Hammond Police", **properties: object) -> dict[str, object]:
    return {"type": "Feature", "properties": {"name": name, "state": "IN"} | properties, "geometry": None}


def collection(*features: object, **more: object) -> bytes:
    return json.dumps({"type": "FeatureCollection", "features": features} | more).encode()


def read(*features: object, **more: object) -> Publication:
    return parse(collection(*features, **more), LAYER)


def test_a_features_id_counts_where_the_configuration_names_it() -> None:
    publication = read({**feature(), "id": 17}, {**feature("Gary Police"), "id": "b"})
    assert [listing.source_id for listing in publication.listings] == ["17", "b"]


def test_a_property_called_id_hides_the_features() -> None:
    assert read({**feature(id="ORI7"), "id": 17}).listings[0].source_id == "ORI7"


@pytest.mark.parametrize("joined", [1582934400000, "1582934400000", "2020-02-29", "2/29/2020"])
def test_dates_come_as_milliseconds_and_texts(joined: object) -> None:
    assert read(feature(joined=joined)).listings[0].since == date(2020, 2, 29)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[]", "not a GeoJSON FeatureCollection"),
        (b'{"type": "Feature"}', "No property is called"),
        (b'{"error": {"code": 500}}', "its type is None"),
        (collection(), "no feature"),
        (collection(feature(), exceededTransferLimit=True), "there are more"),
        (collection(feature(), properties={"exceededTransferLimit": True}), "there are more"),
        (collection(feature(), links=[{"rel": "next", "href": "https://x.example"}]), "there are more"),
        (collection(feature(), numberMatched=2), "there are more"),
        (collection({"type": "Feature", "properties": {"title": "A"}}), "there are: id, title"),
        (collection(feature(None), 7), "None of the 2 features"),
        (b'{"type": -Infinity}', "-Infinity"),
        (b'{"type": NaN}', "its type is None"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"type": ' + b"9" * 5000 + b"}", "too long"),
        (b'{"type": "\xff"}', "its type is ÿ"),
        (b"", "empty"),
        (b"<html><title>Sign in</title></html>", "login page"),
    ],
)
def test_what_is_not_the_whole_layer_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(ParseError, match=reason):
        parse(body, LAYER)


@pytest.mark.parametrize("percent", range(0, 100, 3))
def test_a_layer_cut_at_any_percent_never_publishes(percent: int) -> None:
    with pytest.raises(ParseError):
        parse(BODY[: len(BODY) * percent // 100], LAYER)


def test_more_than_the_limit_is_refused() -> None:
    tight = ParseOptions("agencies", "geojson", LAYER.columns, ParseLimits(decoded=100))
    with pytest.raises(ParseError, match="larger than"):
        parse(BODY, tight)


@pytest.mark.parametrize(
    "geometry",
    [
        None, 7, {"type": "Point"}, {"type": "Point", "coordinates": []},
        {"type": "Point", "coordinates": ["a", "b"]},
        {"type": "LineString", "coordinates": [[1, 2], [3, 4]]},
    ],
)  # fmt: skip
def test_a_geometry_that_is_no_point_is_none(geometry: object) -> None:
    publication = read({**feature(), "geometry": geometry})
    assert publication.listings[0].point is None
    assert not publication.problems


GARY = json.dumps({**feature("Gary Police"), "geometry": {"type": "Point", "coordinates": [-87.3, 41.6]}})
HAMMOND = json.dumps(feature())


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (GARY, ["Gary Police"]),
        (f"{GARY}\n{HAMMOND}\n", ["Gary Police", "Hammond Police"]),
        (f"\ufeff{GARY}\r\n\r\n{HAMMOND}", ["Gary Police", "Hammond Police"]),
        (f"\x1e{GARY}\n\x1e{HAMMOND}\n", ["Gary Police", "Hammond Police"]),
    ],
)
def test_a_feature_alone_and_features_on_lines_are_read(body: str, names: list[str]) -> None:
    publication = parse(body.encode(), LAYER)
    assert [listing.name for listing in publication.listings] == names
    assert publication.listings[0].point == (41.6, -87.3)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (f"{GARY}\n{HAMMOND[:-9]}", "broken or cut off at line 2"),
        (f"{GARY}\n[]", "broken or cut off at line 2"),
        (f'{GARY}\n{{"type": "Point"}}', "no GeoJSON feature on each line: there is a Point"),
        ('{"type": "Polygon", "coordinates": []}', "a Polygon alone: no agency is named"),
        ('{"type": "FeatureCollection"}', "has no features"),
    ],
)
def test_what_is_no_line_of_features_is_refused(body: str, reason: str) -> None:
    with pytest.raises(ParseError, match=reason):
        parse(body.encode(), LAYER)


def test_collections_in_a_collection_and_beside_each_other_are_one_list() -> None:
    gary, lima = (json.loads(collection(feature(name))) for name in ("Gary Police", "Lima Police"))
    for document in ([gary, lima], {"type": "FeatureCollection", "features": [gary, lima]}):
        found = parse(json.dumps(document).encode(), LAYER)
        assert [listing.name for listing in found.listings] == ["Gary Police", "Lima Police"]


def test_collections_that_are_nested_too_deeply_or_not_whole_are_refused() -> None:
    document = json.loads(collection(feature("Gary Police")))
    for _ in range(200):
        document = {"type": "FeatureCollection", "features": [document]}
    part = json.loads(collection(feature("Lima Police"), exceededTransferLimit=True))
    for body, reason in ((document, "nested too deeply"), ([part, part], "there are more")):
        with pytest.raises(ParseError, match=reason):
            parse(json.dumps(body).encode(), LAYER)
