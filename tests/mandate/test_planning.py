from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.mandate.ledger import DAY, LONG_AGO, NOW, document, enforced, mandate

from keyhouse.core.actions import CATALOGUE
from keyhouse.mandate import defaults, loosening, rules
from keyhouse.mandate.documents import Mandate, read_mandate
from keyhouse.mandate.facts import Asking, Authority, Exempted, Facts, Notice, Object, Person
from keyhouse.mandate.grounds import Ground
from keyhouse.mandate.planning import differences, plan_change
from keyhouse.mandate.plans import Plan
from keyhouse.mandate.populations import PROVEN, group_people
from keyhouse.mandate.queries import Ledger
from keyhouse.mandate.rules import Policy, decide

pytestmark = pytest.mark.by_turns

TICK = timedelta(microseconds=1)
NOBODY = Ledger(0, ((LONG_AGO, Policy(read_mandate(defaults.DOCUMENT | {
    "stages": [{"state": "retired", "at": LONG_AGO}]}), 2, is_floor_exempt=True)),))  # fmt: skip


def with_version(before: Ledger, policy: Policy, at: datetime = NOW) -> Ledger:
    return replace(before, versions=(*before.versions, (at, policy)))


def plan(before: Ledger, proposed: Mandate, *people: Facts, version: int = 9) -> Plan:
    return plan_change(before, lambda one: with_version(before, one), Policy(proposed, version), people, NOW)


def person(name: str = "ada", **facts: Any) -> Facts:
    roles = facts.pop("authority", (Authority("project", "alpha", "owner", LONG_AGO),))
    more = {key: facts.pop(key) for key in ("notices", "exemptions") if key in facts}
    about = {"joined_at": LONG_AGO, "verified_email": True, "factors": ("authenticator-app",), **facts}
    return Facts(Person(f"id-{name}", name=name, **about), Asking("session"), "", authority=roles, **more)


def operator(name: str = "ops", **facts: Any) -> Facts:
    return person(name, roles=("operator",), authority=(), **facts)


KEYS = with_version(NOBODY, Policy(mandate(), 1), LONG_AGO)


# ---- loosening


def changed(*path: str, to: Any) -> Mandate:
    body: Any = document()
    told = body
    for key in path[:-1]:
        body = body.setdefault(key, {})
    body[path[-1]] = to
    return read_mandate(told)


ANNOUNCED = {"state": "announced", "at": NOW, "warn": ["all"]}


@pytest.mark.parametrize(
    "proposed",
    [
        changed("who", to={"role": ["project.owner"]}),
        changed("who", to={"all": [{"role": ["project.owner", "project.maintainer"]}, {"not": {"user": ["eve"]}}]}),
        changed("who", to={"cohort": {"percent": 99, "seed": "x"}}),
        changed("who", to={"joined_from": LONG_AGO}),
        changed("who", to={"project": ["alpha", "beta"]}),
        changed("notice", to={"floor_days": 31}),
        changed("notice", to={"unreached_cap_days": 61}),
        changed("credentials", to={"before": "keep"}),
        changed("credentials", to={"before": "warn"}),
        changed("credentials", to={"before": "expire", "at": NOW + 200 * DAY}),
        changed("stages", to=[ANNOUNCED, enforced(NOW + 91 * DAY)]),
        changed("stages", to=[ANNOUNCED, enforced(NOW + 90 * DAY, "management", "publishing")]),
        changed("stages", to=[ANNOUNCED, enforced(NOW + 90 * DAY), {"state": "retired", "at": NOW + 900 * DAY}]),
        changed("stages", to=[ANNOUNCED | {"at": NOW + DAY}, enforced(NOW + 90 * DAY)]),
        changed("stages", to=[ANNOUNCED, enforced(NOW + 90 * DAY) | {"who": {"role": ["project.owner"]}}]),
    ],
)  # fmt: skip
def test_what_allows_anything_that_was_refused_is_a_loosening(proposed: Mandate) -> None:
    found = plan(KEYS, proposed)
    assert found.is_loosening
    assert found.loosenings
    assert found.people == found.touched == 0  # nobody is here; somebody may come


@pytest.mark.parametrize(
    "proposed",
    [
        changed("title", to="Another"),
        changed("reason", to="Another."),
        changed("methods", to={"accept": ["security-key", "passkey", "authenticator-app"], "prefer": "passkey"}),
        changed("methods", to={"accept": ["security-key", "passkey"]}),
        changed("who", to={"everyone": True}),
        changed("who", to={"any": [{"user": ["eve"]}, {"role": ["project.owner", "project.maintainer"]}]}),
        changed("notice", to={"floor_days": 29, "unreached_cap_days": 59}),
        changed("stages", to=[ANNOUNCED, enforced(NOW + 89 * DAY)]),
        changed("stages", to=[ANNOUNCED | {"deny": ["second-factor.remove-last"]}, enforced(NOW + 90 * DAY)]),
        changed("credentials", to={"before": "refuse", "grace": "revoke"}),
        mandate("others"),
        mandate("others", replaces=["default"]),
    ],
)  # fmt: skip
def test_what_allows_nothing_that_was_refused_is_none(proposed: Mandate) -> None:
    found = plan(KEYS, proposed, person(), person("bob", factors=()), operator())
    assert not found.is_loosening
    assert found.loosened == 0
    assert found.loosenings == ()


def test_more_methods_and_fewer_held_days_are_loosenings() -> None:
    strict = with_version(NOBODY, Policy(changed("methods", to={"accept": ["security-key"]}), 1), LONG_AGO)
    assert plan(strict, changed("methods", to={"accept": ["phishing-resistant"]})).is_loosening
    assert plan(strict, changed("methods", to={"accept": ["security-key", "authenticator-app"]})).is_loosening
    assert plan(strict, changed("methods", to={"accept": ["security-key"]})).is_loosening is False
    assert plan(KEYS, changed("notice", to={"deletion_hold_days": 13})).is_loosening
    assert not plan(KEYS, changed("notice", to={"deletion_hold_days": 15})).is_loosening


@pytest.mark.parametrize("field", ["before", "grace"])
def test_l6_to_revoke_no_more_is_a_loosening_also_where_all_is_refused(field: str) -> None:
    revoking = with_version(NOBODY, Policy(changed("credentials", to={field: "revoke"}), 1), LONG_AGO)
    found = plan(revoking, changed("credentials", to={field: "refuse"}))
    assert found.is_loosening
    assert found.loosenings[0].endswith("they would no longer be revoked")
    assert not plan(revoking, changed("credentials", to={field: "revoke"})).is_loosening


def test_l6_a_shorter_list_of_methods_that_spares_a_token_is_a_loosening() -> None:
    accept = ["authenticator-app", "security-key"]
    both = mandate(credentials={"before": "warn"}, methods={"accept": accept}, stages=[enforced(LONG_AGO)])
    one = mandate(credentials={"before": "warn"}, methods={"accept": accept[1:]}, stages=[enforced(LONG_AGO)])
    nobody_told = with_version(NOBODY, Policy(both, 1, is_floor_exempt=True), LONG_AGO)
    assert plan(nobody_told, one, person(verified_email=False, factors=("security-key",))).is_loosening


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            {"all": [{"role": ["operator"]}, {"project": ["alpha"]}]},
            {"all": [{"role": ["operator"]}, {"project": ["beta"]}]},
        ),
        (
            {"all": [{"organization": ["acme"]}, {"project": ["alpha"]}]},
            {"all": [{"organization": ["acme"]}, {"project": ["alpha"]}, {"not": {"role": ["auditor"]}}]},
        ),
        (
            {"all": [{"critical": {"metric": "dependents", "top": 9}}, {"not": {"user": ["eve"]}}]},
            {"all": [{"critical": {"metric": "dependents", "top": 9}}, {"not": {"user": ["eve", "bob"]}}]},
        ),
        (
            {"cohort": {"percent": 20, "seed": "x"}},
            {"all": [{"cohort": {"percent": 20, "seed": "x"}}, {"cohort": {"percent": 40, "seed": "y"}}]},
        ),
    ],
)
def test_whoever_is_in_a_mix_of_sets_is_thought_of(before: Any, after: Any) -> None:
    old = with_version(NOBODY, Policy(changed("who", to=before), 1), LONG_AGO)
    assert plan(old, changed("who", to=after)).is_loosening
    new = with_version(NOBODY, Policy(changed("who", to=after), 1), LONG_AGO)
    assert plan(new, changed("who", to=before)).is_loosening == ("beta" in str(after))


def test_replacing_another_mandate_is_a_loosening_where_it_asks_less() -> None:
    assert plan(KEYS, mandate("less", who={"user": ["eve"]}, replaces=["keys"])).is_loosening
    same = document("other", replaces=["keys"])
    # those who were told of the one weren't told of the other
    assert plan(KEYS, read_mandate(same)).is_loosening
    told = with_version(
        NOBODY, Policy(mandate(notice={"floor_days": 0, "unreached_cap_days": 0}), 1), LONG_AGO
    )
    same["notice"] = {"floor_days": 0, "unreached_cap_days": 0}
    assert not plan(told, read_mandate(same)).is_loosening


def test_the_default_is_an_ordinary_mandate() -> None:
    fresh = Ledger(0, ())
    body = defaults.DOCUMENT
    assert plan(fresh, read_mandate(body | {"who": {"role": ["project.owner"]}})).is_loosening
    assert not plan(fresh, read_mandate(body | {"who": {"everyone": True}})).is_loosening
    assert not plan(fresh, read_mandate(body | {"title": "Ours"})).is_loosening
    assert plan(fresh, mandate("ours", replaces=["default"])).is_loosening


def test_what_is_coming_counts_like_what_is_here() -> None:
    """A version that waits for its instant is part of what holds before a change."""
    coming = with_version(KEYS, Policy(changed("who", to={"role": ["project.owner"]}), 2), NOW + DAY)
    assert not plan(coming, mandate(), version=3).is_loosening
    assert plan(coming, changed("who", to={"user": ["bob"]}), version=3).is_loosening


MIXED = {"not": {"role": ["operator"]}}, {"not": {"role": ["moderator"]}}


def test_l6_what_is_hidden_in_a_mix_too_large_to_try_counts_as_loosening() -> None:
    """A24: whoever is in three projects at once, and neither operator nor moderator, is let go."""
    three = [{"project": [name]} for name in ("x1", "x2", "x3")]
    who = {"all": [defaults.DOCUMENT["who"], {"not": {"all": [*three, *MIXED]}}]}
    found = plan(Ledger(0, ()), read_mandate(defaults.DOCUMENT | {"who": who}), person())
    assert (found.is_loosening, found.loosened) == (True, 0)
    assert found.loosenings


def test_a24_what_can_be_neither_tried_nor_proven_counts_as_loosening() -> None:
    same = {"not": {"not": defaults.DOCUMENT["who"]}}  # nothing changes, but words don't show it
    found = plan(Ledger(0, ()), read_mandate(defaults.DOCUMENT | {"who": same}))
    assert found.loosenings == (loosening.UNSURE,)


def test_l6_a_share_too_small_to_be_met_is_not_thought_away() -> None:
    tiny = {"not": {"cohort": {"percent": 0.0001, "seed": "x"}}}
    found = plan(KEYS, changed("who", to={"all": [{"role": ["project.owner", "project.maintainer"]}, tiny]}))
    assert found.is_loosening


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "Ours"},
        {"who": {"any": [defaults.DOCUMENT["who"], {"user": ["eve"]}]}},
        {"who": {"any": [defaults.DOCUMENT["who"], {"cohort": {"percent": 0.0001, "seed": "x"}}]}},
        {"methods": {"accept": ["security-key", "passkey"]}},
        {"credentials": {"before": "revoke", "grace": "revoke"}},
    ],
)
def test_what_words_show_to_be_stricter_is_no_loosening_however_mixed(changes: dict[str, Any]) -> None:
    key = operator(factors=("security-key",))
    assert not plan(Ledger(0, ()), read_mandate(defaults.DOCUMENT | changes), key).is_loosening


def early(number: int, *accept: str, who: Any) -> Mandate:
    stages = [
        {"state": "early", "at": NOW + (10 + one) * DAY, "deny": ["all"],
         "who": {"cohort": {"percent": 10 * (one + 1), "seed": f"s{one}"}}}
        for one in range(number)
    ]  # fmt: skip
    return mandate(
        who=who, methods={"accept": list(accept)}, stages=[ANNOUNCED, *stages, enforced(NOW + 90 * DAY)]
    )


def test_early_cohorts_make_no_plan_endless(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    objection = rules.objection

    def counted(*arguments: Any) -> Any:
        nonlocal asked
        asked += 1
        return objection(*arguments)

    monkeypatch.setattr(loosening, "objection", counted)
    role = {"role": ["project.owner"]}
    before = with_version(NOBODY, Policy(early(6, "security-key", "passkey", who=role), 1), LONG_AGO)
    tighter = plan(before, early(6, "security-key", who=role), version=2)
    assert (tighter.is_loosening, asked) == (False, 0)  # the words show it
    mixed = plan(before, early(6, "security-key", "passkey", who={"not": {"not": role}}), version=2)
    assert mixed.loosenings == (loosening.UNSURE,)
    assert 0 < asked <= 2 * loosening.MOST_ASKED


def test_an_exemption_that_ends_with_its_version_is_no_loosening() -> None:
    exempt = Exempted("keys", 1, NOW + 500 * DAY, LONG_AGO)
    found = plan(KEYS, changed("title", to="Another"), person(factors=(), exemptions=(exempt,)))
    assert (found.loosened, found.tightened, found.is_loosening) == (0, 1, False)


# ---- people


def test_people_are_counted_by_what_changes_for_them() -> None:
    people = [person(), person("bob", factors=()), person("eve", factors=(), authority=()), operator()]
    found = plan(NOBODY, mandate(), *people)
    # eve is touched in that she can't begin a project without a factor; the floor asks the operator anyway
    assert (found.people, found.touched, found.tightened, found.loosened) == (4, 3, 3, 0)
    assert (found.is_new, found.touches) == (True, ())
    stages = {one.what: (one.covered, one.compliant, one.refused) for one in found.forecasts}
    assert stages == {
        "now": (2, 1, 0),
        "In force (refuses everything that changes something)": (2, 1, 0),
        f"last deadline of “In force” of {NOW + 90 * DAY:%Y-%m-%d} UTC": (2, 1, 1),
    }
    assert found.forecasts[-1].first_refused == ("bob",)
    assert found.forecasts[-1].at == NOW + 150 * DAY


def test_whoever_was_told_is_refused_when_it_is_scheduled() -> None:
    notice = Notice("keys", "page", NOW)
    found = plan(NOBODY, mandate(), person(factors=(), notices=(notice,)))
    assert [(one.at, one.refused) for one in found.forecasts] == [
        (NOW, 0),
        (NOW + 90 * DAY, 1),
        (NOW + 150 * DAY, 1),
    ]


def test_each_section_tells_how_many_it_touches_alone() -> None:
    proposed = read_mandate(
        document(
            who={"role": ["project.owner"]},
            methods={"accept": ["security-key"]},
            stages=[ANNOUNCED, enforced(NOW + 80 * DAY)],
        )
    )
    maintainer = Authority("project", "alpha", "maintainer", LONG_AGO)
    people = [person(), person("bob", factors=()), person("eve", authority=(maintainer,), factors=())]
    found = plan(KEYS, proposed, *people)
    assert {one.section: one.people for one in found.touches} == {"who": 1, "methods": 1, "stages": 3}
    assert found.touched == 3


def test_exempt_people_are_counted_as_such_and_as_not_compliant() -> None:
    exempt = Exempted("keys", 1, NOW + 200 * DAY, LONG_AGO)
    ground = Ground(KEYS, KEYS, NOW)
    assert ground.policies[-1].version == 1
    found = plan_change(
        NOBODY,
        lambda one: with_version(NOBODY, one),
        Policy(mandate(), 1),
        [person(factors=(), exemptions=(exempt,))],
        NOW,
    )
    last = found.forecasts[-1]
    assert (last.covered, last.compliant, last.exempt, last.refused) == (1, 0, 1, 0)


def test_differences_are_told_field_by_field() -> None:
    found = differences(
        {"a": 1, "list": ["x", "y"], "stages": [{"at": 1}]},
        {"a": 2, "list": ["x"], "stages": [{"at": 1}, {"at": 2}]},
    )
    assert [(one.as_dict()["path"], one.before, one.after) for one in found] == [
        ("a", 1, 2),
        ("list", ["x", "y"], ["x"]),
        ("stages[1].at", None, 2),
    ]


def test_a_plan_is_json() -> None:
    told = plan(KEYS, changed("who", to={"user": ["bob"]}), person()).as_dict()
    assert (told["mandate"], told["version"], told["people"]) == ("keys", 9, 1)
    assert {"path": "who.user", "before": None, "after": ["bob"]} in told["differences"]
    assert "prefer" not in str(told["differences"])


# ---- warnings and refusals


def reasons(found: Plan) -> list[str]:
    return [str(one) for one in found.refusals]


def test_stages_in_the_past_and_empty_sets_are_warned_of() -> None:
    proposed = mandate(
        who={"user": ["nobody"]},
        stages=[
            {"state": "announced", "at": NOW - DAY},
            {"state": "early", "at": NOW + DAY, "who": {"project": ["beta"]}, "deny": ["all"]},
        ],
    )
    found = plan(KEYS, proposed, person())
    assert [one.path for one in found.warnings] == [("stages", 0, "at"), ("stages", 1, "who"), ("who",)]
    assert reasons(found) == []


@pytest.mark.parametrize(
    ("accept", "is_warned"),
    [
        (["device-bound"], True),
        (["device-bound", "authenticator-app"], True),
        (["device-bound", "passkey"], True),
        (["device-bound", "phishing-resistant"], False),
        (["device-bound", "security-key", "passkey"], False),
        (["phishing-resistant"], False),
    ],
)
def test_a_mandate_that_rests_on_the_word_of_keys_is_warned_of(accept: list[str], is_warned: bool) -> None:
    found = plan(NOBODY, mandate(methods={"accept": accept}), person())
    told = [str(one) for one in found.warnings if "own word" in one.reason]
    assert bool(told) is is_warned
    assert all(one.startswith("methods.accept: ") for one in told)


def test_nobody_is_gated_sooner_than_the_floor_after_their_notice() -> None:
    past = mandate(stages=[{"state": "announced", "at": NOW - 200 * DAY}, enforced(NOW - 100 * DAY)])
    bob = person("bob", factors=())
    (refusal,) = reasons(plan(NOBODY, past, bob, person()))
    assert refusal == (
        "stages: 1 of 2 people would be refused from 2026-06-02 00:00 UTC on,"
        " less than 30 days after their notice: bob"
    )
    assert reasons(plan(NOBODY, past, person())) == []  # whoever complies isn't gated
    assert reasons(plan(NOBODY, past, replace(bob, authority=()))) == []


def test_a_floor_is_not_lowered_by_the_version_that_gates_nor_by_one_right_before() -> None:
    """C2: whoever lowers the floor waits for the old one first."""
    bob, later = person("bob", factors=()), [ANNOUNCED, enforced(NOW + 300 * DAY)]
    before = with_version(NOBODY, Policy(mandate(stages=later), 1), LONG_AGO)
    no_days = {"floor_days": 0, "unreached_cap_days": 0}
    at_once = mandate(stages=[enforced(NOW)], notice=no_days)
    (refusal,) = reasons(plan(before, at_once, bob))
    assert "less than 30 days after their notice: bob" in refusal
    (refusal,) = reasons(plan(before, replace(at_once, name="other", replaces=("keys",)), bob))
    assert "less than 30 days after their notice: bob" in refusal
    lowered = Policy(mandate(stages=later, notice=no_days), 2)
    assert reasons(plan(before, lowered.mandate, bob)) == []
    assert len(reasons(plan(with_version(before, lowered, NOW - 29 * DAY), at_once, bob))) == 1
    assert reasons(plan(with_version(before, lowered, NOW - 30 * DAY), at_once, bob)) == []


def test_a6_no_token_of_the_grace_period_outlives_the_stage_that_refuses() -> None:
    stages = [ANNOUNCED | {"deny": ["second-factor.remove-last"]}, enforced(NOW + 90 * DAY)]
    for day, count in ((90, 0), (91, 1), (5000, 1)):
        at = NOW + day * DAY
        found = plan(NOBODY, mandate(stages=stages, credentials={"grace": "expire", "at": at}), person())
        assert [one.path for one in found.refusals] == [("credentials", "at")] * count
        older = plan(NOBODY, mandate(stages=stages, credentials={"before": "expire", "at": at}), person())
        assert [one.path for one in older.warnings] == [("credentials", "at")] * count
        assert not older.refusals
    early_only = [ANNOUNCED, enforced(NOW + 90 * DAY) | {"who": {"user": ["ada"]}}]
    beyond = {"grace": "expire", "at": NOW + 91 * DAY}
    assert plan(NOBODY, mandate(stages=early_only, credentials=beyond), person()).refusals


def test_a_notice_of_earlier_terms_is_none_of_stricter_ones() -> None:
    """C2: whoever was told long ago of what held until now has the floor again from now on."""
    told = person("bob", notices=(Notice("keys", "page", NOW - 99 * DAY),))
    stages = [{"state": "announced", "at": NOW - 100 * DAY}, enforced(NOW - 50 * DAY)]
    before = with_version(
        NOBODY, Policy(mandate(stages=stages, methods={"accept": ["authenticator-app"]}), 1)
    )
    keys = {"accept": ["security-key"]}
    (refusal,) = reasons(plan(before, mandate(stages=stages, methods=keys), told))
    assert "1 of 1 people would be refused" in refusal
    later = [*stages[:1], enforced(NOW + 34 * DAY)]
    both = mandate("keys-too", stages=later, methods=keys)
    assert reasons(plan(before, both, told)) == []


def test_a_token_in_use_is_not_refused_sooner_than_its_owner_was_told() -> None:
    past = mandate(stages=[{"state": "announced", "at": NOW - 200 * DAY}, enforced(NOW - 100 * DAY)])

    def refusals(*tokens: Asking) -> list[str]:
        held = {"id-ada": set(tokens)}
        add = lambda one: with_version(NOBODY, one)  # noqa: E731 - as `plan` does
        return reasons(plan_change(NOBODY, add, Policy(past, 1), [person()], NOW, tokens=held))

    weak = Asking("token", frozenset({"password"}), at=LONG_AGO)
    strong = Asking("token", frozenset({"password", "totp"}), at=LONG_AGO)
    assert refusals(strong) == []
    assert "1 of 1 people would be refused" in refusals(strong, weak)[0]


def test_whom_another_mandate_refuses_already_is_not_gated_anew() -> None:
    past = mandate("more", stages=[enforced(NOW - 100 * DAY)])
    everyone = Policy(mandate("all", stages=[enforced(LONG_AGO)]), 1, is_floor_exempt=True)
    assert reasons(plan(with_version(NOBODY, everyone, LONG_AGO), past, person("bob", factors=()))) == []


def test_a_floor_of_no_days_holds_at_once() -> None:
    now = mandate(notice={"floor_days": 0, "unreached_cap_days": 0}, stages=[enforced(NOW)])
    found = plan(NOBODY, now, person("bob", factors=()))
    assert (reasons(found), found.forecasts[0].refused) == ([], 1)


def test_the_last_operator_is_not_locked_out() -> None:
    proposed = mandate(who={"role": ["operator"]}, methods={"accept": ["phishing-resistant"]})
    assert "no operator could act any more" in reasons(plan(NOBODY, proposed, operator()))[0]
    with_key = operator("other", factors=("security-key",))
    assert reasons(plan(NOBODY, proposed, operator(), with_key)) == []
    frozen = operator("other", factors=("security-key",), state="frozen")
    assert len(reasons(plan(NOBODY, proposed, operator(), frozen))) == 1
    assert reasons(plan(NOBODY, proposed)) == []  # none is there


def test_operators_who_could_do_nothing_before_are_no_obstacle() -> None:
    proposed = mandate(who={"role": ["operator"]})
    assert reasons(plan(NOBODY, proposed, operator(factors=()))) == []


def test_what_is_replaced_is_there_and_leads_to_no_circle() -> None:
    assert reasons(plan(KEYS, mandate("a", replaces=["gone"]))) == ["replaces: there is no mandate gone"]
    two = with_version(KEYS, Policy(mandate("b", replaces=["keys"]), 1), LONG_AGO)
    three = with_version(two, Policy(mandate("c", replaces=["b"]), 1), LONG_AGO)
    assert reasons(plan(three, mandate(replaces=["c"]))) == ["replaces: c itself replaces keys"]
    assert reasons(plan(two, mandate("c", replaces=["b"]))) == []


def test_the_floors_name_is_taken() -> None:
    assert "operators-floor" in reasons(plan(KEYS, mandate("operators-floor")))[0]


# ---- the plan against every question


ROLES = ("project.owner", "project.maintainer", "operator", "invited")
DAYS = st.integers(-40, 120)
INSTANTS = DAYS.map(lambda days: NOW + days * DAY)
SELECTORS = st.recursive(
    st.one_of(
        st.just({"everyone": True}),
        st.lists(st.sampled_from(ROLES), min_size=1, max_size=2, unique=True).map(lambda names: {"role": names}),
        st.just({"user": ["ada"]}),
        st.just({"project": ["alpha"]}),
        INSTANTS.map(lambda at: {"joined_from": at}),
        st.sampled_from([30, 60]).map(lambda percent: {"cohort": {"percent": percent, "seed": "x"}}),
    ),
    lambda parts: st.one_of(
        st.lists(parts, min_size=1, max_size=2).map(lambda some: {"any": some}),
        st.lists(parts, min_size=1, max_size=2).map(lambda some: {"all": some}),
        parts.map(lambda part: {"not": part}),
    ),
    max_leaves=3,
)  # fmt: skip
LISTS = st.lists(
    st.sampled_from(["all", "management", "publishing", "second-factor.remove-last"]), max_size=2, unique=True
)


@st.composite
def mandates(draw: st.DrawFn) -> Mandate:
    days = sorted(draw(st.sets(DAYS, min_size=1, max_size=3)))
    states = ["announced", "early", "enforced"][: len(days)]
    stages: list[dict[str, Any]] = [
        {"state": state, "at": NOW + day * DAY, "deny": draw(LISTS)}
        for state, day in zip(states, days, strict=True)
    ]
    for stage in stages[1:]:
        if draw(st.booleans()):
            stage["who"] = draw(SELECTORS)
    floor = draw(st.sampled_from([0, 10, 30]))
    cap, hold = floor + draw(st.sampled_from([0, 20])), draw(st.sampled_from([7, 14]))
    before = draw(st.sampled_from(["refuse", "keep", "warn", "revoke"]))
    return mandate(
        who=draw(SELECTORS),
        methods={"accept": draw(st.sampled_from([["security-key"], ["passkey", "authenticator-app"]]))},
        notice={"floor_days": floor, "unreached_cap_days": cap, "deletion_hold_days": hold},
        credentials={"before": before},
        stages=stages,
    )


@st.composite
def persons(draw: st.DrawFn) -> Facts:
    roles = draw(st.sets(st.sampled_from(["owner", "maintainer"]), max_size=1))
    joined = draw(INSTANTS)
    since = max(joined, draw(INSTANTS))
    told = draw(st.lists(INSTANTS.filter(lambda at: at <= NOW), max_size=1))
    return Facts(
        Person(
            draw(st.sampled_from([f"u{number}" for number in range(9)])),
            joined,
            verified_email=draw(st.booleans()),
            factors=draw(st.sampled_from([(), ("authenticator-app",)])),
            roles=draw(st.sampled_from([(), ("operator",), ("invited",)])),
            name=draw(st.sampled_from(["", "ada", "bob"])),
        ),
        Asking("session"),
        "",
        authority=tuple(Authority("project", draw(st.sampled_from(["alpha", "beta"])), one, since) for one in roles),
        notices=tuple(Notice("keys", "page", at) for at in told),
    )  # fmt: skip


def every_question(facts: Facts, at: datetime) -> list[Facts]:
    minted = [LONG_AGO, *(NOW + days * DAY for days in range(-40, 121, 20))]
    askings = [Asking("session", proved, at=at, device_bound=bound) for proved, bound in PROVEN]
    askings += [
        Asking("token", proved, at=one, device_bound=bound)
        for proved, bound in PROVEN[:4]
        for one in minted
        if one <= at
    ]
    things = [None, *(Object("project", one.name) for one in facts.authority)]
    names = ("release.upload", "project.create", "project.manage", "second-factor.remove-last", "token.mint")
    asked = [
        replace(facts, asking=asking, action=name, object=thing)
        for asking in askings
        for name in (*names, "project.delete")
        for thing in things
    ]
    return [one for one in asked if CATALOGUE[one.action].gated]


def looser_cases(before: Ledger, after: Ledger, facts: Facts, instants: Sequence[datetime]) -> list[Facts]:
    return [
        question
        for at in instants
        if at >= NOW and at >= (facts.person.joined_at or at)
        for question in every_question(facts, at)
        if decide(question, before.live_at(at), at).verdict == "deny"
        and decide(question, after.live_at(at), at).verdict != "deny"
        and decide(question, before.live_at(at), at).code != "deletion-held"
    ]


@settings(max_examples=10, deadline=None)
@given(mandates(), mandates(), persons(), st.lists(DAYS, min_size=1, max_size=2), st.booleans())
@example(
    mandate(stages=[enforced(NOW - 10 * DAY)]),
    mandate(stages=[enforced(NOW + DAY)]),
    person(factors=()),
    [0],
    False,
)
def test_no_question_finds_a_loosening_that_the_plan_has_not(
    old: Mandate, new: Mandate, facts: Facts, days: list[int], is_here: bool
) -> None:
    """Whatever is refused before and allowed after, to somebody here or to somebody who may come, makes it a loosening."""
    before = with_version(NOBODY, Policy(old, 1), LONG_AGO)
    found = plan(before, new, *([facts] if is_here else []), version=2)
    after = with_version(before, Policy(new, 2))
    instants = [NOW + day * DAY + part for day in days for part in (-TICK, timedelta(), timedelta(hours=5))]
    if looser_cases(before, after, facts, instants):
        assert found.is_loosening


@settings(max_examples=40, deadline=None)
@given(mandates(), mandates(), persons(), persons(), INSTANTS)
def test_people_of_a_group_get_the_same_decisions(
    first: Mandate, second: Mandate, ada: Facts, bob: Facts, at: datetime
) -> None:
    policies = (Policy(first, 1), Policy(second, 2))
    groups = group_people([ada, bob], policies)
    if len(groups) == 1 and at >= NOW:
        for one, other in zip(every_question(ada, at), every_question(bob, at), strict=False):
            if one.object is None and other.object is None:
                assert decide(one, policies[:1], at) == decide(other, policies[:1], at)


def test_alike_people_are_one_group_however_many() -> None:
    people = (
        person(f"p{number}", joined_at=LONG_AGO + number * timedelta(minutes=1),
               authority=(Authority("project", f"alpha-{number}", "owner", LONG_AGO),))
        for number in range(3000)
    )  # fmt: skip
    (group,) = group_people(people, (Policy(mandate()),))
    assert (group.count, len(group.names)) == (3000, 5)
