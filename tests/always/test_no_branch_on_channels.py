"""What is particular to a channel stands in its own kind: nothing else may branch on a channel's name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.channels.kinds import KINDS
from tests.conftest import ROOT

PACKAGE = ROOT / "monitor"
NAMES = {*KINDS, "mailbox"}
EXEMPT = ("channels", "bot", "config")
ALLOWED = {
    ("web/forms.py", "email"): "the site's form names the one channel that it is for",
    ("cli/__init__.py", "telegram"): "a command: `monitor telegram` is the bot's",
    ("cli/webhooks.py", "webhook"): "a command: `monitor webhooks` is about this kind",
}


def branches(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name wherever a literal decides something, or becomes a constant or default that may."""
    for node in ast.walk(tree):
        found: list[ast.expr | None] = []
        match node:
            case ast.Compare():
                found = [node.left, *node.comparators]
            case ast.MatchValue():
                found = [node.value]
            case ast.Dict():
                found = list(node.keys)
            case ast.Set() | ast.List() | ast.Tuple():
                found = list(node.elts)
            case ast.Subscript():
                found = [node.slice]
            case ast.arguments():
                found = [*node.defaults, *node.kw_defaults]
            case ast.Assign() | ast.AnnAssign() | ast.NamedExpr():
                found = [node.value]
            case ast.IfExp():
                found = [node.body, node.orelse]
            case ast.BoolOp():
                found = list(node.values)
            case ast.Return():
                found = [node.value]
            case ast.keyword() if node.arg in {"channel", "default"}:
                found = [node.value]
            case ast.Call(func=ast.Attribute(attr="get" | "pop" | "startswith" | "setdefault")):
                found = list(node.args)
        for each in found:
            if isinstance(each, ast.Constant) and isinstance(each.value, str) and each.value in NAMES:
                yield each.lineno, each.value


def constants(folder: str) -> set[str]:
    """Names at the top of the modules of a room that hold a channel's name."""
    return {
        target.id
        for path in (PACKAGE / folder).rglob("*.py")
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value in NAMES
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def modules() -> list[Path]:
    return [
        path for path in sorted(PACKAGE.rglob("*.py")) if path.relative_to(PACKAGE).parts[0] not in EXEMPT
    ]


def test_no_module_branches_on_the_name_of_a_channel() -> None:
    found = {
        (path.relative_to(PACKAGE).as_posix(), name): line
        for path in modules()
        for line, name in branches(ast.parse(path.read_text("utf-8")))
    }
    assert found.keys() == ALLOWED.keys()


def test_no_module_borrows_a_constant_that_names_a_channel() -> None:
    """But the site and the demo, whose people sign up as on the form: it is defined in one place."""
    named = {folder: constants(folder) for folder in (*EXEMPT, "web")}
    borrowed = {
        (path.relative_to(PACKAGE).as_posix(), node.module)
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module
        for folder, names in named.items()
        if node.module.startswith(f"monitor.{folder}.")
        if {alias.name for alias in node.names} & names
    }
    assert borrowed == {
        ("demo/__init__.py", "monitor.web.forms"),
        ("web/composition.py", "monitor.web.forms"),
    }


@pytest.mark.parametrize(
    "source",
    [
        'if channel == "email": pass',
        'if "telegram" != channel: pass',
        'if channel in {"email", "telegram"}: pass',
        'if channel in ("telegram",): pass',
        'match channel:\n    case "email": pass',
        'match channel:\n    case "sms" | "telegram": pass',
        'rules = {"telegram": False}',
        'channels["email"]',
        'channels.get("telegram")',
        'def follow(channel="telegram"): pass',
        'def follow(*, channel: str = "email"): pass',
        'CHANNEL = "mailbox"',
        'follow(channel="email")',
        'name = "telegram" if chat else other',
        'name = channel or "email"',
    ],
)
def test_each_form_of_a_branch_is_found(source: str) -> None:
    assert list(branches(ast.parse(source)))
