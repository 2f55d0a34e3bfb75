"""Where a source is: a URL, or a page and a rule for the link on it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from monitor.sources.format import Pages


@dataclass(frozen=True, slots=True)
class LinkRule:
    """Recognizes the link to the current file on a page, by regular expressions.

    ``address`` is searched in the absolute URL, ``words`` in the visible text of the link: one of them must
    match. ``file`` is searched in the file name of the answer (Content-Disposition, or a name with an
    extension at the end of the URL). A link where ``never`` matches any of the three is not the file.
    """

    address: str | None = None
    words: str | None = None
    file: str | None = None
    never: str | None = None

    def __post_init__(self) -> None:
        if self.address is None and self.words is None:
            raise ValueError("a link is found by its address or its words")
        for expression in (self.address, self.words, self.file, self.never):
            try:
                re.compile(expression or "")
            except re.error as error:
                raise ValueError(f"the link is not a regular expression: {error}") from error

    def __str__(self) -> str:
        if self.words is None:
            return str(self.address)
        return f"the words {self.words}{f' or the address {self.address}' if self.address else ''}"


@dataclass(frozen=True, slots=True)
class Target:
    """The location of a source: ``url``, or ``page`` and ``link``, a rule or an expression for the link's
    URL.

    ``hosts`` are further hosts to which redirects and links may lead; the host of ``url`` or ``page`` is
    always allowed. ``collect`` gets the content of ``url`` page by page. ``user_agent`` replaces the
    program's own. ``printed_count`` is an expression whose group is the publisher's own count, on the page or
    otherwise in the file.
    """

    url: str | None = None
    page: str | None = None
    link: LinkRule | str | None = None
    hosts: frozenset[str] = frozenset()
    collect: Callable[[str], Pages] | None = field(default=None, compare=False)
    user_agent: str | None = None
    printed_count: str | None = None

    def __post_init__(self) -> None:
        if (self.url is None) == (self.page is None) or (self.page is None) != (self.link is None):
            raise ValueError("a target is either a url or a page and a link")
        if isinstance(self.link, str):
            object.__setattr__(self, "link", LinkRule(address=self.link))

    @property
    def rule(self) -> LinkRule | None:
        """The rule for the link on the page; None if the source is a url."""
        assert not isinstance(self.link, str)
        return self.link

    @property
    def home(self) -> str:
        """The configured URL, against which all others are checked."""
        return self.url or self.page or ""
