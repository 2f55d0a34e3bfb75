"""The sections of config.toml, frozen and checked; config.example.toml explains every key."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from monitor.config.value_errors import describe_value_error
from monitor.domain import Basis, Meaning, SourceInfo, ValueMeaning
from monitor.log_lines import LogFormat
from monitor.settings_types import (
    Count,
    Duration,
    Network,
    Section,
    Share,
    Wait,
    WebAddress,
    at_least,
    expression,
    nearest,
    nearest_key,
)
from monitor.sources.column_map import list_headers
from monitor.sources.formats import FORMATS


def known_format(value: str) -> str:
    """The name of a format in the registry. Raises ValueError that lists them."""
    if value not in FORMATS:
        raise ValueError(f"must be one of {', '.join(FORMATS)}{nearest(value, FORMATS)}")
    return value


def has_group(value: str) -> str:
    """An expression with one group. Raises ValueError."""
    if re.compile(value).groups != 1:
        raise ValueError("needs one group in parentheses: the number")
    return value


def check_options(name: str, options: dict[str, Any]) -> None:
    """Check a format's own options. Raises ValueError that names what is wrong with them."""
    try:
        FORMATS[name].options.model_validate(options)
    except ValidationError as error:
        known = FORMATS[name].options.model_fields
        wrong = []
        for detail in error.errors(include_url=False):
            key = ".".join(map(str, detail["loc"]))
            if detail["type"] == "extra_forbidden":
                wrong.append(
                    f"options.{key}: unknown key for the format {name}{nearest_key(key, known, 'options')}"
                )
            else:
                wrong.append(f"options.{key}: {describe_value_error(detail)}")
        raise ValueError("; ".join(wrong)) from None


def check_listen(value: str | None) -> str | None:
    """Check an address with a port. Raises ValueError."""
    if value is not None and (
        not re.fullmatch(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}", value)
        or int(value.rpartition(":")[2]) > 65535
    ):
        raise ValueError('write an address and a port, such as "127.0.0.1:8000" or "0.0.0.0:8000"')
    return value


def split_listen(value: str) -> tuple[str, int]:
    """Split a checked value into the address and the port."""
    host, _, port = value.rpartition(":")
    return host.strip("[]"), int(port)


_POSTGRESQL = ("postgresql://", "postgres://", "postgresql+psycopg://")


class DatabaseSection(Section):
    """``[database]``"""

    url: str | None = None
    web_url: str | None = None
    copy_before_upgrade: bool = True

    @field_validator("url")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("sqlite:///", *_POSTGRESQL)):
            raise ValueError("must start with sqlite:/// or postgresql://")
        return value

    @field_validator("web_url")
    @classmethod
    def _with_roles(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(_POSTGRESQL):
            raise ValueError("must start with postgresql://: only PostgreSQL has roles")
        return value


class DataSection(Section):
    """``[data]``

    ``disk_rest`` is in MB.
    """

    folder: Path = Path("data")
    disk_rest: Annotated[int, Field(ge=0)] = 200


LOOPBACK = ("127.0.0.0/8", "::1/128")
"""The loopback networks."""


class SiteSection(Section):
    """``[site]``"""

    public_url: WebAddress | None = None
    name: str = Field(default="Map Monitor", min_length=1, max_length=100)
    contact: str = ""
    postal_address: str = Field(default="", max_length=200)
    timezone: str = "UTC"
    listen: str = "127.0.0.1:8000"
    trusted_proxies: tuple[Network, ...] = LOOPBACK
    next_step: str = Field(default="", max_length=500)
    next_step_es: str = Field(default="", max_length=500)
    backups_kept: Duration | None = None
    embed: tuple[str, ...] = ()

    @field_validator("embed")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if origin != "*" and not re.fullmatch(r"https?://[A-Za-z0-9.*\[\]:-]+", origin):
                raise ValueError('must be origins such as "https://news.example", or "*" for every site')
        return value

    data_licence: Literal["CC-BY-4.0", "CC-BY-SA-4.0", "CC0-1.0", "ODbL-1.0", "PDDL-1.0"] = "CC-BY-4.0"

    @field_validator("timezone")
    @classmethod
    def _exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError('is not a time zone; write one such as "America/Chicago"') from None
        return value

    _listens = field_validator("listen")(check_listen)

    @property
    def listen_at(self) -> tuple[str, int]:
        """The address and the port that the site listens on."""
        return split_listen(self.listen)


class MeaningEntry(Section):
    """``[[sources.NAME.meaning]]``"""

    since: date = Field(alias="from")
    en: str = Field(min_length=1)
    es: str = Field(min_length=1)
    citation: str = ""
    citation_es: str = ""
    reviewed: date | None = None

    def meaning(self) -> Meaning:
        return Meaning(self.since, self.en, self.es, self.citation, self.reviewed, self.citation_es)


class ValueEntry(Section):
    """``[[sources.NAME.value]]``"""

    column: str = Field(min_length=1)
    value: str = Field(min_length=1)
    value_es: str = ""
    en: str = Field(default="", max_length=500)
    es: str = Field(default="", max_length=500)
    citation: str = ""
    citation_es: str = ""
    reviewed: date | None = None

    @model_validator(mode="after")
    def _in_both_languages(self) -> Self:
        if bool(self.en) is not bool(self.es):
            raise ValueError("write what it means in both languages: en and es")
        if self.en and self.reviewed is None:
            raise ValueError("write reviewed: a text that nobody reviewed is not shown")
        return self

    def value_meaning(self) -> ValueMeaning:
        return ValueMeaning(
            column=self.column,
            value=self.value,
            names=_by_language(self.value, self.value_es),
            texts=_by_language(self.en, self.es),
            citations=_by_language(self.citation, self.citation_es),
            reviewed=self.reviewed,
        )


def _by_language(english: str | None, spanish: str | None) -> dict[str, str]:
    return {language: text for language, text in (("en", english), ("es", spanish)) if text}


class ColumnsSection(Section):
    """``[sources.NAME.columns]``: the header (or KML ``Data`` name) of each field."""

    name: str | tuple[str, ...] | None = None
    state: str | tuple[str, ...] | None = None
    county: str | tuple[str, ...] | None = None
    city: str | tuple[str, ...] | None = None
    since: str | tuple[str, ...] | None = None
    id: str | tuple[str, ...] | None = None
    url: str | tuple[str, ...] | None = None
    latitude: str | tuple[str, ...] | None = None
    longitude: str | tuple[str, ...] | None = None
    point: str | tuple[str, ...] | None = None
    attributes: tuple[str, ...] = ()


class GuardSection(Section):
    """``[guard]`` and ``[sources.NAME.guard]``: a key given here replaces the threshold of that name in
    `domain.Policy`.
    """

    missing_share: Share | None = None
    missing_floor: Count | None = None
    reject_wait: Wait | None = None
    stale_after: Wait | None = None
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
    group_share: Share | None = None
    hold_additions: Wait | None = None
    hold_undone: Wait | None = None
    hold_others: Wait | None = None
    flap_window: Wait | None = None
    rename_memory: Wait | None = None

    def given(self) -> dict[str, Any]:
        return {name: value for name, value in self if value is not None}


Expression = Annotated[str, AfterValidator(expression)]


class LinkSection(Section):
    """``[sources.NAME.link]``: how to recognize the link to the current file on the page."""

    address: Expression | None = None
    words: Expression | None = None
    file: Expression | None = None
    never: Expression | None = None

    @model_validator(mode="after")
    def _found_by_something(self) -> Self:
        if self.address is None and self.words is None:
            raise ValueError("write address or words: a link is found by its address or by what it says")
        return self


def read_link(value: object) -> object:
    """Read a link section; a bare expression is the one for the address."""
    return {"address": value} if isinstance(value, str) else value


class SourceSection(Section):
    """``[sources.NAME]``"""

    enabled: bool = True
    title: str = Field(min_length=1, max_length=200)
    title_es: str | None = Field(default=None, min_length=1, max_length=200)
    about: str | None = Field(default=None, min_length=1, max_length=300)
    about_es: str | None = Field(default=None, min_length=1, max_length=300)
    publisher: str = Field(default="The publisher", max_length=100)
    official_url: WebAddress | None = None
    format: Annotated[str, AfterValidator(known_format)]
    url: WebAddress | None = None
    page: WebAddress | None = None
    link: Annotated[LinkSection | None, BeforeValidator(read_link)] = None
    hosts: tuple[str, ...] = ()
    optional: bool = False
    leads_to: str | None = None
    basis: Basis = Basis.LISTING
    user_agent: Annotated[str, Field(pattern=r"^[ -~]{1,300}$")] | None = None
    every: Annotated[Duration, at_least(timedelta(seconds=1))] = timedelta(hours=1)
    silent: tuple[str, ...] = ()
    printed_count: Annotated[str, AfterValidator(expression), AfterValidator(has_group)] | None = None
    agreements: bool = False
    meaning: tuple[MeaningEntry, ...] = ()
    value: tuple[ValueEntry, ...] = ()
    columns: ColumnsSection = ColumnsSection()
    options: dict[str, Any] = Field(default_factory=dict)
    guard: GuardSection = GuardSection()

    @model_validator(mode="after")
    def _options_of_the_format(self) -> Self:
        check_options(self.format, self.options)
        return self

    @model_validator(mode="after")
    def _titles_that_the_format_gives(self) -> Self:
        others = {title for one in FORMATS.values() for title in one.given_titles}
        others -= set(FORMATS[self.format].given_titles)
        for field, headers in self.columns:
            for title in list_headers(headers):
                if title in others:
                    raise ValueError(f'columns.{field}: a list of the format {self.format} has no "{title}"')
        return self

    @property
    def official(self) -> str:
        """The public page of the list."""
        address = self.official_url or self.page or self.url
        assert address is not None
        return address

    def info(self, name: str) -> SourceInfo:
        """The public description of the source called ``name``."""
        titles = {"en": self.title} | ({"es": self.title_es} if self.title_es else {})
        meanings = sorted((entry.meaning() for entry in self.meaning), key=lambda meaning: meaning.since)
        return SourceInfo(
            name=name,
            titles=titles,
            every=self.every,
            publisher=self.publisher,
            official_url=self.official,
            meanings=tuple(meanings),
            values=tuple(entry.value_meaning() for entry in self.value),
            abouts=_by_language(self.about, self.about_es),
            enabled=self.enabled,
            leads_to=self.leads_to,
            basis=self.basis,
        )


class FetchSection(Section):
    """``[fetch]``"""

    timeout: Duration = timedelta(seconds=60)
    attempts: Annotated[int, Field(ge=1, le=10)] = 4
    proxy: SecretStr | None = None
    wire_bytes: Annotated[int, Field(ge=1024)] = 16 * 1024 * 1024
    decoded_bytes: Annotated[int, Field(ge=1024)] = 64 * 1024 * 1024
    ratio: Annotated[int, Field(ge=2)] = 100
    parser_time: Duration = timedelta(seconds=60)
    parser_memory: Annotated[int, Field(ge=64 * 1024 * 1024)] | None = None


class OperatorSection(Section):
    """``[operator]``

    ``metrics`` is the address and port for metrics (None: not served); ``disk_low`` is in MB.
    """

    notify: tuple[str, ...] = ()
    metrics: str | None = None
    disk_low: int = Field(default=500, ge=0)
    backup_after: Duration | None = None
    canary: str | None = None
    canary_every: Annotated[Duration, at_least(timedelta(minutes=5))] = timedelta(days=1)

    _listens = field_validator("metrics")(check_listen)

    @property
    def metrics_at(self) -> tuple[str, int] | None:
        """The address and the port of the metrics; None if they are not served."""
        return split_listen(self.metrics) if self.metrics else None


class LogSection(Section):
    """``[log]``"""

    format: LogFormat = "text"


class MailboxSection(Section):
    """``[mailbox]``"""

    folder: Path | None = None


class SignupSection(Section):
    """``[signup]``"""

    per_network: Annotated[int, Field(ge=1)] = 20
    per_site: Annotated[int, Field(ge=1)] = 500


class BouncesSection(Section):
    """``[bounces]``"""

    secret: SecretStr | None = None
    imap_host: str | None = None
    imap_port: Annotated[int, Field(ge=1, le=65535)] = 993
    imap_user: str | None = None
    imap_password: SecretStr | None = None
    imap_folder: str = "INBOX"
    imap_ca: Path | None = None

    @field_validator("secret")
    @classmethod
    def _hard_to_guess(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 16:
            raise ValueError("write at least 16 characters that are hard to guess")
        return value


class AgreementsSection(Section):
    """``[agreements]``

    ``pause`` is the time between two requests, ``every`` the time between two checks of one URL; sizes are in
    bytes.
    """

    every: Annotated[Duration, at_least(timedelta(hours=1))] = timedelta(days=7)
    pause: Annotated[Duration, at_least(timedelta(seconds=1))] = timedelta(seconds=30)
    file_bytes: Annotated[int, Field(ge=1024)] = 20 * 1024 * 1024
    all_bytes: Annotated[int, Field(ge=1024)] = 1000 * 1024 * 1024


class DocumentsSection(Section):
    """``[documents]``"""

    file: Path | None = None
    url: WebAddress | None = None
    every: Wait = timedelta(hours=1)
    laws: Path | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.file is not None and self.url is not None:
            raise ValueError("give either file or url")
        return self

    @property
    def where(self) -> str | None:
        """The file or the URL; None if neither is set."""
        return str(self.file) if self.file is not None else self.url


class PlacesSection(Section):
    """``[places]``"""

    overrides: Path | None = None
