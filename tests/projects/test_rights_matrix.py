"""Every cell of the table of roles for whoever has a right by an organization or a team, and no role of their own.

As in `test_role_matrix.py`, what is allowed comes out as what it stands for, and what is refused does nothing and is
answered as a project that was never there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from tests.projects.test_role_matrix import (
    ALPHA,
    BELOW,
    DOORS,
    UNKNOWN,
    acts,
    complete,
    enter,
    ready,
    statuses,
)
from tests.projects.test_role_matrix import wired as wired  # noqa: PLC0414 - a fixture
from tests.web.asked import Door
from tests.web.everything import Everything, open_everything

from keyhouse.mandate.models import CriticalProject
from keyhouse.organizations.models import OrganizationInvitation
from keyhouse.projects.collaborators.models import ProjectInvitation
from keyhouse.projects.models import Role
from keyhouse.projects.rules import MAINTAINER, OWNER, allows_role

pytestmark = pytest.mark.django_db

ACME: Final = "/manage/organization/acme/"
# What the right of each is in the project, and in the organization that it stands in.
PEOPLE: Final = {
    "ada": OWNER,  # an owner there
    "eve": OWNER,  # a member, in the team mast
    "bob": MAINTAINER,  # a member, in the team keel
    "kim": "",  # a manager
    "sam": "",  # a member in no team of the project
    "own": "",  # an owner of another organization
}
INSIDE: Final = {"ada": "owner", "eve": "member", "bob": "member", "kim": "manager", "sam": "member"}
# What is so before these: the team keel owns the project.
KEEL_OWNS: Final = {"team-role.end", "team-role.keep"}
MOVED_OUT: Final = {"project.move": {"organization": ""}}  # as it stands in the organization already
# What goes with the right of an owner who has none where the project stands then.
DROPPED: Final = ["publisher.remove", *3 * ["token.revoke"]]
# Answered otherwise than to whoever has a role of their own; of each, why.
NO_ROLE: Final = (404, "project-not-found")
OTHERWISE: Final[dict[tuple[str, str], tuple[str, tuple[int, str]]]] = {
    ("POST", "collaborator.leave"): ("a right ends where it comes from: in the organization", NO_ROLE),
    ("POST", "collaborator.lay-down"): ("the organization's owners lay that down", NO_ROLE),
}
# Asked of an owner of the organization, too: owners by a team are refused, and owners of their own.
FOR_ITS_OWNERS: Final = {
    ("POST", "project.move"),
    ("GET", "project.set-readers"),
    ("POST", "project.set-readers"),
}
SHUT: Final = (403, "role-required")
MINE: Final = [
    door for door in DOORS if allows_role(OWNER, door.action)
]  # the others are those of the invited


@pytest.fixture(scope="module")
def index(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Everything]:
    """Make the index once for all that is asked here."""
    with django_db_blocker.unblock(), open_everything(tmp_path_factory.mktemp("everything")) as made:
        organize(made)
        yield made


def organize(index: Everything) -> None:
    """Put the project into the organization, and take from everybody here the role of their own in it."""
    index.do("root", "/operator/switches/new-projects/lift/")
    index.do("ada", f"{ALPHA}organization/", organization="acme")
    complete(index)
    for name, kind in INSIDE.items():
        if name in {"ada", "bob"}:
            continue  # they are in it already
        index.do("ada", ACME, invitee=name, kind=kind)
        invitation = OrganizationInvitation.objects.latest("pk")
        index.do(name, f"/account/invitations/organization/{invitation.pk}/accept/")
    index.do("ada", f"{ACME}teams/", name="mast")
    index.do("ada", f"{ACME}teams/mast/", username="eve")
    for team, kind in (("mast", OWNER), ("keel", MAINTAINER)):
        index.do("ada", f"{ALPHA}teams/", team=team, kind=kind)
    index.do("ada", f"{ALPHA}people/", invitee="mod", kind=MAINTAINER)  # as the move dropped what waited
    waiting = ProjectInvitation.objects.latest("pk")
    index.name(f"{BELOW}people/invitation/", "invitation_id", waiting.pk)
    for name in ("ada", "bob", "own"):
        index.do(name, f"{ALPHA}people/leave/")


def test_nobody_here_has_a_role_of_their_own(index: Everything) -> None:
    assert not Role.objects.filter(project__normalized_name="alpha", user__username__in=PEOPLE).exists()
    assert index.client("ada").get(ALPHA).status_code == 200


def test_handing_over_promises_no_more_than_it_does(index: Everything) -> None:
    page = index.client("ada").get(f"{ALPHA}people/hand-over/").content.decode()
    assert "what you may do in it by acme or its teams stays" in page


def test_what_is_said_here_is_of_doors_that_are_there() -> None:
    asked = {(door.method, door.action) for door in MINE}
    assert asked >= {*OTHERWISE, *FOR_ITS_OWNERS}
    assert {action for _, action in asked} >= {*KEEL_OWNS, *MOVED_OUT}


@pytest.mark.parametrize("door", MINE, ids=str)
def test_each_right_opens_what_a_role_does(door: Door, index: Everything) -> None:
    with ready(index, door) as named:
        if door.action in MOVED_OUT:
            CriticalProject.objects.all().delete()  # nobody loses ownership of one that is critical by a move
        for who in PEOPLE:
            told, done = enter(index, door, who, named, form=MOVED_OUT.get(door.action))
            cell = (who, told.told, told.defect, done)
            assert is_expected(door, who, told.told, told.status, done), cell
            unknown, nothing = enter(index, door, who, named | UNKNOWN)
            assert (unknown.told, nothing) == (SHUT, []), "what is not there is answered alike to all"


def is_expected(door: Door, who: str, told: tuple[int, str], status: int, done: list[str]) -> bool:
    """Tell whether a door did what the right of that person stands for, or nothing."""
    if not may(door, who):
        return (told, done) == (SHUT, [])
    if (door.method, door.action) in OTHERWISE:
        return (told, done) == (OTHERWISE[door.method, door.action][1], [])
    expected = (
        sorted([door.action, *DROPPED])
        if (door.method, door.action) == ("POST", "project.move")
        else acts(door)
    )
    return status in statuses(door) and told[1] == "" and sorted(done) == expected


def may(door: Door, who: str) -> bool:
    """Tell whether the table gives that person this door."""
    if (door.method, door.action) in FOR_ITS_OWNERS:
        return INSIDE.get(who) == OWNER
    role = OWNER if who == "bob" and door.action in KEEL_OWNS else PEOPLE[who]
    return allows_role(role or None, door.action)
