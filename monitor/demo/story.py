"""The demo's story: subscribers, and what the publishers really published, and when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

# Address, places, sources, and who this is.
SUBSCRIBERS: tuple[tuple[str, tuple[str, ...], tuple[str, ...], str], ...] = (
    ("dana@detroit.example", ("48226",), ("ring", "ice-287g"), "lives in Detroit"),
    ("ruth@carroll.example", ("21157",), ("ring", "ice-287g"), "lives in Westminster, Maryland"),
    (
        "desk@newsroom.example",
        ("MD", "AR", "MI"),
        ("ring", "ice-287g"),
        "a newsroom that follows three states",
    ),
)
TELEGRAM = {"MI": "@example_michigan"}

_LOGIN_PAGE = (
    b"<!DOCTYPE html><html><head><title>Sign in - Google Accounts</title></head>"
    b"<body><form>Sign in</form></body></html>"
)


@dataclass(frozen=True, slots=True)
class Step:
    """An event: from ``at`` on, the publisher of ``source`` serves ``file``.

    ``text`` describes it. ``damage``: "" serves it unchanged, "cut" its first two thirds, "login" a sign-in
    page instead. ``suggested`` names places with changes in it.
    """

    at: datetime
    source: str
    file: str
    text: str
    damage: str = ""
    suggested: str = ""

    def content(self, folder: Path) -> bytes:
        """Read the bytes to serve."""
        body = (folder / self.file).read_bytes()
        if self.damage == "cut":
            return body[: len(body) * 2 // 3]
        return _LOGIN_PAGE if self.damage == "login" else body


def _at(year: int, month: int, day: int, hour: int = 14) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


def _workbook(name: str, at: datetime, text: str) -> Step:
    return Step(at, "ice-287g", f"participatingAgencies{name}.xlsx", text)


STEPS: tuple[Step, ...] = (
    Step(
        _at(2019, 8, 28),
        "ring",
        "ring-2019-08-28.kml",
        "The map is published. (37 of its agencies, as newspapers named them that day.)",
    ),
    Step(_at(2019, 8, 29), "ring", "ring-2019-08-28.kml", "The server answers with a sign-in page.", "login"),
    Step(_at(2019, 8, 29, 15), "ring", "ring-2019-08-28.kml", "An hour later the map is back."),
    Step(_at(2019, 9, 9, 13), "ring", "ring-2019-09-09.kml", "The answer breaks off in the middle.", "cut"),
    Step(
        _at(2019, 9, 9),
        "ring",
        "ring-2019-09-09.kml",
        "An hour later the whole map arrives, with agencies in Michigan.",
    ),
    _workbook("02172026pm", _at(2026, 2, 17, 22), "ICE's list, as released on February 17, 2026."),
    _workbook(
        "02272026am",
        _at(2026, 2, 27),
        "This release spells one state PENNSLYVANIA on 68 rows. True removals hide in the same file.",
    ),
    _workbook("03022026am", _at(2026, 3, 2), "The spelling is mended."),
    _workbook("03122026am", _at(2026, 3, 12), "Ten days of growth."),
    _workbook("03132026am", _at(2026, 3, 13), "Two agencies are missing."),
    _workbook("05142026am", _at(2026, 5, 14), "Two months later, very many at once."),
)

FIRST_OF_ICE = next(step for step in STEPS if step.source == "ice-287g")
ARCHIVE = "Map Monitor Archive"
"""Who captured the files of ICE's list from before the story; their names have their times."""

# Kept back for people who sign up in the live demo.
LAST = replace(
    _workbook("05182026am", _at(2026, 5, 18), "ICE's list as released on May 18, 2026, four days later."),
    suggested="NE, OK, NH or ZIP code 68310 (Beatrice, Nebraska)",
)
