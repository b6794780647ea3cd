"""In which organization a credential would make a project: what that asks of releases holds for the first one, too."""

from __future__ import annotations

from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.organizations.models import Organization


def home_to_be(actor: Actor, normalized_name: str) -> Thing | None:
    """Return the organization that a project of that name would stand in, or None: it would be somebody's own.

    The project isn't there yet, so the gate is asked about an upload with the organization in its place.
    """
    number = actor.restrictions.home_of(normalized_name) if actor.restrictions else None
    found = None if number is None else Organization.objects.filter(pk=number).first()
    return None if found is None else Thing("organization", found.pk, found.normalized_name)
