from __future__ import annotations

import dataclasses
import threading
from typing import Any

import pytest
from click.testing import CliRunner
from django.db import connection
from tests.mandate.visiting import Visit, code_of
from tests.projects.conftest import everything, make_file
from tests.safety.conftest import person

from keyhouse.accounts.models import User
from keyhouse.accounts.oversight.errors import PersonMissing
from keyhouse.audit.models import Record
from keyhouse.cli import creators as command
from keyhouse.core import configuration, creators
from keyhouse.core.actor import Actor, host
from keyhouse.core.creators import CreationRestricted
from keyhouse.core.errors import GateUnavailable, RoleRequired
from keyhouse.projects.life_cycle.restoring import restore_project
from keyhouse.projects.life_cycle.services import delete_project
from keyhouse.projects.models import Project, Removal
from keyhouse.projects.services import create_project, publish_file
from keyhouse.publishing.upload.checks.project import check_new_project
from keyhouse.safety.creators.errors import CreatorMissing
from keyhouse.safety.creators.services import approve_creator, revoke_creator
from keyhouse.safety.models import Creator


@pytest.fixture
def whom(monkeypatch: pytest.MonkeyPatch) -> Any:
    def set_to(value: str) -> None:
        changed = dataclasses.replace(configuration.current(), project_creators=value)  # type: ignore[arg-type]  # one of three
        monkeypatch.setattr(configuration, "_current", changed)

    return set_to


CASES = [
    ("everybody", "ada", True),
    ("approved", "ada", False),
    ("approved", "bob", True),
    ("approved", "mod", False),
    ("approved", "op", True),
    ("operators", "bob", False),
    ("operators", "op", True),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_who_may_make_projects(
    case: tuple[str, str, bool], ada: Actor, mod: Actor, op: Actor, whom: Any
) -> None:
    setting, who, may = case
    people = {"ada": ada, "bob": person("bob"), "mod": mod, "op": op}
    approve_creator("bob", by=op)
    whom(setting)
    by, before = people[who], everything()
    if may:
        check_new_project("alpha", by)
        publish_file(make_file("alpha"), by=by)
        return
    owners = [User.objects.get(username="bob")]
    for act in (
        lambda: check_new_project("alpha", by),
        lambda: publish_file(make_file("alpha"), by=by),
        lambda: create_project("alpha", owners, by=by),
    ):
        with pytest.raises(CreationRestricted):
            act()
    assert everything() == before
    create_project("alpha", owners, by=host())


def test_old_projects_take_files_and_come_back(alpha: Project, ada: Actor, whom: Any) -> None:
    create_project("beta", [User.objects.get(username="ada")], by=ada)
    whom("operators")
    publish_file(make_file("alpha", "3.0"), by=ada)
    delete_project("beta", by=ada)
    restore_project(Removal.objects.get().pk, by=ada)
    assert Project.objects.count() == 2


def test_with_nothing_wired_nobody_is_let_in(ada: Actor, whom: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whom("approved")
    monkeypatch.setattr(creators, "_wired", [])
    with pytest.raises(GateUnavailable):
        publish_file(make_file("alpha"), by=ada)


def test_approvals_come_once_and_go_with_the_next_request(ada: Actor, op: Actor, whom: Any) -> None:
    whom("approved")
    approve_creator("Ada", by=op)
    approve_creator("ada", by=op)
    publish_file(make_file("alpha"), by=ada)
    revoke_creator("ada", by=op)
    with pytest.raises(CreationRestricted):
        publish_file(make_file("beta"), by=ada)
    with pytest.raises(CreatorMissing):
        revoke_creator("ada", by=op)
    told = Record.objects.filter(action__startswith="creator.").order_by("pk")
    assert [row.action for row in told] == ["creator.approve", "creator.revoke"]


def test_nobody_but_operators_approves(ada: Actor, mod: Actor, op: Actor) -> None:
    for actor in (ada, mod, person("aud", "auditor")):
        for name in ("ada", "nobody"):
            with pytest.raises(RoleRequired):
                approve_creator(name, by=actor)
            with pytest.raises(RoleRequired):
                revoke_creator(name, by=actor)
    for name in ("nobody", "", "a\x00"):
        with pytest.raises(PersonMissing):
            approve_creator(name, by=op)
    assert Creator.objects.count() == Record.objects.filter(action__startswith="creator.").count() == 0


@pytest.mark.django_db(transaction=True)
def test_of_many_approvals_at_once_one_comes(ada: Actor) -> None:
    failed: list[Exception] = []

    def act() -> None:
        try:
            approve_creator("ada", by=host())
        except Exception as error:  # noqa: BLE001 - told below
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=act, name="approvals") for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert Creator.objects.count() == Record.objects.filter(action="creator.approve").count() == 1


def test_pages_and_commands_approve_and_revoke(ada: Actor, op: Actor) -> None:
    visit = Visit(User.objects.get(username="op"))
    assert "Everybody may." in visit.get("/operator/creators/").content.decode()
    assert code_of(visit.post("/operator/creators/approve/", username="nobody")) == "person-missing"
    assert visit.post("/operator/creators/approve/", username="ada").status_code == 303
    page = visit.get("/operator/creators/").content.decode()
    pk = Creator.objects.get().pk
    assert f"/operator/creators/{pk}/revoke/" in page
    assert visit.post(f"/operator/creators/{pk}/revoke/").status_code == 303
    assert code_of(visit.post(f"/operator/creators/{pk}/revoke/")) == "creator-missing"
    run = CliRunner()
    assert run.invoke(command.command, ["approve", "ada"]).output == "Approved: ada.\n"
    assert "ada  " in run.invoke(command.command, ["list"]).output
    assert '"name": "ada"' in run.invoke(command.command, ["list", "--json"]).output
    assert run.invoke(command.command, ["revoke", "ada"]).output == "Revoked.\n"
