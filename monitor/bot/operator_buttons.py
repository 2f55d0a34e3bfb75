"""Decisions of the operator by the buttons of a notice, in the operator's own chat.

The first button shows the pending decision, the second decides. The text is English, as the notices are.
"""

from __future__ import annotations

import asyncio

from telegram.error import TelegramError

from monitor.bot import permissions
from monitor.bot.context import BotContext
from monitor.bot.permissions import ChatQueries
from monitor.bot.replies import ADMINISTRATORS, BUSY, STALE, Button, Reply, Translator, paragraphs, safe
from monitor.bot.updates import Command
from monitor.channels.telegram.posts import LIMIT, length
from monitor.formatting import format_minute
from monitor.ops.decisions import DecisionDesk, DecisionState, DecisionView

BY = "button"
"""How a choice by a button is named in the database and the log."""


async def answer_operator(context: BotContext, queries: ChatQueries, command: Command) -> Reply:
    """Show a decision, or carry out a choice. A chat other than the operator's, and an invalid token, get the
    answer of a button that no longer works. Raises StoreError.
    """
    translate, desk = Translator(command.language), context.desk
    if desk is None or str(command.chat) not in context.operator_chats or not command.arguments:
        return translate.refusal(STALE)
    try:
        if not await permissions.may_change(queries, command):
            return translate.refusal(ADMINISTRATORS)
    except TelegramError:
        return translate.refusal(BUSY)
    token, choice = command.arguments[0], command.arguments[1] if len(command.arguments) > 1 else None
    view = await asyncio.to_thread(_decide, desk, token, choice)
    return translate.refusal(STALE) if view is None else _render(view, token, command.verb)


def _decide(desk: DecisionDesk, token: str, choice: str | None) -> DecisionView | None:
    if choice is None:
        return desk.view(token)
    if desk.choose(token, choice, BY) is None:
        return None
    desk.carry_out()
    return desk.view(token)


def _render(view: DecisionView, token: str, verb: str) -> Reply:
    chosen = safe(view.chosen.label) if view.chosen else ""
    match view.state:
        case DecisionState.OPEN if view.text is not None:
            title, until = safe(view.text.title), format_minute(view.expires_at)
            text = f"<b>{title}</b>"
            shown = (*view.text.facts, *(f"• {item}" for item in view.text.items))
            for number, sentence in enumerate(shown):
                longer = f"{text}\n{safe(sentence)}"
                if length(longer) > LIMIT - 200:
                    text += f"\n{len(shown) - number} more: {safe(view.text.command)}"
                    break
                text = longer
            if view.fields:
                return Reply(paragraphs(text, f"Use the link in the mail, or run: {safe(view.text.command)}"))
            buttons = tuple(
                (Button(choice.label, f"{verb} {token} {choice.name}"),) for choice in view.choices
            )
            return Reply(paragraphs(text, f"You can decide once, until {until}."), buttons)
        case DecisionState.DONE:
            return Reply(f"{chosen}: {safe(view.result)}")
        case DecisionState.CHOSEN:
            return Reply(f"{chosen}: it is carried out within seconds.")
        case DecisionState.EXPIRED if view.text is not None:
            return Reply(f"This button has expired. The command still decides: {safe(view.text.command)}")
    return Reply("Nothing is left to decide: it has ended by itself, or was decided in another way.")
