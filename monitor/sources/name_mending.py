"""What is left out of an agency's name, and what is doubtful about it."""

from __future__ import annotations

import re

from monitor.core.damage import looks_damaged
from monitor.sources.cells import FOOTNOTE_SIGNS
from monitor.sources.problem_list import ProblemList, brief

_LONG_NAME = 30  # characters, from which a name may be two
_OFFICE = r"(?:police (?:department|dept)|sheriff['\u2019]?s? (?:office|department|dept)|(?<=\w )(?:pd|so)\b)"
_SEVERAL = re.compile(rf"{_OFFICE}\W+\w[^;]{{2,60}}? {_OFFICE}|{_OFFICE}\.?;", re.IGNORECASE)
"""Two names in one, as where a cell has several lines."""
_ESCAPED = re.compile(r"""\\(['"\u2019])""")
"""A quotation mark as databases export it: "Sheriff\\'s Office"."""
_NUMBERED = re.compile(r"(\d{1,5})[.)] +(?=[^\W\d])")


class NameMender:
    """Mends the names of a list in the order of its rows."""

    def __init__(self, problems: ProblemList) -> None:
        self._problems = problems
        self._last_item = 0  # of a numbered list

    def mend(self, name: str, number: int) -> str:
        """The name of row ``number``, which is not empty, without the mark of a footnote and the number of
        its item. What is doubtful is a problem.
        """
        if name[-1] in FOOTNOTE_SIGNS and (bare := name.rstrip(f"{FOOTNOTE_SIGNS} ")):
            message = f'the mark of a footnote behind "{brief(bare)}" is left out'
            self._problems.report("footnote mark", message, number)
            name = bare
        if "\\" in name:
            name = _ESCAPED.sub(r"\1", name)
        if len(name) > _LONG_NAME and _may_be_several(name) and _SEVERAL.search(name):
            self._problems.report("several agencies", f'"{brief(name)}" may be several agencies', number)
        if ("?" in name or not name.isascii()) and looks_damaged(name):
            self._problems.report("damaged text", f'"{brief(name)}" may have a broken encoding', number)
        return self._without_number(name, number) if name[0] <= "9" else name

    def _without_number(self, name: str, number: int) -> str:
        """The name without the number of its item in a numbered list: 1 or more than the last one."""
        found = _NUMBERED.match(name)
        item = int(found[1]) if found else 0
        if found is None or not (item == 1 or 0 < self._last_item < item):
            return name
        name = name[found.end() :]
        if not self._last_item:
            message = f'the number before "{brief(name)}" and others is left out'
            self._problems.report("numbered names", message, number)
        self._last_item = item
        return name


def _may_be_several(name: str) -> bool:
    """Whether a name has the words of two offices, or a semicolon: the expression costs ten times as much."""
    lower = name.lower()
    offices = lower.count("police") + (lower.count("sheriff") if "sheriff" in lower else 0)
    return offices > 1 or ";" in lower or " pd" in lower or " so" in lower
