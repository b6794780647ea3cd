"""Which code in a description is highlighted: what would take long isn't.

Many lexers take the square of the length of a text made for that; half a megabyte in such a language keeps a worker busy
for hours. So the language of a block is taken away unless it is one of a few, the block is short, and not too much was
highlighted before it. The lengths are never measured too short: where a block's end isn't plain, it is taken to go on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from typing import Final

_LONGEST_BLOCK: Final = 4000  # characters
_MOST_TOGETHER: Final = 40_000
_LANGUAGES: Final = frozenset(
    [
        "python",
        "python3",
        "py",
        "py3",
        "pycon",
        "pytb",
        "console",
        "bash",
        "sh",
        "shell",
        "shell-session",
        "json",
        "toml",
        "ini",
        "cfg",
        "yaml",
        "yml",
        "diff",
        "html",
        "xml",
        "css",
        "text",
    ]
)
_FENCE: Final = re.compile(r"(?P<fence>`{3,}|~{3,})[ \t]*(?P<language>[^\s`~]\S*)")
_MOST_ON_A_LINE: Final = 9
_MARKDOWN_LINE: Final = re.compile(r"[^\r\n]+")
_LABEL: Final = re.compile(r"\[\^[^\]\[]*\]:")  # of a footnote, which holds blocks
_CONTAINERS: Final = re.compile(r"[\s>*+:.)0-9-]*")  # quotations, lists
_DIRECTIVE: Final = re.compile(
    r"(?P<before>\.\.[^\r\n]*?(?:code-block|sourcecode|code)[ \t]*::[ \t]*(?:\r?\n[ \t]+)?)(?P<language>[^\s]+)",
    re.IGNORECASE,
)
_ROLE: Final = re.compile(r":language:[^\r\n]*", re.IGNORECASE)
_LINE: Final = re.compile(r"^([ \t\v\f]*)[^\s]", re.MULTILINE)
# what the highlighting looks for in HTML; one blank more, and it is HTML like any other
_WRITTEN_OUT: Final = (
    ('<pre lang="', '<pre  lang="'),
    ('<pre><code class="language-', '<pre><code  class="language-'),
)


def bound_markdown(text: str) -> str:
    """Return Markdown in which only short blocks of a few languages name their language."""
    for found, instead in _WRITTEN_OUT:
        text = text.replace(found, instead)
    left = _Left()

    def bound(line: re.Match[str]) -> str:
        fences = list(islice(_FENCE.finditer(line[0]), _MOST_ON_A_LINE))
        if len(fences) == _MOST_ON_A_LINE:  # nobody writes that; none of them may name a language
            return _FENCE.sub(r"\g<fence>text \g<language>", line[0])
        fence = _find_fence(line[0], fences)
        if fence is None:
            return line[0]
        measure = partial(_length_of_fenced, text, line.end(), fence["fence"])
        return line[0] if left.take(fence["language"], measure) else line[0][: fence.end("fence")]

    return _MARKDOWN_LINE.sub(bound, text)


def _find_fence(line: str, fences: Iterable[re.Match[str]]) -> re.Match[str] | None:
    """Return the fence with a language that a line begins, or None; one of back-ticks has none behind it."""
    last = line.rfind("`")
    for found in fences:
        is_code_span = found["fence"].startswith("`") and last >= found.end("fence")
        if not is_code_span and _CONTAINERS.fullmatch(_LABEL.sub("", line[: found.start()])):
            return found
    return None


def bound_rst(text: str) -> str:
    """Return reStructuredText in which only short blocks of a few languages name their language, and no role does."""
    left = _Left()

    def bound(match: re.Match[str]) -> str:
        may_stay = left.take(match["language"], partial(_length_of_indented, text, match))
        return match[0] if may_stay else match["before"] + "text"

    return _ROLE.sub(":language: text", _DIRECTIVE.sub(bound, text))


class _Left:
    """What may still be highlighted."""

    def __init__(self) -> None:
        self._characters = _MOST_TOGETHER

    def take(self, language: str, measure: Callable[[int], int]) -> bool:
        """Tell whether a block may name its language, and count it; `measure` needn't look further than told."""
        if language.lower() not in _LANGUAGES:
            return False
        most = min(_LONGEST_BLOCK, self._characters)
        length = measure(most)
        if length > most:
            return False
        self._characters -= length
        return True


def _length_of_fenced(text: str, start: int, fence: str, most: int) -> int:
    """Return the characters up to a line that ends the block however it is nested, or more than `most`."""
    ending = re.compile(rf"^ {{0,3}}{re.escape(fence[0])}{{{len(fence)},}}[ \t]*$", re.MULTILINE)
    found = ending.search(text, start, start + most + len(fence) + 2)
    return found.start() - start if found else most + 1


def _length_of_indented(text: str, directive: re.Match[str], most: int) -> int:
    """Return the characters up to a line that is indented no deeper than the directive, or more than `most`."""
    start = text.rfind("\n", 0, directive.start()) + 1
    indent = len(text[start : directive.start()].expandtabs(8))
    rest = text[directive.end() : directive.end() + most + 1]
    for line in _LINE.finditer(rest, rest.find("\n") + 1 or len(rest)):
        if len(line[1].expandtabs(8)) <= indent:
            return line.start()
    return len(rest)
