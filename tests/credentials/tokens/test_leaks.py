"""Tokens found in the open: signed reports, what is told to whom, and how a token looks in a text."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.test import Client
from tests.credentials.tokens.conftest import MakeToken, make_user, session_of
from tests.credentials.tokens.test_services import in_parallel
from tests.mandate.visiting import Visit

from keyhouse.accounts.errors import TooManyAttempts
from keyhouse.accounts.models import User
from keyhouse.audit.models import Record
from keyhouse.cli import token as command
from keyhouse.core import clock, configuration, faults, keys
from keyhouse.core.errors import CredentialInvalid
from keyhouse.credentials.tokens import authentication, caveats, leak_rules, leaks, macaroons, robots
from keyhouse.credentials.tokens.authentication import identify
from keyhouse.credentials.tokens.errors import LeakReportRefused
from keyhouse.credentials.tokens.leak_rules import Leak
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.trusted_publishers.acting import KEY_PURPOSE, MintedLedger
from keyhouse.credentials.trusted_publishers.models import MintedToken, Publisher
from keyhouse.mail.models import Mail
from keyhouse.projects.models import Project

pytestmark = pytest.mark.django_db
KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
DOOR = "/-/secrets/report"
FORM = "/account/tokens/report-leak/"


def pem(key: Any) -> str:
    return str(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


@pytest.fixture(autouse=True)
def scanner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "scanners.json"
    rows = [
        {"key_identifier": "now", "key": pem(KEY), "is_current": True},
        {"key_identifier": "before", "key": pem(OTHER), "is_current": False},
    ]
    file.write_text(json.dumps({"public_keys": rows}))
    monkeypatch.setattr(configuration, "_current", replace(configuration.current(), leak_report_keys=file))
    return file


@pytest.fixture(autouse=True)
def ledgers() -> Iterator[None]:
    before = dict(authentication._ledgers)
    authentication.wire({authentication.MINTED: MintedLedger()})
    yield
    authentication.wire(before)


def sign(body: bytes, key: Any = KEY) -> str:
    return base64.b64encode(key.sign(body, ec.ECDSA(SHA256()))).decode()


def send(body: bytes, door: str = DOOR, headers: dict[str, str | None] | None = None) -> int:
    told = {"GITHUB-PUBLIC-KEY-IDENTIFIER": "now", "GITHUB-PUBLIC-KEY-SIGNATURE": sign(body)}
    told |= {f"GITHUB-PUBLIC-KEY-{name.upper()}": value for name, value in (headers or {}).items()}  # type: ignore[misc]  # None: left out
    sent = {name: value for name, value in told.items() if value is not None}
    answer = Client(enforce_csrf_checks=True).post(door, body, content_type="application/json", headers=sent)
    assert answer.status_code != 204 or answer.content == b""
    return int(answer.status_code)


def report(*texts: str) -> bytes:
    rows = [
        {
            "token": text,
            "type": "keyhouse_api_token",
            "url": "https://code.example.org/x#L1",
            "source": "content",
        }
        for text in texts
    ]
    return json.dumps(rows).encode()


def works(text: str) -> bool:
    try:
        identify(f"Bearer {text}", network="192.0.2.1", user_agent="", now=clock.now())
    except CredentialInvalid:
        return False
    return True


def minted(project: Project, by: User) -> tuple[MintedToken, str]:
    """Make a publisher and a token that was minted for it, which has no person."""
    now = clock.now()
    publisher = Publisher.objects.create(
        issuer_url="https://ci.example.org", provider="github", project=project, lookup="a/b", identity="i",
        added_at=now, configured_by=by, configured_at=now, configured_methods=["password", "totp"],
    )  # fmt: skip
    row = MintedToken.objects.create(
        key_id=keys.ring().newest.id, issuer_url="https://ci.example.org", provider="github",
        publisher_ids=[publisher.pk], actions=["upload"], minted_at=now, expires_at=now + timedelta(minutes=15),
    )  # fmt: skip
    key = keys.ring().derive(KEY_PURPOSE, salt=row.pk.bytes, key_id=row.key_id)
    macaroon = macaroons.mint(key, authentication.MINTED + row.pk.bytes, location=b"localhost")
    return row, macaroons.text_of(macaroon, "keyhouse-")


def narrowed(text: str) -> str:
    macaroon = macaroons.read_text(text, "keyhouse-")
    return macaroons.text_of(macaroons.attenuate(macaroon, caveats.write_actions(["read"])), "keyhouse-")


def forged(text: str) -> str:
    """Return the token with the signature of somebody who doesn't know its key."""
    macaroon = macaroons.read_text(text, "keyhouse-")
    return macaroons.text_of(replace(macaroon, signature=bytes(32)), "keyhouse-")


@pytest.mark.parametrize("door", [DOOR, "/_/secrets/disclose-token", "/_/github/disclose-token"])
def test_every_kind_is_revoked_its_people_told_and_it_is_written_down_once(
    mint: MakeToken, ada: User, alpha: Project, door: str
) -> None:
    own = mint()[1]
    robot = robots.mint_robot_token("alpha", description="r", expires_in_days=9, by=session_of(ada))[1]
    row, ci = minted(alpha, ada)
    Record.objects.all().delete()
    body = report(own, robot, ci, own)
    assert all(map(works, (own, robot, ci)))
    assert [send(body, door) for _ in range(3)] == [204] * 3
    assert not any(map(works, (own, robot, ci)))
    told = Record.objects.order_by("pk").values_list("action", flat=True)
    assert list(told) == ["token.revoke", "robot-token.revoke", "minted-token.revoke"]
    details = Record.objects.order_by("pk").values_list("details", flat=True)
    assert {one["reported_by"] for one in details} == {"scanner now"}
    assert {one["url"] for one in details} == {"https://code.example.org/x"}
    assert own not in json.dumps(list(details))
    assert Mail.objects.filter(account_id=ada.pk, kind="token-leaked").count() == 3
    row.refresh_from_db()
    assert row.revoked_reason == leaks.REASON


def test_what_is_unknown_forged_ended_or_no_token_is_answered_alike(mint: MakeToken, ada: User) -> None:
    token, text = mint()
    ended, old = mint()
    Token.objects.filter(pk=ended.pk).update(expires_at=clock.now())
    stranger = macaroons.text_of(macaroons.mint(b"k" * 32, bytes(16)), "keyhouse-")
    other_kind = macaroons.text_of(macaroons.mint(b"k" * 32, b"m" + bytes(16)), "keyhouse-")
    longer = macaroons.text_of(macaroons.mint(b"k" * 32, b"xyz" + bytes(16)), "keyhouse-")
    Record.objects.all().delete()
    for one in (forged(text), old, stranger, other_kind, longer, "keyhouse-", "x", f"other-{text[9:]}", "é"):
        assert send(report(one)) == 204, one
    assert (Record.objects.count(), Mail.objects.count()) == (0, 0)
    assert works(text)
    token.refresh_from_db()
    assert token.revoked_at is None


def test_a_copy_that_was_narrowed_ends_the_whole(mint: MakeToken) -> None:
    _, text = mint()
    unknown = macaroons.attenuate(macaroons.read_text(text, "keyhouse-"), b'["strange"]')
    for copy in (narrowed(text), macaroons.text_of(unknown, "keyhouse-")):
        assert send(report(forged(copy))) == 204
        assert works(text)
    assert send(report(macaroons.text_of(unknown, "keyhouse-"))) == 204
    assert not works(text)


def test_a_report_that_is_not_signed_as_it_should_be_changes_nothing(mint: MakeToken, scanner: Path) -> None:
    _, text = mint()
    body = report(text)
    longer = ec.generate_private_key(ec.SECP384R1())
    tries: list[tuple[dict[str, str | None], int]] = [
        ({"identifier": None}, 404),
        ({"signature": None}, 404),
        ({"identifier": "nobody"}, 400),
        ({"identifier": "before", "signature": sign(body, OTHER)}, 400),
        ({"signature": sign(body, OTHER)}, 400),
        ({"signature": sign(body + b" ")}, 400),
        ({"signature": "!"}, 400),
        ({"signature": "A" * 5000}, 400),
        ({"signature": sign(body, longer)}, 400),
    ]
    for headers, status in tries:
        assert send(body, headers=headers) == status, headers
    for broken in ("", "{", "[1]", '{"public_keys": 3}', '[{"is_current": true}]', "\0", "[" * 100_000):
        scanner.write_text(broken)
        assert send(body) == 503, broken[:20]
    scanner.write_text(json.dumps([{"key_identifier": "now", "key": "no key", "is_current": True}]))
    assert send(body) == 400
    scanner.unlink()
    assert send(body) == 503
    assert works(text)


def test_without_keys_there_is_nothing_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "_current", replace(configuration.current(), leak_report_keys=None))
    assert send(report("x")) == 404
    assert Client().get(DOOR).status_code == 405


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"{}", b"null", b"3", b"[3]", b"[null]", b"\xff", b"[" * 100_000, b"[{}]",
        b'[{"token": ""}]', b'[{"token": 3, "type": "x"}]', b'[{"token": "a"}]', b'[{"token": "a", "type": null}]',
        b'[{"token": "a", "type": "x", "url": 3}]', b'[{"token": "a", "type": "x", "source": []}]',
        json.dumps([{"token": "a", "type": "x"}] * 1001).encode(),
        json.dumps([{"token": "a" * 20_000, "type": "x"}]).encode(),
    ],
    ids=range(18),
)  # fmt: skip
def test_a_malformed_report_is_refused_whole(body: bytes) -> None:
    assert send(body) == 400


def test_what_a_report_says_of_the_place_is_shown_only_where_it_is_harmless() -> None:
    for url, shown in (
        ("https://code.example.org/a?token=x#y", "https://code.example.org/a"),
        ("javascript:alert(1)", ""),
        ("https://user@evil.example/", ""),
        ("https://a b", ""),
        ("https://é.example/", ""),
        ("https://x/" + "a" * 600, ""),
        ("https://[", ""),
        ("http://", ""),
        ("", ""),
    ):
        assert leak_rules.shown_url(url) == shown, url
    for source, shown in (
        ("content", "content"),
        ("pull_request", "pull_request"),
        ("<b>", ""),
        ("x" * 51, ""),
    ):
        assert leak_rules.shown_source(source) == shown


def test_the_expression_for_scanners_finds_each_kind_and_little_else(
    mint: MakeToken, ada: User, alpha: Project
) -> None:
    own, narrow = mint()[1], mint(version="1.0", networks=["192.0.2.1"])[1]
    robot = robots.mint_robot_token("alpha", description="r", expires_in_days=9, by=session_of(ada))[1]
    texts = [own, narrow, robot, minted(alpha, ada)[1], narrowed(own)]
    for text in texts:
        for around in (
            "{}",
            'password = "{}"',
            "https://__token__:{}@pkg.example.org/simple/",
            "{}\n",
            "x={}&y",
        ):
            assert leak_rules.find_tokens(around.format(text), "keyhouse-") == [text]
    assert leak_rules.find_tokens("\n".join(texts * 2), "keyhouse-") == texts
    for text in ("keyhouse-", "keyhouse-Ag", "keyhouse-publish-this-very-long-name" * 5, own[9:], own[:60]):
        assert leak_rules.find_tokens(text, "keyhouse-") == []
    docs = (Path(__file__).parents[3] / "docs" / "operate" / "leaked-tokens.md").read_text()
    assert leak_rules.token_pattern("keyhouse-") in docs
    assert re.fullmatch(leak_rules.token_pattern("a.b-"), "a.b-" + own[9:])
    assert not re.fullmatch(leak_rules.token_pattern("a.b-"), "axb-" + own[9:])


def test_the_form_takes_a_text_from_anybody_signed_in_and_tells_nothing(mint: MakeToken, ada: User) -> None:
    _, text = mint()
    finder = Visit(make_user("eve"))
    assert finder.get(FORM).status_code == 200
    assert finder.post(FORM, text="nothing in it").status_code == 400
    answers = []
    for found in (text, text, forged(text)):
        answer = finder.post(FORM, text=f"see: {found} there", url="https://code.example.org/x")
        answers.append((answer.status_code, answer["Location"]))
    assert len(set(answers)) == 1
    page = finder.get(answers[0][1]).content.decode()
    assert "Thank you" in page
    assert "ada" not in page
    assert not works(text)
    record = Record.objects.get(action="token.revoke")
    assert (record.details["reported_by"], record.account_id) == ("eve", ada.pk)
    assert Client().post(FORM, {"text": text}).status_code in {302, 401}
    assert text not in str(list(Mail.objects.values()))


def test_at_the_host_a_file_is_searched(mint: MakeToken, tmp_path: Path) -> None:
    texts = [mint()[1] for _ in range(2)]
    file = tmp_path / "build.log"
    file.write_text(f"one {texts[0]} and\nnothing\n\0\ntwo {texts[1]} {texts[1]}\n")
    told = [CliRunner().invoke(command.command, ["report-leak", str(file)]).stdout for _ in range(2)]
    assert told == ["Found 2, revoked 2.\n", "Found 2, revoked 0.\n"]
    assert not any(map(works, texts))


def test_a_process_that_dies_in_the_middle_leaves_nothing_half_done(
    mint: MakeToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, text = mint()
    Record.objects.all().delete()

    def die(point: str) -> None:
        assert point == "leak.rows-written"
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(faults, "reach", die)
        with pytest.raises(KeyboardInterrupt):
            leaks.end_leaked([Leak(text)], reporter="host")
    assert works(text)
    assert (Record.objects.count(), Mail.objects.count()) == (0, 0)
    assert leaks.end_leaked([Leak(text)], reporter="host") == 1


@pytest.mark.django_db(transaction=True)
def test_reported_in_parallel_it_is_revoked_and_told_once(mint: MakeToken) -> None:
    _, text = mint()
    Record.objects.all().delete()
    found = in_parallel(4, lambda _: leaks.end_leaked([Leak(text)], reporter="host"))
    assert sorted(map(str, found)) == ["0", "0", "0", "1"]
    assert (Record.objects.count(), Mail.objects.count()) == (1, 1)


def test_so_many_reports_are_taken_from_one_person_and_those_of_others_go_on(
    mint: MakeToken, ada: User
) -> None:
    (_, known), (other, left) = mint(), mint()
    for _ in range(10):
        leaks.report_text(known, by=session_of(ada))
    with pytest.raises(TooManyAttempts):
        leaks.report_text(left, by=session_of(ada))
    other.refresh_from_db()
    assert other.revoked_at is None
    leaks.report_text(left, by=session_of(make_user("otto")))
    other.refresh_from_db()
    assert other.revoked_at is not None


def test_nothing_pasted_is_refused_with_a_sentence(ada: User) -> None:
    with pytest.raises(LeakReportRefused):
        leaks.report_text("keyhouse-", by=session_of(ada))
