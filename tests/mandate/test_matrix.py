"""Every gated action by every class of session and credential, before, at and after an instant, over HTTP.

The doors come from the routes themselves, so a new one is in it without a line here. What is expected is decided on facts
that are put together by hand, not gathered; what is observed is the answer of the door.
"""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.db import transaction
from django.urls import URLPattern, URLResolver, get_resolver
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.distfiles.builders import build_wheel
from tests.mandate.conftest import SetClock
from tests.mandate.stored import ANNOUNCED, ENFORCED, document, make_project, make_user, retire_default, store
from tests.mandate.strategies import NAMES, START, _instant, _policy
from tests.mandate.visiting import Visit, asked_by, code_of, token_of
from tests.publishing.driver import upload
from tests.publishing.world import make_file, make_release

from keyhouse import storage
from keyhouse.accounts.cookies import cookie_name
from keyhouse.accounts.models import Authenticator, Email, User
from keyhouse.accounts.sessions import start_session
from keyhouse.core import actions, clock, configuration, keys
from keyhouse.core.actions import CATALOGUE
from keyhouse.core.actor import host
from keyhouse.mandate import services, writing
from keyhouse.mandate.documents import read_mandate
from keyhouse.mandate.facts import Asking, Authority, Facts, Notice, Object, Person
from keyhouse.mandate.gates import REFUSALS
from keyhouse.mandate.models import Exemption, MandateVersion
from keyhouse.mandate.models import Notice as NoticeRow
from keyhouse.mandate.rules import Decision, Policy, decide
from keyhouse.organizations.models import Membership, Organization
from keyhouse.projects.models import KeptRole, Project, Removal, Role

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("wired", "set_clock"),
    pytest.mark.by_turns,
]

TICK, DAY = timedelta(microseconds=1), timedelta(days=1)
KEYS_FROM = ENFORCED + 30 * DAY
JOINED, SINCE = datetime(2020, 1, 1, tzinfo=ANNOUNCED.tzinfo), datetime(2020, 1, 2, tzinfo=ANNOUNCED.tzinfo)
CAMPAIGN = document()
KEYS = document(
    name="keys",
    methods={"accept": ["phishing-resistant"]},
    stages=[
        {"state": "announced", "at": ANNOUNCED, "warn": ["management"]},
        {"state": "enforced", "at": KEYS_FROM, "deny": ["all"]},
    ],
)
POLICIES = [Policy(read_mandate(body), is_floor_exempt=True) for body in (CAMPAIGN, KEYS)]
CLASSES: dict[str, tuple[str, ...]] = {
    "password": ("password",),
    "recovery code": ("password", "recovery_code"),
    "authenticator app": ("password", "totp"),
    "security key": ("password", "webauthn"),
    "passkey": ("passkey",),
}
MOMENTS: dict[str, datetime] = {
    "before it was announced": ANNOUNCED - TICK,
    "announced": ANNOUNCED,
    "just before": ENFORCED - TICK,
    "at the instant": ENFORCED,
    "just before keys": KEYS_FROM - TICK,
    "at the instant of keys": KEYS_FROM,
    "long after": KEYS_FROM + 100 * DAY,
}
# gated, and reached from the command line and inside services only
WITHOUT_DOOR = {
    "emergency.propose",
    "mandate.propose", "user.invite", "user.create", "setup.link", "enrolment.link",
}  # fmt: skip
# gated, and asked inside the door of another action: each has a test of its own below
INSIDE = {
    "token.use",
    "project.create",
    "index.read-private",
    "second-factor.remove-last",
    "switch.set-long",
    "organization.move-project",
}
VALUES = {
    "name": "alpha",
    "version": "1.0",
    "filename": "alpha-1.0-py3-none-any.whl",
    "code": "second-factor-required",
}
NUMBERS = ("1", "00000000-0000-4000-8000-000000000000", "0" * 64)


@pytest.fixture(autouse=True)
def campaign(set_clock: SetClock) -> None:
    keys.ensure_ring(configuration.current().key_file)
    set_clock(ANNOUNCED - 30 * DAY)
    retire_default()
    for body in (CAMPAIGN, KEYS):
        store(body, origin="seeded")


@pytest.fixture
def ada() -> User:
    return owner("ada")


def owner(name: str, **facts: Any) -> User:
    user = make_user(name, **facts)
    make_file(make_release(make_project("alpha", user)), "alpha-1.0-py3-none-any.whl")
    Authenticator.objects.create(user=user, name="phone", secret_sealed="x", created_at=JOINED)
    return user


def found(user: User) -> None:
    """Let somebody own an organization of the name that addresses have here."""
    organization = Organization.objects.create(name="alpha", normalized_name="alpha", created_at=SINCE)
    Membership.objects.create(organization=organization, user=user, kind="owner", since_at=SINCE)


def deleted_of(user: User) -> None:
    """Make what a project left that somebody owned, under the number that addresses have here."""
    removal = Removal.objects.create(
        pk=1,
        kind="project",
        project_key=999,
        project_name="alpha",
        normalized_name="alpha",
        removed_at=SINCE,
        until_at=KEYS_FROM + 1000 * DAY,
    )
    KeptRole.objects.create(removal=removal, user=user, kind="owner", since_at=SINCE)


# ---- the doors, from the routes


def walk(patterns: Any, path: str = "/") -> Iterator[tuple[str, str, str]]:
    """Yield (action, method, an address that exists) of every page."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from walk(pattern.url_patterns, path + filled(pattern))
        elif isinstance(pattern, URLPattern):
            for method, name in getattr(pattern.callback, "actions", {}).items():
                yield name, method, path + filled(pattern)


def filled(pattern: URLPattern | URLResolver) -> str:
    converters = getattr(pattern.pattern, "converters", {})

    def value(found: re.Match[str]) -> str:
        tried = [VALUES[found[1]]] if found[1] in VALUES else []
        return next(one for one in (*tried, *NUMBERS) if re.fullmatch(converters[found[1]].regex, one))

    return re.sub(r"<(?:\w+:)?(\w+)>", value, str(pattern.pattern))


DOORS = [door for door in walk(get_resolver().url_patterns) if CATALOGUE[door[0]].gated]


def test_every_gated_action_has_a_door_here_or_says_why_not() -> None:
    reached = {name for name, _, _ in DOORS} | {"release.upload"}
    assert not reached & WITHOUT_DOOR
    assert reached | WITHOUT_DOOR | INSIDE == {name for name, action in CATALOGUE.items() if action.gated}


# ---- what is expected


def facts_of(action: str, proved: tuple[str, ...], at: datetime, kind: str = "session", **more: Any) -> Facts:
    is_operators = CATALOGUE[action].offices
    person = Person(
        "u1",
        JOINED,
        verified_email=True,
        factors=("authenticator-app",),
        roles=("operator",) if is_operators else (),
        name="ada",
    )
    thing = more.pop("thing", Object("project", "alpha"))
    kinds = (
        ("project", "organization") if thing is not None and thing.kind == "organization" else ("project",)
    )
    held = tuple(Authority(kind_of, "alpha", "owner", SINCE) for kind_of in kinds)
    return Facts(person, Asking(kind, frozenset(proved), at=at), action, held, thing, **more)


def observed(answer: Any) -> str:
    """Return the gate's code, or nothing where the gate let it in; what a form then lacks is of no matter."""
    code = code_of(answer)
    if code in REFUSALS and code != "role-required":
        assert answer.status_code in {302, 303, 403}
        return code
    assert answer.status_code in {200, 302, 303, 400, 404, 409}, (answer.status_code, code)
    return ""


def visit(user: User, proved: tuple[str, ...], at: datetime) -> Visit:
    session, value = start_session(user, proved, at=at)
    browser = Visit()
    browser.client.cookies[cookie_name()] = value
    browser.mark = session.csrf_secret
    return browser


def undone(act: Any) -> Any:
    """Do something, and then let it not have happened."""
    with transaction.atomic():
        answer = act()
        transaction.set_rollback(True)
    return answer


def cells() -> Iterator[tuple[datetime, tuple[str, ...], timedelta]]:
    """Yield (moment, what was proved, how long before) of the whole matrix."""
    for moment in MOMENTS.values():
        for proved in CLASSES.values():
            for age in (timedelta(), timedelta(minutes=16)) if proved == ("passkey",) else (timedelta(),):
                yield moment, proved, age


CELLS = list(cells())
SPREAD = (
    5  # has no divisor in common with how many moments and classes there are: a walk by it meets all of both
)
FIRST = {
    name: (name, method, path) for name, method, path in reversed(DOORS)
}  # the first door of each action
OTHERS = [door for door in DOORS if door != FIRST[door[0]]]


@pytest.mark.parametrize(("action", "method", "path"), FIRST.values(), ids=str)
def test_a_door_answers_what_the_rules_decide(
    action: str, method: str, path: str, set_clock: SetClock
) -> None:
    walk_cells((action, method, path), CELLS, set_clock, has_dry_run=True)


@pytest.mark.parametrize(("number", "door"), list(enumerate(OTHERS)), ids=str)
def test_another_door_of_an_action_answers_the_same(
    number: int, door: tuple[str, str, str], set_clock: SetClock
) -> None:
    walk_cells(door, CELLS[number % SPREAD :: SPREAD], set_clock)


@pytest.mark.slow
@pytest.mark.parametrize("door", OTHERS, ids=str)
def test_another_door_of_an_action_answers_the_same_in_every_cell(
    door: tuple[str, str, str], set_clock: SetClock
) -> None:
    walk_cells(door, CELLS, set_clock)


def test_what_every_door_is_asked_meets_every_moment_and_class() -> None:
    for number in range(SPREAD):
        some = CELLS[number::SPREAD]
        assert {moment for moment, _, _ in some} == set(MOMENTS.values())
        assert {proved for _, proved, _ in some} == set(CLASSES.values())


def walk_cells(
    door: tuple[str, str, str],
    some: list[tuple[datetime, tuple[str, ...], timedelta]],
    set_clock: SetClock,
    *,
    has_dry_run: bool = False,
) -> None:
    """Ask a door in these cells, and where it's said the dry run too, and compare with the rules."""
    action, method, path = door
    user = owner("ada", is_operator=bool(CATALOGUE[action].offices))
    if action == "project.restore":
        deleted_of(user)
    about: dict[str, Any] = {}
    if path.startswith("/manage/organization/"):
        found(user)
        about = {"thing": Object("organization", "alpha")}
    seen = set()
    for moment, proved, age in some:
        set_clock(moment)
        at = moment - age
        facts = facts_of(action, proved, at, **about)
        expected = decide(facts, POLICIES, moment)
        # a page asks before it looks for the thing, and once more when it has it
        at_the_door = decide(replace(facts, object=None), POLICIES, moment)
        first = at_the_door if at_the_door.verdict == "deny" else expected
        browser = visit(user, proved, at)
        answer = undone(lambda: browser.get(path) if method == "GET" else browser.post(path))  # noqa: B023 - called at once
        told = observed(answer)
        assert told == (first.code if first.verdict == "deny" else ""), (proved, moment, age)
        if method == "GET" and expected.verdict != "deny":
            assert ("Deprecation" in answer.headers) is (expected.verdict == "warn"), (proved, moment)
        if has_dry_run:
            assert undone(lambda: dry_run(browser, action)) == summary(expected)  # noqa: B023 - the same
        seen.add(expected.code)
    assert len(seen) > 1, "something was refused, and something not"


def dry_run(browser: Visit, action: str) -> tuple[str, str, str | None]:
    told = browser.client.get(f"/mandate/check?action={action}&project=alpha").json()
    return told["verdict"], told["code"], told["mandate"]


def summary(decision: Decision) -> tuple[str, str, str | None]:
    return decision.verdict, decision.code, decision.mandate


# ---- doors inside of doors


def test_the_last_factor_stays_or_goes_as_the_rules_decide(ada: User, set_clock: SetClock) -> None:
    app = Authenticator.objects.get()
    for moment in MOMENTS.values():
        set_clock(moment)
        for proved in CLASSES.values():
            expected = decide(facts_of("second-factor.remove-last", proved, moment), POLICIES, moment)
            browser = visit(ada, proved, moment)
            answer = undone(lambda: browser.post(f"/account/second-factors/{app.pk}/remove/"))  # noqa: B023 - called at once
            if proved in {("password",), ("password", "recovery_code")}:
                assert answer.status_code != 200, "an account with a factor isn't changed by less than that"
            elif expected.verdict == "deny":
                assert code_of(answer) == expected.code
            else:
                assert code_of(answer) == ""
    assert Authenticator.objects.count() == 1


# ---- tokens, by the upload


@pytest.fixture
def empty_store() -> None:
    shutil.rmtree(configuration.current().files_folder, ignore_errors=True)
    storage._local.cache_clear()


def push(token: str, path: Path) -> Any:
    credentials = base64.b64encode(f"__token__:{token}".encode()).decode()
    return upload(path, headers={"authorization": f"Basic {credentials}"})


@pytest.mark.parametrize("proved", CLASSES.values(), ids=CLASSES)
@pytest.mark.usefixtures("empty_store")
def test_an_upload_is_answered_what_the_rules_decide(
    ada: User, proved: tuple[str, ...], set_clock: SetClock, tmp_path: Path
) -> None:
    number = 0
    for minted in (ANNOUNCED - 10 * DAY, ANNOUNCED + DAY):
        token = token_of(ada, *proved, minted_at=minted)
        for moment in MOMENTS.values():
            if moment < minted:
                continue
            set_clock(moment)
            number += 1
            for name, acts in (
                ("alpha", ("release.upload",)),
                (f"new-{number}", ("project.create", "release.upload")),
            ):
                thing = Object("project", name)
                told = [
                    decide(facts_of(act, proved, minted, "token", thing=thing), POLICIES, moment)
                    for act in acts
                ]
                denial = next((one for one in told if one.verdict == "deny"), None)
                file = build_wheel(tmp_path, name=name, version=f"2.{number}", filename=None)
                asked = asked_by(token, f"?action=release.upload&project={name}").json()
                assert asked["verdict"] == ("deny" if denial else worst(told)), (name, moment)
                answer = push(token, file)
                assert (answer.status, answer.code if denial else "") == (
                    (403, denial.code) if denial else (200, "")
                ), (name, moment)
                assert Project.objects.filter(normalized_name=name).exists() is (
                    name == "alpha" or not denial
                )


def worst(told: list[Decision]) -> str:
    return max((one.verdict for one in told), key=["allow", "warn", "deny"].index)


# ---- reading a private index


def test_a_private_index_is_read_as_the_rules_decide(
    ada: User, set_clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configuration, "_current", replace(configuration.current(), reads="private"))
    reader = actions.find_reader()
    assert reader is not None
    for moment in MOMENTS.values():
        set_clock(moment)
        for proved in CLASSES.values():
            expected = decide(facts_of("index.read-private", proved, moment), POLICIES, moment)
            browser = visit(ada, proved, moment)
            answer = browser.get("/project/alpha/")
            assert observed(answer) == (expected.code if expected.verdict == "deny" else "")
            cookie = f"{cookie_name()}={browser.client.cookies[cookie_name()].value}"
            found = reader.find_reading("", cookie, "alpha", "192.0.2.1")
            assert (found is not None) is (expected.verdict != "deny")


# ---- any history


PROOFS = [*CLASSES.values(), ("password", "totp", "webauthn")]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**48))
def test_over_any_history_the_dry_run_the_door_and_the_rules_agree(seed: int) -> None:
    chance = Random(seed)  # noqa: S311 - made-up histories
    undone(lambda: one_history(chance))


def one_history(chance: Random) -> None:
    MandateVersion.objects.all().delete()
    rules = [_policy(chance, name) for name in NAMES if chance.random() < 0.8]
    joined = _instant(chance)
    user = make_user("ada", joined_at=joined)
    make_project("one", user, since=_instant(chance))
    if chance.random() < 0.2:
        Email.objects.update(verified_at=None)
    rows = [write(rule) for rule in rules]
    if not rows:
        retire_default()
    notices, exemptions = write_ledgers(chance, user, rows)
    now, proved = _instant(chance), chance.choice(PROOFS)
    role = Role.objects.get(user=user)
    told = Person(f"u{user.pk}", joined, verified_email=user.emails.get().verified_at is not None, name="ada")
    with stood_still(now):
        facts = Facts(
            told,
            Asking("session", frozenset(proved), at=now),
            "project.manage",
            (Authority("project", "one", role.kind, role.since_at),),
            Object("project", "one"),
            notices,
            exemptions,
        )
        live = [replace(rule, version=1) for rule in rules]
        expected = decide(facts, live, now)
        browser = visit(user, proved, now)
        asked = browser.client.get("/mandate/check?action=project.manage&project=one").json()
        assert (asked["verdict"], asked["code"], asked["mandate"], asked["since"], asked["until"]) == (
            (*summary(expected), *(expected.as_dict()[key] for key in ("since", "until")))
        )
        assert observed(browser.get("/manage/project/one/")) == (
            expected.code if expected.verdict == "deny" else ""
        )


class stood_still:  # noqa: N801 - it reads as a statement
    """Let time stand at an instant."""

    def __init__(self, instant: datetime) -> None:
        self._instant, self._before = instant, clock.now

    def __enter__(self) -> None:
        clock.now = lambda: self._instant

    def __exit__(self, *error: object) -> None:
        clock.now = self._before


def write(rule: Policy) -> MandateVersion:
    """Seed it by the very service that the seeder calls; an applied one has the notice floor."""
    row = services.seed_version(rule.mandate, approved_by=["ada", "bob"], by=host())
    if not rule.is_floor_exempt:
        row.origin = MandateVersion.Origin.APPLIED
        row.save(update_fields=["origin"])
        writing.mark_change()
    return row


def write_ledgers(
    chance: Random, user: User, rows: list[MandateVersion]
) -> tuple[tuple[Notice, ...], tuple[Any, ...]]:
    from keyhouse.mandate.facts import Exempted  # noqa: PLC0415 - only here

    notices, exemptions = [], []
    for row in rows:
        if chance.random() < 0.5:
            told = _instant(chance)
            NoticeRow.objects.create(user=user, mandate=row.name, kind="shown", delivered_at=told)
            notices.append(Notice(row.name, "shown", told))
        if chance.random() < 0.2:
            since = _instant(chance)
            Exemption.objects.create(
                user=user, version=row, reason="r", until=since + 60 * DAY, proposed_at=START,
                proposed_by="eve", approved_at=START, approved_by=["bob"], effective_at=since,
            )  # fmt: skip
            exemptions.append(Exempted(row.name, row.version, since + 60 * DAY, since))
    return tuple(notices), tuple(exemptions)


def test_the_classes_and_moments_meet_every_verdict() -> None:
    """The matrix would prove little if it never met a warning, or a key that is asked for."""
    met: Mapping[str, set[str]] = {"session": set(), "token": set()}
    for kind, found in met.items():
        for proved in CLASSES.values():
            for moment in MOMENTS.values():
                decision = decide(facts_of("token.mint", proved, ANNOUNCED - DAY, kind), POLICIES, moment)
                found.add(f"{decision.verdict} {decision.code}".strip())
    assert {"allow", "warn credential-weak", "deny credential-weak"} <= met["token"]
    assert {"deny stronger-factor-required", "deny second-factor-required"} <= met["session"]
