"""Many who ask to come back in, and many whose accounts are on hold: a page looks only at what stands on it."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from tests.mandate.conftest import wired as wired  # noqa: PLC0414 - a fixture
from tests.mandate.ledger import make_person, make_project
from tests.mandate.visiting import Visit, code_of
from tests.web.test_long_lists import MANY, NEXT, WORDS, nth, walk

from keyhouse.accounts.models import Authenticator, Email, Hold, RecoveryCase, RecoveryWord, User
from keyhouse.core import clock, standing
from keyhouse.projects.models import Role

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wired"), pytest.mark.by_turns]

CONSOLE: Final = "/operator/recovery/"
VOUCHING: Final = "/account/vouch/"
LISTS: Final = (
    (CONSOLE, "page", r'<h3 id="case-\d+"><a class="name break" href="/operator/recovery/(\d+)/"'),
    (CONSOLE, "holds", r'href="/operator/recovery/holds/(\d+)/"'),
    (VOUCHING, "page", r'href="/account/vouch/(\d+)/"'),
    (VOUCHING, "holds", r'href="/account/vouch/holds/(\d+)/"'),
)


@pytest.fixture
def ada() -> User:
    """Return an operator who owns a project with a crew, all of whom ask to come back in and are on hold."""
    user = make_person("ada", is_operator=True)
    stranger = make_person("stranger")
    crew = User.objects.bulk_create(
        User(username=nth(number), joined_at=clock.now()) for number in range(MANY)
    )
    grow_factors(crew)
    project = make_project("alpha", user)
    Role.objects.bulk_create(
        Role(project=project, user=one, kind="owner", since_at=clock.now()) for one in crew
    )
    make_project("beta", stranger)
    ask(crew, co_owners=[user, *crew])
    return user


def grow_factors(crew: list[User]) -> None:
    now = clock.now()
    Email.objects.bulk_create(
        Email(user=one, address=f"{one.username}@example.org", is_primary=True, verified_at=now, added_at=now)
        for one in crew
    )
    Authenticator.objects.bulk_create(
        Authenticator(user=one, name="phone", secret_sealed="x", created_at=now) for one in crew
    )


def ask(crew: list[User], co_owners: list[User]) -> None:
    now = clock.now()
    RecoveryCase.objects.bulk_create(
        RecoveryCase(
            user=one,
            path="operators",
            opened_at=now - timedelta(minutes=number),
            expires_at=now + timedelta(days=7),
            reason=WORDS,
            co_owner_ids=[other.pk for other in co_owners],
            needed=2,
        )
        for number, one in enumerate(crew)
    )
    Hold.objects.bulk_create(
        Hold(user=one, reason="first-enrolment", placed_at=now, until=now + timedelta(hours=20))
        for one in crew
    )


def questions(visit: Visit, path: str, status: int = 200) -> int:
    with CaptureQueriesContext(connection) as asked:
        assert visit.get(path).status_code == status, path
    return len(asked)


def test_every_case_and_hold_is_on_one_small_page(ada: User) -> None:
    visit = Visit(ada)
    for path, key, line in LISTS:
        found = walk(visit, path, key, line)
        assert (len(found), len(set(found))) == (MANY, MANY), (path, key)
    for path in (CONSOLE, VOUCHING):
        page = visit.get(f"{path}?page=2&holds=2").content.decode()
        assert set(NEXT.findall(page)) == {"holds=2&amp;page=3", "page=2&amp;holds=3"}, path


def test_the_console_counts_all_and_names_the_first_who_can_speak(ada: User) -> None:
    visit = Visit(ada)
    visit.get(f"{CONSOLE}?page=2")
    assert f"Open requests {MANY} " in visit.text
    assert "The oldest 2 hours" in visit.text
    assert f"{nth(8)} and {MANY - 10} more" in visit.text  # ada and nine of the crew, without the person
    visit.get(f"{CONSOLE}{RecoveryCase.objects.latest('pk').pk}/")
    assert nth(MANY - 2) in visit.text


def test_lists_ask_as_often_for_many_as_for_few(ada: User) -> None:
    visit = Visit(ada)
    visit.get(VOUCHING)
    many = questions(visit, VOUCHING)
    console = questions(visit, CONSOLE)
    few = User.objects.filter(username__lt=nth(25), username__startswith="crew")
    RecoveryCase.objects.exclude(user__in=few).delete()
    Hold.objects.exclude(user__in=few).delete()
    assert questions(visit, VOUCHING) == many
    assert questions(visit, CONSOLE) == console


def test_one_case_and_one_hold_ask_what_hangs_on_their_person_alone(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit = Visit(ada)
    asked: list[int] = []
    inner = standing._wired[0]

    class Counting:
        def of(self, user_id: int) -> standing.Standing:
            asked.append(user_id)
            return inner.of(user_id)

        def speaks_for(self, user_id: int) -> frozenset[int]:
            return inner.speaks_for(user_id)

        def is_critical(self, normalized_name: str) -> bool:
            return inner.is_critical(normalized_name)

    monkeypatch.setattr(standing, "_wired", [Counting()])
    case, hold = RecoveryCase.objects.latest("pk"), Hold.objects.latest("pk")
    for path, whose in (
        (f"{VOUCHING}{case.pk}/", case.user_id),
        (f"{VOUCHING}holds/{hold.pk}/", hold.user_id),
        (f"{CONSOLE}holds/{hold.pk}/", None),
    ):
        asked.clear()
        assert visit.get(path).status_code == 200
        assert set(asked) <= {whose, ada.pk}, path
        asked.clear()
        assert visit.post(path, reason="short").status_code == 400
        assert set(asked) <= {whose, ada.pk}, path
    asked.clear()
    assert visit.get(VOUCHING).status_code == 200
    assert set(asked) <= {ada.pk}
    asked.clear()
    assert visit.get(CONSOLE).status_code == 200
    assert len([one for one in asked if one != ada.pk]) == 20


def test_whoever_shares_nothing_sees_and_ends_none_of_them(ada: User) -> None:
    visit = Visit(User.objects.get(username="stranger"))
    visit.get(VOUCHING)
    assert "crew-member" not in visit.text
    case, hold = RecoveryCase.objects.latest("pk"), Hold.objects.latest("pk")
    for path in (f"{VOUCHING}{case.pk}/", f"{VOUCHING}holds/{hold.pk}/"):
        assert code_of(visit.get(path)) == "recovery-missing"
        assert code_of(visit.post(path, reason=WORDS)) == "recovery-missing"
    assert not RecoveryWord.objects.exists()
    assert not Hold.objects.exclude(ended_at=None).exists()


def test_the_last_of_the_list_can_be_vouched_for_and_confirmed(ada: User) -> None:
    visit = Visit(ada)
    case = walk(visit, VOUCHING, "page", LISTS[2][2])[-1]
    assert visit.post(f"{VOUCHING}{case}/", reason=WORDS).status_code == 303
    assert RecoveryWord.objects.filter(case_id=int(case), by=ada).exists()
    hold = walk(visit, VOUCHING, "holds", LISTS[3][2])[-1]
    assert visit.post(f"{VOUCHING}holds/{hold}/", reason=WORDS).status_code == 303
    assert Hold.objects.filter(pk=int(hold), ended_by="co-owner").exists()
