"""Which URLs other sites' pages and programs may read, and the headers that allow it."""

from __future__ import annotations

OPEN_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "ETag, Link, Record-Head, Retry-After, Deprecation, Sunset",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
"""Headers of every response with data, including errors and 304. They involve no cookies."""

FILE_HEADERS = {"Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'"}
"""Headers of files that are not pages: a browser that opens a publisher's file runs no code in it."""

PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "If-None-Match, If-Modified-Since, Range",
    "Access-Control-Max-Age": "86400",
}
"""The response to a browser's preflight for a conditional request."""

_FOLDERS = ("/data/", "/api/v1/", "/log/", "/evidence/")
_FEEDS = ("/feed.atom", "/feed.json")


def is_open(path: str) -> bool:
    """Whether a path has public data that any site may read."""
    return is_file(path) or path.endswith(_FEEDS)


def is_file(path: str) -> bool:
    """Whether a path is a file of the record."""
    return path.startswith(_FOLDERS)
