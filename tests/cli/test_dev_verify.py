from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.accounts.second_factors.soft_key import SoftKey
from tests.distfiles.builders import build_sdist, build_wheel
from tests.publishing.attestations.vectors import ALL, PUBLISHERS

from keyhouse.accounts.second_factors.webauthn.rules import encode
from keyhouse.cli.dev_verify import KINDS, answer

TOTP_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # RFC 6238 appendix B


def ask(**fields: Any) -> dict[str, Any]:
    return answer(json.dumps(fields).encode())


def code_of(**fields: Any) -> str:
    found = ask(**fields)
    assert found["ok"] is False
    return str(found["code"])


def test_a_good_archive_is_taken_and_a_bad_one_named(tmp_path: Path) -> None:
    good, bad = build_wheel(tmp_path), build_wheel(tmp_path, name="beta", record=b"")
    assert ask(kind="archive", path=str(good)) == {
        "ok": True,
        "name": "alpha",
        "version": "1.0",
        "kind": "wheel",
    }
    assert ask(kind="archive", path=str(build_sdist(tmp_path)))["kind"] == "sdist"
    assert code_of(kind="archive", path=str(bad)) == "record-incomplete"
    assert code_of(kind="archive", path=str(tmp_path / "gamma-1.0.tar.gz")) == "file-unreadable"


def test_an_archive_is_judged_under_the_name_given(tmp_path: Path) -> None:
    path = build_wheel(tmp_path).rename(tmp_path / "upload.tmp")
    assert code_of(kind="archive", path=str(path)) == "filename-extension"
    assert ask(kind="archive", path=str(path), filename="alpha-1.0-py3-none-any.whl")["ok"] is True
    assert code_of(kind="archive", path=str(path), filename="Alpha-1.0-py3-none-any.whl") == (
        "filename-not-canonical"
    )


def test_archives_of_others_get_the_verdict_they_were_made_for(vectors: Path) -> None:
    for path in sorted((vectors / "zip" / "reject").iterdir()):
        found = ask(kind="archive", path=str(path), filename="alpha-1.0-py3-none-any.whl")
        assert found["ok"] is False, path.name
        assert found["code"] not in {"verdict-impossible", "file-unreadable"}, path.name


def test_a_description_comes_back_as_safe_html() -> None:
    found = ask(kind="description", text="# Hi\n<script>x()</script>", content_type="text/markdown")
    assert found["ok"] is True
    assert ">Hi<" in found["html"]
    assert "<script" not in found["html"]
    assert code_of(kind="description", text="x", content_type="text/html") == "metadata-content-type"
    broken = "Title\n===\n\n.. nothing-like-this::\n\n   text\n"
    assert code_of(kind="description", text=broken, content_type="text/x-rst") == "metadata-description"


def test_names_are_judged_as_on_an_empty_index() -> None:
    assert ask(kind="name", name="Alpha.Beta") == {"ok": True, "name": "alpha-beta"}
    for name in ("json", "keyh0use", "a b", "", "x" * 300):
        assert code_of(kind="name", name=name) == "name-refused"


def test_passwords_are_judged_with_what_is_known_of_the_person() -> None:
    person = {"username": "ada", "email": "ada@example.org"}
    assert ask(kind="password", password="correct horse battery staple", **person) == {"ok": True}
    assert code_of(kind="password", password="short", **person) == "password-too-short"
    assert code_of(kind="password", password="ada@example.org", **person) == "password-personal"
    assert code_of(kind="password", password="a" * 5000, **person) == "password-too-long"


def test_a_code_of_an_authenticator_app_gives_its_step() -> None:
    question = {"kind": "totp", "secret": TOTP_SECRET, "code": "287082", "at": "1970-01-01T00:00:59Z"}
    assert ask(**question) == {"ok": True, "step": 1}
    assert ask(**question, last_step=0)["ok"] is True
    assert code_of(**question, last_step=1) == "code-replayed"
    assert code_of(**question | {"at": "1970-01-01T00:04:00Z"}) == "clock-off"
    assert code_of(**question | {"code": "000000"}) == "code-wrong"
    assert code_of(**question | {"secret": "not base32!"}) == "secret-malformed"
    assert code_of(**question | {"at": "yesterday"}) == "fields-wrong"


def read_vector(path: Path) -> tuple[bool, dict[str, Any]]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    words = dict(line.partition(" ")[::2] for line in lines if not line.startswith("exact "))
    satisfied = [line.partition(" ")[2] for line in lines if line.startswith("exact ")]
    question = {"text": lines[-1], "key": words["key"].encode().hex(), "satisfied": satisfied}
    return "authorized" in words, question


def test_macaroons_of_others_get_their_verdict_as_they_stand_in_the_files(vectors: Path) -> None:
    cases = sorted((vectors / "macaroons").glob("*.vtest"))
    assert len(cases) == 16
    for path in cases:
        is_authorized, question = read_vector(path)
        found = ask(kind="macaroon", **question)
        assert found["ok"] is is_authorized, path.name
        assert is_authorized or found["code"] == "credential-invalid"


def test_text_that_is_no_macaroon_is_an_invalid_credential() -> None:
    for text in ("", "keyhouse-", "AgETaHR0", "\u00e9", "{}" * 9000):
        assert code_of(kind="macaroon", text=text, key="00") == "credential-invalid"
    assert code_of(kind="macaroon", text="Ag", key="xyz") == "fields-wrong"


@pytest.mark.parametrize("name", ALL)
def test_attestations_of_others_get_their_verdict(name: str, vectors: Path) -> None:
    folder = vectors / "attestations"
    filename, publisher = ALL[name]
    if not (folder / filename).is_file():
        return
    for key, expected in PUBLISHERS.items():
        fields = {"provider": expected.provider, **expected.claims}
        found = ask(
            kind="attestation",
            distribution=str(folder / filename),
            attestation=str(folder / name),
            publisher=fields,
        )
        assert found["ok"] is (key == publisher), found
        assert found["ok"] or found["code"].startswith("attestation-")


@pytest.mark.parametrize("publisher", [{}, {"provider": "x"}, {"provider": "github"}, {"provider": []}])
def test_a_publisher_that_says_nothing_verifies_nothing(publisher: dict[str, Any], vectors: Path) -> None:
    path = vectors / "attestations" / "pypi_attestations-0.0.19.tar.gz"
    found = ask(
        kind="attestation",
        distribution=str(path),
        attestation=f"{path}.provenance",
        publisher=publisher,
    )
    assert (found["ok"], found["code"]) == (False, "attestation-issuer-not-covered")


@pytest.mark.parametrize(
    "kind",
    ["nothing", "", None, 7],
)
def test_other_kinds_are_told_as_unknown(kind: object) -> None:
    assert code_of(kind=kind) == "kind-unknown"


@pytest.mark.parametrize("line", [b"", b"\n", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_a_line_that_is_no_object_is_told_as_malformed(line: bytes) -> None:
    assert answer(line)["code"] == "line-malformed"


_VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists)
_FIELDS = ["path", "filename", "text", "content_type", "name", "password", "username", "email", "secret"]
_MORE = ["code", "at", "last_step", "key", "satisfied"]


@given(kind=st.sampled_from(sorted(KINDS)), body=st.dictionaries(st.sampled_from(_FIELDS + _MORE), _VALUES))
def test_no_line_raises_whatever_its_fields_hold(kind: str, body: dict[str, Any]) -> None:
    found = answer(json.dumps({**body, "kind": kind}).encode())
    assert isinstance(found["ok"], bool)
    assert found["ok"] or found["code"]


def run(lines: bytes, folder: Path, environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "keyhouse", "dev", "verify"],
        input=lines,
        capture_output=True,
        check=False,
        timeout=60,
        env={"KEYHOUSE_ENVIRONMENT": environment, "KEYHOUSE_DATA": str(folder), "PYTHONPATH": "src"},
        cwd=Path(__file__).parents[2],
    )


def test_each_line_is_answered_in_order_and_nothing_is_made_on_the_disk(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    done = run(
        b'{"kind": "name", "name": "alpha"}\n\nnonsense\n{"kind": "name", "name": "sys"}', folder, "test"
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert [found.get("code") for found in answers] == [
        None,
        "line-malformed",
        "line-malformed",
        "name-refused",
    ]
    assert not folder.exists()


def test_it_is_closed_in_production(tmp_path: Path) -> None:
    done = run(b"{}\n", tmp_path / "data", "production")
    assert (done.returncode, done.stdout) == (2, b"")
    assert len(done.stderr.splitlines()) == 1


# ---- decide

KEYS = {
    "name": "keys",
    "title": "A second factor",
    "reason": "A stolen password alone must not be able to publish.",
    "who": {"role": ["project.owner"]},
    "methods": {"accept": ["authenticator-app"]},
    "stages": [
        {"state": "announced", "at": "2023-05-25T16:00:00Z", "warn": ["all"]},
        {"state": "enforced", "at": "2024-01-01T00:00:00Z", "deny": ["all"]},
    ],
}
FACTS: dict[str, Any] = {
    "person": {
        "id": "u1",
        "joined_at": "2020-01-01T00:00:00Z",
        "state": "active",
        "verified_email": True,
        "factors": [],
        "recovery_codes": 0,
        "roles": [],
    },
    "authority": [
        {
            "kind": "project",
            "name": "alpha",
            "role": "owner",
            "since": "2020-01-02T00:00:00Z",
            "via": "own",
            "critical": False,
        }
    ],
    "asking": {
        "kind": "token",
        "proved": ["password"],
        "user_verified": False,
        "at": "2023-03-01T00:00:00Z",
        "configured_by": None,
    },
    "action": "release.upload",
    "object": {"kind": "project", "name": "alpha"},
    "notices": [
        {"mandate": "keys", "kind": "announcement", "delivered_at": "2023-05-26T00:00:00Z"},
    ],
    "exemptions": [],
}


def test_a_decision_is_that_of_the_documents_given_alone() -> None:
    at = "2024-01-01T00:00:00Z"
    found = ask(kind="decide", facts=FACTS, mandates=[KEYS], at=at)
    assert found == {
        "ok": True,
        "verdict": "deny",
        "code": "credential-weak",
        "mandate": "keys",
        "version": 1,
        "since": at,
        "until": None,
        "reason": found["reason"],
        "fix": found["fix"],
    }
    assert found["reason"]
    before = ask(kind="decide", facts=FACTS, mandates=[KEYS], at="2023-12-31T23:59:59.999999Z")
    assert (before["verdict"], before["until"]) == ("warn", at)
    assert ask(kind="decide", facts=FACTS, mandates=[], at=at)["verdict"] == "allow"


def test_operators_are_always_asked_for_a_factor() -> None:
    facts = FACTS | {"person": FACTS["person"] | {"roles": ["operator"]}}
    found = ask(kind="decide", facts=facts, mandates=[], at="2024-01-01T00:00:00Z")
    assert (found["verdict"], found["mandate"]) == ("deny", "operators-floor")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"facts": None}, "facts-malformed"),
        ({"facts": FACTS | {"surprise": 1}}, "facts-malformed"),
        ({"facts": FACTS | {"asking": {"kind": "ghost"}}}, "facts-malformed"),
        (
            {"facts": FACTS | {"person": FACTS["person"] | {"joined_at": "0001-01-01T00:00:00+23:59"}}},
            "facts-malformed",
        ),
        ({"mandates": None}, "fields-wrong"),
        ({"mandates": ["keys"]}, "mandate-invalid"),
        ({"mandates": [KEYS | {"who": {"role": ["boss"]}}]}, "mandate-invalid"),
        ({"mandates": [KEYS, KEYS]}, "mandate-invalid"),
        ({"mandates": [KEYS | {"name": "operators-floor"}]}, "mandate-invalid"),
        ({"at": "2024-01-01T00:00:00"}, "fields-wrong"),
        ({"at": None}, "fields-wrong"),
    ],
)
def test_malformed_questions_for_a_decision_have_a_code(changes: dict[str, Any], code: str) -> None:
    question = {"facts": FACTS, "mandates": [KEYS], "at": "2024-01-01T00:00:00Z"}
    assert code_of(kind="decide", **(question | changes)) == code


def soft(**faults: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a registration and an assertion of a key made of code, as lines."""
    key = SoftKey(origin="https://index.example", rp_id="index.example")
    enrol = {"challenge": encode(b"c" * 32), "user": {"id": encode(b"h" * 64)}}
    prove = {"challenge": encode(b"d" * 32), "allowCredentials": []}
    site = {"origin": "https://index.example", "rp_id": "index.example", "user_verification": "required"}
    first = {"kind": "webauthn-registration", "options": enrol, "response": key.create(enrol), **site}
    credential = ask(**first)["credential"]
    second = {"kind": "webauthn-assertion", "options": prove, "response": key.get(prove, **faults), **site}
    return first, {**second, "credential": credential}


def test_security_keys_get_the_verdicts_of_the_server() -> None:
    first, second = soft()
    made = ask(**first)["credential"]
    assert (made["algorithm"], made["sign_count"], made["backup_eligible"]) == (-7, 0, False)
    assert ask(**second) == {"ok": True, "sign_count": 0, "user_verified": True, "backup_state": False}
    assert code_of(**{**first, "origin": "https://evil.example"}) == "key-origin-wrong"
    assert code_of(**{**second, "credential": {**made, "sign_count": 3}}) == "key-cloned"
    assert code_of(**{**second, "credential": {**made, "user_handle": "YQ"}}) == "key-unknown"
    _, unverified = soft(flags=1)
    assert code_of(**unverified) == "user-not-verified"
    assert ask(**{**unverified, "user_verification": "preferred"})["ok"]


@pytest.mark.parametrize("name", ["options", "response", "credential", "origin", "rp_id"])
def test_security_keys_need_their_fields(name: str) -> None:
    _, second = soft()
    assert code_of(**{**second, name: 7}) == "fields-wrong"
    assert code_of(**{key: value for key, value in second.items() if key != name}) == "fields-wrong"
