"""Whatever happened to an index, in whatever order: the stored pages are what fresh ones would be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.projects.conftest import StrengthGate, make_file, make_person

from keyhouse.audit.models import Record
from keyhouse.core import actions, actor, faults
from keyhouse.core.actor import Actor
from keyhouse.core.errors import Refusal
from keyhouse.projects import services, verification
from keyhouse.projects.authority import ProjectAuthority
from keyhouse.projects.life_cycle import deleting
from keyhouse.projects.life_cycle import services as life_cycle
from keyhouse.projects.models import File, IndexPage, Project, Release, Role, Serial, UsedFileName

pytestmark = pytest.mark.django_db

NAMES = ("alpha", "beta")
VERSIONS = ("1.0", "1.1", "2.0a1")
STEPS = st.one_of(
    st.tuples(
        st.just("publish"),
        st.sampled_from(NAMES),
        st.sampled_from(VERSIONS),
        st.integers(0, 2),
        st.booleans(),
    ),
    st.tuples(st.just("sdist"), st.sampled_from(NAMES), st.sampled_from(VERSIONS)),
    st.tuples(
        st.sampled_from(("yank", "unyank", "delete_release")),
        st.sampled_from(NAMES),
        st.sampled_from(VERSIONS),
    ),
    st.tuples(st.just("delete_file"), st.sampled_from(NAMES), st.sampled_from(VERSIONS), st.integers(0, 2)),
    st.tuples(st.sampled_from(("delete_project", "archive", "unarchive")), st.sampled_from(NAMES)),
)


def wheel_name(name: str, version: str, build: int) -> str:
    return f"{name}-{version}-{build}-py3-none-any.whl"


def publish(by: Actor, name: str, version: str, build: int, odd: bool) -> None:
    filename = wheel_name(name, version, build)
    new = make_file(name, version, filename=filename, content=f"odd {filename}" if odd else filename)
    services.publish_file(new, by=by)


def sdist(by: Actor, name: str, version: str) -> None:
    services.publish_file(make_file(name, version, kind="sdist"), by=by)


def yank(by: Actor, name: str, version: str) -> None:
    life_cycle.yank_release(name, version, f"why {version}", by=by)


def unyank(by: Actor, name: str, version: str) -> None:
    life_cycle.unyank_release(name, version, by=by)


def delete_release(by: Actor, name: str, version: str) -> None:
    deleting.delete_release(name, version, by=by)


def delete_file(by: Actor, name: str, version: str, build: int) -> None:
    deleting.delete_file(name, wheel_name(name, version, build), by=by)


def delete_project(by: Actor, name: str) -> None:
    deleting.delete_project(name, by=by)


def archive(by: Actor, name: str) -> None:
    life_cycle.archive_project(name, "finished", by=by)


def unarchive(by: Actor, name: str) -> None:
    life_cycle.unarchive_project(name, by=by)


ACTS: dict[str, Any] = {
    act.__name__: act
    for act in (publish, sdist, yank, unyank, delete_release, delete_file, delete_project, archive, unarchive)
}


def facts() -> tuple[int, ...]:
    tables = (Project, Release, File, Role, UsedFileName, Record)
    return tuple(table._default_manager.count() for table in tables)


def value_of_serial() -> int:
    return sum(Serial.objects.values_list("value", flat=True))


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, max_size=14))
def test_pages_show_what_happened(steps: list[tuple[Any, ...]], db: None) -> None:
    actions.wire(gate=StrengthGate(), authority=ProjectAuthority())
    with transaction.atomic():
        people = {"alpha": make_person("ada"), "beta": make_person("bob")}
        for act, name, *rest in steps:
            check_step(act, people[name], name, *rest)
        check_pages()
        transaction.set_rollback(True)  # the next example begins with nothing


def check_step(act: str, by: Actor, *rest: Any) -> None:
    """A step that is refused leaves everything; one that changes something counts once and is told of once."""
    before, serial = facts(), value_of_serial()
    try:
        with transaction.atomic():
            ACTS[act](by, *rest)
    except Refusal:
        assert (facts(), value_of_serial()) == (before, serial)
    changes = value_of_serial() - serial
    assert changes in {0, 1}
    assert facts()[-1] - before[-1] == changes


def check_pages() -> None:
    assert list(verification.verify_pages()) == []
    for project in Project.objects.all():
        page = IndexPage.objects.get(kind="simple", name=project.normalized_name, form="json")
        files = json.loads(bytes(page.body))["files"]
        assert {file["filename"] for file in files} == set(project.files.values_list("filename", flat=True))
        assert project.size == sum(file["size"] for file in files)
        yanked = {file["filename"] for file in files if file["yanked"]}
        rows = project.files.filter(release__yanked_at__isnull=False)
        assert yanked == set(rows.values_list("filename", flat=True))
    live = IndexPage.objects.filter(is_gone=False).values_list("name", flat=True)
    assert {name.partition("/")[0] for name in live} == set(
        Project.objects.values_list("normalized_name", flat=True)
    )
    used = UsedFileName.objects.filter(deleted_at__isnull=True).values_list("filename", flat=True)
    assert set(used) == set(File.objects.values_list("filename", flat=True))


def test_fault_points_lie_inside_and_behind_the_transaction(
    ada: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached: list[tuple[str, bool]] = []
    depth = len(transaction.get_connection().savepoint_ids)

    def reach(point: str) -> None:
        reached.append((point, len(transaction.get_connection().savepoint_ids) > depth))

    monkeypatch.setattr(faults, "reach", reach)
    services.publish_file(make_file("alpha"), by=ada)
    life_cycle.yank_release("alpha", "1.0", by=ada)
    life_cycle.unyank_release("alpha", "1.0", by=ada)
    deleting.delete_file("alpha", "alpha-1.0-py3-none-any.whl", by=ada)
    deleting.delete_release("alpha", "1.0", by=ada)
    deleting.delete_project("alpha", by=actor.host())

    yank_points = [("yank.rows-written", True), ("yank.committed", False)]
    deletion_points = [("deletion.rows-written", True), ("deletion.committed", False)]
    assert reached == [("upload.rows-written", True), *yank_points * 2, *deletion_points * 3]
