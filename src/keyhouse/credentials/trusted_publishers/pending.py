"""What becomes of pending publishers when a project is made: one gets it, the others for such a name end.

A pending publisher reserves nothing. All of this happens in the transaction that makes the project, so that of two who
come at once one has the project, and the other learns that the name is taken.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from keyhouse.audit.services import record
from keyhouse.core import clock
from keyhouse.core.actor import Actor
from keyhouse.credentials.trusted_publishers import letters
from keyhouse.credentials.trusted_publishers.acting import PublisherScope
from keyhouse.credentials.trusted_publishers.models import Publisher
from keyhouse.credentials.trusted_publishers.services import end_pending, tell_owners, thing_of
from keyhouse.distfiles.names import fold
from keyhouse.projects.errors import NameRefused
from keyhouse.projects.models import Project

TAKEN: Final = "somebody else took the name"


def follow_new_project(project: Project, by: Actor) -> None:
    """Give the project to the pending publisher that made it, and end every other one for such a name.

    In the caller's transaction. Raises NameRefused where the publisher has ended since it was asked.
    """
    now = clock.now()
    maker = _maker_of(project, by)
    if maker is not None:
        _settle(maker, project, by, now)
    for one in _waiting_for(project):
        end_pending(one, TAKEN, letters.pending_overtaken(one), now)


def _maker_of(project: Project, by: Actor) -> Publisher | None:
    scope = by.restrictions
    if not isinstance(scope, PublisherScope):
        return None
    found = scope.publisher_for(None, project.normalized_name)
    if found is None:
        raise NameRefused("Nobody set a publisher up that makes a project of this name.")
    return found


def _settle(maker: Publisher, project: Project, by: Actor, now: datetime) -> None:
    waiting = Publisher.objects.filter(
        pk=maker.pk, project__isnull=True, pending_normalized_name=project.normalized_name
    )
    is_there = waiting.update(
        project=project, organization=None, pending_name="", pending_normalized_name="", expires_at=None
    )
    if not is_there:
        raise NameRefused("The pending publisher for this name has ended.")
    tell_owners(maker, letters.made_project(maker, project), now)
    record(
        "publisher.settle",
        by=by,
        about=thing_of(maker),
        account_id=maker.configured_by_id,
        details={"project": project.normalized_name},
    )


def _waiting_for(project: Project) -> list[Publisher]:
    """Return the pending publishers for this name, and for names that people confuse with it; their rows are locked."""
    waiting = Publisher.objects.filter(project__isnull=True).exclude(pending_normalized_name="")
    names = waiting.order_by("pk").values_list("pk", "pending_normalized_name")
    taken = [pk for pk, name in names if fold(name) == project.folded_name]
    if not taken:
        return []
    rows = waiting.filter(pk__in=taken).select_related("configured_by", "organization").order_by("pk")
    return list(rows.select_for_update(of=("self",)))
