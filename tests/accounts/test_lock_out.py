"""A23: who guesses, from as many places and processes as they like, locks nobody out and gets no more guesses by it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

import pytest
from tests.accounts.conftest import SECRET, Browser, Clock, code, make_person
from tests.beside import Beside

from keyhouse.accounts.models import Attempt, Authenticator
from keyhouse.accounts.second_factors.totp import rules as totp
from keyhouse.core import clock, configuration

pytestmark = pytest.mark.django_db(transaction=True)

PROCESSES, EACH = 3, 6
# Signs in with wrong passwords, or types wrong codes with the right one, in threads that start when a line comes in.
STRANGER = """
import json, sys, threading
import django
django.setup()
from django.db import connection
from tests.accounts.conftest import Browser
first, count, typed = int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
found, gate = [], threading.Event()

def come(number):
    browser = Browser(REMOTE_ADDR=f"198.51.100.{first + number}")
    if typed:
        browser.sign_in()
    browser.get("/account/second-factor/" if typed else "/account/sign-in/")
    return browser

def knock(number, browser):
    ready.release()
    gate.wait()
    if typed:
        page = browser.post("/account/second-factor/", {"code": typed[number % len(typed)]})
    else:
        page = browser.post("/account/sign-in/", {"username": "ada", "password": f"wrong {number}"})
    found.append([page.status_code, page.headers.get("X-Refusal", ""), page.headers.get("Retry-After", "")])
    connection.close()

ready = threading.Semaphore(0)
threads = [threading.Thread(target=knock, args=(number, come(number))) for number in range(count)]
for thread in threads:
    thread.start()
for _ in threads:
    ready.acquire()
print("ready", flush=True)
sys.stdin.readline()
gate.set()
for thread in threads:
    thread.join()
print(json.dumps(found))
"""


class Strangers:
    """Processes of people who guess; they begin together."""

    def __init__(self, time: Clock, typed: Sequence[str] = ()) -> None:
        settings = {
            "KEYHOUSE_CLOCK_FILE": str(time.path),
            "KEYHOUSE_KEY_FILE": str(configuration.current().key_file),
        }
        what = (str(EACH), json.dumps(list(typed)))
        self.children = [
            Beside(STRANGER, str(number * EACH), *what, **settings) for number in range(PROCESSES)
        ]
        for child in self.children:
            assert child.read_line() == "ready"

    def go(self) -> None:
        for child in self.children:
            child.go()

    def answers(self) -> list[tuple[int, str, str]]:
        texts = [child.answer(120) for child in self.children]
        return [(status, refusal, wait) for text in texts for status, refusal, wait in json.loads(text)]


def known_browser(time: Clock) -> Browser:
    """Return a browser that ada has signed in with, left alone since."""
    mine = Browser(REMOTE_ADDR="203.0.113.9")
    mine.sign_in()
    assert mine.enter(code()).status_code == 303
    mine.get("/account/")
    mine.post("/account/sign-out/")
    time.go(seconds=30)
    return mine


def get_in(mine: Browser) -> None:
    assert mine.sign_in().status_code == 303
    assert mine.enter(code()).status_code == 303
    assert mine.get("/account/").status_code == 200


def use_up_guesses() -> None:
    """Guess from ever new places until no more is judged: of guesses that raced, each may have been refused by others."""
    for number in range(20):
        if Browser(REMOTE_ADDR=f"192.0.2.{number}").sign_in(password=f"wrong {number}").status_code == 429:
            return
    pytest.fail("more than twenty guesses were judged")


def test_a23_passwords_guessed_in_several_processes_lock_nobody_out(time: Clock) -> None:
    make_person()
    mine = known_browser(time)
    strangers = Strangers(time)
    strangers.go()
    get_in(mine)  # while they guess
    answers = strangers.answers()
    told = Counter(refusal for _, refusal, _ in answers)
    assert set(told) <= {"sign-in-refused", "too-many"}
    assert told["sign-in-refused"] <= 10
    assert told["too-many"] >= PROCESSES * EACH - 10
    assert all(status == 429 and int(wait) > 0 for status, refusal, wait in answers if refusal == "too-many")
    mine.post("/account/sign-out/")
    time.go(seconds=30)
    use_up_guesses()
    assert Browser(REMOTE_ADDR="203.0.113.9").sign_in().status_code == 429
    get_in(mine)  # and after they have used their guesses up


def test_a23_codes_guessed_in_several_processes_lock_nobody_out_and_switch_nothing_off(time: Clock) -> None:
    make_person(factors=2)
    mine = known_browser(time)
    near = {totp.code_at(bytes([*SECRET[:-1], SECRET[-1] + which]), totp.step_at(clock.now()) + shift)
            for which in range(2) for shift in range(-12, 13)}  # fmt: skip
    guesses = [text for text in (f"{number:06}" for number in range(100)) if text not in near]
    strangers = Strangers(time, guesses[:EACH])  # they know the password
    strangers.go()
    get_in(mine)
    told = Counter(refusal for _, refusal, _ in strangers.answers())
    assert set(told) <= {"code-wrong", "too-many"}
    assert told["code-wrong"] <= 5
    failures = sum(Authenticator.objects.values_list("failures", flat=True))
    assert failures <= told["code-wrong"]
    assert Attempt.objects.filter(limit="second-factor").count() == told["code-wrong"]
    assert not Authenticator.objects.exclude(disabled_at=None).exists()
    mine.post("/account/sign-out/")
    time.go(seconds=30)
    get_in(mine)


def test_a23_one_app_that_is_off_leaves_every_other_way_in(time: Clock) -> None:
    """A thief with the password may spend two days on a hundred codes; the owner goes on by the other app."""
    make_person(factors=2)
    mine = known_browser(time)  # by the first app, so that it is the one that wrong codes count against
    stranger = Browser(REMOTE_ADDR="198.51.100.1")
    guesses = waits = 0
    while Authenticator.objects.filter(disabled_at=None).count() == 2 and waits < 100:
        if "second-factor" not in (stranger.page.get("Location", "") if stranger.page is not None else ""):
            stranger.sign_in()
        page = stranger.enter("000000" if code() != "000000" else "000001")
        guesses += page.headers.get("X-Refusal") == "code-wrong"
        if page.status_code == 429:
            waits += 1
            time.go(seconds=int(page["Retry-After"]))
            stranger = Browser(REMOTE_ADDR=f"198.51.100.{waits % 250}")
    assert guesses == 100
    assert [app.name for app in Authenticator.objects.exclude(disabled_at=None)] == ["app 0"]
    other = bytes([*SECRET[:-1], SECRET[-1] + 1])
    assert mine.sign_in().status_code == 303
    assert mine.enter(code(secret=other)).status_code == 303
    assert mine.get("/account/").status_code == 200
    assert Authenticator.objects.get(name="app 1").failures == 0
