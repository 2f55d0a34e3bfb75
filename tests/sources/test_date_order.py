"""Dates of lists that have the day first are read by their column as a whole."""

from __future__ import annotations

import json
from datetime import date

import pytest

from monitor.domain import Publication
from monitor.sources import ColumnMap, ParseOptions, parse
from monitor.sources.date_order import find_doubtful
from tests.sources.bodies import kml, placemark, xlsx

COLUMNS = ColumnMap(name="Agencia", state="Estado", since="Fecha")


def as_csv(*dates: str) -> bytes:
    rows = [f"Town {number} Police,TX,{text}" for number, text in enumerate(dates)]
    return "\n".join(("Agencia,Estado,Fecha", *rows, "")).encode()


def read(*dates: str, **settings: str) -> Publication:
    return parse(as_csv(*dates), ParseOptions("list", "table", COLUMNS, settings=dict(settings)))


def days(publication: Publication) -> list[str | None]:
    return [listing.since.isoformat() if listing.since else None for listing in publication.listings]


def problems(publication: Publication) -> list[str]:
    return [problem.kind for problem in publication.problems]


def test_one_date_proves_that_a_column_has_the_day_first() -> None:
    publication = read("03/04/2025", "25/12/2024", "1.2.25", "2025-01-02", "March 5 2025")
    assert days(publication) == ["2025-04-03", "2024-12-25", "2025-02-01", "2025-01-02", "2025-03-05"]
    (problem,) = publication.problems
    assert problem.kind == "day first"
    assert 'as in "25/12/2024"; dates = "day-first" in the options keeps it so' in problem.message


def test_dates_that_prove_nothing_are_american() -> None:
    publication = read("03/04/2025", "05/06/2025")
    assert (days(publication), problems(publication)) == (["2025-03-04", "2025-05-06"], [])


def test_a_slip_in_an_american_column_is_one_bad_date() -> None:
    publication = read("25/12/2024", "12/25/2024", "03/04/2025")
    assert days(publication) == [None, "2024-12-25", "2025-03-04"]
    assert problems(publication) == ["bad date", "mixed dates"]
    assert '"25/12/2024" has the day first and "12/25/2024" the month' in publication.problems[1].message


@pytest.mark.parametrize(
    ("order", "dates"),
    [
        ("day-first", ["2025-04-03", "2024-12-25", None]),
        ("month-first", ["2025-03-04", None, "2024-12-25"]),
    ],
)
def test_the_option_settles_the_order(order: str, dates: list[str | None]) -> None:
    publication = read("03/04/2025", "25/12/2024", "12/25/2024", dates=order)
    assert (days(publication), problems(publication)) == (dates, ["bad date"])


def test_a_text_that_is_a_date_in_no_order_proves_nothing() -> None:
    publication = read("03/04/2025", "31/31/2024", "soon")
    assert days(publication) == ["2025-03-04", None, None]
    assert problems(publication) == ["bad date", "bad date"]


def test_days_first_are_read_in_every_format() -> None:
    rows = [("A Police", "TX", "03/04/2025"), ("B Police", "TX", "25/12/2024")]
    records = [{"Agencia": name, "Estado": state, "Fecha": day} for name, state, day in rows]
    page = "".join(f"<tr><td>{name}</td><td>{state}</td><td>{day}</td></tr>" for name, state, day in rows)
    features = [{"type": "Feature", "properties": record, "geometry": None} for record in records]
    fields = [{"name": title, "type": "esriFieldTypeString"} for title in ("Agencia", "Estado", "Fecha")]
    layer = {"fields": fields, "features": [{"attributes": record} for record in records]}
    bodies = {
        "table": xlsx([["Agencia", "Estado", "Fecha"], *map(list, rows)]),
        "json": json.dumps(records).encode(),
        "geojson": json.dumps({"type": "FeatureCollection", "features": features}).encode(),
        "html": f"<table><tr><th>Agencia<th>Estado<th>Fecha</tr>{page}</table>".encode(),
        "arcgis": json.dumps(layer).encode(),
        "mymaps": kml(*(placemark(name, "Waco, TX", Fecha=day) for name, _, day in rows)),
    }
    for name, body in bodies.items():
        columns = ColumnMap(since="Fecha") if name == "mymaps" else COLUMNS
        publication = parse(body, ParseOptions("list", name, columns))
        assert sorted(filter(None, days(publication))) == ["2024-12-25", "2025-04-03"], name
        assert "day first" in problems(publication), name


def test_a_doubtful_date_is_one_that_no_other_explains() -> None:
    assert find_doubtful(["2025-01-02", "03/04/2025"]) == "03/04/2025"
    assert find_doubtful(["03/04/2025", "12/25/2024"]) is None
    assert find_doubtful(["03/04/2025", "25/12/2024"]) is None
    assert find_doubtful(["04/04/2025", "soon", ""]) is None
    assert date(2025, 4, 3) == read("03/04/2025", dates="day-first").listings[0].since
