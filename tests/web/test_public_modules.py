"""What public pages import: nothing of people, so that no mistake in them can show an address."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PEOPLE = ("monitor.storage.people", "monitor.storage.deliveries", "monitor.subscribers", "monitor.outbox")
NOT_PUBLIC = {
    "application", "composition", "probes",  # tie the site together; count what is due
    "browser_alerts", "forms", "personal_pages", "preferences", "signup", "unsubscribe_page",  # a person
    "decision_page", "telegram_webhook",  # for the operator, for the bot
    "connections", "context", "cross_origin", "error_pages", "middleware", "page_cache", "proxy", "server",
}  # fmt: skip


def public_modules() -> list[str]:
    """The modules of the contract, as import-linter reads it."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    (contract,) = [each for each in contracts if each["name"].startswith("Public modules import nothing")]
    assert set(contract["forbidden_modules"]) == set(PEOPLE)
    return list(contract["source_modules"])


def test_a_fresh_process_that_imports_the_public_pages_loads_nothing_of_people() -> None:
    code = f"import json, sys, {', '.join(public_modules())}; print(json.dumps(list(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = json.loads(shown.stdout)
    assert "monitor.web.zip_pages" in loaded
    assert [name for name in loaded if name.startswith(PEOPLE)] == []


def test_every_page_is_under_the_contract_or_is_listed_as_not_public() -> None:
    modules = {path.stem for path in (ROOT / "monitor/web").glob("*.py")} - {"__init__"}
    public = {name.removeprefix("monitor.web.") for name in public_modules() if "monitor.web." in name}
    assert public | NOT_PUBLIC == modules
