"""Robot tokens: whose they are, how far they reach, when they rest, and who ends them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.credentials.tokens.conftest import make_project, make_user, session_of
from tests.credentials.tokens.test_services import in_parallel
from tests.mandate.visiting import Visit, code_of

from keyhouse.accounts.models import User
from keyhouse.audit.models import Record
from keyhouse.core import actions, clock
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Strength
from keyhouse.core.errors import CredentialInvalid, Refusal, RoleRequired, StepUpRequired
from keyhouse.credentials.tokens import robots, services
from keyhouse.credentials.tokens.authentication import identify
from keyhouse.credentials.tokens.belongings import BELONGINGS
from keyhouse.credentials.tokens.errors import (
    DescriptionTaken,
    RobotTokenNotFound,
    RobotTokenNotResting,
    RobotTokensTooMany,
    TokenNotFound,
    TokenTermsInvalid,
)
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.tokens.rules import MAX_ROBOTS
from keyhouse.mail.models import Mail
from keyhouse.projects.models import Project, Role

pytestmark = pytest.mark.django_db
Make = Callable[..., tuple[Token, str]]
PAGE = "/manage/project/alpha/robot-tokens/"


@pytest.fixture
def bob(alpha: Project) -> User:
    """Another owner of alpha."""
    user = make_user("bob")
    Role.objects.create(project=alpha, user=user, kind="owner", since_at=clock.now())
    return user


@pytest.fixture
def carl(alpha: Project) -> User:
    """A maintainer of alpha."""
    user = make_user("carl")
    Role.objects.create(project=alpha, user=user, kind="maintainer", since_at=clock.now())
    return user


@pytest.fixture
def make(ada: User, alpha: Project) -> Make:
    def robot(**changes: Any) -> tuple[Token, str]:
        terms: dict[str, Any] = {
            "description": f"robot {Token.objects.count()}",
            "expires_in_days": 30,
            "by": session_of(ada),
        } | changes
        return robots.mint_robot_token(str(terms.pop("project", "alpha")), **terms)

    return robot


def who(text: str, network: str = "192.0.2.1") -> Any:
    return identify(f"Bearer {text}", network=network, user_agent="", now=clock.now())[0]


def reaches(text: str, action: str, project: Project | None) -> bool:
    thing = Thing("project", project.pk if project else None, project.normalized_name if project else "new")
    try:
        actions.require_authority(who(text), action, thing)
    except Refusal:
        return False
    return True


def test_it_uploads_to_its_project_and_does_nothing_else(make: Make, alpha: Project, ada: User) -> None:
    mine = make_project("mine", ada)
    token, text = make()
    assert (token.is_robot, token.actions, token.kind) == (True, ["upload"], "robot-token")
    assert who(text).restrictions.publication == {"class": "robot-token"}
    assert reaches(text, "release.upload", alpha)
    for action, project in (
        ("release.upload", mine),
        ("project.create", None),
        ("release.yank", alpha),
        ("robot-token.mint", alpha),
        ("project.manage", alpha),
    ):
        assert not reaches(text, action, project), (action, project)


def test_its_terms_are_bounded_and_nothing_is_left_of_others(make: Make) -> None:
    for terms in (
        {"expires_in_days": 91},
        {"expires_in_days": 0},
        {"description": ""},
        {"version": "not a version"},
        {"networks": ["300.1.1.1"]},
        {"networks": ["192.0.2.1/24"]},
        {"networks": ["192.0.2.1"] * 21},
    ):
        with pytest.raises(TokenTermsInvalid):
            make(**terms)
    assert (Token.objects.count(), Record.objects.count(), Mail.objects.count()) == (0, 0, 0)


def test_a_project_has_a_bounded_number_that_work(make: Make, ada: User) -> None:
    made = [make()[0] for _ in range(MAX_ROBOTS)]
    with pytest.raises(RobotTokensTooMany):
        make()
    robots.revoke_robot_token("alpha", made[0].pk, by=session_of(ada))
    make(description="the last one")
    assert Token.objects.filter(revoked_at=None).count() == MAX_ROBOTS


def test_only_an_owner_with_a_fresh_proof_makes_one(make: Make, carl: User, ada: User, beta: Project) -> None:
    old = Strength(frozenset({"password", "totp"}), clock.now() - timedelta(minutes=16))
    tries: tuple[tuple[dict[str, Any], type[Refusal]], ...] = (
        ({"by": session_of(carl)}, RoleRequired),
        ({"by": session_of(make_user("eve"))}, RoleRequired),
        ({"project": "beta"}, RoleRequired),
        ({"project": "no-such-project"}, RoleRequired),
        ({"by": session_of(ada, strength=old)}, StepUpRequired),
    )
    for terms, refusal in tries:
        with pytest.raises(refusal):
            make(**terms)
    assert (Token.objects.count(), Record.objects.count(), Mail.objects.count()) == (0, 0, 0)


def test_the_other_owners_are_told_and_the_log_keeps_who_did_what(make: Make, bob: User, carl: User) -> None:
    token, _ = make()
    assert list(Mail.objects.values_list("account_id", flat=True)) == [bob.pk]
    robots.revoke_robot_token("alpha", token.pk, by=session_of(bob))
    told = list(Record.objects.order_by("pk").values_list("action", flat=True))
    assert told == ["robot-token.mint", "robot-token.revoke"]
    assert Mail.objects.exclude(account_id=bob.pk).count() == 1


def test_any_owner_revokes_it_at_once_whatever_the_state_and_nobody_else_does(
    make: Make, bob: User, carl: User, alpha: Project
) -> None:
    token, text = make()
    for by in (session_of(carl), session_of(make_user("eve"))):
        with pytest.raises(RoleRequired):
            robots.revoke_robot_token("alpha", token.pk, by=by)
    make_project("other", bob)
    with pytest.raises(RobotTokenNotFound):  # by the address of another project that one owns
        robots.revoke_robot_token("other", token.pk, by=session_of(bob))
    with pytest.raises(RobotTokenNotFound):
        robots.revoke_robot_token("alpha", uuid.uuid4(), by=session_of(bob))
    with pytest.raises(TokenNotFound):  # not by the door of one's own tokens
        services.revoke_token(token, by=session_of(token.user))
    assert who(text).name == "ada"
    Project.objects.filter(pk=alpha.pk).update(status="quarantined")
    weak = session_of(bob, "password", strength=Strength(frozenset({"password"})))
    robots.revoke_robot_token("alpha", token.pk, by=weak)
    robots.revoke_robot_token("alpha", token.pk, by=weak)
    with pytest.raises(CredentialInvalid):
        who(text)
    assert Record.objects.filter(action="robot-token.revoke").count() == 1


def test_it_rests_without_its_owner_until_another_stands_behind_it(
    make: Make, ada: User, bob: User, alpha: Project
) -> None:
    token, text = make(by=session_of(ada, "password", "webauthn"))
    with pytest.raises(RobotTokenNotResting):
        robots.confirm_robot_token("alpha", token.pk, by=session_of(bob))
    Role.objects.filter(project=alpha, user=ada).update(kind="maintainer")
    with pytest.raises(CredentialInvalid):
        who(text)
    with pytest.raises(RoleRequired):
        robots.confirm_robot_token("alpha", token.pk, by=session_of(ada))
    robots.confirm_robot_token("alpha", token.pk, by=session_of(bob))
    actor = who(text)
    assert (actor.user_id, actor.name) == (bob.pk, "bob")
    assert actor.strength.methods == {"password", "totp"}, (
        "as strong as whoever confirmed it, not as whoever made it"
    )
    assert Record.objects.filter(action="robot-token.confirm").count() == 1


@pytest.mark.parametrize("state", ["suspended", "frozen", "deleted"])
def test_it_is_never_stronger_than_its_person_is_now(make: Make, ada: User, state: str) -> None:
    _, text = make()
    User.objects.filter(pk=ada.pk).update(state=state)
    with pytest.raises(Refusal):
        actions.require(who(text), "release.upload", Thing("project", Project.objects.get().pk, "alpha"))


def test_the_end_of_an_account_lets_it_rest_and_a_recovery_ends_what_is_new(
    make: Make, ada: User, bob: User
) -> None:
    token, _ = make()
    assert services.end_tokens_of(ada.pk, reason="left", now=clock.now()) == 0
    token.refresh_from_db()
    assert token.revoked_at is None
    assert BELONGINGS.disown is not None
    assert services.end_late_tokens_of(ada.pk, clock.now() - timedelta(hours=1), clock.now()) == 1
    token.refresh_from_db()
    assert token.revoked_at is not None


def test_what_was_confirmed_in_bad_hands_ends_with_a_recovery(make: Make, ada: User, bob: User) -> None:
    token, _ = make(by=session_of(ada))
    Token.objects.filter(pk=token.pk).update(minted_at=clock.now() - timedelta(days=20))
    Role.objects.filter(user=ada).delete()
    robots.confirm_robot_token("alpha", token.pk, by=session_of(bob))
    assert services.end_late_tokens_of(bob.pk, clock.now() - timedelta(hours=1), clock.now()) == 1


def test_it_goes_with_its_project(make: Make, alpha: Project) -> None:
    _, text = make()
    alpha.delete()
    with pytest.raises(CredentialInvalid):
        who(text)


def test_descriptions_are_the_projects_and_a_form_sent_twice_makes_one(
    make: Make, ada: User, bob: User
) -> None:
    form = {"token_id": uuid.uuid4(), "description": "ci"}
    first, again = make(**form), make(**form)
    assert first[1] == again[1]
    with pytest.raises(DescriptionTaken):
        make(description="ci", by=session_of(bob))
    services.mint_token(
        ada,
        description="ci",
        project_ids=None,
        reason="x",
        expires_in_days=3,
        actions=["upload"],
        by=session_of(ada),
    )


def test_the_pages_show_it_to_owners_and_not_to_others(make: Make, ada: User, bob: User, carl: User) -> None:
    token, text = make(description="nightly", version="1.0", networks=["192.0.2.0/24"])
    for user, may_act in ((ada, True), (bob, True), (carl, False)):
        visit = Visit(user)
        visit.get(PAGE)
        assert "nightly" in visit.page
        assert ("Revoke" in visit.page, text in visit.page) == (may_act, False)
    assert "nightly" not in Visit(ada).get("/account/tokens/").content.decode()
    stranger = Visit(make_user("eve"))
    for path in (PAGE, f"{PAGE}new/", f"{PAGE}{token.pk}/revoke/"):
        assert code_of(stranger.get(path)) == "role-required", path
        assert code_of(stranger.get(path.replace("alpha", "nothing"))) == "role-required"
    for act in ("revoke", "confirm"):
        assert code_of(stranger.post(f"{PAGE}{token.pk}/{act}/")) == "role-required"
        assert code_of(Visit(carl).post(f"{PAGE}{token.pk}/{act}/")) == "role-required"
    assert Visit(ada).post(f"/account/tokens/{token.pk}/revoke/").status_code == 404
    token.refresh_from_db()
    assert token.revoked_at is None


def test_it_is_made_confirmed_and_revoked_by_the_pages(ada: User, alpha: Project, bob: User) -> None:
    visit = Visit(ada)
    fields = {"description": "nightly", "expires_in_days": "30", "networks": "192.0.2.7, 2001:db8::/32"}
    visit.post(f"{PAGE}new/", **fields, version="1.0.0-rc1")
    token = Token.objects.get()
    assert (token.version, token.networks) == ("1.0.0rc1", ["192.0.2.7/32", "2001:db8::/32"])
    assert "keyhouse-Ag" in visit.page
    assert visit.answer["Cache-Control"] == "no-store"
    visit.post(f"{PAGE}new/", description="nightly", expires_in_days="91", networks="300.0.0.1")
    assert visit.answer.status_code == 400
    Role.objects.filter(user=ada).delete()
    other = Visit(bob)
    assert "Stand behind it" in other.get(PAGE).content.decode()
    assert other.post(f"{PAGE}{token.pk}/confirm/").status_code == 303
    assert "Stand behind it" not in other.get(PAGE).content.decode()
    assert other.post(f"{PAGE}{token.pk}/revoke/").status_code == 303
    assert "has no robot token" in other.get(PAGE).content.decode()


@pytest.mark.django_db(transaction=True)
def test_in_parallel_there_are_never_too_many(make: Make) -> None:
    for _ in range(MAX_ROBOTS - 1):
        make()
    found = in_parallel(4, lambda number: make(description=f"late {number}")[1])
    assert sorted(type(one).__name__ for one in found) == ["RobotTokensTooMany"] * 3 + ["str"]
    assert Token.objects.count() == MAX_ROBOTS
