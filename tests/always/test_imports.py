"""No two modules import each other, not even through others: each can be read, tested and moved with only
what lies below it. Imports inside functions and those for types alone count too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import ROOT


def name_modules(folder: Path) -> dict[str, Path]:
    """The modules of a package by their dotted names."""
    modules: dict[str, Path] = {}
    for file in sorted(folder.rglob("*.py")):
        parts = [folder.name, *file.relative_to(folder).with_suffix("").parts]
        modules[".".join(parts).removesuffix(".__init__")] = file
    return modules


def read_imports(module: str, modules: Mapping[str, Path]) -> Iterator[str]:
    """The modules that a module names in any import, wherever it stands.

    ``from room import name`` is an import of the room's face only where the room has no module of that name.
    """
    for node in ast.walk(ast.parse(modules[module].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            for alias in node.names:
                named = f"{node.module}.{alias.name}"
                found = named if named in modules else node.module
                if found in modules and found is not None:
                    yield found


def find_circle(folder: Path) -> list[str]:
    """One circle of imports, first and last the same; empty where there is none."""
    modules = name_modules(folder)
    imported = {module: set(read_imports(module, modules)) - {module} for module in modules}
    try:
        TopologicalSorter(imported).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle
    return []


def test_no_two_modules_import_each_other() -> None:
    assert find_circle(ROOT / "monitor") == []


@pytest.mark.parametrize(
    "back",
    [
        "from house.kitchen import cook\n",
        "def eat():\n    from house import kitchen\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.kitchen import Cook\n",
        "import house.kitchen\n",
    ],
)
def test_a_circle_is_found_in_whatever_way_it_is_imported(tmp_path: Path, back: str) -> None:
    house = tmp_path / "house"
    house.mkdir()
    (house / "__init__.py").write_text("from house.kitchen import cook\n")
    (house / "kitchen.py").write_text("from house.pantry import bread\n")
    (house / "pantry.py").write_text("bread = 1\n")
    assert find_circle(house) == []
    (house / "pantry.py").write_text(back)
    assert set(find_circle(house)) == {"house.kitchen", "house.pantry"}
