"""The commands for subscribers: add, list, remove, export, erase."""

from __future__ import annotations

import re

import click

from monitor.cli import Session, emit, subcommand, table
from monitor.cli.group import ListByDefault
from monitor.formatting import format_count

_CHANNEL_HELP = "The channel of ADDRESS. Default: recognized by the form of the address."


def _check_channel(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Refuse an unknown channel with the known ones and the nearest. The registry is imported only here."""
    from monitor.channels.kinds import kind_of
    from monitor.errors import UsageError

    try:
        return None if value is None else kind_of(value).name
    except UsageError as error:
        raise click.BadParameter(str(error), ctx, param) from None


def _check_places(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a misspelled option, which would be read as a place: only chats begin with a minus."""
    option = next((word for word in value if word.startswith("-")), None)
    if option is not None:
        raise click.NoSuchOption(option, ctx=ctx)
    return value


@click.group(cls=ListByDefault, short_help="Add, list, remove, export and erase subscribers.")
def subscribers() -> None:
    """Add, list, remove, export and erase subscribers. Addresses are stored encrypted and shown masked.

    Without a command it lists them.
    """


@subcommand(
    subscribers,
    name="add",
    short_help="Add a subscriber, or places to one.",
    # A chat ID may begin with a minus.
    context_settings={"ignore_unknown_options": True},
)
@click.argument("channel", callback=_check_channel)
@click.argument("address")
@click.argument("places", metavar="PLACE...", nargs=-1, required=True, callback=_check_places)
@click.option(
    "--source",
    "sources",
    metavar="NAME",
    multiple=True,
    help="Only this source; may be repeated. Default: all.",
)
@click.option(
    "--language",
    type=click.Choice(["en", "es"]),
    default="en",
    show_default=True,
    help="The language of the messages.",
)
def add(
    session: Session,
    channel: str,
    address: str,
    places: tuple[str, ...],
    sources: tuple[str, ...],
    language: str,
) -> None:
    """Add a subscriber, active at once, or add places to an existing one.

    CHANNEL is the name of a channel, such as email. ADDRESS is an email address or a Telegram chat (@name or
    number). PLACE is a ZIP code, a town ("Detroit, MI"), a county ("Cook County, IL"), a radius ("10 miles of
    60601", or 25), a state such as IL, or US for everything.
    """
    from monitor import subscribers
    from monitor.errors import UsageError

    settings = session.settings
    for name in sources:
        settings.source(name)
    followed = sources or tuple(settings.watched)
    if not followed:
        raise UsageError(
            "no list is watched: write one into the configuration, or enable one, see docs/lists.md"
        )
    engine = session.database()
    added = subscribers.add(
        engine,
        session.components.keys,
        channel=channel,
        address=address,
        places=places,
        sources=followed,
        origin="operator",
        now=session.components.clock(),
        language=language,
    )
    what = "added" if added.new else "exists already"
    click.echo(
        f"subscriber {added.subscriber} ({added.masked}) {what};"
        f" {format_count(added.follows, 'new subscription')} (one place on one list each)"
    )


@subcommand(subscribers, name="list", short_help="List subscribers and what they follow.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def list_(session: Session, as_json: bool) -> None:
    """List subscribers and what they follow, addresses masked.

    JSON keys: id, channel, address, state, origin, language, created_at, follows: [{source, place}].
    """
    from monitor import subscribers
    from monitor.messages.place_names import describe_key

    engine = session.database()
    people = subscribers.load_subscribers(engine, session.components.keys)
    if as_json:
        for each in people:
            emit(
                {
                    "id": each.subscriber,
                    "channel": each.channel,
                    "address": each.masked,
                    "state": each.state,
                    "origin": each.origin,
                    "language": each.language,
                    "created_at": each.created_at.isoformat(),
                    "follows": [{"source": follow.source, "place": follow.place} for follow in each.follows],
                }
            )
    elif people:
        table(
            ("id", "channel", "address", "state", "origin", "since", "follows"),
            [
                (
                    each.subscriber,
                    each.channel,
                    each.masked,
                    each.state,
                    each.origin,
                    f"{each.created_at:%Y-%m-%d}",
                    "; ".join(f"{describe_key(follow.place)} ({follow.source})" for follow in each.follows),
                )
                for each in people
            ],
        )
    else:
        click.echo("no subscribers")


@subcommand(
    subscribers,
    name="remove",
    short_help="Remove a subscriber and erase the address.",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("who", metavar="ADDRESS|ID")
@click.option(
    "--channel",
    callback=_check_channel,
    help="The channel of ADDRESS. Default: a number is an ID; other addresses are recognized by their form.",
)
def remove(session: Session, who: str, channel: str | None) -> None:
    """Remove a subscriber by ADDRESS or by the ID in the list. The address is erased at once; nothing more is
    sent.
    """
    from monitor import subscribers
    from monitor.channels.kinds import recognize
    from monitor.errors import UsageError

    engine = session.database()
    keys = session.components.keys
    stones = session.components.tombstones
    if channel is None and re.fullmatch(r"[0-9]{1,18}", who):
        removed = subscribers.remove(
            engine, keys, now=session.components.clock(), subscriber=int(who), tombstones=stones
        )
    else:
        removed = subscribers.remove(
            engine,
            keys,
            now=session.components.clock(),
            channel=channel or recognize(who),
            address=who,
            tombstones=stones,
        )
    if not removed:
        raise UsageError("there is no such subscriber; `monitor subscribers` lists them")
    click.echo("removed; the address is erased")


@subcommand(
    subscribers,
    name="export",
    short_help="Send a subscriber what is stored about them.",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("address")
@click.option("--channel", callback=_check_channel, help=_CHANNEL_HELP)
def export(session: Session, address: str, channel: str | None) -> None:
    """Send everything that is stored about ADDRESS to that address only, with the next delivery."""
    from monitor import subscribers
    from monitor.channels.kinds import recognize
    from monitor.errors import UsageError

    engine = session.database()
    keys = session.components.keys
    channel = channel or recognize(address)
    address = subscribers.normalize_address(channel, address)
    if not subscribers.export(engine, keys, channel=channel, address=address, now=session.components.clock()):
        raise UsageError("this address is not subscribed: nothing is stored about it")
    click.echo("queued; it is sent to that address only")


@subcommand(
    subscribers,
    name="erase",
    short_help="Erase an address completely.",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("address")
@click.option("--channel", callback=_check_channel, help=_CHANNEL_HELP)
def erase(session: Session, address: str, channel: str | None) -> None:
    """Erase ADDRESS completely, subscribed or not: remove the subscriber and delete its messages in the
    mailbox folder.

    A keyed hash stays in erasures.txt in the data folder, so that the address is erased again from a restored
    backup.
    """
    from monitor import subscribers
    from monitor.channels.kinds import recognize

    settings = session.settings
    engine = session.database()
    channel = channel or recognize(address)
    ended, files = subscribers.erase(
        engine,
        session.components.keys,
        channel=channel,
        address=address,
        now=session.components.clock(),
        tombstones=session.components.tombstones,
        mailbox=settings.mailbox.folder,
    )
    click.echo(f"erased; it was {'' if ended else 'not '}subscribed; {format_count(files, 'file')} deleted")
