"""What templates ask about what became of a project."""

from __future__ import annotations

from typing import Final

from django import template
from django.template import RequestContext

from keyhouse.distfiles.names import normalise
from keyhouse.projects import queries
from keyhouse.projects.reading import readable_by
from keyhouse.projects.visiting import actor_of

register: Final = template.Library()


@register.simple_tag(takes_context=True)
def page_here(context: RequestContext, successor: str) -> str:
    """Return the normalised name of the project that is named so, where whoever asks has a page of it here, or nothing."""
    return (
        queries.visible_projects()
        .filter(readable_by(actor_of(context.request).user_id), normalized_name=normalise(successor))
        .values_list("normalized_name", flat=True)
        .first()
        or ""
    )
