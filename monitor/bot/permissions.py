"""Who may change what a chat watches. Only the Bot API decides."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from telegram import ChatFullInfo, ChatMember
from telegram.constants import ChatMemberStatus, ChatType

from monitor.bot.updates import Command
from monitor.channels.telegram.transport import can_post
from monitor.messages.locale import N_

_ADMINISTRATORS = {ChatMemberStatus.OWNER, ChatMemberStatus.ADMINISTRATOR}


class ChatQueries(Protocol):
    """Queries about chats. They return None if the API does not know the chat, or does not show it to this
    bot.
    """

    @property
    def id(self) -> int: ...

    async def chat(self, chat: int | str) -> ChatFullInfo | None: ...

    async def member(self, chat: int | str, user: int) -> ChatMember | None: ...


class Denied(Enum):
    """Why the sender may not change a channel; each value is a sentence of the catalog."""

    UNSEEN = N_(
        "I cannot see that channel. Make me an administrator there who may post messages, then ask again."
    )
    NOT_A_CHANNEL = N_(
        "That is not a channel. In a group, its administrators talk to me in the group itself."
    )
    NOT_YOURS = N_("Only administrators of that channel can do that.")
    MUTE = N_(
        "I may not post in that channel. Make me an administrator there who may post messages, then ask "
        "again."
    )
    ELSEWHERE = N_("Ask me about a channel in our private chat, not here.")


@dataclass(frozen=True, slots=True)
class BroadcastChannel:
    """A broadcast channel that both the sender and the bot administer."""

    chat: int
    name: str | None
    title: str


async def may_change(queries: ChatQueries, command: Command) -> bool:
    """Whether the sender may change what this chat watches; in a group only its administrators may."""
    if command.private or command.user is None:  # only an administrator can write as the group
        return True
    member = await queries.member(command.chat, command.user)
    return member is not None and member.status in _ADMINISTRATORS


async def channel(queries: ChatQueries, command: Command) -> BroadcastChannel | Denied:
    """Look up the channel that a command names, and check that the sender and the bot administer it.

    For ``watch`` the bot must also have the right to post there.
    """
    assert command.target is not None
    if not command.private or command.user is None:
        return Denied.ELSEWHERE
    wanted = int(command.target) if command.target.startswith("-") else command.target
    chat = await queries.chat(wanted)
    if chat is None:
        return Denied.UNSEEN
    if chat.type != ChatType.CHANNEL:
        return Denied.NOT_A_CHANNEL
    bot = await queries.member(chat.id, queries.id)
    # Checked before the sender's rights, which the API shows only to an administrator. Stopping does not
    # require the right to post.
    if bot is None or bot.status not in _ADMINISTRATORS or (command.verb == "watch" and not can_post(bot)):
        return Denied.MUTE
    asker = await queries.member(chat.id, command.user)
    if asker is None or asker.status not in _ADMINISTRATORS:
        return Denied.NOT_YOURS
    return BroadcastChannel(chat.id, f"@{chat.username}" if chat.username else None, chat.title or "")
