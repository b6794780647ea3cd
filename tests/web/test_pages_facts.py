from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from keyhouse.core import clock
from keyhouse.web.descriptions import fit_description
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
        ("<br><hr>", "<br><hr>"),
        ('<h2 id="x">a<a href="#x" rel="nofollow"></a></h2>', '<h4 id="text-x">a</h4>'),
        ('<pre lang="python"><span class="k">a</span></pre>', '<pre><span class="k">a</span></pre>'),
        ('<p lang="de">a</p>', '<p lang="de">a</p>'),
    ],
)
def test_descriptions_are_fitted_into_the_page(html: str, fitted: str) -> None:
    assert fit_description(html) == fitted
