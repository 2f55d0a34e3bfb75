"""The configuration is checked whole before anything is touched."""

from __future__ import annotations

import os
import re
import tomllib
from datetime import date, timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel

from monitor.config import (
    ColumnsSection,
    MeaningEntry,
    Settings,
    SourceSection,
    ValueEntry,
    find_warnings,
    load,
    settings_model,
)
from monitor.config.layers import read_secret_files
from monitor.config.source_section import LinkSection
from monitor.domain import Policy
from monitor.errors import ConfigError, UsageError
from tests.conftest import ROOT

EXAMPLE = ROOT / "config.example.toml"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text, "utf-8")
    return path


def read(tmp_path: Path, text: str) -> Settings:
    return load(written(tmp_path, text), {})


def problems(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text), environment or {})
    assert caught.value.exit_code == 2
    return caught.value.problems


def test_without_a_file_the_defaults_watch_three_lists_hourly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load(None, {})
    assert list(settings.watched) == ["ring", "ice-287g", "ice-287g-pending"]
    assert all(source.every == timedelta(hours=1) for source in settings.watched.values())
    assert settings.database_url == "sqlite:///data/monitor.db"
    assert settings.policy("ring").silent >= {"url", "point", "folder", "Video Requests"}


def test_every_source_of_the_box_says_what_a_listing_means_in_two_languages() -> None:
    for source in load(None, {}).infos.values():
        assert source.meanings
        for meaning in source.meanings:
            assert meaning.en
            assert meaning.es
            assert meaning.en != meaning.es
            assert meaning.citation
            assert meaning.citation_es
            assert meaning.reviewed
        assert source.about("en")
        assert source.about("es")


def test_the_values_of_agreements_are_explained_in_two_languages() -> None:
    ice = load(None, {}).infos["ice-287g"]
    explained = ice.explain("SUPPORT TYPE", "Jail Enforcement Model; task force model; Tribal")
    assert [text for text, _ in explained] == ["Jail Enforcement Model", "task force model", "Tribal"]
    jail, force, tribal = (meaning for _, meaning in explained)
    assert tribal is None
    assert jail is not None
    assert force is not None
    assert jail.text("en").startswith("In the agency's jail only")
    assert jail.name("es") == "Modelo de aplicación en la cárcel"
    assert force.text("es").startswith("Durante el trabajo policial ordinario")
    assert force.reviewed == date(2026, 11, 28)
    assert all(value.name("es") != value.value for value in ice.values)


def test_a_text_about_a_value_is_reviewed_and_in_both_languages(tmp_path: Path) -> None:
    entry = "[[sources.ring.value]]\ncolumn = 'Kind'\nvalue = 'Live'\nen = 'It is live.'\n"
    assert "write what it means in both languages" in str(problems(tmp_path, entry))
    assert "nobody reviewed" in str(problems(tmp_path, entry + "es = 'Es en vivo.'\n"))


def test_a_file_that_was_asked_for_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="monitor init"):
        load(tmp_path / "none.toml", {})


def test_every_problem_is_told_in_one_go_with_the_nearest_key(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        """
        [emial]
        host = "x"
        [email]
        hots = "relay.example"
        port = 99999
        [site]
        timezone = "Mars/Olympus"
        [sources.ring]
        evry = "1h"
        format = "kml"
        [sources.mine]
        title = "Mine"
        format = "table"
        url = "https://x.example/a.csv"
        page = "https://x.example/"
        [telegram.channels]
        XX = "@example_xx"
        """,
    )
    text = "\n".join(found)
    assert "emial: unknown key; did you mean email?" in text
    assert "email.hots: unknown key; did you mean email.host?" in text
    assert "email.port: " in text
    assert "site.timezone: is not a time zone" in text
    assert "sources.ring.evry: unknown key; did you mean sources.ring.every?" in text
    assert "sources.ring.format: must be one of mymaps, table" in text
    assert "sources.mine: give either url, or page together with link" in text
    assert "sources.mine.columns.name: " in text
    assert "telegram.channels: XX" in text


def test_an_unknown_key_that_is_like_none_shows_a_related_one_or_all(tmp_path: Path) -> None:
    assert problems(tmp_path, '[site]\nbase_url = "https://x.example"') == [
        "site.base_url: unknown key; did you mean site.public_url?"
    ]
    assert problems(tmp_path, "[signup]\nquota = 7") == [
        "signup.quota: unknown key; known: per_network, per_site"
    ]


def test_a_limit_of_time_is_told_as_it_is_written(tmp_path: Path) -> None:
    assert problems(tmp_path, '[agreements]\nevery = "20s"') == ["agreements.every: must be 1h or more"]


def test_a_formats_own_options_are_checked(tmp_path: Path) -> None:
    source = """
        [sources.portals]
        format = "json"
        url = "https://x.example/a.json"
        [sources.portals.columns]
        name = ["Agency", "Name"]
        [sources.portals.options]
        """
    assert read(tmp_path, source + 'records = "data"').sources["portals"].options == {"records": "data"}
    (problem,) = problems(tmp_path, source + 'record = "data"')
    assert problem.endswith("options.record: unknown key for the format json; did you mean options.records?")
    (problem,) = problems(tmp_path, source + "records = 7")
    assert "sources.portals: options.records: " in problem


def test_a_format_that_follows_its_pages_takes_no_page(tmp_path: Path) -> None:
    (problem,) = problems(
        tmp_path,
        """
        [sources.layer]
        format = "arcgis"
        page = "https://x.example/"
        link = "x"
        [sources.layer.columns]
        name = "Agency"
        """,
    )
    assert problem.startswith("sources.layer: the format arcgis follows its pages by itself")


def test_every_channel_that_is_wrong_is_told(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, '[telegram.channels]\nXX = "@example_xx"\nIN = "example"\n')
    assert "XX: " in problem
    assert 'IN: write a channel such as "@example_il"' in problem


def test_a_list_without_a_title_is_called_by_its_name(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        """
        [sources.registry]
        format = "table"
        url = "https://city.example/registry.csv"
        every = "30s"
        [sources.registry.columns]
        name = "Agency"
        """,
    )
    assert settings.sources["registry"].title == "registry"
    assert settings.sources["ring"].title == "Ring's Active Agency Map"


def test_an_address_of_ones_own_takes_the_place_of_the_one_in_the_box(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        """
        [sources.ice-287g]
        url = "https://mirror.example/list.xlsx"
        [sources.ring]
        page = "https://mirror.example/"
        link = "ring[^/]*[.]kml"
        """,
    )
    table, ring = settings.sources["ice-287g"], settings.sources["ring"]
    assert (table.url, table.page, table.link) == ("https://mirror.example/list.xlsx", None, None)
    assert (ring.url, ring.page) == (None, "https://mirror.example/")
    assert ring.link == LinkSection(address="ring[^/]*[.]kml")
    assert (
        load(tmp_path / "config.toml", {"MONITOR_SOURCES__RING__URL": "https://other.example/a.kml"})
        .sources["ring"]
        .page
        is None
    )


def test_invalid_toml_is_one_problem_that_names_the_file(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "[email\nhost=")
    assert "config.toml: not valid TOML" in problem


def test_a_section_that_is_pasted_below_the_example_says_where_its_keys_belong(tmp_path: Path) -> None:
    pasted = 'url = "sqlite:///data/other.db"'
    example = EXAMPLE.read_text("utf-8")
    (problem,) = problems(tmp_path, f"{example}\n[database]\n{pasted}\n")
    line = len(example.splitlines()) + 2
    assert f"line {line}: [database] is already there: write its keys below the first [database]" in problem


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = written(
        tmp_path, '[email]\nhost = "a.example"\nfrom = "x@a.example"\n[sources.ring]\nevery = "2h"\n'
    )
    settings = load(
        path,
        {
            "MONITOR_EMAIL__HOST": "b.example",
            "MONITOR_EMAIL__CONNECTIONS": "9",
            "MONITOR_SOURCES__ICE_287G__ENABLED": "false",
            "MONITOR_SOURCES__RING__SILENT": "A, B",
            "MONITOR_TELEGRAM__CHANNELS__IL": "@example_il",
            "PATH": "/bin",
        },
    )
    assert settings.email.host == "b.example"
    assert settings.email.connections == 9
    assert list(settings.watched) == ["ring"]
    assert settings.sources["ring"].every == timedelta(hours=2)
    assert settings.sources["ring"].silent == ("A", "B")
    assert settings.telegram.channels == {"IL": "@example_il"}


def test_proxies_are_trusted_by_address_and_network_and_never_everybody(tmp_path: Path) -> None:
    path = written(tmp_path, '[site]\ntrusted_proxies = ["10.0.0.5", "fd00::/8"]\n')
    assert load(path, {}).site.trusted_proxies == ("10.0.0.5/32", "fd00::/8")
    environment = {"MONITOR_SITE__TRUSTED_PROXIES": "172.16.0.0/12, 192.168.0.0/16"}
    assert load(path, environment).site.trusted_proxies == ("172.16.0.0/12", "192.168.0.0/16")
    for wrong, why in (
        ("proxy.example", "neither an address"),
        ("10.0.0.5/8", "nor a network"),
        ("::/0", "every address"),
    ):
        (problem,) = problems(tmp_path, f'[site]\ntrusted_proxies = ["{wrong}"]\n')
        assert problem.startswith("site.trusted_proxies")
        assert why in problem


def test_an_unknown_variable_with_the_prefix_is_an_error(tmp_path: Path) -> None:
    found = problems(tmp_path, "", {"MONITOR_EMAIL__HOTS": "x", "MONITOR_PORT": "1"})
    assert any("email.hots: unknown key; did you mean email.host?" in line for line in found)
    assert any(line.startswith("MONITOR_PORT: ") for line in found)


def test_secrets_come_from_files_and_never_show(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2\n")
    base = '[email]\nhost = "localhost"\nfrom = "a@b.example"\nusername = "u"\n'
    by_key = load(written(tmp_path, base + 'password_file = "secret"\n'), {})
    by_variable = load(written(tmp_path, base), {"MONITOR_EMAIL__PASSWORD_FILE": str(tmp_path / "secret")})
    for settings in (by_key, by_variable):
        assert settings.email.password is not None
        assert settings.email.password.get_secret_value() == "hunter2"
        assert "hunter2" not in repr(settings)


def test_a_missing_secret_file_is_named_and_a_wrong_secret_is_not_shown(tmp_path: Path) -> None:
    relay = '[email]\nhost = "localhost"\nfrom = "a@b.example"\nusername = "u"\n'
    # and not that a user name and a password go together
    (only,) = problems(tmp_path, relay + 'password_file = "nowhere"\n')
    assert only.startswith("email.password_file: ")
    found = problems(tmp_path, '[telegram]\ntoken_file = "nowhere"\n')
    assert any("telegram.token_file: " in line and "nowhere" in line for line in found)
    found = problems(tmp_path, "[email]\npassword = [1, 2]\n", {"MONITOR_EMAIL__PASSWORD": '["hunter2"]'})
    assert "hunter2" not in "\n".join(found)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_clear_text_to_this_machine_is_allowed(tmp_path: Path, host: str) -> None:
    settings = load(
        written(tmp_path, f'[email]\nhost = "{host}"\nfrom = "a@b.example"\nsecurity = "none"\n'), {}
    )
    assert settings.email.service_port == 25


def test_clear_text_to_another_machine_is_refused_unless_insisted(tmp_path: Path) -> None:
    base = '[email]\nhost = "relay.example"\nfrom = "a@b.example"\nsecurity = "none"\n'
    (problem,) = problems(tmp_path, base)
    assert problem.startswith("email.security: ")
    assert load(written(tmp_path, base + "allow_cleartext = true\n"), {}).email.host == "relay.example"


def test_a_sources_own_thresholds_win_over_the_general_ones(tmp_path: Path) -> None:
    settings = load(
        written(tmp_path, '[guard]\nremovals = 7\nhold_others = "2d"\n[sources.ring.guard]\nremovals = 9\n'),
        {},
    )
    assert settings.policy("ring").removals == 9
    assert settings.policy("ring").hold_others == timedelta(days=2)
    assert settings.policy("ice-287g").removals == 7


def test_relative_paths_start_from_the_configuration_file(tmp_path: Path) -> None:
    settings = load(written(tmp_path, '[data]\nfolder = "state"\n[mailbox]\nfolder = "mail"\n'), {})
    assert settings.data.folder == tmp_path / "state"
    assert settings.mailbox.folder == tmp_path / "mail"
    assert settings.database_url == f"sqlite:///{tmp_path / 'state' / 'monitor.db'}"


@pytest.mark.parametrize("absolute", [False, True])
def test_a_relative_database_is_beside_the_configuration_file_as_its_key_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, absolute: bool
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    path = "/srv/monitor.db" if absolute else "data/monitor.db"
    settings = load(written(tmp_path, f'[database]\nurl = "sqlite:///{path}"\n'), {})
    assert settings.database_url == f"sqlite:///{path if absolute else tmp_path / path}"
    assert settings.data.folder == tmp_path / "data"


def test_a_database_where_the_path_led_before_is_not_replaced_by_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 0.1.0 took the path from the folder in which it was started."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "monitor.db").touch()
    monkeypatch.chdir(elsewhere)
    path = written(tmp_path, '[database]\nurl = "sqlite:///monitor.db"\n')
    with pytest.raises(ConfigError) as refused:
        load(path, {})
    assert f"write sqlite:///{elsewhere}/monitor.db, or move the file to {tmp_path}/monitor.db" in str(
        refused.value
    )
    (elsewhere / "monitor.db").rename(tmp_path / "monitor.db")
    assert load(path, {}).database_url == f"sqlite:///{tmp_path}/monitor.db"


def test_a_key_of_an_earlier_version_that_means_nothing_any_more_is_ignored_and_warned_of(
    tmp_path: Path,
) -> None:
    """Version 0.1.0 explained ``stale_differences`` in its example, for all lists and for one."""
    path = written(
        tmp_path,
        "[guard]\nstale_differences = 5\nstale_after = '2d'\n[sources.ring.guard]\nstale_differences = 9\n",
    )
    settings = load(path, {"MONITOR_SOURCES__ICE_287G__GUARD__STALE_DIFFERENCES": "3"})
    assert settings.guard.given() == {"stale_after": timedelta(days=2)}
    assert [warning.partition(":")[0] for warning in find_warnings(path, {})] == [
        "guard.stale_differences is ignored",
        "sources.ring.guard.stale_differences is ignored",
    ]


def test_a_file_of_another_encoding_says_which_one_to_save_it_in(tmp_path: Path) -> None:
    """The real bytes: what Notepad calls "Unicode"."""
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xff\xfe" + '[site]\nname = "Año"\n'.encode("utf-16-le"))
    with pytest.raises(ConfigError, match=r"config\.toml: not in UTF-8: save it in that encoding"):
        load(path, {})


def test_a_byte_order_mark_is_no_part_of_a_configuration_or_a_secret(tmp_path: Path) -> None:
    """The real bytes: what Notepad calls "UTF-8 with BOM"."""
    (tmp_path / "password").write_bytes(b"\xef\xbb\xbfhunter2\r\n")
    path = tmp_path / "config.toml"
    path.write_bytes(
        b'\xef\xbb\xbf[email]\r\nhost = "relay.example"\r\nfrom = "a@watch.example"\r\n'
        b'username = "alerts"\r\npassword_file = "password"\r\n'
    )
    settings = load(path, {})
    assert settings.email.host == "relay.example"
    assert settings.email.password is not None
    assert settings.email.password.get_secret_value() == "hunter2"
    assert not [warning for warning in find_warnings(path, {}) if "every user" not in warning]


def test_an_unknown_source_is_a_usage_error_that_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean ring"):
        load(None, {}).source("rinng")


def uncommented(text: str) -> str:
    """The example with every key live."""
    return "\n".join(
        line.removeprefix("# ") if re.match(r'# (\[+[a-z].*\]+$|"?\w+"? = )', line) else line
        for line in text.splitlines()
    )


def test_the_example_is_valid_as_it_stands_and_uncommented(tmp_path: Path) -> None:
    text = EXAMPLE.read_text("utf-8")
    assert load(EXAMPLE, {}).sources == load(None, {}).sources
    either = 'url = "https://example.org/documents.csv"\n'  # or the file
    assert uncommented(text).count(either) == 1
    settings = load(written(tmp_path, uncommented(text).replace(either, "")), {})
    assert settings.sources["camera-registry"].columns.attributes == ("Kind",)


def test_the_example_explains_each_key_in_its_section_and_shows_its_default() -> None:
    shown = tomllib.loads(uncommented(EXAMPLE.read_text("utf-8")))
    sources = shown.pop("sources")
    lists = [*sources.values(), {"guard": shown["guard"]}]
    sections = [
        (name, field.annotation, [shown[name]])
        for name, field in settings_model().model_fields.items()
        if name != "sources"
    ]
    sections += [
        ("source", SourceSection, lists),
        ("columns", ColumnsSection, [source["columns"] for source in sources.values()]),
        ("meaning", MeaningEntry, sources["camera-registry"]["meaning"]),
        ("value", ValueEntry, sources["camera-registry"]["value"]),
        ("link", LinkSection, [sources["camera-registry"]["link"]]),
    ]
    assert shown.keys() <= settings_model().model_fields.keys()
    for name, model, tables in sections:
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        fields = {field.alias or key: field for key, field in model.model_fields.items()}
        assert fields.keys() == {key for table in tables for key in table}, name
        if name in {"source", "columns", "meaning", "value", "link"}:
            continue  # theirs are examples
        for key, value in tables[0].items():
            default = fields[key].get_default(call_default_factory=True)
            if default not in (None, "", {}, ()):
                assert getattr(model.model_validate({key: value}), key) == default, f"[{name}] {key}"


def test_the_examples_thresholds_are_the_defaults(tmp_path: Path) -> None:
    guard = EXAMPLE.read_text("utf-8").split("[guard]")[1].split("[sources.ring]")[0]
    live = "[guard]\n" + "\n".join(re.findall(r"^# (\w+ = .+)$", guard, re.M))
    assert load(written(tmp_path, live), {}).policy("ice-287g") == Policy()


def test_the_variable_names_the_file_and_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    variables = {"MONITOR_CONFIG": str(path)}
    assert load(None, variables).site.name == "Map Monitor", "a file that is not there yet is no mistake"
    path.mkdir()
    with pytest.raises(ConfigError, match="is not a file"):
        load(None, variables)
    path.rmdir()
    path.write_text('[site]\nname = "Ours"\n')
    assert load(None, variables).site.name == "Ours"


def test_defaults_of_an_image_lie_under_the_file(tmp_path: Path) -> None:
    variables = {
        "MONITOR_DEFAULT__SITE__LISTEN": "0.0.0.0:8000",
        "MONITOR_DEFAULT__DATA__FOLDER": "/data",
        "MONITOR_DEFAULT__SITE__TRUSTED_PROXIES": "172.16.0.0/12, 192.168.0.0/16",
    }
    settings = load(written(tmp_path, '[site]\nlisten = "127.0.0.1:9000"\n'), variables)
    assert settings.site.listen == "127.0.0.1:9000"
    assert settings.data.folder == Path("/data")
    assert len(settings.site.trusted_proxies) == 2
    both = variables | {"MONITOR_SITE__LISTEN": "127.0.0.1:7000"}
    assert (
        load(written(tmp_path, '[site]\nlisten = "127.0.0.1:9000"\n'), both).site.listen == "127.0.0.1:7000"
    )
    with pytest.raises(ConfigError, match="unknown key"):
        load(None, {"MONITOR_DEFAULT__SITE__LISTN": "x"})


def test_a_secret_that_every_user_can_read_and_a_named_file_that_is_missing_are_warned_of(
    tmp_path: Path,
) -> None:
    secret = tmp_path / "smtp_password"
    secret.write_text("canary\n")
    secret.chmod(0o444)
    config = tmp_path / "config.toml"
    config.write_text('[email]\npassword_file = "smtp_password"\n')
    (said,) = find_warnings(config, {})
    assert str(secret) in said
    assert "email.password_file" in said
    assert "canary" not in said
    secret.chmod(0o440)  # the group of a container's user
    assert find_warnings(config, {}) == []
    secret.chmod(0o444)
    by_environment = {
        "MONITOR_EMAIL__PASSWORD_FILE": str(secret),
        "MONITOR_CONFIG": str(tmp_path / "no.toml"),
    }
    missing, readable = find_warnings(None, by_environment)
    assert f"there is no file {tmp_path / 'no.toml'}" in missing
    assert "email.password_file" in readable
    assert find_warnings(None, {}) == []  # nobody named a file


@pytest.mark.parametrize(
    "picture", ["https://x.example/a.png", "https://x.example/{state}/{x}", "ftp://x/{state}"]
)
def test_a_picture_is_an_address_with_the_state_in_it(tmp_path: Path, picture: str) -> None:
    (problem,) = problems(tmp_path, f'[telegram]\npicture = "{picture}"\n')
    assert "picture" in problem


def test_a_configured_channel_or_webhook_may_name_a_town_a_county_or_a_radius(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        '[telegram.channels]\n"Cook County, IL" = "@example_cook"\n"10 miles of 60601" = "@example_loop"\n'
        'Detroit = "@example_detroit"\n'
        '[webhook.to.desk]\nurl = "https://desk.example/"\nshape = "slack"\n'
        'places = ["Lake County, IN", "IL"]\n'
    )
    settings = load(path)
    assert settings.telegram.channels == {
        "county-17031": "@example_cook",
        "radius-60601-10": "@example_loop",
        "town-MI-Detroit": "@example_detroit",
    }
    assert settings.webhook.to["desk"].places == ("county-18089", "IL")


def test_a_channels_place_that_may_be_several_is_refused_with_what_may_be_meant(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, '[telegram.channels]\n"Orange County" = "@example_orange"\n')
    assert "Orange County, CA" in problem


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[site]\nlisten = 8000", "site.listen: must be text in quotes"),
        ("[email]\nport = 'abc'", "email.port: must be a whole number"),
        ("[email]\nverp = 'perhaps'", "email.verp: must be true or false"),
        ("[operator]\nnotify = 'ops@watch.example'", "operator.notify: must be a list in brackets"),
        ("[operator]\nnotify = ['ops@watch.example', 'x']", "operator.notify.1: write an email address, or"),
        ("[operator]\ncanary = 'x'", "operator.canary: write an email address, or"),
        ("site = 1", "site: must be a table"),
        ("[sources.ring]\nurl = 'https://x.example/a'\nformat = 'table'\ncolumns = 1", "must be a table"),
    ],
)
def test_a_value_of_another_kind_is_told_in_our_own_words(tmp_path: Path, text: str, says: str) -> None:
    found = problems(tmp_path, text)
    assert any(says in problem for problem in found), found
    assert "nput should" not in str(found)


def test_a_secret_file_that_cannot_be_used_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "[email]\nhost = 'relay.example'\nfrom = 'a@watch.example'\npassword_file = 'secret'\n"
    assert any("there is no such file: write it" in problem for problem in problems(tmp_path, text))
    (tmp_path / "secret").write_text("")
    assert any("holds no line of text" in problem for problem in problems(tmp_path, text))
    read_text = Path.read_text
    refused = set[str]()

    def refuse(path: Path, *given: str) -> str:
        if path.name in refused:
            raise PermissionError(
                13, "Permission denied", str(path)
            )  # also for root, who may read everything
        return read_text(path, *given)

    monkeypatch.setattr(Path, "read_text", refuse)
    for name in ("secret", "config.toml"):
        refused.add(name)
        said = problems(tmp_path, text)
        assert any(
            f"runs as user {os.geteuid()}, who may not read it: chown it" in problem for problem in said
        ), said
    assert f"{tmp_path / 'config.toml'}: cannot be read" in said[0]


def test_a_secret_in_a_folder_that_may_not_be_entered_names_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "smtp_password").write_text("x\n")
    (folder / "smtp_password").chmod(0o444)
    folder.chmod(0)
    found: list[str] = []
    user = os.geteuid()
    if user == 0:  # who may enter every folder
        os.seteuid(65534)
    try:
        read_secret_files({"email": {"password_file": "secrets/smtp_password"}}, found, tmp_path)
    finally:
        os.seteuid(user)
        folder.chmod(0o700)
    (said,) = found
    assert f"who may not enter the folder {folder}: chmod 755 it" in said


@pytest.mark.parametrize(
    ("image", "listen", "warned"),
    [
        ("0.0.0.0:8000", "127.0.0.1:8000", True),
        ("0.0.0.0:8000", "localhost:80", True),
        ("[::]:8000", "[::1]:8000", True),
        ("0.0.0.0:8000", "0.0.0.0:80", False),
        ("0.0.0.0:8000", None, False),
        (None, "127.0.0.1:8000", False),
    ],
)
def test_a_site_that_only_its_own_container_reaches_is_warned_of(
    tmp_path: Path, image: str | None, listen: str | None, warned: bool
) -> None:
    (tmp_path / "config.toml").write_text(f'[site]\nlisten = "{listen}"\n' if listen else "")
    environment = {"MONITOR_DEFAULT__SITE__LISTEN": image} if image else {}
    said = find_warnings(tmp_path / "config.toml", environment)
    assert any("cannot be reached from outside this container" in warning for warning in said) is warned
    assert len(said) == warned
