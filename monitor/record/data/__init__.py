"""The public record as files: lists, versions, changes and polls as CSV, JSON, NDJSON, GeoJSON and SQLite,
with their descriptions.

The site serves these files and `monitor export` writes them, both by the same functions. Nothing here can
reach a subscriber: an import contract holds it.
"""

from __future__ import annotations
