"""The pages of organizations: who gets in by GET and POST alike, what forms do, what is told to whom."""

from __future__ import annotations

import csv
import json
import re
from typing import Any

import pytest
from tests.organizations.conftest import everything, person, user_of, with_people
from tests.projects.conftest import make_file
from tests.projects.test_views import doors as doors  # noqa: PLC0414 - a fixture
from tests.projects.test_views import get, post, text_of

from keyhouse.audit.services import record
from keyhouse.core import clock
from keyhouse.core.actions import Thing
from keyhouse.core.actor import NOBODY, Actor
from keyhouse.credentials.tokens import robots
from keyhouse.credentials.tokens.rules import Reach
from keyhouse.organizations import inviting, services, teams
from keyhouse.organizations.models import Membership, Organization, OrganizationInvitation, Team, TeamMember
from keyhouse.projects import services as projects
from keyhouse.projects.models import Project, Role, TeamRole
from keyhouse.projects.organizing import create_project_in, move_project, set_team_role

pytestmark = pytest.mark.django_db

BASE = "/manage/organization/acme/"


@pytest.fixture
def crew(ada: Actor, acme: Organization) -> dict[str, Actor]:
    """Fill an organization with one of each role, a team with a project, and an invitation; others stand about it."""
    made = with_people(acme, mona="manager", mo="member", otto="owner")
    teams.create_team("acme", "keel", by=ada)
    teams.add_to_team("acme", "keel", "mo", by=ada)
    inviting.invite("acme", "ida@example.org", "member", by=ada)
    create_project_in("acme", "alpha", by=ada)
    set_team_role("alpha", "keel", "maintainer", by=ada)
    outside = {"stranger": person("sam"), "anonymous": NOBODY, "invited": person("ida")}
    return {"owner": ada, "manager": made["mona"], "member": made["mo"], **outside}


def test_what_belongs_to_another_organization_is_as_if_it_were_not(crew: dict[str, Actor]) -> None:
    other = person("olaf")
    services.create_organization("Other", by=other)
    teams.create_team("other", "mast", by=other)
    invitation = inviting.invite("other", "zoe", "member", by=other)
    before, ada = everything(), crew["owner"]

    for part in (
        f"invitation/{invitation.pk}/resend/",
        f"invitation/{invitation.pk}/revoke/",
        "teams/mast/",
        "teams/mast/rename/",
        "teams/mast/delete/",
        "teams/mast/person/mo/remove/",
        "person/olaf/role/",
        "person/olaf/remove/",
        "person/olaf/keep/",
    ):
        unknown = re.sub(r"mast|olaf", "nobody", part).replace(f"/{invitation.pk}/", "/987654/")
        form = {"kind": "member", "name": "x1", "username": "mo"}
        told = post(BASE + part, ada, form)
        assert told.status_code == 404, part
        assert told.headers["X-Refusal"] == post(BASE + unknown, ada, form).headers["X-Refusal"], part
    for path in (
        f"/account/invitations/organization/{invitation.pk}/",
        "/account/invitations/organization/987/",
    ):
        for act in ("accept/", "decline/"):
            assert post(path + act, ada).headers["X-Refusal"] == "offer-missing"
        assert get(path + "accept/", ada).status_code == 404
    assert everything() == before


def test_an_organization_is_founded_described_renamed_and_deleted_by_its_pages(ada: Actor) -> None:
    bob = person("bob")
    assert "You belong to no organization" in text_of(get("/manage/organizations/", ada))
    made = post("/manage/organizations/new/", ada, {"name": "Harbour", "title": "Ships"})
    assert (made.status_code, made["Location"]) == (303, "/manage/organization/harbour/")
    assert post("/manage/organizations/new/", ada, {"name": "harbour"}).status_code == 400, "sent twice"
    assert post("/manage/organizations/new/", bob, {"name": "HARB0UR"}).status_code == 400
    assert post("/manage/organizations/new/", bob, {"name": "x" * 60}).status_code == 400
    base = "/manage/organization/harbour/"
    assert "harbour" in text_of(get("/manage/organizations/", ada))

    post(base + "settings/", ada, {"title": "Boats", "description": "What floats."})
    assert "What floats." in text_of(get("/organization/harbour/", bob))
    assert (
        post(base + "rename/", ada, {"name": "Docks"})["Location"] == "/manage/organization/docks/settings/"
    )
    moved = get("/organization/Harbour/", bob)
    assert (moved.status_code, moved["Location"]) == (308, "/organization/docks/")
    assert get("/organization/DOCKS/", bob)["Location"] == "/organization/docks/"
    assert get("/organization/never-was/", bob).status_code == 404
    assert "Delete" in text_of(get("/manage/organization/docks/delete/", ada))
    assert post("/manage/organization/docks/delete/", ada)["Location"] == "/manage/organizations/"
    assert get("/organization/docks/", bob).status_code == 404
    assert get("/organization/harbour/", bob).status_code == 404
    assert post("/manage/organization/docks/delete/", ada).status_code == 403, "sent again"


def test_with_projects_it_stays_and_its_last_owner_too(crew: dict[str, Actor]) -> None:
    ada = crew["owner"]
    post(BASE + "person/otto/remove/", ada)
    for part in ("delete/", "leave/", "person/ada/remove/"):
        answer = post(BASE + part, ada)
        assert answer.status_code == 400, part
    assert post(BASE + "person/ada/role/", ada, {"kind": "member"}).status_code == 400
    assert Membership.objects.get(user=user_of(ada)).kind == "owner"


def test_an_invitation_is_sent_once_more_answered_and_used_once(crew: dict[str, Actor], ada: Actor) -> None:
    zoe = person("zoe")
    form = {"invitee": "zoe", "kind": "manager"}
    assert post(BASE, ada, form)["Location"] == BASE
    assert post(BASE, ada, form).status_code == 400, "doubled"
    assert post(BASE, ada, {**form, "kind": "emperor"}).status_code == 400
    assert post(BASE, ada, {**form, "invitee": "ada\x00"}).status_code == 400
    one = OrganizationInvitation.objects.get(username="zoe")
    assert "zoe" in text_of(get(BASE, ada))
    assert "zoe" not in text_of(get(BASE, crew["member"])), "invitations are for owners"
    accept = f"/account/invitations/organization/{one.pk}/accept/"
    assert accept in text_of(get("/account/invitations/", zoe))
    assert get(accept, zoe).status_code == 200
    assert post(accept, zoe)["Location"] == BASE
    assert post(accept, zoe)["Location"] == BASE, "a second click"
    assert Membership.objects.get(user=user_of(zoe)).kind == "manager"
    assert get(accept, crew["stranger"]).status_code == 404

    post(BASE + "person/zoe/remove/", ada)
    assert get(BASE, zoe).status_code == 403
    assert post(accept, zoe).status_code == 410, "it is good once"
    assert not Membership.objects.filter(user=user_of(zoe)).exists()


def test_an_invitation_is_declined_or_taken_back(crew: dict[str, Actor], ada: Actor) -> None:
    zoe = person("zoe")
    one = inviting.invite("acme", "zoe", "owner", by=ada)
    assert post(f"{BASE}invitation/{one.pk}/revoke/", ada)["Location"] == BASE
    assert post(f"{BASE}invitation/{one.pk}/revoke/", ada)["Location"] == BASE
    assert post(f"/account/invitations/organization/{one.pk}/accept/", zoe).status_code == 410
    two = inviting.invite("acme", "zoe", "member", by=ada)
    assert post(f"/account/invitations/organization/{two.pk}/decline/", zoe).status_code == 303
    assert "Nobody invites you" in text_of(get("/account/invitations/", zoe))
    assert not Membership.objects.filter(user=user_of(zoe)).exists()


def test_teams_are_made_filled_and_given_roles_by_pages(crew: dict[str, Actor], ada: Actor) -> None:
    assert post(BASE + "teams/", ada, {"name": "Sails"})["Location"] == BASE + "teams/sails/"
    assert post(BASE + "teams/", ada, {"name": "sails"}).status_code == 400
    assert post(BASE + "teams/sails/", ada, {"username": "mo"}).status_code == 303
    assert post(BASE + "teams/sails/", ada, {"username": "mo"}).status_code == 303, "sent again"
    assert post(BASE + "teams/sails/", ada, {"username": "sam"}).status_code == 404, "of no member"
    assert TeamMember.objects.filter(team__name="Sails").count() == 1
    assert post(BASE + "teams/sails/rename/", ada, {"name": "Masts"})["Location"] == BASE + "teams/masts/"
    teams_page = "/manage/project/alpha/teams/"
    assert "Masts" in text_of(get(teams_page, ada))
    assert post(teams_page, ada, {"team": "masts", "kind": "owner"})["Location"] == teams_page
    for form in ({}, {"team": "masts", "kind": "god"}, {"team": "nobody", "kind": "owner"}):
        assert post(teams_page, ada, form).status_code == 400
    people = text_of(get("/manage/project/alpha/people/", ada))
    assert "By organization and teams" in people
    assert re.search(r"mo</span>.*owner by .*Masts", people)
    assert "Masts" in text_of(get(BASE + "teams/masts/", crew["member"]))
    end = teams_page + "masts/end/"
    assert get(end, ada).status_code == 200
    assert post(end, ada)["Location"] == teams_page
    assert post(end, ada).status_code == get(end, ada).status_code == 409, "sent again"
    assert get(BASE + "teams/masts/person/mo/remove/", ada).status_code == 200
    assert post(BASE + "teams/masts/person/mo/remove/", ada).status_code == 303
    assert post(BASE + "teams/masts/delete/", ada)["Location"] == BASE + "teams/"
    assert not Team.objects.filter(name="Masts").exists()


def test_a_project_is_made_in_an_organization_and_moved_by_pages(crew: dict[str, Actor], ada: Actor) -> None:
    made = post(BASE + "projects/", crew["manager"], {"name": "Beta"})
    assert made["Location"] == "/manage/project/beta/"
    assert "Beta" in text_of(get(BASE + "projects/", crew["member"]))
    assert "stands in" in text_of(get("/manage/project/beta/", ada))
    move = "/manage/project/alpha/organization/"
    projects.publish_file(make_file("gamma"), by=ada)
    into = "/manage/project/gamma/organization/"
    assert "Acme" in text_of(get(into, ada))
    assert post(into, ada, {"organization": "acme"}).status_code == 302
    assert str(Project.objects.get(normalized_name="gamma").organization) == "Acme"
    assert post(into, ada, {"organization": "not-offered"}).status_code == 400
    assert post(move, ada, {"organization": ""}).status_code == 400, "nobody would own it"
    Role.objects.create(
        project=Project.objects.get(normalized_name="alpha"),
        user=user_of(ada),
        kind="owner",
        since_at=Membership.objects.latest("pk").since_at,
    )
    assert post(move, ada, {"organization": ""}).status_code == 302
    assert not TeamRole.objects.filter(project__normalized_name="alpha").exists()
    assert get("/manage/project/alpha/", crew["member"]).status_code == 403


def test_the_public_page_names_no_member_to_others_and_no_project_in_quarantine(
    crew: dict[str, Actor], ada: Actor
) -> None:
    projects.publish_file(make_file("shown"), by=ada)
    move_project("shown", "acme", by=ada)
    for outside in (crew["stranger"], crew["invited"], NOBODY):
        page = text_of(get("/organization/acme/", outside))
        assert not re.search(r"\b(mona|otto)\b", page)
        assert "/project/shown/" in page
    assert "mona" in text_of(get("/organization/acme/", crew["member"]))
    Project.objects.filter(normalized_name="shown").update(status="quarantined")
    assert "/project/shown/" not in text_of(get("/organization/acme/", NOBODY))


def test_owners_see_and_take_away_what_happened_but_not_from_where(
    crew: dict[str, Actor], ada: Actor
) -> None:
    assert "Make a team in an organization" in text_of(get(BASE + "activity/", ada))
    answer = get(BASE + "activity.jsonl", ada)
    lines = [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]
    assert lines[0]["action"] == "organization.create"
    assert {line["by"]["name"] for line in lines} >= {"ada"}
    assert all(
        set(line) == {"id", "at", "action", "by", "organization", "token", "details"} for line in lines
    )
    assert "ida@example.org" not in json.dumps(lines)
    for who in ("manager", "member", "stranger"):
        assert get(BASE + "activity.jsonl", crew[who]).status_code == 403


def test_what_happened_is_narrowed_and_taken_away_as_lines_or_as_a_table(
    crew: dict[str, Actor], ada: Actor
) -> None:
    services.describe_organization("acme", "=1+1", "", by=crew["owner"])
    token, _ = robots.mint_organization_token(
        "acme", description="@nightly", reach=Reach(("alpha",)), expires_in_days=9, by=crew["owner"]
    )
    record("robot-token.mint", by=ada, about=Thing("token", "0" * 32, "of others"))

    def rows(asked: str) -> list[dict[str, str]]:
        answer = get(f"{BASE}activity.csv{asked}", ada)
        assert answer["Content-Type"].startswith("text/csv")
        return list(csv.DictReader(b"".join(answer.streaming_content).decode().splitlines()))

    everything_told = rows("")
    assert [row["about"] for row in everything_told if row["action"] == "robot-token.mint"] == ["'@nightly"]
    lines = get(f"{BASE}activity.jsonl?action=robot-token.mint", ada).streaming_content
    assert [json.loads(line)["token"] for line in b"".join(lines).splitlines()] == ["@nightly"]
    page = text_of(get(f"{BASE}activity/?action=robot-token.mint", ada))
    assert {"projects: alpha", "actions: upload"} <= set(re.findall(r"(?:projects|actions): \w+", page))
    today = f"{clock.now():%Y-%m-%d}"
    for asked, count in (
        ("?action=organization.describe", 1),
        ("?person=ADA", sum(row["by"] == "ada" for row in everything_told)),
        ("?person=nobody", 0),
        (f"?since={today}&until={today}", len(everything_told)),
        ("?until=2001-01-01", 0),
        ("?since=9999-12-31", 0),
    ):
        assert len(rows(asked)) == count, asked
        page = text_of(get(f"{BASE}activity/{asked}", ada))
        assert ("Nothing that fits" in page) == (count == 0), asked
    for path in ("activity/", "activity.csv", "activity.jsonl"):
        for wrong in ("?since=yesterday", "?action=no-such-act"):
            assert get(f"{BASE}{path}{wrong}", ada).status_code == 400
        for who in ("manager", "member", "stranger"):
            assert get(f"{BASE}{path}", crew[who]).status_code == 403
    assert token.organization is not None


def test_owners_see_who_lacks_what_is_asked(crew: dict[str, Actor], ada: Actor) -> None:
    page: Any = get(BASE + "compliance/", ada)
    assert page.status_code == 200
    assert "Who lacks what is asked of them" in text_of(page)
