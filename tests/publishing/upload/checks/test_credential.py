from __future__ import annotations

import base64
from datetime import timedelta
from pathlib import Path

import pytest
from tests.distfiles.builders import build_wheel
from tests.publishing.world import make_project, make_user, submission_of

from keyhouse.core import clock
from keyhouse.core.actor import Strength, host
from keyhouse.core.errors import CredentialInvalid, Refusal
from keyhouse.credentials.tokens import services
from keyhouse.credentials.tokens.errors import PasswordNotAccepted
from keyhouse.credentials.tokens.models import Token
from keyhouse.publishing.upload.checks.credential import Credential
from keyhouse.publishing.upload.checks.project import ProjectAuthority
from keyhouse.publishing.upload.errors import CredentialMissing
from keyhouse.publishing.upload.submission import Caller, Submission

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wired")]


@pytest.fixture
def minted() -> tuple[Token, str]:
    return services.mint_token(
        make_user(),
        description="laptop",
        project_ids=None,
        expires_in_days=30,
        actions=["upload"],
        reason="all of them",
        by=host(),
        strength=Strength(frozenset({"password", "totp"}), clock.now()),
    )


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def sent(authorization: str) -> Submission:
    submission = submission_of()
    submission.caller = Caller(authorization, network="192.0.2.9", user_agent="uv/0.13")
    return submission


def test_a_token_makes_its_minter_the_actor(minted: tuple[Token, str]) -> None:
    token, text = minted
    for authorization in (basic("__token__", text), f"Bearer {text}", f"token {text}"):
        submission = sent(authorization)
        Credential().check(submission)
        actor = submission.actor
        assert (actor.kind, actor.user_id, actor.credential) == ("token", token.user_id, token.pk.hex)
        assert (actor.network, actor.user_agent) == ("192.0.2.9", "uv/0.13")


def test_no_credential_is_asked_for(minted: tuple[Token, str]) -> None:
    with pytest.raises(CredentialMissing):
        Credential().check(sent(""))


def test_a_password_is_refused_with_what_to_use_instead() -> None:
    with pytest.raises(PasswordNotAccepted) as refused:
        Credential().check(sent(basic("ada", "correct horse battery staple")))
    assert refused.value.code == "password-not-accepted"


def test_whatever_is_wrong_with_a_token_the_answer_is_one(minted: tuple[Token, str]) -> None:
    token, text = minted
    Token.objects.update(revoked_at=clock.now())
    lines = set()
    for wrong in (text, text[:-1], text + "x", "keyhouse-", "pypi-abc", "nonsense", ""):
        with pytest.raises(CredentialInvalid) as refused:
            Credential().check(sent(basic("__token__", wrong)))
        lines.add(refused.value.line)
    Token.objects.update(revoked_at=None, expires_at=clock.now() - timedelta(seconds=1))
    with pytest.raises(CredentialInvalid) as refused:
        Credential().check(sent(basic("__token__", text)))
    assert lines == {refused.value.line}
    assert not any(str(token.pk) in line or text in line for line in lines)


@pytest.mark.parametrize(
    "authorization", ["Basic", "Basic !", "Digest x", "Bearer", "\x00", "Basic " + "A" * 20000]
)
def test_a_malformed_header_is_refused(authorization: str) -> None:
    with pytest.raises(Refusal) as refused:
        Credential().check(sent(authorization))
    assert refused.value.code in {"credential-invalid", "password-not-accepted"}


def test_a_token_for_one_project_reaches_no_other_and_makes_none(tmp_path: Path) -> None:
    mine, other = make_project("mine"), make_project("other")
    _, text = services.mint_token(
        make_user(),
        description="mine",
        project_ids=[mine.pk],
        expires_in_days=30,
        actions=["upload"],
        by=host(),
        strength=Strength(frozenset({"password", "totp"}), clock.now()),
    )

    def ask(name: str) -> str:
        submission = submission_of(build_wheel(tmp_path, name=name))
        submission.caller = Caller(basic("__token__", text))
        Credential().check(submission)
        try:
            ProjectAuthority().check(submission)
        except Refusal as refusal:
            return refusal.line
        return ""

    assert ask("mine") == ""
    assert ask(other.name) == ask("unheard-of") != ""
