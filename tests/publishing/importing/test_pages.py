"""Pages of other indexes, as they should be and as somebody may have made them."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from keyhouse.publishing.importing import pages
from keyhouse.publishing.importing.errors import SourcePageInvalid

URL = "https://index.example.org/simple/alpha/"
SHA = "ab" * 32


def test_a_json_page_tells_everything() -> None:
    document = {
        "meta": {"api-version": "1.4"}, "name": "alpha", "project-status": {"status": "archived", "reason": "done"},
        "files": [
            {"filename": "alpha-1.0.tar.gz", "url": "../../files/alpha-1.0.tar.gz", "hashes": {"sha256": SHA.upper(), "x": "y"},
             "size": 5, "upload-time": "2019-05-01T10:00:00.5Z", "yanked": "bad\nidea", "requires-python": ">=3"},
            {"filename": "alpha-2.0.tar.gz", "url": "https://files.example.org/a", "hashes": {}, "yanked": False,
             "upload-time": "yesterday", "size": -3},
            {"filename": 7}, "nonsense",
        ],
    }  # fmt: skip
    found = pages.read_project(
        "alpha", json.dumps(document).encode(), "application/vnd.pypi.simple.v1+json", URL
    )
    first, second, third, fourth = found.files
    assert (found.status, found.status_reason) == ("archived", "done")
    assert first.address == "https://index.example.org/files/alpha-1.0.tar.gz"
    assert (first.hashes, first.size, first.yanked) == ({"sha256": SHA}, 5, "bad idea")
    assert first.uploaded_at == datetime(2019, 5, 1, 10, 0, 0, 500000, tzinfo=UTC)
    assert (second.yanked, second.uploaded_at, second.size, second.problem) == (None, None, None, None)
    assert [one.problem and one.problem.code for one in (third, fourth)] == ["source-entry-invalid"] * 2


def test_an_html_page_tells_links_hashes_and_yanks() -> None:
    text = f"""<!DOCTYPE html><html><head><base href="/pool/">
    <meta name="pypi:project-status" content="archived"></head><body>
    <a href="alpha-1.0.tar.gz#sha256={SHA}&amp;egg=x" data-yanked="no &amp; never">alpha</a>
    <a HREF='../up/alpha%2B2.tar.gz' data-yanked>x</a><a name="none">y</a><a href="http://[bad">z</a></body>"""
    found = pages.read_project("alpha", text.encode(), "text/html; charset=utf-8", URL)
    assert [
        (one.filename, one.address.partition("#")[0], one.hashes, one.yanked) for one in found.files[:2]
    ] == [
        (
            "alpha-1.0.tar.gz",
            "https://index.example.org/pool/alpha-1.0.tar.gz",
            {"sha256": SHA},
            "no & never",
        ),
        ("alpha+2.tar.gz", "https://index.example.org/up/alpha%2B2.tar.gz", {}, ""),
    ]
    assert found.status == "archived"
    assert found.files[2].filename == ""


def test_names_are_read_from_both_forms() -> None:
    listed = b'<a href="/simple/alpha/">Alpha</a><a href="">Beta</a>'
    assert pages.read_names(listed, "text/html", URL) == ["alpha", "Beta"]
    assert pages.read_names(
        b'{"projects": [{"name": "alpha"}, {"name": 7}, 3]}', pages.ACCEPT.split(",")[0], URL
    ) == ["alpha"]


def test_a_list_of_another_major_version_is_refused() -> None:
    with pytest.raises(SourcePageInvalid, match=r"version '2\.0' of the API"):
        pages.read_names(
            b'{"meta": {"api-version": "2.0"}, "projects": [{"name": "alpha"}]}', "application/json", URL
        )


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"files": {}}', b"\xff\xfe", b"[" * 200_000, b'{"files": ' + b"9" * 10_000 + b"}",
     b'{"meta": {"api-version": "2.0"}, "files": []}', b'{"meta": {"api-version": []}, "files": []}'],
)  # fmt: skip
def test_json_that_is_no_page_is_refused(body: bytes) -> None:
    with pytest.raises(SourcePageInvalid):
        pages.read_project("alpha", body, "application/json", URL)


@pytest.mark.parametrize(
    "bomb",
    ["<!--" + "a" * 3_000_000, "<a href='" + "x" * 3_000_000, "<a " * 1_000_000, "<![CDATA[" * 400_000, "<!DOCTYPE [" * 300_000],
    ids=["comment", "attribute", "tags", "sections", "doctypes"],
)  # fmt: skip
def test_html_that_never_ends_is_refused_or_read_at_once(bomb: str) -> None:
    try:
        found = pages.read_project("alpha", bomb.encode(), "text/html", URL)
    except SourcePageInvalid:
        return
    assert not [one for one in found.files if one.filename.endswith((".whl", ".gz"))]


@pytest.mark.parametrize(
    "body", ["<a " + "x='' " * 30000 + ">", "&#" * 100_000, "</" * 200_000, "<a href=x>" * 20_000]
)
def test_many_things_in_a_page_are_only_many(body: str) -> None:
    with suppress(SourcePageInvalid):
        assert len(pages.read_project("alpha", body.encode(), "text/html", URL).files) <= 20_000


def test_a_page_has_so_many_links_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_MOST_LINKS", 100)
    with pytest.raises(SourcePageInvalid):
        pages.read_names(b"<a href=x></a>" * 200_000, "text/html", URL)
