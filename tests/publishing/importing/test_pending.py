"""Owners who have no account yet: offered a role with a deadline, told once, listed until they come."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.distfiles.builders import build_wheel
from tests.publishing.importing.conftest import Run

from keyhouse.accounts.models import Email, OneTimeLink, User
from keyhouse.accounts.offers import Reminded
from keyhouse.accounts.oversight.suspending import suspend_user
from keyhouse.accounts.services import invite_user
from keyhouse.audit.models import Record
from keyhouse.core import clock
from keyhouse.core.actor import NOBODY, host
from keyhouse.core.errors import Refusal
from keyhouse.mail.letters import Letter
from keyhouse.mail.models import Mail
from keyhouse.mail.services import queue
from keyhouse.projects.collaborators.models import FormerRole, ProjectInvitation
from keyhouse.projects.collaborators.services import invite
from keyhouse.projects.models import Project, Role
from keyhouse.publishing.importing import pending
from keyhouse.publishing.importing.errors import OwnersInvalid
from keyhouse.publishing.importing.owners import Line, Owners, read_owners
from keyhouse.publishing.importing.pending import (
    OfferedAgain,
    offer_again,
    ownerless_projects,
    remind,
    who_has_not_come,
)

pytestmark = pytest.mark.usefixtures("here")
BOB = "bob@example.org"


@pytest.fixture
def imported(folder: Path, bring_in: Run) -> None:
    User.objects.update(last_seen_at=clock.now())
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
    assert remind(["eve@example.org"], by=host()) == Reminded()
    assert remind(by=host()) == Reminded([BOB])
    [mail] = Mail.objects.filter(kind="import-projects-wait")
    assert mail.address == BOB
    [link] = OneTimeLink.objects.filter(purpose="invitation")
    assert (link.address, link.expires_at) == (BOB, mail.expires_at)
    assert Record.objects.count() == before + 1


def test_whoever_was_told_all_of_it_within_a_day_is_left_out(imported: None) -> None:
    assert remind(by=host(), is_dry=True) == remind(by=host()) == Reminded([BOB])
    stored = [list(one.objects.values()) for one in (ProjectInvitation, Mail, OneTimeLink, Record)]
    assert remind(by=host()) == remind([BOB], by=host()) == Reminded(lately=[BOB])
    assert stored == [list(one.objects.values()) for one in (ProjectInvitation, Mail, OneTimeLink, Record)]
    invite("gamma", BOB, "owner", by=host(), is_told=False)  # by another import within the day
    assert remind(by=host()) == Reminded([BOB])
    ProjectInvitation.objects.update(sent_at=clock.now() - timedelta(days=1))
    assert remind(by=host()) == Reminded([BOB])
    assert remind(by=host()) == Reminded(lately=[BOB])


def test_nobody_is_told_of_what_is_in_quarantine_until_it_is_out(imported: None) -> None:
    Project.objects.filter(name="alpha").update(status="quarantined")
    assert remind(by=host()) == Reminded([BOB])
    assert Record.objects.latest("pk").details == {"projects": ["beta"]}
    Project.objects.update(status="quarantined")
    assert remind(by=host()) == Reminded(resting=[BOB])
    let_expire("alpha", "beta")
    assert offer_again(5, by=host()) == OfferedAgain([], [], [BOB])
    assert not ProjectInvitation.objects.filter(expires_at__gt=clock.now()).exists()
    Project.objects.update(status="active")
    assert offer_again(5, by=host()) == OfferedAgain([BOB], [])
    assert Mail.objects.filter(kind="import-projects-wait").count() == 2


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
    assert remind(by=host()) == Reminded()
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


# ---- what is over, offered anew


def let_expire(*projects: str) -> None:
    over = ProjectInvitation.objects.filter(project__name__in=projects)
    over.update(expires_at=clock.now() - timedelta(days=1))


def test_what_is_over_is_offered_anew_by_one_mail_once(imported: None) -> None:
    assert offer_again(14, by=host()) == OfferedAgain([], [])
    let_expire("alpha", "beta")
    before = list(ProjectInvitation.objects.order_by("pk").values())
    records = Record.objects.count()
    assert offer_again(14, by=host(), is_dry=True) == OfferedAgain([BOB], [])
    assert (list(ProjectInvitation.objects.order_by("pk").values()), Record.objects.count()) == (
        before,
        records,
    )
    assert not Mail.objects.filter(kind="import-projects-wait").exists()
    assert not OneTimeLink.objects.exists()

    assert offer_again(14, by=host()) == OfferedAgain([BOB], [])
    [waited] = who_has_not_come(clock.now())
    assert (waited.projects, waited.is_over) == (("alpha", "beta"), False)
    assert timedelta(days=13) < waited.until - clock.now() <= timedelta(days=14)
    [mail] = Mail.objects.filter(kind="import-projects-wait")
    [link] = OneTimeLink.objects.all()
    assert (mail.address, mail.expires_at, link.expires_at) == (BOB, waited.until, waited.until)
    assert Record.objects.filter(action="collaborator.resend", actor_kind="host").count() == 2
    assert offer_again(14, by=host()) == OfferedAgain([], [])
    assert Mail.objects.filter(kind="import-projects-wait").count() == 1


def test_only_what_is_over_is_offered_anew(imported: None) -> None:
    let_expire("beta")
    until = ProjectInvitation.objects.get(project__name="alpha").expires_at
    assert offer_again(5, by=host()).addresses == [BOB]
    assert ProjectInvitation.objects.get(project__name="alpha").expires_at == until
    [record] = Record.objects.filter(action="user.invite")
    assert record.details == {"projects": ["beta"]}
    let_expire("alpha", "beta")
    ProjectInvitation.objects.filter(project__name="alpha").update(ended_at=clock.now(), outcome="revoked")
    ProjectInvitation.objects.filter(project__name="beta").update(invited_by=User.objects.get())
    assert offer_again(5, by=host()) == OfferedAgain([], [])  # taken back, and not the host's


def test_who_came_another_way_is_offered_nothing_again(imported: None) -> None:
    bob = User.objects.create(username="bob", joined_at=clock.now())
    Email.objects.create(
        user=bob, address=BOB, is_primary=True, verified_at=clock.now(), added_at=clock.now()
    )
    alpha, beta = Project.objects.get(name="alpha"), Project.objects.get(name="beta")
    Role.objects.create(project=alpha, user=bob, kind="maintainer", since_at=clock.now())
    FormerRole.objects.create(
        lineage=beta.lineage, normalized_name="beta", user=bob, kind="owner", how="removed", since_at=clock.now(), ended_at=clock.now(),
    )  # fmt: skip
    let_expire("alpha", "beta")
    assert offer_again(5, by=host()) == OfferedAgain([], [])
    assert not Mail.objects.filter(kind="import-projects-wait").exists()


def test_nobody_but_the_host_or_an_operator_offers_anew(imported: None) -> None:
    let_expire("alpha", "beta")
    with pytest.raises(Refusal):
        offer_again(5, by=NOBODY)
    assert not ProjectInvitation.objects.filter(expires_at__gt=clock.now()).exists()
    assert not Mail.objects.filter(kind="import-projects-wait").exists()


def test_a_project_whose_owners_are_gone_is_named_and_the_others_are_offered(imported: None) -> None:
    Role.objects.update(kind="owner")
    suspend_user(User.objects.get(), "left the company", by=host(), now=clock.now())
    let_expire("alpha", "beta")
    for told in (OfferedAgain([BOB], ["beta"]), OfferedAgain([], ["beta"])):
        assert offer_again(5, by=host()) == told
    assert ProjectInvitation.objects.get(project__name="beta").expires_at <= clock.now()
    assert Mail.objects.filter(kind="import-projects-wait").count() == 1


def test_it_goes_on_where_it_was_stopped(imported: None, monkeypatch: pytest.MonkeyPatch) -> None:
    invite("alpha", "zoe@example.org", "owner", by=host(), is_told=False)
    let_expire("alpha", "beta")
    told = []

    def stop(letter: Letter, **given: Any) -> None:
        told.append(given["to"])
        if len(told) == 2:
            raise KeyboardInterrupt
        queue(letter, **given)

    with monkeypatch.context() as patched:
        patched.setattr(pending, "queue", stop)
        with pytest.raises(KeyboardInterrupt):
            offer_again(5, by=host())
    assert told == [BOB, "zoe@example.org"]
    assert offer_again(5, by=host()).addresses == ["zoe@example.org"]
    mails = Mail.objects.filter(kind="import-projects-wait")
    assert sorted(mails.values_list("address", flat=True)) == told
