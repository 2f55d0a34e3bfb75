"""Groups of commands whose default command is `list`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click


class ListByDefault(click.Group):
    """Runs ``list`` when no command is named. Options may stand before or after the command's name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = next((at for at in self._find_words(args) if args[at] in self.commands), None)
        if at is not None:
            args = [args[at], *args[:at], *args[at + 1 :]]
        elif not any(word in ctx.help_option_names for word in args):
            args = ["list", *args]
        return super().parse_args(ctx, args)

    def _find_words(self, args: Sequence[str]) -> Iterator[int]:
        """Where in the arguments words stand that are no value of an option: a list may be named like a
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
