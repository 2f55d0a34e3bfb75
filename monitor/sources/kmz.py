"""The documents of a KML or KMZ body, and the links between them."""

from __future__ import annotations

import hashlib
import io
import posixpath
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from monitor.errors import ParseError
from monitor.sources.archive import open_archive
from monitor.sources.column_map import MIB, ParseLimits
from monitor.sources.format import Links
from monitor.sources.kml import Document
from monitor.sources.sniff import is_utf16, is_zip, refuse_empty_and_pages


def link_entry(href: str) -> str:
    """The name of a linked document in a KMZ from `compose`."""
    return f"link-{hashlib.sha256(href.encode()).hexdigest()[:16]}.kml"


def compose(body: bytes, linked: Mapping[str, bytes]) -> bytes:
    """One KMZ of a document and of those that its links lead to, by their addresses; equal input gives equal
    bytes.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in [
            ("doc.kml", body),
            *((link_entry(href), linked[href]) for href in sorted(linked)),
        ]:
            archive.writestr(zipfile.ZipInfo(name), content)
    return packed.getvalue()


def unpack(body: bytes, limits: ParseLimits) -> dict[str, bytes]:
    """Unpack the KML documents of a KML or KMZ body by name, the main one first; raises ParseError if it is
    neither.

    A document may itself be a KMZ, for example a linked one.
    """
    refuse_empty_and_pages(body)
    if not is_zip(body):
        if len(body) > limits.decoded:
            raise ParseError(f"The body is larger than {limits.decoded / MIB:g} MiB.")
        if body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] != b"<" and not is_utf16(body):
            raise ParseError("The body is neither XML nor a KMZ.")
        return {"doc.kml": body}
    documents: dict[str, bytes] = {}
    left = limits
    for name, content in _read_documents(body, limits):
        if is_zip(content):
            inner = dict(_read_documents(content, left))
            documents |= {f"{name}/{entry}" if entry != "doc.kml" else name: x for entry, x in inner.items()}
            left = replace(left, decoded=max(left.decoded - sum(map(len, inner.values())), 0))
        else:
            documents[name] = content
    return documents


def _read_documents(body: bytes, limits: ParseLimits) -> Iterator[tuple[str, bytes]]:
    with open_archive(body, limits, limits.entries) as archive:
        names = [
            name
            for name in archive.names
            if name.lower().endswith((".kml", ".kmz")) and not name.rpartition("/")[2].startswith("._")
        ]
        if not any(name.lower().endswith(".kml") for name in names):
            raise ParseError("The ZIP is not a KMZ: there is no .kml in it.")
        # Google writes doc.kml; other programs read the first document that is not in a folder.
        for name in sorted(names, key=lambda name: (name.lower() != "doc.kml", name.count("/"))):
            yield name, archive.read(name)


def find_outside_links(documents: Collection[str], links: Iterable[str]) -> tuple[str, ...]:
    """Find the links that lead to none of the given documents, each once."""
    entries = {name.partition("/")[0] for name in documents}
    return tuple(
        dict.fromkeys(
            href
            for href in links
            if posixpath.normpath(href) not in documents and link_entry(href) not in entries
        )
    )


def _may_link(content: bytes) -> bool:
    """Whether a document can hold a NetworkLink, without parsing it; most hold none."""
    return b"NetworkLink" in content or b"\0" in content[:4] or content.startswith((b"\xff", b"\xfe"))


def find_network_links(body: bytes, limits: ParseLimits) -> Links:
    """Find the documents that a KML or KMZ links to and does not contain; empty for any other body."""
    try:
        documents = unpack(body, limits)
        links: list[str] = []
        count = 0
        if not any(map(_may_link, documents.values())):
            return Links()
        for content in documents.values():
            document = Document(content)
            for _ in document.placemarks():
                count += 1
            links += document.links
    except ParseError:
        return Links()
    outside = find_outside_links(documents, links)
    return Links(outside, alone=count == 0 and len(outside) == 1)
