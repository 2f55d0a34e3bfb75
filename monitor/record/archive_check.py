"""Compares the web archive of an evidence bundle with its polls. Pure.

`record.verify` does not, since it must stay short enough to be read: it only checks that the operator signed
the archive. Here its publications must be those of the polls, in their order.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from datetime import datetime

from monitor.record.verify import BODIES, LARGEST
from monitor.record.warc import format_time

ARCHIVE = "polls.warc.gz"
_SILENT = {"warcinfo", "request"}  # records without a publication
_OTHER = f"{ARCHIVE} has other publications than the polls, or in another order"


def check_archive(files: Mapping[str, bytes]) -> tuple[str, bool, str]:
    """Check the archive: name, success and explanation, as of `record.verify.verify`."""
    bodies = {name.removeprefix(BODIES).partition(".")[0] for name in files if name.startswith(BODIES)}
    try:
        polls = [json.loads(line)["entry"] for line in files["polls.ndjson"].splitlines()]
        expected = [(_read_time(poll), poll["body"]) for poll in polls if poll.get("body") in bodies]
        found = list(_iterate_publications(_unpack(files.get(ARCHIVE, b""))))
    except Exception:  # whatever a changed archive makes of the parser, it is a failed check
        return "Archive", False, f"{ARCHIVE} or polls.ndjson is damaged, or has something behind its end"
    if found != expected:
        return "Archive", False, _OTHER
    return "Archive", True, f"{ARCHIVE} has the publications of {len(found)} polls, in their order"


def _unpack(content: bytes) -> bytes:
    """Unpack gzip members, with nothing between or behind them. Raises ValueError."""
    whole = bytearray()
    while content:
        member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        whole += member.decompress(content, LARGEST - len(whole))
        if not member.eof or len(whole) >= LARGEST:
            raise ValueError("a member is cut, or too large")
        content = member.unused_data
    return bytes(whole)


def _iterate_publications(text: bytes) -> Iterator[tuple[str, str]]:
    """The time and the hash of each publication. Raises ValueError and KeyError."""
    at = 0
    while at < len(text):
        start = text.index(b"\r\n\r\n", at) + 4
        lines = text[at : start - 4].decode().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines[1:])
        end = start + int(fields["Content-Length"])
        if lines[0] != "WARC/1.1" or len(fields) != len(lines) - 1 or text[end : end + 4] != b"\r\n\r\n":
            raise ValueError("a record is not as it was written")
        if fields["WARC-Type"] == "response":
            payload = text[start:end].partition(b"\r\n\r\n")[2]
            yield fields["WARC-Date"], hashlib.sha256(payload).hexdigest()
        elif fields["WARC-Type"] not in _SILENT:
            yield fields["WARC-Date"], fields["WARC-Payload-Digest"].removeprefix("sha256:")
        at = end + 4


def _read_time(poll: Mapping[str, str]) -> str:
    """The time of a poll's entry as archives write it."""
    return format_time(datetime.fromisoformat(poll["at"]))
