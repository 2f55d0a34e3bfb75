"""Who may change what a chat watches, by the word of the API alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from telegram import ChatFullInfo, ChatMember
from telegram.constants import ChatMemberStatus, ChatType

from monitor.bot.updates import Command
from monitor.channels.telegram import can_post
from monitor.messages.locale import N_

_ADMINISTRATORS = {ChatMemberStatus.OWNER, ChatMemberStatus.ADMINISTRATOR}


class Questions(Protocol):
    """What is asked of the API. None: it knows no such chat, or tells this bot nothing about it."""

    @property
    def id(self) -> int: ...

    async def chat(self, chat: int | str) -> ChatFullInfo | None: ...

    async def member(self, chat: int | str, user: int) -> ChatMember | None: ...


class Denied(Enum):
    """Why a channel cannot be changed by whoever asks; each value is a sentence of the catalogue."""

    UNSEEN = N_(
        "I cannot see that channel. Make me an administrator there who may post messages, then ask again."
    )
    NOT_A_CHANNEL = N_(
        "That is not a channel. In a group, its administrators talk to me in the group itself."
    )
    NOT_YOURS = N_("Only administrators of that channel can do that.")
    MUTE = N_(
        "I may not post in that channel. Make me an administrator there who may post messages, then ask again."
    )
    ELSEWHERE = N_("Ask me about a channel in our private chat, not here.")


@dataclass(frozen=True, slots=True)
class BroadcastChannel:
    """A broadcast channel that the asker and the bot administer."""

    chat: int
    name: str | None
    title: str


async def may_change(questions: Questions, asked: Command) -> bool:
    """Whether the asker may change what the chat watches in which they ask: in a group its administrators only."""
    if asked.private or asked.user is None:  # a group speaks for itself only through an administrator
        return True
    member = await questions.member(asked.chat, asked.user)
    return member is not None and member.status in _ADMINISTRATORS


async def channel(questions: Questions, asked: Command) -> BroadcastChannel | Denied:
    """The channel that a command names, once it is sure that the asker and the bot are its administrators, and, for a channel that
    wants to watch, that the bot may post there."""
    assert asked.target is not None
    if not asked.private or asked.user is None:
        return Denied.ELSEWHERE
    wanted = int(asked.target) if asked.target.startswith("-") else asked.target
    chat = await questions.chat(wanted)
    if chat is None:
        return Denied.UNSEEN
    if chat.type != ChatType.CHANNEL:
        return Denied.NOT_A_CHANNEL
    bot = await questions.member(chat.id, questions.id)
    # before the asker's rights: the API tells them only to a bot that is an administrator. Ending it needs no right to post.
    if bot is None or bot.status not in _ADMINISTRATORS or (asked.command == "watch" and not can_post(bot)):
        return Denied.MUTE
    asker = await questions.member(chat.id, asked.user)
    if asker is None or asker.status not in _ADMINISTRATORS:
        return Denied.NOT_YOURS
    return BroadcastChannel(chat.id, f"@{chat.username}" if chat.username else None, chat.title or "")
