"""What decisions rest on, as it is read from the database: by how many questions, and never as it was before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st
from tests.mandate.stored import (
    ANNOUNCED,
    ENFORCED,
    OWNERS,
    document,
    make_project,
    make_user,
    retire_default,
    session_of,
    store,
)
from tests.mandate.strategies import instants, policies

from keyhouse.accounts.models import Authenticator, Email, User
from keyhouse.core.actions import Thing
from keyhouse.mandate import queries
from keyhouse.mandate.documents import read_mandate
from keyhouse.mandate.facts import Facts
from keyhouse.mandate.models import CriticalProject, DeletionAsk, Exemption
from keyhouse.mandate.models import Notice as NoticeRow
from keyhouse.mandate.queries import Ledger
from keyhouse.mandate.rules import Policy
from keyhouse.projects.models import Project, Role

DAY = timedelta(days=1)
NOW = ANNOUNCED + DAY
ALPHA = Thing("project", None, "alpha")


@pytest.fixture
def ada(db: None) -> User:
    ada = make_user("ada")
    make_project("alpha", ada)
    return ada


def gathered(user: User, action: str = "release.upload") -> Facts:
    return queries.gather(session_of(user, at=NOW), action, ALPHA, NOW)[0]


def count_questions(user: User, action: str) -> int:
    gathered(user, action)  # the ledger is read once for each change
    with CaptureQueriesContext(connection) as asked:
        gathered(user, action)
    return len(asked)


def add_owners(*names: str) -> None:
    for name in names:
        Role.objects.create(
            project=Project.objects.get(), user=make_user(name), kind="owner", since_at=ANNOUNCED
        )


# ---- how many questions


def test_facts_of_a_deletion_take_three_questions_however_many_own_the_project(ada: User) -> None:
    assert count_questions(ada, "release.upload") == 2
    assert count_questions(ada, "project.delete") == 3
    retire_default()
    store(document(name="everybody"))
    for name in ("first", "last"):
        store(document(name=name, who={"user": ["zoe"]}))
    assert count_questions(ada, "project.delete") == 3
    add_owners("bob", "cleo", "dan", "eve", "zoe")
    assert count_questions(ada, "project.delete") == 3
    thing = gathered(ada, "project.delete").object
    assert thing is not None
    assert thing.held_by == ("everybody", "first", "last")


def test_whoever_has_no_role_there_reads_the_same_of_a_deletion(ada: User) -> None:
    store(document())
    eve = make_user("eve")
    assert gathered(eve, "project.delete").object == gathered(ada, "project.delete").object
    assert count_questions(eve, "project.delete") == 3


# ---- what holds a deletion


@pytest.mark.parametrize(
    ("who", "is_held"),
    [
        (OWNERS, True),
        ({"role": ["project.maintainer"]}, False),
        ({"user": ["zoe"]}, True),
        ({"user": ["eve"]}, False),  # of another project
        ({"project": ["alpha"]}, True),
        ({"project": ["beta"]}, False),  # bob's, who owns alpha, too
        ({"role": ["operator"]}, True),  # zoe is one
        ({"joined_from": "2024-01-01T00:00:00Z"}, True),  # zoe is new
        ({"all": [{"user": ["bob"]}, {"role": ["operator"]}]}, False),  # nobody is both
        ({"critical": {"metric": "dependents", "window_days": 30, "top": 5}}, True),
        ({"critical": {"metric": "dependents", "window_days": 30, "top": 6}}, False),  # beta is by this one
    ],
)
def test_a_deletion_is_held_through_any_of_the_projects_people(
    ada: User, who: dict[str, Any], is_held: bool
) -> None:
    retire_default()
    row = store(document(who=who))
    add_owners("bob", "zoe")
    User.objects.filter(username="zoe").update(is_operator=True, joined_at=ANNOUNCED)
    make_project("beta", User.objects.get(username="bob"), make_user("eve"))
    for top, name in ((5, "alpha"), (6, "beta"), (7, "alpha")):
        criterion = read_mandate({**row.document, "who": critical(top)}).criteria
        (key,) = [one.key for one in criterion]
        lineage = Project.objects.get(name=name).lineage
        CriticalProject.objects.create(
            criterion=key, normalized_name=name, lineage=lineage, since_at=ANNOUNCED
        )
    thing = gathered(ada, "project.delete").object
    assert thing is not None
    assert thing.held_by == (("campaign",) if is_held else ())


def critical(top: int) -> dict[str, Any]:
    return {"critical": {"metric": "dependents", "window_days": 30, "top": top}}


def test_a_project_of_nobody_has_its_ask_and_holds_nothing(ada: User) -> None:
    store(document())
    project = Project.objects.get()
    DeletionAsk.objects.create(lineage=project.lineage, normalized_name="alpha", asked_at=NOW, asked_by="ada")
    for held_by in (("campaign",), ()):
        thing = gathered(ada, "project.delete").object
        assert thing is not None
        assert (thing.deletion_asked_at, thing.held_by) == (NOW, held_by)
        project.roles.all().delete()
    project.delete()
    thing = gathered(ada, "project.delete").object
    assert thing is not None
    assert (thing.deletion_asked_at, thing.held_by) == (None, ())


# ---- nothing is told as it was before


def freeze(user: User) -> None:
    User.objects.filter(pk=user.pk).update(state="frozen")


def hold(user: User) -> None:
    User.objects.filter(pk=user.pk).update(held_until=NOW + DAY)


def promote(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_operator=True)


def unverify(user: User) -> None:
    Email.objects.filter(user=user).update(verified_at=None)


def enrol(user: User) -> None:
    Authenticator.objects.create(user=user, name="app", secret_sealed="x", created_at=ANNOUNCED)


def demote(user: User) -> None:
    Role.objects.filter(user=user).update(kind="maintainer")


def step_down(user: User) -> None:
    Role.objects.filter(user=user).delete()


def own_more(user: User) -> None:
    make_project("beta", user)


def become_critical(user: User) -> None:
    project = user.project_roles.get().project
    CriticalProject.objects.create(
        criterion="c", normalized_name="alpha", lineage=project.lineage, since_at=ANNOUNCED
    )


def tell(user: User) -> None:
    NoticeRow.objects.create(user=user, mandate="campaign", kind="shown", delivered_at=ANNOUNCED)


def exempt(user: User) -> None:
    facts = {"proposed_at": ANNOUNCED, "effective_at": ANNOUNCED, "until": ENFORCED}
    Exemption.objects.create(user=user, version=store(document()), reason="…", **facts)


@pytest.mark.parametrize(
    "change",
    [
        freeze,
        hold,
        promote,
        unverify,
        enrol,
        demote,
        step_down,
        own_more,
        become_critical,
        tell,
        exempt,
    ],
    ids=lambda change: change.__name__,
)
def test_a_change_is_seen_by_the_next_question(ada: User, change: Callable[[User], None]) -> None:
    eve = make_user("eve")
    before, of_eve = gathered(ada), gathered(eve)
    assert gathered(ada) == before
    change(ada)
    assert gathered(ada) != before
    assert gathered(ada).digest != before.digest
    assert gathered(eve) == of_eve


def test_people_with_much_are_read_as_all_others(ada: User) -> None:
    few = gathered(ada)
    for number in range(queries._MOST_ROWS_KEPT):
        make_project(f"p{number}", ada)
    kept = queries._kept_standing.cache_info().currsize
    many = queries.facts_of_person(ada.pk)
    assert len(many.authority) == queries._MOST_ROWS_KEPT + 1
    assert set(few.authority) < set(many.authority)
    assert queries._kept_standing.cache_info().currsize == kept


# ---- which mandates are live


@given(
    st.lists(st.tuples(instants(), policies("alpha") | policies("beta")), max_size=4),
    st.lists(instants(), max_size=5),
)
def test_what_is_kept_of_live_mandates_is_what_would_be_worked_out(
    versions: list[tuple[datetime, Policy]], moments: list[datetime]
) -> None:
    kept = Ledger(1, tuple(versions))
    for now in [*moments, *(at for at, _ in versions), *moments]:
        assert kept.live_at(now) == Ledger(1, tuple(versions))._work_out(now)
