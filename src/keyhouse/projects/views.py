"""Pages on which people look after their projects. Authority is asked before a page shows what exists."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from keyhouse.accounts.views.paging import LINES_WITH_ACTS, page_of, pager
from keyhouse.core import actions, clock
from keyhouse.core.errors import SignInRequired
from keyhouse.projects import queries, rights
from keyhouse.projects.life_cycle import queries as life_cycle
from keyhouse.projects.models import Role
from keyhouse.projects.visiting import actor_of, context_of, project_of, release_of

DELETED: Final = "deleted"
PEOPLE_NAMED: Final = 20  # the page of a project's people has them all


@actions.classified(GET="project.manage")
def projects(request: HttpRequest) -> HttpResponse:
    """List the projects in which somebody has a role."""
    actor = actor_of(request)
    actions.require_authority(actor, "project.manage")
    if actor.user_id is None:
        raise SignInRequired
    page = page_of(request, queries.projects_of_person(actor.user_id))
    kinds = rights.highest(rights.rights_of(actor.user_id))
    listed = [(found, Role.Kind(kinds[found.pk]).label) for found in page if found.pk in kinds]
    has_deleted = life_cycle.removals_for(actor.user_id, clock.now()).exists()
    context = {"listed": listed, "pages": pager(page), "has_deleted": has_deleted}
    return render(request, "projects/list.html", context)


@actions.classified(GET="project.manage")
def project(request: HttpRequest, name: str) -> HttpResponse:
    """Show how a project stands, its people and releases."""
    found = project_of(request, "project.manage", name)
    shared, people = context_of(request, found), queries.roles_of_project(found)
    deleted = life_cycle.removals_of(found, clock.now()) if shared["is_owner"] else ()
    removals = page_of(request, deleted, LINES_WITH_ACTS, DELETED)
    page = page_of(request, queries.releases_of(found), LINES_WITH_ACTS)
    context = {
        "releases": page,
        "pages": pager(page, **{DELETED: removals}),
        "removals": removals,
        "removal_pages": pager(removals, DELETED, page=page),
        "people": people[:PEOPLE_NAMED],
        "more_people": max(0, people.count() - PEOPLE_NAMED),
    }
    return render(request, "projects/project.html", shared | context)


@actions.classified(GET="project.manage")
def release(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """Show a release with its files."""
    found = project_of(request, "project.manage", name)
    chosen = release_of(found, version)
    page = page_of(request, queries.files_of(chosen))
    context = {"release": chosen, "files": page, "pages": pager(page)}
    return render(request, "projects/release.html", context_of(request, found) | context)
