from __future__ import annotations

import importlib
import re

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from tests.accounts.conftest import mailed, make_person

from keyhouse.accounts import emails, services
from keyhouse.accounts.models import OneTimeLink, User
from keyhouse.accounts.recovery.telling import tell_others
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.mail.letters import Letter, Link, Text
from keyhouse.mail.models import Mail

pytestmark = pytest.mark.django_db
NOTICE = Letter("trial", "Something happened", (Text("It was this."),))


def tell(user: User, **more: str) -> int:
    with transaction.atomic():
        return emails.tell(user, NOTICE, now=clock.now(), **more)


def test_a_notice_goes_to_every_verified_address_and_to_no_other(ada: User) -> None:
    services.add_email(ada, "second@example.org", by=host(), is_primary=False, verified_by="link")
    services.add_email(ada, "claimed@example.org", by=host(), is_primary=False)
    assert tell(ada) == 2
    assert sorted(Mail.objects.values_list("address", flat=True)) == ["ada@example.org", "second@example.org"]


def test_every_mail_carries_the_phrase_of_the_account_and_no_other_does(ada: User) -> None:
    tell(ada)
    phrase = User.objects.get(pk=ada.pk).check_phrase
    assert re.fullmatch(r"[a-z]{6} [a-z]{6}", phrase)
    with transaction.atomic():
        emails.send_to(ada, "new@example.org", Letter("x", "X", (Link("Go", "https://x/"),)), now=clock.now())
    assert [phrase in mail for mail in mailed()] == [True, True]
    assert emails.check_phrase_of(User.objects.get(pk=ada.pk)) == phrase


def test_a_notice_says_how_to_stop_it_and_what_was_asked_for_does_not(ada: User) -> None:
    tell(ada)
    with transaction.atomic():
        emails.send_to(ada, "ada@example.org", NOTICE, now=clock.now())
    assert ["/not-me/" in mail for mail in mailed()] == [True, False]
    assert OneTimeLink.objects.get(purpose="not-me").user == ada


def test_the_same_notice_is_sent_once(ada: User) -> None:
    tell(ada, key="one")
    tell(ada, key="one")
    assert Mail.objects.count() == 1


def test_many_people_are_told_in_one_statement_each_with_their_phrase_at_each_verified_address(
    ada: User,
) -> None:
    people = [ada, *(make_person(name) for name in ("bob", "carl", "dora"))]
    services.add_email(ada, "second@example.org", by=host(), is_primary=False, verified_by="link")
    services.add_email(ada, "claimed@example.org", by=host(), is_primary=False)
    User.objects.filter(username="dora").update(state=User.State.DELETED)
    Mail.objects.all().delete()
    told = ["ada@example.org", "bob@example.org", "carl@example.org", "second@example.org"]

    def tell_them(key: str = "") -> int:
        with CaptureQueriesContext(connection) as asked, transaction.atomic():
            tell_others([*(one.pk for one in people), ada.pk], NOTICE, clock.now(), key=key)
        return sum('INTO "mail_mail"' in one["sql"] for one in asked)

    assert tell_them() == 1
    assert list(Mail.objects.order_by("pk").values_list("address", flat=True)) == told
    phrases = [one.check_phrase for one in (*people[:3], ada)]
    assert all(phrase in mail for phrase, mail in zip(phrases, mailed(), strict=True))
    assert not any("/not-me/" in mail for mail in mailed())
    tell_them()
    assert Mail.objects.count() == 2 * len(told), "without a key nothing is held back"
    tell_them("one")
    tell_them("one")
    assert Mail.objects.count() == 3 * len(told)
    with transaction.atomic():
        tell_others([], NOTICE, clock.now())
    assert Mail.objects.count() == 3 * len(told)


def test_what_is_rolled_back_mails_nothing(ada: User) -> None:
    with transaction.atomic():
        emails.tell(ada, NOTICE, now=clock.now())
        transaction.set_rollback(True)
    assert not Mail.objects.exists()
    assert not OneTimeLink.objects.exists()


def test_an_account_has_its_phrase_from_the_start_and_telling_others_writes_none_of_their_rows(
    ada: User,
) -> None:
    assert ada.check_phrase
    with CaptureQueriesContext(connection) as asked, transaction.atomic():
        emails.tell(ada, NOTICE, now=clock.now())
    assert not [one["sql"] for one in asked if 'UPDATE "accounts_user"' in one["sql"]]


def test_accounts_that_are_older_get_their_phrase_by_the_migration(ada: User) -> None:
    gone = make_person("gone", state="deleted")
    User.objects.update(check_phrase="")
    migration = importlib.import_module("keyhouse.accounts.migrations.0011_check_phrases")
    for _ in range(2):
        migration.fill(apps, None)
    ada.refresh_from_db()
    gone.refresh_from_db()
    assert len(ada.check_phrase.split()) == 2
    assert gone.check_phrase == ""
