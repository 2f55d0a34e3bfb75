"""The bot's replies: sentences of the catalog as Telegram HTML, and buttons."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass

from monitor.messages import locale
from monitor.messages.layout import clean
from monitor.messages.locale import N_

ADMINISTRATORS = N_("Only administrators of this group can change that.")
BUSY = N_("Telegram does not answer my questions at the moment. Please try again in a minute.")
SORRY = N_("Something went wrong here. Please try again later.")
ENOUGH = N_("That was a lot at once, so this was not done. Please try again in a minute.")
STALE = N_("This button no longer works. /help shows what I can do.")

COMMANDS = {
    "watch": N_("Watch a ZIP code, town, county or state: /watch 60601"),
    "list": N_("What is watched here"),
    "lists": N_("Choose the official lists"),
    "language": N_("English or Spanish"),
    "when": N_("How often messages come, and quiet hours"),
    "line": N_("A line of your own under each post"),
    "preview": N_("What a post will look like"),
    "status": N_("When the lists were last read"),
    "stop": N_("Stop all messages and erase this chat"),
    "help": N_("What I can do"),
}
"""The menu of commands that Telegram shows."""


@dataclass(frozen=True, slots=True)
class Button:
    """A button.

    ``command``: the command that it sends, without the slash, at most 64 bytes; or ``url``: the page that it
    opens.
    """

    text: str
    command: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply: Telegram HTML with rows of buttons.

    ``refusal``: after a press of a button it is shown as a notice, and the message with the button stays as
    it was.
    """

    text: str
    buttons: tuple[tuple[Button, ...], ...] = ()
    refusal: bool = False


class Html(str):
    """Text that already is Telegram HTML."""

    __slots__ = ()


class Translator:
    """Sentences in one language.

    Values are untrusted: they are cleaned and escaped unless they are `Html`.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._catalog = locale.translations(language)

    def __call__(self, sentence: str, **values: object) -> Html:
        """Translate a sentence of the catalog."""
        return Html(self._catalog.gettext(sentence) % {name: safe(value) for name, value in values.items()})

    def count(self, one: str, many: str, count: int) -> Html:
        """Translate a sentence with a number in it, as ``%(count)s``."""
        return Html(self._catalog.ngettext(one, many, count) % {"count": locale.number(count, self.language)})

    def refusal(self, sentence: str, **values: object) -> Reply:
        """Translate a sentence that says why something was not done."""
        return Reply(self(sentence, **values), refusal=True)


def paragraphs(*texts: str) -> Html:
    """Texts with an empty line between them; empty ones are left out."""
    return Html("\n\n".join(text for text in texts if text))


def bullets(texts: Iterable[Html]) -> Html:
    """One line each."""
    return Html("\n".join(f"• {text}" for text in texts))


def joined(texts: Iterable[object], between: str) -> Html:
    """Texts side by side."""
    return Html(between.join(safe(text) for text in texts))


def rows(buttons: Iterable[Button], wide: int = 3) -> tuple[tuple[Button, ...], ...]:
    """Buttons in rows of ``wide``."""
    every = tuple(buttons)
    return tuple(every[at : at + wide] for at in range(0, len(every), wide))


def safe(value: object) -> Html:
    """Clean and escape a value for Telegram HTML."""
    return value if isinstance(value, Html) else Html(html.escape(clean(str(value)), quote=False))
