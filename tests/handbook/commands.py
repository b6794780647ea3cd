"""Lines of `keyhouse …` and `./run …` in the documentation, tried against the commands that are there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Final

import click
from tests.handbook import known
from tests.handbook.reading import ROOT, Page

from keyhouse.cli import main as command_line
from keyhouse.cli.defaults import WithDefault
from keyhouse.cli.main import HELP_OPTIONS

_LINE: Final = re.compile(r"(?:\$ )?(?:[A-Z_]+=\S* )*(\./run|keyhouse)((?: .*)?)")
_NO_SHELL: Final = frozenset({"json", "toml", "python", "html"})
_PARTS: Final = re.compile(r"&&|\|\||[;|>]")
_PLACEHOLDER: Final = re.compile(r"[A-Z…<\[]|\.\.\.")


def problems(page: Page) -> list[tuple[int, str]]:
    """Say which commands and options of a page don't exist."""
    found = []
    for spot in (*page.blocks, *page.words):
        if spot.language not in _NO_SHELL:
            found += [(spot.line, told) for words in calls(spot.text) if (told := problem_of(words))]
    return found


def calls(text: str) -> Iterator[list[str]]:
    """Yield the words of each call, `keyhouse` or `./run` first."""
    for line in text.replace("\\\n", " ").splitlines():
        for part in _PARTS.split(line.partition(" #")[0]):
            match = _LINE.fullmatch(part.strip())
            if match:
                yield [match[1], *_words(match[2])]


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # a sentence with an apostrophe in it
        return text.split()


def problem_of(words: list[str]) -> str | None:
    """Return what is wrong with a call, or None."""
    program, *rest = words
    if program == "keyhouse":
        return _problem_of_product(rest)
    if not rest:
        return None
    name, *options = rest
    if name not in run_commands() and not _PLACEHOLDER.match(name):
        return f"./run has no `{name}`"
    if name == "keyhouse":
        return _problem_of_product(options)
    return _problem_of_product(rest) if name == "serve" else None


def run_commands() -> set[str]:
    """Return what `./run` takes as its first word."""
    cases = re.findall(r"^    ([a-z |]+)\)$", (ROOT / "run").read_text(), re.MULTILINE)
    return {word for case in cases for word in case.split(" | ")}


def _problem_of_product(words: list[str]) -> str | None:
    root = command_line.command
    command: click.Command = click.Group("keyhouse", dict(known.all_commands()), params=root.params)
    waiting = list(words)
    while True:
        unknown = _take_options(command, waiting)
        if unknown is not None:
            return f"`{command.name}` has no option {unknown}"
        if not waiting or (isinstance(command, click.Group) and _PLACEHOLDER.match(waiting[0])):
            return None
        if isinstance(command, click.Group):
            below, waiting = _below(command, waiting)
            if below is None:
                return f"`{command.name}` has no command {waiting[0]}"
            command = below
        else:
            waiting.pop(0)


def _below(group: click.Group, words: list[str]) -> tuple[click.Command | None, list[str]]:
    """Return the command that the words begin with, or the one that is meant where none is named, and the other words."""
    found = group.get_command(click.Context(group), words[0])
    if found is not None:
        return found, words[1:]
    return group.commands[group.default] if isinstance(group, WithDefault) else None, words


def _take_options(command: click.Command, waiting: list[str]) -> str | None:
    """Take the options off the front; return one that the command doesn't have."""
    while waiting and re.match(r"-[-a-zA-Z]", waiting[0]):
        word, _, value = waiting.pop(0).partition("=")
        option = _options(command).get(word)
        if option is None and word not in HELP_OPTIONS:
            return word
        if option is not None and waiting and not (option.is_flag or option.count or value):
            waiting.pop(0)
    return None


def _options(command: click.Command) -> dict[str, click.Option]:
    options = [option for option in command.params if isinstance(option, click.Option)]
    return {name: option for option in options for name in (*option.opts, *option.secondary_opts)}
