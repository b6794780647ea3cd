"""People who own things together, what was mailed to them, and the links in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

import pytest
from tests.accounts.conftest import Browser, Configure, give_project, mailed, make_person, signed_in

from keyhouse.accounts.models import RecoveryCase, User
from keyhouse.core import clock
from keyhouse.credentials.tokens.models import Token
from keyhouse.mail.models import Mail
from keyhouse.projects.models import Project, Role

REASON = "I called her at the number that I have had for years."


@pytest.fixture(autouse=True)
def with_mail(configure: Configure) -> None:
    """Let there be a mail server; nothing is sent in these tests, it waits in the outbox."""
    configure(mail_url="smtp://mail.example.org")


def share(project: Project, *people: User, kind: str = "owner") -> None:
    for one in people:
        Role.objects.create(project=project, user=one, kind=kind, since_at=clock.now())


@pytest.fixture
def alpha(ada: User) -> Project:
    """Return the project that ada owns."""
    return give_project(ada)


def give_token(user: User, name: str) -> Token:
    """Give somebody a token, made now."""
    now = clock.now()
    return Token.objects.create(
        key_id="k",
        user=user,
        description=name,
        minted_at=now,
        minted_proof_at=now,
        expires_at=now + timedelta(days=99),
    )


def live_tokens(user: User) -> set[str]:
    return set(Token.objects.filter(user=user, revoked_at=None).values_list("description", flat=True))


def operators(*names: str) -> list[User]:
    return [make_person(name, is_operator=True) for name in names]


def last_link(kind: str, purpose: str) -> str:
    """Return the path of the link in the last mail of that kind."""
    found = re.findall(rf"/{purpose}/[\w-]+/", mailed(kind)[-1])
    return str(found[0])


def told(kind: str) -> Counter[str]:
    """Return who got mails of that kind, by address."""
    return Counter(Mail.objects.filter(kind=kind).values_list("address", flat=True))


def addresses(people: Iterable[str]) -> set[str]:
    return {f"{name}@example.org" for name in people}


def ask(browser: Browser, typed: str = "ada") -> str:
    """Ask for a mailed link and return its path."""
    browser.get("/account/recover/")
    page = browser.post("/account/recover/", {"identifier": typed})
    assert (page.status_code, page["Location"]) == (303, "/account/recover/sent/"), browser.text
    return last_link("recovery.asked", "recovery")


def begin(browser: Browser, typed: str = "ada", password: str = "") -> RecoveryCase:
    """Open a case by the mailed link."""
    path = ask(browser, typed)
    browser.get(path)
    page = browser.post(path, {"password": password})
    assert (page.status_code, page["Location"]) == (303, path), browser.text
    browser.get(path)
    return RecoveryCase.objects.order_by("-pk")[0]


def speak(person: User, path: str, reason: str = REASON) -> Browser:
    """Send somebody's word from a session that proved everything just now."""
    _, browser = signed_in(person)
    browser.get(path)
    browser.post(path, {"reason": reason})
    return browser


def vouch(person: User, case: RecoveryCase) -> Browser:
    return speak(person, f"/account/vouch/{case.pk}/")


def approve(person: User, case: RecoveryCase) -> Browser:
    return speak(person, f"/operator/recovery/{case.pk}/approve/")
