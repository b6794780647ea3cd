"""Publishers asked about, set up and ended by several at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from tests.credentials.tokens.conftest import make_project, make_user, session_of
from tests.credentials.trusted_publishers.test_claims import CLAIMS
from tests.credentials.trusted_publishers.test_matching import find, trust
from tests.credentials.trusted_publishers.test_publishers import _Names, add, wait

from keyhouse.accounts.models import User
from keyhouse.audit.models import Record
from keyhouse.core import naming
from keyhouse.core.errors import Refusal
from keyhouse.credentials.trusted_publishers import services
from keyhouse.credentials.trusted_publishers.models import Publisher
from keyhouse.mail.models import Mail

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada() -> User:
    naming.wire(_Names())
    user = make_user("ada")
    make_project("alpha", user)
    return user


def at_once(*acts: Callable[[], object]) -> list[str]:
    """Do several things at once; returns the code of each refusal, and nothing for what was done."""

    def one(act: Callable[[], object]) -> str:
        try:
            act()
        except Refusal as refusal:
            return refusal.code
        finally:
            connection.close()
        return ""

    with ThreadPoolExecutor(len(acts)) as pool:
        return sorted(pool.map(one, acts))


def test_of_several_first_uses_one_repository_gets_the_name(ada: User) -> None:
    project = ada.project_roles.get().project
    one = trust(project, ada)

    def use(owner_id: str) -> Callable[[], object]:
        return lambda: find(repository_owner_id=owner_id, repository_id=f"7{owner_id}")

    told = at_once(*(use(str(number)) for number in range(10, 14)))
    assert told == ["", "publisher-unmatched", "publisher-unmatched", "publisher-unmatched"]
    one.refresh_from_db()
    assert one.known_id == f"7{one.claims['owner_id']}"
    assert Record.objects.filter(action="publisher.learn").count() == 1
    assert Mail.objects.filter(kind="publisher-changed-hands").count() <= 1


def test_a_person_never_waits_for_more_than_three_names(ada: User) -> None:
    acts: list[Any] = [lambda number=number: wait(session_of(ada), f"gamma{number}") for number in range(5)]
    assert at_once(*acts) == ["", "", "", "publishers-too-many", "publishers-too-many"]
    assert Publisher.objects.count() == 3


def test_the_same_publisher_set_up_twice_is_there_once(ada: User) -> None:
    assert at_once(*[lambda: add(session_of(ada))] * 3) == ["", "publisher-exists", "publisher-exists"]
    assert Publisher.objects.count() == Record.objects.filter(action="publisher.add").count() == 1


def test_removing_and_confirming_at_once_leaves_one_or_none(ada: User) -> None:
    one = add(session_of(ada))
    told = at_once(
        lambda: services.remove_publisher(one.pk, by=session_of(ada)),
        lambda: services.confirm_publisher(one.pk, by=session_of(ada)),
        lambda: services.remove_publisher(one.pk, by=session_of(ada)),
    )
    assert set(told) <= {
        "",
        "publisher-missing",
        "role-required",
    }  # of what is gone nobody learns whose it was
    assert not Publisher.objects.exists()
    assert Record.objects.filter(action="publisher.remove").count() == 1


def test_a_use_and_a_removal_at_once_give_nothing_to_what_is_gone(ada: User) -> None:
    one = trust(ada.project_roles.get().project, ada)
    at_once(lambda: find(CLAIMS["github"]), lambda: services.remove_publisher(one.pk, by=session_of(ada)))
    with pytest.raises(Refusal):
        find(CLAIMS["github"])
