"""The command ``telegram``: the operator's channels."""

from __future__ import annotations

import asyncio
import sys

import click

from monitor.cli import Session, emit, subcommand, table


@click.group(short_help="Test the configured Telegram channels.")
def telegram() -> None:
    """Test the configured Telegram channels."""


@subcommand(telegram, name="test", short_help="Check that the bot may post in each configured channel.")
@click.option(
    "--post", is_flag=True, help="Post a message marked as a test in each channel; all its readers see it."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def test(session: Session, post: bool, as_json: bool) -> None:
    """Check for each chat of [telegram.channels] that the bot is a member and may post. Exit 1 if it may not.

    Nothing is posted without --post.

    JSON keys: ok, bot, channels (a list of chat, places, ok, message, posted).
    """
    from monitor.bot import channel_test, composition

    settings = session.settings

    async def run() -> tuple[str, tuple[channel_test.ChannelTestResult, ...]]:
        async with composition.create_api(settings) as api:
            channels = settings.telegram.channels
            proofs = await channel_test.check_channels(api, channels, name=settings.site.name, post=post)
            return api.username, proofs

    bot, proofs = asyncio.run(run())
    ok = all(each.ok for each in proofs)
    if as_json:
        channels = [
            {
                "chat": each.chat,
                "places": each.places,
                "ok": each.ok,
                "message": each.message,
                "posted": each.posted,
            }
            for each in proofs
        ]
        emit({"ok": ok, "bot": bot, "channels": channels})
    else:
        click.echo(f"Telegram answers as @{bot}")
        if proofs:
            table(
                ("", "chat", "places", "what was found"),
                [
                    ("ok" if each.ok else "FAIL", each.chat, ", ".join(each.places), each.message)
                    for each in proofs
                ],
            )
        else:
            click.echo("no channels are configured; people can still talk to the bot")
    sys.exit(0 if ok else 1)
