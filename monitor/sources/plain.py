"""Plain placemarks, cut out of a KML by one regular expression each: the short way past expat for what nearly every row of a map is.

A plain placemark is one that the expression proves well-formed by itself, from ``<Placemark>`` to ``</Placemark>``: the elements that Google
My Maps writes, in its order, without prefix, entity, comment or carriage return in a text. Everything around them is left to
expat (see `kml.Document`), which never sees the plain ones.

To cut in the text is only right where markup counts as markup. Every stretch between plain placemarks begins there, for it follows an end tag,
so the sections in it (comment, CDATA, processing instruction) can be told apart exactly as XML does, the first to begin first.
From a stretch on in which one stays open nothing more is cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from monitor.sources.cells import clean_all

_WINDOW = 128 * 1024  # bytes that are looked at together: some 200 placemarks
_END = b"</Placemark>"
_MOST_COLUMNS = 32

_UTF_8 = re.compile(
    rb"""(?:\xef\xbb\xbf)?(?:<\?xml\s+version\s*=\s*["']1\.0["'](?:\s+encoding\s*=\s*["']utf-8["'])?
    (?:\s+standalone\s*=\s*["'](?:yes|no)["'])?\s*\?>)?\s*<[!\w]""",
    re.IGNORECASE | re.VERBOSE,
)
_SECTION = re.compile(r"(?:<!--.*?--|<!\[CDATA\[.*?\]\]|<\?.*?\?)(>)|<[!?]", re.DOTALL)

_NO_CHARACTERS = r"\x00-\x08\x0b-\x1f\ufffe\uffff"  # XML 1.0, 2.2; and U+000D, which expat gives as U+000A
_SPACE = r"[ \t\r\n]*"
_TEXT = rf"[^<&\]{_NO_CHARACTERS}]*"
# Without "[" the search stays linear where one CDATA is begun after another and none ends.
_CDATA = rf"<!\[CDATA\[[^\[\]{_NO_CHARACTERS}]*\]\]>"
_DATA_NAME = re.compile(rf'<Data name="([^"<&\t\n{_NO_CHARACTERS}]*)">')


class Rows(NamedTuple):
    """Plain placemarks one behind the other, the texts of each kind in a list of their own; each is what it is in `kml.Placemark`."""

    names: list[str]
    addresses: list[str]
    descriptions: list[str]
    points: list[str | None]
    titles: tuple[str, ...]
    values: list[tuple[str, ...]]


def pieces(body: bytes) -> Iterator[tuple[bytes, Rows | None]]:
    """The body in order: a stretch for expat, and the plain placemarks that follow it, which are not in any stretch."""
    at = 0
    if _UTF_8.match(body):
        while (end := body.rfind(_END, at, at + _WINDOW)) >= 0:
            end += len(_END)
            try:
                cut = _cut(body[at:end].decode())
            except UnicodeDecodeError:
                break
            if cut is None:
                break
            yield from cut
            at = end
    for start in range(at, len(body), _WINDOW):
        yield body[start : start + _WINDOW], None


def _cut(text: str) -> list[tuple[bytes, Rows | None]] | None:
    """The pieces of a window that ends with a placemark; None if a section stays open in it.

    The texts of one kind are read together, so that hardly anything is done in Python once for every placemark.
    """
    titles = _titles(text)
    pattern = _plain(titles)
    parts = pattern.split(text)
    stretches, *texts, points = (parts[n :: pattern.groups + 1] for n in range(pattern.groups + 1))
    if not all(map(_is_closed, filter(None, stretches))):
        return None
    names, addresses, descriptions, *columns = map(_unwrapped, texts)
    names, addresses, *columns = map(clean_all, (names, addresses, *columns))
    values: list[tuple[str, ...]] = list(zip(*columns, strict=True)) if columns else [()] * len(names)
    cut: list[tuple[bytes, Rows | None]] = []
    starts = [0, *(n for n, stretch in enumerate(stretches) if n and stretch)]
    for start, end in pairwise([*starts, len(names)]):
        run = slice(start, end)
        rows = Rows(names[run], addresses[run], descriptions[run], points[run], titles, values[run])
        cut.append((stretches[start].encode(), rows if start < end else None))
    return cut


def _unwrapped(texts: list[str | None]) -> list[str]:
    """The texts without the marks of CDATA, "" for None."""
    return [("" if not text else text[9:-3] if text[0] == "<" else text) for text in texts]


def _titles(text: str) -> tuple[str, ...]:
    """The columns of the first placemark in a window, which most likely the others have as well."""
    start = text.find("<Placemark>")
    titles = tuple(_DATA_NAME.findall(text, start, text.find("</Placemark>", start)))
    return titles if len(titles) <= _MOST_COLUMNS and len(set(titles)) == len(titles) else ()


@lru_cache(maxsize=32)
def _plain(titles: tuple[str, ...]) -> re.Pattern[str]:
    """A plain placemark with these columns. Groups: name, address, description, one for each column, and point."""

    def leaf(name: str) -> str:
        return f"<{name}(?:/>|>({_CDATA}|{_TEXT})</{name}>){_SPACE}"

    data = "".join(
        f'<Data name="{re.escape(title)}">{_SPACE}{leaf("value")}</Data>{_SPACE}' for title in titles
    )
    point = f"<Point>{_SPACE}<coordinates>({_TEXT})</coordinates>{_SPACE}</Point>{_SPACE}"
    columns = f"<ExtendedData>{_SPACE}{data}</ExtendedData>{_SPACE}" if titles else ""
    return re.compile(
        f"<Placemark>{_SPACE}(?:{leaf('name')})?(?:{leaf('address')})?(?:{leaf('description')})?"
        f"(?:<styleUrl>{_TEXT}</styleUrl>{_SPACE})?{columns}(?:{point})?</Placemark>{_SPACE}"
    )


def _is_closed(stretch: str) -> bool:
    """Whether every section that begins in a stretch ends in it. What else begins with "<!" is a DOCTYPE or an error: expat's."""
    return all(section[1] for section in _SECTION.finditer(stretch))
