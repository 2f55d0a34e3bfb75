"""JSON bodies: strict parsing, and records to rows of text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from monitor.errors import ParseError
from monitor.sources.cells import clean, plain_number
from monitor.sources.column_map import MIB, ParseLimits
from monitor.sources.sniff import refuse_empty_and_pages

_MOST_LEVELS = 5  # of objects in a record; what lies deeper is no cell


def is_json(body: bytes) -> bool:
    """Whether a body begins as a JSON object or array does."""
    return body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")


def load_json(body: bytes, limits: ParseLimits) -> object:
    """The value that a body is; ParseError with the place where it is not JSON (RFC 8259)."""
    refuse_empty_and_pages(body)
    if len(body) > limits.decoded:
        raise ParseError(f"The body is larger than {limits.decoded / MIB:g} MiB.")
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        at = f"line {error.lineno:,}, column {error.colno:,}"
        raise ParseError(f"The JSON is broken or cut off at {at}: {error.msg}.") from None
    except UnicodeDecodeError:
        raise ParseError("The JSON is in no encoding that JSON may have.") from None
    except RecursionError:
        raise ParseError("The JSON is nested too deeply.") from None
    except ValueError:  # a number of more than 4,300 digits
        raise ParseError("The JSON has a number that is too long.") from None


def read_position(latitude: object, longitude: object) -> tuple[float, float] | None:
    """Two JSON numbers as a point; None where they are none, or beyond what a float holds."""
    if not isinstance(longitude, int | float) or not isinstance(latitude, int | float):
        return None
    try:
        return float(latitude), float(longitude)
    except OverflowError:
        return None


def _refuse_constant(name: str) -> None:
    raise ParseError(f"The JSON has the value {name}, which JSON does not know.")


def flatten(record: Mapping[str, object], prefix: str = "", level: int = 1) -> Iterator[tuple[str, str]]:
    """Titles and texts of a record's values; those of an object within it are titled "outer.inner"."""
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
    return plain_number(str(value))
