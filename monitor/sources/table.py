"""Tables, XLSX or CSV: columns by header name, one agency's rows merged into one listing."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from itertools import islice

from monitor.core import identity
from monitor.domain import Listing, Problem, Publication
from monitor.errors import ParseError
from monitor.sources.cells import (
    NAME_LENGTH,
    TEXT_LENGTH,
    clean,
    is_missing,
    plain_number,
    read_date,
    web_address,
)
from monitor.sources.columns import MIB, ColumnMap, ParseLimits, SourceSpec
from monitor.sources.sniff import is_zip, refuse_empty_and_pages
from monitor.sources.workbook import sheets
from monitor.states import read_state

_HEADER_ROWS = 10  # a title and notes may stand above the headers
_DELIMITERS = (",", ";", "\t")
_LINK_WORDS = frozenset({"link", "here", "view", "open", "pdf", "document", "moa", "download"})
"""What stands in a cell only to carry a link: then the link is what the cell says."""


@dataclass(frozen=True, slots=True)
class _Cell:
    value: object
    link: str | None = None

    @property
    def text(self) -> str:
        """The cell on one line: a whole number without its ".0", a moment at midnight as its day."""
        value = self.value
        if isinstance(value, str):
            return plain_number(clean(value))
        if isinstance(value, datetime):
            return (
                value.date().isoformat()
                if not (value.hour or value.minute or value.second)
                else value.isoformat(" ")
            )
        return "" if value is None else plain_number(str(value))


_EMPTY = _Cell(None)
_Row = dict[
    str, _Cell
]  # by `Listing` field, or by the attribute's configured name with a space in front, so that neither hides the other


@dataclass(frozen=True, slots=True)
class _Table:
    """The rows below the header, each with its number in the file from 1, and the columns that the header has."""

    columns: frozenset[str]
    rows: Iterator[tuple[int, _Row]]


def parse(body: bytes, spec: SourceSpec) -> Publication:
    """The publication that an XLSX or CSV is; ParseError if it is none, lacks the name or state column, or has no row."""
    columns = spec.columns
    if columns is None or not columns.name:
        raise ParseError(f"The source {spec.name} names no column for the agency's name.")
    refuse_empty_and_pages(body)
    problems: list[Problem] = []
    if is_zip(body):
        table = _from_workbook(body, columns, spec.limits)
    else:
        table = _from_csv(body, columns, spec.limits, problems)
    reader = _Reader(problems)
    for number, row in table.rows:
        reader.read(number, row)
    if not reader.rows:
        raise ParseError("The table has its headers and no row with a name that can be read.")
    by_city = columns.city is not None
    return Publication(
        listings=identity.keyed(_merged(reader.rows, by_city, problems), by_city=by_city),
        problems=tuple(sorted(problems, key=lambda problem: problem.row or 0)),
        columns=frozenset(name.lstrip() for name in table.columns - {"name"}),
        damaged=tuple(reader.damaged),
    )


def _folded(header: object) -> str:
    return "".join(str(header).split()).casefold() if header is not None else ""


def _mapped(columns: ColumnMap) -> dict[str, str]:
    """Header as it is compared, to the key of `_Row` that it fills."""
    named = {f.name: getattr(columns, f.name) for f in fields(columns) if f.name != "attributes"}
    mapped = {
        _folded(header): "source_id" if field == "id" else field for field, header in named.items() if header
    }
    return mapped | {
        _folded(title): f" {title}" for title in columns.attributes if _folded(title) not in mapped
    }


def _header(row: Iterable[object], columns: ColumnMap) -> dict[int, str] | None:
    """Position to key of `_Row`, if this row holds the headers of name and state; the first of two like headers counts."""
    mapped = _mapped(columns)
    found: dict[str, int] = {}
    for position, header in enumerate(row):
        if key := mapped.get(_folded(header)):
            found.setdefault(key, position)
    if "name" not in found or (columns.state and "state" not in found):
        return None
    return {position: key for key, position in found.items()}


def _no_headers(columns: ColumnMap, rows: Iterable[Iterable[object]]) -> ParseError:
    wanted = " and ".join(f'"{header}"' for header in (columns.name, columns.state) if header)
    widest = max(
        ([clean(str(cell)) for cell in row if cell is not None] for row in rows), key=len, default=[]
    )
    there = ", ".join(header[:40] for header in widest[:20] if header) or "none"
    return ParseError(f"No column is headed {wanted}; the headers are: {there}.")


def _from_workbook(body: bytes, columns: ColumnMap, limits: ParseLimits) -> _Table:
    tops: list[tuple[object, ...]] = []
    for sheet in sheets(body, limits):
        top = sheet.rows[:_HEADER_ROWS]
        for number, row in enumerate(top, start=1):
            if header := _header(row, columns):
                return _Table(
                    frozenset(header.values()),
                    (
                        (
                            at,
                            {
                                key: _Cell(row[p], sheet.link(at, p + 1))
                                for p, key in header.items()
                                if p < len(row)
                            },
                        )
                        for at, row in enumerate(sheet.rows[number:], start=number + 1)
                    ),
                )
        tops.extend(top)
    raise _no_headers(columns, tops)


def _from_csv(body: bytes, columns: ColumnMap, limits: ParseLimits, problems: list[Problem]) -> _Table:
    """The delimiter is the one by which the headers are found."""
    if len(body) > limits.decoded:
        raise ParseError(f"The body is larger than {limits.decoded / MIB:g} MiB.")
    text = _decoded(body, problems)
    tops: list[list[str]] = []
    for delimiter in _DELIMITERS:
        top: list[list[str]] = []
        with suppress(ParseError):  # by a wrong delimiter quotes stand in wrong places
            top.extend(islice(_csv_rows(text, delimiter), _HEADER_ROWS))
        for number, row in enumerate(top, start=1):
            if header := _header(row, columns):
                whole = _whole(text, _csv_rows(text, delimiter), len(row))
                return _Table(
                    frozenset(header.values()),
                    (
                        (at, {key: _Cell(row[p]) for p, key in header.items() if p < len(row)})
                        for at, row in enumerate(whole, start=1)
                        if at > number
                    ),
                )
        tops.extend(top)
    raise _no_headers(columns, tops)


def _decoded(body: bytes, problems: list[Problem]) -> str:
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif b"\0" in body[:4096]:
        raise ParseError("The body is neither a workbook (XLSX) nor text.")
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = body.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding == "cp1252":
            problems.append(Problem("wrong encoding", "the text is not UTF-8; it is read as Windows-1252"))
        return text
    raise ParseError("The text is in no encoding that can be read (UTF-8, Windows-1252, UTF-16).")


def _csv_rows(text: str, delimiter: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    except csv.Error as error:
        raise ParseError(f"The CSV is broken: {error}.") from None


def _whole(text: str, rows: Iterable[list[str]], width: int) -> Iterator[list[str]]:
    """The rows; ParseError if the last one breaks off: shorter than the header and without the end of a line."""
    row: list[str] = []
    for row in rows:
        yield row
    if 0 < len(row) < width and not text.endswith(("\n", "\r")):
        raise ParseError(f"The CSV is cut off at character {len(text):,}.")


class _Reader:
    """Turns rows into listings that are not merged yet, and keeps what is wrong with them beside."""

    def __init__(self, problems: list[Problem]) -> None:
        self.rows: list[tuple[int, Listing]] = []
        self.damaged: list[Listing] = []
        self.problems = problems

    def read(self, number: int, row: _Row) -> None:
        texts = {key: cell.text for key, cell in row.items()}
        if not any(texts.values()):
            return
        name = texts.get("name", "")
        state, state_text = self._state(number, texts)
        day = self._day(number, row)
        url = self._link(number, row.get("url", _EMPTY))
        listing = Listing(
            name=self._cut(number, "name", name, NAME_LENGTH),
            source_id=self._place(number, texts, "source_id"),
            city=self._place(number, texts, "city"),
            county=self._place(number, texts, "county"),
            state=state,
            state_text=state_text,
            since=day,
            dates=(day,) if day else (),
            url=url,
            documents=(url,) if url else (),
            attributes=tuple(sorted(self._attributes(number, row, texts))),
        )
        if not is_missing(name):
            self.rows.append((number, listing))
        elif any(text for key, text in texts.items() if key != "name"):
            self.damaged.append(listing)
            self._report("empty name", f"the name is {name or 'empty'}", number)

    def _state(self, number: int, texts: dict[str, str]) -> tuple[str | None, str | None]:
        if "state" not in texts:
            return None, None
        text = self._cut(number, "state", texts["state"], NAME_LENGTH)
        reading = read_state(text)
        if reading is None:
            message = f'no state can be read in "{text[:80]}"' if text else "the state is empty"
            self._report("unknown state", message, number)
            return None, text or None
        if not reading.exact:
            self._report("state read as", f'"{text}" is read as {reading.code}', number)
        return reading.code, None

    def _day(self, number: int, row: _Row) -> date | None:
        cell = row.get("since", _EMPTY)
        if isinstance(cell.value, datetime):
            return cell.value.date()
        if isinstance(cell.value, date):
            return cell.value
        day = read_date(cell.text)
        if day is None and not is_missing(cell.text):
            self._report("bad date", f'"{cell.text[:80]}" is no date', number)
        return day

    def _link(self, number: int, cell: _Cell) -> str | None:
        """The cell's link, or its text if that is one; words in its place ("link pending") are no link yet."""
        for text in (cell.link, cell.text):
            if text and (url := web_address(clean(text))):
                return url
        if cell.link:
            self._report("bad url", f'"{clean(cell.link)[:80]}" is no web address', number)
        return None

    def _place(self, number: int, texts: dict[str, str], field: str) -> str | None:
        text = texts.get(field, "")
        return None if is_missing(text) else self._cut(number, field, text, NAME_LENGTH)

    def _attributes(self, number: int, row: _Row, texts: dict[str, str]) -> Iterator[tuple[str, str]]:
        for key, text in texts.items():
            if not key.startswith(" ") or not text:
                continue
            title = key[1:]
            if is_missing(text):
                self._report("unreadable cell", f"{title} is {text}", number)
                continue
            link = row[key].link
            if link and text.casefold() in _LINK_WORDS:
                text = web_address(clean(link)) or text
            yield title, self._cut(number, title, text, TEXT_LENGTH)

    def _cut(self, number: int, column: str, text: str, length: int) -> str:
        if len(text) <= length:
            return text
        self._report("text cut", f"{column} has {len(text):,} characters; {length:,} are kept", number)
        return text[:length]

    def _report(self, kind: str, message: str, number: int) -> None:
        self.problems.append(Problem(kind, message, number))


def _merged(rows: list[tuple[int, Listing]], by_city: bool, problems: list[Problem]) -> Iterator[Listing]:
    """One listing per natural key, in the order of their first rows; rows that share an id by mistake stay apart."""
    groups: dict[str, list[list[tuple[int, Listing]]]] = {}
    for number, listing in rows:
        agencies = groups.setdefault(identity.natural_key(listing, by_city=by_city), [])
        for group in agencies:
            if not listing.source_id or identity.may_be_one(group[0][1], listing):
                group.append((number, listing))
                break
        else:
            agencies.append([(number, listing)])
    for agencies in groups.values():
        if len(agencies) > 1:
            number, first = agencies[0][0]
            message = f"{len(agencies)} agencies share the id {first.source_id}"
            problems.append(Problem("duplicate key", message, number))
        for group in agencies:
            yield group[0][1] if len(group) == 1 else _one(group, problems)


def _one(group: list[tuple[int, Listing]], problems: list[Problem]) -> Listing:
    """Rows of one agency as one listing; nothing in it depends on the order of the rows, which publishers change."""
    listings = [listing for _, listing in group]

    def agreed(field: Callable[[Listing], str | None], title: str) -> str | None:
        """The value that most rows have: one row with a typo does not change the listing when the rows change places."""
        counts = Counter(value for value in map(field, listings) if value)
        if len({identity.normalise(value) for value in counts}) > 1:
            written = " and ".join(f'"{value[:80]}"' for value in sorted(counts))
            problems.append(
                Problem("rows differ", f"{listings[0].name} has the {title} {written}", group[0][0])
            )
        return min(counts, key=lambda value: (-counts[value], value), default=None)

    days = tuple(sorted({day for listing in listings for day in listing.dates}))
    documents = tuple(sorted({document for listing in listings for document in listing.documents}))
    values: dict[str, set[str]] = {}
    for listing in listings:
        for column, text in listing.attributes:
            values.setdefault(column, set()).add(text)
    return replace(
        listings[0],
        name=agreed(lambda listing: listing.name, "name") or listings[0].name,
        city=agreed(lambda listing: listing.city, "city"),
        county=agreed(lambda listing: listing.county, "county"),
        state_text=agreed(lambda listing: listing.state_text, "state"),
        since=days[0] if days else None,
        dates=days,
        url=documents[0] if documents else None,
        documents=documents,
        attributes=tuple((column, "; ".join(sorted(values[column]))) for column in sorted(values)),
    )
