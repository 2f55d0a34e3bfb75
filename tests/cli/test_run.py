"""`monitor run` as a process: the bot's webhook on its site, and what the outside sees of the bot."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from monitor.cli import root
from tests.peers.botapi import BotApi, message
from tests.peers.processes import PATIENCE, reserve_port, until

SECRET = "0123456789abcdef"


@pytest.mark.parametrize("mounted", ["/telegram", "/watch/telegram"])
def test_updates_reach_the_bot_by_the_site_and_only_with_the_secret(tmp_path: Path, mounted: str) -> None:
    port = reserve_port()
    with BotApi() as api:
        public = "https://watch.example" + mounted.removesuffix("/telegram")
        config = tmp_path / "config.toml"
        config.write_text(
            f"""
            [data]
            folder = "data"
            [site]
            public_url = "{public}"
            listen = "127.0.0.1:{port}"
            [telegram]
            token = "{api.token}"
            base_url = "{api.base_url}"
            webhook_url = "{public}/telegram"
            webhook_secret = "{SECRET}"
            [sources.ice-287g]
            enabled = false
            [sources.ring]
            url = "http://127.0.0.1:9/none"
            [fetch]
            attempts = 1
            """
        )
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MONITOR_")}
        command = [sys.executable, "-m", "monitor", "run", "--config", str(config)]
        with (
            # asked again and again while the service starts: no certificates are read for plain HTTP
            httpx.Client(
                base_url=f"http://127.0.0.1:{port}", trust_env=False, verify=False, timeout=PATIENCE
            ) as site,
            subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
            ) as running,
        ):
            try:

                def post(secret: str | None) -> int | None:
                    """The status of one update to the webhook; None while nobody listens."""
                    given = {"X-Telegram-Bot-Api-Secret-Token": secret} if secret else {}
                    try:
                        return site.post(
                            "/telegram",  # the proxy takes the path of public_url off
                            json={"update_id": 5, "message": message("/watch 60601")},
                            headers={"Host": "watch.example"} | given,
                        ).status_code
                    except httpx.TransportError:
                        return None

                until(lambda: api.webhook and post(None), running)
                assert api.webhook["url"] == f"{public}/telegram"
                assert [post(None), post("x" * 20), post(SECRET), post(SECRET)] == [403, 403, 200, 200]
                until(lambda: api.posts, running)
                assert "getUpdates" not in api.calls

                # the bot has written its heartbeat; a whole `monitor status` takes longer than the wait
                until(lambda: site.get("/readyz").json()["checks"].get("bot", {"ok": False})["ok"], running)
                shown = CliRunner().invoke(root, ["status", "--json", "--config", str(config)])
                bot = json.loads(shown.stdout)["bot"]
                assert (bot["working"], bot["problem"]) == (True, None)
                running.send_signal(signal.SIGTERM)
                _, err = running.communicate(timeout=PATIENCE)
            finally:
                running.kill()
    assert running.returncode == 0, err
    assert len(api.posts) == 1
    assert SECRET not in err
    with closing(sqlite3.connect(tmp_path / "data" / "monitor.db")) as database:
        entries = [
            json.loads(row[0]) for row in database.execute("SELECT content FROM log_leaf ORDER BY number")
        ]
        (note,) = database.execute("SELECT note FROM log_checkpoint").fetchone()
    assert entries[0]["type"] == "start"
    assert "key" in {entry["type"] for entry in entries}
    assert note.startswith("watch.example/log\n")
    assert (tmp_path / "data" / "log.head").read_text() == note
