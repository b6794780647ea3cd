"""Attestations by an authority of our own: what the public one's real statements don't show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pypi_attestations import AttestationType
from tests.publishing.attestations.authority import Authority, statement_of
from tests.publishing.attestations.vectors import GITHUB

from keyhouse.core import configuration
from keyhouse.core.errors import Refusal
from keyhouse.publishing.attestations.identities import Expected
from keyhouse.publishing.attestations.reading import tidied
from keyhouse.publishing.attestations.verifying import Subject, verify_all

NAME, SHA256 = "alpha-1.0-py3-none-any.whl", "ab" * 32
SUBJECT = Subject(NAME, SHA256)
HOST = "https://ghe.example.org"
ENTERPRISE = Expected(
    "github", f"{HOST}/_services/token", {"owner": "o", "repository": "r", "workflow": "w.yml"}, "Release"
)
CLAIMS = {
    "issuer": ENTERPRISE.issuer,
    "repository": f"{HOST}/o/r",
    "commit": "c0ffee",
    "ref": "refs/heads/main",
    "owner_id": "7",
    "workflow": f"{HOST}/o/r/.github/workflows/w.yml@refs/heads/main",
    "run": f"{HOST}/o/r/actions/runs/1/attempts/1",
    "environment": "release",
}
PUBLIC = {
    name: value.replace(HOST, "https://github.com") for name, value in CLAIMS.items() if name != "issuer"
} | {"issuer": "https://token.actions.githubusercontent.com"}
GITLAB = {
    "issuer": "https://git.example.org",
    "repository": "https://git.example.org/g/sub/r",
    "ref": "refs/tags/v1",
    "workflow": "https://git.example.org/g/sub/r//ci/publish.yml@refs/tags/v1",
    "environment": "release",
}


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(autouse=True)
def own_roots(tmp_path: Path, authority: Authority) -> Iterator[Path]:
    before, path = configuration.current(), tmp_path / "trusted_root.json"
    path.write_text(authority.trusted_root())
    configuration.use(replace(before, trusted_root=path))
    yield path
    configuration.use(before)


def code_of(expected: Expected, *attestations: dict[str, Any]) -> str:
    try:
        verify_all([tidied(one) for one in attestations], SUBJECT, expected)
    except Refusal as refusal:
        return refusal.code
    return ""


def publisher(provider: str, **facts: Any) -> Expected:
    made = {
        "public": Expected("github", claims=ENTERPRISE.claims, environment="release"),
        "gitlab": Expected(
            "gitlab",
            "https://git.example.org",
            {"namespace": "g/sub", "repository": "r", "workflow": "ci/publish.yml"},
            "release",
        ),
        "custom": Expected("custom", "https://k8s.example.org", {"sub": "system:ci"}),
    }[provider]
    return replace(made, **facts)


def test_an_identity_with_its_environment_is_verified(authority: Authority) -> None:
    found = verify_all([authority.attest(statement_of(NAME, SHA256), CLAIMS)], SUBJECT, ENTERPRISE)
    assert found[0].as_dict() == {
        "predicate": AttestationType.PYPI_PUBLISH_V1.value,
        **{name: CLAIMS[name] for name in ("repository", "commit", "ref", "workflow", "run", "environment")},
    }


@pytest.mark.parametrize(
    ("expected", "claims"),
    [
        (publisher("public"), PUBLIC),
        (publisher("gitlab"), GITLAB),
        (publisher("custom"), {"issuer": "https://k8s.example.org", "subject": "system:ci"}),
        (replace(ENTERPRISE, environment=""), CLAIMS),
        (ENTERPRISE, CLAIMS | {"environment": "RELEASE"}),
    ],
)
def test_roots_of_ones_own_cover_their_issuers(
    expected: Expected, claims: dict[str, str], authority: Authority
) -> None:
    assert code_of(expected, authority.attest(statement_of(NAME, SHA256), claims)) == ""


@pytest.mark.parametrize(
    ("expected", "claims"),
    [
        (ENTERPRISE, CLAIMS | {"environment": "staging"}),
        (ENTERPRISE, {name: value for name, value in CLAIMS.items() if name != "environment"}),
        (ENTERPRISE, CLAIMS | {"environment": ""}),
        (ENTERPRISE, CLAIMS | {"issuer": PUBLIC["issuer"]}),
        (ENTERPRISE, PUBLIC),
        (publisher("public"), CLAIMS),
        (publisher("gitlab"), GITLAB | {"environment": "Release"}),
        (publisher("gitlab"), GITLAB | {"repository": "https://git.example.org/g/sub/r2"}),
        (publisher("custom"), {"issuer": "https://k8s.example.org", "subject": "system:ci2"}),
        (publisher("custom", environment="x"), {"issuer": "https://k8s.example.org", "subject": "system:ci"}),
        (publisher("custom", issuer="https://k9s.example.org"), {"issuer": "https://k8s.example.org"}),
        (replace(ENTERPRISE, claims={**ENTERPRISE.claims, "owner_id": "8"}), CLAIMS),
        (ENTERPRISE, {}),
    ],
)
def test_whatever_else_is_claimed_is_somebody_else(
    expected: Expected, claims: dict[str, str], authority: Authority
) -> None:
    attestation = authority.attest(statement_of(NAME, SHA256), claims)
    assert code_of(expected, attestation) == "attestation-publisher-differs"


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        (statement_of(NAME, SHA256, predicateType="https://example.org/v1"), "attestation-predicate-unknown"),
        (
            statement_of(NAME, SHA256, predicateType=f"{AttestationType.SLSA_PROVENANCE_V1.value}/"),
            "attestation-predicate-unknown",
        ),
        (statement_of(NAME, SHA256, predicateType=["x"]), "attestation-predicate-unknown"),
        (statement_of(NAME, SHA256, predicateType=None), "attestation-predicate-unknown"),
        (statement_of("alpha-1.1-py3-none-any.whl", SHA256), "attestation-file-differs"),
        (statement_of("../alpha-1.0-py3-none-any.whl", SHA256), "attestation-file-differs"),
        (statement_of(NAME, "cd" * 32), "attestation-file-differs"),
        (statement_of(NAME, SHA256, subject=[]), "attestation-file-differs"),
        (
            statement_of(NAME, SHA256, subject=statement_of(NAME, SHA256)["subject"] * 2),
            "attestation-file-differs",
        ),
        (statement_of(NAME, SHA256, subject=[7]), "attestation-file-differs"),
        (statement_of(NAME, SHA256, subject=[{}]), "attestation-file-differs"),
        (
            statement_of(NAME, SHA256, subject=[{"name": NAME, "digest": {"sha512": SHA256}}]),
            "attestation-file-differs",
        ),
        (statement_of(NAME, SHA256, subject=[{"name": NAME, "digest": SHA256}]), "attestation-file-differs"),
        (statement_of(NAME, SHA256, subject={}), "attestation-invalid"),
        (statement_of(NAME, SHA256, _type="https://in-toto.io/Statement/v0.1"), "attestation-invalid"),
        (b"[]", "attestation-invalid"),
        (b"", "attestation-invalid"),
        (b"\xff", "attestation-invalid"),
        (json.dumps(statement_of(NAME, SHA256)).encode()[:-1] + b', "subject": []}', "attestation-invalid"),
    ],
)
def test_what_is_signed_is_not_believed_blindly(statement: Any, code: str, authority: Authority) -> None:
    assert code_of(ENTERPRISE, authority.attest(statement, CLAIMS)) == code


def test_a_claim_with_a_nul_is_no_claim(authority: Authority) -> None:
    attestation = authority.attest(statement_of(NAME, SHA256), CLAIMS | {"run": "\0"})
    assert code_of(ENTERPRISE, attestation) == "attestation-invalid"


def test_both_kinds_are_taken_and_none_twice(authority: Authority) -> None:
    publish = authority.attest(statement_of(NAME, SHA256), CLAIMS)
    slsa = authority.attest(
        statement_of(
            NAME, SHA256, predicateType=AttestationType.SLSA_PROVENANCE_V1.value, predicate={"a": 1}
        ),
        CLAIMS,
    )
    again = authority.attest(statement_of(NAME, SHA256), CLAIMS)
    assert code_of(ENTERPRISE, publish, slsa) == ""
    assert code_of(ENTERPRISE, publish, again) == "attestation-repeated"


def test_nobody_else_vouches(authority: Authority) -> None:
    statement = statement_of(NAME, SHA256)
    others = [
        Authority(),
        replace(authority, key=Authority().key),
        replace(authority, certificates=Authority().certificates),
        replace(authority, signatures=Authority().signatures),
        replace(authority, lives=timedelta(seconds=-1)),  # it had ended when it was used
    ]
    for other in others:
        assert code_of(ENTERPRISE, other.attest(statement, CLAIMS)) == "attestation-invalid"


def test_the_public_roots_count_no_more(vectors: Path) -> None:
    path = vectors / "attestations" / "pypi_attestations-0.0.19.tar.gz.publish.attestation"
    assert code_of(GITHUB, json.loads(path.read_text())) == "attestation-invalid"
