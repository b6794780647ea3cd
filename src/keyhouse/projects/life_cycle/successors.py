"""Nobody is sent to a successor that was deleted, since somebody else may take its name. Once it is back it is told again.

In quarantine it is told on: its name stays taken, and its page says what is the matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from keyhouse.distfiles.names import normalise
from keyhouse.projects import pages, sql
from keyhouse.projects.life_cycle.models import Removal
from keyhouse.projects.models import Project

# as literals: so the index of the few that name one is used
_NAMING: Final = "SELECT id, successor FROM projects_project WHERE successor > ''"


def lock_with_those_naming(name: str) -> None:
    """Lock a project and those that name it, by their numbers, as whoever locks several does; before anything else."""
    naming = [pk for pk, successor in sql.select(_NAMING) if normalise(successor) == name]
    if naming:
        own = Project.objects.filter(normalized_name=name).values_list("pk", flat=True)
        _locked([*naming, *own])


def tell_no_more(project: Project) -> None:
    """Let those that name a project send nobody there any more, in the transaction that deletes it.

    Their rows are locked, and so none of them may have been rendered before.
    """
    name = project.normalized_name
    for one in _locked(pk for pk, successor in sql.select(_NAMING) if normalise(successor) == name):
        if one.successor_key is None and normalise(one.successor) == name:
            _set(one, project.pk)


def tell_again(project: Project) -> None:
    """Let those that named a project send people there again, in the transaction that brings it back."""
    for one in _locked(pk for pk, _ in sql.select(f"{_NAMING} AND successor_key = %s", project.pk)):
        if one.successor_key == project.pk:
            _set(one, None)


def key_after(project: Project, removal: Removal) -> int | None:
    """Return which successor of a project that comes back is gone: it may have gone, or come back, meanwhile."""
    key = project.successor_key
    if key is not None:
        return None if Project.objects.filter(pk=key).exists() else key
    gone = Removal.objects.filter(
        kind=Removal.Kind.PROJECT,
        normalized_name=normalise(project.successor),
        removed_at__gte=removal.removed_at,
    )
    return gone.order_by("pk").values_list("project_key", flat=True).first() if project.successor else None


def _locked(keys: Iterable[int]) -> list[Project]:
    wanted = list(keys)
    return list(Project.objects.select_for_update().filter(pk__in=wanted).order_by("pk")) if wanted else []


def _set(project: Project, key: int | None) -> None:
    project.successor_key = key
    project.save(update_fields=["successor_key"])
    pages.refresh_pages(project)
