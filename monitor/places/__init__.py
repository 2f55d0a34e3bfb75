"""Finds which ZIP codes an agency serves, offline: the packaged table, the rule, the overrides and the
finder.

The names below are imported on first use, so that a module that only parses places imports quickly.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monitor.places.codes import EVERYWHERE, MILITARY, parse_place, state_of_zip
    from monitor.places.gazetteer import Covers, Gazetteer, TownZips, load
    from monitor.places.overrides import Override, Overrides
    from monitor.places.overrides_file import load_overrides
    from monitor.places.zips import ZipArea, ZipKind
    from monitor.states import STATES

_HOMES = {
    "Covers": "monitor.places.gazetteer",
    "Gazetteer": "monitor.places.gazetteer",
    "TownZips": "monitor.places.gazetteer",
    "load": "monitor.places.gazetteer",
    "Override": "monitor.places.overrides",
    "Overrides": "monitor.places.overrides",
    "load_overrides": "monitor.places.overrides_file",
    "EVERYWHERE": "monitor.places.codes",
    "MILITARY": "monitor.places.codes",
    "parse_place": "monitor.places.codes",
    "state_of_zip": "monitor.places.codes",
    "ZipArea": "monitor.places.zips",
    "ZipKind": "monitor.places.zips",
    "STATES": "monitor.states",
}

__all__ = [
    "EVERYWHERE",
    "MILITARY",
    "STATES",
    "Covers",
    "Gazetteer",
    "Override",
    "Overrides",
    "TownZips",
    "ZipArea",
    "ZipKind",
    "load",
    "load_overrides",
    "parse_place",
    "state_of_zip",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)
