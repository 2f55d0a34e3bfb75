"""What openpyxl's read-only mode omits of a sheet: links, merged cells, formulas without a value."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree
from openpyxl.utils.cell import coordinate_to_tuple, range_boundaries

from monitor.sources.workbook_parts import find_relation_id, iterate_elements, read_relations
from monitor.sources.workbook_sheet import HYPERLINK, MAX_COLUMNS, NO_VALUE, Range, SheetExtras


def read_extras(parts: dict[str, bytes], path: str) -> SheetExtras:
    """Read the extras of a sheet; links are stored beside the cells or in HYPERLINK formulas."""
    relations = read_relations(parts, path)
    extras = SheetExtras()
    formulas: list[etree._Element] = []
    for element in iterate_elements(parts[path], "f", "hyperlink", "mergeCell", "row"):
        kind = etree.QName(element).localname
        if kind == "f":
            formulas.append(element)
        elif kind == "row":  # only now have its cells their values
            for formula in formulas:
                _read_formula(formula, extras)
            formulas.clear()
            element.clear()
        elif kind == "mergeCell":
            extras.merged += _read_range(element.get("ref", ""))
        elif target := relations.get(find_relation_id(element)):
            _read_linked(element.get("ref", ""), target, extras)
    return extras


def _read_formula(formula: etree._Element, extras: SheetExtras) -> None:
    cell, match = formula.getparent(), HYPERLINK.match(formula.text or "")
    if cell is None:
        return
    try:
        row, column = coordinate_to_tuple(cell.get("r", ""))
    except ValueError:
        return
    if match:
        extras.links[row, column] = match[1]
    has_value = any(child.text for child in cell if etree.QName(child).localname == "v")
    if not has_value and column <= MAX_COLUMNS:
        extras.unvalued[row][column] = (match[2] if match else None) or NO_VALUE


def _read_range(reference: str) -> Iterator[Range]:
    """Yield the cells of "B2:B5" that are merged with the one above them; none for a title over a whole
    table.
    """
    try:
        left, top, _, bottom = range_boundaries(reference)
    except ValueError:
        return
    if left and top and bottom and bottom > top and left <= MAX_COLUMNS:
        yield left, top, bottom


def _read_linked(reference: str, target: str, extras: SheetExtras) -> None:
    """Keep the link of "G2" or "G2:G5"."""
    try:
        left, top, right, bottom = range_boundaries(reference)
    except ValueError:
        return
    if left and top and right and bottom:
        extras.link_range(target, top, left, bottom, right)
