"""A group of commands of which one is meant where none is named, and spans of time as options take them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

DEFAULT: Final = "set"
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}
_SPAN: Final = re.compile(r"([1-9][0-9]{0,3})([mhd])")


class WithDefault(click.Group):
    """Takes `keyhouse GROUP THING …` for `keyhouse GROUP set THING …`; the latter names a thing called like a command."""

    default = DEFAULT

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Name the default command where the first word is none of the group's."""
        is_named = args and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if is_named or not args else [self.default, *args])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete its words, and what the default command takes first: an argument, or options."""
        found, usual = super().shell_complete(ctx, incomplete), self.commands[self.default]
        inner = click.Context(usual, parent=ctx, resilient_parsing=True)
        if incomplete.startswith("-"):
            more = usual.shell_complete(inner, incomplete)
        else:
            first = next(one for one in usual.get_params(inner) if isinstance(one, click.Argument))
            more = first.shell_complete(inner, incomplete)
        own = {item.value for item in found}
        # a file or a folder is left to the shell, which then offers nothing else
        return [*found, *(one for one in more if one.value not in own and (one.type == "plain" or not found))]


class Span(click.ParamType[timedelta]):
    """A span of time: `30m`, `2h` or `7d`."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the span; anything else is wrong use."""
        found = _SPAN.fullmatch(str(value))
        if found is None:
            self.fail("write minutes, hours or days, for example 30m, 2h or 7d", param, ctx)
        return timedelta(**{_UNITS[found[2]]: int(found[1])})
