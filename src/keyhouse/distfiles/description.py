"""Turn a description into HTML that is safe to show to everybody.

The renderers make HTML and then sanitise it with an allow-list (nh3): no scripts, styles, forms,
frames or event handlers, links only to http, https and mailto and marked `nofollow`. Images stay,
also those on other hosts; what a page may load from where is for its content security policy.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from email.message import Message
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal

from keyhouse.distfiles.highlighting import bound_markdown, bound_rst
from keyhouse.distfiles.rendering import render_apart

Format = Literal["rst", "markdown", "plain"]
# a longer text is shown as it is: rendering it could take minutes
LONGEST_RENDERED: Final = 512 * 1024
# a longer one is rendered apart: the worst known texts take the square of their length, or more
LONGEST_HERE: Final[Mapping[Format, int]] = MappingProxyType({"rst": 8 * 1024, "markdown": 32 * 1024})
LONGEST_HTML: Final = 2**20
"""Characters. Pages cut it anew when somebody reads it."""
# docutils takes the square of the number of footnotes, lines and the like
_LONGEST_RST: Final = 100 * 1024
_LONGEST_TYPE: Final = 200  # reading parameters takes the square of their length
_FORMATS: Final[dict[str, Format]] = {
    "": "rst",
    "text/x-rst": "rst",
    "text/markdown": "markdown",
    "text/plain": "plain",
}
# sanitising takes the square of the depth of tags that are never closed
_TAG: Final = re.compile(r"<[A-Za-z]")
_MOST_TAGS: Final = 10_000
# the end of each is looked for up to the end of the text
_INSTRUCTION: Final = re.compile(r"<[!?]")
_MOST_INSTRUCTIONS: Final = 1000
_TICKS: Final = re.compile(r"`{60}")  # and runs of very many lengths, each for its like
_RULER: Final = "-|: \t\v\f>"  # all that the line below a table's head holds, also in a quotation
_MOST_CELLS: Final = 50_000
_CONTENTS: Final = re.compile(r"contents ?::", re.IGNORECASE)
_MOST_CONTENTS: Final = 3
_DEFINITION: Final = re.compile(r"\.\. +\|")
_LONGEST_NESTED: Final = 10_000  # characters; docutils stops there where one substitution mentions others
_MOST_SUBSTITUTED: Final = 300_000  # characters
_VARIANTS = {"gfm": "GFM", "commonmark": "CommonMark"}
# one way only to read each blank: a choice of ways would be tried out in all combinations
_DEEP = re.compile(r"(?:^|\n)[ \t]*(?:(?:>[ \t]*){100}|(?:[*+-][ \t]+){100})|[\[(]{500}")
# docutils reads what stands in each list of lists anew
_DEEP_RST = re.compile(
    r"(?:^|\n)[ \t]*(?:(?:[*+-][ \t]+){20}|(?:[(]?(?:[0-9]+|[A-Za-z#])[.)][ \t]+){20}|(?::[^:\s]+:[ \t]+){20})"
)


@lru_cache(maxsize=4)  # judged and then kept, and the same for all files of a release
def render(text: str, content_type: str | None) -> str | None:
    """Return safe HTML, or None where the text does not render or its type is unknown.

    A text without a type is reStructuredText (core metadata specification).
    """
    form = find_format(content_type)
    if form is None:
        return None
    if not text.strip():
        return ""
    is_done, html = False, None
    if form != "plain" and not _is_too_much(text, form):
        is_done, html = (
            (True, render_here(text, content_type))
            if len(text) <= LONGEST_HERE[form]
            else render_apart(text, content_type)
        )
    return html if is_done and len(html or "") <= LONGEST_HTML else _render_plain(text)


def render_here(text: str, content_type: str | None) -> str | None:
    """Return safe HTML, or None where it does not render; in this process, and as long as it takes."""
    return _RENDERERS[find_format(content_type) or "plain"](text, content_type or "")


def renders(text: str, content_type: str | None) -> bool:
    """Tell whether a description will render, without the work where it always does."""
    form = find_format(content_type)
    if form != "rst" or not text.strip() or _is_too_much(text, form):
        return form is not None
    return render(text, content_type) is not None


@lru_cache(maxsize=64)  # a handful of types are in use, and each file is asked about twice
def find_format(content_type: str | None) -> Format | None:
    """Return what a Description-Content-Type stands for, or None for a wrong one."""
    if len(content_type or "") > _LONGEST_TYPE:
        return None
    header = _parse(content_type)
    kind = header.get_content_type() if content_type else ""
    charset = _parameter(header, "charset")
    variant = _parameter(header, "variant")
    if charset not in {"", "utf-8", "utf8"} or (content_type or "").count("/") > 1:
        return None
    if kind == "text/markdown" and variant and variant not in _VARIANTS:
        return None
    if kind == "text/plain" and not (content_type or "").lower().startswith("text/plain"):
        return None  # what the e-mail package makes of anything unreadable
    return _FORMATS.get(kind)


def _parse(content_type: str | None) -> Message:
    header = Message()
    header["content-type"] = " ".join((content_type or "").split())
    return header


def _parameter(header: Message, name: str) -> str:
    value = header.get_param(name)
    return value.strip().lower() if isinstance(value, str) else ""


def _is_too_much(text: str, form: Format) -> bool:
    if len(text) > (_LONGEST_RST if form == "rst" else LONGEST_RENDERED) or _DEEP.search(text):
        return True
    if form == "markdown" and _is_filled_up(text):
        return True
    if form == "rst" and (_is_multiplied(text) or _DEEP_RST.search(text)):
        return True
    return sum(1 for _ in _TAG.finditer(text)) > _MOST_TAGS


def _is_filled_up(text: str) -> bool:
    """Tell whether a few signs of Markdown would become very many, or take very long.

    Each line of a table gets as many cells as its head has.
    """
    if sum(1 for _ in _INSTRUCTION.finditer(text)) > _MOST_INSTRUCTIONS or _TICKS.search(text):
        return True
    columns = missing = 0
    for line in re.split(r"\r\n|\r|\n", text):
        if not line.strip():
            columns = 0
            continue
        missing += max(0, columns - line.count("|"))
        if not line.strip(_RULER):
            columns = max(columns, line.count("|") + 1)
    return missing > _MOST_CELLS


def _is_multiplied(text: str) -> bool:
    """Tell whether a few lines of reStructuredText would become very many.

    Each table of contents repeats all headings, each mention of a substitution all of its text.
    """
    if len(_CONTENTS.findall(text)) > _MOST_CONTENTS:
        return True
    definitions = list(_find_definitions(text))
    if not definitions:
        return False
    is_nested = any(definition.count("|") > 2 for definition in definitions)  # noqa: PLR2004 - around its own name
    longest = _LONGEST_NESTED if is_nested else max(map(len, definitions))
    return text.count("|") // 2 * longest > _MOST_SUBSTITUTED


def _find_definitions(text: str) -> Iterator[str]:
    """Yield the definitions of substitutions: a line, and what is indented below it (docutils' lines and blanks)."""
    body: list[str] = []
    column = 0
    lines = re.sub(r"[\v\f]", " ", text).splitlines()
    for line in (raw.expandtabs(8).rstrip() for raw in lines):
        if body and (not line or len(line) - len(line.lstrip()) > column):
            body.append(line)
            continue
        if body:
            yield "\n".join(body)
        start = _DEFINITION.search(line)
        body, column = ([line], start.start()) if start else ([], 0)
    if body:
        yield "\n".join(body)


def _render_rst(text: str, _: str) -> str | None:
    from readme_renderer import rst  # noqa: PLC0415 - docutils takes long to import

    try:
        return rst.render(bound_rst(text))
    except Exception:  # noqa: BLE001 - docutils raises nearly anything for a text it cannot take
        return None


def _render_markdown(text: str, content_type: str) -> str | None:
    from readme_renderer import markdown  # noqa: PLC0415 - takes long to import

    variant = _VARIANTS.get(_parameter(_parse(content_type), "variant"), "GFM")
    try:
        return markdown.render(bound_markdown(text), variant=variant) or ""
    except Exception:  # noqa: BLE001 - the highlighting raises what its lexers raise
        return None


def _render_plain(text: str, _: str = "") -> str | None:
    from readme_renderer import txt  # noqa: PLC0415 - imported with the others

    return txt.render(text)


_RENDERERS: Final[dict[Format, Callable[[str, str], str | None]]] = {
    "rst": _render_rst,
    "markdown": _render_markdown,
    "plain": _render_plain,
}
