"""What only one may do, asked for by HTTP of several processes at the same time, as of the workers of a server."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from tests.accounts.conftest import (
    Browser,
    Clock,
    Configure,
    give_project,
    mailed,
    make_person,
    signed_in,
)
from tests.beside import Beside, answers_of

from keyhouse.accounts import strength
from keyhouse.accounts.models import Authenticator, Hold, Session
from keyhouse.accounts.passwords.resetting import ask_for_reset
from keyhouse.accounts.second_factors.recovery_codes import rules, services
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.models import Record
from keyhouse.core import clock
from keyhouse.core.actor import host

pytestmark = pytest.mark.django_db(transaction=True)
# fetches the page, waits for the word, sends the form
PROCESS = """
import json, sys, django
django.setup()
from tests.accounts.conftest import Browser, refused
path, fields, cookies = json.loads(sys.argv[1])
browser = Browser(HTTP_HOST="localhost:8400")
for name, value in cookies.items():
    browser.client.cookies[name] = value
assert browser.get(path).status_code == 200, browser.text
print("ready", flush=True)
sys.stdin.readline()
answer = browser.post(path, fields)
print(answer.status_code, refused(answer))
"""


def sent_at_once(time: Clock, forms: Sequence[tuple[Browser, str, dict[str, str]]]) -> list[str]:
    """Send each form by a process of its own; return status and refusal of each, in order of their words."""
    children = []
    for browser, path, fields in forms:
        cookies = {name: morsel.value for name, morsel in browser.client.cookies.items()}
        told = json.dumps([path, fields, cookies])
        children.append(Beside(PROCESS, told, KEYHOUSE_CLOCK_FILE=str(time.path), KEYHOUSE_RATE_LIMITS="off"))
    assert {child.read_line() for child in children} == {"ready"}
    return sorted(answers_of(children))


def test_a1_two_processes_that_remove_the_two_factors_leave_one(time: Clock) -> None:
    ada = make_person(factors=2)
    give_project(ada)
    _, browser = signed_in(ada)  # one session: a removal ends all others
    paths = [f"/account/second-factors/{row.pk}/remove/" for row in Authenticator.objects.order_by("pk")]
    forms: list[tuple[Browser, str, dict[str, str]]] = [(browser, path, {}) for path in paths]
    answers = sent_at_once(time, forms)
    assert [answer.partition(" ")[0] for answer in answers] == ["303", "409"], answers
    assert Authenticator.objects.count() == 1
    assert Record.objects.filter(action="second-factor.remove", outcome="done").count() == 1


def test_a8_of_processes_that_take_one_recovery_code_one_lets_in(time: Clock, configure: Configure) -> None:
    configure(rate_limits="off")
    ada, codes = make_person(), rules.new_codes()
    services.give_recovery_codes(ada, codes, by=host())
    browsers = [Browser().be_known(ada) for _ in range(3)]
    for browser in browsers:
        browser.sign_in()
    path, typed = "/account/second-factor/recovery-code/", {"recovery_code": rules.shown_code(codes[0])}
    answers = sent_at_once(time, [(browser, path, typed) for browser in browsers])
    assert answers == ["303", "400 recovery-code-wrong", "400 recovery-code-wrong"]
    assert Session.objects.filter(is_complete=True).count() == 1
    assert strength.codes_left(ada.pk) == 9


def test_of_processes_that_follow_one_link_to_a_new_password_one_sets_it(time: Clock) -> None:
    ada = make_person()
    ask_for_reset("ada", Visitor("192.0.2.9"), clock.now())
    link = next(line for mail in mailed() for line in mail.split() if "/password-reset/" in line)
    path = "/password-reset/" + link.partition("/password-reset/")[2]
    forms = [
        (Browser(), path, {"username": "ada", "password": f"sable-thicket-41-cedar-{number}"})
        for number in range(3)
    ]
    answers = sent_at_once(time, forms)
    assert [answer.partition(" ")[0] for answer in answers].count("303") == 1, answers
    assert Record.objects.filter(action="password.reset", outcome="done").count() == 1
    assert Hold.objects.filter(user=ada).count() == 1
