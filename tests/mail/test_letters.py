from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhouse.mail.letters import (
    LONGEST_SUBJECT,
    Block,
    Code,
    Facts,
    Letter,
    Link,
    Text,
    as_json,
    from_json,
    render_html,
    render_text,
    secrets_of,
    subject_line,
)

URL = "https://keyhouse.test/reset/" + "x" * 80 + "/"
LETTER = Letter(
    "password-reset",
    "A new password",
    (Text("Somebody asked for it."), Link("Choose one", URL), Code("K7QM-2R9D")),
    (Facts((("When", "2024-05-06 07:08 UTC"), ("From", "Firefox"))), Text("Your phrase: otter lamp.")),
)
BLOCKS: st.SearchStrategy[Block] = st.one_of(
    st.builds(Text, st.text()),
    st.builds(Link, st.text(), st.text()),
    st.builds(Code, st.text()),
    st.builds(Facts, st.tuples(st.tuples(st.text(), st.text()))),
)
LETTERS = st.builds(
    Letter,
    st.text(),
    st.text(),
    st.lists(BLOCKS, max_size=3).map(tuple),
    st.lists(BLOCKS, max_size=2).map(tuple),
)


def test_the_text_has_each_link_alone_on_its_line() -> None:
    assert render_text(LETTER) == (
        "Somebody asked for it.\n\n"
        f"Choose one:\n{URL}\n\n"
        "    K7QM-2R9D\n\n"
        "-- \n\n"
        "When: 2024-05-06 07:08 UTC\nFrom: Firefox\n\n"
        "Your phrase: otter lamp.\n"
    )


@pytest.mark.parametrize(
    "end", ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029", "\x1c", "\x00"]
)
def test_nobody_writes_a_line_of_their_own_into_the_mail_of_somebody_else(end: str) -> None:
    evil = f"phone{end}https://evil.example/"
    letter = Letter(
        "k", evil, (Text(f"Added: {evil}"), Facts((("Device", evil),)), Link(evil, URL), Code(evil))
    )
    lines = render_text(letter).splitlines()
    assert "https://evil.example/" not in [line.strip() for line in lines]
    assert len(subject_line(letter).splitlines()) == 1


def test_text_that_reads_backwards_or_can_not_be_seen_is_taken_out() -> None:
    letter = Letter("k", "a\u202eb\u2066c\x1b[2Jd\ud800", ())
    assert subject_line(letter) == "abc[2Jd"


def test_html_is_escaped_and_loads_nothing() -> None:
    evil = '"><img src=https://evil.example/x.png onerror=alert(1)>'
    letter = Letter(
        "k",
        evil,
        (Text(evil), Link(evil, "https://x.test/?a=1&b=" + evil), Code(evil), Facts(((evil, evil),))),
    )
    page = render_html(letter)
    assert "<img" not in page
    assert "src=" not in page.replace("&quot;&gt;&lt;img src=https", "")
    assert 'href="https://x.test/?a=1&amp;b=' not in page  # a space in it: no address
    assert "url(" not in page
    assert "@import" not in page


def test_only_web_addresses_become_links() -> None:
    for address in ("javascript:alert(1)", "data:text/html,x", "//evil.example/", "file:///etc/passwd", ""):
        assert "<a " not in render_html(Letter("k", "s", (Link("go", address),)))
    assert f'<a href="{URL}">' in render_html(LETTER)


def test_html_is_readable_in_dark_and_light() -> None:
    page = render_html(LETTER)
    assert 'name="color-scheme" content="light dark"' in page
    assert "background" not in page
    assert "color:" not in page


def test_a_subject_has_a_bound() -> None:
    assert len(subject_line(Letter("k", "x" * 100_000, ()))) == LONGEST_SUBJECT


def test_what_may_open_something_is_told() -> None:
    assert secrets_of(LETTER) == [URL, "K7QM-2R9D"]


@given(LETTERS)
def test_every_letter_survives_being_kept(letter: Letter) -> None:
    assert from_json(json.loads(json.dumps(as_json(letter)))) == letter


@given(LETTERS)
def test_every_letter_can_be_rendered(letter: Letter) -> None:
    for made in (render_text(letter), render_html(letter)):
        made.encode()
        assert made.splitlines() == made.removesuffix("\n").split("\n")
