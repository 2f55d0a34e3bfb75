"""ArcGIS feature layers: all records by object id, page by page, as one body; one record is one listing.

A layer returns at most a few thousand records at once and may change between two pages. So the object ids are
fetched first, every page must contain exactly the records of its ids, and the layer's count must be the same
at the end. The stored body is composed of the pages and contains the hash of each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from urllib.parse import urlencode

from pydantic import Field

from monitor.domain import Problem, Publication
from monitor.errors import ParseError
from monitor.sources.column_choice import choose_columns
from monitor.sources.column_map import ColumnMap, ParseLimits, ParseOptions, describe_headers
from monitor.sources.format import Format, FormatOptions, Pages, Proposal
from monitor.sources.json_body import flatten, is_json, load_json, read_position
from monitor.sources.listing import ListingReader
from monitor.sources.samples import SAMPLE, sample_records

_FIELD_NAME = re.compile(r"[A-Za-z_][\w.]*")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_RECORDS = 1_000_000
_NOT_PUBLIC = (403, 498, 499)  # errors about permissions and tokens

Record = dict[str, object]


class ArcgisOptions(FormatOptions):
    """``where`` selects records, in SQL; ``page_size`` is how many are requested at once, up to the layer's
    limit.
    """

    where: str = "1=1"
    page_size: int = Field(default=1000, ge=1, le=10_000)


def collect(url: str, options: ParseOptions) -> Pages:
    """Yield the URLs of a layer's pages and return one body of them all; raises ParseError if they are
    inconsistent.
    """
    chosen = ArcgisOptions.model_validate(options.settings)
    layer = url.partition("?")[0].rstrip("/").removesuffix("/query")

    def query(where: str = chosen.where, **parameters: str) -> str:
        return f"{layer}/query?{urlencode({'where': where, 'f': 'json'} | parameters)}"

    info = _load((yield f"{layer}?f=json"), options.limits)
    fields = _list_fields(info)
    key = _find_object_id(info, fields)
    wanted = _choose_fields(fields, options.columns or ColumnMap())
    before = _read_count((yield query(returnCountOnly="true")), options.limits)
    ids = _read_ids((yield query(returnIdsOnly="true")), options.limits)
    if len(ids) != before:
        raise ParseError(f"counted {before:,} records and named {len(ids):,}")
    most = info.get("maxRecordCount")
    size = min(chosen.page_size, most) if isinstance(most, int) and most > 0 else chosen.page_size
    names = ",".join(dict.fromkeys([key, *(str(field["name"]) for field in wanted)]))
    features: list[Record] = []
    hashes: list[str] = []
    for start in range(0, len(ids), size):
        page_ids = ids[start : start + size]
        where = f"({chosen.where}) AND {key}>={page_ids[0]} AND {key}<={page_ids[-1]}"
        body = yield query(where, outFields=names, returnGeometry="true", outSR="4326", orderByFields=key)
        hashes.append(sha256(body).hexdigest())
        features += _read_page(body, key, page_ids, options.limits)
    after = _read_count((yield query(returnCountOnly="true")), options.limits)
    if after != before:
        raise ParseError(f"counted {before:,} records before its pages were read and {after:,} after")
    whole = {
        "count": after,
        "features": features,
        "fields": wanted,
        "objectIdFieldName": key,
        "pages": hashes,
    }
    return json.dumps(whole, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _load(body: bytes, limits: ParseLimits) -> Record:
    """Load a page's object. ArcGIS reports errors with status 200."""
    document = load_json(body, limits)
    if not isinstance(document, dict):
        raise ParseError("answered something that is not an ArcGIS layer")
    error = document.get("error")
    if error is not None:
        code = error.get("code") if isinstance(error, dict) else None
        if code in _NOT_PUBLIC:
            raise ParseError(f"is not public: it asks for a login (error {code}); ask the publisher")
        raise ParseError(f"answered with the error {str(code)[:20]}")
    return document


def _list_fields(document: Record) -> list[Record]:
    fields = document.get("fields")
    if not isinstance(fields, list) or not all(
        isinstance(x, dict) and isinstance(x.get("name"), str) for x in fields
    ):
        raise ParseError("answered something that is not an ArcGIS layer")
    return fields


def _find_object_id(info: Record, fields: list[Record]) -> str:
    """Find the field of the object ids. Its name is used in queries, so it must be a plain identifier."""
    by_type = next((field["name"] for field in fields if field.get("type") == "esriFieldTypeOID"), None)
    name = info.get("objectIdField") or by_type
    if not isinstance(name, str) or not _FIELD_NAME.fullmatch(name):
        raise ParseError("answered a layer that has no object ids")
    return name


def _choose_fields(fields: list[Record], columns: ColumnMap) -> list[Record]:
    """Choose the configured fields; no others are fetched or stored."""
    reader = ListingReader(columns, by_city=False)
    wanted = [field for field in fields if any(map(reader.meanings.is_mapped, _titles(field)))]
    if not reader.meanings.has_name(title for field in wanted for title in _titles(field)):
        raise ParseError(describe_headers("field", columns, [str(field["name"]) for field in fields]))
    kept = ("alias", "domain", "name", "type")
    return [{key: field[key] for key in kept if field.get(key) is not None} for field in wanted]


def _titles(field: Record) -> list[str]:
    """The names of a field: its name and the alias that people see."""
    alias = field.get("alias")
    return [str(field["name"]), *([alias] if isinstance(alias, str) and alias != field["name"] else [])]


def _read_count(body: bytes, limits: ParseLimits) -> int:
    count = _load(body, limits).get("count")
    if not isinstance(count, int) or isinstance(count, bool) or not 0 < count <= _MOST_RECORDS:
        raise ParseError("counted no record" if count == 0 else "answered no count of its records")
    return count


def _read_ids(body: bytes, limits: ParseLimits) -> list[int]:
    given = _load(body, limits).get("objectIds")
    read = list(map(_read_id, given)) if isinstance(given, list) else [None]
    ids = [number for number in read if number is not None]
    if len(ids) < len(read):
        raise ParseError("answered no object ids")
    ids.sort()
    if any(one == other for one, other in pairwise(ids)):
        raise ParseError("named an object id twice")
    return ids


def _read_id(value: object) -> int | None:
    """An object id; None if it is none. Some servers write it as a text, or with a point."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _read_page(body: bytes, key: str, ids: list[int], limits: ParseLimits) -> list[Record]:
    """The records of a page, sorted by id; ParseError if they are not exactly those of its ids."""
    page = _load(body, limits)
    features = page.get("features")
    records: dict[int, Record] = {}
    for feature in features if isinstance(features, list) else ():
        attributes = feature.get("attributes") if isinstance(feature, dict) else None
        number = _read_id(attributes.get(key)) if isinstance(attributes, dict) else None
        if number is not None:
            records[number] = {"attributes": attributes, "geometry": feature.get("geometry")}
    rows = len(features) if isinstance(features, list) else 0
    if rows != len(ids):
        raise ParseError(f"answered {rows:,} records of a page that has {len(ids):,}")
    if page.get("exceededTransferLimit") is True:
        raise ParseError("said that a page leaves records out")
    if sorted(records) != ids:
        raise ParseError("answered other records of a page than those that it was asked for")
    return [records[number] for number in ids]


def parse(body: bytes, options: ParseOptions) -> Publication:
    """Parse a layer's records into a publication, from `collect` or one query; raises ParseError if they are
    incomplete.
    """
    problems: list[Problem] = []
    document = load_json(body, options.limits, problems)
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(features, list):
        raise ParseError("The JSON holds no records of an ArcGIS layer.")
    if document.get("exceededTransferLimit") is True or document.get("count", len(features)) != len(features):
        raise ParseError(f"The ArcGIS answer holds {len(features):,} records and says that there are more.")
    if not features:
        raise ParseError("The ArcGIS layer has no record: it is empty or gone.")
    try:
        fields = {
            str(field["name"]): field | {_CODES: _read_codes(field)} for field in _list_fields(document)
        }
    except ParseError:
        raise ParseError("The ArcGIS answer does not name its fields.") from None
    columns = options.columns or ColumnMap()
    reader = ListingReader.of_columns(options)
    reader.problems.found += problems
    if not reader.meanings.has_name(title for field in fields.values() for title in _titles(field)):
        raise ParseError(describe_headers("field", columns, fields))
    for number, feature in enumerate(features, start=1):
        attributes = feature.get("attributes") if isinstance(feature, dict) else None
        if not isinstance(attributes, dict):
            reader.report("bad record", "the record has no attributes", number)
            continue
        row = dict(_read_row(attributes, fields))
        reader.read(number, tuple(row), list(row.values()), point=_read_point(feature.get("geometry")))
    if not reader.listings:
        raise ParseError(f"None of the {len(features):,} records has a name that can be read.")
    return reader.separate(rows="records")


def _read_row(attributes: Mapping[str, object], fields: Mapping[str, Record]) -> Iterable[tuple[str, str]]:
    """Read titles and texts of a record: codes of a domain as their names, timestamps as days."""
    values: dict[str, object] = {}
    for name, value in attributes.items():
        field = fields.get(name, {"name": name})
        for title in _titles(field):
            values[title] = _read_value(value, field)
    return flatten(values)


def _read_value(value: object, field: Record) -> object:
    if field.get("type") == "esriFieldTypeDate" and isinstance(value, int | float):
        try:
            return (_EPOCH + timedelta(milliseconds=value)).date().isoformat()
        except (OverflowError, ValueError):
            return value
    if isinstance(value, str | int | float):
        codes = field.get(_CODES)
        return codes.get(value, value) if isinstance(codes, dict) else value
    return value


_CODES = "monitor.codes"
"""The key under which a field stores the result of `_read_codes`."""


def _read_codes(field: Record) -> dict[object, object]:
    """Read the names of a domain's coded values by code; the first one if a code repeats."""
    domain = field.get("domain")
    codes = domain.get("codedValues") if isinstance(domain, dict) else None
    names: dict[object, object] = {}
    for code in codes if isinstance(codes, list) else ():
        if isinstance(code, dict) and isinstance(code.get("code"), str | int | float):
            names.setdefault(code["code"], code.get("name"))
    return names


def _read_point(geometry: object) -> tuple[float, float] | None:
    """Latitude and longitude of a point; None for every other geometry."""
    if not isinstance(geometry, dict):
        return None
    return read_position(geometry.get("y"), geometry.get("x"))


def propose(body: bytes, limits: ParseLimits) -> Proposal:
    """Propose which fields of a query's answer are read; raises ParseError if it holds no records."""
    document = load_json(body, limits)
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(features, list):
        raise ParseError("The JSON holds no records of an ArcGIS layer.")
    records = [each.get("attributes") for each in features[:SAMPLE] if isinstance(each, dict)]
    return propose_layer(_list_fields(document), records)


def propose_layer(fields: Iterable[Mapping[str, object]], records: Sequence[object]) -> Proposal:
    """Propose which fields of a layer are read, by them and a page of its records."""
    known = {str(field.get("name")): dict(field) | {_CODES: _read_codes(dict(field))} for field in fields}
    dates = {name for name, field in known.items() if field.get("type") == "esriFieldTypeDate"}
    texts = [
        {name: _read_value(value, known.get(name, {})) for name, value in record.items()}
        for record in records
        if isinstance(record, Mapping)
    ]
    choice = choose_columns(sample_records(texts, len(texts)), dates=frozenset(dates))
    return Proposal("arcgis", choice.columns, {}, choice.notes)


FORMAT = Format(
    "arcgis",
    parse,
    recognizes=lambda body: is_json(body) and b'"features"' in body and b'"attributes"' in body,
    propose=propose,
    endings=(),
    required_columns=("name",),
    collect=collect,
    options=ArcgisOptions,
)
