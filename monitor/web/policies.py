"""Which addresses other people's pages and programs may read, and the headers that let them."""

from __future__ import annotations

OPEN_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "ETag, Link, Record-Head, Retry-After, Deprecation, Sunset",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
"""Headers of every answer with data, errors and 304 too. There are no cookies to protect in them."""

FILE_HEADERS = {"Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'"}
"""Headers of files that are no pages: a browser that opens a publisher's file runs nothing of it."""

PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "If-None-Match, If-Modified-Since, Range",
    "Access-Control-Max-Age": "86400",
}
"""The answer to a browser that asks whether it may send a conditional request."""

_FOLDERS = ("/data/", "/api/v1/", "/log/", "/evidence/")
_FEEDS = ("/feed.atom", "/feed.json")


def is_open(path: str) -> bool:
    """Whether an address holds public data that anybody may read from anywhere."""
    return is_file(path) or path.endswith(_FEEDS)


def is_file(path: str) -> bool:
    """Whether an address holds a file of the record."""
    return path.startswith(_FOLDERS)
