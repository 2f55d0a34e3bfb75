"""Where no poll has kept anything yet, an export writes no files of the list and no web archive: empty ones
would say that its publisher lists nobody.
"""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from monitor.cli import root


def test_a_list_that_was_never_polled_has_no_archive(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[data]\nfolder = "data"\n[database]\nurl = "sqlite:///{tmp_path / "monitor.db"}"\n')
    assert CliRunner().invoke(root, ["init", "--config", str(config)]).exit_code == 0
    done = CliRunner().invoke(root, ["export", str(tmp_path / "out"), "--warc", "--config", str(config)])
    assert done.exit_code == 0, done.output
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["record.sqlite"]
    assert "ring: nothing was read of this list yet; it has no files" in done.stderr
    assert not list((tmp_path / "out").rglob("*.warc.gz"))
    assert "warc" not in done.output
