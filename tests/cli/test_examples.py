"""The help of every command shows an example, and each example is one that the command takes."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Iterator
from importlib import import_module
from itertools import takewhile

import click
import pytest

from keyhouse.cli import main

SHELL = frozenset({"<", ">", "|", "||", "&&", ";"})
# `import` leaves a word out, and for these something is piped in first
LEFT_OUT = {"keyhouse import run", "keyhouse dev seed", "keyhouse dev verify"}


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


def arguments(line: str, name: list[str]) -> list[str] | None:
    """Return what an example gives to the command of that name, up to where the shell goes on; None: it is of another."""
    words = shlex.split(line, comments=True)
    given = list(takewhile(lambda word: word not in SHELL, words))
    return given[len(name) :] if given[: len(name)] == name else None


def refusal_of(command: click.Command, words: str, given: list[str]) -> str:
    """Return why the command doesn't take it, files that this machine hasn't aside."""
    try:
        command.make_context(words, given)
    except click.BadParameter as error:
        return "" if "does not exist" in error.message or "No such file" in error.message else error.message
    return ""


@pytest.mark.parametrize("words", sorted(every()))
def test_every_command_shows_an_example_that_it_takes(words: str) -> None:
    command, found = every()[words], [arguments(line, words.split()) for line in examples_of(every()[words])]
    own = [given for given in found if given is not None]
    assert own or (found and words in LEFT_OUT)
    whole = [given for given in own if "…" not in "".join(given)]  # not those that leave digits out
    assert not [refusal for given in whole if (refusal := refusal_of(command, words, given))]
