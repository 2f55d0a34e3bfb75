"""JSON bodies, whole or one object per line: strict parsing, and conversion of records to rows of text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from monitor.domain import Problem
from monitor.errors import ParseError
from monitor.sources.cells import clean, format_number, plain_number
from monitor.sources.column_map import MIB, ParseLimits
from monitor.sources.sniff import decode_utf8, is_utf16, read_head, refuse_empty_and_pages

_BETWEEN = re.compile(r"[\s\x1e]*")  # objects: line ends, or the mark of RFC 8142
_MOST_LEVELS = 5  # nesting of objects in a record; deeper values are not cells


def is_json(body: bytes) -> bool:
    """Whether a body begins as a JSON object or array does."""
    if is_utf16(body):
        body = read_head(body)
    return body.lstrip(b"\xef\xbb\xbf \t\r\n\x1e")[:1] in (b"{", b"[")


def load_json(body: bytes, limits: ParseLimits, problems: list[Problem] | None = None) -> object:
    """Parse a body; raises ParseError with the position where it is not JSON (RFC 8259).

    Consecutive objects, as in JSON lines and GeoJSON text sequences (RFC 8142), are an array.
    With ``problems`` bytes that are not UTF-8 are read as Windows-1252 and named there.
    """
    refuse_empty_and_pages(body)
    if len(body) > limits.decoded:
        raise ParseError(f"The body is larger than {limits.decoded / MIB:g} MiB.")
    try:
        encoding = json.detect_encoding(body)
        if problems is not None and encoding in ("utf-8", "utf-8-sig"):
            text, strays = decode_utf8(body)
            if strays:
                message = f"{strays:,} bytes are not UTF-8; they are read as Windows-1252"
                problems.append(Problem("wrong encoding", message))
        else:
            text = body.decode(encoding, "surrogatepass").removeprefix("\ufeff")
        return _load_objects(text)
    except json.JSONDecodeError as error:
        at = f"line {error.lineno:,}, column {error.colno:,}"
        raise ParseError(f"The JSON is broken or cut off at {at}: {error.msg}.") from None
    except UnicodeDecodeError:
        raise ParseError("The JSON is in no encoding that JSON may have.") from None
    except RecursionError:
        raise ParseError("The JSON is nested too deeply.") from None
    except ValueError:  # a number of more than 4,300 digits
        raise ParseError("The JSON has a number that is too long.") from None


def _load_objects(text: str) -> object:
    """Parse the value of a text, or all of its values if each is an object."""
    decoder = json.JSONDecoder(parse_constant=_read_constant)
    values: list[object] = []
    at = _end_of_space(text, 0)
    while at < len(text) or not values:
        if values and not isinstance(values[-1], dict):
            raise json.JSONDecodeError("Extra data", text, at)
        value, at = decoder.raw_decode(text, at)
        values.append(value)
        at = _end_of_space(text, at)
    if len(values) > 1 and not isinstance(values[-1], dict):
        raise json.JSONDecodeError("An object was expected", text, len(text))
    return values[0] if len(values) == 1 else values


def _end_of_space(text: str, start: int) -> int:
    match = _BETWEEN.match(text, start)
    return match.end() if match else start


def read_position(latitude: object, longitude: object) -> tuple[float, float] | None:
    """Read two JSON numbers as a point; None if they are not numbers, or exceed a float."""
    if not isinstance(longitude, int | float) or not isinstance(latitude, int | float):
        return None
    try:
        return float(latitude), float(longitude)
    except OverflowError:
        return None


def _read_constant(name: str) -> None:
    """NaN, which pandas writes for an empty cell, becomes None; infinities are refused."""
    if name != "NaN":
        raise ParseError(f"The JSON has the value {name}, which JSON does not know.")


def flatten(record: Mapping[str, object], prefix: str = "", level: int = 1) -> Iterator[tuple[str, str]]:
    """Yield titles and texts of a record's values; those of a nested object are titled "outer.inner"."""
    for title, value in record.items():
        if isinstance(value, dict):
            if level < _MOST_LEVELS:
                yield from flatten(value, f"{prefix}{title}.", level + 1)
        else:
            yield prefix + title, format_value(value)


def format_value(value: object, level: int = 1) -> str:
    """A JSON value as the text of a cell: "" for null, the texts of an array joined by "; "."""
    if isinstance(value, str):
        return plain_number(clean(value))
    if value is None or isinstance(value, dict):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        texts = (format_value(each, level + 1) for each in value) if level < _MOST_LEVELS else ()
        return "; ".join(filter(None, texts))
    return format_number(value) if isinstance(value, float) else str(value)
