"""Runs commands: from a command to a reply, with the changes it makes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from telegram.error import TelegramError

from monitor.bot import followed_towns, operator_buttons, permissions, places, updates
from monitor.bot.chat_settings import ChatSettings
from monitor.bot.chats import MOST_PLACES, Chats, FollowResult, FollowVerdict, Watching
from monitor.bot.context import BotContext
from monitor.bot.introduction import page_button, render_greeting, render_help
from monitor.bot.permissions import BroadcastChannel, ChatQueries, Denied
from monitor.bot.places import NotAPlace
from monitor.bot.replies import (
    ADMINISTRATORS,
    BUSY,
    Button,
    Html,
    Reply,
    Translator,
    bullets,
    joined,
    paragraphs,
    rows,
    safe,
)
from monitor.bot.updates import DECIDE, Command
from monitor.messages import locale
from monitor.messages.locale import N_
from monitor.messages.placements import drop_article
from monitor.places.codes import place_path
from monitor.places.finder import PROBLEMS, FinderResult

NO_TOWN = NotAPlace(places.NOT_A_PLACE)
# the most ZIPs of one command whose agencies are named, so that an answer fits into one message
_COVERED_AT_ONCE = 3


@dataclass(frozen=True, slots=True)
class Subject:
    """The chat that a command concerns: the one it was sent in, or a channel that it names (``title``)."""

    chat: int
    name: str | None
    title: str = ""
    private: bool = True

    @property
    def suffix(self) -> str:
        """The text that a button adds to its command so that it concerns the same chat."""
        return f" {self.chat}" if self.title else ""


class Commands:
    """Answers commands. Database work runs in a thread."""

    def __init__(self, context: BotContext, chats: Chats, queries: ChatQueries) -> None:
        self._context, self._chats, self._queries = context, chats, queries
        self._settings = ChatSettings(context, chats)

    async def reply(self, command: Command) -> Reply:
        """Run a command and return its reply, in the language that the chat chose. Raises StoreError, with
        nothing changed.
        """
        if command.verb == DECIDE:
            return await operator_buttons.answer_operator(self._context, self._queries, command)
        chosen = await asyncio.to_thread(self._chats.read_language, command.chat, command.name)
        command = replace(command, language=chosen or command.language)
        translate = Translator(command.language)
        changes = _changes(command)
        try:
            if command.target is not None:
                found = await permissions.channel(self._queries, command)
                if isinstance(found, Denied):
                    return translate.refusal(found.value)
                subject = Subject(found.chat, found.name, _title(found))
            elif changes and not await permissions.may_change(self._queries, command):
                return translate.refusal(ADMINISTRATORS)
            else:
                subject = Subject(command.chat, command.name, private=command.private)
        except TelegramError:
            return translate.refusal(BUSY)
        return await asyncio.to_thread(self._answer, command, subject, translate)

    def _answer(self, command: Command, subject: Subject, translate: Translator) -> Reply:
        match command.verb:
            case "start":
                return self._start(command, subject, translate)
            case "watch":
                return self._watch(command.arguments, command, subject, translate)
            case "list":
                return self._render_watching(
                    self._chats.read_watching(subject.chat, subject.name), subject, translate
                )
            case "lists":
                return self._lists(command, subject, translate)
            case "language":
                return self._language(command, subject, translate)
            case "stop":
                return self._stop(command, subject, translate)
            case "when" | "line" | "preview":
                return self._settle(command, subject, translate)
            case "status":
                return self._status(subject, translate)
            case updates.WELCOME:
                return render_greeting(self._context, translate, private=subject.private)
            case updates.LOOK:
                return self._look(command.arguments, subject, translate)
            case updates.UNKNOWN:
                known = render_help(self._context, translate, private=subject.private)
                return Reply(paragraphs(translate("I do not know that command."), known.text), known.buttons)
        return render_help(self._context, translate, private=subject.private)

    def _start(self, command: Command, subject: Subject, translate: Translator) -> Reply:
        """A deep link, as on a ZIP's page, carries places joined by underscores."""
        words = tuple(word for given in command.arguments for word in given.split("_"))
        if words and not isinstance(places.read(words, self._context), NotAPlace):
            return self._watch(words, command, subject, translate)
        self._chats.welcome(subject.chat)
        return render_greeting(self._context, translate, private=subject.private)

    def _look(self, words: tuple[str, ...], subject: Subject, translate: Translator) -> Reply:
        """Offer the place that words without a command may name; answer a greeting with the help."""
        result = followed_towns.find_areas(words, self._context)
        found = result.towns or (result.states and not result.sure)
        if found and followed_towns.is_likely_meant(words, result):
            return followed_towns.offer(result, subject.suffix, translate)
        return render_help(self._context, translate, private=subject.private)

    def _watch(
        self, words: tuple[str, ...], command: Command, subject: Subject, translate: Translator
    ) -> Reply:
        wanted = self._read_places(words)
        if isinstance(wanted, FinderResult):
            return followed_towns.offer(wanted, subject.suffix, translate)
        if isinstance(wanted, NotAPlace):
            return translate.refusal(wanted.sentence, zip=wanted.zip)
        outcome = self._chats.watch(subject.chat, subject.name, wanted, command.language)
        if outcome.verdict is not FollowVerdict.DONE:
            return self._render_refusal(outcome, translate)
        watching = outcome.watching
        names = joined((places.format_place(place, self._context, translate) for place in wanted), ", ")
        if outcome.added:
            sentence = (
                N_("Watching <b>%(places)s</b> for %(channel)s.")
                if subject.title
                else N_("Watching <b>%(places)s</b>.")
            )
        elif subject.title:
            sentence = N_("<b>%(places)s</b> is already watched for %(channel)s.")
        else:
            sentence = N_("<b>%(places)s</b> is already watched.")
        sources = self._chosen_sources(watching)
        told = [
            translate(sentence, places=names, channel=subject.title),
            translate("Lists: %(lists)s.", lists=self._titles(sources, translate)),
        ]
        for place in list(wanted)[:_COVERED_AT_ONCE]:
            told += [
                places.render_notices(place, self._context, translate),
                places.render_covered(place, sources, self._context, translate),
            ]
        told.append(self._render_pause(watching, translate))
        if outcome.added:
            told.append(self._render_where(command, subject, translate))
        first = next(iter(wanted))
        called = places.format_on_button(first, translate)
        stop = Button(translate("Stop %(place)s", place=called), f"stop {first}{subject.suffix}")
        page = page_button(self._context, place_path(first), translate("More about %(place)s", place=called))
        return Reply(paragraphs(*told), rows([stop, *page, *self._lists_button(subject, translate)]))

    def _read_places(self, words: tuple[str, ...]) -> dict[str, str | None] | NotAPlace | FinderResult:
        """Read the places that words name, each with its state if it is a ZIP; or a town, or several of one
        name, as the finder returns them; or the reason why the words name no place. A county and a radius are
        one place.
        """
        wanted = places.read(words, self._context)
        in_words = wanted in places.UNREAD and any(map(str.isalpha, "".join(words)))
        if (
            in_words
            or followed_towns.is_town_rather_than_states(words)
            or followed_towns.is_state_or_town(words, self._context)
        ):
            result = followed_towns.find_areas(words, self._context)
            if result.zips:  # the ZIP in an address
                return {code: self._context.gazetteer.state_of_zip(code) for code in result.zips}
            if result.problem in ("no_town", "which_agency", "which_town"):
                return NotAPlace(PROBLEMS[result.problem])
            if result.kind in ("county", "radius") and result.towns[0].key:
                return {result.towns[0].key: None}
            if result.country or (result.kind == "state" and not result.towns):
                return dict.fromkeys(result.places)
            if result.towns or result.states:
                return result
        return wanted

    def _render_where(self, command: Command, subject: Subject, translate: Translator) -> Html:
        """Say where messages will appear, which is not always where the command was sent."""
        if subject.title:
            return translate(
                "From now on a message is posted in %(title)s when our checks find a change. /list "
                "%(channel)s shows what is watched, /stop %(channel)s ends it.",
                title=subject.title,
                channel=subject.name or subject.chat,
            )
        if command.thread is not None and not command.private:
            return translate(
                "From now on a message comes in this group's General topic when our checks find a change. "
                "/list shows what is watched, /stop ends it."
            )
        return translate(
            "From now on a message comes here when our checks find a change. /list shows what is watched, "
            "/stop ends it."
        )

    def _lists(self, command: Command, subject: Subject, translate: Translator) -> Reply:
        """Without arguments, show the lists; "on ring" and "off ring" choose them, like the buttons."""
        match command.arguments:
            case ("on" | "off") as way, source if source in self._context.watched:
                outcome = self._chats.set_source(subject.chat, subject.name, source, on=way == "on")
                if outcome.verdict is not FollowVerdict.DONE:
                    return self._render_refusal(outcome, translate)
                watching = outcome.watching
            case _:
                watching = self._chats.read_watching(subject.chat, subject.name)
        if watching.fixed:
            return self._render_refusal(FollowResult(FollowVerdict.FIXED), translate)
        if not watching.places:
            return self._render_refusal(FollowResult(FollowVerdict.NOTHING), translate)
        buttons = [
            Button(f"✓ {each.title(translate.language)}", f"lists off {name}{subject.suffix}")
            if name in watching.sources
            else Button(f"+ {each.title(translate.language)}", f"lists on {name}{subject.suffix}")
            for name, each in self._context.watched.items()
        ]
        text = paragraphs(
            self._render_heading(subject, translate) if subject.title else "",
            translate("Lists: %(lists)s.", lists=self._titles(self._chosen_sources(watching), translate)),
            translate("Tap a list to choose it or to leave it out."),
        )
        return Reply(text, rows(buttons, wide=1))

    def _language(self, command: Command, subject: Subject, translate: Translator) -> Reply:
        """Without arguments, show the language of messages; "es" and "en" choose it, like the buttons."""
        match command.arguments:
            case (code,) if code in locale.LANGUAGES:
                outcome = self._chats.set_language(subject.chat, subject.name, code)
                if outcome.verdict is not FollowVerdict.DONE:
                    return self._render_refusal(outcome, translate)
                watching = outcome.watching
                translate = Translator(code)
            case _:
                watching = self._chats.read_watching(subject.chat, subject.name)
        if watching.fixed or not watching.places:
            return self._render_refusal(
                FollowResult(FollowVerdict.FIXED if watching.fixed else FollowVerdict.NOTHING), translate
            )
        text = translate("Language of messages: %(language)s.", language=locale.LANGUAGES[watching.language])
        buttons = [
            Button(f"{'✓' if code == watching.language else '+'} {name}", f"language {code}{subject.suffix}")
            for code, name in locale.LANGUAGES.items()
        ]
        return Reply(
            paragraphs(self._render_heading(subject, translate) if subject.title else "", text), rows(buttons)
        )

    def _settle(self, command: Command, subject: Subject, translate: Translator) -> Reply:
        """Show or change the settings of this chat's messages."""
        chat, name, words = subject.chat, subject.name, command.arguments
        match command.verb:
            case "when":
                found = self._settings.answer_when(words, chat, name, subject.suffix, translate)
            case "line":
                found = self._settings.answer_line(words, chat, name, translate)
            case _:
                found = self._settings.answer_preview(chat, name, translate)
        return found if isinstance(found, Reply) else self._render_refusal(found, translate)

    def _stop(self, command: Command, subject: Subject, translate: Translator) -> Reply:
        wanted = self._read_places(command.arguments) if command.arguments else {}
        called = ""
        if isinstance(wanted, FinderResult):
            town = wanted.towns[0]
            called = f"{town.name}, {town.state}"
            wanted = dict.fromkeys((*filter(None, [town.key]), *town.zips)) if wanted.sure else NO_TOWN
        if isinstance(wanted, NotAPlace):
            return translate.refusal(wanted.sentence, zip=wanted.zip)
        if wanted:
            outcome = self._chats.unwatch(subject.chat, subject.name, tuple(wanted))
        else:
            outcome = self._chats.stop(subject.chat, subject.name)
        if outcome.verdict is not FollowVerdict.DONE:
            return self._render_refusal(outcome, translate)
        if outcome.watching.places:
            shown = self._render_watching(outcome.watching, subject, translate)
            if outcome.gone:
                return shown
            names = safe(called) or joined(
                (places.format_place(place, self._context, translate) for place in wanted), ", "
            )
            missed = translate("<b>%(places)s</b> was not watched.", places=names)
            return Reply(paragraphs(missed, shown.text), shown.buttons)
        if subject.title:
            return Reply(
                translate(
                    "Stopped: nothing more is sent to %(channel)s, and we have erased it.",
                    channel=subject.title,
                )
            )
        return Reply(
            translate(
                "Stopped: nothing more is sent here, and we have erased this chat. To start again, "
                "send /watch."
            )
        )

    def _status(self, subject: Subject, translate: Translator) -> Reply:
        told = []
        for source, each in self._context.watched.items():
            seen = places.load_last_read(source, self._context, translate)
            if seen.at is None:
                told.append(translate("%(title)s: not read yet.", title=each.title(translate.language)))
            elif seen.blind:
                told.append(
                    translate(
                        "%(title)s: we cannot see this list right now; the last good check was %(at)s. "
                        "Nothing is known of changes since then.",
                        title=each.title(translate.language),
                        at=seen.at,
                    )
                )
            else:
                told.append(
                    translate(
                        "%(title)s: last good check %(at)s.",
                        title=each.title(translate.language),
                        at=seen.at,
                    )
                )
        watching = self._chats.read_watching(subject.chat, subject.name)
        here = translate.count(
            "%(count)s place is watched.", "%(count)s places are watched.", len(watching.places)
        )
        return Reply(paragraphs(bullets(told), here, self._render_pause(watching, translate)))

    def _render_watching(self, watching: Watching, subject: Subject, translate: Translator) -> Reply:
        """Show what is watched, with a button that removes each place."""
        if not watching.places:
            return self._render_refusal(FollowResult(FollowVerdict.NOTHING), translate)
        text = paragraphs(
            self._render_heading(subject, translate),
            bullets(
                Html(drop_article(places.format_place(place, self._context, translate)))
                for place in watching.places
            ),
            translate("Lists: %(lists)s.", lists=self._titles(self._chosen_sources(watching), translate)),
            self._render_left_out(watching, translate),
            self._render_pause(watching, translate),
            translate("The operator of this service set this up; it cannot be changed here.")
            if watching.fixed
            else "",
        )
        if watching.fixed:
            return Reply(text)
        stops = [
            Button(
                translate("Stop %(place)s", place=places.format_on_button(place, translate)),
                f"stop {place}{subject.suffix}",
            )
            for place in watching.places
        ]
        return Reply(text, (*rows(stops), *rows(self._lists_button(subject, translate))))

    def _render_heading(self, subject: Subject, translate: Translator) -> Html:
        if subject.title:
            return translate("Watched for %(channel)s:", channel=subject.title)
        return translate("This chat watches:")

    def _lists_button(self, subject: Subject, translate: Translator) -> tuple[Button, ...]:
        """A button to choose lists; none when there is only one list."""
        return (
            (Button(translate("Choose lists"), f"lists{subject.suffix}"),)
            if len(self._context.watched) > 1
            else ()
        )

    def _render_left_out(self, watching: Watching, translate: Translator) -> Html:
        """Name the lists that this chat does not get, by choice or because they were added later (a new list
        is never added to a subscription silently).
        """
        others = [name for name in self._context.watched if name not in watching.sources]
        return (
            translate("Left out: %(lists)s. /lists changes that.", lists=self._titles(others, translate))
            if others
            else Html()
        )

    def _render_pause(self, watching: Watching, translate: Translator) -> Html:
        if watching.paused_until is None:
            return Html()
        until = locale.moment(watching.paused_until, self._context.timezone, translate.language)
        return translate("Paused until %(until)s; one summary comes then.", until=until)

    def _chosen_sources(self, watching: Watching) -> list[str]:
        return [name for name in self._context.watched if name in watching.sources]

    def _titles(self, sources: list[str], translate: Translator) -> Html:
        return joined((self._context.watched[name].title(translate.language) for name in sources), "; ")

    def _render_refusal(self, outcome: FollowResult, translate: Translator) -> Reply:
        match outcome.verdict:
            case FollowVerdict.FIXED:
                return translate.refusal(
                    "The operator of this service set this chat up, so it cannot be changed here."
                )
            case FollowVerdict.CLOSED:
                return translate.refusal("The operator of this service has closed this chat to messages.")
            case FollowVerdict.FULL:
                return translate.refusal(
                    "At most %(most)s places can be watched here; a state holds all of its ZIP codes.",
                    most=MOST_PLACES,
                )
            case FollowVerdict.LAST:
                return translate.refusal("At least one list must stay. /stop stops everything.")
            case _:
                return translate.refusal(
                    "Nothing is watched yet. To begin, write /watch and a ZIP code or a state."
                )


def _changes(command: Command) -> bool:
    """Whether a command can change what a chat watches; everybody may read it."""
    return command.verb in {"watch", "stop"} or (
        command.verb in {"start", "lists", "language", "when", "line"} and bool(command.arguments)
    )


def _title(channel: BroadcastChannel) -> str:
    return channel.name or channel.title or "?"
