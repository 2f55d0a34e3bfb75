"""Settings of a chat: frequency of messages, quiet hours, its own line, and a preview of a post."""

from __future__ import annotations

import re
from collections.abc import Sequence

from monitor.bot.chats import Chats, FollowResult, FollowVerdict, Watching
from monitor.bot.context import BotContext
from monitor.bot.replies import Button, Html, Reply, Translator, paragraphs, rows, safe
from monitor.channels.telegram.posts import compose_posts
from monitor.core.due import AT_ONCE, DAILY, DEFAULT_HOUR, FREQUENCIES, WEEKLY
from monitor.messages import locale
from monitor.messages.layout import clean
from monitor.messages.locale import N_

LONGEST_LINE = 200
NIGHT = (22, 7)
"""The quiet hours that a button offers."""

_OFTEN = {
    AT_ONCE: N_("Messages come right away, whenever our checks find a change."),
    DAILY: N_("Messages come once a day at %(hour)s, if something has changed."),
    WEEKLY: N_("Messages come once a week, on Mondays at %(hour)s, if something has changed."),
}
_NAMES = {AT_ONCE: N_("Right away"), DAILY: N_("Once a day"), WEEKLY: N_("Once a week")}


class ChatSettings:
    """Answers /when, /line and /preview for one chat."""

    def __init__(self, context: BotContext, chats: Chats) -> None:
        self._context, self._chats = context, chats

    def answer_when(
        self, words: Sequence[str], chat: int, name: str | None, suffix: str, translate: Translator
    ) -> FollowResult | Reply:
        """Show the frequency of messages and the quiet hours, or set them by words: "weekly", "daily 18",
        "quiet 22 7", "quiet off". Returns a FollowResult if nothing was done.
        """
        match tuple(words):
            case (("at_once" | "daily" | "weekly") as frequency, *rest):
                hour = int(rest[0]) if rest and re.fullmatch(r"1?\d|2[0-3]", rest[0], re.ASCII) else None
                outcome = self._chats.set_frequency(
                    chat, name, frequency, DEFAULT_HOUR if hour is None else hour
                )
            case ("quiet", "off"):
                outcome = self._chats.set_quiet_hours(chat, name, None)
            case ("quiet", since, until) if _is_hour(since) and _is_hour(until) and since != until:
                outcome = self._chats.set_quiet_hours(chat, name, (int(since), int(until)))
            case ():
                outcome = FollowResult(FollowVerdict.DONE, self._chats.read_watching(chat, name))
            case _:
                return translate.refusal(
                    "Send /when daily 18, /when weekly, /when quiet 22 7 or /when quiet off."
                )
        if not outcome.watching.places and outcome.verdict is FollowVerdict.DONE:
            return FollowResult(FollowVerdict.NOTHING)
        if outcome.verdict is not FollowVerdict.DONE:
            return outcome
        return self._render(outcome.watching, suffix, translate)

    def answer_line(
        self, words: Sequence[str], chat: int, name: str | None, translate: Translator
    ) -> FollowResult | Reply:
        """Set the line under each post of the chat; "off" removes it, no words show it."""
        text = clean(" ".join(words), 2 * LONGEST_LINE)
        if len(text) > LONGEST_LINE:
            return translate.refusal("A line has %(most)s characters at most.", most=LONGEST_LINE)
        if text:
            outcome = self._chats.set_own_line(chat, name, None if text.casefold() == "off" else text)
        else:
            outcome = FollowResult(FollowVerdict.DONE, self._chats.read_watching(chat, name))
        if outcome.verdict is not FollowVerdict.DONE:
            return outcome
        if not outcome.watching.places:
            return FollowResult(FollowVerdict.NOTHING)
        own = outcome.watching.own_line
        if own is None:
            return Reply(
                translate(
                    "There is no line of your own under the posts. To add one, send /line and the text."
                )
            )
        return Reply(
            translate(
                "This line is under each post: %(line)s\n/line off removes it, /preview shows a post.",
                line=own,
            )
        )

    def answer_preview(self, chat: int, name: str | None, translate: Translator) -> FollowResult | Reply:
        """Show what a post in the chat will look like, with a change that has not happened."""
        watching = self._chats.read_watching(chat, name)
        if not watching.places:
            return FollowResult(FollowVerdict.NOTHING)
        blocks = self._context.sample(watching.language)
        values = {"own-line": watching.own_line} if watching.own_line else {}
        post = "\n\n".join(compose_posts(blocks, values))
        head = translate("A post will look like this. It is only an example, nothing has happened:")
        return Reply(paragraphs(head, self._describe(watching, translate), Html(post)))

    def _render(self, watching: Watching, suffix: str, translate: Translator) -> Reply:
        often = [
            Button(
                f"{'✓' if each == watching.frequency else '+'} {translate(_NAMES[each])}",
                f"when {each}{suffix}",
            )
            for each in FREQUENCIES
        ]
        since, until = NIGHT
        between = translate(
            "Quiet from %(since)s to %(until)s",
            since=_clock(since, translate),
            until=_clock(until, translate),
        )
        quiet = (
            Button(translate("No quiet hours"), f"when quiet off{suffix}")
            if watching.quiet
            else Button(between, f"when quiet {since} {until}{suffix}")
        )
        return Reply(self._describe(watching, translate), (*rows(often), (quiet,)))

    def _describe(self, watching: Watching, translate: Translator) -> Html:
        hour = _clock(DEFAULT_HOUR if watching.hour is None else watching.hour, translate)
        said = [translate(_OFTEN[watching.frequency], hour=hour)]
        if watching.quiet:
            since, until = (_clock(each, translate) for each in watching.quiet)
            said.append(
                translate(
                    "Nothing is posted from %(since)s to %(until)s; it is posted afterwards.",
                    since=since,
                    until=until,
                )
            )
        return Html(" ".join(safe(each) for each in said))


def _is_hour(text: str) -> bool:
    return re.fullmatch(r"1?\d|2[0-3]", text, re.ASCII) is not None


def _clock(hour: int, translate: Translator) -> str:
    return locale.hour_of_day(hour, translate.language)
