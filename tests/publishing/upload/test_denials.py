"""What uploads by real tokens are told by the real gate: one line that says what to do, and warnings in time."""

from __future__ import annotations

from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from tests.distfiles.builders import build_wheel
from tests.mandate.conftest import SetClock, set_clock
from tests.mandate.stored import ANNOUNCED, ENFORCED, document, make_project, make_user, retire_default, store
from tests.mandate.visiting import token_of
from tests.publishing.driver import Answer, upload

from keyhouse.accounts.models import Authenticator, User
from keyhouse.core import clock, configuration
from keyhouse.core.actor import host
from keyhouse.mandate.models import Notice
from keyhouse.projects.models import File, Project, UsedFileName
from keyhouse.safety.switches import services as switches
from keyhouse.safety.switches.rules import LONGEST_REASON

__all__ = ["set_clock"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_store")]

LONG_NAME = "a-mandate-with-a-name-that-is-as-long-as-any-name-of-one-may-be"


@pytest.fixture(autouse=True)
def clocked(set_clock: SetClock) -> SetClock:
    set_clock(ANNOUNCED + timedelta(days=10))
    return set_clock


@pytest.fixture
def ada() -> User:
    user = make_user("ada")
    make_project("alpha", user)
    Authenticator.objects.create(user=user, name="phone", secret_sealed="x", created_at=clock.now())
    return user


def upload_with(token: str, path: Path) -> Answer:
    return upload(path, headers={"authorization": f"Bearer {token}"})


def weak_token(user: User) -> str:
    return token_of(user, "password", minted_at=ANNOUNCED - timedelta(days=1))


@pytest.mark.parametrize("switch", ["new-projects", "uploads", "everything"])
@pytest.mark.parametrize("sign", ["x", "ü"])
def test_the_longest_reason_of_a_switch_reaches_whoever_is_refused(
    switch: str, sign: str, ada: User, tmp_path: Path
) -> None:
    reason = "we look into it " + sign * (LONGEST_REASON - 17) + "."
    switches.freeze(switch, reason, clock.now() + timedelta(hours=1), by=host())
    wheel = build_wheel(tmp_path, "beta" if switch == "new-projects" else "alpha")
    answer = upload_with(token_of(ada, "password", "totp"), wheel)
    assert answer.status == 403
    assert answer.line.endswith(f"Reason: {reason}")
    assert answer.reason == answer.line.replace("ü", "?")


def test_a_weak_token_is_told_in_the_status_line_what_to_do(ada: User, tmp_path: Path) -> None:
    answer = upload_with(weak_token(ada), build_wheel(tmp_path))
    assert answer.status == 403
    assert answer.reason == (
        "credential-weak: This token was made without a second factor. "
        "Sign in with your second factor and make a new one."
    )
    base = configuration.current().base_url
    assert answer.text.splitlines() == [
        answer.reason,
        "Mandate: default, version 1, since this index began",
        f"What to do: Sign in with your second factor and make a new one. {base}/account/tokens/",
        f"What is asked of you: {base}/account/mandate/",
        f"What this means: {base}/help/codes/credential-weak/",
    ]
    assert not File.objects.exists()
    assert not UsedFileName.objects.exists()


def test_a_denial_counts_as_told_since_clients_show_its_line(ada: User, tmp_path: Path) -> None:
    token, wheel = weak_token(ada), build_wheel(tmp_path)
    for _ in range(2):
        upload_with(token, wheel)
    notice = Notice.objects.get()
    assert (notice.user, notice.mandate, notice.kind) == (ada, "default", "shown")


@pytest.mark.parametrize("name", ["everyone-2023", LONG_NAME])
def test_the_status_line_fits_whatever_the_mandate_is_called(ada: User, tmp_path: Path, name: str) -> None:
    retire_default()
    store(
        document(name=name, stages=[{"state": "enforced", "at": ANNOUNCED, "deny": ["all"]}]), origin="seeded"
    )
    answer = upload_with(weak_token(ada), build_wheel(tmp_path))
    assert answer.reason.startswith("credential-weak: This token was made without a second factor.")
    assert answer.reason.endswith("Sign in with your second factor and make a new one.")
    assert len(answer.reason) <= 200
    assert answer.reason.isascii()
    assert answer.reason.isprintable()
    assert f"Mandate: {name}, version 1, since {clock.format_instant(ANNOUNCED)}" in answer.text


def test_a_denial_of_a_new_project_makes_none(tmp_path: Path) -> None:
    bob = make_user("bob")
    answer = upload_with(token_of(bob, "password"), build_wheel(tmp_path))
    assert (answer.status, answer.code) == (403, "credential-weak")
    assert not Project.objects.exists()


def test_while_it_only_warns_the_file_is_published_and_the_day_told(ada: User, tmp_path: Path) -> None:
    retire_default()
    store(document())
    Notice.objects.create(user=ada, mandate="campaign", kind="announcement", delivered_at=ANNOUNCED)
    answer = upload_with(weak_token(ada), build_wheel(tmp_path))
    assert answer.status == 200
    published, warning = answer.text.splitlines()
    assert published == f"{File.objects.get().filename} is published."
    assert warning == (
        "warning: credential-weak: This token was made without a second factor. Mandate campaign will refuse that from "
        f"{clock.format_instant(ENFORCED)} on. Sign in with your second factor and make a new one."
    )
    assert parsedate_to_datetime(answer.headers["sunset"]) == ENFORCED
    assert answer.headers["deprecation"] == "true"
    base = configuration.current().base_url
    assert f'<{base}/help/codes/credential-weak/>; rel="help"' in answer.headers["link"]
    assert Notice.objects.count() == 1, "what clients don't show counts as no notice"


def test_two_gates_that_warn_alike_warn_once(tmp_path: Path) -> None:
    retire_default()
    store(document(who={"everyone": True}))
    bob = make_user("bob")
    answer = upload_with(
        token_of(bob, "password", minted_at=ANNOUNCED - timedelta(days=1)), build_wheel(tmp_path)
    )
    assert answer.status == 200
    assert len(answer.text.splitlines()) == len(set(answer.text.splitlines()))
    assert answer.text.count("warning: ") >= 1
    assert parsedate_to_datetime(answer.headers["sunset"]) == ENFORCED  # making a project has no grace


def test_a_strong_token_is_told_nothing(ada: User, tmp_path: Path) -> None:
    answer = upload_with(token_of(ada), build_wheel(tmp_path))
    assert answer.text.splitlines() == [f"{File.objects.get().filename} is published."]
    assert not {"sunset", "deprecation", "link"} & set(answer.headers)


def test_other_refusals_are_told_as_before(ada: User, tmp_path: Path) -> None:
    answer = upload_with(token_of(make_user("bob")), build_wheel(tmp_path))
    assert answer.text.splitlines() == [
        "role-required: You don't have a role that allows this.",
        "Ask an owner of the project.",
    ]
