from __future__ import annotations

from typing import Any

import pytest

from keyhouse.core import clock
from keyhouse.index.negotiate import JSON
from keyhouse.projects.models import Tombstone, UsedFileName
from keyhouse.safety.names.models import ReservedName

UPSTREAM = "https://other.example/simple"


@pytest.fixture
def client(open_client: Any, index: Any) -> Any:
    return open_client(upstream=UPSTREAM)


def test_a_name_never_used_here_is_redirected(client: Any) -> None:
    for _ in range(2):
        response = client.ask("/simple/never-here/")
        assert (response.status, response.headers["location"]) == (302, f"{UPSTREAM}/never-here/")
        assert response.headers["cache-control"] == "no-cache"
    assert client.ask(f"/simple/never-here/?format={JSON}").headers["location"] == (
        f"{UPSTREAM}/never-here/?format={JSON}"
    )


def test_only_the_right_spelling_leaves_the_house(client: Any) -> None:
    assert client.ask("/simple/Never_Here").headers["location"] == "/simple/never-here/"
    for path in ("/simple/-bad-/", "/simple/../", "/simple/a b/", "/simple/a%0d%0ab/", "/simple/a\r\nb/"):
        response = client.ask(path)
        assert response.status == 404
        assert "location" not in response.headers


def test_a_name_that_exists_never_leaves(client: Any, index: Any) -> None:
    index.publish("alpha")
    assert client.ask("/simple/alpha/").status == 200


def test_a_name_that_comes_here_is_not_redirected_any_more(client: Any, index: Any) -> None:
    assert client.ask("/simple/alpha/").status == 302
    index.publish("alpha")
    assert client.ask_until("/simple/alpha/", lambda response: response.status != 302).status == 200


def test_a_name_that_was_here_never_leaves(client: Any, index: Any) -> None:
    index.delete_project(index.publish("alpha").project)
    assert client.ask("/simple/alpha/").status == 404
    Tombstone.objects.create(normalized_name="beta", lineage="0" * 32, deleted_at=clock.now())
    assert client.ask("/simple/beta/").status == 404
    UsedFileName.objects.create(
        filename="gamma-1.0.tar.gz", normalized_name="gamma", blake2="0" * 64, used_at=clock.now()
    )
    assert client.ask("/simple/gamma/").status == 404


@pytest.mark.parametrize(
    ("name", "is_prefix", "kept", "free"),
    [
        ("acme", True, ["acme", "acme-tools", "acme-a-b"], ["acmetools", "acm", "my-acme", "acme2-x"]),
        ("acme", False, ["acme"], ["acme-tools", "acmetools", "acm"]),
    ],
)
def test_a_name_that_is_reserved_here_never_leaves(
    client: Any, name: str, is_prefix: bool, kept: list[str], free: list[str]
) -> None:
    for one in (*kept, *free):
        assert client.ask(f"/simple/{one}/").status == 302
    reserved = ReservedName.objects.create(
        name=name, folded_name=name, is_prefix=is_prefix, reserved_at=clock.now(), reserved_by="ada"
    )
    assert [client.ask(f"/simple/{one}/").status for one in kept] == [404] * len(kept)
    assert [client.ask(f"/simple/{one}/").status for one in free] == [302] * len(free)
    reserved.delete()
    assert client.ask(f"/simple/{name}/").status == 302


def test_no_cache_leads_on_to_another_index_after_a_name_was_reserved(open_client: Any, index: Any) -> None:
    client = open_client(upstream=UPSTREAM, page_max_age=600)
    sent = client.ask("/simple/never-here/")
    assert (sent.status, sent.headers["cache-control"]) == (302, "no-cache")
    assert client.ask("/simple/Never_Here/").headers["cache-control"] == "public, max-age=600"


def test_only_index_pages_are_redirected(client: Any) -> None:
    for path in ("/pypi/never-here/json", "/rss/project/never-here/releases.xml", "/simple/never-here/1.0/"):
        assert client.ask(path).status == 404


def test_without_the_setting_nothing_is_redirected(open_client: Any, index: Any) -> None:
    assert open_client().ask("/simple/never-here/").status == 404
