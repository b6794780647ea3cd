from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tests.accounts.conftest import at_once, make_person, signed_in

from keyhouse.accounts import services
from keyhouse.accounts.errors import AddressRefused, AddressTaken, UsernameRefused, UsernameTaken
from keyhouse.accounts.models import Email, User
from keyhouse.accounts.queries import find_user, find_user_by_identifier, is_set_up
from keyhouse.accounts.second_factors.totp.services import enrol_authenticator
from keyhouse.accounts.sessions import actor_of
from keyhouse.audit.models import Record
from keyhouse.core import actions
from keyhouse.core.actor import NOBODY, Actor, host, job
from keyhouse.core.errors import GateUnavailable, Refusal

pytestmark = pytest.mark.django_db

PAST = datetime(2019, 1, 2, tzinfo=UTC)


def test_the_host_makes_an_account_with_a_history() -> None:
    user = services.create_user("ada", by=host(), joined_at=PAST, last_seen_at=PAST, state=User.State.HELD)
    email = services.add_email(user, "ada@example.org", by=host(), verified_by="host", at=PAST)
    app = enrol_authenticator(user, b"\x01" * 20, by=host(), at=PAST)
    user.refresh_from_db()
    assert (user.joined_at, user.last_seen_at, user.state) == (PAST, PAST, "held")
    assert (email.verified_at, app.created_at, app.last_step) == (PAST, PAST, 0)
    assert not user.has_usable_password()
    assert list(Record.objects.order_by("id").values_list("action", "actor_kind", "account_id")) == [
        ("user.create", "host", user.pk),
        ("email.add", "host", user.pk),
        ("second-factor.add", "host", user.pk),
    ]


@pytest.mark.parametrize("name", ["ADA", "ada", "Ada"])
def test_a_name_is_taken_in_every_case(ada: User, name: str) -> None:
    with pytest.raises(UsernameTaken):
        services.create_user(name, by=host())
    assert User.objects.count() == 1


def test_a_verified_address_belongs_to_one_account(ada: User) -> None:
    bob = services.create_user("bob", by=host())
    with pytest.raises(AddressTaken):
        services.add_email(bob, "ADA@example.org", by=host(), verified_by="host")
    services.add_email(bob, "ADA@example.org", by=host())
    assert find_user_by_identifier("ada@example.org") == ada


@pytest.mark.parametrize(("name", "address"), [("-", "x@example.org"), ("bob", "x")])
def test_what_breaks_a_rule_is_not_stored(name: str, address: str) -> None:
    with pytest.raises((UsernameRefused, AddressRefused)):
        services.add_email(services.create_user(name, by=host()), address, by=host())
    assert not Email.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_many_who_take_one_name_at_once_one_gets_it() -> None:
    results = at_once([lambda: services.create_user("ada", by=host())] * 5)
    assert sum(isinstance(one, UsernameTaken) for one in results) == 4
    assert User.objects.count() == 1
    assert Record.objects.filter(action="user.create").count() == 1


@pytest.mark.parametrize("kind", ["nobody", "session", "token", "operator", "job"])
def test_accounts_are_made_by_the_host_only_and_operators_who_proved_themselves(kind: str) -> None:
    actors = {
        "nobody": NOBODY,
        "session": actor_of(signed_in(make_person("bob"))[0]),
        "token": Actor(kind="token", user_id=1),
        "operator": actor_of(signed_in(make_person("olga", is_operator=True, factors=0), "password")[0]),
        "job": job("x"),
    }
    before = User.objects.count()
    with pytest.raises(Refusal):
        services.create_user("ada", by=actors[kind])
    assert User.objects.count() == before


def test_with_nothing_wired_nobody_does_anything(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "_wiring", actions._Wiring())
    with pytest.raises(GateUnavailable):
        services.create_user("bob", by=host())
    with pytest.raises(GateUnavailable):
        services.make_setup_link(by=host())
    with pytest.raises(GateUnavailable):
        enrol_authenticator(ada, b"\x01" * 20, by=host())
    assert User.objects.count() == 1


def test_an_index_is_set_up_while_an_operator_exists() -> None:
    assert not is_set_up()
    olga = make_person("olga", is_operator=True)
    assert is_set_up()
    User.objects.filter(pk=olga.pk).update(state=User.State.DELETED)
    assert not is_set_up()


@pytest.mark.parametrize("typed", ["", " ", "nobody", "a\x00b", "x" * 300, "\ud800", "@", "K" * 3])
def test_what_names_nobody_finds_nobody(ada: User, typed: str) -> None:
    assert find_user_by_identifier(typed) is None


def test_names_are_found_in_every_case(ada: User) -> None:
    assert find_user("ADA") == ada
