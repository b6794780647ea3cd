"""Reading what was deleted and can be brought back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from django.db.models import Q, QuerySet

from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.organizations.models import Membership
from keyhouse.projects import reading
from keyhouse.projects.life_cycle.errors import NothingToRestore
from keyhouse.projects.life_cycle.models import KeptRole, Removal
from keyhouse.projects.models import File, Project
from keyhouse.projects.rules import OWNER


def removals_of(project: Project, now: datetime) -> QuerySet[Removal]:
    """Return which releases and files of a project can be brought back, the one deleted last first."""
    parts = Removal.objects.filter(project_key=project.pk).exclude(kind=Removal.Kind.PROJECT)
    return _open(parts, now)


def removals_for(user_id: int, now: datetime) -> QuerySet[Removal]:
    """Return which projects somebody owned when they were deleted and can bring back, the one deleted last first."""
    return _open(_owned_by(user_id), now)


def _owned_by(user_id: int) -> QuerySet[Removal]:
    """Return the deletions of projects that somebody owned, or owns by the organization that they stood in."""
    own = KeptRole.objects.filter(user_id=user_id, kind=OWNER).values("removal_id")
    organizations = Membership.objects.filter(user_id=user_id, kind=OWNER).values("organization_id")
    whole = Removal.objects.filter(kind=Removal.Kind.PROJECT)
    return whole.filter(Q(pk__in=own) | Q(organization_key__in=organizations))


def all_removals(now: datetime) -> QuerySet[Removal]:
    """Return all that can be brought back, the one deleted last first."""
    return _open(Removal.objects.all(), now)


def removals_named(normalized_name: str, now: datetime) -> QuerySet[Removal]:
    """Return all that can be brought back under a project's name, the one deleted last first."""
    return _open(Removal.objects.filter(normalized_name=normalized_name), now)


def _open(removals: QuerySet[Removal], now: datetime) -> QuerySet[Removal]:
    return removals.filter(until_at__gt=now, swept_at=None).order_by("-removed_at", "-pk")


def name_of(removal_id: int) -> str:
    """Return the normalised name of the project of a deletion, or nothing."""
    names = Removal.objects.filter(pk=removal_id).values_list("normalized_name", flat=True)
    return names.first() or ""


def count_left(removal_id: int) -> int:
    """Return how many files a deletion still keeps after it was undone as far as could be."""
    counts = Removal.objects.filter(pk=removal_id).values_list("file_count", flat=True)
    return counts.first() or 0


def get_removal(
    removal_id: int, now: datetime, project: Project | None = None, action: str = "project.restore"
) -> Removal:
    """Return the deletion of that number that this action undoes, in `project` if that is there; raises NothingToRestore."""
    removals = Removal.objects.filter(pk=removal_id, kind=action.partition(".")[0])
    if project is not None:
        removals = removals.filter(project_key=project.pk)
    found = _open(removals, now).first()
    if found is None:
        raise NothingToRestore
    return found


def was_owner(user_id: int | None, thing: Thing | None) -> bool:
    """Tell whether somebody owned what was deleted: a deletion by its number, or any project of that name."""
    if user_id is None or thing is None:
        return False
    owned = _owned_by(user_id)
    if thing.kind == "removal":
        return thing.id is not None and owned.filter(pk=thing.id).exists()
    return owned.filter(normalized_name=thing.name).exists()


def find_alike(files: Iterable[File], by: Actor) -> dict[str, str]:
    """Return by the names of these files which file is here that has the name or the bytes of one, where there is one.

    That there is one can't be kept from whoever brings them back; its name is, where they may not read its project.
    """
    kept, found = list(files), dict[str, str]()
    for start in range(0, len(kept), 100):
        some = kept[start : start + 100]
        names, digests = [file.filename for file in some], [file.blake2 for file in some]
        here = File.objects.filter(filename__in=names) | File.objects.filter(blake2__in=digests)
        for filename, blake2, project in here.order_by("pk").values_list(*_TOLD):
            alike = [one.filename for one in some if one.filename == filename or one.blake2 == blake2]
            is_told = by.kind == "host" or filename in alike or not reading.is_hidden(by.user_id, project)
            found.update(dict.fromkeys(alike, filename if is_told else _UNTOLD))
    return found


_TOLD: Final = ("filename", "blake2", "project__normalized_name")
_UNTOLD: Final = "a file that you may not read"
