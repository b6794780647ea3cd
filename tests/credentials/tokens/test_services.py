from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from tests.credentials.tokens.conftest import MakeToken, SetClock, make_user, session_of

from keyhouse.accounts.models import Email, User
from keyhouse.audit.models import Record
from keyhouse.core import actions, clock
from keyhouse.core.actor import NOBODY, Actor, Strength, host
from keyhouse.core.errors import (
    CredentialWeak,
    EmailUnverified,
    GateUnavailable,
    Refusal,
    RoleRequired,
    SecondFactorRequired,
    StepUpRequired,
)
from keyhouse.credentials.tokens import caveats, macaroons, queries, services
from keyhouse.credentials.tokens.errors import (
    DescriptionTaken,
    TokenAlreadyMade,
    TokenNotFound,
    TokenTermsInvalid,
)
from keyhouse.credentials.tokens.models import Token
from keyhouse.projects.models import Project

pytestmark = pytest.mark.django_db(transaction=True)


def refused(refusal: type[Refusal], mint: MakeToken, **changes: Any) -> None:
    """Assert the refusal, and that it left nothing behind."""
    before = Token.objects.count(), Record.objects.count()
    with pytest.raises(refusal):
        mint(**changes)
    assert (Token.objects.count(), Record.objects.count()) == before


def test_a_token_is_kept_without_its_text_and_audited_once(
    mint: MakeToken, ada: User, alpha: Project
) -> None:
    token, text = mint(description="release job", actions=["read", "upload"])
    assert text.startswith("keyhouse-")
    assert text not in str(Token.objects.values().get())
    assert (token.description, token.actions, token.is_for_all_projects) == (
        "release job",
        ["upload", "read"],
        False,
    )
    assert list(token.projects.all()) == [alpha]
    assert token.strength.methods == {"password", "totp"}
    record = Record.objects.get()
    assert (record.action, record.account_id, record.about_id) == ("token.mint", ada.pk, token.pk.hex)
    assert record.details["projects"] == ["alpha"]
    assert text not in str(record.details)


def test_the_text_carries_what_the_ledger_says(mint: MakeToken, alpha: Project) -> None:
    token, text = mint()
    written = [caveats.parse_caveat(one) for one in macaroons.read_text(text, "keyhouse-").caveats]
    seconds = int(token.minted_at.timestamp()), int(token.expires_at.timestamp())
    assert written == [
        caveats.TimeCaveat(*seconds),
        caveats.ActionsCaveat(frozenset({"upload"})),
        caveats.ProjectsCaveat(frozenset({alpha.pk})),
    ]
    assert token.expires_at - token.minted_at == timedelta(days=30)


@pytest.mark.parametrize(
    "changes",
    [
        {"description": ""},
        {"description": "  "},
        {"description": "x" * 101},
        {"description": "a\nb"},
        {"description": "a\0b"},
        {"expires_in_days": 0},
        {"expires_in_days": 366},
        {"expires_in_days": -1},
        {"actions": []},
        {"actions": ["delete"]},
        {"actions": ["upload", "upload"]},
        {"project_ids": []},
        {"project_ids": None},
        {"project_ids": None, "reason": " "},
        {"project_ids": None, "reason": "x" * 201},
    ],
)
def test_terms_that_cannot_be_are_refused(mint: MakeToken, changes: dict[str, Any]) -> None:
    refused(TokenTermsInvalid, mint, **changes)


def test_all_projects_need_a_reason_and_get_it_kept(mint: MakeToken) -> None:
    token, _ = mint(project_ids=None, reason="publishes several projects")
    assert (token.is_for_all_projects, token.reason) == (True, "publishes several projects")
    assert not token.projects.exists()


def test_somebody_elses_project_and_an_unknown_one_are_refused_alike(
    mint: MakeToken, alpha: Project, beta: Project
) -> None:
    lines = set()
    for ids in ([beta.pk], [10**9], [alpha.pk, beta.pk]):
        with pytest.raises(RoleRequired) as raised:
            mint(project_ids=ids)
        lines.add((raised.value.line, raised.value.fix))
    assert len(lines) == 1
    assert not Token.objects.exists()


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"strength": Strength(frozenset({"password"}), clock.now())}, SecondFactorRequired),
        ({"strength": Strength(frozenset({"password", "recovery_code"}), clock.now())}, SecondFactorRequired),
        ({"kind": "token"}, RoleRequired),
        ({"user_id": None, "kind": "nobody"}, RoleRequired),
    ],
)
def test_weak_sessions_and_other_credentials_mint_nothing(
    mint: MakeToken, ada: User, changes: dict[str, Any], refusal: type[Refusal]
) -> None:
    refused(refusal, mint, by=session_of(ada, **changes))


def test_an_unverified_address_mints_nothing_whatever_the_session_says(mint: MakeToken, ada: User) -> None:
    Email.objects.filter(user=ada).update(verified_at=None)
    for is_said in (True, False):
        refused(EmailUnverified, mint, by=session_of(ada, email_is_verified=is_said))


def test_an_old_proof_asks_for_a_new_one(mint: MakeToken, ada: User) -> None:
    now = clock.now()
    old = Strength(frozenset({"password", "totp"}), now - timedelta(minutes=15, seconds=1))
    refused(StepUpRequired, mint, by=session_of(ada, strength=old))
    mint(by=session_of(ada, strength=Strength(old.methods, now - timedelta(minutes=14))))


def test_nobody_mints_for_somebody_else(mint: MakeToken) -> None:
    refused(RoleRequired, mint, by=session_of(make_user("eve")))


def test_nothing_is_minted_while_nothing_is_wired(mint: MakeToken) -> None:
    actions.unwire()
    refused(GateUnavailable, mint)


def test_a_description_is_unique_among_a_persons_live_tokens(
    mint: MakeToken, ada: User, set_clock: SetClock
) -> None:
    first, _ = mint(description="ci", expires_in_days=1)
    refused(DescriptionTaken, mint, description=" ci ")
    bob = make_user("bob")
    mint(user=bob, by=session_of(bob), description="ci", project_ids=None, reason="several purposes")
    set_clock(clock.now() + timedelta(days=1, seconds=1))
    mint(description="ci", by=session_of(ada))
    first.refresh_from_db()
    assert first.revoked_reason == "expired"
    services.revoke_token(Token.objects.get(user=ada, revoked_at=None), by=session_of(ada))
    mint(description="ci", by=session_of(ada))


def test_the_same_form_sent_twice_makes_one_token(mint: MakeToken) -> None:
    form = {"token_id": uuid.uuid4(), "description": "ci"}
    assert mint(**form) == mint(**form)
    assert (Token.objects.count(), Record.objects.count()) == (1, 1)


def test_a_form_sent_again_later_or_changed_or_by_another_session_shows_nothing(
    mint: MakeToken, ada: User, set_clock: SetClock
) -> None:
    form = {"token_id": uuid.uuid4(), "description": "ci"}
    mint(**form)
    refused(TokenAlreadyMade, mint, **(form | {"description": "other"}))
    refused(TokenAlreadyMade, mint, **form, by=session_of(ada, credential="another session"))
    bob = make_user("bob")
    bobs = {"user": bob, "by": session_of(bob), "project_ids": None, "reason": "several purposes"}
    refused(TokenAlreadyMade, mint, **form, **bobs)
    set_clock(clock.now() + timedelta(minutes=3))
    refused(TokenAlreadyMade, mint, **form, by=session_of(ada))


def test_a_form_sent_again_after_the_token_was_used_or_revoked_shows_nothing(
    mint: MakeToken, ada: User
) -> None:
    def use(token: Token) -> None:
        services.record_use(token.pk, at=clock.now(), network="", client="")

    def revoke(token: Token) -> None:
        services.revoke_token(token, by=session_of(ada))

    for spoil in (use, revoke):
        form = {"token_id": uuid.uuid4()}
        token, _ = mint(**form, description=str(form["token_id"]))
        spoil(token)
        with pytest.raises(TokenAlreadyMade):
            mint(**form, description=str(form["token_id"]))


def in_parallel(count: int, act: Callable[[int], object]) -> list[object]:
    """Run `act` in several threads that start together; return results and refusals."""
    barrier, results = threading.Barrier(count), []

    def run(number: int) -> None:
        barrier.wait()
        try:
            results.append(act(number))
        except Refusal as refusal:
            results.append(refusal)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == count
    return results


def test_one_form_sent_in_parallel_makes_one_token(mint: MakeToken) -> None:
    form = {"token_id": uuid.uuid4(), "description": "ci"}
    results = in_parallel(5, lambda number: mint(**form)[1])
    assert len(set(map(str, results))) == 1
    assert (Token.objects.count(), Record.objects.count()) == (1, 1)


def test_one_description_asked_for_in_parallel_is_given_once(mint: MakeToken) -> None:
    results = in_parallel(5, lambda number: mint(description="ci")[1])
    assert sorted(type(result).__name__ for result in results) == ["DescriptionTaken"] * 4 + ["str"]
    assert (Token.objects.count(), Record.objects.count()) == (1, 1)


def test_a_token_revoked_in_parallel_is_revoked_once(mint: MakeToken, ada: User) -> None:
    token, _ = mint()
    in_parallel(5, lambda number: services.revoke_token(token, by=session_of(ada)))
    assert Record.objects.filter(action="token.revoke").count() == 1
    assert queries.read_change() == 1


def test_revoking_needs_neither_gate_nor_fresh_proof(mint: MakeToken, ada: User) -> None:
    token, _ = mint()
    weak = session_of(ada, "password", strength=Strength(frozenset({"password"})), email_is_verified=False)
    services.revoke_token(token, by=weak, reason="lost")
    token.refresh_from_db()
    assert token.revoked_at is not None
    assert token.revoked_reason == "lost"
    services.revoke_token(token, by=weak)
    assert Record.objects.filter(action="token.revoke").count() == 1


@pytest.mark.parametrize("who", ["eve", "nobody", "operator", "token"])
def test_nobody_revokes_somebody_elses_token(mint: MakeToken, ada: User, who: str) -> None:
    token, _ = mint()
    eve = make_user("eve")
    by: dict[str, Actor] = {
        "eve": session_of(eve),
        "nobody": NOBODY,
        "operator": session_of(eve, is_operator=True),
        "token": session_of(eve, kind="token"),
    }
    with pytest.raises(TokenNotFound):
        services.revoke_token(token, by=by[who])
    assert Token.objects.get().revoked_at is None
    assert not Record.objects.filter(action="token.revoke").exists()


def test_the_host_makes_tokens_of_any_past_strength_and_time(
    mint: MakeToken, ada: User, beta: Project
) -> None:
    at = datetime.fromisoformat("2023-01-01T00:00:00Z")
    token, _ = mint(
        by=host(), minted_at=at, strength=Strength(frozenset({"password"}), at), project_ids=[beta.pk]
    )
    assert (token.minted_at, token.expires_at) == (at, at + timedelta(days=30))
    assert not token.strength.has_second_factor
    token, _ = mint(by=host(), project_ids=None)
    assert token.reason


def test_nobody_but_the_host_tells_strength_and_time(mint: MakeToken, ada: User) -> None:
    at = datetime.fromisoformat("2023-01-01T00:00:00Z")
    token, _ = mint(minted_at=at, strength=Strength(frozenset({"webauthn"}), at))
    assert token.strength.methods == {"password", "totp"}
    assert token.minted_at > at


def test_a_weak_token_cannot_mint_another_one(mint: MakeToken, ada: User) -> None:
    with pytest.raises((CredentialWeak, RoleRequired)):
        mint(by=session_of(ada, kind="token", strength=Strength(frozenset({"password"}), clock.now())))


def test_the_last_use_is_written_once_a_minute(mint: MakeToken) -> None:
    token, _ = mint()
    start = clock.now()
    for seconds, network in ((0, "192.0.2.1"), (59, "192.0.2.2"), (60, "192.0.2.3")):
        services.record_use(
            token.pk, at=start + timedelta(seconds=seconds), network=network, client="twine" * 99
        )
    token.refresh_from_db()
    assert (token.last_used_at, token.last_used_network) == (start + timedelta(seconds=60), "192.0.2.3")
    assert len(token.last_used_client) == 300
