"""Processes that read all of Keyhouse, get ready, and wait for the word to do what is tried: in parallel, in earnest."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tests import forked

ROOT = Path(__file__).parents[1]
SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "keyhouse.settings.base"
}  # those of this process would be another database


class Beside:
    """One process, on the database of this one; its program reads a line of its input before it does what is tried."""

    def __init__(self, program: str, *arguments: str, **settings: str) -> None:
        theirs_in, self._words = os.pipe()
        answers, theirs_out = os.pipe()
        self._answers = os.fdopen(answers, encoding="utf-8")
        words = ["-c", program, *arguments]
        environment = {**os.environ, **SETTINGS, **settings}
        streams = (theirs_in, theirs_out, sys.__stderr__.fileno() if sys.__stderr__ else theirs_out)
        self.process = forked.start(words, streams, environment=environment, cwd=ROOT)
        for number in (theirs_in, theirs_out):
            os.close(number)

    def read_line(self) -> str:
        """Return the next line that it says."""
        return self._answers.readline().strip()

    def go(self) -> None:
        """Say the word."""
        os.write(self._words, b"go\n")
        os.close(self._words)

    def answer(self, seconds: float = 60) -> str:
        """Return the rest of what it said, when it has come to an end."""
        said = self._answers.read().strip()
        self._answers.close()
        assert self.process.wait(seconds) == 0, said
        return said


def answers_of(children: Sequence[Beside]) -> list[str]:
    """Let them all do it now; return what each said."""
    for child in children:
        child.go()
    return [child.answer() for child in children]
