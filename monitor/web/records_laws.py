"""The operator's table of the states' public records laws, for the letters that ask for records."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from monitor.errors import ConfigError
from monitor.messages.layout import clean
from monitor.states import read_state

_LAWS_COLUMNS = ("state", "law", "citation", "reviewed")


@dataclass(frozen=True, slots=True)
class RecordsLaw:
    """A state's public records law, as the operator's table has it; only reviewed ones are shown."""

    law: str
    citation: str
    reviewed: date


def load_laws(path: Path) -> Mapping[str, RecordsLaw]:
    """Read the operator's table of laws by state. Raises ConfigError that says what is wrong."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: the table of laws cannot be read: {error}"]) from None
    reader = csv.DictReader(io.StringIO(text, newline=""))
    if tuple(reader.fieldnames or ()) != _LAWS_COLUMNS:
        raise ConfigError([f"{path}: the table of laws needs the columns {', '.join(_LAWS_COLUMNS)}"])
    found, wrong = {}, []
    for row in reader:
        state = read_state(row["state"] or "")
        try:
            reviewed = date.fromisoformat(row["reviewed"] or "")
        except ValueError:
            reviewed = None
        if state is None or not state.exact or not (row["law"] or "").strip() or reviewed is None:
            wrong.append(f"{path}, line {reader.line_num}: give a state, a law, and the day of its review")
            continue
        found[state.code] = RecordsLaw(clean(row["law"]), clean(row["citation"] or ""), reviewed)
    if wrong:
        raise ConfigError(wrong)
    return found
