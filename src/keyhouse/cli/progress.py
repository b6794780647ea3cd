"""How far a long command is: a bar on the terminal, on standard error only, nothing where nobody watches."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress, track

Thing = TypeVar("Thing")


def follow(things: Iterable[Thing], label: str, total: int | None = None) -> Iterator[Thing]:
    """Yield the things while a bar shows how many are done."""
    is_watched = sys.stderr.isatty()
    yield from track(
        things, label, total=total, disable=not is_watched, transient=True, console=Console(stderr=True)
    )


def bar() -> Progress:
    """Return a bar for work that tells itself how far it is."""
    return Progress(transient=True, disable=not sys.stderr.isatty(), console=Console(stderr=True))
