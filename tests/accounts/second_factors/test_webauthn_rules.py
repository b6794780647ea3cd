from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.accounts.second_factors.soft_key import BE, BS, UP, UV, SoftKey

from keyhouse.accounts.second_factors.webauthn import rules
from keyhouse.accounts.second_factors.webauthn.errors import KeyRefused
from keyhouse.accounts.second_factors.webauthn.rules import KnownKey, NewKey, Site, decode, encode
from keyhouse.cli import dev_verify

SITE = Site("http://localhost:8400", "localhost", needs_user_verified=False)
STRICT = Site("http://localhost:8400", "localhost", needs_user_verified=True)
HANDLE = b"h" * 64
ENROL = {"challenge": encode(b"c" * 32), "user": {"id": encode(HANDLE)}}
PROVE = {"challenge": encode(b"d" * 32)}
VECTORS = Path(os.environ.get("KEYHOUSE_VECTORS", "../shared/vectors")) / "webauthn-l3.json"
UNSUPPORTED = {"sctn-test-vectors-packed-es384", "sctn-test-vectors-packed-ed448"}
ELSEWHERE = {"sctn-test-vectors-none-es256-crossOrigin", "sctn-test-vectors-none-es256-topOrigin"}


def enrolled(key: SoftKey) -> KnownKey:
    made = rules.verify_registration(ENROL, key.create(ENROL), SITE)
    return KnownKey(made.id, made.public_key, made.user_handle, made.sign_count, made.backup_eligible)


def refusal_of_registration(
    key: SoftKey, site: Site = SITE, options: dict[str, Any] | None = None, **faults: Any
) -> str:
    with pytest.raises(KeyRefused) as refused:
        rules.verify_registration(options or ENROL, key.create(ENROL, **faults), site)
    return refused.value.code


def refusal_of_assertion(
    key: SoftKey, site: Site = SITE, options: dict[str, Any] | None = None, **faults: Any
) -> str:
    known = enrolled(key)
    with pytest.raises(KeyRefused) as refused:
        rules.verify_assertion(options or PROVE, key.get(PROVE, **faults), known, site)
    return refused.value.code


def test_a_good_key_is_taken_and_proves_itself() -> None:
    key = SoftKey(count=7)
    made = rules.verify_registration(ENROL, key.create(ENROL), STRICT)
    assert (made.id, made.user_handle, made.algorithm, made.sign_count) == (key.id, HANDLE, -7, 7)
    assert (made.user_verified, made.backup_eligible, made.backup_state) == (True, False, False)
    assert made.transports == ("usb",)
    known = enrolled(key)
    proof = rules.verify_assertion(PROVE, key.get(PROVE), known, STRICT)
    assert (proof.sign_count, proof.user_verified) == (8, True)
    assert NewKey.read(json.loads(json.dumps(made.as_dict()))) == made


REGISTRATION_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "another challenge": ({"challenge": encode(b"x" * 32)}, "key-challenge-wrong"),
    "an assertion's purpose": ({"type": "webauthn.get"}, "key-challenge-wrong"),
    "another site": ({"origin": "http://evil.example"}, "key-origin-wrong"),
    "a site below": ({"origin": "http://a.localhost:8400"}, "key-origin-wrong"),
    "another port": ({"origin": "http://localhost:8401"}, "key-origin-wrong"),
    "https instead": ({"origin": "https://localhost:8400"}, "key-origin-wrong"),
    "an origin with a path": ({"origin": "http://localhost:8400/"}, "key-origin-wrong"),
    "inside another site": ({"client": {"crossOrigin": True}}, "key-origin-wrong"),
    "crossOrigin that is no boolean": ({"client": {"crossOrigin": 1}}, "key-origin-wrong"),
    "a top origin": ({"client": {"topOrigin": "http://localhost:8400"}}, "key-origin-wrong"),
    "another relying party": ({"rp_id": "example.org"}, "key-site-wrong"),
    "nobody there": ({"flags": UV}, "user-not-verified"),
    "backed up, and not eligible": ({"flags": UP | BS}, "key-backup-inconsistent"),
    "an id that was not signed": ({"id": b"another"}, "key-answer-malformed"),
    "bytes behind the data": ({"more_data": b"\x00"}, "key-answer-malformed"),
    "bytes behind the attestation": ({"more_cbor": b"\x00"}, "key-answer-malformed"),
    "no JSON": ({"raw_client": b"{"}, "key-answer-malformed"),
    "a list": ({"raw_client": b"[]"}, "key-answer-malformed"),
    "a key twice": ({"raw_client": b'{"type": "webauthn.create", "type": "x"}'}, "key-answer-malformed"),
    "a statement where none belongs": (
        {"statement": {"fmt": "none", "attStmt": {"sig": b"x"}}},
        "key-signature-wrong",
    ),
    "a packed statement that is not signed": (
        {"statement": {"fmt": "packed", "attStmt": {"alg": -7, "sig": b"x"}}},
        "key-signature-wrong",
    ),
    "a format that is no text": ({"statement": {"fmt": 7, "attStmt": {}}}, "key-answer-malformed"),
    "another type": ({"answer": {"type": "password"}}, "key-answer-malformed"),
    "two ids": ({"answer": {"rawId": encode(b"other")}}, "key-answer-malformed"),
    "no answer in it": ({"answer": {"response": None}}, "key-answer-malformed"),
}


@pytest.mark.parametrize("name", REGISTRATION_FAULTS)
def test_each_fault_of_a_registration_is_refused(name: str) -> None:
    faults, code = REGISTRATION_FAULTS[name]
    assert refusal_of_registration(SoftKey(), **faults) == code


KEY_FAULTS: dict[str, dict[int, Any]] = {
    "an unknown algorithm": {3: -999},
    "ES256K": {3: -47, -1: 8},
    "another curve": {-1: 2},
    "another type": {1: 3},
    "a short coordinate": {-2: b"x" * 31},
    "a coordinate that is no bytes": {-2: 7},
    "an algorithm that is no number": {3: "ES256"},
    "RS256 with a small modulus": {1: 3, 3: -257, -1: b"\xff" * 128, -2: b"\x01\x00\x01"},
    "RS256 with a huge modulus": {1: 3, 3: -257, -1: b"\xff" * 2048, -2: b"\x01\x00\x01"},
    "RS256 with exponent one": {1: 3, 3: -257, -1: b"\xff" * 256, -2: b"\x01"},
}


@pytest.mark.parametrize("name", KEY_FAULTS)
def test_keys_of_the_wrong_kind_are_refused(name: str) -> None:
    key = SoftKey()
    assert refusal_of_registration(key, cose=key.cose(labels=KEY_FAULTS[name])) == "key-type-refused"


def test_a_point_off_the_curve_is_refused() -> None:
    key = SoftKey()
    cose = key.cose(labels={-2: b"\x01" * 32, -3: b"\x02" * 32})
    assert refusal_of_registration(key, cose=cose) == "key-type-refused"


def test_an_algorithm_that_was_not_offered_is_refused() -> None:
    options = {**ENROL, "pubKeyCredParams": [{"type": "public-key", "alg": -8}]}
    assert refusal_of_registration(SoftKey(), options=options) == "key-type-refused"


def test_verification_is_asked_of_the_signed_flags() -> None:
    assert refusal_of_registration(SoftKey(flags=UP), site=STRICT) == "user-not-verified"
    assert refusal_of_assertion(SoftKey(flags=UP), site=STRICT) == "user-not-verified"
    assert rules.verify_registration(ENROL, SoftKey(flags=UP).create(ENROL), SITE).user_verified is False


def test_a_key_that_was_to_be_left_out_is_refused() -> None:
    key = SoftKey()
    options = {**ENROL, "excludeCredentials": [{"type": "public-key", "id": encode(key.id)}]}
    assert refusal_of_registration(key, options=options) == "key-known"


ASSERTION_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "another challenge": ({"challenge": encode(b"x" * 32)}, "key-challenge-wrong"),
    "a registration's purpose": ({"type": "webauthn.create"}, "key-challenge-wrong"),
    "another site": ({"origin": "http://evil.example"}, "key-origin-wrong"),
    "inside another site": ({"client": {"crossOrigin": True}}, "key-origin-wrong"),
    "a top origin": ({"client": {"topOrigin": "http://localhost:8400"}}, "key-origin-wrong"),
    "another relying party": ({"rp_id": "example.org"}, "key-site-wrong"),
    "nobody there": ({"flags": UV}, "user-not-verified"),
    "backed up, and not eligible": ({"flags": UP | BS}, "key-backup-inconsistent"),
    "suddenly eligible": ({"flags": UP | BE}, "key-backup-inconsistent"),
    "a wrong signature": ({"signature": b"x"}, "key-signature-wrong"),
    "another id": ({"id": b"another"}, "key-unknown"),
    "somebody else's handle": ({"handle": b"e" * 64}, "key-unknown"),
    "no handle, and nobody was named": ({"handle": None}, "key-unknown"),
    "no JSON": ({"raw_client": b"\xff"}, "key-answer-malformed"),
}


@pytest.mark.parametrize("name", ASSERTION_FAULTS)
def test_each_fault_of_an_assertion_is_refused(name: str) -> None:
    faults, code = ASSERTION_FAULTS[name]
    assert refusal_of_assertion(SoftKey(), **faults) == code


def test_only_the_keys_that_were_asked_for_answer() -> None:
    options = {**PROVE, "allowCredentials": [{"type": "public-key", "id": encode(b"another")}]}
    assert refusal_of_assertion(SoftKey(), options=options) == "key-unknown"
    key = SoftKey()
    known = enrolled(key)
    own = {**PROVE, "allowCredentials": [{"type": "public-key", "id": encode(key.id)}]}
    rules.verify_assertion(own, key.get(PROVE, handle=None), known, SITE)


@pytest.mark.parametrize(
    ("kept", "told", "is_fine"),
    [(0, 0, True), (0, 1, True), (5, 6, True), (5, 5, False), (5, 4, False), (5, 0, False)],
)
def test_the_counter_must_rise_where_there_is_one(kept: int, told: int, *, is_fine: bool) -> None:
    key = SoftKey()
    first = enrolled(key)
    known = KnownKey(first.id, first.public_key, first.user_handle, kept, first.backup_eligible)
    answer = key.get(PROVE, count=told)
    if is_fine:
        assert rules.verify_assertion(PROVE, answer, known, SITE).sign_count == told
        return
    with pytest.raises(KeyRefused) as refused:
        rules.verify_assertion(PROVE, answer, known, SITE)
    assert refused.value.code == "key-cloned"


@pytest.mark.parametrize("text", [None, 7, "=", "a", "YQ==", "YR", "é", "a" * 70_000, "YQ\n", " YQ"])
def test_what_is_not_the_one_spelling_of_base64url_is_refused(text: object) -> None:
    with pytest.raises(KeyRefused):
        decode(text)


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_garbage_is_refused_and_never_breaks(raw: bytes) -> None:
    key = SoftKey()
    answer = key.create(ENROL)
    for name in ("clientDataJSON", "attestationObject"):
        spoilt = {**answer, "response": {**answer["response"], name: encode(raw)}}
        with pytest.raises(KeyRefused):
            rules.verify_registration(ENROL, spoilt, SITE)
    nested = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": raw})
    spoilt = {**answer, "response": {**answer["response"], "attestationObject": encode(nested)}}
    with pytest.raises(KeyRefused):
        rules.verify_registration(ENROL, spoilt, SITE)


def vectors() -> list[dict[str, Any]]:
    if not VECTORS.exists():
        return []
    found: list[dict[str, Any]] = json.loads(VECTORS.read_text())["cases"]
    return found


def hexed(text: str) -> str:
    return encode(bytes.fromhex(text))


def creation_of(case: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    told, id_ = case["registration"], hexed(case["registration"]["credential_id"])
    algorithms = [{"type": "public-key", "alg": alg} for alg in (-7, -8, -35, -36, -53, -257)]
    options = {
        "challenge": hexed(told["challenge"]),
        "user": {"id": encode(HANDLE)},
        "pubKeyCredParams": algorithms,
    }
    parts = {name: hexed(told[name]) for name in ("clientDataJSON", "attestationObject")}
    return options, {"id": id_, "type": "public-key", "response": parts}


def proof_of(case: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    told, id_ = case["authentication"], hexed(case["registration"]["credential_id"])
    parts = {name: hexed(told[name]) for name in ("clientDataJSON", "authenticatorData", "signature")}
    allowed = [{"type": "public-key", "id": id_}]
    options = {"challenge": hexed(told["challenge"]), "allowCredentials": allowed}
    return options, {"id": id_, "type": "public-key", "response": parts}


@pytest.mark.parametrize("case", vectors(), ids=lambda case: str(case["id"]))
def test_the_examples_of_the_standard(case: dict[str, Any]) -> None:
    site = Site("https://example.org", "example.org", needs_user_verified=False)
    options, answer = creation_of(case)
    if case["id"] in UNSUPPORTED | ELSEWHERE:
        with pytest.raises(KeyRefused) as refused:
            rules.verify_registration(options, answer, site)
        is_elsewhere = case["id"] in ELSEWHERE
        assert refused.value.code == ("key-origin-wrong" if is_elsewhere else "key-type-refused")
        return
    made = rules.verify_registration(options, answer, site)
    known = KnownKey(made.id, made.public_key, HANDLE, made.sign_count, made.backup_eligible)
    rules.verify_assertion(*proof_of(case), known, site)


@pytest.mark.parametrize("case", vectors(), ids=lambda case: str(case["id"]))
def test_outside_checks_get_the_same_of_the_examples(case: dict[str, Any]) -> None:
    site = {"origin": "https://example.org", "rp_id": "example.org", "user_verification": "preferred"}

    def ask(kind: str, told: tuple[dict[str, Any], dict[str, Any]], **more: Any) -> dict[str, Any]:
        options, response = told
        line = {"kind": kind, "options": options, "response": response, **site, **more}
        return dev_verify.answer(json.dumps(line).encode())

    made = ask("webauthn-registration", creation_of(case))
    if case["id"] in UNSUPPORTED | ELSEWHERE:
        code = "key-origin-wrong" if case["id"] in ELSEWHERE else "key-type-refused"
        assert (made["ok"], made["code"]) == (False, code)
        return
    assert made["ok"], made
    proven = ask("webauthn-assertion", proof_of(case), credential=made["credential"])
    assert proven["ok"], proven


def test_the_vectors_are_there_where_they_are_required() -> None:
    if VECTORS.exists():
        assert len(vectors()) == 15
        return
    assert "vectors" not in os.environ.get("KEYHOUSE_REQUIRE", "").split(","), f"no {VECTORS}"
    pytest.skip(f"no vectors at {VECTORS}")
