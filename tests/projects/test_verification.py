"""Stored pages against fresh ones: what is found, what is mended, what is left alone."""

from __future__ import annotations

import pytest
from tests.projects.conftest import everything, make_file

from keyhouse.audit.models import Record
from keyhouse.core import actor
from keyhouse.core.actor import Actor
from keyhouse.core.errors import RoleRequired
from keyhouse.projects import services, verification
from keyhouse.projects.life_cycle import deleting
from keyhouse.projects.life_cycle import services as life_cycle
from keyhouse.projects.models import IndexPage, Project, Release, Serial

pytestmark = pytest.mark.django_db


@pytest.fixture
def filled(ada: Actor) -> Actor:
    for project in ("Alpha.Beta", "gamma"):
        for version in ("1.0", "1.1"):
            services.publish_file(make_file(project, version), by=ada)
    return ada


def problems() -> dict[str, str]:
    return {found.page: found.problem for found in verification.verify_pages()}


def test_pages_made_by_use_are_right(filled: Actor) -> None:
    life_cycle.yank_release("gamma", "1.0", "x", by=filled)
    deleting.delete_release("gamma", "1.1", by=filled)

    assert problems() == {}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"body": b"{}"}, "The page doesn't show what the index holds."),
        ({"serial": 1}, "The page doesn't show what the index holds."),
        ({"etag": "x"}, "The page's tag doesn't belong to its content."),
        ({"is_gone": True}, "The page is missing."),
    ],
)
@pytest.mark.parametrize("form", ["json", "html"])
def test_each_kind_of_damage_is_found_and_mended(
    changes: dict[str, object], problem: str, form: str, filled: Actor
) -> None:
    IndexPage.objects.filter(kind="simple", name="gamma", form=form).update(**changes)

    assert problems() == {f"simple/gamma.{form}": problem}
    assert services.rebuild_pages(by=actor.host()) == 1
    assert problems() == {}


def test_missing_pages_are_found_and_made(filled: Actor) -> None:
    IndexPage.objects.all().delete()

    assert len(problems()) == 10
    assert services.rebuild_pages(by=actor.host()) == 2
    assert problems() == {}


def test_pages_of_nothing_are_found_and_emptied(filled: Actor) -> None:
    for name in ("ghost", "ghost/1.0", "gamma/9"):
        IndexPage.objects.create(kind="json", name=name, form="json", serial=1, body=b"{}")
    Release.objects.filter(project__normalized_name="gamma", version="1.1").delete()

    assert set(problems()) >= {
        "json/ghost.json",
        "json/ghost/1.0.json",
        "json/gamma/9.json",
        "json/gamma/1.1.json",
    }
    services.rebuild_pages(by=actor.host())
    assert problems() == {}
    assert IndexPage.objects.get(name="ghost").is_gone


def test_rebuilding_leaves_right_pages_alone_and_has_the_lists_made_anew(filled: Actor) -> None:
    before, serial = list(IndexPage.objects.order_by("pk").values_list()), Serial.objects.get()
    done: list[int] = []

    assert services.rebuild_pages(by=actor.host(), progress=done.append) == 0
    assert list(IndexPage.objects.order_by("pk").values_list()) == before
    assert Serial.objects.get().listing > serial.listing
    assert done == [1, 2]
    assert Record.objects.latest("pk").details == {"command": "rebuild-pages"}


def test_rebuilding_that_was_stopped_goes_on_with_what_is_left(filled: Actor) -> None:
    IndexPage.objects.filter(form="html").update(body=b"")

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        services.rebuild_pages(by=actor.host(), progress=stop)
    assert len(problems()) == 1
    assert services.rebuild_pages(by=actor.host()) == 1


def test_only_the_host_rebuilds(filled: Actor) -> None:
    before = everything()
    with pytest.raises(RoleRequired):
        services.rebuild_pages(by=filled)
    assert everything() == before


def test_a_project_with_many_releases_is_rendered_in_batches(ada: Actor) -> None:
    owner_id = ada.user_id
    for number in range(230):
        new = make_file("many", f"1.{number}", owner_id=owner_id)
        services.publish_file(new, by=actor.host())
    Project.objects.update(status="archived")

    assert services.rebuild_pages(by=actor.host()) == 1
    assert problems() == {}
