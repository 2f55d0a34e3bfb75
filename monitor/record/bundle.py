"""Evidence bundles: what was published, between which polls, with proofs that anybody can check offline.
Pure.

A bundle is a set of files that depends on its values alone: the same evidence gives the same bytes.
`record.verify` checks a bundle, and is included in it.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from monitor.core.canonical import dump_canonical
from monitor.errors import RecordError
from monitor.record import statement, verify
from monitor.record.archive_check import check_archive
from monitor.record.checkpoint import Signer, open_checkpoint, sign_note
from monitor.record.leaf import LeafValue
from monitor.record.warc import ArchivedFetch, WarcEncoder, encode_all

_FORMAT = 1
_EPOCH = (
    1980,
    1,
    1,
    0,
    0,
    0,
)  # the earliest time in a ZIP file, used for all of its entries


@dataclass(frozen=True, slots=True)
class BundleEntry:
    """An entry of the log with its proof. ``details`` are the values of which the entry contains only hashes,
    by their names in the entry.
    """

    number: int
    entry: Mapping[str, LeafValue]
    proof: Sequence[bytes]
    details: Mapping[str, LeafValue] = field(default_factory=dict)

    @property
    def line(self) -> bytes:
        return dump_canonical({"number": self.number, "entry": self.entry, **self.details}) + b"\n"


@dataclass(frozen=True, slots=True)
class BundleBody:
    """A publication as it was received; ``content`` None: it is not stored, and ``missing`` says why.
    ``suffix`` is that of its format (``kml``).
    """

    sha256: str
    suffix: str
    content: bytes | None = field(repr=False)
    missing: str = "not kept: known by its hash only"

    @property
    def path(self) -> str:
        return f"bodies/{self.sha256}.{self.suffix}"


@dataclass(frozen=True, slots=True)
class Quote:
    """A text at its position in a publication, or (in ``absent``) one that it does not contain. ``part``
    names a part of a workbook.
    """

    body: str
    text: str
    offset: int = 0
    part: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleContents:
    """The contents of a bundle: of a ``change``, or of a ``day`` (UTC). ``before`` and ``after`` are the
    bodies that the first and the last poll saw. ``retractions`` are the entries by which the operator
    retracted the change.
    """

    title: str
    sentence: str
    sentence_es: str
    source: str
    publisher: str
    operator: str
    polls: Sequence[BundleEntry]
    changes: Sequence[BundleEntry] = ()
    retractions: Sequence[BundleEntry] = ()
    bodies: Sequence[BundleBody] = ()
    before: str | None = None
    after: str | None = None
    change: Mapping[str, LeafValue] | None = None
    day: date | None = None
    present: Sequence[Quote] = ()
    absent: Sequence[Quote] = ()
    checkpoint: str


def build_checked_bundle(evidence: BundleContents, signer: Signer) -> dict[str, bytes]:
    """Build the files of a bundle and run its own checks. Raises RecordError if one fails: the database is
    not as the record says.
    """
    files = build_bundle(evidence, signer)
    for check, passed, reason in [*verify.verify(files, str(signer.verifier)), check_archive(files)]:
        if not passed:
            raise RecordError(f"the evidence does not pass its own check ({check}: {reason})")
    return files


def build_bundle(evidence: BundleContents, signer: Signer) -> dict[str, bytes]:
    """Build the files of a bundle by path, with a signed list of them."""
    verifier = signer.verifier
    head = open_checkpoint(evidence.checkpoint, verifier)
    entries = [*evidence.polls, *evidence.changes, *evidence.retractions]
    readme, leeme = statement.render_readmes(evidence.sentence, evidence.sentence_es, str(verifier))
    files = {
        "README.txt": readme.encode(),
        "LEEME.txt": leeme.encode(),
        "statement.html": _render_statement(evidence, head.head, str(verifier)).encode(),
        "claim.json": _pretty(_describe_claim(evidence, verifier.name)),
        "polls.ndjson": b"".join(poll.line for poll in evidence.polls),
        "changes.ndjson": b"".join(changes.line for changes in evidence.changes),
        "proofs.json": _pretty(
            {
                str(entry.number): [base64.b64encode(step).decode() for step in entry.proof]
                for entry in entries
            }
        ),
        "checkpoint": evidence.checkpoint.encode(),
        "key.txt": f"{verifier}\n".encode(),
        "verify.py": read_verifier(),
    }
    if archive := _encode_archive(evidence):  # empty, and no archive, where no publication is kept
        files["polls.warc.gz"] = archive
    if evidence.retractions:
        files["retractions.ndjson"] = b"".join(entry.line for entry in evidence.retractions)
    files |= {body.path: body.content for body in evidence.bodies if body.content is not None}
    sums = "".join(f"{hashlib.sha256(files[path]).hexdigest()}  {path}\n" for path in sorted(files)).encode()
    seal = sign_note(f"{verifier.name}\nsha256 {hashlib.sha256(sums).hexdigest()}\n", [signer])
    return files | {"SHA256SUMS": sums, "SHA256SUMS.sig": seal.encode()}


def pack_bundle(files: Mapping[str, bytes], folder: str) -> bytes:
    """Pack the files into a ZIP with a folder of this name; the bytes are the same with the same zlib."""
    packed = io.BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
        for path in sorted(files):
            info = ZipInfo(f"{folder}/{path}", _EPOCH)
            info.compress_type = ZIP_DEFLATED
            info.create_system = 3  # Unix, on every system
            info.external_attr = 0o644 << 16
            archive.writestr(info, files[path])
    return packed.getvalue()


@cache
def read_verifier() -> bytes:
    """Read the script that is included in every bundle."""
    return (Path(__file__).parent / "verify.py").read_bytes()


def _encode_archive(evidence: BundleContents) -> bytes:
    """Encode the polls whose body is in the bundle, for readers of web archives."""
    fetches, url = [], evidence.publisher
    for poll in evidence.polls:
        entry = poll.entry
        url = str(entry.get("url", url))
        if "body" in entry:
            headers = poll.details.get("headers", ())
            request = poll.details.get("request")
            assert isinstance(headers, list | tuple)
            assert request is None or isinstance(request, Mapping)
            fetches.append(
                ArchivedFetch(
                    at=datetime.fromisoformat(str(entry["at"])),
                    url=url,
                    sha256=str(entry["body"]),
                    status=int(str(entry.get("status", 200))),
                    headers=[(str(name), str(value)) for name, value in headers],
                    request=request,
                )
            )
    bodies = {body.sha256: body.content for body in evidence.bodies if body.content is not None}
    encoder = WarcEncoder(software="map-monitor", operator=evidence.operator, part_of=evidence.source)
    return b"".join(encode_all(encoder, fetches, bodies))


def _describe_claim(evidence: BundleContents, origin: str) -> dict[str, object]:
    claim: dict[str, object] = {
        "format": _FORMAT,
        "origin": origin,
        "source": evidence.source,
        "publisher": evidence.publisher,
        "operator": evidence.operator,
        "sentence": evidence.sentence,
        "first_poll": evidence.polls[0].entry["poll"],
        "last_poll": evidence.polls[-1].entry["poll"],
        "not_kept": [body.sha256 for body in evidence.bodies if body.content is None],
        "present": [_describe_quote(quote) for quote in evidence.present],
        "absent": [_describe_quote(quote) for quote in evidence.absent],
    }
    claim["retracted"] = [retraction.entry["at"] for retraction in evidence.retractions]
    optional = {
        "before": evidence.before,
        "after": evidence.after,
        "change": evidence.change,
        "day": None if evidence.day is None else evidence.day.isoformat(),
    }
    return claim | {name: value for name, value in optional.items() if value is not None}


def _describe_quote(quote: Quote) -> dict[str, object]:
    return {"body": quote.body, "part": quote.part, "offset": quote.offset, "text": quote.text}


def _render_statement(evidence: BundleContents, head: str, key: str) -> str:
    first, last = evidence.polls[0], evidence.polls[-1]
    failed = sum(poll.entry["outcome"] == "failed" for poll in evidence.polls)
    facts = [
        ("List", f"{evidence.source}, published at {evidence.publisher}"),
        ("Recorded by", evidence.operator),
        ("First poll", f"{first.entry['at']}, entry {first.number} of the record"),
        ("Last poll", f"{last.entry['at']}, entry {last.number} of the record"),
        ("Polls between them", f"{len(evidence.polls)} in all, {failed} failed, none left out"),
        *map(_describe_retraction, evidence.retractions),
        ("State of the record", head),
        ("Public key of the record", key),
    ]
    bodies = [
        (body.sha256, "" if body.content is None else f"{len(body.content):,}", body.path)
        if body.content is not None
        else (body.sha256, "", body.missing)
        for body in evidence.bodies
    ]
    return statement.render_statement(evidence.title, evidence.sentence, facts, bodies)


def _describe_retraction(retraction: BundleEntry) -> tuple[str, str]:
    entry = retraction.entry
    reason = entry["reason"]
    assert isinstance(reason, Mapping)
    where = f"{entry['at']}, entry {retraction.number} of the record"
    return "Retracted by the operator", f"{where}: {reason['en']}"


def _pretty(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1).encode() + b"\n"
