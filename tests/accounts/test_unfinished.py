"""Sign-ins that stop after the right password: told to whom it concerns, and to nobody over and over (ASVS 6.3.5)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError
from tests.accounts.conftest import Browser, Clock, at_once, code, mailed, make_person
from tests.accounts.recovery.conftest import told

from keyhouse.accounts import emails
from keyhouse.accounts.forgetting import forget_old
from keyhouse.accounts.keeping import WORKS, keep
from keyhouse.accounts.models import UnfinishedSignIn, User
from keyhouse.accounts.unfinished import services as unfinished
from keyhouse.core import clock
from keyhouse.mail.models import Mail

pytestmark = pytest.mark.django_db
KIND = "sign-in-stopped"


@pytest.fixture
def here(ada: User) -> User:
    """Return somebody who knows one browser already, so that others are unknown."""
    Browser().be_known(ada)
    Mail.objects.all().delete()
    return ada


def stop(name: str = "ada", network: str = "192.0.2.66", agent: str = "Thief/1.0") -> Browser:
    """Give the right password in an unknown browser, and nothing after it."""
    browser = Browser(REMOTE_ADDR=network, HTTP_USER_AGENT=agent)
    assert browser.sign_in(name)["Location"] == "/account/second-factor/"
    return browser


def due() -> int:
    return keep(clock.now())["unfinished_sign_ins"]


def test_a_right_password_that_stops_there_is_told_once_a_day_in_one_mail(here: User, time: Clock) -> None:
    stop()
    time.go(minutes=2)
    stop(network="192.0.2.67").enter("000000")
    assert due() == 0
    time.go(minutes=12, seconds=59)
    assert due() == 0
    time.go(minutes=2, seconds=1)
    assert due() == 1
    assert due() == 0
    (letter,) = mailed(KIND)
    assert "2 times the right password of ada" in " ".join(letter.split())
    assert "192.0.2.66" in letter
    assert "192.0.2.67" in letter
    assert "not-me" in letter
    for _ in range(30):
        time.go(minutes=30)
        stop()
        due()
    assert len(mailed(KIND)) == 1
    time.go(hours=9)
    assert due() == 1
    second = " ".join(mailed(KIND)[-1].split())
    assert "20 times or more" in second
    assert second.count("192.0.2.66") == unfinished.SHOWN
    assert UnfinishedSignIn.objects.filter(told_at=None).count() == 0


def test_whoever_goes_on_is_told_nothing_of_it(here: User, time: Clock) -> None:
    stop()  # a page that was closed
    time.go(minutes=1)
    browser = stop()
    browser.enter("000000")
    browser.enter(code())
    assert not UnfinishedSignIn.objects.exists()
    time.go(hours=1)
    assert due() == 0


def test_what_another_browser_broke_off_stays_and_so_does_what_lies_further_back(
    here: User, time: Clock
) -> None:
    stop(network="192.0.2.80")
    stop(agent="Other/1.0")
    stop()
    time.go(minutes=16)
    stop().enter(code())
    assert UnfinishedSignIn.objects.count() == 3


def test_a_known_browser_and_a_wrong_password_say_nothing(here: User, time: Clock) -> None:
    Browser().be_known(here).sign_in()
    Browser().sign_in(password="not-the-password-of-ada")
    Browser().sign_in("nobody")
    assert not UnfinishedSignIn.objects.exists()


def test_an_account_that_was_closed_meanwhile_is_told_nothing_more(here: User, time: Clock) -> None:
    stop()
    time.go(minutes=16)
    User.objects.filter(pk=here.pk).update(state=User.State.FROZEN)
    assert due() == 0
    assert not UnfinishedSignIn.objects.filter(told_at=None).exists()
    assert not told(KIND)


def test_each_owner_hears_of_their_own(here: User, time: Clock) -> None:
    make_person("bob")
    stop()
    stop("bob")
    time.go(minutes=16)
    assert due() == 2
    assert told(KIND) == {"ada@example.org": 1, "bob@example.org": 1}


def test_killed_in_between_it_is_told_the_next_time(
    here: User, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop()
    time.go(minutes=16)

    def die(*_: object, **__: object) -> None:
        raise IntegrityError("killed")

    monkeypatch.setattr(emails, "tell", die)
    with pytest.raises(IntegrityError):
        WORKS["unfinished_sign_ins"](clock.now())
    assert UnfinishedSignIn.objects.get().told_at is None
    monkeypatch.undo()
    assert due() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_servers_one_tells(here: User, time: Clock) -> None:
    stop()
    time.go(minutes=16)
    now = clock.now()
    assert sorted(map(int, at_once([lambda: unfinished.tell_due(now)] * 2))) == [0, 1]  # type: ignore[arg-type]  # numbers
    assert len(mailed(KIND)) == 1


def test_what_was_told_is_forgotten_after_a_month(here: User, time: Clock) -> None:
    stop()
    time.go(minutes=16)
    due()
    assert forget_old(clock.now() + timedelta(days=29))["unfinished_sign_ins"] == 0
    assert forget_old(clock.now() + timedelta(days=30))["unfinished_sign_ins"] == 1
