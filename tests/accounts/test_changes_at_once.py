"""Everything that may happen to one account, at the same instant: locks are taken in one order, so nobody waits in a ring.

PostgreSQL would end one of those who do with an error; SQLite lets one write at a time and can only show the outcome.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from django.db import transaction
from tests.accounts.addresses.mailbox import letter_to, path_in
from tests.accounts.conftest import PASSWORD, at_once, code, give_project, make_person, signed_in

from keyhouse.accounts import freezing, holds, services, signing_in
from keyhouse.accounts.addresses import reverting, watching
from keyhouse.accounts.addresses.services import Change, make_primary, remove_address
from keyhouse.accounts.models import Email, MailDomain, OneTimeLink, Session, User
from keyhouse.accounts.passwords import resetting
from keyhouse.accounts.sessions import actor_of, start_session
from keyhouse.accounts.signing_in import Entered
from keyhouse.accounts.visitor import Visitor
from keyhouse.core import clock
from keyhouse.core.actor import host

NEW = "ochre-lantern-57-meadow"
OLD, TWO, GONE = "ada@example.org", "ada@two.example.dev", "ada@gone-one.dev"
HERE = Visitor("192.0.2.1")


def secret_in(address: str, kind: str, purpose: str) -> str:
    return path_in(letter_to(address, kind), purpose).split("/")[2]


def prepared() -> list[Callable[[], object]]:
    """Return the acts on an account whose primary address has just changed, and one of whose domains is gone."""
    ada, now = make_person(), clock.now()
    make_person("root", is_operator=True)
    give_project(ada)
    two, gone = (
        services.add_email(ada, address, by=host(), is_primary=False, verified_by="host")
        for address in (TWO, GONE)
    )
    MailDomain.objects.create(
        domain="gone-one.dev", missing_count=3, missing_at=now, asked_at=now, answer="missing"
    )
    by = actor_of(signed_in(ada)[0])
    change = Change(ada, by, now)
    make_primary(change, two.pk)
    with transaction.atomic():
        holds.end_holds(ada, by="operator", now=now)
    resetting.ask_for_reset("ada", HERE, now)
    waiting, _ = start_session(ada, ["password"], is_complete=False)
    return [
        partial(make_primary, change, Email.objects.get(address=OLD).pk),
        partial(remove_address, change, gone.pk),
        partial(
            reverting.revert_addresses,
            secret_in(OLD, "email-primary-changed", "revert-addresses"),
            HERE,
            now,
        ),
        partial(freezing.freeze_by_link, secret_in(OLD, "email-primary-changed", "not-me"), HERE, now),
        partial(
            resetting.reset_password, secret_in(TWO, "password-reset-link", "password-reset"), NEW, HERE, now
        ),
        partial(services.change_password, ada, PASSWORD, NEW, by=by, now=now),
        partial(signing_in.finish_by_code, waiting, code(), HERE, now),
        partial(signing_in.sign_in_by_password, Entered("ada", PASSWORD, HERE, now)),
        partial(watching.watch_domains, now, lambda _: "missing"),
    ]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("first", [0, 3, 6])
def test_whatever_happens_at_once_waits_for_each_other_and_ends_whole(first: int) -> None:
    acts = prepared()
    at_once([*acts[first:], *acts[:first]])  # refusals are fine, anything else is raised
    user = User.objects.get(username="ada")
    assert user.state == User.State.FROZEN
    assert not Session.objects.filter(user=user).exists()
    assert Email.objects.filter(user=user, is_primary=True, verified_at__isnull=False).count() == 1
    assert not Email.objects.filter(address=GONE, verified_at__isnull=False).exists()
    assert not OneTimeLink.objects.filter(user=user, purpose="password-reset", used_at=None).exists()
