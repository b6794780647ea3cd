"""Publishers of organizations: who sets them up, what they speak for at that moment, and what they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from tests.credentials.tokens.conftest import make_user, session_of
from tests.credentials.tokens.test_organization_robots import join, of
from tests.credentials.trusted_publishers.runs import FIELDS, GITHUB, identity, know_issuer
from tests.credentials.trusted_publishers.test_exchange import acting, minted, post
from tests.mandate.visiting import Visit, code_of
from tests.projects.conftest import make_file

from keyhouse.accounts.models import User
from keyhouse.audit.models import Record
from keyhouse.core import actions, clock
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor, Strength, host
from keyhouse.core.errors import CredentialInvalid, EmailUnverified, Refusal, RoleRequired
from keyhouse.credentials.tokens.errors import ReachInvalid
from keyhouse.credentials.tokens.rules import Reach
from keyhouse.credentials.tokens.services import MOVED
from keyhouse.credentials.trusted_publishers import keeping, listing, of_organizations, queries, services
from keyhouse.credentials.trusted_publishers.belongings import BELONGINGS
from keyhouse.credentials.trusted_publishers.models import Publisher
from keyhouse.credentials.trusted_publishers.publisher_errors import PublisherExists, PublishersTooMany
from keyhouse.mail.models import Mail
from keyhouse.mandate import queries as mandates
from keyhouse.organizations import membership
from keyhouse.organizations import services as organizations
from keyhouse.organizations.models import Membership, Organization
from keyhouse.projects.errors import NameRefused
from keyhouse.projects.models import Role
from keyhouse.projects.organizing import create_project_in, move_project
from keyhouse.projects.services import publish_file
from keyhouse.publishing.staging.models import StagedFile
from keyhouse.publishing.staging.origin import find_objection

pytestmark = pytest.mark.django_db
PAGE = "/manage/organization/acme/publishing/"
MINT = "/_/oidc/mint-token"
TERMS = {"issuer": GITHUB, **FIELDS}


@pytest.fixture
def ada(db: None) -> User:
    know_issuer()
    return make_user("ada")


@pytest.fixture
def acme(ada: User) -> Organization:
    """Return an organization of Ada's and Bob's with the projects `one` and `two`."""
    made = organizations.create_organization("acme", by=session_of(ada))
    for name in ("one", "two"):
        create_project_in("acme", name, by=session_of(ada))
    join(made, "bob", "owner")
    Mail.objects.all().delete()
    Record.objects.all().delete()
    return made


def bob() -> User:
    return User.objects.get(username="bob")


def add(by: Actor, *names: str, organization: str = "acme", later: bool = False, **changes: Any) -> Publisher:
    reach = Reach(names, is_also_later=later)
    terms = FIELDS | changes
    return of_organizations.add_organization_publisher(
        organization, "github", GITHUB, terms, reach=reach, by=by
    )


def wait(by: Actor, name: str = "fresh", organization: str = "acme", **changes: Any) -> Publisher:
    terms = FIELDS | changes
    return of_organizations.add_organization_pending(organization, name, "github", GITHUB, terms, by=by)


def reached(text: str, *names: str) -> list[bool]:
    """Tell which of these projects take an upload by this token."""
    found = []
    for name in names:
        project = of(name)
        actor = acting(text).restrictions.at_project(acting(text), project.pk, name)
        try:
            actions.require(actor, "release.upload", Thing("project", project.pk, name))
        except Refusal:
            found.append(False)
        else:
            found.append(True)
    return found


def upload(text: str, project: str, version: str = "1.0") -> None:
    publish_file(make_file(project, version, uploaded_via="publisher"), by=acting(text))


def test_it_speaks_for_what_was_chosen_as_it_stands_there_now(acme: Organization, ada: User) -> None:
    one = add(session_of(ada), "One")
    assert (one.organization, one.is_for_all_projects, one.is_pending) == (acme, False, False)
    text = minted()
    assert reached(text, "one", "two") == [True, False]
    upload(text, "one")
    with pytest.raises(RoleRequired):
        upload(text, "two")
    with pytest.raises(RoleRequired):
        upload(text, "fresh")
    told = Record.objects.get(action="publisher.add")
    assert (told.about_kind, told.about_name, told.details["projects"]) == ("organization", "acme", ["one"])
    assert set(Mail.objects.values_list("account_id", flat=True)) == {ada.pk, bob().pk}
    assert [row.about_name for row in Record.objects.filter(action="publisher.mint")] == ["acme"]
    Role.objects.create(project=of("one"), user=ada, kind="owner", since_at=clock.now())
    move_project("one", "", by=session_of(ada))
    with pytest.raises(CredentialInvalid):  # chosen for it alone, so it is over
        acting(text)
    ended = Record.objects.get(action="publisher.remove")
    assert (ended.details["reason"], ended.about_name) == (MOVED, "acme")


def test_all_projects_are_those_of_that_moment(acme: Organization, ada: User) -> None:
    add(session_of(ada), later=True)
    text = minted()
    assert reached(text, "one", "two") == [True, True]
    create_project_in("acme", "three", by=session_of(ada))
    organizations.create_organization("second", by=session_of(ada))
    move_project("one", "second", by=session_of(ada))
    assert reached(text, "one", "two", "three") == [False, True, True]
    assert len(Record.objects.filter(action="publisher.mint")) == 1, "one record, however many projects"
    organizations.rename_organization("acme", "umbrella", by=session_of(ada))
    assert reached(text, "two") == [True]
    move_project("one", "umbrella", by=session_of(ada))
    assert reached(text, "one") == [True]


def test_a_token_may_be_asked_for_one_project_and_is_for_that_alone(acme: Organization, ada: User) -> None:
    add(session_of(ada), later=True)
    text = minted(project="One")
    assert reached(text, "one", "two") == [True, False]
    assert post(MINT, {"token": identity(), "project": "nothing"}).status_code == 422


def test_a_project_s_own_goes_first_and_two_organizations_have_each_their_own(
    acme: Organization, ada: User
) -> None:
    olga = make_user("olga")
    organizations.create_organization("other", by=session_of(olga))
    create_project_in("other", "theirs", by=session_of(olga))
    mine = add(session_of(ada), later=True)
    theirs = add(session_of(olga), organization="other", later=True)
    own = services.add_publisher("two", "github", GITHUB, FIELDS, by=session_of(bob()))
    text = minted()
    actor = acting(text)
    for name, publisher in (("one", mine), ("two", own), ("theirs", theirs)):
        acts = actor.restrictions.at_project(actor, of(name).pk, name)
        assert acts.restrictions.publication["publisher"] == publisher.pk
        assert acts.user_id == publisher.configured_by_id
    assert reached(text, "one", "two", "theirs") == [True, True, True]
    bound = add(session_of(ada), "one", environment="release")
    text = minted(identity(environment="release"))
    acts = acting(text).restrictions.at_project(acting(text), of("one").pk, "one")
    assert acts.restrictions.publication["publisher"] == bound.pk
    services.remove_publisher(own.pk, by=session_of(bob()))
    acts = acting(text).restrictions.at_project(acting(minted()), of("two").pk, "two")
    assert acts.restrictions.publication == {}, "a token speaks by the publishers that it was minted for"
    acts = acting(minted()).restrictions.at_project(acting(minted()), of("two").pk, "two")
    assert acts.restrictions.publication["publisher"] == mine.pk


def test_only_an_owner_sets_one_up_for_projects_of_the_organization(acme: Organization, ada: User) -> None:
    olga = make_user("olga")
    organizations.create_organization("other", by=session_of(olga))
    create_project_in("other", "theirs", by=session_of(olga))
    left = join(acme, "left", "owner")
    Membership.objects.filter(user=left).delete()
    weak = session_of(ada, "password", strength=Strength(frozenset({"password"}), clock.now()))
    before = (Record.objects.count(), Mail.objects.count())
    told = services.Told(left, Strength(frozenset({"totp"}), clock.now()), clock.now())
    for by in (
        session_of(join(acme, "mia", "manager")),
        session_of(join(acme, "eve", "member")),
        session_of(left),
    ):
        for organization in ("acme", "other", "nothing"):
            with pytest.raises(RoleRequired):
                add(by, "one", organization=organization)
            with pytest.raises(RoleRequired):
                wait(by, organization=organization)
    with pytest.raises(RoleRequired):
        of_organizations.add_organization_publisher(
            "acme", "github", GITHUB, FIELDS, reach=Reach(("one",)), by=host(), told=told
        )
    for names in (("theirs",), ("one", "nothing"), ()):
        with pytest.raises(ReachInvalid):
            add(session_of(ada), *names)
    for set_up in (partial(add, weak, "one"), partial(wait, weak)):
        with pytest.raises(Refusal) as refused:
            set_up()
        assert refused.value.code == "second-factor-required"
    assert (Publisher.objects.count(), Record.objects.count(), Mail.objects.count()) == (0, *before)
    one = add(session_of(ada), "one")
    with pytest.raises(PublisherExists):
        add(session_of(bob()), "two", owner="ACME")
    mia = session_of(User.objects.get(username="mia"))
    acts: tuple[Callable[..., object], ...] = (
        services.confirm_publisher,
        services.constrain_publisher,
        services.remove_publisher,
    )
    for act in acts:
        for by in (mia, session_of(olga)):
            with pytest.raises(RoleRequired):
                act(one.pk, by=by)


def test_it_rests_without_its_owner_until_another_confirms_it(acme: Organization, ada: User) -> None:
    Role.objects.create(project=of("one"), user=ada, kind="owner", since_at=clock.now())
    one = add(session_of(ada, "password", "webauthn"), "one")
    waiting = wait(session_of(ada))
    text = minted()
    assert reached(text, "one") == [True]
    membership.change_kind("acme", "ada", "member", by=session_of(bob()))
    for what in (lambda: acting(text), lambda: upload(text, "fresh")):
        with pytest.raises(CredentialInvalid):
            what()
    assert post(MINT, {"token": identity()}).status_code == 422
    lines = listing.lines_of(Publisher.objects.order_by("pk"))
    assert [bool(line.rests) for line in lines] == [True, True]
    assert set(listing.resting_for(bob().pk)) == {one, waiting}
    with pytest.raises(RoleRequired):
        services.confirm_publisher(one.pk, by=session_of(ada))
    told = {"publication": {"publisher": one.pk}}
    staged = StagedFile(uploaded_via="publisher", credential="", description=told)
    assert find_objection(of("one"), staged).startswith("the organization's publisher that uploaded it rests")
    # as of whoever sets one up for a name to come, whatever mandates say
    with pytest.raises(EmailUnverified):
        services.confirm_publisher(waiting.pk, by=replace(session_of(bob()), email_is_verified=False))
    for publisher in (one, waiting):
        services.confirm_publisher(publisher.pk, by=session_of(bob()))
    text = minted()
    assert reached(text, "one") == [True]
    upload(text, "fresh")
    # an account that goes leaves what is the organization's
    assert BELONGINGS.give_up is not None
    BELONGINGS.give_up(bob().pk, clock.now())
    assert Publisher.objects.filter(pk=one.pk).exists()
    assert services.end_late_publishers_of(bob().pk, clock.now() - timedelta(hours=1), clock.now()) == 2


def test_a_pending_one_makes_the_project_in_the_organization(acme: Organization, ada: User) -> None:
    waiting = wait(session_of(ada))
    assert (waiting.is_pending, waiting.organization) == (True, acme)
    rival = services.add_pending_publisher(
        "Fresh", "github", GITHUB, FIELDS | {"repository": "other"}, by=session_of(make_user("eve"))
    )
    text = minted()
    Mail.objects.all().delete()
    upload(text, "fresh")
    upload(text, "fresh", "1.1")
    made = of("fresh")
    assert (made.organization_id, made.roles.count()) == (acme.pk, 0), "the organization owns it, nobody else"
    waiting.refresh_from_db()
    assert (waiting.project_id, waiting.organization_id, waiting.is_pending) == (made.pk, None, False)
    assert not Publisher.objects.filter(pk=rival.pk).exists()
    told = Mail.objects.filter(kind="publisher-made-project").values_list("account_id", flat=True)
    assert set(told) == {ada.pk, bob().pk}
    assert reached(text, "fresh") == [True]


def test_names_races_and_bounds_of_pending_ones(
    acme: Organization, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "0ne", "os", "-bad-"):
        with pytest.raises(NameRefused):
            wait(session_of(ada), name)
    wait(session_of(ada), "fresh")
    with pytest.raises(PublisherExists):
        wait(session_of(bob()), "fresh")
    olga = make_user("olga")
    organizations.create_organization("other", by=session_of(olga))
    theirs = wait(session_of(olga), organization="other")
    refused = post(MINT, {"token": identity()})
    assert refused.status_code == 422, "two who wait for one name by one identity: neither gets it"
    services.remove_publisher(theirs.pk, by=session_of(olga))
    text = minted()
    # somebody else makes a project of that name meanwhile
    create_project_in("other", "fresh", by=session_of(olga))
    with pytest.raises(Refusal):
        upload(text, "fresh")
    assert of("fresh").releases.count() == 0
    monkeypatch.setattr(of_organizations, "MOST_PENDING", 1)
    late = wait(session_of(ada), "another")
    with pytest.raises(PublishersTooMany):
        wait(session_of(bob()), "more")
    for _ in range(3):  # those of the organization aren't counted among one's own
        services.add_pending_publisher(
            f"mine-{_}", "github", GITHUB, FIELDS | {"repository": f"r{_}"}, by=session_of(ada)
        )
    Mail.objects.all().delete()
    assert keeping.remind(clock.now() + timedelta(days=26)) == 4
    assert Mail.objects.filter(account_id=bob().pk).count() == 1, "all owners are told of the organization's"
    assert keeping.end_old(clock.now() + timedelta(days=31)) == 4
    assert not Publisher.objects.filter(pk=late.pk).exists()


def test_a_name_that_somebody_else_took_is_refused_for_the_organization_s_others(
    acme: Organization, ada: User
) -> None:
    add(session_of(ada), "one")
    minted()
    add(session_of(ada), "two", workflow="other.yml")
    stolen = {"repository_owner_id": "666", "jti": "n1"}
    ref = "acme/anvil/.github/workflows/other.yml@refs/tags/v1.0"
    assert post(MINT, {"token": identity(**stolen, job_workflow_ref=ref)}).status_code == 422
    assert post(MINT, {"token": identity(repository_owner_id="666")}).status_code == 422
    assert Record.objects.filter(action="publisher.refuse", about_name="acme").exists()
    assert Mail.objects.filter(kind="publisher-changed-hands", account_id=bob().pk).exists()
    wait(session_of(ada), "fresh", workflow="new.yml")
    ref = "acme/anvil/.github/workflows/new.yml@refs/tags/v1.0"
    assert post(MINT, {"token": identity(repository_owner_id="666", job_workflow_ref=ref)}).status_code == 422
    assert minted(identity(job_workflow_ref=ref))


def test_what_a_project_s_owner_typed_stops_no_publisher_of_the_organization(
    acme: Organization, ada: User
) -> None:
    """Nothing ever came by it, so it knows nothing of who has that name."""
    mallory = make_user("mallory")
    Role.objects.create(project=of("one"), user=mallory, kind="owner", since_at=clock.now())
    services.add_publisher(
        "one", "github", GITHUB, FIELDS | {"owner_id": "666", "workflow": "x.yml"}, by=session_of(mallory)
    )
    add(session_of(ada), "two")
    assert reached(minted(), "two") == [True]


def test_the_end_of_the_organization_ends_them(acme: Organization, ada: User) -> None:
    add(session_of(ada), later=True)
    wait(session_of(ada))
    text = minted()
    for name in ("one", "two"):
        Role.objects.create(project=of(name), user=ada, kind="owner", since_at=clock.now())
        move_project(name, "", by=session_of(ada))
    organizations.delete_organization("acme", by=session_of(ada))
    assert not Publisher.objects.exists()
    with pytest.raises(CredentialInvalid):
        acting(text)


def test_mandates_know_who_answers_for_one(acme: Organization, ada: User) -> None:
    """Whoever set one up is covered as of a project's; what it may lose is listed among what is weak."""
    one = add(session_of(ada), later=True)
    roles = {(held.kind, held.role) for held in mandates.facts_of_person(ada.pk).authority}
    assert ("publisher", "configurer") in roles
    credential = listing.credential_of(one)
    assert (credential.actions, credential.projects) == (("release.upload",), ("one", "two"))
    assert listing.credential_of(wait(session_of(ada))).actions == ("project.create",)


def test_reading_costs_one_question_more_for_all_of_them(acme: Organization, ada: User) -> None:
    for number in range(5):
        add(session_of(ada), "one", "two", workflow=f"w{number}.yml")
    with CaptureQueriesContext(
        connection,
    ) as one:
        queries.live_publishers([Publisher.objects.earliest("pk").pk], clock.now())
    with CaptureQueriesContext(connection) as all_:
        queries.live_publishers(list(Publisher.objects.values_list("pk", flat=True)), clock.now())
    assert len(one) - 1 == len(all_) - 1 == 2


def test_the_pages_are_for_owners_and_every_refusal_has_its_place(acme: Organization, ada: User) -> None:
    visit = Visit(ada)
    visit.get(PAGE)
    assert "No trusted publisher yet" in visit.page
    assert "Nothing waits" in visit.page
    for wrong, said in (
        ({"reach": "named", "projects": ""}, "Name at least one"),
        ({"reach": "named", "projects": "nothing"}, "No project of this organization"),
        ({"reach": "later", "projects": "one"}, "Leave this empty"),
        ({"reach": "later", "workflow": "../x"}, ""),
    ):
        visit.post(f"{PAGE}add/", **(TERMS | wrong))
        assert (visit.answer.status_code, said in visit.page) == (400, True), wrong
    assert visit.post(f"{PAGE}preview/", **TERMS, reach="named").status_code == 200
    visit.post(f"{PAGE}new/add/", **TERMS, project_name="one")
    assert visit.answer.status_code == 400
    assert not Publisher.objects.exists()
    assert visit.post(f"{PAGE}add/", **TERMS, reach="named", projects="one").status_code == 303
    assert visit.post(f"{PAGE}new/add/", **TERMS, project_name="fresh").status_code == 303
    one, waiting = Publisher.objects.order_by("pk")
    for publisher in (one, waiting):
        visit.get(f"{PAGE}{publisher.pk}/")
        assert "acme/anvil, release.yml" in visit.page
        assert f"{PAGE}{publisher.pk}/remove/" in visit.page
    page = Visit(bob()).get(PAGE).content.decode()
    assert all(text in page for text in ("/project/one/", "fresh", "acme/anvil"))
    assert "acme/anvil" in Visit(ada).get("/account/publishers/").content.decode()
    parts = (
        "",
        "add/",
        "new/add/",
        *(f"{one.pk}/{act}" for act in ("", "confirm/", "constrain/", "remove/")),
    )
    for user in (join(acme, "mia", "manager"), join(acme, "eve", "member"), make_user("sam")):
        for part in parts:
            for place in (PAGE, PAGE.replace("acme", "nothing")):
                path = f"{place}{part}?issuer={GITHUB}"
                assert code_of(Visit(user).get(path)) == "role-required", (user, path)
    olga = make_user("olga")
    organizations.create_organization("other", by=session_of(olga))
    theirs = PAGE.replace("acme", "other")
    for act in ("", "confirm/", "constrain/", "remove/"):
        assert code_of(Visit(olga).get(f"{theirs}{one.pk}/{act}")) == "publisher-missing"
    assert code_of(visit.get(f"/manage/project/one/publishing/{one.pk}/")) == "publisher-missing"
    Publisher.objects.filter(pk=one.pk).update(seen_environment="release")
    other = Visit(bob())
    for act in ("confirm", "constrain"):
        assert other.get(f"{PAGE}{one.pk}/{act}/").status_code == 200
        assert other.post(f"{PAGE}{one.pk}/{act}/").status_code == 303
    one.refresh_from_db()
    assert (one.configured_by, one.environment) == (bob(), "release")
    for publisher in (one, waiting):
        assert other.get(f"{PAGE}{publisher.pk}/remove/").status_code == 200
        assert other.post(f"{PAGE}{publisher.pk}/remove/").status_code == 303
    assert not Publisher.objects.exists()
