from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from tests.mandate.conftest import SetClock
from tests.mandate.ledger import DAY, LONG_AGO, NOW, make_operator, make_person, make_project, mandate

from keyhouse.accounts.models import User
from keyhouse.core.actor import host
from keyhouse.mandate import people, queries
from keyhouse.mandate.adoption import read_adoption
from keyhouse.mandate.facts import Facts
from keyhouse.mandate.models import CriticalProject, Exemption
from keyhouse.mandate.services import (
    note_shown,
    propose_exemption,
    propose_version,
    seed_exemption,
    withdraw_exemption,
)
from keyhouse.projects.models import Role

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wired")]


@pytest.fixture(autouse=True)
def made(set_clock: SetClock) -> None:
    """Make people of every kind: with and without factors, roles, notices, exemptions, critical projects."""
    ada, bob = make_person("ada"), make_person("bob", has_app=False, is_verified=False)
    make_operator("ops")
    make_person("frozen", state="frozen")
    make_person("gone", state="deleted")
    project = make_project("alpha", ada)
    Role.objects.create(project=project, user=bob, kind="maintainer", since_at=NOW)
    make_project("beta", bob)
    for criterion, since in (("one", NOW), ("other", LONG_AGO)):
        CriticalProject.objects.create(
            criterion=criterion, normalized_name="alpha", lineage=uuid4(), since_at=since
        )
    note_shown(ada.pk, ["default", "keys"], "page", now=NOW)
    note_shown(ada.pk, ["default"], "mail", now=NOW + DAY)
    seed_exemption(bob, "default", until=NOW + DAY, reason="x", approved_by="ops", by=host())
    terms: dict[str, Any] = {"until": NOW + DAY, "reason": "y", "evidence": "e", "control": "c"}
    waiting = propose_exemption(bob, "default", **terms, by=host())
    Exemption.objects.filter(pk=waiting.pk).update(effective_at=None)  # as if there were more operators
    over = propose_exemption(ada, "default", **terms, by=host())
    withdraw_exemption(over.pk, by=host())


def without_codes(facts: Facts) -> Facts:
    """Leave out how many recovery codes there are: no decision rests on it, and everybody's would have to be counted."""
    return replace(facts, person=replace(facts.person, recovery_codes=0))


def test_everybodys_facts_are_those_that_the_gate_would_gather(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "_AT_ONCE", 2)
    found = {facts.person.name: facts for facts in people.all_facts()}
    assert list(found) == ["ada", "bob", "ops", "frozen"]
    for user in User.objects.exclude(state="deleted"):
        assert without_codes(queries.facts_of_person(user.pk)) == found[user.username]
    assert found["ada"].authority[0].critical == {"one", "other"}
    assert len(found["bob"].exemptions) == 1


def test_adoption_counts_everybody_once() -> None:
    propose_version(mandate(), by=host())
    counted = {one.policy.name: one for one in read_adoption(queries.live_policies(NOW), NOW)}
    assert {name: one.people for name, one in counted.items()} == {"default": 4, "keys": 4}
    now = counted["default"].forecasts[0]
    assert (now.covered, now.compliant, now.exempt, now.refused) == (3, 2, 1, 0)
    assert counted["keys"].forecasts[-1].first_refused == ("bob",)
