"""The indexes whose pages are looked at, each opened when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser
from tests.looks.cove import open_cove, open_shore
from tests.looks.harbour import Harbour, open_harbour

OPENING: Final[Mapping[str, Callable[[Browser, Path], AbstractContextManager[Harbour]]]] = {
    "": open_harbour,
    "cove": open_cove,
    "shore": open_shore,
}


@dataclass
class Indexes:
    """Those that are open, by name."""

    browser: Browser
    folder: Path
    stack: ExitStack
    opened: dict[str, Harbour] = field(default_factory=dict)

    def at(self, name: str) -> Harbour:
        """Return an index, with everybody who is signed in having proven it lately."""
        if name not in self.opened:
            opening = OPENING[name](self.browser, self.folder / (name or "harbour"))
            self.opened[name] = self.stack.enter_context(opening)
        self.opened[name].stay_fresh()
        return self.opened[name]


@contextmanager
def open_indexes(browser: Browser, folder: Path) -> Iterator[Indexes]:
    """Open indexes as they are asked for, and close them at the end."""
    with ExitStack() as stack:
        yield Indexes(browser, folder, stack)
