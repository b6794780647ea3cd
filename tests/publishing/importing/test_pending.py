"""Owners who have no account yet: offered a role with a deadline, told once, listed until they come."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.distfiles.builders import build_wheel
from tests.publishing.importing.conftest import Run

from keyhouse.accounts.models import Email, OneTimeLink, User
from keyhouse.accounts.services import invite_user
from keyhouse.audit.models import Record
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.mail.models import Mail
from keyhouse.projects.collaborators.models import ProjectInvitation
from keyhouse.projects.models import Project, Role
from keyhouse.publishing.importing.errors import OwnersInvalid
from keyhouse.publishing.importing.owners import Line, Owners, read_owners
from keyhouse.publishing.importing.pending import ownerless_projects, remind, who_has_not_come

pytestmark = pytest.mark.usefixtures("here")
BOB = "bob@example.org"


@pytest.fixture
def imported(folder: Path, bring_in: Run) -> None:
    build_wheel(folder), build_wheel(folder, "beta"), build_wheel(folder, "gamma")
    lines = [Line("alpha", BOB), Line("beta", "Bob@Example.org", "maintainer"), Line("beta", "ada")]
    work, _ = bring_in(folder, owners=Owners(lines, ownerless=True, days=45))
    assert (work.offered_to, work.ownerless) == ({BOB}, ["gamma"])


def test_a_role_is_offered_and_gives_nothing_yet(imported: None) -> None:
    assert {(role.project.name, role.user.username) for role in Role.objects.all()} == {("beta", "ada")}
    offered = {one.project.name: (one.address, one.kind) for one in ProjectInvitation.objects.all()}
    assert offered == {"alpha": (BOB, "owner"), "beta": (BOB, "maintainer")}
    [waited] = who_has_not_come(clock.now())
    assert (waited.projects, waited.has_account, waited.is_over) == (("alpha", "beta"), False, False)
    assert timedelta(days=44) < waited.until - clock.now() <= timedelta(days=45)
    assert ownerless_projects() == ["alpha", "gamma"]
    assert Mail.objects.exclude(kind="project-owner-invited").count() == 0


def test_whoever_waits_is_told_by_one_mail_for_all_projects(imported: None) -> None:
    before = Record.objects.count()
    assert remind(["eve@example.org"], by=host()) == []
    assert remind(by=host()) == [BOB]
    [mail] = Mail.objects.filter(kind="import-projects-wait")
    assert mail.address == BOB
    [link] = OneTimeLink.objects.filter(purpose="invitation")
    assert (link.address, link.expires_at) == (BOB, mail.expires_at)
    assert Record.objects.count() == before + 1


def test_whoever_has_come_or_answered_or_is_too_late_is_not_told(imported: None) -> None:
    user = User.objects.create(username="bob", joined_at=clock.now())
    Email.objects.create(
        user=user, address=BOB, verified_at=clock.now(), verified_by="link", added_at=clock.now()
    )
    [waited] = who_has_not_come(clock.now())
    assert waited.has_account
    ProjectInvitation.objects.filter(project__name="alpha").update(ended_at=clock.now(), outcome="accepted")
    ProjectInvitation.objects.filter(project__name="beta").update(expires_at=clock.now())
    [waited] = who_has_not_come(clock.now())
    assert (waited.projects, waited.is_over) == (("beta",), True)
    assert remind(by=host()) == []
    assert OneTimeLink.objects.filter(purpose="invitation").count() == 0


def test_an_import_once_more_offers_nothing_twice(imported: None, folder: Path, bring_in: Run) -> None:
    build_wheel(folder, version="2.0")
    work, _ = bring_in(folder, owners=Owners([Line("*", BOB)]))
    assert (work.offered_to, ProjectInvitation.objects.count()) == (set(), 2)


def test_nothing_is_offered_where_nothing_came(folder: Path, bring_in: Run) -> None:
    build_wheel(folder, record=b"")
    bring_in(folder, owners=Owners([Line("*", BOB)]))
    bring_in(folder, owners=Owners([Line("*", BOB)]), is_dry=True)
    assert (Project.objects.count(), ProjectInvitation.objects.count()) == (0, 0)


def test_somebody_invited_by_name_is_offered_roles_by_address() -> None:
    with pytest.raises(OwnersInvalid, match="nobody called 'bob'"):
        Owners([Line("*", "bob")]).require_known()
    invite_user("Bob", BOB, by=host())
    owners = Owners([Line("*", "bob"), Line("x", BOB, "maintainer")])
    owners.require_known()
    assert [(one.address, one.role) for one in owners.of("x").pending] == [(BOB, "owner")]


@pytest.mark.parametrize(
    ("text", "told"),
    [("project,person,role\n*,ada,king\n", "Line 2: 'king' is no role"), ("a,b\n", "must name the columns project and person"),
     ("project,person\n*,\n", "Line 2 needs")],
)  # fmt: skip
def test_a_file_of_owners_that_is_wrong_names_the_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "owners.csv"
    path.write_text(text)
    with pytest.raises(OwnersInvalid, match=told):
        read_owners(path)
