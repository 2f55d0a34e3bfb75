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
    is_missing,
    is_part_of_date,
    plain_number,
    read_address,
    read_date,
    read_day_first,
    read_web_address,
)
from monitor.sources.column_map import ColumnMap, ParseLimits, fold_header
from monitor.sources.csv_text import decode_text
from monitor.sources.date_order import find_doubtful
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
from monitor.states import read_state

SAMPLE = 1000
"""The number of rows by which columns are judged."""
_HEADER_ROWS = 20
_MOST_ATTRIBUTES = 6
_MOST_VALUES = 40  # different values of a column that groups agencies


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal for reading a body. ``settings`` are the format's own; ``notes`` describe what was chosen
    and what was left out.
    """

    format: str
    columns: ColumnMap = field(default_factory=ColumnMap)
    settings: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Sample:
    """Rows of one table: its titles, and texts under them; links by column. ``size`` counts all rows."""

    titles: tuple[str, ...]
    rows: list[list[str]]
    size: int
    linked: frozenset[int] = frozenset()


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
    shares = {title: _Shares.of(values) for title, values in columns.items()}
    since = _best(shares, lambda title, share: share.dates * (1 + bool(_SINCE.search(title))), 0.5)
    url = _best(shares, lambda title, share: share.links * (1 + bool(_URL.search(title))), 0.5)
    return Proposal("mymaps", ColumnMap(since=since, url=url if url != since else None))


def _propose_workbook(body: bytes, kind: str, limits: ParseLimits) -> Proposal:
    from openpyxl.utils import get_column_letter  # openpyxl takes long to import

    samples: dict[str, _Sample] = {}
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
    columns, notes = _choose_columns(chosen)
    settings: dict[str, Any] = {}
    if len(alike) > 1 and columns.state is None and all(_is_state(title) for title in alike):
        settings, columns = {"sheets": "all"}, replace(columns, state=SHEET_TITLE)
        notes = (*notes, f"each of the {len(alike)} sheets is a state")
    elif len(alike) > 1 and all(_is_state(title) for title in alike):
        settings = {"sheets": "all"}
    elif len(samples) > 1:
        settings = {"sheets": [largest]}
        others = ", ".join(f'"{title}"' for title in samples if title != largest)
        notes = (*notes, f'only the sheet "{largest}" is read, which is the largest; there are also {others}')
    return Proposal("table", columns, settings, notes)


def _propose_text(body: bytes) -> Proposal:
    text = decode_text(body, [])
    best: _Sample | None = None
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
    columns, notes = _choose_columns(best)
    return Proposal("table", columns, {}, notes)


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
    columns, notes = _choose_columns(max(samples, key=lambda sample: sample.size))
    return Proposal("html", columns, {}, notes)


def _propose_json(body: bytes, limits: ParseLimits) -> Proposal:
    document = load_json(body, limits)
    features = document.get("features") if isinstance(document, dict) else None
    lines = [document] if isinstance(document, dict) else document
    if not isinstance(features, list) and isinstance(lines, list):
        features = [x for x in lines if isinstance(x, dict) and x.get("type") == "Feature"]
    if features:
        records = [x.get("properties") for x in features[:SAMPLE] if isinstance(x, dict)]
        columns, notes = _choose_columns(_sample_records(records, len(features)))
        return Proposal("geojson", columns, {}, notes)
    path, found = max(find_arrays(document), key=lambda pair: len(pair[1]), default=("", []))
    if not found:
        raise ParseError("The JSON has no array of records.")
    columns, notes = _choose_columns(_sample_records(found[:SAMPLE], len(found)))
    settings: dict[str, Any] = {"records": path} if path else {}
    counts = [key for key, value in _numbers(document) if value == len(found)]
    if counts:
        settings["count"] = min(counts, key=len)
    return Proposal("json", columns, settings, notes)


def propose_layer(fields: Iterable[Mapping[str, Any]], records: Sequence[Mapping[str, Any]]) -> Proposal:
    """Propose how an ArcGIS layer is read, by its fields and a page of its records."""
    aliases = {str(x.get("name")): str(x.get("type")) for x in fields}
    dates = {name for name, kind in aliases.items() if kind == "esriFieldTypeDate"}
    columns, notes = _choose_columns(_sample_records(list(records), len(records)), dates=frozenset(dates))
    return Proposal("arcgis", columns, {}, notes)


def _numbers(value: object, path: str = "", level: int = 0) -> Iterator[tuple[str, int]]:
    if isinstance(value, dict) and level < 4:
        for key, inner in value.items():
            inner_path = f"{path}.{key}" if path else str(key)
            if isinstance(inner, int) and not isinstance(inner, bool):
                yield inner_path, inner
            yield from _numbers(inner, inner_path, level + 1)


def _sample_records(records: Sequence[object], size: int) -> _Sample:
    rows = [dict(flatten(record)) for record in records if isinstance(record, Mapping)]
    titles = tuple(dict.fromkeys(title for row in rows for title in row))
    return _Sample(titles, [[row.get(title, "") for title in titles] for row in rows], size)


def _text(cell: object) -> str:
    return "" if cell is None else plain_number(clean(str(cell)))


def _find_sample(rows: list[list[str]], size: int) -> _Sample | None:
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
    return _Sample(titles, below[:SAMPLE], max(size - best[1] - 1, len(below))) if below else None


def _score_header(row: list[str], below: list[list[str]]) -> float:
    """Score how much a row looks like headers: typical header words, unique titles, and rows of the same
    width below.
    """
    titles = [title for title in row if title]
    if not titles or len({fold_header(title) for title in titles}) < len(titles):
        return 0
    known = sum(bool(_KNOWN.search(title)) for title in titles)
    values = sum(_is_state(x) or read_date(x) is not None or read_web_address(x) is not None for x in titles)
    wide = sum(bool(cells) and sum(map(bool, cells)) * 2 >= len(titles) for cells in below[:50])
    if not _NAME.search(" | ".join(titles)) or not wide:
        return 0
    return 2 * known + len(titles) / 10 - 3 * values


_NAME = re.compile(
    r"agenc|department|\bdept|organi[sz]ation|\bentity|jurisdiction|\boffice\b|law enforcement|institution"
    r"|\bagencia|\bdepartamento|\bname\b|\bpartner|participant|police|sheriff|operator|municipality",
    re.IGNORECASE,
)
_STATE = re.compile(r"\bstate\b|\bst\b|province|\bestado\b", re.IGNORECASE)
_COUNTY = re.compile(r"\bcounty\b|\bparish\b|\bcounties\b|\bcnty\b|\bcondado\b", re.IGNORECASE)
_CITY = re.compile(
    r"\bcity\b|\btown\b|municipality|municipio|\bciudad\b|\bplace\b|\blocality\b", re.IGNORECASE
)
_SINCE = re.compile(
    r"date|since|signed|joined|effective|start|active|approved|issued|enrolled|\byear\b|fecha|desde",
    re.IGNORECASE,
)
_EDITED = re.compile(r"edit|updat|modif|creat|export|retriev|\blast\b", re.IGNORECASE)
"""Columns with the time of the last edit, which say nothing about the agency and change with every edit."""
_GROUP = re.compile(r"type|kind|status|model|program|category|level|class", re.IGNORECASE)
_ID = re.compile(
    r"\bid\b|_id$|^id_|\bori\b|\bnumber\b|\bno\b\.?$|\buuid\b|\bguid\b|objectid|\bfid\b", re.IGNORECASE
)
_URL = re.compile(
    r"url|link|agreement|\bmo[au]\b|document|website|profile|web ?page|portal|pdf", re.IGNORECASE
)
_KNOWN = re.compile(
    "|".join(x.pattern for x in (_NAME, _STATE, _COUNTY, _CITY, _SINCE, _ID, _URL, _GROUP)), re.IGNORECASE
)
_AGENCY_WORDS = re.compile(
    r"police|sheriff|\bpd\b|department|\bdept|marshal|constable|patrol|public safety|corrections|county"
    r"|city of|\bso\b|university|office",
    re.IGNORECASE,
)
_PEOPLE = re.compile(
    r"\b(?:first|last|middle|contact|full|officer|chief|person)[ _]?name|e-?mail|phone|\bfax\b|contact",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Shares:
    """The shares (0 to 1) of a column's values that are of each kind, and the number of distinct values."""

    filled: float
    states: float
    places: float
    dates: float
    links: float
    agencies: float
    distinct: int
    unique: float

    @classmethod
    def of(cls, values: Sequence[str]) -> _Shares:
        filled = [value for value in values if not is_missing(value)]
        count = len(filled) or 1
        different = len(set(filled))
        return cls(
            filled=len(filled) / (len(values) or 1),
            states=sum(map(_is_state, filled)) / count,
            places=sum(_is_place(x) for x in filled) / count,
            dates=sum(map(_is_date, filled)) / count,
            links=sum(read_web_address(x) is not None for x in filled) / count,
            agencies=sum(bool(_AGENCY_WORDS.search(x)) for x in filled) / count,
            distinct=different,
            unique=different / count,
        )


def _is_state(text: str) -> bool:
    reading = read_state(text)
    return reading is not None and reading.exact


def _is_date(text: str) -> bool:
    return is_part_of_date(text) or read_date(text) is not None or read_day_first(text) is not None


def _is_place(text: str) -> bool:
    """Whether a text is a town with its state: "Gary, Indiana"."""
    address = read_address(text) if "," in text and len(text) <= _LONGEST_PLACE else None
    return address is not None and bool(address.city and address.state) and address.exact


_LONGEST_PLACE = 100


def _best(shares: Mapping[str, _Shares], score: Any, least: float) -> str | None:
    """The title with the highest score from ``least`` on; the first of equal ones."""
    scores = {title: score(_apart(title), share) for title, share in shares.items()}
    title = max(scores, key=lambda title: scores[title], default=None)
    return title if title is not None and scores[title] >= least else None


def _apart(title: str) -> str:
    """Split a title into words, so that expressions can match them: "CITY_NM", "AgencyCounty"."""
    return _JOINED.sub(" ", title.replace("_", " "))


_JOINED = re.compile(r"(?<=[a-z])(?=[A-Z])")


def _choose_columns(
    sample: _Sample, dates: frozenset[str] = frozenset()
) -> tuple[ColumnMap, tuple[str, ...]]:
    """Choose the meanings of columns. Raises ParseError if none holds an agency's name.

    Columns about people (names of officers, telephones) are left out whatever they are called.
    """
    left = {
        title: _Shares.of([row[at] for row in sample.rows])
        for at, title in enumerate(sample.titles)
        if title and not _PEOPLE.search(title)
    }
    edited = [title for title, share in left.items() if share.dates and _EDITED.search(title)]
    for title in edited:
        del left[title]
    linked = {sample.titles[at] for at in sample.linked if at < len(sample.titles)}

    def take(score: Any, least: float) -> str | None:
        title = _best(left, score, least)
        if title is not None:
            del left[title]
        return title

    state = take(lambda t, s: s.states * s.filled + bool(_STATE.search(t)) / 2, 1.0)
    in_towns = state is None and (state := take(lambda _, s: s.places * s.filled, 0.8)) is not None
    since = take(
        lambda t, s: (t in dates or s.dates) * min(1, s.filled * 2) + bool(_SINCE.search(t)) / 2, 1.0
    )
    name = take(
        lambda t, s: (
            bool(_NAME.search(t))
            + s.agencies
            + s.unique / 2
            - s.dates
            - s.links
            - bool(_ID.search(t))
            + s.filled / 4
        ),
        1.2,
    )
    if name is None:
        raise ParseError(
            f"No column holds names of agencies; the columns are: {', '.join(sample.titles)[:300]}."
        )
    url = take(lambda t, s: max(s.links, t in linked) + bool(_URL.search(t)) / 2, 1.0)
    county = take(lambda t, s: bool(_COUNTY.search(t)) * (0.5 + s.filled), 0.6)
    city = take(lambda t, s: bool(_CITY.search(t)) * (0.5 + s.filled), 0.6)
    source_id = take(
        lambda t, s: bool(_ID.search(t)) * s.unique * s.filled * (fold_header(t) not in _ROW_NUMBERS), 0.9
    )
    attributes = tuple(
        title
        for title, share in left.items()
        if share.distinct <= _MOST_VALUES
        and share.filled >= 0.2
        and (_GROUP.search(title) or (share.distinct > 1 and share.unique < 0.9))
    )[:_MOST_ATTRIBUTES]
    columns = ColumnMap(
        name=name,
        state=state,
        county=county,
        city=city,
        since=since,
        id=source_id,
        url=url,
        attributes=attributes,
    )
    notes = []
    if in_towns:
        notes.append(f'"{state}" holds towns with their states; both are read from it')
    if state is None:
        notes.append(
            "no column holds states: agencies have no place. If all are in one state, name it with --state IN"
        )
    days = [row[sample.titles.index(since)] for row in sample.rows] if since else []
    if doubtful := find_doubtful(days):
        notes.append(
            f"dates are read with the month first: {doubtful} is {read_date(doubtful)}. If the day is first, "
            'add dates = "day-first" to the options'
        )
    unused = [title for title in sample.titles if title in left and title not in attributes]
    unused += [title for title in sample.titles if title and (title in edited or _PEOPLE.search(title))]
    if unused:
        notes.append(f"columns that are not read: {', '.join(unused)[:300]}")
    return columns, tuple(notes)


_ROW_NUMBERS = frozenset({"objectid", "fid", "oid", "rownumber", "no", "no.", "number"})
"""Row numbers, which move to other agencies when a list is sorted, so they are not ids."""
