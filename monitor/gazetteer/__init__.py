"""Which ZIP codes an agency serves, offline: the packaged table, the rule, the operator's overrides and the resident's side.

The names below are imported when they are first asked for: what only reads places (`monitor.gazetteer.places`) stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monitor.gazetteer.gazetteer import Covers, Gazetteer, TownZips, load
    from monitor.gazetteer.overrides import Override, Overrides, load_overrides
    from monitor.gazetteer.places import EVERYWHERE, MILITARY, parse_place, state_of_zip
    from monitor.gazetteer.zips import ZipArea, ZipKind
    from monitor.states import STATES

_HOMES = {
    "Covers": "monitor.gazetteer.gazetteer",
    "Gazetteer": "monitor.gazetteer.gazetteer",
    "TownZips": "monitor.gazetteer.gazetteer",
    "load": "monitor.gazetteer.gazetteer",
    "Override": "monitor.gazetteer.overrides",
    "Overrides": "monitor.gazetteer.overrides",
    "load_overrides": "monitor.gazetteer.overrides",
    "EVERYWHERE": "monitor.gazetteer.places",
    "MILITARY": "monitor.gazetteer.places",
    "parse_place": "monitor.gazetteer.places",
    "state_of_zip": "monitor.gazetteer.places",
    "ZipArea": "monitor.gazetteer.zips",
    "ZipKind": "monitor.gazetteer.zips",
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
