"""The registry of formats. A new format is one file in this folder and one entry here."""

from __future__ import annotations

from types import MappingProxyType

from monitor.sources import arcgis, geojson, html_table, mymaps, records, table
from monitor.sources.format import Format

FORMATS = MappingProxyType[str, Format](
    {
        chosen.name: chosen
        for chosen in (
            mymaps.FORMAT,
            table.FORMAT,
            geojson.FORMAT,
            records.FORMAT,
            arcgis.FORMAT,
            html_table.FORMAT,
        )
    }
)
"""Every format by the name that the configuration gives it."""
