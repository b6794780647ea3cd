"""Setting publishers up, confirming, narrowing and ending them: who may, what is recorded, who is mailed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from tests.credentials.tokens.conftest import SetClock, make_project, make_user, session_of
from tests.credentials.trusted_publishers.test_claims import FIELDS

from keyhouse.accounts.models import User
from keyhouse.audit.models import Record
from keyhouse.core import clock, naming
from keyhouse.core.actor import Actor
from keyhouse.core.errors import Refusal
from keyhouse.credentials.trusted_publishers import keeping, services
from keyhouse.credentials.trusted_publishers.models import Issuer, Publisher
from keyhouse.distfiles.names import fold
from keyhouse.mail.models import Mail
from keyhouse.projects.models import Project, Role

pytestmark = pytest.mark.django_db(transaction=True)
Act = Callable[[Actor], object]


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def alpha(ada: User, bob: User) -> Project:
    project = make_project("alpha", ada)
    Role.objects.create(project=project, user=bob, kind="owner", since_at=clock.now())
    return project


def add(by: Actor, name: str = "alpha", **changes: Any) -> Publisher:
    return services.add_publisher(name, "github", "", FIELDS["github"] | changes, by=by)


def wait(by: Actor, name: str = "gamma", **changes: Any) -> Publisher:
    return services.add_pending_publisher(name, "github", "", FIELDS["github"] | changes, by=by)


def refused(act: Callable[[], object]) -> str:
    """Return the code of what must change nothing and tell nobody."""
    before = (list(Publisher.objects.values()), Record.objects.count(), Mail.objects.count())
    with pytest.raises(Refusal) as caught:
        act()
    assert before == (list(Publisher.objects.values()), Record.objects.count(), Mail.objects.count())
    return caught.value.code


def mailed(kind: str) -> list[str]:
    return sorted(Mail.objects.filter(kind=kind).values_list("address", flat=True))


def test_an_owner_sets_a_publisher_up_and_all_owners_are_mailed(ada: User, alpha: Project) -> None:
    one = add(session_of(ada), environment="release")
    assert (one.project, one.configured_by, one.configured_session) == (alpha, ada, "session-of-ada")
    assert (one.lookup, one.environment, one.strength.methods) == (
        "acme/widget", "release", frozenset({"password", "totp"}),
    )  # fmt: skip
    assert mailed("publisher-added") == ["ada@example.org", "bob@example.org"]
    record = Record.objects.get(action="publisher.add")
    assert (record.about_name, record.details["trusts"]) == ("alpha", "Acme/Widget, release.yml, in release")


def test_a_project_trusts_an_identity_once(ada: User, alpha: Project) -> None:
    add(session_of(ada))
    assert refused(lambda: add(session_of(ada), owner="ACME")) == "publisher-exists"
    add(session_of(ada), environment="release")
    assert Publisher.objects.count() == 2


def test_the_number_of_publishers_is_bounded(
    ada: User, alpha: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MOST_OF_PROJECT", 1)
    add(session_of(ada))
    assert refused(lambda: add(session_of(ada), repository="other")) == "publishers-too-many"


ACTS: dict[str, Callable[[Publisher], Act]] = {
    "add": lambda one: lambda by: add(by, repository="other"),
    "remove": lambda one: lambda by: services.remove_publisher(one.pk, by=by),
    "confirm": lambda one: lambda by: services.confirm_publisher(one.pk, by=by),
    "constrain": lambda one: lambda by: services.constrain_publisher(one.pk, by=by),
    "require": lambda one: lambda by: services.require_publishers("alpha", by=by),
    "allow": lambda one: lambda by: services.allow_tokens("alpha", by=by),
}


@pytest.mark.parametrize("act", ACTS)
def test_maintainers_and_strangers_may_do_nothing(act: str, ada: User, alpha: Project) -> None:
    one = add(session_of(ada))
    maintainer = make_user("max")
    Role.objects.create(project=alpha, user=maintainer, kind="maintainer", since_at=clock.now())
    for by in (session_of(maintainer), session_of(make_user("eve"))):
        assert refused(partial(ACTS[act](one), by)) == "role-required"
    assert refused(lambda: ACTS[act](one)(Actor("nobody"))) == "sign-in-required"
    token = session_of(ada, kind="token")
    assert refused(lambda: ACTS[act](one)(token)) == "role-required"


@pytest.mark.parametrize("act", ["add", "confirm", "constrain", "allow"])
def test_what_gives_trust_needs_a_fresh_proof(
    act: str, ada: User, alpha: Project, set_clock: SetClock
) -> None:
    one = add(session_of(ada))
    by = session_of(ada)
    set_clock(clock.now() + timedelta(minutes=16))
    assert refused(lambda: ACTS[act](one)(by)) == "step-up-required"


@pytest.mark.parametrize("act", ["remove", "require"])
def test_what_takes_trust_away_needs_none(act: str, ada: User, alpha: Project, set_clock: SetClock) -> None:
    one = add(session_of(ada))
    by = session_of(ada)
    set_clock(clock.now() + timedelta(minutes=16))
    ACTS[act](one)(by)


def test_removing_is_open_in_quarantine_and_a_second_time_changes_nothing(ada: User, alpha: Project) -> None:
    one = add(session_of(ada))
    Project.objects.update(status="quarantined")
    assert refused(lambda: add(session_of(ada), repository="other")) == "project-quarantined"
    services.remove_publisher(one.pk, by=session_of(ada))
    assert not Publisher.objects.exists()
    services.remove_publisher(one.pk, by=session_of(ada))
    assert Record.objects.filter(action="publisher.remove").count() == 1
    assert mailed("publisher-removed") == ["ada@example.org", "bob@example.org"]


def test_whoever_confirms_a_publisher_answers_for_it(ada: User, bob: User, alpha: Project) -> None:
    one = add(session_of(ada))
    services.confirm_publisher(one.pk, by=session_of(bob, "password", "webauthn"))
    one.refresh_from_db()
    assert (one.configured_by, one.strength.methods) == (bob, frozenset({"password", "webauthn"}))
    assert one.configured_at >= one.added_at
    record = Record.objects.get(action="publisher.confirm")
    assert record.details["before"] == "ada"
    assert mailed("publisher-confirmed") == ["ada@example.org", "bob@example.org"]


def test_a_publisher_is_bound_to_the_environment_that_was_seen(ada: User, alpha: Project) -> None:
    one = add(session_of(ada))
    assert (
        refused(lambda: services.constrain_publisher(one.pk, by=session_of(ada)))
        == "publisher-environment-unseen"
    )
    Publisher.objects.update(seen_environment="release", claims=one.claims | {"owner_id": "12"})
    bound = services.constrain_publisher(one.pk, by=session_of(ada))
    assert (bound.environment, bound.seen_environment, bound.configured_by) == ("release", "", ada)
    assert refused(lambda: add(session_of(ada), environment="Release")) == "publisher-exists"
    again = add(session_of(ada))
    Publisher.objects.filter(pk=again.pk).update(seen_environment="release")
    assert refused(lambda: services.constrain_publisher(again.pk, by=session_of(ada))) == "publisher-exists"


def test_a_project_may_take_files_from_publishers_only(ada: User, alpha: Project) -> None:
    assert services.require_publishers("alpha", by=session_of(ada))
    assert not services.require_publishers("alpha", by=session_of(ada))
    assert Project.objects.get().only_publishers
    assert services.allow_tokens("alpha", by=session_of(ada))
    assert not Project.objects.get().only_publishers
    assert (
        Record.objects.filter(action__in=["project.require-publishers", "project.allow-tokens"]).count() == 2
    )


def test_an_issuer_is_on_the_list_and_of_that_kind(ada: User, alpha: Project) -> None:
    by = session_of(ada)

    def at(url: str, provider: str = "github") -> Callable[[], object]:
        return lambda: services.add_publisher("alpha", provider, url, FIELDS[provider], by=by)

    assert refused(at("https://evil.example.com")) == "issuer-missing"
    assert refused(at("", "custom")) == "issuer-missing"
    assert refused(at("https://gitlab.com")) == "publisher-invalid"
    assert refused(at("https://gitlab.com", "custom")) == "publisher-invalid"
    Issuer.objects.create(
        url="https://gitlab.com", provider="gitlab", added_at=clock.now(), removed_at=clock.now()
    )
    assert refused(at("https://gitlab.com", "gitlab")) == "issuer-missing"


def test_all_claims_that_an_issuer_wants_are_fixed(ada: User, alpha: Project) -> None:
    url = "https://ci.example.com"
    Issuer.objects.create(
        url=url, provider="custom", added_at=clock.now(), required_claims=["sub", "environment"]
    )

    def with_claims(**claims: str) -> Publisher:
        return services.add_publisher("alpha", "custom", url, {"claims": claims}, by=session_of(ada))

    assert refused(lambda: with_claims(sub="x")) == "publisher-invalid"
    assert refused(lambda: with_claims(other="x", environment="y")) == "publisher-invalid"
    assert with_claims(sub="x", environment="y").environment == "y"


# ---- publishers that wait for a project


class _Names:
    def find_objection(self, name: str, people: Any) -> str | None:
        del people
        return "It is kept for somebody." if name == "kept" else None


@pytest.fixture(autouse=True)
def names() -> None:
    naming.wire(_Names())


def test_a_person_may_wait_for_three_names_and_reserves_none(ada: User, bob: User) -> None:
    for number in range(3):
        wait(session_of(ada), f"gamma{number}")
    assert refused(lambda: wait(session_of(ada), "gamma3")) == "publishers-too-many"
    wait(session_of(bob), "gamma0")
    assert not Project.objects.exists()
    assert len(mailed("publisher-pending")) == 4
    first = Publisher.objects.order_by("pk")[0]
    assert first.expires_at == first.configured_at + timedelta(days=30)


def test_what_is_over_makes_room(ada: User) -> None:
    wait(session_of(ada))
    Publisher.objects.update(expires_at=clock.now())
    wait(session_of(ada))
    assert Publisher.objects.count() == 1


@pytest.mark.parametrize("name", ["", "a b", "kept", "json", "alpha", "A1pha", "-x", "x" * 201])
def test_a_name_that_no_project_can_have_is_refused(name: str, ada: User, alpha: Project) -> None:
    Project.objects.update(folded_name=fold("alpha"))
    assert refused(lambda: wait(session_of(ada), name)) == "name-refused"


def test_waiting_needs_a_second_factor_and_a_verified_address(ada: User) -> None:
    assert refused(lambda: wait(session_of(ada, "password"))) == "second-factor-required"
    assert refused(lambda: wait(session_of(ada, email_is_verified=False))) == "email-unverified"
    assert refused(lambda: wait(session_of(ada, kind="token"))) == "role-required"


def test_only_its_own_person_gives_it_up(ada: User, bob: User) -> None:
    one = wait(session_of(ada))
    assert refused(lambda: services.remove_publisher(one.pk, by=session_of(bob))) == "role-required"
    services.remove_publisher(one.pk, by=session_of(ada))
    services.remove_publisher(one.pk, by=session_of(ada))
    assert not Publisher.objects.exists()
    assert Record.objects.filter(action="publisher.remove-pending").count() == 1


def test_it_is_reminded_of_after_25_days_once_and_ends_after_30(ada: User, set_clock: SetClock) -> None:
    wait(session_of(ada))
    made = clock.now()
    for days, reminders, is_there in (
        (24, 0, True),
        (25, 1, True),
        (26, 1, True),
        (30, 1, False),
        (31, 1, False),
    ):
        set_clock(made + timedelta(days=days, minutes=1))
        keeping.keep(clock.now())
        assert len(mailed("publisher-pending-reminder")) == reminders, days
        assert Publisher.objects.exists() == is_there, days
    assert mailed("publisher-pending-expired") == ["ada@example.org"]
    record = Record.objects.get(action="publisher.remove-pending")
    assert (record.actor_kind, record.details["reason"]) == ("job", "its 30 days are over")


def test_it_ends_with_a_notice_once_the_name_is_somebody_elses(ada: User, bob: User) -> None:
    wait(session_of(ada))
    make_project("gamma", bob)
    assert keeping.keep(clock.now())["pending_publishers_overtaken"] == 1
    assert keeping.keep(clock.now())["pending_publishers_overtaken"] == 0
    assert mailed("publisher-pending-overtaken") == ["ada@example.org"]
