"""One test, named by its id, for each requirement on mandates that is built: through the doors, not only the rules."""

from __future__ import annotations

import base64
import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from django.test import Client
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
from tests.mandate.strategies import CRITERION
from tests.mandate.visiting import PROBLEM, Visit, code_of, token_of
from tests.publishing.driver import upload

from keyhouse import storage
from keyhouse.accounts.models import Authenticator, User
from keyhouse.audit.models import Record
from keyhouse.core import clock, configuration, keys
from keyhouse.core.actor import host
from keyhouse.credentials.tokens.models import Token
from keyhouse.mandate import services
from keyhouse.mandate.documents import read_mandate
from keyhouse.mandate.errors import ExemptionInvalid, MandateRefused
from keyhouse.mandate.models import CriticalProject, Exemption, MandateVersion
from keyhouse.projects.life_cycle import deleting
from keyhouse.projects.models import File, Project, Role

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("wired")]

DAY, TICK = timedelta(days=1), timedelta(microseconds=1)
MANAGE = "/manage/project/alpha/"
KEYS_FROM = ENFORCED + 90 * DAY


@pytest.fixture(autouse=True)
def clocked(set_clock: SetClock) -> SetClock:
    keys.ensure_ring(configuration.current().key_file)
    shutil.rmtree(configuration.current().files_folder, ignore_errors=True)
    storage._local.cache_clear()
    set_clock(ANNOUNCED)
    return set_clock


@pytest.fixture
def ada() -> User:
    user = make_user("ada")
    make_project("alpha", user)
    return user


def give_app(user: User) -> User:
    Authenticator.objects.create(user=user, name="phone", secret_sealed="x", created_at=clock.now())
    return user


def operator(name: str) -> User:
    return give_app(make_user(name, is_operator=True))


def campaign(origin: str = "seeded", **changes: Any) -> MandateVersion:
    """Put a mandate in the place of the default; a seeded one waits for no notice, an applied one does."""
    retire_default()
    return store(document(**changes), origin=origin)


def enforced(*deny: str, at: datetime = ANNOUNCED, **more: Any) -> list[dict[str, Any]]:
    return [{"state": "enforced", "at": at, "deny": list(deny or ("all",)), **more}]


def told(user: User, *methods: str, path: str = MANAGE) -> str:
    """Return what a fresh session with these proofs is told at a door; nothing where it gets in."""
    answer = Visit(user, *(methods or ("password",))).get(path)
    assert answer.status_code in ({403, 302} if code_of(answer) else {200})
    return code_of(answer)


def push(token: str, path: Path) -> str:
    credentials = base64.b64encode(f"__token__:{token}".encode()).decode()
    answer = upload(path, headers={"authorization": f"Basic {credentials}"})
    return "" if answer.status == 200 else answer.code


# ---- objects and states


def test_m1_a_mandate_is_an_immutable_version_and_an_edit_makes_the_next_with_its_difference() -> None:
    ops, _ = operator("ops"), operator("other")
    retire_default()
    first = services.propose_version(read_mandate(document()), by=session_of(ops))
    kept = MandateVersion.objects.filter(pk=first.pk).values().get()
    longer = document(notice={"floor_days": 30, "unreached_cap_days": 90})
    second = services.propose_version(read_mandate(longer), by=session_of(ops))
    assert (second.name, second.version) == ("campaign", 2)
    assert MandateVersion.objects.filter(pk=first.pk).values().get() == kept
    page = Visit(ops)
    page.get("/mandate/proposals/")
    assert "notice.unreached_cap_days" in page.text
    public = [one for one in Visit().get("/mandate.json").json()["mandates"] if one["name"] == "campaign"]
    assert [one["version"] for one in public] == [1]
    assert first.digest in page.page, "operators see by what the whole document is known"
    assert Record.objects.filter(action="mandate.propose", about_name="campaign@2").count() == 1
    assert not [path for path in ("/mandate/", "/mandate.json") if Client().post(path).status_code != 405]


def test_m4_warning_is_a_position_of_its_own_for_each_action_and_cohort(ada: User) -> None:
    joined_since = {"joined_from": clock.format_instant(ANNOUNCED)}
    first = {"state": "announced", "at": ANNOUNCED - DAY, "warn": ["management"], "deny": ["token.mint"]}
    second = {"state": "early", "at": ANNOUNCED, "who": joined_since, "deny": ["management"]}
    campaign(stages=[first, second])
    warned = Visit(ada, "password").get(MANAGE)
    assert (warned.status_code, "Deprecation" in warned.headers) == (200, True)
    assert told(ada, path="/account/tokens/new/") == "second-factor-required"
    newcomer = make_user("new", joined_at=ANNOUNCED)
    make_project("beta", newcomer)
    assert told(newcomer, path="/manage/project/beta/") == "second-factor-required"


# ---- selection


CRITICAL = {"critical": CRITERION.as_dict()}
WHO: list[tuple[dict[str, Any], bool]] = [
    ({"everyone": True}, True),
    ({"role": ["project.owner"]}, True),
    ({"role": ["project.maintainer", "operator", "publisher.configurer"]}, False),
    ({"role": ["organization.owner"]}, False),
    ({"user": ["ADA"]}, True),
    ({"user": ["bob"]}, False),
    ({"project": ["Alpha"]}, True),
    ({"project": ["beta"]}, False),
    ({"organization": ["alpha"]}, False),
    ({"joined_from": "2020-01-01T00:00:00Z"}, True),
    ({"joined_from": "2020-01-01T00:00:00.000001Z"}, False),
    ({"cohort": {"percent": 100, "seed": "s"}}, True),
    (CRITICAL, True),
    ({"critical": CRITERION.as_dict() | {"top": 7}}, False),
    ({"any": [{"user": ["bob"]}, {"project": ["alpha"]}]}, True),
    ({"all": [{"user": ["ada"]}, {"project": ["beta"]}]}, False),
    ({"not": {"user": ["ada"]}}, False),
    ({"all": [{"everyone": True}, {"not": CRITICAL}]}, False),
]


@pytest.mark.parametrize(("who", "is_covered"), WHO, ids=lambda value: json.dumps(value)[:60])
def test_s1_each_selector_covers_whom_it_says_at_the_door(
    ada: User, who: dict[str, Any], is_covered: bool
) -> None:
    alpha = Project.objects.get()
    CriticalProject.objects.create(
        criterion=CRITERION.key, normalized_name="alpha", lineage=alpha.lineage, since_at=ANNOUNCED
    )
    campaign(who=who, stages=enforced())
    assert told(ada) == ("second-factor-required" if is_covered else "")


def test_s2_a_cohort_is_stable_and_the_smaller_lies_within_the_larger() -> None:
    people = [make_user(f"person-{number}") for number in range(40)]
    for user in people:
        make_project(f"of-{user.username}", user)
    caught: list[set[str]] = []
    for version, percent in enumerate((10, 25, 25, 60), start=1):
        if version == 1:
            retire_default()
        who = {"cohort": {"percent": percent, "seed": "2024"}}
        store(document(who=who, stages=enforced()), version=version, origin="seeded")
        caught.append({user.username for user in people if told(user, path="/manage/projects/")})
    assert caught[0] < caught[1] == caught[2] < caught[3] < {user.username for user in people}


def test_s3_gate_account_page_and_count_ask_the_same_predicate() -> None:
    from keyhouse.cli.mandate import command  # noqa: PLC0415 - needs Django to be set up

    people = [make_user(f"person-{number}") for number in range(12)]
    for user in people[::2]:
        make_project(f"of-{user.username}", user)
    who = {"any": [{"role": ["project.owner"]}, {"cohort": {"percent": 40, "seed": "s"}}]}
    campaign(who=who, stages=enforced())
    at_the_door = {user.username for user in people if told(user, path="/manage/projects/")}
    on_the_page = set()
    for user in people:
        page = Visit(user, "password").get("/account/mandate.json").json()
        if [one for one in page["asked"] if one["mandate"] == "campaign"]:
            on_the_page.add(user.username)
    counted = CliRunner().invoke(command, ["check", "campaign", "--json"])
    assert counted.exit_code == 0, counted.output
    assert 0 < len(at_the_door) < len(people)
    assert on_the_page == at_the_door
    assert f'"covered": {len(at_the_door)}' in counted.output


def test_s4_who_is_covered_later_has_grace_and_who_gains_authority_since_has_none(
    ada: User, clocked: SetClock, tmp_path: Path
) -> None:
    campaign("applied", who=CRITICAL)
    bob = make_user("bob")
    late = ENFORCED + 10 * DAY
    CriticalProject.objects.create(
        criterion=CRITERION.key, normalized_name="alpha", lineage=Project.objects.get().lineage, since_at=late
    )
    Role.objects.create(project=Project.objects.get(), user=bob, kind="owner", since_at=late + DAY)
    clocked(late + 2 * DAY)
    assert told(ada) == "", "held it before it was covered"
    assert told(bob) == "second-factor-required", "gained it since"
    clocked(late + 32 * DAY - TICK)
    assert told(ada) == "", "was shown the warning, and has thirty days from then on"
    clocked(late + 32 * DAY)
    assert told(ada) == "second-factor-required"
    campaign_of_owners = document(name="owners", who={"role": ["project.owner"]})
    store(campaign_of_owners, origin="applied")
    token = token_of(make_user("eve"), "password", minted_at=ANNOUNCED - DAY)
    assert push(token, build_wheel(tmp_path, name="gained")) == "credential-weak", (
        "a first upload gains authority"
    )
    assert not Project.objects.filter(normalized_name="gained").exists()


def test_s5_coverage_belongs_to_the_name_and_its_lineage(ada: User) -> None:
    campaign(who={"project": ["alpha"]}, stages=enforced())
    lineage = Project.objects.get().lineage
    from keyhouse.projects import services as projects  # noqa: PLC0415 - only here

    deleting.delete_project("alpha", by=host())
    assert told(ada, path="/manage/projects/") == ""
    fresh = make_user("fresh", joined_at=ANNOUNCED)
    projects.create_project("alpha", [fresh], by=host())
    assert Project.objects.get().lineage == lineage
    assert told(fresh) == "second-factor-required"


def test_s6_whoever_gives_up_authority_leaves_the_scope(ada: User) -> None:
    campaign(stages=enforced())
    assert told(ada, path="/manage/projects/") == "second-factor-required"
    Role.objects.filter(user=ada).update(user=give_app(make_user("bob")))
    assert told(ada, path="/manage/projects/") == ""
    assert Visit(ada, "password").get("/account/mandate.json").json()["asked"] == []


# ---- composition


def test_c1_each_mandate_is_decided_by_its_own_instant_and_method(ada: User, clocked: SetClock) -> None:
    campaign()
    stages = [{"state": "announced", "at": ANNOUNCED}, *enforced(at=KEYS_FROM)]
    store(document(name="keys", methods={"accept": ["phishing-resistant"]}, stages=stages), origin="seeded")
    give_app(ada)
    answers = []
    for moment in (ENFORCED - TICK, ENFORCED, KEYS_FROM - TICK, KEYS_FROM):
        clocked(moment)
        answers.append([told(ada, *proved) for proved in (("password",), ("password", "totp"), ("passkey",))])
    assert answers == [
        ["", "", ""],
        ["second-factor-required", "", ""],
        ["second-factor-required", "", ""],
        ["second-factor-required", "stronger-factor-required", ""],
    ]


def test_c2_tightening_gives_grace_anew_and_never_less_than_the_floor(ada: User, clocked: SetClock) -> None:
    campaign("applied")
    assert told(ada) == ""  # the warning is a notice
    again = ENFORCED + DAY
    stages = [{"state": "announced", "at": again, "warn": ["all"]}, *enforced(at=again + 5 * DAY)]
    tightened = document(methods={"accept": ["phishing-resistant"]}, stages=stages)
    store(tightened, version=2, origin="applied", effective_at=again)
    clocked(ENFORCED)
    assert told(ada) == "second-factor-required", "of the first version they had been told"
    clocked(again)
    assert told(ada) == ""  # shown anew
    clocked(again + 30 * DAY - TICK)
    assert told(ada) == ""
    clocked(again + 30 * DAY)
    assert told(ada) == "second-factor-required"


def test_c2_a_tightening_that_leaves_no_time_is_not_made(ada: User) -> None:
    campaign("applied")
    ops = operator("ops")
    sudden = document(
        stages=[{"state": "announced", "at": ANNOUNCED}, *enforced(at=ANNOUNCED + DAY)], name="sudden"
    )
    sudden["notice"] = {"floor_days": 0, "unreached_cap_days": 0}
    before = MandateVersion.objects.count()
    in_the_past = document(name="past", stages=enforced(at=ANNOUNCED - 100 * DAY))
    with pytest.raises(MandateRefused):
        services.propose_version(read_mandate(in_the_past), by=session_of(ops))
    assert MandateVersion.objects.count() == before


# ---- gates


def test_g1_an_address_that_is_not_classified_is_closed(ada: User) -> None:
    """Every route, endpoint, command and job is walked by tests/house_rules/test_gate_census.py."""
    give_app(ada)
    strong = Visit(ada)
    for path in (
        "/manage/",
        "/manage/project/alpha/settings/",
        "/mandate/proposals/x/",
        "/operator/nothing/",
    ):
        assert strong.get(path).status_code == 404
    assert strong.client.put(MANAGE).status_code in {403, 405}


@pytest.mark.parametrize(
    "action",
    [
        "token.use",
        "project.create",
        "release.upload",
        "token.mint",
        "release.yank",
        "project.delete",
        "file.delete",
    ],
)
def test_g2_what_is_done_without_noticing_is_gated_by_its_own_name(
    ada: User, action: str, tmp_path: Path
) -> None:
    make_project("other", make_user("bob"))
    campaign(who={"everyone": True}, stages=enforced(action))
    token = token_of(ada, "password", minted_at=ANNOUNCED - DAY)
    assert push(token, build_wheel(tmp_path)) == (
        "credential-weak" if action in {"token.use", "release.upload"} else ""
    )
    assert push(token, build_wheel(tmp_path, name="anew")) == (
        "credential-weak" if action in {"token.use", "release.upload", "project.create"} else ""
    )
    weak = Visit(ada, "password")
    for path, named in (
        ("/account/tokens/new/", "token.mint"),
        (f"{MANAGE}release/1.0/yank/", "release.yank"),
        (f"{MANAGE}release/1.0/file/alpha-1.0-py3-none-any.whl/delete/", "file.delete"),
        (f"{MANAGE}delete/", "project.delete"),
        (MANAGE, "project.manage"),
    ):
        found = code_of(weak.get(path))
        assert (found == "second-factor-required") is (named == action), (path, found)


def test_g3_what_is_never_gated_is_open_to_a_weak_session_whatever_is_enforced(ada: User) -> None:
    campaign(who={"everyone": True}, stages=enforced())
    User.objects.update(is_operator=True)
    weak = Visit(ada, "password")
    assert code_of(weak.get("/manage/projects/")) == "second-factor-required"
    for path in (
        "/account/", "/account/sessions/", "/account/tokens/", "/account/history/", "/account/second-factors/",
        "/account/second-factors/add/", "/account/recovery-codes/", "/account/password/", "/account/mandate/",
        "/account/mandate.json", "/mandate/", "/mandate.json", "/help/clients/", "/help/codes/",
        "/", "/project/alpha/",
    ):  # fmt: skip
        assert (path, weak.get(path).status_code) == (path, 200)
    token_of(ada, "password")
    token = Token.objects.get()
    weak.get(f"/account/tokens/{token.pk}/revoke/")
    assert weak.post(f"/account/tokens/{token.pk}/revoke/").status_code in {302, 303}
    token.refresh_from_db()
    assert token.revoked_at is not None
    assert weak.post("/account/sign-out/").status_code in {302, 303}


def test_g4_the_session_is_asked_and_not_the_account(ada: User) -> None:
    campaign(stages=enforced())
    give_app(ada)
    weak, strong = Visit(ada, "password"), Visit(ada)
    assert (code_of(weak.get(MANAGE)), code_of(strong.get(MANAGE))) == ("second-factor-required", "")
    assert code_of(Visit(ada, "password", "recovery_code").get(MANAGE)) == "second-factor-required"


def test_g5_a_token_carries_the_strength_of_the_session_that_made_it(ada: User, tmp_path: Path) -> None:
    campaign(stages=enforced())
    weak, strong = token_of(ada, "password", minted_at=ANNOUNCED - DAY), token_of(ada)
    give_app(ada)
    assert push(weak, build_wheel(tmp_path)) == "credential-weak", "enrolling later makes no token stronger"
    assert not File.objects.exists()
    assert push(strong, build_wheel(tmp_path)) == ""
    page = Visit(ada)
    page.get("/account/tokens/")
    assert "password" in page.text
    [used] = [token for token in Token.objects.all() if "totp" in token.strength.methods]
    assert used.last_used_at == clock.now()
    assert (used.last_used_network, bool(used.last_used_client)) == ("192.0.2.1", True)


def test_a_release_that_was_begun_before_the_instant_is_finished_and_no_other_is_begun(
    ada: User, clocked: SetClock, tmp_path: Path
) -> None:
    campaign()
    clocked(ENFORCED - timedelta(minutes=2))
    mine, other = (token_of(ada, "password", minted_at=ANNOUNCED - days * DAY) for days in (1, 2))
    assert push(mine, build_wheel(tmp_path)) == ""
    clocked(ENFORCED + timedelta(minutes=14))
    assert push(mine, build_wheel(tmp_path, tag="py2-none-any")) == ""
    assert push(other, build_wheel(tmp_path, tag="cp311-none-any")) == "credential-weak", "it began nothing"
    assert push(mine, build_wheel(tmp_path, version="2.0")) == "credential-weak", "another release"
    clocked(ENFORCED + timedelta(minutes=15))
    assert push(mine, build_wheel(tmp_path, tag="cp311-none-any")) == "credential-weak"
    assert File.objects.count() == 2


def test_g6_a_denial_tells_code_mandate_date_and_fix_in_the_form_of_each_door(
    ada: User, tmp_path: Path, clocked: SetClock
) -> None:
    campaign()
    clocked(ENFORCED)
    page = Visit(ada, "password")
    page.get(MANAGE)
    assert page.answer.status_code == 403
    for word in ("second-factor-required", "campaign", "2024-09-02"):
        assert word in page.text
    assert "/account/second-factors/add/?next=%2Fmanage%2Fproject%2Falpha%2F" in page.page
    program = Visit(ada, "password", accept="application/json")
    program.get(MANAGE)
    assert program.answer["Content-Type"] == PROBLEM
    assert (program.data["code"], program.data["mandate"], program.data["status"]) == (
        "second-factor-required",
        "campaign",
        403,
    )
    assert program.data["since"] == clock.format_instant(ENFORCED)
    credentials = base64.b64encode(f"__token__:{token_of(ada, 'password')}".encode()).decode()
    answer = upload(build_wheel(tmp_path), headers={"authorization": f"Basic {credentials}"})
    line = answer.text.splitlines()[0]
    assert line.startswith("credential-weak: ")
    assert "campaign" in answer.text
    assert line.isascii()
    assert line.isprintable()
    assert not File.objects.exists()


# ---- exceptions


def exempt(user: User, until: datetime, proposer: User, **changes: Any) -> Exemption:
    terms: dict[str, Any] = {
        "reason": "no hands",
        "evidence": "letter 7",
        "control": "publishes by CI only",
        "until": until,
    }
    return services.propose_exemption(user, "campaign", by=session_of(proposer), **(terms | changes))


def test_e1_an_exemption_names_person_version_reason_and_end_and_ends_by_itself(
    ada: User, clocked: SetClock
) -> None:
    campaign()
    ops, other = operator("ops"), operator("other")
    clocked(ENFORCED)
    assert told(ada) == "second-factor-required"
    row = exempt(ada, ENFORCED + 30 * DAY, ops)
    assert told(ada) == "second-factor-required", "not before somebody else approves"
    approve = f"/mandate/exemptions/{row.pk}/approve/"
    for who, code in ((ops, "approval-refused"), (other, "")):
        page = Visit(who)
        page.get(approve)
        assert code_of(page.post(approve)) == code
    assert told(ada) == ""
    page = Visit(other)
    page.get("/mandate/proposals/")
    assert "no hands" in page.text
    clocked(ENFORCED + 30 * DAY - TICK)
    assert told(ada) == ""
    clocked(ENFORCED + 30 * DAY)
    assert told(ada) == "second-factor-required"
    assert Record.objects.filter(action__startswith="exemption.").count() == 2


@pytest.mark.parametrize(
    "lack",
    [
        {"reason": ""},
        {"evidence": ""},
        {"control": ""},
        {"until": ANNOUNCED + 91 * DAY},
        {"until": ANNOUNCED},
    ],
)
def test_e1_nobody_is_exempted_without_what_makes_it_accountable(ada: User, lack: dict[str, Any]) -> None:
    campaign()
    with pytest.raises(ExemptionInvalid):
        exempt(ada, proposer=operator("ops"), **{"until": ANNOUNCED + 90 * DAY, **lack})
    assert not Exemption.objects.exists()


def test_e2_saved_codes_alone_never_count_and_hardship_is_an_exemption_with_a_control(
    ada: User, clocked: SetClock
) -> None:
    campaign()
    clocked(ENFORCED)
    assert told(ada, "password", "recovery_code") == "second-factor-required"
    ops, other = operator("ops"), operator("other")
    row = exempt(ada, ENFORCED + 90 * DAY, ops, control="printed codes, and uploads by CI only")
    services.approve_exemption(row.pk, by=session_of(other))
    assert told(ada, "password", "recovery_code") == ""
    page = Visit(ada, "password")
    page.get("/account/mandate/")
    assert "exempt" in page.text.lower()


def test_e3_accounts_of_machines_are_not_exempted(ada: User) -> None:
    campaign()
    User.objects.filter(pk=ada.pk).update(kind="service")
    ada.refresh_from_db()
    with pytest.raises(ExemptionInvalid):
        exempt(ada, ANNOUNCED + DAY, operator("ops"))
    assert not Exemption.objects.exists()


# ---- loosening


def test_l6_what_loosens_waits_for_a_second_operator_by_whatever_verb(ada: User, clocked: SetClock) -> None:
    ops, other = operator("ops"), operator("other")
    campaign("applied", stages=[document()["stages"][0], *enforced(at=ENFORCED)])
    services.note_shown(ada.pk, ["campaign"], "shown", now=ENFORCED - 40 * DAY)
    clocked(ENFORCED)
    later = document(stages=[document()["stages"][0], *enforced(at=ENFORCED + 30 * DAY)])
    fewer = document(stages=[document()["stages"][0], *enforced("publishing", at=ENFORCED)])
    retired = document(stages=[*document()["stages"], {"state": "retired", "at": ENFORCED + TICK}])
    nobody = document(who={"user": ["nobody"]})
    replaced = document(
        name="gentler", replaces=["campaign"], stages=[{"state": "announced", "at": ENFORCED}]
    )
    patient = document(notice={"floor_days": 60, "unreached_cap_days": 60})
    for body in (later, fewer, retired, nobody, patient, replaced):
        row = services.propose_version(read_mandate(body), by=session_of(ops))
        assert (row.is_loosening, row.effective_at) == (True, None), body
        assert told(ada) == "second-factor-required"
    approve = f"/mandate/proposals/gentler/{row.version}/approve/"
    for who, code in ((ops, "approval-refused"), (other, "")):
        page = Visit(who)
        page.get(approve)
        assert code_of(page.post(approve)) == code
    assert told(ada) == ""


def test_l6_a_sole_operators_loosening_is_announced_for_a_day_and_tightening_is_not(
    ada: User, clocked: SetClock
) -> None:
    ops = operator("ops")
    campaign(stages=enforced())
    row = services.propose_version(read_mandate(document(who={"user": ["nobody"]})), by=session_of(ops))
    assert row.effective_at == ANNOUNCED + DAY
    assert clock.format_instant(row.effective_at) in json.dumps(Visit().get("/mandate.json").json())
    clocked(ANNOUNCED + DAY - TICK)
    assert told(ada) == "second-factor-required"
    clocked(ANNOUNCED + DAY)
    assert told(ada) == ""
    stages = [{"state": "announced", "at": clock.now()}, *enforced(at=clock.now() + 62 * DAY)]
    tighter = services.propose_version(read_mandate(document(name="more", stages=stages)), by=session_of(ops))
    assert (tighter.is_loosening, tighter.effective_at) == (False, clock.now())
