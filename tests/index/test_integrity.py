"""Provenances of files (PEP 740): where index pages say they are, and what is found there."""

from __future__ import annotations

import json
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from tests.index.conftest import Client, Index

from keyhouse.core import configuration
from keyhouse.index.keeper import Keeper
from keyhouse.index.negotiate import INTEGRITY, takes_integrity
from keyhouse.projects.models import File, IndexPage, Provenance
from keyhouse.projects.pages import refresh_pages

JSON = "application/vnd.pypi.simple.v1+json"
NAME = "alpha-1.0-py3-none-any.whl"
PATH = f"/integrity/alpha/1.0/{NAME}/provenance"
BODY = {
    "version": 1,
    "attestation_bundles": [{"publisher": {"kind": "GitHub"}, "attestations": [{"ü": "1"}]}],
}


def vouch(index: Index, version: str = "1.0", **facts: Any) -> File:
    file = index.publish("alpha", version, **facts)
    Provenance.objects.create(file=file, body=BODY)
    index.change_file(file, has_provenance=True)
    return file


def links(client: Client) -> list[object]:
    page = client.ask("/simple/alpha/", {"Accept": JSON}).body
    html = unescape(client.ask("/simple/alpha/", {"Accept": "text/html"}).body.decode())
    files = json.loads(page)["files"]
    for file in files:
        assert (f'data-provenance="{file.get("provenance")}"' in html) == ("provenance" in file)
    return [file.get("provenance") for file in files]


@pytest.mark.parametrize(
    ("accept", "is_taken"),
    [
        (None, True),
        ("", True),
        ("*/*", True),
        (INTEGRITY, True),
        ("application/json", True),
        ("text/html, application/*;q=0.1", True),
        ("text/html", False),
        (f"{INTEGRITY};q=0", False),
        ("application/vnd.pypi.integrity.v2+json", False),
        ("nonsense", False),
    ],
)
def test_who_takes_a_provenance(accept: str | None, *, is_taken: bool) -> None:
    assert takes_integrity(None if accept is None else accept.encode()) == is_taken


def test_both_forms_of_the_page_lead_to_the_provenance_by_a_whole_address(
    index: Index, client: Client
) -> None:
    vouch(index)
    index.publish("alpha", "1.1")
    assert links(client) == [configuration.current().base_url + PATH, None]
    found = client.ask(PATH)
    assert (found.status, found.headers["content-type"]) == (200, INTEGRITY)
    assert json.loads(found.body) == BODY
    assert "Accept" in found.headers["vary"]
    assert found.headers["content-length"] == str(len(found.body))
    assert client.ask(PATH, {"If-None-Match": found.headers["etag"]}).status == 304
    assert client.ask(PATH, method="HEAD").body == b""
    assert client.ask(PATH, {"Accept-Encoding": "gzip"}).headers["content-encoding"] == "gzip"
    for _ in range(2):  # also from memory
        assert client.ask(PATH, {"Accept": "text/html"}).status == 406


def test_the_address_is_that_of_the_server_that_answers(
    index: Index, open_client: Callable[..., Client]
) -> None:
    vouch(index)
    keeper = Keeper(configuration.current())
    keeper.settle()
    keeper.stop()
    moved = open_client(base_url="https://pkgs.example.org")
    assert links(moved) == [f"https://pkgs.example.org{PATH}"]
    for encoding in ("gzip", "zstd", "identity"):
        assert moved.ask("/simple/alpha/", {"Accept": JSON, "Accept-Encoding": encoding}).status == 200
    assert moved.ask("/simple/alpha/").headers["etag"] != open_client().ask("/simple/alpha/").headers["etag"]
    assert set(IndexPage.objects.filter(kind="simple").values_list("gzip", "zstd")) == {(None, None)}


def test_a_page_without_a_provenance_keeps_its_compressed_forms(index: Index, client: Client) -> None:
    index.publish("alpha", requires_python=">=3.9\x7f")
    keeper = Keeper(configuration.current())
    keeper.settle()
    keeper.stop()
    assert all(all(row) for row in IndexPage.objects.filter(kind="simple").values_list("gzip", "zstd"))
    assert b"\x7f" not in client.ask("/simple/alpha/").body


@pytest.mark.parametrize(
    "path",
    [
        "/integrity/alpha/1.1/alpha-1.1-py3-none-any.whl/provenance",
        f"/integrity/beta/1.0/{NAME}/provenance",
        f"/integrity/alpha/9/{NAME}/provenance",
        "/integrity/alpha/1.0/nothing/provenance",
    ],
)
def test_what_has_none_is_answered_404(path: str, index: Index, client: Client) -> None:
    vouch(index)
    index.publish("alpha", "1.1")
    index.publish("beta")
    answer = client.ask(path)
    assert (answer.status, json.loads(answer.body)["code"]) == (404, "provenance-missing")


def test_another_spelling_leads_to_the_right_one(index: Index, client: Client) -> None:
    vouch(index)
    answer = client.ask(f"/integrity/Alpha/1.0/{NAME}/provenance/")
    assert (answer.status, answer.headers["location"]) == (301, PATH)


def test_it_goes_with_quarantine_and_comes_back(index: Index, client: Client) -> None:
    file = vouch(index)
    assert client.ask(PATH).status == 200
    for is_hidden in (True, False):
        index.change_file(file, is_quarantined=is_hidden)
        client.catch_up()
        assert client.ask(PATH).status == (404 if is_hidden else 200)
    for status in ("quarantined", "active"):
        index.change(file.project, status=status)
        client.catch_up()
        assert client.ask(PATH).status == (200 if status == "active" else 404)


def test_a_provenance_that_is_there_is_not_written_again(index: Index) -> None:
    file = vouch(index)
    stored = IndexPage.objects.get(kind="integrity")
    refresh_pages(file.project, versions=["1.0"])
    assert IndexPage.objects.get(kind="integrity").serial == stored.serial
    File.objects.update(is_quarantined=True)
    refresh_pages(file.project, versions=["1.0"])
    assert IndexPage.objects.get(kind="integrity").is_gone


def test_in_a_private_index_it_is_for_readers_only(index: Index, open_client: Callable[..., Client]) -> None:
    vouch(index)
    assert open_client(reads="private").ask(PATH).status == 401


def test_the_longest_names_fit(index: Index, client: Client) -> None:
    filename = f"{'a' * 245}.whl"
    file = index.publish("a" * 200, "1." + "1" * 198, filename=filename, metadata=None)
    Provenance.objects.create(file=file, body=BODY)
    index.change_file(file, has_provenance=True)
    assert client.ask(f"/integrity/{'a' * 200}/1.{'1' * 198}/{filename}/provenance").status == 200
