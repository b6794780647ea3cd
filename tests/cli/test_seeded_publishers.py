"""`dev seed` with publishers, and `dev verify` of what such a publisher would take."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm
from tests.cli.test_dev_seed import ADA, LONG_AGO, THEN, refused, seed
from tests.cli.test_dev_verify import ask, code_of
from tests.credentials.trusted_publishers.test_claims import CLAIMS

from keyhouse.core import clock
from keyhouse.credentials.trusted_publishers.models import Issuer, Publisher
from keyhouse.web.wiring import wire_all

OWN = "https://localhost:9443"
GITHUB = {
    "provider": "github", "issuer": OWN, "project": "Alpha", "pending": False,
    "configured_by": "ada", "configured_with": "totp",
    "owner": "o", "owner_id": "1", "repository": "r", "workflow": "release.yml", "environment": "",
}  # fmt: skip
GITLAB = {
    "provider": "gitlab", "project": "alpha", "configured_by": "ada", "configured_with": "totp",
    "namespace": "o/sub", "repository": "r", "workflow": "ci/publish.yml", "environment": "",
}  # fmt: skip
CUSTOM = {
    "provider": "custom", "issuer": OWN, "project": "alpha", "configured_by": "ada", "configured_with": "totp",
    "claims": {"sub": "system:serviceaccount:ci:publisher"},
}  # fmt: skip
ALPHA: dict[str, Any] = {"name": "alpha", "owners": ["ada"]}
AT = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture
def index(db: None) -> None:
    wire_all()
    Issuer.objects.create(url=OWN, provider="github", added_at=clock.now())
    seed(users=[ADA], projects=[ALPHA])


@pytest.mark.usefixtures("index")
def test_publishers_are_as_the_document_says() -> None:
    more = [
        {**GITHUB, "project": "gamma", "pending": True},
        {**GITHUB, "configured_with": "password", "environment": "e"},
    ]
    told = seed(publishers=[GITHUB, GITLAB, CUSTOM, *more])["publishers"]
    rows = list(Publisher.objects.order_by("pk"))
    assert [one["id"] for one in told] == [row.pk for row in rows]
    assert [row.lookup for row in rows] == [
        "o/r",
        "o/sub/r",
        "sub=system:serviceaccount:ci:publisher",
        "o/r",
        "o/r",
    ]
    assert [row.issuer_url for row in rows] == [OWN, "https://gitlab.com", OWN, OWN, OWN]
    assert [row.is_pending for row in rows] == [False, False, False, True, False]
    assert rows[0].claims == {"owner": "o", "owner_id": "1", "repository": "r", "workflow": "release.yml"}
    assert rows[0].strength.methods == frozenset({"password", "totp"})
    assert rows[4].strength.methods == frozenset({"password"})
    assert (rows[3].pending_name, rows[4].environment) == ("gamma", "e")


@pytest.mark.usefixtures("index")
def test_a_history_can_be_built() -> None:
    seed(publishers=[{**GITHUB, "configured_at": LONG_AGO, "configured_with": "password"}])
    one = Publisher.objects.get()
    assert (one.configured_at, one.strength.at) == (THEN, THEN)


@pytest.mark.usefixtures("index")
def test_every_provider_has_its_fields_and_its_issuer() -> None:
    seed(
        publishers=[
            {"provider": "google", "project": "alpha", "configured_by": "ada", "email": "a@b.iam.gserviceaccount.com"},
            {
                "provider": "activestate", "project": "alpha", "configured_by": "ada",
                "organization": "acme", "repository": "widget", "actor_id": "1-2",
            },
        ]
    )  # fmt: skip
    assert list(Publisher.objects.order_by("pk").values_list("lookup", flat=True)) == [
        "a@b.iam.gserviceaccount.com",
        "acme/widget",
    ]


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"workflow": "../x.yml"}, "publishers[0]: publisher-invalid: Workflow file"),
        ({"project": "beta"}, "publishers[0]: project-not-found"),
        ({"configured_by": "bob"}, "there is no user 'bob'"),
        ({"provider": "forge"}, "publisher-invalid"),
        ({"issuer": "https://evil.example.com"}, "issuer-missing"),
        ({"namespace": "x"}, "publisher-invalid"),
        ({"branch": "x"}, "unknown key 'branch'"),
        ({"owner": 1}, "publisher-invalid"),
        ({"pending": True}, "name-refused"),
    ],
)
def test_publishers_that_can_not_be_are_named(changes: dict[str, Any], told: str) -> None:
    assert told in refused(publishers=[{**GITHUB, **changes}])
    assert not Publisher.objects.exists()


@lru_cache
def key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def question(
    provider: str = "github", publisher: dict[str, Any] | None = None, **claims: Any
) -> dict[str, Any]:
    at = int(AT.timestamp())
    told = {**CLAIMS[provider], "iss": OWN, "aud": "here", "iat": at, "exp": at + 300, **claims}
    text = jwt.encode(told, key(), algorithm="RS256", headers={"kid": "k"})
    jwk = {**json.loads(RSAAlgorithm.to_jwk(key().public_key())), "kid": "k", "alg": "RS256", "use": "sig"}
    asked = {"kind": "oidc", "token": text, "provider": provider, "issuer": OWN, "jwks": {"keys": [jwk]}}
    trusted = publisher or {
        "provider": provider,
        "owner": "acme",
        "repository": "widget",
        "workflow": "release.yml",
    }
    return {**asked, "audience": "here", "at": clock.format_instant(AT), "publisher": trusted}


def test_an_identity_is_judged_as_the_exchange_does() -> None:
    found = ask(**question())
    assert (found["ok"], found["claims"]["run"], found["ids"]["owner_id"]) == (True, "99", "12")
    assert code_of(**question(environment=1)) == "identity-refused"
    assert code_of(**question(event_name="pull_request_target")) == "identity-refused"
    assert code_of(**question(repository="evil/widget")) == "publisher-unmatched"
    assert code_of(**question(aud="there")) == "identity-audience"
    assert code_of(**question(iss="https://evil.example.com")) == "issuer-unknown"
    assert code_of(**question(jti=None)) == "identity-number-missing"
    assert code_of(**{**question(), "at": clock.format_instant(AT + timedelta(hours=1))}) == "identity-times"
    assert code_of(**{**question(), "jwks": {"keys": []}}).startswith("identity-")
    assert code_of(**{**question(), "publisher": {"provider": "github"}}) == "publisher-invalid"
    elsewhere = {**question()["publisher"], "issuer": "https://other.example.com"}
    assert code_of(**{**question(), "publisher": elsewhere}) == "publisher-unmatched"
    assert code_of(**{**question(), "provider": "forge"}) == "publisher-invalid"


def test_an_identity_is_judged_by_claims_that_were_written_down() -> None:
    trusted = {**CUSTOM, "claims": {"sub": "system:serviceaccount:ci:publisher"}}
    assert ask(**question("custom", trusted))["ok"]
    assert (
        code_of(**question("custom", trusted, sub="system:serviceaccount:ci:other")) == "publisher-unmatched"
    )
