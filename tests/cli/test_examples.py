"""The help of every command shows an example, and each example is one that the command takes."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Iterator
from importlib import import_module

import click
import pytest

from keyhouse.cli import main


def below(command: click.Command, words: str) -> Iterator[tuple[str, click.Command]]:
    """Yield a command, or all that a group holds, by the words that call it."""
    if not isinstance(command, click.Group):
        yield words, command
        return
    context = click.Context(command, info_name=words)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from below(found, f"{words} {name}")


def every() -> dict[str, click.Command]:
    return dict(
        found
        for name in main.COMMANDS
        for found in below(import_module(main.module_of(name)).command, f"keyhouse {name}")
    )


def examples_of(command: click.Command) -> list[str]:
    """Return the lines of its examples, those that go on at the next line as one."""
    blocks = inspect.cleandoc(command.help or "").split("\n\n")
    shown = [block for block in blocks if block.startswith(("\b\nExample:", "\b\nExamples:"))]
    lines = [line.strip() for block in shown for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if "keyhouse " in line]


@pytest.mark.parametrize("words", sorted(every()))
def test_every_command_shows_an_example_that_it_takes(words: str) -> None:
    command, name = every()[words], words.split()
    found = examples_of(command)
    assert found
    for given in (shlex.split(line, comments=True) for line in found):
        if (
            given[: len(name)] == name
        ):  # `import` may leave a word out, and some lines begin with what is piped in
            command.make_parser(click.Context(command, info_name=words)).parse_args(given[len(name) :])
