"""Removes from installed packages what the program never uses, for the container image.

    python tools/slim_packages.py SITE_PACKAGES

Each line of `UNUSED` must still match a file: one that matches nothing means that a package changed its
layout, and the image would grow unnoticed. Run before the bytecode is compiled.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

UNUSED = (
    # languages that the catalog does not have; "root" is the base of all others
    "babel/locale-data/[!er]*.dat",
    "babel/locale-data/e[!ns]*.dat",
    "babel/locale-data/r[!o]*.dat",
    "babel/locale-data/ro.dat",
    "babel/locale-data/ro[!o]*.dat",
    # test suites of packages
    "sqlalchemy/testing",
    "alembic/testing",
    "mako/testing",
    # what only a compiler or a type checker reads
    "**/*.pyi",
    "**/*.pyx",
    "**/*.pxd",
    "**/*.pxi",
    "**/*.h",
    # parts of lxml besides etree and html
    "lxml/includes",
    "lxml/isoschematron",
    "lxml/objectify.*",
    "lxml/html/diff.*",
    "lxml/html/_difflib.*",
    # databases that the program does not run on
    "sqlalchemy/dialects/mssql",
    "sqlalchemy/dialects/mysql",
    "sqlalchemy/dialects/oracle",
    # the way into zstd for PyPy, and what compiles such bindings
    "zstandard/_cffi.*",
    "cffi",
    "pycparser",
    # a framework for bots; the program uses the client below it
    "telegram/ext",
    # weights and a format of the font that pictures do not use
    "font_source_sans_pro/files/*.otf",
    "font_source_sans_pro/files/*-Black*.ttf",
    "font_source_sans_pro/files/*-Bold*.ttf",
    "font_source_sans_pro/files/*-*Light*.ttf",
    "font_source_sans_pro/files/*It.ttf",
)
"""Patterns of files and folders below site-packages."""


def find_unused(packages: Path) -> Iterator[tuple[str, list[Path]]]:
    """Each pattern with what it matches below ``packages``, a site-packages folder."""
    for pattern in UNUSED:
        yield pattern, sorted(packages.glob(pattern))


def remove_unused(packages: Path) -> int:
    """Remove what `UNUSED` names and return how many bytes that were. Raises SystemExit for a pattern that
    matches nothing, before anything is removed.
    """
    found = list(find_unused(packages))
    if idle := [pattern for pattern, paths in found if not paths]:
        raise SystemExit(f"{packages}: nothing matches {', '.join(idle)}; mend UNUSED")
    removed = 0
    for path in dict.fromkeys(path for _, paths in found for path in paths):
        if not path.exists():
            continue  # it lay in a folder that is gone
        files = [path] if path.is_file() else [inner for inner in path.rglob("*") if inner.is_file()]
        removed += sum(inner.stat().st_size for inner in files)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return removed


if __name__ == "__main__":
    (given,) = sys.argv[1:]
    print(f"{remove_unused(Path(given)) / 1e6:.0f} MB of unused parts removed")
