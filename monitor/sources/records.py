"""JSON: an array of records somewhere in a document, or one record per line; each record is a row.

Objects of objects are records too, {"1": {...}, "2": {...}}, and so are arrays in an object, {"IN": [{...}]}:
the key is then the column "(key)". In {"IN": ["Gary PD"]} the text is the column "(value)". Records may be
inside the records of an array, [{"state": "IN", "agencies": [{...}]}]: the path "*.agencies" leads to them,
and the column "(parent).state" is their state. `columnar` reads rows and columns whose titles are elsewhere
in the document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from monitor.domain import ROWS_MISSING, Problem, Publication
from monitor.errors import ParseError
from monitor.sources.cells import clean
from monitor.sources.column_choice import ColumnChoice, choose_columns, is_exact_state
from monitor.sources.column_map import ColumnMap, ParseLimits, ParseOptions, describe_headers
from monitor.sources.columnar import is_mostly, read_columnar
from monitor.sources.format import Format, Proposal, RowsOptions, TotalOptions
from monitor.sources.json_body import flatten, is_json, load_json
from monitor.sources.listing import ListingReader
from monitor.sources.problem_list import IGNORE_TOTAL
from monitor.sources.samples import SAMPLE, is_header, sample_records
from monitor.states import read_state

KEY_TITLE = "(key)"
"""The header under which the configuration finds the key of an object of records."""
VALUE_TITLE = "(value)"
"""The header of the texts in arrays below keys."""
_PARENT = "(parent)."
_EACH = "*"
"""The step of a path that enters each record of an array."""
_MORE = frozenset(
    (
        "hasmore",
        "hasnext",
        "hasnextpage",
        "exceededtransferlimit",
        "next",
        "nextpage",
        "nexturl",
        "nextlink",
        "odata.nextlink",
        "nextpagetoken",
        "nextcursor",
        "nextoffset",
        "continuationtoken",
        "lastevaluatedkey",
    )
)
"""Keys beside the records that mean that there is another page."""
_PAGES = frozenset(("pages", "totalpages", "pagecount", "lastpage", "numpages", "nbpages", "pagestotal"))
"""Keys beside the records with the number of pages."""
_COUNTS = frozenset(
    (
        "total",
        "totalcount",
        "totalrecords",
        "recordstotal",
        "numfound",
        "totalresults",
        "totalrows",
        "totalitems",
        "totalrowcount",
        "count",
        "found",
        "nhits",
        "nbhits",
    )
)
"""Keys beside the records with their total number."""


_COUNT = re.compile(
    r"(?:total|count|num|hits|matched|records|results|rows|items)\w*(?:\.\w+)?$", re.IGNORECASE
)
"""Paths to a number that may be that of the records; others are equal by chance."""
_OF_PAGE = re.compile(r"page|limit|size|offset", re.IGNORECASE)
"""Paths to a number that belongs to one page."""


class RecordsOptions(RowsOptions, TotalOptions):
    """``records``: the keys that lead to the array, joined by periods ("data.portals"); "" if the document is
    the array. A position selects an element of an array on the path ("result.0.rows"), and "*" all of its
    records ("states.*.agencies"). ``count``: the keys that lead to the number of records, which must then
    agree.
    """

    records: str = ""
    count: str = ""


def parse(body: bytes, options: ParseOptions) -> Publication:
    """Parse the records into a publication. Raises ParseError if they are missing or incomplete, or if they
    name no agency.
    """
    chosen = RecordsOptions.model_validate(options.settings)
    problems: list[Problem] = []
    document = load_json(body, options.limits, problems)
    _refuse_topology(document)
    found = _find(document, chosen.records)
    columns = options.columns or ColumnMap()
    reader = ListingReader.of_columns(options)
    reader.problems.found += problems
    if isinstance(found, dict) and not chosen.count and _is_record(found, reader):
        found = [found]  # one line alone
    around = list(_list_around(document, chosen.records))
    found = read_columnar(found, reversed(around), reader.meanings.has_name) or found
    records = list_records(found)
    if isinstance(found, dict) and records and not any(_names_agency(record, reader) for record in records):
        records = None
    if records is None:
        if said := _describe_error(document):
            raise ParseError(said)
        raise ParseError(
            f"The JSON has no array at {chosen.records or 'its top'}{_describe_arrays(document)}."
        )
    if chosen.count and _find(document, chosen.count) != len(records):
        raise ParseError(f"The JSON holds {len(records):,} records, and its {chosen.count} says otherwise.")
    if not records:
        raise ParseError("The JSON has no record: the list is empty or gone.")
    _refuse_part(document, chosen, len(records), reader)
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


def _refuse_topology(document: object) -> None:
    """Raise ParseError for a TopoJSON, whose points are not in degrees."""
    if isinstance(document, dict) and document.get("type") == "Topology":
        raise ParseError("The JSON is a TopoJSON, which is not read: give GeoJSON.")


def _is_record(document: dict[str, object], reader: ListingReader) -> bool:
    """Whether an object is itself a record: it names an agency and contains no records and no columns."""
    holds = any(
        isinstance(value, list) and any(isinstance(each, dict) for each in value)
        for value in document.values()
    )
    names = [title for title, value in document.items() if isinstance(value, str)]
    return not holds and reader.meanings.has_name(names)


def _names_agency(record: object, reader: ListingReader) -> bool:
    return isinstance(record, dict) and reader.meanings.has_name(title for title, _ in flatten(record))


def list_records(found: object) -> list[object] | None:
    """The records that a value holds: an array's, or those of an object by their keys; None if it has
    none.
    """
    if isinstance(found, list):
        return found
    if not isinstance(found, dict) or not found:
        return None
    records: list[object] = []
    for key, value in found.items():
        inside = value if isinstance(value, list) else [value]
        if isinstance(value, list) and all(isinstance(text, str) for text in value):
            inside = [{VALUE_TITLE: text} for text in value]
        if not all(isinstance(record, dict) for record in inside):
            return None
        records += [{KEY_TITLE: key} | record for record in inside]
    return records


def _find_arrays(document: object, *, of: type = dict) -> Iterator[tuple[str, list[object]]]:
    """Arrays mostly of objects, or `of` another type, in a document, and the keys that lead to them."""
    for path, value in _find_values(document):
        if isinstance(value, list) and is_mostly(value, of):
            yield path, value


def _find_values(value: object, path: str = "", level: int = 0) -> Iterator[tuple[str, object]]:
    """The arrays and objects in a document, and the keys that lead to them, with points."""
    if isinstance(value, list | dict):
        yield path, value
    if isinstance(value, dict) and level < _MOST_LEVELS:
        for key, inner in value.items():
            yield from _find_values(inner, f"{path}.{key}" if path else str(key), level + 1)


def _find_keyed(value: object, path: str = "", level: int = 0) -> Iterator[tuple[str, list[object]]]:
    """Objects whose values are records, arrays of records by state, or such objects by state, and the keys
    that lead to them.

    Records have most of their keys in common: {"meta": {...}, "data": {...}} is not an object of records.
    """
    if not isinstance(value, dict):
        return
    if len(value) > 1 and all(read_state(key) for key in value):
        below = _find_in_each(value, "") or []
        if below and all(isinstance(record, dict) and KEY_TITLE in record for record in below):
            yield f"{path}.{_EACH}".removeprefix("."), below
            return
    records = list_records(value) or []
    titles = [record.keys() for record in records if isinstance(record, dict)]
    alike = len(titles) > 1 and 2 * len(set.intersection(*map(set, titles))) > max(map(len, titles))
    arrays = any(isinstance(each, list) for each in value.values())
    if alike and (not arrays or all(read_state(key) for key in value)):
        yield path, records
    elif level < _MOST_LEVELS:
        for key, inner in value.items():
            yield from _find_keyed(inner, f"{path}.{key}" if path else str(key), level + 1)


_ESRI = "esriFieldType"
_MOST_VALUES = 1000  # arrays and objects around which titles of columns are looked for
_MOST_LEVELS, _MOST_NESTED = 4, 20  # the depth of keys, and the arrays in a record that are examined


def _describe_arrays(document: object) -> str:
    """Describe where a document has arrays of records, for an error; "" if it has none."""
    paths = [path for path, _ in _find_arrays(document) if path][:5]
    return f"; options.records may be {' or '.join(paths)}" if paths else ""


def _refuse_part(document: object, chosen: RecordsOptions, count: int, reader: ListingReader) -> None:
    """Raise ParseError if the server says that there is another page. A larger total is only reported as a
    problem, because it may count something else; so is a round number of records without a total.

    If the total is exactly the number of these records, a link to a next page is ignored: CKAN always has
    one, and it leads to an empty page.
    """
    said = [pair for place in _list_places(document, chosen.records) for pair in place.items()]
    counts = [(title, _number(value)) for title, value in said if _fold_key(title) in _COUNTS]
    whole = any(number == count for _, number in counts)
    for title, value in said:
        if _says_more(_fold_key(title), value) and (value is True or not whole):
            raise ParseError(
                f"The JSON holds {count:,} records, and its {title[:40]} says that there are more."
            )
    states_end = any(_fold_key(title) in _MORE | _PAGES for title, _ in said)
    if not (counts or states_end or chosen.count or chosen.ignore_total):
        reader.report_round_number(count, "records")
    for title, number in counts:
        if number is not None and number > count and not chosen.ignore_total:
            message = f"the JSON holds {count:,} records, and its {title[:40]} is {number:,}"
            reader.report(ROWS_MISSING, f"{message}; {IGNORE_TOTAL}")


def _list_around(document: object, path: str) -> Iterator[dict[str, Any]]:
    """The objects around the records, the outermost first."""
    around: object = document
    for key in ("", *filter(None, path.split("."))):
        around = _step(around, key) if key else around
        if isinstance(around, dict):
            yield around


def _list_places(document: object, path: str) -> Iterator[dict[str, object]]:
    """The objects around the records, and the objects in them that describe pages."""
    for around in _list_around(document, path):
        yield around
        yield from (around[key] for key in _ABOUT if isinstance(around.get(key), dict))


def _fold_key(title: str) -> str:
    return title.lower().lstrip("@").replace("_", "").replace("-", "")


def _says_more(folded: str, value: object) -> bool:
    """Whether a key beside the records says that there is another page."""
    if folded == "offset":  # Airtable's is the key of the next page; a number says where this page begins
        return isinstance(value, str) and bool(value) and not value.isdecimal()
    if folded in _PAGES:
        return isinstance(value, int) and value > 1
    return folded in _MORE and bool(value) and isinstance(value, str | bool | int | dict)


def _number(value: object) -> int | None:
    """A count, also as Elasticsearch writes it: {"value": 12, "relation": "eq"}."""
    value = value.get("value") if isinstance(value, dict) else value
    return value if isinstance(value, int) and not isinstance(value, bool) else None


_ABOUT = ("links", "_links", "meta", "metadata", "paging", "pagination", "page", "pageInfo")
"""Objects with information about pages."""


def _find(document: object, path: str) -> object:
    """Find the value at a path of keys and array positions; None if there is none."""
    keys = [key for key in path.split(".") if key]
    for at, key in enumerate(keys):
        if key == _EACH:
            return _find_in_each(document, ".".join(keys[at + 1 :]))
        document = _step(document, key)
    return document


def _find_in_each(parents: object, path: str) -> list[object] | None:
    """The records at a path in each record of an array, or of an object by its keys, each with the values
    beside it; None without any.
    """
    records: list[object] = []
    some = False
    for parent in list_records(parents) or ():
        if not isinstance(parent, dict):
            continue
        if path:
            inside = _find(parent, path)
            given = {key: value for key, value in parent.items() if not isinstance(value, list)}
        else:  # objects of objects by their keys
            inside = {key: value for key, value in parent.items() if key != KEY_TITLE}
            given = {KEY_TITLE: parent.get(KEY_TITLE)}
        if isinstance(inside, dict):
            inside = list_records(inside)
        if isinstance(inside, list):
            some = True
            beside = {_PARENT + key: value for key, value in given.items()}
            records += [beside | each if isinstance(each, dict) else each for each in inside]
    return records if some else None


def _step(value: object, key: str) -> object:
    if isinstance(value, Mapping):
        return value.get(key)
    position = int(key) if isinstance(value, list) and key.isdecimal() and len(key) < 6 else -1
    return value[position] if isinstance(value, list) and 0 <= position < len(value) else None


def propose(body: bytes, limits: ParseLimits) -> Proposal:
    """Propose where the records are and which keys are read; raises ParseError if there are none."""
    document = load_json(body, limits)
    _refuse_topology(document)
    keyed = list(_find_keyed(document))
    by_state = [(path, found) for path, found in keyed if _is_by_state(found)]
    arrays = by_state or [*_find_arrays(document), *keyed]
    arrays = [pair for pair in arrays if not _describes_columns(pair[0])] or arrays
    path, found = max(arrays, key=lambda pair: len(pair[1]), default=("", []))
    bare_path, bare = max(_find_arrays(document, of=list), key=lambda pair: len(pair[1]), default=("", []))
    described = _describes_columns(path)
    columnar = max(_find_columnar(document), key=lambda pair: len(pair[1]), default=("", []))
    if columnar[1] and (described or len(columnar[1]) >= len(found)):
        path, found = columnar
    elif len(bare) > 1 and (described or len(bare) >= len(found)):
        raise ParseError(
            f"The rows of the JSON ({bare_path or 'its top'}) have no keys, so nothing says what their "
            "columns are. Use the publisher's CSV, or its JSON with keys (on Socrata: /resource/ID.json)."
        )
    if not found:
        raise ParseError(_describe_error(document) or "The JSON has no array of records.")
    if all(str(each.get("type") if isinstance(each, dict) else "").startswith(_ESRI) for each in found):
        raise ParseError("The JSON describes an ArcGIS layer and holds no record: give the layer's address.")
    path, found, choice = _choose_in(document, found, path)
    settings: dict[str, Any] = {"records": path} if path else {}
    counts = [
        key
        for key, value in _list_numbers(document)
        if value == len(found) and _COUNT.search(key) and not _OF_PAGE.search(key)
    ]
    if counts:
        settings["count"] = min(counts, key=len)
    others = [
        f"{other or 'the top'} ({len(records):,})"
        for other, records in arrays
        if other != path and not other.startswith(f"{path}." if path else "")
    ]
    notes = (f"other arrays that are not read: {', '.join(others)[:300]}",) if others else ()
    return Proposal("json", choice.columns, settings, choice.notes + notes)


def _choose_in(document: object, found: list[object], path: str) -> tuple[str, list[object], ColumnChoice]:
    """Choose the columns of records, or of the most records within them whose columns can be chosen; returns
    them and their path. Raises ParseError.
    """
    try:
        return path, found, choose_columns(sample_records(found[:SAMPLE], len(found)))
    except ParseError as error:
        reason = error
    for inner, records in sorted(_find_nested(document, found, path), key=lambda pair: -len(pair[1])):
        try:
            return inner, records, choose_columns(sample_records(records[:SAMPLE], len(records)))
        except ParseError:
            continue
    raise reason


def _describes_columns(path: str) -> bool:
    """Whether an array seems to describe the columns of another one."""
    return path.rpartition(".")[2] in ("columns", "fields", "headers", "cols")


def _find_columnar(document: object) -> Iterator[tuple[str, list[object]]]:
    """The records of rows and columns whose titles are known, and the keys that lead to them."""
    for path, inside in islice(_find_values(document), _MOST_VALUES):
        around = reversed(list(_list_around(document, path)))
        if records := read_columnar(inside, around, lambda titles: is_header(list(titles))):
            yield path, records


def _is_by_state(records: list[object]) -> bool:
    """Whether the key of each record is a state: then arrays below the keys are parts of one list."""
    return all(isinstance(each, dict) and is_exact_state(str(each[KEY_TITLE])) for each in records)


def _find_nested(document: object, records: list[object], path: str) -> Iterator[tuple[str, list[object]]]:
    """The arrays of records within the records of an array at a path, and the paths that lead to them."""
    titles = dict.fromkeys(
        title
        for record in records[:SAMPLE]
        if isinstance(record, dict)
        for title, value in record.items()
        if isinstance(value, list) and any(isinstance(each, dict) for each in value)
    )
    for title in list(titles)[:_MOST_NESTED]:
        inner = f"{path}.{_EACH}.{title}".removeprefix(".")
        found = _find(document, inner)
        if not isinstance(found, list):
            continue
        if found:
            yield inner, found
        if inner.count(_EACH) < _MOST_LEVELS:
            yield from _find_nested(document, found, inner)


def _describe_error(document: object) -> str:
    """What a server says instead of sending records, {"error": {"message": ...}}; "" if it says nothing."""
    error = document.get("error") if isinstance(document, dict) else None
    said = error.get("message") if isinstance(error, dict) else error
    return f"The server answered with an error: {clean(said)[:80]}." if isinstance(said, str) and said else ""


def _list_numbers(value: object, path: str = "", level: int = 0) -> Iterator[tuple[str, int]]:
    """The numbers in a document, and the keys that lead to them."""
    if isinstance(value, dict) and level < _MOST_LEVELS:
        for key, inner in value.items():
            inner_path = f"{path}.{key}" if path else str(key)
            if isinstance(inner, int) and not isinstance(inner, bool):
                yield inner_path, inner
            yield from _list_numbers(inner, inner_path, level + 1)


FORMAT = Format(
    "json",
    parse,
    recognizes=is_json,
    propose=propose,
    endings=(".json", ".ndjson", ".jsonl"),
    required_columns=("name",),
    given_titles=(KEY_TITLE, VALUE_TITLE),
    options=RecordsOptions,
)
