"""Reads an update of the Bot API into a value. The rest of the update is dropped; none of it is logged.

A button's data is a command without its slash, so `/stop 60601` and its button take the same path.
No command toggles: handling an update twice has the same result as handling it once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from telegram import (
    CallbackQuery,
    Chat,
    ChatMemberRestricted,
    ChatMemberUpdated,
    MaybeInaccessibleMessage,
    Message,
    Update,
)
from telegram.constants import ChatMemberStatus, ChatType

from monitor.errors import UsageError
from monitor.messages import locale
from monitor.places import EVERYWHERE, parse_place
from monitor.places.codes import is_area

COMMANDS = (
    "start",
    "watch",
    "list",
    "lists",
    "language",
    "when",
    "line",
    "preview",
    "stop",
    "status",
    "help",
)
WELCOME, LOOK, UNKNOWN = "welcome", "look", "unknown"
"""Commands that nobody can type: the bot was added to a group; words that may name a place; a command that
does not exist.
"""

DECIDE = "decide"
"""The command of the buttons of a notice to the operator; nobody can type it."""

_COMMAND = re.compile(r"/([a-z]{1,32})(?:@(\w{1,64}))?(?:\s+(.*))?", re.IGNORECASE | re.DOTALL | re.ASCII)
_TARGET = re.compile(r"@[A-Za-z]\w{3,31}|-\d{1,20}", re.ASCII)
_ZIP = re.compile(r"(?<![\d-])\d{5}(?:-\d{4})?(?![\d-])", re.ASCII)
_LONGEST = 4096  # the most characters of a command that are read: the length limit of a message
_WORDS = {name: name for name in COMMANDS} | dict.fromkeys(
    ("end", "cancel", "quit", "unsubscribe", "unwatch", "parar", "alto", "baja", "cancelar"), "stop"
)
"""Words without a slash, by the command they mean.

The words that stop a list of text messages stop this bot too.
"""
_AWAY = {ChatMemberStatus.LEFT, ChatMemberStatus.BANNED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command: who sent it, and where.

    ``name`` is the chat's public name with its @, if it has one. ``user`` is None when the group itself
    speaks (an anonymous administrator). ``target`` is a channel named in the command. ``query`` and
    ``message`` are set when a button was pressed: the query to answer, and the message with the button (None
    if it is too old to be changed).
    """

    chat: int
    private: bool
    user: int | None
    language: str
    verb: str
    arguments: tuple[str, ...] = ()
    target: str | None = None
    name: str | None = None
    thread: int | None = None
    query: str | None = None
    message: int | None = None


@dataclass(frozen=True, slots=True)
class StaleButton:
    """A press of a button that no longer works, such as one of an older version.

    Telegram still waits for an answer.
    """

    query: str
    language: str


@dataclass(frozen=True, slots=True)
class InlineQuestion:
    """An inline query: the bot's name and a text, written in any chat. Telegram does not say in which, and
    waits for an answer.
    """

    query: str
    user: int
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class BotRemoved:
    """The bot was blocked, or removed from a group or channel."""

    chat: int
    name: str | None


@dataclass(frozen=True, slots=True)
class GroupMigrated:
    """A group became a supergroup, with another id."""

    chat: int
    to: int


def read_update(
    update: Update, username: str
) -> Command | StaleButton | InlineQuestion | BotRemoved | GroupMigrated | None:
    """Read an update; None if it does not concern this bot. ``username`` is the bot's own, without @."""
    if update.my_chat_member is not None:
        return _membership(update.my_chat_member)
    if update.callback_query is not None:
        return _pressed(update.callback_query)
    if (inline := update.inline_query) is not None:
        return InlineQuestion(
            inline.id, inline.from_user.id, _language(inline.from_user.language_code), inline.query
        )
    if update.message is not None:
        return _message(update.message, username)
    return None


def _membership(change: ChatMemberUpdated) -> Command | BotRemoved | None:
    chat, old, new = change.chat, change.old_chat_member, change.new_chat_member
    if new.status in _AWAY or (isinstance(new, ChatMemberRestricted) and not new.is_member):
        return BotRemoved(chat.id, _name(chat))
    if old.status in _AWAY and _is_group(chat):
        return Command(
            chat=chat.id,
            private=False,
            user=change.from_user.id,
            language=_language(change.from_user.language_code),
            verb=WELCOME,
            name=_name(chat),
        )
    return None


def _pressed(query: CallbackQuery) -> Command | StaleButton:
    command, *words = (query.data or "").split() or [""]
    if query.message is None or command not in (*COMMANDS, DECIDE):
        return StaleButton(query.id, _language(query.from_user.language_code))
    chat = query.message.chat
    target, rest = _split(words)
    return Command(
        chat=chat.id,
        private=chat.type == ChatType.PRIVATE,
        user=query.from_user.id,
        language=_language(query.from_user.language_code),
        verb=command,
        arguments=rest,
        target=target,
        name=_name(chat),
        thread=_thread(query.message),
        query=query.id,
        # the first press of a notice's button leaves the notice as it is
        message=(
            query.message.message_id
            if isinstance(query.message, Message) and (command != DECIDE or len(rest) > 1)
            else None
        ),
    )


def _message(message: Message, username: str) -> Command | GroupMigrated | None:
    chat, sender = message.chat, message.from_user
    if message.migrate_to_chat_id is not None:
        return GroupMigrated(chat.id, message.migrate_to_chat_id)
    if message.migrate_from_chat_id is not None:
        return GroupMigrated(message.migrate_from_chat_id, chat.id)
    private = chat.type == ChatType.PRIVATE
    as_group = message.sender_chat is not None and message.sender_chat.id == chat.id
    if not message.text or message.forward_origin is not None or not (private or _is_group(chat)):
        return None
    if not as_group and (sender is None or sender.is_bot or message.sender_chat is not None):
        return None
    found = _COMMAND.fullmatch(message.text.strip()[:_LONGEST])
    if found is None:
        if not private:
            return None
        command, rest = _plain(message.text[:_LONGEST])
    else:
        addressed = found[2] is not None and found[2].lower() == username.lower()
        command, rest = found[1].lower(), found[3] or ""
        if found[2] is not None and not addressed:
            return None
        command = _WORDS.get(command, command)
        if command not in COMMANDS:
            if not (private or addressed):
                return None  # in a group, the text may be meant for another bot
            command = UNKNOWN
    target, words = _split_line(rest) if command == "line" else _split(re.split(r"[\s,;]+", rest.strip()))
    return Command(
        chat=chat.id,
        private=private,
        user=None if as_group or sender is None else sender.id,
        language=_language(sender.language_code if sender else None),
        verb=command,
        arguments=words,
        target=target,
        name=_name(chat),
        thread=_thread(message),
    )


def _plain(text: str) -> tuple[str, str]:
    """Read text without a command: a ZIP code or the name of a state means "watch"; other words may name a
    town or a county.

    "hi" is not Hawaii, "OK" not Oklahoma.
    """
    words = text.strip()
    first, _, rest = words.partition(" ")
    command, rest = _WORDS.get(first.casefold().strip(".!")), rest.strip()
    if command is not None and (not rest or _has_place(rest)):
        return command, rest
    if words.startswith("/"):
        return UNKNOWN, ""
    zips = _ZIP.findall(words)
    if len(zips) == 1 and not _is_radius(words):
        return "watch", zips[0]  # also within an address or a sentence
    if re.search(r"\d", words):
        return "watch", words
    town, comma, state = words.rpartition(",")
    if town and comma and _has_place(state.strip()):
        return "watch", words  # "Hammond, IN"
    if len(words) > 3 and _has_place(words) and not _is_all(words):
        return "watch", words
    return LOOK, words


def _is_radius(words: str) -> bool:
    """Whether the words are a radius and nothing else: "10 miles of 60601"."""
    try:
        return is_area(parse_place(words))
    except UsageError:
        return False


def _has_place(words: str) -> bool:
    """Whether the words name a place; "unsubscribe me" does not name Maine."""
    if _ZIP.search(words):
        return True
    try:
        parse_place(words)
    except UsageError:
        return False
    return len(words) > 3 or words.isupper()


def _is_all(words: str) -> bool:
    """Whether the words mean the whole country; "all" and "everything" also occur in ordinary sentences."""
    return parse_place(words) == EVERYWHERE


def _split(words: list[str]) -> tuple[str | None, tuple[str, ...]]:
    """Split off the channel among the words."""
    targets = [word for word in words if _TARGET.fullmatch(word)]
    return (targets[0] if targets else None), tuple(word for word in words if word and word not in targets)


def _split_line(rest: str) -> tuple[str | None, tuple[str, ...]]:
    """Split off a channel at the start of a line of text; returns it and the rest as written."""
    first, _, text = rest.strip().partition(" ")
    target = first if _TARGET.fullmatch(first) else None
    written = (text if target else rest).strip()
    return target, (written,) if written else ()


def _language(code: str | None) -> str:
    return locale.find_language(code) or locale.DEFAULT


def _name(chat: Chat) -> str | None:
    """The chat's public name. A private chat's name is not used: it may have belonged to a channel before."""
    return f"@{chat.username}" if chat.username and chat.type != ChatType.PRIVATE else None


def _thread(message: MaybeInaccessibleMessage) -> int | None:
    return message.message_thread_id if isinstance(message, Message) and message.is_topic_message else None


def _is_group(chat: Chat) -> bool:
    return chat.type in {ChatType.GROUP, ChatType.SUPERGROUP}
