"""What concerns a project: who holds it up, and asking for its deletion where that is held."""

from __future__ import annotations

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.rules import safe_next
from keyhouse.accounts.views.paging import LINES_WITH_ACTS, page_of, pager
from keyhouse.core import actions, clock
from keyhouse.core.actions import Thing
from keyhouse.core.cautioned import keep_caution
from keyhouse.distfiles.names import normalise
from keyhouse.mandate import nudging
from keyhouse.mandate.blockers import PUBLISHERS, blockers_of, weak_publishers_of
from keyhouse.mandate.deletion import ask_deletion, find_hold, withdraw_deletion_ask
from keyhouse.projects import queries
from keyhouse.projects.errors import ProjectNotFound
from keyhouse.projects.models import Project
from keyhouse.projects.rights import find_role_kind
from keyhouse.projects.rules import allows_role

WITHDRAW = "withdraw"


@actions.classified(GET="project.manage")
def blockers(request: AskedRequest, name: str) -> HttpResponse:
    """Show which of a project's people and publishers don't have what is asked of them; never what people have."""
    found = _project_of(request, "project.manage", name)
    kind = find_role_kind(request.actor.user_id, Thing("project", found.pk))
    page = page_of(request, blockers_of(found, clock.now()), LINES_WITH_ACTS)
    lines = page_of(request, weak_publishers_of(found, request.actor.user_id), LINES_WITH_ACTS, PUBLISHERS)
    context = {
        "project": found,
        "blockers": page,
        "pages": pager(page, **{PUBLISHERS: lines}),
        "publishers": lines,
        "publisher_pages": pager(lines, PUBLISHERS, page=page),
        "can_nudge": allows_role(kind, nudging.NUDGE),
    }
    return render(request, "mandate/project.html", context)


@actions.takes()
@actions.classified(POST="collaborator.nudge")
def nudge(request: AskedRequest, name: str, username: str) -> HttpResponse:
    """Remind somebody of what they lack."""
    found = _project_of(request, nudging.NUDGE, name)
    is_name = username.isascii() and username.isprintable()
    nudging.nudge(found.normalized_name, username if is_name else "", by=request.actor)
    return HttpResponseRedirect(f"/mandate/project/{found.normalized_name}/", status=303)


@actions.takes("next", "act")
@actions.classified(GET="project.ask-deletion", POST="project.ask-deletion")
def deletion(request: AskedRequest, name: str) -> HttpResponse:
    """Explain why deleting waits, and take what starts the wait; `act` may be `withdraw`."""
    found = _project_of(request, "project.ask-deletion", name)
    way_on = safe_next(request.POST.get("next") or request.GET.get("next", ""), _delete_page(found))
    if request.method == "POST":
        if request.POST.get("act") == WITHDRAW:
            withdraw_deletion_ask(found.normalized_name, by=request.actor)
        else:
            ask_deletion(found.normalized_name, by=request.actor)
        return HttpResponseRedirect(request.path, status=303)
    context = {"project": found, "hold": find_hold(found, request.actor, clock.now()), "next": way_on}
    return render(request, "mandate/deletion.html", context)


def _delete_page(found: Project) -> str:
    return f"/manage/project/{found.normalized_name}/delete/"


def _project_of(request: AskedRequest, action: str, name: str) -> Project:
    """Return the project; whoever has no role gets one answer, be it here or not."""
    normalized = normalise(name) if name.isascii() and name.isprintable() else ""
    thing = Thing("project", None, normalized)
    keep_caution(request, action, thing, actions.require(request.actor, action, thing))
    found = queries.find_project(normalized)
    if found is None:
        raise ProjectNotFound
    return found
