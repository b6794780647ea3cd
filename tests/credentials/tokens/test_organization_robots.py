"""Robot tokens of organizations: who makes them, what they reach at that moment, and when they are over."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.credentials.tokens.conftest import make_project, make_user, session_of
from tests.credentials.tokens.test_robots import reaches, who
from tests.credentials.tokens.test_services import in_parallel
from tests.mandate.visiting import Visit, code_of
from tests.projects.conftest import make_file

from keyhouse.accounts.models import User
from keyhouse.audit.models import Record
from keyhouse.core import actions, clock
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Strength, host
from keyhouse.core.errors import CredentialInvalid, RoleRequired, StepUpRequired
from keyhouse.credentials.tokens import caveats, keeping, letters, macaroons, queries, robots, services
from keyhouse.credentials.tokens.errors import (
    ReachInvalid,
    RobotTokenNotFound,
    RobotTokenNotResting,
    RobotTokensTooMany,
    TokenTermsInvalid,
)
from keyhouse.credentials.tokens.leak_rules import Leak
from keyhouse.credentials.tokens.leaks import end_leaked
from keyhouse.credentials.tokens.ledger import lines_of
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.tokens.reader import require_right_to_read
from keyhouse.credentials.tokens.rules import MAX_ROBOTS, Reach
from keyhouse.mail.models import Mail
from keyhouse.organizations import membership
from keyhouse.organizations import services as organizations
from keyhouse.organizations.models import Membership, Organization
from keyhouse.projects.models import Project, Role
from keyhouse.projects.organizing import create_project_in, move_project
from keyhouse.projects.services import publish_file

pytestmark = pytest.mark.django_db
Make = Callable[..., tuple[Token, str]]
PAGE = "/manage/organization/acme/robot-tokens/"


def join(organization: Organization, name: str, kind: str) -> User:
    user = make_user(name)
    Membership.objects.create(organization=organization, user=user, kind=kind, since_at=clock.now())
    return user


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


@pytest.fixture
def bob(acme: Organization) -> User:
    return User.objects.get(username="bob")


@pytest.fixture
def make(ada: User, acme: Organization) -> Make:
    def robot(*names: str, **changes: Any) -> tuple[Token, str]:
        terms: dict[str, Any] = {
            "description": f"robot {Token.objects.count()}",
            "reach": Reach(names or ("one",)),
            "expires_in_days": 30,
            "by": session_of(ada),
        } | changes
        return robots.mint_organization_token(str(terms.pop("organization", "acme")), **terms)

    return robot


def of(name: str) -> Project:
    return Project.objects.get(normalized_name=name)


def upload(text: str, project: str, version: str = "1.0", **changes: Any) -> None:
    actor = who(text)
    publish_file(make_file(project, version, credential=actor.credential, **changes), by=actor)


def test_it_uploads_to_what_was_chosen_and_does_nothing_else(make: Make, ada: User) -> None:
    mine = make_project("mine", ada)
    token, text = make("One")
    assert (token.is_robot, token.kind, token.actions) == (True, "robot-token", ["upload"])
    assert reaches(text, "release.upload", of("one"))
    for action, project in (
        ("release.upload", of("two")),
        ("release.upload", mine),
        ("release.yank", of("one")),
        ("project.create", None),
        ("robot-token.mint", of("one")),
        ("project.move", of("one")),
    ):
        assert not reaches(text, action, project), (action, project)
    with pytest.raises(RoleRequired):
        actions.require_authority(who(text), "robot-token.mint", Thing("organization", token.organization_id))
    require_right_to_read(who(text), "one")
    for name in (None, "two", "mine", "nothing"):
        with pytest.raises(RoleRequired):
            require_right_to_read(who(text), name)


def test_only_an_owner_with_a_fresh_proof_makes_one_within_bounds(
    make: Make, acme: Organization, ada: User
) -> None:
    rival = organizations.create_organization("rival", by=session_of(make_user("olga")))
    create_project_in("rival", "theirs", by=session_of(User.objects.get(username="olga")))
    make_project("mine", ada)
    left = join(acme, "left", "owner")
    Membership.objects.filter(user=left).delete()
    Mail.objects.all().delete()
    Record.objects.all().delete()
    old = Strength(frozenset({"password", "totp"}), clock.now() - timedelta(minutes=16))
    tries: tuple[tuple[dict[str, Any], type[Exception]], ...] = (
        ({"by": session_of(join(acme, "mia", "manager"))}, RoleRequired),
        ({"by": session_of(join(acme, "eve", "member"))}, RoleRequired),
        ({"by": session_of(left)}, RoleRequired),
        ({"by": host(), "owner": left}, RoleRequired),
        ({"organization": rival.name}, RoleRequired),
        ({"organization": "nothing-here"}, RoleRequired),
        ({"by": session_of(ada, strength=old)}, StepUpRequired),
        ({"reach": Reach(("mine",))}, ReachInvalid),
        ({"reach": Reach(("theirs",))}, ReachInvalid),
        ({"reach": Reach(("one", "no-such"))}, ReachInvalid),
        ({"reach": Reach()}, TokenTermsInvalid),
        ({"expires_in_days": 91}, TokenTermsInvalid),
        ({"version": "1.0", "reach": Reach(("one", "two"))}, TokenTermsInvalid),
        ({"version": "1.0", "may_found": True}, TokenTermsInvalid),
        ({"networks": ["300.1.1.1"]}, TokenTermsInvalid),
    )
    told = []
    for terms, refusal in tries:
        with pytest.raises(refusal) as refused:
            make(**terms)
        told.append(str(refused.value))
    assert told[7].replace("mine", "theirs") == told[8], "a project of others is as one that isn't there"
    assert (Token.objects.count(), Record.objects.count(), Mail.objects.count()) == (0, 0, 0)
    for _ in range(MAX_ROBOTS):
        make()
    with pytest.raises(RobotTokensTooMany):
        make()


def test_a_project_that_leaves_is_out_and_one_that_comes_is_in_by_the_wider_choice_only(
    make: Make, ada: User
) -> None:
    chosen, narrow = make("one", "two")
    later, wide = make(reach=Reach(is_also_later=True))
    now, fixed = make(reach=Reach(is_all_now=True))
    assert (later.is_for_all_projects, later.projects.count(), now.projects.count()) == (True, 0, 2)
    create_project_in("acme", "three", by=session_of(ada))
    assert [reaches(text, "release.upload", of("three")) for text in (narrow, fixed, wide)] == [
        False,
        False,
        True,
    ]
    Role.objects.create(project=of("one"), user=ada, kind="owner", since_at=clock.now())
    move_project("one", "", by=session_of(ada))
    assert not any(reaches(text, "release.upload", of("one")) for text in (narrow, wide, fixed))
    assert reaches(narrow, "release.upload", of("two"))
    move_project("one", "acme", by=session_of(ada))
    assert [reaches(text, "release.upload", of("one")) for text in (narrow, wide)] == [False, True], (
        "what has left comes back for the wider choice only"
    )
    Role.objects.create(project=of("two"), user=ada, kind="owner", since_at=clock.now())
    move_project("two", "", by=session_of(ada))
    chosen.refresh_from_db()
    later.refresh_from_db()
    assert (chosen.revoked_reason, later.revoked_at) == (services.MOVED, None)


def test_a_token_of_one_organization_reaches_nothing_of_another(make: Make, ada: User) -> None:
    """Also where the same person owns both, and a project moves from the one to the other."""
    organizations.create_organization("second", by=session_of(ada))
    _, first = make(reach=Reach(is_also_later=True))
    _, second = make(organization="second", reach=Reach(is_also_later=True))
    assert not reaches(second, "release.upload", of("one"))
    move_project("one", "second", by=session_of(ada))
    assert [reaches(text, "release.upload", of("one")) for text in (first, second)] == [False, True]


def test_it_makes_projects_in_the_organization_where_that_was_said(make: Make, ada: User, bob: User) -> None:
    for _, text in (make(), make(reach=Reach(is_also_later=True))):
        with pytest.raises(RoleRequired):
            upload(text, "fresh")
    assert not Project.objects.filter(normalized_name="fresh").exists()
    token, text = make(may_found=True)
    upload(text, "fresh")
    upload(text, "fresh", "1.1")
    made = of("fresh")
    assert (made.organization_id, made.roles.count()) == (token.organization_id, 0), (
        "the organization owns it"
    )
    assert set(token.projects.values_list("name", flat=True)) == {"one", "fresh"}
    assert not reaches(text, "release.upload", of("two"))
    require_right_to_read(who(text), "to-come")
    # whoever stood behind it lost the organization between the first look and the writing
    actor = who(text)
    Membership.objects.filter(user=ada).update(kind="member")
    with pytest.raises(RoleRequired):
        publish_file(make_file("another"), by=actor)
    with pytest.raises(CredentialInvalid):
        upload(text, "another")
    assert not Project.objects.filter(normalized_name="another").exists()


def test_it_rests_without_its_owner_until_another_stands_behind_it(
    make: Make, ada: User, bob: User, acme: Organization
) -> None:
    Role.objects.create(project=of("one"), user=ada, kind="owner", since_at=clock.now())
    token, text = make(by=session_of(ada, "password", "webauthn"))
    with pytest.raises(RobotTokenNotResting):
        robots.confirm_organization_token("acme", token.pk, by=session_of(bob))
    assert keeping.tell_of_resting(clock.now()) == 0
    membership.change_kind("acme", "ada", "manager", by=session_of(bob))
    with pytest.raises(CredentialInvalid):  # though she owns the project still, by a role of her own
        who(text)
    Mail.objects.all().delete()
    assert [keeping.tell_of_resting(clock.now()) for _ in range(2)] == [1, 0]
    assert list(Mail.objects.values_list("account_id", flat=True)) == [bob.pk]
    for by in (ada, join(acme, "mo", "member")):
        with pytest.raises(RoleRequired):
            robots.confirm_organization_token("acme", token.pk, by=session_of(by))
    robots.confirm_organization_token("acme", token.pk, by=session_of(bob))
    assert (who(text).user_id, who(text).strength.methods) == (bob.pk, {"password", "totp"})


def test_what_ends_while_somebody_stands_behind_it_stays_ended(
    make: Make, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, text = make()
    membership.change_kind("acme", "ada", "manager", by=session_of(bob))
    found = queries.find_robot

    def found_in_the_open(*sought: Any) -> Token | None:
        """Read it as it works, just before a report ends it."""
        read = found(*sought)
        end_leaked([Leak(text)], reporter="a scanner")
        return read

    monkeypatch.setattr(queries, "find_robot", found_in_the_open)
    with pytest.raises(RobotTokenNotFound):
        robots.confirm_organization_token("acme", token.pk, by=session_of(bob))


def test_any_owner_revokes_it_and_nobody_by_another_door(
    make: Make, ada: User, bob: User, acme: Organization
) -> None:
    token, text = make()
    organizations.create_organization("other", by=session_of(bob))
    with pytest.raises(RobotTokenNotFound):
        robots.revoke_organization_token("other", token.pk, by=session_of(bob))
    with pytest.raises(RobotTokenNotFound):
        robots.revoke_robot_token("one", token.pk, by=session_of(bob))
    with pytest.raises(RoleRequired):
        robots.revoke_organization_token("acme", token.pk, by=session_of(join(acme, "mia", "manager")))
    for _ in range(2):
        robots.revoke_organization_token("acme", token.pk, by=session_of(bob, "password"))
    with pytest.raises(CredentialInvalid):
        who(text)
    told = list(Record.objects.filter(action__startswith="robot-token").values_list("action", flat=True))
    assert told == ["robot-token.mint", "robot-token.revoke"]
    assert set(Mail.objects.filter(kind__startswith="robot").values_list("account_id", flat=True)) == {
        ada.pk,
        bob.pk,
    }


def test_a_rename_changes_nothing_and_the_end_of_the_organization_ends_it(make: Make, ada: User) -> None:
    token, text = make(reach=Reach(is_also_later=True), may_found=True)
    organizations.rename_organization("acme", "umbrella", by=session_of(ada))
    assert reaches(text, "release.upload", of("one"))
    for name in ("one", "two"):
        Role.objects.create(project=of(name), user=ada, kind="owner", since_at=clock.now())
        move_project(name, "", by=session_of(ada))
    organizations.delete_organization("umbrella", by=session_of(ada))
    with pytest.raises(CredentialInvalid):
        who(text)
    assert not Token.objects.filter(pk=token.pk).exists()


def test_a_narrower_copy_reaches_no_more_than_both_say(make: Make) -> None:
    _, text = make(reach=Reach(is_also_later=True), may_found=True)
    macaroon = macaroons.read_text(text, "keyhouse-")
    for added, expected in (
        (caveats.write_projects([of("one").pk]), [True, False, False]),
        (caveats.write_projects([of("one").pk, 99_999]), [True, False, False]),
        (caveats.write_release(of("two").pk, "1.0"), [False, False, False]),
        (caveats.write_actions(["read"]), [False, False, False]),
    ):
        copy = macaroons.text_of(macaroons.attenuate(macaroon, added), "keyhouse-")
        found = [reaches(copy, "release.upload", of(name)) for name in ("one", "two")]
        assert [*found, reaches(copy, "project.create", None)] == expected, added
    chosen, text = make("one")
    macaroon = macaroons.read_text(text, "keyhouse-")
    wider = macaroons.text_of(
        macaroons.attenuate(macaroon, caveats.write_projects([of("two").pk])), "keyhouse-"
    )
    assert not any(reaches(wider, "release.upload", of(name)) for name in ("one", "two"))
    Token.objects.filter(pk=chosen.pk).update(is_for_all_projects=True)
    assert not reaches(text, "release.upload", of("two")), "what the text says holds beside the ledger"


def test_leaks_reminders_and_the_ledger_know_it(make: Make, ada: User, bob: User) -> None:
    token, text = make(description="nightly", expires_in_days=15)
    assert [line.made_with for line in lines_of([token])] == ["password and authenticator app"]
    Mail.objects.all().delete()
    assert keeping.remind_all(clock.now() + timedelta(days=2)) == 1
    assert set(Mail.objects.values_list("account_id", flat=True)) == {ada.pk, bob.pk}
    assert "the organization acme" in letters.ends_soon(token, 3).subject
    Mail.objects.all().delete()
    assert end_leaked([Leak(text, "https://example.org/log", "web")], reporter="somebody") == 1
    assert set(Mail.objects.values_list("account_id", flat=True)) == {ada.pk, bob.pk}
    assert services.end_tokens_of(ada.pk, reason="left", now=clock.now()) == 0
    again, _ = make()
    assert services.end_tokens_of(ada.pk, reason="left", now=clock.now()) == 0, "it is not hers"
    assert services.end_late_tokens_of(ada.pk, clock.now() - timedelta(hours=1), clock.now()) == 1
    again.refresh_from_db()
    assert again.revoked_at is not None


def test_the_pages_are_for_owners_and_a_form_sent_twice_makes_one(
    make: Make, ada: User, bob: User, acme: Organization
) -> None:
    visit = Visit(ada)
    assert "has no robot token" in visit.get(PAGE).content.decode()
    form = {"form_id": str(uuid.uuid4()), "description": "nightly", "expires_in_days": "30"}
    for wrong, field in (
        ({"reach": "named"}, "Name at least one"),
        ({"reach": "named", "projects": "two nothing"}, "No project of this organization: nothing"),
        ({"reach": "later", "projects": "one"}, "Leave this empty"),
        ({}, "required"),
    ):
        visit.post(f"{PAGE}new/", **form, **wrong)
        assert (visit.answer.status_code, field in visit.page) == (400, True), wrong
    assert not Token.objects.exists()
    for _ in range(2):
        visit.post(f"{PAGE}new/", **form, reach="named", projects="one, two")
        assert "keyhouse-Ag" in visit.page
        assert visit.answer["Cache-Control"] == "no-store"
    token = Token.objects.get()
    assert (token.projects.count(), token.may_found, token.is_for_all_projects) == (2, False, False)
    page = Visit(bob).get(PAGE).content.decode()
    assert all(one in page for one in ("nightly", "/project/two/", "Revoke"))
    assert "nightly" not in Visit(ada).get("/account/tokens/").content.decode()
    paths = (PAGE, f"{PAGE}new/", f"{PAGE}{token.pk}/revoke/")
    for user in (join(acme, "mia", "manager"), join(acme, "eve", "member"), make_user("sam")):
        for path in paths:
            for place in (path, path.replace("acme", "nothing")):
                assert code_of(Visit(user).get(place)) == "role-required", (user, place)
        for act in ("revoke", "confirm"):
            assert code_of(Visit(user).post(f"{PAGE}{token.pk}/{act}/")) == "role-required"
    assert code_of(Visit(ada).get(f"{PAGE}{uuid.uuid4()}/revoke/")) == "robot-token-not-found"
    Membership.objects.filter(user=ada).update(kind="member")
    other = Visit(bob)
    assert "Stand behind it" in other.get(PAGE).content.decode()
    assert other.post(f"{PAGE}{token.pk}/confirm/").status_code == 303
    assert other.post(f"{PAGE}{token.pk}/revoke/").status_code == 303
    assert "has no robot token" in other.get(PAGE).content.decode()


@pytest.mark.django_db(transaction=True)
def test_in_parallel_there_are_never_too_many(make: Make) -> None:
    for _ in range(MAX_ROBOTS - 1):
        make()
    found = in_parallel(3, lambda number: make(description=f"late {number}")[1])
    assert sorted(type(one).__name__ for one in found) == ["RobotTokensTooMany"] * 2 + ["str"]
