"""The rows by which projects are found: written with the change, filled after an upgrade, compared, mended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from tests.projects.conftest import everything, make_file
from tests.projects.search.shelves import found, publish

from keyhouse.core import actor
from keyhouse.core.actor import Actor
from keyhouse.projects import services, verification
from keyhouse.projects.models import ClassifierCount, IndexPage, Project, SearchRow
from keyhouse.projects.search import filling, rows, rules
from keyhouse.projects.search.engines import engine
from keyhouse.projects.search.rules import Words

pytestmark = pytest.mark.django_db


@pytest.fixture
def filled(ada: Actor) -> Actor:
    publish("alpha", by=ada, summary="First words", classifiers=["A :: B", "C"])
    publish("beta", by=ada, summary="Other words", classifiers=["A :: D"])
    return ada


def counts() -> dict[str, int]:
    return dict(ClassifierCount.objects.exclude(projects=0).values_list("name", "projects"))


def problems() -> dict[str, str]:
    return {one.page: one.problem for one in verification.verify_pages()}


def test_classifiers_are_counted_with_every_change(filled: Actor) -> None:
    assert counts() == {"A": 2, "A :: B": 1, "A :: D": 1, "C": 1}

    publish("alpha", by=filled, version="2.0", classifiers=["A :: D"])
    assert counts() == {"A": 2, "A :: D": 2}

    Project.objects.filter(name="beta").update(status="quarantined")
    services.rebuild_pages(by=actor.host())
    assert counts() == {"A": 1, "A :: D": 1}
    assert problems() == {}


def test_a_file_that_changes_no_words_writes_none(filled: Actor) -> None:
    with CaptureQueriesContext(connection) as asked:
        services.publish_file(make_file("alpha", kind="sdist"), by=filled)
    about = [query["sql"] for query in asked.captured_queries if "projects_search" in query["sql"]]
    assert len(about) == 1

    with CaptureQueriesContext(connection) as asked:  # a new version that says the same
        publish("alpha", by=filled, version="1.1", summary="First words", classifiers=["A :: B", "C"])
    about = [query["sql"] for query in asked.captured_queries if "projects_search" in query["sql"]]
    assert len(about) == 2


def test_a_change_that_is_undone_leaves_the_row_as_it_was(filled: Actor) -> None:
    before = everything()
    with transaction.atomic():
        publish("alpha", by=filled, version="2.0", summary="Third", classifiers=["Z"])
        assert found("third") == ["alpha"]
        transaction.set_rollback(True)
    assert everything() == before
    assert (found("third"), found("first")) == ([], ["alpha"])


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"form": 0}, "The project is found by other words than its own."),
        ({"source": "x"}, "The project is found by other words than its own."),
        ({"digest": "x"}, "The project is found by other words than its own."),
        ({"letters": "x"}, "The project is found by other words than its own."),
        ({"released_at": None}, "The project is found by other words than its own."),
        (None, "The project isn't found by searching."),
    ],
)
def test_each_kind_of_damage_is_found_and_mended(
    changes: dict[str, Any] | None, problem: str, filled: Actor
) -> None:
    pages = list(IndexPage.objects.order_by("pk").values_list())
    row = SearchRow.objects.filter(letters="alpha")
    if changes is None:
        row.delete()
        ClassifierCount.objects.filter(name__in=["A :: B", "C"]).update(projects=0)
        ClassifierCount.objects.filter(name="A").update(projects=1)
    else:
        row.update(**changes)

    assert problems() == {"search/alpha": problem}
    assert services.rebuild_pages(by=actor.host()) == 1
    assert problems() == {}
    assert found("first words") == ["alpha"]
    assert list(IndexPage.objects.order_by("pk").values_list()) == pages  # they were right


@pytest.mark.parametrize("field", ["keywords", "description"])
def test_more_words_than_a_database_takes_are_no_obstacle(field: str, ada: Actor) -> None:
    words = " ".join(f"word{number:06}{'x' * 25}" for number in range(40_000))
    publish("alpha", by=ada, **{field: words})
    assert found("word000001" + "x" * 25) == ["alpha"]
    assert problems() == {}


def test_other_words_and_wrong_counts_are_found_and_mended(filled: Actor) -> None:
    row = SearchRow.objects.get(letters="alpha")
    engine().keep(row.pk, Words(["evil"], ["evil"], ["evil"], []))
    ClassifierCount.objects.filter(name="C").update(projects=7)

    assert set(problems()) == {"search/alpha", "search/classifiers"}
    assert services.rebuild_pages(by=actor.host()) == 1
    assert problems() == {}
    assert (found("evil"), found("first")) == ([], ["alpha"])
    assert counts()["C"] == 1


def test_a_row_in_quarantine_is_found_and_mended(filled: Actor) -> None:
    project = Project.objects.get(name="alpha")
    services.rebuild_pages(by=actor.host())
    Project.objects.filter(pk=project.pk).update(status="quarantined")

    assert problems()["search/alpha"] == "The project is found though it is in quarantine."
    services.rebuild_pages(by=actor.host())
    assert problems() == {}
    assert not SearchRow.objects.filter(pk=project.pk).exists()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="elsewhere the words stand in the row itself")
def test_a_damaged_search_table_is_found_and_made_anew(filled: Actor) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE projects_searchbrief_content SET c1 = 'others' WHERE id = 1")
        cursor.execute("DELETE FROM projects_searchwhole_data WHERE id > 10")

    assert "search/words" in problems()
    services.rebuild_pages(by=actor.host())
    assert problems() == {}
    assert found("first words") == ["alpha"]


def test_rows_that_an_upgrade_left_missing_or_old_are_made(
    filled: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "AT_ONCE", 2)
    for number in range(4):
        publish(f"more-{number}x", by=filled)
    Project.objects.filter(name="beta").update(status="quarantined")
    services.rebuild_pages(by=actor.host())
    SearchRow.objects.filter(letters__startswith="more").delete()
    SearchRow.objects.filter(letters="alpha").update(form=rules.FORM - 1)

    assert filling.fill() == 5
    assert filling.fill() == 0
    assert problems() == {}
    assert len(found("more")) == 4


def test_filling_that_was_stopped_goes_on_with_what_is_left(
    filled: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    SearchRow.objects.all().delete()
    ClassifierCount.objects.all().delete()
    monkeypatch.setattr(filling, "AT_ONCE", 1)
    keep = rows.keep_rows

    def stop(several: Iterable[tuple[Project, Any]]) -> None:
        found = list(several)
        keep(found)
        if found[0][0].name == "beta":
            raise KeyboardInterrupt

    monkeypatch.setattr(rows, "keep_rows", stop)
    with pytest.raises(KeyboardInterrupt):
        filling.fill()
    monkeypatch.setattr(rows, "keep_rows", keep)
    assert filling.fill() == 1
    assert problems() == {}
