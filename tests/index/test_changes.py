from __future__ import annotations

import sqlite3
import threading
from typing import Any

import pytest
from django.db import connection

from keyhouse.core import configuration
from keyhouse.index import follow, loading
from keyhouse.index.database import UnavailableError, open_database
from keyhouse.index.follow import Position
from keyhouse.projects.models import IndexPage


def test_a_new_release_is_seen_by_every_process(open_client: Any, index: Any) -> None:
    index.publish("alpha", "1.0")
    workers = [open_client(), open_client()]
    for worker in workers:
        assert b"alpha-1.0" in worker.ask("/simple/alpha/").body
        assert worker.ask("/pypi/alpha/2.0/json").status == 404
    index.publish("alpha", "2.0")
    for worker in workers:
        worker.ask_until("/simple/alpha/", lambda response: b"alpha-2.0" in response.body)
        worker.catch_up()
        for path in ("/pypi/alpha/json", "/pypi/alpha/2.0/json", "/rss/project/alpha/releases.xml"):
            assert b"2.0" in worker.ask(path).body


def test_a_project_that_was_asked_for_too_early_is_found_when_it_comes(client: Any, index: Any) -> None:
    for _ in range(2):
        assert client.ask("/simple/alpha/").status == 404
    index.publish("alpha")
    assert client.ask_until("/simple/alpha/", lambda response: response.status == 200)


def test_a_deleted_project_is_gone_from_every_face(client: Any, index: Any) -> None:
    file = index.publish("alpha", "1.0")
    paths = [
        "/simple/alpha/",
        "/pypi/alpha/json",
        "/pypi/alpha/1.0/json",
        "/rss/project/alpha/releases.xml",
        f"/files/{file.path}",
        f"/files/{file.path}.metadata",
    ]
    assert {client.ask(path).status for path in paths} == {200}
    index.delete_project(file.project)
    client.catch_up()
    assert {client.ask(path).status for path in paths} == {404}


def test_others_changes_leave_a_page_in_memory(
    client: Any, index: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.publish("alpha")
    index.publish("beta")
    client.catch_up()
    client.ask("/simple/alpha/")
    loads: list[object] = []
    monkeypatch.setattr(client.plane._store, "find_page", lambda *what: loads.append(what))
    index.publish("beta", "2.0")
    client.catch_up()
    assert client.ask("/simple/alpha/").status == 200
    assert loads == []


def test_very_many_changes_at_once_forget_everything(
    client: Any, index: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "_MOST", 2)
    file = index.publish("alpha")
    client.ask("/simple/alpha/")
    index.publish("beta")
    index.delete_project(file.project)
    client.ask_until("/simple/alpha/", lambda response: response.status == 404)
    index.publish("gamma")
    assert client.ask_until("/simple/gamma/", lambda response: response.status == 200)


def test_a_position_tells_each_change_once(transactional_db: None, index: Any) -> None:
    database = open_database(configuration.current())
    position = Position()
    assert position.advance(database.rows).everything
    assert not position.advance(database.rows)
    index.publish("alpha", "1.0")
    changes = position.advance(database.rows)
    assert changes.places == {("simple", "alpha"), ("json", "alpha"), ("json", "alpha/1.0")}
    assert not position.advance(database.rows)
    IndexPage.objects.create(kind="root", form="json", serial=0, body=b"{}", etag="x")
    assert position.advance(database.rows).places == {("root", "")}
    IndexPage.objects.filter(kind="root").update(etag="y")
    assert position.advance(database.rows).places == {("root", "")}
    database.close()


def test_what_was_loaded_while_it_changed_is_not_kept(
    client: Any, index: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.publish("alpha", "1.0")
    store = client.plane._store
    real = store.find_page

    def slow(*what: Any) -> Any:
        page = real(*what)
        monkeypatch.setattr(store, "find_page", real)
        index.publish("alpha", "2.0")
        connection.close()  # this thread's own
        return page

    async def ask_twice() -> Any:
        first = client.loop.create_task(client.request("/simple/alpha/"))
        await first
        return await client.request("/simple/alpha/")

    monkeypatch.setattr(store, "find_page", slow)
    client.loop.run_until_complete(ask_twice())
    client.ask_until("/simple/alpha/", lambda response: b"alpha-2.0" in response.body)


def test_many_who_ask_for_one_page_load_it_once(
    client: Any, index: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.publish("alpha")
    client.catch_up()  # what is loaded while a change becomes known is loaded again
    loads: list[object] = []
    real = client.plane._store.find_page

    def counted(*what: Any) -> Any:
        loads.append(what)
        return real(*what)

    monkeypatch.setattr(client.plane._store, "find_page", counted)
    responses = client.ask_at_once(*["/simple/alpha/"] * 50)
    assert {response.status for response in responses} == {200}
    assert len(loads) == 1


def test_without_a_database_what_is_in_memory_is_still_served(
    client: Any, index: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = index.publish("alpha")
    paths = ["/simple/alpha/", f"/files/{file.path}"]
    client.catch_up()
    before = [client.ask(path).body for path in paths]

    def away(*_: object) -> Any:
        raise UnavailableError("the database is away")

    monkeypatch.setattr(client.plane._database, "rows", away)
    monkeypatch.setattr(client.plane._database, "snapshot", away)
    assert [client.ask(path).body for path in paths] == before
    for path in ("/simple/beta/", "/pypi/alpha/json", "/files/aa/bb/" + "c" * 60 + "/x.whl"):
        response = client.ask(path)
        assert (response.status, response.headers["retry-after"]) == (503, "5")
        assert b"index-unavailable: " in response.body or b'"index-unavailable"' in response.body
    monkeypatch.undo()
    client.wait(1.1)
    assert client.ask("/simple/beta/").status == 404


def test_a_database_that_hangs_does_not_hang_readers(
    client: Any, index: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.publish("alpha")
    stuck = threading.Event()
    monkeypatch.setattr(loading, "MOST_SECONDS", 0.05)
    monkeypatch.setattr(client.plane._store, "find_page", lambda *_: stuck.wait(10))
    assert client.ask("/simple/alpha/").status == 503
    stuck.set()


def test_a_database_without_tables_is_away_and_not_a_defect(
    tmp_path: Any, open_client: Any, is_sqlite: bool
) -> None:
    if not is_sqlite:
        pytest.skip("a new PostgreSQL database has nothing of its own to show here")
    client = open_client(data=tmp_path)
    assert client.ask("/simple/").status == 503
    sqlite3.connect(tmp_path / "keyhouse.sqlite3").close()
    client.wait(1.1)
    assert client.ask("/simple/").status == 503
    assert client.ask("/simple/alpha/").status == 503
