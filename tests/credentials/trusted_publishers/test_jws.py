"""Signed tokens: what others' vectors say, and what is refused beyond them. Pure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from tests.oidc_issuer import IssuerUnderTest, compact, ec_key, public_jwk, rsa_key

from keyhouse.cli.dev_verify import answer
from keyhouse.credentials.trusted_publishers import jws
from keyhouse.credentials.trusted_publishers.errors import IdentityRefused

ISSUER: Final = IssuerUnderTest("https://ci.example")
EVERY: Final = (
    *(f"{kind}{bits}" for kind in ("HS", "RS", "PS", "ES") for bits in (256, 384, 512)),
    "EdDSA",
)
# The README of the vectors leaves these out: keys that contradict their tokens, characters that a lenient reader skips.
LEFT_OUT: Final = frozenset({346, 347, 350, 351, 372, 373})
# To be refused by what stands there, and yet letter for letter the token of a case that is to be accepted.
SAME_AS: Final = {367: 357, 370: 357}


def code_of(
    token: str, key_set: dict[str, Any] | None = None, algorithms: Any = jws.ISSUER_ALGORITHMS
) -> str:
    try:
        jws.verify(token, ISSUER.jwks if key_set is None else key_set, algorithms)
    except IdentityRefused as refusal:
        return refusal.code
    return "ok"


def test_the_verdict_on_each_vector_of_others_is_theirs(vectors: Path) -> None:
    body = json.loads((vectors / "jws" / "json_web_signature_test.json").read_bytes())
    cases = {
        case["tcId"]: (group.get("public") or group["private"], case)
        for group in body["testGroups"]
        for case in group["tests"]
    }
    assert len(cases) == body["numberOfTests"] == 401
    for number, twin in SAME_AS.items():
        assert cases[number][1]["jws"] == cases[twin][1]["jws"]
        assert (cases[number][1]["result"], cases[twin][1]["result"]) == ("invalid", "valid")
    wrong = []
    for number, (key, case) in cases.items():
        question = {"kind": "jws", "jwk": key, "token": case["jws"], "algorithms": EVERY}
        said = answer(json.dumps(question).encode())
        is_sound = said["ok"] == (case["result"] == "valid")
        if not is_sound and number not in LEFT_OUT | SAME_AS.keys():
            wrong.append(f"{number} {case['comment']}: {said}")
        assert said["ok"] or said["code"].startswith("identity-"), said
    assert wrong == []


def test_of_the_vectors_issuers_may_use_two_algorithms_only(vectors: Path) -> None:
    body = json.loads((vectors / "jws" / "json_web_signature_test.json").read_bytes())
    for group in body["testGroups"]:
        key = group.get("public") or group["private"]
        for case in group["tests"]:
            question = {"kind": "jws", "jwks": {"keys": [key]}, "token": case["jws"]}
            if key.get("alg") not in jws.ISSUER_ALGORITHMS:
                assert not answer(json.dumps(question).encode())["ok"], case["tcId"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ({"jwk": "x", "token": "a.b.c"}, "fields-wrong"),
        ({"jwks": [], "token": "a.b.c"}, "fields-wrong"),
        ({"jwks": {}, "token": 1}, "fields-wrong"),
        ({"jwks": {}, "token": "a.b.c", "algorithms": "RS256"}, "fields-wrong"),
        ({"jwks": {}, "token": "a.b.c"}, "identity-malformed"),
        ({"jwks": {"keys": 7}, "token": ISSUER.token()}, "identity-key-unknown"),
        ({"jwks": {"keys": [7]}, "token": ISSUER.token()}, "identity-key-unknown"),
        ({"jwks": ISSUER.jwks, "token": ISSUER.token(), "algorithms": ["ES256"]}, "identity-algorithm"),
        ({"jwks": ISSUER.jwks, "token": ISSUER.token(), "algorithms": ["XX1"]}, "identity-algorithm"),
    ],
)
def test_bad_questions_have_answers_too(line: dict[str, Any], code: str) -> None:
    assert answer(json.dumps({"kind": "jws", **line}).encode())["code"] == code


def test_a_good_token_is_read() -> None:
    token = ISSUER.token({"repository": "o/r"}, aud="here")
    assert code_of(token) == "ok"
    header, claims = jws.read_header_and_claims(token)
    assert (header["kid"], claims["repository"], claims["aud"]) == ("first", "o/r", "here")
    assert jws.verify(token, ISSUER.jwks) == claims
    keys = {"keys": [*ISSUER.jwks["keys"], public_jwk(ec_key(), "ec")]}
    assert code_of(ISSUER.token(key=ec_key(), kid="ec"), keys) == "ok"


def _signed(header: Any, claims: Any = b"{}") -> str:
    """Return a token that the issuer's own key signs, whatever its header says."""
    text = compact(header, claims)
    signed = text.rpartition(".")[0]
    signature = jws._SCHEMES["RS256"].sign(signed.encode(), ISSUER.keys["first"])
    return signed + compact(b"", b"", signature).removeprefix(".")


PUBLIC_PEM: Final = (
    rsa_key(0)
    .public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
)


def _hs256() -> str:
    """Return a token signed with the public key as if it were a shared secret."""
    text = compact({"alg": "HS256", "kid": "first"}, {"iss": ISSUER.url}).rpartition(".")[0]
    return text + compact(b"", b"", jws._SCHEMES["HS256"].sign(text.encode(), PUBLIC_PEM)).removeprefix(".")


RS: Final = {"alg": "RS256", "kid": "first"}
BAD: Final = {
    "nothing": ("", "identity-malformed"),
    "two parts": ("a.b", "identity-malformed"),
    "four parts": (ISSUER.token() + ".x", "identity-malformed"),
    "two megabytes": ("a" * 2**21, "identity-malformed"),
    "over 16 KiB": (ISSUER.token({"x": "y" * 2**14}), "identity-malformed"),
    "not ASCII": ("é.é.é", "identity-malformed"),
    "half a character": ("\ud800.a.a", "identity-malformed"),
    "padded": (ISSUER.token() + "=", "identity-malformed"),
    "line end behind": (ISSUER.token() + "\n", "identity-malformed"),
    "space before": (" " + ISSUER.token(), "identity-malformed"),
    "bits left over": (
        _signed(RS)[:-1] + "B" if _signed(RS)[-1] != "B" else _signed(RS)[:-1] + "C",
        "identity-malformed",
    ),
    "header no JSON": (_signed(b"x"), "identity-malformed"),
    "header a list": (_signed(b"[]"), "identity-malformed"),
    "header doubled": (_signed(b'{"alg":"RS256","alg":"RS256","kid":"first"}'), "identity-malformed"),
    "claims no JSON": (_signed(RS, b"x"), "identity-malformed"),
    "claims a text": (_signed(RS, b'"x"'), "identity-malformed"),
    "claims doubled": (_signed(RS, b'{"iss":"a","iss":"b"}'), "identity-malformed"),
    "claims doubled inside": (_signed(RS, b'{"a":{"b":1,"b":2}}'), "identity-malformed"),
    "not a number": (_signed(RS, b'{"exp":NaN}'), "identity-malformed"),
    "endless": (_signed(RS, b'{"exp":Infinity}'), "identity-malformed"),
    "not UTF-8": (_signed(RS, b'{"iss":"\xff"}'), "identity-malformed"),
    "half a character inside": (_signed(RS, b'{"iss":"\\ud800"}'), "identity-malformed"),
    "null character": (_signed(RS, b'{"iss":"a\\u0000"}'), "identity-malformed"),
    "null character in a list": (_signed(RS, b'{"a":[["x\\u0000"]]}'), "identity-malformed"),
    "deep": (_signed(RS, b'{"a":' + b"[" * 9000 + b"]" * 1 + b"}"), "identity-malformed"),
    "none": (compact({"alg": "none"}, {}), "identity-algorithm"),
    "None": (compact({"alg": "None"}, {}), "identity-algorithm"),
    "none with a key's name": (compact({"alg": "none", "kid": "first"}, {}), "identity-algorithm"),
    "no algorithm": (_signed({"kid": "first"}), "identity-algorithm"),
    "algorithm a list": (_signed({"alg": ["RS256"]}), "identity-algorithm"),
    "lower case": (_signed({"alg": "rs256"}), "identity-algorithm"),
    "HS256 with the public key": (_hs256(), "identity-algorithm"),
    "RS512": (ISSUER.token(alg="RS512"), "identity-algorithm"),
    "PS256": (ISSUER.token(alg="PS256"), "identity-algorithm"),
    "ES256 said, RS256 signed": (_signed({"alg": "ES256", "kid": "first"}), "identity-key-unknown"),
    "jwk": (_signed({**RS, "jwk": ISSUER.jwks["keys"][0]}), "identity-header"),
    "jku": (_signed({**RS, "jku": "https://evil.example/keys"}), "identity-header"),
    "x5u": (_signed({**RS, "x5u": "https://evil.example/cert"}), "identity-header"),
    "x5c": (_signed({**RS, "x5c": []}), "identity-header"),
    "crit": (_signed({**RS, "crit": ["exp"]}), "identity-header"),
    "b64": (_signed({**RS, "b64": False}), "identity-header"),
    "encrypted": (_signed({**RS, "enc": "A256GCM"}), "identity-header"),
    "another kind": (_signed({**RS, "typ": "logout+jwt"}), "identity-header"),
    "kind a number": (_signed({**RS, "typ": 7}), "identity-header"),
    "kid a number": (_signed({**RS, "kid": 7}), "identity-header"),
    "kid null": (_signed({**RS, "kid": None}), "identity-header"),
    "kid empty": (_signed({**RS, "kid": ""}), "identity-header"),
    "kid long": (_signed({**RS, "kid": "k" * 600}), "identity-header"),
    "kid with a line end": (_signed({**RS, "kid": "first\n"}), "identity-header"),
    "kid a path": (_signed({**RS, "kid": "../first"}), "identity-key-unknown"),
    "kid in capitals": (_signed({**RS, "kid": "FIRST"}), "identity-key-unknown"),
    "kid another": (ISSUER.token(header={"kid": "other"}), "identity-key-unknown"),
    "signed by another": (ISSUER.token(key=rsa_key(7)), "identity-signature"),
    "no signature": (ISSUER.token().rpartition(".")[0] + ".", "identity-signature"),
    "changed claims": (
        ".".join([*(p := ISSUER.token().split("."))[:1], "e30", *p[2:]]),
        "identity-signature",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_token_is_refused_by_its_code(name: str) -> None:
    token, code = BAD[name]
    assert code_of(token) == code


def test_what_is_said_unverified_is_read_as_strictly() -> None:
    for name, (token, code) in BAD.items():
        if code != "identity-malformed":
            continue
        with pytest.raises(IdentityRefused) as refusal:
            jws.read_header_and_claims(token)
        assert (refusal.value.reason_code, refusal.value.code) == ("invalid-payload", code), name


def _key_set(**changes: Any) -> dict[str, Any]:
    key = {**ISSUER.jwks["keys"][0], **changes}
    return {"keys": [{name: value for name, value in key.items() if value is not None}]}


SMALL: Final = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - to be refused
THREE: Final = rsa.generate_private_key(public_exponent=3, key_size=2048)
OTHER_CURVE: Final = ec.generate_private_key(ec.SECP384R1())


@pytest.mark.parametrize(
    ("key_set", "code"),
    [
        (_key_set(), "ok"),
        (_key_set(use=None, alg=None), "ok"),
        (_key_set(kid=None), "ok"),  # a key without a name answers to every one
        (_key_set(key_ops=["verify"]), "ok"),
        (_key_set(use="enc"), "identity-key-unknown"),
        (_key_set(key_ops=["encrypt"]), "identity-key-unknown"),
        (_key_set(key_ops="verify"), "identity-key-unknown"),
        (_key_set(alg="RS512"), "identity-key-unknown"),
        (_key_set(alg="PS256"), "identity-key-unknown"),
        (_key_set(kty="EC"), "identity-key-unknown"),
        (_key_set(kty="oct", k="AAAA"), "identity-key-unknown"),
        (_key_set(n="AQAB"), "identity-key-unknown"),
        (_key_set(n="?"), "identity-key-unknown"),
        (_key_set(n=7), "identity-key-unknown"),
        (_key_set(n=None), "identity-key-unknown"),
        (_key_set(e="AQ"), "identity-key-unknown"),
        (_key_set(kid="other"), "identity-key-unknown"),
        ({"keys": _key_set()["keys"] * 2}, "identity-key-unknown"),
        ({"keys": []}, "identity-key-unknown"),
        ({}, "identity-key-unknown"),
    ],
)
def test_a_key_is_used_for_what_its_owner_says(key_set: dict[str, Any], code: str) -> None:
    assert code_of(ISSUER.token(), key_set) == code


@pytest.mark.parametrize("key", [SMALL, THREE], ids=["1024 bits", "exponent 3"])
def test_a_weak_key_proves_nothing(key: rsa.RSAPrivateKey) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jwt.algorithms.RSAAlgorithm.check_key_length", lambda *_: None, raising=False)
        token = ISSUER.token(key=key)
    assert code_of(token, {"keys": [public_jwk(key, "first")]}) == "identity-key-unknown"


def test_a_key_on_another_curve_proves_nothing() -> None:
    key = public_jwk(OTHER_CURVE, "first")
    for curve in ("P-384", "P-256", "secp256k1"):
        token = jwt.encode({}, ec_key(), algorithm="ES256", headers={"kid": "first"})
        assert code_of(token, {"keys": [{**key, "crv": curve}]}) == "identity-key-unknown"
