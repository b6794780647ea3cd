"""Tokens that were made below the strength a mandate asks for: shown, refused, ended (G5, A5, A6)."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.distfiles.builders import build_wheel
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
from tests.mandate.visiting import Visit
from tests.publishing.driver import Answer, upload

from keyhouse import storage
from keyhouse.accounts.models import User
from keyhouse.audit.models import Record
from keyhouse.core import clock, configuration
from keyhouse.core.actor import Strength, host
from keyhouse.core.errors import RoleRequired
from keyhouse.core.foresight import Outlook, find_foresight
from keyhouse.credentials.tokens import services
from keyhouse.credentials.tokens.ledger import outlook_of_new
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.tokens.queries import credential_of
from keyhouse.mandate import dispositions
from keyhouse.mandate.dispositions import count_by_class, revoke_due_tokens
from keyhouse.mandate.facts import Asking
from keyhouse.mandate.models import Exemption, MandateVersion, Notice
from keyhouse.mandate.own_ledger import weak_tokens_of
from keyhouse.mandate.previews import _live_tokens
from keyhouse.mandate.rules import FINISH_WITHIN
from keyhouse.projects.models import File

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("wired")]

DAY = timedelta(days=1)
BEFORE, GRACE = ANNOUNCED - 10 * DAY, ANNOUNCED + 10 * DAY
CAP = ENFORCED + timedelta(days=60)
TICK = timedelta(microseconds=1)
SetTime = Callable[[datetime], None]


@pytest.fixture(autouse=True)
def at(monkeypatch: pytest.MonkeyPatch) -> SetTime:
    def set_to(instant: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: instant)

    set_to(BEFORE)
    return set_to


@pytest.fixture
def ada() -> User:
    """Return the owner of alpha, whom the campaign covers and no notice has reached."""
    ada = make_user("ada")
    make_project("alpha", ada)
    return ada


def begin(**changes: Any) -> MandateVersion:
    retire_default()
    return store(document(**changes))


Made = tuple[Token, str]


def mint(user: User, at: datetime, *methods: str, days: int = 365, **changes: Any) -> Made:
    terms: dict[str, Any] = {
        "description": f"token {Token.objects.count()}",
        "project_ids": None,
        "expires_in_days": days,
        "actions": ["upload"],
        "by": host(),
        "minted_at": at,
        "strength": session_of(user, *(methods or ("password",)), at=at).strength,
    }
    return services.mint_token(user, **(terms | changes))


def outlook(made: Made) -> Outlook:
    foresight = find_foresight()
    assert foresight is not None
    return foresight.outlooks(made[0].user_id, [credential_of(made[0])])[0]


# ---- through the upload's door


@pytest.fixture(autouse=True)
def empty_store() -> None:
    shutil.rmtree(configuration.current().files_folder, ignore_errors=True)
    storage._local.cache_clear()


def push(made: Made, path: Path) -> Answer:
    credentials = base64.b64encode(f"__token__:{made[1]}".encode()).decode()
    return upload(path, headers={"authorization": f"Basic {credentials}"})


def wheel(folder: Path, version: str) -> Path:
    return build_wheel(folder, version=version)


def pushed(made: Made, folder: Path) -> str:
    """Upload a new release and return what became of it: `ok` or the code of the refusal."""
    path = wheel(folder, f"1.{File.objects.count()}")
    before = File.objects.count()
    answer = push(made, path)
    assert File.objects.count() == before + (answer.status == 200)
    return "ok" if answer.status == 200 else answer.code


def test_a6_a_weak_token_of_the_grace_period_dies_at_the_instant_though_nobody_was_reached(
    ada: User, at: SetTime, tmp_path: Path
) -> None:
    begin()
    at(GRACE)
    late = mint(ada, GRACE)
    assert not Notice.objects.exists()
    seen = []
    for instant in (GRACE, ENFORCED - TICK, ENFORCED, ENFORCED + DAY):
        at(instant)
        seen.append(pushed(late, tmp_path))
    assert seen == ["ok", "ok", "credential-weak", "credential-weak"]
    assert outlook(late).ends_at == ENFORCED


def test_a6_the_instant_of_the_announcement_belongs_to_the_grace_period(ada: User, at: SetTime) -> None:
    begin()
    old, new = mint(ada, ANNOUNCED - DAY), mint(ada, ANNOUNCED)
    at(ANNOUNCED)
    assert [outlook(one).uses_end_at for one in (old, new)] == [CAP, ENFORCED]


def test_a6_a_proof_of_before_makes_no_token_of_before(ada: User, at: SetTime) -> None:
    begin()
    by = session_of(ada, "password", at=ANNOUNCED - timedelta(minutes=5))
    at(ANNOUNCED + timedelta(minutes=5))
    made = mint(ada, ANNOUNCED, by=by, reason="publishes several projects")
    assert made[0].minted_proof_at < ANNOUNCED < made[0].minted_at
    assert outlook(made).ends_at == ENFORCED


def test_a5_a_weak_token_of_before_dies_at_its_owners_deadline(
    ada: User, at: SetTime, tmp_path: Path
) -> None:
    begin()
    old = mint(ada, BEFORE)
    told = ENFORCED - 10 * DAY
    Notice.objects.create(user=ada, mandate="campaign", kind="announcement", delivered_at=told)
    deadline = told + 30 * DAY
    seen = []
    for instant in (ENFORCED, deadline - TICK, deadline):
        at(instant)
        seen.append(pushed(old, tmp_path))
        assert outlook(old).uses_end_at == deadline
    assert seen == ["ok", "ok", "credential-weak"]


def test_a5_where_nobody_was_reached_it_dies_at_the_cap(ada: User, at: SetTime, tmp_path: Path) -> None:
    begin()
    old = mint(ada, BEFORE, days=365)
    at(CAP - TICK)
    assert pushed(old, tmp_path) == "ok"
    at(CAP)
    assert pushed(old, tmp_path) == "credential-weak"


def test_a_strong_token_lives_through_it_all(ada: User, at: SetTime, tmp_path: Path) -> None:
    begin()
    strong = mint(ada, BEFORE, "password", "totp")
    at(CAP + DAY)
    assert pushed(strong, tmp_path) == "ok"
    assert outlook(strong) == Outlook()


def test_enrolling_later_makes_no_weak_token_strong(ada: User, at: SetTime, tmp_path: Path) -> None:
    begin()
    weak = mint(ada, GRACE)
    ada.authenticators.create(name="app", secret_sealed="x", created_at=GRACE)
    at(ENFORCED)
    assert pushed(weak, tmp_path) == "credential-weak"


# ---- when it ends, and why


def test_a_token_is_told_its_end_its_mandate_and_the_title(ada: User, at: SetTime) -> None:
    begin()
    at(GRACE)
    assert outlook(mint(ada, GRACE)) == Outlook(
        True, ENFORCED, "campaign@1", "A second factor for maintainers", uses_end_at=ENFORCED
    )


def test_a_mandate_still_to_come_is_told_of(ada: User, at: SetTime) -> None:
    retire_default()
    store(document(), effective_at=ANNOUNCED + DAY)
    assert outlook(mint(ada, BEFORE)).uses_end_at == CAP


def test_a_weak_token_of_somebody_no_mandate_covers_has_no_end_but_for_new_projects(
    at: SetTime, tmp_path: Path
) -> None:
    begin()
    eve = make_user("eve")
    ends = [outlook(mint(eve, GRACE, actions=acts)) for acts in (["yank"], ["upload"])]
    assert ends[0] == Outlook()
    assert (ends[1].is_weak, ends[1].ends_at, ends[1].uses_end_at) == (True, ENFORCED, None)
    made = mint(eve, GRACE)
    at(ENFORCED)
    assert pushed(made, tmp_path) == "credential-weak"
    make_project("beta", eve)
    assert outlook(mint(eve, GRACE, project_ids=[eve.project_roles.get().project_id])).ends_at == ENFORCED


@pytest.mark.parametrize(("fate", "end"), [("keep", None), ("warn", None), ("refuse", CAP), ("revoke", CAP)])
def test_what_the_mandate_says_of_old_tokens_decides(
    ada: User, at: SetTime, fate: str, end: datetime | None
) -> None:
    begin(credentials={"before": fate})
    at(GRACE)
    found = outlook(mint(ada, BEFORE))
    assert (found.is_weak, found.uses_end_at, found.mandate) == (True, end, "campaign@1")


def test_an_expiry_by_the_mandate_is_told_and_happens(ada: User, at: SetTime, tmp_path: Path) -> None:
    end = GRACE + 20 * DAY
    begin(credentials={"before": "refuse", "grace": "expire", "at": clock.format_instant(end)})
    at(GRACE)
    made = mint(ada, GRACE)
    assert outlook(made).ends_at == end
    at(end - TICK)
    assert pushed(made, tmp_path) == "ok"
    at(end)
    assert pushed(made, tmp_path) == "credential-weak"


def test_an_exemption_moves_the_end(ada: User, at: SetTime) -> None:
    version = begin()
    until = ENFORCED + 20 * DAY
    facts = {"proposed_at": GRACE, "effective_at": GRACE, "until": until}
    Exemption.objects.create(user=ada, version=version, reason="…", **facts)
    at(GRACE)
    assert outlook(mint(ada, GRACE)).ends_at == until


def test_a_token_for_a_project_of_later_ends_sooner_than_one_for_all(ada: User, at: SetTime) -> None:
    begin()
    beta = make_project("beta", ada, since=GRACE)
    alpha = ada.project_roles.get(project__name="alpha").project
    at(GRACE)
    ends = [
        outlook(mint(ada, BEFORE, project_ids=ids)).ends_at
        for ids in ([alpha.pk], [beta.pk], [alpha.pk, beta.pk], None)
    ]
    assert ends == [CAP, ENFORCED, ENFORCED, ENFORCED]


def test_operators_floor_needs_no_mandate(at: SetTime) -> None:
    retire_default()
    weak = mint(make_user("root", is_operator=True), BEFORE)
    assert outlook(weak) == Outlook(True, BEFORE, "operators-floor", uses_end_at=BEFORE)


def test_what_is_foreseen_is_what_the_gate_does(ada: User, at: SetTime, tmp_path: Path) -> None:
    begin()
    for made_at in (BEFORE, ANNOUNCED, GRACE):
        at(made_at)
        made = mint(ada, made_at)
        end = outlook(made).uses_end_at
        assert end is not None
        at(end - TICK)
        assert pushed(made, tmp_path) == "ok"
        at(end)
        assert pushed(made, tmp_path) == "credential-weak"


def test_the_end_that_is_told_is_that_of_anything_a_token_can_do(
    ada: User, at: SetTime, tmp_path: Path
) -> None:
    """Beginning a project has no grace, and a token for all projects can do that too."""
    begin()
    made = mint(ada, BEFORE)
    at(GRACE)
    assert (outlook(made).ends_at, outlook(made).uses_end_at) == (ENFORCED, CAP)
    at(ENFORCED - TICK)
    assert push(made, build_wheel(tmp_path, name="early")).status == 200
    at(ENFORCED)
    assert push(made, build_wheel(tmp_path, name="late")).code == "credential-weak"
    assert pushed(made, tmp_path) == "ok"
    told = ENFORCED + 30 * DAY  # the refusal was shown, and is a notice
    assert outlook(made).uses_end_at == told
    assert (outlook(made).is_refused(told - TICK), outlook(made).is_refused(told)) == (False, True)
    page = Visit(ada)
    page.get("/account/tokens/")
    shown = re.sub(r" \([^()]*\)", "", page.text)  # how far off it is
    assert (
        f"refused for new projects since {ENFORCED:%Y-%m-%d %H:%M} UTC for others: {told:%Y-%m-%d %H:%M} UTC"
        in shown
    )
    page.get("/account/mandate/")
    assert "for new projects until" in page.text


# ---- the table: what was proven, and what is accepted; page, ledger, job and gate say the same

PROVEN = {
    "password": Strength(frozenset({"password"})),
    "code": Strength(frozenset({"password", "recovery_code"})),
    "app": Strength(frozenset({"password", "totp"})),
    "key that syncs": Strength(frozenset({"password", "webauthn"})),
    "key that stays": Strength(frozenset({"password", "webauthn"}), device_bound=True),
    "passkey that syncs": Strength(frozenset({"passkey"}), user_verified=True),
    "passkey that stays": Strength(frozenset({"passkey"}), user_verified=True, device_bound=True),
    "app and key that stays": Strength(frozenset({"password", "totp", "webauthn"}), device_bound=True),
}
KEYS_THAT_STAY = {"key that stays", "app and key that stays"}
STAYS = KEYS_THAT_STAY | {"passkey that stays"}
ACCEPTED = {
    ("device-bound",): STAYS,
    ("device-bound", "authenticator-app"): STAYS | {"app"},
    ("security-key",): KEYS_THAT_STAY | {"key that syncs"},
    ("passkey",): {"passkey that syncs", "passkey that stays"},
    ("phishing-resistant",): STAYS | {"key that syncs", "passkey that syncs"},
    ("authenticator-app",): {"app", "app and key that stays"},
}


@pytest.mark.parametrize("accept", ACCEPTED, ids=" ".join)
def test_page_job_ledger_and_gate_agree_about_every_strength(
    ada: User, at: SetTime, tmp_path: Path, accept: tuple[str, ...]
) -> None:
    begin(methods={"accept": list(accept)}, credentials={"before": "revoke", "grace": "revoke"})
    at(GRACE)
    made = {
        name: mint(ada, GRACE, description=name, strength=replace(strength, at=GRACE))
        for name, strength in PROVEN.items()
    }
    allowed, past = ACCEPTED[accept], ENFORCED + FINISH_WITHIN
    assert {name for name, one in made.items() if outlook(one).ends_at is None} == allowed
    foreseen = {name: outlook_of_new(ada.pk, strength, GRACE).is_weak for name, strength in PROVEN.items()}
    assert {name for name, is_weak in foreseen.items() if not is_weak} == allowed
    at(past)
    assert {name for name, one in made.items() if pushed(one, tmp_path) == "ok"} == allowed
    weak = weak_tokens_of(session_of(ada), past)
    assert {one.token.description for one in weak if one.is_refused} == set(PROVEN) - allowed
    counted = count_by_class(past)
    assert (counted.accepted, counted.grace) == (len(allowed), len(PROVEN) - len(allowed))
    assert {one for tokens in _live_tokens(past).values() for one in tokens} == {
        Asking.of("token", one[0].strength) for one in made.values()
    }
    assert revoke_due_tokens(past) == len(PROVEN) - len(allowed)
    assert set(revoked()) == set(PROVEN) - allowed, "what the gate lets through is never revoked"


@pytest.mark.parametrize("denied", ["token.use", "release.upload", "publishing", "credentials"])
def test_a_refused_token_is_revoked_by_whatever_name_it_is_refused(
    ada: User, at: SetTime, tmp_path: Path, denied: str
) -> None:
    stages = [
        {"state": "announced", "at": ANNOUNCED},
        {"state": "enforced", "at": ENFORCED, "deny": [denied]},
    ]
    begin(stages=stages, credentials={"grace": "revoke"})
    made = mint(ada, GRACE, description="late")
    at(ENFORCED + FINISH_WITHIN)
    assert outlook(made).uses_end_at == ENFORCED
    assert pushed(made, tmp_path) == "credential-weak"
    assert revoke_due_tokens(ENFORCED + FINISH_WITHIN) == 1


def test_what_is_denied_to_others_revokes_nothing(ada: User, at: SetTime, tmp_path: Path) -> None:
    stages = [
        {"state": "announced", "at": ANNOUNCED},
        {"state": "enforced", "at": ENFORCED, "deny": ["project.manage", "token.mint"]},
    ]
    begin(stages=stages, credentials={"grace": "revoke"})
    made = mint(ada, GRACE)
    at(CAP + DAY)
    assert pushed(made, tmp_path) == "ok"
    assert revoke_due_tokens(CAP + DAY) == 0


def test_what_was_live_is_written_down_with_the_token(ada: User, at: SetTime) -> None:
    assert mint(ada, BEFORE)[0].minted_mandate == "default@1"
    begin()
    store(document(name="other"), version=4)
    assert mint(ada, GRACE)[0].minted_mandate == "campaign@1 other@4"
    for number in range(5):
        store(document(name=f"mandate-with-a-rather-long-name-{number}"))
    kept = mint(ada, GRACE)[0].minted_mandate
    assert len(kept) <= 100
    assert kept.startswith("campaign@1 mandate-with-a-rather-long-name-0@1")
    assert kept.endswith(" …")


# ---- counted


def test_tokens_are_counted_by_class_with_their_denominator(ada: User, at: SetTime) -> None:
    begin()
    eve, root = make_user("eve"), make_user("root", is_operator=True)
    mint(ada, BEFORE)
    mint(ada, GRACE)
    mint(ada, GRACE + DAY)
    mint(ada, BEFORE, "password", "totp")
    mint(eve, GRACE)
    mint(root, GRACE)
    mint(ada, BEFORE, days=1)  # ended
    revoked = mint(ada, BEFORE)[0]
    services.revoke_token(revoked, by=host())
    at(GRACE)
    found = count_by_class(GRACE)
    assert found.as_dict() == {"live": 6, "accepted": 2, "weak_before": 2, "weak_in_grace": 2}


def test_many_owners_are_counted_as_few_are(ada: User, at: SetTime, monkeypatch: pytest.MonkeyPatch) -> None:
    begin()
    for made_at in (BEFORE, GRACE):
        mint(ada, made_at)
        mint(make_user(f"eve-{made_at.day}"), made_at)
    few = count_by_class(GRACE)
    monkeypatch.setattr(dispositions, "_FEW", 0)
    assert count_by_class(GRACE) == few
    assert few.as_dict() == {"live": 4, "accepted": 2, "weak_before": 1, "weak_in_grace": 1}


# ---- revoked


def revoked() -> list[str]:
    return sorted(Token.objects.filter(revoked_at__isnull=False).values_list("description", flat=True))


def test_a_mandate_that_revokes_ends_tokens_at_their_deadline_and_says_so(ada: User, at: SetTime) -> None:
    begin(credentials={"before": "revoke", "grace": "revoke"})
    mint(ada, BEFORE, description="old")
    mint(ada, GRACE, description="late")
    mint(ada, GRACE, "password", "totp", description="strong")
    mint(make_user("eve"), GRACE, description="uncovered")
    assert revoke_due_tokens(ENFORCED + FINISH_WITHIN - TICK) == 0
    assert revoke_due_tokens(ENFORCED + FINISH_WITHIN) == 1
    assert revoked() == ["late"]
    assert revoke_due_tokens(CAP + FINISH_WITHIN) == 1
    assert revoked() == ["late", "old"]
    assert revoke_due_tokens(CAP + DAY) == 0
    assert Token.objects.get(description="old").revoked_reason == "mandate campaign@1"
    records = Record.objects.filter(action="token.revoke")
    assert {one.about_name for one in records} == {"late", "old"}
    for one in records:
        assert (one.actor_kind, one.account_id) == ("job", ada.pk)
        assert one.details == {"reason": "mandate campaign@1"}


def test_only_the_class_that_the_mandate_names_is_revoked(ada: User, at: SetTime) -> None:
    begin(credentials={"before": "keep", "grace": "revoke"})
    mint(ada, BEFORE, description="old")
    mint(ada, GRACE, description="late")
    assert revoke_due_tokens(CAP + DAY) == 1
    assert revoked() == ["late"]


def test_nothing_is_revoked_where_no_mandate_says_so(ada: User, at: SetTime) -> None:
    begin()
    mint(ada, GRACE)
    assert revoke_due_tokens(CAP + DAY) == 0
    assert revoked() == []


def test_a_brownout_is_no_deadline(ada: User, at: SetTime) -> None:
    stages = [
        {"state": "announced", "at": ANNOUNCED},
        {"state": "brownout", "at": ENFORCED, "deny": ["all"]},
        {"state": "reminding", "at": ENFORCED + 2 * DAY},
        {"state": "enforced", "at": ENFORCED + 30 * DAY, "deny": ["all"]},
    ]
    begin(stages=stages, credentials={"grace": "revoke"})
    mint(ada, GRACE)
    assert revoke_due_tokens(ENFORCED + DAY) == 0
    assert revoke_due_tokens(ENFORCED + 3 * DAY) == 0
    assert revoke_due_tokens(ENFORCED + 31 * DAY) == 1


def test_an_exempted_owner_keeps_theirs_until_it_ends(ada: User, at: SetTime) -> None:
    version = begin(credentials={"grace": "revoke"})
    until = ENFORCED + 5 * DAY
    facts = {"proposed_at": GRACE, "effective_at": GRACE, "until": until}
    Exemption.objects.create(user=ada, version=version, reason="…", **facts)
    mint(ada, GRACE)
    assert revoke_due_tokens(until - TICK) == 0
    assert revoke_due_tokens(until) == 1


def test_only_a_job_or_the_host_ends_somebody_elses_token(ada: User, at: SetTime) -> None:
    token = mint(ada, GRACE)[0]
    at(GRACE)
    for by in (session_of(make_user("eve")), session_of(make_user("root", is_operator=True))):
        with pytest.raises(RoleRequired):
            services.end_token(token, by=by, reason="…")
    assert revoked() == []
