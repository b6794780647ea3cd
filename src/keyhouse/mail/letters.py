"""What a mail says, and its two forms: plain text and HTML. Pure.

Values may come from people (names, devices, reasons): ends of lines, control characters and what turns the direction of
text around are taken out of them, so that nobody can write a line of their own into somebody else's mail.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from html import escape
from typing import Any, Final, TypeAlias

LONGEST_SUBJECT: Final = 200


@dataclass(frozen=True, slots=True)
class Text:
    """One paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Link:
    """An address to go to; in the plain text it stands alone on its line."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Code:
    """Something to compare or to type, shown big."""

    code: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values: `When: …`."""

    rows: tuple[tuple[str, str], ...]


Block: TypeAlias = Text | Link | Code | Facts


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail before it has an address: `kind` is its stable name in the ledger."""

    kind: str
    subject: str
    blocks: tuple[Block, ...]
    footer: tuple[Block, ...] = ()


def subject_line(letter: Letter) -> str:
    """Return the subject as one line of bounded length."""
    line = tidy(letter.subject)
    return line if len(line) <= LONGEST_SUBJECT else line[: LONGEST_SUBJECT - 1] + "…"


def tidy(text: str) -> str:
    """Return the text on one line: white space becomes one space each, what can't be seen is taken out."""
    return " ".join(_UNSEEN.sub("", " ".join(text.split())).split())


# controls, marks and overrides of direction, halves of characters
_UNSEEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


# ---- plain text


def render_text(letter: Letter) -> str:
    """Return the plain text. Paragraphs are not wrapped: a wrapped name could end up alone on a line, like a link."""
    parts = [_block_as_text(block) for block in letter.blocks]
    if letter.footer:
        parts += ["-- ", *(_block_as_text(block) for block in letter.footer)]
    return "\n\n".join(parts) + "\n"


def _block_as_text(block: Block) -> str:
    if isinstance(block, Text):
        return tidy(block.text)
    if isinstance(block, Link):
        return f"{tidy(block.label)}:\n{tidy(block.url)}"
    if isinstance(block, Code):
        return f"    {tidy(block.code)}"
    return "\n".join(f"{tidy(name)}: {tidy(value)}" for name, value in block.rows)


# ---- HTML

_HEAD: Final = (
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    '<meta name="color-scheme" content="light dark">\n<meta name="supported-color-schemes" content="light dark">\n'
    "<title>{}</title>\n</head>\n"
    # no colours: each reader's own fit each other, in light and in dark
    '<body style="margin: 0 auto; padding: 16px; max-width: 36em; font: 16px/1.5 sans-serif;">\n'
)
_NEXT_ROW: Final = "<br>\n"
_END: Final = "</body>\n</html>\n"
_WEB: Final = re.compile(r"https?://[^\s]+", re.IGNORECASE)


def render_html(letter: Letter) -> str:
    """Return the HTML form: everything escaped, nothing loaded from elsewhere, no colours of its own."""
    parts = [_HEAD.format(_text(subject_line(letter))), *_blocks_as_html(letter.blocks)]
    if letter.footer:
        parts += ['<hr>\n<div style="font-size: 14px;">\n', *_blocks_as_html(letter.footer), "</div>\n"]
    return "".join(parts) + _END


def _blocks_as_html(blocks: Iterable[Block]) -> list[str]:
    return [_block_as_html(block) + "\n" for block in blocks]


def _block_as_html(block: Block) -> str:
    if isinstance(block, Text):
        return f"<p>{_text(block.text)}</p>"
    if isinstance(block, Link):
        return _link_as_html(block)
    if isinstance(block, Code):
        return (
            '<p style="font: bold 28px/1.5 monospace; letter-spacing: 2px; overflow-wrap: anywhere;">'
            f"{_text(block.code)}</p>"
        )
    rows = (f"{_text(name)}: <strong>{_text(value)}</strong>" for name, value in block.rows)
    return f'<p style="overflow-wrap: anywhere;">{_NEXT_ROW.join(rows)}</p>'


def _link_as_html(link: Link) -> str:
    """Show the address itself as well: whoever reads must be able to see where it leads."""
    url = _text(link.url)
    label = f'<a href="{url}"><strong>{_text(link.label)}</strong></a>' if _WEB.fullmatch(link.url) else ""
    return f'<p>{label or _text(link.label)}<br>\n<span style="font-size: 14px; overflow-wrap: anywhere;">{url}</span></p>'


def _text(value: str) -> str:
    return escape(tidy(value), quote=True)


# ---- as it is kept until it has left


def as_json(letter: Letter) -> dict[str, Any]:
    """Return the letter as JSON takes it."""
    return {
        "kind": letter.kind,
        "subject": letter.subject,
        "blocks": [_block_as_json(block) for block in letter.blocks],
        "footer": [_block_as_json(block) for block in letter.footer],
    }


def from_json(told: dict[str, Any]) -> Letter:
    """Return the letter that `as_json` told of; raises KeyError, TypeError or ValueError for anything else."""
    return Letter(
        told["kind"],
        told["subject"],
        tuple(_block_from_json(block) for block in told["blocks"]),
        tuple(_block_from_json(block) for block in told["footer"]),
    )


def _block_as_json(block: Block) -> list[Any]:
    if isinstance(block, Text):
        return ["text", block.text]
    if isinstance(block, Link):
        return ["link", block.label, block.url]
    if isinstance(block, Code):
        return ["code", block.code]
    return ["facts", [list(row) for row in block.rows]]


def _block_from_json(told: list[Any]) -> Block:
    kind, *values = told
    if kind == "facts":
        return Facts(tuple((name, value) for name, value in values[0]))
    made: Block = _BLOCKS[kind](*values)
    return made


_BLOCKS: Final[dict[str, type[Text | Link | Code]]] = {"text": Text, "link": Link, "code": Code}


def with_links(letter: Letter, change: Callable[[str], str]) -> Letter:
    """Return the letter with what `change` makes of each address that it links to."""

    def changed(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
        return tuple(Link(one.label, change(one.url)) if isinstance(one, Link) else one for one in blocks)

    return replace(letter, blocks=changed(letter.blocks), footer=changed(letter.footer))


def secrets_of(letter: Letter) -> list[str]:
    """Return what of the letter may open something: it must not come back out of a server's answer into the ledger."""
    blocks = (*letter.blocks, *letter.footer)
    links = [block.url for block in blocks if isinstance(block, Link)]
    return [*links, *(block.code for block in blocks if isinstance(block, Code))]
