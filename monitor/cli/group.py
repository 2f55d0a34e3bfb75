"""Groups of commands whose default command is `list`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click


class ListByDefault(click.Group):
    """Runs ``list`` if no command is named. Options may be before or after the name of the command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = next((at for at in self._find_words(args) if args[at] in self.commands), None)
        if at is not None:
            args = [args[at], *args[:at], *args[at + 1 :]]
        elif not any(word in ctx.help_option_names for word in args):
            args = ["list", *args]
        return super().parse_args(ctx, args)

    def _find_words(self, args: Sequence[str]) -> Iterator[int]:
        """The positions of arguments that are not values of options, because a list may have the name of a
        command.
        """
        with_value = {
            name
            for command in self.commands.values()
            for option in command.params
            if isinstance(option, click.Option) and not option.is_flag and not option.count
            for name in option.opts
        }
        for at, word in enumerate(args):
            if word == "--":
                return
            if at == 0 or args[at - 1] not in with_value:
                yield at
