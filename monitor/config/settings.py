"""The whole configuration as one frozen object."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, create_model, field_validator

from monitor.channels.kinds import KINDS
from monitor.config.sections import (
    AgreementsSection,
    BouncesSection,
    DatabaseSection,
    DataSection,
    DocumentsSection,
    FetchSection,
    LogSection,
    MailboxSection,
    OperatorSection,
    PlacesSection,
    SignupSection,
    SiteSection,
)
from monitor.config.source_section import GuardSection, SourceSection
from monitor.domain import Policy, SourceInfo
from monitor.errors import ConfigError, UsageError
from monitor.settings_types import ChannelSection, Section, nearest

if TYPE_CHECKING:
    from monitor.channels.email.section import EmailSection
    from monitor.channels.telegram.section import TelegramSection
    from monitor.channels.webpush.section import WebPushSection


_SQLITE = "sqlite:///"


class Settings(Section):
    """The whole configuration, validated and frozen. `settings_model` adds a section for each kind of
    channel.
    """

    if TYPE_CHECKING:
        email: EmailSection
        telegram: TelegramSection
        webpush: WebPushSection

    database: DatabaseSection = DatabaseSection()
    data: DataSection = DataSection()
    site: SiteSection = SiteSection()
    sources: dict[str, SourceSection] = Field(default_factory=dict)
    guard: GuardSection = GuardSection()
    fetch: FetchSection = FetchSection()
    mailbox: MailboxSection = MailboxSection()
    places: PlacesSection = PlacesSection()
    agreements: AgreementsSection = AgreementsSection()
    documents: DocumentsSection = DocumentsSection()
    signup: SignupSection = SignupSection()
    bounces: BouncesSection = BouncesSection()
    log: LogSection = LogSection()
    operator: OperatorSection = OperatorSection()

    @field_validator("sources", mode="before")
    @classmethod
    def _titled(cls, value: object) -> object:
        """Use a list's name where it has no title."""
        if not isinstance(value, Mapping):
            return value
        return {
            name: {"title": name, **source} if isinstance(source, Mapping) else source
            for name, source in value.items()
        }

    @property
    def database_url(self) -> str:
        """The URL of the database; by default a SQLite file in the data folder."""
        return self.database.url or f"sqlite:///{self.data.folder / 'monitor.db'}"

    @property
    def site_database_url(self) -> str:
        """The URL of the same database for the site: on PostgreSQL it may name a role with fewer rights."""
        return self.database.web_url or self.database_url

    @property
    def watched(self) -> dict[str, SourceSection]:
        """The sources that are polled, by name. A source that leads to another is polled only if the other
        is.
        """
        return {
            name: source
            for name, source in self.sources.items()
            if source.enabled
            and (source.leads_to is None or getattr(self.sources.get(source.leads_to), "enabled", True))
        }

    @property
    def infos(self) -> dict[str, SourceInfo]:
        """The public description of each configured source, by name, in the order of the configuration."""
        return {name: source.info(name) for name, source in self.sources.items()}

    @property
    def watched_infos(self) -> dict[str, SourceInfo]:
        """The same for the sources that are polled."""
        return {name: source.info(name) for name, source in self.watched.items()}

    def source(self, name: str) -> SourceSection:
        """One source by name. Raises UsageError that names the known ones."""
        if name not in self.sources:
            raise UsageError(
                f"there is no source {name!r}; known: {', '.join(self.sources)}{nearest(name, self.sources)}"
            )
        return self.sources[name]

    def channel(self, name: str) -> ChannelSection:
        """The section of one kind of channel."""
        section = getattr(self, name)
        assert isinstance(section, ChannelSection)
        return section

    def policy(self, name: str) -> Policy:
        """The guard's thresholds for one source: its own override ``[guard]``, which overrides the
        defaults.
        """
        source = self.source(name)
        given = self.guard.given() | source.guard.given()
        return Policy(**given, silent=Policy().silent | frozenset(source.silent))

    def beside(self, path: Path) -> Self:
        """The same settings with every relative path resolved against the folder of the configuration
        file.
        """
        base = path.parent

        def anchored(value: Path | None) -> Path | None:
            return value if value is None or value.is_absolute() else base / value

        update: dict[str, Any] = {
            "data": self.data.model_copy(update={"folder": anchored(self.data.folder)}),
            "database": self.database.model_copy(update={"url": _anchor_url(self.database.url, base)}),
            "mailbox": self.mailbox.model_copy(update={"folder": anchored(self.mailbox.folder)}),
            "places": self.places.model_copy(update={"overrides": anchored(self.places.overrides)}),
            "documents": self.documents.model_copy(
                update={"file": anchored(self.documents.file), "laws": anchored(self.documents.laws)}
            ),
            "bounces": self.bounces.model_copy(update={"imap_ca": anchored(self.bounces.imap_ca)}),
        }
        for name in KINDS:
            section = self.channel(name)
            files = {key: anchored(getattr(section, key)) for key in section.files}
            update[name] = section.model_copy(update=files)
        return self.model_copy(update=update)


def _anchor_url(url: str | None, base: Path) -> str | None:
    """Resolve a relative path in a database URL against ``base``, like every other path of the file.

    Raises ConfigError if a database of version 0.1.0 exists, which resolved the path against the working
    directory: a second, empty database must not replace it.
    """
    path = (url or "").removeprefix(_SQLITE)
    if url is None or not url.startswith(_SQLITE) or path in ("", ":memory:") or Path(path).is_absolute():
        return url
    if not (base / path).exists() and Path(path).exists():
        raise ConfigError(
            [
                f"[database] url: {path} is taken from the folder of the configuration file now, where there "
                f"is none; write {_SQLITE}{Path(path).absolute()}, or move the file to "
                f"{(base / path).absolute()}"
            ]
        )
    return f"{_SQLITE}{base / path}"


def settings_model() -> type[Settings]:
    """The model of a configuration file: `Settings` with a section for each kind of channel in the
    registry.
    """
    sections: dict[str, Any] = {name: (kind.section, kind.section()) for name, kind in KINDS.items()}
    return create_model("Settings", __base__=Settings, **sections)
