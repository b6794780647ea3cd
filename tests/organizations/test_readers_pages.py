"""The pages that say who reads: chosen, shown with what it means, confirmed; and who gets there."""

from __future__ import annotations

import dataclasses
import re

import pytest
from tests.organizations.conftest import everything, id_of, person, with_people
from tests.projects.test_views import doors as doors  # noqa: PLC0414 - a fixture
from tests.projects.test_views import get, post, text_of

from keyhouse.core import configuration
from keyhouse.core.actor import Actor
from keyhouse.organizations import teams
from keyhouse.organizations.models import Organization
from keyhouse.projects.models import Project, Role
from keyhouse.projects.organizing import create_project_in

pytestmark = pytest.mark.django_db
OF_ORGANIZATION = "/manage/organization/acme/readers/"
OF_PROJECT = "/manage/project/alpha/readers/"


@pytest.fixture
def people(acme: Organization, ada: Actor, monkeypatch: pytest.MonkeyPatch) -> dict[str, Actor]:
    monkeypatch.setattr(
        configuration, "_current", dataclasses.replace(configuration.current(), reads="private")
    )
    made = with_people(acme, mona="manager", mo="member")
    teams.create_team("acme", "keel", by=ada)
    teams.add_to_team("acme", "keel", "mo", by=ada)
    create_project_in("acme", "alpha", by=ada)
    return {"ada": ada, "out": person("out"), **made}


def test_it_is_shown_before_it_is_done(people: dict[str, Actor]) -> None:
    ada = people["ada"]
    for address, reads, losing in ((OF_ORGANIZATION, "members", 1), (OF_PROJECT, "roles", 2)):
        page = text_of(get(address, ada))
        assert "Now: " in page
        assert "Is this meant?" not in page
        before = everything()
        asked = text_of(post(address, ada, {"reads": reads}))
        assert everything() == before
        assert "Is this meant?" in asked
        assert f"<strong>{losing} {'person' if losing == 1 else 'people'}</strong>" in asked
        sent = dict(
            re.findall(
                r'<input type="hidden" name="(\w+)" value="([^"]*)">', asked.partition("Is this meant?")[2]
            )
        )
        assert post(address, ada, {key: sent[key] for key in ("reads", "confirmed")}).status_code in {
            302,
            303,
        }
    assert (Organization.objects.get().reads, Project.objects.get().reads) == ("members", "roles")
    assert "the members of the organization" in text_of(get(OF_ORGANIZATION, ada))
    assert "only whoever has a role" in text_of(get(OF_PROJECT, ada))
    teamed = text_of(post(OF_PROJECT, ada, {"reads": "teams", "teams": "keel"}))
    assert "the members of these teams: keel" in teamed
    assert "Nobody will read less than now." in teamed
    assert post(OF_PROJECT, ada, {"reads": "teams", "teams": "keel", "confirmed": "1"}).status_code in {
        302,
        303,
    }
    assert Project.objects.get().reading_teams.count() == 1
    # a team that is ticked beside another answer is of no matter
    assert post(OF_PROJECT, ada, {"reads": "", "teams": "keel", "confirmed": "1"}).status_code in {302, 303}
    assert (Project.objects.get().reads, Project.objects.get().reading_teams.count()) == ("", 0)


def test_nonsense_is_refused_in_the_form(people: dict[str, Actor]) -> None:
    before = everything()
    for address in (OF_ORGANIZATION, OF_PROJECT):
        for form in ({"reads": "x"}, {"reads": "teams"}, {"reads": "teams", "teams": "none"}):
            for more in ({}, {"confirmed": "1"}):
                assert post(address, people["ada"], form | more).status_code == 400, (address, form)
    assert everything() == before


def test_others_find_no_door(people: dict[str, Actor]) -> None:
    Role.objects.create(
        project=Project.objects.get(),
        user_id=id_of(people["out"]),
        kind="owner",
        since_at=Organization.objects.get().created_at,
    )
    for who in ("mona", "mo", "out"):  # `out` owns the project, and not the organization
        for address in (OF_ORGANIZATION, OF_PROJECT):
            for answer in (
                get(address, people[who]),
                post(address, people[who], {"reads": "everybody", "confirmed": "1"}),
            ):
                assert (answer.status_code, answer.headers["X-Refusal"]) == (403, "role-required"), (
                    who,
                    address,
                )


def test_on_a_public_index_there_is_nothing_to_say(
    people: dict[str, Actor], monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = people["ada"]
    for address in ("/manage/organization/acme/settings/", "/manage/project/alpha/"):
        assert "/readers/" in text_of(get(address, ada))
    monkeypatch.setattr(
        configuration, "_current", dataclasses.replace(configuration.current(), reads="public")
    )
    for address in ("/manage/organization/acme/settings/", "/manage/project/alpha/"):
        assert "/readers/" not in text_of(get(address, ada))
    for address in (OF_ORGANIZATION, OF_PROJECT):
        page = text_of(get(address, ada))
        assert "This index is public" in page
        assert 'name="reads"' not in page
