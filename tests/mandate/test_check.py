"""The dry run over HTTP: the decision as JSON, authority first, never another answer than the gate's."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
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
from tests.mandate.visiting import PROBLEM, Visit, asked_by, code_of, token_of

from keyhouse.accounts.models import Authenticator, User
from keyhouse.core import actions, clock, configuration
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.core.errors import Refusal
from keyhouse.credentials.tokens import macaroons, reader
from keyhouse.credentials.tokens.authentication import authenticate
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.tokens.queries import find_project_id
from keyhouse.mandate import history
from keyhouse.mandate.cautions import code_of as code_in
from keyhouse.mandate.models import Notice

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wired")]

DAY = timedelta(days=1)
KEYS = {"verdict", "code", "mandate", "version", "since", "until", "reason", "fix"}
UPLOAD = "?action=release.upload&project=alpha"


@pytest.fixture(autouse=True)
def clocked(set_clock: SetClock) -> SetClock:
    set_clock(ANNOUNCED + 40 * DAY)
    return set_clock


@pytest.fixture
def ada() -> User:
    user = make_user("ada")
    make_project("alpha", user)
    Authenticator.objects.create(user=user, name="phone", secret_sealed="x", created_at=clock.now())
    return user


@pytest.fixture
def campaign(ada: User) -> None:
    retire_default()
    store(document())
    Notice.objects.create(user=ada, mandate="campaign", kind="announcement", delivered_at=ANNOUNCED + DAY)


def at(instant: Any) -> str:
    return "&at=" + quote(clock.format_instant(instant))


def test_a_weak_token_is_told_the_decision_as_seams_has_it(ada: User) -> None:
    answer = asked_by(token_of(ada, "password"), UPLOAD)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert answer["Cache-Control"] == "no-store"
    decision = answer.json()
    assert set(decision) == KEYS
    assert (decision["verdict"], decision["code"]) == ("deny", "credential-weak")
    assert (decision["mandate"], decision["version"]) == ("default", 1)
    assert decision["fix"]["path"] == "/account/tokens/"


def test_a_strong_token_may_upload(ada: User) -> None:
    decision = asked_by(token_of(ada), UPLOAD).json()
    assert (decision["verdict"], decision["code"], decision["fix"]) == ("allow", "", None)


@pytest.mark.usefixtures("campaign")
def test_before_the_deadline_it_warns_until_then_and_says_what_will_be_on_the_day(ada: User) -> None:
    token = token_of(ada, "password", minted_at=ANNOUNCED - DAY)
    now = asked_by(token, UPLOAD).json()
    assert (now["verdict"], now["until"]) == ("warn", clock.format_instant(ENFORCED))
    eve = asked_by(token, UPLOAD + at(ENFORCED - timedelta(microseconds=1))).json()
    assert (eve["verdict"], eve["until"]) == ("warn", clock.format_instant(ENFORCED))
    then = asked_by(token, UPLOAD + at(ENFORCED)).json()
    assert (then["verdict"], then["since"]) == ("deny", clock.format_instant(ENFORCED))


@pytest.mark.usefixtures("campaign")
def test_a_version_that_takes_effect_later_is_what_later_instants_are_judged_by(ada: User) -> None:
    later = ANNOUNCED + 60 * DAY
    store(document(methods={"accept": ["security-key"]}), version=2, effective_at=later)
    token = token_of(ada)
    assert asked_by(token, UPLOAD + at(ENFORCED - 40 * DAY)).json()["verdict"] == "allow"
    assert asked_by(token, UPLOAD + at(ENFORCED)).json()["version"] == 2


def test_without_an_action_all_gated_ones_are_answered(ada: User) -> None:
    told = asked_by(token_of(ada)).json()
    gated = {name for name, action in actions.CATALOGUE.items() if action.gated}
    assert set(told) == {"decisions"}
    assert set(told["decisions"]) == gated
    assert all(set(one) == KEYS for one in told["decisions"].values())
    assert told["decisions"]["release.upload"]["verdict"] == "allow"
    assert told["decisions"]["project.delete"]["code"] == "role-required"


def test_a_session_is_asked_about_as_well(ada: User) -> None:
    weak, strong = Visit(ada, "password"), Visit(ada)
    assert (
        weak.get("/mandate/check?action=project.manage&project=alpha").json()["code"]
        == "second-factor-required"
    )
    assert strong.get("/mandate/check?action=project.manage&project=alpha").json()["verdict"] == "allow"


@pytest.mark.usefixtures("campaign")
def test_a_session_that_will_have_ended_is_taken_as_started_anew(ada: User) -> None:
    visit = Visit(ada)
    soon, later = clock.now() + timedelta(minutes=16), clock.now() + 30 * DAY
    assert visit.get(f"/mandate/check?action=token.mint{at(soon)}").json()["code"] == "step-up-required"
    assert visit.get(f"/mandate/check?action=token.mint{at(later)}").json()["verdict"] == "allow"


@pytest.mark.parametrize("action", ["project.manage", "release.yank", "project.delete"])
def test_who_has_no_role_learns_nothing_about_a_project(ada: User, action: str) -> None:
    visit = Visit(make_user("bob"))
    there = visit.get(f"/mandate/check?action={action}&project=alpha").json()
    nowhere = visit.get(f"/mandate/check?action={action}&project=nowhere").json()
    assert there == nowhere
    assert (there["verdict"], there["code"]) == ("deny", "role-required")


def test_an_upload_to_a_new_name_makes_a_project(ada: User) -> None:
    retire_default()
    store(document(stages=[{"state": "enforced", "at": ANNOUNCED, "deny": ["project.create"]}]))
    token = token_of(make_user("bob"), "password")
    new = asked_by(token, "?action=release.upload&project=New_Name").json()
    assert (new["code"], new["mandate"]) == ("credential-weak", "campaign")
    assert asked_by(token, UPLOAD).json()["code"] == "role-required"


def test_a_narrowed_token_is_told_nothing_of_other_projects(ada: User) -> None:
    alpha = make_project("beta", ada)
    token = token_of(ada, project_ids=[alpha.pk])
    answers = [
        asked_by(token, f"?action=release.upload&project={name}").json() for name in ("alpha", "nowhere")
    ]
    assert [one["code"] for one in answers] == ["role-required"] * 2
    assert answers[0] == answers[1]
    assert asked_by(token, "?action=release.upload&project=beta").json()["verdict"] == "allow"


def test_nobody_is_asked_for_a_credential() -> None:
    answer = Client().get("/mandate/check?action=release.upload", headers={"accept": "text/html"})
    assert (answer.status_code, code_of(answer)) == (401, "sign-in-required")
    assert answer["Content-Type"] == PROBLEM
    assert answer["WWW-Authenticate"].startswith("Bearer ")


def test_every_bad_token_gets_one_answer_whoever_else_is_signed_in(ada: User) -> None:
    text = token_of(ada)
    Token.objects.update(revoked_at=clock.now())
    answers = {
        (answer.status_code, answer["Content-Type"], answer.content)
        for bad in (text, text[:-3] + "AAA", "kh-nonsense", "")
        for answer in [Visit(ada).get("/mandate/check" + UPLOAD, authorization=f"Bearer {bad}")]
    }
    assert len(answers) == 1
    status, kind, body = answers.pop()
    assert (status, kind) == (403, PROBLEM)
    assert b'"credential-invalid"' in body


def test_a_password_is_no_credential(ada: User) -> None:
    answer = Client().get("/mandate/check" + UPLOAD, headers={"authorization": "Basic YWRhOnBhc3N3b3Jk"})
    assert (answer.status_code, answer.json()["code"]) == (403, "password-not-accepted")


@pytest.mark.parametrize(
    "query",
    [
        "?action=nothing.known",
        "?action=",
        "?action=release.upload&action=release.yank",
        "?action=release.upload&at=tomorrow",
        "?action=release.upload&at=2027-01-01T00:00:00",
        "?action=release.upload&at=99999-01-01T00:00:00Z",
        "?action=release.upload&at=0001-01-01T00:00:00%2B23:59",
        "?action=release.upload&project=",
        "?action=release.upload&project=a%00b",
        "?action=release.upload&project=-a-",
        "?action=release.upload&project=" + "a" * 201,
        "?action=release.upload&project=%D0%B0lpha",
        "?action=release.upload&project=alpha&version=not-one",
        "?action=release.upload&project=alpha&version=" + "1" * 5000,
        "?action=release.upload&project=alpha&version=1." + "1" * 199,
        "?action=release.upload&projekt=alpha",
    ],
)
def test_a_question_that_cannot_be_read_is_refused_and_not_guessed_at(ada: User, query: str) -> None:
    answer = asked_by(token_of(ada), query)
    assert (answer.status_code, answer["Content-Type"]) == (400, PROBLEM)
    problem = answer.json()
    assert (problem["status"], problem["code"]) == (400, "question-malformed")
    assert problem["type"].endswith("/help/codes/question-malformed/")


def test_it_is_never_gated_and_leaves_nothing_in_history(ada: User) -> None:
    assert not actions.CATALOGUE["mandate.check"].gated
    token = token_of(ada, "password")
    history._waiting.clear()
    Visit(ada, "password").get("/mandate/check" + UPLOAD)
    asked_by(token, UPLOAD)
    assert list(history._waiting) == []


def test_a_question_counts_as_a_use_of_the_token_and_as_nothing_else(ada: User) -> None:
    asked_by(token_of(ada, "password"), UPLOAD)
    assert Token.objects.get().last_used_at == clock.now()
    assert not Notice.objects.exists()


@pytest.mark.usefixtures("campaign")
@pytest.mark.parametrize("methods", [("password",), ("password", "totp")])
@pytest.mark.parametrize("days", [-1, 0, 1])
def test_what_it_says_of_an_instant_is_what_the_gate_does_then(
    ada: User, clocked: SetClock, methods: tuple[str, ...], days: int
) -> None:
    then = ENFORCED + days * DAY
    token = token_of(ada, *methods, minted_at=ANNOUNCED - DAY)
    told = asked_by(token, UPLOAD + at(then)).json()
    clocked(then)
    assert asked_by(token, UPLOAD).json() == told
    actor = authenticate(f"Bearer {token}", network="", user_agent="", now=then)
    project = Thing("project", find_project_id("alpha"), "alpha")
    assert answer_of_gate(actor, "release.upload", project) == (told["verdict"], told["code"])


def answer_of_gate(actor: Actor, action: str, thing: Thing) -> tuple[str, str]:
    """Return verdict and code of the doors themselves."""
    about = thing if action.partition(".")[0] in {"project", "release", "file"} else None
    try:
        caution = actions.require(actor, action, about)
    except Refusal as refusal:
        return "deny", refusal.code
    return ("warn", code_in(caution)) if caution else ("allow", "")


@pytest.mark.parametrize("methods", [("password",), ("password", "totp")])
def test_a_session_is_told_of_every_action_what_the_doors_say(ada: User, methods: tuple[str, ...]) -> None:
    told = Visit(ada, *methods).get("/mandate/check?project=alpha").json()["decisions"]
    actor = session_of(ada, *methods)
    project = Thing("project", find_project_id("alpha"), "alpha")
    found = {name: (one["verdict"], one["code"]) for name, one in told.items()}
    assert found == {name: answer_of_gate(actor, name, project) for name in told}
    assert found["token.mint"] == found["project.manage"] != found["audit.read-all"]


@pytest.mark.parametrize(
    "instant", ["0001-01-01T00:00:00Z", "1999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999Z"]
)
def test_the_ends_of_time_are_instants_too(ada: User, instant: str) -> None:
    for token in (token_of(ada), token_of(ada, "password")):
        assert asked_by(token, f"{UPLOAD}&at={instant}").status_code == 200
    assert Visit(ada, "password").get(f"/mandate/check?at={instant}").status_code == 200


def test_a_token_that_reads_is_judged_as_the_read_plane_judges_it(ada: User) -> None:
    reading, uploading = token_of(ada, actions=["read"]), token_of(ada, "password")
    query = "?action=index.read-private"
    assert asked_by(reading, query).json()["verdict"] == "allow"
    assert asked_by(uploading, query).json()["code"] == "role-required"
    assert asked_by(uploading, "?action=token.use").json()["code"] == "credential-weak"


def test_a_long_number_is_no_defect_for_nobody_and_in_no_address() -> None:
    digits = "1" * 5000
    for path in (
        f"/mandate/check?version={digits}",
        f"/mandate/check?at={digits}",
        f"/mandate/check?project={digits}",
        f"/?page={digits}",
        f"/?q={digits}",
        f"/project/alpha/{digits}/",
        f"/project/alpha/?page={digits}",
        f"/account/history/?before={digits}",
        f"/manage/projects/?page={digits}",
    ):
        assert Client().get(path).status_code < 500, path


def test_the_page_numbers_of_projects_may_be_anything(ada: User) -> None:
    for number in ("1" * 5000, "-1", "x", "9" * 30):
        for path in ("/manage/projects/", "/manage/project/alpha/"):
            assert Visit(ada).get(f"{path}?page={number}").status_code == 200
    assert Visit(ada).get(f"/manage/project/alpha/release/{'1' * 5000}/").status_code == 404


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_another_method_is_told_so_and_not_asked_for_a_form(ada: User, method: str) -> None:
    for visit in (Visit(), Visit(ada)):
        answer = getattr(visit.client, method)("/mandate/check", headers={"accept": "*/*"})
        assert (answer.status_code, code_of(answer)) == (405, "method-not-allowed")
        assert answer["Allow"] == "GET, HEAD"


# ---- as the read plane has it


@pytest.fixture
def private(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = dataclasses.replace(configuration.current(), reads="private")
    monkeypatch.setattr(configuration, "_current", settings)
    monkeypatch.setattr(reader, "close_old_connections", lambda: None)  # the test's own is one of them


def may_read(token: str, project: str | None) -> bool:
    found = actions.find_reader()
    assert found is not None
    return found.find_reading(f"Bearer {token}", "", project, "127.0.0.1") is not None


@pytest.mark.usefixtures("private")
@pytest.mark.parametrize("project", ["", "alpha", "beta", "nowhere"])
@pytest.mark.parametrize("acts", [["upload"], ["read"], ["upload", "read"], ["yank"]])
@pytest.mark.parametrize("methods", [("password",), ("password", "totp")])
@pytest.mark.parametrize("is_narrow", [False, True])
def test_what_may_be_read_is_told_as_the_read_plane_does_it(
    ada: User, project: str, acts: list[str], methods: tuple[str, ...], is_narrow: bool
) -> None:
    make_project("beta", make_user("bob"))
    token = token_of(
        ada, *methods, actions=acts, project_ids=[find_project_id("alpha")] if is_narrow else None
    )
    query = "?action=index.read-private" + (f"&project={project}" if project else "")
    told = asked_by(token, query).json()["verdict"] == "allow"
    assert told is may_read(token, project or None)


@pytest.mark.usefixtures("private")
def test_an_uploading_token_reads_no_project_without_a_role(ada: User) -> None:
    make_project("beta", make_user("bob"))
    told = asked_by(token_of(ada), "?action=index.read-private&project=beta").json()
    assert (told["verdict"], told["code"]) == ("deny", "role-required")


# ---- the life of a token


def narrowed(text: str, caveat: bytes) -> str:
    """Attenuate a token as its holder can, without any key."""
    prefix = configuration.current().token_prefix
    return macaroons.text_of(macaroons.attenuate(macaroons.read_text(text, prefix), caveat), prefix)


def test_at_an_instant_outside_a_tokens_life_it_is_not_valid(ada: User) -> None:
    made_at = clock.now()
    token = token_of(ada, expires_in_days=10, minted_at=made_at)
    ends_at = Token.objects.get().expires_at
    inside = (made_at, ends_at - timedelta(microseconds=1))
    assert {asked_by(token, UPLOAD + at(one)).json()["verdict"] for one in inside} == {"allow"}
    for outside in (made_at - timedelta(microseconds=1), ends_at):
        told = asked_by(token, UPLOAD + at(outside)).json()
        assert (told["verdict"], told["code"]) == ("deny", "credential-invalid")
        all_told = asked_by(token, "?project=alpha" + at(outside)).json()["decisions"]
        assert {one["code"] for one in all_told.values()} == {"credential-invalid"}


def test_a_caveat_of_time_is_judged_at_the_instant_asked_about(ada: User) -> None:
    now = clock.now()
    caveat = json.dumps(["time", None, int((now + DAY).timestamp())]).encode()
    narrow = narrowed(token_of(ada), caveat)
    assert asked_by(narrow, UPLOAD).json()["verdict"] == "allow"
    assert asked_by(narrow, UPLOAD + at(now + DAY)).json()["code"] == "credential-invalid"
