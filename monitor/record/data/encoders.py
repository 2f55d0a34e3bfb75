"""Records as the bytes of a file, piece by piece: CSV (RFC 4180), JSON, NDJSON and GeoJSON (RFC 7946)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from monitor.record.data.describe import Record
from monitor.record.data.models import TABLES

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Text that begins with one of these is a formula for spreadsheets: in CSV it gets a leading apostrophe.
https://owasp.org/www-community/attacks/CSV_Injection
"""

PointOf = Callable[[Record], tuple[float, float] | None]
"""Returns the point of an agency: (latitude, longitude), None if it is not placed."""
GEO_CREDIT = "Places: GeoNames (CC BY 4.0, https://www.geonames.org) and US Census Bureau."


def encode_csv(table: str, records: Iterable[Record]) -> Iterator[bytes]:
    """A header and a line for each record. Lists are separated by spaces, objects are JSON."""
    names = list(TABLES[table].model_fields)
    yield _csv_line(names)
    for record in records:
        yield _csv_line([_cell(record[name]) for name in names])


def encode_ndjson(records: Iterable[Record]) -> Iterator[bytes]:
    """A JSON object on each line."""
    for record in records:
        yield dump_json(record) + b"\n"


def encode_json(head: Mapping[str, Any], name: str, records: Iterable[Record]) -> Iterator[bytes]:
    """One object: ``head``, and under ``name`` the records."""
    yield dump_json(dict(head))[:-1] + f'{"," if head else ""}"{name}":['.encode()
    yield from _join(records)
    yield b"]}\n"


def encode_geojson(head: Mapping[str, Any], records: Iterable[Record], point_of: PointOf) -> Iterator[bytes]:
    """Encode a FeatureCollection with the record of each agency as the properties of a feature; ``geometry``
    is null if it is not placed.
    """
    opened = {"type": "FeatureCollection", "attribution": GEO_CREDIT, **head}
    yield dump_json(opened)[:-1] + b',"features":['
    yield from _join(_feature(record, point_of(record)) for record in records)
    yield b"]}\n"


def dump_json(value: object) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _feature(record: Record, point: tuple[float, float] | None) -> dict[str, Any]:
    # RFC 7946, section 3.1.1: longitude before latitude
    where = None if point is None else {"type": "Point", "coordinates": [point[1], point[0]]}
    return {
        "type": "Feature",
        "id": f"{record['source']}/{record['agency']}",
        "geometry": where,
        "properties": {**record, "precision": "published" if record["latitude"] is not None else "area"}
        if where
        else {**record, "precision": None},
    }


def _join(values: Iterable[object]) -> Iterator[bytes]:
    for place, value in enumerate(values):
        yield (b",\n" if place else b"\n") + dump_json(value)


def _csv_line(cells: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, list):
        value = " ".join(value)
    elif isinstance(value, dict):
        value = dump_json(value).decode()
    return f"'{value}" if value.startswith(FORMULA) else str(value)
