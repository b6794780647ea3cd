"""What an organization asks of its people: what it refuses, to whom, since when, and how it is taken back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from tests.credentials.tokens.test_robots import who
from tests.mandate.by_organizations.conftest import (
    ACME,
    ALPHA,
    FROM,
    NOW,
    OTHER,
    Crew,
    by_app,
    by_key,
    code_of,
    declare_known,
    everything,
    let_know,
    with_key,
)
from tests.mandate.conftest import SetClock
from tests.mandate.stored import make_project, make_user, session_of
from tests.projects.conftest import make_file

from keyhouse.accounts.models import SecurityKey
from keyhouse.audit.models import Record
from keyhouse.core import actions, clock, faults
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor, host
from keyhouse.core.errors import CredentialWeak, Refusal, RoleRequired, StrongerFactorRequired
from keyhouse.credentials.tokens import robots
from keyhouse.credentials.tokens.rules import Reach
from keyhouse.credentials.trusted_publishers.publisher_errors import TrustedPublisherRequired
from keyhouse.mandate import places, queries
from keyhouse.mandate.asked import read_standing
from keyhouse.mandate.by_organizations import queries as declared
from keyhouse.mandate.by_organizations import services
from keyhouse.mandate.by_organizations.errors import (
    DeclarationApprovalRefused,
    DeclarationDayRefused,
    DeclarationMixed,
    DeclarationNotHeld,
    DeclarationNothing,
    DeclarationOver,
    DeclarationSame,
    DeclarationTooSoon,
    DeclarationWaits,
)
from keyhouse.mandate.by_organizations.models import Declaration
from keyhouse.mandate.declarations import LOOSEN_AFTER, NOTICE, Demand
from keyhouse.organizations import membership, populating, teams
from keyhouse.organizations import services as organizations
from keyhouse.organizations.models import Organization
from keyhouse.projects.models import Project
from keyhouse.projects.organizing import move_project
from keyhouse.projects.services import publish_file

KEYS = Demand("phishing-resistant")
ANY = Demand("any-factor")
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def declare(crew: Crew, demand: Demand = KEYS, at: Any = FROM) -> Declaration:
    return declare_known("acme", demand, at, by=by_key(crew.ada))


def test_c3_from_its_day_on_acts_there_are_refused_and_nothing_else_is(
    crew: Crew, acme: Organization, set_clock: SetClock
) -> None:
    weak = [by_app(one) for one in (crew.otto, crew.mo, crew.cora)]
    declare(crew)
    set_clock(FROM - SECOND)
    assert [code_of(by_app(one), "release.publish", ALPHA) for one in (crew.otto, crew.mo, crew.cora)] == [
        ""
    ] * 3
    caution = actions.require(by_app(crew.mo), "release.publish", ALPHA)
    assert caution is not None
    assert caution.until == FROM
    assert "The organization acme will refuse that from" in caution.line
    set_clock(FROM)
    for one in (crew.otto, crew.mo, crew.cora):
        assert code_of(by_app(one), "release.publish", ALPHA) == "stronger-factor-required"
        assert code_of(by_app(one), "publisher.add", ALPHA) in {"stronger-factor-required", "role-required"}
    assert code_of(by_app(crew.otto), "organization.describe", ACME) == "stronger-factor-required"
    assert code_of(by_app(crew.otto), "organization.move-project", Thing("organization", acme.pk)) == (
        "stronger-factor-required"
    )
    # everything outside stays open, and so does seeing, leaving and stepping down
    for one in (crew.otto, crew.mo):
        assert code_of(by_app(one), "release.publish", OTHER) == ""
        assert code_of(by_app(one), "token.mint", Thing("account", one.pk, one.username)) == ""
        assert code_of(by_app(one), "organization.create", Thing("organization", None, "acme")) == ""
        assert code_of(by_app(one), "organization.manage", ACME) == ""
        assert code_of(by_app(one), "project.manage", ALPHA) == ""
        assert code_of(by_app(one), "organization.leave", ACME) == ""
    assert code_of(by_app(crew.otto), "organization.oversee", ACME) == ""
    assert code_of(by_key(crew.ada), "release.publish", ALPHA) == ""
    assert len(weak) == 3
    # the membership is there, and enrolling is enough
    with_key(crew.mo)
    assert code_of(by_key(crew.mo), "release.publish", ALPHA) == ""
    assert acme.members.count() == 3


def test_the_refusal_names_the_organization_since_when_and_where_it_is_mended(
    crew: Crew, acme: Organization, set_clock: SetClock
) -> None:
    declare(crew)
    set_clock(FROM + DAY)
    with pytest.raises(StrongerFactorRequired) as refused:
        actions.require(by_app(crew.mo), "release.publish", ALPHA)
    told: Any = refused.value.decision
    assert told["mandate"] == "organization:acme"
    assert told["version"] == 1
    assert told["since"] == clock.format_instant(FROM)
    assert told["fix"] == {"text": "Set up a security key or passkey.", "path": "/account/security-keys/add/"}
    assert f"The organization acme refuses that since {clock.format_instant(FROM)}." in told["reason"]


def test_whoever_gains_authority_after_it_was_declared_has_no_grace(
    crew: Crew, acme: Organization, set_clock: SetClock
) -> None:
    declare(crew)
    set_clock(NOW + DAY)
    late = [make_user(name) for name in ("late", "lena")]
    populating.add_members(acme, {late[0]: "owner"}, by=host())
    assert code_of(session_of(late[0]), "organization.describe", ACME) == "stronger-factor-required"
    assert code_of(session_of(late[0]), "release.publish", ALPHA) == "stronger-factor-required"
    # accepting is gaining; whoever gets into a team gains what that may do
    assert code_of(session_of(late[1]), "organization.accept", ACME) == "stronger-factor-required"
    assert code_of(session_of(late[1]), "collaborator.accept", ALPHA) == "stronger-factor-required"
    assert code_of(by_app(crew.otto), "organization.add-project", ACME) == "stronger-factor-required"
    # who was there before still has their days, in new projects of the organization, too
    Project.objects.create(
        name="fresh", normalized_name="fresh", folded_name="fresh", created_at=clock.now(),
        organization=acme, organization_since_at=clock.now(),
    )  # fmt: skip
    fresh = Thing("project", None, "fresh")
    assert code_of(by_app(crew.otto), "release.publish", fresh) == ""
    set_clock(FROM)
    assert code_of(by_app(crew.otto), "release.publish", fresh) == "stronger-factor-required"


def test_a_project_that_comes_in_gives_its_own_people_their_days_and_one_that_leaves_is_free(
    crew: Crew, acme: Organization, set_clock: SetClock
) -> None:
    declare(crew)
    set_clock(FROM + DAY)
    eve = make_user("eve")
    make_project("eves", crew.ada, eve, since=NOW - 90 * DAY)
    make_project("otts", crew.ada, crew.otto, since=NOW - 90 * DAY)
    move_project("eves", "acme", by=host())
    move_project("otts", "acme", by=host())
    let_know()
    came = clock.now()
    eves, otts = Thing("project", None, "eves"), Thing("project", None, "otts")
    assert code_of(session_of(eve), "release.publish", eves) == ""
    # an owner of the organization has no days of their own left
    assert code_of(by_app(crew.otto), "release.publish", otts) == "stronger-factor-required"
    set_clock(came + NOTICE - SECOND)
    assert code_of(session_of(eve), "release.publish", eves) == ""
    set_clock(came + NOTICE)
    assert code_of(session_of(eve), "release.publish", eves) == "stronger-factor-required"
    move_project("eves", "", by=host())
    assert code_of(session_of(eve), "release.publish", eves) == ""


def test_it_goes_with_the_organization(crew: Crew, acme: Organization, set_clock: SetClock) -> None:
    declare(crew)
    organizations.rename_organization("acme", "Emca", by=by_key(crew.ada))
    set_clock(FROM)
    with pytest.raises(StrongerFactorRequired) as refused:
        actions.require(by_app(crew.mo), "release.publish", ALPHA)
    assert "The organization emca refuses" in refused.value.sentence
    Project.objects.filter(organization=acme).update(organization=None)
    organizations.delete_organization("emca", by=by_key(crew.ada))
    assert not Declaration.objects.exists()
    assert places.places_of(crew.mo.pk) == []


def test_who_left_is_not_held_to_it(crew: Crew, acme: Organization, set_clock: SetClock) -> None:
    declare(crew)
    set_clock(FROM)
    membership.leave("acme", by=by_app(crew.otto))
    assert code_of(by_app(crew.otto), "release.publish", OTHER) == ""
    assert code_of(by_app(crew.otto), "release.publish", ALPHA) == "role-required"
    assert [one.policy.name for one in read_standing(by_app(crew.otto), clock.now()).asked] == ["default"]


def test_reading_facts_takes_two_questions_with_it_and_without_it(crew: Crew, acme: Organization) -> None:
    def questions() -> int:
        with CaptureQueriesContext(connection) as asked:
            queries.gather(by_app(crew.mo), "release.upload", ALPHA, clock.now())
        return len(asked)

    queries.gather(by_app(crew.mo), "release.upload", ALPHA, clock.now())
    assert questions() == 2
    with CaptureQueriesContext(connection) as asked:
        queries.gather(by_app(crew.mo), "release.upload", ALPHA, clock.now())
    assert not any("organizationmandates" in one["sql"] for one in asked)
    declare(crew)
    assert questions() == 2


# ---- refusals


def refused(act: Any, *kinds: type[Refusal]) -> None:
    before = everything()
    with pytest.raises(kinds):
        act()
    assert everything() == before


def test_what_can_not_be_declared(crew: Crew, acme: Organization) -> None:
    by = by_key(crew.ada)
    for at in (NOW + NOTICE - SECOND, NOW - DAY, NOW + 400 * DAY):
        refused(lambda at=at: services.declare("acme", KEYS, at, by=by), DeclarationTooSoon)
    for days in (18, 19, 20):  # a Friday, a Saturday, a Sunday
        refused(
            lambda days=days: services.declare("acme", KEYS, NOW + days * DAY, by=by), DeclarationDayRefused
        )
    # an owner who doesn't hold it, and one who does and hasn't shown it
    refused(lambda: services.declare("acme", KEYS, FROM, by=by_app(crew.otto)), DeclarationNotHeld)
    refused(lambda: services.declare("acme", KEYS, FROM, by=by_key(crew.otto)), DeclarationNotHeld)
    with_key(crew.otto)
    refused(lambda: services.declare("acme", KEYS, FROM, by=by_app(crew.otto)), DeclarationNotHeld, Refusal)
    # members, strangers and whoever asks for an organization that isn't there
    for actor in (by_app(crew.mo), by_app(crew.cora), session_of(make_user("sam"))):
        refused(lambda actor=actor: services.declare("acme", ANY, FROM, by=actor), RoleRequired)
        refused(lambda actor=actor: services.lift("acme", by=actor), RoleRequired)
        refused(lambda actor=actor: services.approve("acme", by=actor), RoleRequired)
        refused(lambda actor=actor: services.keep("acme", by=actor), RoleRequired)
    refused(lambda: services.declare("nowhere", ANY, FROM, by=by), RoleRequired)
    refused(lambda: services.lift("acme", by=by), DeclarationNothing)
    refused(lambda: services.approve("acme", by=by), DeclarationOver)
    refused(lambda: services.keep("acme", by=by), DeclarationOver)
    declare(crew)
    refused(lambda: declare(crew), DeclarationSame)
    refused(lambda: declare(crew, Demand("any-factor", True)), DeclarationMixed)
    services.lift("acme", by=by)
    refused(lambda: services.lift("acme", by=by), DeclarationWaits)
    refused(lambda: declare(crew, Demand("device-bound")), DeclarationWaits)
    refused(lambda: services.approve("acme", by=by), DeclarationApprovalRefused)


def test_a_loosening_waits_and_any_owner_takes_it_back(
    crew: Crew, acme: Organization, set_clock: SetClock
) -> None:
    declare(crew)
    set_clock(FROM)
    # a thief with a session that proved less is refused even that
    assert code_of(by_app(crew.otto), services.LOOSEN, ACME) == "stronger-factor-required"
    services.lift("acme", by=by_key(crew.ada))
    assert code_of(by_app(crew.mo), "release.publish", ALPHA) == "stronger-factor-required"
    set_clock(FROM + LOOSEN_AFTER - SECOND)
    assert code_of(by_app(crew.mo), "release.publish", ALPHA) == "stronger-factor-required"
    with_key(crew.otto)
    services.keep("acme", by=by_key(crew.otto))
    set_clock(FROM + LOOSEN_AFTER + DAY)
    assert code_of(by_app(crew.mo), "release.publish", ALPHA) == "stronger-factor-required"
    services.lift("acme", by=by_key(crew.ada))
    set_clock(FROM + 2 * LOOSEN_AFTER + DAY)
    assert code_of(by_app(crew.mo), "release.publish", ALPHA) == ""
    refused(lambda: services.keep("acme", by=by_key(crew.ada)), DeclarationOver)


def test_a_second_owner_answers_for_it_and_none_who_was_made_one_for_that(
    crew: Crew, acme: Organization, set_clock: SetClock
) -> None:
    declare(crew)
    set_clock(FROM)
    services.lift("acme", by=by_key(crew.ada))
    puppet = with_key(make_user("puppet"))
    populating.add_members(acme, {puppet: "owner"}, by=host())
    refused(lambda: services.approve("acme", by=by_key(puppet)), DeclarationApprovalRefused)
    with_key(crew.otto)
    services.approve("acme", by=by_key(crew.otto))
    assert code_of(by_app(crew.mo), "release.publish", ALPHA) == ""
    [record] = Record.objects.filter(action=services.APPROVE)
    assert record.about_id == str(acme.pk)


def test_tightening_keeps_what_holds_until_its_day_and_loosening_keeps_its_days(
    crew: Crew, acme: Organization, set_clock: SetClock
) -> None:
    declare_known("acme", ANY, FROM, by=by_key(crew.ada))
    set_clock(FROM)
    later = FROM + 21 * DAY
    declare_known("acme", Demand("device-bound", True), later, by=by_key(crew.ada))
    none = Actor("session", crew.mo.pk, "mo")
    assert code_of(none, "release.publish", ALPHA) == "second-factor-required"
    assert code_of(by_app(crew.mo), "release.publish", ALPHA) == ""
    loosened = services.declare("acme", KEYS, later, by=by_key(crew.ada))
    assert loosened.is_loosening
    assert loosened.from_at == later
    set_clock(FROM + LOOSEN_AFTER)
    held = queries.gather(by_app(crew.mo), "release.publish", ALPHA, clock.now())[1]
    assert [one.label for one in held if one.organization] == ["organization:acme@1", "organization:acme@3"]
    assert code_of(by_app(crew.mo), "release.publish", ALPHA) == ""
    set_clock(later)
    assert code_of(by_app(crew.mo), "release.publish", ALPHA) == "stronger-factor-required"


def test_it_is_in_the_log(crew: Crew, acme: Organization) -> None:
    declare(crew)
    [record] = Record.objects.filter(action=services.DECLARE)
    assert (record.about_kind, record.about_id) == ("organization", str(acme.pk))
    assert record.details["demand"] == "phishing-resistant"


class KilledError(Exception):
    """The process ended here."""


def test_killed_in_the_middle_nothing_is_there(
    crew: Crew, acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reach(point: str) -> None:
        if point == "declaration.rows-written":
            raise KilledError

    acts: tuple[Callable[[], Declaration], ...] = (
        lambda: declare(crew),
        lambda: services.lift("acme", by=by_key(crew.ada)),
        lambda: services.keep("acme", by=by_key(crew.ada)),
    )
    for act in acts:
        before = everything()
        with monkeypatch.context() as patch:
            patch.setattr(faults, "reach", reach)
            with pytest.raises(KilledError):
                act()
        assert everything() == before
        act()


# ---- pages' questions


def test_who_lacks_it_is_listed_with_their_days_and_a_preview_writes_nothing(
    crew: Crew, acme: Organization, set_clock: SetClock
) -> None:
    before = everything()
    preview = declared.preview(acme, KEYS, clock.now())
    assert {one.username: one.is_met for one in preview.people} == {
        "ada": True, "otto": False, "mo": False, "cora": False,
    }  # fmt: skip
    assert everything() == before
    declare(crew)
    found = declared.progress_of(acme, clock.now())
    assert [(one.username, one.role, one.until, one.since) for one in found.lacking] == [
        ("otto", "owner", FROM, None),
        ("cora", "collaborator", FROM, None),
        ("mo", "member", FROM, None),
    ]
    set_clock(FROM + DAY)
    found = declared.progress_of(acme, clock.now())
    assert {one.since for one in found.lacking} == {FROM}
    assert found.met == 1
    [summary] = declared.summaries(clock.now())
    assert (summary.organization, summary.people, summary.met) == ("acme", 4, 1)


def test_their_account_says_it_beside_the_mandates_of_the_index(
    crew: Crew, acme: Organization, set_clock: SetClock
) -> None:
    declare(crew)
    standing = read_standing(by_app(crew.mo), clock.now())
    [there] = [one for one in standing.asked if one.policy.organization]
    assert (there.policy.name, there.is_open, there.since, there.until) == (
        "organization:acme",
        True,
        None,
        FROM,
    )
    assert standing.until == FROM
    assert standing.step is not None
    set_clock(FROM)
    assert read_standing(by_app(crew.mo), clock.now()).since == FROM
    assert read_standing(by_key(crew.ada), clock.now()).is_met
    assert [one.mandate.name for one in queries.live_policies(clock.now())] == ["default"]


def test_a_member_of_a_team_alone_is_held_to_it_until_they_are_out_of_it(
    crew: Crew, acme: Organization, set_clock: SetClock
) -> None:
    declare(crew)
    set_clock(FROM)
    teams.remove_from_team("acme", "ci", "mo", by=by_key(crew.ada))
    assert code_of(by_app(crew.mo), "release.publish", ALPHA) == "role-required"
    assert code_of(by_app(crew.mo), "release.publish", OTHER) == ""
    SecurityKey.objects.all().delete()
    assert declared.progress_of(acme, clock.now()).met == 0


def test_a_token_makes_nothing_there_by_less_than_is_asked_of_releases(
    crew: Crew, acme: Organization, set_clock: SetClock
) -> None:
    """A project that a first upload makes stands in the organization, so the first release is one there."""
    weak, strong = (
        robots.mint_organization_token(
            "acme", description=name, reach=Reach(), may_found=True, expires_in_days=90, by=by
        )[1]
        for name, by in (("weak", by_app(crew.otto)), ("strong", by_key(crew.ada)))
    )
    declare_known("acme", KEYS, FROM, by=by_key(crew.ada))
    set_clock(FROM)
    with pytest.raises(CredentialWeak):
        publish_file(make_file("fresh"), by=who(weak))
    assert not Project.objects.filter(normalized_name="fresh").exists()
    publish_file(make_file("fresh"), by=who(strong))
    declare_known("acme", KEYS._replace(publishers_only=True), FROM + 21 * DAY, by=by_key(crew.ada))
    set_clock(FROM + 21 * DAY)
    with pytest.raises(TrustedPublisherRequired):
        publish_file(make_file("another"), by=who(strong))
    assert not Project.objects.filter(normalized_name="another").exists()
