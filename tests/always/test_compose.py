"""The compose files and the image, read as an engine reads them: what is mounted where, what is forbidden,
and whose settings win.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.config import Settings, load
from tests.conftest import ROOT

FILES = ("compose.yaml", "compose.postgres.yaml")
SECRETS, CONFIG = "/run/secrets", "/etc/map-monitor"


def read_services(name: str) -> dict[str, dict[str, Any]]:
    """The services that a file starts, each with what it extends."""
    found = {}
    for service, section in yaml.safe_load((ROOT / name).read_text("utf-8"))["services"].items():
        if (base := section.pop("extends", None)) is not None:
            extended = read_services(base["file"])[base["service"]]
            environment = extended.get("environment", {}) | section.get("environment", {})
            section = extended | section | {"environment": environment}
        found[service] = section
    return found


def read_image_environment() -> dict[str, str]:
    """The variables that the image sets."""
    text = (ROOT / "Dockerfile").read_text("utf-8").rpartition("\nFROM ")[2].replace("\\\n", "")
    set_here = next(line for line in text.splitlines() if line.startswith("ENV "))
    return dict(re.findall(r"(\w+)=(\S+)", set_here))


def find_source(service: dict[str, Any], target: str) -> str:
    """What is mounted at a path, as it stands in the file."""
    return next(volume for volume in service["volumes"] if volume.split(":")[1] == target)


def run_as_composed(name: str, folder: Path, text: str, secrets: dict[str, str]) -> Settings:
    """Load a configuration as the service does: with the environment of the image and of the file, and the
    mounted folders in the place of their targets.
    """
    environment = read_image_environment() | read_services(name)["monitor"].get("environment", {})
    for file, content in secrets.items():
        (folder / "secrets").mkdir(exist_ok=True)
        (folder / "secrets" / file).write_text(content + "\n")
        (folder / "secrets" / file).chmod(0o400)
    (folder / "config").mkdir()
    path = folder / "config" / "config.toml"
    path.write_text(text.replace(SECRETS, str(folder / "secrets")))
    assert environment.pop("MONITOR_CONFIG") == f"{CONFIG}/config.toml"
    return load(
        path, {key: value.replace(SECRETS, str(folder / "secrets")) for key, value in environment.items()}
    )


def read_examples(page: str) -> str:
    """Every TOML example of a page of docs/."""
    return "\n".join(re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / page).read_text("utf-8"), re.DOTALL))


@pytest.mark.parametrize("name", FILES)
def test_every_service_is_read_only_bounded_and_without_capabilities(name: str) -> None:
    for service, section in read_services(name).items():
        assert section["read_only"] is True, service
        assert section["cap_drop"] == ["ALL"], service
        assert section["security_opt"] == ["no-new-privileges:true"], service
        assert section["mem_limit"], service
        assert section["pids_limit"], service
        assert section["logging"]["options"]["max-size"], service
        assert section["healthcheck"]["test"], service
        assert "privileged" not in section, service
    assert "cap_add" not in read_services(name)["monitor"]


@pytest.mark.parametrize("name", FILES)
def test_one_command_starts_one_site_that_only_this_machine_reaches(name: str) -> None:
    services = read_services(name)
    assert [service for service, section in services.items() if "profiles" in section] == []
    ports = [port for section in services.values() for port in section.get("ports", [])]
    assert ports == ["127.0.0.1:8000:8000"]
    assert read_image_environment()["MONITOR_DEFAULT__SITE__LISTEN"].endswith(":8000")


@pytest.mark.parametrize("name", FILES)
def test_configuration_and_secrets_are_folders_apart_from_the_data(name: str) -> None:
    whole = yaml.safe_load((ROOT / name).read_text("utf-8"))
    monitor = read_services(name)["monitor"]
    assert find_source(monitor, CONFIG) == f"./config:{CONFIG}:ro"
    assert find_source(monitor, SECRETS) == f"./secrets:{SECRETS}:ro"
    data = find_source(monitor, read_image_environment()["MONITOR_DEFAULT__DATA__FOLDER"]).split(":")[0]
    assert data in whole["volumes"], "the data is in a volume that is kept"


def test_secrets_of_mail_and_bot_reach_the_program_where_the_pages_put_them(tmp_path: Path) -> None:
    text = read_examples("mail.md") + read_examples("telegram.md")
    named = set(re.findall(rf"{SECRETS}/(\w+)", text))
    assert named == {"smtp_password", "telegram_token"}
    settings = run_as_composed(
        "compose.yaml", tmp_path, text, {"smtp_password": "hidden", "telegram_token": "123:hidden"}
    )
    assert settings.email.password is not None
    assert settings.email.password.get_secret_value() == "hidden"
    assert settings.telegram.token is not None
    assert settings.telegram.token.get_secret_value() == "123:hidden"


def test_every_secret_that_a_page_names_lies_in_the_mounted_folder() -> None:
    pages = [ROOT / "config.example.toml", *(ROOT / "docs").glob("*.md")]
    files = [
        (page.name, file)
        for page in pages
        for file in re.findall(r'_file = "(/[^"]+)"', page.read_text("utf-8"))
    ]
    assert len(files) >= 6
    assert [(page, file) for page, file in files if not file.startswith(f"{SECRETS}/")] == []


def test_the_mounted_file_wins_over_the_image(tmp_path: Path) -> None:
    text = f'[site]\nlisten = "0.0.0.0:8765"\n[data]\nfolder = "{tmp_path}/mine"\n'
    settings = run_as_composed("compose.yaml", tmp_path, text, {})
    assert settings.site.listen == "0.0.0.0:8765"
    assert settings.data.folder == tmp_path / "mine"
    assert {key for key in read_image_environment() if key.startswith("MONITOR_")} == {
        "MONITOR_CONFIG", "MONITOR_DEFAULT__DATA__FOLDER", "MONITOR_DEFAULT__SITE__LISTEN",
    }  # fmt: skip


def test_the_proxy_of_the_engines_network_is_believed_and_the_file_may_say_otherwise(tmp_path: Path) -> None:
    settings = run_as_composed("compose.yaml", tmp_path, "", {})
    assert "172.16.0.0/12" in [str(network) for network in settings.site.trusted_proxies]
    (tmp_path / "own").mkdir()
    own = run_as_composed("compose.yaml", tmp_path / "own", '[site]\ntrusted_proxies = ["10.9.0.1"]\n', {})
    assert [str(network) for network in own.site.trusted_proxies] == ["10.9.0.1/32"]


def test_with_postgresql_the_database_is_the_one_of_the_secret(tmp_path: Path) -> None:
    url = "postgresql://monitor:hidden@database/monitor"
    settings = run_as_composed("compose.postgres.yaml", tmp_path, "", {"database_url": url})
    assert settings.database_url == url
    services = read_services("compose.postgres.yaml")
    assert url.rpartition("@")[2].split("/")[0] in services, "the host of the URL is the database's service"
    database = services["database"]
    assert services["monitor"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert database["environment"]["POSTGRES_PASSWORD_FILE"] == f"{SECRETS}/postgres_password"
    declared = yaml.safe_load((ROOT / "compose.postgres.yaml").read_text("utf-8"))["secrets"]
    assert declared == {"postgres_password": {"file": "./secrets/postgres_password"}}
    assert database["secrets"] == ["postgres_password"]
    assert "ports" not in database, "nobody but the service reaches it"


def test_the_image_runs_as_a_user_without_rights() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8").rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (.*)", text, re.MULTILINE) == ["10001:10001"]
    assert re.findall(r"^VOLUME (.*)", text, re.MULTILINE) == [
        read_image_environment()["MONITOR_DEFAULT__DATA__FOLDER"]
    ]
