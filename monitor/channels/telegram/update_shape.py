"""The schema of an update of the Bot API, checked before anything reads it: the fields that the bot uses,
with their types (https://core.telegram.org/bots/api#update). Other fields are ignored.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

DEEPEST = 64
"""The deepest nesting of brackets in one update; a reply to a message has about ten levels."""

_Id = Annotated[int, Field(ge=-(2**63), lt=2**63)]


class _TelegramObject(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class ChatShape(_TelegramObject):
    """A chat."""

    id: _Id
    type: str
    username: str | None = None
    title: str | None = None


class UserShape(_TelegramObject):
    """Who wrote or pressed."""

    id: _Id
    is_bot: bool = False
    language_code: str | None = None


class MessageShape(_TelegramObject):
    """A message, or the rest of one that is too old."""

    message_id: _Id
    date: Annotated[int, Field(ge=0, lt=2**40)]
    chat: ChatShape
    sender: UserShape | None = Field(default=None, alias="from")
    sender_chat: ChatShape | None = None
    text: str | None = None
    message_thread_id: _Id | None = None
    is_topic_message: bool | None = None
    migrate_to_chat_id: _Id | None = None
    migrate_from_chat_id: _Id | None = None


class QueryShape(_TelegramObject):
    """A press of a button."""

    id: str
    sender: UserShape = Field(alias="from")
    message: MessageShape | None = None
    data: str | None = None


class InlineQuestionShape(_TelegramObject):
    """An inline query: the bot's name and a text, written in a chat that is not named."""

    id: str
    sender: UserShape = Field(alias="from")
    query: str


class MemberShape(_TelegramObject):
    """The status of a member of a chat."""

    status: str
    is_member: bool | None = None


class MembershipShape(_TelegramObject):
    """The bot was added to a chat, removed or blocked."""

    chat: ChatShape
    sender: UserShape = Field(alias="from")
    old_chat_member: MemberShape
    new_chat_member: MemberShape


class UpdateShape(_TelegramObject):
    """An update of one of the kinds that the bot requests; for any other kind, all fields are None."""

    update_id: Annotated[int, Field(ge=0, lt=2**63)]
    message: MessageShape | None = None
    callback_query: QueryShape | None = None
    inline_query: InlineQuestionShape | None = None
    my_chat_member: MembershipShape | None = None

    @property
    def origin(self) -> Hashable:
        """The key for limits: the number of the chat that the update comes from, or of the person without
        one.
        """
        if self.inline_query is not None:
            return "inline", self.inline_query.sender.id
        about = self.message or self.my_chat_member or (self.callback_query and self.callback_query.message)
        return about.chat.id if about else None


def parse_update(body: bytes) -> UpdateShape | None:
    """Parse the body of a request; None if it is not an update."""
    try:
        return check_update(json.loads(body.decode()))
    except (ValueError, RecursionError):
        return None


def check_update(content: Any) -> UpdateShape | None:
    """Check parsed JSON; None if it is not an update."""
    if _is_deep(content):
        return None
    try:
        json.dumps(content, ensure_ascii=False).encode()  # a lone surrogate can be neither hashed nor stored
        return UpdateShape.model_validate(content)
    except (ValidationError, UnicodeEncodeError):
        return None


def _is_deep(content: Any) -> bool:
    """Whether brackets are nested deeper than `DEEPEST`; the library reads some of them recursively."""
    level = [content]
    for _ in range(DEEPEST):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
        ]
        if not level:
            return False
    return True
