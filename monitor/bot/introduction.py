"""How the bot introduces itself: the greeting and the help."""

from __future__ import annotations

from monitor.bot.context import BotContext
from monitor.bot.replies import COMMANDS, Button, Reply, Translator, bullets, paragraphs, rows, safe


def render_greeting(context: BotContext, translate: Translator, *, private: bool) -> Reply:
    """Render what the bot is for, and how to begin."""
    titles = bullets(safe(each.title(translate.language)) for each in context.watched.values())
    what = translate(
        "<b>%(name)s</b> watches official lists of law-enforcement agencies and tells you when an "
        "agency near you is listed or no longer listed:",
        name=context.name,
    )
    how = (
        translate("Send me your ZIP code, or the name of your state. /help shows what else I can do.")
        if private
        else translate(
            "To begin, an administrator of this group writes /watch 60601 or /watch IL. /help shows "
            "what else I can do."
        )
    )
    return Reply(paragraphs(what, titles, how))


def render_help(context: BotContext, translate: Translator, *, private: bool) -> Reply:
    """Render every command, and what is stored."""
    commands = "\n".join(f"/{name}: {translate(what)}" for name, what in COMMANDS.items())
    more = (
        translate(
            "For a channel of yours, write to me here: /watch IN @channel. We must both be "
            "administrators there."
        )
        if private
        else translate("Only administrators of this group can change what is watched.")
    )
    privacy = translate(
        "We store this chat's number, encrypted, what it watches and since when, its language, and how "
        "it wants its messages. Nothing else about you."
    )
    contact = translate("The operator: %(contact)s", contact=context.contact) if context.contact else ""
    return Reply(paragraphs(commands, more, privacy, contact), rows(page_button(context, "/", context.name)))


def page_button(context: BotContext, path: str, text: str) -> tuple[Button, ...]:
    """A button with a link to the site; Telegram refuses messages with links that are not public."""
    url = context.public_url or ""
    return (Button(text, url=url.rstrip("/") + path),) if url.startswith("https://") else ()
