"""Reading quarantines."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import BooleanField, Case, Exists, OuterRef, QuerySet, Value, When

from keyhouse.projects.models import File, Project, Release
from keyhouse.safety.quarantine.models import Quarantine


def lasting() -> QuerySet[Any]:
    """Return the quarantines that last, the newest first; each says whether it holds something (`is_holding`)."""
    found = Quarantine.objects.filter(lifted_at__isnull=True).select_related("project")
    return found.annotate(is_holding=_HOLDING).order_by("-set_at", "-pk")


_HELD_RELEASES: Final = Release.objects.filter(
    project=OuterRef("project"), version=OuterRef("version"), is_quarantined=True
)
_HELD_FILES: Final = File.objects.filter(
    project=OuterRef("project"), filename=OuterRef("filename"), is_quarantined=True
)
# What the host deletes goes from under its quarantine, and what is made anew by its name isn't held.
_HOLDING: Final = Case(
    When(version="", then=Value(value=True)),
    When(filename="", then=Exists(_HELD_RELEASES)),
    default=Exists(_HELD_FILES),
    output_field=BooleanField(),
)


def holds_something(row: Quarantine) -> bool:
    """Tell whether what a lasting quarantine names is there, and held."""
    return lasting().filter(pk=row.pk, is_holding=True).exists()


def lifted() -> QuerySet[Quarantine]:
    """Return those that were lifted, the last one first."""
    found = Quarantine.objects.filter(lifted_at__isnull=False).select_related("project")
    return found.order_by("-lifted_at", "-pk")


def find_lasting(project: Project, version: str, filename: str) -> Quarantine | None:
    """Return the quarantine of exactly this thing, or None."""
    return project.quarantines.filter(version=version, filename=filename, lifted_at__isnull=True).first()


def find_lasting_file(project: Project, filename: str) -> Quarantine | None:
    """Return the quarantine of a file, which may be deleted by now, or None."""
    return project.quarantines.filter(filename=filename, lifted_at__isnull=True).first()


def is_in_force(row: Quarantine) -> bool:
    """Tell whether all that a lasting quarantine names is held; after a deletion by the host it may have been made anew."""
    if not row.version:
        return row.project.status == Project.Status.QUARANTINED
    releases = row.project.releases.filter(version=row.version, is_quarantined=False)
    files = row.project.files.filter(release__version=row.version, is_quarantined=False)
    if row.filename:
        return not files.filter(filename=row.filename).exists()
    return not releases.exists() and not files.exists()


def held_by_themselves(row: Quarantine) -> QuerySet[Any, Any]:
    """Return the names of the files of a release that lasting quarantines of their own hold."""
    of_files = row.project.quarantines.filter(version=row.version, lifted_at__isnull=True).exclude(
        filename=""
    )
    return of_files.values("filename")


def reason_for_file(project: Project, version: str, filename: str) -> str | None:
    """Return why a file of a release is in quarantine, for itself or with its release; None where it isn't."""
    held = project.quarantines.filter(version=version, filename__in=("", filename), lifted_at__isnull=True)
    found = held.order_by("-filename").values_list("reason", flat=True).first()
    return None if found is None else str(found)
