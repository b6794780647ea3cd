"""R6: who came back is judged anew, and so are the tokens of before."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.accounts.conftest import Browser, Clock
from tests.accounts.recovery.conftest import approve, begin, last_link, operators
from tests.accounts.test_recovering import go_through
from tests.distfiles.builders import build_wheel
from tests.publishing.driver import Answer, upload

from keyhouse import storage
from keyhouse.accounts.models import Authenticator, User
from keyhouse.core import clock, configuration
from keyhouse.core.actor import Strength, host
from keyhouse.credentials.tokens.services import mint_token
from keyhouse.projects.models import File, Project

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def empty_storage() -> Iterator[None]:
    """Begin with nothing stored."""
    shutil.rmtree(configuration.current().files_folder, ignore_errors=True)
    storage._local.cache_clear()
    yield
    storage._local.cache_clear()


def push(text: str, path: Path) -> Answer:
    credentials = base64.b64encode(f"__token__:{text}".encode()).decode()
    return upload(path, headers={"authorization": f"Basic {credentials}"})


def test_r6_tokens_of_a_recovered_account_sleep_until_its_hold_is_over(
    ada: User, alpha: Project, browser: Browser, time: Clock, tmp_path: Path
) -> None:
    proven = Strength(frozenset({"password", "totp"}), clock.now())
    _, text = mint_token(
        ada,
        description="ci",
        project_ids=[alpha.pk],
        actions=["upload"],
        expires_in_days=30,
        by=host(),
        strength=proven,
    )
    assert push(text, build_wheel(tmp_path)).status == 200
    time.go(days=8)  # one of the last week would be revoked for good
    before = list(Authenticator.objects.values_list("pk", flat=True))
    case = begin(browser)
    for operator in operators("olga", "otto"):
        approve(operator, case)
    go_through(browser, last_link("recovery.link", "enrolment"))
    assert not Authenticator.objects.filter(pk__in=before).exists(), (
        "what it had before proves nothing any more"
    )
    later = build_wheel(tmp_path, version="2.0")
    answer = push(text, later)
    assert (answer.status, answer.code) == (403, "account-held")
    assert File.objects.count() == 1
    time.go(hours=24)
    assert push(text, later).status == 200
