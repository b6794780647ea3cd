"""Who reads which project of an organization, and by which right; and whether one person reads one project."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from keyhouse.accounts.forms import PageForm
from keyhouse.accounts.queries import find_user
from keyhouse.core import actions
from keyhouse.organizations.models import Organization
from keyhouse.projects.models import Project
from keyhouse.projects.reading_reasons import by_everybody, readers_by_right, why
from keyhouse.projects.visiting import readable
from keyhouse.web.organization_pages.visiting import context_of, organization_of

SEE: Final = "organization.see-readers"
SHOWN: Final = 20  # projects of one page
MOST_NAMED: Final = 50  # people of one project


class QuestionForm(PageForm):
    """Whether somebody reads a project of the organization."""

    person = forms.CharField(label="Name of the account", max_length=150, strip=True)
    project = forms.ChoiceField(label="Project")

    def about(self, found: Organization) -> QuestionForm:
        """Offer the projects of an organization."""
        names = Project.objects.filter(organization=found).order_by("normalized_name")
        chosen: Any = self.fields["project"]
        chosen.choices = list(names.values_list("normalized_name", "name"))
        return self


@actions.classified(GET="organization.see-readers")
def who_reads(request: HttpRequest, name: str) -> HttpResponse:
    """List who reads what; with `person` and `project` say whether that one reads that one, and by what."""
    found = organization_of(request, SEE, name)
    is_asked = "person" in request.GET or "project" in request.GET
    form = QuestionForm(request.GET if is_asked else None).about(found)
    answer = _answer(found, form) if is_asked and form.is_valid() else None
    projects = Project.objects.filter(organization=found).select_related("organization")
    page = Paginator(projects.order_by("normalized_name"), SHOWN).get_page(request.GET.get("page"))
    context = context_of(request, found, "settings") | {"form": form, "answer": answer, "page": page}
    context["rows"] = [_row(one) for one in page]
    return render(request, "organizations/who_reads.html", context, status=200 if not form.errors else 400)


def _answer(found: Organization, form: QuestionForm) -> dict[str, Any]:
    """Return the answer; of a name that nobody has it is the one of somebody without any right."""
    project = Project.objects.get(organization=found, normalized_name=form.cleaned_data["project"])
    named = form.cleaned_data["person"]
    person = find_user(readable(named))
    return {
        "person": named,
        "project": project.name,
        "by": why(None if person is None else person.pk, project),
    }


def _row(project: Project) -> dict[str, Any]:
    readers = readers_by_right(project)
    return {
        "project": project,
        "everybody": by_everybody(project),
        "readers": readers[:MOST_NAMED],
        "more": max(len(readers) - MOST_NAMED, 0),
    }
