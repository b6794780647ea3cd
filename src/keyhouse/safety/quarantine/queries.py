"""Reading quarantines."""

from __future__ import annotations

from django.db.models import QuerySet

from keyhouse.projects.models import Project
from keyhouse.safety.quarantine.models import Quarantine


def lasting() -> QuerySet[Quarantine]:
    """Return the quarantines that last, the newest first."""
    found = Quarantine.objects.filter(lifted_at__isnull=True).select_related("project")
    return found.order_by("-set_at", "-pk")


def lifted() -> QuerySet[Quarantine]:
    """Return those that were lifted, the last one first."""
    found = Quarantine.objects.filter(lifted_at__isnull=False).select_related("project")
    return found.order_by("-lifted_at", "-pk")


def find_lasting(project: Project, version: str, filename: str) -> Quarantine | None:
    """Return the quarantine of exactly this thing, or None."""
    return project.quarantines.filter(version=version, filename=filename, lifted_at__isnull=True).first()


def is_in_force(row: Quarantine) -> bool:
    """Tell whether all that a lasting quarantine names is held; after a deletion by the host it may have been made anew."""
    if not row.version:
        return row.project.status == Project.Status.QUARANTINED
    releases = row.project.releases.filter(version=row.version, is_quarantined=False)
    files = row.project.files.filter(release__version=row.version, is_quarantined=False)
    if row.filename:
        return not files.filter(filename=row.filename).exists()
    return not releases.exists() and not files.exists()


def reason_for_file(project: Project, version: str, filename: str) -> str | None:
    """Return why a file of a release is in quarantine, for itself or with its release; None where it isn't."""
    held = project.quarantines.filter(version=version, filename__in=("", filename), lifted_at__isnull=True)
    found = held.order_by("-filename").values_list("reason", flat=True).first()
    return None if found is None else str(found)
