"""The section of one source, ``[sources.NAME]``, and its tables, frozen and checked."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    model_validator,
)

from monitor.config.value_errors import describe_value_error
from monitor.domain import Basis, Meaning, SourceInfo, ValueMeaning
from monitor.settings_types import (
    Count,
    Duration,
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
