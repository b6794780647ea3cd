"""A group of commands of which one is meant where none is named, and spans of time as options take them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Final

import click

DEFAULT: Final = "set"
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}
_SPAN: Final = re.compile(r"([1-9][0-9]{0,3})([mhd])")


class WithDefault(click.Group):
    """Takes `keyhouse GROUP THING …` for `keyhouse GROUP set THING …`; the latter names a thing called like a command."""

    default = DEFAULT

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the default command where the first word is none of the group's."""
        words = args if args[0] in self.commands else [self.default, *args]
        return super().resolve_command(ctx, words)


class Span(click.ParamType[timedelta]):
    """A span of time: `30m`, `2h` or `7d`."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the span; anything else is wrong use."""
        found = _SPAN.fullmatch(str(value))
        if found is None:
            self.fail("write minutes, hours or days, for example 30m, 2h or 7d", param, ctx)
        return timedelta(**{_UNITS[found[2]]: int(found[1])})
