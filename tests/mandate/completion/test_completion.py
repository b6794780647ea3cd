"""Completed needs proof (M5): people, credentials, and a gate that answers every probe as the document says."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from tests.distfiles.builders import build_wheel
from tests.mandate.conftest import SetClock
from tests.mandate.stored import ANNOUNCED, ENFORCED, document, make_project, make_user, retire_default, store
from tests.mandate.test_matrix import DOORS
from tests.mandate.visiting import Visit, code_of, robot_of, token_of
from tests.publishing.driver import upload

from keyhouse.accounts.models import Authenticator, Email, User
from keyhouse.audit.models import Record
from keyhouse.core import actions, clock
from keyhouse.core.actions import CATALOGUE
from keyhouse.core.actor import host
from keyhouse.credentials.tokens.models import Token
from keyhouse.mandate import foregone, queries, rules, services
from keyhouse.mandate.campaigns import queries as campaigns
from keyhouse.mandate.completion import keeping
from keyhouse.mandate.completion.models import CompletionCheck
from keyhouse.mandate.completion.probes import probes_of
from keyhouse.mandate.completion.queries import Completion, check, is_proven, is_unproven
from keyhouse.mandate.completion.services import check_now, keep
from keyhouse.mandate.documents import read_mandate
from keyhouse.mandate.errors import MandateMissing, MandateRefused
from keyhouse.mandate.facts import Facts
from keyhouse.mandate.gates import MandateGate
from keyhouse.mandate.models import Exemption, MandateVersion
from keyhouse.mandate.rules import Decision, Policy

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("wired", "set_clock"),
    pytest.mark.by_turns,
]

DAY = timedelta(days=1)
LATE = ENFORCED + 200 * DAY
JOINED = ANNOUNCED - 100 * DAY
LASTING = {
    "stages": [
        *document()["stages"],
        {"state": "completed", "at": LATE, "deny": ["all"]},
    ]
}


@pytest.fixture(autouse=True)
def campaign(set_clock: SetClock) -> None:
    set_clock(LATE)
    retire_default()
    store(document(**LASTING))


def live() -> Policy:
    return next(one for one in queries.live_policies(clock.now()) if one.name == "campaign")


def checked(at: datetime = LATE) -> Completion:
    return check(live(), at)


def left(found: Completion) -> dict[str, int]:
    return {one.code: one.count for one in found.left}


def enrolled(name: str, *, project: str = "") -> User:
    user = make_user(name)
    Authenticator.objects.create(user=user, name="phone", secret_sealed="x", created_at=JOINED)
    if project:
        make_project(project, user)
    return user


def test_m5_is_complete_where_everybody_holds_what_is_asked_and_every_probe_is_answered_so() -> None:
    enrolled("ada", project="alpha")
    make_user("reader")  # covered by nothing
    found = checked()
    assert found.is_complete
    assert found.covered == 1
    assert found.tally.acts >= len([one for one in CATALOGUE.values() if one.gated]) - 1
    assert found.tally.classes == 1 + 7 + 2 * 2 * 7
    assert found.tally.asked > 5000


def test_m5_counts_people_without_a_factor_and_says_who_to_operators_only() -> None:
    enrolled("ada", project="alpha")
    make_project("beta", make_user("ben"))
    found = checked()
    assert not found.is_complete
    assert left(found) == {"people-without-factor": 1}
    assert found.left[0].names == ("ben",)
    assert "ben" not in str(found.as_dict())
    assert "ben" in str(found.as_dict(with_names=True))


def test_e1_exempt_people_count_as_left() -> None:
    ben = make_user("ben")
    make_project("beta", ben)
    row = MandateVersion.objects.get(name="campaign")
    Exemption.objects.create(
        user=ben, version=row, reason="x", until=LATE + DAY, proposed_at=LATE - DAY, proposed_by="host",
        effective_at=LATE - DAY,
    )  # fmt: skip
    assert left(checked()) == {"people-exempt": 1}


def test_m5_counts_people_whose_address_is_not_verified() -> None:
    ada = enrolled("ada", project="alpha")
    Email.objects.filter(user=ada).update(verified_at=None)
    assert left(checked()) == {"people-unverified": 1}


def test_m5_names_are_bounded() -> None:
    for number in range(25):
        make_project(f"project-{number}", make_user(f"user-{number}"))
    found = checked()
    assert left(found) == {"people-without-factor": 25}
    assert len(found.left[0].names) == 20


def test_m5_an_old_token_of_somebody_without_a_factor_that_still_uploads_keeps_it_from_being_complete(
    tmp_path: Path,
) -> None:
    """As on the public index, where old tokens uploaded for seven months after everybody was asked."""
    lenient = document(**LASTING, credentials={"before": "keep", "grace": "refuse"})
    store(lenient, version=2)
    ben = make_user("ben")
    make_project("beta", ben)
    token = token_of(ben, "password", minted_at=ANNOUNCED - DAY)
    credentials = base64.b64encode(f"__token__:{token}".encode()).decode()
    sent = {"authorization": f"Basic {credentials}"}
    assert upload(build_wheel(tmp_path, name="beta"), headers=sent).status == 200
    found = checked()
    assert left(found) == {"people-without-factor": 1, "weak-tokens": 1}
    assert "token of ben" in found.left[1].names[0]
    # it isn't about the person alone: who enrolled since has the token still
    Authenticator.objects.create(user=ben, name="phone", secret_sealed="x", created_at=LATE)
    assert left(checked()) == {"weak-tokens": 1}


@pytest.mark.parametrize("before", ["refuse", "keep", "warn", "expire"])
def test_m5_only_weak_tokens_that_still_work_are_left(before: str) -> None:
    terms = {"before": before, "grace": "refuse"} | ({"at": ENFORCED + DAY} if before == "expire" else {})
    store(document(**LASTING, credentials=terms), version=2)
    ada = enrolled("ada", project="alpha")
    token_of(ada, "password", minted_at=ANNOUNCED - DAY)
    token_of(ada, "password", "totp", minted_at=ANNOUNCED - DAY)
    assert left(checked()) == ({"weak-tokens": 1} if before in {"keep", "warn"} else {})


def test_m5_tokens_of_projects_count() -> None:
    store(document(**LASTING, credentials={"before": "keep", "grace": "refuse"}), version=2)
    ada = enrolled("ada", project="alpha")
    clock_at_minting = ANNOUNCED - DAY
    robot_of(ada, "password")
    Token.objects.update(minted_at=clock_at_minting, minted_proof_at=clock_at_minting)
    assert left(checked()) == {"weak-robot-tokens": 1}


def test_m5_is_not_complete_before_it_is_in_force() -> None:
    enrolled("ada", project="alpha")
    found = checked(ENFORCED - DAY)
    assert left(found) == {"not-in-force": 1}
    assert found.tally.asked == 0


# ---- the gate


def test_m5_a_gate_that_forgets_tokens_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy of tokens of the public index didn't ask for a second factor."""
    enrolled("ada", project="alpha")
    weigh = rules._weigh

    def forgetful(policy: Policy, facts: Facts, *rest: Any, **more: Any) -> Any:
        return None if facts.asking.kind == "token" else weigh(policy, facts, *rest, **more)

    monkeypatch.setattr(rules, "_weigh", forgetful)
    found = checked()
    assert list(left(found)) == ["gate-differs"]
    assert any("token minted before the announcement by a password" in name for name in found.left[0].names)


def test_m5_every_gated_act_is_probed_by_something_that_must_be_refused_and_by_something_that_must_not() -> (
    None
):
    gated = {name for name, one in CATALOGUE.items() if one.gated}
    found = list(probes_of(live(), LATE))
    assert {one.facts.action for one in found if one.expected == "refused"} == gated
    strong = {one.facts.action for one in found if one.expected == "open" and one.facts.asking.kind != "host"}
    assert strong >= gated - {"second-factor.remove-last"}
    assert {one.facts.action for one in found if one.facts.asking.kind == "host"} == set(CATALOGUE)


@pytest.mark.parametrize("action", ["release.upload", "organization.accept", "second-factor.remove-last"])
def test_m5_a_gate_that_forgets_one_act_is_found(action: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = MandateGate.answer

    def forgetful(self: MandateGate, facts: Facts, policies: Any, now: datetime) -> Decision:
        return rules.ALLOWED if facts.action == action else answer(self, facts, policies, now)

    monkeypatch.setattr(MandateGate, "answer", forgetful)
    assert list(left(checked())) == ["gate-differs"]


def test_m5_a_gate_that_refuses_what_is_strong_enough_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "is_accepted", lambda _mandate, asking: "passkey" in asking.proved)
    assert "gate-differs" in left(checked())


def test_m5_without_a_gate_nothing_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions._wiring, "gate", None)
    assert left(checked()) == {"gate-unwired": 1}


@pytest.mark.parametrize(
    "changes",
    [
        {"who": {"user": ["ada", "ben"]}},
        {"who": {"organization": ["acme"]}},
        {"who": {"project": ["alpha"]}},
        {"who": {"cohort": {"percent": 1, "seed": "s"}}},
        {"who": {"critical": {"metric": "dependents", "top": 3}}},
        {"who": {"all": [{"role": ["project.owner"]}, {"not": {"user": ["ada"]}}]}},
        {"who": {"joined_from": "2024-06-03T00:00:00Z"}},
        {"methods": {"accept": ["phishing-resistant"]}},
        {"methods": {"accept": ["device-bound"]}},
        {"methods": {"accept": ["authenticator-app"]}},
        {"credentials": {"before": "warn", "grace": "revoke"}},
        {"credentials": {"before": "expire", "grace": "expire", "at": "2024-07-01T00:00:00Z"}},
        {"publishing": {"accept": ["trusted-publisher"]}},
        {"stages": [{"state": "announced", "at": ANNOUNCED}, {"state": "enforced", "at": ENFORCED, "deny": ["publishing"]}]},
        {
            "stages": [
                {"state": "announced", "at": ANNOUNCED},
                {"state": "enforced", "at": ENFORCED, "deny": ["management"]},
                {"state": "enforced", "at": ENFORCED + DAY, "who": {"user": ["ada"]}, "deny": ["all"]},
            ]
        },
    ],
)  # fmt: skip
def test_m5_what_documents_say_and_what_the_gate_answers_agree(changes: dict[str, Any]) -> None:
    policy = Policy(read_mandate(document(**changes)), 1)
    found = check(policy, LATE, [policy])
    assert not {"gate-differs", "not-probed"} & set(left(found)), found
    assert any(one.expected == "refused" for one in probes_of(policy, LATE))


def test_m5_every_gated_page_refuses_over_http_what_the_probes_expect_to_be_refused() -> None:
    """The gate that is asked in memory, and the doors: each address that is gated, by a session that proved a password."""
    ada = enrolled("ada", project="alpha")
    User.objects.filter(pk=ada.pk).update(is_operator=True, is_moderator=True, is_auditor=True)
    visit, expected = Visit(User.objects.get(pk=ada.pk), "password"), set[str]()
    for action, method, path in DOORS:
        answer = visit.get(path) if method == "GET" else visit.post(path)
        code = code_of(answer)
        assert code in {"second-factor-required", "role-required", "not-found"}, (action, method, path, code)
        if code == "second-factor-required":
            expected.add(action)
    said = {
        one.facts.action
        for one in probes_of(live(), LATE)
        if one.label == "session by a password" and one.expected == "refused"
    }
    assert expected <= said
    assert len(expected) > 60


# ---- calling it completed


def test_m5_a_version_that_calls_itself_completed_now_is_refused_and_says_what_is_left() -> None:
    make_project("beta", make_user("ben"))
    body = document(
        name="second",
        stages=[
            {"state": "announced", "at": LATE - 100 * DAY},
            {"state": "enforced", "at": LATE - 10 * DAY, "deny": ["all"]},
            {"state": "completed", "at": LATE - DAY, "deny": ["all"]},
        ],
    )
    with pytest.raises(MandateRefused, match=r"can't be completed yet.*hold no second factor"):
        services.propose_version(read_mandate(body), by=host())
    assert not MandateVersion.objects.filter(name="second").exists()


def test_m5_saying_again_what_holds_changes_nothing() -> None:
    make_project("beta", make_user("ben"))
    row = services.propose_version(read_mandate(document(**LASTING)), by=host())
    assert (row.name, row.version) == ("campaign", 1)


def test_m5_what_only_rests_with_its_account_is_not_gone() -> None:
    store(document(**LASTING, credentials={"before": "warn", "grace": "refuse"}), version=2)
    ada = enrolled("ada", project="alpha")
    token_of(ada, "password", minted_at=ANNOUNCED - DAY)
    for state in ("active", "held", "frozen", "suspended", "password-disabled"):
        until = LATE + 3 * DAY if state == "held" else None
        User.objects.filter(pk=ada.pk).update(state="active" if until else state, held_until=until)
        assert [one.code for one in checked().left] == ["weak-tokens"], state


def test_m5_a_stage_is_proven_by_the_check_alone() -> None:
    ben = make_user("ben")
    make_project("beta", ben)
    assert keeping.keep(LATE) == {"completion": 1}
    assert is_unproven(live(), LATE)
    assert not is_proven(live(), LATE)
    Authenticator.objects.create(user=ben, name="phone", secret_sealed="x", created_at=LATE)
    assert keeping.keep(LATE + DAY / 2) == {"completion": 0}  # the day has its check
    assert keeping.keep(LATE + DAY) == {"completion": 1}
    assert is_proven(live(), LATE + DAY)
    assert not is_unproven(live(), LATE + DAY)


def test_m5_no_state_and_no_step_says_completed_before_it_is_proven() -> None:
    ben = make_user("ben")
    make_project("beta", ben)

    def told(at: datetime) -> tuple[str, list[str]]:
        found = campaigns.campaign("campaign")
        return found.state(at).name, [one.state for one in found.transitions(at) if one.state == "completed"]

    assert told(LATE) == ("enforced", [])
    keeping.keep(LATE)
    assert told(LATE) == ("enforced", [])
    Authenticator.objects.create(user=ben, name="phone", secret_sealed="x", created_at=LATE)
    keeping.keep(LATE + DAY)
    assert told(LATE + DAY) == ("completed", ["completed"])
    step = campaigns.campaign("campaign").transitions(LATE + DAY)[-1]
    assert step.at == LATE + DAY
    Authenticator.objects.filter(user=ben).delete()
    keeping.keep(LATE + 2 * DAY)
    assert told(LATE + 2 * DAY)[0] == "enforced"


def test_m5_a_check_by_a_clock_that_was_ahead_proves_nothing_and_stops_no_other() -> None:
    ben = enrolled("ben", project="beta")
    assert keeping.keep(LATE + 900 * DAY) == {"completion": 1}
    Authenticator.objects.filter(user=ben).delete()
    assert not is_proven(live(), LATE)
    assert keeping.keep(LATE) == {"completion": 1}
    assert [row.is_complete for row in CompletionCheck.objects.all()] == [False]
    assert keeping.keep(LATE) == {"completion": 0}


def test_m5_is_checked_anew_at_the_instant(set_clock: SetClock) -> None:
    enrolled("ada", project="alpha")
    noon = LATE + DAY / 2
    body = document()
    store(
        {**body, "stages": [*body["stages"], {"state": "completed", "at": noon, "deny": ["all"]}]}, version=3
    )
    set_clock(LATE)
    assert keeping.keep(LATE) == {"completion": 1}
    assert not is_proven(live(), noon)
    set_clock(noon)
    assert keeping.keep(noon) == {"completion": 1}
    assert is_proven(live(), noon)
    assert CompletionCheck.objects.count() == 1


def test_keeping_a_result_twice_leaves_one_row_and_the_later_result() -> None:
    found = checked()
    keep(found, by=host())
    keep(replace(found, at=found.at + timedelta(hours=1), covered=7), by=host())
    keep(found, by=host())  # late comes what was found before
    row = CompletionCheck.objects.get()
    assert row.result["covered"] == 7
    assert row.checked_on == date(LATE.year, LATE.month, LATE.day)


def test_checks_at_once_leave_one_row() -> None:
    found = checked()

    def keep_it(number: int) -> None:
        keep(replace(found, at=found.at + timedelta(seconds=number)), by=host())
        connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(keep_it, range(8)))
    assert CompletionCheck.objects.get().checked_at == found.at + timedelta(seconds=7)
    assert Record.objects.filter(action="mandate.complete").count() == 8


def test_a_check_that_is_cut_off_leaves_nothing_and_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(*_: Any, **__: Any) -> None:
        raise OSError("cut")

    with monkeypatch.context() as cutting:
        cutting.setattr("keyhouse.audit.services.record", cut)
        with pytest.raises(OSError, match="cut"):
            keep(checked(), by=host())
    assert not CompletionCheck.objects.exists()
    assert keeping.keep(LATE) == {"completion": 1}


def test_checking_is_recorded_and_an_unknown_mandate_is_refused() -> None:
    check_now("campaign", by=host())
    assert Record.objects.filter(action="mandate.complete").count() == 1
    with pytest.raises(MandateMissing):
        check_now("nothing", by=host())
    assert CompletionCheck.objects.count() == 1


def test_with_nothing_wired_nothing_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foregone, "_judges", [])
    assert foregone.what_is_left(live(), [live()], LATE)


# ---- pages


PAGE = "/operator/mandates/campaign/completion/"


def operator() -> User:
    iris = enrolled("iris")
    User.objects.filter(pk=iris.pk).update(is_operator=True)
    return User.objects.get(pk=iris.pk)


def test_an_operator_checks_and_sees_what_is_left_by_name() -> None:
    make_project("beta", make_user("ben"))
    visit = Visit(operator())
    visit.get(PAGE)
    assert "Not checked yet" in visit.text
    assert visit.post(PAGE).status_code == 303
    visit.get(PAGE)
    assert "Not complete" in visit.text
    assert "ben" in visit.text
    told = visit.get("/operator/mandates/campaign/completion.json").json()
    assert told["last"]["left"][0]["code"] == "people-without-factor"
    assert "ben" not in str(told)


def test_an_auditor_reads_and_checks_nothing() -> None:
    max_ = enrolled("max")
    User.objects.filter(pk=max_.pk).update(is_auditor=True)
    visit = Visit(User.objects.get(pk=max_.pk))
    assert visit.get(PAGE).status_code == 200
    assert "Check it now" not in visit.text
    assert visit.post(PAGE).status_code == 403
    assert not CompletionCheck.objects.exists()


@pytest.mark.parametrize(
    "path", [PAGE, "/operator/starting-points/", "/operator/starting-points/npm-2022.toml"]
)
def test_nobody_else_reads_the_pages(path: str) -> None:
    assert Visit(enrolled("ada", project="alpha")).get(path).status_code == 403
    assert Visit().get(path).status_code in {302, 303, 401, 403}


def test_there_is_no_page_of_a_mandate_that_is_not_live() -> None:
    visit = Visit(operator())
    assert visit.get("/operator/mandates/nothing/completion/").status_code == 404
    assert visit.get("/operator/starting-points/nothing.toml").status_code == 404


def test_a_session_that_proved_too_little_checks_nothing() -> None:
    visit = Visit(operator(), "password")
    assert visit.post(PAGE).status_code in {303, 403}
    assert not CompletionCheck.objects.exists()
