"""The public record as files: lists, versions, changes and polls as CSV, JSON, NDJSON, GeoJSON and SQLite,
with their descriptions.

The site serves these files and `monitor export` writes them, both by the same functions. This package cannot
access subscribers, which an import contract enforces.
"""

from __future__ import annotations
