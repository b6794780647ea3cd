"""Who may do what: the table of roles, exactly, and what is asked of people without one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.projects.conftest import give_role, make_file

from keyhouse.core import actions, actor
from keyhouse.core.actions import CATALOGUE, Thing
from keyhouse.core.actor import NOBODY, Actor
from keyhouse.core.errors import Refusal, RoleRequired, SignInRequired
from keyhouse.projects import rules, services
from keyhouse.projects.models import Project

pytestmark = pytest.mark.django_db

PROJECT_ACTIONS = {
    "project.manage",
    "release.upload",
    "release.publish",
    "release.discard",
    "project.set-staging",
    "release.yank",
    "release.unyank",
    "file.delete",
    "release.delete",
    "project.delete",
    "project.archive",
    "project.unarchive",
    "collaborator.invite",
    "collaborator.resend",
    "collaborator.revoke",
    "collaborator.change-role",
    "collaborator.remove",
    "collaborator.keep",
    "collaborator.nudge",
    "collaborator.hand-over",
    "collaborator.leave",
    "collaborator.lay-down",
}


def allowed(by: Actor, thing: Thing | None) -> set[str]:
    return {name for name in CATALOGUE if _is_allowed(by, name, thing)}


def _is_allowed(by: Actor, name: str, thing: Thing | None) -> bool:
    try:
        actions.require_authority(by, name, thing)
    except Refusal:
        return False
    return True


def test_the_tables_name_only_actions_of_the_catalogue() -> None:
    named = set.union(
        *map(set, rules.ROLE_ACTIONS.values()), rules.CREDENTIAL_ACTIONS, rules.ROLELESS_ACTIONS
    )

    assert named <= set(CATALOGUE)


def test_roles_decide_about_a_project(ada: Actor, bob: Actor) -> None:
    services.publish_file(make_file(), by=ada)
    by_id = Thing("project", Project.objects.get().pk)
    by_name = Thing("project", None, "alpha-beta")
    roleless = {"project.create", "index.read", "collaborator.accept", "collaborator.decline"}

    for thing in (by_id, by_name):
        assert allowed(ada, thing) & (PROJECT_ACTIONS | roleless) == PROJECT_ACTIONS | roleless
        assert allowed(bob, thing) == roleless
        assert allowed(replace(bob, is_operator=True), thing) & PROJECT_ACTIONS == set()
    give_role("alpha-beta", bob, "maintainer")
    for thing in (by_id, by_name):
        assert (
            allowed(bob, thing)
            == {
                "project.manage",
                "release.upload",
                "release.publish",
                "release.discard",
                "collaborator.leave",
                "publisher.read",
            }
            | roleless
        )


def test_a_role_in_one_project_is_none_in_another(ada: Actor, bob: Actor) -> None:
    services.publish_file(make_file(), by=ada)
    services.publish_file(make_file("gamma"), by=bob)

    assert allowed(ada, Thing("project", None, "gamma")) & PROJECT_ACTIONS == set()


def test_an_unknown_project_is_refused_as_one_without_a_role(ada: Actor, bob: Actor) -> None:
    services.publish_file(make_file(), by=ada)

    def answer(name: str) -> tuple[str, str]:
        with pytest.raises(RoleRequired) as raised:
            actions.require_authority(bob, "project.manage", Thing("project", None, name))
        return raised.value.line, raised.value.fix

    assert answer("alpha-beta") == answer("nowhere") == answer("")


def test_nobody_gets_no_further_than_what_is_open() -> None:
    is_open = {name for name, action in CATALOGUE.items() if not action.gated and not action.needs_session}

    assert allowed(NOBODY, None) == is_open - {"host.command"}
    assert allowed(NOBODY, Thing("project", None, "x")) == set()
    with pytest.raises(SignInRequired):
        actions.require_authority(NOBODY, "account.read")


def test_people_rule_their_own_account_only(ada: Actor, bob: Actor) -> None:
    assert _is_allowed(ada, "password.change", Thing("account", ada.user_id))
    assert not _is_allowed(ada, "password.change", Thing("account", bob.user_id))
    assert not _is_allowed(ada, "password.change", Thing("account", None))


def test_a_credential_does_what_needs_no_person(ada: Actor) -> None:
    services.publish_file(make_file(), by=ada)
    token = replace(ada, kind="token")

    assert allowed(token, Thing("project", None, "alpha-beta")) == {
        "index.read",
        "project.create",
        "release.upload",
        "release.yank",
    }
    assert "token.use" in allowed(token, None)
    assert "token.mint" not in allowed(token, None)
    assert "password.change" not in allowed(token, Thing("account", ada.user_id))


def test_commands_of_the_host_are_for_the_host_and_its_jobs(ada: Actor) -> None:
    assert _is_allowed(actor.host(), "host.command", None)
    assert _is_allowed(actor.job("keeper"), "host.command", None)
    assert not _is_allowed(replace(ada, is_operator=True), "host.command", None)
    assert not _is_allowed(NOBODY, "host.command", None)
    assert not _is_allowed(actor.job("keeper"), "project.delete", Thing("project", None, "alpha-beta"))


def test_operators_do_what_is_theirs(ada: Actor) -> None:
    assert _is_allowed(replace(ada, is_operator=True), "audit.read-all", None)
    assert not _is_allowed(ada, "audit.read-all", None)
