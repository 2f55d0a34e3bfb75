"""Points of agencies in columns: latitude and longitude, or both in one."""

from __future__ import annotations

import json

import pytest

from monitor.sources import ColumnMap, ParseOptions, parse
from monitor.sources.cells import read_point
from monitor.sources.proposals import propose

IN_TWO = ColumnMap(name="Agency", state="State", latitude="Lat", longitude="Lon")
IN_ONE = ColumnMap(name="Agency", state="State", point="Location")


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("41.6, -87.3", (41.6, -87.3)),
        ("(41.6,-87.3)", (41.6, -87.3)),
        ("555 Polk St Gary, IN (41.6, -87.3)", (41.6, -87.3)),
        ("POINT (-87.3 41.6)", (41.6, -87.3)),
        ("SRID=4326;POINT(-87.3 41.6)", (41.6, -87.3)),
        ("POINT Z (-87.3 41.6 12)", (41.6, -87.3)),
        ("-87.3; 41.6", (41.6, -87.3)),  # the array of a GeoJSON
        ("0, 0", None),
        ("0.0, 0.0", None),
        ("12, 400", None),
        ("Gary, IN 46402", None),
        ("POINT EMPTY", None),
        ("", None),
    ],
)
def test_a_text_is_read_as_a_point(text: str, point: tuple[float, float] | None) -> None:
    assert read_point(text) == point


def test_latitude_and_longitude_are_columns_of_any_table() -> None:
    rows = "Gary Police,IN,41.6,-87.3\nLima Police,OH,,\nKent Police,OH,n/a,n/a\nStow Police,OH,0,0\n"
    publication = parse(f"Agency,State,Lat,Lon\n{rows}".encode(), ParseOptions("x", "table", IN_TWO))
    assert [listing.point for listing in publication.listings] == [(41.6, -87.3), None, None, None]
    assert [(each.kind, each.row) for each in publication.problems] == [("bad point", 4), ("bad point", 5)]
    assert publication.columns == {"state", "point"}  # points that are new are no change of each agency
    without = parse(b"Agency,State\nGary Police,IN\n", ParseOptions("x", "table", IN_TWO))
    assert without.columns == {"state"}
    assert "point" in publication.columns
    assert not {"latitude", "longitude"} & publication.columns


def test_a_column_holds_both_numbers() -> None:
    records = [
        {"Agency": "Gary Police", "State": "IN", "Location": {"type": "Point", "coordinates": [-87.3, 41.6]}},
        {"Agency": "Lima Police", "State": "OH", "Location": {"type": "Point", "coordinates": [-84.1, 40.7]}},
    ]
    columns = ColumnMap(name="Agency", state="State", point="Location.coordinates")
    publication = parse(json.dumps(records).encode(), ParseOptions("x", "json", columns))
    assert [listing.point for listing in publication.listings] == [(41.6, -87.3), (40.7, -84.1)]
    text = b'Agency,State,Location\nGary Police,IN,"Gary, IN\n(41.6, -87.3)"\n'
    assert parse(text, ParseOptions("x", "table", IN_ONE)).listings[0].point == (41.6, -87.3)


@pytest.mark.parametrize(
    ("titles", "cells", "chosen"),
    [
        ("Latitude,Longitude", "41.{0}, -87.{0}", ("Latitude", "Longitude", None)),
        ("lat,lng", "41.{0}, -87.{0}", ("lat", "lng", None)),
        ("geo_point_2d", '"41.{0}, -87.{0}"', (None, None, "geo_point_2d")),
        ("Location", "POINT (-87.{0} 41.{0})", (None, None, "Location")),
        ("Location", "City Hall {0}", (None, None, None)),
        ("X,Y", "235{0}, 1904{0}", (None, None, None)),  # of another system
    ],
)
def test_points_are_proposed(titles: str, cells: str, chosen: tuple[str | None, ...]) -> None:
    rows = [
        f"{name} Police Department,IN,{cells.format(at)}" for at, name in enumerate(["Gary", "Hammond"], 4)
    ]
    columns = propose(f"Agency,State,{titles}\n{chr(10).join(rows)}\n".encode()).columns
    assert (columns.latitude, columns.longitude, columns.point) == chosen
