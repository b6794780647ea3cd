from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import zstandard
from pypi_simple import ProjectPage

from keyhouse.index.negotiate import HTML, JSON

AS_PIP = f"{JSON}, {HTML}; q=0.1, text/html; q=0.01"


def test_a_page_in_the_form_a_client_wants(client: Any, index: Any) -> None:
    file = index.publish()
    as_json = client.ask("/simple/alpha/", {"Accept": AS_PIP})
    assert (as_json.status, as_json.headers["content-type"]) == (200, JSON)
    assert json.loads(as_json.body)["files"][0]["filename"] == file.filename
    as_html = client.ask("/simple/alpha/")
    assert as_html.headers["content-type"] == "text/html; charset=utf-8"
    assert client.ask("/simple/alpha/", {"Accept": HTML}).headers["content-type"] == HTML
    assert client.ask("/simple/alpha/", {"Accept": HTML}).body == as_html.body
    assert "content-security-policy" in as_html.headers


def test_both_forms_lead_to_the_bytes(client: Any, index: Any) -> None:
    index.publish(body=b"the very bytes")
    base = "http://localhost:8400/simple/alpha/"
    by_json = ProjectPage.from_json_data(
        json.loads(client.ask("/simple/alpha/", {"Accept": JSON}).body), base
    )
    by_html = ProjectPage.from_html("alpha", client.ask("/simple/alpha/").body.decode(), base)
    for page in (by_json, by_html):
        path = page.packages[0].url.partition("#")[0].removeprefix("http://localhost:8400")
        assert client.ask(path).body == b"the very bytes"
        assert client.ask(path + ".metadata").body == b"Metadata-Version: 2.1\n"


def test_headers_of_a_page(client: Any, index: Any) -> None:
    index.publish()
    headers = client.ask("/simple/alpha/", {"Accept": JSON}).headers
    assert headers["cache-control"] == "no-cache"
    assert headers["vary"] == "Accept, Accept-Encoding"
    assert headers["access-control-allow-origin"] == "*"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-pypi-last-serial"] == "1"
    assert headers["etag"].startswith('"')
    assert "surrogate-key" not in headers
    assert "content-encoding" not in headers


@pytest.mark.parametrize(
    "path", ["/simple/alpha/", "/simple/", "/pypi/alpha/json", "/rss/updates.xml", "/stats.json"]
)
def test_every_encoding_holds_the_same_bytes_under_its_own_tag(client: Any, index: Any, path: str) -> None:
    index.publish()
    plain, zipped, packed = (
        client.ask(path, {"Accept-Encoding": encoding}) for encoding in ("identity", "gzip", "zstd")
    )
    assert gzip.decompress(zipped.body) == plain.body
    assert zstandard.ZstdDecompressor().decompress(packed.body) == plain.body
    assert zipped.headers["content-encoding"] == "gzip"
    assert packed.headers["content-encoding"] == "zstd"
    assert len({response.headers["etag"] for response in (plain, zipped, packed)}) == 3
    assert all(int(r.headers["content-length"]) == len(r.body) for r in (plain, zipped, packed))


def test_the_same_page_is_sent_the_same_way_twice(client: Any, index: Any) -> None:
    index.publish()
    for headers in ({}, {"Accept": JSON}, {"Accept": AS_PIP, "Accept-Encoding": "gzip"}):
        first, second = client.ask("/simple/alpha/", headers), client.ask("/simple/alpha/", headers)
        assert (first.status, first.headers, first.body) == (second.status, second.headers, second.body)


@pytest.mark.parametrize("encoding", ["identity", "gzip", "zstd"])
def test_a_known_page_is_not_sent_again(client: Any, index: Any, encoding: str) -> None:
    index.publish()
    wanted = {"Accept": JSON, "Accept-Encoding": encoding}
    first = client.ask("/simple/alpha/", wanted)
    etag = first.headers["etag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = client.ask("/simple/alpha/", {**wanted, "If-None-Match": known})
        assert (again.status, again.body) == (304, b"")
        for name in ("etag", "cache-control", "vary", "access-control-allow-origin"):
            assert again.headers[name] == first.headers[name]
        assert "content-length" not in again.headers
    for other in ('"other"', "nonsense", ""):
        assert client.ask("/simple/alpha/", {**wanted, "If-None-Match": other}).status == 200


def test_a_head_has_the_headers_of_a_get_and_no_body(client: Any, index: Any) -> None:
    file = index.publish()
    for path in ("/simple/alpha/", "/simple/", "/pypi/alpha/json", f"/files/{file.path}", "/simple/none/"):
        full, head = client.ask(path), client.ask(path, method="HEAD")
        assert (head.status, head.headers, head.body) == (full.status, full.headers, b"")


def test_nothing_acceptable_is_406(client: Any, index: Any) -> None:
    index.publish()
    for headers, query in (
        ({"Accept": "image/png"}, ""),
        ({}, "?format=application/json"),
        ({"Accept": "garbage"}, ""),
    ):
        response = client.ask(f"/simple/alpha/{query}", headers)
        assert response.status == 406
        assert response.body.startswith(b"not-acceptable: ")


def test_the_format_in_the_address_wins_over_the_header(client: Any, index: Any) -> None:
    index.publish()
    response = client.ask(f"/simple/alpha/?format={JSON}", {"Accept": "text/html", "Accept-Encoding": "gzip"})
    assert (response.headers["content-type"], response.headers["content-encoding"]) == (JSON, "gzip")
    assert (
        client.ask("/simple/?format=text/html", {"Accept": JSON})
        .headers["content-type"]
        .startswith("text/html")
    )
    assert client.ask("/simple/alpha/?nonsense=1").status == 200


def test_other_spellings_are_redirected(client: Any, index: Any) -> None:
    for path, location in (
        ("/simple", "/simple/"),
        ("/simple/alpha", "/simple/alpha/"),
        ("/simple/Alpha/", "/simple/alpha/"),
        ("/simple/Al_.-Pha/?format=text/html", "/simple/al-pha/?format=text/html"),
        ("/pypi/Alpha/json", "/pypi/alpha/json"),
        ("/pypi/alpha/json/", "/pypi/alpha/json"),
        ("/pypi/alpha/01.0/json", "/pypi/alpha/1.0/json"),
        ("/rss/project/Alpha/releases.xml", "/rss/project/alpha/releases.xml"),
    ):
        response = client.ask(path)
        assert (response.status, response.headers.get("location")) == (301, location)


def test_an_equal_version_leads_to_the_release_as_it_is_spelt(client: Any, index: Any) -> None:
    index.publish(version="1.0")
    for version in ("1", "1.0.0", "1.00", "v1.0.0"):
        path = f"/pypi/alpha/{version}/json"
        for _ in range(2):
            response = client.ask(path)
            while response.status == 301 and response.headers["location"] != "/pypi/alpha/1.0/json":
                response = client.ask(response.headers["location"])
            assert (path, response.status) == (path, 301)
    assert client.ask("/pypi/alpha/1.0.1/json").status == 404
    assert client.ask("/pypi/beta/1.0.0/json").status == 404


def test_an_equal_version_published_later_is_found(client: Any, index: Any) -> None:
    index.publish(version="2.0")
    assert client.ask("/pypi/alpha/1.0.0/json").status == 404
    index.publish(version="1.0")
    client.catch_up()
    assert client.ask("/pypi/alpha/1.0.0/json").headers["location"] == "/pypi/alpha/1.0/json"


def test_a_release_that_nobody_may_see_does_not_lead_to_itself(client: Any, index: Any) -> None:
    file = index.publish()
    index.change(file.project, status="quarantined")
    assert client.ask("/pypi/alpha/1.0/json").status == 404


NOT_HERE = [
    "/simple/none/",
    "/simple/-alpha/",
    "/simple/alpha-/",
    "/simple/al pha/",
    "/simple/älpha/",
    "/simple/alpha/../beta/",
    "/simple/../",
    "/simple/%2e%2e/",
    "/simple/alpha/index.html",
    "/simple//",
    "/simple/al\x00pha/",
    "/simple/alpha\n/",
    "/simple/" + "a" * 201 + "/",
    "/files/",
    "/files/../keys.json",
    "/files/aa/bb/" + "c" * 60 + "/../../x",
    "/files/aa/bb/" + "C" * 60 + "/x.whl",
    "/files/aa/bb/" + "c" * 60 + "/x.whl",
    "/files/aa/bb/" + "c" * 60 + "/.metadata",
    "/pypi/none/json",
    "/pypi/alpha/9.9/json",
    "/pypi/alpha/",
    "/rss/other.xml",
    "/rss/project/none/releases.xml",
    "/integrity/alpha/1.0/alpha-1.0-py3-none-any.whl/provenance",
    "/integrity/",
]


def test_what_is_not_here_is_404_and_never_more(client: Any, index: Any) -> None:
    index.publish()
    for path in NOT_HERE * 2:
        response = client.ask(path)
        assert (path, response.status) == (path, 404)
        assert b"not-found" in response.body or b"provenance-missing" in response.body


def test_errors_of_json_faces_are_json(client: Any, index: Any) -> None:
    for path in ("/pypi/none/json", "/integrity/alpha/1.0/alpha-1.0.tar.gz/provenance"):
        response = client.ask(path)
        assert response.headers["content-type"] == "application/json"
        assert set(json.loads(response.body)) == {"message", "code", "fix"}


def test_too_long_an_address_is_414(client: Any, index: Any) -> None:
    response = client.ask("/simple/" + "a" * 100_000 + "/")
    assert response.status == 414
    assert response.body.startswith(b"address-too-long: ")


def test_other_methods_are_refused(client: Any, index: Any) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE", "nonsense"):
        response = client.ask("/simple/", method=method)
        assert (response.status, response.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
        assert response.body.startswith(b"reads-only: ")


def test_browsers_on_other_sites_may_ask(client: Any, index: Any) -> None:
    response = client.ask("/simple/", method="OPTIONS")
    assert response.status == 204
    assert response.headers["access-control-allow-origin"] == "*"
    assert "GET" in response.headers["access-control-allow-methods"]


def test_repeated_headers_count_together(client: Any, index: Any) -> None:
    index.publish()
    headers = [
        ("accept", "image/png"),
        ("accept", JSON),
        ("accept-encoding", "br"),
        ("accept-encoding", "gzip"),
    ]
    response = client.ask("/simple/alpha/", headers)
    assert (response.headers["content-type"], response.headers["content-encoding"]) == (JSON, "gzip")


def test_the_root_list_of_an_empty_index(client: Any) -> None:
    assert json.loads(client.ask("/simple/", {"Accept": JSON}).body)["projects"] == []
    assert client.ask("/stats.json").status == 200
    assert client.ask("/rss/updates.xml").status == client.ask("/rss/packages.xml").status == 200


def test_the_json_documents(client: Any, index: Any) -> None:
    file = index.publish("Alpha", "1.0")
    index.publish("Alpha", "2.0")
    project = json.loads(client.ask("/pypi/alpha/json").body)
    assert (project["info"]["name"], project["info"]["version"]) == ("Alpha", "2.0")
    assert project["info"]["package_url"] == "http://localhost:8400/project/alpha/"
    release = json.loads(client.ask("/pypi/alpha/1.0/json").body)
    assert release["urls"][0]["url"] == f"http://localhost:8400/files/{file.path}"


def test_a_server_that_moved_writes_its_new_address(open_client: Callable[..., Any], index: Any) -> None:
    index.publish()
    elsewhere = open_client(base_url="https://index.example")
    document = json.loads(elsewhere.ask("/pypi/alpha/json", {"Accept-Encoding": "identity"}).body)
    assert document["info"]["package_url"] == "https://index.example/project/alpha/"
    assert b"<link>https://index.example/</link>" in elsewhere.ask("/rss/updates.xml").body
    here = open_client().ask("/pypi/alpha/json").headers["etag"]
    assert elsewhere.ask("/pypi/alpha/json").headers["etag"] != here


def test_feeds_and_totals(client: Any, index: Any) -> None:
    index.publish("alpha", "1.0")
    index.publish("beta", "2.0")
    updates = ET.fromstring(client.ask("/rss/updates.xml").body)  # noqa: S314 - our own bytes
    assert [item.findtext("title") for item in updates.iter("item")] == ["beta 2.0", "alpha 1.0"]
    packages = ET.fromstring(client.ask("/rss/packages.xml").body)  # noqa: S314 - our own bytes
    assert [item.findtext("title") for item in packages.iter("item")] == ["beta", "alpha"]
    releases = ET.fromstring(client.ask("/rss/project/alpha/releases.xml").body)  # noqa: S314 - our own bytes
    assert [item.findtext("link") for item in releases.iter("item")] == [
        "http://localhost:8400/project/alpha/1.0/"
    ]
    totals = json.loads(client.ask("/stats.json").body)
    assert (totals["projects"], totals["releases"], totals["files"]) == (2, 2, 2)


def test_quarantine_hides_a_project_from_every_face(client: Any, index: Any) -> None:
    file = index.publish("bad", "1.0")
    index.publish("good", "1.0")
    index.change(file.project, status="quarantined", status_reason="malware")
    page = json.loads(
        client.ask_until("/simple/bad/", lambda r: b"quarantined" in r.body).body.__class__(
            client.ask("/simple/bad/", {"Accept": JSON}).body
        )
    )
    assert (page["files"], page["project-status"]["status"]) == ([], "quarantined")
    assert client.ask("/pypi/bad/json").status == 404
    assert client.ask("/pypi/bad/1.0/json").status == 404
    assert client.ask("/rss/project/bad/releases.xml").status == 404
    for path in ("/simple/", "/rss/updates.xml", "/rss/packages.xml", "/stats.json"):
        assert b"bad" not in client.ask(path).body
        assert b"good" in client.ask(path).body
    refused = client.ask(f"/files/{file.path}")
    assert (refused.status, refused.body.splitlines()[0]) == (
        403,
        b"file-quarantined: This file is in quarantine: malware",
    )


def test_a_lifetime_and_surrogate_keys_are_a_setting(open_client: Callable[..., Any], index: Any) -> None:
    file = index.publish()
    client = open_client(page_max_age=600)
    page = client.ask("/simple/alpha/").headers
    assert (page["cache-control"], page["surrogate-key"]) == ("public, max-age=600", "project/alpha")
    assert client.ask("/simple/").headers["surrogate-key"] == "listing"
    assert client.ask(f"/files/{file.path}").headers["surrogate-key"] == "project/alpha"
