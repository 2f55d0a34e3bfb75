"""Web archives of kept fetches: a library of strangers reads every record back to the stored hash."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from warcio.archiveiterator import ArchiveIterator

from monitor.record.warc import ArchivedBody, ArchivedFetch, WarcEncoder

AT = datetime(2026, 3, 1, 12, 0, 0, 250000, UTC)
HOUR = timedelta(hours=1)
URL = "https://list.example/list.csv?a=1"
FIRST, SECOND = b"Agency,State\nGary,IN\n" * 50, b"Agency,State\nHammond,IN\n" * 50
HEADERS = (("Content-Type", "text/csv"), ("ETag", '"1"'), ("Content-Length", str(len(FIRST))))


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def encoder() -> WarcEncoder:
    return WarcEncoder(software="map-monitor 0", operator="Watch\r\nExample", part_of="list")


def fetch(number: int, content: bytes, **values: Any) -> ArchivedFetch:
    return ArchivedFetch(
        **{"at": AT + number * HOUR, "url": URL, "sha256": sha(content), "headers": HEADERS} | values
    )


def read(archive: bytes) -> list[dict[str, Any]]:
    """The records as warcio sees them, their digests checked."""
    found = []
    records = ArchiveIterator(io.BytesIO(archive), check_digests="raise")
    for record in records:
        payload = record.content_stream().read()
        field = record.rec_headers.get_header
        found.append(
            {
                "type": record.rec_type,
                "url": field("WARC-Target-URI"),
                "at": field("WARC-Date"),
                "id": field("WARC-Record-ID"),
                "to": field("WARC-Refers-To"),
                "payload": payload,
                "headers": dict(record.http_headers.headers) if record.http_headers else {},
                "status": record.http_headers.get_statuscode() if record.http_headers else None,
            }
        )
        assert (record.digest_checker.passed, record.digest_checker.problems) != (False, [])
    return found


def test_a_body_is_written_once_and_repeated_by_reference() -> None:
    made = encoder()
    archive = made.encode(fetch(0, FIRST), ArchivedBody(FIRST))
    assert made.has(sha(FIRST))
    archive += made.encode(fetch(1, FIRST, status=304, headers=(("ETag", '"1"'),)))
    archive += made.encode(fetch(2, SECOND, headers=()), ArchivedBody(SECOND))
    archive += made.encode(fetch(3, FIRST))
    info, first, not_modified, second, again = read(archive)
    assert info["payload"].decode().splitlines()[0] == "operator: Watch Example"
    assert (first["url"], first["at"]) == (URL, "2026-03-01T12:00:00.250000Z")
    assert (sha(first["payload"]), sha(second["payload"])) == (sha(FIRST), sha(SECOND))
    assert [each["type"] for each in (first, not_modified, second, again)] == [
        "response", "revisit", "response", "revisit",
    ]  # fmt: skip
    assert not_modified["to"] == again["to"] == first["id"]
    assert (not_modified["status"], again["status"]) == ("304", "200")
    assert len({each["id"] for each in read(archive)}) == 5


def test_what_the_server_compressed_is_archived_as_it_was_sent() -> None:
    wire = gzip.compress(FIRST, 9, mtime=1)
    headers = (
        ("content-encoding", "gzip"),
        ("content-length", str(len(wire))),
        ("transfer-encoding", "chunked"),
    )
    archive = encoder().encode(fetch(0, FIRST, headers=headers), ArchivedBody(FIRST, wire))
    assert wire in gzip.decompress(archive)
    (_, record) = read(archive)
    assert sha(record["payload"]) == sha(FIRST)  # the reader undoes the compression
    assert record["headers"]["content-encoding"] == "gzip"
    assert record["headers"]["X-Archive-Orig-transfer-encoding"] == "chunked"


def test_without_the_form_that_was_sent_its_headers_are_kept_under_another_name() -> None:
    headers = (("Content-Encoding", "br"), ("Content-Length", "17"))
    for body in (ArchivedBody(FIRST), ArchivedBody(FIRST, gzip.compress(FIRST))):
        (_, record) = read(encoder().encode(fetch(0, FIRST, headers=headers), body))
        assert sha(record["payload"]) == sha(FIRST)
        assert record["headers"] == {
            "X-Archive-Orig-Content-Encoding": "br",
            "X-Archive-Orig-Content-Length": "17",
            "Content-Length": str(len(FIRST)),
        }


def test_what_others_captured_names_them() -> None:
    made = encoder()
    archive = made.encode(fetch(0, FIRST, captured_by="A Library", headers=()), ArchivedBody(FIRST))
    archive += made.encode(fetch(1, FIRST))
    library, resource, own, revisit = read(archive)
    assert b"operator: A Library" in library["payload"]
    assert (resource["type"], sha(resource["payload"])) == ("resource", sha(FIRST))
    assert b"operator: Watch Example" in own["payload"]
    assert revisit["type"] == "revisit"


def test_no_header_and_no_address_can_end_a_line() -> None:
    odd = (("x", "a\r\nEvil: 1"), ("y\n", "\u00e9\ud800"))
    url = "https://list.example/a b\r\nEvil: 1/\u00e9"
    (_, record) = read(encoder().encode(fetch(0, FIRST, headers=odd, url=url), ArchivedBody(FIRST)))
    assert "Evil" not in record["headers"]
    assert record["url"] == "https://list.example/a%20b%20Evil:%201/%C3%A9"
    assert record["payload"] == FIRST


def test_the_request_stands_beside_what_answered_it() -> None:
    request = {
        "method": "GET",
        "headers": [["Host", "list.example"], ["User-Agent", "map-monitor/0"]],
        "validators": [["If-None-Match", '"1"']],
        "withheld": ["Cookie"],
        "remote": "192.0.2.7",
    }
    made = encoder()
    archive = made.encode(fetch(0, FIRST, request=request), ArchivedBody(FIRST))
    archive += made.encode(fetch(1, FIRST, status=304, request=request))
    _, response, asked, revisit, again = read(archive)
    assert [each["type"] for each in (response, asked, revisit, again)] == [
        "response", "request", "revisit", "request",
    ]  # fmt: skip
    records = list(gzip_members(archive))[1:]
    assert all(b"WARC-IP-Address: 192.0.2.7\r\n" in record for record in records)
    for answered, record in ((response, records[1]), (revisit, records[3])):
        assert f"WARC-Concurrent-To: {answered['id']}\r\n".encode() in record
        assert record.partition(b"\r\n\r\n")[2] == (
            b"GET /list.csv?a=1 HTTP/1.1\r\nHost: list.example\r\nUser-Agent: map-monitor/0\r\n"
            b'If-None-Match: "1"\r\n\r\n\r\n\r\n'
        )


def gzip_members(archive: bytes) -> Iterator[bytes]:
    """Every record, unpacked."""
    while archive:
        member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        yield member.decompress(archive)
        archive = member.unused_data


def test_equal_fetches_are_equal_bytes() -> None:
    archives = [encoder().encode(fetch(0, FIRST), ArchivedBody(FIRST)) for _ in range(2)]
    assert archives[0] == archives[1]
