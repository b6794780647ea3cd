"""Reminders before a token ends, tokens that nobody seems to need, and tokens beside a trusted publisher."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.credentials.tokens.conftest import MakeToken, SetClock, make_user, session_of
from tests.credentials.tokens.test_leaks import minted
from tests.credentials.tokens.test_services import in_parallel
from tests.mandate.visiting import Visit

from keyhouse.accounts.models import User
from keyhouse.core import clock, faults
from keyhouse.credentials.tokens import keeping, robots, services
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.tokens.rules import Life, due_reminder, is_unused
from keyhouse.credentials.trusted_publishers.beside import tell_of_token
from keyhouse.mail.models import Mail
from keyhouse.projects.models import Project, Role

NOW = datetime(2030, 1, 1, 12, tzinfo=clock.now().tzinfo)
DAY, TICK = timedelta(days=1), timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("made", "ends", "reminded", "due"),
    [
        (-90, 14 * DAY, None, 14),
        (-90, 14 * DAY + TICK, None, None),
        (-90, 4 * DAY, None, 14),
        (-90, 4 * DAY, 14, None),
        (-90, 3 * DAY, 14, 3),
        (-90, 3 * DAY, None, 3),  # nobody was there to send the first: one mail, not two
        (-90, 3 * DAY, 3, None),
        (-90, TICK, 14, 3),
        (-90, timedelta(), 14, None),
        (-1, 10 * DAY, None, None),  # made for less than that
        (-8, 3 * DAY, None, 3),
        (-1, DAY, None, None),
    ],
)
def test_a_reminder_is_due_from_its_day_on_and_once(
    made: int, ends: timedelta, reminded: int | None, due: int | None
) -> None:
    assert due_reminder(Life(NOW + ends), NOW + made * DAY, reminded, NOW) == due
    for life in (Life(NOW + ends, revoked_at=NOW), Life(NOW + ends, suspended_at=NOW)):
        assert due_reminder(life, NOW + made * DAY, reminded, NOW) is None


def test_what_nobody_seems_to_need() -> None:
    for made, used, is_it in (
        (30, None, True),
        (29, None, False),
        (300, 90, True),
        (300, 89, False),
        (90, 0, False),
    ):
        assert is_unused(NOW - made * DAY, None if used is None else NOW - used * DAY, NOW) is is_it


def kinds() -> list[tuple[str, int | None]]:
    return list(Mail.objects.filter(kind="token-ends-soon").values_list("kind", "account_id"))


@pytest.mark.django_db
def test_each_reminder_is_mailed_once_whatever_happens_meanwhile(
    mint: MakeToken, ada: User, alpha: Project, set_clock: SetClock
) -> None:
    set_clock(NOW)
    mint(expires_in_days=60, description="nightly")
    for day, mails in ((45, 0), (46, 1), (47, 1), (56, 1), (57, 2), (59, 2), (61, 2)):
        set_clock(NOW + day * DAY)
        for _ in range(2):
            keeping.keep(clock.now())
        assert len(kinds()) == mails, day
    assert set(kinds()) == {("token-ends-soon", ada.pk)}


@pytest.mark.django_db
def test_nobody_is_reminded_of_what_has_ended_and_every_owner_of_a_robot_is(
    mint: MakeToken, ada: User, alpha: Project, set_clock: SetClock
) -> None:
    set_clock(NOW)
    bob = make_user("bob")
    Role.objects.create(project=alpha, user=bob, kind="owner", since_at=NOW)
    services.revoke_token(mint(expires_in_days=60)[0], by=session_of(ada))
    robots.mint_robot_token("alpha", description="r", expires_in_days=60, by=session_of(ada))
    Role.objects.filter(user=ada).delete()
    set_clock(NOW + 47 * DAY)
    assert keeping.keep(clock.now()) == {
        "tokens_reminded": 1, "robot_tokens_resting": 1, "tokens_narrowed": 0,
    }  # fmt: skip
    assert kinds() == [("token-ends-soon", bob.pk)]


@pytest.mark.django_db
def test_owners_are_told_once_that_a_robot_token_rests_and_again_after_it_worked(
    ada: User, alpha: Project, set_clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(NOW)
    bob = make_user("bob")
    Role.objects.create(project=alpha, user=bob, kind="owner", since_at=NOW)
    token, _ = robots.mint_robot_token("alpha", description="r", expires_in_days=60, by=session_of(ada))
    told = Mail.objects.filter(kind="robot-token-rests")
    assert keeping.tell_of_resting(NOW) == 0
    Role.objects.filter(user=ada).delete()

    def die(point: str) -> None:
        assert point == "reminder.rows-written"
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(faults, "reach", die)
        with pytest.raises(KeyboardInterrupt):
            keeping.tell_of_resting(NOW)
    assert not told.exists()
    assert [keeping.tell_of_resting(NOW) for _ in range(2)] == [1, 0]
    assert list(told.values_list("account_id", flat=True)) == [bob.pk]
    robots.confirm_robot_token("alpha", token.pk, by=session_of(bob))
    assert keeping.tell_of_resting(NOW) == 0
    Role.objects.filter(user=bob).update(kind="maintainer")
    assert keeping.tell_of_resting(NOW) == 1
    assert told.count() == 1, "there is no owner left to tell"


@pytest.mark.django_db
def test_killed_in_the_middle_it_is_done_again_and_mailed_once(
    mint: MakeToken, set_clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(NOW)
    made = [mint(expires_in_days=60)[0] for _ in range(3)]
    set_clock(NOW + 47 * DAY)
    reached = []

    def die(point: str) -> None:
        reached.append(point)
        if reached == ["reminder.rows-written"] * 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(faults, "reach", die)
        with pytest.raises(KeyboardInterrupt):
            keeping.keep(clock.now())
    assert len(kinds()) == 1
    assert keeping.remind_all(clock.now()) == 2
    assert len(kinds()) == len(made)


@pytest.mark.django_db(transaction=True)
def test_in_parallel_each_reminder_is_mailed_once(mint: MakeToken, set_clock: SetClock) -> None:
    set_clock(NOW)
    for _ in range(3):
        mint(expires_in_days=60)
    set_clock(NOW + 47 * DAY)
    done: list[Any] = in_parallel(3, lambda _: keeping.remind_all(clock.now()))
    assert sum(done) == 3
    assert len(kinds()) == 3


@pytest.mark.django_db
def test_what_nobody_needs_is_suggested_on_both_pages_and_ends_with_one_click(
    mint: MakeToken, ada: User, set_clock: SetClock
) -> None:
    set_clock(NOW)
    idle, _ = mint(expires_in_days=300, description="forgotten")
    busy, _ = mint(expires_in_days=300, description="busy")
    set_clock(NOW + 40 * DAY)
    services.record_use(busy.pk, at=clock.now(), network="192.0.2.9", client="twine/6.0")
    visit = Visit(ada)
    for path in ("/account/tokens/", "/account/"):
        page = visit.get(path).content.decode()
        assert f'action="/account/tokens/{idle.pk}/revoke/"' in page
        assert f'action="/account/tokens/{busy.pk}/revoke/"' not in page
    assert "192.0.2.9 · twine/6.0" in visit.get("/account/tokens/").content.decode()
    visit.post(f"/account/tokens/{idle.pk}/revoke/")
    for path in ("/account/tokens/", "/account/"):
        assert "Nobody seems to need" not in visit.get(path).content.decode()


@pytest.mark.django_db
def test_the_owner_of_a_token_beside_a_publisher_is_told_once_for_each_project(
    mint: MakeToken, ada: User, alpha: Project, beta: Project
) -> None:
    token, _ = mint()
    tell_of_token(token.pk.hex, alpha.pk, clock.now())
    assert not Mail.objects.filter(kind="token-beside-publisher").exists(), "there is no publisher"
    minted(alpha, ada)
    minted(beta, ada)
    for _ in range(2):
        for project in (alpha, beta):
            tell_of_token(token.pk.hex, project.pk, clock.now())
    told = Mail.objects.filter(kind="token-beside-publisher")
    assert list(told.values_list("account_id", flat=True)) == [ada.pk] * 2
    assert sorted(Token.objects.get().told_projects) == sorted([alpha.pk, beta.pk])
