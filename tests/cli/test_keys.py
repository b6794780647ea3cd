from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from django.apps import apps
from django.db import models
from tests.cli.places import ADA, Place

from keyhouse.accounts import sealed
from keyhouse.accounts.cookies import cookie_name
from keyhouse.accounts.drafts import change_draft, read_draft
from keyhouse.accounts.models import Authenticator, OneTimeLink, Session, User
from keyhouse.accounts.second_factors.totp import rules as totp
from keyhouse.accounts.second_factors.totp.services import accept_code, enrol_authenticator
from keyhouse.accounts.sessions import find_actor_by_cookie, start_session
from keyhouse.cli import keys as command
from keyhouse.core import clock, configuration, keys
from keyhouse.core.actor import Strength, host
from keyhouse.core.errors import CredentialInvalid, NotFound
from keyhouse.credentials.tokens.authentication import identify
from keyhouse.credentials.tokens.services import mint_token, revoke_token
from keyhouse.web.wiring import wire_all


def test_no_sealed_column_is_forgotten() -> None:
    found = {
        (model, field.name)
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.Field) and "sealed" in field.name
        if not isinstance(field, models.DateTimeField)  # when something was, of the audit log
    }
    assert found == {(column.model, column.name) for column in sealed.COLUMNS}


@pytest.fixture
def ring() -> Iterator[str]:
    """Leave the key file of these tests as it was."""
    wire_all()
    path = configuration.current().key_file
    before = path.read_bytes()
    yield keys.ring().newest.id
    path.write_bytes(before)
    keys._cached = None


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create(username="ada", joined_at=clock.now())


def rotate() -> keys.KeyRing:
    ring = keys.rotate_ring(configuration.current().key_file)
    sealed.reseal_secrets(ring)
    return ring


def test_everything_lives_on_after_a_rotation(ring: str, ada: User) -> None:
    secret = totp.new_secret()
    enrol_authenticator(ada, secret, by=host())
    session, value = start_session(ada, ["password", "totp"])
    change_draft(session, totp="something under way")
    strength = Strength(frozenset({"totp"}), clock.now())
    token, text = mint_token(
        ada,
        description="ci",
        project_ids=None,
        expires_in_days=30,
        actions=["upload"],
        by=host(),
        strength=strength,
    )
    newest = rotate().newest.id
    assert newest != ring
    assert sealed.count_by_key(keys.ring()) == {newest: 2}
    now = clock.now()
    assert find_actor_by_cookie(f"{cookie_name()}={value}", now) is not None
    assert read_draft(Session.objects.get()) == {"totp": "something under way"}
    assert identify(f"Bearer {text}", network="", user_agent="", now=now)[0].credential == token.pk.hex
    accept_code(ada.pk, totp.code_at(secret, totp.step_at(now)), now=now)


def test_a_rotation_that_was_interrupted_is_finished_by_the_next(ring: str, ada: User) -> None:
    for _ in range(3):
        enrol_authenticator(ada, totp.new_secret(), by=host())
    keys.rotate_ring(configuration.current().key_file)  # killed before anything was sealed anew
    assert sealed.count_by_key(keys.ring()) == {ring: 3}
    newest = rotate().newest.id
    assert sealed.count_by_key(keys.ring()) == {newest: 3}
    assert sealed.reseal_secrets(keys.ring()) == 0


def test_a_secret_that_changes_meanwhile_is_not_overwritten(
    ring: str, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = enrol_authenticator(ada, totp.new_secret(), by=host())
    fresh = keys.rotate_ring(configuration.current().key_file)
    replaced = fresh.seal("totp", b"another secret")
    original = keys.KeyRing.reseal

    def reseal(self: keys.KeyRing, purpose: str, text: str) -> str:
        Authenticator.objects.filter(pk=app.pk).update(secret_sealed=replaced)
        return original(self, purpose, text)

    monkeypatch.setattr(keys.KeyRing, "reseal", reseal)
    assert sealed.reseal_secrets(fresh) == 0
    assert Authenticator.objects.get().secret_sealed == replaced


def test_what_no_key_opens_is_left_as_it_is(ring: str, ada: User) -> None:
    Authenticator.objects.create(user=ada, name="old", secret_sealed="garbage", created_at=clock.now())
    rotate()
    assert Authenticator.objects.get().secret_sealed == "garbage"
    assert sealed.count_by_key(keys.ring()) == {"": 1}


def test_a_key_is_kept_while_anything_needs_it(ring: str, ada: User) -> None:
    token, _ = mint_token(
        ada, description="ci", project_ids=None, expires_in_days=30, actions=["read"], by=host()
    )
    newest = keys.rotate_ring(configuration.current().key_file).newest.id
    OneTimeLink.objects.create(
        purpose="invitation",
        digest="ab" * 32,
        made_at=clock.now(),
        expires_at=clock.now(),
        draft_sealed=keys.KeyRing(keys.ring().keys[1:]).seal("link-draft", b"{}"),
    )
    with pytest.raises(command.KeyNeeded, match=r"1 API tokens, the last until .* and 1 sealed secrets"):
        command.retire.callback(ring, as_json=False)  # type: ignore[misc]  # click keeps the function there
    sealed.reseal_secrets(keys.ring())
    with pytest.raises(command.KeyNeeded, match="1 API tokens"):
        command.retire.callback(ring, as_json=False)  # type: ignore[misc]  # the same
    with pytest.raises(command.KeyNeeded, match="in use"):
        command.retire.callback(newest, as_json=False)  # type: ignore[misc]  # the same
    with pytest.raises(NotFound):
        command.retire.callback("nonsense", as_json=False)  # type: ignore[misc]  # the same
    assert [key.id for key in keys.ring().keys] == [newest, ring]
    revoke_token(token, by=host())
    command.retire.callback(ring, as_json=False)  # type: ignore[misc]  # the same
    assert [key.id for key in keys.read_ring(configuration.current().key_file).keys] == [newest]


def test_a_key_that_is_used_at_the_last_moment_comes_back(
    ring: str, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = keys.ring()
    newest = keys.rotate_ring(configuration.current().key_file).newest.id
    retire = keys.retire_key

    def retire_and_seal(path: object, key_id: str) -> keys.RootKey:
        found = retire(configuration.current().key_file, key_id)
        secret = older.seal("totp", b"sealed by a process that had not noticed")
        Authenticator.objects.create(user=ada, name="late", secret_sealed=secret, created_at=clock.now())
        return found

    monkeypatch.setattr(keys, "retire_key", retire_and_seal)
    with pytest.raises(command.KeyNeeded):
        command.retire.callback(ring, as_json=False)  # type: ignore[misc]  # click keeps the function there
    assert [key.id for key in keys.read_ring(configuration.current().key_file).keys] == [newest, ring]


def test_a_token_dies_with_its_key(ring: str, ada: User) -> None:
    _, text = mint_token(
        ada, description="ci", project_ids=None, expires_in_days=30, actions=["read"], by=host()
    )
    path = configuration.current().key_file
    keys.rotate_ring(path)
    keys.retire_key(path, ring)
    with pytest.raises(CredentialInvalid):
        identify(f"Bearer {text}", network="", user_agent="", now=clock.now())


@pytest.mark.database
def test_the_commands_tell_what_they_did(index: Place) -> None:
    index.seed({"users": [ADA], "tokens": [{"user": "ada"}]})
    [first] = index.json("keys", "list", "--json")
    assert (first["tokens"], first["secrets"]) == (1, 1)
    assert "1 secrets sealed" in index.keyhouse("keys", "rotate")
    newest, older = index.json("keys", "list", "--json")
    assert (newest["secrets"], newest["tokens"], older["secrets"], older["tokens"]) == (1, 0, 0, 1)
    refused = index.run("keys", "retire", older["id"])
    assert refused.returncode == 1
    assert refused.stderr.startswith("key-needed: This key is still needed by 1 API tokens, the last until")
    index.keyhouse("token", "revoke", json.loads(index.keyhouse("token", "list", "--json"))["id"])
    index.keyhouse("keys", "retire", older["id"])
    assert [key["id"] for key in index.json("keys", "list", "--json")] == [newest["id"]]
    logged = index.keyhouse("audit", "--action", "host.command")
    assert "keys rotate" in logged
    assert "keys retire" in logged


def test_rotating_and_retiring_tell_programs_what_they_did(ring: str, ada: User) -> None:
    secret = keys.ring().seal("totp", b"of ada")
    Authenticator.objects.create(user=ada, name="app", secret_sealed=secret, created_at=clock.now())
    done = CliRunner().invoke(command.command, ["rotate", "--json"])
    assert json.loads(done.stdout) == {"key": keys.ring().newest.id, "secrets": 1}
    done = CliRunner().invoke(command.command, ["retire", ring, "--json"])
    assert json.loads(done.stdout) == {"key": ring, "retired": True}
    assert isinstance(CliRunner().invoke(command.command, ["retire", ring, "--json"]).exception, NotFound)
