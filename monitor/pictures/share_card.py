"""Preview cards of shared links, 1200 by 630 pixels. Pure: text in, SVG out."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 1200, 630  # px, as the Open Graph protocol's readers expect
_TEXT_WIDTH = 640  # px of the text beside a picture
_LINE, _LAST_LINE = 46, HEIGHT - 100  # px: from one line to the next, and the lowest that is not the foot
_WIDTH_OF_EM = 0.5  # of the font size: the mean width of a letter
_INK, _SOFT, _GROUND, _ACCENT = "#1a1e22", "#545b63", "#fbfaf7", "#14506b"
_FONTS = "'Source Sans Pro','DejaVu Sans',Arial,sans-serif"


def draw_card(kicker: str, title: str, lines: Sequence[str], source: str, drawing: str) -> str:
    """Render a card.

    ``kicker`` is the small text above the title, ``lines`` below it, ``source`` at the foot. ``drawing`` is a
    standalone SVG, placed at the right; "" for none.
    """
    width = _TEXT_WIDTH if drawing else WIDTH - 140
    size = next((each for each in (76, 62, 50) if len(wrap_text(title, each, width, 9)) <= 3), 42)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}"><rect width="{WIDTH}" height="{HEIGHT}" fill="{_GROUND}"/>'
        f'<rect width="{WIDTH}" height="14" fill="{_ACCENT}"/><g font-family="{_FONTS}">',
        *(_text(line, 70, 100, 32, _ACCENT, bold=True) for line in wrap_text(kicker, 32, width, 1)),
    ]
    y = 100.0 + 24
    for line in wrap_text(title, size, width, 4):
        y += size * 1.12
        parts.append(_text(line, 70, y, size, _INK, bold=True))
    y += 24
    for line in _fit_lines(lines, width, int((_LAST_LINE - y) // _LINE)):
        y += _LINE
        parts.append(_text(line, 70, y, 34, _SOFT))
    parts += [_text(line, 70, HEIGHT - 50, 28, _SOFT) for line in wrap_text(source, 28, width, 1)]
    parts.append("</g>")
    if drawing:
        inner = drawing.replace("<svg ", '<svg x="740" y="60" preserveAspectRatio="xMidYMid meet" ', 1)
        head, _, rest = inner.partition(">")
        parts.append(_sized(head) + ">" + rest)
    parts.append("</svg>")
    return "".join(parts)


def _fit_lines(texts: Sequence[str], width: float, most: int) -> list[str]:
    """Break texts into at most ``most`` lines, at most two for each; an ellipsis shows that there is more."""
    lines = [line for text in texts for line in wrap_text(text, 34, width, 2)]
    if len(lines) <= most:
        return lines
    return [*lines[: most - 1], lines[most - 1].rstrip("\u2026") + " \u2026"] if most > 0 else []


def wrap_text(text: str, size: float, width: float, most: int) -> list[str]:
    """Break a text into lines that fit ``width`` at a font size, by the mean width of a letter.

    Text that does not fit into ``most`` lines is cut and ends with an ellipsis; so does a word longer than a
    line.
    """
    room = max(int(width / size / _WIDTH_OF_EM), 4)
    lines: list[str] = []
    for word in text.split():
        short = word if len(word) <= room else word[: room - 1] + "\u2026"
        if lines and len(lines[-1]) + 1 + len(short) <= room:
            lines[-1] += " " + short
        else:
            lines.append(short)
    if len(lines) > most:
        lines = lines[:most]
        lines[-1] = lines[-1][: room - 1].rstrip() + "\u2026"
    return lines


def _text(text: str, x: float, y: float, size: float, color: str, *, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x}" y="{y:.0f}" font-size="{size}" fill="{color}"{weight}>{escape(text)}</text>'


def _sized(head: str) -> str:
    """The head of an SVG with the size of the place for it, in the place of its own."""
    attributes = [each for each in head.split() if not each.startswith(("width=", "height="))]
    return " ".join(attributes) + ' width="400" height="480"'
