from __future__ import annotations

from dataclasses import replace

import pytest
from tests.accounts.conftest import PASSWORD, Browser, at_once, mailed, make_person, refused, signed_in
from tests.accounts.passwords.dumps import sha1
from tests.accounts.second_factors.soft_key import UP, UV
from tests.accounts.second_factors.test_security_keys import PASSKEY, answer, enrolled

from keyhouse.accounts.models import SecurityKey, Session, User
from keyhouse.accounts.passwords.removing import can_do_without, remove_password
from keyhouse.accounts.second_factors.recovery_codes.rules import new_codes
from keyhouse.accounts.second_factors.recovery_codes.services import give_recovery_codes
from keyhouse.accounts.second_factors.webauthn.services import remove_key
from keyhouse.audit.models import Record
from keyhouse.core.actor import Actor, Strength, host
from keyhouse.core.clock import now
from keyhouse.core.errors import Refusal, StepUpRequired

pytestmark = pytest.mark.django_db
REMOVE = "/account/password/remove/"


def fresh(user: User) -> User:
    return User.objects.get(pk=user.pk)


def key_of(user: User, *, verifies: bool = True) -> SecurityKey:
    """Write the row of one more key."""
    number = SecurityKey.objects.count()
    return SecurityKey.objects.create(
        user=user,
        name=f"key {number}",
        credential_id=sha1(str(number)).hex(),
        public_key=b"",
        algorithm=-7,
        rp_id="localhost",
        user_verified=verifies,
        created_at=now(),
    )


@pytest.mark.parametrize(
    ("passkeys", "others", "codes", "verdict"),
    [
        (0, 0, True, False),
        (1, 0, False, False),
        (1, 0, True, True),
        (2, 0, False, True),
        (1, 1, False, False),
        (0, 3, True, False),
    ],
)
def test_two_passkeys_or_one_and_saved_codes_are_enough(
    ada: User, passkeys: int, others: int, codes: bool, verdict: bool
) -> None:
    for number in range(passkeys + others):
        key_of(ada, verifies=number < passkeys)
    if codes:
        give_recovery_codes(ada, new_codes(), by=host())
    assert can_do_without(ada.pk) is verdict


def test_a_password_goes_and_the_passkey_opens_the_account(ada: User) -> None:
    key, browser = enrolled(ada)
    key_of(ada)
    signed_in(ada)
    page = browser.get("/account/password/")
    assert REMOVE in browser.text
    assert browser.get(REMOVE).status_code == 200
    page = browser.post(REMOVE)
    assert (page.status_code, page["Location"]) == (303, "/account/")
    assert not fresh(ada).has_usable_password()
    assert Session.objects.count() == 1
    assert len(mailed("password-removed")) == 1
    assert Record.objects.filter(action="password.remove").count() == 1
    assert refused(Browser().sign_in(password=PASSWORD)) == "sign-in-refused"
    assert answer(Browser(), PASSKEY, key).status_code == 200
    assert refused(browser.post(REMOVE)) == "password-missing"


def test_one_passkey_without_codes_keeps_its_password(ada: User) -> None:
    _, browser = enrolled(ada)
    browser.get("/account/password/")
    assert REMOVE not in browser.text
    browser.get(REMOVE)
    page = browser.post(REMOVE)
    assert refused(page) == "password-needed"
    assert fresh(ada).has_usable_password()
    assert mailed("password-removed") == []
    assert Record.objects.filter(action="password.remove").count() == 1


def test_it_takes_the_strongest_proof(ada: User) -> None:
    enrolled(ada)
    key_of(ada)
    _, browser = signed_in(ada, "password", "totp")
    assert browser.get(REMOVE).status_code != 200
    by = replace(proven(ada), strength=Strength(frozenset({"password", "totp"}), now()))
    with pytest.raises(StepUpRequired):
        remove_password(ada, by=by, now=now())
    assert fresh(ada).has_usable_password()


@pytest.mark.parametrize("flags", [UP | UV, UP])
def test_a_key_that_verifies_nobody_is_no_way_in(ada: User, flags: int) -> None:
    give_recovery_codes(ada, new_codes(), by=host())
    _, browser = enrolled(ada, flags=flags)
    page = browser.post(REMOVE)
    assert (page.status_code == 303) == bool(flags & UV)


def proven(user: User) -> Actor:
    session, _ = signed_in(user, "passkey")
    at = now()
    strength = Strength(frozenset({"passkey"}), at, user_verified=True, key_at=at)
    return Actor("session", user.pk, credential=session.public_id, strength=strength, needs_key=True)


@pytest.mark.django_db(transaction=True)
def test_password_and_passkey_removed_at_once_leave_a_way_in() -> None:
    ada = make_person(factors=0)
    first, second = key_of(ada), key_of(ada)
    by = proven(ada)
    results = at_once(
        [
            lambda: remove_password(ada, by=by, now=now()),
            lambda: remove_key(ada.pk, first.pk, by=by),
            lambda: remove_key(ada.pk, second.pk, by=by),
        ]
    )
    assert any(isinstance(result, Refusal) for result in results)
    keys = SecurityKey.objects.filter(user=ada).count()
    assert fresh(ada).has_usable_password() or keys >= 1
