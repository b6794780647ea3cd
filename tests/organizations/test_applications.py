"""Applications for organizations: what each side may do in each state, rivals, races, pages, the host's commands."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from tests.credentials.tokens.conftest import SetClock
from tests.credentials.tokens.conftest import set_clock as set_clock  # noqa: PLC0414 - a fixture
from tests.organizations.conftest import everything, id_of, person, user_of
from tests.projects.test_races import at_once, kinds
from tests.projects.test_views import doors as doors  # noqa: PLC0414 - a fixture
from tests.projects.test_views import get, post, text_of

from keyhouse.accounts.models import User
from keyhouse.audit.models import Record
from keyhouse.cli import organization as command
from keyhouse.core import clock, configuration
from keyhouse.core.actor import NOBODY, Actor, Strength, host
from keyhouse.core.errors import Refusal, RoleRequired, SecondFactorRequired
from keyhouse.mail.models import Mail
from keyhouse.organizations import applying, keeping, queries, services
from keyhouse.organizations.belongings import BELONGINGS
from keyhouse.organizations.errors import (
    ApplicantAway,
    ApplicationMissing,
    ApplicationNeedless,
    ApplicationNotAsked,
    ApplicationOwn,
    ApplicationsTooMany,
    OrganizationApplied,
    OrganizationNameRefused,
    OrganizationTextRefused,
)
from keyhouse.organizations.models import Membership, Organization, OrganizationApplication
from keyhouse.web import health, metrics
from keyhouse.web.console import attention

pytestmark = pytest.mark.django_db
QUEUE, OWN = "/operator/applications/", "/manage/organizations/applications/"


class _With:
    """Settings with some of them changed."""

    def __init__(self, settings: Any, **changes: Any) -> None:
        self._settings, self._changes = settings, changes

    def __getattr__(self, name: str) -> Any:
        return self._changes.get(name, getattr(self._settings, name))


@pytest.fixture(autouse=True)
def decided(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let operators decide about each organization."""
    settings = _With(configuration.current(), organizations="application")
    monkeypatch.setattr(configuration, "current", lambda: settings)


def operator(name: str = "olga") -> Actor:
    made = person(name)
    User.objects.filter(pk=id_of(made)).update(is_operator=True)
    return replace(made, is_operator=True)


def mailed(kind: str) -> list[str]:
    return sorted(Mail.objects.filter(kind=kind).values_list("address", flat=True))


def states() -> dict[str, str]:
    return {f"{one.asked_by.username} {one.name}": one.state for one in OrganizationApplication.objects.all()}


def refused_by(act: Any) -> type[Refusal]:
    with pytest.raises(Refusal) as told:
        act()
    return type(told.value)


# ---- services


def test_from_application_to_organization(ada: Actor) -> None:
    olga = operator()
    assert refused_by(lambda: services.create_organization("acme", by=ada)) is OrganizationApplied
    asked = applying.apply("Acme", "We publish", "The Acme people", by=ada)
    assert applying.apply("a-c.me", "Again", by=ada) == asked, "one that waits is not doubled"
    assert mailed("organization-applied") == ["olga@example.org"]
    assert not Organization.objects.exists()

    applying.ask(asked.pk, "Who is with you?", by=olga)
    applying.ask(asked.pk, "Who is with you?", by=olga)
    assert (states(), mailed("organization-application-question")) == (
        {"ada Acme": "asked"}, ["ada@example.org"]
    )  # fmt: skip
    assert not queries.unanswered_applications().exists()
    applying.reply(asked.pk, "Bob and Eve", by=ada)
    applying.reply(asked.pk, "Bob and Eve", by=ada)
    assert refused_by(lambda: applying.reply(asked.pk, "And Zoe", by=ada)) is ApplicationNotAsked
    assert states() == {"ada Acme": "waiting"}

    made = applying.approve(asked.pk, by=olga)
    assert (made.name, made.title) == ("Acme", "The Acme people")
    assert list(made.members.values_list("user__username", "kind")) == [("ada", "owner")]
    assert (states(), mailed("organization-decided")) == ({"ada Acme": "approved"}, ["ada@example.org"])
    for again in (applying.approve, lambda pk, by: applying.decline(pk, "No", by=by)):
        assert refused_by(lambda again=again: again(asked.pk, by=olga)) is ApplicationMissing
    acts = ["organization.apply", "organization.decide", "application.reply", "organization.decide"]
    assert list(Record.objects.order_by("pk").values_list("action", flat=True)) == acts


def test_rivals_for_a_confusable_name_are_declined_and_told(ada: Actor) -> None:
    bob, eve, olga = person("bob"), person("eve"), operator()
    first = applying.apply("acme-oil", "a", by=ada)
    rival = applying.apply("ACME.0i1", "b", by=bob)
    other = applying.apply("harbour", "c", by=eve)
    assert list(queries.rivals_of(first)) == [rival]
    applying.approve(rival.pk, by=olga)
    assert states() == {"ada acme-oil": "declined", "bob ACME.0i1": "approved", "eve harbour": "waiting"}
    first.refresh_from_db()
    assert "Somebody else has this name" in first.answer
    assert mailed("organization-decided") == ["ada@example.org", "bob@example.org"]
    before = everything()
    assert refused_by(lambda: applying.apply("acmeoil", "x", by=eve)) is OrganizationNameRefused
    services.create_organization("Harb0ur", by=host(), owners=[user_of(bob)])
    before = everything()
    assert refused_by(lambda: applying.approve(other.pk, by=olga)) is OrganizationNameRefused
    assert everything() == before, "taken meanwhile: nothing is changed or told, and it can be declined"
    applying.decline(other.pk, "Taken.", by=olga)


def test_an_operator_decides_about_no_name_that_they_want_while_another_can(ada: Actor) -> None:
    olga = operator()
    mine = applying.apply("Acme", "For me", by=olga)
    rival = applying.apply("acme", "For us", by=ada)
    applying.decline(mine.pk, "Alone, so it is mine to say.", by=olga)
    mine = applying.apply("Acme", "For me", by=olga)
    otto = operator("otto")
    before = everything()
    for act in (
        lambda: applying.approve(mine.pk, by=olga),
        lambda: applying.decline(mine.pk, "No", by=olga),
        lambda: applying.approve(rival.pk, by=olga),
        lambda: applying.decline(rival.pk, "No", by=olga),
        lambda: applying.ask(rival.pk, "Why?", by=olga),
    ):
        assert refused_by(act) is ApplicationOwn
    assert everything() == before
    User.objects.filter(pk=id_of(otto)).update(state=User.State.SUSPENDED)
    applying.ask(mine.pk, "Nobody else is there", by=olga)
    User.objects.filter(pk=id_of(otto)).update(state=User.State.ACTIVE)
    applying.approve(rival.pk, by=otto)
    assert states() == {"olga Acme": "declined", "ada acme": "approved"}


def test_what_is_refused_changes_and_tells_nothing(ada: Actor, set_clock: SetClock) -> None:
    bob, olga = person("bob"), operator()
    asked = applying.apply("one", "why", by=ada)
    for name in ("two", "three"):
        applying.apply(name, "why", by=ada)
    weak = replace(bob, strength=Strength(frozenset({"password"}), clock.now()))
    User.objects.filter(username="ada").update(state=User.State.FROZEN)
    refusals: list[tuple[Any, type[Refusal]]] = [
        (lambda: applying.apply("four", "why", by=ada), ApplicationsTooMany),
        (lambda: applying.apply("four", "", by=bob), OrganizationTextRefused),
        (lambda: applying.apply("four", "x" * 501, by=bob), OrganizationTextRefused),
        (lambda: applying.apply("four", "why", "x" * 101, by=bob), OrganizationTextRefused),
        (lambda: applying.apply("x" * 51, "why", by=bob), OrganizationNameRefused),
        (lambda: applying.apply("\u0430cme", "why", by=bob), OrganizationNameRefused),
        (lambda: applying.apply("teams", "why", by=bob), OrganizationNameRefused),
        (lambda: applying.apply("four", "why", by=weak), SecondFactorRequired),
        (lambda: applying.approve(asked.pk, by=ada), RoleRequired),
        (lambda: applying.decline(asked.pk, "No", by=bob), RoleRequired),
        (lambda: applying.ask(asked.pk, "Why", by=bob), RoleRequired),
        (lambda: applying.withdraw(asked.pk, by=bob), ApplicationMissing),
        (lambda: applying.reply(asked.pk, "x", by=bob), ApplicationMissing),
        (lambda: applying.reply(asked.pk, "x", by=ada), ApplicationNotAsked),
        (lambda: applying.approve(asked.pk, by=olga), ApplicantAway),
        (lambda: applying.approve(asked.pk, by=host()), ApplicantAway),
        (lambda: applying.decline(asked.pk, " ", by=olga), OrganizationTextRefused),
        (lambda: applying.ask(asked.pk, "", by=olga), OrganizationTextRefused),
        (lambda: applying.approve(10**12, by=olga), ApplicationMissing),
    ]
    before = everything()
    for number, (act, expected) in enumerate(refusals):
        set_clock(clock.now() + timedelta(days=1))  # so that no limit on attempts comes first
        assert refused_by(act) is expected, number
        assert everything() == before, number


def test_one_is_taken_back_by_whoever_applied_or_with_their_account(ada: Actor) -> None:
    olga = operator()
    one, two = applying.apply("one", "why", by=ada), applying.apply("two", "why", by=ada)
    weak = replace(ada, strength=Strength(frozenset({"password"}), clock.now()))
    applying.withdraw(one.pk, by=weak)
    applying.withdraw(one.pk, by=weak)
    assert Record.objects.filter(action="application.withdraw").count() == 1
    assert refused_by(lambda: applying.approve(one.pk, by=olga)) is ApplicationMissing
    assert applying.apply("one", "once more", by=ada).pk != one.pk
    assert BELONGINGS.disown is not None
    BELONGINGS.disown(id_of(ada), clock.now() - timedelta(hours=1), clock.now())
    assert set(states().values()) == {"withdrawn"}
    assert refused_by(lambda: applying.withdraw(10**12, by=ada)) is ApplicationMissing
    applying.decline(applying.apply("four", "why", by=ada).pk, "No", by=olga)
    declined = OrganizationApplication.objects.get(name="four")
    assert refused_by(lambda: applying.withdraw(declined.pk, by=ada)) is ApplicationMissing
    keeping.forget_old(clock.now() + timedelta(days=31))
    assert not OrganizationApplication.objects.exists()
    assert two.pk


def test_nobody_applies_where_everybody_founds(ada: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, olga = applying.apply("acme", "why", by=ada), operator()
    settings = _With(configuration.current(), organizations="open")
    monkeypatch.setattr(configuration, "current", lambda: settings)
    assert refused_by(lambda: applying.apply("other", "why", by=ada)) is ApplicationNeedless
    assert "nobody has to ask" in text_of(get("/manage/organizations/apply/", ada))
    assert "nobody has to ask" in text_of(get(QUEUE, olga))
    applying.approve(asked.pk, by=olga)  # what waited before is decided still


# ---- pages


def test_applying_by_pages(ada: Actor) -> None:
    bob, olga = person("bob"), operator()
    form = {"name": "Acme", "title": "Us", "reason": "We publish"}
    assert "/manage/organizations/apply/" in text_of(get("/manage/organizations/", ada))
    assert "/manage/organizations/apply/" in text_of(get("/manage/organizations/new/", ada))
    assert post("/manage/organizations/new/", ada, form).status_code == 403
    for wrong in ({}, {"reason": ""}, {"name": "x" * 51}, {"name": "\u0430"}, {"reason": "x" * 501}):
        assert (
            post("/manage/organizations/apply/", ada, {**form, **wrong} if wrong else {}).status_code == 400
        )
    made = post("/manage/organizations/apply/", ada, form)
    one = OrganizationApplication.objects.get()
    page = f"{OWN}{one.pk}/"
    assert (made.status_code, made["Location"]) == (303, page)
    assert post("/manage/organizations/apply/", ada, form)["Location"] == page, "sent twice"
    assert "waits for the operators" in text_of(get(page, ada))
    assert page in text_of(get("/manage/organizations/", ada))
    for path in (page, f"{OWN}987654/"):
        assert get(path, bob).status_code == post(path, bob, {"reply": "x"}).status_code == 404
        assert post(path + "withdraw/", bob).status_code == 404
    for path in (
        QUEUE,
        f"{QUEUE}{one.pk}/",
        *(f"{QUEUE}{one.pk}/{act}/" for act in ("approve", "ask", "decline")),
    ):
        assert get(path, ada).status_code == 403, path
        assert get(path, NOBODY).status_code == 302, path
        assert get(path, olga).status_code == 200, path
    before = everything()
    for act in ("approve", "ask", "decline"):
        assert post(f"{QUEUE}{one.pk}/{act}/", ada, {"text": "x"}).status_code == 403
        assert post(f"{QUEUE}987654/{act}/", olga, {"text": "x"}).status_code == 404
    assert post(f"{QUEUE}{one.pk}/decline/", olga, {"text": ""}).status_code == 400
    assert everything() == before

    assert post(f"{QUEUE}{one.pk}/ask/", olga, {"text": "Who are you?"})["Location"] == QUEUE
    assert "Who are you?" in text_of(get(page, ada))
    assert post(page, ada, {"reply": ""}).status_code == 400
    assert post(page, ada, {"reply": "Ada"})["Location"] == page
    rival = applying.apply("acme", "Me", by=bob)
    assert "1 other" in text_of(get(f"{QUEUE}{one.pk}/approve/", olga))
    assert post(f"{QUEUE}{one.pk}/approve/", olga)["Location"] == QUEUE
    assert post(f"{QUEUE}{one.pk}/approve/", olga).status_code == 404, "sent again"
    assert "decided already" in text_of(get(f"{QUEUE}{rival.pk}/decline/", olga))
    assert "approved" in text_of(get(page, ada))
    assert "declined" in text_of(get(f"{OWN}{rival.pk}/", bob))
    assert "olga" not in text_of(get(f"{OWN}{rival.pk}/", bob)), "who decided is told to operators"
    decided = text_of(get(QUEUE + "?state=decided&page=x", olga))
    assert f"{QUEUE}{one.pk}/" in decided
    assert "Nothing waits" in text_of(get(QUEUE, olga))
    two = applying.apply("two", "why", by=ada)
    assert post(f"{OWN}{two.pk}/withdraw/", ada)["Location"] == f"{OWN}{two.pk}/"
    assert "withdrawn" in text_of(get(f"{OWN}{two.pk}/", ada))
    three = applying.apply("three", "why", by=ada)
    services.create_organization("three", by=host(), owners=[user_of(bob)])
    assert "The name is taken" in text_of(get(f"{QUEUE}{three.pk}/", olga))
    assert post(f"{QUEUE}{three.pk}/approve/", olga).status_code == 400


def test_the_queue_is_told_with_its_age(ada: Actor, set_clock: SetClock) -> None:
    assert attention._applications(clock.now()) is None
    for name in ("one", "two"):
        applying.apply(name, "why", by=ada)
    set_clock(clock.now() + timedelta(days=3))
    told = attention._applications(clock.now())
    assert told is not None
    assert told.sentence == "2 applications for organizations wait, the oldest for 3 days."
    health._measure_applications()
    assert metrics.APPLICATIONS_WAITING._value.get() == 2
    assert int(metrics.APPLICATION_AGE._value.get()) == 3 * 86400


def test_the_host_answers_by_commands(ada: Actor) -> None:
    one, two = applying.apply("one", "why", by=ada), applying.apply("two", "why", by=ada)

    def run(*words: str) -> str:
        return CliRunner().invoke(command.command, words, catch_exceptions=False).output

    assert "one  waiting  ada" in run("applications")
    assert run("ask", str(one.pk), "Who?") == "Asked.\n"
    [first, _] = json.loads(run("applications", "--json"))
    assert (first["number"], first["state"], first["question"]) == (one.pk, "asked", "Who?")
    assert run("approve", str(one.pk)) == "Made: one.\n"
    assert run("decline", str(two.pk), "--reason", "No.") == "Declined.\n"
    assert run("applications") == ""
    assert "declined" in run("applications", "--all")


# ---- several at once


@pytest.mark.django_db(transaction=True)
def test_operators_at_once(db: None) -> None:
    ada, bob, olga, otto = person("ada"), person("bob"), operator(), operator("otto")
    one, rival = applying.apply("acme", "why", by=ada), applying.apply("a-cme", "why", by=bob)
    outcomes = at_once(
        lambda: applying.approve(one.pk, by=olga),
        lambda: applying.approve(rival.pk, by=otto),
        lambda: applying.approve(one.pk, by=otto),
        lambda: applying.decline(rival.pk, "No", by=olga),
    )
    assert Organization.objects.count() == Membership.objects.count() == 1
    assert set(kinds(outcomes)) <= {"Organization", "ApplicationMissing", "NoneType"}
    assert Mail.objects.filter(kind="organization-decided").count() == 2, "each is told once"
    assert sorted(states().values()) == ["approved", "declined"]

    two = applying.apply("two", "why", by=ada)
    at_once(lambda: applying.withdraw(two.pk, by=ada), lambda: applying.approve(two.pk, by=olga))
    two.refresh_from_db()
    assert (two.state == "approved") == Organization.objects.filter(name="two").exists()
    at_once(*[lambda: applying.apply("three", "why", by=ada)] * 3)
    assert OrganizationApplication.objects.filter(name="three").count() == 1
