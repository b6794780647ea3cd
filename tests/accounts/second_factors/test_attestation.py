"""Keys whose maker vouches for their model: the statement, the metadata file, the enrolment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import cbor2
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tests.accounts.conftest import PASSWORD, START, Browser, Configure, send, signed_in
from tests.accounts.second_factors.soft_key import SoftKey
from tests.accounts.second_factors.soft_maker import (
    AAGUID,
    NAME,
    Maker,
    metadata,
    self_attesting,
)
from tests.accounts.second_factors.test_webauthn_rules import HANDLE, VECTORS, hexed, vectors
from tests.accounts.test_newcomers import codes_on

from keyhouse.accounts import services
from keyhouse.accounts.models import SecurityKey, User
from keyhouse.accounts.second_factors.webauthn import key_models, rules
from keyhouse.accounts.second_factors.webauthn.attestation import find_attested, leads_to
from keyhouse.accounts.second_factors.webauthn.errors import KeyRefused
from keyhouse.accounts.second_factors.webauthn.key_models import (
    LARGEST,
    KeyModel,
    KeyModelsDamaged,
    find_models,
    read_models,
    require_models,
)
from keyhouse.accounts.second_factors.webauthn.rules import Site, encode
from keyhouse.audit.models import Record
from keyhouse.cli.announcement import unsafe_keys
from keyhouse.core.actor import host
from keyhouse.core.configuration import ConfigurationError, read

OPTIONS = {
    "challenge": encode(b"c" * 32),
    "user": {"id": encode(HANDLE)},
    "attestation": "direct",
}
SITE = Site("http://localhost:8400", "localhost", needs_user_verified=False)
BLUE = Maker()
OTHER = Maker("Other")
ADD = "/account/security-keys/add/"
ASK = "/account/security-keys/options/"
REVOKED = {"status": "REVOKED", "effectiveDate": "2024-03-01"}


def attested(key: SoftKey, *entries: Mapping[str, Any], now: datetime = START, **faults: Any) -> str:
    answer = key.create(OPTIONS, **faults)
    made = rules.verify_registration(OPTIONS, answer, SITE)
    models = read_models(metadata(*entries or [BLUE.entry()]))
    model = find_attested(made.aaguid, answer, models, now)
    return model.name if model else ""


# ---- the statement


def test_a_maker_vouches_for_its_key() -> None:
    assert attested(BLUE.key()) == NAME
    assert attested(BLUE.key(between=True)) == NAME


def test_a_certificate_below_the_root_may_be_the_one_that_is_trusted() -> None:
    assert attested(BLUE.key(between=True), BLUE.entry(trusted=BLUE.between)) == NAME
    assert not attested(BLUE.key(), BLUE.entry(trusted=BLUE.between))


@pytest.mark.parametrize(
    ("told", "what"),
    [
        ({"by": OTHER.private}, "signed by another root in this one's name"),
        ({"model": UUID(int=7)}, "of another model"),
        ({"model": None}, "of no model"),
        ({"critical": True}, "with a critical extension, which 8.2.1 forbids"),
        ({"is_authority": True}, "an authority, not a key"),
        ({"unit": "Marketing"}, "not for attestation"),
        ({"days": 30}, "expired"),
        ({"begin": START + timedelta(days=1)}, "not valid yet"),
    ],
)
def test_a_certificate_that_proves_nothing(told: dict[str, Any], what: str) -> None:
    assert not attested(BLUE.key(**told)), what


def test_a_chain_to_another_root_proves_nothing() -> None:
    assert not attested(OTHER.key())
    assert not attested(OTHER.key(between=True))
    same_name = Maker()
    assert not attested(same_name.key())


def test_a_chain_with_its_own_root_brings_no_trust_along() -> None:
    key = OTHER.key()
    assert key.attest is not None
    plain = key.attest

    def attest(signed: bytes) -> dict[str, Any]:
        told = plain(signed)
        told["attStmt"]["x5c"].append(OTHER.root.public_bytes(Encoding.DER))
        return told

    key.attest = attest
    assert not attested(key)


def test_a_chain_counts_as_long_as_all_of_it_is_valid() -> None:
    assert attested(BLUE.key(days=300), now=datetime(2024, 10, 1, tzinfo=UTC)) == NAME
    assert not attested(BLUE.key(days=300), now=datetime(2024, 11, 1, tzinfo=UTC))
    short = Maker(days=300)
    assert not attested(short.key(days=3000), short.entry(), now=datetime(2024, 11, 1, tzinfo=UTC))


def test_who_vouches_for_itself_is_vouched_for_by_nobody() -> None:
    assert not attested(self_attesting())


def test_no_statement_and_one_of_another_form_prove_nothing() -> None:
    assert not attested(SoftKey(aaguid=AAGUID.bytes))
    chain = [BLUE.root.public_bytes(Encoding.DER)]
    other = {"fmt": "fido-u2f", "attStmt": {"sig": b"s", "x5c": chain}}
    assert not attested(SoftKey(aaguid=AAGUID.bytes), statement=other)


def test_a_model_that_is_not_listed_is_not_attested() -> None:
    assert not attested(BLUE.key(), BLUE.entry(aaguid=str(UUID(int=9))))


def test_a_listed_model_without_roots_attests_nothing() -> None:
    bare = {"description": NAME, "attestationRootCertificates": []}
    assert not attested(BLUE.key(), BLUE.entry(metadataStatement=bare))


def test_a_root_that_is_no_certificate_attests_nothing() -> None:
    odd = {"description": NAME, "attestationRootCertificates": ["AAAA"]}
    assert not attested(BLUE.key(), BLUE.entry(metadataStatement=odd))


def test_a_statement_signed_by_another_key_is_refused_as_ever() -> None:
    key = BLUE.key()
    assert key.attest is not None
    good = key.attest(b"something else")
    with pytest.raises(KeyRefused) as refused:
        rules.verify_registration(OPTIONS, key.create(OPTIONS, statement=good), SITE)
    assert refused.value.code == "key-signature-wrong"


ODD_PARTS: list[dict[str, Any]] = [
    {"x5c": [b"\x30\x00"]},
    {"x5c": "text"},
    {"x5c": {1: 2}},
    {"alg": -35},
    {"alg": [-7]},
    {"alg": -65535},
]


@pytest.mark.parametrize("odd", ODD_PARTS)
def test_a_statement_that_cant_be_judged_says_nothing_where_makers_are_asked(odd: dict[str, Any]) -> None:
    key = BLUE.key()
    assert key.attest is not None
    plain = key.attest

    def attest(signed: bytes) -> dict[str, Any]:
        told = plain(signed)
        return {**told, "attStmt": {**told["attStmt"], **odd}}

    key.attest = attest
    assert not attested(key)
    answer = key.create(OPTIONS)
    with pytest.raises(KeyRefused) as refused:
        rules.verify_registration({**OPTIONS, "attestation": "none"}, answer, SITE)
    assert refused.value.code in {"key-signature-wrong", "key-answer-malformed"}


@pytest.mark.parametrize("chain", [[], "text", [1], [b""], [b"\x30\x00"], [b"x"] * 9, None, {}])
def test_odd_chains_prove_nothing(chain: object) -> None:
    data = bytes(32) + bytes([0x45]) + bytes(4) + AAGUID.bytes + (1).to_bytes(2) + b"i" + SoftKey().cose()
    statement = {"fmt": "packed", "attStmt": {"x5c": chain}, "authData": data}
    parts = {"attestationObject": encode(cbor2.dumps(statement))}
    answer = {"type": "public-key", "id": encode(b"i"), "response": parts}
    assert find_attested(str(AAGUID), answer, read_models(metadata(BLUE.entry())), START) is None


def test_the_attested_examples_of_the_standard_lead_to_their_root_and_name_no_model() -> None:
    if not VECTORS.exists():
        pytest.skip("no vectors")
    root = bytes.fromhex(json.loads(VECTORS.read_text())["attestation_ca"]["attestation_ca_cert"])
    leading = set()
    for case in vectors():
        told = case["registration"]
        answer = {
            "type": "public-key",
            "id": hexed(told["credential_id"]),
            "response": {"attestationObject": hexed(told["attestationObject"])},
        }
        chain = rules.read_statement(answer)[1].get("x5c")
        if chain and leads_to(chain, (root,), START):
            leading.add(case["id"].removeprefix("sctn-test-vectors-"))
        aaguid = str(UUID(hex=told["aaguid"]))
        assert find_attested(aaguid, answer, {aaguid: KeyModel("standard", (root,))}, START) is None
    packed = {f"packed-{one}" for one in ("es256", "es384", "es512", "rs256", "eddsa", "ed448")}
    assert leading == packed | {"tpm-es256", "android-key-es256", "apple-es256", "fido-u2f-es256"}


# ---- the metadata file


@pytest.mark.parametrize(
    ("reports", "is_sound"),
    [
        ([], True),
        ([REVOKED], False),
        ([{"status": "USER_KEY_PHYSICAL_COMPROMISE", "effectiveDate": "2024-02-01"}], False),
        ([{"status": "USER_KEY_REMOTE_COMPROMISE"}], False),
        ([{"status": "ATTESTATION_KEY_COMPROMISE", "effectiveDate": "2024-01-02"}], False),
        ([{"status": "USER_VERIFICATION_BYPASS", "effectiveDate": "2024-02-01"}], False),
        ([REVOKED, {"status": "UPDATE_AVAILABLE", "effectiveDate": "2024-04-01"}], False),
        ([REVOKED, {"status": "FIDO_CERTIFIED_L2", "effectiveDate": "2024-04-01"}], True),
        ([{"status": "FIDO_CERTIFIED_L2", "effectiveDate": "2024-04-01"}, REVOKED], True),
        ([{"status": "FIDO_CERTIFIED_L2", "effectiveDate": "2024-02-01"}, REVOKED], False),
        ([{"status": "UPDATE_AVAILABLE"}], True),
    ],
)
def test_the_last_word_about_a_model_counts(reports: list[dict[str, str]], *, is_sound: bool) -> None:
    assert bool(attested(BLUE.key(), BLUE.entry(*reports))) is is_sound


def test_entries_of_other_protocols_are_passed_over() -> None:
    others: list[dict[str, Any]] = [
        {"aaid": "4e4e#4005", "statusReports": []},
        {"attestationCertificateKeyIdentifiers": ["00" * 20]},
        BLUE.entry(aaguid=str(UUID(int=0))),
    ]
    assert set(read_models(metadata(*others, BLUE.entry()))) == {str(AAGUID)}


def test_names_are_one_short_line() -> None:
    odd = {"description": " Blue\n\u202eKey \x00" + "x" * 300}
    (model,) = read_models(metadata(BLUE.entry(metadataStatement=odd))).values()
    assert model.name.startswith("Blue Key ")
    assert len(model.name) == 200


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "still signed and packed"),
        (b"[" * 200_000, "not JSON"),
        (b"[]", "no list `entries`"),
        (b"{}", "no list `entries`"),
        (metadata(), "lists no model"),
        (metadata({"aaid": "4e4e#4005"}), "lists no model"),
        (metadata(1), "entry 0 is no object"),  # type: ignore[arg-type]  # what is tried
        (metadata(BLUE.entry(aaguid="x")), "entry 0 has an `aaguid`"),
        (metadata(BLUE.entry(aaguid=5)), "entry 0 has an `aaguid`"),
        (metadata(BLUE.entry(), BLUE.entry()), "entry 1 is about a model"),
        (metadata(BLUE.entry(metadataStatement=None)), "description"),
        (metadata(BLUE.entry(metadataStatement={"description": " \x00"})), "description"),
        (metadata(BLUE.entry(statusReports={})), "no list `statusReports`"),
        (metadata(BLUE.entry("x")), "status report"),  # type: ignore[arg-type]  # what is tried
        (metadata(BLUE.entry({"status": 1})), "status report"),
        (metadata(BLUE.entry({"status": "REVOKED", "effectiveDate": "soon"})), "effectiveDate"),
        (metadata(BLUE.entry({"status": "REVOKED", "effectiveDate": 20240101})), "effectiveDate"),
        (
            metadata(
                BLUE.entry(metadataStatement={"description": "B", "attestationRootCertificates": ["%%%%"]})
            ),
            "not base64",
        ),
        (
            metadata(BLUE.entry(metadataStatement={"description": "B", "attestationRootCertificates": [{}]})),
            "not base64",
        ),
    ],
)
def test_a_damaged_file_is_refused_with_the_reason(raw: bytes, why: str) -> None:
    with pytest.raises(KeyModelsDamaged, match=why):
        read_models(raw)


def put(path: Path, raw: bytes) -> Path:
    draft = path.with_suffix(".new")
    draft.write_bytes(raw)
    return draft.replace(path)


@pytest.fixture
def listed(tmp_path: Path, configure: Configure) -> Path:
    """A metadata file that is set, with the blue model."""
    path = put(tmp_path / "models.json", metadata(BLUE.entry()))
    configure(key_models=path)
    return path


@pytest.mark.parametrize("damage", ["none", "folder", "huge", "torn"])
def test_a_file_that_cant_be_used_stops_the_start(damage: str, listed: Path) -> None:
    require_models()
    whole = listed.read_bytes()
    listed.unlink()
    if damage == "folder":
        listed.mkdir()
    elif damage == "huge":
        with listed.open("wb") as file:
            file.write(whole)
            file.truncate(LARGEST + 1)
    elif damage == "torn":
        listed.write_bytes(whole[:-9])
    with pytest.raises(ConfigurationError, match=r"^KEYHOUSE_KEY_MODELS: .*models.json can't be used: .*\.$"):
        require_models()
    assert find_models() == {}


def test_without_a_file_there_is_nothing_to_ask_about(configure: Configure) -> None:
    configure(key_models=None)
    require_models()
    assert require_models() is None


def test_the_file_is_read_once_and_anew_when_it_changes(
    listed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = find_models()
    with monkeypatch.context() as patch:
        patch.setattr(key_models, "read_models", lambda _: pytest.fail("read again"))
        assert find_models() is first
    put(listed, metadata(BLUE.entry(REVOKED)))
    second = find_models()
    assert second is not None
    assert not second[str(AAGUID)].is_sound
    put(listed, b"{")
    assert find_models() == {}
    put(listed, metadata(BLUE.entry()))
    assert find_models() == first


def test_only_listed_models_need_a_list() -> None:
    with pytest.raises(ConfigurationError, match="KEYHOUSE_KEY_MODELS_ONLY=on needs KEYHOUSE_KEY_MODELS"):
        read({"KEYHOUSE_KEY_MODELS_ONLY": "on"})
    told = read({"KEYHOUSE_KEY_MODELS_ONLY": "on", "KEYHOUSE_KEY_MODELS": "models.json"})
    assert told.key_models_only == "on"


# ---- enrolment


def enrol(browser: Browser, key: SoftKey, **faults: Any) -> Any:
    browser.get(ADD)
    asked = send(browser, ASK, {}).json()
    return send(browser, ADD, {"response": key.create(asked, **faults), "name": "blue", "next": "/"})


@pytest.mark.django_db
def test_nobody_is_asked_who_made_a_key_where_no_models_are_listed(ada: User) -> None:
    _, browser = signed_in(ada)
    browser.get(ADD)
    assert send(browser, ASK, {}).json()["attestation"] == "none"
    assert enrol(browser, BLUE.key()).status_code == 200
    assert not SecurityKey.objects.get().attested_model


@pytest.mark.django_db
@pytest.mark.usefixtures("listed")
def test_an_attested_model_is_kept_and_shown(ada: User) -> None:
    _, browser = signed_in(ada)
    browser.get(ADD)
    assert send(browser, ASK, {}).json()["attestation"] == "direct"
    assert enrol(browser, BLUE.key(between=True)).status_code == 200
    assert SecurityKey.objects.get().attested_model == NAME
    browser.get("/account/second-factors/")
    assert f"{NAME} (model {AAGUID}), as its maker vouched when it was added" in browser.text
    assert "as it says of itself" not in browser.text


@pytest.mark.django_db
@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize("key", [OTHER.key(), self_attesting(), SoftKey(aaguid=AAGUID.bytes)])
def test_a_key_for_which_nobody_vouches_is_enrolled_as_such(key: SoftKey, ada: User) -> None:
    _, browser = signed_in(ada)
    assert enrol(browser, key).status_code == 200
    assert not SecurityKey.objects.get().attested_model
    browser.get("/account/second-factors/")
    assert f"model {AAGUID}, as it says of itself" in browser.text


@pytest.mark.django_db
def test_a_file_that_was_damaged_under_way_attests_nothing(listed: Path, ada: User) -> None:
    _, browser = signed_in(ada)
    put(listed, b"{")
    assert enrol(browser, BLUE.key()).status_code == 200
    assert not SecurityKey.objects.get().attested_model


@pytest.mark.django_db
@pytest.mark.parametrize(
    "key", [OTHER.key(), self_attesting(), SoftKey(aaguid=AAGUID.bytes), BLUE.key(days=30), SoftKey()]
)
def test_only_listed_models_are_taken_where_that_is_set(
    key: SoftKey, ada: User, listed: Path, configure: Configure
) -> None:
    configure(key_models=listed, key_models_only="on")
    _, browser = signed_in(ada)
    before = Record.objects.count()
    page = enrol(browser, key)
    assert (page.status_code, page.json()["code"]) == (403, "key-model-refused")
    assert not SecurityKey.objects.exists()
    assert Record.objects.count() == before
    assert enrol(browser, BLUE.key()).status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("raw", [b"{", metadata(BLUE.entry(REVOKED))])
def test_neither_a_damaged_list_nor_a_revoked_model_lets_keys_in(
    raw: bytes, ada: User, listed: Path, configure: Configure
) -> None:
    configure(key_models=listed, key_models_only="on")
    _, browser = signed_in(ada)
    put(listed, raw)
    page = enrol(browser, BLUE.key())
    assert (page.status_code, page.json()["code"]) == (403, "key-model-refused")
    assert not SecurityKey.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("only", ["off", "on"])
def test_the_first_key_of_a_new_account_is_judged_alike(
    only: str, listed: Path, configure: Configure, browser: Browser
) -> None:

    configure(key_models=listed, key_models_only=only)
    link = services.invite_user("eve", "eve@example.org", by=host())
    browser.get(link + "account/")
    browser.post(link + "account/", {"username": "eve", "email": "eve@example.org", "password": PASSWORD})
    browser.get(link + "authenticator/")
    asked = send(browser, link + "security-key/options/", {}).json()
    if only == "on":
        page = send(browser, link + "security-key/", {"response": SoftKey().create(asked)})
        assert (page.status_code, page.json()["code"]) == (403, "key-model-refused")
        asked = send(browser, link + "security-key/options/", {}).json()
    assert send(browser, link + "security-key/", {"response": BLUE.key().create(asked)}).status_code == 200
    browser.get(link + "recovery-codes/")
    browser.post(link + "recovery-codes/", {"recovery_code": codes_on(browser)[0]})
    assert SecurityKey.objects.get(user__username="eve").attested_model == NAME


@pytest.mark.django_db
def test_keys_of_before_go_on_where_only_listed_models_are_taken(
    ada: User, listed: Path, configure: Configure
) -> None:
    configure(key_models=None)
    _, browser = signed_in(ada)
    key = SoftKey()
    assert enrol(browser, key).status_code == 200
    configure(key_models=listed, key_models_only="on")
    browser.get("/account/step-up/security-key/options/")
    asked = send(browser, "/account/step-up/security-key/options/", {}).json()
    page = send(browser, "/account/step-up/security-key/", {"response": key.get(asked), "next": "/"})
    assert page.status_code == 200


@pytest.mark.django_db
def test_people_and_operators_see_that_a_model_became_unsafe(
    ada: User, listed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _, browser = signed_in(ada)
    assert enrol(browser, BLUE.key()).status_code == 200
    browser.get("/account/second-factors/")
    assert "reported unsafe" not in browser.text
    assert unsafe_keys() == []
    other = BLUE.entry(REVOKED, aaguid=str(UUID(int=9)))
    put(listed, metadata(BLUE.entry(REVOKED), other))
    browser.get("/account/second-factors/")
    assert "model reported unsafe" in browser.text
    (told,) = unsafe_keys()
    assert told.startswith(f"1 security keys of 1 people say that they are of the model {NAME} ({AAGUID})")
    put(listed, b"{")
    for _ in range(3):
        browser.get("/account/second-factors/")
    assert "reported unsafe" not in browser.text
    assert len([one for one in caplog.records if "can't be used" in one.getMessage()]) == 1
