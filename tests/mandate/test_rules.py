"""What `decide` answers, as tables: verdict and code, the mandate that won, and since or until when."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest
from tests.mandate.building import (
    ALPHA,
    ANNOUNCED,
    ENFORCED,
    GATED,
    LONG_AGO,
    answer,
    at,
    document,
    facts,
    mandate,
    owner_of,
    policy,
    short,
    stage,
    told_on,
)

from keyhouse.core.actions import CATALOGUE, STEP_UP_AGE
from keyhouse.mandate.defaults import DEFAULT
from keyhouse.mandate.documents import DocumentInvalid, read_mandate
from keyhouse.mandate.facts import Exempted, Object
from keyhouse.mandate.rules import (
    FINISH_WITHIN,
    FLOOR,
    GAINING,
    OF_A_JOB,
    Policy,
    covers,
    denied_since,
    is_compliant,
    next_denial,
)
from keyhouse.mandate.selectors import Criterion, View

NOW = at("2026-01-01")
CRITICAL = Criterion("unique-clients", 180, top=10)
UPLOAD = frozenset({"release.upload"})
STRONG = [{"password", "totp"}, {"password", "webauthn"}, {"passkey"}, {"password", "totp", "recovery_code"}]
WEAK: list[set[str]] = [set(), {"password"}, {"recovery_code"}, {"password", "recovery_code"}]
BEFORE_ANY = [name for name in GATED if name != "second-factor.remove-last"]


def by_default(kind: str = "session", **changes: Any) -> str:
    return short(facts(kind, **{"asked_at": NOW, **changes}), [DEFAULT], NOW)


# ---- the mandate that a new index starts with


@pytest.mark.parametrize("action", BEFORE_ANY)
@pytest.mark.parametrize("methods", STRONG)
def test_a_second_factor_opens(action: str, methods: set[str]) -> None:
    assert by_default("session", proved=methods, action=action) == "allow"
    assert by_default("token", proved=methods, action=action) == "allow"


@pytest.mark.parametrize("action", BEFORE_ANY)
@pytest.mark.parametrize("methods", WEAK)
def test_anything_less_opens_nothing_to_who_can_change_something(action: str, methods: set[str]) -> None:
    assert by_default("session", proved=methods, action=action) == "deny:second-factor-required"
    assert by_default("token", proved=methods, action=action) == "deny:credential-weak"


@pytest.mark.parametrize("action", sorted(set(CATALOGUE) - set(GATED)))
def test_what_is_not_gated_is_open_to_everybody(action: str) -> None:
    for kind in ("session", "token", "nobody", "job", "publisher"):
        assert by_default(kind, proved=(), action=action, state="frozen", verified_email=False) == "allow"


@pytest.mark.parametrize("action", sorted(set(BEFORE_ANY) - GAINING))
def test_who_can_change_nothing_is_left_alone(action: str) -> None:
    assert by_default(action=action, authority=()) == "allow"
    assert by_default("token", action=action, authority=()) == "allow"


@pytest.mark.parametrize("gives", ["owner", "maintainer", ""])
def test_an_invitation_gives_a_role_so_accepting_asks_as_of_whoever_has_it(gives: str) -> None:
    thing = Object("project", "alpha", gives=gives)
    asked = facts(action="collaborator.accept", authority=(), project=thing, asked_at=NOW)
    assert short(asked, [DEFAULT], NOW) == "deny:second-factor-required"
    of_owners = policy(is_floor_exempt=True, who={"role": ["project.owner"]})
    assert (short(asked, [of_owners], NOW) == "allow") is (gives == "maintainer")
    critical = replace(asked, object=replace(thing, critical=frozenset({CRITICAL.key})))
    of_critical = policy(is_floor_exempt=True, who={"critical": CRITICAL.as_dict()})
    assert short(asked, [of_critical], NOW) == "allow"
    assert short(critical, [of_critical], NOW) == "deny:second-factor-required"


def test_the_first_upload_makes_an_owner_so_it_asks_as_of_one() -> None:
    for name in ("newproject", ""):
        given = {"action": "project.create", "authority": (), "project": Object("project", name)}
        assert by_default("token", **given) == "deny:credential-weak"
        assert by_default("token", proved=("password", "totp"), **given) == "allow"


@pytest.mark.parametrize("role", ["operator", "moderator", "auditor", "invited", "reader"])
def test_roles_of_the_site_are_covered_without_any_project(role: str) -> None:
    assert by_default(authority=(), roles=(role,)) == "deny:second-factor-required"


# ---- the account


# state and kind → code, for somebody strong with a verified address
STATES = {
    ("active", "session"): "allow",
    ("active", "token"): "allow",
    ("held", "session"): "deny:account-held",
    ("held", "token"): "deny:account-held",
    ("frozen", "session"): "deny:account-frozen",
    ("frozen", "token"): "deny:account-frozen",
    ("password-disabled", "session"): "deny:account-held",
    ("password-disabled", "token"): "allow",
    ("suspended", "session"): "deny:account-suspended",
    ("suspended", "token"): "deny:account-suspended",
    ("deleted", "session"): "deny:account-frozen",
    ("deleted", "token"): "deny:account-frozen",
    ("never-heard-of", "session"): "deny:account-frozen",
}
STRONG_ONE: dict[str, Any] = {"proved": ("password", "totp"), "factors": ("authenticator-app",)}


@pytest.mark.parametrize(("state", "kind"), STATES)
def test_the_state_of_the_account_decides_first(state: str, kind: str) -> None:
    assert by_default(kind, state=state, **STRONG_ONE) == STATES[state, kind]


def test_tokens_rest_after_a_leak_when_the_password_alone_guards_the_account() -> None:
    rested = {**STRONG_ONE, "factors": (), "state": "password-disabled"}
    assert by_default("token", **rested) == "deny:account-held"


def test_a_hold_stops_publishing_and_not_installing() -> None:
    held = {**STRONG_ONE, "state": "held"}
    assert by_default("token", action="release.upload", **held) == "deny:account-held"
    assert by_default("token", action="index.read-private", **held) == "allow"
    assert by_default("token", action="token.use", **held) == "allow"
    assert (
        by_default("token", action="index.read-private", **{**held, "state": "frozen"})
        == "deny:account-frozen"
    )


def test_no_combination_of_weakness_is_let_through() -> None:
    states = sorted({state for state, _ in STATES})
    for kind, methods, state, is_verified in product(
        ["session", "token"], [*STRONG, *WEAK], states, [True, False]
    ):
        given = by_default(
            kind, proved=methods, state=state, verified_email=is_verified, factors=("authenticator-app",)
        )
        is_usable = STATES.get((state, kind)) == "allow"
        assert (given == "allow") is (methods in STRONG and is_usable and is_verified), (kind, methods, state)


def test_the_objections_come_in_their_order() -> None:
    lacking: dict[str, Any] = {"proved": (), "verified_email": False}
    assert by_default(state="frozen", **lacking) == "deny:account-frozen"
    assert by_default(state="held", **lacking) == "deny:account-held"
    assert by_default(**lacking) == "deny:email-unverified"
    assert by_default("nobody", **lacking) == "deny:sign-in-required"


def test_no_verified_address_counts_as_not_complying_whatever_was_proven() -> None:
    lacking = {**STRONG_ONE, "verified_email": False}
    assert by_default("token", action="release.upload", **lacking) == "deny:email-unverified"
    assert by_default("session", action="project.manage", authority=(), **lacking) == "deny:email-unverified"
    assert by_default("token", action="release.upload", authority=(), **lacking) == "allow"


# ---- who asks


@pytest.mark.parametrize("action", GATED)
def test_the_host_proposes_and_jobs_do_their_own_work_only(action: str) -> None:
    assert by_default("host", proved=(), action=action, verified_email=False) == "allow"
    expected = "allow" if action in OF_A_JOB else "deny:role-required"
    assert by_default("job", proved=(), action=action, verified_email=False) == expected


@pytest.mark.parametrize("action", GATED)
def test_publishers_publish_and_read_what_is_private_and_do_nothing_else(action: str) -> None:
    is_theirs = CATALOGUE[action].set == "publishing" or action == "index.read-private"
    expected = "allow" if is_theirs else "deny:role-required"
    assert by_default("publisher", proved=("password", "totp"), action=action) == expected


@pytest.mark.parametrize("action", GATED)
def test_nobody_passes_a_gate(action: str) -> None:
    assert by_default("nobody", proved=(), action=action) == "deny:sign-in-required"


def test_an_unknown_action_is_refused_to_everybody() -> None:
    for kind in ("session", "host", "job"):
        assert (
            by_default(kind, proved=("passkey",), action="release.upload-anything") == "deny:gate-unavailable"
        )


# ---- operators, and a fresh proof


def test_no_mandate_is_below_the_operators_floor() -> None:
    for role in ("operator", "moderator", "auditor"):
        decision = answer(facts(roles=(role,), asked_at=NOW), [], NOW)
        assert (decision.code, decision.mandate) == ("second-factor-required", FLOOR)
    assert short(facts(roles=("invited",), asked_at=NOW), [], NOW) == "allow"
    assert short(facts(roles=("operator",), proved=("password", "totp"), asked_at=NOW), [], NOW) == "allow"


def test_an_exemption_frees_from_no_floor() -> None:
    freed = [Exempted(name, None, at("2027-01-01")) for name in (FLOOR, "default")]
    given = facts(roles=("operator",), asked_at=NOW, exemptions=freed)
    assert answer(given, [DEFAULT], NOW).mandate == FLOOR


def test_operators_keep_their_last_factor_without_any_mandate() -> None:
    given = facts(
        roles=("operator",), proved=("password", "totp"), action="second-factor.remove-last", asked_at=NOW
    )
    assert short(given, [], NOW) == "deny:second-factor-last"
    nobody_special = facts(proved=("password", "totp"), action="second-factor.remove-last", asked_at=NOW)
    assert short(nobody_special, [], NOW) == "allow"


@pytest.mark.parametrize("action", GATED)
def test_a_session_proves_itself_anew_where_the_action_says_so(action: str) -> None:
    for age, is_old in ((STEP_UP_AGE, False), (STEP_UP_AGE + timedelta(microseconds=1), True)):
        given = facts(proved=("password", "totp"), action=action, asked_at=NOW - age)
        expected = "deny:step-up-required" if is_old and CATALOGUE[action].step_up else "allow"
        assert short(given, [], NOW) == expected
        token = facts("token", proved=("password", "totp"), action=action, asked_at=NOW - age)
        assert short(token, [], NOW) == "allow"


def test_a_weak_session_is_told_of_the_factor_before_the_age_of_its_proof() -> None:
    assert by_default(action="release.yank", asked_at=LONG_AGO) == "deny:second-factor-required"


# ---- one mandate over time


def weak(**changes: Any) -> Any:
    return facts(**{"action": "project.manage", **changes})


JUST_BEFORE = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (ANNOUNCED - JUST_BEFORE, "allow"),
        (ANNOUNCED, "warn:second-factor-required"),
        (ENFORCED - JUST_BEFORE, "warn:second-factor-required"),
        (ENFORCED, "deny:second-factor-required"),
        (ENFORCED + timedelta(days=3650), "deny:second-factor-required"),
    ],
)
def test_an_instant_belongs_to_what_begins_with_it(moment: datetime, expected: str) -> None:
    assert short(weak(), [policy()], moment) == expected


def test_a_warning_says_until_when_and_a_denial_since_when() -> None:
    warning = answer(weak(), [policy()], ANNOUNCED)
    assert (warning.until, warning.since, warning.mandate, warning.version) == (ENFORCED, None, "everyone", 1)
    denial = answer(weak(), [policy(version=3)], ENFORCED)
    assert (denial.until, denial.since, denial.mandate, denial.version) == (None, ENFORCED, "everyone", 3)
    assert "2024-01-01T00:00:00Z" in denial.reason


def test_somebody_the_mandate_is_not_about_is_left_alone() -> None:
    assert short(weak(authority=()), [policy()], NOW) == "allow"


def test_warn_and_deny_are_positions_of_their_own_for_each_action() -> None:
    stages = [stage("announced", ANNOUNCED, warn=["publishing"], deny=["token.mint"])]
    rule = [policy(stages=stages)]
    assert (
        short(weak(action="token.mint", asked_at=ANNOUNCED), rule, ANNOUNCED) == "deny:second-factor-required"
    )
    assert short(weak(action="release.upload"), rule, ANNOUNCED) == "warn:second-factor-required"
    assert short(weak(action="project.manage"), rule, ANNOUNCED) == "allow"


def test_what_a_stage_neither_warns_of_nor_denies_is_silent_also_before_a_later_denial() -> None:
    stages = [stage("announced", ANNOUNCED), stage("enforced", ENFORCED, deny=["all"])]
    assert short(weak(), [policy(stages=stages)], ANNOUNCED) == "allow"


NEWCOMERS = {"joined_from": "2023-08-08T00:00:00Z"}
EARLY = [
    stage("announced", ANNOUNCED, warn=["all"]),
    stage("early", "2023-08-08", who=NEWCOMERS, deny=["management"]),
    stage("enforced", ENFORCED, deny=["all"]),
]


def test_a_stage_for_some_adds_to_the_general_one_for_these_only() -> None:
    rule, moment = [policy(stages=EARLY)], at("2023-09-01")
    assert short(weak(), rule, moment) == "warn:second-factor-required"
    newcomer = {"joined_at": at("2023-08-08"), "authority": owner_of("alpha", since=at("2023-08-09"))}
    assert short(weak(**newcomer), rule, moment) == "deny:second-factor-required"
    assert short(weak(action="release.upload", **newcomer), rule, moment) == "warn:second-factor-required"


def test_a_denial_that_goes_on_through_stages_began_with_the_first() -> None:
    rule = policy(stages=EARLY).mandate
    view = View(weak(joined_at=at("2023-08-08")).person, ALPHA, rule.announced_at)
    assert denied_since(rule, view, frozenset({"project.manage"}), NOW) == at("2023-08-08")
    assert denied_since(rule, view, UPLOAD, NOW) == ENFORCED
    assert next_denial(rule, view, UPLOAD, ANNOUNCED) == ENFORCED
    assert next_denial(rule, view, UPLOAD, NOW) is None


def test_a_mandate_on_the_use_of_tokens_hits_whatever_a_token_does() -> None:
    stages = [
        stage("announced", ANNOUNCED, warn=["token.use"]),
        stage("enforced", ENFORCED, deny=["token.use"]),
    ]
    rule = [policy(stages=stages)]
    for action in ("release.upload", "project.create", "index.read-private", "token.use"):
        assert short(facts("token", action=action), rule, ANNOUNCED) == "warn:credential-weak"
        assert short(facts("token", action=action), rule, ENFORCED) == "deny:credential-weak"
    assert short(weak(), rule, ENFORCED) == "allow"


BROWNOUT = [
    stage("announced", ANNOUNCED, warn=["all"]),
    stage("brownout", "2023-10-02T09:00:00Z", deny=["publishing"]),
    stage("reminding", "2023-10-02T13:00:00Z", warn=["all"]),
    stage("paused", "2023-11-01", warn=["all"]),
    stage("enforced", ENFORCED, deny=["all"]),
    stage("retired", "2025-01-01"),
]
OVER_TIME = {
    "2023-10-02T08:59:59Z": "warn:second-factor-required",
    "2023-10-02T09:00:00Z": "deny:second-factor-required",
    "2023-10-02T12:59:59.999999Z": "deny:second-factor-required",
    "2023-10-02T13:00:00Z": "warn:second-factor-required",
    "2023-11-02T00:00:00Z": "warn:second-factor-required",
    "2024-01-01T00:00:00Z": "deny:second-factor-required",
    "2025-01-01T00:00:00Z": "allow",
}


@pytest.mark.parametrize("moment", OVER_TIME)
def test_a_brownout_is_real_and_ends(moment: str) -> None:
    assert short(weak(action="release.upload"), [policy(stages=BROWNOUT)], moment) == OVER_TIME[moment]


def test_a_brownout_for_some_ends_with_the_next_stage_and_leaves_the_general_one() -> None:
    stages = [
        stage("announced", ANNOUNCED, warn=["all"]),
        stage("brownout", "2023-10-02", who={"user": ["ada"]}, deny=["publishing"]),
        stage("reminding", "2023-10-03", who={"user": ["bob"]}, warn=["all"]),
    ]
    rule, ada = [policy(stages=stages)], {"name": "ada", "action": "release.upload"}
    assert short(weak(**ada), rule, "2023-10-02") == "deny:second-factor-required"
    assert (
        short(weak(name="bob", action="release.upload"), rule, "2023-10-02") == "warn:second-factor-required"
    )
    assert short(weak(**ada), rule, "2023-10-03") == "warn:second-factor-required"


# ---- methods


# accepted → proofs that are enough
ENOUGH: dict[tuple[str, ...], set[str]] = {
    ("authenticator-app",): {"totp"},
    ("security-key",): {"webauthn"},
    ("passkey",): {"passkey"},
    ("phishing-resistant",): {"webauthn", "passkey"},
    ("device-bound",): set(),
    ("security-key", "passkey", "authenticator-app"): {"totp", "webauthn", "passkey"},
    ("authenticator-app", "device-bound"): {"totp"},
}
PROOFS = ["password", "totp", "webauthn", "passkey", "recovery_code"]


@pytest.mark.parametrize("accept", ENOUGH)
@pytest.mark.parametrize("proof", PROOFS)
def test_only_an_accepted_method_is_enough(accept: tuple[str, ...], proof: str) -> None:
    rule = [policy(methods={"accept": list(accept)})]
    if proof in ENOUGH[accept]:
        expected = {"session": "allow", "token": "allow"}
    else:
        is_factor = proof in {"totp", "webauthn", "passkey"}
        code = "stronger-factor-required" if is_factor else "second-factor-required"
        expected = {"session": f"deny:{code}", "token": "deny:credential-weak"}
    for kind, told in expected.items():
        assert short(facts(kind, proved=("password", proof)), rule, NOW) == told


@pytest.mark.parametrize(
    ("factors", "path"),
    [
        (("authenticator-app",), "/account/security-keys/add/"),
        (("authenticator-app", "security-key"), "/account/step-up/"),
    ],
)
def test_whoever_has_no_key_is_told_to_set_one_up_and_others_to_prove_theirs(
    factors: tuple[str, ...], path: str
) -> None:
    rule = [policy(methods={"accept": ["phishing-resistant"]})]
    told = answer(facts(proved=("password", "totp"), factors=factors), rule, NOW)
    assert (told.code, told.fix and told.fix.path) == ("stronger-factor-required", path)


@pytest.mark.parametrize(
    ("factors", "fix"),
    [
        (("security-key",), ("Set up an authenticator app.", "/account/second-factors/add/")),
        (("authenticator-app", "security-key"), ("Prove your authenticator app.", "/account/step-up/")),
    ],
)
def test_where_only_an_app_is_accepted_nobody_is_told_of_keys(
    factors: tuple[str, ...], fix: tuple[str, str]
) -> None:
    rule = [policy(methods={"accept": ["authenticator-app"]})]
    told = answer(facts(proved=("password", "webauthn"), factors=factors), rule, NOW)
    assert told.code == "stronger-factor-required"
    assert told.fix is not None
    assert (told.fix.text, told.fix.path) == fix


def test_a_device_bound_key_is_told_by_the_credential_itself() -> None:
    rule = [policy(methods={"accept": ["device-bound"]})]
    assert short(facts(proved=("password", "webauthn"), device_bound=True), rule, NOW) == "allow"
    assert (
        short(facts(proved=("password", "totp"), device_bound=True), rule, NOW)
        == "deny:stronger-factor-required"
    )


def test_the_fix_depends_on_what_the_person_has_and_proved() -> None:
    enrolled = answer(weak(factors=("authenticator-app",)), [policy()], NOW)
    bare = answer(weak(), [policy()], NOW)
    token = answer(facts("token"), [policy()], NOW)
    publisher = answer(facts("publisher", action="release.upload"), [policy()], NOW)
    paths = [one.fix.path if one.fix else "" for one in (enrolled, bare, token, publisher)]
    assert paths == [
        "/account/step-up/",
        "/account/second-factors/",
        "/account/tokens/",
        "/account/publishers/",
    ]


# ---- notices and grace


FLOORED = policy(is_floor_exempt=False)
CAP = ENFORCED + timedelta(days=60)
# first delivered notice → the instant from which on it is refused
DEADLINES: dict[str | None, datetime] = {
    None: CAP,
    "2023-05-26": ENFORCED,
    "2023-12-02": ENFORCED,  # thirty days before
    "2023-12-03": ENFORCED + timedelta(days=1),
    "2024-01-01": at("2024-01-31"),
    "2024-02-28": at("2024-03-29"),  # told in time, so the floor runs beyond the cap
    "2024-03-01": at("2024-03-31"),  # told at the very cap
    "2024-03-02": CAP,  # told after the cap: refused already
}


@pytest.mark.parametrize("told", DEADLINES)
def test_a_deadline_is_never_sooner_than_the_floor_after_a_delivered_notice(told: str | None) -> None:
    given = weak(notices=[told_on(told)] if told else [])
    assert short(given, [FLOORED], DEADLINES[told] - JUST_BEFORE) == "warn:second-factor-required"
    assert short(given, [FLOORED], DEADLINES[told]) == "deny:second-factor-required"
    assert answer(given, [FLOORED], NOW).since == DEADLINES[told]


def test_the_first_notice_counts_and_one_of_another_mandate_does_not() -> None:
    later = [told_on("2023-12-30"), told_on("2023-12-12"), told_on("2023-06-01", "another")]
    assert answer(weak(notices=later), [FLOORED], NOW).since == at("2024-01-11")


def test_a_notice_of_an_earlier_announcement_does_not_count_for_a_new_one() -> None:
    """C2: who was told of the gentler mandate has the floor anew when it is tightened."""
    given = weak(notices=[told_on("2022-01-01")])
    assert answer(given, [FLOORED], NOW).since == CAP


def test_a_notice_that_is_still_to_come_does_not_count() -> None:
    given = weak(notices=[told_on("2024-02-01")])
    assert answer(given, [FLOORED], "2024-01-15").until == CAP
    assert answer(given, [FLOORED], "2024-02-01").until == at("2024-03-02")


def test_an_unreached_warning_tells_the_personal_deadline() -> None:
    assert answer(weak(), [FLOORED], ANNOUNCED).until == CAP
    assert answer(weak(notices=[told_on("2023-12-12")]), [FLOORED], "2023-12-13").until == at("2024-01-11")


def test_history_and_the_default_wait_for_no_notice() -> None:
    assert short(weak(), [policy(is_floor_exempt=True)], ENFORCED) == "deny:second-factor-required"


# who → whether they have grace
GRACE: dict[str, tuple[dict[str, Any], bool]] = {
    "authority held before": ({}, True),
    "authority gained since": ({"authority": owner_of("alpha", since=ANNOUNCED)}, False),
    "authority held since an unknown instant, by an old account": (
        {"authority": owner_of("alpha", since=None)},
        True,
    ),
    "one of two held before": ({"authority": (*ALPHA, *owner_of("beta", since=ANNOUNCED))}, True),
    "about the one gained since": (
        {"authority": (*ALPHA, *owner_of("beta", since=ANNOUNCED)), "project": "beta"},
        False,
    ),
    "about the one held before": (
        {"authority": (*ALPHA, *owner_of("beta", since=ANNOUNCED)), "project": "alpha"},
        True,
    ),
    "covered later, held before that": (
        {"authority": owner_of("alpha", since=at("2023-07-01"), covered_since=at("2023-08-01"))},
        True,
    ),
    "gained after it was covered": (
        {"authority": owner_of("alpha", since=at("2023-08-02"), covered_since=at("2023-08-01"))},
        False,
    ),
    "gaining a project": ({"action": "project.create", "project": "newproject"}, False),
    "a new account": ({"authority": (), "joined_at": ANNOUNCED, "roles": ("invited",)}, False),
    "an old account without any project": ({"authority": (), "roles": ("invited",)}, True),
}


@pytest.mark.parametrize("who", GRACE)
def test_grace_is_for_authority_held_before_only(who: str) -> None:
    changes, has_grace = GRACE[who]
    told = policy(is_floor_exempt=False, who={"role": ["project.owner", "invited"]})
    expected = "warn" if has_grace else "deny"
    assert answer(weak(**changes), [told], ENFORCED).verdict == expected


def test_a_weak_token_of_the_grace_period_dies_at_the_instant_and_an_older_one_with_its_owner() -> None:
    for minted, expected in (
        (ANNOUNCED - JUST_BEFORE, "warn"),
        (ANNOUNCED, "deny"),
        (at("2023-12-31"), "deny"),
    ):
        given = facts("token", action="release.upload", asked_at=minted)
        assert answer(given, [FLOORED], ENFORCED).verdict == expected


def test_a_strong_token_of_the_grace_period_keeps_its_owners_grace() -> None:
    given = facts(
        "token",
        proved=("password", "totp"),
        action="release.upload",
        asked_at=ANNOUNCED,
        verified_email=False,
    )
    assert answer(given, [FLOORED], ENFORCED).verdict == "warn"


# ---- what becomes of weak tokens


BEFORE, SINCE = ANNOUNCED - JUST_BEFORE, ANNOUNCED
EXPIRY = "2023-10-01T00:00:00Z"
# [credentials] → what a token minted before and since the announcement is answered, in November 2023 and in 2026
DISPOSITIONS: dict[tuple[str, ...], tuple[tuple[str, str], tuple[str, str]]] = {
    ("keep", "refuse"): (("allow", "allow"), ("warn", "deny")),
    ("warn", "refuse"): (("warn", "warn"), ("warn", "deny")),
    ("refuse", "refuse"): (("warn", "deny"), ("warn", "deny")),
    ("revoke", "revoke"): (("warn", "deny"), ("warn", "deny")),
    ("expire", "refuse", EXPIRY): (("deny", "deny"), ("warn", "deny")),
    ("refuse", "expire", EXPIRY): (("warn", "deny"), ("deny", "deny")),
    ("expire", "expire", "2025-06-01T00:00:00Z"): (("warn", "deny"), ("warn", "deny")),
}


@pytest.mark.parametrize("fate", DISPOSITIONS)
def test_tokens_below_strength_meet_their_disposition(fate: tuple[str, ...]) -> None:
    before, grace, *expiry = fate
    credentials = {"before": before, "grace": grace} | ({"at": expiry[0]} if expiry else {})
    rule = [policy(credentials=credentials)]
    for minted, expected in zip((BEFORE, SINCE), DISPOSITIONS[fate], strict=True):
        given = facts("token", action="release.upload", asked_at=minted)
        got = tuple(answer(given, rule, moment).verdict for moment in ("2023-11-01", "2026-01-01"))
        assert got == expected, minted


def test_sessions_have_no_disposition() -> None:
    rule = [policy(credentials={"before": "keep", "grace": "refuse"})]
    assert short(weak(asked_at=BEFORE), rule, NOW) == "deny:second-factor-required"
    assert (
        short(facts("publisher", action="release.upload", asked_at=BEFORE), rule, NOW)
        == "deny:credential-weak"
    )


def test_tokens_that_expire_are_never_sooner_refused_than_their_owner_was_told() -> None:
    rule = [policy(is_floor_exempt=False, credentials={"before": "expire", "grace": "expire", "at": EXPIRY})]
    told = facts("token", asked_at=BEFORE, action="release.upload", notices=[told_on("2023-09-20")])
    assert answer(told, rule, "2023-10-02").until == at("2023-10-20")
    assert answer(told, rule, "2023-10-20").since == at("2023-10-20")
    young = facts("token", asked_at=SINCE, action="release.upload", notices=[told_on("2023-09-20")])
    assert answer(young, rule, EXPIRY).since == at("2023-10-01")


# ---- a release that was begun, and a project to be deleted


def test_a_release_begun_before_the_instant_may_be_finished_within_a_quarter_of_an_hour() -> None:
    def at_end_of(span: timedelta, begun: datetime | None, action: str = "release.upload") -> str:
        thing = Object("project", "alpha", begun_at=begun)
        return answer(facts("token", action=action, project=thing), [policy()], ENFORCED + span).verdict

    begun = ENFORCED - JUST_BEFORE
    assert at_end_of(timedelta(), begun) == "warn"
    assert at_end_of(FINISH_WITHIN - JUST_BEFORE, begun) == "warn"
    assert at_end_of(FINISH_WITHIN, begun) == "deny"
    assert at_end_of(timedelta(), ENFORCED) == "deny"
    assert at_end_of(timedelta(), None) == "deny"
    assert at_end_of(timedelta(), begun, "token.use") == "deny"


def deletion(moment: str, asked: datetime | None = None, **changes: Any) -> Any:
    given: dict[str, Any] = {
        "action": "project.delete",
        "project": Object("project", "alpha", deletion_asked_at=asked),
        "proved": ("password", "totp"),
        "asked_at": at(moment),
    }
    return answer(facts(**(given | changes)), [policy()], moment)


def test_deleting_a_covered_project_waits_while_a_mandate_is_on_its_way() -> None:
    held = deletion("2023-06-01")
    assert (held.verdict, held.code, held.since, held.until) == ("deny", "deletion-held", ANNOUNCED, None)
    assert held.fix is not None
    assert held.fix.path == "/mandate/deletion/alpha/"
    asked = at("2023-06-01")
    assert deletion("2023-06-10", asked).until == at("2023-06-15")
    assert deletion("2023-06-15", asked).verdict == "allow"
    assert deletion("2023-05-24").verdict == "allow"
    assert deletion("2024-01-01").verdict == "allow"


def test_deleting_is_not_held_where_the_project_is_not_covered() -> None:
    assert deletion("2023-06-01", authority=()).verdict == "allow"
    other = owner_of("alpha")[0]
    maintained = (other.__class__("project", "alpha", "maintainer", LONG_AGO), *owner_of("beta"))
    assert deletion("2023-06-01", authority=maintained).verdict == "allow", "covered, and for another project"


def test_a_pause_goes_on_holding_deletions() -> None:
    rule = [policy(stages=[*document()["stages"][:1], stage("paused", "2023-09-01")])]
    given = facts(action="project.delete", project="alpha", proved=("passkey",), asked_at=at("2023-10-01"))
    assert short(given, rule, "2023-10-01") == "deny:deletion-held"


# ---- the last factor


@pytest.mark.parametrize("proved", STRONG)
def test_covered_people_keep_their_last_factor_whatever_they_prove(proved: set[str]) -> None:
    for rule in (DEFAULT, policy()):
        given = facts(action="second-factor.remove-last", proved=proved, asked_at=NOW)
        assert short(given, [rule], NOW) == "deny:second-factor-last"
        alone = facts(action="second-factor.remove-last", proved=proved, asked_at=NOW, authority=())
        assert short(alone, [rule], NOW) == "allow"


def test_the_last_factor_may_go_while_no_stage_keeps_it() -> None:
    given = facts(action="second-factor.remove-last", proved=("passkey",), asked_at=ANNOUNCED)
    assert short(given, [policy()], ANNOUNCED) == "allow"
    keeping = [stage("announced", ANNOUNCED, deny=["second-factor.remove-last"])]
    assert short(given, [policy(stages=keeping)], ANNOUNCED) == "deny:second-factor-last"


# ---- several mandates


def test_the_earliest_refusal_is_told_and_of_equals_the_first_by_name() -> None:
    early = policy("zebra", stages=[stage("enforced", "2022-01-01", deny=["all"])])
    assert answer(weak(), [policy("alpha"), early], NOW).mandate == "zebra"
    assert answer(weak(), [policy("beta"), policy("alpha")], NOW).mandate == "alpha"


def test_any_factor_by_january_and_a_key_by_june_ask_for_a_key_in_june() -> None:
    key = policy(
        "keys",
        methods={"accept": ["phishing-resistant"]},
        stages=[stage("announced", ANNOUNCED, warn=["all"]), stage("enforced", "2024-06-01", deny=["all"])],
    )
    both, by_app = [policy(), key], {"proved": ("password", "totp")}
    assert short(weak(), both, "2024-03-01") == "deny:second-factor-required"
    assert short(weak(**by_app), both, "2024-03-01") == "warn:stronger-factor-required"
    assert short(weak(**by_app), both, "2024-06-01") == "deny:stronger-factor-required"
    assert short(weak(proved=("password", "webauthn")), both, "2024-06-01") == "allow"


def test_an_exemption_frees_from_its_mandate_version_and_time_only() -> None:
    def freed(name: str, version: int | None, since: str | None, until: str) -> str:
        one = Exempted(name, version, at(until), at(since) if since else None)
        return answer(weak(exemptions=[one]), [policy(version=2)], "2026-01-01").verdict

    assert freed("everyone", 2, "2025-12-01", "2026-02-01") == "allow"
    assert freed("everyone", None, None, "2026-02-01") == "allow"
    assert freed("everyone", 1, "2025-12-01", "2026-02-01") == "deny"
    assert freed("another", 2, "2025-12-01", "2026-02-01") == "deny"
    assert freed("everyone", 2, "2025-12-01", "2026-01-01") == "deny", "the end belongs to what follows"
    assert freed("everyone", 2, "2026-01-01T00:00:00.000001Z", "2026-02-01") == "deny"


# ---- for pages and plans


def test_complying_means_holding_an_accepted_factor_and_a_verified_address() -> None:
    key = mandate(methods={"accept": ["phishing-resistant"]})
    bound = mandate(methods={"accept": ["device-bound"]})
    person = weak(factors=("authenticator-app",)).person
    assert is_compliant(mandate(), person)
    assert not is_compliant(key, person)
    assert is_compliant(key, weak(factors=("passkey",)).person)
    assert not is_compliant(bound, weak(factors=("passkey",)).person)
    assert is_compliant(bound, weak(factors=("passkey",), has_device_bound=True).person)
    assert not is_compliant(mandate(), weak(factors=("authenticator-app",), verified_email=False).person)
    assert not is_compliant(mandate(), weak(recovery_codes=10).person), "codes alone are no second factor"


def test_covering_is_asked_of_what_is_held_not_of_what_is_asked_for() -> None:
    assert covers(policy(), weak())
    assert not covers(policy(), weak(authority=(), action="project.create"))


def test_a_decision_can_be_written_as_json() -> None:
    assert answer(weak(), [policy()], NOW).as_dict() == {
        "verdict": "deny",
        "code": "second-factor-required",
        "mandate": "everyone",
        "version": 1,
        "since": "2024-01-01T00:00:00Z",
        "until": None,
        "reason": "This needs a second factor. Mandate everyone refuses that since 2024-01-01T00:00:00Z.",
        "fix": {"text": "Set one up on your account page.", "path": "/account/second-factors/"},
    }
    assert answer(weak(), [], NOW).as_dict() == {
        "verdict": "allow",
        "code": "",
        "mandate": None,
        "version": None,
        "since": None,
        "until": None,
        "reason": "",
        "fix": None,
    }


def test_the_last_instants_of_the_calendar_make_no_gate_fall_over() -> None:
    with pytest.raises(DocumentInvalid, match="stage 2, at"):
        read_mandate(
            document(stages=[stage("announced", ANNOUNCED, warn=["all"]), stage("enforced", "9999-12-31")])
        )
    latest = [stage("announced", ANNOUNCED, warn=["all"]), stage("enforced", "2999-12-31", deny=["all"])]
    rule = Policy(mandate(stages=latest))
    assert answer(weak(), [rule], NOW).until == at("2999-12-31") + timedelta(days=60)
