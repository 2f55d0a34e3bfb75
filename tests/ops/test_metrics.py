"""Metrics: valid for Prometheus, from the facts of `monitor status`, and all that the alerting rules name."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from click import Command, Context, Group
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from monitor.channels import EVERYTHING
from monitor.cli import root
from monitor.errors import StoreError, UsageError
from monitor.ops.health import HealthFacts, HostFacts
from monitor.ops.metrics import render_metrics, serve_metrics
from monitor.storage.deliveries.backlog import Backlog
from monitor.storage.deliveries.canary_rows import CanaryTrace
from monitor.storage.deliveries.pauses import Pause
from tests.conftest import ROOT
from tests.ops.test_health import FINE, NOW, RING
from tests.peers.processes import PATIENCE

RULES = ROOT / "docs" / "prometheus-rules.yml"
CASES = ROOT / "tests" / "data" / "prometheus" / "alerts.yml"
"""What makes each rule fire, for `promtool test rules`."""

WHOLE = replace(
    FINE,
    outbox=Backlog(
        due={"email": 7}, refused={}, oldest_due_at=NOW - timedelta(hours=2), failed=3, unfanned=1, unknown=2
    ),
    pauses=(Pause("email", EVERYTHING, NOW + timedelta(hours=1), "421"),),
    unsigned_since=NOW,
    host=HostFacts(disk_free=5_000_000, last_backup_at=NOW - timedelta(days=1)),
    canary=CanaryTrace(NOW - timedelta(days=9), None, NOW - timedelta(hours=5), waits=False),
    canary_every=timedelta(days=1),
)


def samples(text: str) -> dict[tuple[str, str], float]:
    """(metric, its label's value) to value."""
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_each_fact_has_its_metric() -> None:
    found = samples(render_metrics(lambda: WHOLE))
    assert found["monitor_up", ""] == 1
    assert found["monitor_source_listings", "ring"] == 12
    assert found["monitor_source_blind", "ring"] == 0
    assert (
        found["monitor_source_last_good_timestamp_seconds", "ring"]
        == (NOW - timedelta(minutes=1)).timestamp()
    )
    assert found["monitor_outbox_due", "email"] == 7
    assert found["monitor_channel_paused", "email"] == 1
    assert found["monitor_outbox_oldest_due_timestamp_seconds", ""] == (NOW - timedelta(hours=2)).timestamp()
    assert (found["monitor_outbox_failed", ""], found["monitor_outbox_to_fan_out", ""]) == (3, 1)
    assert found["monitor_outbox_unknown", ""] == 2
    assert found["monitor_canary_accepted_timestamp_seconds", ""] == (NOW - timedelta(hours=5)).timestamp()
    assert found["monitor_canary_interval_seconds", ""] == 86400
    assert found["monitor_disk_free_bytes", ""] == 5_000_000
    assert found["monitor_fenced", ""] == 0
    assert found["monitor_problems", ""] > 0


def test_a_canary_that_was_never_accepted_counts_from_its_beginning_and_none_has_no_metric() -> None:
    began = CanaryTrace(NOW - timedelta(days=2), NOW, None, waits=True)
    found = samples(render_metrics(lambda: replace(WHOLE, canary=began)))
    assert found["monitor_canary_accepted_timestamp_seconds", ""] == (NOW - timedelta(days=2)).timestamp()
    without = samples(render_metrics(lambda: replace(WHOLE, canary=None, canary_every=None)))
    assert not {name for name, _ in without if "canary" in name}


def test_a_database_that_cannot_be_read_is_down_and_nothing_else() -> None:
    def fail() -> HealthFacts:
        raise StoreError("the disk is gone")

    found = samples(render_metrics(fail))
    assert found["monitor_up", ""] == 0
    assert {name for name, _ in found} == {"monitor_info", "monitor_up"}


def test_the_alerting_rules_name_metrics_that_exist() -> None:
    rules = RULES.read_text("utf-8")
    named = {
        name
        for expression in re.findall(r"expr: (.+)", rules)
        for name in re.findall(r"monitor_\w+", expression)
    }
    assert len(named) > 10
    assert named <= {name for name, _ in samples(render_metrics(lambda: WHOLE))}


def test_each_alerting_rule_has_a_case_in_which_it_fires() -> None:
    rules = re.findall(r"- alert: (\w+)", RULES.read_text("utf-8"))
    fires = set(re.findall(r"\{labels: '\{alertname=\"(\w+)\"\}'", CASES.read_text("utf-8")))
    assert len(rules) > 10
    assert set(rules) == fires


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not here (on Debian: prometheus)")
def test_the_alerting_rules_fire_when_they_should_and_only_then() -> None:
    found = subprocess.run(["promtool", "test", "rules", CASES], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_alerting_rules_name_commands_that_exist() -> None:
    for said in re.findall(r"Run: monitor ([a-z ]+)", RULES.read_text("utf-8")):
        command: Command = root
        words = said.split()
        while words and isinstance(command, Group):
            found = command.get_command(Context(command), words.pop(0))
            assert found is not None, said
            command = found
        assert command is not root


def test_lists_are_asked_for_at_their_own_interval_and_only_a_bot_that_is_configured_beats() -> None:
    found = samples(render_metrics(lambda: WHOLE))
    assert found["monitor_source_interval_seconds", "ring"] == RING.every.total_seconds()
    assert ("monitor_last_beat_timestamp_seconds", "bot") in found
    without = samples(render_metrics(lambda: replace(WHOLE, has_bot=False)))
    assert ("monitor_last_beat_timestamp_seconds", "bot") not in without
    assert ("monitor_last_beat_timestamp_seconds", "sender") in without


def test_they_are_served_on_a_listener_of_their_own() -> None:
    with serve_metrics(lambda: WHOLE, "127.0.0.1", 0) as port:
        answer = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=PATIENCE)
        assert answer.status_code == 200
        assert samples(answer.text)["monitor_up", ""] == 1
        with (
            pytest.raises(UsageError, match="name another port"),
            serve_metrics(lambda: WHOLE, "127.0.0.1", port),
        ):
            pass


def test_the_command_prints_them(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(str(tmp_path))
    assert CliRunner().invoke(root, ["init"]).exit_code == 0
    result = CliRunner().invoke(root, ["metrics"])
    assert result.exit_code == 0
    assert samples(result.output)["monitor_up", ""] == 1
