"""The exchange over HTTP: what is answered, what is kept, and what a refusal leaves behind."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from tests.credentials.tokens.conftest import make_project, make_user
from tests.credentials.trusted_publishers.runs import (
    SHA,
    github_claims,
    identity,
    know_issuer,
    publisher_of,
    sign,
)

from keyhouse.accounts.models import Attempt, User
from keyhouse.audit.models import Record
from keyhouse.core import clock, configuration, keys
from keyhouse.core.errors import CredentialInvalid
from keyhouse.credentials.tokens.authentication import identify, spend
from keyhouse.credentials.tokens.macaroons import read_text
from keyhouse.credentials.trusted_publishers import keeping
from keyhouse.credentials.trusted_publishers.models import MintedToken, Publisher, SpentIdentity
from keyhouse.mail.models import Mail
from keyhouse.projects.models import Project

pytestmark = pytest.mark.django_db
MINT, BURN = "/_/oidc/mint-token", "/_/oidc/burn-token"


@pytest.fixture(autouse=True)
def ring() -> None:
    keys.ensure_ring(configuration.current().key_file)


@pytest.fixture
def ada(db: None) -> User:
    know_issuer()
    return make_user("ada")


@pytest.fixture
def alpha(ada: User) -> Project:
    return make_project("alpha", ada)


@pytest.fixture
def private(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(configuration.current()), "is_private", property(lambda _: True))


def post(path: str, body: Any, **headers: str) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Client().post(path, data, content_type="application/json", headers=headers)


def minted(token: str | None = None, **members: Any) -> str:
    answer = post(MINT, {"token": token or identity(), **members})
    assert answer.status_code == 200, answer.content
    text: str = answer.json()["token"]
    return text


def refused(answer: Any, code: str, status: int = 422) -> str:
    """Return the description of a refusal of the exchange, which has both of its forms."""
    told = answer.json()
    assert (answer.status_code, told["status"], told["errors"][0]["code"]) == (status, status, code), told
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["Cache-Control"] == "no-store"
    assert told["message"]
    assert told["type"].endswith(f"/help/codes/{told['code']}/")
    assert not answer.cookies
    text: str = told["errors"][0]["description"]
    return text


def acting(text: str) -> Any:
    return identify(f"Bearer {text}", network="192.0.2.1", user_agent="", now=clock.now())[0]


# ---- what is asked before


def test_the_audience_is_this_index_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Client().get("/_/oidc/audience")
    assert answer.json() == {"audience": "localhost:8400"}
    assert not answer.cookies
    for url, told, audience in (
        ("https://packages.corp.example", "", "packages.corp.example"),
        ("https://packages.corp.example:8443/", "", "packages.corp.example:8443"),
        ("https://packages.corp.example", "corp-packages", "corp-packages"),
    ):
        environ = {"KEYHOUSE_BASE_URL": url, "KEYHOUSE_OIDC_AUDIENCE": told}
        assert configuration.read(environ).audience == audience
    with pytest.raises(configuration.ConfigurationError):
        configuration.read({"KEYHOUSE_OIDC_AUDIENCE": "two words"})


def test_discovery_as_pep_807_has_it() -> None:
    base = configuration.current().base_url
    answer = Client().get("/.well-known/pytp?discover=%2Flegacy%2F")
    assert answer.json() == {
        "audience-endpoint": f"{base}/_/oidc/audience",
        "token-mint-endpoint": f"{base}/_/oidc/mint-token",
        "features": ["single-use-token", "multi-use-token"],
        "default-features": ["multi-use-token"],
    }
    assert answer["Content-Type"] == "application/vnd.pypi.pytp.v1+json"
    for query in ("", "?discover=", "?discover=%2Fother%2F", "?discover=%2Flegacy%2F&discover=%2F"):
        missing = Client().get(f"/.well-known/pytp{query}")
        assert (missing.status_code, missing["Content-Type"]) == (404, "application/problem+json")
    for accepted, status in (
        ("application/vnd.pypi.pytp.v1+json", 200),
        ("application/json;q=0.5, text/html", 200),
        ("text/html", 406),
        ("application/vnd.pypi.pytp.v2+json", 406),
    ):
        asked = Client().get("/.well-known/pytp?discover=%2Flegacy%2F", headers={"accept": accepted})
        assert asked.status_code == status


@pytest.mark.parametrize("path", ["/_/oidc/audience", MINT, BURN, "/.well-known/pytp"])
def test_other_methods_are_refused_as_a_problem(path: str) -> None:
    answer = Client().generic("PUT", path, b"{}")
    assert (answer.status_code, answer["Content-Type"]) == (405, "application/problem+json")


# ---- minting


def test_an_identity_becomes_a_token_of_fifteen_minutes(ada: User, alpha: Project) -> None:
    publisher = publisher_of(alpha, ada)
    asked_at = clock.now()
    answer = post(MINT, {"token": identity(environment="pypi")}, user_agent="uv/0.13")
    told = answer.json()
    assert (answer.status_code, told["success"]) == (200, True)
    assert not answer.cookies
    assert 900 <= told["expires"] - int(asked_at.timestamp()) <= 902
    token = MintedToken.objects.get()
    assert (token.publisher_ids, token.actions, token.claims["run"], token.claims["sha"]) == (
        [publisher.pk], ["upload"], "4711", SHA,
    )  # fmt: skip
    assert read_text(told["token"], "keyhouse-").identifier == b"m" + token.pk.bytes
    record = Record.objects.get(action="publisher.mint")
    assert (record.about_name, record.credential, record.actor_kind) == ("alpha", token.pk.hex, "publisher")
    assert {"run=4711", f"sha={SHA}"} <= set(record.details["claims"])
    publisher.refresh_from_db()
    assert (publisher.seen_environment, publisher.last_used_claims["run"]) == ("pypi", "4711")
    assert acting(told["token"]).user_id == ada.pk


def test_the_older_address_mints_as_well(ada: User, alpha: Project) -> None:
    publisher_of(alpha, ada)
    assert post("/_/oidc/github/mint-token", {"token": identity()}).status_code == 200


def test_a_minted_token_reaches_the_projects_of_its_publishers_only(ada: User, alpha: Project) -> None:
    """Trap 19 of the public index: all projects that trust the identity, or the one that is asked for."""
    beta, gamma = make_project("beta", ada), make_project("gamma", ada)
    publisher_of(alpha, ada)
    publisher_of(beta, ada)
    publisher_of(gamma, ada, repository="other")
    whole, narrow = acting(minted()), acting(minted(project="Beta"))

    def reached(actor: Any) -> set[str]:
        asked = actor.restrictions.allows
        return {one.name for one in (alpha, beta, gamma) if asked("release.upload", "project", one.pk)}

    assert (reached(whole), reached(narrow)) == ({"alpha", "beta"}, {"beta"})
    assert not whole.restrictions.allows("index.read", "", None)
    assert not whole.restrictions.allows("release.yank", "project", alpha.pk)
    for name in ("gamma", "nowhere"):
        refused(post(MINT, {"token": identity(), "project": name}), "invalid-publisher")


def test_each_identity_is_taken_once(ada: User, alpha: Project) -> None:
    """Trap 5: claimed before anything is looked for, so also where nothing is found, and on the pending path."""
    nobody = identity(repository="acme/other")
    for token, first in ((identity(), ""), (nobody, "invalid-publisher")):
        publisher_of(alpha, ada) if not Publisher.objects.exists() else None
        answer = post(MINT, {"token": token})
        assert answer.status_code == 200 if not first else refused(answer, first)
        refused(post(MINT, {"token": token}), "invalid-reuse-token")
    Publisher.objects.all().delete()
    publisher_of("new-one", ada)
    token = identity()
    minted(token)
    refused(post(MINT, {"token": token}), "invalid-reuse-token")
    assert MintedToken.objects.count() == 2


def test_a_number_stays_spent_beyond_expiry_and_leeway(
    ada: User, alpha: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between expiry and its leeway a token still counts as valid; the mark outlives that, and is purged after it."""
    publisher_of(alpha, ada)
    began = clock.now()
    token = identity()
    minted(token)
    for seconds, code in ((299, "invalid-reuse-token"), (315, "invalid-reuse-token"), (340, "invalid-token")):
        at = began + timedelta(seconds=seconds)
        monkeypatch.setattr(clock, "now", lambda at=at: at)
        keeping.keep(at)
        refused(post(MINT, {"token": token}), code)
    assert SpentIdentity.objects.count() == 1
    keeping.keep(began + timedelta(hours=2))
    assert (SpentIdentity.objects.count(), MintedToken.objects.count()) == (0, 1)
    keeping.keep(began + timedelta(days=32))
    assert MintedToken.objects.count() == 0


BAD_BODIES: dict[str, Any] = {
    "nothing": b"",
    "no JSON": b"token=abc",
    "no object": [],
    "no token": {},
    "token no text": {"token": 5},
    "token empty": {"token": ""},
    "doubled": b'{"token": "a", "token": "b"}',
    "NaN": b'{"token": "a", "x": NaN}',
    "no UTF-8": b'{"token": "\xff"}',
    "deep": b"[" * 60000,
    "purpose": {"token": "a", "purpose": "delete"},
    "purpose no text": {"token": "a", "purpose": ["read"]},
    "project no text": {"token": "a", "project": 7},
    "project too long": {"token": "a", "project": "a" * 201},
    "features no list": {"token": "a", "features": "single-use-token"},
    "features unknown": {"token": "a", "features": ["forever-token"]},
    "features no texts": {"token": "a", "features": [[]]},
    "features both": {"token": "a", "features": ["single-use-token", "multi-use-token"]},
    "no token of that kind": {"token": "abc"},
    "JWT without parts": {"token": "a.b.c"},
}


@pytest.mark.parametrize("path", [MINT, "/_/oidc/github/mint-token"])
def test_bad_bodies_are_refused_and_leave_nothing(ada: User, alpha: Project, path: str) -> None:
    publisher_of(alpha, ada)
    for name, body in BAD_BODIES.items():
        assert refused(post(path, body), "invalid-payload"), name
    left = (MintedToken, SpentIdentity, Record, Mail)
    assert [model.objects.count() for model in left] == [0] * 4


def test_a_large_body_is_refused(ada: User) -> None:
    refused(post(MINT, {"token": "a" * 65536}), "invalid-payload", 413)
    refused(post(MINT, {"token": "a" * 3_000_000}), "invalid-payload", 413)
    assert post(MINT, {"token": "a" * (65536 - 14)}).status_code == 422


def test_what_an_identity_lacks_is_refused_without_telling_what_is_configured(
    ada: User, alpha: Project
) -> None:
    publisher_of(alpha, ada, environment="secret-environment")
    told = set()
    for changes, code in (
        ({"aud": "somebody-else"}, "invalid-token"),
        ({"exp": 1000}, "invalid-token"),
        ({"jti": None}, "invalid-token"),
        ({"iss": "https://evil.example"}, "invalid-payload"),
        ({}, "invalid-publisher"),
        ({"repository": "acme/elsewhere"}, "invalid-publisher"),
    ):
        told.add(refused(post(MINT, {"token": identity(**changes)}), code))
    forged = sign(github_claims(), kid="unknown")
    refused(post(MINT, {"token": forged}), "invalid-token")
    assert not any(word in line for line in told for word in ("secret-environment", "alpha", "anvil"))
    assert MintedToken.objects.count() == 0


def test_too_many_refusals_from_a_network_wait_and_successes_don_t_count(
    ada: User, alpha: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher_of(alpha, ada)
    for _ in range(3):
        minted()
    assert Attempt.objects.count() == 0
    windows = configuration.read({"KEYHOUSE_EXCHANGE_NETWORK_LIMIT": "2/5m"}).exchange_network_limit
    monkeypatch.setattr("keyhouse.accounts.limit_table.Limit.windows", lambda self, factor=1: list(windows))
    for _ in range(2):
        refused(post(MINT, {"token": "abc"}), "invalid-payload")
    token = identity()
    answer = post(MINT, {"token": token})
    refused(answer, "not-enabled", 429)
    assert 0 < int(answer["Retry-After"]) <= 301
    refused(post(BURN, {"token": "abc"}), "not-enabled", 429)
    Attempt.objects.all().delete()
    minted(token)  # what was not looked at is not spent


# ---- burning


def test_burning_ends_a_minted_token_and_tells_nobody_what_was_there(ada: User, alpha: Project) -> None:
    publisher_of(alpha, ada)
    text = minted()
    acting(text)
    for body in (text, text, "keyhouse-abc", text[:-4] + "AAAA", "anything"):
        answer = post(BURN, {"token": body})
        assert (answer.status_code, answer.json()) == (202, {"message": "Accepted"})
    with pytest.raises(CredentialInvalid):
        acting(text)
    assert Record.objects.filter(action="publisher.burn").count() == 1
    for name in ("nothing", "no JSON", "token no text"):
        refused(post(BURN, BAD_BODIES[name]), "invalid-payload")


def test_a_forged_copy_burns_nothing(ada: User, alpha: Project) -> None:
    publisher_of(alpha, ada)
    text = minted()
    assert post(BURN, {"token": text[:-6] + "AAAAAA"}).status_code == 202
    acting(text)


# ---- single use


def test_a_token_for_one_upload_is_spent_by_the_first_of_two(ada: User, alpha: Project) -> None:
    publisher_of(alpha, ada)
    text = minted(features=["single-use-token"])
    first, second = acting(text), acting(text)
    spend(first, clock.now())
    with pytest.raises(CredentialInvalid):
        spend(second, clock.now())
    with pytest.raises(CredentialInvalid):
        acting(text)
    for features in ([], ["multi-use-token"]):
        many = acting(minted(features=features))
        spend(many, clock.now())
        spend(many, clock.now())


# ---- reading


def test_reading_a_public_index_needs_no_token(ada: User, alpha: Project) -> None:
    publisher_of(alpha, ada)
    refused(post(MINT, {"token": identity(), "purpose": "read"}), "not-enabled")


@pytest.mark.usefixtures("private")
def test_a_token_for_reading_uploads_nothing_and_waits_for_no_name(ada: User, alpha: Project) -> None:
    publisher_of("new-one", ada)
    refused(post(MINT, {"token": identity(), "purpose": "read"}), "invalid-publisher")
    publisher_of(alpha, ada)
    scope = acting(minted(purpose="read")).restrictions
    assert scope.allows("index.read", "project", alpha.pk)
    assert not scope.allows("release.upload", "project", alpha.pk)
    assert not scope.allows("project.create", "project", None)
    assert not scope.allows("index.read", "", None)


def test_a_token_that_has_nobody_behind_it_any_more_is_burned_all_the_same(ada: User, alpha: Project) -> None:
    """Trap 21 of the public index: there is no person whose token it would be."""
    publisher = publisher_of(alpha, ada)
    text = minted()
    publisher.delete()
    assert post(BURN, {"token": text}).status_code == 202
    assert MintedToken.objects.get().revoked_at is not None
    record = Record.objects.get(action="publisher.burn")
    assert (record.actor_id, record.account_id) == (None, None)
