from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhouse.index import negotiate
from keyhouse.index.negotiate import ENCODINGS, FORMS, HTML, JSON, PLAIN_HTML

PIP = f"{JSON}, {HTML}; q=0.1, text/html; q=0.01"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, PLAIN_HTML),
        ("", PLAIN_HTML),
        ("*/*", PLAIN_HTML),
        ("*", PLAIN_HTML),
        ("text/html", PLAIN_HTML),
        ("TEXT/HTML", PLAIN_HTML),
        ("text/*", PLAIN_HTML),
        ("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", PLAIN_HTML),
        (PIP, JSON),
        (f"{JSON}, {HTML};q=0.2, text/html;q=0.01", JSON),
        (f"{JSON}, */*", JSON),
        (f"*/*, {HTML}", HTML),
        (f"{JSON};q=0.5, text/html", PLAIN_HTML),
        (f"{JSON}, text/html", JSON),
        (f"{JSON};q=0, */*", PLAIN_HTML),
        (f"{JSON};q=0, text/html;q=0, */*", HTML),
        ("text/html;q=0, */*;q=0.3", JSON),
        ("application/*", JSON),
        (f"application/*;q=0.5, {HTML}", HTML),
        ("application/vnd.pypi.simple.latest+json", JSON),
        ("application/vnd.pypi.simple.latest+html", HTML),
        ("application/vnd.pypi.simple.latest+json;q=0.1, text/html;q=0.2", PLAIN_HTML),
        ("text/html;level=1;q=0.4, " + JSON + ";q=0.3", PLAIN_HTML),
        (f"{JSON};q=1.000", JSON),
        ("nonsense, text/html", PLAIN_HTML),
        ("text/html;q=0.001", PLAIN_HTML),
        # nothing we have
        ("application/json", None),
        ("application/vnd.pypi.simple.v2+json", None),
        ("text/html;q=0", None),
        ("*/*;q=0", None),
        ("image/png, audio/*", None),
        ("garbage", None),
        (",,,;;;", None),
        ("text/html;q=2", None),
        ("text/html;q=nan", None),
        ("text/html;q=-1", None),
        ("text/html;q=1e9", None),
    ],
)
def test_the_form_follows_the_accept_header(accept: str | None, form: str | None) -> None:
    assert negotiate.choose_form(accept) == form


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        (None, "identity"),
        ("", "identity"),
        ("identity", "identity"),
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("GZIP", "gzip"),
        ("gzip, deflate", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("zstd;q=0, gzip;q=0.1", "gzip"),
        ("*", "zstd"),
        ("*;q=0.5, zstd;q=0", "gzip"),
        ("gzip;q=0.5, identity", "identity"),
        ("gzip;q=0", "identity"),
        ("br, deflate", "identity"),
        ("identity;q=0", "identity"),
        ("*;q=0", "identity"),
        ("gzip;q=broken", "identity"),
        (";;;,,", "identity"),
    ],
)
def test_the_encoding_follows_the_accept_encoding_header(accept: str | None, encoding: str) -> None:
    assert negotiate.choose_encoding(accept) == encoding


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"", (False, None)),
        (b"x=y", (False, None)),
        (b"format=" + JSON.encode(), (True, JSON)),
        (b"format=application%2Fvnd.pypi.simple.v1%2Bjson", (True, JSON)),
        (b"a=b&format=text/html&format=" + JSON.encode(), (True, PLAIN_HTML)),
        (b"format=application/vnd.pypi.simple.latest+html", (True, HTML)),
        (b"format=application/json", (True, None)),
        (b"format=", (True, None)),
        (b"format=%ff%00", (True, None)),
    ],
)
def test_the_format_of_the_query_is_read(query: bytes, expected: tuple[bool, str | None]) -> None:
    assert negotiate.choose_format(query) == expected


@given(st.binary(max_size=300) | st.none(), st.binary(max_size=300) | st.none())
def test_any_headers_get_a_choice(accept: bytes | None, accept_encoding: bytes | None) -> None:
    choice = negotiate.choose(accept, accept_encoding)
    assert choice.form in {*FORMS, None}
    assert choice.encoding in ENCODINGS
    assert (choice.variant is None) == (choice.form is None)


_PARTS = st.sampled_from(
    [JSON, HTML, PLAIN_HTML, "*/*", "text/*", "application/*", "image/png", "gzip", "identity", "*"]
)
_WEIGHTS = st.sampled_from(["", ";q=0", ";q=0.5", "; q=1", ";q=0.001", ";q=x"])


@given(st.lists(st.tuples(_PARTS, _WEIGHTS).map("".join), max_size=6))
def test_a_form_refused_by_name_is_never_sent(parts: list[str]) -> None:
    chosen = negotiate.choose_form(", ".join(parts))
    for form in FORMS:
        named = [part for part in parts if part.startswith(form)]
        if named and named[0] == form + ";q=0":
            assert chosen != form


@given(st.lists(st.tuples(_PARTS, _WEIGHTS).map("".join), min_size=1, max_size=6))
def test_an_only_choice_stays_the_same_with_blanks_and_capitals(parts: list[str]) -> None:
    plain = negotiate.choose_form(",".join(parts))
    assert negotiate.choose_form("  ,\t ".join(part.upper() for part in parts)) == plain


def test_long_headers_are_judged_without_being_remembered() -> None:
    before = negotiate._remembered.cache_info().currsize
    choice = negotiate.choose(b"text/html," * 10_000, b"gzip," * 10_000)
    assert (choice.form, choice.encoding) == (PLAIN_HTML, "gzip")
    assert negotiate._remembered.cache_info().currsize == before
