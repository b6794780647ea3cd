from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from keyhouse.core import clock
from keyhouse.web.descriptions import PAGE_BYTES, cut_description, fit_description
from keyhouse.web.pages import Pages
from keyhouse.web.release_facts import read_facts
from keyhouse.web.templatetags import shown


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (12_345, "12 kB"),
        (999_999, "1.0 MB"),
        (5_250_000_000, "5.2 GB"),
        (10**16, "10000 TB"),
    ],
)
def test_sizes_are_shown_in_decimal_units(count: int, text: str) -> None:
    assert shown.size(count) == text


def test_a_long_host_breaks_behind_dots_and_slashes_and_stays_text() -> None:
    told = shown.breakable("https://ci.example.org/a<b>")
    assert told == "https://<wbr>ci.<wbr>example.<wbr>org/<wbr>a&lt;b&gt;"


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=60), "1 minute ago"),
        (timedelta(hours=5), "5 hours ago"),
        (timedelta(days=1), "1 day ago"),
        (timedelta(days=45), "1 month ago"),
        (timedelta(days=800), "2 years ago"),
        (timedelta(minutes=-90), "in 1 hour"),
        (timedelta(days=-70), "in 2 months"),
    ],
)
def test_ages_are_told_in_their_biggest_unit(
    age: timedelta, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: now)
    assert f">{text}</time>" in shown.ago(now - age)


def test_instants_are_shown_in_utc() -> None:
    instant = datetime.fromisoformat("2026-05-06T23:30:15.25+05:00")
    assert shown.instant(instant) == '<time datetime="2026-05-06T18:30:15Z">2026-05-06 18:30 UTC</time>'
    assert shown.instant(None) == shown.ago(None) == shown.when(None) == shown.size(None) == ""


def test_an_instant_is_shown_with_its_age(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: now)
    assert shown.when(now + timedelta(hours=3)) == (
        '<time datetime="2026-05-06T10:08:09Z">2026-05-06 10:08 UTC</time> <span class="soft">(in 3 hours)</span>'
    )


def test_pages_know_what_lies_before_and_after() -> None:
    assert (Pages(1, 0, 20).count, Pages(1, 0, 20).before, Pages(1, 0, 20).after) == (1, None, None)
    middle = Pages(2, 41, 20)
    assert (middle.first, middle.count, middle.before, middle.after) == (20, 3, 1, 3)
    assert (Pages(3, 41, 20).after, Pages(9, 41, 20).before) == (None, 3)


def test_facts_of_nothing_are_empty() -> None:
    facts = read_facts({})
    assert (facts.summary, facts.licence, facts.links, facts.classifiers, facts.authors) == (
        "",
        "",
        (),
        (),
        (),
    )


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ({"license_expression": "MIT OR Apache-2.0", "license": "x"}, "MIT OR Apache-2.0"),
        ({"license": "BSD\nCopyright …"}, "BSD"),
        (
            {"license": "x" * 200, "classifiers": ["License :: OSI Approved :: MIT License"]},
            "MIT License",
        ),
        ({"license": "x" * 200}, ""),
    ],
)
def test_the_licence_is_told_in_few_words(metadata: dict[str, object], licence: str) -> None:
    assert read_facts(metadata).licence == licence


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "ftp://x.example", "//x.example", "https://", "http://[", "x"]
)
def test_only_links_to_the_web_are_shown(url: str) -> None:
    assert read_facts({"project_urls": {"Home": url}, "home_page": url}).links == ()


def test_a_link_named_twice_is_shown_once() -> None:
    metadata = {"project_urls": {"Source": "https://x.example/"}, "home_page": "https://x.example/"}
    assert [link.label for link in read_facts(metadata).links] == ["Source"]


def test_people_are_named_without_their_addresses() -> None:
    metadata = {
        "author": "Ada",
        "author_email": '"Bob B." <bob@x.example>, carl@x.example',
        "maintainer_email": "Ada <ada@x.example>",
    }
    assert read_facts(metadata).authors == ("Ada", "Bob B.")


@pytest.mark.parametrize(
    ("html", "fitted"),
    [
        ("<h1>a</h1><h6>b</h6>", "<h3>a</h3><h6>b</h6>"),
        ('<img src="https://x/y.png">', ""),
        ('<img alt="a > b" src="https://x/y.png">', '<span class="picture">a &gt; b</span>'),
        ('<img src="data:image/png;base64,AA" alt="a">', '<img src="data:image/png;base64,AA" alt="a">'),
        ('<a href="https://x/#y" id="z">1</a>', '<a href="https://x/#y" id="text-z">1</a>'),
        ('<p>1 &lt; 2 id="x" src="y"</p>', '<p>1 &lt; 2 id="x" src="y"</p>'),
        (f'<img alt="a" src="data:image/png;base64,{"A" * 9000}">', '<span class="picture">a</span>'),
        ('<div class="notice danger k n1" align="right">x</div>', '<div class="k n1" align="right">x</div>'),
        ('<span class="visually-hidden">x</span>', "<span>x</span>"),
        ('<nav class="tabs"><aside id="files">x</aside></nav>', '<div><div id="text-files">x</div></div>'),
        ('<a href="/account/sign-out/" rel="nofollow">x</a>', '<a rel="nofollow noopener ugc">x</a>'),
        ('<a href="//evil.example">x</a><a href="?q">y</a>', "<a>x</a><a>y</a>"),
        ('<input type="checkbox" checked="" disabled="">', '<input type="checkbox" checked disabled>'),
        ('<input type="password" disabled="">', ""),
        (f'<p title="{"t" * 3000}">x</p>', "<p>x</p>"),
        (
            "<ul><li>" * 30 + "x" + "</li></ul>" * 30,
            "<ul><li>" * 20 + "x" + "</li></ul>" * 20,
        ),
        ("<br><hr>", "<br><hr>"),
        ('<h2 id="x">a<a href="#x" rel="nofollow"></a></h2>', '<h4 id="text-x">a</h4>'),
        ('<pre lang="python"><span class="k">a</span></pre>', '<pre><span class="k">a</span></pre>'),
        ('<p lang="de">a</p>', '<p lang="de">a</p>'),
    ],
)
def test_descriptions_are_fitted_into_the_page(html: str, fitted: str) -> None:
    assert fit_description(html) == fitted


class Balance(HTMLParser):
    """Reads HTML and fails where an element ends that isn't the open one."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.opened: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in {"br", "hr", "img", "input", "col"}:
            self.opened.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_entityref(self, name: str) -> None:
        self.text += f"&{name};"


@pytest.mark.parametrize(
    "html",
    [
        "<table><tbody>" + '<tr id="r"><td>cell &amp; cell</td></tr>' * 9000 + "</tbody></table>",
        "<p>" + "&quot;" * 60_000 + "</p>",
        "<pre>" + "é" * 90_000 + "</pre>",
        "<blockquote>" * 400 + "word " * 30_000 + "</blockquote>" * 400,
        "<p>short</p>",
        "",
    ],
)
def test_a_long_description_is_cut_into_whole_pages(html: str) -> None:
    pages = cut_description(html)
    text = ""
    for page in pages:
        reader = Balance()
        reader.feed(page)
        reader.close()
        assert reader.opened == []
        assert len(page.encode()) < PAGE_BYTES + 2000
        text += reader.text
    assert text == re.sub("<[^>]*>", "", html)
    assert (len(pages) > 1) == (len(html) > 100)
