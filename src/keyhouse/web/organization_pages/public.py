"""What everybody who may read sees of an organization."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.shortcuts import render

from keyhouse.accounts.views.paging import page_of, pager
from keyhouse.core import actions
from keyhouse.core.errors import NotFound
from keyhouse.organizations import queries
from keyhouse.organizations.changing import thing_of
from keyhouse.organizations.models import Organization
from keyhouse.projects import queries as projects
from keyhouse.projects.models import File, Project
from keyhouse.projects.reading import readable_by
from keyhouse.projects.visiting import actor_of, readable
from keyhouse.web.project_pages.publications import publication_of

_SHOWN: Final = 200  # members
_OPEN: Final = File.objects.filter(
    release__project=OuterRef("pk"), is_quarantined=False, release__is_quarantined=False
)
_NEWEST: Final = Subquery(_OPEN.order_by("-uploaded_at", "-pk").values("pk")[:1])


class MovedForGood(HttpResponsePermanentRedirect):
    """The page of a thing that has another name now."""

    status_code = 308


@actions.classified(GET="site.read")
def organization(request: HttpRequest, name: str) -> HttpResponse:
    """Show what an organization is about and its projects; to members also who belongs to it."""
    found = queries.find_organization(readable(name))
    if found is None:
        return _by_former_name(name)
    if name != found.normalized_name:
        return MovedForGood(_address(found))
    reader = actor_of(request).user_id
    shown = (
        projects.visible_projects().filter(readable_by(reader), organization=found).annotate(newest=_NEWEST)
    )
    page = page_of(request, shown.order_by("normalized_name"))
    is_member = queries.find_member_kind(reader, thing_of(found)) is not None
    people = list(queries.members_of(found)[:_SHOWN]) if is_member else []
    context = {
        "organization": found,
        "projects": _with_means(list(page)),
        "pages": pager(page),
        "people": people,
        "is_member": is_member,
    }
    return render(request, "organizations/organization.html", context)


def _with_means(listed: list[Any]) -> list[tuple[Project, str]]:
    """Return projects, each with how its newest file was published."""
    files = File.objects.in_bulk([one.newest for one in listed if one.newest])
    newest = [(one, files.get(one.newest)) for one in listed]
    return [(one, publication_of(file).means.phrase if file else "") for one, file in newest]


def _by_former_name(name: str) -> HttpResponse:
    renamed = queries.find_renamed(readable(name))
    if renamed is None:
        raise NotFound("There is no such organization here.")
    return MovedForGood(_address(renamed))


def _address(found: Organization) -> str:
    return f"/organization/{found.normalized_name}/"
