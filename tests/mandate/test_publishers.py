"""Trusted publishers under a mandate: as strong as whoever answers for them (A5, A6, A26 to A28), and as the only way in."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from tests.distfiles.builders import build_wheel
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
from tests.mandate.visiting import asked_by, token_of
from tests.publishing.driver import upload

from keyhouse import storage
from keyhouse.accounts.models import Authenticator, User
from keyhouse.core import clock, configuration
from keyhouse.core.actions import CATALOGUE, Thing, get_action, require_authority
from keyhouse.core.actor import Actor, host
from keyhouse.core.errors import Refusal
from keyhouse.core.foresight import find_foresight
from keyhouse.credentials.tokens.caveats import ActionsCaveat, Scope
from keyhouse.credentials.tokens.models import ROBOT
from keyhouse.credentials.trusted_publishers import queries, services
from keyhouse.credentials.trusted_publishers.acting import PublisherScope, actor_behind
from keyhouse.credentials.trusted_publishers.listing import credential_of
from keyhouse.credentials.trusted_publishers.models import Publisher
from keyhouse.mandate import people
from keyhouse.mandate import queries as facts_of
from keyhouse.mandate.dispositions import count_publishers
from keyhouse.mandate.documents import DocumentInvalid, read_mandate
from keyhouse.mandate.facts import Asking, Authority, Facts, Object, Person
from keyhouse.mandate.gates import MandateGate, weigh
from keyhouse.mandate.own_ledger import weak_publishers_of
from keyhouse.mandate.previews import _live_tokens
from keyhouse.mandate.rules import Policy, decide
from keyhouse.mandate.strictness import is_as_strict
from keyhouse.projects.models import File, Project, Role

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("wired")]

DAY = timedelta(days=1)
BEFORE, GRACE = ANNOUNCED - 10 * DAY, ANNOUNCED + 10 * DAY
CAP = ENFORCED + 60 * DAY  # nobody was told
FIELDS = {"owner": "acme", "repository": "widget", "workflow": "release.yml"}
ONLY: dict[str, Any] = {"publishing": {"accept": ["trusted-publisher"]}}


@pytest.fixture(autouse=True)
def at(set_clock: SetClock) -> SetClock:
    set_clock(BEFORE)
    return set_clock


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def alpha(ada: User) -> Project:
    return make_project("alpha", ada, make_user("bob"))


def trust(user: User, *methods: str, name: str = "alpha", **changes: Any) -> Publisher:
    """Let somebody set a publisher up now, by what they proved: a password alone if not said otherwise."""
    told = services.Told(user, session_of(user, *(methods or ("password",))).strength, clock.now())
    add = services.add_pending_publisher if changes.pop("pending", False) else services.add_publisher
    return add(name, "github", "", FIELDS | changes, by=host(), told=told)


def acting(publisher: Publisher) -> Actor:
    (one,) = queries.live_publishers([publisher.pk], clock.now())
    return actor_behind(one, PublisherScope((), publishers=(one,)), Actor("publisher"))


def answer(publisher: Publisher, moment: datetime | None = None) -> str:
    thing = Thing("project", publisher.project_id, "alpha")
    decision = weigh(acting(publisher), "release.upload", thing, moment or clock.now())[1]
    return f"{decision.verdict}:{decision.code}"


def test_a5_a_publisher_stays_as_weak_as_it_was_set_up_though_its_person_enrols(
    ada: User, alpha: Project
) -> None:
    one = trust(ada)
    retire_default()
    store(document())
    Authenticator.objects.create(user=ada, name="phone", secret_sealed="x", created_at=clock.now())
    assert answer(one, CAP - DAY) == "warn:credential-weak"
    assert answer(one, CAP) == "deny:credential-weak"


def test_a6_a_weak_publisher_of_the_grace_period_dies_with_it(
    ada: User, alpha: Project, at: SetClock
) -> None:
    retire_default()
    store(document())
    at(GRACE)
    one = trust(ada)
    assert answer(one, ENFORCED - timedelta(microseconds=1)) == "warn:credential-weak"
    assert answer(one, ENFORCED) == "deny:credential-weak"


def test_a27_a_weak_publisher_is_flagged_warned_of_and_refused_until_a_compliant_owner_confirms_it(
    ada: User, alpha: Project, at: SetClock
) -> None:
    one = trust(ada)
    retire_default()
    store(document())
    assert answer(one) == "allow:"
    at(GRACE)
    assert answer(one) == "warn:credential-weak"
    (weak,) = weak_publishers_of(session_of(ada), clock.now())
    assert (weak.publisher.pk, weak.is_refused, weak.outlook.ends_at) == (one.pk, False, CAP)
    assert weak.place == f"/manage/project/alpha/publishing/{one.pk}/"
    foresight = find_foresight()
    assert foresight is not None
    assert foresight.outlooks(ada.pk, [credential_of(one)])[0] == weak.outlook
    at(CAP)
    assert answer(one) == "deny:credential-weak"
    assert weak_publishers_of(session_of(ada), clock.now())[0].is_refused
    with pytest.raises(Refusal) as refused:  # a weak owner is refused the confirmation itself
        services.confirm_publisher(one.pk, by=session_of(ada, "password"))
    assert refused.value.code == "second-factor-required"
    services.confirm_publisher(one.pk, by=session_of(User.objects.get(username="bob")))
    assert answer(one) == "allow:"
    assert weak_publishers_of(session_of(ada), clock.now()) == []


@pytest.mark.parametrize("moment", [BEFORE, GRACE, ENFORCED, CAP])
def test_a_publisher_of_a_compliant_person_is_open_throughout(
    ada: User, alpha: Project, moment: datetime
) -> None:
    one = trust(ada, "password", "totp")
    retire_default()
    store(document())
    assert answer(one, moment) == "allow:"


def test_a_publisher_does_not_satisfy_a_mandate_that_asks_for_more(ada: User, alpha: Project) -> None:
    one = trust(ada, "password", "totp")
    retire_default()
    store(document(methods={"accept": ["phishing-resistant"]}))
    assert answer(one, CAP) == "deny:credential-weak"


def test_tokens_that_are_let_be_let_no_publisher_be(ada: User, alpha: Project) -> None:
    """What a mandate says of old tokens is about tokens: a publisher has nothing to be exchanged, it is confirmed."""
    one = trust(ada)
    retire_default()
    store(document(credentials={"before": "keep"}))
    assert answer(one, CAP) == "deny:credential-weak"


def test_a26_a_publisher_reaches_nothing_but_publishing_and_reading(ada: User, alpha: Project) -> None:
    actor = acting(trust(ada, "password", "webauthn"))
    for name, action in CATALOGUE.items():
        if action.gated and action.set != "publishing" and name != "index.read-private":
            with pytest.raises(Refusal) as refused:
                MandateGate().require(actor, get_action(name), Thing("project", alpha.pk, "alpha"))
            assert refused.value.code == "role-required", name
    with pytest.raises(Refusal):
        require_authority(actor, "release.upload", Thing("project", make_project("beta", ada).pk, "beta"))


def test_a28_whoever_sets_a_publisher_up_between_plan_and_launch_is_covered_at_the_next_request(
    ada: User,
) -> None:
    retire_default()
    store(document(who={"role": ["publisher.configurer"]}))
    session = session_of(ada, "password")

    def code() -> str:
        return weigh(session, "token.mint", None, CAP)[1].code

    assert code() != "second-factor-required"
    one = trust(ada, name="gamma", pending=True)
    Publisher.objects.update(expires_at=CAP + DAY)
    assert code() == "second-factor-required"
    Publisher.objects.filter(pk=one.pk).update(expires_at=clock.now())
    assert code() != "second-factor-required"


def test_a28_a_publisher_rests_as_soon_as_its_person_has_no_role(ada: User, alpha: Project) -> None:
    one = trust(ada, "password", "totp")
    thing = Thing("project", alpha.pk, "alpha")
    require_authority(acting(one), "release.upload", thing)
    Role.objects.filter(user=ada).delete()
    with pytest.raises(Refusal) as refused:
        require_authority(acting(one), "release.upload", thing)
    assert refused.value.code == "role-required"
    services.confirm_publisher(one.pk, by=session_of(User.objects.get(username="bob")))
    require_authority(acting(one), "release.upload", thing)


@pytest.mark.parametrize("state", ["suspended", "frozen"])
def test_a_publisher_rests_while_its_person_is_stopped(ada: User, alpha: Project, state: str) -> None:
    one = trust(ada, "password", "totp")
    User.objects.filter(pk=ada.pk).update(state=state)
    assert answer(one) == f"deny:account-{state}"


# ---- facts, counts, plans


def test_in_a_hold_ci_goes_on_where_another_owner_complies(ada: User, alpha: Project) -> None:
    publisher = trust(ada, "password", "totp")
    User.objects.filter(pk=ada.pk).update(held_until=clock.now() + timedelta(hours=24))
    robot = replace(
        session_of(ada), kind="token", restrictions=Scope((ActionsCaveat(frozenset({"upload"})),), kind=ROBOT)
    )
    own = replace(robot, restrictions=Scope((ActionsCaveat(frozenset({"upload"})),)))
    thing, new = Thing("project", alpha.pk, "alpha"), Thing("project", None, "omega")

    def codes(*actors: Actor, about: Thing = thing) -> list[str]:
        action = "project.create" if about.id is None else "release.upload"
        return [weigh(actor, action, about, clock.now())[1].code for actor in actors]

    held = "account-held"
    bob = User.objects.get(username="bob")
    Role.objects.filter(user=bob).update(kind="owner")
    assert codes(acting(publisher), robot, own) == [held, held, held], "bob has no second factor"
    Authenticator.objects.create(user=bob, name="phone", secret_sealed="x", created_at=BEFORE)
    assert codes(acting(publisher), robot, own) == ["", "", held]
    assert codes(acting(publisher), robot, about=new) == [held, held]
    Role.objects.filter(user=bob).update(kind="maintainer")
    assert codes(acting(publisher), robot) == [held, held]


def test_who_answers_for_a_publisher_is_a_fact_and_costs_no_further_question(
    ada: User, alpha: Project
) -> None:
    trust(ada)
    trust(ada, environment="release")
    trust(ada, name="gamma", pending=True)
    with CaptureQueriesContext(connection) as asked:
        facts, _ = facts_of.gather(
            session_of(ada), "release.upload", Thing("project", alpha.pk, "alpha"), BEFORE
        )
    assert len(asked) == 2
    told = [(one.kind, one.name, one.role) for one in facts.authority]
    assert told == [
        ("project", "alpha", "owner"),
        ("publisher", "alpha", "configurer"),
        ("publisher", "gamma", "configurer"),
    ]
    everybody = {one.person.name: one for one in people.all_facts()}
    assert everybody["ada"].authority == facts.authority
    assert [one.kind for one in everybody["bob"].authority] == ["project"]


def test_weak_publishers_are_counted_and_planned_with_as_tokens_are(
    ada: User, alpha: Project, at: SetClock
) -> None:
    trust(ada)
    retire_default()
    store(document())
    at(GRACE)
    trust(ada, environment="release")
    trust(ada, "password", "totp", environment="other")
    assert count_publishers(clock.now()).as_dict() == {
        "live": 3,
        "accepted": 1,
        "weak_before": 1,
        "weak_in_grace": 1,
    }
    assert {one.kind for one in _live_tokens(clock.now())[f"u{ada.pk}"]} == {"publisher"}


# ---- trusted publishers only: a kind of mandate


def only(**changes: Any) -> Policy:
    return Policy(read_mandate(document(**(ONLY | changes))), is_floor_exempt=True)


def upload_facts(kind: str = "token", action: str = "release.upload", name: str = "alpha") -> Facts:
    held = (
        Authority("project", "alpha", "owner", BEFORE),
        Authority("project", "beta", "maintainer", BEFORE),
    )
    asking = Asking(kind, frozenset({"password", "webauthn"}), at=BEFORE)
    person = Person("u1", BEFORE, verified_email=True, factors=("security-key",), name="ada")
    return Facts(person, asking, action, held, Object("project", name))


def code_by(facts: Facts, policy: Policy, moment: datetime = ENFORCED) -> str:
    decision = decide(facts, [policy], moment)
    return f"{decision.verdict}:{decision.code}"


def test_a_mandate_may_let_trusted_publishers_alone_publish() -> None:
    assert code_by(upload_facts(), only()) == "deny:trusted-publisher-required"
    assert code_by(upload_facts(action="project.create"), only()) == "deny:trusted-publisher-required"
    assert code_by(upload_facts("publisher"), only()) == "allow:"
    assert code_by(upload_facts(), only(publishing={"accept": ["trusted-publisher", "token"]})) == "allow:"
    assert code_by(upload_facts(), only(), GRACE) == "warn:trusted-publisher-required"
    assert code_by(upload_facts(), only(), BEFORE) == "allow:"
    decision = decide(upload_facts(), [only()], ENFORCED)
    assert decision.fix is not None
    assert (decision.since, decision.fix.path) == (ENFORCED, "/manage/project/alpha/publishing/")


def test_it_asks_nothing_else_of_tokens() -> None:
    for action in ("token.use", "index.read-private"):
        assert code_by(upload_facts(action=action), only()) == "allow:"
    assert code_by(upload_facts("session", "token.mint"), only()) != "deny:trusted-publisher-required"


def test_it_is_about_the_projects_it_covers() -> None:
    named = only(who={"project": ["alpha"]})
    assert code_by(upload_facts(), named) == "deny:trusted-publisher-required"
    assert code_by(upload_facts(name="beta"), named) == "allow:"
    owners = only(who={"role": ["project.owner"]})
    assert code_by(upload_facts(name="beta"), owners) == "allow:"


def test_a_weak_token_is_told_of_the_way_that_is_left() -> None:
    facts = upload_facts()
    weak = replace(facts, asking=replace(facts.asking, proved=frozenset({"password"})))
    assert code_by(weak, only()) == "deny:trusted-publisher-required"


def test_it_is_written_down_and_read_and_loosening_it_is_seen() -> None:
    mandate, plain = only(), Policy(read_mandate(document()), is_floor_exempt=True)
    assert mandate.mandate.as_dict()["publishing"] == {"accept": ["trusted-publisher"]}
    assert "publishing" not in plain.mandate.as_dict()
    assert read_mandate(mandate.mandate.as_dict()) == mandate.mandate
    assert is_as_strict(mandate, plain)
    assert not is_as_strict(plain, mandate)
    refused_forms: tuple[Any, ...] = (
        {"accept": ["token"]},
        {"accept": []},
        {"accept": ["x"]},
        {"refuse": []},
        {"accept": "token"},
        [],
    )
    for wrong in refused_forms:
        with pytest.raises(DocumentInvalid) as refused:
            read_mandate(document(publishing=wrong))
        assert refused.value.path[0] == "publishing"


@pytest.fixture
def empty_store() -> None:
    shutil.rmtree(configuration.current().files_folder, ignore_errors=True)
    storage._local.cache_clear()


def push(token: str, path: Path) -> str:
    return upload(path, headers={"authorization": f"Bearer {token}"}).code


def checked(token: str) -> str:
    return str(asked_by(token, "?action=release.upload&project=alpha").json()["code"])


@pytest.mark.usefixtures("empty_store")
def test_a_mandate_refuses_the_upload_by_a_token_and_the_dry_run_says_so(
    ada: User, alpha: Project, at: SetClock, tmp_path: Path
) -> None:
    retire_default()
    store(document(**ONLY), origin="seeded")
    token = token_of(ada, "password", "totp", minted_at=BEFORE)
    at(ENFORCED)
    assert checked(token) == "trusted-publisher-required"
    assert push(token, build_wheel(tmp_path)) == "trusted-publisher-required"
    assert not File.objects.exists()


@pytest.mark.usefixtures("empty_store")
def test_the_switch_of_a_project_refuses_the_upload_by_a_token_and_the_dry_run_says_so(
    ada: User, alpha: Project, tmp_path: Path
) -> None:
    token = token_of(ada, "password", "totp", minted_at=BEFORE)
    services.require_publishers("alpha", by=session_of(ada))
    assert checked(token) == "trusted-publisher-required"
    assert push(token, build_wheel(tmp_path)) == "trusted-publisher-required"
    assert not File.objects.exists()
    services.allow_tokens("alpha", by=session_of(ada))
    assert checked(token) == ""
    assert push(token, build_wheel(tmp_path)) != "trusted-publisher-required"
    assert File.objects.count() == 1
