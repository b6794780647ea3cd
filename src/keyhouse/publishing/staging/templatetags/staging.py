"""What pages of projects show of what waits to be published."""

from __future__ import annotations

from django import template

from keyhouse.core import clock
from keyhouse.projects.models import Project
from keyhouse.publishing.staging import queries

register = template.Library()


@register.simple_tag
def count_staged(project: Project) -> int:
    """Return how many staged releases of a project wait."""
    return queries.waiting_of(project, clock.now()).count()


@register.simple_tag(takes_context=True)
def staged_of_role_page(context: template.Context) -> dict[int, int]:
    """Return how many wait in each project of the list that is shown, in one query."""
    return queries.counts_of([project.pk for project, _ in context["listed"]], clock.now())


@register.filter
def of(counts: dict[int, int], key: int) -> int:
    """Return one of several counts, 0 where there is none."""
    return counts.get(key, 0)
