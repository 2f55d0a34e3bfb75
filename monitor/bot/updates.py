"""What an update asks for, as a value. Nothing else of an update is kept, and nothing of it is ever logged.

Commands and buttons speak one language: the text behind a button is a command without its slash, so that `/stop 60601` and the button
under it are the same thing. No command toggles: an update that comes twice leaves what it left the first time.
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

COMMANDS = ("start", "watch", "list", "lists", "language", "stop", "status", "help")
WELCOME = "welcome"
"""Asked for by whoever adds the bot to a group; nobody can write it as a command."""

_COMMAND = re.compile(r"/([a-z]{1,32})(?:@(\w{1,64}))?(?:\s+(.*))?", re.IGNORECASE | re.DOTALL | re.ASCII)
_TARGET = re.compile(r"@[A-Za-z]\w{3,31}|-\d{1,20}", re.ASCII)
_ZIP = re.compile(r"(?<![\d-])\d{5}(?:-\d{4})?(?![\d-])", re.ASCII)
_LONGEST = 4096  # characters of a command that are read: as many as a message has
_WORDS = {name: name for name in COMMANDS} | dict.fromkeys(
    ("end", "cancel", "quit", "unsubscribe", "unwatch", "parar", "alto", "baja", "cancelar"), "stop"
)
"""What people write without a slash, to the command that it is; how one leaves a list of text messages must end it here too."""
_AWAY = {ChatMemberStatus.LEFT, ChatMemberStatus.BANNED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command, from whom and where.

    ``name`` is the chat's public name with its @, if it has one. ``user`` is None when the group itself speaks (an anonymous
    administrator). ``target`` is a channel named in the command. ``query`` and ``message`` are set when a button was pressed:
    what to answer, and the message that bears it (None when it is too old to be changed).
    """

    chat: int
    private: bool
    user: int | None
    language: str
    command: str
    words: tuple[str, ...] = ()
    target: str | None = None
    name: str | None = None
    thread: int | None = None
    query: str | None = None
    message: int | None = None


@dataclass(frozen=True, slots=True)
class Stale:
    """A button was pressed that stands for nothing, such as one of an older version; Telegram waits for an answer all the same."""

    query: str
    language: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The bot was blocked, or removed from a group or channel."""

    chat: int
    name: str | None


@dataclass(frozen=True, slots=True)
class Moved:
    """A group became a supergroup, with another id."""

    chat: int
    to: int


def read(update: Update, username: str) -> Command | Stale | Gone | Moved | None:
    """What an update asks for; None for what this bot has nothing to do with. ``username`` is the bot's own, without @."""
    if update.my_chat_member is not None:
        return _membership(update.my_chat_member)
    if update.callback_query is not None:
        return _pressed(update.callback_query)
    if update.message is not None:
        return _message(update.message, username)
    return None


def _membership(change: ChatMemberUpdated) -> Command | Gone | None:
    chat, old, new = change.chat, change.old_chat_member, change.new_chat_member
    if new.status in _AWAY or (isinstance(new, ChatMemberRestricted) and not new.is_member):
        return Gone(chat.id, _name(chat))
    if old.status in _AWAY and _is_group(chat):
        return Command(
            chat=chat.id,
            private=False,
            user=change.from_user.id,
            language=_language(change.from_user.language_code),
            command=WELCOME,
            name=_name(chat),
        )
    return None


def _pressed(query: CallbackQuery) -> Command | Stale:
    command, *words = (query.data or "").split() or [""]
    if query.message is None or command not in COMMANDS:
        return Stale(query.id, _language(query.from_user.language_code))
    chat = query.message.chat
    target, rest = _split(words)
    return Command(
        chat=chat.id,
        private=chat.type == ChatType.PRIVATE,
        user=query.from_user.id,
        language=_language(query.from_user.language_code),
        command=command,
        words=rest,
        target=target,
        name=_name(chat),
        thread=_thread(query.message),
        query=query.id,
        message=query.message.message_id if isinstance(query.message, Message) else None,
    )


def _message(message: Message, username: str) -> Command | Moved | None:
    chat, sender = message.chat, message.from_user
    if message.migrate_to_chat_id is not None:
        return Moved(chat.id, message.migrate_to_chat_id)
    if message.migrate_from_chat_id is not None:
        return Moved(message.migrate_from_chat_id, chat.id)
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
        if command not in COMMANDS:
            if not (private or addressed):
                return None  # in a group it may be meant for another bot
            command = "help"
    target, words = _split(re.split(r"[\s,;]+", rest.strip()))
    return Command(
        chat=chat.id,
        private=private,
        user=None if as_group or sender is None else sender.id,
        language=_language(sender.language_code if sender else None),
        command=command,
        words=words,
        target=target,
        name=_name(chat),
        thread=_thread(message),
    )


def _plain(text: str) -> tuple[str, str]:
    """Words without a command: whoever sends a ZIP or the name of a state wants to watch it. "hi" is no Hawaii, and "OK" no Oklahoma."""
    words = text.strip()
    first, _, rest = words.partition(" ")
    command, rest = _WORDS.get(first.casefold().strip(".!")), rest.strip()
    if command is not None and (not rest or _has_place(rest)):
        return command, rest
    if words.startswith("/"):
        return "help", ""
    zips = _ZIP.findall(words)
    if len(zips) == 1:
        return "watch", zips[0]  # also out of an address or a sentence
    if re.search(r"\d", words):
        return "watch", words
    town, comma, state = words.rpartition(",")
    if town and comma and _has_place(state.strip()):
        return "watch", words  # "Hammond, IN"
    return ("watch", words) if len(words) > 3 and _has_place(words) and not _is_all(words) else ("help", "")


def _has_place(words: str) -> bool:
    """Whether a place is meant; "unsubscribe me" is not about Maine."""
    if _ZIP.search(words):
        return True
    try:
        parse_place(words)
    except UsageError:
        return False
    return len(words) > 3 or words.isupper()


def _is_all(words: str) -> bool:
    """ "all" and "everything" are said in passing as well."""
    return parse_place(words) == EVERYWHERE


def _split(words: list[str]) -> tuple[str | None, tuple[str, ...]]:
    """The channel among the words, and the others."""
    targets = [word for word in words if _TARGET.fullmatch(word)]
    return (targets[0] if targets else None), tuple(word for word in words if word and word not in targets)


def _language(code: str | None) -> str:
    return locale.known(code) or locale.DEFAULT


def _name(chat: Chat) -> str | None:
    """Its public name. Not a person's: nothing can be sent to one, and it may have been a channel's before."""
    return f"@{chat.username}" if chat.username and chat.type != ChatType.PRIVATE else None


def _thread(message: MaybeInaccessibleMessage) -> int | None:
    return message.message_thread_id if isinstance(message, Message) and message.is_topic_message else None


def _is_group(chat: Chat) -> bool:
    return chat.type in {ChatType.GROUP, ChatType.SUPERGROUP}
