"""Proposes how to read a file that is not configured: its format, and the meanings of its columns.

Columns are judged by their headers and by a sample of their values: a column of states is one because its
values are states. A proposal is for a person to review; it does not start to watch anything.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from monitor.errors import ParseError
from monitor.sources.cells import (
    clean,
    plain_number,
    read_date,
    read_web_address,
)
from monitor.sources.column_choice import (
    KNOWN,
    NAME,
    SINCE,
    URL,
    ColumnSample,
    ColumnShares,
    best_title,
    choose_columns,
    is_exact_state,
)
from monitor.sources.column_map import ColumnMap, ParseLimits, fold_header
from monitor.sources.csv_text import decode_text
from monitor.sources.described_table import read_table
from monitor.sources.json_body import flatten, is_json, load_json
from monitor.sources.kml import Document
from monitor.sources.kmz import unpack
from monitor.sources.mymaps import IGNORED
from monitor.sources.packed import unpack_file
from monitor.sources.records import find_arrays
from monitor.sources.sniff import (
    find_workbook_kind,
    is_html,
    is_kml,
    is_zip,
    refuse_empty_and_pages,
)
from monitor.sources.table import DELIMITERS, SHEET_TITLE, read_any_sheets

SAMPLE = 1000
"""The number of rows by which columns are judged."""
_HEADER_ROWS = 20


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal for reading a body. ``settings`` are the format's own; ``notes`` describe what was chosen
    and what was left out.
    """

    format: str
    columns: ColumnMap = field(default_factory=ColumnMap)
    settings: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def propose(body: bytes, limits: ParseLimits | None = None) -> Proposal:
    """Propose how a body is read. Raises ParseError with the reason if no list is found in it."""
    limits = limits or ParseLimits()
    if not body.strip():
        raise ParseError("The body is empty.")
    body, _, others = unpack_file(body, limits)
    proposal = _propose(body, limits)
    if others:
        note = f"the ZIP also holds {', '.join(others[:10])[:200]}, which is not read"
        proposal = replace(proposal, notes=(*proposal.notes, note))
    return proposal


def _propose(body: bytes, limits: ParseLimits) -> Proposal:
    kind = find_workbook_kind(body)
    if is_kml(body) or (kind == "xlsx" and not _is_workbook(body)):
        return _propose_map(body, limits)
    if kind:
        return _propose_workbook(body, kind, limits)
    if is_json(body):
        return _propose_json(body, limits)
    if is_html(body):
        return _propose_html(body, limits)
    refuse_empty_and_pages(body)
    return _propose_text(body)


def _is_workbook(body: bytes) -> bool:
    return is_zip(body) and b"xl/" in body


def _propose_map(body: bytes, limits: ParseLimits) -> Proposal:
    columns: dict[str, list[str]] = {}
    for content in unpack(body, limits).values():
        for number, placemark in enumerate(Document(content).placemarks()):
            for title, value in zip(placemark.titles, placemark.values, strict=True):
                if title in IGNORED:
                    continue
                columns.setdefault(title, []).append(value)
            for cell in read_table(placemark.description):
                columns.setdefault(cell.title, []).append(cell.link or cell.text)
            if number == SAMPLE:
                break
    shares = {title: ColumnShares.of(values) for title, values in columns.items()}
    since = best_title(shares, lambda title, share: share.dates * (1 + bool(SINCE.search(title))), 0.5)
    url = best_title(shares, lambda title, share: share.links * (1 + bool(URL.search(title))), 0.5)
    return Proposal("mymaps", ColumnMap(since=since, url=url if url != since else None))


def _propose_workbook(body: bytes, kind: str, limits: ParseLimits) -> Proposal:
    from openpyxl.utils import get_column_letter  # openpyxl takes long to import

    samples: dict[str, ColumnSample] = {}
    for sheet in read_any_sheets(body, kind, limits):
        rows = [
            (number, [_text(cell) for cell in cells]) for number, cells in sheet.rows[: SAMPLE + _HEADER_ROWS]
        ]
        linked = {re.sub(r"\d", "", cell) for cell in sheet.links}
        if sample := _find_sample([row for _, row in rows], len(sheet.rows)):
            at_links = frozenset(
                at for at in range(len(sample.titles)) if get_column_letter(at + 1) in linked
            )
            samples[sheet.title] = replace(sample, linked=at_links)
    if not samples:
        raise ParseError("No visible sheet has a row of headers with an agency's name below.")
    largest = max(samples, key=lambda title: samples[title].size)
    chosen = samples[largest]
    alike = [title for title, sample in samples.items() if sample.titles == chosen.titles]
    choice = choose_columns(chosen, of_table=True)
    columns, notes = choice.columns, choice.notes
    settings = dict(choice.settings)
    if len(alike) > 1 and columns.state is None and all(is_exact_state(title) for title in alike):
        settings["sheets"], columns = "all", replace(columns, state=SHEET_TITLE)
        notes = (*notes, f"each of the {len(alike)} sheets is a state")
    elif len(alike) > 1 and all(is_exact_state(title) for title in alike):
        settings["sheets"] = "all"
    elif len(samples) > 1:
        settings["sheets"] = [largest]
        others = ", ".join(f'"{title}"' for title in samples if title != largest)
        notes = (*notes, f'only the sheet "{largest}" is read, which is the largest; there are also {others}')
    return Proposal("table", columns, settings, notes)


def _propose_text(body: bytes) -> Proposal:
    text = decode_text(body, [])
    best: ColumnSample | None = None
    for delimiter in DELIMITERS:
        rows: list[list[str]] = []
        try:
            for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
                rows.append([_text(cell) for cell in row])
                if len(rows) == SAMPLE + _HEADER_ROWS:
                    break
        except csv.Error:
            continue
        sample = _find_sample(rows, text.count("\n"))
        if sample and (best is None or len(sample.titles) > len(best.titles)):
            best = sample
    if best is None:
        raise ParseError("No row of headers with an agency's name below is found in the text.")
    choice = choose_columns(best, of_table=True)
    return Proposal("table", choice.columns, choice.settings, choice.notes)


def _propose_html(body: bytes, limits: ParseLimits) -> Proposal:
    from monitor.sources.html_table import read_tables  # lxml takes long to import

    samples = []
    for rows in read_tables(body, limits):
        sample = _find_sample([[text for text, _ in row] for row in rows], len(rows))
        if sample:
            linked = frozenset(at for row in rows for at, (_, link) in enumerate(row) if link)
            samples.append(replace(sample, linked=linked))
    if not samples:
        raise ParseError("The page has no table with headers and an agency's name below.")
    choice = choose_columns(max(samples, key=lambda sample: sample.size))
    return Proposal("html", choice.columns, {}, choice.notes)


def _propose_json(body: bytes, limits: ParseLimits) -> Proposal:
    document = load_json(body, limits)
    features = document.get("features") if isinstance(document, dict) else None
    lines = [document] if isinstance(document, dict) else document
    if not isinstance(features, list) and isinstance(lines, list):
        features = [x for x in lines if isinstance(x, dict) and x.get("type") == "Feature"]
    if features:
        records = [x.get("properties") for x in features[:SAMPLE] if isinstance(x, dict)]
        choice = choose_columns(_sample_records(records, len(features)))
        return Proposal("geojson", choice.columns, {}, choice.notes)
    path, found = max(find_arrays(document), key=lambda pair: len(pair[1]), default=("", []))
    bare_path, bare = max(find_arrays(document, of=list), key=lambda pair: len(pair[1]), default=("", []))
    described = path.rpartition(".")[2] in ("columns", "fields", "headers")
    if len(bare) > 1 and (described or len(bare) >= len(found)):
        raise ParseError(
            f"The rows of the JSON ({bare_path or 'its top'}) have no keys, so nothing says what their "
            "columns are. Use the publisher's CSV, or its JSON with keys (on Socrata: /resource/ID.json)."
        )
    if not found:
        raise ParseError("The JSON has no array of records.")
    choice = choose_columns(_sample_records(found[:SAMPLE], len(found)))
    settings: dict[str, Any] = {"records": path} if path else {}
    counts = [key for key, value in _numbers(document) if value == len(found)]
    if counts:
        settings["count"] = min(counts, key=len)
    return Proposal("json", choice.columns, settings, choice.notes)


def propose_layer(fields: Iterable[Mapping[str, Any]], records: Sequence[Mapping[str, Any]]) -> Proposal:
    """Propose how an ArcGIS layer is read, by its fields and a page of its records."""
    aliases = {str(x.get("name")): str(x.get("type")) for x in fields}
    dates = {name for name, kind in aliases.items() if kind == "esriFieldTypeDate"}
    choice = choose_columns(_sample_records(list(records), len(records)), dates=frozenset(dates))
    return Proposal("arcgis", choice.columns, {}, choice.notes)


def _numbers(value: object, path: str = "", level: int = 0) -> Iterator[tuple[str, int]]:
    if isinstance(value, dict) and level < 4:
        for key, inner in value.items():
            inner_path = f"{path}.{key}" if path else str(key)
            if isinstance(inner, int) and not isinstance(inner, bool):
                yield inner_path, inner
            yield from _numbers(inner, inner_path, level + 1)


def _sample_records(records: Sequence[object], size: int) -> ColumnSample:
    rows = [dict(flatten(record)) for record in records if isinstance(record, Mapping)]
    titles = tuple(dict.fromkeys(title for row in rows for title in row))
    return ColumnSample(titles, [[row.get(title, "") for title in titles] for row in rows], size)


def _text(cell: object) -> str:
    return "" if cell is None else plain_number(clean(str(cell)))


def _find_sample(rows: list[list[str]], size: int) -> ColumnSample | None:
    """Find the table below the row that looks most like headers; None if no row does."""
    best: tuple[float, int] | None = None
    for at, row in enumerate(rows[:_HEADER_ROWS]):
        score = _score_header(row, rows[at + 1 :])
        if score > 0 and (best is None or score > best[0]):
            best = score, at
    if best is None:
        return None
    titles = tuple(rows[best[1]])
    below = [
        [row[at] if at < len(row) else "" for at in range(len(titles))]
        for row in rows[best[1] + 1 :]
        if any(row)
    ]
    return ColumnSample(titles, below[:SAMPLE], max(size - best[1] - 1, len(below))) if below else None


def _score_header(row: list[str], below: list[list[str]]) -> float:
    """Score how much a row looks like headers: typical header words, unique titles, and rows of the same
    width below.
    """
    titles = [title for title in row if title]
    if not titles or len({fold_header(title) for title in titles}) < len(titles):
        return 0
    known = sum(bool(KNOWN.search(title)) for title in titles)
    values = sum(
        is_exact_state(x) or read_date(x) is not None or read_web_address(x) is not None for x in titles
    )
    wide = sum(bool(cells) and sum(map(bool, cells)) * 2 >= len(titles) for cells in below[:50])
    if not NAME.search(" | ".join(titles)) or not wide:
        return 0
    return 2 * known + len(titles) / 10 - 3 * values
