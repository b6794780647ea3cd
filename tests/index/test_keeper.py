from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import zstandard
from django.db import connection, transaction

from keyhouse.core import configuration
from keyhouse.index import keeper as keeper_module
from keyhouse.index.database import UnavailableError
from keyhouse.index.keeper import Keeper
from keyhouse.index.listings import ROOT, build_root
from keyhouse.index.negotiate import JSON
from keyhouse.projects.models import IndexPage


@pytest.fixture
def keeper(transactional_db: None) -> Iterator[Keeper]:
    made = Keeper(configuration.current())
    yield made
    made.stop()


def _page(kind: str, name: str, form: str) -> IndexPage:
    return IndexPage.objects.get(kind=kind, name=name, form=form)


def test_settling_writes_what_is_due_and_then_nothing(keeper: Keeper, index: Any) -> None:
    index.publish("alpha")
    assert keeper.settle() == {"root": 2, "rss": 2, "stats": 1, "forms": 2}
    assert keeper.settle() == {"root": 0, "rss": 0, "stats": 0, "forms": 0}
    index.publish("beta")
    assert keeper.settle() == {"root": 2, "rss": 2, "stats": 1, "forms": 2}


def test_a_page_of_which_one_form_is_missing_is_made_anew(keeper: Keeper, index: Any) -> None:
    """As a keeper leaves it that is cut off between the two."""
    index.publish()
    keeper.settle()
    IndexPage.objects.get(kind="root", form="html").delete()
    assert keeper.settle() == {"root": 2, "rss": 0, "stats": 0, "forms": 0}


def test_an_empty_index_gets_its_pages_too(keeper: Keeper) -> None:
    assert keeper.settle() == {"root": 2, "rss": 2, "stats": 1, "forms": 0}
    assert keeper.settle()["root"] == 0


def test_the_stored_root_list_shows_every_project_and_its_last_serial(keeper: Keeper, index: Any) -> None:
    index.publish("beta", "1.0")
    index.publish("Alpha", "1.0")
    index.publish("beta", "2.0")
    keeper.settle()
    root = _page("root", "", "json")
    listed = json.loads(bytes(root.body))
    assert listed["projects"] == [{"name": "Alpha", "_last-serial": 2}, {"name": "beta", "_last-serial": 3}]
    assert listed["meta"]["_last-serial"] == root.serial == 3


def test_compressed_forms_hold_the_same_bytes(keeper: Keeper, index: Any) -> None:
    index.publish()
    keeper.settle()
    for page in (
        _page("simple", "alpha", "json"),
        _page("simple", "alpha", "html"),
        _page("root", "", "json"),
    ):
        assert page.gzip is not None
        assert page.zstd is not None
        assert gzip.decompress(bytes(page.gzip)) == bytes(page.body)
        assert zstandard.ZstdDecompressor().decompress(bytes(page.zstd)) == bytes(page.body)


def test_stored_and_made_on_demand_are_the_same_bytes(keeper: Keeper, index: Any, open_client: Any) -> None:
    index.publish()
    for encoding in ("gzip", "zstd"):
        for path in ("/simple/alpha/", "/simple/", "/rss/updates.xml", "/stats.json"):
            wanted = {"Accept": f"{JSON}, */*", "Accept-Encoding": encoding}
            on_demand = open_client().ask(path, wanted)
            keeper.settle()
            stored = open_client().ask(path, wanted)
            assert (on_demand.body, on_demand.headers) == (stored.body, stored.headers)


def test_a_page_that_changes_meanwhile_keeps_no_old_compressed_form(keeper: Keeper, index: Any) -> None:
    index.publish("alpha", "1.0")
    old = _page("simple", "alpha", "json")
    index.publish("alpha", "2.0")
    with keeper._database.transaction() as ask:
        ask(keeper_module._ADD_FORMS, [b"old", b"old", old.pk, old.serial])
    assert _page("simple", "alpha", "json").gzip is None


def test_an_older_rendering_never_replaces_a_newer_one(keeper: Keeper, index: Any) -> None:
    index.publish("alpha")
    with keeper._database.snapshot() as ask:
        old = build_root(ask)
    index.publish("beta")
    keeper.settle()
    with keeper._database.transaction() as ask:
        ask(keeper_module._STORE, keeper_module._row(ROOT, "json", old.forms["json"], old))
    assert b"beta" in bytes(_page("root", "", "json").body)


@pytest.mark.skipif(connection.vendor == "sqlite", reason="there transactions that write take turns")
def test_who_changes_several_pages_never_waits_in_a_circle(keeper: Keeper, index: Any) -> None:
    """An upload changes a project's pages in an order of its own, and of two who wait for each other one is refused."""
    index.publish()
    keeper.settle()
    IndexPage.objects.update(gzip=None, zstd=None)
    keeper._seen = None
    first, second = IndexPage.objects.filter(kind="simple").order_by("pk")
    working = threading.Thread(target=keeper.settle)
    with transaction.atomic():
        IndexPage.objects.filter(pk=second.pk).update(etag="changed")
        working.start()
        deadline = time.monotonic() + 60
        while not (is_free := _has_forms(first)) and time.monotonic() < deadline:
            time.sleep(0.01)
        IndexPage.objects.filter(pk=first.pk).update(etag="changed")
    working.join()
    assert is_free
    assert _has_forms(second)


def _has_forms(page: IndexPage) -> bool:
    return IndexPage.objects.filter(pk=page.pk, gzip__isnull=False, zstd__isnull=False).exists()


def test_two_keepers_take_turns(keeper: Keeper, index: Any) -> None:
    index.publish()
    other = Keeper(configuration.current())
    with other._database.alone("keeper") as is_mine:
        assert is_mine
        assert keeper._take_turn(is_patient=False) is None
    both = threading.Barrier(2)
    results: list[dict[str, int]] = []

    def settle(one: Keeper) -> None:
        both.wait()
        results.append(one.settle())

    threads = [threading.Thread(target=settle, args=(one,)) for one in (keeper, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.stop()
    assert sum(result["root"] for result in results) == 2
    assert sum(result["forms"] for result in results) == 2


def test_a_keeper_that_never_gets_its_turn_says_so(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch, index: Any
) -> None:
    monkeypatch.setattr(keeper_module, "_TURN_SECONDS", 0.1)
    other = Keeper(configuration.current())
    with other._database.alone("keeper"), pytest.raises(UnavailableError):
        keeper.settle()
    other.stop()


def test_in_the_background_readers_see_the_new_list_soon(keeper: Keeper, index: Any, client: Any) -> None:
    keeper.start()
    client.ask_until("/simple/", lambda response: response.status == 200)
    index.publish("brand-new")
    response = client.ask_until("/simple/", lambda response: b"brand-new" in response.body)
    assert response.status == 200
    index.publish("brand-new", "2.0")
    client.ask_until("/rss/updates.xml", lambda response: b"brand-new 2.0" in response.body)
    index.delete_project(index.publish("brand-new", "3.0").project)
    client.ask_until("/simple/", lambda response: b"brand-new" not in response.body)


def test_a_busy_index_does_not_render_its_totals_all_the_time(keeper: Keeper, index: Any) -> None:
    index.publish("alpha", "1.0")
    first = keeper._take_turn(is_patient=True)
    index.publish("alpha", "2.0")
    second = keeper._take_turn(is_patient=True)
    assert first is not None
    assert second is not None
    assert (first["stats"], second["stats"]) == (1, 0)
    assert (first["root"], second["root"]) == (2, 0)  # no project came or went


def test_a_database_that_is_away_does_not_end_the_keeper(
    keeper: Keeper, index: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = threading.Semaphore(0)
    real = keeper._take_turn
    troubles = iter([UnavailableError("away"), RuntimeError("a defect")])

    def take_turn(*, is_patient: bool) -> Any:
        trouble = next(troubles, None)
        if trouble is not None:
            raise trouble
        done = real(is_patient=is_patient)
        turns.release()
        return done

    monkeypatch.setattr(keeper_module, "AWAY_SECONDS", 0.01)
    monkeypatch.setattr(keeper, "_take_turn", take_turn)
    index.publish()
    keeper.start()
    assert turns.acquire(timeout=10)
    assert IndexPage.objects.filter(kind="root").count() == 2
