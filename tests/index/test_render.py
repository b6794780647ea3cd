from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st
from pypi_simple import ProjectPage as ReadPage

from keyhouse.index import render
from keyhouse.index.addresses import HERE, fill_in
from keyhouse.index.model import (
    Feed,
    FeedItem,
    IndexFile,
    ListedProject,
    ProjectPage,
    ReleaseDocument,
    Totals,
    find_latest_version,
)

AT = datetime(2024, 2, 3, 4, 5, 6, 7, tzinfo=UTC)


def a_file(version: str = "1.0", **changes: object) -> IndexFile:
    filename = str(changes.pop("filename", f"alpha-{version}-py3-none-any.whl"))
    values: dict[str, object] = {
        "filename": filename,
        "path": f"aa/bb/{'c' * 60}/{filename}",
        "size": 123,
        "sha256": "d" * 64,
        "requires_python": "",
        "uploaded_at": AT,
        "yanked": None,
        "metadata_sha256": "",
        "version": version,
        "kind": "bdist_wheel",
        "md5": "e" * 32,
        "blake2": "aabb" + "c" * 60,
        "python_tag": "py3",
    }
    return IndexFile(**{**values, **changes})  # type: ignore[arg-type]  # made-up keywords of a builder


def a_page(*files: IndexFile, status: str = "active", reason: str = "") -> ProjectPage:
    return ProjectPage("Alpha", "alpha", 7, status, reason, files)


def test_a_page_in_json_to_the_letter() -> None:
    page = a_page(a_file(requires_python=">=3.8", metadata_sha256="f" * 64))
    assert render.render_simple(page).json == (
        b'{"meta":{"api-version":"1.4","_last-serial":7},"name":"alpha",'
        b'"project-status":{"status":"active"},"versions":["1.0"],"files":['
        b'{"filename":"alpha-1.0-py3-none-any.whl",'
        b'"url":"../../files/aa/bb/' + b"c" * 60 + b'/alpha-1.0-py3-none-any.whl",'
        b'"hashes":{"sha256":"' + b"d" * 64 + b'"},"size":123,'
        b'"upload-time":"2024-02-03T04:05:06.000007Z","yanked":false,'
        b'"core-metadata":{"sha256":"' + b"f" * 64 + b'"},'
        b'"dist-info-metadata":{"sha256":"' + b"f" * 64 + b'"},'
        b'"requires-python":">=3.8"}]}'
    )


def test_a_page_in_html_to_the_letter() -> None:
    page = a_page(a_file(requires_python=">=3.8", metadata_sha256="f" * 64, yanked='broken "badly" <1>'))
    assert render.render_simple(page).html.decode() == (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="pypi:repository-version" content="1.4">\n'
        '<meta name="pypi:project-status" content="active">\n'
        "<title>Links for alpha</title>\n</head>\n<body>\n<h1>Links for alpha</h1>\n"
        f'<a href="../../files/aa/bb/{"c" * 60}/alpha-1.0-py3-none-any.whl#sha256={"d" * 64}"'
        ' data-requires-python="&gt;=3.8"'
        f' data-dist-info-metadata="sha256={"f" * 64}" data-core-metadata="sha256={"f" * 64}"'
        ' data-yanked="broken &quot;badly&quot; &lt;1&gt;">alpha-1.0-py3-none-any.whl</a><br />\n'
        "</body>\n</html>\n<!--SERIAL 7-->\n"
    )


def test_yanked_is_false_true_or_the_reason() -> None:
    page = a_page(a_file("1"), a_file("2", yanked=""), a_file("3", yanked="why"))
    files = json.loads(render.render_simple(page).json)["files"]
    assert [file["yanked"] for file in files] == [False, True, "why"]
    assert b'data-yanked=""' in render.render_simple(page).html


def test_files_stand_in_one_order_whatever_order_they_come_in() -> None:
    files = [a_file(version) for version in ("1.10", "1.9", "1.9rc1", "2.0.dev1")]
    forward, backward = a_page(*files), a_page(*reversed(files))
    assert render.render_simple(forward) == render.render_simple(backward)
    assert json.loads(render.render_simple(forward).json)["versions"] == ["1.9rc1", "1.9", "1.10", "2.0.dev1"]


def test_instants_are_written_in_utc() -> None:
    elsewhere = AT.astimezone(timezone(timedelta(hours=5)))
    page = a_page(a_file(uploaded_at=elsewhere.replace(microsecond=0)))
    assert b'"upload-time":"2024-02-03T04:05:06.000000Z"' in render.render_simple(page).json


def test_a_status_and_its_reason_are_in_both_forms() -> None:
    rendered = render.render_simple(a_page(a_file(), status="archived", reason='gone to "beta" & co'))
    assert json.loads(rendered.json)["project-status"] == {
        "status": "archived",
        "reason": 'gone to "beta" & co',
    }
    assert b'<meta name="pypi:project-status" content="archived">' in rendered.html
    assert (
        b'<meta name="pypi:project-status-reason" content="gone to &quot;beta&quot; &amp; co">'
        in rendered.html
    )


def test_a_quarantined_project_offers_nothing_in_any_face() -> None:
    page = a_page(a_file(), status="quarantined", reason="malware")
    rendered = render.render_simple(page)
    assert json.loads(rendered.json)["files"] == []
    assert json.loads(rendered.json)["versions"] == []
    assert b"<a " not in rendered.html
    document = json.loads(render.render_project_json(ReleaseDocument(page, "1.0", {})))
    assert (document["urls"], document["releases"]) == ([], {})


def test_addresses_are_quoted() -> None:
    page = a_page(a_file("1!1.0+local", filename="alpha-1!1.0+local-py3-none-any.whl"))
    assert b"alpha-1%211.0%2Blocal-py3-none-any.whl#sha256" in render.render_simple(page).html


def test_both_forms_say_the_same_to_a_reader_of_them() -> None:
    files = [
        a_file("1.0", requires_python=">=3.8, <4", metadata_sha256="f" * 64),
        a_file("1.1", yanked="it's <broken>"),
        a_file("1.1", filename="alpha-1.1.tar.gz", kind="sdist", python_tag="source"),
    ]
    rendered = render.render_simple(a_page(*files))
    base = "http://localhost:8400/simple/alpha/"
    by_json = ReadPage.from_json_data(json.loads(rendered.json), base)
    by_html = ReadPage.from_html("alpha", rendered.html.decode(), base)
    assert [_facts(package) for package in by_json.packages] == [_facts(p) for p in by_html.packages]
    assert by_json.packages[0].url == f"http://localhost:8400/files/{files[0].path}"
    assert by_json.repository_version == by_html.repository_version == "1.4"
    assert b"<!--SERIAL 7-->" in rendered.html


def _facts(package: object) -> tuple[object, ...]:
    names = ("filename", "requires_python", "is_yanked", "yanked_reason", "metadata_digests")
    url = str(getattr(package, "url")).partition("#")[0]  # noqa: B009 - the reader's class has no types for it
    has_metadata = bool(getattr(package, "has_metadata"))  # noqa: B009 - and HTML can't say no
    return (url, has_metadata, *(getattr(package, name) for name in names))


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r\x7f")),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r\x7f")),
)
def test_no_text_breaks_out_of_its_place(reason: str, requires: str) -> None:
    rendered = render.render_simple(a_page(a_file(yanked=reason, requires_python=requires)))
    reader = _Links()
    reader.feed(rendered.html.decode())
    links = [attributes for tag, attributes in reader.tags if tag == "a"]
    assert len(links) == 1
    assert links[0]["data-yanked"] == reason
    assert links[0].get("data-requires-python", "") == requires
    assert json.loads(rendered.json)["files"][0]["yanked"] == (reason or True)


def test_the_root_list_to_the_letter() -> None:
    rendered = render.render_root(
        [ListedProject("Alpha", "alpha", 3), ListedProject("b.<b>", "b-b", 5)], serial=9
    )
    assert rendered.json == (
        b'{"meta":{"api-version":"1.4","_last-serial":9},"projects":'
        b'[{"name":"Alpha","_last-serial":3},{"name":"b.<b>","_last-serial":5}]}'
    )
    assert b'<a href="alpha/">Alpha</a><br />\n<a href="b-b/">b.&lt;b&gt;</a><br />\n</body>' in rendered.html
    assert rendered.html.endswith(b"<!--SERIAL 9-->\n")


METADATA: dict[str, object] = {
    "summary": "First letter",
    "description": f"# Alpha{HERE} — größer",
    "keywords": ["a", "b"],
    "platforms": [],
    "classifiers": ["Topic :: Utilities"],
    "project_urls": {"Home": "https://example.org"},
    "requires_python": ">=3.8",
    "requires_dist": ["beta>=1"],
}


def test_the_json_document_of_a_project() -> None:
    files = (a_file("1.0"), a_file("2.0", yanked="bad", requires_python=">=3.9"))
    body = render.render_project_json(ReleaseDocument(a_page(*files), "1.0", METADATA))
    document = json.loads(fill_in(body, "https://index.example"))
    info = document["info"]
    assert set(document) == {"info", "last_serial", "urls", "releases", "vulnerabilities"}
    assert (info["name"], info["version"], info["summary"]) == ("Alpha", "1.0", "First letter")
    assert info["description"] == "# Alpha — größer"
    assert info["keywords"] == "a,b"
    assert info["author"] == ""
    assert info["requires_dist"] == ["beta>=1"]
    assert info["package_url"] == "https://index.example/project/alpha/"
    assert info["release_url"] == "https://index.example/project/alpha/1.0/"
    assert [file["filename"] for file in document["urls"]] == ["alpha-1.0-py3-none-any.whl"]
    assert list(document["releases"]) == ["1.0", "2.0"]
    second = document["releases"]["2.0"][0]
    assert second["url"] == f"https://index.example/files/{files[1].path}"
    assert second["digests"] == {
        "blake2b_256": files[1].blake2,
        "md5": files[1].md5,
        "sha256": files[1].sha256,
    }
    assert (second["yanked"], second["yanked_reason"]) == (True, "bad")
    assert second["upload_time_iso_8601"] == "2024-02-03T04:05:06.000007Z"
    assert (second["packagetype"], second["python_version"]) == ("bdist_wheel", "py3")


def test_the_json_document_of_a_release_names_only_its_own_files() -> None:
    page = a_page(a_file("1.0"), a_file("2.0"))
    document = json.loads(render.render_release_json(ReleaseDocument(page, "2.0", METADATA, yanked="why")))
    assert "releases" not in document
    assert [file["filename"] for file in document["urls"]] == ["alpha-2.0-py3-none-any.whl"]
    assert (document["info"]["yanked"], document["info"]["yanked_reason"]) == (True, "why")


def test_the_mark_of_an_address_can_not_be_written_by_others() -> None:
    metadata = {"summary": HERE, "project_urls": {HERE + "a": HERE}, "classifiers": [HERE]}
    page = a_page(a_file(yanked=HERE, requires_python=HERE))
    body = render.render_release_json(ReleaseDocument(page, "1.0", metadata, yanked=HERE))
    assert body.count(HERE.encode()) == 4  # three addresses of the project, one of the file


def test_a_feed_is_well_formed_whatever_the_texts_hold() -> None:
    item = FeedItem("alpha 1.0 <&>", "/project/alpha/1.0/", f"bad \x00\x0b{HERE}\ud800 ]]> text", AT)
    body = fill_in(render.render_rss(Feed("New", "/", "d", (item,))), "https://index.example")
    channel = ET.fromstring(body).find("channel")  # noqa: S314 - our own bytes
    assert channel is not None
    assert channel.findtext("link") == "https://index.example/"
    assert channel.findtext("item/title") == "alpha 1.0 <&>"
    assert channel.findtext("item/description") == "bad  ]]> text"
    assert channel.findtext("item/guid") == "https://index.example/project/alpha/1.0/"
    assert channel.findtext("item/pubDate") == "Sat, 03 Feb 2024 04:05:06 GMT"


def test_the_totals_to_the_letter() -> None:
    totals = Totals(projects=1, releases=2, files=3, size=4, largest=(("alpha", 4),), serial=9)
    assert render.render_stats(totals) == (
        b'{"projects":1,"releases":2,"files":3,"total_size":4,'
        b'"largest_projects":[{"name":"alpha","size":4}],"last_serial":9}'
    )


def test_entity_tags_differ_with_the_bytes() -> None:
    assert render.etag_of(b"a") != render.etag_of(b"b")
    assert len(render.etag_of(b"a")) == 32


def test_the_newest_final_version_stands_for_a_project() -> None:
    assert find_latest_version([]) is None
    assert find_latest_version([a_file("1.0"), a_file("2.0rc1"), a_file("1.5", yanked="")]) == "1.0"
    assert find_latest_version([a_file("2.0rc1"), a_file("1.5", yanked="")]) == "2.0rc1"
    assert find_latest_version([a_file("1.5", yanked=""), a_file("1.0", yanked="")]) == "1.5"
    assert find_latest_version([a_file("not a version"), a_file("0.1")]) == "0.1"
