"""A new owner for a project that nobody looks after: never over the head of one who does."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.accounts.addresses.mailbox import letters_to
from tests.accounts.conftest import (
    Clock,
    configure,
    give_project,
    make_person,
    signed_in,
    time,
    wired,
)

from keyhouse.accounts.models import User
from keyhouse.accounts.oversight import proposals
from keyhouse.accounts.oversight.errors import PersonUnfit
from keyhouse.accounts.oversight.new_owners import OBJECTION, SILENCE
from keyhouse.accounts.oversight.suspending import suspend_user
from keyhouse.accounts.sessions import actor_of
from keyhouse.audit.models import Record
from keyhouse.core import clock
from keyhouse.core.actor import Actor, host
from keyhouse.mandate.keeping import keep
from keyhouse.projects.errors import ProjectOwned
from keyhouse.projects.limiting import set_limits
from keyhouse.projects.models import Project, Role
from keyhouse.projects.ownership import (
    OWNER,
    carry_out_due,
    projects_without_owner,
    propose_owner,
)

__all__ = ["configure", "time", "wired"]
pytestmark = pytest.mark.django_db
WHY = "its owner has left"


def actor(user: User) -> Actor:
    return actor_of(signed_in(user)[0])


@pytest.fixture
def operators(db: None) -> tuple[Actor, Actor]:
    one, two = (make_person(name, is_operator=True) for name in ("one", "two"))
    return actor(one), actor(two)


@pytest.fixture
def alpha(db: None) -> Project:
    return give_project(make_person("owner"))


def owners(project: Project) -> list[str]:
    return sorted(Role.objects.filter(project=project, kind="owner").values_list("user__username", flat=True))


def seen(name: str, **ago: float) -> None:
    User.objects.filter(username=name).update(last_seen_at=clock.now() - timedelta(**ago))


def test_after_a_suspension_two_operators_appoint_somebody(
    alpha: Project, operators: tuple[Actor, Actor]
) -> None:
    heir = make_person("heir")
    assert list(projects_without_owner()) == []
    suspend_user(User.objects.get(username="owner"), WHY, by=host(), now=clock.now())
    assert list(projects_without_owner()) == [alpha]
    row = propose_owner(alpha, heir, WHY, by=operators[0], now=clock.now())
    assert (row.effective_at, owners(alpha)) == (None, ["owner"])
    proposals.approve(OWNER, row.pk, by=operators[1], now=clock.now())
    assert owners(alpha) == ["heir", "owner"]
    assert list(projects_without_owner()) == []
    assert letters_to("owner@example.org", "ownership")
    assert Record.objects.filter(action="ownership.propose").count() == 1


def test_an_owner_who_is_there_is_asked_and_nobody_else(
    alpha: Project, operators: tuple[Actor, Actor]
) -> None:
    seen("owner", days=SILENCE.days - 1)
    with pytest.raises(ProjectOwned):
        propose_owner(alpha, make_person("heir"), WHY, by=operators[0], now=clock.now())
    User.objects.filter(username="owner").update(last_seen_at=None)  # joined a moment ago
    with pytest.raises(ProjectOwned):
        propose_owner(alpha, make_person("other"), WHY, by=operators[0], now=clock.now())
    assert owners(alpha) == ["owner"]


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_silent_owner_has_two_weeks_to_come_back(
    alpha: Project,
    operators: tuple[Actor, Actor],
    time: Clock,
    comes_back: bool,
) -> None:
    seen("owner", days=SILENCE.days + 1)
    row = propose_owner(alpha, make_person("heir"), WHY, by=operators[0], now=clock.now())
    proposals.approve(OWNER, row.pk, by=operators[1], now=clock.now())
    assert owners(alpha) == ["owner"]
    assert letters_to("owner@example.org", "ownership")
    time.go(days=OBJECTION.days - 1)
    assert carry_out_due(clock.now()) == 0
    if comes_back:
        seen("owner", hours=1)
    time.go(days=2)
    assert keep(clock.now())["owners"] == (0 if comes_back else 1)
    assert owners(alpha) == (["owner"] if comes_back else ["heir", "owner"])
    row.refresh_from_db()
    assert not row.is_open
    assert ("project-owned" in row.ended_why) == comes_back


def test_a_new_owner_is_reachable_and_protected(alpha: Project, operators: tuple[Actor, Actor]) -> None:
    suspend_user(User.objects.get(username="owner"), WHY, by=host(), now=clock.now())
    for unfit in (make_person("bare", factors=0), User.objects.get(username="owner")):
        with pytest.raises(PersonUnfit):
            propose_owner(alpha, unfit, WHY, by=operators[0], now=clock.now())
    assert owners(alpha) == ["owner"]


def test_limits_are_set_once_and_unset(alpha: Project, operators: tuple[Actor, Actor]) -> None:
    for _ in range(2):
        set_limits("alpha", 5_000_000, None, by=operators[0])
    alpha.refresh_from_db()
    assert (alpha.file_limit, alpha.project_limit) == (5_000_000, None)
    record = Record.objects.get(action="project.set-limits")
    assert (record.about_name, record.details["file_limit"]) == ("alpha", 5_000_000)
    set_limits("alpha", None, None, by=operators[0])
    alpha.refresh_from_db()
    assert alpha.file_limit is None
