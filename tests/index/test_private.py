from __future__ import annotations

import base64
import threading
from typing import Any
from unittest.mock import Mock

import pytest

from keyhouse.core import actions, configuration
from keyhouse.core.actions import Reading
from keyhouse.core.errors import CredentialInvalid, GateUnavailable
from keyhouse.index import routes

TOKEN = {"Authorization": "Basic " + base64.b64encode(b"__token__:good").decode()}
FILE = "/files/aa/bb/" + "c" * 60 + "/alpha-1.0-py3-none-any.whl"

# Every kind of address that installers read. A new face must be added here, and so is closed on a private index.
FACES: dict[str, list[str]] = {
    "root": ["/simple/", "/simple"],
    "simple": ["/simple/alpha/", "/simple/Alpha", "/simple/none/"],
    "file": [FILE, FILE + ".metadata"],
    "json": ["/pypi/alpha/json", "/pypi/alpha/1.0/json", "/pypi/none/json"],
    "rss": ["/rss/updates.xml", "/rss/packages.xml"],
    "releases": ["/rss/project/alpha/releases.xml"],
    "stats": ["/stats.json"],
    "integrity": ["/integrity/alpha/1.0/alpha-1.0-py3-none-any.whl/provenance"],
}


class Reader:
    """Lets one token in, to one project or to everything but what is hidden."""

    def __init__(self, only: str | None = None) -> None:
        self.only = only
        self.hidden: frozenset[str] = frozenset()
        self.asked: list[tuple[str, str, str | None, str]] = []
        self.threads: set[int] = set()

    def find_reading(
        self, authorization: str, cookie: str, project: str | None, network: str
    ) -> Reading | None:
        self.asked.append((authorization, cookie, project, network))
        self.threads.add(threading.get_ident())
        if self.only is not None and project != self.only:
            return None
        if authorization != TOKEN["Authorization"] and cookie != "session=good":
            return None
        return Reading(self.hidden if project is None else self.hidden & {project})


@pytest.fixture
def reader(unwired: None) -> Reader:
    made = Reader()
    actions.wire(reader=made)
    return made


@pytest.fixture
def private(open_client: Any, index: Any, reader: Reader) -> Any:
    return open_client(reads="private")


def _every_path() -> list[str]:
    return [path for paths in FACES.values() for path in paths]


def test_the_list_of_faces_is_complete() -> None:
    kinds = set(routes.Kind.__args__)  # type: ignore[attr-defined]  # of a Literal
    assert kinds == set(FACES)
    for kind, paths in FACES.items():
        targets = [routes.find_target(path) for path in paths]
        assert {target.kind for target in targets if target} == {kind}
        assert all(targets)
    assert all(any(pattern.fullmatch(path) for path in _every_path()) for pattern, _ in routes.FACES)
    assert all(routes.owns(path) for path in _every_path())


ODD_PATHS = ["/simple/%%%/", "/files/", "/rss/none", "/pypi/"]


def test_no_face_of_a_private_index_opens_without_a_credential(private: Any, index: Any) -> None:
    index.publish()
    assert private.ask("/simple/alpha/", TOKEN).status == 200  # now it is in memory
    for path in (*_every_path(), *ODD_PATHS):
        for headers in ({}, {"Authorization": "Basic bad"}, {"If-None-Match": "*"}, {"Range": "bytes=0-0"}):
            for method in ("GET", "HEAD"):
                _assert_closed(path, private.ask(path, headers, method=method))


def _assert_closed(path: str, response: Any) -> None:
    assert (path, response.status) == (path, 401)
    assert response.headers["www-authenticate"].startswith('Basic realm="')
    assert response.headers["vary"] == "Authorization, Cookie"
    assert response.headers["cache-control"] == "private, no-store"
    assert not {"etag", "location", "access-control-allow-origin"} & set(response.headers)
    assert b"alpha" not in response.body


def test_unknown_and_known_names_look_the_same_from_outside(private: Any, index: Any) -> None:
    file = index.publish("alpha")
    known, unknown = private.ask("/simple/alpha/"), private.ask("/simple/unknown/")
    assert (known.status, known.headers, known.body) == (unknown.status, unknown.headers, unknown.body)
    known, unknown = private.ask(f"/files/{file.path}"), private.ask(FILE)
    assert (known.status, known.headers, known.body) == (unknown.status, unknown.headers, unknown.body)


def test_a_reader_gets_everything_marked_private(private: Any, index: Any) -> None:
    file = index.publish()
    for path in ("/simple/", "/simple/alpha/", "/pypi/alpha/json", "/rss/updates.xml", f"/files/{file.path}"):
        for headers in (TOKEN, {"Cookie": "session=good"}):
            for _ in range(2):
                response = private.ask(path, headers)
                assert response.status == 200
                assert response.headers["cache-control"].startswith("private, ")
                assert "Authorization" in response.headers["vary"]
                assert "access-control-allow-origin" not in response.headers
    etag = private.ask("/simple/alpha/", TOKEN).headers["etag"]
    assert private.ask("/simple/alpha/", {**TOKEN, "If-None-Match": etag}).status == 304
    assert private.ask("/simple/none/", TOKEN).status == 404


def test_a_token_for_one_project_reads_only_that(private: Any, index: Any, reader: Reader) -> None:
    reader.only = "alpha"
    own, other = index.publish("Alpha"), index.publish("beta")
    for path in (
        "/simple/alpha/",
        "/pypi/alpha/json",
        "/rss/project/alpha/releases.xml",
        f"/files/{own.path}",
    ):
        assert private.ask(path, TOKEN).status == 200
    for path in (
        "/simple/",
        "/simple/beta/",
        "/pypi/beta/json",
        f"/files/{other.path}",
        f"/files/{other.path}.metadata",
    ):
        assert private.ask(path, TOKEN).status == 401


def test_the_reader_is_told_who_asks_and_never_on_the_event_loop(
    private: Any, index: Any, reader: Reader
) -> None:
    index.publish()
    private.ask("/simple/Alpha/", {**TOKEN, "Cookie": "a=b"})
    assert reader.asked == [(TOKEN["Authorization"], "a=b", "alpha", "192.0.2.7")]
    assert threading.get_ident() not in reader.threads


def test_with_nobody_to_judge_everything_is_refused(open_client: Any, index: Any, unwired: None) -> None:
    index.publish()
    client = open_client(reads="private")
    for path in _every_path():
        assert client.ask(path, TOKEN).status == 401


TROUBLES: list[tuple[Exception, int]] = [
    (CredentialInvalid(), 401),
    (GateUnavailable(), 503),
    (RuntimeError("broken"), 503),
]


def test_a_judge_in_trouble_lets_nobody_in(
    private: Any, index: Any, monkeypatch: pytest.MonkeyPatch, reader: Reader
) -> None:
    index.publish()
    private.ask("/simple/alpha/", TOKEN)
    for trouble, status in TROUBLES:
        monkeypatch.setattr(reader, "find_reading", Mock(side_effect=trouble))
        response = private.ask("/simple/alpha/", TOKEN)
        assert response.status == status
        assert b"alpha" not in response.body


def test_other_sites_are_not_invited_to_a_private_index(private: Any) -> None:
    response = private.ask("/simple/", method="OPTIONS")
    assert response.status == 204
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_what_is_wrong_with_a_file_is_told_to_readers_only(private: Any, index: Any) -> None:
    file = index.publish()
    (configuration.current().files_folder / file.path).unlink()
    _assert_closed(f"/files/{file.path}", private.ask(f"/files/{file.path}"))
    assert private.ask(f"/files/{file.path}", TOKEN).status == 503
