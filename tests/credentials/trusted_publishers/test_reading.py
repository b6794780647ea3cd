"""Tokens that CI gets to read a private index: what they open, through the door that installers use."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from tests.credentials.tokens.conftest import make_project, make_user
from tests.credentials.trusted_publishers.runs import identity, know_issuer, publisher_of

from keyhouse.accounts.models import User
from keyhouse.core import clock, configuration, keys
from keyhouse.credentials.tokens import reader
from keyhouse.credentials.tokens.reader import TokenReader
from keyhouse.credentials.trusted_publishers import burning, minting
from keyhouse.credentials.trusted_publishers.minting import Wish
from keyhouse.projects.models import Project, Role

pytestmark = pytest.mark.django_db(transaction=True)
May = Callable[[str, str | None], bool]
READ = Wish("read")


@pytest.fixture(autouse=True)
def private(monkeypatch: pytest.MonkeyPatch) -> None:
    keys.ensure_ring(configuration.current().key_file)
    monkeypatch.setattr(type(configuration.current()), "is_private", property(lambda _: True))
    monkeypatch.setattr(reader, "LOOK_SECONDS", 0.0)


@pytest.fixture
def ada(db: None) -> User:
    know_issuer()
    return make_user("ada")


@pytest.fixture
def may() -> Iterator[May]:
    """Ask the reader as the read plane does, from a thread of its own."""
    asked = TokenReader()
    with ThreadPoolExecutor(1) as pool:

        def ask(token: str, project: str | None) -> bool:
            header = "Basic " + base64.b64encode(f"__token__:{token}".encode()).decode()
            return pool.submit(asked.find_reading, header, "", project, "192.0.2.7").result() is not None

        yield ask
        pool.submit(lambda: connection.close()).result()  # noqa: PLW0108 - each thread has its own connection


@pytest.mark.parametrize("wish", [READ, Wish("upload")])
def test_it_reads_the_projects_of_its_publishers_and_nothing_else(ada: User, may: May, wish: Wish) -> None:
    alpha, beta = make_project("alpha", ada), make_project("beta", ada)
    publisher_of(alpha, ada)
    text = minting.mint(identity(), wish=wish).text
    assert may(text, "alpha")
    assert not may(text, beta.normalized_name)
    assert not may(text, "no-such-project")
    assert not may(text, None)


def test_a_burned_one_reads_nothing_at_once(ada: User, may: May) -> None:
    publisher_of(make_project("alpha", ada), ada)
    text = minting.mint(identity(), wish=READ).text
    assert may(text, "alpha")
    assert burning.burn(text, now=clock.now())
    assert not may(text, "alpha")


def lose_role(publisher: Any) -> None:
    Role.objects.filter(user=publisher.configured_by).delete()


def suspend(publisher: Any) -> None:
    User.objects.filter(pk=publisher.configured_by_id).update(state=User.State.SUSPENDED)


def remove(publisher: Any) -> None:
    publisher.delete()


@pytest.mark.parametrize("change", [lose_role, suspend, remove])
def test_it_reads_no_more_than_its_person_may_now(ada: User, may: May, change: Callable[[Any], None]) -> None:
    publisher = publisher_of(make_project("alpha", ada), ada)
    text = minting.mint(identity(), wish=READ).text
    change(publisher)
    assert not may(text, "alpha")
    assert Project.objects.count() == 1
