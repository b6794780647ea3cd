"""What the mandates know of people who are invited, and what they ask where a role is gained, left or handed over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from tests.mandate.stored import (
    ANNOUNCED,
    document,
    make_project,
    make_user,
    retire_default,
    session_of,
    store,
)
from tests.mandate.visiting import Visit, code_of

from keyhouse.accounts.models import Authenticator, Email, User
from keyhouse.core import actions, clock, standing
from keyhouse.core.actions import Thing
from keyhouse.core.actor import host
from keyhouse.core.errors import (
    EmailUnverified,
    RoleRequired,
    SecondFactorRequired,
    StrongerFactorRequired,
)
from keyhouse.mail.models import Mail
from keyhouse.mandate import nudging, people, queries
from keyhouse.mandate.deletion import ask_deletion
from keyhouse.mandate.errors import DeletionHeld, NothingLacking, NudgedAlready
from keyhouse.mandate.models import CriticalProject
from keyhouse.mandate.selectors import Criterion
from keyhouse.projects.collaborators import ending, services
from keyhouse.projects.collaborators.errors import InvitationMissing
from keyhouse.projects.life_cycle.services import delete_project
from keyhouse.projects.models import Project, Role

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wired")]
DAY = timedelta(days=1)
SetTime = Callable[[datetime], None]
CRITICAL = Criterion("unique-clients", 180, top=10)


@pytest.fixture(autouse=True)
def at(monkeypatch: pytest.MonkeyPatch) -> SetTime:
    def set_to(instant: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: instant)

    set_to(ANNOUNCED)
    return set_to


@pytest.fixture
def ada() -> User:
    ada = with_app(make_user("ada"))
    make_project("alpha", ada)
    return ada


def with_app(user: User) -> User:
    Authenticator.objects.create(user=user, name="app", secret_sealed="x", created_at=ANNOUNCED)
    return user


def roles_of(user: User) -> tuple[str, ...]:
    """Return the roles of somebody as the gate sees them, and see that plans see the same."""
    gathered = queries.facts_of_person(user.pk).person.roles
    [listed] = [one.person.roles for one in people.all_facts() if one.person.name == user.username]
    assert listed == gathered
    return gathered


@pytest.mark.parametrize("whom", ["zoe", "zoe@example.org"])
def test_g8_an_invitation_waits_without_authority_until_its_holder_complies(
    whom: str, ada: User, at: SetTime
) -> None:
    zoe = make_user("zoe")
    weak, strong = session_of(zoe, "password"), session_of(zoe)
    assert roles_of(zoe) == ()
    offered = services.invite("alpha", whom, "owner", by=session_of(ada))

    assert roles_of(zoe) == ("invited",)
    assert standing.of(zoe.pk).is_invited
    assert not standing.of(zoe.pk).has_authority
    with pytest.raises(SecondFactorRequired):
        services.accept(offered.pk, by=weak)
    with pytest.raises(RoleRequired):
        actions.require(strong, "project.manage", Thing("project", None, "alpha"))
    Email.objects.filter(user=zoe).update(is_primary=False)
    with pytest.raises(EmailUnverified):
        services.accept(offered.pk, by=strong)
    Email.objects.filter(user=zoe).update(is_primary=True)
    assert not Role.objects.filter(user=zoe).exists()

    with CaptureQueriesContext(connection) as asked:
        queries.gather(strong, "collaborator.accept", Thing("project", None, "alpha"), clock.now())
    assert len(asked) <= 3
    services.accept(offered.pk, by=strong)
    assert roles_of(zoe) == ()
    actions.require(strong, "project.manage", Thing("project", None, "alpha"))

    services.invite("alpha", "yan@example.org", "owner", by=session_of(ada))
    yan = make_user("yan")
    assert roles_of(yan) == ("invited",)
    at(ANNOUNCED + 7 * DAY)
    assert roles_of(yan) == ()


def test_a15_whoever_joins_a_critical_project_is_asked_as_its_owners_are(ada: User) -> None:
    retire_default()
    store(
        document(
            name="keys",
            who={"critical": CRITICAL.as_dict()},
            methods={"accept": ["phishing-resistant"]},
            stages=[{"state": "enforced", "at": ANNOUNCED - DAY, "deny": ["all"]}],
        ),
        origin="seeded",
    )
    zoe = with_app(make_user("zoe"))
    make_project("beta", ada)
    alpha = Project.objects.get(name="alpha")
    CriticalProject.objects.create(
        criterion=CRITICAL.key, normalized_name="alpha", lineage=alpha.lineage, since_at=ANNOUNCED - DAY
    )
    User.objects.filter(pk=ada.pk).update(last_seen_at=clock.now())
    critical = services.invite("alpha", "zoe", "maintainer", by=host())
    other = services.invite("beta", "zoe", "maintainer", by=host())

    with pytest.raises(StrongerFactorRequired):
        services.accept(critical.pk, by=session_of(zoe))
    services.accept(other.pk, by=session_of(zoe))
    services.accept(critical.pk, by=session_of(zoe, "password", "webauthn"))
    assert set(Role.objects.filter(user=zoe).values_list("project__name", flat=True)) == {"alpha", "beta"}


def test_a16_a_role_that_ended_opens_nothing_from_the_next_question_on(ada: User) -> None:
    bob = with_app(make_user("bob"))
    Role.objects.create(project=Project.objects.get(), user=bob, kind="owner", since_at=ANNOUNCED)
    thing = Thing("project", None, "alpha")
    actions.require(session_of(bob), "release.yank", thing)

    ending.lower_role("alpha", "bob", by=session_of(ada))
    with pytest.raises(RoleRequired):
        actions.require(session_of(bob), "release.yank", thing)
    actions.require(session_of(bob), "release.upload", thing)
    ending.remove_role("alpha", "bob", by=session_of(ada))
    with pytest.raises(RoleRequired):
        actions.require(session_of(bob), "release.upload", thing)


@pytest.mark.parametrize("way", ["hand over", "remove", "leave", "lower"])
def test_a18_whoever_hands_over_leaves_the_hold_behind(way: str, ada: User, at: SetTime) -> None:
    retire_default()
    store(document(who={"user": ["ada"]}, stages=document()["stages"]))
    bob = with_app(make_user("bob"))
    at(ANNOUNCED + DAY)
    mine = session_of(ada)
    if way == "hand over":
        services.accept(services.hand_over("alpha", "bob", by=mine).pk, by=session_of(bob))
    else:
        services.accept(services.invite("alpha", "bob", "owner", by=mine).pk, by=session_of(bob))
        act = {"remove": ending.remove_role, "lower": ending.lower_role}.get(way)
        if act is not None:
            act("alpha", "ada", by=session_of(bob))
        else:
            ending.leave("alpha", by=mine)

    with pytest.raises(DeletionHeld):
        delete_project("alpha", by=session_of(bob))
    ask_deletion("alpha", by=session_of(bob))
    at(ANNOUNCED + 16 * DAY)
    delete_project("alpha", by=session_of(bob))


def test_a_role_that_ended_before_the_announcement_holds_nothing(ada: User, at: SetTime) -> None:
    retire_default()
    store(document(who={"user": ["ada"]}))
    bob = with_app(make_user("bob"))
    at(ANNOUNCED - DAY)
    services.accept(services.hand_over("alpha", "bob", by=session_of(ada)).pk, by=session_of(bob))
    at(ANNOUNCED + DAY)

    delete_project("alpha", by=session_of(bob))


# ---- reminding


def test_a_co_owner_who_blocks_is_reminded_once_a_day(ada: User, at: SetTime) -> None:
    bob = make_user("bob")
    Role.objects.create(project=Project.objects.get(), user=bob, kind="owner", since_at=ANNOUNCED)
    nudging.nudge("alpha", "BOB", by=session_of(ada))
    assert list(Mail.objects.values_list("kind", "address")) == [("project-nudge", "bob@example.org")]

    for instant in (ANNOUNCED, ANNOUNCED + DAY - timedelta(seconds=1)):
        at(instant)
        with pytest.raises(NudgedAlready) as refused:
            nudging.nudge("alpha", "bob", by=session_of(ada, at=instant))
        assert refused.value.retry_after
    at(ANNOUNCED + DAY)
    nudging.nudge("alpha", "bob", by=session_of(ada))
    with pytest.raises(NothingLacking):
        nudging.nudge("alpha", "ada", by=session_of(ada))
    assert Mail.objects.count() == 2


def test_pages_of_people_and_invitations_lead_from_one_to_the_other(ada: User) -> None:
    zoe = with_app(make_user("zoe"))
    owner, guest = Visit(ada), Visit(zoe)
    base = "/manage/project/alpha/people/"

    assert owner.post(base, invitee="zoe", kind="owner").status_code == 303
    owner.get(base)
    assert "zoe owner ada" in owner.text
    guest.get("/account/")
    assert "1 invitation waits for you." in guest.text
    guest.get("/account/invitations/")
    path = guest.page.split('class="button" href="')[1].split('"')[0]
    assert guest.get(path).status_code == 200
    assert guest.post(path).status_code == 303
    assert Role.objects.filter(user=zoe, kind="owner").exists()
    for page in ("zoe/role/", "zoe/remove/", "leave/", "hand-over/"):
        assert owner.get(base + page).status_code == 200, page
    owner.get(base)
    assert "Step down" in owner.text
    assert owner.post(base, invitee="zoe", kind="owner").status_code == 400
    assert "has that role already" in owner.text
    assert owner.post(base, kind="owner").status_code == 400
    assert owner.post(base, invitee="x" * 9000, kind="owner").status_code == 400
    assert guest.post(base + "ada/remove/").status_code == 303
    assert code_of(owner.get(base)) == "role-required"
    assert guest.post(base + "leave/", kind="").status_code == 400
    assert code_of(guest.answer) == "owner-last"
    assert code_of(guest.post(base + "nobody-here/remove/")) == "collaborator-missing"
    for number in ("1", "999999999", "9" * 40):
        assert code_of(guest.post(f"/account/invitations/{number}/decline/")) in {
            "invitation-missing",
            "invitation-over",
        }
    with pytest.raises(InvitationMissing):
        services.accept(999, by=session_of(ada))
