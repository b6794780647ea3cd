"""Ways out: stepping down and laying down without a factor (S6), asking operators (E1, E2), none for machines (E3)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
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

from keyhouse.accounts.models import User
from keyhouse.accounts.oversight.errors import ApprovalRefused
from keyhouse.accounts.oversight.suspending import suspend_user
from keyhouse.audit.models import Record
from keyhouse.core import belongings, clock, faults
from keyhouse.core.actor import NOBODY, Actor, host
from keyhouse.core.errors import Refusal, RoleRequired, SignInRequired
from keyhouse.mail.contents import unseal
from keyhouse.mail.letters import render_text
from keyhouse.mail.models import Mail
from keyhouse.mandate import queries, services
from keyhouse.mandate.adoption import read_adoption
from keyhouse.mandate.asked import standing_of
from keyhouse.mandate.errors import ExemptionInvalid, MandateMissing, NothingLacking
from keyhouse.mandate.exits import asking, laying_down
from keyhouse.mandate.exits.asking import Wanted
from keyhouse.mandate.exits.errors import (
    LaidDownOver,
    OwnedByOthers,
    RequestedOften,
    RequestMalformed,
    RequestMissing,
    RequestOpen,
    RequestOver,
)
from keyhouse.mandate.exits.models import LayingDown, Request
from keyhouse.mandate.keeping import WORKS
from keyhouse.mandate.models import Exemption
from keyhouse.organizations import populating
from keyhouse.organizations import services as organizations
from keyhouse.organizations.models import Membership
from keyhouse.projects.errors import ProjectNotFound
from keyhouse.projects.models import FormerRole, Project, Role, TeamRole
from keyhouse.projects.organizing import create_project_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wired")]
DAY = timedelta(days=1)
NOW = ENFORCED + 100 * DAY
PAGE = "/account/mandate/exits/"
REQUESTS = "/operator/mandates/requests/"
WANTED = Wanted("My key is in the mail.", "Order 17", "I publish from CI only.", "campaign", 30)


@pytest.fixture(autouse=True)
def clocked(set_clock: SetClock) -> SetClock:
    set_clock(NOW)
    retire_default()
    store(document(), origin="seeded")
    return set_clock


@pytest.fixture
def ada() -> User:
    """Return the only owner of alpha, who has no second factor."""
    user = make_user("ada")
    make_project("alpha", user)
    return user


@pytest.fixture
def ops() -> tuple[Actor, Actor]:
    """Return two operators, signed in with their factors just now."""
    made = [with_app(make_user(name, is_operator=True)) for name in ("olga", "omar")]
    return session_of(made[0]), session_of(made[1])


def weak(user: User) -> Actor:
    return session_of(user, "password")


def mailed(kind: str) -> list[str]:
    return sorted(Mail.objects.filter(kind=kind).values_list("address", flat=True))


def texts(kind: str) -> list[str]:
    rows = Mail.objects.filter(kind=kind)
    return [" ".join(render_text(unseal(one.content_sealed, one.address)).split()) for one in rows]


def records(action: str) -> int:
    return Record.objects.filter(action=action, outcome="done").count()


def is_covered(user: User) -> bool:
    facts = queries.facts_of_person(user.pk)
    return bool(standing_of(facts, queries.live_policies(clock.now()), clock.now()).asked)


# ---- stepping down


def test_s6_from_the_page_that_says_no_two_clicks_lead_to_what_stepping_down_means_and_a_third_does_it(
    ada: User,
) -> None:
    eve = make_user("eve")
    Role.objects.create(project=Project.objects.get(), user=eve, kind="maintainer", since_at=ANNOUNCED)
    visit = Visit(eve, "password")
    assert code_of(visit.get("/manage/project/alpha/")) == "second-factor-required"
    assert f'href="{PAGE}"' in visit.page, "the first click"
    visit.get(PAGE)
    step_down = f"{PAGE}project/alpha/step-down/"
    assert f'href="{step_down}"' in visit.page, "the second one"
    visit.get(step_down)
    assert "Your role as maintainer ends at once, and your tokens reach the project no more." in visit.text
    assert "Who stays as owner: ada. They are told." in visit.text
    assert Role.objects.filter(user=eve).exists(), "asking does nothing"
    assert visit.post(step_down).status_code == 303
    visit.get(PAGE)
    assert "You are out of scope: nothing is asked of you." in visit.text
    assert not is_covered(eve)
    assert not Role.objects.filter(user=eve).exists()


def test_s6_an_owner_among_others_leaves_at_once_and_the_only_one_is_told_the_other_way(ada: User) -> None:
    bob = make_user("bob")
    project = Project.objects.get()
    Role.objects.create(project=project, user=bob, kind="owner", since_at=ANNOUNCED)
    visit = Visit(bob, "password")
    visit.get(PAGE)
    assert "project/alpha/step-down/" in visit.page
    with pytest.raises(OwnedByOthers):
        laying_down.lay_down("alpha", by=weak(bob))
    visit.get(f"{PAGE}project/alpha/lay-down/")
    assert "Somebody else owns it, too" in visit.text
    assert code_of(visit.post(f"{PAGE}project/alpha/lay-down/")) == OwnedByOthers.code
    visit.get(PAGE)
    visit.post(f"{PAGE}project/alpha/step-down/")
    assert [role.user for role in project.roles.all()] == [ada]
    visit = Visit(ada, "password")
    visit.get(PAGE)
    assert "project/alpha/step-down/" not in visit.page
    assert "Archive it and step down" in visit.text
    assert code_of(visit.post(f"{PAGE}project/alpha/step-down/")) == "owner-last"
    for path in (f"{PAGE}project/alpha/step-down/", "/manage/project/alpha/people/leave/"):
        visit.get(path)
        assert "You are the only owner." in visit.text
        assert ">Step down</button>" not in visit.page, "what can only be refused is not offered"


def test_s6_what_is_lost_and_who_stays_is_said_before_an_organization_is_left(ada: User) -> None:
    bob, eve = make_user("bob"), make_user("eve")
    acme = organizations.create_organization("acme", by=host(), owners=[ada, bob])
    populating.add_members(acme, {eve: "member"}, by=host())
    populating.add_team(acme, "keel", [eve], by=host())
    visit = Visit(eve, "password")
    for path in (f"{PAGE}organization/acme/leave/", "/manage/organization/acme/leave/"):
        visit.get(path)
        assert "with your team keel and what you may do in projects by the organization" in visit.text
        assert "Who stays as owner: ada, bob. They are told." in visit.text
    assert f'href="{PAGE}organization/acme/leave/"' in visit.get(PAGE).content.decode()
    assert Membership.objects.filter(user=eve).exists(), "asking does nothing"
    assert visit.post(f"{PAGE}organization/acme/leave/").status_code == 303
    assert not Membership.objects.filter(user=eve).exists()
    User.objects.filter(pk=bob.pk).update(state="suspended")
    visit = Visit(ada, "password")
    for path in (f"{PAGE}organization/acme/leave/", "/manage/organization/acme/leave/"):
        visit.get(path)
        assert "You are the only owner." in visit.text
        assert ">Leave</button>" not in visit.page
        assert code_of(visit.post(path)) == "organization-owner-last"


def test_s6_who_keeps_a_right_otherwise_is_told_so(ada: User) -> None:
    bob = make_user("bob")
    acme = organizations.create_organization("acme", by=host(), owners=[ada])
    populating.add_members(acme, {bob: "member"}, by=host())
    keel = populating.add_team(acme, "keel", [bob], by=host())
    beta = create_project_in("acme", "beta", by=host())
    TeamRole.objects.create(project=beta, team=keel, kind="maintainer", since_at=ANNOUNCED)
    path = f"{PAGE}project/beta/step-down/"
    visit = Visit(bob, "password")
    visit.get(path)
    assert "You have no role of your own here, and are maintainer by the team keel" in visit.text
    Role.objects.create(project=beta, user=bob, kind="owner", since_at=ANNOUNCED)
    visit.get(path)
    assert "Your role as owner ends at once. What you published stays." in visit.text
    assert "You are still maintainer by the team keel" in visit.text
    assert "Who stays as owner: ada." in visit.text


@pytest.mark.parametrize("is_able", [True, False])
def test_s6_pages_offer_what_is_done_where_an_organization_owns_it_too(ada: User, *, is_able: bool) -> None:
    """An organization owns its projects by whoever owns it and isn't suspended, be it the same person."""
    bob = make_user("bob")
    acme = organizations.create_organization("acme", by=host(), owners=[ada if is_able else bob])
    populating.add_members(acme, {make_user("mo"): "member"}, by=host())
    keel = populating.add_team(acme, "keel", [User.objects.get(username="mo")], by=host())
    beta = create_project_in("acme", "beta", by=host())
    TeamRole.objects.create(project=beta, team=keel, kind="owner", since_at=ANNOUNCED)
    Role.objects.create(project=beta, user=ada, kind="owner", since_at=ANNOUNCED)
    if not is_able:
        User.objects.filter(pk=bob.pk).update(state="suspended")
    visit = Visit(ada, "password")
    page = visit.get(PAGE).content.decode()
    assert f'href="{PAGE}project/beta/{"step-down" if is_able else "lay-down"}/"' in page
    for path in (f"{PAGE}project/beta/step-down/", "/manage/project/beta/people/leave/"):
        visit.get(path)
        assert (">Step down</button>" in visit.page) == is_able
    visit.get(f"{PAGE}project/beta/lay-down/")
    assert (">Archive it and step down</button>" in visit.page) != is_able
    refused, done = (
        f"{PAGE}project/beta/{act}/" for act in ("lay-down", "step-down")[:: 1 if is_able else -1]
    )
    assert visit.post(refused).status_code == 400
    assert visit.post(done).status_code == 303
    if is_able:
        visit.get(f"{PAGE}project/beta/lay-down/")
        assert "You own it by an organization or a team, and not by a role of your own" in visit.text
        assert "<button" not in visit.page.partition("<h1>")[2].partition("</main>")[0]


# ---- laying down


def test_s6_the_only_owner_lays_a_project_down_without_a_factor(ada: User, clocked: SetClock) -> None:
    visit = Visit(ada, "password")
    assert f'href="{PAGE}project/alpha/lay-down/"' in visit.get(PAGE).content.decode()
    visit.get(f"{PAGE}project/alpha/lay-down/")
    assert "it waits for 7 days, in which you can take it back" in visit.text
    assert not LayingDown.objects.exists(), "asking does nothing"
    for _ in range(2):
        assert visit.post(f"{PAGE}project/alpha/lay-down/").status_code == 303
    assert LayingDown.objects.count() == records(laying_down.LAY_DOWN) == 1
    assert mailed("laying-down") == ["ada@example.org"], "with the link that stops a thief"
    assert "freezes your account" not in visit.get(PAGE).content.decode()
    assert "you give it up" in visit.text
    assert WORKS["laid_down"](clock.now()) == 0
    assert Project.objects.get().status == "active"
    clocked(NOW + laying_down.WAIT)
    assert WORKS["laid_down"](clock.now()) == 1
    assert WORKS["laid_down"](clock.now()) == 0
    assert Project.objects.get().status == "archived"
    assert not Role.objects.exists()
    assert FormerRole.objects.get().how == "left"
    assert records(laying_down.LAY_DOWN) == 2
    assert mailed("out-of-scope") == ["ada@example.org"]
    assert not is_covered(ada)
    assert "You are out of scope" in Visit(ada, "password").get(PAGE).content.decode()


def test_s6_it_is_taken_back_until_then(ada: User, clocked: SetClock) -> None:
    visit = Visit(ada, "password")
    visit.post(f"{PAGE}project/alpha/lay-down/")
    assert visit.post(f"{PAGE}project/alpha/lay-down/", act="keep").status_code == 303
    assert code_of(visit.post(f"{PAGE}project/alpha/lay-down/", act="keep")) == LaidDownOver.code
    clocked(NOW + laying_down.WAIT)
    assert laying_down.carry_out_due(clock.now()) == 0
    assert Role.objects.get().user == ada
    assert mailed("laying-down-over") == ["ada@example.org"]


def test_s6_who_owns_it_with_others_by_then_leaves_it_as_it_is(ada: User, clocked: SetClock) -> None:
    laying_down.lay_down("alpha", by=weak(ada))
    bob = with_app(make_user("bob"))
    Role.objects.create(project=Project.objects.get(), user=bob, kind="owner", since_at=NOW)
    clocked(NOW + laying_down.WAIT)
    assert laying_down.carry_out_due(clock.now()) == 1
    assert Project.objects.get().status == "active"
    assert Role.objects.get().user == bob
    assert mailed("laid-down") == ["bob@example.org"]


def test_s6_whoever_lays_down_what_is_deprecated_is_told_that_this_ends_it(
    ada: User, clocked: SetClock
) -> None:
    acme = organizations.create_organization("acme", by=host(), owners=[ada])
    populating.add_members(acme, {make_user("bob"): "member"}, by=host())
    create_project_in("acme", "beta", by=host())
    create_project_in("acme", "gamma", by=host())
    Project.objects.filter(name="beta").update(status="deprecated", successor="gamma")
    visit = Visit(ada, "password")
    visit.get(PAGE)
    assert visit.text.count("where it is deprecated, that ends, with the successor that it names") == 2
    visit.post(f"{PAGE}organization/acme/lay-down/")
    said = "Where it is deprecated, that ends, with the successor that it names."
    assert [said in text for text in texts("laying-down")] == [True, True]
    clocked(NOW + laying_down.WAIT)
    assert laying_down.carry_out_due(clock.now()) == 1
    beta = Project.objects.get(name="beta")
    assert (beta.status, beta.successor) == ("archived", "")
    (mail,) = texts("laid-down")
    assert "Archived, since nobody owns it: beta, gamma." in mail
    assert "Deprecated no longer, and without a successor from now on: beta." in mail
    details = Record.objects.filter(action=laying_down.LAY_DOWN_ORGANIZATION).order_by("-id")[0].details
    assert (details["archived"], details["undeprecated"]) == ("beta, gamma", "beta")


@pytest.mark.parametrize("state", ["frozen", "suspended"])
def test_s6_it_waits_while_somebody_has_to_find_out_who_asked(
    state: str, ada: User, clocked: SetClock
) -> None:
    laying_down.lay_down("alpha", by=weak(ada))
    User.objects.filter(pk=ada.pk).update(state=state)
    clocked(NOW + laying_down.WAIT)
    assert laying_down.carry_out_due(clock.now()) == 0
    assert Role.objects.exists()
    User.objects.filter(pk=ada.pk).update(state="active")
    belongings.disown_since(ada.pk, NOW - DAY, clock.now())
    assert laying_down.carry_out_due(clock.now()) == 0
    assert Role.objects.exists(), "a recovered account takes back what a thief began"


def test_s6_nothing_befalls_a_project_in_quarantine_or_one_begun_anew(ada: User, clocked: SetClock) -> None:
    laying_down.lay_down("alpha", by=weak(ada))
    clocked(NOW + laying_down.WAIT)
    Project.objects.update(status="quarantined")
    assert laying_down.carry_out_due(clock.now()) == 0
    Project.objects.all().delete()
    make_project("alpha", ada)
    assert laying_down.carry_out_due(clock.now()) == 1
    assert Project.objects.get().status == "active"
    assert Role.objects.get().user == ada


def test_s6_an_organization_is_laid_down_with_what_nobody_else_owns(ada: User, clocked: SetClock) -> None:
    acme = organizations.create_organization("acme", by=host(), owners=[ada])
    bob = make_user("bob")
    populating.add_members(acme, {bob: "member"}, by=host())
    alone, shared = (create_project_in("acme", name, by=host()) for name in ("beta", "gamma"))
    Role.objects.create(project=shared, user=bob, kind="owner", since_at=NOW)
    visit = Visit(ada, "password")
    visit.get(f"{PAGE}organization/acme/lay-down/")
    assert "It has 2 projects: what nobody else owns is archived then" in visit.text
    assert not LayingDown.objects.exists(), "asking does nothing"
    for _ in range(2):
        visit.post(f"{PAGE}organization/acme/lay-down/")
    assert records(laying_down.LAY_DOWN_ORGANIZATION) == 1
    assert mailed("laying-down") == ["ada@example.org", "bob@example.org"]
    clocked(NOW + laying_down.WAIT)
    assert laying_down.carry_out_due(clock.now()) == 1
    assert list(Membership.objects.values_list("user__username", "kind")) == [("bob", "member")]
    alone.refresh_from_db()
    shared.refresh_from_db()
    assert (alone.status, shared.status) == ("archived", "active")
    told = [mail.kind for mail in Mail.objects.filter(kind="out-of-scope")]
    assert len(told) == 1, "and the project alpha stays asked for"
    assert is_covered(ada)


def test_s6_nobody_lays_down_what_is_not_theirs(ada: User, ops: tuple[Actor, Actor]) -> None:
    organizations.create_organization("acme", by=host(), owners=[ada])
    eve = make_user("eve")
    before = Record.objects.filter(outcome="done").count(), Mail.objects.count()
    for actor in (weak(eve), ops[0]):
        for name in ("alpha", "nowhere"):
            with pytest.raises(RoleRequired):
                laying_down.lay_down(name, by=actor)
        with pytest.raises(RoleRequired):
            laying_down.lay_down_organization("acme", by=actor)
    with pytest.raises(SignInRequired):
        laying_down.lay_down("alpha", by=NOBODY)
    with pytest.raises(ProjectNotFound):
        laying_down.lay_down("alpha", by=host())
    visit = Visit(eve, "password")
    answers = [visit.post(f"{PAGE}project/{name}/lay-down/") for name in ("alpha", "nowhere", "al%00pha")]
    assert {(one.status_code, code_of(one)) for one in answers} == {(403, "role-required")}
    assert (Record.objects.filter(outcome="done").count(), Mail.objects.count()) == before
    assert not LayingDown.objects.exists()


# ---- asking


def test_e1_a_person_asks_an_operator_proposes_another_approves_and_the_answer_is_mailed(
    ada: User, ops: tuple[Actor, Actor]
) -> None:
    visit = Visit(ada, "password")
    assert visit.get(f"{PAGE}exemption/").status_code == 200
    fields = {name: str(value) for name, value in WANTED._asdict().items()}
    assert visit.post(f"{PAGE}exemption/", **fields).status_code == 303
    row = Request.objects.get()
    assert mailed("exit-request") == ["olga@example.org", "omar@example.org"]
    first, second = (Visit(User.objects.get(username=one.name)) for one in ops)
    assert "My key is in the mail." in first.get(REQUESTS).content.decode()
    assert first.post(f"{REQUESTS}{row.pk}/propose/", days="20").status_code == 303
    exemption = Exemption.objects.get()
    assert (exemption.user, exemption.reason, exemption.effective_at) == (ada, WANTED.reason, None)
    assert exemption.until == NOW + 20 * DAY
    with pytest.raises(ApprovalRefused):
        services.approve_exemption(exemption.pk, by=ops[0])
    assert second.post(f"/mandate/exemptions/{exemption.pk}/approve/").status_code == 303
    row.refresh_from_db()
    assert (row.outcome, row.answered_by) == ("granted", "omar")
    assert mailed("exit-answer") == ["ada@example.org"]
    visit.get(PAGE)
    assert "was granted" in visit.text
    [policy] = queries.live_policies(clock.now())
    assert not standing_of(queries.facts_of_person(ada.pk), [policy], NOW).asked[0].is_met
    [adoption] = read_adoption([policy], NOW)
    counted = adoption.as_dict()["forecasts"][0]
    assert (counted["covered"], counted["compliant"], counted["exempt"]) == (1, 0, 1), "not compliant"


def test_l5_what_a_sole_operator_grants_is_answered_and_no_request_stays_open_for_ever(
    ada: User, ops: tuple[Actor, Actor]
) -> None:
    User.objects.filter(username="omar").update(state=User.State.SUSPENDED)
    row = asking.ask(WANTED, by=weak(ada))
    exemption = asking.propose(row.pk, 10, by=ops[0])
    row.refresh_from_db()
    assert (exemption.effective_at, row.outcome, row.answered_by) == (NOW + DAY, "granted", "olga")
    assert mailed("exit-answer") == ["ada@example.org"]
    assert records("exemption.propose") == 1


def test_e1_nobody_answers_for_themselves(ops: tuple[Actor, Actor]) -> None:
    olga = User.objects.get(username="olga")
    make_project("alpha", olga)
    olga.authenticators.all().delete()
    row = asking.ask(WANTED, by=weak(olga))
    for act in (
        lambda: asking.propose(row.pk, 10, by=ops[0]),
        lambda: asking.answer(row.pk, "Yes.", grants=False, by=ops[0]),
    ):
        with pytest.raises(Refusal):
            act()
    row.refresh_from_db()
    assert row.ended_at is None
    assert not Exemption.objects.exists()


def test_e1_one_at_a_time_and_three_in_a_month(ada: User, clocked: SetClock) -> None:
    for _ in range(asking.MOST_A_MONTH):
        asking.ask(WANTED, by=weak(ada))
        with pytest.raises(RequestOpen):
            asking.ask(Wanted("I have no key."), by=weak(ada))
        asking.take_back(by=weak(ada))
        with pytest.raises(RequestMissing):
            asking.take_back(by=weak(ada))
    with pytest.raises(RequestedOften):
        asking.ask(WANTED, by=weak(ada))
    assert Request.objects.count() == asking.MOST_A_MONTH
    clocked(NOW + 31 * DAY)
    asking.ask(WANTED, by=weak(ada))


def test_e1_what_came_of_it_ends_as_the_asker_takes_it_back(ada: User, ops: tuple[Actor, Actor]) -> None:
    row = asking.ask(WANTED, by=weak(ada))
    exemption = asking.propose(row.pk, 10, by=ops[0])
    for grants in (True, False):
        with pytest.raises(RequestOver):
            asking.answer(row.pk, "No.", grants=grants, by=ops[1])
    with pytest.raises(RequestOver):
        asking.propose(row.pk, 10, by=ops[1])
    assert Visit(ada, "password").post(f"{PAGE}take-back/").status_code == 303
    exemption.refresh_from_db()
    assert exemption.withdrawn_by == "ada"
    with pytest.raises(Refusal):
        services.approve_exemption(exemption.pk, by=ops[1])
    with pytest.raises(RequestOver):
        asking.propose(row.pk, 10, by=ops[1])


def test_e1_a_refusal_has_its_reason_and_is_mailed(ada: User, ops: tuple[Actor, Actor]) -> None:
    row = asking.ask(WANTED, by=weak(ada))
    visit = Visit(User.objects.get(username="olga"))
    assert visit.post(f"{REQUESTS}{row.pk}/answer/", reply="", grants="no").status_code == 400
    assert visit.post(f"{REQUESTS}{row.pk}/answer/", reply="Take a passkey.", grants="yes").status_code == 400
    assert visit.post(f"{REQUESTS}{row.pk}/answer/", reply="Take a passkey.", grants="no").status_code == 303
    assert visit.post(f"{REQUESTS}{row.pk}/answer/", reply="Once more.", grants="no").status_code == 400
    assert mailed("exit-answer") == ["ada@example.org"]
    assert "Take a passkey." in Visit(ada, "password").get(PAGE).content.decode()
    assert records(asking.ANSWER) == 1


def test_e1_withdrawn_by_operators_it_is_refused_and_mailed(ada: User, ops: tuple[Actor, Actor]) -> None:
    row = asking.ask(WANTED, by=weak(ada))
    exemption = asking.propose(row.pk, 10, by=ops[0])
    services.withdraw_exemption(exemption.pk, by=ops[1])
    row.refresh_from_db()
    assert row.outcome == "refused"
    assert mailed("exit-answer") == ["ada@example.org"]


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        (WANTED._replace(reason=" "), RequestMalformed),
        (WANTED._replace(evidence=""), RequestMalformed),
        (WANTED._replace(control="x" * 501), RequestMalformed),
        (WANTED._replace(reason="a\x00b"), RequestMalformed),
        (WANTED._replace(days=91), RequestMalformed),
        (WANTED._replace(days=0), RequestMalformed),
        (WANTED._replace(mandate="nothing"), MandateMissing),
        (WANTED._replace(mandate="operators-floor"), Refusal),
        (Wanted(""), RequestMalformed),
    ],
)
def test_e1_what_is_no_request_changes_nothing(wanted: Wanted, error: type[Refusal], ada: User) -> None:
    with pytest.raises(error):
        asking.ask(wanted, by=weak(ada))
    assert not Request.objects.exists()
    assert not Mail.objects.exists()
    assert not records(asking.ASK)


def test_e1_who_lacks_nothing_asks_for_nothing(ada: User) -> None:
    with pytest.raises(NothingLacking):
        asking.ask(WANTED, by=session_of(with_app(ada)))
    with pytest.raises(NothingLacking):
        asking.ask(Wanted("I have no key."), by=weak(make_user("eve")))


def test_e1_what_a_suspended_account_asks_for_is_closed(ada: User, ops: tuple[Actor, Actor]) -> None:
    row = asking.ask(WANTED, by=weak(ada))
    suspend_user(ada, "It was stolen, it seems.", by=ops[0], now=clock.now())
    row.refresh_from_db()
    assert row.outcome == "closed"
    with pytest.raises(RequestOver):
        asking.propose(row.pk, 10, by=ops[0])


def test_e1_others_see_and_do_nothing_over_http(ada: User, ops: tuple[Actor, Actor]) -> None:
    row = asking.ask(WANTED, by=weak(ada))
    auditor = Visit(with_app(make_user("aude", is_auditor=True)))
    assert auditor.get(REQUESTS).status_code == 200
    eve = Visit(with_app(make_user("eve")))
    for visit in (auditor, eve, Visit(ada, "password")):
        for way in ("propose", "answer"):
            fields = {"days": "5", "reply": "Yes.", "grants": "no"}
            fields = {"days": "5"} if way == "propose" else {"reply": "Yes.", "grants": "no"}
            assert visit.get(f"{REQUESTS}{row.pk}/{way}/").status_code == 403
            assert visit.post(f"{REQUESTS}{row.pk}/{way}/", **fields).status_code == 403
    assert eve.get(REQUESTS).status_code == 403
    assert code_of(eve.post(f"{PAGE}take-back/")) == RequestMissing.code
    olga = Visit(User.objects.get(username="olga"))
    assert olga.get(f"{REQUESTS}999999999/answer/").status_code == 404
    row.refresh_from_db()
    assert row.ended_at is None


def test_e2_who_can_not_get_a_key_asks_for_one_and_the_code_comes_by_mail(
    ada: User, ops: tuple[Actor, Actor]
) -> None:
    visit = Visit(ada, "password")
    visit.get(PAGE)
    assert "/help/without-a-phone/" in visit.page
    assert visit.post(f"{PAGE}key/", reason="No shop sends one here.").status_code == 303
    row = Request.objects.get()
    with pytest.raises(RequestOver):
        asking.propose(row.pk, 10, by=ops[0])
    olga = Visit(User.objects.get(username="olga"))
    olga.post(f"{REQUESTS}{row.pk}/answer/", reply="KEY-CODE-7", grants="yes")
    row.refresh_from_db()
    assert (row.outcome, row.answer) == ("granted", "KEY-CODE-7")
    assert "KEY-CODE-7" in visit.get(PAGE).content.decode()
    assert mailed("exit-answer") == ["ada@example.org"]


def test_e2_the_page_in_words_is_open_to_everybody() -> None:
    visit = Visit()
    assert visit.get("/help/without-a-phone/").status_code == 200
    for words in ("No phone, no text message", "screen reader", "Recovery codes", "security key"):
        assert words.lower() in visit.text.lower()


def test_e3_accounts_of_machines_get_no_exemption_and_are_pointed_to_robots(ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(kind="service")
    ada.refresh_from_db()
    with pytest.raises(ExemptionInvalid) as caught:
        asking.ask(WANTED, by=weak(ada))
    assert "trusted publisher" in caught.value.fix
    assert not Request.objects.exists()
    visit = Visit(make_user("eve"), "password")
    visit.get(PAGE)
    assert "robot token" in visit.text


# ---- killed on the way


class KilledError(Exception):
    """Stands for the death of the process: nothing of the transaction stays."""


@pytest.mark.parametrize("point", ["exit.asked", "exit.answered", "exit.laid-down"])
def test_s6_killed_in_the_middle_nothing_is_half_done(
    point: str, ada: User, ops: tuple[Actor, Actor], clocked: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = None if point == "exit.asked" else asking.ask(Wanted("No shop sends one here."), by=weak(ada))
    laying_down.lay_down("alpha", by=weak(ada))
    clocked(NOW + laying_down.WAIT)
    before = [Mail.objects.count(), Record.objects.count(), Request.objects.filter(ended_at=None).count()]

    def die(reached: str) -> None:
        if reached == point:
            raise KilledError

    acts: dict[str, Any] = {
        "exit.asked": lambda: asking.ask(WANTED, by=weak(ada)),
        "exit.answered": lambda: row and asking.answer(row.pk, "Here.", grants=True, by=ops_now(ops[0])),
        "exit.laid-down": lambda: laying_down.carry_out_due(clock.now()),
    }
    with monkeypatch.context() as patch:
        patch.setattr(faults, "reach", die)
        with pytest.raises(KilledError):
            acts[point]()
    after = [Mail.objects.count(), Record.objects.count(), Request.objects.filter(ended_at=None).count()]
    assert after == before
    assert Role.objects.exists()
    assert Project.objects.get().status == "active"
    acts[point]()


def ops_now(actor: Actor) -> Actor:
    return session_of(User.objects.get(username=actor.name))
