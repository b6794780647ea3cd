from __future__ import annotations

import base64
import dataclasses
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.credentials.tokens.conftest import MakeToken, SetClock, make_user, session_of

from keyhouse.accounts.models import Email, User
from keyhouse.core import actions, clock, configuration, keys
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor, at_release
from keyhouse.core.errors import (
    AccountFrozen,
    AccountHeld,
    AccountSuspended,
    CredentialInvalid,
    CredentialWeak,
    EmailUnverified,
    GateUnavailable,
    Refusal,
    RoleRequired,
)
from keyhouse.core.keys import KeyFileError
from keyhouse.credentials.tokens import authentication, caveats, macaroons, services
from keyhouse.credentials.tokens.errors import PasswordNotAccepted
from keyhouse.credentials.tokens.models import Token
from keyhouse.projects.models import Project, Role

pytestmark = pytest.mark.django_db


def basic(text: str, user: str = "__token__") -> str:
    return "Basic " + base64.b64encode(f"{user}:{text}".encode()).decode()


def authenticate(header: str, network: str = "192.0.2.7") -> Actor:
    return authentication.authenticate(header, network=network, user_agent="twine/7", now=clock.now())


def is_refused(header: str, **call: Any) -> None:
    """Assert the one answer that every bad token gets, word for word."""
    with pytest.raises(CredentialInvalid) as raised:
        authenticate(header, **call)
    assert (raised.value.line, raised.value.fix) == (CredentialInvalid().line, CredentialInvalid.fix)
    assert not Token.objects.exclude(last_used_at=None).exists()


def narrow(text: str, *more: bytes) -> str:
    """Attenuate a token as its holder can, without any key."""
    prefix = configuration.current().token_prefix
    macaroon = macaroons.read_text(text, prefix)
    for caveat in more:
        macaroon = macaroons.attenuate(macaroon, caveat)
    return macaroons.text_of(macaroon, prefix)


def upload(actor: Actor, project: Project) -> None:
    actions.require(actor, "release.upload", Thing("project", project.pk, project.normalized_name))


def cannot_upload(refusal: type[Refusal], actor: Actor, project: Project) -> None:
    with pytest.raises(refusal):
        upload(actor, project)


@pytest.mark.parametrize("scheme", ["basic", "Bearer", "bearer", "token", "TOKEN"])
def test_a_token_names_its_minter_and_the_strength_it_was_made_with(
    mint: MakeToken, ada: User, alpha: Project, scheme: str
) -> None:
    token, text = mint()
    actor = authenticate(basic(text) if scheme == "basic" else f"{scheme} {text}")
    assert (actor.kind, actor.user_id, actor.name) == ("token", ada.pk, "ada")
    assert (actor.credential, actor.network, actor.user_agent) == (token.pk.hex, "192.0.2.7", "twine/7")
    assert actor.strength == token.strength
    assert actor.email_is_verified
    assert not actor.is_operator
    upload(actor, alpha)


def test_spaces_around_a_token_do_no_harm(mint: MakeToken) -> None:
    _, text = mint()
    assert authenticate(basic(f"{text}\n")).kind == "token"
    assert authenticate(f"  Bearer   {text} ").kind == "token"


@pytest.mark.parametrize("password", ["correct horse", "", "keyhouse-AgEA"])
def test_a_password_is_refused_whatever_else_is_right(ada: User, password: str) -> None:
    with pytest.raises(PasswordNotAccepted) as raised:
        authenticate(basic(password, user="ada"))
    assert raised.value.line.startswith("password-not-accepted: ")


def test_a_token_under_another_user_name_is_taken_for_a_password(mint: MakeToken) -> None:
    _, text = mint()
    with pytest.raises(PasswordNotAccepted) as raised:
        authenticate(basic(text, user="ada"))
    assert text not in str(raised.value)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic !",
        "Basic " + base64.b64encode(b"__token__").decode(),
        "Basic " + base64.b64encode(b"__token__:\xff").decode(),
        "Bearer",
        "Digest keyhouse-AgEA",
        "Bearer keyhouse-",
        "Bearer keyhouse-AgEA",
        "Bearer keyhouse-\x00",
        "Bearer " + "k" * 20_000,
        "Basic " + "é",
    ],
)
def test_malformed_headers_are_refused_like_bad_tokens(db: None, header: str) -> None:
    is_refused(header)


@given(header=st.text(max_size=80))
@example("Basic " + "A" * 79)
def test_any_header_is_refused_and_breaks_nothing(header: str) -> None:
    for candidate in (header, f"Basic {header}", f"Bearer {header}", f"Bearer keyhouse-{header}"):
        with pytest.raises((CredentialInvalid, PasswordNotAccepted)):
            authenticate(candidate)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=150,
    deadline=None,
)
@given(data=st.data())
def test_a_token_with_a_changed_byte_is_refused(mint: MakeToken, data: st.DataObject) -> None:
    text = Token.objects.exists() or mint()[1]
    if text is True:
        token = Token.objects.get()
        text = services.write_text(token, [token.projects.get().pk])
    whole = bytearray(macaroons.decode(str(text).removeprefix("keyhouse-")))
    position = data.draw(st.integers(0, len(whole) - 1))
    # the location is a hint that nothing rests on, and is not signed
    if not 3 <= position < 3 + whole[2]:
        whole[position] ^= data.draw(st.integers(1, 255))
        changed = base64.urlsafe_b64encode(bytes(whole)).decode().rstrip("=")
        is_refused(f"Bearer keyhouse-{changed}")


def test_an_unknown_token_and_a_forged_one_get_the_same_answer(mint: MakeToken) -> None:
    token, _ = mint()
    for identifier in (token.pk.bytes, uuid.uuid4().bytes, b"short", b""):
        forged = macaroons.text_of(macaroons.mint(b"guess", identifier), "keyhouse-")
        is_refused(f"Bearer {forged}")


def test_a_token_of_another_prefix_is_refused_unless_configured(
    mint: MakeToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, text = mint()
    is_refused("Bearer " + text.replace("keyhouse-", "pypi-"))
    other = dataclasses.replace(configuration.current(), token_prefix="pypi-")
    monkeypatch.setattr(configuration, "_current", other)
    assert authenticate("Bearer " + text.replace("keyhouse-", "pypi-")).kind == "token"


def test_a_token_works_until_its_end_and_no_longer(mint: MakeToken, set_clock: SetClock) -> None:
    token, text = mint(expires_in_days=1)
    set_clock(token.expires_at - timedelta(microseconds=1))
    assert authenticate(f"Bearer {text}").kind == "token"
    Token.objects.update(last_used_at=None)
    for instant in (token.expires_at, token.expires_at + timedelta(days=1)):
        set_clock(instant)
        is_refused(f"Bearer {text}")


def test_the_ledger_can_end_a_token_before_its_text_does(mint: MakeToken) -> None:
    _, text = mint()
    Token.objects.update(expires_at=clock.now())
    is_refused(f"Bearer {text}")


def test_the_text_can_end_a_token_before_the_ledger_does(mint: MakeToken) -> None:
    _, text = mint()
    now = clock.now()
    is_refused("Bearer " + narrow(text, caveats.write_time(None, now - timedelta(seconds=1))))
    is_refused("Bearer " + narrow(text, caveats.write_time(now + timedelta(minutes=1), None)))


@pytest.mark.parametrize("field", ["revoked_at", "suspended_at"])
def test_revoked_and_suspended_tokens_are_refused(mint: MakeToken, field: str) -> None:
    _, text = mint()
    Token.objects.update(**{field: clock.now()})
    is_refused(f"Bearer {text}")


@pytest.mark.parametrize("caveat", [b'["future",1]', b"user = ada", b"", b'["projects",[]]', b"\xff"])
def test_a_caveat_that_is_not_understood_closes_the_token(mint: MakeToken, caveat: bytes) -> None:
    _, text = mint()
    is_refused("Bearer " + narrow(text, caveat))


def test_a_network_caveat_holds_for_the_clients_address(mint: MakeToken) -> None:
    _, text = mint()
    inside = "Bearer " + narrow(text, caveats.write_network(["198.51.100.0/24"]))
    is_refused(inside)
    assert authenticate(inside, network="198.51.100.9").kind == "token"


def test_a_token_reaches_its_own_project_only(
    mint: MakeToken, ada: User, alpha: Project, beta: Project
) -> None:
    Role.objects.create(project=beta, user=ada, kind="owner", since_at=clock.now())
    actor = authenticate("Bearer " + mint()[1])
    upload(actor, alpha)
    cannot_upload(RoleRequired, actor, beta)
    with pytest.raises(RoleRequired):
        actions.require(actor, "project.create", Thing("project", None, "gamma"))
    with pytest.raises(RoleRequired):
        actions.require(actor, "release.yank", Thing("project", alpha.pk, "alpha"))


def test_a_token_for_all_projects_reaches_those_where_its_owner_has_a_role(
    mint: MakeToken, alpha: Project, beta: Project
) -> None:
    actor = authenticate("Bearer " + mint(project_ids=None, reason="several purposes")[1])
    upload(actor, alpha)
    actions.require(actor, "project.create", Thing("project", None, "gamma"))
    cannot_upload(RoleRequired, actor, beta)


def test_the_ledger_narrows_whatever_the_text_says(mint: MakeToken, alpha: Project) -> None:
    token, text = mint(project_ids=None, reason="several purposes")
    Token.objects.update(is_for_all_projects=False)
    cannot_upload(RoleRequired, authenticate(f"Bearer {text}"), alpha)
    token.projects.add(alpha)
    upload(authenticate(f"Bearer {text}"), alpha)
    Token.objects.update(actions=["read"])
    cannot_upload(RoleRequired, authenticate(f"Bearer {text}"), alpha)


def test_attenuation_narrows_and_never_widens(
    mint: MakeToken, ada: User, alpha: Project, beta: Project
) -> None:
    Role.objects.create(project=beta, user=ada, kind="owner", since_at=clock.now())
    _, text = mint(project_ids=None, reason="several purposes")
    narrowed = narrow(text, caveats.write_projects([beta.pk]))
    cannot_upload(RoleRequired, authenticate(f"Bearer {narrowed}"), alpha)
    upload(authenticate(f"Bearer {narrowed}"), beta)
    widened = narrow(
        narrowed, caveats.write_projects([alpha.pk, beta.pk]), caveats.write_actions(caveats.ACTS)
    )
    cannot_upload(RoleRequired, authenticate(f"Bearer {widened}"), alpha)
    with pytest.raises(RoleRequired):
        actions.require(authenticate(f"Bearer {widened}"), "release.yank", Thing("project", beta.pk, "beta"))


def test_a_token_narrowed_to_one_release_uploads_that_one(mint: MakeToken, alpha: Project) -> None:
    actor = authenticate("Bearer " + narrow(mint()[1], caveats.write_release(alpha.pk, "1.0")))
    upload(at_release(actor, "1.0"), alpha)
    cannot_upload(RoleRequired, at_release(actor, "1.1"), alpha)
    cannot_upload(RoleRequired, actor, alpha)


def test_naming_the_release_changes_nothing_for_other_actors(ada: User) -> None:
    session = session_of(ada)
    assert at_release(session, "1.0") is session


def test_a_token_loses_what_its_owner_loses(mint: MakeToken, ada: User, alpha: Project) -> None:
    header = "Bearer " + mint()[1]
    upload(authenticate(header), alpha)
    Role.objects.filter(user=ada).delete()
    cannot_upload(RoleRequired, authenticate(header), alpha)


@pytest.mark.parametrize(
    ("state", "refusal"),
    [
        ("held", AccountHeld),
        ("frozen", AccountFrozen),
        ("password-disabled", AccountHeld),
        ("suspended", AccountSuspended),
    ],
)
def test_a_token_of_an_account_that_rests_is_refused(
    mint: MakeToken, ada: User, alpha: Project, state: str, refusal: type[Refusal]
) -> None:
    header = "Bearer " + mint()[1]
    User.objects.update(state=state)
    cannot_upload(refusal, authenticate(header), alpha)


def test_a_token_of_a_deleted_account_is_unknown(mint: MakeToken) -> None:
    _, text = mint()
    User.objects.update(state="deleted")
    is_refused(f"Bearer {text}")


def test_a_token_needs_the_verified_address_of_its_owner_now(
    mint: MakeToken, ada: User, alpha: Project
) -> None:
    header = "Bearer " + mint()[1]
    Email.objects.update(verified_at=None)
    Email.objects.create(
        user=ada, address="second@example.org", verified_at=clock.now(), added_at=clock.now()
    )
    cannot_upload(EmailUnverified, authenticate(header), alpha)


def test_a_token_made_without_a_second_factor_is_too_weak(mint: MakeToken, ada: User, alpha: Project) -> None:
    header = "Bearer " + mint()[1]
    Token.objects.update(minted_methods=["password", "recovery_code"])
    cannot_upload(CredentialWeak, authenticate(header), alpha)


def test_operators_tokens_carry_no_rights_of_operators(mint: MakeToken, ada: User) -> None:
    User.objects.update(is_operator=True)
    actor = authenticate("Bearer " + mint()[1])
    with pytest.raises(RoleRequired):
        actions.require(actor, "audit.read-all")


def test_tokens_live_on_when_the_root_key_is_rotated(mint: MakeToken) -> None:
    _, text = mint()
    keys.rotate_ring(configuration.current().key_file)
    keys._cached = None
    newer, newer_text = mint()
    assert newer.key_id == keys.ring().newest.id != Token.objects.get(description="token 0").key_id
    for each in (text, newer_text):
        assert authenticate(f"Bearer {each}").kind == "token"


def test_a_database_without_its_key_file_opens_nothing(mint: MakeToken) -> None:
    _, text = mint()
    Token.objects.update(key_id="gone")
    is_refused(f"Bearer {text}")


def test_a_key_file_that_cannot_be_read_is_our_fault(
    mint: MakeToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, text = mint()

    def fail(token: Token) -> bytes:
        raise KeyFileError

    monkeypatch.setattr(services, "key_of", fail)
    with pytest.raises(GateUnavailable):
        authenticate(f"Bearer {text}")


def test_a_use_is_written_down_and_a_refused_one_is_not(mint: MakeToken, beta: Project) -> None:
    token, text = mint()
    authenticate(f"Bearer {text}")
    token.refresh_from_db()
    assert (token.last_used_network, token.last_used_client) == ("192.0.2.7", "twine/7")
    assert token.last_used_at is not None


def test_a_use_that_cannot_be_written_down_stops_nobody(
    mint: MakeToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, text = mint()

    def fail(*_: object, **__: object) -> None:
        raise DatabaseError

    monkeypatch.setattr(services, "record_use", fail)
    assert authenticate(f"Bearer {text}").kind == "token"


def test_identifying_a_credential_costs_two_questions_and_writes_nothing(
    mint: MakeToken, django_assert_num_queries: Any
) -> None:
    _, text = mint()
    with django_assert_num_queries(2):
        authentication.identify(f"Bearer {text}", network="", user_agent="", now=clock.now())


def test_nothing_of_another_persons_token_is_told(mint: MakeToken, alpha: Project, beta: Project) -> None:
    eve = make_user("eve")
    _, text = mint(user=eve, by=session_of(eve), project_ids=None, reason="several purposes")
    actor = authenticate(f"Bearer {text}")
    lines = set()
    for thing in (Thing("project", alpha.pk, "alpha"), Thing("project", beta.pk, "beta")):
        with pytest.raises(RoleRequired) as raised:
            actions.require(actor, "release.upload", thing)
        lines.add(raised.value.line)
    assert len(lines) == 1
