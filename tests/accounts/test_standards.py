"""Statements of the standards that no other test shows; docs/security/standards.md names these by the standard's number."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import get_args

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from tests.accounts.conftest import Browser, Clock, code
from tests.accounts.second_factors.test_security_keys import arrive, enrolled
from tests.accounts.test_recovering import go_through

from keyhouse.accounts.models import Authenticator, SecurityKey, Session, User
from keyhouse.accounts.recovering import make_enrolment_link
from keyhouse.accounts.rules import LONGEST_PASSWORD
from keyhouse.accounts.services import make_setup_link
from keyhouse.audit.models import Personal, Record
from keyhouse.core import clock
from keyhouse.core.actor import SECOND_FACTOR_METHODS, Method, host

pytestmark = pytest.mark.django_db

SOURCE = Path(__file__).parents[2] / "src" / "keyhouse"
ASKED_FOR_KNOWLEDGE = re.compile(r"hint|question|answer|birth|maiden|mother|school|pet|remember")
STOPS_PASTING = re.compile(r"paste|beforeinput|keydown|keypress", re.IGNORECASE)


def views(patterns: Iterable[URLPattern | URLResolver]) -> Iterator[URLPattern]:
    for one in patterns:
        if isinstance(one, URLPattern):
            yield one
        else:
            yield from views(one.url_patterns)


def test_there_are_five_ways_to_prove_oneself_and_neither_mail_nor_telephone_is_one() -> None:
    """NIST 3.1.3.1, ASVS 6.3.6, 6.6.1: nothing else can stand in a session, so nothing else can pass a gate."""
    assert set(get_args(Method)) == {"password", "totp", "webauthn", "passkey", "recovery_code"}
    assert {"totp", "webauthn", "passkey"} == SECOND_FACTOR_METHODS


def test_a_password_of_ten_years_ago_still_signs_in(ada: User, time: Clock) -> None:
    """NIST 3.1.1.2, ASVS 6.2.10: nobody has to change a password that nobody else knows."""
    time.go(days=3653)
    browser = Browser().be_known(ada)
    assert browser.sign_in()["Location"] == "/account/second-factor/"
    assert browser.enter(code())["Location"] == "/account/"
    assert Session.objects.get().is_complete


def test_no_form_asks_for_a_hint_or_a_question() -> None:
    """ASVS 6.4.2: each view names the fields that it reads, and whatever else is sent is not read."""
    fields = {
        name for one in views(get_resolver().url_patterns) for name in getattr(one.callback, "fields", ())
    }
    assert {"password", "code", "recovery_code", "username"} <= fields
    assert [name for name in fields if ASKED_FOR_KNOWLEDGE.search(name)] == []


def test_nothing_stands_between_a_field_and_what_is_pasted(browser: Browser) -> None:
    """ASVS 6.2.7: no script listens there, and no field is shorter than what is taken."""
    scripts = sorted(SOURCE.rglob("static/**/*.js"))
    assert scripts
    listening = [path for path in scripts if STOPS_PASTING.search(path.read_text())]
    assert [path.name for path in listening] == [
        "search.js"
    ]  # in the box for searching, which holds no secret
    assert "paste" not in listening[0].read_text()
    browser.get("/account/sign-in/")
    (field,) = re.findall(r'<input[^>]*type="password"[^>]*>', browser.text)
    assert "readonly" not in field
    assert int(re.findall(r'maxlength="(\d+)"', field)[0]) >= LONGEST_PASSWORD


def test_codes_and_secrets_come_from_the_systems_generator() -> None:
    """ASVS 6.5.3, 7.2.3: what can be foretold is imported nowhere in the product."""
    found, asked = [], 0
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            found += [path.name for name in names if name.partition(".")[0] in {"random", "numpy"}]
            asked += "secrets" in names
    assert found == []
    assert asked > 10


def test_what_was_ever_bound_stays_in_the_history_with_kind_name_time_and_source(
    ada: User, time: Clock
) -> None:
    """NIST 4.1: also of a factor that is gone."""
    bound_at = clock.now()
    _, browser = enrolled(ada)
    key = SecurityKey.objects.get()
    ended_at = time.go(minutes=5)
    browser.post(f"/account/security-keys/{key.pk}/remove/")
    assert not SecurityKey.objects.exists()
    records = Record.objects.filter(about_kind="security-key", about_id=str(key.pk)).order_by("pk")
    told = [(one.action, one.at, one.about_name, one.account_id) for one in records]
    assert told == [
        ("second-factor.add", bound_at, "blue", ada.pk),
        ("second-factor.remove", ended_at, "blue", ada.pk),
    ]
    assert all(Personal.objects.get(record=one).network for one in records)
    assert records[0].details == {
        "model": key.aaguid,
        "attested": False,
        "device_bound": True,
        "user_verified": True,
    }
    browser.get("/account/history/")
    assert browser.text.count("blue") == 2


def test_what_a_link_bound_and_ended_stays_in_the_history_too(ada: User, browser: Browser) -> None:
    """NIST 4.1: where one act sets everything anew, its record names what came and what went."""
    enrolled(ada)
    key, app = SecurityKey.objects.get(), Authenticator.objects.get()
    go_through(browser, make_enrolment_link(ada, by=host()))
    (new,) = Authenticator.objects.all()
    assert not SecurityKey.objects.exists()
    assert Record.objects.get(action="enrolment.finish").details == {
        "bound": [f"authenticator {new.pk} {new.name}".strip()],
        "ended": [
            f"authenticator {app.pk} app 0",
            f"security-key {key.pk} blue (model {key.aaguid}, not attested, device-bound, user-verified)",
        ],
    }


def test_an_account_that_is_made_with_a_key_says_so_in_its_history(browser: Browser) -> None:
    """NIST 4.1: the first factor is bound by the record of the account's making."""
    arrive(browser, make_setup_link(by=host()))
    key = SecurityKey.objects.get()
    details = Record.objects.get(action="setup.finish").details
    assert list(details) == ["bound"]
    (told,) = details["bound"]
    assert told.startswith(f"security-key {key.pk} {key.name} (")
