"""`monitor web` as a process of its own."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
from click.testing import CliRunner

from monitor.cli import root
from monitor.web import server
from tests.peers.processes import PATIENCE, reserve_port, until


def test_it_serves_writes_nothing_of_what_is_asked_and_ends_in_order(
    sqlite_url: str, tmp_path: Path, client: httpx.Client
) -> None:
    port = reserve_port()
    config = tmp_path / "config.toml"
    config.write_text(
        f'[database]\nurl = "{sqlite_url}"\n[data]\nfolder = "{tmp_path / "data"}"\n[site]\nlisten = '
        f'"127.0.0.1:{port}"\n'
    )
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "monitor", "web", "--config", str(config)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MONITOR_")}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:

            def is_alive() -> bool:
                try:
                    return client.get(f"{address}/healthz").json()["alive"] is True
                except httpx.TransportError:
                    return False

            until(is_alive, process)
            assert (
                client.post(f"{address}/find", data={"q": "742 Evergreen Terrace, Canary"}).status_code == 422
            )
            moved = client.post(f"{address}/find", data={"q": "9 Canary Row, Hammond, IN 46320"})
            assert moved.headers["location"] == "/zip/46320"
            assert (
                "No agency" not in client.get(f"{address}/zip/46320").text
            )  # it was never checked: nothing is claimed
            assert client.get(f"{address}/find?q=canary").status_code == 303
            # without a public_url, links lead to where it listens
            assert f'href="{address}/?lang=en"' in client.get(f"{address}/feed.atom").text
            second = CliRunner().invoke(root, ["web", "--config", str(config)])
            assert second.exit_code == 2
            assert second.stderr == (
                f"monitor: the site cannot listen on 127.0.0.1:{port} (Address already in use):"
                " set another [site] listen, or --no-web for `monitor run`\n"
            )
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert process.returncode == 0, err
    assert not any(word in (out + err).lower() for word in ("canary", "evergreen", "46320", "/find"))


def test_the_collector_looks_at_everything_rarely_in_a_site_s_process() -> None:
    before = gc.get_threshold()
    try:
        server.set_collector()
        assert gc.get_threshold() == server.COLLECTOR
    finally:
        gc.set_threshold(*before)
