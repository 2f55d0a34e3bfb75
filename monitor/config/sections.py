"""The sections of config.toml, frozen and checked; config.example.toml explains every key."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from monitor.log_lines import LogFormat
from monitor.settings_types import (
    Duration,
    Network,
    Section,
    Wait,
    WebAddress,
    at_least,
)


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
