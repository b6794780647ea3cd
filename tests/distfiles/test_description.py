import pytest

from keyhouse.distfiles.description import LONGEST_RENDERED, find_format, render, renders


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
_FORBIDDEN = (
    "<script",
    " onerror",
    "<iframe",
    "<style",
    "<link",
    "<form",
    "<svg",
    "<object",
    "<embed",
    "<base",
    "<meta",
    "<video",
    " style=",
    "root:",
)


@pytest.mark.parametrize("content_type", ["text/markdown", "text/x-rst", "text/plain"])
@pytest.mark.parametrize("attack", _ATTACKS)
def test_nothing_active_gets_through(attack: str, content_type: str) -> None:
    html = (render(attack, content_type) or "").lower()
    assert not [part for part in _FORBIDDEN if part in html]
    assert 'href="javascript:' not in html
    assert 'src="javascript:' not in html
    assert 'src="data:' not in html


def test_links_are_not_followed_by_search_engines_and_images_stay() -> None:
    html = render("[a](https://example.org) ![b](https://example.org/b.png)", "text/markdown") or ""
    assert 'rel="nofollow"' in html
    assert '<img src="https://example.org/b.png"' in html


@pytest.mark.parametrize("text", ["Title\n==", "``x", ".. nothing::", ".. code-block::\n\n   x\n\n* a\nb"])
def test_broken_markup_does_not_render(text: str) -> None:
    assert render(text, "text/x-rst") is None
    assert not renders(text, "text/x-rst")
    assert renders(text, "text/markdown")


def test_nothing_renders_to_nothing() -> None:
    for content_type in ("text/markdown", "text/x-rst", "text/plain", None):
        assert render(" \n", content_type) == ""
        assert renders("", content_type)
    assert render("<!-- only a comment -->", "text/markdown") is not None


def test_an_unknown_type_does_not_render() -> None:
    assert render("x", "text/html") is None
    assert not renders("x", "text/html")


@pytest.mark.parametrize(
    "text", ["x" * (LONGEST_RENDERED + 1), ">" * 50_000, "[" * 50_000, "* " * 20_000 + "x"]
)
def test_what_would_take_too_long_is_shown_as_it_is(text: str) -> None:
    for content_type in ("text/markdown", "text/x-rst"):
        assert (render(text, content_type) or "").startswith(text[:20].replace(">", "&gt;"))
