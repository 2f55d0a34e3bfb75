"""What the bot answers: from a command to a reply, with what it changes on the way."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from telegram.error import TelegramError

from monitor.bot import permissions, places, towns
from monitor.bot.chats import MOST_PLACES, Chats, FollowResult, FollowVerdict, Watching
from monitor.bot.context import BotContext
from monitor.bot.permissions import BroadcastChannel, Denied, Questions
from monitor.bot.places import Refused
from monitor.bot.text import (
    ADMINISTRATORS,
    BUSY,
    COMMANDS,
    Button,
    Html,
    Reply,
    Says,
    bullets,
    joined,
    paragraphs,
    rows,
    safe,
)
from monitor.bot.updates import Command
from monitor.messages import locale
from monitor.messages.locale import N_

_COVERED_AT_ONCE = 3  # ZIPs of one command whose agencies are told, so that an answer stays one message


@dataclass(frozen=True, slots=True)
class Subject:
    """The chat that a command is about: the one it was written in, or a channel that it names (``title``)."""

    chat: int
    name: str | None
    title: str = ""
    private: bool = True

    @property
    def mark(self) -> str:
        """What a button adds to its command to be about the same chat."""
        return f" {self.chat}" if self.title else ""


class Conversation:
    """Answers commands. Whatever waits for the database does so in a thread."""

    def __init__(self, parts: BotContext, chats: Chats, questions: Questions) -> None:
        self._parts, self._chats, self._questions = parts, chats, questions

    async def reply(self, asked: Command) -> Reply:
        """The answer to a command. Raises StoreError, and nothing was changed then."""
        says = Says(asked.language)
        changes = _changes(asked)
        try:
            if asked.target is not None:
                found = await permissions.channel(self._questions, asked)
                if isinstance(found, Denied):
                    return says.refusal(found.value)
                subject = Subject(found.chat, found.name, _title(found))
            elif changes and not await permissions.may_change(self._questions, asked):
                return says.refusal(ADMINISTRATORS)
            else:
                subject = Subject(asked.chat, asked.name, private=asked.private)
        except TelegramError:
            return says.refusal(BUSY)
        return await asyncio.to_thread(self._answer, asked, subject, says)

    def _answer(self, asked: Command, subject: Subject, says: Says) -> Reply:
        match asked.command:
            case "start":
                return self._start(asked, subject, says)
            case "watch":
                return self._watch(asked.words, asked, subject, says)
            case "list":
                return self._shown(self._chats.look(subject.chat, subject.name), subject, says)
            case "lists":
                return self._lists(asked, subject, says)
            case "language":
                return self._language(asked, subject, says)
            case "stop":
                return self._stop(asked, subject, says)
            case "status":
                return self._status(subject, says)
            case "welcome":
                return self._greeting(subject, says)
        return self._help(subject, says)

    def _start(self, asked: Command, subject: Subject, says: Says) -> Reply:
        """A deep link carries places, joined by underscores: a ZIP's page leads here."""
        words = tuple(word for given in asked.words for word in given.split("_"))
        if words and not isinstance(places.read(words, self._parts), Refused):
            return self._watch(words, asked, subject, says)
        self._chats.welcome(subject.chat)
        return self._greeting(subject, says)

    def _greeting(self, subject: Subject, says: Says) -> Reply:
        titles = bullets(safe(each.titled(says.language)) for each in self._parts.watched.values())
        what = says(
            "<b>%(name)s</b> watches official lists of law-enforcement agencies and tells you when an agency near you is listed or no longer listed:",
            name=self._parts.name,
        )
        how = (
            says("Send me your ZIP code, or the name of your state. /help shows what else I can do.")
            if subject.private
            else says(
                "To begin, an administrator of this group writes /watch 60601 or /watch IL. /help shows what else I can do."
            )
        )
        return Reply(paragraphs(what, titles, how))

    def _watch(self, words: tuple[str, ...], asked: Command, subject: Subject, says: Says) -> Reply:
        wanted = places.read(words, self._parts)
        if towns.is_town_rather_than_states(words) or wanted == Refused(places.NOT_A_PLACE):
            found = towns.named(words, self._parts)
            if found:
                return towns.offer(found, subject.mark, says)
        if isinstance(wanted, Refused):
            return says.refusal(wanted.sentence, zip=wanted.zip)
        outcome = self._chats.watch(subject.chat, subject.name, wanted, asked.language)
        if outcome.verdict is not FollowVerdict.DONE:
            return self._not_done(outcome, says)
        watching = outcome.watching
        names = joined((places.named(place, self._parts, says) for place in wanted), ", ")
        if outcome.added:
            sentence = (
                N_("Watching <b>%(places)s</b> for %(channel)s.")
                if subject.title
                else N_("Watching <b>%(places)s</b>.")
            )
        elif subject.title:
            sentence = N_("<b>%(places)s</b> was watched for %(channel)s already.")
        else:
            sentence = N_("<b>%(places)s</b> was watched already.")
        sources = self._chosen(watching)
        told = [
            says(sentence, places=names, channel=subject.title),
            says("Lists: %(lists)s.", lists=self._titles(sources, says)),
        ]
        for place in list(wanted)[:_COVERED_AT_ONCE]:
            told += [
                places.notices(place, self._parts, says),
                places.covered(place, sources, self._parts, says),
            ]
        told.append(self._paused(watching, says))
        if outcome.added:
            told.append(self._from_now_on(asked, subject, says))
        first = next(iter(wanted))
        stop = Button(says("Stop %(place)s", place=first), f"stop {first}{subject.mark}")
        page = (
            self._page(f"/zip/{first}", says("More about %(place)s", place=first)) if first.isdigit() else ()
        )
        return Reply(paragraphs(*told), rows([stop, *page, *self._lists_button(subject, says)]))

    def _from_now_on(self, asked: Command, subject: Subject, says: Says) -> Html:
        """Where messages come, which is not always where that was asked for."""
        if subject.title:
            return says(
                "From now on a message is posted in %(title)s when our checks find a change. /list %(channel)s shows what is watched, /stop %(channel)s ends it.",
                title=subject.title,
                channel=subject.name or subject.chat,
            )
        if asked.thread is not None and not asked.private:
            return says(
                "From now on a message comes in this group's General topic when our checks find a change. /list shows what is watched, /stop ends it."
            )
        return says(
            "From now on a message comes here when our checks find a change. /list shows what is watched, /stop ends it."
        )

    def _page(self, path: str, text: str) -> tuple[Button, ...]:
        """A link into the site; Telegram refuses a message with a link that is not a public one."""
        url = self._parts.public_url or ""
        return (Button(text, url=url.rstrip("/") + path),) if url.startswith("https://") else ()

    def _lists(self, asked: Command, subject: Subject, says: Says) -> Reply:
        """Without words: which lists there are. "on ring" and "off ring" choose, as the buttons do."""
        match asked.words:
            case ("on" | "off") as way, source if source in self._parts.watched:
                outcome = self._chats.choose(subject.chat, subject.name, source, on=way == "on")
                if outcome.verdict is not FollowVerdict.DONE:
                    return self._not_done(outcome, says)
                watching = outcome.watching
            case _:
                watching = self._chats.look(subject.chat, subject.name)
        if watching.fixed:
            return self._not_done(FollowResult(FollowVerdict.FIXED), says)
        if not watching.places:
            return self._not_done(FollowResult(FollowVerdict.NOTHING), says)
        buttons = [
            Button(f"✓ {each.titled(says.language)}", f"lists off {name}{subject.mark}")
            if name in watching.sources
            else Button(f"+ {each.titled(says.language)}", f"lists on {name}{subject.mark}")
            for name, each in self._parts.watched.items()
        ]
        text = paragraphs(
            self._head(subject, says) if subject.title else "",
            says("Lists: %(lists)s.", lists=self._titles(self._chosen(watching), says)),
            says("Tap a list to choose it or to leave it out."),
        )
        return Reply(text, rows(buttons, wide=1))

    def _language(self, asked: Command, subject: Subject, says: Says) -> Reply:
        """Without words: which language messages come in. "es" and "en" choose, as the buttons do."""
        match asked.words:
            case (code,) if code in locale.LANGUAGES:
                outcome = self._chats.speak(subject.chat, subject.name, code)
                if outcome.verdict is not FollowVerdict.DONE:
                    return self._not_done(outcome, says)
                watching = outcome.watching
                says = Says(code)
            case _:
                watching = self._chats.look(subject.chat, subject.name)
        if watching.fixed or not watching.places:
            return self._not_done(
                FollowResult(FollowVerdict.FIXED if watching.fixed else FollowVerdict.NOTHING), says
            )
        text = says("Language of messages: %(language)s.", language=locale.LANGUAGES[watching.language])
        buttons = [
            Button(f"{'✓' if code == watching.language else '+'} {name}", f"language {code}{subject.mark}")
            for code, name in locale.LANGUAGES.items()
        ]
        return Reply(paragraphs(self._head(subject, says) if subject.title else "", text), rows(buttons))

    def _stop(self, asked: Command, subject: Subject, says: Says) -> Reply:
        wanted = places.read(asked.words, self._parts) if asked.words else {}
        if isinstance(wanted, Refused):
            return says.refusal(wanted.sentence, zip=wanted.zip)
        if wanted:
            outcome = self._chats.unwatch(subject.chat, subject.name, tuple(wanted))
        else:
            outcome = self._chats.stop(subject.chat, subject.name)
        if outcome.verdict is not FollowVerdict.DONE:
            return self._not_done(outcome, says)
        if outcome.watching.places:
            shown = self._shown(outcome.watching, subject, says)
            if outcome.gone:
                return shown
            names = joined((places.named(place, self._parts, says) for place in wanted), ", ")
            missed = says("<b>%(places)s</b> was not watched.", places=names)
            return Reply(paragraphs(missed, shown.text), shown.buttons)
        if subject.title:
            return Reply(
                says(
                    "Ended: nothing more is sent to %(channel)s, and it is forgotten.", channel=subject.title
                )
            )
        return Reply(
            says(
                "Ended: nothing more is sent here, and this chat is forgotten. To begin again, write /watch."
            )
        )

    def _status(self, subject: Subject, says: Says) -> Reply:
        told = []
        for source, each in self._parts.watched.items():
            seen = places.last_seen(source, self._parts, says)
            if seen.at is None:
                told.append(says("%(title)s: not read yet.", title=each.titled(says.language)))
            elif seen.blind:
                told.append(
                    says(
                        "%(title)s: we cannot see this list right now; the last good check was %(at)s. Nothing is known of changes since then.",
                        title=each.titled(says.language),
                        at=seen.at,
                    )
                )
            else:
                told.append(
                    says("%(title)s: last good check %(at)s.", title=each.titled(says.language), at=seen.at)
                )
        watching = self._chats.look(subject.chat, subject.name)
        here = says.count(
            "%(count)s place is watched.", "%(count)s places are watched.", len(watching.places)
        )
        return Reply(paragraphs(bullets(told), here, self._paused(watching, says)))

    def _help(self, subject: Subject, says: Says) -> Reply:
        commands = "\n".join(f"/{name}: {says(what)}" for name, what in COMMANDS.items())
        more = (
            says(
                "For a channel of yours, write to me here: /watch IN @channel. We must both be administrators there."
            )
            if subject.private
            else says("Only administrators of this group can change what is watched.")
        )
        privacy = says(
            "We store this chat's number, encrypted, what it watches since when, and its language. Nothing else about you."
        )
        contact = (
            says("The operator: %(contact)s", contact=self._parts.contact) if self._parts.contact else ""
        )
        return Reply(paragraphs(commands, more, privacy, contact), rows(self._page("/", self._parts.name)))

    def _shown(self, watching: Watching, subject: Subject, says: Says) -> Reply:
        """What is watched, with a button to end each place."""
        if not watching.places:
            return self._not_done(FollowResult(FollowVerdict.NOTHING), says)
        text = paragraphs(
            self._head(subject, says),
            bullets(places.named(place, self._parts, says) for place in watching.places),
            says("Lists: %(lists)s.", lists=self._titles(self._chosen(watching), says)),
            self._left_out(watching, says),
            self._paused(watching, says),
            says("The operator of this service set this up; it cannot be changed here.")
            if watching.fixed
            else "",
        )
        if watching.fixed:
            return Reply(text)
        stops = [
            Button(says("Stop %(place)s", place=place), f"stop {place}{subject.mark}")
            for place in watching.places
        ]
        return Reply(text, (*rows(stops), *rows(self._lists_button(subject, says))))

    def _head(self, subject: Subject, says: Says) -> Html:
        if subject.title:
            return says("Watched for %(channel)s:", channel=subject.title)
        return says("This chat watches:")

    def _lists_button(self, subject: Subject, says: Says) -> tuple[Button, ...]:
        """With one list there is nothing to choose."""
        return (Button(says("Choose lists"), f"lists{subject.mark}"),) if len(self._parts.watched) > 1 else ()

    def _left_out(self, watching: Watching, says: Says) -> Html:
        """Lists that are not told here, be it by choice or because they came later: nobody gets one without asking for it."""
        others = [name for name in self._parts.watched if name not in watching.sources]
        return (
            says("Left out: %(lists)s. /lists changes that.", lists=self._titles(others, says))
            if others
            else Html()
        )

    def _paused(self, watching: Watching, says: Says) -> Html:
        if watching.paused_until is None:
            return Html()
        until = locale.moment(watching.paused_until, self._parts.timezone, says.language)
        return says("Paused until %(until)s; one summary comes then.", until=until)

    def _chosen(self, watching: Watching) -> list[str]:
        return [name for name in self._parts.watched if name in watching.sources]

    def _titles(self, sources: list[str], says: Says) -> Html:
        return joined((self._parts.watched[name].titled(says.language) for name in sources), "; ")

    def _not_done(self, outcome: FollowResult, says: Says) -> Reply:
        match outcome.verdict:
            case FollowVerdict.FIXED:
                return says.refusal(
                    "The operator of this service set this chat up, so it cannot be changed here."
                )
            case FollowVerdict.CLOSED:
                return says.refusal("The operator of this service has closed this chat to messages.")
            case FollowVerdict.FULL:
                return says.refusal(
                    "At most %(most)s places can be watched here; a state holds all of its ZIP codes.",
                    most=MOST_PLACES,
                )
            case FollowVerdict.LAST:
                return says.refusal("One list must stay. /stop ends everything.")
            case _:
                return says.refusal(
                    "Nothing is watched yet. To begin, write /watch and a ZIP code or a state."
                )


def _changes(asked: Command) -> bool:
    """Whether a command can change what a chat watches; looking is everybody's."""
    return asked.command in {"watch", "stop"} or (
        asked.command in {"start", "lists", "language"} and bool(asked.words)
    )


def _title(channel: BroadcastChannel) -> str:
    return channel.name or channel.title or "?"
