"""The account page asks little of the database, and what it leaves out for most people is there for whom it concerns."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries
from tests.accounts.conftest import Browser, make_person, signed_in
from tests.web.rows import make_project

from keyhouse.accounts.models import Deletion, Email, Hold, KnownBrowser, User
from keyhouse.core import clock
from keyhouse.organizations.models import Organization, OrganizationApplication, OrganizationInvitation
from keyhouse.projects.collaborators.models import ProjectInvitation
from keyhouse.projects.models import Role

pytestmark = pytest.mark.django_db
QUESTIONS = 14


def own_project(user: User, name: str) -> None:
    Role.objects.create(project=make_project(name), user=user, kind="owner", since_at=clock.now())


def read(browser: Browser) -> str:
    assert browser.get("/account/").status_code == 200
    return browser.text


def test_the_account_page_asks_few_questions_whatever_somebody_has_of_one_kind(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    ada = make_person(factors=3)
    _, browser = signed_in(ada)
    own_project(ada, "alpha")
    read(browser)
    with django_assert_max_num_queries(QUESTIONS):
        read(browser)
    for number in range(4):
        own_project(ada, f"beta-{number}")
        Email.objects.create(user=ada, address=f"ada{number}@example.org", added_at=clock.now())
    with django_assert_max_num_queries(QUESTIONS):
        read(browser)


def test_what_few_people_have_is_asked_for_where_it_is_and_shown() -> None:
    ada, now = make_person(), clock.now()
    _, browser = signed_in(ada)
    plain = read(browser)
    later = now + timedelta(days=1)
    Hold.objects.create(user=ada, reason="recovery-code", placed_at=now, until=later)
    Deletion.objects.create(user=ada, asked_at=now, due_at=later)
    KnownBrowser.objects.create(
        user=ada, digest="0" * 64, first_seen_at=now, last_seen_at=now, known_at=later
    )
    OrganizationApplication.objects.create(
        asked_by=ada, name="Lanterns", folded_name="lanterns", asked_at=now
    )
    with CaptureQueriesContext(connection) as asked:
        page = read(browser)
    for told in (
        "This account is on hold",
        "This account will be deleted",
        "A browser asks to be let in",
        "Lanterns",
    ):
        assert told in page
        assert told not in plain
    assert len(asked) <= QUESTIONS + 4


def test_invitations_are_counted_by_account_and_by_verified_address_each_once() -> None:
    ada, now = make_person(), clock.now()
    _, browser = signed_in(ada)
    Email.objects.create(user=ada, address="Ada@Elsewhere.example", added_at=now, verified_at=now)
    Email.objects.create(user=ada, address="claimed@elsewhere.example", added_at=now)
    place = Organization.objects.create(name="Works", normalized_name="works", created_at=now)
    spans = {"invited_at": now, "sent_at": now, "expires_at": now + timedelta(days=1)}
    ProjectInvitation.objects.create(project=make_project("alpha"), kind="owner", user=ada, **spans)
    OrganizationInvitation.objects.create(
        organization=place, kind="member", address="ada@elsewhere.example", **spans
    )
    OrganizationInvitation.objects.create(
        organization=place, kind="member", address="claimed@elsewhere.example", **spans
    )
    OrganizationInvitation.objects.create(organization=place, kind="member", user=make_person("bob"), **spans)
    assert "2 invitations wait for you" in read(browser)
    ProjectInvitation.objects.update(expires_at=now)
    assert "1 invitation waits for you" in read(browser)
