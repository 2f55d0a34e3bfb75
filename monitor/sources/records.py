"""JSON: an array of records somewhere in a document, or records one to a line; one row each."""

from __future__ import annotations

from monitor.domain import Publication
from monitor.errors import ParseError
from monitor.sources.column_map import ColumnMap, ParseOptions, describe_headers
from monitor.sources.format import Format, RowsOptions
from monitor.sources.json_body import flatten, is_json, load_json
from monitor.sources.listing import ListingReader


class RecordsOptions(RowsOptions):
    """``records``: the keys that lead to the array, joined by points ("data.portals"); "" where it is the
    document.

    ``count``: the keys that lead to the number of records, which then must agree.
    """

    records: str = ""
    count: str = ""


def parse(body: bytes, options: ParseOptions) -> Publication:
    """The publication that the records are; ParseError if they are not there or not whole, or name no
    agency.
    """
    chosen = RecordsOptions.model_validate(options.settings)
    document = load_json(body, options.limits)
    records = _find(document, chosen.records)
    columns = options.columns or ColumnMap()
    reader = ListingReader(columns, by_city=columns.city is not None)
    if isinstance(records, dict) and not chosen.count and _is_record(records, reader):
        records = [records]  # one line alone
    if not isinstance(records, list):
        raise ParseError(f"The JSON has no array at {chosen.records or 'its top'}.")
    if chosen.count and _find(document, chosen.count) != len(records):
        raise ParseError(f"The JSON holds {len(records):,} records, and its {chosen.count} says otherwise.")
    if not records:
        raise ParseError("The JSON has no record: the list is empty or gone.")
    titles: set[str] = set()
    for number, record in enumerate(records, start=1):
        if not isinstance(record, dict):
            reader.report("bad record", "the record is no object", number)
            continue
        row = dict(flatten(record))
        titles.update(row)
        reader.read(number, tuple(row), list(row.values()))
    if not reader.meanings.has_name(titles):
        raise ParseError(describe_headers("key", columns, titles))
    if not reader.listings:
        raise ParseError(f"None of the {len(records):,} records has a name that can be read.")
    return reader.merge(chosen.group_by)


def _is_record(document: dict[str, object], reader: ListingReader) -> bool:
    """Whether an object is a record by itself: it names an agency and holds no records."""
    holds = any(
        isinstance(value, list) and any(isinstance(each, dict) for each in value)
        for value in document.values()
    )
    return not holds and reader.meanings.has_name(document.keys())


def _find(document: object, path: str) -> object:
    """The value at a path of keys; None where there is none."""
    for key in filter(None, path.split(".")):
        document = document.get(key) if isinstance(document, dict) else None
    return document


FORMAT = Format(
    "json",
    parse,
    recognizes=lambda body: is_json(body) and b'"Feature' not in body and b'"features"' not in body,
    required_columns=("name",),
    options=RecordsOptions,
)
