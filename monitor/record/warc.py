"""Fetches as records of a web archive (WARC 1.1, ISO 28500:2017). Pure; equal fetches give equal bytes.

Every record is a gzip member of its own, as readers expect. A fetch with the same content as an earlier
record is a revisit of that one. If the encoded form of a body is not available, the headers that describe
that form get the prefix ``X-Archive-Orig-``, as in other archives.
"""

from __future__ import annotations

import hashlib
import uuid
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

MEDIA_TYPE = "application/warc"
_OF_THE_FORM = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_NAMES = uuid.UUID("5c8d3f0e-2b8e-5d0a-9a64-6d0d3f0f3b57")  # the namespace of record ids
_SAFE = "!#$%&'()*+,-./:;=?@[]_~"  # characters that a URL may contain unescaped (RFC 3986)
_REVISIT = "http://netpreserve.org/warc/1.1/revisit"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedFetch:
    """A fetch with known content: ``sha256`` of the decoded body, ``headers`` as stored, ``request`` as
    returned by `storage.lists.sent_requests.join_validators`, if known.

    ``captured_by`` is who captured it if somebody else did; then there are no headers.
    """

    at: datetime
    url: str
    sha256: str
    status: int = 200
    headers: Sequence[Sequence[str]] = ()
    request: Mapping[str, Any] | None = None
    captured_by: str = ""


@dataclass(frozen=True, slots=True)
class ArchivedBody:
    """A decoded body, and the gzip form in which the server sent it, if available."""

    content: bytes = field(repr=False)
    wire: bytes | None = field(default=None, repr=False)


class WarcEncoder:
    """Encodes the records of one file, in order. ``part_of`` names the list, ``operator`` the operator who
    fetched it.
    """

    def __init__(self, *, software: str, operator: str, part_of: str) -> None:
        self._told = {"software": software, "format": "WARC File Format 1.1", "isPartOf": part_of}
        self._operator = operator
        self._infos: dict[str, str] = {}
        self._first: dict[str, tuple[str, str, str, str]] = {}

    def has(self, sha256: str) -> bool:
        """Whether an earlier record has this content: then the next one with it needs no body."""
        return sha256 in self._first

    def encode(self, fetch: ArchivedFetch, body: ArchivedBody | None = None) -> bytes:
        """Encode the record of a fetch, preceded by a warcinfo record if it is the first by its capturer, and
        followed by a record of the request if that is known. ``body`` may be None only if `has` is true.
        """
        pieces = b""
        by = fetch.captured_by or self._operator
        at = format_time(fetch.at)
        if by not in self._infos:
            pieces, self._infos[by] = self._encode_info(by, at)
        url = quote(_one_line(fetch.url), safe=_SAFE)
        fields = {"WARC-Target-URI": url, "WARC-Date": at, "WARC-Warcinfo-ID": self._infos[by]}
        name = f"{fetch.sha256} {at} {url} {by}"
        request = fetch.request
        if request is not None and "remote" in request:
            fields["WARC-IP-Address"] = str(request["remote"])
        if self.has(fetch.sha256):
            pieces += self._encode_revisit(name, fields, fetch)
        else:
            assert body is not None
            record, digest = _encode_first(name, fields, fetch, body)
            self._first[fetch.sha256] = (_record_id(name), url, at, digest)
            pieces += record
        return pieces if request is None else pieces + _encode_request(name, fields, request)

    def _encode_info(self, by: str, at: str) -> tuple[bytes, str]:
        lines = {"operator": _one_line(by), **self._told}
        block = "".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode()
        name = f"info {by} {at} {self._told['isPartOf']}"
        fields = {"WARC-Date": at, "Content-Type": "application/warc-fields"}
        return _encode_record("warcinfo", name, fields, block), _record_id(name)

    def _encode_revisit(self, name: str, fields: Mapping[str, str], fetch: ArchivedFetch) -> bytes:
        first, url, at, digest = self._first[fetch.sha256]
        same = "server-not-modified" if fetch.status == 304 else "identical-payload-digest"
        more = {
            "WARC-Profile": f"{_REVISIT}/{same}",
            "WARC-Payload-Digest": digest,
            "WARC-Refers-To": first,
            "WARC-Refers-To-Target-URI": url,
            "WARC-Refers-To-Date": at,
            "Content-Type": "application/http; msgtype=response",
        }
        return _encode_record("revisit", name, {**fields, **more}, _encode_head(fetch, fetch.headers))


def _encode_first(
    name: str, fields: Mapping[str, str], fetch: ArchivedFetch, body: ArchivedBody
) -> tuple[bytes, str]:
    """The record with the content itself, and the digest of its payload."""
    if fetch.captured_by:
        digest = _digest(body.content)
        more = {"WARC-Payload-Digest": digest, "Content-Type": "application/octet-stream"}
        return _encode_record("resource", name, {**fields, **more}, body.content), digest
    compressed = {value.strip().lower() for key, value in fetch.headers if key.lower() == "content-encoding"}
    wire = body.wire if compressed <= {"gzip", "x-gzip"} and compressed else None
    payload = body.content if wire is None else wire
    headers = [
        (f"X-Archive-Orig-{key}", value) if _describes_other_form(key, value, wire) else (key, value)
        for key, value in fetch.headers
    ]
    if not any(key.lower() == "content-length" for key, _ in headers):
        headers.append(("Content-Length", str(len(payload))))
    digest = _digest(payload)
    more = {"WARC-Payload-Digest": digest, "Content-Type": "application/http; msgtype=response"}
    return _encode_record(
        "response", name, {**fields, **more}, _encode_head(fetch, headers) + payload
    ), digest


def _encode_request(of: str, fields: Mapping[str, str], request: Mapping[str, Any]) -> bytes:
    """The record of the request that the record named ``of`` answers, without headers that are secrets."""
    url = urlsplit(fields["WARC-Target-URI"])
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    sent = [*request["headers"], *request.get("validators", ())]
    lines = [f"{_one_line(request['method'])} {target} HTTP/1.1"]
    lines += [f"{_one_line(name)}: {_one_line(value)}" for name, value in sent]
    block = ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "replace")
    more = {"WARC-Concurrent-To": _record_id(of), "Content-Type": "application/http; msgtype=request"}
    return _encode_record("request", f"request {of}", {**fields, **more}, block)


def _describes_other_form(key: str, value: str, wire: bytes | None) -> bool:
    """Whether a header describes a different form of the body than the one in the record."""
    key = key.lower()
    if key not in _OF_THE_FORM:
        return False
    if wire is None:
        return True
    return key == "transfer-encoding" or (key == "content-length" and value.strip() != str(len(wire)))


def _encode_head(fetch: ArchivedFetch, headers: Iterable[Sequence[str]]) -> bytes:
    try:
        phrase = HTTPStatus(fetch.status).phrase
    except ValueError:
        phrase = ""
    lines = [f"HTTP/1.1 {fetch.status} {phrase}".rstrip()]
    lines += [f"{_one_line(key)}: {_one_line(value)}" for key, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "replace")


def _encode_record(kind: str, name: str, fields: Mapping[str, str], block: bytes) -> bytes:
    head = {
        "WARC-Type": kind,
        "WARC-Record-ID": _record_id(name),
        **fields,
        "WARC-Block-Digest": _digest(block),
        "Content-Length": str(len(block)),
    }
    text = "".join(f"{key}: {value}\r\n" for key, value in head.items())
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)  # a gzip member without a time
    record = b"WARC/1.1\r\n" + text.encode("utf-8", "replace") + b"\r\n" + block + b"\r\n\r\n"
    return packer.compress(record) + packer.flush()


def _record_id(name: str) -> str:
    return f"<urn:uuid:{uuid.uuid5(_NAMES, name)}>"


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def format_time(at: datetime) -> str:
    """Format a time for WARC 1.1: with as many fractional digits as needed."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def encode_all(
    encoder: WarcEncoder, fetches: Iterable[ArchivedFetch], bodies: Mapping[str, bytes]
) -> Iterator[bytes]:
    """Encode the records of fetches whose bodies are in memory; a fetch without a body is left out."""
    for fetch in fetches:
        content = bodies.get(fetch.sha256)
        if content is not None:
            yield encoder.encode(fetch, None if encoder.has(fetch.sha256) else ArchivedBody(content))
