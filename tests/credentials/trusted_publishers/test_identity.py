"""Who an identity token is from, and whether it is for us, now: each check in its place."""

from __future__ import annotations

import base64
import dataclasses
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from tests.oidc_issuer import (
    GITHUB,
    GITLAB,
    IssuerUnderTest,
    ServedIssuer,
    compact,
    ec_key,
    public_jwk,
    rsa_key,
    trust,
)

from keyhouse.core import clock, configuration
from keyhouse.core.actor import host
from keyhouse.credentials.trusted_publishers import issuers, keys_client
from keyhouse.credentials.trusted_publishers.errors import IdentityRefused
from keyhouse.credentials.trusted_publishers.identity import Identity, verify_identity
from keyhouse.credentials.trusted_publishers.models import Issuer

pytestmark = pytest.mark.django_db

AUDIENCE: Final = "keyhouse:localhost"
NOW: Final = clock.parse_instant("2026-03-01T12:00:00Z")
SECONDS: Final = int(NOW.timestamp())
CI: Final = "https://ci.example"


def _identity(token: str) -> Identity:
    return verify_identity(token, audience=AUDIENCE, now=NOW)


def _code(token: str) -> tuple[str, str]:
    try:
        _identity(token)
    except IdentityRefused as refusal:
        return refusal.code, refusal.reason_code
    return "ok", ""


@pytest.fixture
def github() -> IssuerUnderTest:
    issuer = IssuerUnderTest(GITHUB)
    trust(issuer, now=NOW)
    return issuer


@pytest.fixture
def custom() -> IssuerUnderTest:
    issuer = IssuerUnderTest(CI)
    trust(issuer, "custom", now=NOW)
    return issuer


def test_a_good_token_proves_who_asks(github: IssuerUnderTest) -> None:
    found = _identity(github.token({"repository": "o/r", "jti": "7"}, aud=AUDIENCE, now=NOW))
    assert (found.issuer.url, found.issuer.provider) == (GITHUB, "github")
    assert found.claims["repository"] == "o/r"
    assert found.expires_at == NOW + timedelta(minutes=5)
    assert len(found.replay_digest) == 64


TIMES: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "as it came": ({}, "ok"),
    "no nbf": ({"nbf": None}, "ok"),
    "expired within the leeway": ({"iat": SECONDS - 300, "exp": SECONDS - 29}, "ok"),
    "expired": ({"iat": SECONDS - 300, "exp": SECONDS - 30}, "identity-times"),
    "long expired": ({"iat": 1, "nbf": 1, "exp": 2}, "identity-times"),
    "issued within the leeway": ({"iat": SECONDS + 30}, "ok"),
    "issued in the future": ({"iat": SECONDS + 31}, "identity-times"),
    "valid within the leeway": ({"nbf": SECONDS + 30}, "ok"),
    "not yet valid": ({"nbf": SECONDS + 31}, "identity-times"),
    "a day": ({"exp": SECONDS + 86400}, "ok"),
    "longer than a day": ({"exp": SECONDS + 86401}, "identity-times"),
    "far future": ({"exp": 10**12}, "identity-times"),
    "farther than counting": ({"exp": 10**400}, "identity-times"),
    "ends before it begins": ({"exp": SECONDS - 1, "iat": SECONDS}, "identity-times"),
    "ends as it begins": ({"exp": SECONDS, "iat": SECONDS}, "identity-times"),
    "no exp": ({"exp": None}, "identity-times"),
    "no iat": ({"iat": None}, "identity-times"),
    "exp a text": ({"exp": str(SECONDS + 60)}, "identity-times"),
    "exp true": ({"exp": True}, "identity-times"),
    "exp negative": ({"exp": -1}, "identity-times"),
    "exp a list": ({"exp": [SECONDS + 60]}, "identity-times"),
    "exp with a fraction": ({"exp": SECONDS + 60.5}, "ok"),
    "nbf a text": ({"nbf": "now"}, "identity-times"),
    "nbf false": ({"nbf": False}, "identity-times"),
}


def _raw(issuer: IssuerUnderTest, claims: dict[str, Any]) -> str:
    """Sign without any judgement of a library."""
    import jwt  # noqa: PLC0415 - only here

    text = compact({"alg": "RS256", "kid": "first"}, claims).rpartition(".")[0]
    signature = jwt.get_algorithm_by_name("RS256").sign(text.encode(), issuer.keys["first"])
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def test_times(github: IssuerUnderTest) -> None:
    for name, (changes, code) in TIMES.items():
        token = _raw(github, github.claims(changes, aud=AUDIENCE, now=NOW))
        assert _code(token)[0] == code, name


def test_infinity_is_no_time(github: IssuerUnderTest) -> None:
    claims = compact({}, github.claims(aud=AUDIENCE, now=NOW))
    assert claims
    text = b'{"iss":"%s","aud":"%s","iat":%d,"exp":1e999,"jti":"1"}' % (
        GITHUB.encode(),
        AUDIENCE.encode(),
        SECONDS,
    )
    import jwt  # noqa: PLC0415 - only here

    signed = compact({"alg": "RS256", "kid": "first"}, text).rpartition(".")[0]
    signature = jwt.get_algorithm_by_name("RS256").sign(signed.encode(), github.keys["first"])
    token = f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    assert _code(token) == ("identity-times", "invalid-token")


@pytest.mark.parametrize(
    "audience",
    [
        None, "", "pypi", AUDIENCE.upper(), AUDIENCE + "/", [AUDIENCE], [AUDIENCE, AUDIENCE], [AUDIENCE, "other"], [], {}, 7, True,
        [[AUDIENCE]],
    ],
)  # fmt: skip
def test_another_audience_is_another_index(github: IssuerUnderTest, audience: Any) -> None:
    token = _raw(github, github.claims(aud=audience, now=NOW))
    assert _code(token) == ("identity-audience", "invalid-token")


def test_of_other_issuers_a_list_of_one_audience_is_one(custom: IssuerUnderTest) -> None:
    for audience, code in (
        (AUDIENCE, "ok"),
        ([AUDIENCE], "ok"),
        ([AUDIENCE, "other"], "identity-audience"),
        ([AUDIENCE, AUDIENCE], "identity-audience"),
        (["other"], "identity-audience"),
        ([[AUDIENCE]], "identity-audience"),
        ([7], "identity-audience"),
    ):
        assert _code(_raw(custom, custom.claims(aud=audience, now=NOW)))[0] == code, audience


def test_without_an_audience_of_ours_nothing_is_taken(github: IssuerUnderTest) -> None:
    with pytest.raises(IdentityRefused):
        verify_identity(_raw(github, github.claims(aud="", now=NOW)), audience="", now=NOW)


@pytest.mark.parametrize(
    "url",
    [
        "https://unknown.example",
        GITHUB.upper(),
        GITHUB.replace("token", "Token"),
        GITHUB + "//",
        GITHUB + ":443",
        GITHUB + "/.",
        GITHUB + "?",
        GITHUB + "#",
        GITHUB + "\n",
        " " + GITHUB,
        GITHUB.replace("https", "http"),
        GITHUB.replace("a", "%61", 1),
        "https://x@" + GITHUB.removeprefix("https://"),
        GITHUB + ".evil.example",
        "",
    ],
)
def test_an_issuer_is_known_by_its_very_name(github: IssuerUnderTest, url: str) -> None:
    assert _code(github.token({"iss": url}, aud=AUDIENCE, now=NOW)) == ("issuer-unknown", "invalid-payload")


def test_an_issuer_that_ends_in_a_slash_is_the_same(custom: IssuerUnderTest) -> None:
    assert _identity(custom.token({"iss": CI + "/"}, aud=AUDIENCE, now=NOW)).issuer.url == CI


@pytest.mark.parametrize("url", [None, 7, [GITHUB], {"x": GITHUB}])
def test_an_issuer_is_a_text(github: IssuerUnderTest, url: Any) -> None:
    token = _raw(github, {**github.claims(aud=AUDIENCE, now=NOW), "iss": url})
    assert _code(token) == ("identity-malformed", "invalid-payload")


def test_one_issuer_signs_nothing_for_another(github: IssuerUnderTest, custom: IssuerUnderTest) -> None:
    custom.keys = {"first": rsa_key(5)}
    trust(custom, "custom", now=NOW)
    posing = custom.token({"iss": GITHUB}, aud=AUDIENCE, now=NOW)
    assert _code(posing) == ("identity-signature", "invalid-token")
    assert _code(custom.token(aud=AUDIENCE, now=NOW))[0] == "ok"
    assert _code(github.token(aud=AUDIENCE, now=NOW))[0] == "ok"


def test_a_removed_issuer_is_unknown(github: IssuerUnderTest) -> None:
    token = github.token(aud=AUDIENCE, now=NOW)
    issuers.remove_issuer(GITHUB, by=host())
    assert _code(token) == ("issuer-unknown", "invalid-payload")


def test_the_checks_come_in_their_order(github: IssuerUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong first is told first: an unknown issuer costs no key, a bad signature tells nothing of the rest."""

    def never(*_: object) -> None:
        raise AssertionError("keys were asked for")

    bad: dict[str, Any] = {"exp": 1, "aud": "other", "jti": None}
    assert _code(github.token(bad, key=rsa_key(7), now=NOW))[0] == "identity-signature"
    assert _code(github.token(bad, now=NOW))[0] == "identity-times"
    assert _code(github.token({"aud": "other", "jti": None}, now=NOW))[0] == "identity-audience"
    assert _code(github.token({"jti": None}, aud=AUDIENCE, now=NOW))[0] == "identity-number-missing"
    monkeypatch.setattr(issuers, "key_set_of", never)
    assert _code(github.token({"iss": "https://unknown.example"}, now=NOW))[0] == "issuer-unknown"
    assert _code(github.token(bad, alg="RS512", now=NOW))[0] == "identity-algorithm"
    assert _code(github.token(bad, header={"jku": "https://evil.example"}, now=NOW))[0] == "identity-header"


@pytest.mark.parametrize("url", [GITHUB, GITLAB])
@pytest.mark.parametrize("jti", [None, "", 7, ["7"], "x" * 513])
def test_a_well_known_issuer_numbers_its_tokens(url: str, jti: Any) -> None:
    issuer = IssuerUnderTest(url)
    trust(issuer, now=NOW)
    token = issuer.token({"jti": None} if jti is None else {}, aud=AUDIENCE, now=NOW)
    if jti is not None:
        token = _raw(issuer, {**issuer.claims(aud=AUDIENCE, now=NOW), "jti": jti})
    assert _code(token) == ("identity-number-missing", "invalid-token")


def test_a_number_counts_at_its_issuer(github: IssuerUnderTest, custom: IssuerUnderTest) -> None:
    def digest(issuer: IssuerUnderTest, **claims: Any) -> str:
        return _identity(issuer.token(claims, aud=AUDIENCE, now=NOW)).replay_digest

    assert digest(github, jti="7", run="1") == digest(github, jti="7", run="2")
    assert len({digest(github, jti="7"), digest(github, jti="8"), digest(custom, jti="7")}) == 3
    assert digest(custom, jti=None, run="1") == digest(custom, jti=None, run="1")
    assert digest(custom, jti=None, run="1") != digest(custom, jti=None, run="2")


def test_without_a_number_a_second_signature_is_no_second_token(custom: IssuerUnderTest) -> None:
    """Anybody can turn an ES256 signature into another valid one: what counts is what was signed."""
    custom.keys = {"ec": ec_key()}
    trust(custom, "custom", now=NOW)
    token = custom.token({"jti": None}, aud=AUDIENCE, now=NOW)
    signed, _, signature = token.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    first, second = decode_dss_signature(
        encode_dss_signature(int.from_bytes(raw[:32]), order - int.from_bytes(raw[32:]))
    )
    twin = base64.urlsafe_b64encode(first.to_bytes(32) + second.to_bytes(32)).rstrip(b"=").decode()
    assert twin != signature
    assert _identity(f"{signed}.{twin}").replay_digest == _identity(token).replay_digest


def test_a_token_without_a_key_s_name_is_taken_where_one_key_can_be_meant(custom: IssuerUnderTest) -> None:
    text = custom.token(aud=AUDIENCE, now=NOW)
    import jwt  # noqa: PLC0415 - only here

    claims = jwt.decode(text, options={"verify_signature": False})
    bare = jwt.encode(claims, custom.keys["first"], algorithm="RS256")
    assert _code(bare)[0] == "ok"
    Issuer.objects.filter(url=CI).update(keys={"keys": [*custom.jwks["keys"], public_jwk(rsa_key(3), "b")]})
    assert _code(bare)[0] == "identity-key-unknown"


def test_another_key_under_the_same_name_is_noticed_and_the_old_one_proves_nothing(
    github: IssuerUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = github.token(aud=AUDIENCE, now=NOW)
    github.keys = {"first": rsa_key(6)}
    new = github.token(aud=AUDIENCE, now=NOW)
    asked = []

    def fetch(url: str, *, may_be_private: bool) -> keys_client.Found:
        del may_be_private
        asked.append(url)
        return keys_client.Found(url, github.jwks, 1)

    monkeypatch.setattr(keys_client, "fetch_keys", fetch)
    assert _code(new)[0] == "identity-signature"  # asked less than a minute ago
    Issuer.objects.update(asked_at=NOW - timedelta(minutes=1))
    assert _code(new)[0] == "ok"
    assert _code(old)[0] == "identity-signature"
    assert asked == [GITHUB]


def test_the_whole_way_over_tls_with_rotation_and_outage(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = dataclasses.replace(configuration.current(), ca_file=certificate[0])
    monkeypatch.setattr(configuration, "current", lambda: settings)
    with ServedIssuer(*certificate) as served:
        issuers.add_issuer(served.url, "gitlab", may_be_private=True, by=host())

        def code(minutes: float, kid: str | None = None, **claims: Any) -> str:
            now = NOW + timedelta(minutes=minutes)
            token = served.token(claims, aud=AUDIENCE, now=now, kid=kid)
            try:
                verify_identity(token, audience=AUDIENCE, now=now)
            except IdentityRefused as refusal:
                return refusal.code
            return "ok"

        assert code(0) == "ok"
        assert code(1) == "ok"
        assert len(served.asked) == 2  # one of the document, one of the keys
        served.rotate()
        assert code(2) == "ok"
        assert len(served.asked) == 4
        served.mode = "failing"
        assert code(60) == "ok"
        assert code(24 * 60) == "ok"
        assert code(24 * 60 + 3) == "identity-keys-missing"
        served.mode = "other-issuer"
        assert code(24 * 60 + 5) == "identity-keys-missing"
        served.mode = "good"
        assert code(24 * 60 + 7) == "ok"
        served.keys = {"third": ec_key(3)}
        assert code(24 * 60 + 9, kid="third") == "ok"


def test_judging_costs_a_query_and_less_than_a_millisecond_or_two(
    github: IssuerUnderTest, django_assert_num_queries: Any
) -> None:
    token = github.token(aud=AUDIENCE, now=NOW)
    _identity(token)
    with django_assert_num_queries(1):
        _identity(token)
