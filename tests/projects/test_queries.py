"""Lists and searches of projects."""

from __future__ import annotations

import pytest
from tests.projects.conftest import id_of, make_file

from keyhouse.accounts.models import User
from keyhouse.core import actor, clock
from keyhouse.core.actor import Actor
from keyhouse.projects import queries, services
from keyhouse.projects.life_cycle import services as life_cycle
from keyhouse.projects.models import Project, Release

pytestmark = pytest.mark.django_db


@pytest.fixture
def shelf(ada: Actor) -> Actor:
    """Projects around one word: exact, beginning, inside, in the summary, and one in quarantine."""
    for name, summary in (
        ("my-wsgi-kit", "Inside"),
        ("wsgi-server", "Beginning"),
        ("wsgi", "Exact"),
        ("snake", "An WSGI client for everybody"),
        ("other", "Nothing of it, 100% sure"),
        ("wsgi-hidden", "Quarantined"),
    ):
        services.publish_file(make_file(name, metadata={"summary": summary}), by=ada)
    Project.objects.filter(name="wsgi-hidden").update(status="quarantined")
    return ada


def test_lists_of_the_newest_leave_out_what_is_in_quarantine(shelf: Actor) -> None:
    assert [project.name for project in queries.newest_projects()][:2] == ["other", "snake"]
    assert "wsgi-hidden" not in {release.project.name for release in queries.newest_releases()}


def test_lists_do_not_load_whole_descriptions(shelf: Actor) -> None:
    for release in (
        queries.newest_releases()[0],
        queries.find_release(Project.objects.get(name="wsgi"), "1.0"),
    ):
        assert release is not None
        assert release.get_deferred_fields() == {"metadata", "description_html"}


def test_people_and_their_projects(shelf: Actor, bob: Actor) -> None:
    users = {user.username: user for user in User.objects.all()}
    project = services.create_project("team", [users["bob"]], [users["ada"]], by=actor.host())

    assert [role.user.username for role in queries.roles_of_project(project)] == ["bob", "ada"]
    assert [role.project.name for role in queries.roles_of_person(id_of(bob))] == ["team"]
    assert len(queries.roles_of_person(id_of(shelf))) == 7


def test_a_release_found_by_plain_sql_has_real_values(shelf: Actor) -> None:
    project = Project.objects.get(name="wsgi")
    life_cycle.yank_release("wsgi", "1.0", "x", by=shelf)

    plain, real = queries.find_release(project, "1.0"), Release.objects.get(project=project)

    assert plain is not None
    assert (plain.created_at, plain.yanked_at, plain.summary) == (
        real.created_at,
        real.yanked_at,
        real.summary,
    )
    assert plain.created_at <= clock.now()
    assert queries.find_release(project, "1.0.0") is None
