"""What is stranded, who blocks, how it is told; a new owner for an organization (A17); members asked in one pass."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from click.testing import CliRunner
from django.db import connection
from django.test.utils import CaptureQueriesContext
from tests.mandate.conftest import SetClock
from tests.mandate.stored import (
    ANNOUNCED,
    ENFORCED,
    document,
    make_project,
    make_user,
    retire_default,
    session_of,
    store,
)
from tests.mandate.test_invited import with_app
from tests.mandate.visiting import Visit, code_of

from keyhouse.accounts.models import Email, Proposal, RecoveryCase, User
from keyhouse.accounts.oversight.errors import ProposalOpen
from keyhouse.audit.models import Record
from keyhouse.cli.mandate_stranded import command
from keyhouse.core import clock, standing
from keyhouse.core.actor import Actor, host
from keyhouse.mail.models import Bounce, Mail
from keyhouse.mandate import nudging, queries
from keyhouse.mandate.asked import standing_of
from keyhouse.mandate.blockers import blockers_of, blocking_members
from keyhouse.mandate.errors import NothingLacking, NudgedAlready
from keyhouse.mandate.exits import weighing
from keyhouse.mandate.exits.models import Weight
from keyhouse.mandate.exits.queries import blocked, stranded
from keyhouse.mandate.keeping import WORKS
from keyhouse.mandate.models import Notice
from keyhouse.mandate.rules import Policy
from keyhouse.organizations import ownership, populating, services
from keyhouse.organizations.errors import MemberMissing, OrganizationOwned
from keyhouse.organizations.models import Membership, Organization
from keyhouse.projects.models import Project, Role
from keyhouse.projects.organizing import create_project_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wired")]
DAY = timedelta(days=1)
NOW = ENFORCED + 100 * DAY
STRANDED = "/operator/mandates/stranded/"
WHO = {"role": ["project.owner", "project.maintainer", "organization.owner", "organization.member"]}


@pytest.fixture(autouse=True)
def clocked(set_clock: SetClock) -> SetClock:
    set_clock(NOW)
    retire_default()
    store(document(who=WHO), origin="seeded")
    return set_clock


def policy() -> Policy:
    [found] = queries.live_policies(clock.now())
    return found


def seen(user: User, days_ago: int = 0) -> User:
    User.objects.filter(pk=user.pk).update(last_seen_at=NOW - days_ago * DAY)
    return user


def named() -> dict[str, str]:
    return {one.name: one.way for one in stranded(policy(), NOW)}


def test_x3_what_no_owner_could_manage_is_stranded_and_the_heaviest_stands_first() -> None:
    ada, bob = seen(make_user("ada")), seen(with_app(make_user("bob")))
    make_project("alpha", ada)
    make_project("beta", ada)
    make_project("gamma", ada, bob)
    make_project("delta", bob)
    Weight.objects.create(normalized_name="beta", clients=7, dependents=1)
    found = stranded(policy(), NOW)
    assert [(one.name, one.clients) for one in found] == [("beta", 7), ("alpha", 0)]
    assert [owner.why for owner in found[0].owners] == [("does not comply",)]
    assert [one.name for one in stranded(policy(), NOW, 1)] == ["beta"]
    Project.objects.filter(name="beta").update(status="archived")
    assert named() == {"alpha": "wait"}


def test_x4_who_takes_no_mail_or_was_not_seen_for_a_year_counts_as_unreachable() -> None:
    owners = {
        name: seen(with_app(make_user(name)), days)
        for name, days in {"mute": 0, "away": 400, "gone": 0, "well": 364}.items()
    }
    for name, owner in owners.items():
        make_project(f"of-{name}", owner)
    Bounce.objects.create(address="mute@example.org", kind="permanent", at=NOW, source="smtp")
    User.objects.filter(username="gone").update(state="suspended")
    assert named() == {"of-mute": "vouch", "of-away": "appoint", "of-gone": "appoint"}
    why = {one.name: one.owners[0].why for one in stranded(policy(), NOW)}
    assert why == {
        "of-mute": ("no address that takes mail",),
        "of-away": ("not seen for a year",),
        "of-gone": ("the account is closed",),
    }
    Email.objects.create(user=owners["mute"], address="other@example.org", verified_at=NOW, added_at=NOW)
    assert "of-mute" not in named()


def test_x3_rights_by_organizations_and_teams_count() -> None:
    ada, bob = seen(make_user("ada")), seen(with_app(make_user("bob")))
    acme = services.create_organization("acme", by=host(), owners=[ada])
    create_project_in("acme", "alpha", by=host())
    assert named() == {"acme": "wait", "alpha": "wait"}
    Weight.objects.create(normalized_name="alpha", clients=5, dependents=2)
    sums = {one.kind: (one.clients, one.dependents) for one in stranded(policy(), NOW)}
    assert sums == {"organization": (5, 2), "project": (5, 2)}
    populating.add_members(acme, {bob: "owner"}, by=host())
    assert named() == {}


def test_x3_what_has_been_tried_is_told() -> None:
    ada = seen(make_user("ada"))
    make_project("alpha", ada)
    Notice.objects.create(user=ada, mandate="campaign", kind="announcement", delivered_at=ANNOUNCED)
    Role.objects.update(nudged_at=NOW - DAY)
    [one] = stranded(policy(), NOW)
    assert (one.owners[0].notices, one.owners[0].nudged_at) == (1, NOW - DAY)
    [holding_up] = blocked(policy(), NOW)
    assert (holding_up.username, holding_up.projects, holding_up.alone, holding_up.notices) == (
        "ada", 1, ("alpha",), 1,
    )  # fmt: skip


def test_x3_people_who_are_not_covered_are_neither_stranded_nor_blocking() -> None:
    store(document(who={"user": ["zoe"]}), version=2)
    make_project("alpha", seen(make_user("ada")))
    assert stranded(policy(), NOW) == []
    assert blocked(policy(), NOW) == []


def test_x3_weights_are_worked_out_once_a_day(clocked: SetClock) -> None:
    assert weighing.renew(NOW) == 1
    assert weighing.renew(NOW) == 0
    Weight.objects.create(normalized_name="old", clients=1)
    clocked(NOW + DAY)
    assert WORKS["weights"](NOW + DAY) == 1
    assert not Weight.objects.exists()


def test_x3_the_page_and_the_command_tell_the_same_and_only_operators_and_auditors_look() -> None:
    make_project("alpha", seen(make_user("ada"), 400))
    olga = with_app(make_user("olga", is_operator=True))
    visit = Visit(olga)
    assert visit.get(STRANDED).status_code == 200
    assert "alpha" in visit.text
    assert "/operator/projects/alpha/new-owner/" in visit.page
    aude = Visit(with_app(make_user("aude", is_auditor=True)))
    assert aude.get(STRANDED).status_code == 200
    assert "/new-owner/" not in aude.page
    assert Visit(with_app(make_user("eve"))).get(STRANDED).status_code == 403
    answer = CliRunner().invoke(command, ["--json"])
    [one] = json.loads(answer.output)["campaign"]
    assert (one["name"], one["way"]) == ("alpha", "appoint")
    assert "alpha" in CliRunner().invoke(command, []).output


# ---- a new owner for an organization


@pytest.fixture
def acme(clocked: SetClock) -> Organization:
    """Return an organization whose only owner was not here for a year, with a member."""
    made = services.create_organization("acme", by=host(), owners=[seen(make_user("ada"), 400)])
    populating.add_members(made, {seen(with_app(make_user("bob"))): "member"}, by=host())
    return made


@pytest.fixture
def ops() -> tuple[Actor, Actor]:
    made = [seen(with_app(make_user(name, is_operator=True))) for name in ("olga", "omar")]
    return session_of(made[0]), session_of(made[1])


def test_a17_two_operators_find_an_owner_for_an_organization_told_to_all_and_after_a_wait(
    acme: Organization, ops: tuple[Actor, Actor], clocked: SetClock
) -> None:
    Email.objects.create(
        user=User.objects.get(username="ada"), address="ada@example.net", verified_at=NOW, added_at=NOW
    )
    place = f"{STRANDED}organization/acme/new-owner/"
    olga, omar = (Visit(User.objects.get(username=one.name)) for one in ops)
    assert "Propose" in olga.get(place).content.decode()
    assert olga.post(place, username="bob", reason="Ada has not been here.").status_code == 303
    told = set(Mail.objects.filter(kind="ownership").values_list("address", flat=True))
    assert told == {"ada@example.org", "ada@example.net", "bob@example.org"}
    row = Proposal.objects.get()
    assert (row.kind, row.about, row.effective_at) == ("organization", "acme", None)
    with pytest.raises(ProposalOpen):
        ownership.propose_owner(acme, row.user, "Once more.", by=ops[0], now=NOW)
    assert "acme becomes" not in omar.get("/operator/proposals/").content.decode()
    assert "bob becomes an owner of the organization acme" in omar.text
    assert code_of(olga.post(f"/operator/proposals/{row.pk}/approve/")) == "approval-refused"
    assert omar.post(f"/operator/proposals/{row.pk}/approve/").status_code == 303
    assert WORKS["organization_owners"](NOW) == 0
    assert Membership.objects.get(user=row.user).kind == "member", (
        "nobody is promoted before the wait is over"
    )
    clocked(NOW + 14 * DAY)
    for done in (1, 0):
        assert WORKS["organization_owners"](NOW + 14 * DAY) == done
    assert Membership.objects.get(user=row.user).kind == "owner"
    assert Membership.objects.get(user__username="ada").kind == "owner", "nobody is thrown out"


def test_a17_an_owner_who_comes_back_ends_it(
    acme: Organization, ops: tuple[Actor, Actor], clocked: SetClock
) -> None:
    bob = User.objects.get(username="bob")
    row = ownership.propose_owner(acme, bob, "Ada has not been here.", by=ops[0], now=NOW)
    Visit(User.objects.get(username="omar")).post(f"/operator/proposals/{row.pk}/approve/")
    seen(User.objects.get(username="ada"), -13)
    clocked(NOW + 14 * DAY)
    assert ownership.carry_out_due(NOW + 14 * DAY) == 0
    assert Membership.objects.get(user=bob).kind == "member"
    row.refresh_from_db()
    assert row.ended_at is not None


def test_a17_an_owner_who_is_there_is_not_passed_over(acme: Organization, ops: tuple[Actor, Actor]) -> None:
    seen(User.objects.get(username="ada"), 100)
    visit = Visit(User.objects.get(username="olga"))
    place = f"{STRANDED}organization/acme/new-owner/"
    assert "looks after it" in visit.get(place).content.decode()
    assert visit.post(place, username="bob", reason="Because.").headers["X-Refusal"] == OrganizationOwned.code
    assert visit.post(place, username="nobody", reason="Because.").status_code in {400, 404}
    assert visit.get(f"{STRANDED}organization/nowhere/new-owner/").status_code == 404
    for name in ("bob", "aude"):
        user = User.objects.filter(username=name).first() or with_app(make_user(name, is_auditor=True))
        other = Visit(user)
        assert other.get(place).status_code == 403
        assert other.post(place, username="bob", reason="Because.").status_code == 403
    assert not Proposal.objects.exists()
    assert not Mail.objects.filter(kind="ownership").exists()


# ---- owners of an organization


def test_r4_an_owner_of_the_same_organization_can_vouch_also_where_it_has_no_project(
    acme: Organization,
) -> None:
    ada, bob = User.objects.get(username="ada"), User.objects.get(username="bob")
    assert standing.of(ada.pk).compliant_co_owner_ids == ()
    Membership.objects.filter(user=bob).update(kind="owner")
    assert standing.of(ada.pk).compliant_co_owner_ids == (bob.pk,)
    assert standing.of(bob.pk).compliant_co_owner_ids == (), "ada has no factor"
    assert standing.of(bob.pk).co_owner_ids == (ada.pk,)
    Membership.objects.filter(user=bob).update(kind="manager")
    assert standing.of(ada.pk).compliant_co_owner_ids == ()
    assert not RecoveryCase.objects.exists()


def test_s6_an_owner_reminds_a_member_once_a_day(acme: Organization, clocked: SetClock) -> None:
    Membership.objects.filter(user__username="bob").update(kind="owner")
    eve = make_user("eve")
    populating.add_members(acme, {eve: "member"}, by=host())
    place = "/manage/organization/acme/person/eve/nudge/"
    visit = Visit(User.objects.get(username="bob"))
    assert place in visit.get("/manage/organization/acme/compliance/").content.decode()
    assert visit.post(place).status_code == 303
    assert code_of(visit.post(place)) == NudgedAlready.code
    assert list(Mail.objects.filter(kind="organization-nudge").values_list("address", flat=True)) == [
        "eve@example.org"
    ]
    clocked(NOW + DAY)
    assert Visit(User.objects.get(username="bob")).post(place).status_code == 303
    by = session_of(User.objects.get(username="bob"))
    with pytest.raises(NothingLacking):
        nudging.nudge_member("acme", "bob", by=by)
    with pytest.raises(MemberMissing):
        nudging.nudge_member("acme", "nobody", by=by)
    member, stranger = Visit(with_app(make_user("mia"))), Visit(with_app(make_user("sam")))
    populating.add_members(acme, {User.objects.get(username="mia"): "member"}, by=host())
    before = Mail.objects.count(), Record.objects.filter(action=nudging.NUDGE_MEMBER, outcome="done").count()
    for other in (member, stranger):
        assert code_of(other.post(place)) == "role-required"
    after = Mail.objects.count(), Record.objects.filter(action=nudging.NUDGE_MEMBER, outcome="done").count()
    assert before == after == (before[0], 2)


def test_c3_a_thousand_members_are_asked_in_one_pass(acme: Organization) -> None:
    people = [User(username=f"p{number}", joined_at=ANNOUNCED) for number in range(1000)]
    User.objects.bulk_create(people)
    Membership.objects.bulk_create(
        Membership(organization=acme, user=user, kind="member", since_at=ANNOUNCED) for user in people
    )
    with CaptureQueriesContext(connection) as asked:
        found = blocking_members(acme, NOW)
    assert len(found) == 1001
    assert len(asked) < 30, "however many they are"


def test_c3_one_pass_tells_what_each_ones_own_page_tells(acme: Organization) -> None:
    alpha = create_project_in("acme", "alpha", by=host())
    eve = make_user("eve", joined_at=NOW - DAY)
    Role.objects.create(project=alpha, user=eve, kind="maintainer", since_at=NOW - DAY)
    for one in (*blocking_members(acme, NOW), *blockers_of(alpha, NOW)):
        facts = queries.facts_of_person(User.objects.get(username=one.username).pk)
        own = standing_of(facts, queries.live_policies(NOW), NOW).asked
        told = [(asked.mandate.name, asked.since, asked.until) for asked in own if not asked.is_met]
        assert [(asked.mandate.name, asked.since, asked.until) for asked in one.unmet] == told
