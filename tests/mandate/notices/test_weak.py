"""N3: a weak credential that publishes is told by mail to whoever made it and to the owners, once in two weeks."""

from __future__ import annotations

from datetime import datetime

import pytest
from tests.mandate.notices.telling import (
    ANNOUNCED,
    DAY,
    announce,
    arrive,
    campaign,
    enrol,
    look,
    make_project,
    owner,
    texts,
    told,
)

from keyhouse.accounts.models import User
from keyhouse.core.actions import Caution
from keyhouse.core.actor import Actor
from keyhouse.mandate.notices import services
from keyhouse.mandate.notices.models import WeakUse
from keyhouse.projects.models import Project, Role

pytestmark = pytest.mark.django_db
BEGIN = ANNOUNCED + 10 * DAY


def use(actor: Actor, at: datetime, *mandates: str) -> None:
    cautions = [Caution("credential-weak: …", None, name, "") for name in mandates or ("campaign",)]
    services.note_weak_use(actor, "alpha", cautions, now=at)


def kinds(user: User) -> list[str]:
    return [kind for _, kind in told(user)]


def test_n3_whoever_made_it_and_the_owners_are_told_once_in_two_weeks() -> None:
    ada, bob, eve = owner("ada", "alpha"), owner("bob", "beta"), owner("eve", "gamma")
    Role.objects.create(project=Project.objects.get(name="alpha"), user=bob, kind="owner", since_at=ANNOUNCED)
    for user in (ada, bob, eve):
        enrol(user)
    announce()
    look(ANNOUNCED)
    arrive(ANNOUNCED)
    token = Actor("token", ada.pk, "ada")
    use(token, BEGIN)
    assert look(BEGIN) == 2
    assert kinds(ada) == kinds(bob) == ["compliant", "weak-credential"]
    assert kinds(eve) == ["compliant"]
    assert "It published the project alpha." in texts(ada)[0]
    for day in range(1, 14):
        use(token, BEGIN + day * DAY)
        assert look(BEGIN + day * DAY) == 0
    assert look(BEGIN + 15 * DAY) == 2
    assert look(BEGIN + 40 * DAY) == 0
    assert kinds(ada).count("weak-credential") == 2
    assert WeakUse.objects.count() == 1
    assert services.forget_weak_uses(BEGIN + 60 * DAY) == 1


def test_n3_what_is_told_of_it_is_in_the_same_mail_as_all_else() -> None:
    ada = owner("ada", "alpha")
    announce()
    use(Actor("token", ada.pk, "ada"), ANNOUNCED)
    assert look(ANNOUNCED) == 1
    assert kinds(ada) == ["announcement", "weak-credential"]


def test_n3_mandates_that_do_not_mail_note_nothing() -> None:
    ada = owner("ada", "alpha")
    quiet = campaign("quiet")
    del quiet["notice"]["remind_days"]
    announce(quiet)
    use(Actor("token", ada.pk, "ada"), ANNOUNCED, "quiet", "default", "")
    use(Actor("publisher", None, "ci"), ANNOUNCED)
    assert WeakUse.objects.count() == 0


def test_a_project_that_is_gone_hinders_nothing() -> None:
    ada = owner("ada", "beta")
    make_project("alpha")
    announce()
    use(Actor("token", ada.pk, "ada"), ANNOUNCED)
    Project.objects.filter(name="alpha").delete()
    assert look(ANNOUNCED) == 1
