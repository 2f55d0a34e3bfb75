"""config.toml, ``MONITOR_*`` environment over it and secrets from files, read into one frozen `Settings`.

Nothing here is believed before everything was checked: `load` reports every problem at once, each with the key it is about and, for an
unknown key, the nearest known one. Only entry points see `Settings`; a part gets what it needs as arguments.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)

from monitor.domain import Meaning, Policy
from monitor.errors import ConfigError, UsageError
from monitor.gazetteer.places import parse_place

ENVIRONMENT_PREFIX = "MONITOR_"
DEFAULT_PATH = Path("config.toml")

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def duration(text: object) -> object:
    """Read "30m", "1h", "5d", "1h 30m" or a number of seconds as a timedelta."""
    if isinstance(text, timedelta):
        return text
    if isinstance(text, int | float) and not isinstance(text, bool):
        return timedelta(seconds=text)
    if isinstance(text, str):
        pieces = re.findall(r"(\d+(?:\.\d+)?)\s*([smhdw])", text.strip().lower())
        if pieces and re.fullmatch(r"(?:\s*\d+(?:\.\d+)?\s*[smhdw])+\s*", text.strip().lower()):
            return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in pieces))
    raise ValueError('write a time such as "30m", "1h" or "5d"')


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be longer than nothing")
    return value


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be a web address that starts with https:// (or http://)")
    if parts.username or parts.password:
        raise ValueError("must not carry a user name or a password")
    return value


def _expression(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    return value


Duration = Annotated[timedelta, BeforeValidator(duration), AfterValidator(_positive)]
Wait = Annotated[timedelta, BeforeValidator(duration)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, validate_default=False)


class Database(_Section):
    """``[database]``"""

    url: str | None = None

    @field_validator("url")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(
            ("sqlite:///", "postgresql://", "postgres://", "postgresql+psycopg://")
        ):
            raise ValueError("must start with sqlite:/// or postgresql://")
        return value


class Data(_Section):
    """``[data]``"""

    folder: Path = Path("data")


class Site(_Section):
    """``[site]``"""

    public_url: WebAddress | None = None
    name: str = Field(default="Map Monitor", min_length=1, max_length=100)
    contact: str = ""
    timezone: str = "UTC"
    listen: str = "127.0.0.1:8000"
    next_step: str = Field(default="", max_length=500)
    next_step_es: str = Field(default="", max_length=500)
    backups_kept: Duration | None = None

    @field_validator("timezone")
    @classmethod
    def _exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError('is not a time zone; write one such as "America/Chicago"') from None
        return value

    @field_validator("listen")
    @classmethod
    def _address_and_port(cls, value: str) -> str:
        if (
            not re.fullmatch(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}", value)
            or int(value.rpartition(":")[2]) > 65535
        ):
            raise ValueError('write an address and a port, such as "127.0.0.1:8000" or "0.0.0.0:8000"')
        return value

    @property
    def listen_at(self) -> tuple[str, int]:
        """The address and the port that the site listens on."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)


class MeaningEntry(_Section):
    """``[[sources.NAME.meaning]]``"""

    since: date = Field(alias="from")
    en: str = Field(min_length=1)
    es: str = Field(min_length=1)
    citation: str = ""
    reviewed: date | None = None

    def meaning(self) -> Meaning:
        return Meaning(self.since, self.en, self.es, self.citation, self.reviewed)


class Columns(_Section):
    """``[sources.NAME.columns]``: which header (or KML ``Data`` name) holds what."""

    name: str | None = None
    state: str | None = None
    county: str | None = None
    city: str | None = None
    since: str | None = None
    id: str | None = None
    url: str | None = None
    attributes: tuple[str, ...] = ()


class Guard(_Section):
    """``[guard]`` and ``[sources.NAME.guard]``: what is given here replaces the threshold of that name in `domain.Policy`."""

    missing_share: Share | None = None
    missing_floor: Count | None = None
    stale_after: Wait | None = None
    stale_differences: Count | None = None
    future_rows: Annotated[int, Field(ge=1)] | None = None
    removal_wait: Wait | None = None
    group_window: Duration | None = None
    removals: Count | None = None
    removals_share: Share | None = None
    additions: Count | None = None
    additions_share: Share | None = None
    renames: Count | None = None
    renames_share: Share | None = None
    others: Count | None = None
    others_share: Share | None = None
    whole_group: Annotated[int, Field(ge=1)] | None = None
    hold_additions: Wait | None = None
    hold_others: Wait | None = None
    flap_window: Wait | None = None
    rename_memory: Wait | None = None

    def given(self) -> dict[str, Any]:
        return {name: value for name, value in self if value is not None}


class Source(_Section):
    """``[sources.NAME]``"""

    enabled: bool = True
    title: str = Field(min_length=1, max_length=200)
    title_es: str | None = Field(default=None, min_length=1, max_length=200)
    publisher: str = Field(default="The publisher", max_length=100)
    official_url: WebAddress | None = None
    format: Literal["mymaps", "table"]
    url: WebAddress | None = None
    page: WebAddress | None = None
    link: Annotated[str, AfterValidator(_expression)] | None = None
    hosts: tuple[str, ...] = ()
    every: Annotated[Duration, Field(ge=timedelta(seconds=1))] = timedelta(hours=1)
    silent: tuple[str, ...] = ()
    meaning: tuple[MeaningEntry, ...] = ()
    columns: Columns = Columns()
    guard: Guard = Guard()

    @property
    def official(self) -> str:
        """The page of the list for people."""
        address = self.official_url or self.page or self.url
        assert address is not None
        return address

    def titled(self, language: str) -> str:
        """What readers of a language are told that the list is called."""
        return (self.title_es if language == "es" else None) or self.title

    def meanings(self) -> tuple[Meaning, ...]:
        return tuple(sorted((entry.meaning() for entry in self.meaning), key=lambda meaning: meaning.since))


class Fetching(_Section):
    """``[fetch]``"""

    timeout: Duration = timedelta(seconds=60)
    attempts: Annotated[int, Field(ge=1, le=10)] = 4
    proxy: SecretStr | None = None
    wire_bytes: Annotated[int, Field(ge=1024)] = 16 * 1024 * 1024
    decoded_bytes: Annotated[int, Field(ge=1024)] = 64 * 1024 * 1024
    ratio: Annotated[int, Field(ge=2)] = 100


class Email(_Section):
    """``[email]``"""

    host: str | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    security: Literal["starttls", "tls", "none"] = "starttls"
    allow_cleartext: bool = False
    username: str | None = None
    password: SecretStr | None = None
    sender: str | None = Field(default=None, alias="from")
    connections: Annotated[int, Field(ge=1, le=50)] = 4
    verp: bool = True

    @property
    def service_port(self) -> int:
        return self.port or {"starttls": 587, "tls": 465, "none": 25}[self.security]


class Mailbox(_Section):
    """``[mailbox]``"""

    folder: Path | None = None


class Telegram(_Section):
    """``[telegram]``"""

    token: SecretStr | None = None
    base_url: WebAddress = "https://api.telegram.org/bot"
    webhook_url: WebAddress | None = None
    webhook_secret: SecretStr | None = None
    channels: dict[str, str] = Field(default_factory=dict)

    @field_validator("webhook_secret")
    @classmethod
    def _hard_to_guess(cls, value: SecretStr | None) -> SecretStr | None:
        # what the Bot API takes as a secret_token, and long enough that nobody tries them all
        if value is not None and not re.fullmatch(r"[A-Za-z0-9_-]{16,256}", value.get_secret_value()):
            raise ValueError("write 16 to 256 letters, digits, underscores and dashes")
        return value

    @field_validator("channels")
    @classmethod
    def _places(cls, value: dict[str, str]) -> dict[str, str]:
        read: dict[str, str] = {}
        wrong: list[str] = []
        for place, chat in value.items():
            try:
                read[parse_place(place)] = chat
            except UsageError as error:
                wrong.append(f"{place}: {error}")
            if not re.fullmatch(r"@[A-Za-z]\w{3,31}|-?\d{1,20}", chat):
                wrong.append(
                    f'{place}: write a channel such as "@example_il" or a chat id such as "-1001234567890"'
                )
        if wrong:
            raise ValueError("; ".join(wrong))
        return read


class Signup(_Section):
    """``[signup]``"""

    per_network: Annotated[int, Field(ge=1)] = 20
    per_site: Annotated[int, Field(ge=1)] = 500


class Bounces(_Section):
    """``[bounces]``"""

    secret: SecretStr | None = None
    imap_host: str | None = None
    imap_port: Annotated[int, Field(ge=1, le=65535)] = 993
    imap_user: str | None = None
    imap_password: SecretStr | None = None
    imap_folder: str = "INBOX"

    @field_validator("secret")
    @classmethod
    def _hard_to_guess(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 16:
            raise ValueError("write at least 16 characters that nobody can guess")
        return value


class Places(_Section):
    """``[places]``"""

    overrides: Path | None = None


class Settings(_Section):
    """The whole configuration, checked and frozen."""

    database: Database = Database()
    data: Data = Data()
    site: Site = Site()
    sources: dict[str, Source] = Field(default_factory=dict)
    guard: Guard = Guard()
    fetch: Fetching = Fetching()
    email: Email = Email()
    mailbox: Mailbox = Mailbox()
    telegram: Telegram = Telegram()
    places: Places = Places()
    signup: Signup = Signup()
    bounces: Bounces = Bounces()

    @field_validator("sources", mode="before")
    @classmethod
    def _titled(cls, value: object) -> object:
        """A list that is given no title is called by its name."""
        if not isinstance(value, Mapping):
            return value
        return {
            name: {"title": name, **source} if isinstance(source, Mapping) else source
            for name, source in value.items()
        }

    @property
    def database_url(self) -> str:
        """The database; by default a SQLite file in the data folder."""
        return self.database.url or f"sqlite:///{self.data.folder / 'monitor.db'}"

    @property
    def watched(self) -> dict[str, Source]:
        """The sources that are polled, by name."""
        return {name: source for name, source in self.sources.items() if source.enabled}

    def source(self, name: str) -> Source:
        """One source by name. Raises UsageError that names the known ones."""
        if name not in self.sources:
            raise UsageError(
                f"there is no source {name!r}{_nearest(name, self.sources)}; known: {', '.join(self.sources)}"
            )
        return self.sources[name]

    def policy(self, name: str) -> Policy:
        """The guard's thresholds for one source: its own over ``[guard]`` over the defaults."""
        source = self.source(name)
        given = self.guard.given() | source.guard.given()
        return Policy(**given, silent=Policy().silent | frozenset(source.silent))

    def beside(self, path: Path) -> Self:
        """The same settings with every relative path taken from the folder of the configuration file."""
        base = path.parent

        def anchored(value: Path | None) -> Path | None:
            return value if value is None or value.is_absolute() else base / value

        return self.model_copy(
            update={
                "data": self.data.model_copy(update={"folder": anchored(self.data.folder)}),
                "mailbox": self.mailbox.model_copy(update={"folder": anchored(self.mailbox.folder)}),
                "places": self.places.model_copy(update={"overrides": anchored(self.places.overrides)}),
            }
        )


@cache
def default_sources() -> dict[str, Any]:
    """The sources that are configured out of the box, as TOML read them."""
    return tomllib.loads(Path(__file__).with_name("sources.toml").read_text("utf-8"))


def example() -> str:
    """The commented configuration: from the checkout's top, or from beside this module once installed."""
    here = Path(__file__).parent
    places = (here / "config.example.toml", here.parent / "config.example.toml")
    return next(path for path in places if path.is_file()).read_text("utf-8")


def load(path: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Read and check the configuration.

    ``path`` None means ``./config.toml`` if it is there, else only defaults; a path that was asked for must exist. Raises ConfigError
    with every problem found, one line each.
    """
    problems: list[str] = []
    given: dict[str, Any] = {}
    chosen = path or DEFAULT_PATH
    if chosen.is_file():
        try:
            given = tomllib.loads(chosen.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError([f"{chosen}: not valid TOML: {error}"]) from None
        except OSError as error:
            raise ConfigError([f"{chosen}: cannot be read: {error.strerror}"]) from None
    elif path is not None:
        raise ConfigError([f"{path}: there is no such file; `monitor init` writes one"])
    merged = _laid_over(default_sources(), given)
    overlay = _from_environment(os.environ if environment is None else environment, merged, problems)
    merged = _laid_over(merged, overlay)
    _read_secret_files(merged, problems, chosen.parent)
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        problems += [_in_words(detail) for detail in error.errors(include_url=False)]
    problems += _contradictions(merged)
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    assert settings is not None
    return settings.beside(chosen)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        result[key] = (
            _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
        )
    return result


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """One configuration over another. A source's own address takes the place of the one below it, be it a url or a page with its link."""
    merged = _merged(below, above)
    for name, source in _tables(above.get("sources")):
        if "url" in source:
            replaced = {"page", "link"} - source.keys()
        else:
            replaced = {"url"} if source.keys() & {"page", "link"} else set()
        for key in replaced:
            merged["sources"][name].pop(key, None)
    return merged


def _from_environment(
    environment: Mapping[str, str], known: Mapping[str, Any], problems: list[str]
) -> dict[str, Any]:
    """``MONITOR_EMAIL__HOST=x`` as ``{"email": {"host": "x"}}``. A dash in a source's name is written as an underscore."""
    result: dict[str, Any] = {}
    for variable, text in sorted(environment.items()):
        if not variable.startswith(ENVIRONMENT_PREFIX):
            continue
        path = [part.lower() for part in variable.removeprefix(ENVIRONMENT_PREFIX).split("__")]
        if len(path) == 1:
            if path[0] not in _ENVIRONMENT_APART:
                problems.append(f"{variable}: unknown; a key is written as MONITOR_SECTION__KEY")
            continue
        if path[0] == "sources":
            names = {name.replace("-", "_").lower(): name for name in known.get("sources", {})}
            path[1] = names.get(path[1], path[1])
        if path[:2] == ["telegram", "channels"] and len(path) == 3:
            path[2] = path[2].upper()
        target = result
        for part in path[:-1]:
            target = target.setdefault(part, {})
        target[path[-1]] = _value(text, path)
    return result


# variables with the prefix that are not configuration: they steer the test suite
_ENVIRONMENT_APART = {"torture", "ci", "test_postgres"}


def _value(text: str, path: list[str]) -> Any:
    """An environment variable's text; a list or table is written as JSON, a list of words also with commas."""
    if text[:1] in "[{":
        try:
            return json.loads(text)
        except ValueError:
            return text
    return (
        [word.strip() for word in text.split(",") if word.strip()]
        if path[-1] in {"silent", "attributes", "hosts"}
        else text
    )


_SECRETS = (
    ("email", "password"),
    ("telegram", "token"),
    ("telegram", "webhook_secret"),
    ("database", "url"),
    ("fetch", "proxy"),
    ("bounces", "secret"),
    ("bounces", "imap_password"),
)


def _read_secret_files(merged: dict[str, Any], problems: list[str], base: Path) -> None:
    """Replace ``password_file = "..."`` by ``password`` with the file's first line, for every key that may hold a secret."""
    for section, key in _SECRETS:
        table = merged.get(section)
        if not isinstance(table, dict) or f"{key}_file" not in table:
            continue
        table = merged[section] = dict(table)
        path = base / str(table.pop(f"{key}_file"))
        try:
            table[key] = path.read_text("utf-8").splitlines()[0].strip()
        except (OSError, UnicodeDecodeError, IndexError) as error:
            why = error.strerror if isinstance(error, OSError) else "it holds no line of text"
            problems.append(f"{section}.{key}_file: {path} cannot be used: {why}")


def _contradictions(merged: Mapping[str, Any]) -> Iterator[str]:
    """What no single key is wrong about. Reads the raw tables, so that it also speaks when single keys are wrong."""
    for name, source in _tables(merged.get("sources")):
        where = f"sources.{name}"
        if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?", name):
            yield f"{where}: a source's name is made of a-z, 0-9 and dashes"
        has_url, has_page, has_link = (bool(source.get(key)) for key in ("url", "page", "link"))
        if has_url == (has_page or has_link) or has_page != has_link:
            yield f"{where}: give either url, or page together with link"
        columns = source.get("columns")
        named = columns.get("name") if isinstance(columns, Mapping) else None
        if source.get("format") == "table" and not named:
            yield f"{where}.columns.name: a table needs the header of the column with the agency's name"
    email = merged.get("email")
    if isinstance(email, Mapping) and email.get("host"):
        sender = email.get("from") or email.get("sender")
        if not sender:
            yield 'email.from: mail needs a sender, such as "Map Monitor <alerts@watch.example>"'
        elif not re.search(r"[^\s<>@]+@[^\s<>@]+\.?[^\s<>@]*>?$", str(sender)):
            yield f"email.from: {sender!r} holds no address"
        clear = str(email.get("allow_cleartext", False)).lower() in {"true", "1", "yes", "on"}
        if email.get("security") == "none" and not clear and not _loopback(str(email["host"])):
            yield 'email.security: mail in clear text to another machine needs allow_cleartext = true; better is "starttls"'
        if bool(email.get("username")) != bool(email.get("password")):
            yield "email.username: a user name and a password go together"
    bounces = merged.get("bounces")
    if isinstance(bounces, Mapping) and bounces.get("imap_host"):
        for key in ("imap_user", "imap_password"):
            if not bounces.get(key):
                yield f"bounces.{key}: a mailbox needs a user name and a password"
    telegram = merged.get("telegram")
    if isinstance(telegram, Mapping) and bool(telegram.get("webhook_url")) != bool(
        telegram.get("webhook_secret")
    ):
        yield "telegram.webhook_url: a webhook's address and its secret go together"


def _tables(value: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, Mapping):
        for name, table in value.items():
            if isinstance(table, Mapping):
                yield str(name), table


def _loopback(host: str) -> bool:
    if host in {"localhost", "localhost."}:
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _in_words(detail: Any) -> str:
    """One of pydantic's findings as a line for the operator. Never shows the value: it may be a secret."""
    path = [str(part) for part in detail["loc"]]
    where = ".".join(path)
    if detail["type"] == "extra_forbidden":
        return f"{where}: unknown key{_nearest(path[-1], _known_keys(path[:-1]), '.'.join(path[:-1]))}"
    if detail["type"] == "missing":
        return f"{where}: is missing"
    message = str(detail["msg"]).removeprefix("Value error, ")
    return f"{where}: {message[:1].lower() + message[1:] if message[1:2].islower() else message}"


def _known_keys(path: list[str]) -> list[str]:
    """The keys that a table may have: walks the models along the path."""
    model: Any = Settings
    for index, part in enumerate(path):
        if model is Settings and part == "sources":
            model = Source
            continue
        if index and path[index - 1] == "sources":
            continue
        if part.isdigit():
            continue
        model = {"meaning": MeaningEntry}.get(part) or model.model_fields[part].annotation
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return []
    names = [field.alias or name for name, field in model.model_fields.items()]
    return names + [f"{key}_file" for section, key in _SECRETS if path == [section]]


def _nearest(word: str, known: Any, where: str = "") -> str:
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {where + '.' if where else ''}{near[0]}?" if near else ""
