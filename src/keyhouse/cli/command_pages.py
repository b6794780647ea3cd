"""The page of every command with its options, made from the commands themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from typing import Final

import click

from keyhouse.cli import main
from keyhouse.cli.reference_pages import MADE, cell, table

_INTRODUCTION: Final = """# Commands

One command, `keyhouse`, on the machine of the index. In a checkout it is `./run keyhouse`. It leaves with 0 when done, 1 when something was refused or
failed, 2 where it was used wrongly. `--json` prints data for programs. Whatever takes long can be stopped and run again.

"""


def page() -> str:
    """Return `docs/reference/commands.md`; Django must be set up."""
    parts = [_options(main.command), *(part for name in main.COMMANDS for part in _parts(name))]
    return _INTRODUCTION + MADE + "\n".join(filter(None, parts))


def _parts(name: str) -> Iterator[str]:
    command: click.Command = import_module(main.module_of(name)).command
    yield from _tell(command, f"keyhouse {name}", level=2)


def _tell(command: click.Command, words: str, level: int) -> Iterator[str]:
    """Yield what there is to say of a command, and of all below it."""
    context = click.Context(command, info_name=words)
    usage = " ".join([words, *command.collect_usage_pieces(context)])
    yield f"{'#' * level} {words}\n\n{_help(command)}```\n{usage}\n```\n"
    yield _options(command)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from _tell(below, f"{words} {name}", level=3)


def _help(command: click.Command) -> str:
    """Return its paragraphs; one that click keeps as it is becomes a block."""
    texts = inspect.cleandoc(command.help or "").split("\n\n")
    return "".join(f"{_paragraph(text)}\n" for text in texts)


def _paragraph(text: str) -> str:
    if not text.startswith("\b"):
        return " ".join(text.split()) + "\n"
    title, _, lines = text.removeprefix("\b").strip("\n").partition("\n")
    return f"{title}\n\n```\n{inspect.cleandoc(lines)}\n```\n"


def _options(command: click.Command) -> str:
    context = click.Context(command)
    records = (option.get_help_record(context) for option in command.params)
    rows = [(f"`{names}`", cell(told)) for names, told in filter(None, records)]
    return table(("option", "meaning"), rows) if rows else ""
