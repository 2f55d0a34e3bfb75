"""Groups of commands whose default command is `list`."""

from __future__ import annotations

import click


class ListByDefault(click.Group):
    """Runs ``list`` when no command is named. Options may stand before or after the command's name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not any(word in ctx.help_option_names for word in args) or any(
            word in self.commands for word in args
        ):
            name = next((word for word in args if word in self.commands), None)
            if name is None:
                args = ["list", *args]
            else:
                at = args.index(name)
                args = [name, *args[:at], *args[at + 1 :]]
        return super().parse_args(ctx, args)
