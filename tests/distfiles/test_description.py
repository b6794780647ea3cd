from html import escape
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest

from keyhouse.distfiles.description import (
    LONGEST_HERE,
    LONGEST_HTML,
    LONGEST_RENDERED,
    find_format,
    render,
    render_here,
    renders,
)
from keyhouse.distfiles.rendering import render_apart

pytestmark = pytest.mark.by_turns

MARKDOWN = LONGEST_HERE["markdown"]


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        (None, "rst"),
        ("", "rst"),
        ("text/x-rst", "rst"),
        ("text/x-rst; charset=UTF-8", "rst"),
        ("text/markdown", "markdown"),
        ("Text/Markdown; variant=GFM; charset=utf-8", "markdown"),
        ("text/markdown; variant=CommonMark", "markdown"),
        ("text/plain", "plain"),
        ("text/markdown; variant=Nonsense", None),
        ("text/markdown; charset=latin-1", None),
        ("text/html", None),
        ("markdown", None),
        ("text", None),
        ("text/markdown/more", None),
        ("application/json", None),
    ],
)
def test_content_types(content_type: str | None, expected: str | None) -> None:
    assert find_format(content_type) == expected


def test_the_three_formats_become_html() -> None:
    assert "<em>x</em>" in (render("*x*", "text/x-rst") or "")
    assert "<em>x</em>" in (render("*x*", None) or "")
    assert "<strong>x</strong>" in (render("**x**", "text/markdown") or "")
    assert "<table>" in (render("|a|\n|-|\n|b|\n", "text/markdown") or "")
    assert render("a < b\nc", "text/plain") == "a &lt; b<br>c"


_ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))",
    "<iframe src='https://example.org'></iframe>",
    "<style>body{display:none}</style>",
    "<link rel=stylesheet href='https://example.org/x.css'>",
    "<form action='https://example.org'><input name=password></form>",
    "<svg><script>alert(1)</script></svg>",
    "<p style='position:fixed'>x</p>",
    "<object data='x'></object><embed src='x'><base href='https://example.org'>",
    "<meta http-equiv=refresh content='0;url=https://example.org'>",
    "<math><mtext><style><img src=x onerror=alert(1)></style></mtext></math>",
    "![x](data:text/html;base64,PHNjcmlwdD4=)",
    "<video src='https://example.org/x' autoplay></video>",
    ".. raw:: html\n\n   <script>alert(1)</script>",
    ".. _x: javascript:alert(1)\n\nx_",
    ".. image:: javascript:alert(1)",
    ".. include:: /etc/passwd",
]
_ACTIVE_TAGS = {
    "script",
    "iframe",
    "style",
    "link",
    "form",
    "svg",
    "object",
    "embed",
    "base",
    "meta",
    "video",
    "audio",
    "math",
    "frame",
}
_PASSIVE_SCHEMES = {"", "http", "https", "mailto"}


class _Active(HTMLParser):
    """Collects whatever a browser would run, load or send; text is only text."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [tag] if tag in _ACTIVE_TAGS else []
        self.found += [name for name, _ in attrs if name.startswith("on") or name == "style"]
        links = [value or "" for name, value in attrs if name in {"href", "src"}]
        self.found += [link for link in links if urlsplit(link).scheme not in _PASSIVE_SCHEMES]
        self.found += ["input"] if tag == "input" and "disabled" not in dict(attrs) else []


@pytest.mark.parametrize("content_type", ["text/markdown", "text/x-rst", "text/plain"])
@pytest.mark.parametrize("attack", _ATTACKS)
def test_nothing_active_gets_through(attack: str, content_type: str) -> None:
    html = render(attack, content_type) or ""
    parser = _Active()
    parser.feed(html)
    assert parser.found == []
    assert "root:" not in html


def test_links_are_not_followed_by_search_engines_and_images_stay() -> None:
    html = render("[a](https://example.org) ![b](https://example.org/b.png)", "text/markdown") or ""
    assert 'rel="nofollow"' in html
    assert '<img src="https://example.org/b.png"' in html


@pytest.mark.parametrize(
    "text", ["=====\nTitle\n", "``x", ".. nothing::", ".. code-block::\n\n   x\n\n* a\nb"]
)
def test_broken_markup_does_not_render(text: str) -> None:
    assert render(text, "text/x-rst") is None
    assert not renders(text, "text/x-rst")
    assert renders(text, "text/markdown")


def test_nothing_renders_to_nothing() -> None:
    for content_type in ("text/markdown", "text/x-rst", "text/plain", None):
        assert render(" \n", content_type) == ""
        assert renders("", content_type)
    assert render("<!-- only a comment -->", "text/markdown") is not None


@pytest.mark.parametrize("line", ["-" * 150, "=" * 150, "+" + "-" * 120 + "+", "*" * 600, "_" * 600])
def test_long_rulers_are_nothing_special(line: str) -> None:
    assert "<strong>x</strong>" in (render(f"**x**\n\n{line}\n", "text/markdown") or "")


def test_an_unknown_type_does_not_render() -> None:
    assert render("x", "text/html") is None
    assert not renders("x", "text/html")


@pytest.mark.parametrize(
    "text", ["x" * (LONGEST_RENDERED + 1), ">" * 50_000, "[" * 50_000, "* " * 20_000 + "x", "<div>" * 10_001]
)
def test_what_would_take_too_long_is_shown_as_it_is(text: str) -> None:
    for content_type in ("text/markdown", "text/x-rst"):
        assert (render(text, content_type) or "").startswith(escape(text[:20]))


def table(columns: int, rows: int, *, end: str = "\n", before: str = "") -> str:
    """Return a table whose rows have one cell each: all others are made when it is rendered."""
    lines = ["|a" * columns + "|", "|-" * columns + "|", *["|b"] * rows]
    return "".join(before + line + end for line in lines)


@pytest.mark.parametrize(
    "text",
    [
        table(400, 1600),
        table(400, 1600, end="\r"),
        table(400, 1600, end="\r\n"),
        table(400, 1600, before="> "),
        table(400, 1600).replace("|-", ":-|").replace("|b", "b"),
        "- " + table(400, 1600, before="  "),
        (table(40, 60) + "\n") * 40,
        "<?" * 10_000,
        "<!--" * 10_000,
        "<![CDATA[" * 10_000,
        " ".join("`" * length for length in range(1, 300)),
    ],
)
def test_few_signs_that_would_take_long_or_become_very_many_are_shown_as_they_are(text: str) -> None:
    html = render(text, "text/markdown") or ""
    assert html.startswith(escape(text[:4]))
    assert len(html) < 5 * len(text)


@pytest.mark.parametrize("mark", ["* ", "1. ", "a) ", "(#) ", ":a: "])
def test_lists_of_lists_are_shown_as_they_are(mark: str) -> None:
    text = (mark * 60 + "a\n\n") * 20
    assert (render(text, "text/x-rst") or "").startswith(mark)
    assert renders(text, "text/x-rst")
    assert "<li>" in (render("* * a\n\n* b\n", "text/x-rst") or "")


def test_a_long_place_that_many_links_lead_to_is_written_out_apart_at_most() -> None:
    place = ".. _x: http://a/\n" + ("   " + "b" * 5000 + "\n") * 3
    text = place + "\n" + "\n\n".join(["x_ " * 1000] * 5)
    assert render_apart(text, "text/x-rst") == (False, None)
    assert (render(text, "text/x-rst") or "").startswith(".. _x:")


def test_honest_tables_and_comments_are_rendered() -> None:
    text = "<!-- 1 -->\n\n" * 100 + table(3, 0) + "|x|y|z|\n" * 800 + "\n" + "|a|b|\n|-|-|\n|x|\n" * 20
    assert (render(text, "text/markdown") or "").count("<tr>") > 800


def test_what_becomes_longer_than_a_page_can_be_cut_from_is_shown_as_it_is() -> None:
    html = render("[a](b) " * 40_000, "text/markdown") or ""
    assert html.startswith("[a](b)")
    assert len(html) < LONGEST_HTML


@pytest.mark.parametrize("content_type", ["text/markdown", "text/x-rst", None])
def test_a_long_text_is_rendered_apart_to_the_same(content_type: str | None) -> None:
    text = "A *word*, and more\n\n" * (MARKDOWN // 10)
    assert render(text, content_type) == render_here(text, content_type)
    assert "<em>word</em>" in (render(text, content_type) or "")


def test_a_long_text_that_does_not_render_does_not_apart() -> None:
    assert render("*a\n\n" * MARKDOWN, "text/markdown") is not None
    assert render("Title\n=====\n\n" + "a b\n" * (MARKDOWN // 3), "text/x-rst") is not None
    assert render(".. nothing::\n\n" + "a b\n" * (MARKDOWN // 3), "text/x-rst") is None


def test_what_takes_too_long_apart_is_ended() -> None:
    assert render_apart("<?" * 60_000, "text/markdown", seconds=1) == (False, None)


def test_what_is_no_text_is_told_apart_as_here() -> None:
    odd = "\ud800 \x00 " * MARKDOWN
    for content_type in ("text/markdown", "text/plain"):
        assert render(odd, content_type) == render_here(odd, content_type)


def test_blanks_between_marks_are_read_in_one_way_only() -> None:
    # with several ways a search would try all their combinations, and never end
    for mark in ("*  ", "> \t "):
        text = mark * 99 + "x" * 300
        assert "x" * 300 in (render(text, "text/markdown") or "")
        assert (render(mark * 200, "text/markdown") or "").count("<li>") == 0


def test_a_long_rst_description_is_shown_as_it_is() -> None:
    notes = "".join(f".. [#] note {number}\n\n[#]_ text\n\n" for number in range(5000))
    assert renders(notes, "text/x-rst")
    assert ".. [#]" in (render(notes, "text/x-rst") or "")


def test_an_endless_content_type_is_no_type() -> None:
    assert find_format("text/plain" + ";" * 1_000_000) is None


@pytest.mark.parametrize(
    "text",
    [
        "T\n=\n\n" + ".. Contents::\n\n" * 2000 + "".join(f"S{n}\n----\n\n" for n in range(4000)),
        f".. |a| replace:: {'y ' * 4000}\n\n" + "|a| |a| |a| |a|\n" * 4000,
        "- .. |a| replace:: y\n\t" + "\v\n    yyyy" * 4000 + "\n\n" + "|a| |a| |a| |a|\n" * 4000,
        f".. |a| replace:: y\n.. |b| replace:: {'|a|' * 500}\n\n" + "|b| |b| |b| |b|\n" * 4000,
    ],
)
def test_what_would_become_very_much_is_shown_as_it_is(text: str) -> None:
    assert renders(text, "text/x-rst")
    assert len(render(text, "text/x-rst") or "") < 10 * len(text)


def test_badges_and_one_table_of_contents_are_rendered() -> None:
    badges = "".join(f".. |b{n}| image:: https://example.org/{n}.svg\n" for n in range(40))
    mentions = " ".join(f"|b{n}|" for n in range(40))
    html = render(f".. contents::\n\nTitle\n=====\n\n{mentions}\n\n{badges}", "text/x-rst") or ""
    assert html.count("<img") == 40
