"""The state of the service as Prometheus metrics:
https://prometheus.io/docs/instrumenting/exposition_formats/.

They come from the same facts as `monitor status` and are read on each request. Metric names are part of the
interface: operators' alerting rules use them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from monitor import __version__
from monitor.errors import MonitorError, UsageError
from monitor.ops.health import HealthFacts, find_problems

log = logging.getLogger(__name__)


class HealthCollector(Collector):
    """Computes the metrics from the facts that ``load`` reads; ``monitor_up`` is 0 if that fails."""

    def __init__(self, load: Callable[[], HealthFacts]) -> None:
        self._load = load

    def describe(self) -> Iterable[Metric]:
        """Name the metrics without reading anything."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read the facts and make every metric."""
        yield InfoMetricFamily("monitor", "The version of the program.", {"version": __version__})
        try:
            facts = self._load()
        except MonitorError as error:
            log.error("metrics: %s", error)
            yield _gauge("monitor_up", "Whether the database can be read.", 0)
            return
        yield _gauge("monitor_up", "Whether the database can be read.", 1)
        yield _gauge("monitor_problems", "Problems that `monitor status` shows.", len(find_problems(facts)))
        yield from _of_sources(facts)
        yield from _of_outbox(facts)
        yield from _of_parts(facts)
        yield from _of_host(facts)


def render_metrics(load: Callable[[], HealthFacts]) -> str:
    """Render every metric as text."""
    registry = CollectorRegistry()
    registry.register(HealthCollector(load))
    return generate_latest(registry).decode()


@contextmanager
def serve_metrics(load: Callable[[], HealthFacts], host: str, port: int) -> Iterator[int]:
    """Serve the metrics at ``/metrics`` until the end of the block; the port may be 0, and the actual one is
    yielded. Raises UsageError.
    """
    registry = CollectorRegistry()
    registry.register(HealthCollector(load))
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise UsageError(
            f"[operator] metrics cannot listen on {host}:{port} ({error.strerror}): name another port"
        ) from None
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _of_sources(facts: HealthFacts) -> Iterator[Metric]:
    def each(name: str, text: str, value: Callable[[int], float | None]) -> Metric:
        metric = GaugeMetricFamily(name, text, labels=["source"])
        for number, source in enumerate(facts.sources):
            found = value(number)
            if found is not None:
                metric.add_metric([source.info.name], found)
        return metric

    sources = facts.sources
    yield each("monitor_source_listings", "Agencies on the list.", lambda n: sources[n].state.baseline)
    yield each(
        "monitor_source_blind", "1 while the list counts as not readable.", lambda n: float(sources[n].blind)
    )
    yield each(
        "monitor_source_last_good_timestamp_seconds",
        "When the list was last read well.",
        lambda n: _seconds(sources[n].state.last_good_at),
    )
    yield each(
        "monitor_source_last_poll_timestamp_seconds",
        "When the list was last asked for.",
        lambda n: _seconds(sources[n].state.last_fetch_at),
    )
    yield each(
        "monitor_source_interval_seconds",
        "How often the list is asked for.",
        lambda n: sources[n].info.every.total_seconds(),
    )
    yield each(
        "monitor_source_pending",
        "Changes that a second poll must confirm.",
        lambda n: sources[n].state.pending,
    )
    yield each(
        "monitor_source_unplaced",
        "Agencies without a place in their state.",
        lambda n: len(sources[n].unplaced),
    )
    yield each("monitor_source_held", "Changes that are held.", lambda n: sources[n].state.held)


def _of_outbox(facts: HealthFacts) -> Iterator[Metric]:
    outbox = facts.outbox
    due = GaugeMetricFamily("monitor_outbox_due", "Deliveries that are due.", labels=["channel"])
    for channel in sorted(facts.configured | outbox.due.keys()):
        due.add_metric([channel], outbox.due.get(channel, 0))
    yield due
    paused = GaugeMetricFamily(
        "monitor_channel_paused", "1 while the whole channel is paused.", labels=["channel"]
    )
    for channel in sorted(facts.configured):
        paused.add_metric([channel], any(pause.channel == channel for pause in facts.paused))
    yield paused
    if outbox.oldest_due_at is not None:
        yield _gauge(
            "monitor_outbox_oldest_due_timestamp_seconds",
            "Since when the oldest delivery is due.",
            outbox.oldest_due_at.timestamp(),
        )
    yield _gauge("monitor_outbox_failed", "Deliveries that failed for good.", outbox.failed)
    yield _gauge("monitor_outbox_unknown", "Deliveries given up that may have arrived.", outbox.unknown)
    yield _gauge("monitor_outbox_to_fan_out", "Published changesets without deliveries yet.", outbox.unfanned)
    yield _gauge("monitor_suppressed_day", "Addresses closed within a day.", facts.suppressed)
    if facts.canary is not None and facts.canary_every is not None:
        trace, every = facts.canary, facts.canary_every
        yield _gauge(
            "monitor_canary_accepted_timestamp_seconds",
            "When a test message was last accepted; before the first, since when they are sent.",
            (trace.accepted_at or trace.since).timestamp(),
        )
        yield _gauge(
            "monitor_canary_interval_seconds", "How often a test message is sent.", every.total_seconds()
        )
    yield _gauge("monitor_signups_hour", "Sign-ups within this hour.", facts.signups)


def _of_parts(facts: HealthFacts) -> Iterator[Metric]:
    beat = GaugeMetricFamily(
        "monitor_last_beat_timestamp_seconds", "When a part of the service last worked.", labels=["part"]
    )
    for part, at in (("sender", facts.sender_beat), ("bot", facts.bot_beat if facts.has_bot else None)):
        if at is not None:
            beat.add_metric([part], at.timestamp())
    yield beat
    yield _gauge(
        "monitor_fenced", "1 while the clone guard stops all sending.", float(facts.fenced is not None)
    )


def _of_host(facts: HealthFacts) -> Iterator[Metric]:
    if facts.host.disk_free is not None:
        yield _gauge("monitor_disk_free_bytes", "Bytes free where the data is.", facts.host.disk_free)
    if facts.host.last_backup_at is not None:
        yield _gauge(
            "monitor_last_backup_timestamp_seconds",
            "When `monitor backup` last succeeded.",
            facts.host.last_backup_at.timestamp(),
        )
    if facts.unsigned_since is not None:
        yield _gauge(
            "monitor_record_unsigned_since_timestamp_seconds",
            "The first entry of the record that no signature covers.",
            facts.unsigned_since.timestamp(),
        )


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _seconds(at: datetime | None) -> float | None:
    return at.timestamp() if at else None
