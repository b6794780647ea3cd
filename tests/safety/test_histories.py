"""Whatever is quarantined, deleted and brought back, in whatever order: every face shows what a small model says."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any, cast

import pytest
from django.db import connection, transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.projects.conftest import make_file
from tests.safety.conftest import person

from keyhouse.audit.models import Record
from keyhouse.cli.storage import compare_files
from keyhouse.core import clock, configuration
from keyhouse.core.actor import Actor
from keyhouse.core.errors import Refusal
from keyhouse.index import routes
from keyhouse.index.database import Ask, Database, Row
from keyhouse.index.negotiate import JSON
from keyhouse.index.store import Store
from keyhouse.projects import verification
from keyhouse.projects.life_cycle import deleting, restoring, services, sweeping
from keyhouse.projects.models import Removal, UsedFileName, path_of
from keyhouse.projects.search.queries import find_projects
from keyhouse.projects.search.rules import Wanted
from keyhouse.projects.services import publish_file
from keyhouse.safety.quarantine import services as quarantines
from keyhouse.storage import blobs
from keyhouse.storage.blobs import key_of

pytestmark = pytest.mark.django_db

NAME, VERSIONS, OWNERS = "alpha", ("1.0", "2.0"), ("ada", "bob")
BUILDS = (1, 2)


def filename_of(version: str, build: int) -> str:
    return f"{NAME}-{version}-{build}-py3-none-any.whl"


EVERY_FILE = [filename_of(version, build) for version in VERSIONS for build in BUILDS]


@dataclass
class ReleaseModel:
    pk: int
    is_yanked: bool = False
    is_held: bool = False
    files: dict[str, bool] = field(default_factory=dict)  # by name, whether it is held itself

    def is_open(self, filename: str) -> bool:
        return filename in self.files and not self.is_held and not self.files[filename]


@dataclass
class ProjectModel:
    pk: int
    owner: str
    status: str = "active"
    former: str = ""  # while it is in quarantine
    releases: dict[str, ReleaseModel] = field(default_factory=dict)

    @property
    def holds_anything(self) -> bool:
        return any(one.is_held or any(one.files.values()) for one in self.releases.values())


class Refused(Exception):  # noqa: N818 - what the model says, not an error
    """The model would refuse this."""


def need(condition: object) -> None:
    if not condition:
        raise Refused


@dataclass
class Gone:
    """What was deleted: a project, a release or a file of one."""

    pk: int
    kind: str
    project: ProjectModel
    version: str = ""
    release: ReleaseModel | None = None
    filename: str = ""


@dataclass
class Model:
    """What an index of one project's name should show; each act changes it or is refused."""

    project: ProjectModel | None = None
    gone: list[Gone] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    pks: Iterator[int] = field(default_factory=count)

    def owned(self, by: str) -> ProjectModel:
        need(self.project is not None and self.project.owner == by)
        assert self.project is not None
        need(self.project.status != "quarantined")
        return self.project

    def release_of(self, by: str, version: str) -> ReleaseModel:
        found = self.owned(by).releases.get(version)
        need(found and not found.is_held)
        assert found is not None
        return found

    def upload(self, by: str, version: str, build: int) -> None:
        filename = filename_of(version, build)
        if self.project is None:
            need(filename not in self.used)
            self.project = ProjectModel(next(self.pks), by)
        project = self.owned(by)
        need(project.status != "archived")
        release = project.releases.get(version)
        need(release is None or not release.is_held)
        if release and filename in release.files:
            return  # the same once more
        need(filename not in self.used)
        self.used.add(filename)
        project.releases.setdefault(version, ReleaseModel(next(self.pks))).files[filename] = False

    def yank(self, by: str, version: str) -> None:
        self.release_of(by, version).is_yanked = True

    def unyank(self, by: str, version: str) -> None:
        self.release_of(by, version).is_yanked = False

    def archive(self, by: str) -> None:
        self.owned(by).status = "archived"

    def unarchive(self, by: str) -> None:
        project = self.owned(by)
        project.status = "active" if project.status == "archived" else project.status

    def deprecate(self, by: str) -> None:
        self.owned(by).status = "deprecated"

    def delete_file(self, by: str, version: str, build: int) -> None:
        project, filename = self.owned(by), filename_of(version, build)
        release = project.releases.get(version)
        need(release and release.is_open(filename))
        assert release is not None
        del release.files[filename]
        self._note("file", project, version, release, filename)

    def delete_release(self, by: str, version: str) -> None:
        project, release = self.owned(by), self.release_of(by, version)
        need(not any(release.files.values()))
        self._note("release", project, version, project.releases.pop(version))

    def delete_project(self, by: str) -> None:
        project = self.owned(by)
        need(not project.holds_anything)
        self._note("project", project)
        self.project = None

    def _note(self, kind: str, project: ProjectModel, *rest: Any) -> None:
        self.gone.append(Gone(next(self.pks), kind, project, *rest))

    def restore(self, by: str, which: int) -> None:
        need(self.gone)
        found = self.gone[which % len(self.gone)]
        if found.kind == "project":
            need(found.project.owner == by and self.project is None)
            self.project = found.project
        else:
            project = self.owned(by)
            need(project.pk == found.project.pk)
            self._bring_back(project, found)
        self.gone.remove(found)

    def _bring_back(self, project: ProjectModel, found: Gone) -> None:
        """Bring a file or a release back, into a release of its version where one was made meanwhile."""
        here, own = project.releases.get(found.version), found.release
        assert own is not None
        coming = own.files if found.kind == "release" else {found.filename: False}
        if here is None:
            need(found.kind == "release")
            project.releases[found.version] = own
            return
        need(coming and not here.is_held)
        is_kept = any(one.kind == "release" and one.release is own for one in self.gone)
        need(here.is_yanked or not (is_kept and own.is_yanked))
        here.files.update(coming)

    def hold(self, kind: str, version: str, build: int) -> None:
        self._turn(kind, version, build, is_held=True)

    def lift(self, kind: str, version: str, build: int) -> None:
        self._turn(kind, version, build, is_held=False)

    def _turn(self, kind: str, version: str, build: int, *, is_held: bool) -> None:
        need(self.project is not None)
        assert self.project is not None
        release, filename = self.project.releases.get(version), filename_of(version, build)
        if kind == "project":
            was_held = self.project.status == "quarantined"
            need(is_held or was_held)
            if is_held and not was_held:
                self.project.former, self.project.status = self.project.status, "quarantined"
            elif not is_held:
                self.project.status = self.project.former
            return
        need(release is not None)
        assert release is not None
        if kind == "release":
            need(is_held or release.is_held)
            release.is_held = is_held
        else:
            need(filename in release.files and (is_held or release.files[filename]))
            release.files[filename] = is_held

    def days_pass(self) -> None:
        self.gone.clear()

    def open_files(self, version: str = "") -> set[str]:
        if self.project is None or self.project.status == "quarantined":
            return set()
        releases = self.project.releases
        chosen = [releases[version]] if version in releases else [] if version else [*releases.values()]
        return {name for release in chosen for name in release.files if release.is_open(name)}


class Doors:
    """The same acts on the index itself."""

    def __init__(self) -> None:
        self.people = {name: person(name) for name in OWNERS}
        self.moderator = person("mod", "moderator")
        self.removals: list[Removal] = []
        self.ahead = timedelta(0)

    def upload(self, by: Actor, version: str, build: int) -> None:
        new = make_file(NAME, version, filename=filename_of(version, build), metadata_sha256="")
        if not UsedFileName.objects.filter(filename=new.filename).exists():
            temp = blobs().incoming()
            temp.write_bytes(new.filename.encode())
            blobs().keep_all([(temp, key_of(new.blake2, new.filename))])
        publish_file(new, by=by)

    def yank(self, by: Actor, version: str) -> None:
        services.yank_release(NAME, version, "broken", by=by)

    def unyank(self, by: Actor, version: str) -> None:
        services.unyank_release(NAME, version, by=by)

    def archive(self, by: Actor) -> None:
        services.archive_project(NAME, "done", by=by)

    def unarchive(self, by: Actor) -> None:
        services.unarchive_project(NAME, by=by)

    def deprecate(self, by: Actor) -> None:
        services.deprecate_project(NAME, "old", "beta", by=by)

    def delete_file(self, by: Actor, version: str, build: int) -> None:
        self.removals.append(deleting.delete_file(NAME, filename_of(version, build), by=by))

    def delete_release(self, by: Actor, version: str) -> None:
        self.removals.append(deleting.delete_release(NAME, version, by=by))

    def delete_project(self, by: Actor) -> None:
        self.removals.append(deleting.delete_project(NAME, by=by))

    def restore(self, by: Actor, which: int) -> None:
        if not self.removals:
            raise Refusal
        removal = self.removals[which % len(self.removals)]
        pk = removal.pk
        if removal.kind == "project":
            restoring.restore_project(pk, by=by)
        elif removal.kind == "release":
            restoring.restore_release(NAME, pk, by=by)
        else:
            restoring.restore_file(NAME, pk, by=by)
        self.removals.remove(removal)

    def hold(self, kind: str, version: str, build: int) -> None:
        quarantines.quarantine(NAME, "steals keys", **_target(kind, version, build), by=self.moderator)

    def lift(self, kind: str, version: str, build: int) -> None:
        quarantines.lift(NAME, **_target(kind, version, build), by=self.moderator)

    def days_pass(self) -> None:
        self.ahead += timedelta(days=configuration.current().undo_days + 1)
        sweeping.sweep_removals(clock.now() + self.ahead)
        self.removals.clear()


def _target(kind: str, version: str, build: int) -> dict[str, str]:
    if kind == "project":
        return {}
    return {"version": version} if kind == "release" else {"filename": filename_of(version, build)}


class Connected:
    """Django's connection as the read plane's database, so that it sees what isn't committed."""

    def rows(self, question: str, parameters: Sequence[Any] = ()) -> list[Row]:
        with connection.cursor() as cursor:
            cursor.execute(question.replace("%", "%%").replace("?", "%s"), list(parameters))
            rows: list[Row] = cursor.fetchall()
        return rows

    @contextmanager
    def snapshot(self) -> Iterator[Ask]:
        yield self.rows


def connected() -> Store:
    return Store(cast("Database", Connected()), configuration.current())


BY, VERSION, BUILD = st.sampled_from(OWNERS), st.sampled_from(VERSIONS), st.sampled_from(BUILDS)
OWN = st.just("ada") | BY  # mostly the first of them
UPLOADS = st.tuples(st.just("upload"), OWN, VERSION, BUILD)
HOLDS = st.tuples(
    st.sampled_from(("hold", "lift")), st.sampled_from(("project", "release", "file")), VERSION, BUILD
)
STEPS = st.one_of(
    UPLOADS,
    HOLDS,
    HOLDS,
    st.tuples(st.sampled_from(("yank", "unyank", "delete_release")), OWN, VERSION),
    st.tuples(st.sampled_from(("archive", "unarchive", "deprecate", "delete_project")), OWN),
    st.tuples(st.just("delete_file"), OWN, VERSION, BUILD),
    st.tuples(st.just("restore"), OWN, st.integers(0, 3)),
    st.tuples(st.just("restore"), OWN, st.integers(0, 3)),
    st.tuples(st.just("days_pass")),
)
BEGIN = [("upload", "ada", version, build) for version in VERSIONS for build in BUILDS]


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, min_size=4, max_size=14))
def test_faces_show_what_a_model_says(steps: list[tuple[Any, ...]], db: None) -> None:
    with transaction.atomic():
        model, doors = Model(), Doors()
        for step in [*BEGIN, *steps]:
            if check_step(model, doors, *step):
                check_machines(model)
        check_pages(model)
        assert list(verification.verify_pages()) == []
        assert list(compare_files(is_quick=True)) == []
        transaction.set_rollback(True)


def check_step(model: Model, doors: Doors, act: str, *rest: Any) -> bool:
    """Do the same to the model and to the index: both do it, with at most one record, or both refuse."""
    before, told = copy.deepcopy(model.__dict__ | {"pks": None}), Record.objects.count()
    refused = False
    try:
        getattr(model, act)(*rest)
    except Refused:
        refused = True
        model.__dict__.update(before | {"pks": model.pks})
    assert is_refused(doors, act, *rest) == refused, (act, rest)
    more = Record.objects.count() - told
    assert more == 0 if refused else more <= 1 or act == "days_pass"
    return not refused


def is_refused(doors: Doors, act: str, *rest: Any) -> bool:
    try:
        with transaction.atomic():
            getattr(doors, act)(*(doors.people.get(one, one) for one in rest))
    except Refusal:
        return True
    return False


def page(address: str) -> Any:
    """Return what the read plane sends for an address, or None."""
    target = routes.find_target(address)
    assert target is not None
    store = connected()
    found = store.find_page(target, JSON, "identity")
    if found is None:
        return None
    return found.body.decode() if found.form == "xml" else json.loads(found.body)


def check_machines(model: Model) -> None:
    """Compare everything that installers and programs read."""
    project, files = model.project, model.open_files()
    is_shown = project is not None and project.status != "quarantined"
    simple = page(f"/simple/{NAME}/")
    assert (simple is None) == (project is None)
    if simple is not None and project is not None:
        assert {file["filename"] for file in simple["files"]} == files
        assert {file["filename"] for file in simple["files"] if file["yanked"]} == {
            name
            for version, release in project.releases.items()
            if release.is_yanked
            for name in model.open_files(version)
        }
        assert simple["project-status"]["status"] == project.status
    assert [row["name"] for row in page("/simple/")["projects"]] == ([NAME] if is_shown else [])
    assert [one.name for one in find_projects(Wanted(NAME)).projects(0, 9)] == ([NAME] if is_shown else [])
    updates = page("/rss/updates.xml")
    for version in VERSIONS:
        here = model.open_files(version)
        release = project.releases.get(version) if project else None
        document = page(f"/pypi/{NAME}/{version}/json")
        assert (document is not None) == bool(is_shown and release and not release.is_held)
        assert document is None or {url["filename"] for url in document["urls"]} == here
        assert (f"alpha {version}" in updates) == bool(here)
    totals = page("/stats.json")
    assert (totals["projects"], totals["files"]) == (int(is_shown), len(files))
    check_bytes(model)


def check_bytes(model: Model) -> None:
    """Compare which bytes are sent, which are refused with a reason and which aren't there."""
    here = (
        {name for release in model.project.releases.values() for name in release.files}
        if model.project
        else set()
    )
    store = connected()
    for name in EVERY_FILE:
        digest = make_file(NAME, filename=name).blake2
        row = store.find_file(path_of(digest, name))
        assert (row is not None) == (name in here), name
        assert row is None or (row.quarantine_reason is None) == (name in model.open_files()), name


def check_pages(model: Model) -> None:
    """Compare what people read."""
    project, client = model.project, Client()
    is_shown = project is not None and project.status != "quarantined"
    answer = client.get(f"/project/{NAME}/")
    assert answer.status_code == (200 if project else 404)
    shown = answer.content.decode()
    assert not any(name in shown for name in EVERY_FILE if name not in model.open_files())
    is_found = f"/project/{NAME}/" in client.get(f"/search/?q={NAME}").content.decode()
    assert is_found == is_shown
    for version in VERSIONS:
        here = model.open_files(version)
        release = project.releases.get(version) if project else None
        is_open = bool(is_shown and release and not release.is_held)
        listed = client.get(f"/project/{NAME}/{version}/files/")
        assert (listed.status_code == 200) == is_open
        named = {name for name in EVERY_FILE if name in listed.content.decode()}
        assert named == here
        lines = client.get(f"/project/{NAME}/{version}/requirements.txt")
        assert (lines.status_code == 200) == bool(here)
        assert lines.content.decode().count("--hash=") == len(here)
        answer = client.get(f"/project/{NAME}/{version}/")
        assert (answer.status_code == 200) == bool(release and not release.is_held)
