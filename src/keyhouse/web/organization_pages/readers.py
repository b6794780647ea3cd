"""Pages that say who reads an organization's projects, or one project, of a private index: chosen, then shown with what it means, then confirmed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from django.http import HttpRequest, HttpResponse

from keyhouse.accounts.views.answers import show_form
from keyhouse.core import actions
from keyhouse.organizations import queries
from keyhouse.organizations import readers as of_organizations
from keyhouse.organizations import rules as organizations
from keyhouse.organizations.changing import thing_of
from keyhouse.organizations.models import Organization, Team
from keyhouse.organizations.readers import require_readers, teams_named
from keyhouse.projects import readers, rules, visiting
from keyhouse.projects.models import Project
from keyhouse.projects.visiting import project_of
from keyhouse.web.organization_pages.forms import ReadersForm
from keyhouse.web.organization_pages.visiting import actor_of, context_of, organization_of, sent, to

_PHRASES: Final = {
    organizations.EVERYBODY: "Everybody who reads this index",
    organizations.MEMBERS: "The members of the organization",
    organizations.TEAMS: "Teams of the organization",
    rules.ROLES: "Nobody but people with a role in it",
}


@actions.takes(*ReadersForm.base_fields)
@actions.classified(GET="organization.set-readers", POST="organization.set-readers")
def of_organization(request: HttpRequest, name: str) -> HttpResponse:
    """Say who reads the projects of an organization that don't say otherwise."""
    found = organization_of(request, of_organizations.SET, name)
    present = queries.reading_teams_of(found)
    form = _form(request, found.reads, present).offer(_choices(organizations.READERS), _teams_of(found))
    context = context_of(request, found, "settings") | {
        "present": _sentence(found.reads, present),
        "apart": Project.objects.filter(organization=found).exclude(reads=rules.AS_ORGANIZATION).count(),
    }

    def set_(reads: str, names: Collection[str]) -> object:
        return of_organizations.set_readers(found.name, reads, names, by=actor_of(request))

    def foresee(reads: str, names: Collection[str]) -> tuple[str, int]:
        require_readers(reads, organizations.READERS, names)
        teams = teams_named(found, names)
        return _sentence(reads, teams), readers.losing_in_organization(found, reads, teams)

    done = _carry_out(request, form, set_, foresee, context)
    return to(found, "readers/") if done else show_form(request, "organizations/readers.html", form, context)


@actions.takes(*ReadersForm.base_fields)
@actions.classified(GET="project.set-readers", POST="project.set-readers")
def of_project(request: HttpRequest, name: str) -> HttpResponse:
    """Say who reads one project."""
    found = project_of(request, readers.SET, name)
    here = found.organization
    if here is not None:
        actions.require(actor_of(request), of_organizations.SET, thing_of(here))
    present = readers.teams_of(found)
    known = rules.READERS if here else (organizations.EVERYBODY, rules.ROLES)
    initial = found.reads or (rules.AS_ORGANIZATION if here else organizations.EVERYBODY)
    form = _form(request, initial, present).offer(_choices(known, here), _teams_of(here))
    context = visiting.context_of(request, found) | {"present": _said(here, initial, present)}

    def set_(reads: str, names: Collection[str]) -> object:
        return readers.set_project_readers(found.normalized_name, reads, names, by=actor_of(request))

    def foresee(reads: str, names: Collection[str]) -> tuple[str, int]:
        require_readers(reads, known, names)
        teams = teams_named(here, names)
        return _said(here, reads, teams), readers.losing_of_project(found, reads, teams)

    done = _carry_out(request, form, set_, foresee, context)
    return (
        to_readers(found) if done else show_form(request, "organizations/project_readers.html", form, context)
    )


def to_readers(found: Project) -> HttpResponse:
    """Lead to the page again, which tells how things stand."""
    return visiting.to(found)


def _form(request: HttpRequest, reads: str, teams: Collection[Team]) -> ReadersForm:
    initial = {"reads": reads, "teams": [one.normalized_name for one in teams]}
    return ReadersForm(sent(request), initial=initial)


def _carry_out(
    request: HttpRequest,
    form: ReadersForm,
    act: Callable[[str, Collection[str]], object],
    foresee: Callable[[str, Collection[str]], tuple[str, int]],
    context: dict[str, object],
) -> bool:
    """Act where it is confirmed; otherwise add to the page what would follow. Returns whether it was done."""
    if request.method != "POST" or not form.is_valid():
        return False
    reads, names = form.cleaned_data["reads"], form.team_names
    if form.cleaned_data["confirmed"]:
        form.carry_out(lambda: act(reads, names))
        return not form.errors
    seen = form.carry_out(lambda: foresee(reads, names))
    if seen is not None:
        context |= {"asked": {"reads": reads, "teams": names}, "sentence": seen[0], "losing": seen[1]}
    return False


def _choices(known: Collection[str], here: Organization | None = None) -> list[tuple[str, str]]:
    return [(one, _PHRASES.get(one) or _as_organization(here)) for one in known]


def _as_organization(here: Organization | None) -> str:
    if here is None:
        return _PHRASES[organizations.EVERYBODY]
    return f"As the organization says: {_sentence(here.reads, queries.reading_teams_of(here))}"


def _teams_of(here: Organization | None) -> list[tuple[str, str]]:
    teams = queries.teams_of(here) if here is not None else ()
    return [(one.normalized_name, one.name) for one in teams]


def _said(here: Organization | None, reads: str, teams: Collection[Team]) -> str:
    if reads == rules.AS_ORGANIZATION and here is not None:
        return _sentence(here.reads, queries.reading_teams_of(here))
    return _sentence(reads or organizations.EVERYBODY, teams)


def _sentence(reads: str, teams: Collection[Team]) -> str:
    """Return who reads, in words that begin in lower case."""
    if reads == organizations.EVERYBODY:
        return "everybody who reads this index"
    if reads == organizations.MEMBERS:
        return "the members of the organization, and whoever has a role in the project"
    if reads == organizations.TEAMS:
        named = ", ".join(one.name for one in teams) or "none"
        return f"the members of these teams: {named}; and whoever has a role in the project"
    return "only whoever has a role in the project"
