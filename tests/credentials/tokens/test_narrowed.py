"""Whose token for all projects reaches less is told so once, with what it reaches still."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.credentials.tokens.conftest import MakeToken, SetClock, make_user, session_of
from tests.credentials.tokens.conftest import set_clock as set_clock  # noqa: PLC0414 - a fixture

from keyhouse.accounts.models import User
from keyhouse.core import clock, faults
from keyhouse.core.actor import host
from keyhouse.credentials.tokens import keeping, narrowed
from keyhouse.mail.contents import unseal
from keyhouse.mail.letters import render_text
from keyhouse.mail.models import Mail
from keyhouse.projects.collaborators import ending
from keyhouse.projects.models import Project, Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def bob(ada: User, alpha: Project) -> User:
    bob = make_user("bob")
    Role.objects.create(project=alpha, user=bob, kind="owner", since_at=clock.now() - timedelta(days=9))
    return bob


def told() -> list[str]:
    mails = Mail.objects.filter(kind="token-reaches-less").order_by("pk")
    return [render_text(unseal(one.content_sealed, one.address)) for one in mails]


def test_once_with_what_is_lost_and_what_is_left(
    mint: MakeToken, ada: User, alpha: Project, bob: User, set_clock: SetClock
) -> None:
    now = clock.now()
    set_clock(now)
    mint(project_ids=None, reason="all of it", description="everywhere")
    other = Project.objects.create(name="Beta", normalized_name="beta", folded_name="beta", created_at=now)
    Role.objects.create(project=other, user=ada, kind="owner", since_at=now)
    set_clock(now + timedelta(hours=1))
    assert narrowed.tell_of_less(clock.now()) == 0
    ending.remove_role("alpha", "ada", by=host())
    for _ in range(2):
        keeping.keep(clock.now())
    [letter] = told()
    assert "no role any more in alpha" in letter
    assert "“everywhere”" in letter
    assert "What it reaches still: Beta." in letter
    set_clock(now + timedelta(days=3))
    assert narrowed.tell_of_less(clock.now()) == 0


def test_what_was_told_is_told_no_more_when_another_right_comes_back_or_ends(
    mint: MakeToken, ada: User, alpha: Project, bob: User, set_clock: SetClock
) -> None:
    now = clock.now()
    set_clock(now)
    mint(project_ids=None, reason="all of it", description="everywhere")
    for name in ("beta", "gamma"):
        project = Project.objects.create(name=name, normalized_name=name, folded_name=name, created_at=now)
        for user in (ada, bob):
            Role.objects.create(project=project, user=user, kind="owner", since_at=now)
    for minutes, name in ((60, "alpha"), (61, "beta")):
        set_clock(now + timedelta(minutes=minutes))
        ending.remove_role(name, "ada", by=host())
    assert narrowed.tell_of_less(clock.now()) == 1
    assert "no role any more in alpha, beta." in told()[0]
    Role.objects.create(project=project_named("beta"), user=ada, kind="owner", since_at=clock.now())
    assert narrowed.tell_of_less(clock.now()) == 0, "alpha was told of already"
    set_clock(now + timedelta(minutes=70))
    ending.remove_role("gamma", "ada", by=host())
    assert [narrowed.tell_of_less(clock.now()) for _ in range(2)] == [1, 0]
    assert "no role any more in gamma." in told()[1]
    set_clock(now + timedelta(minutes=80))
    ending.remove_role("beta", "ada", by=host())
    Role.objects.create(project=project_named("beta"), user=ada, kind="owner", since_at=clock.now())
    assert narrowed.tell_of_less(clock.now()) == 0, "she has it back"


def project_named(name: str) -> Project:
    return Project.objects.get(normalized_name=name)


def test_whoever_has_none_or_got_it_back_or_has_one_for_a_project_is_told_nothing(
    mint: MakeToken, ada: User, alpha: Project, bob: User
) -> None:
    mint(project_ids=[alpha.pk], description="narrow")
    ending.remove_role("alpha", "ada", by=host())
    assert narrowed.tell_of_less(clock.now()) == 0
    mint(project_ids=None, reason="all of it", description="late")
    assert narrowed.tell_of_less(clock.now()) == 0, "it was made afterwards"


def test_killed_in_the_middle_they_are_told_the_next_time(  # noqa: PLR0917 - fixtures
    mint: MakeToken,
    ada: User,
    alpha: Project,
    bob: User,
    set_clock: SetClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = clock.now()
    set_clock(now)
    mint(project_ids=None, reason="all of it", description="everywhere")
    set_clock(now + timedelta(hours=1))
    ending.remove_role("alpha", "ada", by=session_of(bob))

    def die(point: str) -> None:
        if point == "reminder.rows-written":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(faults, "reach", die)
        with pytest.raises(KeyboardInterrupt):
            narrowed.tell_of_less(clock.now())
    assert told() == []
    assert narrowed.tell_of_less(clock.now()) == 1
    assert "reaches no project now" in told()[0]
