"""Build the site: one HTML page for each page, one style sheet from the product's own look, and what pages point at."""

from __future__ import annotations

import copy
import html
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from tests.handbook import contents
from tests.handbook.contents import FRONT, Section
from tests.handbook.reading import DOCS, MARKDOWN, ROOT, Page, target_of

_LOOK: Final = ROOT / "src" / "keyhouse" / "web" / "static"
_TOKENS, _LAYOUT = "/* ---- tokens", "/* ---- layout"
_LEAST_HEADINGS: Final = 3  # a page with fewer needs no list of them
_FRAME: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="{top}favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="{top}handbook.css">
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header><a href="{top}index.html"><img src="{top}logo.svg" alt="" width="24" height="24">Keyhouse, the handbook</a></header>
<div class="page">
<nav class="contents" aria-label="Handbook">{navigation}</nav>
<main id="content">
{here}{body}
{further}</main>
</div>
</body>
</html>
"""


def build(pages: Mapping[Path, Page], folder: Path) -> None:
    """Write the site anew into the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    parts = contents.sections(pages[FRONT])
    for page in pages.values():
        file = folder / address_of(page.path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_page(page, pages, parts))
    for path in {path for page in pages.values() for path in _files_of(page) if path not in pages}:
        (folder / address_of(path)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / address_of(path))
    (folder / "handbook.css").write_text(style_sheet())
    for name in ("favicon.svg", "logo.svg"):
        shutil.copyfile(_LOOK / name, folder / name)


def style_sheet() -> str:
    """Return the product's colours, sizes and ground, and what a handbook needs besides."""
    whole = (_LOOK / "keyhouse.css").read_text()
    own = Path(__file__).with_name("handbook.css").read_text()
    return whole[whole.index(_TOKENS) : whole.index(_LAYOUT)] + own


def address_of(path: Path) -> str:
    """Return where a file of the repository stands in the site."""
    is_inside = DOCS in path.parents
    address = path.relative_to(DOCS if is_inside else ROOT)
    if path.suffix != ".md":
        return address.as_posix() if is_inside else f"files/{address.as_posix()}"
    return address.with_name("index.html" if path.name == "README.md" else f"{path.stem}.html").as_posix()


def _files_of(page: Page) -> Iterator[Path]:
    for link in page.links:
        target = target_of(page, link.text)
        if target is not None:
            yield target[0]


def _page(page: Page, pages: Mapping[Path, Page], parts: Sequence[Section]) -> str:
    is_front = page.path == FRONT
    return _FRAME.format(
        title=html.escape(page.title if is_front else f"{page.title} · Keyhouse"),
        top="../" * address_of(page.path).count("/"),
        navigation=_navigation(page, pages, parts),
        here="" if is_front else _on_this_page(page),
        body=_body(page),
        further="" if is_front else _further(page, pages, parts),
    )


def _link(page: Page, to: Path, words: str, marks: str = "") -> str:
    return f'<a href="{_way(page, to)}"{marks}>{html.escape(words)}</a>'


def _way(page: Page, to: Path) -> str:
    return os.path.relpath(address_of(to), Path(address_of(page.path)).parent)


def _navigation(page: Page, pages: Mapping[Path, Page], parts: Sequence[Section]) -> str:
    written = []
    for part in parts:
        links = (
            _link(page, path, pages[path].title, ' aria-current="page"' if path == page.path else "")
            for path in part.pages
        )
        items = "".join(f"<li>{link}</li>" for link in links)
        is_open = " open" if page.path in (*part.pages, FRONT) else ""
        written.append(
            f"<details{is_open}><summary>{html.escape(part.title)}</summary><ul>{items}</ul></details>"
        )
    return "".join(written)


def _on_this_page(page: Page) -> str:
    found = [heading for heading in page.headings if heading.level == 2]
    if len(found) < _LEAST_HEADINGS:
        return ""
    items = "".join(f'<li><a href="#{one.anchor}">{html.escape(one.text)}</a></li>' for one in found)
    return f'<details class="here"><summary>On this page</summary><ul>{items}</ul></details>\n'


def _further(page: Page, pages: Mapping[Path, Page], parts: Sequence[Section]) -> str:
    """Return the ways to the pages before and after."""
    order = [path for part in parts for path in part.pages]
    place = order.index(page.path)
    before = (
        _link(page, order[place - 1], f"← {pages[order[place - 1]].title}", ' rel="prev"') if place else ""
    )
    rest = order[place + 1 : place + 2]
    after = "".join(_link(page, path, f"{pages[path].title} →", ' rel="next"') for path in rest)
    return f'<nav class="further" aria-label="Next pages">{before}{after}</nav>\n'


class _Renderer(RendererHTML):
    """Lets wide tables scroll alone."""

    def table_open(self, tokens: Sequence[Token], idx: int, options: object, env: object) -> str:
        del tokens, idx, options, env
        return '<div class="scroll" tabindex="0" role="region" aria-label="Table"><table>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: object, env: object) -> str:
        del tokens, idx, options, env
        return "</table></div>\n"


def _body(page: Page) -> str:
    tokens = copy.deepcopy(page.tokens)
    for token in tokens:
        for child in token.children or []:
            for name in ("href", "src"):
                target = target_of(page, str(child.attrs[name])) if name in child.attrs else None
                if target is not None:
                    path, anchor = target
                    way = "" if path == page.path else _way(page, path)
                    child.attrSet(name, f"{way}#{anchor}" if anchor else way or "#")
    return str(_Renderer().render(tokens, MARKDOWN.options, {}))
