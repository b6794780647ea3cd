"""Attestations against real ones and against broken ones: what holds, and which sentence refuses the rest."""

from __future__ import annotations

import base64
import copy
import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from pypi_attestations import AttestationType
from tests.publishing.attestations.vectors import ALL, GITHUB, GITLAB, PUBLISHERS, load, subject_of

from keyhouse.core import configuration
from keyhouse.core.errors import Refusal
from keyhouse.publishing.attestations.errors import (
    AttestationInvalid,
    AttestationRepeated,
    IssuerNotCovered,
    TrustedRootDamaged,
)
from keyhouse.publishing.attestations.identities import Expected, find_difference
from keyhouse.publishing.attestations.reading import LARGEST, read_document, read_field
from keyhouse.publishing.attestations.signers import Signer
from keyhouse.publishing.attestations.verifying import Subject, provenance_of, require_roots, verify_all

SDIST = "pypi_attestations-0.0.19.tar.gz"
PUBLISH, SLSA = f"{SDIST}.publish.attestation", f"{SDIST}.slsa.attestation"


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody open a connection."""

    def refuse(*_: object) -> None:
        raise AssertionError("somebody asks the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def folder(vectors: Path) -> Path:
    return vectors / "attestations"


@pytest.fixture
def own_roots(tmp_path: Path) -> Iterator[Path]:
    """Let the setting name a file of roots."""
    before, path = configuration.current(), tmp_path / "trusted_root.json"
    configuration.use(replace(before, trusted_root=path))
    yield path
    configuration.use(before)


def code_of(documents: list[Any], subject: Subject, expected: Expected = GITHUB) -> str:
    try:
        verify_all(documents, subject, expected)
    except Refusal as refusal:
        return refusal.code
    return ""


@pytest.mark.parametrize("name", ALL)
def test_each_real_attestation_holds_for_its_publisher_and_for_no_other(name: str, folder: Path) -> None:
    filename, publisher = ALL[name]
    documents = read_document((folder / name).read_text())
    codes = {key: code_of(documents, subject_of(folder, filename), one) for key, one in PUBLISHERS.items()}
    wrong = "attestation-publisher-differs" if publisher else "attestation-invalid"
    assert codes == {key: "" if key == publisher else wrong for key in PUBLISHERS}


def test_every_vector_is_in_the_list(folder: Path) -> None:
    there = {path.name for path in folder.iterdir() if path.suffix in (".attestation", ".provenance")}
    assert there == set(ALL)


def test_what_is_verified_tells_where_it_was_built_and_makes_a_provenance(folder: Path) -> None:
    sent = json.dumps([load(folder, PUBLISH) | {"unknown": 1}, load(folder, SLSA)])
    documents = read_field(sent)
    publish, slsa = verify_all(documents, subject_of(folder, SDIST), GITHUB)
    assert publish.as_dict() == {
        "predicate": AttestationType.PYPI_PUBLISH_V1.value,
        "repository": "https://github.com/trailofbits/pypi-attestations",
        "commit": "08802efe1f8e5fec4ad842d6b8ce97656092ee72",
        "ref": "refs/tags/v0.0.19",
        "workflow": "https://github.com/trailofbits/pypi-attestations/.github/workflows/release.yml@refs/tags/v0.0.19",
        "run": "https://github.com/trailofbits/pypi-attestations/actions/runs/12169989787/attempts/1",
    }
    assert slsa.predicate == "https://slsa.dev/provenance/v1"
    provenance = provenance_of(documents[:1], GITHUB)
    assert provenance == load(folder, f"{SDIST}.provenance")  # as the public index serves it


@pytest.mark.parametrize(
    "change",
    [
        {"environment": "release"},  # the certificate names none
        {"claims": {**GITHUB.claims, "owner": "someone"}},
        {"claims": {**GITHUB.claims, "repository": "pypi-attestation"}},
        {"claims": {**GITHUB.claims, "workflow": "other.yml"}},
        {"claims": {**GITHUB.claims, "workflow": "Release.yml"}},
        {"claims": {**GITHUB.claims, "workflow": "../workflows/release.yml"}},
        {"claims": {**GITHUB.claims, "owner_id": "1"}},
        {"claims": {**GITHUB.claims, "repository_id": "1"}},
        {"provider": "gitlab"},
        {"provider": "google", "claims": {"email": "a@b.c"}},
    ],
)
def test_another_publisher_is_refused(change: dict[str, Any], folder: Path) -> None:
    documents = [load(folder, PUBLISH)]
    other = replace(GITHUB, **change)
    assert code_of(documents, subject_of(folder, SDIST), other) == "attestation-publisher-differs"


def test_names_that_differ_by_case_are_the_same_repository(folder: Path) -> None:
    claims = {"owner": "TrailOfBits", "repository": "PyPI-Attestations", "workflow": "release.yml"}
    numbers = {"owner_id": "2314423", "repository_id": "772247423"}
    for expected in (replace(GITHUB, claims=claims), replace(GITHUB, claims=claims | numbers)):
        assert code_of([load(folder, PUBLISH)], subject_of(folder, SDIST), expected) == ""


def test_other_bytes_and_other_names_are_refused(folder: Path) -> None:
    documents, subject = [load(folder, PUBLISH)], subject_of(folder, SDIST)
    for other in (
        replace(subject, sha256="0" * 64),
        replace(subject, sha256=subject.sha256.upper()),
        replace(subject, filename="pypi_attestations-0.0.20.tar.gz"),
        replace(subject, filename="nonsense"),
        subject_of(folder, "gitlab_oidc_project-0.0.3.tar.gz"),
    ):
        assert code_of(documents, other) == "attestation-file-differs"
    assert code_of(documents, replace(subject, filename="pypi-attestations-0.0.19.tar.gz")) == ""


def test_two_of_one_kind_are_refused(folder: Path) -> None:
    twice = [load(folder, PUBLISH)] * 2
    assert code_of(twice, subject_of(folder, SDIST)) == "attestation-repeated"


NONSENSE: list[Any] = [None, "", 1, [], {}, "AAAA", "-1", "9" * 5000]


def encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def edits(good: dict[str, Any], slsa: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield attestations of which one thing is not as it was signed."""

    def changed(*path: str | int, to: Any) -> dict[str, Any]:
        body = copy.deepcopy(good)
        place: Any = body
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to
        return body

    entry = good["verification_material"]["transparency_entries"][0]
    statement = base64.b64decode(good["envelope"]["statement"])
    signature = base64.b64decode(good["envelope"]["signature"])
    yield changed("envelope", "statement", to=encoded(statement.replace(b"0.0.19", b"0.0.18")))
    yield changed("envelope", "statement", to=encoded(statement + b" "))
    yield changed("envelope", "statement", to=slsa["envelope"]["statement"])
    yield changed("envelope", "signature", to=encoded(signature[:-1]))
    yield changed("envelope", "signature", to="!")
    yield changed("envelope", "signature", to=slsa["envelope"]["signature"])
    yield changed("verification_material", "certificate", to=encoded(b"nothing"))
    yield changed("verification_material", "certificate", to=slsa["verification_material"]["certificate"])
    yield changed(
        "verification_material", "certificate", to=good["verification_material"]["certificate"][:400]
    )
    yield changed(
        "verification_material",
        "transparency_entries",
        to=slsa["verification_material"]["transparency_entries"],
    )
    place = ("verification_material", "transparency_entries", 0)
    yield changed(*place, to={})
    for name in entry:
        for value in NONSENSE:
            if entry[name] != value:
                yield changed(*place, name, to=value)
    yield changed(*place, "integratedTime", to=str(int(entry["integratedTime"]) + 1))


def test_whatever_is_changed_of_an_attestation_it_no_longer_holds(folder: Path) -> None:
    subject, found = subject_of(folder, SDIST), set()
    for body in edits(load(folder, PUBLISH), load(folder, SLSA)):
        found.add(code_of([body], subject))
    assert found == {"attestation-invalid"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "null",
        "{}",
        "[]",
        "[1]",
        "[null]",
        "[{}]",
        '[{"version": 1}]',
        '[{"version": 2, "verification_material": {}, "envelope": {}}]',
        '[{"version": true, "verification_material": {}, "envelope": {}}]',
        '[{"version": 1, "version": 1, "verification_material": {}, "envelope": {}}]',
        '[{"version": NaN, "verification_material": {}, "envelope": {}}]',
        '[{"version": 1, "verification_material": {"transparency_entries": []}, "envelope": {}}]',
        '[{"version": 1, "verification_material": {"transparency_entries": [{}, {}]}, "envelope": {}}]',
        '[{"version": 1, "verification_material": {"transparency_entries": [{}]}, "envelope": {}}]',
        '[{"version": 1, "verification_material": {"transparency_entries": [{}], "certificate": 1}, "envelope": {}}]',
        "[" * 100_000,
        "[" + " " * LARGEST + "]",
        "9" * 5000,
        '["\\u0000"]',
        '["\\ud800"]',
        '[{"\\u0000": 1}]',
        "[1e400]",
        "[1.5]",
        "[" * 20 + "]" * 20,
    ],
)
def test_what_is_no_list_of_attestations_is_refused(text: str) -> None:
    with pytest.raises(AttestationInvalid):
        read_field(text)


@pytest.mark.parametrize("value", ["\0", "\ud800", float("inf"), 1.5, [[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]])
def test_what_no_database_can_keep_is_refused_wherever_it_stands(value: Any, folder: Path) -> None:
    body = load(folder, PUBLISH)
    assert read_field(json.dumps([body]))
    body["verification_material"]["transparency_entries"][0]["unknown"] = value
    with pytest.raises(AttestationInvalid):
        read_field(json.dumps([body]))


def test_more_than_one_of_each_kind_is_refused_before_any_is_read() -> None:
    with pytest.raises(AttestationRepeated):
        read_field("[1, 2, 3]")


@pytest.mark.parametrize(
    "text",
    [
        '{"attestation_bundles": {}}',
        '{"attestation_bundles": [1]}',
        '{"attestation_bundles": [{}]}',
        '{"attestation_bundles": []}',
        '{"attestation_bundles": [{"attestations": []}]}',
    ],
)
def test_a_provenance_without_attestations_is_refused(text: str) -> None:
    with pytest.raises(AttestationInvalid):
        read_document(text)


def test_a_cut_off_attestation_is_refused(folder: Path) -> None:
    text = (folder / PUBLISH).read_text()
    for length in range(0, len(text) - 1, 499):
        with pytest.raises(AttestationInvalid):
            read_document(text[:length])


@pytest.mark.parametrize(
    "expected",
    [
        Expected("github", "https://ghe.example.org/_services/token", GITHUB.claims),
        Expected("gitlab", "https://gitlab.example.org", GITLAB.claims),
        Expected("custom", "https://ci.example.org", {"sub": "ci"}),
        Expected("custom", "https://token.actions.githubusercontent.com", {"sub": "ci"}),
        Expected("activestate", "https://platform.activestate.com/api/v1/oauth/oidc", {"project": "x"}),
        Expected("github", claims={}),
        Expected("google", claims={}),
    ],
)
def test_what_the_public_roots_do_not_cover_is_refused(expected: Expected, folder: Path) -> None:
    with pytest.raises(IssuerNotCovered):
        verify_all([load(folder, PUBLISH)], subject_of(folder, SDIST), expected)


def test_own_roots_take_the_place_of_the_public_ones(folder: Path, own_roots: Path) -> None:
    from keyhouse.publishing.attestations import library  # noqa: PLC0415 - takes a second

    store = Path(str(files("sigstore"))) / "_store"
    own_roots.write_bytes(
        (store / "https%3A%2F%2Ftuf-repo-cdn.sigstage.dev" / "trusted_root.json").read_bytes()
    )
    assert code_of([load(folder, PUBLISH)], subject_of(folder, SDIST)) == "attestation-invalid"
    # of the test instance: sound by its roots, and of nobody whom a project can trust
    name = "rfc8785-0.1.2-py3-none-any.whl.publish.attestation"
    staged = code_of(
        [load(folder, name)], subject_of(folder, "rfc8785-0.1.2-py3-none-any.whl"), PUBLISHERS["person"]
    )
    assert staged == "attestation-publisher-differs"
    own_roots.write_bytes((store / library._PUBLIC_INSTANCE / "trusted_root.json").read_bytes())
    assert code_of([load(folder, PUBLISH)], subject_of(folder, SDIST)) == ""  # read again


@pytest.mark.parametrize("body", [None, b"", b"{}", b"[]", b'{"mediaType": "x"}', b"\xff"])
def test_roots_that_cannot_be_read_let_nothing_through(
    body: bytes | None, folder: Path, own_roots: Path
) -> None:
    if body is not None:
        own_roots.write_bytes(body)
    with pytest.raises(TrustedRootDamaged):
        verify_all([load(folder, PUBLISH)], subject_of(folder, SDIST), GITHUB)
    with pytest.raises(TrustedRootDamaged):
        require_roots(own_roots)


ENTERPRISE = Expected(
    "github",
    "https://ghe.example.org/_services/token",
    {"owner": "o", "repository": "r", "workflow": "w.yml"},
    "Prod",
)
SIGNER = Signer(
    issuer="https://ghe.example.org/_services/token",
    repository="https://ghe.example.org/o/r",
    commit="c",
    ref="refs/heads/main",
    workflow="https://ghe.example.org/o/r/.github/workflows/w.yml@refs/heads/main",
    environment="prod",
    owner_id="7",
)


@pytest.mark.parametrize(
    ("expected", "signer", "difference"),
    [
        (ENTERPRISE, SIGNER, ""),
        (ENTERPRISE, replace(SIGNER, workflow=SIGNER.workflow.replace("refs/heads/main", "c")), ""),
        (ENTERPRISE, replace(SIGNER, environment="production"), "environment"),
        (ENTERPRISE, replace(SIGNER, environment=""), "environment"),
        (ENTERPRISE, replace(SIGNER, issuer="https://ghe.example.org"), "issuer"),
        (ENTERPRISE, replace(SIGNER, issuer=""), "issuer"),
        (ENTERPRISE, replace(SIGNER, repository="https://github.com/o/r"), "repository"),
        (ENTERPRISE, replace(SIGNER, workflow=SIGNER.workflow + "x"), "workflow"),
        (ENTERPRISE, replace(SIGNER, workflow=SIGNER.workflow, ref="", commit=""), "workflow"),
        (ENTERPRISE, replace(SIGNER, workflow=f"{SIGNER.repository}/.github/workflows/w.yml@"), "workflow"),
        (ENTERPRISE, replace(SIGNER, workflow=""), "workflow"),
        (replace(ENTERPRISE, claims={**ENTERPRISE.claims, "owner_id": 7}), SIGNER, ""),
        (replace(ENTERPRISE, claims={**ENTERPRISE.claims, "owner_id": 8}), SIGNER, "owner_id"),
        (
            Expected("custom", "https://ci.example.org/", {"sub": "ci:a"}),
            Signer("https://ci.example.org", subject="ci:a"),
            "",
        ),
        (
            Expected("custom", "https://ci.example.org", {"sub": "ci:a"}),
            Signer("https://ci.example.org", subject="ci:A"),
            "sub",
        ),
        (
            Expected("custom", "https://ci.example.org", {"sub": "ci:a"}, "prod"),
            Signer("https://ci.example.org", subject="ci:a"),
            "environment",
        ),
        (
            Expected("custom", "https://ci.example.org", {"sub": "ci:a", "ref": "main"}),
            Signer("https://ci.example.org", subject="ci:a"),
            "sub",
        ),
        (Expected("custom", "https://ci.example.org"), Signer("https://ci.example.org"), "sub"),
        (
            Expected("google", claims={"email": "a@b.c"}),
            Signer("https://accounts.google.com", addresses=("a@b.c",)),
            "",
        ),
        (
            Expected("google", claims={"email": "a@b.c"}),
            Signer("https://accounts.google.com", addresses=("A@b.c",)),
            "email",
        ),
        (
            Expected("gitlab", claims={"namespace": "o", "repository": "r", "workflow": "w"}, environment="Prod"),
            Signer(
                "https://gitlab.com",
                "https://gitlab.com/o/r",
                ref="x",
                workflow="https://gitlab.com/o/r//w@x",
                environment="prod",
            ),
            "environment",
        ),
    ],
)  # fmt: skip
def test_every_configured_value_is_compared(expected: Expected, signer: Signer, difference: str) -> None:
    assert find_difference(expected, signer) == difference
