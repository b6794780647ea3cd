"""The pages about mandates, through every door a page has."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.mandate.conftest import SetClock
from tests.mandate.stored import ANNOUNCED, ENFORCED, document, make_project, make_user, retire_default, store
from tests.mandate.visiting import Visit, code_of, token_of

from keyhouse.accounts.models import Authenticator, User
from keyhouse.audit.models import Record
from keyhouse.core import clock, configuration
from keyhouse.mandate.models import (
    DeletionAsk,
    Exemption,
    MandateVersion,
    Notice,
    ProtectedProject,
)
from keyhouse.projects.models import Project, Role

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wired")]

DAY = timedelta(days=1)
NOW = ANNOUNCED + 10 * DAY
OWN = "/account/mandate/"


@pytest.fixture(autouse=True)
def clocked(set_clock: SetClock) -> SetClock:
    set_clock(NOW)
    return set_clock


def give_app(user: User) -> User:
    Authenticator.objects.create(user=user, name="phone", secret_sealed="x", created_at=clock.now())
    return user


@pytest.fixture
def ada() -> User:
    """Return an owner of alpha who has no second factor."""
    user = make_user("ada")
    make_project("alpha", user)
    return user


@pytest.fixture
def bob() -> User:
    return give_app(make_user("bob"))


@pytest.fixture
def campaign() -> MandateVersion:
    retire_default()
    return store(document(link="https://example.org/why"))


def operator(name: str) -> User:
    return give_app(make_user(name, is_operator=True))


# ---- what is asked of oneself


def test_who_is_covered_by_the_default_is_told_that_and_the_one_next_step(ada: User) -> None:
    visit = Visit(ada, "password")
    assert visit.get(OWN).status_code == 200
    assert "refused now" in visit.text
    assert "since this index began" in visit.text
    assert "2000" not in visit.text
    assert 'href="/account/second-factors/add/?next=/account/mandate/"' in visit.page


@pytest.mark.usefixtures("campaign")
def test_a_campaign_shows_title_reason_link_since_when_until_when(ada: User) -> None:
    visit = Visit(ada, "password")
    visit.get(OWN)
    for told in (
        "A second factor for maintainers",
        "A stolen password alone must not be able to publish.",
        "Announced 2024-06-03 00:00 UTC",
        "Your deadline 2024-09-02 00:00 UTC",
    ):
        assert told in visit.text
    assert 'href="https://example.org/why"' in visit.page


@pytest.mark.usefixtures("campaign")
@pytest.mark.parametrize("path", [OWN, "/account/", "/manage/projects/"])
def test_the_deadline_is_the_one_that_holds_once_it_was_shown(
    ada: User, clocked: SetClock, path: str
) -> None:
    clocked(ENFORCED - 10 * DAY)
    visit = Visit(ada, "password")
    visit.get(path)
    first = visit.text
    visit.get(path)
    assert visit.text == first
    assert "2024-09-22 00:00 UTC" in first  # thirty days from now, not the cap of who was never told


@pytest.mark.usefixtures("campaign")
def test_what_was_shown_counts_as_told_once(ada: User, clocked: SetClock) -> None:
    Visit(ada, "password").get(OWN)
    clocked(NOW + DAY)
    Visit(ada, "password").get(OWN)
    Visit(ada, "password").get("/account/mandate.json")
    notice = Notice.objects.get()
    assert (notice.user, notice.mandate, notice.kind, notice.delivered_at) == (ada, "campaign", "shown", NOW)


@pytest.mark.usefixtures("campaign")
def test_who_complies_is_told_so_and_nothing_is_noted(ada: User) -> None:
    give_app(ada)
    visit = Visit(ada)
    visit.get(OWN)
    assert "you comply" in visit.text
    assert "Do not remove your second factor" in visit.text
    assert "next step" not in visit.text
    assert not Notice.objects.exists()


def test_a_session_without_the_factor_is_led_to_prove_it(ada: User) -> None:
    give_app(ada)
    visit = Visit(ada, "password", "recovery_code")
    visit.get(OWN)
    assert 'href="/account/step-up/?next=/account/mandate/"' in visit.page


def test_who_is_asked_nothing_is_told_so_and_what_else_is_live(bob: User) -> None:
    visit = Visit(bob, "password")
    visit.get(OWN)
    assert "Nothing is asked of you now" in visit.text
    assert "default: A second factor for everyone who can change something" in visit.text
    assert not Notice.objects.exists()


def test_the_json_says_the_same_as_the_page(ada: User) -> None:
    token_of(ada, "password")
    visit = Visit(ada, "password", accept="application/json")
    told = visit.get("/account/mandate.json").json()
    assert told["is_met"] is False
    assert told["next"]["path"] == "/account/second-factors/add/"
    [asked] = told["asked"]
    assert (asked["mandate"], asked["version"], asked["is_met"]) == ("default", 1, False)
    assert asked["since"] == "2000-01-01T00:00:00Z"
    assert asked["until"] is None
    assert "Upload a file of a release" in asked["effects"][0]["acts"]
    assert [token["refused"] for token in told["tokens"]] == [True]
    assert told["exemptions"] == []
    assert visit.answer["Cache-Control"] == "no-store"


def test_the_page_is_for_somebody_and_open_to_a_weak_session() -> None:
    nobody = Visit()
    assert nobody.get(OWN)["Location"] == "/account/sign-in/?next=%2Faccount%2Fmandate%2F"
    answer = Visit(accept="*/*").get("/account/mandate.json")
    assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")


def test_an_exemption_is_shown_with_its_end_and_frees_from_the_banner(
    ada: User, campaign: MandateVersion
) -> None:
    Exemption.objects.create(
        user=ada,
        version=campaign,
        reason="Waits for a key by post",
        control="a trusted publisher only",
        until=NOW + 30 * DAY,
        proposed_at=NOW,
        proposed_by="ops",
        effective_at=NOW,
    )
    visit = Visit(ada, "password")
    visit.get(OWN)
    assert "exempt" in visit.text
    assert "Waits for a key by post" in visit.text
    assert "next step" not in visit.text
    assert "You are exempt until" in visit.text
    assert "what needs it is refused" not in visit.text, "it may refuse nothing by then"
    assert "You have what is asked of you" not in visit.text, "E1: exempt is not compliant"
    told = visit.get("/account/mandate.json").json()
    assert told["asked"][0]["exempt_until"] == "2024-07-13T00:00:00Z"
    assert told["is_met"] is False
    visit.get("/account/")
    assert "You have it." not in visit.text
    assert "You don't have it, and are exempt until" in visit.text


def test_weak_tokens_are_listed_and_strong_ones_are_not(ada: User) -> None:
    give_app(ada)
    token_of(ada, "password", minted_at=NOW - DAY)
    token_of(ada, minted_at=NOW - 2 * DAY)
    visit = Visit(ada)
    visit.get(OWN)
    assert visit.page.count("token of ada") == 1
    assert "refused" in visit.text


def test_the_account_page_says_what_is_asked_and_notes_that_it_did(ada: User) -> None:
    visit = Visit(ada, "password")
    visit.get("/account/")
    assert "Your next step." in visit.text
    assert "1 mandate not met yet." in visit.text
    assert 'href="/account/second-factors/add/?next=/account/"' in visit.page
    assert Notice.objects.get().mandate == "default"


def test_the_account_page_leaves_alone_whoever_is_asked_nothing(bob: User) -> None:
    visit = Visit(bob)
    visit.get("/account/")
    assert "Your next step." not in visit.text
    assert "What this index asks of you" not in visit.text


def test_a_ledger_that_cannot_be_read_closes_the_gate_and_not_the_account(ada: User) -> None:
    row = store(document())
    MandateVersion.objects.filter(pk=row.pk).update(document={"name": "campaign"})
    visit = Visit(ada)
    assert visit.get("/account/").status_code == 200
    for path in (
        OWN,
        "/account/mandate.json",
        "/mandate/",
        "/mandate.json",
        "/mandate/check",
        "/manage/projects/",
    ):
        answer = visit.get(path)
        assert (answer.status_code, code_of(answer)) == (503, "gate-unavailable"), path


# ---- a project's people


def test_owners_see_who_holds_the_project_up_and_never_what_they_have(ada: User, bob: User) -> None:
    alpha = Project.objects.get()
    Role.objects.create(project=alpha, user=bob, kind="maintainer", since_at=NOW)
    visit = Visit(bob)
    assert visit.get("/mandate/project/Alpha/").status_code == 200
    assert "ada Owner" in visit.text
    assert "A second factor for everyone who can change something" in visit.text
    assert "bob Maintainer" not in visit.text
    for word in ("authenticator", "password", "recovery", "e-mail"):
        assert word not in visit.text.partition("People with a role")[2].lower().partition("set up pip")[0]


def test_a_project_that_nobody_holds_up_says_so(bob: User) -> None:
    make_project("beta", bob)
    visit = Visit(bob)
    visit.get("/mandate/project/beta/")
    assert "Nobody." in visit.text


@pytest.mark.parametrize("page", ["project", "deletion"])
def test_without_a_role_a_project_is_not_told_from_none(ada: User, bob: User, page: str) -> None:
    visit = Visit(bob, accept="*/*")
    there, nowhere = (visit.get(f"/mandate/{page}/{name}/") for name in ("alpha", "nowhere"))
    assert (there.status_code, code_of(there)) == (403, "role-required")
    assert (there.status_code, there.content) == (nowhere.status_code, nowhere.content)


def test_an_operator_without_a_role_sees_no_projects_people(ada: User) -> None:
    answer = Visit(operator("ops")).get("/mandate/project/alpha/")
    assert (answer.status_code, code_of(answer)) == (403, "role-required")


def test_the_managing_page_leads_there(bob: User) -> None:
    make_project("beta", bob)
    visit = Visit(bob)
    visit.get("/manage/project/beta/")
    assert 'href="/mandate/project/beta/"' in visit.page


# ---- deletion


@pytest.mark.usefixtures("campaign")
def test_a_held_deletion_leads_to_asking_and_back(ada: User, clocked: SetClock) -> None:
    give_app(ada)
    visit = Visit(ada)
    answer = visit.get("/manage/project/alpha/delete/")
    assert (answer.status_code, code_of(answer)) == (403, "deletion-held")
    assert "By the mandate campaign, version 1, since 2024-06-03 00:00 UTC." in visit.text
    assert 'href="/mandate/deletion/alpha/?next=%2Fmanage%2Fproject%2Falpha%2Fdelete%2F"' in visit.page
    visit.get("/mandate/deletion/alpha/?next=/manage/project/alpha/delete/")
    assert "held for 14 days after you ask for it" in visit.text
    assert visit.post("/mandate/deletion/alpha/").status_code == 303
    visit.get("/mandate/deletion/alpha/")
    assert "may be deleted from 2024-06-27 00:00 UTC on" in visit.text
    clocked(NOW + 14 * DAY)
    visit = Visit(ada)
    visit.get("/mandate/deletion/alpha/")
    assert "Nothing holds it" in visit.text
    assert 'href="/manage/project/alpha/delete/"' in visit.page
    assert visit.get("/manage/project/alpha/delete/").status_code == 200
    visit.post("/manage/project/alpha/delete/", name="alpha")
    assert not Project.objects.exists()


@pytest.mark.usefixtures("campaign")
def test_a_held_deletion_deletes_nothing_and_a_second_ask_moves_no_day(ada: User, clocked: SetClock) -> None:
    give_app(ada)
    visit = Visit(ada)
    assert code_of(visit.post("/manage/project/alpha/delete/", name="alpha")) == "deletion-held"
    visit.post("/mandate/deletion/alpha/")
    clocked(NOW + DAY)
    Visit(ada).post("/mandate/deletion/alpha/")
    assert DeletionAsk.objects.get().asked_at == NOW
    assert Record.objects.filter(action="project.ask-deletion").count() == 1
    assert code_of(Visit(ada).post("/manage/project/alpha/delete/", name="alpha")) == "deletion-held"
    assert Project.objects.exists()


@pytest.mark.usefixtures("campaign")
def test_an_ask_can_be_taken_back_and_an_odd_way_back_is_not_followed(ada: User) -> None:
    give_app(ada)
    visit = Visit(ada)
    visit.post("/mandate/deletion/alpha/")
    visit.post("/mandate/deletion/alpha/", act="withdraw")
    assert not DeletionAsk.objects.exists()
    visit.get("/mandate/deletion/alpha/?next=//evil.example/")
    assert "evil" not in visit.page


def test_asking_needs_a_form_of_this_site(ada: User) -> None:
    visit = Visit(give_app(ada))
    visit.mark = "x" * 32
    assert code_of(visit.post("/mandate/deletion/alpha/")) == "form-refused"
    assert not DeletionAsk.objects.exists()


# ---- everybody


def test_everybody_may_read_what_is_asked_of_whom_since_when() -> None:
    visit = Visit()
    assert visit.get("/mandate/").status_code == 200
    for told in (
        "Owners of a project",
        "A security key, a passkey or an authenticator app",
        "since this index began",
    ):
        assert told in visit.text
    [mandate] = visit.get("/mandate.json").json()["mandates"]
    assert (mandate["name"], mandate["version"], mandate["since_the_beginning"]) == ("default", 1, True)
    assert mandate["stages"] == [
        {"state": "enforced", "at": "2000-01-01T00:00:00Z", "who": None, "warn": [], "deny": ["all"]}
    ]
    assert len(mandate["digest"]) == 64


@pytest.mark.usefixtures("campaign")
def test_an_announced_loosening_is_public_with_its_instant() -> None:
    store(
        document(methods={"accept": ["authenticator-app"]}),
        version=2,
        effective_at=NOW + DAY,
        is_loosening=True,
    )
    store(document(name="secret-plan"), effective_at=None)
    visit = Visit()
    visit.get("/mandate/")
    assert "Takes effect 2024-06-14 00:00 UTC. Until then operators can withdraw it." in visit.text
    told = visit.get("/mandate.json").json()
    assert [(one["name"], one["version"]) for one in told["mandates"]] == [("campaign", 1)]
    [coming] = told["coming"]
    assert (coming["effective_at"], coming["can_be_withdrawn"]) == ("2024-06-14T00:00:00Z", True)
    assert "secret-plan" not in visit.answer.content.decode()


def test_nobody_who_is_named_or_excepted_is_told_to_everybody() -> None:
    retire_default()
    who = {
        "all": [
            {
                "any": [
                    {"project": ["crown-jewel"]},
                    {"user": ["victor"]},
                    {"cohort": {"percent": 10, "seed": "salt"}},
                ]
            },
            {"not": {"user": ["weakling"]}},
        ]
    }
    stages = [{"state": "announced", "at": ANNOUNCED, "who": {"user": ["early-bird"]}, "warn": ["all"]}]
    store(document(who=who, stages=stages))
    visit = Visit()
    for path in ("/mandate/", "/mandate.json"):
        body = visit.get(path).content.decode()
        for name in ("crown-jewel", "victor", "weakling", "early-bird", "salt"):
            assert name not in body
    assert visit.data["mandates"][0]["who"]["data"]["all"][1] == {"not": {"user": "withheld"}}


def test_the_public_digest_tells_nothing_of_withheld_names() -> None:
    retire_default()
    digests = set()
    for version, name in enumerate(("crown-jewel", "nobodys"), 1):
        row = store(document(who={"any": [{"project": [name]}, {"user": [name]}]}), version=version)
        told = Visit().get("/mandate.json").json()["mandates"][0]
        assert row.digest not in Visit().get("/mandate/").content.decode()
        shown = {key: value for key, value in told.items() if key not in {"digest", "version"}}
        digests.add(json.dumps(shown))
        canonical = {key: value for key, value in told.items() if key != "digest"}
        text = json.dumps(canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert told["digest"] == hashlib.sha256(text.encode()).hexdigest()
        visit = Visit(operator(f"ops-{name}"))
        assert row.digest in visit.get("/mandate/proposals/").content.decode()
    assert len(digests) == 1


@pytest.fixture
def protected(bob: User) -> Project:
    """Return a project of which the good news is a day old; two others lack that."""
    project = make_project("gamma", bob)
    make_project("delta", make_user("eve"))
    today = NOW.date()
    ProtectedProject.objects.create(normalized_name="gamma", first_on=today - DAY, last_on=today)
    return project


def faces(path: str, **headers: str) -> tuple[Any, ...]:
    """Return all of an answer that could tell something, but for the name in it."""
    answer = Visit(accept="*/*").get(path, **headers)
    name = path.rpartition("/")[2].removesuffix(".json")
    kept = {key: value for key, value in answer.items() if key.lower() != "x-request-id"}
    kept["Content-Length"] = str(int(kept["Content-Length"]) - len(name))
    return answer.status_code, tuple(sorted(kept.items())), answer.content.replace(name.encode(), b"NAME")


@pytest.mark.usefixtures("protected")
def test_of_one_project_only_the_good_news_is_told_a_day_late() -> None:
    visit = Visit()
    assert visit.get("/mandate/projects/gamma.json").json() == {"project": "gamma", "protected": True}
    ProtectedProject.objects.update(first_on=NOW.date())
    assert visit.get("/mandate/projects/gamma.json").json() == {"project": "gamma", "protected": None}


@pytest.mark.usefixtures("protected")
def test_no_public_face_tells_an_unprotected_project_from_an_uncovered_or_a_missing_one() -> None:
    retire_default()
    store(document(who={"project": ["delta"]}))
    make_project("omega", make_user("ida"))
    # delta: covered and unprotected; omega: covered by nothing; the rest: not there, or no name at all
    names = ("delta", "omega", "nowhere", "-no-name-", "x" * 300)
    assert len({faces(f"/mandate/projects/{name}.json") for name in names}) == 1
    assert faces("/mandate/projects/gamma.json") != faces("/mandate/projects/delta.json")
    for path in ("/mandate/", "/mandate.json"):
        body = Visit().get(path).content.decode()
        assert not [name for name in ("delta", "omega", "gamma") if name in body]


@pytest.mark.usefixtures("protected")
def test_the_projects_own_public_page_tells_nothing_of_its_people() -> None:
    for name in ("gamma", "delta"):
        body = Visit().get(f"/project/{name}/").content.decode().lower()
        assert "protected" not in body
        assert "mandate/project" not in body


@pytest.mark.usefixtures("protected")
def test_other_spellings_are_the_same_project() -> None:
    assert Visit().get("/mandate/projects/Gamma.json").json() == {"project": "gamma", "protected": True}


@pytest.mark.usefixtures("protected")
def test_in_a_private_index_only_readers_are_told(bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
    private = replace(configuration.current(), reads="private")  # with the folder of the tests
    monkeypatch.setattr(configuration, "_current", private)
    for path in ("/mandate/", "/mandate.json", "/mandate/projects/gamma.json"):
        answer = Visit(accept="application/json").get(path)
        assert (answer.status_code, code_of(answer)) == (401, "sign-in-required")
        assert Visit(bob).get(path).status_code == 200


# ---- operators


@pytest.fixture
def waiting(campaign: MandateVersion) -> MandateVersion:
    """Return a loosening that waits: proposed by one of two operators."""
    operator("ops")
    operator("olga")
    plan = {
        "people": 3,
        "touched": 1,
        "tightened": 0,
        "loosened": 1,
        "differences": [{"path": "stages[1].at", "before": "2024", "after": "2025"}],
        "loosenings": ["release.upload by a token proven by password"],
        "warnings": [],
    }
    later = [*document()["stages"][:1], {"state": "enforced", "at": ENFORCED + 91 * DAY, "deny": ["all"]}]
    row = store(document(stages=later), version=2, effective_at=None, is_loosening=True, plan=plan)
    MandateVersion.objects.filter(pk=row.pk).update(proposed_by="ops")
    return row


APPROVE = "/mandate/proposals/campaign/2/approve/"
WITHDRAW = "/mandate/proposals/campaign/2/withdraw/"


def person(name: str) -> User:
    return User.objects.get(username=name)


@pytest.mark.usefixtures("waiting")
def test_operators_see_what_waits_with_its_plan_and_counts_with_their_whole(ada: User) -> None:
    token_of(ada, "password")
    visit = Visit(person("olga"))
    assert visit.get("/mandate/proposals/").status_code == 200
    for told in ("waits for approval", "loosens", "1 of 3", "stage 2, at", "0 of 1", "1 of 1"):
        assert told in visit.text
    assert f'href="{APPROVE}"' in visit.page
    assert f'href="{WITHDRAW}"' in visit.page


def test_operators_see_whole_documents_with_their_names(campaign: MandateVersion) -> None:
    store(document(name="named", who={"user": ["victor"]}))
    store(document(name="named", who={"user": ["victor", "vera"]}), version=2, effective_at=None)
    visit = Visit(operator("ops"))
    visit.get("/mandate/proposals/")
    assert "victor" in visit.text
    assert "vera" in visit.text
    visit.get("/mandate/")
    assert "victor" not in visit.text


@pytest.mark.usefixtures("waiting")
def test_the_proposer_is_told_who_may_approve_and_may_not() -> None:
    visit = Visit(person("ops"))
    visit.get("/mandate/proposals/")
    assert APPROVE not in visit.page
    visit.get(APPROVE)
    assert "Somebody else must approve it. To be approved by one of: olga." in visit.text
    assert code_of(visit.post(APPROVE)) == "approval-refused"
    assert MandateVersion.objects.get(version=2, name="campaign").effective_at is None


@pytest.mark.usefixtures("waiting")
def test_another_operator_approves_once_and_a_second_click_does_no_harm() -> None:
    visit = Visit(person("olga"))
    visit.get(APPROVE)
    assert "Approve it" in visit.text
    assert visit.post(APPROVE)["Location"] == "/mandate/proposals/"
    answer = visit.post(APPROVE)
    assert (answer.status_code, code_of(answer)) == (409, "proposal-over")
    row = MandateVersion.objects.get(name="campaign", version=2)
    assert (row.effective_at, row.approved_by) == (NOW, ["olga"])
    assert Record.objects.filter(action="mandate.approve", outcome="done").count() == 1
    visit.get(APPROVE)
    assert "no longer waits" in visit.text


def test_l6_pages_say_who_still_has_to_approve_what_the_host_proposed(waiting: MandateVersion) -> None:
    MandateVersion.objects.filter(pk=waiting.pk).update(proposed_by="host")
    first, second = Visit(person("ops")), Visit(person("olga"))
    first.get("/mandate/proposals/")
    assert "To be approved by 2 of: olga, ops." in first.text
    first.get(APPROVE)
    assert "Another operator has to approve it after you." in first.text
    assert first.post(APPROVE).status_code == 303
    assert code_of(first.post(APPROVE)) == "approval-refused"
    first.get("/mandate/proposals/")
    assert "Approved by ops. To be approved by one more of: olga." in first.text
    assert APPROVE not in first.page
    second.get(APPROVE)
    assert "With your approval it takes effect at once." in second.text
    assert second.post(APPROVE).status_code == 303
    waiting.refresh_from_db()
    assert (waiting.effective_at, waiting.approved_by) == (NOW, ["ops", "olga"])


@pytest.mark.usefixtures("waiting")
def test_a_proposal_is_withdrawn_and_is_gone_from_the_list() -> None:
    visit = Visit(person("ops"))
    visit.get(WITHDRAW)
    assert "Withdraw it" in visit.text
    visit.post(WITHDRAW)
    visit.get("/mandate/proposals/")
    assert "Nothing waits." in visit.text
    assert MandateVersion.objects.get(name="campaign", version=2).withdrawn_by == "ops"


@pytest.mark.usefixtures("waiting")
@pytest.mark.parametrize("path", [APPROVE, WITHDRAW])
def test_acts_ask_for_a_proof_of_now_and_lead_back_to_their_page(path: str, clocked: SetClock) -> None:
    visit = Visit(person("olga"))
    clocked(NOW + timedelta(minutes=16))
    answer = visit.post(path)
    assert (answer.status_code, answer["Location"]) == (
        302,
        f"/account/step-up/?next={path.replace('/', '%2F')}",
    )
    row = MandateVersion.objects.get(name="campaign", version=2)
    assert (row.effective_at, row.withdrawn_at) == (None, None)
    assert visit.get(path).status_code == 302


@pytest.mark.usefixtures("waiting")
@pytest.mark.parametrize("path", ["/mandate/proposals/", APPROVE, WITHDRAW])
def test_the_console_is_for_operators_only(bob: User, path: str) -> None:
    assert code_of(Visit(bob).get(path)) == "role-required"
    assert code_of(Visit(person("olga"), "password").get(path)) == "second-factor-required"
    forged = Visit(person("olga"))
    forged.mark = "x" * 32
    assert code_of(forged.post(path)) in {"form-refused", "method-not-allowed"}


@pytest.mark.parametrize("number", ["7", "0", "999999999", "9999999999999999999999"])
@pytest.mark.parametrize("act", ["approve", "withdraw"])
def test_what_is_not_there_is_missing(number: str, act: str) -> None:
    visit = Visit(operator("ops"))
    for path in (f"/mandate/proposals/none/{number}/{act}/", f"/mandate/exemptions/{number}/{act}/"):
        assert visit.get(path).status_code == 404
        assert visit.post(path).status_code == 404


@pytest.fixture
def exemption(ada: User, campaign: MandateVersion) -> Exemption:
    operator("ops")
    operator("olga")
    return Exemption.objects.create(
        user=ada,
        version=campaign,
        reason="Waits for a key by post",
        evidence="letter 17",
        control="a trusted publisher only",
        until=NOW + 30 * DAY,
        proposed_at=NOW,
        proposed_by="ops",
    )


def test_an_exemption_is_approved_by_somebody_else_and_withdrawn(exemption: Exemption) -> None:
    approve, withdraw = (f"/mandate/exemptions/{exemption.pk}/{act}/" for act in ("approve", "withdraw"))
    visit = Visit(person("olga"))
    visit.get("/mandate/proposals/")
    assert "Waits for a key by post" in visit.text
    visit.get(approve)
    assert "letter 17" in visit.text
    assert code_of(Visit(person("ops")).post(approve)) == "approval-refused"
    assert visit.post(approve).status_code == 303
    exemption.refresh_from_db()
    assert exemption.approved_by == ["olga"]
    visit.get(withdraw)
    assert "It ends now" in visit.text
    assert visit.post(withdraw).status_code == 303
    assert code_of(visit.post(withdraw)) == "proposal-over"
    visit.get("/mandate/proposals/")
    assert "Nobody is exempt from anything." in visit.text


def test_no_page_holds_inline_code_or_breaks_on_hostile_words(ada: User) -> None:
    retire_default()
    bad = "<script>alert(1)</script>"
    store(document(title=bad, reason=bad, link="https://example.org/?a=<b>&c"))
    for visit, paths in (
        (Visit(), ("/mandate/",)),
        (Visit(ada, "password"), (OWN, "/account/", "/manage/projects/")),
        (Visit(operator("ops")), ("/mandate/proposals/",)),
    ):
        for path in paths:
            body = visit.get(path).content.decode()
            assert visit.answer.status_code == 200
            assert bad not in body
            assert json.dumps(bad) not in body


# ---- what counts as shown (N3)


@pytest.mark.usefixtures("campaign")
@pytest.mark.parametrize("path", [OWN, "/account/", "/manage/projects/", "/manage/project/alpha/"])
def test_n3_only_a_page_that_was_shown_to_somebody_counts_as_told(ada: User, path: str) -> None:
    Visit(ada, "password").client.head(path, headers={"accept": "text/html"})
    Visit(ada, "password", accept="*/*").get(path)
    Visit(ada, "password", accept="application/json").get("/account/mandate.json")
    assert not Notice.objects.exists()
    Visit(ada, "password").get(path)
    assert Notice.objects.get().mandate == "campaign"


@pytest.mark.usefixtures("campaign")
@pytest.mark.parametrize("path", [OWN, "/manage/projects/"])
def test_n3_a_page_that_falls_over_has_told_nobody(
    ada: User, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fall_over(*_: Any, **__: Any) -> None:
        raise RuntimeError("while the page is made")

    visit = Visit(ada, "password")
    visit.client.raise_request_exception = False
    monkeypatch.setattr("keyhouse.mandate.views.own.render", fall_over)
    monkeypatch.setattr("keyhouse.projects.views.render", fall_over)
    assert visit.get(path).status_code == 500
    assert not Notice.objects.exists()


@pytest.mark.usefixtures("campaign")
def test_n3_a_page_that_is_not_there_has_told_nobody(ada: User) -> None:
    assert Visit(ada, "password").get("/manage/project/alpha/release/9/").status_code == 404
    assert not Notice.objects.exists()


def test_n3_a_denial_that_was_shown_counts_as_told(ada: User) -> None:
    Visit(ada, "password").client.head("/manage/projects/", headers={"accept": "text/html"})
    assert not Notice.objects.exists()
    Visit(ada, "password").get("/manage/projects/")
    assert Notice.objects.get().mandate == "default"


# ---- the operators' floor


@pytest.mark.parametrize("is_exempt", [False, True])
def test_an_operator_without_a_factor_is_told_of_the_floor(is_exempt: bool) -> None:
    retire_default()
    ops = make_user("ops", is_operator=True)
    if is_exempt:
        who = {"role": ["operator"]}
        version = store(document(who=who, stages=[{"state": "enforced", "at": ANNOUNCED, "deny": ["all"]}]))
        facts = {"proposed_at": NOW, "effective_at": NOW, "until": NOW + DAY}
        Exemption.objects.create(user=ops, version=version, reason="…", **facts)
    visit = Visit(ops, "password")
    visit.get(OWN)
    assert "A second factor for operators, moderators and auditors" in visit.text
    assert "refused now" in visit.text
    assert "Nothing is asked of you now" not in visit.text
    assert 'href="/account/second-factors/add/?next=/account/mandate/"' in visit.page
    told = visit.get("/account/mandate.json").json()
    [floor] = [one for one in told["asked"] if one["mandate"] == "operators-floor"]
    assert (told["is_met"], floor["is_met"], floor["version"], floor["exempt_until"]) == (
        False,
        False,
        None,
        None,
    )
    assert told["next"]["path"] == "/account/second-factors/add/"
    assert not Notice.objects.filter(mandate="operators-floor").exists()
    give_app(ops)
    assert Visit(ops).get("/account/mandate.json").json()["is_met"] is True


def test_the_people_of_a_project_are_not_told_who_is_an_operator(bob: User) -> None:
    retire_default()
    make_project("beta", bob, make_user("ops", is_operator=True))
    visit = Visit(bob)
    visit.get("/mandate/project/beta/")
    assert "Nobody." in visit.text


# ---- projects held since before the announcement, and gained since


@pytest.mark.usefixtures("campaign")
def test_authority_gained_since_has_no_grace_on_page_dry_run_and_account_page(
    ada: User, clocked: SetClock
) -> None:
    make_project("later", ada, since=ANNOUNCED + DAY)
    clocked(ENFORCED)  # nobody was told, so what was held before waits for the cap
    visit = Visit(ada, "password")
    assert code_of(visit.get("/manage/project/later/", accept="*/*")) == "second-factor-required"
    assert code_of(visit.get("/mandate/project/later/", accept="*/*")) == "second-factor-required"
    assert visit.get("/manage/project/alpha/", accept="*/*").status_code == 200
    told = visit.get("/account/mandate.json").json()["asked"][0]
    by_projects = {
        tuple(one["projects"] or ()): one for one in told["effects"] if "Yank a release" in one["acts"]
    }
    assert by_projects["later",]["refused"] is True
    assert by_projects["later",]["at"] == told["since"] == clock.format_instant(ENFORCED)
    assert by_projects["alpha",]["refused"] is False
    assert by_projects["alpha",]["at"] == clock.format_instant(ENFORCED + 60 * DAY)
    visit.get(OWN)
    assert "(only for later)" in visit.text


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    ages=st.lists(st.integers(-40, 120), min_size=1, max_size=3),
    day=st.integers(0, 200),
    told_on=st.none() | st.integers(0, 120),
)
@pytest.mark.usefixtures("campaign")
def test_page_dry_run_account_page_and_gate_agree_about_projects_of_any_age(
    clocked: SetClock, ages: list[int], day: int, told_on: int | None
) -> None:
    with transaction.atomic():
        clocked(ANNOUNCED + day * DAY)
        user = make_user("eve")
        if told_on is not None and told_on <= day:
            delivered_at = ANNOUNCED + told_on * DAY
            Notice.objects.create(user=user, mandate="campaign", kind="mail", delivered_at=delivered_at)
        names = [f"p{number}" for number in range(len(ages))]
        for name, age in zip(names, ages, strict=True):
            make_project(name, user, since=ANNOUNCED + age * DAY)
        visit = Visit(user, "password", accept="*/*")
        asked = visit.get("/account/mandate.json").json()["asked"]
        for name in names:
            is_open = visit.get(f"/manage/project/{name}/").status_code == 200
            assert (visit.get(f"/mandate/project/{name}/").status_code == 200) is is_open
            decision = visit.get(f"/mandate/check?action=project.manage&project={name}").json()
            assert (decision["verdict"] != "deny") is is_open
            effects = [
                one
                for one in asked[0]["effects"]
                if "See the settings of a project" in one["acts"] and name in (one["projects"] or names)
            ]
            assert [one["refused"] for one in effects] == [not is_open]
            assert effects[0]["at"] == (decision["until"] if is_open else decision["since"])
        transaction.set_rollback(True)
