from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from tests.accounts.conftest import START, give_project, make_person

from keyhouse.accounts import holds
from keyhouse.accounts.errors import AccountHeld
from keyhouse.accounts.models import Hold, User
from keyhouse.core import standing
from keyhouse.core.actor import Actor, Strength
from keyhouse.mandate import queries
from keyhouse.mandate.models import CriticalProject
from keyhouse.mandate.rules import decide
from keyhouse.mandate.standings import MandateStandings
from keyhouse.organizations.models import Membership, Organization, Team, TeamMember
from keyhouse.projects.models import Role, TeamRole

pytestmark = pytest.mark.django_db
CODE = Hold.Reason.RECOVERY_CODE


def place(user: User, reason: str = CODE, hours: int = 24) -> None:
    with transaction.atomic():
        holds.place_hold(user, reason, now=START, until=START + timedelta(hours=hours))


def test_a_hold_counts_until_its_instant(ada: User) -> None:
    place(ada)
    user = User.objects.get(pk=ada.pk)
    assert holds.effective_state(user, START + timedelta(hours=23, minutes=59)) == "held"
    assert holds.effective_state(user, START + timedelta(hours=24)) == "active"
    with pytest.raises(AccountHeld, match="until 2024-05-07T07:08:09Z"):
        holds.require_no_hold(user, START)
    holds.require_no_hold(user, START + timedelta(hours=24))


def test_one_reason_is_prolonged_and_never_shortened(ada: User) -> None:
    place(ada, hours=72)
    place(ada, hours=24)
    assert Hold.objects.count() == 1
    assert User.objects.get(pk=ada.pk).held_until == START + timedelta(hours=72)


def test_ending_one_hold_leaves_the_others(ada: User) -> None:
    place(ada, hours=72)
    place(ada, Hold.Reason.EMAIL_CHANGE, hours=24)
    with transaction.atomic():
        assert holds.end_holds(ada, CODE, by="factor", now=START) == 1
    assert User.objects.get(pk=ada.pk).held_until == START + timedelta(hours=24)
    with transaction.atomic():
        assert holds.end_holds(ada, by="operator", now=START) == 1
    assert User.objects.get(pk=ada.pk).held_until is None


def test_a_disabled_password_ends_no_hold(ada: User) -> None:
    """A hold that another state hid would let tokens publish and addresses change again before its end."""
    place(ada)
    User.objects.filter(pk=ada.pk).update(state=User.State.PASSWORD_DISABLED)
    user = User.objects.get(pk=ada.pk)
    assert holds.effective_state(user, START) == "held"
    with pytest.raises(AccountHeld, match="until 2024-05-07T07:08:09Z"):
        holds.require_no_hold(user, START)
    give_project(ada)
    proven = Strength(frozenset({"password", "totp"}), START)
    facts, policies = queries.gather(Actor("token", ada.pk, strength=proven), "release.upload", None, START)
    assert decide(facts, policies, START).code == "account-held"
    assert holds.effective_state(user, START + timedelta(hours=24)) == "password-disabled"


def test_whoever_rests_altogether_rests_on_hold_as_well() -> None:
    """Publishers go on during a hold, but not where a leaked password is all that an account has."""
    user = make_person(factors=0)
    place(user)
    User.objects.filter(pk=user.pk).update(state=User.State.PASSWORD_DISABLED)
    asker = Actor("publisher", user.pk, strength=Strength(frozenset({"totp"}), START))
    facts, policies = queries.gather(asker, "release.upload", None, START)
    assert facts.person.state == "password-disabled"
    assert decide(facts, policies, START).verdict == "deny"


def test_a_state_of_its_own_is_not_covered_up(ada: User) -> None:
    place(ada)
    assert holds.stated("frozen", START + timedelta(days=1), START) == "frozen"


def test_the_gate_sees_the_hold_and_names_its_end(ada: User) -> None:
    place(ada)
    asking = Actor("session", ada.pk, strength=Strength(frozenset({"totp"}), START))
    facts, policies = queries.gather(asking, "token.mint", None, START)
    assert (facts.person.state, facts.person.held_until) == ("held", START + timedelta(hours=24))
    later, _ = queries.gather(asking, "token.mint", None, START + timedelta(hours=24))
    assert (later.person.state, later.person.held_until) == ("active", None)
    decision = decide(facts, policies, START)
    assert (decision.code, decision.until) == ("account-held", START + timedelta(hours=24))
    assert "2024-05-07T07:08:09Z" in decision.reason


def test_how_long_a_hold_is_hangs_on_what_hangs_on_the_account(ada: User) -> None:
    assert holds.length_for(ada.pk) is None
    project = give_project(ada)
    assert holds.length_for(ada.pk) == timedelta(hours=24)
    CriticalProject.objects.create(
        normalized_name="alpha", lineage=project.lineage, criterion="x", since_at=START
    )
    assert holds.length_for(ada.pk) == timedelta(hours=72)


def test_without_anything_wired_the_longest_hold_counts(ada: User) -> None:
    standing.wire(None)
    assert holds.length_for(ada.pk) == timedelta(hours=72)


def test_an_operator_without_projects_has_authority() -> None:
    boss = make_person("boss", is_operator=True)
    assert holds.length_for(boss.pk) == timedelta(hours=24)


def test_standing_tells_co_owners_and_which_of_them_comply(ada: User) -> None:
    project = give_project(ada)
    bob, eve, max_ = make_person("bob"), make_person("eve", factors=0), make_person("max")
    for other, kind in ((bob, "owner"), (eve, "owner"), (max_, "maintainer")):
        Role.objects.create(project=project, user=other, kind=kind, since_at=START)
    told = MandateStandings().of(ada.pk)
    assert set(told.co_owner_ids) == {bob.pk, eve.pk}
    assert told.compliant_co_owner_ids == (bob.pk,)
    place(bob)
    assert MandateStandings().of(ada.pk).compliant_co_owner_ids == ()


def test_who_lets_somebody_help_has_no_word_for_their_own_projects(ada: User) -> None:
    give_project(ada)
    thief = make_person("thief")
    bait = give_project(thief, "bait")
    Role.objects.create(project=bait, user=ada, kind="maintainer", since_at=START)
    told = MandateStandings().of(ada.pk)
    assert (told.co_owner_ids, told.compliant_co_owner_ids) == ((thief.pk,), ())
    assert MandateStandings().of(thief.pk).co_owner_ids == ()


def test_no_owner_of_a_project_speaks_for_an_operator(ada: User) -> None:
    olga = make_person("olga", is_operator=True)
    Role.objects.create(project=give_project(ada), user=olga, kind="owner", since_at=START)
    told = MandateStandings().of(olga.pk)
    assert (told.co_owner_ids, told.compliant_co_owner_ids) == ((ada.pk,), ())
    assert MandateStandings().of(ada.pk).compliant_co_owner_ids == (olga.pk,)


def test_whose_word_counts_for_whom_is_the_same_asked_from_either_side(ada: User) -> None:
    """Lists ask for all whom somebody speaks for at once; each act asks the other way round."""
    people = [
        ada,
        *(make_person(name) for name in ("bob", "eve", "max", "zoe", "held", "olga", "mona", "aude")),
        make_person("bare", factors=0),
    ]
    for name, office in (("olga", "is_operator"), ("mona", "is_moderator"), ("aude", "is_auditor")):
        User.objects.filter(username=name).update(**{office: True})
    by_name = {one.username: one for one in people}
    place(by_name["held"])
    now = {"created_at": START}
    acme, lone = (
        Organization.objects.create(name=name, normalized_name=name, **now) for name in ("acme", "lone")
    )
    alpha, beta, hull = give_project(ada), give_project(by_name["bob"], "beta"), give_project(ada, "hull")
    hull.organization = acme
    hull.save(update_fields=["organization"])
    for project, name, kind in (
        *((alpha, name, "owner") for name in ("bob", "bare", "olga", "mona", "aude", "held")),
        (beta, "ada", "maintainer"),
        (beta, "eve", "owner"),
        (alpha, "max", "maintainer"),
    ):
        Role.objects.create(project=project, user=by_name[name], kind=kind, since_at=START)
    members = {}
    for organization, name, kind in (
        (acme, "zoe", "owner"),
        (acme, "max", "member"),
        (lone, "eve", "owner"),
        (lone, "zoe", "owner"),
        (lone, "bare", "manager"),
    ):
        members[organization, name] = Membership.objects.create(
            organization=organization, user=by_name[name], kind=kind, since_at=START
        )
    team = Team.objects.create(organization=acme, name="keel", normalized_name="keel", **now)
    TeamMember.objects.create(team=team, member=members[acme, "max"], since_at=START)
    TeamRole.objects.create(team=team, project=hull, kind="owner", since_at=START)
    told = MandateStandings()
    compliant = {one.pk: told.of(one.pk).compliant_co_owner_ids for one in people}
    for one in people:
        expected = {pk for pk, theirs in compliant.items() if one.pk in theirs}
        assert told.speaks_for(one.pk) == expected, one.username
    names = {one.username: {two.username for two in people if one.pk in compliant[two.pk]} for one in people}
    assert names["ada"] == {"bob", "bare", "held", "zoe", "max"}
    assert names["eve"] == {"bob", "zoe"}
    assert names["olga"] == {"ada", "bob", "bare", "held"}
    assert names["held"] == names["bare"] == set()
