"""The file of the operator's corrections: a CSV, checked as a whole when it is loaded."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from monitor.domain import Placement
from monitor.errors import ConfigError, UsageError
from monitor.places.codes import EVERYWHERE, parse_place
from monitor.places.gazetteer import Gazetteer
from monitor.places.given_places import read_given_places
from monitor.places.names import key
from monitor.places.overrides import Override, Overrides, make_placement
from monitor.states import STATES, read_state

COLUMNS = ("source", "key", "name", "state", "places", "note")


_NAME = re.compile(r"[^\W\d_]{3,}")  # ZIPs and codes of states have no word of three letters


def load_overrides(path: Path, gazetteer: Gazetteer) -> Overrides:
    """The overrides of a CSV file; ConfigError lists every problem of it, by line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError([f"{path}: the overrides cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: the overrides are not UTF-8 text; save the file as CSV UTF-8"]) from None
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        return _read(path, reader, gazetteer)
    except csv.Error as error:
        raise ConfigError([f"{path}, line {reader.line_num}: not readable as CSV: {error}"]) from None


def _read(path: Path, reader: csv.DictReader[str], gazetteer: Gazetteer) -> Overrides:
    missing = [c for c in ("places",) if c not in (reader.fieldnames or ())]
    unknown = [c for c in reader.fieldnames or () if c not in COLUMNS]
    problems = [
        f"{path}, line 1: the column {c} is missing; the columns are {', '.join(COLUMNS)}" for c in missing
    ]
    problems += [
        f"{path}, line 1: there is no column {c!r}; the columns are {', '.join(COLUMNS)}" for c in unknown
    ]
    if problems:
        raise ConfigError(problems)
    rows: list[Override] = []
    seen: dict[tuple[str, ...], int] = {}
    for row in reader:
        line = reader.line_num
        cells = {c: (row.get(c) or "").strip() for c in COLUMNS}
        if not any(cells.values()):
            continue
        made, wrong = _row(cells, gazetteer)
        if None in row:
            wrong.append(
                f"has more than {len(COLUMNS)} cells: put places in one cell, "
                "separated by spaces or semicolons"
            )
        if made is not None:
            identity = (
                made.source,
                made.key,
                "" if made.key else key(made.name),
                "" if made.key else made.state,
            )
            if identity in seen:
                wrong.append(f"says again what line {seen[identity]} says of {made.key or made.name}")
            seen.setdefault(identity, line)
            rows.append(made)
        problems += [f"{path}, line {line}: {what}" for what in wrong]
    if problems:
        raise ConfigError(problems)
    return Overrides.of(rows)


def _row(cells: dict[str, str], gazetteer: Gazetteer) -> tuple[Override | None, list[str]]:
    wrong: list[str] = []
    state = ""
    if cells["state"]:
        reading = read_state(cells["state"])
        if reading is None or not reading.exact:
            wrong.append(f"{cells['state']!r} is not a state")
        else:
            state = reading.code
    if not cells["key"] and not cells["name"]:
        wrong.append("gives neither key nor name")
    elif not cells["key"] and not cells["state"]:
        wrong.append("gives a name without a state; agencies of one name exist in many states")
    placement, bad = _placement(cells["places"], cells["note"], gazetteer)
    wrong += bad
    if placement is None or wrong:
        return None, wrong
    return Override(cells["source"], cells["key"], cells["name"], state, placement), []


def _placement(text: str, note: str, gazetteer: Gazetteer) -> tuple[Placement | None, list[str]]:
    words = text.replace(";", " ").replace(",", " ").split()
    if not words:
        return None, ["gives no places"]
    if _NAME.search(text) and read_state(text) is None:
        return _read_named(text, note, gazetteer)
    zips: set[str] = set()
    states: set[str] = set()
    wrong: list[str] = []
    for word in words:
        try:
            place = parse_place(word)
        except UsageError as error:
            wrong.append(str(error))
            continue
        if place == EVERYWHERE:
            wrong.append("US is not a place that an agency serves; give ZIPs or a state")
        elif place in STATES:
            states.add(place)
        elif gazetteer.zip(place) is None:
            wrong.append(f"{place} is not a known ZIP code")
        else:
            zips.add(place)
    if not wrong and (len(states) > 1 or (states and zips)):
        wrong.append("gives more than ZIPs or one state: an agency serves either")
    if wrong:
        return None, wrong
    return make_placement(tuple(sorted(zips or states)), note), []


def _read_named(text: str, note: str, gazetteer: Gazetteer) -> tuple[Placement | None, list[str]]:
    """Read towns, counties and radii, separated by semicolons, as `monitor place set` does."""
    zips: set[str] = set()
    labels = []
    for part in filter(None, map(str.strip, text.split(";"))):
        try:
            found, label = read_given_places(part, gazetteer)
        except UsageError as error:
            return None, [str(error)]
        if set(found) & STATES.keys():
            return None, [f"{part!r} is a state: give it alone, as its code"]
        zips |= set(found)
        labels.append(label or part)
    return make_placement(tuple(sorted(zips)), note or "; ".join(labels)), []
