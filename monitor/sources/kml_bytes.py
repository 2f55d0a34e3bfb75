"""Rewrites the bytes of a KML before they are parsed: mends what XML forbids and programs write anyway, and
writes what would take XML parsers longer in another way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html.entities import html5
from operator import methodcaller

from monitor.sources.sniff import decode_utf8, is_utf16

_PROLOG = re.compile(rb"(?:\s+|<\?.*?\?>|<!--.*?-->)*", re.DOTALL)
"""What may stand before a DOCTYPE, which in turn stands before the root (XML 1.0, production 22)."""


def may_have_doctype(body: bytes) -> bool:
    """Whether a document may have a DOCTYPE: one follows its prolog, or its characters have several bytes."""
    return body.startswith(b"<!DOCTYPE", _end_of_prolog(body)) or _is_wide(body)


def _end_of_prolog(body: bytes) -> int:
    prolog = _PROLOG.match(body)
    assert prolog is not None  # the expression matches nothing, too
    return prolog.end()


_ROOT = re.compile(rb"<(?:[\w.-]+:)?kml(?=[\s/>])")
_PREFIX = re.compile(rb"<([A-Za-z][\w.-]*):")
_NAMESPACE = re.compile(rb"""\sxmlns\s*=\s*(?:"[^"<]*"|'[^'<]*')""")
_MOST_PREFIXES = 10


def simplify_root(start: bytes) -> bytes:
    """The start of a document whose root has no default namespace, which `XMLParser` would resolve for each
    element, and declares the prefixes of elements that have no declaration there, at most `_MOST_PREFIXES`
    of them. Nothing else reads namespaces.
    """
    root = _ROOT.match(start, _end_of_prolog(start))
    end = start.find(b">", root.end()) if root else -1
    if root is None or end < 0:
        return start
    attributes = start[root.end() : end]
    if len(_NAMESPACE.findall(attributes)) == 1:
        attributes = _NAMESPACE.sub(b"", attributes)
    used = dict.fromkeys(_PREFIX.findall(start))
    missing = [prefix for prefix in used if prefix != b"xml" and b"xmlns:%s=" % prefix not in start]
    declarations = b"".join(b' xmlns:%s="urn:%s"' % (each, each) for each in missing[:_MOST_PREFIXES])
    return start[: root.end()] + declarations + attributes + start[end:]


_TABS_FOR_LINES = bytes.maketrans(b"\t\n", b" \t")
_TAB_REFERENCE = re.compile(rb"&#(?:0*9|x0*9);")
_RETURN_ALONE = re.compile(rb"\r(?!\n)")


def find_tabs_for_lines(body: bytes) -> Callable[[bytes], bytes] | None:
    """A function that writes the line ends in a piece of the body as tabs, and its tabs as spaces. None if a
    tab in a text could then be something else than a line end.

    expat reports each line end by itself, so the white space between two elements is two texts, which
    `TreeBuilder` joins. With tabs it is one text, and the tree is built in five sixths of the time.
    """
    # searching for one byte is many times faster than for two, or than counting
    if b"&" in body and _TAB_REFERENCE.search(body):
        return None
    has_returns = b"\r" in body
    if has_returns and _RETURN_ALONE.search(body):
        return None
    if has_returns or b"\t" in body:
        return methodcaller("translate", _TABS_FOR_LINES, b"\r")
    return methodcaller("replace", b"\n", b"\t")


def _is_wide(body: bytes) -> bool:
    """Whether the body is UTF-16, which expat reads by itself."""
    return is_utf16(body) or b"\0" in body[:4]


_CONTROLS = bytes(byte for byte in range(0x20) if byte not in (0x09, 0x0A, 0x0D))
_TO_SPACES = bytes.maketrans(_CONTROLS, b" " * len(_CONTROLS))
_CONTROL_REFERENCE = re.compile(rb"&#(?:0*(?:[0-8]|1[124-9]|2\d|3[01])|x0*(?:[0-8bcBCeEfF]|1[0-9a-fA-F]));")
_UTF8 = re.compile(rb"\s*<\?xml[^>]*encoding\s*=\s*[\"'](?!utf-?8)", re.IGNORECASE)


def mend_bytes(body: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Remove what XML 1.0 forbids but programs write anyway; returns the body and a description of the
    changes.

    White space before the declaration, control characters, bytes that are not UTF-8 in a document that is,
    references of HTML, and a bare "&". Numbers of bytes in later errors count in the mended body.
    """
    if _is_wide(body):
        return body, ()
    mended: list[str] = []
    body = body.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
    controls = sum(body.count(byte) for byte in _CONTROLS if byte in body)  # fast if there are none
    if controls:
        body = body.translate(_TO_SPACES)
    # searching for one byte is many times faster than for two
    referring = b"&" in body and b"&#" in body
    body, references = _CONTROL_REFERENCE.subn(b" ", body) if referring else (body, 0)
    if controls + references:
        mended.append(f"{controls + references:,} control characters, which XML forbids, are read as spaces")
    if not _UTF8.match(body[:200]):
        text, strays = decode_utf8(body)
        if strays:
            body = text.encode()
            mended.append(f"{strays:,} bytes are not UTF-8; they are read as Windows-1252")
    if b"&" in body and (_NAMED.search(body) or _BARE.search(body)):
        for pattern, read, what in (
            (_NAMED, _resolve, "references that only HTML knows are read as in HTML"),
            (_BARE, b"&amp;", 'an "&" that XML wants as "&amp;" is read'),
        ):
            parts = _CDATA.split(body)
            parts[::2] = [pattern.sub(read, part) for part in parts[::2]]
            if (resolved := b"".join(parts)) != body:
                body = resolved
                mended.append(what)
    return body, tuple(mended)


_CDATA = re.compile(rb"(<!\[CDATA\[(?:[^\]]|\](?!\]>))*\]\]>)")
_NAMED = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos);)([A-Za-z][A-Za-z0-9]{1,31};)")
"""A reference by a name, such as "&nbsp;", that XML does not know."""
_BARE = re.compile(rb"&(?!#?[\w.-]+;)")
"""An ampersand that begins no reference, as in "Fish & Game". It hides no cut: that leaves elements open."""


def _resolve(match: re.Match[bytes]) -> bytes:
    """The character that HTML calls so, or the text itself, which then breaks the map."""
    character = html5.get(match[1].decode())
    return character.encode("ascii", "xmlcharrefreplace") if character else match[0]
