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
            arcgis.FORMAT,
            records.FORMAT,
            html_table.FORMAT,
        )
    }
)
"""Every format by the name that the configuration gives it, in the order in which a file that is not
configured is offered to them: GeoJSON and ArcGIS before JSON, which recognizes them too.
"""

ENDINGS = tuple(ending for chosen in FORMATS.values() for ending in chosen.endings)
"""The endings of the names of files that may be lists."""
